//! What an answer must be for its call to count as a success.

use super::{HeaderCheck, JsonCheck, TextError};

/// Conditions on an answer; all must hold. The default: any status below 400.
#[derive(Clone, Debug, Default)]
pub struct Expect {
    /// The statuses that count; empty means any below 400.
    pub statuses: StatusSet,
    /// What headers must say; of gRPC the metadata, of the head or of the trailers.
    pub headers: Vec<HeaderCheck>,
    /// What the body must say, read as JSON.
    pub json: Vec<JsonCheck>,
    /// Of gRPC: the status that counts, `0` (OK) unless a plan says another. Judged by the transport,
    /// which reads it from the trailers.
    pub grpc_status: u32,
}

impl Expect {
    /// Whether the body must be kept to judge an answer.
    #[inline]
    pub fn needs_body(&self) -> bool {
        !self.json.is_empty()
    }

    /// Whether the headers must be kept to judge an answer.
    #[inline]
    pub fn needs_headers(&self) -> bool {
        !self.headers.is_empty()
    }

    /// Whether an answer is a success. `headers` are asked by lower-case name; `body` is whole, or
    /// empty when [`Expect::needs_body`] says no.
    #[inline]
    pub fn judge<'a>(
        &self,
        status: u16,
        headers: &dyn Fn(&str) -> Option<&'a [u8]>,
        body: &[u8],
    ) -> bool {
        let right_status = if self.statuses.is_empty() {
            status < 400
        } else {
            self.statuses.contains(status)
        };
        right_status && self.headers_hold(headers) && JsonCheck::all_hold(&self.json, body)
    }

    /// Whether headers, asked by lower-case name, say what they must.
    #[inline]
    pub fn headers_hold<'a>(&self, headers: &dyn Fn(&str) -> Option<&'a [u8]>) -> bool {
        self.headers
            .iter()
            .all(|check| check.holds(headers(check.name())))
    }
}

/// Statuses from 100 to 599, one bit each: asking costs the same for one and for all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StatusSet([u64; 10]);

impl StatusSet {
    /// Reads `200` or a class such as `2xx`.
    pub fn parse(text: &str) -> Result<Self, TextError> {
        let mut set = StatusSet::default();
        let class = text
            .strip_suffix("xx")
            .and_then(|class| class.parse::<u16>().ok())
            .filter(|class| (1..=5).contains(class));
        let one = text.parse().ok().filter(|code| (100..600).contains(code));
        match (class, one) {
            (Some(class), _) => (class * 100..(class + 1) * 100).for_each(|code| set.insert(code)),
            (_, Some(code)) => set.insert(code),
            _ => {
                return Err(TextError::new(
                    format!("`{text}` is not a status"),
                    "write a number from 100 to 599, a class such as 2xx, or a list of them",
                ));
            }
        }
        Ok(set)
    }

    /// Adds a status; one that is none is left out.
    pub fn insert(&mut self, status: u16) {
        if let Some(word) = self.0.get_mut(usize::from(status / 64)) {
            *word |= 1 << (status % 64);
        }
    }

    /// Adds all of another set.
    pub fn extend(&mut self, other: StatusSet) {
        for (word, others) in self.0.iter_mut().zip(other.0) {
            *word |= others;
        }
    }

    /// Whether a status is in it.
    #[inline]
    pub fn contains(&self, status: u16) -> bool {
        self.0
            .get(usize::from(status / 64))
            .is_some_and(|word| word & (1 << (status % 64)) != 0)
    }

    /// Whether none is.
    #[inline]
    pub fn is_empty(&self) -> bool {
        *self == StatusSet::default()
    }

    /// Those in it, in order.
    pub fn iter(&self) -> impl Iterator<Item = u16> {
        (0..640).filter(|status| self.contains(*status))
    }
}

impl FromIterator<u16> for StatusSet {
    fn from_iter<I: IntoIterator<Item = u16>>(statuses: I) -> Self {
        let mut set = StatusSet::default();
        for status in statuses {
            set.insert(status);
        }
        set
    }
}
