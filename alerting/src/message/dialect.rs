//! One message in the markup of any chat: lines that may be cut, then links and mentions that never
//! are.

use std::fmt::Write as _;

use super::render::alert_lines;
use super::words::words;
use super::{Link, Message, cut_bytes, cut_chars};

/// What a line loses at most in one go when it is cut to fit.
const CUT_STEPS_MAX: usize = 512;

/// How a chat writes.
#[derive(Clone, Copy, Debug)]
pub struct Dialect {
    /// Makes foreign text inert.
    pub escape: fn(&str) -> String,
    /// What stands before and after a title.
    pub strong: (&'static str, &'static str),
    /// What stands before a line of a list.
    pub bullet: &'static str,
    /// A link of the product's own.
    pub link: fn(&Link) -> String,
}

/// What of a message is written where.
#[derive(Clone, Copy, Debug)]
pub struct Layout<'a> {
    /// Whether it begins with the title; a card has a place of its own for it.
    pub with_title: bool,
    /// Whether links stand in the text; a card has buttons.
    pub with_links: bool,
    /// What the chat turns into mentions; from configuration, already in its form.
    pub mentions: &'a [String],
    /// The most bytes of the whole.
    pub bytes_max: usize,
}

/// A line before it is escaped, so that a cut never falls into an escape or a markup.
struct Line {
    before: String,
    foreign: String,
    after: &'static str,
}

/// The message as text. Lines that do not fit are left out and the first of them is cut; links and
/// mentions stay, unless they alone are larger than everything.
pub fn written(message: &Message, dialect: &Dialect, layout: &Layout<'_>) -> String {
    let tail = tail(message, dialect, layout);
    let room = layout.bytes_max.saturating_sub(tail.len());
    let mut text = String::new();
    for line in lines(message, dialect, layout.with_title) {
        let whole = line.written(dialect, &line.foreign);
        if text.len() + whole.len() <= room {
            text.push_str(&whole);
            continue;
        }
        text.push_str(&line.cut(dialect, room.saturating_sub(text.len())));
        break;
    }
    let mut text = text.trim_end().to_owned();
    if tail.len() <= layout.bytes_max {
        text.push_str(&tail);
    }
    text.trim_start().to_owned()
}

/// A text of somebody else's making, already inert for this chat, with the links and mentions below that
/// only Rampart has.
pub fn framed(text: &str, message: &Message, dialect: &Dialect, layout: &Layout<'_>) -> String {
    let tail = tail(message, dialect, layout);
    let mut framed = cut_bytes(text, layout.bytes_max.saturating_sub(tail.len()));
    if framed.len() + tail.len() <= layout.bytes_max {
        framed.push_str(&tail);
    }
    framed
}

impl Line {
    fn written(&self, dialect: &Dialect, foreign: &str) -> String {
        format!(
            "{}{}{}\n",
            self.before,
            (dialect.escape)(foreign),
            self.after
        )
    }

    /// As many of its characters as fit, escaped, with its markup closed; nothing if even the
    /// markup does not.
    fn cut(&self, dialect: &Dialect, room: usize) -> String {
        let mut chars = self.foreign.chars().count().min(room);
        for _ in 0..CUT_STEPS_MAX {
            let cut = self.written(dialect, &cut_chars(&self.foreign, chars));
            match cut.len().checked_sub(room) {
                None | Some(0) => return cut,
                // A character is at most four bytes, an escape at most six.
                Some(over) => chars = chars.saturating_sub((over / 6).max(1)),
            }
            if chars == 0 {
                break;
            }
        }
        String::new()
    }
}

fn lines(message: &Message, dialect: &Dialect, with_title: bool) -> Vec<Line> {
    let words = words(message.language);
    let mut lines = Vec::new();
    let (open, close) = dialect.strong;
    if with_title {
        lines.push(Line {
            before: format!("{open}{}", message.title_with("")),
            foreign: message.headline.clone(),
            after: close,
        });
    }
    let plain = |before: String, foreign: &str| Line {
        before,
        foreign: foreign.to_owned(),
        after: "",
    };
    let sentences = message.sentences.iter();
    lines.extend(sentences.map(|sentence| plain(String::new(), sentence)));
    let bullet = dialect.bullet;
    for fact in &message.facts {
        let named = format!("{}{}{}", fact.name, words.colon, fact.value);
        lines.push(plain(bullet.to_owned(), &named));
    }
    for line in alert_lines(message, words) {
        lines.push(plain(bullet.to_owned(), &line));
    }
    lines
}

fn tail(message: &Message, dialect: &Dialect, layout: &Layout<'_>) -> String {
    let mut tail = String::new();
    if layout.with_links {
        for link in message.acknowledge.iter().chain(&message.page) {
            let _ = write!(tail, "\n{}", (dialect.link)(link));
        }
    }
    if !layout.mentions.is_empty() {
        let _ = write!(tail, "\n{}", layout.mentions.join(" "));
    }
    tail
}

/// `I have it: https://…`.
pub fn bare_link(link: &Link) -> String {
    format!("{}: {}", link.text, link.url)
}

/// `[I have it](https://…)`.
pub fn markdown_link(link: &Link) -> String {
    format!("[{}]({})", link.text, link.url)
}
