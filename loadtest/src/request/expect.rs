//! What an answer must be for its call to count as a success.

/// Conditions on an answer; all must hold. The default: any status below 400.
#[derive(Clone, Debug, Default)]
pub struct Expect {
    /// The statuses that count; empty means any below 400.
    pub statuses: Vec<u16>,
}

impl Expect {
    /// Whether the body must be kept to judge an answer.
    #[inline]
    pub fn needs_body(&self) -> bool {
        false
    }

    /// Whether the headers must be kept to judge an answer.
    #[inline]
    pub fn needs_headers(&self) -> bool {
        false
    }

    /// Whether an answer is a success. `headers` are asked by lower-case name; `body` is whole, or
    /// empty when [`Expect::needs_body`] says no.
    pub fn judge<'a>(
        &self,
        status: u16,
        _headers: &dyn Fn(&str) -> Option<&'a [u8]>,
        _body: &[u8],
    ) -> bool {
        if self.statuses.is_empty() {
            status < 400
        } else {
            self.statuses.contains(&status)
        }
    }
}
