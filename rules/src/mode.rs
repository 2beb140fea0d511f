//! Daily or rush: a schedule of dated events, and a switch for people that returns by itself.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use declare::{Node, Problems, Record, Shape};
use model::{DatedEvent, Mode, SharedClock, Timestamp};
use serde::Serialize;
use state::{Row, State, StateError, Statement};
use tokio::sync::watch;

use crate::events;

/// The mode in force and how it came to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct ModeStatus {
    /// Which thresholds and routes hold.
    pub mode: Mode,
    /// Since when; `None` when it was never otherwise.
    pub since: Option<Timestamp>,
    /// When it changes by itself, if that is known.
    pub until: Option<Timestamp>,
    /// Who or what decided.
    pub by: String,
}

/// A person's decision.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Manual {
    mode: Mode,
    since: Timestamp,
    until: Option<Timestamp>,
    by: String,
}

/// The shape of the section `mode:`.
pub fn mode_shape() -> Shape {
    Shape::Record(
        Record::new("mode", "when the mode is rush; otherwise it is daily").field(
            "rush",
            Shape::list(Shape::Text),
            "names of events during which the mode is rush",
        ),
    )
}

/// Reads the checked section `mode:`: the events during which the mode is rush.
pub fn read_mode(node: &Node, events: &[DatedEvent], problems: &mut Problems) -> Vec<DatedEvent> {
    let mut schedule = Vec::new();
    for item in node.items_of("rush") {
        let Some(name) = item.text() else { continue };
        if let Some(event) = events.iter().find(|event| event.name == name) {
            schedule.push(event.clone());
            continue;
        }
        let names = events.iter().map(|event| event.name.as_str());
        let hint = declare::closest(name, names).map_or_else(
            || "declare it under `events:`".to_owned(),
            |near| format!("did you mean `{near}`?"),
        );
        problems
            .error(item, format!("there is no event `{name}`"))
            .hint(hint);
    }
    schedule
}

/// The mode at an instant. A person's decision holds until its own end; without one, until the
/// schedule next changes its mind, so that nobody has to remember to switch back.
fn decide(schedule: &[DatedEvent], manual: Option<&Manual>, now: Timestamp) -> ModeStatus {
    if let Some(manual) = manual {
        let until = manual
            .until
            .or_else(|| next_boundary(schedule, manual.since));
        if until.is_none_or(|until| now < until) {
            return ModeStatus {
                mode: manual.mode,
                since: Some(manual.since),
                until,
                by: manual.by.clone(),
            };
        }
    }
    let last_end = schedule
        .iter()
        .map(|event| event.to)
        .chain(manual.and_then(|manual| manual.until))
        .filter(|end| *end <= now)
        .max();
    match schedule.iter().find(|event| event.holds_at(now)) {
        Some(event) => ModeStatus {
            mode: Mode::Rush,
            since: Some(event.from),
            until: Some(event.to),
            by: format!("event {}", event.name),
        },
        None => ModeStatus {
            mode: Mode::Daily,
            since: last_end,
            until: next_boundary(schedule, now),
            by: "schedule".to_owned(),
        },
    }
}

fn next_boundary(schedule: &[DatedEvent], after: Timestamp) -> Option<Timestamp> {
    schedule
        .iter()
        .flat_map(|event| [event.from, event.to])
        .filter(|boundary| *boundary > after)
        .min()
}

/// The mode of this Rampart. Clones share it.
#[derive(Clone)]
pub struct Modes {
    shared: Arc<Shared>,
}

struct Shared {
    state: State,
    clock: SharedClock,
    inner: Mutex<Inner>,
    mode: watch::Sender<Mode>,
}

struct Inner {
    schedule: Vec<DatedEvent>,
    manual: Option<Manual>,
    /// Rush times that people switched on, for baselines. Open ones have no end.
    rushes: Vec<(Timestamp, Option<Timestamp>)>,
}

/// Why a mode cannot be set.
#[derive(Debug, thiserror::Error)]
pub enum ModeError {
    /// `until` is not ahead.
    #[error("`until` must lie in the future")]
    Past,
    /// The decision could not be stored.
    #[error("the mode could not be stored")]
    State(#[from] StateError),
}

impl Modes {
    /// Reads the last decision of a person and takes up the schedule.
    pub async fn open(
        state: State,
        schedule: Vec<DatedEvent>,
        clock: SharedClock,
    ) -> Result<Modes, StateError> {
        let (manual, rushes) = read_decisions(&state).await?;
        let status = decide(&schedule, manual.as_ref(), clock.now());
        Ok(Modes {
            shared: Arc::new(Shared {
                state,
                clock,
                inner: Mutex::new(Inner {
                    schedule,
                    manual,
                    rushes,
                }),
                mode: watch::Sender::new(status.mode),
            }),
        })
    }

