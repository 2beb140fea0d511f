//! Telephone numbers: read from configuration, written as a provider wants them.

use declare::{Node, Problems, Record, Shape};

use crate::delivery::{AddressKind, Attempt, Delivery, Retry};

/// A number with its country code, digits only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Number(String);

impl Number {
    /// Reads `+86 138-0000-0001`; a mainland mobile number may leave out its country code.
    pub(super) fn parse(text: &str) -> Option<Number> {
        let text = text.trim();
        let (international, rest) = match text.strip_prefix('+').or(text.strip_prefix("00")) {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let kept = rest.chars().filter(|c| !matches!(c, ' ' | '-' | '(' | ')'));
        let digits: String = kept.collect();
        if !(7..=15).contains(&digits.len()) || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        match international {
            true => Some(Number(digits)),
            false if is_mainland_mobile(&digits) => Some(Number(format!("86{digits}"))),
            false => None,
        }
    }

    /// `+8613800000001`.
    pub(super) fn e164(&self) -> String {
        format!("+{}", self.0)
    }

    /// `13800000001` or `05710000000` within the mainland, `85200000000` elsewhere.
    pub(super) fn national(&self) -> String {
        match self.0.strip_prefix("86") {
            Some(mobile) if is_mainland_mobile(mobile) => mobile.to_owned(),
            Some(landline) => format!("0{landline}"),
            None => self.0.clone(),
        }
    }
}

fn is_mainland_mobile(digits: &str) -> bool {
    digits.len() == 11 && digits.starts_with('1')
}

/// Adds `to`.
pub(super) fn with_to(record: Record) -> Record {
    record.field(
        "to",
        Shape::Text,
        "a fixed number with country code; when absent, the person's own",
    )
}

/// The number in `name`. `Err` when it is there and wrong, which is then reported.
pub(super) fn read(node: &Node, name: &str, problems: &mut Problems) -> Result<Option<Number>, ()> {
    let Some(at) = node.field(name) else {
        return Ok(None);
    };
    let number = at.text().and_then(Number::parse);
    if number.is_none() {
        problems
            .error(at, format!("`{name}` is not a telephone number"))
            .hint("write it with its country code, in quotes: \"+8613800000001\"");
    }
    number.map(Some).ok_or(())
}

/// Where a delivery goes: the channel's fixed number, else the person's.
pub(super) fn of(
    delivery: &Delivery,
    fixed: Option<&Number>,
    kind: AddressKind,
) -> Result<Number, Attempt> {
    if let Some(fixed) = fixed {
        return Ok(fixed.clone());
    }
    let never = |reason: String| Attempt::Refused {
        reason,
        retry: Retry::Never,
    };
    let field = kind.as_str();
    let Some(person) = &delivery.recipient.person else {
        return Err(never(format!(
            "there is no person to reach by {field}; set `to`, or use the channel in a step"
        )));
    };
    let text = kind
        .of(person)
        .ok_or_else(|| never(format!("`{}` has no `{field}`", person.id)))?;
    // The number itself stays out of the record.
    Number::parse(text).ok_or_else(|| {
        never(format!(
            "the `{field}` of `{}` is not a telephone number with country code",
            person.id
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_people_write_them() {
        for (text, expected) in [
            ("+8613800000001", Some(("+8613800000001", "13800000001"))),
            ("13800000001", Some(("+8613800000001", "13800000001"))),
            (
                "0086 138-0000-0001",
                Some(("+8613800000001", "13800000001")),
            ),
            ("+86 (571) 0000000", Some(("+865710000000", "05710000000"))),
            ("+852 5000 0000", Some(("+85250000000", "85250000000"))),
            ("+1 (415) 555-0100", Some(("+14155550100", "14155550100"))),
            ("4155550100", None),
            ("+123", None),
            ("+1234567890123456", None),
            ("+86138x0000001", None),
            ("", None),
            ("+８６13800000001", None),
        ] {
            let number = Number::parse(text);
            let shown = number.map(|number| (number.e164(), number.national()));
            let expected = expected.map(|(a, b)| (a.to_owned(), b.to_owned()));
            assert_eq!(shown, expected, "{text}");
        }
    }
}
