//! What the API's description says of every call alike, so that no room has to repeat it.

use std::collections::BTreeSet;

use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::{Components, Content, ContentBuilder, OpenApi, Ref, RefOr, Response, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::problem::Wire;

const JSON: &str = "application/json";
const PROBLEM_JSON: &str = "application/problem+json";
const OTHER_REFUSALS: &str = "refused: no known token or one that may not, a body or a query that cannot be read, \
another method, too much at once, or something failed inside";

/// Completes what rooms say of their routes: every refusal is a `Problem`, every call has a name of its
/// own, and a JSON body whose fields may all be left out may be left out itself, as [`crate::Json`] reads
/// it.
pub fn complete_description(document: &mut OpenApi) {
    let components = document.components.get_or_insert_default();
    let name = Wire::name().into_owned();
    components.schemas.insert(name, Wire::schema());
    let bare = bare_bodies(components);
    for (path, item) in &mut document.paths.paths {
        for (method, operation) in operations(item) {
            // Handlers of different rooms have the same names.
            operation.operation_id = Some(operation_id(method, path));
            describe_refusals(operation);
            may_be_empty(operation, &bare);
        }
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = (&'static str, &mut Operation)> {
    [
        ("get", &mut item.get),
        ("put", &mut item.put),
        ("post", &mut item.post),
        ("patch", &mut item.patch),
        ("delete", &mut item.delete),
    ]
    .into_iter()
    .filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

/// `get_functions_namespace_function` for `GET /api/v1/functions/{namespace}/{function}`.
fn operation_id(method: &str, path: &str) -> String {
    let path = path.strip_prefix("/api/v1").unwrap_or(path);
    let words = path.split(|c: char| !c.is_ascii_alphanumeric());
    let words = words.filter(|word| !word.is_empty());
    std::iter::once(method)
        .chain(words)
        .collect::<Vec<_>>()
        .join("_")
}

fn describe_refusals(operation: &mut Operation) {
    for response in operation.responses.responses.values_mut() {
        if let RefOr::T(response) = response
            && let Some(content) = response.content.get_mut(PROBLEM_JSON)
        {
            content.schema.get_or_insert_with(problem);
        }
    }
    let others = operation.responses.responses.entry("default".to_owned());
    others.or_insert_with(|| {
        let mut response = Response::new(OTHER_REFUSALS);
        let content: Content = ContentBuilder::new().schema(Some(problem())).build();
        response.content.insert(PROBLEM_JSON.to_owned(), content);
        response.into()
    });
}

fn problem() -> RefOr<Schema> {
    Ref::from_schema_name(Wire::name()).into()
}

/// Where the schemas lie of which nothing is required.
fn bare_bodies(components: &Components) -> BTreeSet<String> {
    let bare = components.schemas.iter().filter(|(_, schema)| {
        matches!(schema, RefOr::T(Schema::Object(object)) if object.required.is_empty())
    });
    bare.map(|(name, _)| Ref::from_schema_name(name).ref_location)
        .collect()
}

fn may_be_empty(operation: &mut Operation, bare: &BTreeSet<String>) {
    if let Some(body) = &mut operation.request_body
        && let Some(content) = body.content.get(JSON)
        && let Some(RefOr::Ref(schema)) = &content.schema
        && bare.contains(&schema.ref_location)
    {
        body.required = None;
    }
}

#[cfg(test)]
mod tests {
    #![allow(dead_code)] // routes and bodies that are only described
    #![allow(unused_qualifications)] // the macro's

    use serde_json::json;
    use utoipa::OpenApi as _;

    use super::*;

    #[derive(ToSchema)]
    struct Remark {
        text: String,
    }

    #[derive(ToSchema)]
    struct Nothing {
        by: Option<String>,
    }

    #[utoipa::path(post, path = "/api/v1/things/{id}/note", request_body = Remark, responses(
        (status = 200, description = "it", body = Remark),
        (status = 404, description = "no such thing", content_type = "application/problem+json"),
    ))]
    fn note() {}

    #[utoipa::path(post, path = "/-/rest", request_body = Nothing, responses((status = 200, description = "it")))]
    fn rest() {}

    #[derive(utoipa::OpenApi)]
    #[openapi(paths(note, rest))]
    struct Described;

    #[test]
    fn refusals_names_and_bodies_are_completed() {
        let mut document = Described::openapi();
        complete_description(&mut document);
        let document = serde_json::to_value(&document).unwrap();
        let note = &document["paths"]["/api/v1/things/{id}/note"]["post"];
        assert_eq!(note["operationId"], "post_things_id_note");
        assert_eq!(note["requestBody"]["required"], true);
        let problem = json!({"schema": {"$ref": "#/components/schemas/Problem"}});
        for status in ["404", "default"] {
            let content = &note["responses"][status]["content"];
            assert_eq!(content["application/problem+json"], problem, "{status}");
        }
        let rest = &document["paths"]["/-/rest"]["post"];
        assert_eq!(rest["operationId"], "post_rest");
        assert!(rest["requestBody"].get("required").is_none(), "{rest}");
        let problem = &document["components"]["schemas"]["Problem"];
        assert_eq!(
            problem["required"],
            json!(["type", "title", "status", "detail"])
        );
    }
}
