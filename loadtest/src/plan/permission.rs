//! A signed, expiring permission to send load to a target that serves real users.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use model::{Rate, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use super::Target;
use super::files::{ReadError, read_text};

/// The shortest key that signs.
pub const PERMISSION_KEY_BYTES_MIN: usize = 16;
/// The largest permission file.
pub const PERMISSION_FILE_BYTES_MAX: u64 = 16 << 10;
/// The longest that a permission may be given for.
pub const PERMISSION_DURATION_MAX: Duration = Duration::from_hours(31 * 24);

/// What somebody who holds the key allows. In its file: JSON with exactly these fields.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Permission {
    /// The target, scheme, host and port: `https://feed.example.com:443`.
    pub target: String,
    /// The highest rate, calls per second.
    pub rate_max: f64,
    /// From then on it is void.
    pub expires: Timestamp,
    /// HMAC-SHA256 over the three, in hexadecimal.
    pub signature: String,
}

impl fmt::Display for Permission {
    /// As its file holds it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string_pretty(self).map_err(|_| fmt::Error)?)
    }
}

/// Whether a target may be sent up to `highest` calls per second: always when it is not marked as
/// production, otherwise with a permission that is signed with `key`, not over, and for at least that rate.
pub fn check_permission(
    target: &Target,
    highest: f64,
    key: Option<&[u8]>,
    now: Timestamp,
) -> Result<(), PermissionError> {
    if !target.production {
        return Ok(());
    }
    let (Some(file), Some(key)) = (&target.permission_file, key) else {
        return Err(PermissionError::Missing {
            target: target.origin(),
        });
    };
    Permission::read(file)?.verify(target, highest, now, key)
}

/// Why a permission does not permit.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum PermissionError {
    /// The file is not one.
    #[error("the permission {path} cannot be used: {why}")]
    Unreadable {
        /// The file.
        path: String,
        /// The cause.
        why: String,
    },
    /// There is nothing to verify, or nothing to verify it with.
    #[error(
        "{target} is marked production: name a signed permission in target.permission_file and set RAMPART_PERMISSION_KEY to the key it was signed with"
    )]
    Missing {
        /// What is to be tested.
        target: String,
    },
    /// Nobody could trust what it signs.
    #[error(
        "the key has {bytes} bytes, it needs {PERMISSION_KEY_BYTES_MIN}: set RAMPART_PERMISSION_KEY to a random text"
    )]
    ShortKey {
        /// Its length.
        bytes: usize,
    },
    /// It was not signed with this key, or was changed since.
    #[error(
        "the permission's signature is not right: it was signed with another key, or changed since; have it signed anew"
    )]
    BadSignature,
    /// It is for another target.
    #[error("the permission is for {permitted}, not for {target}: have one signed for this target")]
    OtherTarget {
        /// What it is for.
        permitted: String,
        /// What is asked for.
        target: String,
    },
    /// It is void by now.
    #[error("the permission expired at {expires}: have a new one signed")]
    Expired {
        /// When it did.
        expires: Timestamp,
    },
    /// It is given for longer than any may be.
    #[error(
        "the permission lasts until {expires}, more than 31 days: sign one that expires sooner"
    )]
    TooLong {
        /// When it would expire.
        expires: Timestamp,
    },
    /// More would be sent than it allows.
    #[error(
        "the permission allows {allowed}, the plan sends up to {rate}: lower the plan's rate or have another signed"
    )]
    RateAbove {
        /// What it allows.
        allowed: Rate,
        /// What would be sent.
        rate: Rate,
    },
    /// The rate is none.
    #[error("{0} is not a rate that can be permitted")]
    NotARate(String),
}

