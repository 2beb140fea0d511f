//! The pages: one document with its script and style, built from `dashboards/web` and embedded.
//!
//! The files have stable names in the repository and names with a hash when served, so that browsers
//! keep them for good and never mix versions. The document says where the application lives, so that
//! every link works below an external address with a path.

use std::io::Write;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use flate2::Compression;
use flate2::write::GzEncoder;
use inbound::{Path, ProblemDocument};
use sha2::{Digest, Sha256};

use crate::Sources;

const DOCUMENT: &str = include_str!("../web/dist/index.html");
const SCRIPT: &str = include_str!("../web/dist/assets/app.js");
const STYLE: &str = include_str!("../web/dist/assets/app.css");
const ICON: &str = include_str!("../web/dist/favicon.svg");
/// Enough of a hash to tell versions of a file apart.
const HASH_BYTES: usize = 6;
/// The words of each language, which the script loads by their stable names.
const WORDS: [(&str, &str); 2] = [
    ("en", include_str!("../web/dist/assets/en.js")),
    ("zh", include_str!("../web/dist/assets/zh.js")),
];
const SCRIPT_TYPE: &str = "text/javascript; charset=utf-8";

/// Nothing from elsewhere, nothing inline, never in a frame.
pub(crate) const POLICY: &str = "default-src 'self'; img-src 'self' data:; base-uri 'self'; \
     form-action 'self'; object-src 'none'; frame-ancestors 'none'";

/// The pages, ready to be served. Clones share them.
#[derive(Clone, Debug)]
pub struct Pages {
    /// The document for each language of [`WORDS`]: its words are loaded beside the script, which would
    /// otherwise ask for them only once it runs.
    documents: Arc<[String; 2]>,
    assets: Arc<[Asset]>,
}

#[derive(Debug)]
struct Asset {
    name: String,
    content_type: &'static str,
    plain: String,
    zipped: Vec<u8>,
}

impl Asset {
    fn new(stem: &str, ending: &str, content_type: &'static str, plain: &str) -> Asset {
        let hash = Sha256::digest(plain)
            .iter()
            .take(HASH_BYTES)
            .fold(0_u64, |hash, byte| hash << 8 | u64::from(*byte));
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        let zipped = encoder
            .write_all(plain.as_bytes())
            .and_then(|()| encoder.finish());
        Asset {
            name: format!("{stem}-{hash:012x}.{ending}"),
            content_type,
            plain: plain.to_owned(),
            // Writing to memory does not fail; if it did, the plain bytes are served.
            zipped: zipped.unwrap_or_default(),
        }
    }

    fn answer(&self, headers: &HeaderMap) -> Response {
        let content_type = HeaderValue::from_static(self.content_type);
        let kept = HeaderValue::from_static("public, max-age=31536000, immutable");
        let by_encoding = HeaderValue::from_static("accept-encoding");
        let headers_out = [
            (header::CONTENT_TYPE, content_type),
            (header::CACHE_CONTROL, kept),
            (header::VARY, by_encoding),
        ];
        if takes_gzip(headers) && !self.zipped.is_empty() {
            let encoding = [(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"))];
            return (headers_out, encoding, self.zipped.clone()).into_response();
        }
        (headers_out, self.plain.clone()).into_response()
    }
}

fn takes_gzip(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|coding| {
            let mut parts = coding.split(';').map(str::trim);
            parts.next() == Some("gzip") && !parts.any(|part| matches!(part, "q=0" | "q=0.0"))
        })
}

impl Pages {
    /// The pages as they live below `base`, a path such as `/` or `/guard/`.
    pub fn below(base: &str) -> Pages {
        let words = WORDS.map(|(name, text)| Asset::new(name, "js", SCRIPT_TYPE, text));
        let mut script = SCRIPT.to_owned();
        for ((name, _), asset) in WORDS.iter().zip(&words) {
            script = script.replace(&format!("./{name}.js"), &format!("./{}", asset.name));
        }
        let shown = [
            Asset::new("app", "js", SCRIPT_TYPE, &script),
            Asset::new("app", "css", "text/css; charset=utf-8", STYLE),
            Asset::new("favicon", "svg", "image/svg+xml", ICON),
        ];
        let base = format!("<base href=\"{}\"", escape(base));
        let mut document = DOCUMENT.replace("<base href=\"/\"", &base);
        for (asset, written) in shown
            .iter()
            .zip(["assets/app.js", "assets/app.css", "favicon.svg"])
        {
            document = document.replace(written, &format!("assets/{}", asset.name));
        }
        let documents = words.each_ref().map(|asset| {
            let link = format!(
                "  <link rel=\"modulepreload\" href=\"assets/{}\">\n  </head>",
                asset.name
            );
            document.replace("</head>", &link)
        });
        let assets: Vec<Asset> = shown.into_iter().chain(words).collect();
        Pages {
            documents: Arc::new(documents),
            assets: assets.into(),
        }
    }

