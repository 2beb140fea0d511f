//! Which names a template uses, as what, and where. The engine tells lines, and of filters only those
//! it reaches; a scan of the text tells all of them, before the night they would be reached.

/// What a name is used as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// `unit`
    Variable,
    /// `.unit`
    Attribute,
    /// `| percent`
    Filter,
    /// `is defined`
    Test,
    /// `range(3)`
    Call,
}

/// A name at its place; line and column count from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Name<'a> {
    pub(super) text: &'a str,
    pub(super) used: Use,
    pub(super) line: usize,
    pub(super) column: usize,
}

const KEYWORDS: &[&str] = &[
    "and",
    "block",
    "do",
    "elif",
    "else",
    "endblock",
    "endfilter",
    "endfor",
    "endif",
    "endset",
    "endwith",
    "false",
    "False",
    "for",
    "if",
    "in",
    "none",
    "None",
    "not",
    "or",
    "recursive",
    "set",
    "true",
    "True",
    "with",
];

/// Every name in the tags of a template, in order. The template is known to compile.
pub(super) fn find(template: &str) -> Vec<Name<'_>> {
    let mut scan = Scan {
        template,
        at: 0,
        names: Vec::new(),
    };
    while scan.next_tag() {}
    scan.names
}

struct Scan<'a> {
    template: &'a str,
    at: usize,
    names: Vec<Name<'a>>,
}

impl<'a> Scan<'a> {
    fn rest(&self) -> &'a str {
        self.template.get(self.at..).unwrap_or_default()
    }

    /// Reads the next tag; `false` at the end.
    fn next_tag(&mut self) -> bool {
        let rest = self.rest();
        let Some((open, closing)) = [("{{", "}}"), ("{%", "%}"), ("{#", "#}")]
            .into_iter()
            .filter_map(|(opening, closing)| Some((rest.find(opening)?, closing)))
            .min()
        else {
            return false;
        };
        self.at += open + 2;
        if closing == "#}" {
            self.skip_past(closing);
            return true;
        }
        let body = self.rest().trim_start_matches(['-', '+']).trim_start();
        if body.starts_with("raw") && closing == "%}" {
            self.skip_past("endraw");
            return true;
        }
        self.read_tag(closing);
        true
    }

    fn skip_past(&mut self, text: &str) {
        let found = self.rest().find(text).map(|at| at + text.len());
        self.at += found.unwrap_or(self.rest().len());
    }

    fn read_tag(&mut self, closing: &str) {
        let mut expected = None;
        while let Some(c) = self.rest().chars().next() {
            if self.rest().starts_with(closing) {
                self.at += closing.len();
                return;
            }
            match c {
                '"' | '\'' => self.skip_string(c),
                '|' => {
                    expected = Some(Use::Filter);
                    self.at += 1;
                }
                '.' => {
                    expected = Some(Use::Attribute);
                    self.at += 1;
                }
                c if is_part(c) => expected = self.read_word(expected),
                c => {
                    if !c.is_whitespace() {
                        expected = None;
                    }
                    self.at += c.len_utf8();
                }
            }
        }
    }

    fn skip_string(&mut self, quote: char) {
        let mut escaped = true; // the opening quote does not close
        for (offset, c) in self.rest().char_indices() {
            if c == quote && !escaped {
                self.at += offset + c.len_utf8();
                return;
            }
            escaped = c == '\\' && !escaped;
        }
        self.at = self.template.len();
    }

    /// Takes a word; gives what the next word is used as, where this one says so.
    fn read_word(&mut self, expected: Option<Use>) -> Option<Use> {
        let rest = self.rest();
        let length = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(length);
        let start = self.at;
        self.at += length;
        match word {
            "is" if expected.is_none() => return Some(Use::Test),
            "filter" if expected.is_none() => return Some(Use::Filter),
            "not" if expected == Some(Use::Test) => return expected,
            _ => {}
        }
        let is_keyword = expected.is_none() && KEYWORDS.contains(&word);
        if !is_keyword && !word.starts_with(|c: char| c.is_ascii_digit()) {
            let used = expected.unwrap_or(if after.trim_start().starts_with('(') {
                Use::Call
            } else {
                Use::Variable
            });
            let before = self.template.get(..start).unwrap_or_default();
            let line_start = before.rfind('\n').map_or(0, |at| at + 1);
            self.names.push(Name {
                text: word,
                used,
                line: before.matches('\n').count() + 1,
                column: before.get(line_start..).unwrap_or_default().chars().count() + 1,
            });
        }
        None
    }
}

fn is_part(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(template: &str) -> Vec<(&str, Use)> {
        find(template)
            .into_iter()
            .map(|name| (name.text, name.used))
            .collect()
    }

    #[test]
    fn names_are_told_apart_by_use() {
        use Use::{Attribute, Call, Filter, Test, Variable};
        for (template, expected) in [
            ("a {{ b }} c", vec![("b", Variable)]),
            (
                "{{ a.b | c(d) | e }}",
                vec![
                    ("a", Variable),
                    ("b", Attribute),
                    ("c", Filter),
                    ("d", Variable),
                    ("e", Filter),
                ],
            ),
            (
                "{% if a is not defined and b(1.5) %}{% endif %}",
                vec![("a", Variable), ("defined", Test), ("b", Call)],
            ),
            (
                "{{ 'a | b' }}{{ \"\\\"c }}\" }}{# d #}{% raw %}{{ e }}{% endraw %}{{ f }}",
                vec![("f", Variable)],
            ),
            (
                "{% filter upper %}x{% endfilter %}",
                vec![("upper", Filter)],
            ),
            (
                "{%- for a in b -%}{{ loop.index }}{%- endfor -%}",
                vec![
                    ("a", Variable),
                    ("b", Variable),
                    ("loop", Variable),
                    ("index", Attribute),
                ],
            ),
            ("{{", vec![]),
            ("{{ 'open", vec![]),
        ] {
            assert_eq!(found(template), expected, "{template}");
        }
    }

    #[test]
    fn places_count_characters() {
        let names = find("函数\n{{ 值 | p }}");
        let places: Vec<_> = names.iter().map(|name| (name.line, name.column)).collect();
        assert_eq!(places, [(2, 4), (2, 8)]);
    }
}
