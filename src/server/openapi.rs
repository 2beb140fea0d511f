//! `GET /api/v1/openapi.json`: what the rooms say of their routes, as one OpenAPI 3.1 document.

use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use inbound::{Access, Routes};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder, ServerBuilder};

const DESCRIPTION: &str = "Watches every function's QPS and success rate and tells a person when one drops. \
Errors are RFC 9457 problem documents. Instants are RFC 3339 in UTC with milliseconds; shares lie between 0 and 1; \
null means unknown.";

/// The whole description.
pub fn document() -> OpenApi {
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
        .servers(Some([ServerBuilder::new().url("/").build()]))
        .security(Some([
            SecurityRequirement::new("token", Vec::<String>::new()),
            // Without tokens in the configuration, callers on the same machine need none.
            SecurityRequirement::default(),
        ]))
        .build();
    for room in [
        collector::openapi(),
        rules::openapi(),
        alerting::openapi(),
        dashboards::openapi(),
        super::health::openapi(),
    ] {
        document.merge(room);
    }
    let token = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
    let components = document.components.get_or_insert_default();
    components.add_security_scheme("token", token);
    document
}

/// The description as it is committed and served.
pub fn text() -> String {
    // Writing to memory what was just built cannot fail.
    document().to_pretty_json().unwrap_or_default() + "\n"
}

/// The route that serves it.
pub fn routes() -> Routes {
    Routes::new().route(Access::Public, "/api/v1/openapi.json", get(show))
}

async fn show() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], text()).into_response()
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
    fn it_is_an_openapi_document_without_loose_ends() {
        let document: serde_json::Value = serde_json::from_str(&text()).unwrap();
        assert_eq!(document["openapi"], "3.1.0");
        let schemas: BTreeSet<&str> = document["components"]["schemas"]
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        let whole = text();
        let named = whole.split("\"#/components/schemas/").skip(1);
        let named: BTreeSet<&str> = named.filter_map(|rest| rest.split('"').next()).collect();
        assert!(named.len() > 20, "{named:?}");
        let missing: Vec<_> = named.difference(&schemas).collect();
        assert!(missing.is_empty(), "named and not described: {missing:?}");
    }

    #[tokio::test]
    async fn it_describes_the_paths_that_are_answered_and_no_others() {
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
        let is_api =
            |path: &&String| path.starts_with("/api/v1/") && !path.ends_with("openapi.json");
        let answered: BTreeSet<String> = app.paths().iter().filter(is_api).cloned().collect();
        app.stop().await;
        let described = document().paths.paths;
        let described: BTreeSet<String> = described.keys().filter(is_api).cloned().collect();
        assert!(answered.len() > 20, "{answered:?}");
        assert_eq!(answered, described);
    }
}
