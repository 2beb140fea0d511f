//! Making text fit, and making it one line. A cut never falls inside a character.

const ELLIPSIS: char = '…';

/// `text` if it has at most `bytes_max` bytes; otherwise as much as fits before an ellipsis.
pub fn cut_bytes(text: &str, bytes_max: usize) -> String {
    if text.len() <= bytes_max {
        return text.to_owned();
    }
    let ellipsis = ELLIPSIS.len_utf8();
    let room = bytes_max.saturating_sub(ellipsis);
    let (kept, _) = text.split_at(text.floor_char_boundary(room));
    let mut cut = kept.to_owned();
    if cut.len() + ellipsis <= bytes_max {
        cut.push(ELLIPSIS);
    }
    cut
}

/// The same, counted in characters.
pub fn cut_chars(text: &str, chars_max: usize) -> String {
    if text.chars().count() <= chars_max {
        return text.to_owned();
    }
    let kept = text.chars().take(chars_max.saturating_sub(1));
    kept.chain((chars_max > 0).then_some(ELLIPSIS)).collect()
}

/// One clean line of at most `chars_max` characters: control characters and line breaks become one
/// space, invisible and direction-changing characters go, since both are used to disguise text.
pub fn one_line(text: &str, chars_max: usize) -> String {
    // A hostile value can be long; what is far beyond the cut is not even looked at.
    let looked_at = text.chars().take(chars_max.saturating_mul(4));
    let mut line = String::new();
    let mut space_owed = false;
    for c in looked_at.filter(|c| !is_invisible(*c)) {
        if c.is_whitespace() || c.is_control() {
            space_owed = !line.is_empty();
        } else {
            if space_owed {
                line.push(' ');
                space_owed = false;
            }
            line.push(c);
        }
    }
    cut_chars(&line, chars_max)
}

/// Zero-width, direction-changing and tag characters.
fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{e0000}'..='\u{e007f}'
    )
}
