//! From a template's text to tokens: text between actions, and the words of actions.

use std::iter::Peekable;
use std::str::CharIndices;

use super::{Mistake, Source};

/// A piece of a template.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    /// Text as it stands, trimmed where an action asks for it.
    Text(String),
    Open,
    Close,
    /// A name, a keyword or a function.
    Word(String),
    /// `.Name`; whether it is glued to what stands before it.
    Field(String, bool),
    Dot,
    /// `$` or `$name`, without the `$`.
    Variable(String),
    Quoted(String),
    Int(i64),
    Float(f64),
    /// `(`
    Group,
    /// `)`
    GroupEnd,
    /// `|`
    Pipe,
    /// `:=`
    Declare,
    /// `=`
    Assign,
    /// `,`
    Comma,
}

/// The tokens with the bytes they begin at.
pub(super) fn tokens(source: &Source) -> Result<Vec<(Token, usize)>, Mistake> {
    let text = source.text.as_str();
    let mut found = Vec::new();
    let mut at = 0;
    let mut trim_next = false;
    while at < text.len() {
        let rest = &text[at..];
        let open = rest.find("{{");
        let (plain, action) = rest.split_at(open.unwrap_or(rest.len()));
        let trims_before = action
            .strip_prefix("{{-")
            .is_some_and(|after| after.starts_with(char::is_whitespace));
        let mut plain_text = plain;
        if trim_next {
            plain_text = plain_text.trim_start();
        }
        if trims_before {
            plain_text = plain_text.trim_end();
        }
        if !plain_text.is_empty() {
            found.push((Token::Text(plain_text.to_owned()), at));
        }
        at += plain.len();
        if action.is_empty() {
            break;
        }
        let begin = at + if trims_before { 3 } else { 2 };
        if let Some((end, trims)) = comment(text, begin) {
            at = end;
            trim_next = trims;
            continue;
        }
        found.push((Token::Open, at));
        let mut words = Words {
            source,
            chars: text[begin..].char_indices().peekable(),
            begin,
            found: &mut found,
        };
        (at, trim_next) = words.action(at)?;
    }
    Ok(found)
}

/// The end of a comment that begins here, and whether it trims what follows.
fn comment(text: &str, begin: usize) -> Option<(usize, bool)> {
    let inner = text.get(begin..)?;
    let body = inner.trim_start().strip_prefix("/*")?;
    let after = &body[body.find("*/")? + 2..];
    let end_of = |rest: &str| text.len() - rest.len();
    if let Some(rest) = after.strip_prefix("}}") {
        return Some((end_of(rest), false));
    }
    let rest = after.trim_start().strip_prefix("-}}")?;
    Some((end_of(rest), true))
}

/// Reads one action.
struct Words<'a> {
    source: &'a Source,
    chars: Peekable<CharIndices<'a>>,
    begin: usize,
    found: &'a mut Vec<(Token, usize)>,
}

