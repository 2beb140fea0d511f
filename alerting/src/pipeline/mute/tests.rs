//! The index held against a model that knows no index, and what may be changed about a silence.

use std::collections::BTreeMap;
use std::time::Duration;

use model::{Labels, Matcher, Timestamp};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::{Draft, Mutes, Silence, SilenceError, SilenceState};
use crate::config::InhibitRule;
use crate::testing::at;

/// What is muted, worked out anew each time from everything there is.
#[derive(Default)]
struct Naive {
    silences: BTreeMap<String, Silence>,
    rules: Vec<InhibitRule>,
    alerts: BTreeMap<u64, Labels>,
}

impl Naive {
    fn silenced_by(&self, labels: &Labels, now: Timestamp) -> Vec<String> {
        let active = |silence: &&Silence| silence.starts_at <= now && now < silence.ends_at;
        let silences = self.silences.values().filter(active);
        silences
            .filter(|silence| silence.matches(labels))
            .map(|silence| silence.id.clone())
            .collect()
    }

    fn is_inhibited(&self, labels: &Labels) -> bool {
        self.rules.iter().any(|rule| {
            rule.is_target(labels)
                && self.alerts.values().any(|source| {
                    let both_two_sided = rule.is_source(labels) && rule.is_target(source);
                    rule.is_source(source)
                        && !both_two_sided
                        && rule
                            .equal
                            .iter()
                            .all(|name| source.get(name) == labels.get(name))
                })
        })
    }
}

fn matcher(text: &str) -> Matcher {
    text.parse().unwrap()
}

fn any_labels(rng: &mut StdRng) -> Labels {
    let mut labels = Labels::new();
    for name in ["a", "b", "c"] {
        if rng.random_bool(0.8) {
            labels.set(name, rng.random_range(0..3).to_string());
        }
    }
    labels
}

fn any_matchers(rng: &mut StdRng) -> Vec<Matcher> {
    let texts = [
        "a=\"0\"",
        "a=\"1\"",
        "b=\"1\"",
        "b!=\"0\"",
        "c=~\"0|2\"",
        "c!~\"1\"",
        "a=\"\"",
        "b=~\".+\"",
    ];
    let count = rng.random_range(1..3);
    (0..count)
        .map(|_| matcher(texts[rng.random_range(0..texts.len())]))
        .collect()
}

fn any_rules(rng: &mut StdRng) -> Vec<InhibitRule> {
    let count = rng.random_range(0..4);
    let equal = [vec![], vec!["a"], vec!["a", "c"], vec!["nowhere"]];
    (0..count)
        .map(|_| InhibitRule {
            source: any_matchers(rng),
            target: any_matchers(rng),
            equal: equal[rng.random_range(0..equal.len())]
                .iter()
                .map(|name| (*name).to_owned())
                .collect(),
        })
        .collect()
}

fn any_silence(rng: &mut StdRng, now: Timestamp) -> Silence {
    let starts_at = now + Duration::from_secs(rng.random_range(0..40));
    Silence {
        id: format!("s{}", rng.random_range(0..6)),
        matchers: any_matchers(rng),
        starts_at,
        ends_at: starts_at + Duration::from_secs(rng.random_range(1..60)),
        updated_at: now,
        created_by: "ann".into(),
        comment: String::new(),
    }
}

