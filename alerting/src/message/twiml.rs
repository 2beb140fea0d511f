//! What Twilio says in a call and listens for. Every text is escaped here.

use std::fmt::Write as _;

use super::escape_html;
use super::words::words;
use crate::delivery::Language;

/// How long a sleepy person may take for a key.
const KEY_SECONDS: u32 = 8;

/// Sentences, then the end of the call.
pub fn say(sentences: &[&str], language: Language) -> String {
    response(&said(sentences, language))
}

/// Sentences and the offer to press a key, twice for those who are not awake at the first word; the
/// key is posted to `action`.
pub fn ask(sentences: &[&str], action: &str, language: Language) -> String {
    let keys = words(language).keys;
    let mut offer = said(sentences, language);
    offer.push_str(&said(&[keys], language));
    response(&format!(
        "<Gather numDigits=\"1\" timeout=\"{KEY_SECONDS}\" action=\"{}\" method=\"POST\">\
         {offer}{offer}</Gather>",
        escape_html(action)
    ))
}

fn said(sentences: &[&str], language: Language) -> String {
    let voice = match language {
        Language::En => "en-US",
        Language::Zh => "zh-CN",
    };
    let mut said = String::new();
    for sentence in sentences {
        let text = escape_html(sentence);
        let _ = write!(said, "<Say language=\"{voice}\">{text}</Say>");
    }
    said
}

fn response(inner: &str) -> String {
    format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response>{inner}</Response>")
}
