//! `GET /api/v1/openapi.json`: what the rooms say of their routes, as one OpenAPI 3.1 document.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use inbound::{Access, Routes};
use utoipa::OpenApi as _;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder, ServerBuilder};

const DESCRIPTION: &str = "Watches every function's QPS and success rate and tells a person when one drops. \
Errors are RFC 9457 problem documents. Instants are RFC 3339 in UTC with milliseconds; shares lie between 0 and 1; \
null means unknown.";

/// Where the API lives when nothing is said of it.
const HERE: &str = "/";

/// The whole description of the API at an address.
pub fn document(server: &str) -> OpenApi {
    let license = LicenseBuilder::new()
        .name("Apache-2.0")
        .identifier(Some("Apache-2.0"))
        .build();
    let info = InfoBuilder::new()
        .title("Rampart")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(DESCRIPTION))
        .license(Some(license))
        .build();
    let mut document = OpenApiBuilder::new()
        .info(info)
        .servers(Some([ServerBuilder::new().url(server).build()]))
        .security(Some([
            SecurityRequirement::new("token", Vec::<String>::new()),
            // Without tokens in the configuration, callers on the same machine need none.
            SecurityRequirement::default(),
        ]))
        .build();
    for room in rooms() {
        document.merge(room);
    }
    inbound::complete_description(&mut document);
    let token = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
    let components = document.components.get_or_insert_default();
    components.add_security_scheme("token", token);
    document
}

fn rooms() -> [OpenApi; 6] {
    [
        collector::openapi(),
        rules::openapi(),
        alerting::openapi(),
        dashboards::openapi(),
        super::health::openapi(),
        Description::openapi(),
    ]
}

/// The description as it is committed.
pub fn text() -> String {
    text_for(HERE)
}

fn text_for(server: &str) -> String {
    // Writing to memory what was just built cannot fail.
    document(server).to_pretty_json().unwrap_or_default() + "\n"
}

/// The route that serves it, with the address that people and machines use from outside.
pub fn routes(external_url: Option<&str>) -> Routes {
    let text = Bytes::from(text_for(external_url.unwrap_or(HERE)));
    Routes::new()
        .route(Access::Public, "/api/v1/openapi.json", get(show))
        .with_state(text)
}

#[derive(utoipa::OpenApi)]
#[openapi(paths(show))]
struct Description;

/// This description.
#[utoipa::path(get, path = "/api/v1/openapi.json", tag = "health", responses(
    (status = 200, description = "OpenAPI 3.1", content_type = "application/json"),
))]
async fn show(State(text): State<Bytes>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], text).into_response()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use model::SystemClock;

    use super::*;
    use crate::app::App;
    use crate::config::{Config, ConfigFiles, Overrides, Surroundings};
    use crate::reload::Origin;

    #[test]
    fn the_committed_file_is_current() {
        let committed = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/openapi.json"));
        assert!(
            committed == text(),
            "docs/openapi.json is not current: rampart schema openapi > docs/openapi.json"
        );
    }

    #[test]
    fn it_is_an_openapi_document_without_loose_ends() {
        let whole = text_for("https://rampart.example.com/guard");
        let document: serde_json::Value = serde_json::from_str(&whole).unwrap();
        assert_eq!(document["openapi"], "3.1.0");
        assert_eq!(
            document["servers"][0]["url"],
            "https://rampart.example.com/guard"
        );
        let schemas = document["components"]["schemas"].as_object().unwrap();
        let named = whole.split("\"#/components/schemas/").skip(1);
        let named: BTreeSet<&str> = named.filter_map(|rest| rest.split('"').next()).collect();
        assert!(named.len() > 20, "{named:?}");
        let missing: Vec<_> = named
            .iter()
            .filter(|n| !schemas.contains_key(**n))
            .collect();
        assert!(missing.is_empty(), "named and not described: {missing:?}");
        // Two rooms that give different types the same name would hide one of them.
        for components in rooms().into_iter().filter_map(|room| room.components) {
            for (name, schema) in components.schemas {
                let schema = serde_json::to_value(schema).unwrap();
                assert_eq!(schema, schemas[&name], "{name}");
            }
        }
        let calls = document["paths"].as_object().unwrap().values();
        let calls = calls.flat_map(|path| path.as_object().unwrap().values());
        let mut ids = BTreeSet::new();
        for call in calls {
            let id = call["operationId"].as_str().unwrap();
            assert!(ids.insert(id), "two calls are {id}");
        }
    }

    /// Everything but pages, which are for people.
    fn is_described(path: &str) -> bool {
        ["/api/", "/-/", "/livez", "/readyz", "/metrics"]
            .iter()
            .any(|start| path.starts_with(start))
    }

    #[tokio::test]
    async fn it_describes_the_calls_that_are_answered_and_no_others() {
        let folder = tempfile::tempdir().unwrap();
        let overrides = Overrides {
            listen: Some("127.0.0.1:0".parse().unwrap()),
            data_dir: Some(folder.path().to_owned()),
            ..Overrides::default()
        };
        let clock = SystemClock::shared();
        let around = Surroundings {
            variable: &|_| None,
            secret_file: &|_| Err("there are no files".to_owned()),
            now: clock.now(),
        };
        let files = ConfigFiles::default();
        let (config, _) = Config::parse(&files, &overrides, &around).unwrap();
        let app = App::start(config, Origin::default(), clock).await.unwrap();
        let client = reqwest::Client::new();
        let mut answered = BTreeSet::new();
        for path in app.paths().iter().filter(|path| is_described(path)) {
            // No route takes TRACE; the refusal lists what it takes.
            let url = format!("http://{}{}", app.address(), path.replace(['{', '}'], ""));
            let refusal = client.request(reqwest::Method::TRACE, url).send().await;
            let refusal = refusal.unwrap();
            assert_eq!(refusal.status(), 405, "{path}");
            let allowed = refusal.headers()["allow"].to_str().unwrap().to_owned();
            for method in allowed.split(',').filter(|method| *method != "HEAD") {
                answered.insert(format!("{method} {path}"));
            }
        }
        app.stop().await;
        let document = serde_json::to_value(document(HERE)).unwrap();
        let described: BTreeSet<String> = document["paths"]
            .as_object()
            .unwrap()
            .iter()
            .flat_map(|(path, item)| {
                let methods = item.as_object().unwrap().keys();
                methods.map(move |method| format!("{} {path}", method.to_uppercase()))
            })
            .collect();
        assert!(answered.len() > 25, "{answered:?}");
        assert_eq!(answered, described);
    }
}
