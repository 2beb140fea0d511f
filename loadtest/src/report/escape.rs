//! Text that came from elsewhere, made inert for HTML and XML.

/// Escapes for element content and for attributes in double or single quotes, in HTML and in XML 1.0.
/// Characters that XML cannot hold at all (control characters, U+FFFE, U+FFFF) become U+FFFD.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\t' | '\n' | ' ' => out.push(character),
            other if steers(other) => out.push(char::REPLACEMENT_CHARACTER),
            plain => out.push(plain),
        }
    }
    out
}

/// Characters that do something instead of being read: control characters, marks that turn the direction
/// of text (they could make one figure read as another), and what XML cannot hold.
fn steers(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{fffe}' | '\u{ffff}'
        )
}

/// The same for a terminal: nothing in the text can move the cursor, colour or clear anything.
pub(crate) fn plain(text: &str) -> String {
    text.chars()
        .map(|character| match character {
            '\t' | '\n' => ' ',
            other if steers(other) => char::REPLACEMENT_CHARACTER,
            plain => plain,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn unescape(text: &str) -> String {
        text.replace("&lt;", "<")
            .replace("&gt;", ">")
            .replace("&quot;", "\"")
            .replace("&#39;", "'")
            .replace("&amp;", "&")
    }

    proptest! {
        #[test]
        fn any_text_is_inert_and_nothing_is_lost(text in any::<String>()) {
            let escaped = escape(&text);
            prop_assert!(!escaped.contains(['<', '>', '"', '\'']), "{escaped:?}");
            for (at, _) in escaped.match_indices('&') {
                prop_assert!(
                    ["&amp;", "&lt;", "&gt;", "&quot;", "&#39;"]
                        .iter()
                        .any(|entity| escaped[at..].starts_with(entity)),
                    "{escaped:?}"
                );
            }
            prop_assert!(escaped.chars().all(|c| matches!(c, '\t' | '\n') || !c.is_control()));
            let back: Vec<char> = unescape(&escaped).chars().collect();
            let kept: Vec<char> = text.chars().collect();
            prop_assert_eq!(back.len(), kept.len());
            for (now, was) in back.iter().zip(&kept) {
                let replaced = *now == char::REPLACEMENT_CHARACTER;
                prop_assert!(replaced || now == was);
            }
        }

        #[test]
        fn a_terminal_is_never_steered(text in any::<String>()) {
            prop_assert!(plain(&text).chars().all(|c| !c.is_control()));
        }
    }
}
