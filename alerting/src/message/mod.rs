//! What a person reads. A message is composed once, as clean text in the person's language, and then
//! rendered for the medium: plain text, DingTalk's markdown, a mail's HTML, a text message, a call.

mod compose;
mod cut;
mod dialect;
mod escape;
pub(crate) mod gotemplate;
mod render;
#[cfg(test)]
pub(crate) mod sample;
mod short;
#[cfg(test)]
mod tests;
mod time;
pub mod twiml;
mod words;

use model::Severity;

use crate::delivery::{Language, MessageKind};

pub(crate) use compose::{
    SUSPECTS, alert_lines, headline, numbers, place, sentences, since, suspects,
};
pub use cut::{cut_bytes, cut_chars, one_line};
pub use dialect::{Dialect, Layout, bare_link, framed, markdown_link, written};
pub use escape::{escape_html, escape_markdown, safe_url};
pub use render::{Markdown, html, html_below, markdown, plain, plain_below};
pub use short::{short, spoken};
pub(crate) use time::clock_time;
pub use time::{instant, span};
pub(crate) use words::{Words, fill, words};

/// A message in one language, free of control and formatting characters, not yet escaped for any
/// medium.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The language of everything below.
    pub language: Language,
    /// Why it is sent.
    pub kind: MessageKind,
    /// The incident's severity.
    pub severity: Severity,
    /// `Critical`, `Critical, still open`, `Resolved`, `Test`.
    pub tag: String,
    /// Function and what is wrong with it.
    pub headline: String,
    /// Hour and minute since when, `02:10`, for media with little room.
    pub since: String,
    /// Summaries of the alerts and the note, a sentence each.
    pub sentences: Vec<String>,
    /// Named facts, in the order of their use.
    pub facts: Vec<Fact>,
    /// One line for each alert, when there are several.
    pub alerts: Vec<String>,
    /// How many alerts have no line.
    pub alerts_left: usize,
    /// Where to take the incident.
    pub acknowledge: Option<Link>,
    /// Where to read more.
    pub page: Option<Link>,
}

/// A name and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// Such as `Since`.
    pub name: String,
    /// Such as `2026-11-11 00:00:05 +08:00`.
    pub value: String,
}

/// A link the product itself made; never one from a label or annotation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its text.
    pub text: String,
    /// An http or https address that [`safe_url`] has passed.
    pub url: String,
}

impl Message {
    /// Tag and headline in one line.
    pub fn title(&self) -> String {
        self.title_with(&self.headline)
    }

    /// The same with the headline as a medium needs it escaped.
    pub(crate) fn title_with(&self, headline: &str) -> String {
        match self.language {
            Language::En => format!("[{}] {headline}", self.tag),
            Language::Zh => format!("【{}】{headline}", self.tag),
        }
    }

    /// The title for a chat, whose markup the headline must not hold.
    pub(crate) fn chat_title(&self, chars_max: usize) -> String {
        cut_chars(
            &self.title_with(&escape_markdown(&self.headline)),
            chars_max,
        )
    }

    /// Lets go of links that would leave too little room for the text: the page first, since the
    /// link that acknowledges also leads there.
    pub(crate) fn keep_links_within(&mut self, bytes_max: usize) {
        let bytes = |link: &Option<Link>| {
            link.as_ref()
                .map_or(0, |link| link.text.len() + link.url.len())
        };
        if bytes(&self.acknowledge) + bytes(&self.page) > bytes_max {
            self.page = self.page.take().filter(|_| self.acknowledge.is_none());
        }
        self.acknowledge = self
            .acknowledge
            .take()
            .filter(|link| link.text.len() + link.url.len() <= bytes_max);
        self.page = self
            .page
            .take()
            .filter(|link| link.text.len() + link.url.len() <= bytes_max);
    }
}
