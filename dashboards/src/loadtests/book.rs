//! What is known of each function's capacity, and which limits follow: pure, told row by row.

use std::collections::BTreeMap;

use model::{FunctionId, Timestamp};

use super::build::{Build, InProduction};
use super::row::Summary;

/// The most functions that are followed; further results are stored and followed by nobody.
pub(crate) const FUNCTIONS_MAX: usize = 10_000;
/// The most builds of one function whose capacities are remembered, newest first.
const BUILDS_MAX: usize = 8;

/// Every function that was tested.
#[derive(Debug, Default)]
pub(crate) struct Book {
    functions: BTreeMap<FunctionId, Tested>,
    turned_away: u64,
}

/// One function's tests.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Tested {
    /// Capacities to plan with, the newest of each build, newest first.
    capacities: Vec<Summary>,
    /// The newest test of any kind.
    newest: Option<(Timestamp, Build)>,
    /// The verdict of the newest capacity test that allows no planning.
    unplannable: Option<(Timestamp, String)>,
    /// The limits in force.
    pub(crate) published: Option<Limits>,
    /// Limits that wait for a person.
    pub(crate) pending: Option<Limits>,
}

/// Limits for one pod, and where they come from.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Limits {
    /// The id of the test.
    pub(crate) of: String,
    /// What was tested.
    pub(crate) build: Build,
    /// Calls per second.
    pub(crate) qps: f64,
    /// Calls at once.
    pub(crate) concurrency: Option<u64>,
    /// When they were proposed or taken.
    pub(crate) at: Timestamp,
    /// Who did.
    pub(crate) by: String,
}

/// How far limits have come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// They wait for a person.
    Pending,
    /// They are in force.
    Published,
}

impl Stage {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Stage::Pending => "pending",
            Stage::Published => "published",
        }
    }

    pub(crate) fn from_word(word: &str) -> Option<Stage> {
        [Stage::Pending, Stage::Published]
            .into_iter()
            .find(|stage| stage.as_str() == word)
    }
}

impl Book {
    /// Takes a test in.
    pub(crate) fn add(&mut self, test: &Summary) {
        if let Some(tested) = self.entry(test.function_id()) {
            tested.add(test);
        }
    }

    /// Takes limits in.
    pub(crate) fn set(&mut self, function: FunctionId, stage: Stage, limits: Limits) {
        if let Some(tested) = self.entry(function) {
            tested.set(stage, limits);
        }
    }

    /// One function.
    pub(crate) fn get(&self, function: &FunctionId) -> Option<&Tested> {
        self.functions.get(function)
    }

    /// Every function, in order.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&FunctionId, &Tested)> {
        self.functions.iter()
    }

    /// How many results belong to functions beyond the limit.
    pub(crate) fn turned_away(&self) -> u64 {
        self.turned_away
    }

    fn entry(&mut self, function: FunctionId) -> Option<&mut Tested> {
        if self.functions.len() >= FUNCTIONS_MAX && !self.functions.contains_key(&function) {
            self.turned_away += 1;
            return None;
        }
        Some(self.functions.entry(function).or_default())
    }
}

/// A capacity that was chosen, and whether it may be used.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Chosen<'a> {
    /// The test.
    pub(crate) test: &'a Summary,
    /// Why it is no longer true, if so.
    pub(crate) stale: Option<String>,
}

impl Tested {
    fn add(&mut self, test: &Summary) {
        let build = Build::of(test);
        if self.newest.as_ref().is_none_or(|(ts, _)| *ts <= test.ts) {
            self.newest = Some((test.ts, build.clone()));
        }
        if test.is_plannable() {
            let same = |own: &Summary| Build::of(own) == build;
            if self
                .capacities
                .iter()
                .any(|own| same(own) && own.ts > test.ts)
            {
                return;
            }
            self.capacities.retain(|own| !same(own));
            let at = self.capacities.partition_point(|own| own.ts > test.ts);
            self.capacities.insert(at, test.clone());
            self.capacities.truncate(BUILDS_MAX);
        } else if test.kind == super::row::Kind::Capacity
            && self
                .unplannable
                .as_ref()
                .is_none_or(|(ts, _)| *ts <= test.ts)
        {
            self.unplannable = Some((test.ts, test.verdict.clone()));
        }
    }

