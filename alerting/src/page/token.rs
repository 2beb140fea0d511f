//! The signed link: who may act on which incident, until when. Nothing is stored for it, so it works
//! while the database is slow and survives a restart.
//!
//! A token is `base64url(payload) "." base64url(HMAC-SHA256(key, purpose ++ payload))`, both without
//! padding. The payload is a version byte, the expiry in seconds (8 bytes, big-endian), the length of
//! the incident's id (2 bytes) and the two texts.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use model::Timestamp;
use sha2::Sha256;

const VERSION: u8 = 1;
/// Keeps a tag made for one purpose from being another's, though the key is the same.
const PAGE: &[u8] = b"rampart phone page\0";
/// Whoever may see a picture may do nothing: it is fetched by the servers of chats.
const PICTURE: &[u8] = b"rampart picture\0";
const HEAD_BYTES: usize = 11;
/// Longer than any token made here; more is not even decoded.
const TOKEN_BYTES_MAX: usize = 1024;

/// What a genuine token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The incident's id.
    pub incident: String,
    /// The id of the person it was made for; empty for a room.
    pub person: String,
    /// When it ends, to the second.
    pub expires: Timestamp,
}

/// Why a token opens nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PageError {
    /// The tag does not fit: another key, or changed on the way.
    #[error("the link was not made by this server")]
    Forged,
    /// It was genuine and is over.
    #[error("the link has expired")]
    Expired,
    /// It is no token at all.
    #[error("the link is incomplete")]
    Malformed,
}

/// Makes a token. `person` is empty for a link that a whole room sees.
pub fn sign(key: &[u8], incident_id: &str, person: &str, expires: Timestamp) -> String {
    sign_for(PAGE, key, incident_id, person, expires)
}

/// Makes a token that shows the picture of an incident and does nothing else.
pub fn sign_picture(key: &[u8], incident_id: &str, expires: Timestamp) -> String {
    sign_for(PICTURE, key, incident_id, "", expires)
}

fn sign_for(
    purpose: &[u8],
    key: &[u8],
    incident_id: &str,
    person: &str,
    expires: Timestamp,
) -> String {
    let id_bytes = u16::try_from(incident_id.len()).unwrap_or(u16::MAX);
    let mut payload = vec![VERSION];
    payload.extend_from_slice(&expires.as_seconds().to_be_bytes());
    payload.extend_from_slice(&id_bytes.to_be_bytes());
    payload.extend_from_slice(incident_id.as_bytes());
    payload.extend_from_slice(person.as_bytes());
    let tag = mac(purpose, key, &payload).map(|mac| mac.finalize().into_bytes());
    let tag = tag.unwrap_or_default();
    format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(&payload),
        URL_SAFE_NO_PAD.encode(tag)
    )
}

/// Reads a token; the tag is compared in constant time and before anything in it is believed.
pub fn verify(key: &[u8], token: &str, now: Timestamp) -> Result<Claim, PageError> {
    verify_for(PAGE, key, token, now)
}

/// Reads a token of [`sign_picture`].
pub fn verify_picture(key: &[u8], token: &str, now: Timestamp) -> Result<Claim, PageError> {
    verify_for(PICTURE, key, token, now)
}

fn verify_for(purpose: &[u8], key: &[u8], token: &str, now: Timestamp) -> Result<Claim, PageError> {
    if token.len() > TOKEN_BYTES_MAX {
        return Err(PageError::Malformed);
    }
    let (payload, tag) = token.split_once('.').ok_or(PageError::Malformed)?;
    let decode = |text: &str| {
        URL_SAFE_NO_PAD
            .decode(text)
            .map_err(|_| PageError::Malformed)
    };
    let (payload, tag) = (decode(payload)?, decode(tag)?);
    let mac = mac(purpose, key, &payload).ok_or(PageError::Forged)?;
    mac.verify_slice(&tag).map_err(|_| PageError::Forged)?;
    let claim = read(&payload).ok_or(PageError::Malformed)?;
    if now >= claim.expires {
        return Err(PageError::Expired);
    }
    Ok(claim)
}

fn read(payload: &[u8]) -> Option<Claim> {
    let (head, texts) = payload.split_at_checked(HEAD_BYTES)?;
    let (version, rest) = head.split_first()?;
    let (seconds, id_bytes) = rest.split_at_checked(8)?;
    let seconds = i64::from_be_bytes(seconds.try_into().ok()?);
    let id_bytes = u16::from_be_bytes(id_bytes.try_into().ok()?);
    let (incident, person) = texts.split_at_checked(usize::from(id_bytes))?;
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
    (*version == VERSION).then_some(Claim {
        incident: text(incident)?,
        person: text(person)?,
        expires: Timestamp::from_seconds(seconds),
    })
}

/// `None` never happens (HMAC takes keys of any length), but an empty key must not sign anything.
fn mac(purpose: &[u8], key: &[u8], payload: &[u8]) -> Option<Hmac<Sha256>> {
    if key.is_empty() {
        return None;
    }
    let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    mac.update(purpose);
    mac.update(payload);
    Some(mac)
}
