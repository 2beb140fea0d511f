//! Which firing alerts are muted, and by what: kept up to date one change at a time, so that a hundred
//! thousand alerts cost nothing while nothing changes. Held against a naive model in its tests.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use model::{Labels, Timestamp};

use super::silence::{Draft, Silence, SilenceError, SilenceState};
use crate::config::InhibitRule;

/// What is known of silences, inhibition and the alerts they are about.
#[derive(Debug, Default)]
pub(in crate::pipeline) struct Mutes {
    silences: BTreeMap<String, Silence>,
    /// Active silences by a condition that a label of theirs must equal, for a quick look-up…
    by_label: HashMap<(String, String), BTreeSet<String>>,
    /// …and those without one.
    unfiled: BTreeSet<String>,
    active: BTreeSet<String>,
    /// When a silence begins, ends or can be forgotten.
    changes: BTreeSet<(Timestamp, String)>,
    rules: Vec<Inhibition>,
    alerts: HashMap<u64, Watched>,
    /// Alerts whose state may have changed since the last look.
    changed: BTreeSet<u64>,
}

/// An alert that fires.
#[derive(Debug)]
struct Watched {
    labels: Labels,
    silenced_by: BTreeSet<String>,
}

/// One rule with the alerts that fire on its sides, by the values they must share.
#[derive(Debug)]
struct Inhibition {
    rule: InhibitRule,
    groups: HashMap<Vec<String>, Sides>,
}

/// Alerts of both sides that share the values.
#[derive(Debug, Default)]
struct Sides {
    /// Sources, and whether each is a target too.
    sources: BTreeMap<u64, bool>,
    targets: BTreeSet<u64>,
}

impl Sides {
    /// The first source that inhibits a target. What is on both sides inhibits nothing that is.
    fn inhibitor(&self, target: u64) -> Option<u64> {
        let on_both_sides = self.sources.contains_key(&target);
        let mut sources = self.sources.iter();
        let (source, _) = sources.find(|(_, both)| !(on_both_sides && **both))?;
        Some(*source)
    }

    /// All targets, when the first source of its kind came or the last went: others change nothing.
    fn targets_if(&self, concerned: bool) -> Vec<u64> {
        if concerned {
            self.targets.iter().copied().collect()
        } else {
            Vec::new()
        }
    }
}

impl Mutes {
    /// With these rules and silences, and no alert yet.
    pub(in crate::pipeline) fn new(
        rules: &[InhibitRule],
        silences: impl IntoIterator<Item = Silence>,
        now: Timestamp,
    ) -> Self {
        let mut mutes = Mutes::default();
        mutes.set_rules(rules);
        for silence in silences {
            mutes.put(silence, now);
        }
        mutes
    }

    // Silences.

    /// Every silence kept.
    pub(in crate::pipeline) fn silences(&self) -> impl Iterator<Item = &Silence> {
        self.silences.values()
    }

    /// One of them.
    pub(in crate::pipeline) fn silence(&self, id: &str) -> Option<&Silence> {
        self.silences.get(id)
    }

    /// What a draft comes to: the silences as they then stand, the last of which is the one asked for.
    pub(in crate::pipeline) fn set(
        &self,
        mut draft: Draft,
        new_id: String,
        now: Timestamp,
    ) -> Result<Vec<Silence>, SilenceError> {
        draft.check(now)?;
        let mut changed = Vec::new();
        if let Some(id) = draft.id.take() {
            let known = self
                .silences
                .get(&id)
                .ok_or(SilenceError::Unknown(id.clone()))?;
            if known.takes(&draft, now) {
                if known.state(now) == SilenceState::Active {
                    draft.starts_at = known.starts_at;
                }
                return Ok(vec![draft.into_silence(id, now)]);
            }
            changed.extend(known.expired(now).ok());
        }
        if self.silences.len() >= Silence::COUNT_MAX {
            return Err(SilenceError::TooMany);
        }
        draft.starts_at = draft.starts_at.max(now);
        changed.push(draft.into_silence(new_id, now));
        Ok(changed)
    }

    /// What ending a silence now comes to.
    pub(in crate::pipeline) fn expire(
        &self,
        id: &str,
        now: Timestamp,
    ) -> Result<Silence, SilenceError> {
        let unknown = || SilenceError::Unknown(id.to_owned());
        self.silences.get(id).ok_or_else(unknown)?.expired(now)
    }