impl Words<'_> {
    /// Up to its end; gives the byte after it and whether it trims what follows.
    fn action(&mut self, open: usize) -> Result<(usize, bool), Mistake> {
        let mut after_space = true;
        loop {
            let Some((at, c)) = self.chars.next() else {
                let unclosed = self.source.mistake(open, "the action is not closed");
                return Err(with_hint(unclosed, "write }} at its end"));
            };
            let here = self.begin + at;
            let rest = &self.source.text[here..];
            if rest.starts_with("}}") {
                self.found.push((Token::Close, here));
                return Ok((here + 2, false));
            }
            if after_space && rest.starts_with("-}}") {
                self.found.push((Token::Close, here));
                return Ok((here + 3, true));
            }
            if c.is_whitespace() {
                after_space = true;
                continue;
            }
            let token = self.word(c, here, !after_space)?;
            self.found.push((token, here));
            after_space = false;
        }
    }

    fn word(&mut self, c: char, here: usize, glued: bool) -> Result<Token, Mistake> {
        Ok(match c {
            '(' => Token::Group,
            ')' => Token::GroupEnd,
            '|' => Token::Pipe,
            ',' => Token::Comma,
            '=' => Token::Assign,
            ':' if self.chars.next_if(|(_, c)| *c == '=').is_some() => Token::Declare,
            '"' => Token::Quoted(self.quoted(here)?),
            '`' => Token::Quoted(self.raw(here)?),
            '\'' => self.character(here)?,
            '.' if !self.is_next(is_word) => Token::Dot,
            '.' if !self.is_next(|c| c.is_ascii_digit()) => {
                Token::Field(self.rest_of_word(String::new()), glued)
            }
            '$' => Token::Variable(self.rest_of_word(String::new())),
            c if c.is_ascii_digit() || "+-.".contains(c) => self.number(c, here)?,
            c if is_word(c) => Token::Word(self.rest_of_word(c.to_string())),
            other => {
                let message = format!("`{other}` means nothing here");
                return Err(self.source.mistake(here, message));
            }
        })
    }

    fn is_next(&mut self, wanted: impl Fn(char) -> bool) -> bool {
        self.chars.peek().is_some_and(|(_, c)| wanted(*c))
    }

    fn rest_of_word(&mut self, mut word: String) -> String {
        while let Some((_, c)) = self.chars.next_if(|(_, c)| is_word(*c)) {
            word.push(c);
        }
        word
    }

    fn number(&mut self, first: char, here: usize) -> Result<Token, Mistake> {
        let mut text = first.to_string();
        let belongs = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '_';
        while let Some((_, c)) = self.chars.next_if(|(_, c)| belongs(*c)) {
            text.push(c);
        }
        let plain = text.replace('_', "");
        if let Ok(number) = plain.parse() {
            return Ok(Token::Int(number));
        }
        if let Some(Ok(number)) = plain
            .strip_prefix("0x")
            .map(|digits| i64::from_str_radix(digits, 16))
        {
            return Ok(Token::Int(number));
        }
        match plain.parse() {
            Ok(number) => Ok(Token::Float(number)),
            Err(_) => Err(self
                .source
                .mistake(here, format!("`{text}` is not a number"))),
        }
    }

    fn raw(&mut self, here: usize) -> Result<String, Mistake> {
        let mut text = String::new();
        for (_, c) in self.chars.by_ref() {
            if c == '`' {
                return Ok(text);
            }
            text.push(c);
        }
        Err(self.source.mistake(here, "the text is not closed by a `"))
    }

    fn quoted(&mut self, here: usize) -> Result<String, Mistake> {
        let mut text = String::new();
        while let Some((_, c)) = self.chars.next_if(|(_, c)| *c != '\n') {
            match c {
                '"' => return Ok(text),
                '\\' => text.push(self.escape(here)?),
                c => text.push(c),
            }
        }
        Err(self
            .source
            .mistake(here, "the text is not closed by a \" on its line"))
    }

    /// `'x'`, which Go takes for the character's number.
    fn character(&mut self, here: usize) -> Result<Token, Mistake> {
        let c = match self.chars.next() {
            Some((_, '\\')) => self.escape(here)?,
            Some((_, c)) => c,
            None => '\'',
        };
        if self.chars.next_if(|(_, c)| *c == '\'').is_none() {
            let mistake = self.source.mistake(here, "'…' holds one character");
            return Err(with_hint(mistake, "write texts in double quotes"));
        }
        Ok(Token::Int(i64::from(u32::from(c))))
    }

    /// What stands after a backslash.
    fn escape(&mut self, here: usize) -> Result<char, Mistake> {
        let digits = |words: &mut Self, count: usize| {
            let text: String = words
                .chars
                .by_ref()
                .take(count)
                .map(|(_, digit)| digit)
                .collect();
            u32::from_str_radix(&text, 16).ok().and_then(char::from_u32)
        };
        let found = match self.chars.next().map(|(_, c)| c) {
            Some('n') => Some('\n'),
            Some('t') => Some('\t'),
            Some('r') => Some('\r'),
            Some(c @ ('\\' | '"' | '\'')) => Some(c),
            Some('x') => digits(self, 2),
            Some('u') => digits(self, 4),
            Some('U') => digits(self, 8),
            _ => None,
        };
        found.ok_or_else(|| self.source.mistake(here, "an escape nobody knows"))
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

pub(super) fn with_hint(mut mistake: Mistake, hint: &str) -> Mistake {
    mistake.hint = Some(hint.to_owned());
    mistake
}
