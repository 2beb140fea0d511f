//! Label sets in an episode whose calls stopped for good: a version that was rolled back, a function
//! that was deleted. No data does not resolve, but such an episode must not stand for ever.

use std::collections::HashSet;
use std::time::Duration;

use super::evaluate::{Seen, Span, Window};
use super::series::{Series, Turn};
use super::sums::Sums;
use crate::condition::{Verdict, WINDOW_MAX, Why};
use crate::rule::Rule;
use crate::windows::{GroupKey, Recent};

/// How much silence must be observed before an episode is closed.
pub(super) const SILENCE_MAX: Duration = Recent::MEMORY;
/// Why an episode ended although nothing recovered.
pub(super) const NO_CALLS: &str = "no calls for 6h";

/// Adds up, for label sets in an episode, how long they were certainly without a call. Time in which
/// calls may merely be late counts for nothing.
pub(super) fn note<'a>(
    rule: &Rule,
    active: impl Iterator<Item = (&'a GroupKey, &'a mut Series)>,
    seen: &Seen,
    sums: &mut Sums<'_>,
    span: Span<'_>,
    turn: Turn<'_>,
) {
    let settings = rule.settings(turn.mode);
    let mut episodes = active
        .filter(|(_, series)| series.phase.episode_since().is_some())
        .peekable();
    let Ok(seen) = seen else { return };
    let seen = &seen.told;
    if !settings.condition.is_about_calls() || episodes.peek().is_none() {
        return;
    }
    let called: HashSet<&GroupKey> = seen
        .iter()
        .filter(|(_, verdict)| !matches!(verdict, Verdict::Unknown { why: Why::NoCalls }))
        .map(|(key, _)| key)
        .collect();
    let over = settings.condition.over().max(rule.every).min(WINDOW_MAX);
    let mut settled = None;
    for (key, series) in episodes {
        if called.contains(key) {
            series.silent = Duration::ZERO;
            continue;
        }
        let (window, with_calls) = settled.get_or_insert_with(|| {
            let window = Window::settled(over, settings.min_completeness, sums, span);
            let tallies = sums.get(&rule.select, None, window.from, window.to);
            let with_calls: HashSet<GroupKey> =
                tallies.iter().map(|(key, _)| key.clone()).collect();
            (window, with_calls)
        });
        if with_calls.contains(key) {
            series.silent = Duration::ZERO;
        } else if window
            .blindness(key.function_id(&rule.select.by).as_ref(), sums)
            .is_none()
        {
            series.silent += turn.now.since(series.seen_at).min(over);
        }
    }
}