#[test]
fn the_index_agrees_with_a_model_that_knows_none() {
    for seed in 0..60 {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut now = at("2026-11-10T18:00:00Z");
        let mut naive = Naive::default();
        let mut mutes = Mutes::default();
        let mut known: BTreeMap<u64, bool> = BTreeMap::new();
        for _ in 0..120 {
            match rng.random_range(0..10) {
                0..=3 => {
                    let labels = any_labels(&mut rng);
                    mutes.fires(labels.fingerprint(), &labels);
                    naive.alerts.insert(labels.fingerprint(), labels);
                }
                4 | 5 => {
                    let labels = any_labels(&mut rng);
                    mutes.ends(labels.fingerprint());
                    naive.alerts.remove(&labels.fingerprint());
                    known.remove(&labels.fingerprint());
                }
                6 | 7 => {
                    let silence = any_silence(&mut rng, now);
                    mutes.put(silence.clone(), now);
                    naive.silences.insert(silence.id.clone(), silence);
                }
                8 => {
                    now = now + Duration::from_secs(rng.random_range(0..30));
                    mutes.pass(now);
                }
                _ if rng.random_bool(0.2) => {
                    naive.rules = any_rules(&mut rng);
                    mutes.set_rules(&naive.rules);
                }
                _ => {
                    if let Some(next) = mutes.next_change() {
                        assert!(next > now, "seed {seed}: {next} has passed at {now}");
                        now = next;
                        mutes.pass(now);
                    }
                }
            }
            let changed = mutes.take_changed();
            for (fingerprint, labels) in &naive.alerts {
                let silenced_by = naive.silenced_by(labels, now);
                let inhibited = naive.is_inhibited(labels);
                let muted = inhibited || !silenced_by.is_empty();
                assert_eq!(mutes.silenced_by(*fingerprint), silenced_by, "seed {seed}");
                assert_eq!(
                    !mutes.inhibited_by(*fingerprint).is_empty(),
                    inhibited,
                    "seed {seed}"
                );
                assert_eq!(mutes.mutes(*fingerprint), muted, "seed {seed}: {labels}");
                let before = known.insert(*fingerprint, muted);
                let told = changed.contains(fingerprint);
                assert!(
                    told || before == Some(muted),
                    "seed {seed}: {labels} changed unseen"
                );
            }
        }
    }
}

#[test]
fn an_alert_on_both_sides_never_inhibits_itself() {
    let rule = InhibitRule {
        source: vec![matcher("severity=~\"critical|page\"")],
        target: vec![matcher("severity=~\"critical|warning\"")],
        equal: vec!["host".into()],
    };
    let mut mutes = Mutes::new(&[rule], [], Timestamp::EPOCH);
    let alert =
        |severity: &str, host: &str| Labels::from_pairs([("severity", severity), ("host", host)]);
    let (critical, other) = (alert("critical", "a"), alert("critical", "b"));
    mutes.fires(critical.fingerprint(), &critical);
    assert!(!mutes.mutes(critical.fingerprint()));
    let warning = alert("warning", "a");
    mutes.fires(warning.fingerprint(), &warning);
    assert_eq!(
        mutes.inhibited_by(warning.fingerprint()),
        [critical.fingerprint()]
    );
    mutes.fires(other.fingerprint(), &other);
    assert!(!mutes.mutes(other.fingerprint()), "another host");
    let page = alert("page", "a");
    mutes.fires(page.fingerprint(), &page);
    assert_eq!(
        mutes.inhibited_by(critical.fingerprint()),
        [page.fingerprint()]
    );
    mutes.ends(page.fingerprint());
    mutes.ends(critical.fingerprint());
    assert!(!mutes.mutes(warning.fingerprint()));
}

fn draft(from: &str, to: &str) -> Draft {
    Draft {
        id: None,
        matchers: vec![matcher("a=\"1\"")],
        starts_at: at(from),
        ends_at: at(to),
        created_by: "ann".into(),
        comment: "deploy".into(),
    }
}