impl Permission {
    /// Signs a permission to send up to `rate_max` calls per second to a target until `expires`.
    pub fn sign(
        target: &Target,
        rate_max: f64,
        expires: Timestamp,
        now: Timestamp,
        key: &[u8],
    ) -> Result<Self, PermissionError> {
        if !(rate_max.is_finite() && rate_max > 0.0) {
            return Err(PermissionError::NotARate(rate_max.to_string()));
        }
        let mut permission = Permission {
            target: target.origin(),
            rate_max,
            // What is signed is what the file can hold.
            expires: Timestamp::from_millis(expires.as_millis()),
            signature: String::new(),
        };
        permission.check_time(now)?;
        let code = permission.code(key)?.finalize().into_bytes();
        permission.signature = hexadecimal(&code);
        Ok(permission)
    }

    /// Reads a permission's file. It permits nothing until [`Permission::verify`] says so.
    pub fn read(path: &Path) -> Result<Self, PermissionError> {
        let unreadable = |why: String| PermissionError::Unreadable {
            path: path.display().to_string(),
            why,
        };
        let text = match read_text(path, PERMISSION_FILE_BYTES_MAX) {
            Ok(text) => text,
            Err(ReadError::TooLarge) => return Err(unreadable("it is too large".to_owned())),
            Err(ReadError::Other(why)) => return Err(unreadable(why)),
        };
        serde_json::from_str(&text).map_err(|error| unreadable(error.to_string()))
    }

    /// Whether up to `rate` calls per second may be sent to a target now. The signature is compared in
    /// constant time, and before anything that it vouches for is believed.
    pub fn verify(
        &self,
        target: &Target,
        rate: f64,
        now: Timestamp,
        key: &[u8],
    ) -> Result<(), PermissionError> {
        let signature = from_hexadecimal(&self.signature).ok_or(PermissionError::BadSignature)?;
        self.code(key)?
            .verify_slice(&signature)
            .map_err(|_| PermissionError::BadSignature)?;
        if self.target != target.origin() {
            return Err(PermissionError::OtherTarget {
                permitted: self.target.clone(),
                target: target.origin(),
            });
        }
        self.check_time(now)?;
        let as_rate = |rate: f64| {
            Rate::per_second(rate).ok_or_else(|| PermissionError::NotARate(rate.to_string()))
        };
        let (allowed, rate) = (as_rate(self.rate_max)?, as_rate(rate)?);
        if rate > allowed {
            return Err(PermissionError::RateAbove { allowed, rate });
        }
        Ok(())
    }

    fn check_time(&self, now: Timestamp) -> Result<(), PermissionError> {
        let expires = self.expires;
        if expires <= now {
            return Err(PermissionError::Expired { expires });
        }
        if expires.since(now) > PERMISSION_DURATION_MAX {
            return Err(PermissionError::TooLong { expires });
        }
        Ok(())
    }

    /// The code over everything but the signature. The target's length keeps its text from passing for
    /// what follows.
    fn code(&self, key: &[u8]) -> Result<Hmac<Sha256>, PermissionError> {
        let short = PermissionError::ShortKey { bytes: key.len() };
        if key.len() < PERMISSION_KEY_BYTES_MIN {
            return Err(short);
        }
        let mut code = Hmac::<Sha256>::new_from_slice(key).map_err(|_| short)?;
        code.update(b"rampart load test permission 1\n");
        code.update(format!("{}\n{}\n", self.target.len(), self.target).as_bytes());
        code.update(&self.rate_max.to_bits().to_be_bytes());
        code.update(&self.expires.as_micros().to_be_bytes());
        Ok(code)
    }
}

