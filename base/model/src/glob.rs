//! Shell-like patterns over `namespace/name`: `*` any run of characters, `?` one character.

use std::fmt;

/// A compiled pattern. `*` also crosses `/`, so `guide*` takes everything in namespaces that begin
/// with `guide`, and `*` takes everything.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Glob(String);

/// Why a text is not a pattern.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "{0:?} is not a pattern: it must be 1 to 512 characters; use `*` for any run of characters and `?` for one"
)]
pub struct GlobError(String);

impl Glob {
    /// Compiles a pattern.
    pub fn new(pattern: &str) -> Result<Self, GlobError> {
        if pattern.is_empty() || pattern.len() > 512 || pattern.chars().any(char::is_control) {
            return Err(GlobError(pattern.chars().take(80).collect()));
        }
        Ok(Glob(pattern.to_owned()))
    }

    /// The pattern that everything matches.
    pub fn any() -> Self {
        Glob("*".to_owned())
    }

    /// The pattern as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the whole `text` matches. Linear in the product of the lengths at worst.
    pub fn matches(&self, text: &str) -> bool {
        let pattern: &[u8] = self.0.as_bytes();
        if pattern == b"*" {
            return true;
        }
        let text = text.as_bytes();
        let (mut p, mut t) = (0, 0);
        let mut retry: Option<(usize, usize)> = None;
        while t < text.len() {
            if p < pattern.len() && pattern[p] == b'*' {
                retry = Some((p + 1, t));
                p += 1;
            } else if p < pattern.len() && pattern[p] == b'?' {
                p += 1;
                t = next_char(text, t);
            } else if p < pattern.len() && pattern[p] == text[t] {
                p += 1;
                t += 1;
            } else if let Some((after_star, from)) = retry {
                let from = next_char(text, from);
                retry = Some((after_star, from));
                p = after_star;
                t = from;
            } else {
                return false;
            }
        }
        pattern[p..].iter().all(|byte| *byte == b'*')
    }
}

/// The index after the UTF-8 character that begins at `at`.
fn next_char(text: &[u8], at: usize) -> usize {
    let mut next = at + 1;
    while next < text.len() && (text[next] & 0b1100_0000) == 0b1000_0000 {
        next += 1;
    }
    next
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table() {
        for (pattern, text, expected) in [
            ("guide/*", "guide/wow-video-feed", true),
            ("guide/wow-?ideo-*", "guide/wow-video-feed", true),
            ("guide/*", "travel/visa", false),
            ("*", "a/b", true),
            ("*/feed", "guide/feed", true),
            ("*feed", "guide/feeds", false),
            ("a/导?", "a/导航", true),
            ("a/?", "a/航", true),
            ("a/b", "a/b", true),
            ("a**b", "axxb", true),
        ] {
            assert_eq!(
                Glob::new(pattern).unwrap().matches(text),
                expected,
                "{pattern} on {text}"
            );
        }
        assert!(Glob::new("").is_err());
    }
}
