//! The page on which the code of a text message is typed. It shows the incident that the code opens;
//! its buttons act.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::Extension;
use axum::body::Body;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use inbound::{BodyLimits, read_body};

use super::{form, phone};
use crate::delivery::Language;
use crate::engine::{CodeRefusal, Handle};
use crate::page::{self, Notice, PageAction};

const FORM_BYTES_MAX: usize = 1_024;

pub(super) async fn show(State(handle): State<Handle>) -> Response {
    answer(StatusCode::OK, None, language(&handle).await)
}

pub(super) async fn open(
    State(handle): State<Handle>,
    peer: Option<Extension<ConnectInfo<SocketAddr>>>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    // Without a connection nobody can be told apart, so all share one address.
    let nobody = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    let from = peer.map_or(nobody, |Extension(ConnectInfo(peer))| {
        peer.ip().to_canonical()
    });
    let form = read_body(&headers, body, &BodyLimits::small(FORM_BYTES_MAX)).await;
    let fields = form.map(|bytes| form::fields(&bytes)).unwrap_or_default();
    let typed = form::value(&fields, PageAction::CODE_FIELD).unwrap_or_default();
    match handle.open_code(typed, from).await {
        Ok(code) => {
            let key = &handle.links().key;
            let token = page::sign(key, &code.incident, &code.person, code.expires);
            // Relative to this page, unlike the page of a link.
            phone::opened(&handle, &token, &format!("a/{token}")).await
        }
        Err(refusal) => {
            let (status, notice) = match refusal {
                CodeRefusal::Wrong => (StatusCode::NOT_FOUND, Notice::WrongCode),
                CodeRefusal::TooMany => (StatusCode::TOO_MANY_REQUESTS, Notice::TooManyCodes),
                CodeRefusal::Failed => (StatusCode::SERVICE_UNAVAILABLE, Notice::Failed),
            };
            answer(status, Some(notice), language(&handle).await)
        }
    }
}

async fn language(handle: &Handle) -> Language {
    let policy = handle.policy().await;
    policy.map_or(Language::En, |policy| policy.config.language)
}

fn answer(status: StatusCode, notice: Option<Notice>, language: Language) -> Response {
    let page = page::render_code_form(notice, language);
    (status, page::headers(), page).into_response()
}