    /// Takes a silence as it now stands.
    pub(in crate::pipeline) fn put(&mut self, silence: Silence, now: Timestamp) {
        self.forget(&silence.id);
        let id = silence.id.clone();
        self.silences.insert(id.clone(), silence);
        self.look_at(&id, now);
    }

    /// Lets time pass: silences begin, end and are forgotten. Gives the ids of the forgotten.
    pub(in crate::pipeline) fn pass(&mut self, now: Timestamp) -> Vec<String> {
        let mut forgotten = Vec::new();
        while let Some((at, _)) = self.changes.first()
            && *at <= now
            && let Some((_, id)) = self.changes.pop_first()
        {
            let over = |silence: &Silence| silence.ends_at + Silence::RETENTION <= now;
            if self.silences.get(&id).is_some_and(over) {
                self.forget(&id);
                forgotten.push(id);
            } else {
                self.look_at(&id, now);
            }
        }
        forgotten
    }

    /// When the next silence begins or ends, or one can be forgotten.
    pub(in crate::pipeline) fn next_change(&self) -> Option<Timestamp> {
        self.changes.first().map(|(at, _)| *at)
    }

    /// Makes what follows from a silence's state at `now` true.
    fn look_at(&mut self, id: &str, now: Timestamp) {
        let Some(silence) = self.silences.get(id).cloned() else {
            return;
        };
        let (active, next) = match silence.state(now) {
            SilenceState::Pending => (false, silence.starts_at),
            SilenceState::Active => (true, silence.ends_at),
            SilenceState::Expired => (false, silence.ends_at + Silence::RETENTION),
        };
        self.changes.insert((next, id.to_owned()));
        if active && self.active.insert(id.to_owned()) {
            self.file(&silence);
            for (fingerprint, watched) in &mut self.alerts {
                if silence.matches(&watched.labels) && watched.silenced_by.insert(id.to_owned()) {
                    self.changed.insert(*fingerprint);
                }
            }
        } else if !active && self.active.remove(id) {
            self.unfile(&silence);
        }
    }

    fn file(&mut self, silence: &Silence) {
        match drawer(silence) {
            Some(drawer) => {
                let ids = self.by_label.entry(drawer).or_default();
                ids.insert(silence.id.clone());
            }
            None => {
                self.unfiled.insert(silence.id.clone());
            }
        }
    }

    fn unfile(&mut self, silence: &Silence) {
        if let Some(drawer) = drawer(silence)
            && let Some(ids) = self.by_label.get_mut(&drawer)
        {
            ids.remove(&silence.id);
            if ids.is_empty() {
                self.by_label.remove(&drawer);
            }
        }
        self.unfiled.remove(&silence.id);
        for (fingerprint, watched) in &mut self.alerts {
            if watched.silenced_by.remove(&silence.id) {
                self.changed.insert(*fingerprint);
            }
        }
    }

    fn forget(&mut self, id: &str) {
        if let Some(silence) = self.silences.remove(id) {
            if self.active.remove(id) {
                self.unfile(&silence);
            }
            let next = [
                silence.starts_at,
                silence.ends_at,
                silence.ends_at + Silence::RETENTION,
            ];
            for at in next {
                self.changes.remove(&(at, id.to_owned()));
            }
        }
    }

    // Inhibition.

    /// Follows these rules from now on.
    pub(in crate::pipeline) fn set_rules(&mut self, rules: &[InhibitRule]) {
        self.rules = rules
            .iter()
            .map(|rule| Inhibition {
                rule: rule.clone(),
                groups: HashMap::new(),
            })
            .collect();
        for (fingerprint, watched) in &self.alerts {
            for inhibition in &mut self.rules {
                inhibition.add(*fingerprint, &watched.labels);
            }
            self.changed.insert(*fingerprint);
        }
    }

    // Alerts.

    /// An alert fires.
    pub(in crate::pipeline) fn fires(&mut self, fingerprint: u64, labels: &Labels) {
        self.changed.insert(fingerprint);
        if self.alerts.contains_key(&fingerprint) {
            return;
        }
        let mut candidates: BTreeSet<&String> = self.unfiled.iter().collect();
        for (name, value) in labels.iter() {
            let drawer = (name.to_owned(), value.to_owned());
            candidates.extend(self.by_label.get(&drawer).into_iter().flatten());
        }
        let silenced_by = candidates
            .into_iter()
            .filter(|id| {
                let silence = self.silences.get(*id);
                silence.is_some_and(|silence| silence.matches(labels))
            })
            .cloned()
            .collect();
        let watched = Watched {
            labels: labels.clone(),
            silenced_by,
        };
        for inhibition in &mut self.rules {
            self.changed.extend(inhibition.add(fingerprint, labels));
        }
        self.alerts.insert(fingerprint, watched);
    }

