//! The timeline of an incident: every thing that happened, in the order it did.

use model::Timestamp;
use serde::{Deserialize, Serialize};

use super::Incident;
use crate::pipeline::event::Write;
use crate::pipeline::memory::Journal;

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = TimelineEntry)]
pub struct Entry {
    /// Its number within the incident.
    pub sequence: u64,
    /// When.
    pub at: Timestamp,
    /// What sort of thing.
    pub kind: EntryKind,
    /// What happened, in a sentence.
    pub text: String,
    /// The person who did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub by: Option<String>,
}

/// What sort of thing happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EntryKind {
    /// An alert fired or resolved.
    Condition,
    /// A route was chosen, or left because it vanished.
    Routed,
    /// A step came due or was passed over.
    Step,
    /// A message was queued, tried, taken, refused, given up.
    Delivery,
    /// Somebody has it, or no longer does.
    Acknowledged,
    /// It came back.
    Reopened,
    /// It is over.
    Resolved,
    /// A silence, another alert or the time of day keeps it quiet, or no longer does.
    Muted,
    /// A remark.
    Note,
}

impl Incident {
    /// The most lines kept.
    pub const ENTRIES_MAX: usize = 500;
    /// How it began is always kept.
    const ENTRIES_KEPT_AT_BEGINNING: usize = 20;
    /// The longest line, in characters.
    const ENTRY_CHARS_MAX: usize = 1_000;

    /// Adds a line; the oldest after the beginning makes room.
    pub(in crate::pipeline) fn note(
        &mut self,
        journal: &mut Journal,
        now: Timestamp,
        kind: EntryKind,
        text: impl AsRef<str>,
    ) {
        self.note_by(journal, now, kind, text, None);
    }

    /// The same, with who did it.
    pub(in crate::pipeline) fn note_by(
        &mut self,
        journal: &mut Journal,
        now: Timestamp,
        kind: EntryKind,
        text: impl AsRef<str>,
        by: Option<&str>,
    ) {
        if self.timeline.len() >= Self::ENTRIES_MAX
            && let Some(dropped) = self.timeline.remove(Self::ENTRIES_KEPT_AT_BEGINNING)
        {
            self.timeline_left_out += 1;
            journal.writes.push(Write::DropEntry {
                incident: self.id.clone(),
                sequence: dropped.sequence,
            });
        }
        let entry = Entry {
            sequence: self.next_entry,
            at: now,
            kind,
            text: text.as_ref().chars().take(Self::ENTRY_CHARS_MAX).collect(),
            by: by.map(str::to_owned),
        };
        self.next_entry += 1;
        self.changed_at = now;
        self.timeline.push_back(entry.clone());
        journal.writes.push(Write::Entry {
            incident: self.id.clone(),
            entry,
        });
        journal.touch(&self.id);
    }
}
