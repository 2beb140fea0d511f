//! What must be true of every night.

use super::*;
use crate::pipeline::outbox::PATIENCE;
use crate::pipeline::{OutboxRow, Reach, RowState};

/// Holds the night against all of them; how many were held.
pub(super) fn hold(night: &Night) -> usize {
    let always: [fn(&Night); 4] = [
        everybody_is_reached_or_it_shows,
        duplicates_have_their_reason,
        the_end_reaches_whom_the_beginning_reached,
        nothing_is_left_over,
    ];
    // These compare times, which mean nothing across a clock that was set.
    let timed: [fn(&Night); 2] = [every_episode_is_told, steps_keep_their_distance];
    let timed = timed.into_iter().filter(|_| !night.clock_was_set);
    let invariants: Vec<fn(&Night)> = always.into_iter().chain(timed).collect();
    for invariant in &invariants {
        invariant(night);
    }
    invariants.len()
}

fn everybody_is_reached_or_it_shows(night: &Night) {
    for (id, (incident, _)) in &night.disk.incidents {
        let heard = night
            .heard
            .iter()
            .any(|heard| heard.incident == *id && heard.kind != MessageKind::Resolved);
        if heard {
            continue;
        }
        let story = night.disk.story(id);
        let visible = incident.reach == Reach::Unreached
            || story.contains("did not arrive")
            || story.contains("resolved before anybody was")
            || story.contains("resolved: fixed")
            || story.contains("acknowledged by");
        assert!(
            visible,
            "seed {}: nobody heard of {id}\n{story}",
            night.seed
        );
    }
    // Nothing that fired was lost on the way in.
    assert!(night.unsent.is_empty(), "seed {}", night.seed);
}

/// Lines after which a plan runs again, or a step again.
const STARTS_OVER: [&str; 5] = [
    "no longer muted",
    "rings again",
    "starts at step 1 again",
    "fires again",
    "the last one is repeated",
];

/// How many lines of an incident's timeline from one time to another hold one of these texts.
fn lines(night: &Night, id: &str, (from, to): (Timestamp, Timestamp), texts: &[&str]) -> usize {
    let entries = &night.disk.entries;
    entries
        .range((id.to_owned(), 0)..=(id.to_owned(), u64::MAX))
        .filter(|(_, entry)| from <= entry.at && entry.at <= to)
        .filter(|(_, entry)| texts.iter().any(|text| entry.text.contains(text)))
        .count()
}

/// The first messages that steps decided.
fn steps<'a>(night: &'a Night, id: &'a str) -> impl Iterator<Item = &'a OutboxRow> {
    let rows = night.disk.outbox.values();
    rows.filter(move |row| {
        row.incident == id && row.kind == MessageKind::Firing && row.step.is_some()
    })
}

/// Whoever hears that something is over hears when it is not: each time that it fires for longer
/// than its plan's first step takes, somebody is told; when it is longer than all steps, by what
/// wakes them.
fn every_episode_is_told(night: &Night) {
    for episode in &night.episodes {
        let from = episode.from;
        let to = episode.to.unwrap_or(night.now);
        let slept: Duration = night
            .downs
            .iter()
            .map(|(down, up)| (*up).min(to).since((*down).max(from)))
            .sum();
        let muted = night.was_muted_for(&episode.function, from, to);
        let lasted = to.since(from).saturating_sub(slept + muted);
        let all_steps = Duration::from_mins(if episode.function == "pay" { 1 } else { 10 });
        let slack = PATIENCE + Duration::from_secs(1);
        if lasted <= slack {
            continue;
        }
        let ids: Vec<&String> = night
            .disk
            .incidents
            .iter()
            .filter(|(_, (incident, _))| {
                incident.labels.get("function") == Some(episode.function.as_str())
            })
            .map(|(id, _)| id)
            .collect();
        let told = |loud: bool| {
            let fits = |address: &Address| !loud || address.costs();
            ids.iter().any(|id| {
                let decided = night.disk.outbox.values().any(|row| {
                    row.incident == **id
                        && row.kind == MessageKind::Firing
                        && (from..=to).contains(&row.created_at)
                        && fits(&row.address)
                });
                decided || still_believes(night, id, from, fits)
            })
        };
        let excused = ids.iter().any(|id| {
            let excuses = [
                "acknowledged by",
                "still acknowledged",
                "resolved: fixed",
                "kept quiet",
                "undeliverable: nobody",
                "passed over",
                "earlier message waiting",
            ];
            lines(night, id, (from, to), &excuses) > 0
        });
        let loudly = lasted > all_steps + slack;
        let stories: Vec<String> = ids.iter().map(|id| night.disk.story(id)).collect();
        assert!(
            excused || (told(false) && (!loudly || told(true))),
            "seed {}: nobody was told of {episode:?}\n{}",
            night.seed,
            stories.join("\n")
        );
    }
}

/// Whether somebody who heard of an earlier episode has not heard that it ended.
fn still_believes(
    night: &Night,
    id: &str,
    before: Timestamp,
    fits: impl Fn(&Address) -> bool,
) -> bool {
    let mut last: BTreeMap<&Address, MessageKind> = BTreeMap::new();
    for heard in &night.heard {
        if heard.incident == id && heard.at < before && fits(&heard.address) {
            last.insert(&heard.address, heard.kind);
        }
    }
    last.values().any(|kind| *kind != MessageKind::Resolved)
}

