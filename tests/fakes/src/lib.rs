//! Providers on loopback, for tests of the whole: a DingTalk robot, a webhook receiver, a mail sink,
//! and any other that is called over HTTP; and a real PostgreSQL server.
//!
//! Owns: real listeners on port 0 that speak the provider's protocol, check what it would check
//! (signature, age, rate) and record what arrived; each can be told to refuse, hang or reset.
//! Never: runs in production; reaches out to anything.
//! Entry point: [`DingTalk::start`], [`Webhook::start`], [`Smtp::start`],
//! [`Provider::start`] with a check of [`accounts`], [`Postgres::shared`].

pub mod accounts;
mod dingtalk;
mod http;
mod mail;
mod postgres;
mod provider;
mod records;
mod script;
mod smtp;
mod webhook;

pub use dingtalk::{DingTalk, DingTalkBehaviour, Robot};
pub use mail::{Mail, Part};
pub use postgres::Postgres;
pub use provider::{Call, Provider, ProviderBehaviour, Said};
pub use smtp::{Smtp, SmtpBehaviour, Stage};
pub use webhook::{Hook, Webhook, WebhookBehaviour};

use std::fmt::Write as _;

/// Lower-case hexadecimal.
fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// HMAC-SHA256; any key length is valid.
fn hmac_sha256(key: &[u8], message: &[u8]) -> Vec<u8> {
    use hmac::{KeyInit as _, Mac as _};
    match hmac::Hmac::<sha2::Sha256>::new_from_slice(key) {
        Ok(mut mac) => {
            mac.update(message);
            mac.finalize().into_bytes().to_vec()
        }
        Err(_) => Vec::new(),
    }
}
