//! One message, three media: plain text, DingTalk's markdown, a mail's HTML.

use std::fmt::Write as _;

use model::Severity;

use super::words::{Words, fill, words};
use super::{Link, Message, cut_bytes, escape_html, escape_markdown};
use crate::delivery::MessageKind;

/// Plain text, for mail's text part, for webhooks and for reading over an API.
pub fn plain(message: &Message) -> String {
    let words = words(message.language);
    let mut text = message.title();
    text.push_str("\n\n");
    for sentence in &message.sentences {
        let _ = writeln!(text, "{sentence}");
    }
    if !message.sentences.is_empty() {
        text.push('\n');
    }
    for fact in &message.facts {
        let _ = writeln!(text, "{}{}{}", fact.name, words.colon, fact.value);
    }
    for line in alert_lines(message, words) {
        let _ = writeln!(text, "- {line}");
    }
    push_links(&mut text, message, words);
    text.trim_end().to_owned()
}

fn push_links(text: &mut String, message: &Message, words: &Words) {
    for Link { text: name, url } in links(message) {
        // A space after the full-width colon, or clients take it for part of the address.
        let _ = writeln!(text, "{name}{} {url}", words.colon.trim_end());
    }
}

/// Markdown in two parts: the body may be cut, the tail (mentions and links) never is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Markdown {
    /// Title, sentences, facts, alerts.
    pub body: String,
    /// Mentions and links.
    pub tail: String,
}

impl Markdown {
    /// Both parts in at most `bytes_max` bytes; only the body gives way.
    pub fn fit(&self, bytes_max: usize) -> String {
        let room = bytes_max.saturating_sub(self.tail.len());
        let mut text = cut_bytes(&self.body, room);
        text.push_str(&self.tail);
        text
    }
}

/// Markdown as DingTalk shows it. `mentions` are texts that the robot's API turns into mentions,
/// such as `@13800000001`; they come from configuration and stand unescaped. With `with_links`
/// off, the links are left to the card's buttons.
pub fn markdown(message: &Message, mentions: &[String], with_links: bool) -> Markdown {
    let words = words(message.language);
    let mut body = format!(
        "### {} {}\n\n",
        words.in_brackets(&message.tag),
        escape_markdown(&message.headline)
    );
    for sentence in &message.sentences {
        let _ = write!(body, "{}\n\n", escape_markdown(sentence));
    }
    for fact in &message.facts {
        let value = escape_markdown(&fact.value);
        let name = escape_markdown(&fact.name);
        let _ = writeln!(body, "- {name}{}{value}", words.colon);
    }
    for line in alert_lines(message, words) {
        let _ = writeln!(body, "- {}", escape_markdown(&line));
    }
    let mut tail = String::new();
    if with_links {
        let links: Vec<String> = links(message)
            .map(|link| format!("[{}]({})", link.text, link.url))
            .collect();
        if !links.is_empty() {
            let _ = write!(tail, "\n\n{}", links.join("　"));
        }
    }
    if !mentions.is_empty() {
        let _ = write!(tail, "\n\n{}", mentions.join(" "));
    }
    Markdown { body, tail }
}

/// A mail's HTML part: inline styles only, nothing is loaded from anywhere.
pub fn html(message: &Message) -> String {
    let words = words(message.language);
    let mut page = format!(
        "<!doctype html><html><head><meta charset=\"utf-8\"></head>\
         <body style=\"margin:0;padding:16px;font:16px/1.5 sans-serif;color:#1c1f23;background:#fff\">\
         <p style=\"margin:0 0 12px;padding:10px 14px;border-left:6px solid {};background:#f4f5f7;\
         font-size:18px;font-weight:600\">{}</p>\n",
        color(message),
        escape_html(&message.title())
    );
    for sentence in &message.sentences {
        let _ = writeln!(
            page,
            "<p style=\"margin:0 0 8px\">{}</p>",
            escape_html(sentence)
        );
    }
    page.push_str("<table style=\"border-collapse:collapse;margin:8px 0\">\n");
    for fact in &message.facts {
        let _ = writeln!(
            page,
            "<tr><td style=\"padding:3px 14px 3px 0;color:#5b6470;white-space:nowrap;vertical-align:top\">{}</td>\
             <td style=\"padding:3px 0\">{}</td></tr>",
            escape_html(&fact.name),
            escape_html(&fact.value)
        );
    }
    page.push_str("</table>\n");
    let lines = alert_lines(message, words);
    if !lines.is_empty() {
        page.push_str("<ul style=\"margin:8px 0;padding-left:20px\">\n");
        for line in lines {
            let _ = writeln!(page, "<li>{}</li>", escape_html(&line));
        }
        page.push_str("</ul>\n");
    }
    page.push_str(&buttons(message));
    page.push_str("</body></html>\n");
    page
}

/// An HTML text of somebody else's making with the links below that only Rampart has.
pub fn html_below(html: &str, message: &Message) -> String {
    let buttons = buttons(message);
    match html.rfind("</body>") {
        Some(end) => format!("{}{buttons}{}", &html[..end], &html[end..]),
        None => format!("{html}{buttons}"),
    }
}

/// The same for plain text.
pub fn plain_below(text: &str, message: &Message) -> String {
    let words = words(message.language);
    let mut text = format!("{}\n\n", text.trim_end());
    push_links(&mut text, message, words);
    text.trim_end().to_owned()
}

fn buttons(message: &Message) -> String {
    let mut page = String::new();
    if let Some(link) = &message.acknowledge {
        page.push_str(&anchor(link, "display:inline-block;margin:12px 12px 0 0;padding:12px 22px;border-radius:8px;background:#1557c0;color:#fff;text-decoration:none;font-weight:600"));
    }
    if let Some(link) = &message.page {
        page.push_str(&anchor(
            link,
            "display:inline-block;margin:12px 0 0;padding:12px 0;color:#1557c0",
        ));
    }
    page
}

fn anchor(link: &Link, style: &str) -> String {
    format!(
        "<a href=\"{}\" style=\"{style}\">{}</a>\n",
        escape_html(&link.url),
        escape_html(&link.text)
    )
}

/// Alerts' own lines, and how many more there are.
pub(super) fn alert_lines(message: &Message, words: &Words) -> Vec<String> {
    let mut lines = message.alerts.clone();
    if message.alerts_left > 0 {
        lines.push(fill(words.more, &[&message.alerts_left.to_string()]));
    }
    lines
}

fn links(message: &Message) -> impl Iterator<Item = &Link> {
    message.acknowledge.iter().chain(&message.page)
}

fn color(message: &Message) -> &'static str {
    match (message.kind, message.severity) {
        (MessageKind::Resolved, _) => "#1a7f4b",
        (MessageKind::Test, _) | (_, Severity::Info) => "#5b6470",
        (_, Severity::Warning) => "#b26a00",
        (_, Severity::Critical) => "#c62828",
    }
}
