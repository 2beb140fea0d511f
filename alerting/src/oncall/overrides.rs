//! Who takes over from whom, for a while and without a reload: "I have the pager until ten".

use model::Timestamp;
use serde::{Deserialize, Serialize};

/// One person takes a schedule for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = OnCallOverride)]
pub struct Override {
    /// Its number.
    pub id: u64,
    /// The schedule.
    pub schedule: String,
    /// The key of the person.
    pub person: String,
    /// First instant.
    pub from: Timestamp,
    /// First instant after it.
    pub to: Timestamp,
    /// Who asked for it.
    pub by: String,
    /// When.
    pub made_at: Timestamp,
}

/// All of them, by number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    known: Vec<Override>,
    last_id: u64,
}

impl Overrides {
    /// The most of one schedule that are not over.
    pub const PER_SCHEDULE_MAX: usize = 100;
    /// How what stands in `Shift::rotation` is called when it is one of these.
    pub const NAME: &'static str = "override";

    /// From what was stored, with the highest number ever given.
    pub fn new(mut known: Vec<Override>, last_id: u64) -> Self {
        known.sort_by_key(|one| one.id);
        let last_id = known.last().map_or(last_id, |one| one.id.max(last_id));
        Overrides { known, last_id }
    }

    /// Those of a schedule that are not over at `now`, in order of their numbers.
    pub fn of<'a>(
        &'a self,
        schedule: &'a str,
        now: Timestamp,
    ) -> impl Iterator<Item = &'a Override> {
        let known = self.known.iter();
        known.filter(move |one| one.schedule == schedule && one.to > now)
    }

    /// One by its number.
    pub fn find(&self, id: u64) -> Option<&Override> {
        self.known.iter().find(|one| one.id == id)
    }

    /// The last one that was taken in as this one was asked for.
    pub(crate) fn latest_like(&self, asked: &Override) -> Option<&Override> {
        let mut known = self.known.iter().rev();
        known.find(|one| {
            let until = (one.to.as_millis(), asked.to.as_millis());
            (&one.schedule, &one.person, &one.by, until.0)
                == (&asked.schedule, &asked.person, &asked.by, until.1)
        })
    }

    /// The highest number ever given.
    pub(crate) fn last_id(&self) -> u64 {
        self.last_id
    }

    /// Takes one in under the next number; what is long over is let go.
    pub(crate) fn add(&mut self, mut made: Override) -> Override {
        self.last_id += 1;
        made.id = self.last_id;
        self.known.retain(|one| one.to > made.made_at);
        self.known.push(made.clone());
        made
    }

    /// Ends one at `now`; gives it as it then is, or `None` when it is over already.
    pub(crate) fn end(&mut self, id: u64, now: Timestamp) -> Option<Override> {
        let one = self.known.iter_mut().find(|one| one.id == id)?;
        if one.to <= now {
            return None;
        }
        one.to = now;
        one.from = one.from.min(now);
        Some(one.clone())
    }
}