    /// Hears of every change.
    pub fn watch(&self) -> watch::Receiver<Mode> {
        self.shared.mode.subscribe()
    }

    /// The mode now.
    pub fn status(&self) -> ModeStatus {
        let inner = self.inner();
        decide(
            &inner.schedule,
            inner.manual.as_ref(),
            self.shared.clock.now(),
        )
    }

    /// Lets time pass: tells those who watch when the mode has changed by itself.
    pub fn refresh(&self) -> Mode {
        let status = self.status();
        self.shared.mode.send_if_modified(|mode| {
            let changed = *mode != status.mode;
            if changed {
                events::mode_changed(status.mode, &status.by);
                *mode = status.mode;
            }
            changed
        });
        status.mode
    }

    /// Replaces the schedule, as a reload of the configuration does.
    pub fn reschedule(&self, schedule: Vec<DatedEvent>) {
        self.inner().schedule = schedule;
        self.refresh();
    }

    /// Takes up what was decided at another node that shares the state.
    pub async fn read_again(&self) -> Result<(), StateError> {
        let (manual, rushes) = read_decisions(&self.shared.state).await?;
        {
            let mut inner = self.inner();
            // A decision that is being made here is newer than what was read.
            let since = |manual: &Option<Manual>| manual.as_ref().map(|manual| manual.since);
            if since(&manual) >= since(&inner.manual) {
                inner.manual = manual;
                inner.rushes = rushes;
            }
        }
        self.refresh();
        Ok(())
    }

    /// A person decides. Durable when it returns.
    pub async fn set(
        &self,
        mode: Mode,
        until: Option<Timestamp>,
        by: &str,
    ) -> Result<ModeStatus, ModeError> {
        let now = self.shared.clock.now();
        if until.is_some_and(|until| until <= now) {
            return Err(ModeError::Past);
        }
        let mut job = vec![
            Statement::new(
                "insert into rules_mode(id, mode, since_us, until_us, set_by) values (1, ?1, ?2, ?3, ?4)
                 on conflict(id) do update set mode = excluded.mode, since_us = excluded.since_us,
                   until_us = excluded.until_us, set_by = excluded.set_by",
            )
            .bind(mode.as_str())
            .bind(now)
            .bind(until)
            .bind(by),
            Statement::new("update rules_rushes set to_us = ?1 where to_us is null or to_us > ?1")
                .bind(now),
        ];
        if mode == Mode::Rush {
            job.push(
                Statement::new("insert into rules_rushes(from_us, to_us) values (?1, ?2)")
                    .bind(now)
                    .bind(until),
            );
        }
        self.shared.state.write(job).await?;
        {
            let mut inner = self.inner();
            for (_, to) in &mut inner.rushes {
                *to = Some(to.map_or(now, |to| to.min(now)));
            }
            if mode == Mode::Rush {
                inner.rushes.push((now, until));
            }
            inner.manual = Some(Manual {
                mode,
                since: now,
                until,
                by: by.to_owned(),
            });
        }
        self.refresh();
        Ok(self.status())
    }

    /// Every known stretch of rush, past and planned: no baseline.
    pub(crate) fn rushes(&self) -> Vec<(Timestamp, Timestamp)> {
        let now = self.shared.clock.now();
        let inner = self.inner();
        let scheduled = inner.schedule.iter().map(|event| (event.from, event.to));
        let switched = inner
            .rushes
            .iter()
            .map(|(from, to)| (*from, to.unwrap_or(now)));
        scheduled.chain(switched).collect()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.shared
            .inner
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Rush times that people switched on; open ones have no end.
type Rushes = Vec<(Timestamp, Option<Timestamp>)>;

async fn read_decisions(state: &State) -> Result<(Option<Manual>, Rushes), StateError> {
    let sql = "select mode, since_us, until_us, set_by from rules_mode where id = 1";
    let rows = state.read(Statement::new(sql)).await?;
    let manual = rows.first().map(read_manual).transpose()?;
    let sql = "select from_us, to_us from rules_rushes order by from_us desc limit 1000";
    let rows = state.read(Statement::new(sql)).await?;
    let rushes = rows
        .iter()
        .map(|row| Ok((row.timestamp(0)?, row.optional_timestamp(1)?)))
        .collect::<Result<_, StateError>>()?;
    Ok((manual, rushes))
}

fn read_manual(row: &Row) -> Result<Manual, StateError> {
    let mode = match row.text(0)?.as_str() {
        "rush" => Mode::Rush,
        _ => Mode::Daily,
    };
    Ok(Manual {
        mode,
        since: row.timestamp(1)?,
        until: row.optional_timestamp(2)?,
        by: row.text(3)?,
    })
}

#[cfg(test)]
mod tests;