    fn set(&mut self, stage: Stage, limits: Limits) {
        match stage {
            Stage::Pending => self.pending = Some(limits),
            Stage::Published => {
                // What was proposed before is answered by this.
                self.pending.take_if(|pending| pending.at <= limits.at);
                self.published = Some(limits);
            }
        }
    }

    /// The capacity of what runs in production: the newest of that build; where that is not known, or
    /// was never tested, the newest of all, marked when something speaks against it.
    pub(crate) fn capacity(&self, production: &InProduction) -> Option<Chosen<'_>> {
        let mut tests = self.capacities.iter();
        let same = tests.find(|test| Build::of(test).is_in(production) == Some(true));
        if let Some(test) = same {
            return Some(Chosen { test, stale: None });
        }
        let test = self.capacities.first()?;
        let build = Build::of(test);
        let stale = build.differs_from(production).or_else(|| {
            let (_, newest) = self.newest.as_ref().filter(|(ts, _)| *ts > test.ts)?;
            build.is_older_than(newest)
        });
        Some(Chosen { test, stale })
    }

    /// The verdict of the newest capacity test, when it allows no planning and is all there is.
    pub(crate) fn unplannable(&self) -> Option<&str> {
        let (_, verdict) = self.unplannable.as_ref()?;
        self.capacities.is_empty().then_some(verdict)
    }

    /// When limits were last proposed or taken.
    pub(crate) fn decided(&self) -> Option<Timestamp> {
        let both = [&self.published, &self.pending];
        let times = both.into_iter().flatten().map(|limits| limits.at);
        times.max()
    }

    /// Whether it must be known which image runs in production.
    pub(crate) fn has_digest(&self) -> bool {
        self.capacities.iter().any(|test| test.digest.is_some())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::super::row::Kind;
    use super::*;

    pub(crate) fn test(id: &str, second: i64, version: &str, verdict: &str) -> Summary {
        Summary {
            id: id.to_owned(),
            ts: Timestamp::from_seconds(second),
            namespace: "guide".to_owned(),
            function: "feed".to_owned(),
            version: Some(version.to_owned()),
            digest: None,
            kind: Kind::Capacity,
            verdict: verdict.to_owned(),
            low: Some(300.0),
            high: Some(315.0),
            per_pod: Some(300.0),
            per_cpu: None,
            concurrency: Some(15),
            cpu_limit: None,
            memory_limit: None,
            scenario_hash: None,
            target: None,
        }
    }

    fn with_digest(test: Summary, digest: &str) -> Summary {
        Summary {
            digest: Some(digest.to_owned()),
            ..test
        }
    }

    fn production(version: &str, digest: &str) -> InProduction {
        let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        InProduction {
            version: text(version),
            digest: text(digest),
        }
    }

    /// `id`, or `id: why it is stale`.
    fn word(tested: &Tested, production: &InProduction) -> String {
        match tested.capacity(production) {
            None => "none".to_owned(),
            Some(Chosen { test, stale: None }) => test.id.clone(),
            Some(Chosen {
                test,
                stale: Some(why),
            }) => format!("{}: {why}", test.id),
        }
    }

    #[test]
    fn the_capacity_of_what_runs_in_production_counts() {
        let mut tested = Tested::default();
        assert_eq!(word(&tested, &production("12", "")), "none");
        tested.add(&test("noise", 5, "12", "Noisy"));
        assert_eq!(word(&tested, &production("12", "")), "none");
        assert_eq!(tested.unplannable(), Some("Noisy"));
        tested.add(&test("old", 10, "12", "Confirmed"));
        tested.add(&test("again", 20, "12", "AtLeast"));
        tested.add(&test("late", 15, "12", "Confirmed"));
        assert_eq!(tested.unplannable(), None);
        for (running, expected) in [
            ("12", "again"),
            ("", "again"),
            ("13", "again: version 13 is in production, 12 was tested"),
        ] {
            assert_eq!(
                word(&tested, &production(running, "")),
                expected,
                "{running}"
            );
        }
        // The next release is tested before it is deployed: what runs keeps its capacity.
        tested.add(&test("next", 30, "13", "Confirmed"));
        for (running, expected) in [
            ("12", "again"),
            ("13", "next"),
            ("", "next"),
            ("14", "next: version 14 is in production, 13 was tested"),
        ] {
            assert_eq!(
                word(&tested, &production(running, "")),
                expected,
                "{running}"
            );
        }
        // And a newer test of another build that found nothing: the older figure is doubtful, unless
        // production says that it is still that build.
        tested.add(&test("broken", 40, "14", "Invalid"));
        assert_eq!(
            word(&tested, &production("", "")),
            "next: a newer test was of version 14, this one of 13"
        );
        assert_eq!(word(&tested, &production("13", "")), "next");
    }

    #[test]
    fn a_digest_tells_builds_of_one_version_apart() {
        let mut tested = Tested::default();
        tested.add(&with_digest(test("a", 10, "12", "Confirmed"), "sha256:aa"));
        for (version, digest, expected) in [
            ("12", "sha256:aa", "a"),
            // The digest decides, whatever the version is called.
            ("latest", "sha256:aa", "a"),
            (
                "12",
                "sha256:bb",
                "a: image sha256:bb is in production, sha256:aa was tested",
            ),
            ("12", "", "a"),
            ("13", "", "a: version 13 is in production, 12 was tested"),
        ] {
            let running = production(version, digest);
            assert_eq!(word(&tested, &running), expected, "{version} {digest}");
        }
        tested.add(&with_digest(test("b", 20, "12", "Confirmed"), "sha256:bb"));
        assert_eq!(word(&tested, &production("12", "sha256:aa")), "a");
        assert_eq!(word(&tested, &production("12", "sha256:bb")), "b");
        assert!(tested.has_digest());
    }

    #[test]
    fn functions_and_builds_are_bounded() {
        let mut book = Book::default();
        for number in 0..=FUNCTIONS_MAX {
            book.add(&Summary {
                function: format!("f{number}"),
                ..test("a", 10, "1", "Confirmed")
            });
        }
        assert_eq!((book.all().count(), book.turned_away()), (FUNCTIONS_MAX, 1));
        for number in 0..100 {
            book.add(&Summary {
                function: "f0".to_owned(),
                ..test("a", 10 + number, &number.to_string(), "Confirmed")
            });
        }
        let id = FunctionId::new("guide", "f0").unwrap();
        let tested = book.get(&id).unwrap();
        assert_eq!(tested.capacities.len(), BUILDS_MAX);
        assert_eq!(tested.capacities[0].version.as_deref(), Some("99"));
    }

    #[test]
    fn published_limits_answer_what_was_proposed_before() {
        let limits = |of: &str, second: i64| Limits {
            of: of.to_owned(),
            build: Build::default(),
            qps: 300.0,
            concurrency: None,
            at: Timestamp::from_seconds(second),
            by: "ci".to_owned(),
        };
        let mut tested = Tested::default();
        tested.set(Stage::Pending, limits("a", 1));
        tested.set(Stage::Published, limits("a", 2));
        assert_eq!(
            (tested.pending.is_none(), tested.published.is_some()),
            (true, true)
        );
        tested.set(Stage::Pending, limits("b", 3));
        assert_eq!(tested.pending.map(|limits| limits.of), Some("b".to_owned()));
    }
}
