//! What the providers of a night do with what they are handed.

use super::*;

impl Night {
    pub(super) fn call(&mut self, endpoint: &str, attempt: u64) {
        let queued = self.moods.get_mut(endpoint).and_then(VecDeque::pop_front);
        let usual = self.mood.get(endpoint).copied().unwrap_or(Mood::Takes);
        let mut mood = queued.unwrap_or(usual);
        let rows = self.disk.attempts[&attempt].rows.clone();
        // A chat keeps no receipts; and of an end that was lost too late nothing can be told.
        let ends = rows
            .iter()
            .any(|id| self.disk.outbox[id].kind == MessageKind::Resolved);
        if matches!(mood, Mood::Loses(_)) && (ends || !endpoint.starts_with("channels.")) {
            mood = Mood::Takes;
        }
        self.ask_whether_wanted(&rows);
        let takes = matches!(mood, Mood::Takes | Mood::Slow(_) | Mood::TakesSilently);
        if takes {
            self.messages += 1;
            self.hear(attempt);
        }
        let accepted = Attempt::Accepted {
            detail: "ok".into(),
            provider_id: Some(attempt.to_string()),
        };
        let refused = |retry| Attempt::Refused {
            reason: format!("{mood:?}"),
            retry,
        };
        let (seconds, outcome) = match mood {
            Mood::Takes => (0, accepted),
            Mood::Slow(seconds) => (seconds, accepted),
            Mood::Loses(seconds) => {
                self.lost.push(Lost {
                    lands_at: self.now + Duration::from_secs(seconds + 1),
                    attempt,
                });
                (0, accepted)
            }
            Mood::Fails => (0, refused(Retry::Backoff)),
            Mood::Refuses => (0, refused(Retry::Never)),
            Mood::Shuts(seconds) => (0, refused(Retry::After(Duration::from_secs(seconds)))),
            Mood::TakesSilently | Mood::Hangs => {
                let reason = "no answer".to_owned();
                (10, Attempt::Unknown { reason })
            }
        };
        if matches!(outcome, Attempt::Unknown { .. }) {
            self.doubts.extend(&rows);
        }
        self.flights.push(Flight {
            lands_at: self.now + Duration::from_secs(seconds) + Duration::from_millis(50),
            attempt,
            outcome,
        });
    }

    /// Writes down what leaves although nobody should be paged.
    fn ask_whether_wanted(&mut self, rows: &[u64]) {
        for id in rows {
            let row = &self.disk.outbox[id];
            let incident = &self.disk.incidents[&row.incident].0;
            // What joined is news to whoever has it; that it is still open is not.
            let unwanted = match row.kind {
                MessageKind::Reminder if row.note.is_some() => {
                    incident.status == IncidentStatus::Resolved
                }
                MessageKind::Firing | MessageKind::Reminder => {
                    incident.status != IncidentStatus::Open
                }
                MessageKind::Resolved | MessageKind::Test => false,
            };
            let function = incident.labels.get("function").unwrap_or_default();
            // A silence ends by the wall clock, of which nothing is said once it was set.
            let muted = row.kind != MessageKind::Resolved
                && !self.clock_was_set
                && self.is_surely_muted(function);
            if unwanted || muted {
                self.wrongly_paged.push(format!(
                    "{} {:?} to {} at {}",
                    row.incident, row.kind, row.address, self.now
                ));
            }
        }
    }

    /// A message truly reached everybody it was for.
    pub(super) fn hear(&mut self, attempt: u64) {
        for id in &self.disk.attempts[&attempt].rows {
            let row = &self.disk.outbox[id];
            self.heard.push(Heard {
                at: self.now,
                row: *id,
                incident: row.incident.clone(),
                address: row.address.clone(),
                kind: row.kind,
                attempt,
            });
        }
    }

    /// Hands over the first receipt that is due, if one is.
    pub(super) fn receipt_lands(&mut self) -> bool {
        let due = self.lost.iter().position(|lost| lost.lands_at <= self.now);
        let Some(index) = due else { return false };
        let lost = self.lost.remove(index);
        let provider_id = lost.attempt.to_string();
        let rows = &self.disk.attempts[&lost.attempt].rows;
        let is_there = |id: &u64| {
            let incident = &self.disk.outbox[id].incident;
            self.memory.incident(incident).is_some()
        };
        // Of an incident that is over and has left memory nothing more is said.
        let awaited = self.memory.receipts.awaits(&provider_id) && rows.iter().any(is_there);
        let stored = self.step(Event::Receipt {
            provider_id,
            receipt: Receipt::Failed {
                reason: "absent".into(),
            },
        });
        // It died before that or over it, and forgot: let the message have arrived after all.
        if !stored || !awaited {
            self.hear(lost.attempt);
        }
        true
    }
}
