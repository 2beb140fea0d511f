//! Which labels a scraped sample ends up with.

use std::borrow::Cow;

use model::{LabelError, Labels};

/// What a scraped label is renamed to when the target's own label of that name stays.
const EXPORTED: &str = "exported_";

/// Merges the labels of a sample with those of its target (`job`, `instance`, …). With `honor` the
/// sample's win; else they are renamed to `exported_…`, as often as it takes to be unique.
pub(super) fn merged(
    scraped: &[(&str, Cow<'_, str>)],
    target: &Labels,
    honor: bool,
) -> Result<Labels, LabelError> {
    let own = scraped.iter().map(|(name, value)| {
        let mut name = (*name).to_owned();
        if !honor {
            while target.get(&name).is_some() {
                name.insert_str(0, EXPORTED);
            }
        }
        (name, value.clone().into_owned())
    });
    let mut labels = Labels::checked(own)?;
    for (name, value) in target.iter() {
        if labels.get(name).is_none() {
            labels.set(name, value);
        }
    }
    if labels.len() > Labels::COUNT_MAX {
        return Err(LabelError::TooMany);
    }
    Ok(labels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conflict_is_renamed_unless_honored() {
        let target = Labels::from_pairs([("job", "pods"), ("instance", "a:1")]);
        let scraped = [
            ("job", Cow::Borrowed("inner")),
            ("code", Cow::Borrowed("200")),
        ];
        let merge = |honor| merged(&scraped, &target, honor).unwrap().to_string();
        assert_eq!(
            merge(false),
            r#"{code="200", exported_job="inner", instance="a:1", job="pods"}"#
        );
        assert_eq!(merge(true), r#"{code="200", instance="a:1", job="inner"}"#);
    }
}
