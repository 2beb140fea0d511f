//! Short codes for messages that cannot hold a link: whoever types one on the page `/a` opens the
//! incident as the person it was sent to. Nothing of an incident can be computed from a code, so each
//! is stored.

use std::collections::HashMap;
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use model::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use super::event::Write;
use super::memory::Memory;

/// What a code opens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Code {
    /// As it is written in a message.
    pub code: String,
    /// The incident.
    pub incident: String,
    /// The key of the person; empty for a number that is nobody's.
    pub person: String,
    /// When it ends.
    pub expires: Timestamp,
}

/// The codes that are good.
#[derive(Debug, Default)]
pub(super) struct Codes {
    known: HashMap<String, Code>,
    /// The code of an incident and a person.
    of: HashMap<(String, String), String>,
}

impl Code {
    /// Letters and digits that nobody takes for each other.
    const ALPHABET: &[u8; 32] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZ";
    /// 30 bits; how often somebody may guess is limited where codes are typed.
    pub const CHARS: usize = 6;
    const VALID_FOR: Duration = Duration::from_hours(48);

    /// A code as it was typed, with small letters, spaces and hyphens; `None` when it is none.
    pub fn typed(text: &str) -> Option<String> {
        /// Longer than any code with separators.
        const TYPED_CHARS_MAX: usize = 40;
        let code: String = text
            .chars()
            .take(TYPED_CHARS_MAX)
            .filter(|c| !c.is_whitespace() && *c != '-')
            .map(|c| c.to_ascii_uppercase())
            .collect();
        let known = |c: char| u8::try_from(c).is_ok_and(|c| Self::ALPHABET.contains(&c));
        (code.len() == Self::CHARS && code.chars().all(known)).then_some(code)
    }

    fn drawn(key: &[u8], incident: &str, person: &str, at: Timestamp, draw: u32) -> Option<String> {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
        let drawn = format!("{incident}\0{person}\0{}\0{draw}", at.as_micros());
        mac.update(b"rampart code\0");
        mac.update(drawn.as_bytes());
        let tag = mac.finalize().into_bytes();
        let letters = tag.iter().take(Self::CHARS);
        letters
            .map(|byte| {
                Self::ALPHABET
                    .get(usize::from(byte % 32))
                    .copied()
                    .map(char::from)
            })
            .collect()
    }
}

impl Codes {
    /// The most that are good at once; beyond them messages go without.
    const KNOWN_MAX: usize = 50_000;

    /// Takes in one that was stored.
    pub(super) fn restore(&mut self, code: Code) {
        let of = (code.incident.clone(), code.person.clone());
        self.of.insert(of, code.code.clone());
        self.known.insert(code.code.clone(), code);
    }

    /// What a code opens at `now`.
    pub(super) fn find(&self, code: &str, now: Timestamp) -> Option<&Code> {
        self.known.get(code).filter(|code| now < code.expires)
    }

    /// All of them.
    pub(super) fn all(&self) -> impl Iterator<Item = &Code> {
        self.known.values()
    }

    fn forget_expired(&mut self, now: Timestamp) {
        self.known.retain(|_, code| now < code.expires);
        let known = &self.known;
        self.of.retain(|_, code| known.contains_key(code));
    }

    pub(super) fn shift(&mut self, moved: impl Fn(Timestamp) -> Timestamp) {
        for code in self.known.values_mut() {
            code.expires = moved(code.expires);
        }
    }
}

/// The code by which a person opens an incident; the same as before while that is good for long.
pub(super) fn give(
    memory: &mut Memory,
    incident: &str,
    person: &str,
    now: Timestamp,
) -> Option<String> {
    /// Draws until one is free; with so many letters the first nearly always is.
    const DRAWS_MAX: u32 = 8;
    let of = (incident.to_owned(), person.to_owned());
    let soon = now + Code::VALID_FOR / 2;
    if let Some(code) = memory.codes.of.get(&of)
        && memory.codes.find(code, soon).is_some()
    {
        return Some(code.clone());
    }
    if memory.codes.known.len() >= Codes::KNOWN_MAX {
        memory.codes.forget_expired(now);
    }
    if memory.codes.known.len() >= Codes::KNOWN_MAX {
        return None;
    }
    let key = memory.links.key.clone();
    let mut draws = (0..DRAWS_MAX).filter_map(|n| Code::drawn(&key, incident, person, now, n));
    let code = draws.find(|code| !memory.codes.known.contains_key(code))?;
    let made = Code {
        code: code.clone(),
        incident: incident.to_owned(),
        person: person.to_owned(),
        expires: now + Code::VALID_FOR,
    };
    memory.journal.writes.push(Write::Code(made.clone()));
    memory.codes.restore(made);
    Some(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_read_as_people_type_them() {
        for (typed, code) in [
            ("K7MQ2X", Some("K7MQ2X")),
            (" k7m-q2x ", Some("K7MQ2X")),
            ("K7MQ2", None),
            ("K7MQ2XX", None),
            ("K7MQ20", None), // no zero in the alphabet
            ("Ｋ7MQ2X", None),
            ("", None),
        ] {
            assert_eq!(Code::typed(typed).as_deref(), code, "{typed}");
        }
    }

    #[test]
    fn drawn_codes_can_be_typed_and_differ() {
        let draw = |incident: &str, n| Code::drawn(b"key", incident, "ann", Timestamp::EPOCH, n);
        let mut seen = std::collections::BTreeSet::new();
        for n in 0..1_000 {
            let code = draw("k3x9", n).unwrap();
            assert_eq!(Code::typed(&code), Some(code.clone()));
            seen.insert(code);
        }
        assert!(seen.len() > 995, "{} of 1000", seen.len());
        assert_ne!(draw("k3x9", 0), draw("k3x8", 0));
    }
}
