//! The picture of an incident, for chats that show what an address leads to. The address is signed, shows
//! one incident's function and does nothing.

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::response::{IntoResponse, Response};
use inbound::Path;

use crate::engine::Handle;
use crate::page::{self, PageError};

pub(super) async fn show(State(handle): State<Handle>, Path(name): Path<String>) -> Response {
    let token = name.strip_suffix(".png").unwrap_or(&name);
    let claim = match page::verify_picture(&handle.links().key, token, handle.now()) {
        Ok(claim) => claim,
        Err(PageError::Expired) => return StatusCode::GONE.into_response(),
        Err(_) => return StatusCode::NOT_FOUND.into_response(),
    };
    let picture = match handle.incident(&claim.incident).await {
        Ok(incident) => handle.picture(&incident).await,
        Err(_) => None,
    };
    let Some(picture) = picture else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let headers = [
        (CONTENT_TYPE, "image/png"),
        (CACHE_CONTROL, "private, max-age=60"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, picture.bytes().to_vec()).into_response()
}
