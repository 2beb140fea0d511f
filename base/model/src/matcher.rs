//! Matchers over labels, in Alertmanager's notation: `severity="critical"`, `unit!~"a|b"`.

use std::fmt;
use std::str::FromStr;

use regex::Regex;

use crate::Labels;

/// How a matcher compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MatchOperator {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `=~`, anchored at both ends.
    Matches,
    /// `!~`, anchored at both ends.
    NotMatches,
}

/// One condition on one label. A label that is absent compares as the empty string.
#[derive(Clone, Debug)]
pub struct Matcher {
    name: String,
    operator: MatchOperator,
    value: String,
    pattern: Option<Regex>,
}

/// Why a text is not a matcher.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum MatcherError {
    /// The text has no operator.
    #[error("{0:?} is not a matcher: write name=\"value\", with =, !=, =~ or !~")]
    Shape(String),
    /// The label name is not one.
    #[error("{0:?} is not a label name")]
    Name(String),
    /// The quotes do not close or an escape is unknown.
    #[error("the quoting of {0:?} is broken: close the quotes and escape only \\\\, \\\" and \\n")]
    Quotes(String),
    /// The regular expression does not compile.
    #[error("the regular expression {0:?} does not compile: {1}")]
    Pattern(String, String),
}

impl Matcher {
    /// A matcher from its parts.
    pub fn new(name: &str, operator: MatchOperator, value: &str) -> Result<Self, MatcherError> {
        if !Labels::is_name(name) {
            return Err(MatcherError::Name(name.to_owned()));
        }
        let pattern = match operator {
            MatchOperator::Equal | MatchOperator::NotEqual => None,
            MatchOperator::Matches | MatchOperator::NotMatches => Some(
                regex::RegexBuilder::new(&format!("^(?s:{value})$"))
                    .size_limit(1 << 20)
                    .build()
                    .map_err(|error| {
                        MatcherError::Pattern(value.to_owned(), last_line(&error.to_string()))
                    })?,
            ),
        };
        Ok(Matcher {
            name: name.to_owned(),
            operator,
            value: value.to_owned(),
            pattern,
        })
    }

    /// The label looked at.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How it compares.
    pub fn operator(&self) -> MatchOperator {
        self.operator
    }

    /// What it compares with.
    pub fn value(&self) -> &str {
        &self.value
    }

    /// Whether the label set satisfies it.
    pub fn matches(&self, labels: &Labels) -> bool {
        self.matches_value(labels.get(&self.name).unwrap_or(""))
    }

    /// Whether a value of its label satisfies it.
    pub fn matches_value(&self, actual: &str) -> bool {
        let by_pattern =
            |pattern: &Option<Regex>| pattern.as_ref().is_some_and(|regex| regex.is_match(actual));
        match self.operator {
            MatchOperator::Equal => actual == self.value,
            MatchOperator::NotEqual => actual != self.value,
            MatchOperator::Matches => by_pattern(&self.pattern),
            MatchOperator::NotMatches => !by_pattern(&self.pattern),
        }
    }
}

/// A regex error's own last line says what is wrong; the lines before draw the pattern.
fn last_line(message: &str) -> String {
    message
        .lines()
        .last()
        .unwrap_or(message)
        .trim_start_matches("error: ")
        .to_owned()
}

impl PartialEq for Matcher {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.operator == other.operator && self.value == other.value
    }
}

impl Eq for Matcher {}

impl FromStr for Matcher {
    type Err = MatcherError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let shape = || MatcherError::Shape(text.chars().take(120).collect());
        let at = text.find(['=', '!']).ok_or_else(shape)?;
        let (name, rest) = text.split_at(at);
        let operators = [
            ("=~", MatchOperator::Matches),
            ("!~", MatchOperator::NotMatches),
            ("!=", MatchOperator::NotEqual),
            ("=", MatchOperator::Equal),
        ];
        let (value, operator) = operators
            .iter()
            .find_map(|(sign, operator)| rest.strip_prefix(sign).map(|value| (value, *operator)))
            .ok_or_else(shape)?;
        Matcher::new(name.trim(), operator, &unquote(value.trim())?)
    }
}

fn unquote(text: &str) -> Result<String, MatcherError> {
    let broken = || MatcherError::Quotes(text.chars().take(120).collect());
    let Some(inner) = text.strip_prefix('"') else {
        return if text.contains('"') {
            Err(broken())
        } else {
            Ok(text.to_owned())
        };
    };
    let mut value = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    loop {
        match chars.next() {
            None => return Err(broken()),
            Some('"') => {
                return if chars.next().is_none() {
                    Ok(value)
                } else {
                    Err(broken())
                };
            }
            Some('\\') => match chars.next() {
                Some('\\') => value.push('\\'),
                Some('"') => value.push('"'),
                Some('n') => value.push('\n'),
                // Alertmanager keeps other escapes as they are, so that regexes read naturally.
                Some(other) => {
                    value.push('\\');
                    value.push(other);
                }
                None => return Err(broken()),
            },
            Some(other) => value.push(other),
        }
    }
}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = match self.operator {
            MatchOperator::Equal => "=",
            MatchOperator::NotEqual => "!=",
            MatchOperator::Matches => "=~",
            MatchOperator::NotMatches => "!~",
        };
        let value = self
            .value
            .replace('\\', "\\\\")
            .replace('"', "\\\"")
            .replace('\n', "\\n");
        write!(f, "{}{sign}\"{value}\"", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table() {
        let labels = Labels::from_pairs([("severity", "critical"), ("unit", "a")]);
        for (text, expected) in [
            (r#"severity="critical""#, true),
            ("severity=critical", true),
            (r#"severity != "critical""#, false),
            (r#"unit=~"a|b""#, true),
            (r#"unit=~"a|""#, true),
            (r#"zone=~"|z""#, true),
            (r#"zone="""#, true),
            (r#"unit!~"[b-z]""#, true),
            (r#"severity=~"crit""#, false),
        ] {
            assert_eq!(
                text.parse::<Matcher>().unwrap().matches(&labels),
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn mistakes_are_named() {
        assert!(matches!(
            "severity".parse::<Matcher>(),
            Err(MatcherError::Shape(_))
        ));
        assert!(matches!(
            "9x=1".parse::<Matcher>(),
            Err(MatcherError::Name(_))
        ));
        assert!(matches!(
            r#"a="b"#.parse::<Matcher>(),
            Err(MatcherError::Quotes(_))
        ));
        let error = r#"a=~"(""#.parse::<Matcher>().unwrap_err().to_string();
        assert!(error.contains("unclosed group"), "{error}");
    }

    #[test]
    fn prints_what_it_reads() {
        for text in [r#"a="b\"c""#, r#"a!~"x.*""#] {
            assert_eq!(text.parse::<Matcher>().unwrap().to_string(), text);
        }
    }
}