/// Two digits a byte, in lower case.
pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing into a text cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn from_hexadecimal(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    if !digits.len().is_multiple_of(2) || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    digits
        .chunks_exact(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &[u8] = b"a key that is long enough";

    fn target(url: &str) -> Target {
        Target::parse(url).unwrap()
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_seconds(1_790_000_000 + second)
    }

    fn signed() -> Permission {
        Permission::sign(
            &target("https://Feed.example.com/v1"),
            300.0,
            at(3_600),
            at(0),
            KEY,
        )
        .unwrap()
    }

    #[test]
    fn permits_what_was_signed_until_it_expires() {
        let permission = signed();
        assert_eq!(permission.target, "https://feed.example.com:443");
        let same = target("https://feed.example.com:443");
        for (rate, second) in [(300.0, 0), (1.0, 3_599)] {
            assert_eq!(permission.verify(&same, rate, at(second), KEY), Ok(()));
        }
        let expired = permission.verify(&same, 1.0, at(3_600), KEY).unwrap_err();
        assert!(
            expired
                .to_string()
                .starts_with("the permission expired at 2026-"),
            "{expired}"
        );
        let above = permission.verify(&same, 300.5, at(0), KEY).unwrap_err();
        assert!(
            above
                .to_string()
                .contains("allows 300/s, the plan sends up to 300.5/s"),
            "{above}"
        );
        for other in [
            "http://feed.example.com:443",
            "https://feed.example.com:8443",
            "https://x.example.com",
        ] {
            let refused = permission
                .verify(&target(other), 1.0, at(0), KEY)
                .unwrap_err();
            assert!(
                matches!(refused, PermissionError::OtherTarget { .. }),
                "{refused}"
            );
        }
    }

    #[test]
    fn every_change_voids_the_signature() {
        let same = target("https://feed.example.com");
        let changed: [fn(&mut Permission); 7] = [
            |it| it.rate_max = 301.0,
            |it| it.expires = at(3_601),
            |it| it.target = "https://feed.example.com:444".to_owned(),
            |it| it.signature.truncate(62),
            |it| it.signature = String::new(),
            |it| it.signature.replace_range(0..1, "g"),
            |it| it.signature = it.signature.chars().rev().collect(),
        ];
        for change in changed {
            let mut permission = signed();
            change(&mut permission);
            let refused = permission.verify(&same, 1.0, at(0), KEY);
            assert_eq!(
                refused,
                Err(PermissionError::BadSignature),
                "{permission:?}"
            );
        }
        let other_key = b"another key, long enough";
        assert_eq!(
            signed().verify(&same, 1.0, at(0), other_key),
            Err(PermissionError::BadSignature)
        );
        assert_eq!(
            signed().verify(&same, 1.0, at(0), b"short"),
            Err(PermissionError::ShortKey { bytes: 5 })
        );
        assert!(signed().verify(&same, f64::NAN, at(0), KEY).is_err());
    }

    #[test]
    fn nothing_is_signed_for_ever_or_for_no_rate() {
        let feed = target("https://feed.example.com");
        let month = 31 * 24 * 3_600;
        let sign = |rate, until| Permission::sign(&feed, rate, at(until), at(0), KEY);
        assert!(sign(1.0, month).is_ok());
        assert!(matches!(
            sign(1.0, month + 1),
            Err(PermissionError::TooLong { .. })
        ));
        assert!(matches!(sign(1.0, 0), Err(PermissionError::Expired { .. })));
        for rate in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(matches!(sign(rate, 1), Err(PermissionError::NotARate(_))));
        }
    }

    #[test]
    fn a_file_is_read_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("permission.json");
        let feed = target("https://feed.example.com");
        let expires = at(3_600) + Duration::from_micros(123_456);
        let signed = Permission::sign(&feed, 300.0, expires, at(0), KEY).unwrap();
        std::fs::write(&path, signed.to_string()).unwrap();
        let read = Permission::read(&path).unwrap();
        assert_eq!(read, signed);
        assert_eq!(read.verify(&feed, 300.0, at(0), KEY), Ok(()));
        for (text, why) in [
            ("{", "EOF"),
            ("{\"target\": \"x\", \"rate\": 1}", "unknown field `rate`"),
        ] {
            std::fs::write(&path, text).unwrap();
            let error = Permission::read(&path).unwrap_err().to_string();
            assert!(
                error.contains(why) && error.contains("permission.json"),
                "{error}"
            );
        }
        let error = Permission::read(&folder.path().join("none"))
            .unwrap_err()
            .to_string();
        assert!(error.contains("there is no such file"), "{error}");
    }
}
