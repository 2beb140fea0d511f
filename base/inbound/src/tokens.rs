//! Bearer tokens, compared in constant time.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use axum::http::HeaderValue;
use model::Secret;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::{Identity, Role};

/// One configured token.
#[derive(Clone, Debug)]
pub struct Token {
    /// Who holds it; audit lines say this name.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// The text that the holder sends. White space around it is not part of it.
    pub secret: Secret<String>,
}

/// All configured tokens. Only digests are kept. Clones share them, so that a reload of the
/// configuration takes effect at the gate at once.
#[derive(Clone, Debug, Default)]
pub struct Tokens {
    known: Arc<RwLock<Vec<Known>>>,
}

#[derive(Clone, Debug)]
struct Known {
    identity: Identity,
    digest: Secret<[u8; 32]>,
}

impl Tokens {
    /// Takes the configured tokens. One whose secret is empty is left out: it never authenticates.
    pub fn new(tokens: Vec<Token>) -> Self {
        let known = tokens
            .into_iter()
            .filter(|token| !token.secret.expose().trim().is_empty())
            .map(|token| Known {
                digest: Secret::new(digest(token.secret.expose().trim())),
                identity: Identity {
                    name: token.name,
                    role: token.role,
                },
            })
            .collect();
        Tokens {
            known: Arc::new(RwLock::new(known)),
        }
    }

    /// Takes over what `other` knows; who is no longer named is let in no longer.
    pub fn replace(&self, other: &Tokens) {
        let known = other.read().clone();
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = known;
    }

    fn read(&self) -> RwLockReadGuard<'_, Vec<Known>> {
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether no token could authenticate anybody.
    pub fn is_empty(&self) -> bool {
        self.read().is_empty()
    }

    /// Who sent this `Authorization` header. The scheme is `Bearer` in any case, followed by white
    /// space; anything else is nobody.
    pub fn authenticate(&self, authorization: &HeaderValue) -> Option<Identity> {
        let text = authorization.to_str().ok()?.trim();
        let (scheme, secret) = text.split_once([' ', '\t'])?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        self.identify(secret.trim())
    }

    /// Who holds this secret, for protocols that carry it outside `Authorization`.
    pub fn identify(&self, secret: &str) -> Option<Identity> {
        if secret.is_empty() {
            return None;
        }
        let offered = digest(secret);
        // Every token is compared, so the time taken says nothing about which one came close.
        self.read().iter().fold(None, |found, known| {
            let same = bool::from(known.digest.expose().ct_eq(&offered));
            if same && found.is_none() {
                Some(known.identity.clone())
            } else {
                found
            }
        })
    }
}

fn digest(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(name: &str, role: Role, secret: &str) -> Token {
        Token {
            name: name.to_owned(),
            role,
            secret: Secret::new(secret.to_owned()),
        }
    }

    fn who(tokens: &Tokens, header: &str) -> Option<String> {
        tokens
            .authenticate(&HeaderValue::from_str(header).unwrap())
            .map(|identity| identity.name)
    }

    #[test]
    fn a_replaced_token_lets_nobody_in_any_more() {
        let gate = Tokens::new(vec![token("old", Role::Admin, "s3cret-a")]);
        let at_the_door = gate.clone();
        gate.replace(&Tokens::new(vec![token("new", Role::Viewer, "s3cret-b")]));
        assert_eq!(at_the_door.identify("s3cret-a"), None);
        assert!(
            at_the_door
                .identify("s3cret-b")
                .is_some_and(|who| who.name == "new")
        );
    }

    #[test]
    fn headers_against_identities() {
        let tokens = Tokens::new(vec![
            token("gateway", Role::Ingest, "s3cret-a"),
            token("ann", Role::Admin, "s3cret-b\n"),
        ]);
        let table = [
            ("Bearer s3cret-a", Some("gateway")),
            ("bearer s3cret-b", Some("ann")),
            ("BEARER\ts3cret-b", Some("ann")),
            ("Bearer   s3cret-a  ", Some("gateway")),
            ("Bearer s3cret-A", None),
            ("Bearer s3cret-a s3cret-b", None),
            ("Bearer", None),
            ("Bearer ", None),
            ("s3cret-a", None),
            ("Basic s3cret-a", None),
            ("Bearers3cret-a", None),
            ("", None),
        ];
        for (header, expected) in table {
            assert_eq!(who(&tokens, header).as_deref(), expected, "{header:?}");
        }
    }

    #[test]
    fn empty_secrets_never_authenticate() {
        let tokens = Tokens::new(vec![
            token("empty", Role::Admin, ""),
            token("blank", Role::Admin, " \n"),
        ]);
        assert!(tokens.is_empty());
        for header in ["Bearer ", "Bearer  ", "Bearer", "Bearer \t"] {
            assert_eq!(who(&tokens, header), None, "{header:?}");
        }
        assert_eq!(tokens.identify(""), None);
    }

    #[test]
    fn debug_shows_no_secret_and_no_digest() {
        let secret = token("a", Role::Admin, "canary");
        let tokens = Tokens::new(vec![secret.clone()]);
        let shown = format!("{secret:?} {tokens:?}");
        assert!(!shown.contains("canary"), "{shown}");
        let first_byte = digest("canary")[0].to_string();
        assert!(!shown.contains(&format!("[{first_byte},")), "{shown}");
    }
}