#[test]
fn what_can_be_changed_is_changed_and_anything_else_makes_another() {
    let now = at("2026-11-10T18:00:00Z");
    let mut mutes = Mutes::default();
    let made = mutes
        .set(
            draft("2026-11-10T17:00:00Z", "2026-11-10T20:00:00Z"),
            "one".into(),
            now,
        )
        .unwrap();
    assert_eq!((made[0].id.as_str(), made[0].starts_at), ("one", now));
    mutes.put(made[0].clone(), now);
    let later = now + Duration::from_mins(10);
    // Its end and comment may change while it mutes.
    let longer = Draft {
        id: Some("one".into()),
        starts_at: now,
        ..draft("2026-11-10T18:00:00Z", "2026-11-10T21:00:00Z")
    };
    let changed = mutes.set(longer.clone(), "two".into(), later).unwrap();
    assert_eq!(changed.len(), 1);
    assert_eq!(
        (changed[0].id.as_str(), changed[0].ends_at),
        ("one", at("2026-11-10T21:00:00Z"))
    );
    // Other conditions make another one; the first is over.
    let other = Draft {
        matchers: vec![matcher("b=\"1\"")],
        ..longer.clone()
    };
    let changed = mutes.set(other, "two".into(), later).unwrap();
    let ids: Vec<_> = changed.iter().map(|silence| silence.id.as_str()).collect();
    assert_eq!(ids, ["one", "two"]);
    assert_eq!(changed[0].ends_at, later);
    for silence in changed {
        mutes.put(silence, later);
    }
    // What is over is brought back as another one.
    let back = mutes.set(longer, "three".into(), later).unwrap();
    assert_eq!((back.len(), back[0].id.as_str()), (1, "three"));
    assert_eq!(
        mutes.expire("one", later),
        Err(SilenceError::Expired("one".into()))
    );
    assert_eq!(
        mutes.expire("none", later),
        Err(SilenceError::Unknown("none".into()))
    );
}

#[test]
fn one_that_has_not_begun_is_over_at_once_and_is_forgotten_later() {
    let now = at("2026-11-10T18:00:00Z");
    let mut mutes = Mutes::default();
    let made = mutes.set(
        draft("2026-11-10T19:00:00Z", "2026-11-10T20:00:00Z"),
        "one".into(),
        now,
    );
    mutes.put(made.unwrap().remove(0), now);
    assert_eq!(
        mutes.silence("one").unwrap().state(now),
        SilenceState::Pending
    );
    let over = mutes.expire("one", now).unwrap();
    assert_eq!((over.starts_at, over.ends_at), (now, now));
    mutes.put(over, now);
    assert!(
        mutes
            .pass(now + Silence::RETENTION - Duration::from_secs(1))
            .is_empty()
    );
    assert_eq!(mutes.pass(now + Silence::RETENTION), ["one"]);
    assert_eq!(mutes.silences().count(), 0);
    assert_eq!(mutes.next_change(), None);
}

#[test]
fn what_cannot_be_a_silence_is_refused() {
    let now = at("2026-11-10T18:00:00Z");
    let mutes = Mutes::default();
    let good = draft("2026-11-10T18:00:00Z", "2026-11-10T20:00:00Z");
    let refused = |draft: Draft| mutes.set(draft, "x".into(), now).unwrap_err();
    for (draft, expected) in [
        (
            Draft {
                matchers: vec![],
                ..good.clone()
            },
            SilenceError::NoMatcher,
        ),
        (
            Draft {
                matchers: vec![matcher("a=~\".*\""), matcher("b=\"\"")],
                ..good.clone()
            },
            SilenceError::MatchesAll,
        ),
        (
            Draft {
                ends_at: now,
                ..good.clone()
            },
            SilenceError::Backwards,
        ),
        (
            Draft {
                starts_at: at("2026-11-10T16:00:00Z"),
                ends_at: at("2026-11-10T17:00:00Z"),
                ..good.clone()
            },
            SilenceError::Past,
        ),
        (
            Draft {
                id: Some("none".into()),
                ..good.clone()
            },
            SilenceError::Unknown("none".into()),
        ),
        (
            Draft {
                comment: "x".repeat(5_000),
                ..good.clone()
            },
            SilenceError::TooLong {
                what: "comment",
                max: Silence::TEXT_BYTES_MAX,
            },
        ),
    ] {
        assert_eq!(refused(draft), expected);
    }
}

#[test]
fn a_silence_survives_the_way_to_the_database_and_back() {
    let now = at("2026-11-10T18:00:00Z");
    let mut draft = draft("2026-11-10T18:00:00Z", "2026-11-10T20:00:00Z");
    draft.matchers = ["a=\"1\"", "b!=\"2\"", "c=~\"x|y\"", "d!~\"z.*\""]
        .map(matcher)
        .to_vec();
    let silence = Mutes::default()
        .set(draft, "one".into(), now)
        .unwrap()
        .remove(0);
    let text = serde_json::to_string(&silence).unwrap();
    assert_eq!(serde_json::from_str::<Silence>(&text).unwrap(), silence);
}