/// Two steps come in one moment only when something asked for it, and no step comes twice by itself.
fn steps_keep_their_distance(night: &Night) {
    for (id, (incident, _)) in &night.disk.incidents {
        if incident.timeline_left_out > 0 {
            continue;
        }
        let mut moments: BTreeMap<Timestamp, BTreeSet<(u32, usize)>> = BTreeMap::new();
        let mut times: BTreeMap<(&Address, u32, Option<usize>), usize> = BTreeMap::new();
        for row in steps(night, id) {
            let step = row.step.map(|(step, _)| step);
            let moment = moments.entry(row.created_at).or_default();
            moment.extend(step.map(|step| (row.round, step)));
            *times.entry((&row.address, row.round, step)).or_default() += 1;
        }
        for (at, steps) in moments {
            let mut reasons = vec!["comes at once", "asked for the next step", "passed over"];
            reasons.extend(STARTS_OVER);
            assert!(
                steps.len() <= 1 + lines(night, id, (at, at), &reasons),
                "seed {}: {steps:?} of {id} at {at}\n{}",
                night.seed,
                night.disk.story(id)
            );
        }
        let always = (Timestamp::EPOCH, night.now);
        for (step, times) in times {
            assert!(
                times <= 1 + lines(night, id, always, &STARTS_OVER),
                "seed {}: {times} messages of {step:?} of {id}\n{}",
                night.seed,
                night.disk.story(id)
            );
        }
    }
}

fn duplicates_have_their_reason(night: &Night) {
    let mut taken: BTreeMap<u64, BTreeSet<u64>> = BTreeMap::new();
    for heard in &night.heard {
        taken.entry(heard.row).or_default().insert(heard.attempt);
    }
    for (row, attempts) in taken {
        let row = &night.disk.outbox[&row];
        let costly = row.address.costs();
        let most = if night.doubts.contains(&row.id) && !costly {
            2
        } else {
            1
        };
        assert!(
            attempts.len() <= most,
            "seed {}: {} times {row:?}\n{}",
            night.seed,
            attempts.len(),
            night.disk.story(&row.incident)
        );
    }
}

fn the_end_reaches_whom_the_beginning_reached(night: &Night) {
    for id in night.disk.incidents.keys() {
        let to = |kinds: &[MessageKind]| -> BTreeSet<&Address> {
            let heard = night.heard.iter();
            heard
                .filter(|heard| heard.incident == *id && kinds.contains(&heard.kind))
                .map(|heard| &heard.address)
                .collect()
        };
        let began = to(&[MessageKind::Firing, MessageKind::Reminder]);
        let ended = to(&[MessageKind::Resolved]);
        let story = || night.disk.story(id);
        for address in &began {
            // A text message of unknown outcome is not followed up; a call only tells the end where
            // nothing else told anybody, as far as was known then: that a message was lost may be known
            // only after the end was told. What could not be delivered says so.
            let excused = (address.costs() && in_doubt(night, id, address))
                || (address.is_call() && began.iter().any(|other| !other.is_call()))
                || (address.is_call() && was_written_to(night, id))
                || story().contains(&format!("{address} does not know that it is over"));
            assert!(
                ended.contains(address) || excused,
                "seed {}: {address} never heard the end of {id}\n{}",
                night.seed,
                story()
            );
        }
        for address in &ended {
            // That a message was lost may be known only after the end was told.
            let may_have = in_doubt(night, id, address)
                || story().contains(&format!("message to {address} did not arrive"));
            assert!(
                began.contains(address) || may_have,
                "seed {}: {address} heard only the end of {id}\n{}",
                night.seed,
                story()
            );
        }
    }
}

/// Whether somebody was told by something else than a call, as far as the pipeline knew.
fn was_written_to(night: &Night, incident: &str) -> bool {
    night.disk.outbox.values().any(|row| {
        row.incident == incident
            && !row.address.is_call()
            && row.kind != MessageKind::Resolved
            && row.state == RowState::Accepted
    })
}

/// Whether the pipeline could not know if this address got a first message.
fn in_doubt(night: &Night, incident: &str, address: &Address) -> bool {
    night.disk.outbox.values().any(|row| {
        row.incident == incident
            && row.address == *address
            && (row.state == RowState::Unknown || night.doubts.contains(&row.id))
    })
}

fn nothing_is_left_over(night: &Night) {
    let waiting: Vec<_> = night
        .disk
        .outbox
        .values()
        .filter(|row| !row.state.is_final())
        .collect();
    assert!(waiting.is_empty(), "seed {}: {waiting:?}", night.seed);
    for (id, (incident, active)) in &night.disk.incidents {
        assert_eq!(
            incident.status,
            IncidentStatus::Resolved,
            "seed {}: {id}\n{}",
            night.seed,
            night.disk.story(id)
        );
        assert!(!active, "seed {}: {id} is still in memory", night.seed);
    }
    assert_eq!(night.memory.incidents().count(), 0, "seed {}", night.seed);
}