    /// An alert no longer fires.
    pub(in crate::pipeline) fn ends(&mut self, fingerprint: u64) {
        let Some(watched) = self.alerts.remove(&fingerprint) else {
            return;
        };
        for inhibition in &mut self.rules {
            self.changed
                .extend(inhibition.remove(fingerprint, &watched.labels));
        }
        self.changed.insert(fingerprint);
    }

    /// Whether a silence mutes an alert.
    pub(in crate::pipeline) fn is_silenced(&self, fingerprint: u64) -> bool {
        let watched = self.alerts.get(&fingerprint);
        watched.is_some_and(|watched| !watched.silenced_by.is_empty())
    }

    /// The silences that mute an alert.
    pub(in crate::pipeline) fn silenced_by(&self, fingerprint: u64) -> Vec<String> {
        let watched = self.alerts.get(&fingerprint);
        watched.map_or_else(Vec::new, |watched| {
            watched.silenced_by.iter().cloned().collect()
        })
    }

    /// The alerts that inhibit an alert, one for each rule.
    pub(in crate::pipeline) fn inhibited_by(&self, fingerprint: u64) -> Vec<u64> {
        let Some(watched) = self.alerts.get(&fingerprint) else {
            return Vec::new();
        };
        let mut found: Vec<u64> = self
            .rules
            .iter()
            .filter_map(|inhibition| inhibition.inhibitor(fingerprint, &watched.labels))
            .collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Whether an alert is muted, by a silence or another alert.
    pub(in crate::pipeline) fn mutes(&self, fingerprint: u64) -> bool {
        let Some(watched) = self.alerts.get(&fingerprint) else {
            return false;
        };
        let inhibits =
            |inhibition: &Inhibition| inhibition.inhibitor(fingerprint, &watched.labels).is_some();
        !watched.silenced_by.is_empty() || self.rules.iter().any(inhibits)
    }

    /// Labels of an alert that fires.
    pub(in crate::pipeline) fn labels(&self, fingerprint: u64) -> Option<&Labels> {
        self.alerts.get(&fingerprint).map(|watched| &watched.labels)
    }

    /// The alerts that may be muted otherwise than at the last call.
    pub(in crate::pipeline) fn take_changed(&mut self) -> BTreeSet<u64> {
        std::mem::take(&mut self.changed)
    }
}

/// The label and value by which a silence is filed.
fn drawer(silence: &Silence) -> Option<(String, String)> {
    let exact = |matcher: &&model::Matcher| {
        matcher.operator() == model::MatchOperator::Equal && !matcher.value().is_empty()
    };
    let matcher = silence.matchers.iter().find(exact)?;
    Some((matcher.name().to_owned(), matcher.value().to_owned()))
}

impl Inhibition {
    fn inhibitor(&self, fingerprint: u64, labels: &Labels) -> Option<u64> {
        let sides = self.groups.get(&self.rule.common(labels))?;
        sides.targets.get(&fingerprint)?;
        sides.inhibitor(fingerprint)
    }

    /// Files an alert; gives the targets that this may concern.
    fn add(&mut self, fingerprint: u64, labels: &Labels) -> Vec<u64> {
        let (source, target) = (self.rule.is_source(labels), self.rule.is_target(labels));
        if !source && !target {
            return Vec::new();
        }
        let sides = self.groups.entry(self.rule.common(labels)).or_default();
        if target {
            sides.targets.insert(fingerprint);
        }
        if !source {
            return Vec::new();
        }
        let is_first = !sides.sources.values().any(|both| *both == target);
        sides.sources.insert(fingerprint, target);
        sides.targets_if(is_first)
    }

    /// Takes an alert out; gives the targets that this may concern.
    fn remove(&mut self, fingerprint: u64, labels: &Labels) -> Vec<u64> {
        let key = self.rule.common(labels);
        let Some(sides) = self.groups.get_mut(&key) else {
            return Vec::new();
        };
        sides.targets.remove(&fingerprint);
        let was = sides.sources.remove(&fingerprint);
        let was_last = was.is_some_and(|was| !sides.sources.values().any(|both| *both == was));
        let concerned = sides.targets_if(was_last);
        if sides.targets.is_empty() && sides.sources.is_empty() {
            self.groups.remove(&key);
        }
        concerned
    }
}
