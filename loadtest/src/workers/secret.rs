//! What leader and workers share, and how each proves to have it without telling it.
//!
//! Both sides send 32 random bytes; each answers with HMAC-SHA256 over both, keyed with the token. The
//! same gives every connection two keys of its own, one a direction, under which each frame is signed.

use std::io::Read;
use std::path::Path;

use hmac::{Hmac, KeyInit, Mac};
use rand::RngCore;
use serde::{Deserialize, Serialize};
use sha2::Sha256;

/// The shortest token: a shorter one could be guessed from what is seen on the wire.
pub const TOKEN_BYTES_MIN: usize = 16;
/// The longest token.
pub const TOKEN_BYTES_MAX: usize = 4 << 10;
/// Bytes of a proof and of a frame's signature.
pub(super) const CODE_BYTES: usize = 32;

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The file cannot be read.
    #[error("cannot read the token in {path}: {cause}")]
    Unreadable {
        /// The file.
        path: String,
        /// What the system said.
        cause: std::io::Error,
    },
    /// It could be guessed, or is no token at all.
    #[error(
        "the token in {path} has {bytes} bytes, it needs {TOKEN_BYTES_MIN} to {TOKEN_BYTES_MAX}: write a random text into the file, such as `openssl rand -hex 32` prints"
    )]
    Length {
        /// The file.
        path: String,
        /// Its length.
        bytes: usize,
    },
}

/// A secret that a leader and its workers share. The default is none, for workers on the loopback.
#[derive(Clone, Default)]
pub struct Token(Vec<u8>);

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_empty() {
            "Token(none)"
        } else {
            "Token(…)"
        })
    }
}

impl Token {
    /// Reads one from a file; blanks around it do not count.
    pub fn read(path: &Path) -> Result<Self, TokenError> {
        let mut text = Vec::new();
        std::fs::File::open(path)
            .and_then(|file| file.take(TOKEN_BYTES_MAX as u64 + 2).read_to_end(&mut text))
            .map_err(|cause| TokenError::Unreadable {
                path: path.display().to_string(),
                cause,
            })?;
        let token = text.trim_ascii();
        if !(TOKEN_BYTES_MIN..=TOKEN_BYTES_MAX).contains(&token.len()) {
            return Err(TokenError::Length {
                path: path.display().to_string(),
                bytes: token.len(),
            });
        }
        Ok(Token(token.to_vec()))
    }

    /// Whether there is none.
    pub fn is_none(&self) -> bool {
        self.0.is_empty()
    }

    /// What only a holder of the token can say to these two nonces.
    pub(super) fn code(&self, role: Role, nonces: &Nonces) -> [u8; CODE_BYTES] {
        // A key of any length is taken, so there is no error.
        let Ok(mut code) = Hmac::<Sha256>::new_from_slice(&self.0) else {
            return [0; CODE_BYTES];
        };
        code.update(b"rampart load test worker 1\n");
        code.update(role.word().as_bytes());
        code.update(&nonces.worker);
        code.update(&nonces.leader);
        code.finalize().into_bytes().into()
    }

    /// Whether somebody proved to hold the token; compared in constant time.
    pub(super) fn proves(&self, role: Role, nonces: &Nonces, proof: &[u8; CODE_BYTES]) -> bool {
        let expected = self.code(role, nonces);
        let difference = expected
            .iter()
            .zip(proof)
            .fold(0, |sum, (a, b)| sum | (a ^ b));
        difference == 0
    }
}

/// What a code is for; no code of one purpose serves as another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    LeaderProves,
    WorkerProves,
    LeaderSigns,
    WorkerSigns,
}

impl Role {
    fn word(self) -> &'static str {
        match self {
            Role::LeaderProves => "leader proves\n",
            Role::WorkerProves => "worker proves\n",
            Role::LeaderSigns => "leader signs\n",
            Role::WorkerSigns => "worker signs\n",
        }
    }
}

