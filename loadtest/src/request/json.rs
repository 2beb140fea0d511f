//! What an answer's JSON must say: `/ok == true`, `/items/0/price <= 100`, `/next exists`.

use serde_json::Value;

use super::TextError;
use super::header::SHOWN_CHARS_MAX;

/// One condition on a value that a JSON pointer (RFC 6901) names. A value that is not there fulfils
/// `absent` and nothing else.
#[derive(Clone, Debug, PartialEq)]
pub struct JsonCheck {
    pointer: String,
    wanted: Wanted,
    written: String,
}

#[derive(Clone, Debug, PartialEq)]
enum Wanted {
    Exists,
    Absent,
    Equal(Value),
    NotEqual(Value),
    Number(Order, f64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Below,
    AtMost,
    Above,
    AtLeast,
}

const HOW_TO: &str = "write \"/ok == true\", with ==, !=, <, <=, >, >=, or \"/next exists\"";

impl JsonCheck {
    /// Reads a pointer, an operator and a value in JSON's notation, each with a space before the next.
    pub fn parse(text: &str) -> Result<Self, TextError> {
        let (pointer, rest) = text
            .trim()
            .split_once(char::is_whitespace)
            .ok_or_else(|| TextError::new(format!("`{text}` compares nothing"), HOW_TO))?;
        if !pointer.starts_with('/') {
            return Err(TextError::new(
                format!("`{pointer}` is not a JSON pointer"),
                format!(
                    "write /{}",
                    pointer.trim_start_matches(['.', '$']).replace('.', "/")
                ),
            ));
        }
        let rest = rest.trim();
        let (operator, value) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        Ok(JsonCheck {
            pointer: pointer.to_owned(),
            wanted: Wanted::parse(operator, value.trim())?,
            written: text.to_owned(),
        })
    }

    /// Whether all of them hold; the body is read only when there are some. What is not JSON fulfils
    /// none.
    #[inline]
    pub fn all_hold(checks: &[JsonCheck], body: &[u8]) -> bool {
        checks.is_empty()
            || serde_json::from_slice::<Value>(body)
                .is_ok_and(|document| checks.iter().all(|check| check.holds(&document)))
    }

    /// What is wrong with a body that does not fulfil all: `with /ok false; the plan expects /ok == true`.
    pub(super) fn what_lacks(checks: &[JsonCheck], body: &[u8]) -> String {
        let document = serde_json::from_slice::<Value>(body).ok();
        let lacking = checks.iter().find(|check| {
            document
                .as_ref()
                .is_none_or(|document| !check.holds(document))
        });
        let Some(check) = lacking else {
            return String::new();
        };
        let got = match &document {
            None => "with a body that is not JSON".to_owned(),
            Some(document) => match document.pointer(&check.pointer) {
                None => format!("without {}", check.pointer),
                Some(found) => {
                    let text = found.to_string();
                    let shown = text.chars().filter(|letter| !letter.is_control());
                    let shown: String = shown.take(SHOWN_CHARS_MAX).collect();
                    format!("with {} {shown}", check.pointer)
                }
            },
        };
        format!("{got}; the plan expects {}", check.written)
    }

    fn holds(&self, document: &Value) -> bool {
        let found = document.pointer(&self.pointer);
        match (&self.wanted, found) {
            (Wanted::Absent, found) => found.is_none(),
            (_, None) => false,
            (Wanted::Exists, Some(_)) => true,
            (Wanted::Equal(value), Some(found)) => equal(value, found),
            (Wanted::NotEqual(value), Some(found)) => !equal(value, found),
            (Wanted::Number(order, limit), Some(found)) => found
                .as_f64()
                .is_some_and(|found| order.holds(found, *limit)),
        }
    }

    /// As written.
    pub fn as_str(&self) -> &str {
        &self.written
    }
}

impl Wanted {
    fn parse(operator: &str, value: &str) -> Result<Self, TextError> {
        let order = match operator {
            "exists" | "absent" if !value.is_empty() => {
                return Err(TextError::new(
                    format!("nothing stands behind `{operator}`, found `{value}`"),
                    HOW_TO,
                ));
            }
            "exists" => return Ok(Wanted::Exists),
            "absent" => return Ok(Wanted::Absent),
            "==" => return json(value).map(Wanted::Equal),
            "!=" => return json(value).map(Wanted::NotEqual),
            "<" => Order::Below,
            "<=" => Order::AtMost,
            ">" => Order::Above,
            ">=" => Order::AtLeast,
            "=" | "===" => {
                return Err(TextError::new(
                    format!("`{operator}` is not known"),
                    "write ==",
                ));
            }
            other => {
                return Err(TextError::new(format!("`{other}` is not known"), HOW_TO));
            }
        };
        let limit = json(value)?.as_f64().ok_or_else(|| {
            TextError::new(
                format!("`{operator}` compares numbers, `{value}` is none"),
                "compare other values with == or !=",
            )
        })?;
        Ok(Wanted::Number(order, limit))
    }
}

fn json(value: &str) -> Result<Value, TextError> {
    serde_json::from_str(value).map_err(|_| {
        let shown: String = value.chars().take(60).collect();
        let hint = match shown.as_str() {
            "" => "write a number, true, false, null or a text in double quotes".to_owned(),
            text => format!(
                "a text stands in double quotes: {:?}",
                text.trim_matches(['\'', '"'])
            ),
        };
        TextError::new(format!("`{shown}` is not a JSON value"), hint)
    })
}

/// Equal as JSON, where 1 and 1.0 are the same number.
fn equal(wanted: &Value, found: &Value) -> bool {
    match (wanted, found) {
        (Value::Number(wanted), Value::Number(found)) => {
            wanted == found || wanted.as_f64() == found.as_f64()
        }
        _ => wanted == found,
    }
}

impl Order {
    fn holds(self, found: f64, limit: f64) -> bool {
        match self {
            Order::Below => found < limit,
            Order::AtMost => found <= limit,
            Order::Above => found > limit,
            Order::AtLeast => found >= limit,
        }
    }
}
