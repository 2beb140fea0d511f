//! What an answer must be for its call to count as a success.

use std::fmt;
use std::sync::{Arc, OnceLock};

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
    /// Takes down what the first answer lacked that was not expected.
    pub complaint: Complaint,
}

/// Words on the first answer that was not expected, when somebody asks for them: making them takes longer
/// than judging.
#[derive(Clone, Debug, Default)]
pub struct Complaint(Option<Arc<OnceLock<String>>>);

impl Complaint {
    /// One that is taken down.
    pub fn wanted() -> Self {
        Complaint(Some(Arc::default()))
    }

    /// `200; the plan expects 201`, once there was such an answer.
    pub fn get(&self) -> Option<&str> {
        self.0.as_ref()?.get().map(String::as_str)
    }

    #[inline]
    fn take_down(&self, words: impl FnOnce() -> String) {
        if let Some(cell) = &self.0 {
            cell.get_or_init(words);
        }
    }
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
        let met = self.has_right_status(status)
            && self.headers_hold(headers)
            && JsonCheck::all_hold(&self.json, body);
        if !met {
            self.complaint
                .take_down(|| self.what_is_wrong(status, headers, body));
        }
        met
    }

    /// Whether a gRPC call that ended with status `code` is a success. `metadata` is asked by lower-case
    /// name.
    pub fn judge_grpc<'a>(&self, code: u32, metadata: &dyn Fn(&str) -> Option<&'a [u8]>) -> bool {
        let right_status = code == self.grpc_status;
        let met = right_status && self.headers_hold(metadata);
        if !met {
            self.complaint.take_down(|| {
                let answered = format!("gRPC status {code}");
                if right_status {
                    self.what_headers_lack(&answered, metadata)
                } else {
                    format!("{answered}; the plan expects {}", self.grpc_status)
                }
            });
        }
        met
    }

    #[inline]
    fn has_right_status(&self, status: u16) -> bool {
        if self.statuses.is_empty() {
            status < 400
        } else {
            self.statuses.contains(status)
        }
    }

    fn what_is_wrong<'a>(
        &self,
        status: u16,
        headers: &dyn Fn(&str) -> Option<&'a [u8]>,
        body: &[u8],
    ) -> String {
        if !self.has_right_status(status) {
            return if self.statuses.is_empty() {
                format!("{status}; the plan expects a status below 400")
            } else {
                format!("{status}; the plan expects {}", self.statuses)
            };
        }
        if !self.headers_hold(headers) {
            return self.what_headers_lack(&status.to_string(), headers);
        }
        format!("{status} {}", JsonCheck::what_lacks(&self.json, body))
    }

    fn what_headers_lack<'a>(
        &self,
        answered: &str,
        headers: &dyn Fn(&str) -> Option<&'a [u8]>,
    ) -> String {
        let lacking = self
            .headers
            .iter()
            .find(|check| !check.holds(headers(check.name())));
        lacking.map_or_else(String::new, |check| {
            format!("{answered} {}", check.what_lacks(headers(check.name())))
        })
    }

    #[inline]
    fn headers_hold<'a>(&self, headers: &dyn Fn(&str) -> Option<&'a [u8]>) -> bool {
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

/// `201`, `2xx or 404`.
impl fmt::Display for StatusSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts: Vec<String> = Vec::new();
        for class in 1..=5 {
            let codes: Vec<u16> = self.iter().filter(|code| code / 100 == class).collect();
            if codes.len() == 100 {
                parts.push(format!("{class}xx"));
            } else {
                parts.extend(codes.iter().map(u16::to_string));
            }
        }
        f.write_str(&parts.join(" or "))
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