/// Random bytes of one side.
pub(super) type Nonce = [u8; 32];

/// Fresh random bytes.
pub(super) fn nonce() -> Nonce {
    let mut nonce = Nonce::default();
    rand::rng().fill_bytes(&mut nonce);
    nonce
}

/// The random bytes of both sides: no connection is like another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Nonces {
    pub(super) worker: Nonce,
    pub(super) leader: Nonce,
}

/// Signs, or verifies, the frames of one direction in their order: none can be changed, left out,
/// repeated or taken from another connection.
#[derive(Clone)]
pub(super) struct Seal {
    key: [u8; CODE_BYTES],
    frames: u64,
}

impl std::fmt::Debug for Seal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Seal({} frames)", self.frames)
    }
}

impl Seal {
    pub(super) fn new(token: &Token, role: Role, nonces: &Nonces) -> Self {
        Seal {
            key: token.code(role, nonces),
            frames: 0,
        }
    }

    fn next(&mut self, payload: &[u8]) -> Option<Hmac<Sha256>> {
        let mut code = Hmac::<Sha256>::new_from_slice(&self.key).ok()?;
        code.update(&self.frames.to_be_bytes());
        code.update(payload);
        self.frames += 1;
        Some(code)
    }

    /// The signature of the next frame.
    pub(super) fn sign(&mut self, payload: &[u8]) -> [u8; CODE_BYTES] {
        self.next(payload)
            .map_or([0; CODE_BYTES], |code| code.finalize().into_bytes().into())
    }

    /// Whether the next frame was signed so.
    pub(super) fn verify(&mut self, payload: &[u8], signature: &[u8]) -> bool {
        self.next(payload)
            .is_some_and(|code| code.verify_slice(signature).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(text: &str) -> Token {
        Token(text.as_bytes().to_vec())
    }

    #[test]
    fn a_proof_holds_for_its_token_role_and_connection_alone() {
        let nonces = Nonces {
            worker: nonce(),
            leader: nonce(),
        };
        let ours = token("a token that is long enough");
        let proof = ours.code(Role::LeaderProves, &nonces);
        assert!(ours.proves(Role::LeaderProves, &nonces, &proof));
        assert!(!ours.proves(Role::WorkerProves, &nonces, &proof));
        assert!(!token("another one, as long as it").proves(Role::LeaderProves, &nonces, &proof));
        let later = Nonces {
            worker: nonce(),
            ..nonces
        };
        assert!(!ours.proves(Role::LeaderProves, &later, &proof));
        assert_eq!(format!("{ours:?}"), "Token(…)");
    }

    #[test]
    fn frames_cannot_be_changed_repeated_or_left_out() {
        let nonces = Nonces {
            worker: nonce(),
            leader: nonce(),
        };
        let ours = token("a token that is long enough");
        let seal = || Seal::new(&ours, Role::LeaderSigns, &nonces);
        let (mut signing, mut verifying) = (seal(), seal());
        let first = signing.sign(b"first");
        let second = signing.sign(b"second");
        assert!(seal().verify(b"first", &first));
        assert!(!seal().verify(b"First", &first));
        assert!(!seal().verify(b"second", &second), "the first is missing");
        assert!(verifying.verify(b"first", &first));
        assert!(!verifying.clone().verify(b"first", &first), "said twice");
        assert!(verifying.verify(b"second", &second));
    }

    #[test]
    fn tokens_are_read_without_blanks_and_not_when_short() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        std::fs::write(&path, "  0123456789abcdef\n").unwrap();
        assert_eq!(Token::read(&path).unwrap().0, b"0123456789abcdef");
        for text in ["", "short\n", &"x".repeat(TOKEN_BYTES_MAX + 1)] {
            std::fs::write(&path, text).unwrap();
            let refused = Token::read(&path).unwrap_err().to_string();
            assert!(refused.contains("openssl rand"), "{refused}");
        }
        assert!(Token::read(&folder.path().join("none")).is_err());
    }
}
