//! The same message where there is hardly room: a text message, a voice.

use super::words::words;
use super::{Message, cut_chars};
use crate::delivery::{Language, MessageKind};

/// Room a headline keeps even when everything else is long.
const HEADLINE_CHARS_MIN: usize = 12;

/// At most `chars_max` characters: severity, function, what, since when. It holds no link and no
/// full-width bracket, which providers of text messages refuse in a template's variables.
pub fn short(message: &Message, chars_max: usize) -> String {
    let since = match (message.kind, message.language) {
        (MessageKind::Resolved | MessageKind::Test, _) => String::new(),
        (_, Language::En) => format!(" since {}", message.since),
        (_, Language::Zh) => format!(" {}起", message.since),
    };
    let tag = unbracketed(&message.tag);
    let around = tag.chars().count() + 1 + since.chars().count();
    let room = chars_max.saturating_sub(around).max(HEADLINE_CHARS_MIN);
    let what = unbracketed(&what(message, room));
    let line = format!("{tag} {}{since}", cut_chars(&what, room));
    cut_chars(&line, chars_max)
}

/// The headline with the fullest of summary and number that fits.
fn what(message: &Message, room: usize) -> String {
    let value_name = words(message.language).fact("value");
    let value = message.facts.iter().find(|fact| fact.name == value_name);
    let more = [
        message.sentences.first().map(String::as_str),
        value.map(|fact| fact.value.as_str()),
    ];
    more.into_iter()
        .flatten()
        .map(|more| format!("{} {more}", message.headline))
        .find(|text| text.chars().count() <= room)
        .unwrap_or_else(|| message.headline.clone())
}

fn unbracketed(text: &str) -> String {
    text.replace(['【', '】'], " ").replace("://", " ")
}

/// Two or three sentences that a voice can read: names are split into words, no symbols.
pub fn spoken(message: &Message) -> String {
    const SPOKEN_CHARS_MAX: usize = 100;
    let words = words(message.language);
    let tag = match message.kind {
        MessageKind::Firing | MessageKind::Reminder => words.severity(message.severity),
        MessageKind::Resolved | MessageKind::Test => &message.tag,
    };
    let what = cut_chars(&speakable(&message.headline), SPOKEN_CHARS_MAX);
    let what = what.trim_end_matches('…');
    match (message.language, message.kind) {
        (Language::En, MessageKind::Firing | MessageKind::Reminder) => format!(
            "Rampart. {tag} incident. {what}. Since {}. To take it, open the link in your messages.",
            message.since
        ),
        (Language::En, _) => format!("Rampart. {tag}. {what}."),
        (Language::Zh, MessageKind::Firing | MessageKind::Reminder) => format!(
            "这里是护栏告警。{tag}故障。{what}。{}开始。请打开消息中的链接认领。",
            spoken_time(&message.since)
        ),
        (Language::Zh, _) => format!("这里是护栏告警。{tag}。{what}。"),
    }
}

/// `02:10` as `2点10分`.
fn spoken_time(since: &str) -> String {
    let (hour, minute) = since.split_once(':').unwrap_or((since, "0"));
    let number = |text: &str| text.parse::<u8>().unwrap_or(0);
    format!("{}点{}分", number(hour), number(minute))
}

/// Splits `wow-video_feed` and `SuccessRateLow` into words and drops what a voice would spell out.
fn speakable(text: &str) -> String {
    let mut spoken = String::new();
    let mut previous = ' ';
    for c in text.chars() {
        match c {
            '/' | ':' | '：' | ',' | '，' => spoken.push_str(", "),
            _ if c.is_uppercase() && previous.is_lowercase() => {
                spoken.push(' ');
                spoken.extend(c.to_lowercase());
            }
            _ if c.is_alphanumeric() || c == '.' || c == '%' => spoken.push(c),
            _ => spoken.push(' '),
        }
        previous = c;
    }
    let spaced: Vec<&str> = spoken.split_whitespace().collect();
    spaced.join(" ").replace(" ,", ",")
}