    /// The document, for any page: in English, or in Chinese where the address or the browser says so.
    /// The script decides which language is shown; a wrong guess here costs one small file.
    fn document(&self, status: StatusCode, query: &str, headers: &HeaderMap) -> Response {
        let [english, chinese] = &*self.documents;
        let document = if wants_chinese(query, headers) {
            chinese
        } else {
            english
        };
        let headers = [
            (header::CONTENT_TYPE, "text/html; charset=utf-8"),
            (header::CONTENT_SECURITY_POLICY, POLICY),
            (header::CACHE_CONTROL, "no-cache"),
            (header::REFERRER_POLICY, "same-origin"),
            (header::VARY, "accept-language"),
        ];
        (status, headers, document.clone()).into_response()
    }

    /// The page that says there is nothing here, for a browser that asks for a page.
    pub fn missing(&self, headers: &HeaderMap) -> Option<Response> {
        let accepts = headers.get(header::ACCEPT)?.to_str().ok()?;
        accepts
            .contains("text/html")
            .then(|| self.document(StatusCode::NOT_FOUND, "", headers))
    }
}

fn wants_chinese(query: &str, headers: &HeaderMap) -> bool {
    let said = query
        .split('&')
        .find_map(|pair| pair.strip_prefix("lang="))
        .filter(|language| ["en", "zh"].contains(language));
    let own = headers
        .get(header::ACCEPT_LANGUAGE)
        .and_then(|value| value.to_str().ok());
    let language = said.or(own).unwrap_or_default();
    language
        .get(..2)
        .is_some_and(|tag| tag.eq_ignore_ascii_case("zh"))
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('"', "&quot;")
}

/// Any page.
pub(crate) async fn page(State(sources): State<Sources>, headers: HeaderMap, uri: Uri) -> Response {
    let query = uri.query().unwrap_or_default();
    sources.pages.document(StatusCode::OK, query, &headers)
}

/// A file of the pages, by the name the document gives it.
pub(crate) async fn asset(
    State(sources): State<Sources>,
    headers: HeaderMap,
    Path(name): Path<String>,
) -> Result<Response, ProblemDocument> {
    let found = sources.pages.assets.iter().find(|asset| asset.name == name);
    let asset = found.ok_or_else(|| {
        ProblemDocument::not_found("there is no such file in this version")
            .hint("load the page again")
    })?;
    Ok(asset.answer(&headers))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_names_what_is_served() {
        let pages = Pages::below("/guard/");
        assert_eq!(pages.assets.len(), 5);
        let script = &pages.assets[0].plain;
        for (document, words) in pages.documents.iter().zip(&pages.assets[3..]) {
            assert!(document.contains("<base href=\"/guard/\""));
            for asset in pages.assets.iter() {
                let named = [document, script]
                    .iter()
                    .any(|text| text.contains(&asset.name));
                assert!(named, "{}", asset.name);
            }
            assert!(document.contains(&format!("modulepreload\" href=\"assets/{}", words.name)));
            assert!(!document.contains("<script>") && !document.contains("style="));
        }
    }

    #[test]
    fn words_are_loaded_in_the_language_of_the_address_or_the_browser() {
        let ask = |query: &str, own: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            if let Some(own) = own {
                headers.insert(header::ACCEPT_LANGUAGE, HeaderValue::from_static(own));
            }
            wants_chinese(query, &headers)
        };
        assert!(ask("lang=zh", None) && ask("range=1h&lang=zh", Some("en-GB,en")));
        assert!(ask("", Some("zh-CN,zh;q=0.9,en;q=0.8")) && ask("lang=fr", Some("ZH")));
        assert!(!ask("", None) && !ask("lang=en", Some("zh-CN")) && !ask("", Some("en,zh;q=0.5")));
    }

    #[test]
    fn an_encoding_is_used_when_it_is_taken() {
        let ask = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(text));
            takes_gzip(&headers)
        };
        assert!(ask("gzip") && ask("br, gzip;q=0.5"));
        assert!(!ask("br") && !ask("gzip;q=0") && !takes_gzip(&HeaderMap::new()));
    }
}
