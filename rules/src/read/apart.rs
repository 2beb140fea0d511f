//! What is judged in parts, and what only as a whole: conditions that `by` must suit.

use declare::{Node, Problems};

use crate::condition::{self, Condition};
use crate::rule::Settings;
use crate::windows::By;

/// What an outlier is looked for across is told apart, whatever else is.
pub(super) fn tell_parts_apart(by: &mut Vec<By>, modes: &[&Option<Settings>]) {
    for settings in modes.iter().copied().flatten() {
        if let Condition::Outlier(outlier) = &settings.condition
            && !by.contains(&outlier.across)
        {
            by.push(outlier.across);
        }
    }
}

/// Some things are counted for a function as a whole: pods, values of columns.
pub(super) fn refuse_pods_apart(
    rule: &Node,
    place: Option<&Node>,
    by: &[By],
    modes: &[&Option<Settings>],
    problems: &mut Problems,
) {
    let judged = |settings: &Option<Settings>| {
        let condition = settings.as_ref().map(|settings| &settings.condition);
        match condition? {
            Condition::AboveCapacity(_) => Some("above_capacity"),
            Condition::Share(share) if share.part.is_by_minute() => Some(share.part.of()),
            Condition::Compare(compare) => match compare.sides {
                condition::Sides::Versions(..) => None,
                condition::Sides::ServedBy(..) => Some("served_by"),
                condition::Sides::Functions(..) => Some("compare"),
            },
            _ => None,
        }
    };
    if let Some(word) = modes.iter().find_map(|settings| judged(settings))
        && by != [By::Namespace, By::Function]
    {
        problems
            .error(
                place.unwrap_or(rule),
                format!("`{word}` is judged for each function as a whole"),
            )
            .hint("write `by: [function]`, or leave `by` out");
    }
}

/// A comparison of versions tells them apart itself.
pub(super) fn refuse_versions_apart(
    rule: &Node,
    place: Option<&Node>,
    by: &[By],
    modes: &[&Option<Settings>],
    problems: &mut Problems,
) {
    let compares = |settings: &Option<Settings>| {
        matches!(
            settings.as_ref().map(|settings| &settings.condition),
            Some(Condition::Compare(compare))
                if matches!(compare.sides, condition::Sides::Versions(..))
        )
    };
    if by.contains(&By::Version) && modes.iter().any(|settings| compares(settings)) {
        problems
            .error(
                place.unwrap_or(rule),
                "`compare` tells versions apart itself",
            )
            .hint("leave `version` out of `by`");
    }
}
