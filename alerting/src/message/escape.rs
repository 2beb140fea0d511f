//! Making foreign text inert. Names and annotations come from whoever deploys a function or sends
//! an alert; nothing in them may become markup, a mention or a link.

use std::fmt::Write as _;

/// For DingTalk's markdown. The dialect is undocumented and does not honour backslashes
/// everywhere, so characters with a meaning are replaced by their full-width twins, which look
/// alike and mean nothing. `@` goes the same way, or a function named `@all` would ring everybody;
/// addresses lose the colon or dot that clients turn into links.
pub fn escape_markdown(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let (_, after) = rest.split_at(c.len_utf8());
        let twin = match c {
            '*' => '＊',
            '_' if !between_words(&escaped, after) => '＿',
            '`' => '｀',
            '~' => '～',
            '#' => '＃',
            '[' => '［',
            ']' => '］',
            '<' => '＜',
            '>' => '＞',
            '|' => '｜',
            '\\' => '＼',
            '@' => '＠',
            ':' if after.starts_with("//") => '：',
            '.' if ends_with_www(&escaped) => '．',
            other if other.is_control() => ' ',
            other => other,
        };
        escaped.push(twin);
        rest = after;
    }
    escaped
}

/// An underscore inside a word is plain text in every dialect, and common in names.
fn between_words(before: &str, after: &str) -> bool {
    let is_word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    is_word(before.chars().next_back()) && is_word(after.chars().next())
}

fn ends_with_www(text: &str) -> bool {
    let tail: String = text.chars().rev().take(3).collect();
    tail.eq_ignore_ascii_case("www")
}

/// For HTML text and quoted attributes.
pub fn escape_html(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// The address, if it is http or https, with everything percent-encoded that could end a markdown
/// link or an attribute early.
pub fn safe_url(url: &str) -> Option<String> {
    const URL_BYTES_MAX: usize = 2048;
    let lower = url.get(..8.min(url.len()))?.to_ascii_lowercase();
    if !(lower.starts_with("http://") || lower.starts_with("https://")) || url.len() > URL_BYTES_MAX
    {
        return None;
    }
    let mut safe = String::with_capacity(url.len());
    for byte in url.bytes() {
        let plain = byte.is_ascii_alphanumeric() || b"-._~:/?#@!$&+,;=%".contains(&byte);
        if plain {
            safe.push(char::from(byte));
        } else {
            let _ = write!(safe, "%{byte:02X}");
        }
    }
    Some(safe)
}
