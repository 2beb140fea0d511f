//! The edges of the machine, one row each: what a scripted target does, which rates are tried for it, and
//! what the finding says.

use model::Ratio;

use super::*;
use crate::result::Verdict;

/// What a scripted target makes of a trial.
#[derive(Clone, Copy)]
enum Seen {
    /// Every call is well.
    Well,
    /// This share of the calls is late, spread evenly.
    Late(f64),
    /// This share fails.
    Failing(f64),
    /// This share is answered 429.
    Limited(f64),
    /// All is well but for the queue, which grows by so many calls each second.
    Growing(u64),
    /// Nothing is answered.
    Silence,
    /// The generator could not.
    Fault,
}

fn plan() -> CapacityPlan {
    CapacityPlan {
        start: 20.0,
        max: 5_000.0,
        soak: Duration::from_secs(20),
        searches: 1,
        precision: 0.05,
        pods: 1,
    }
}

fn objective() -> Objective {
    Objective {
        quantile: 0.99,
        latency: Duration::from_millis(100),
        success_rate: Ratio::new(0.999).unwrap(),
    }
}

fn observe(trial: Trial, seen: Seen) -> Observation {
    let seconds = trial.block.as_secs_f64();
    let calls = trial.rate * seconds;
    let block = |number: u64| {
        // Shares come out exactly over time: block by block the rounded sums are taken apart.
        let part = |share: f64| {
            let upto = |blocks: u64| (share * calls * blocks as f64).round() as u64;
            upto(number + 1) - upto(number)
        };
        let sent = part(1.0);
        let (late, failed, limited) = match seen {
            Seen::Late(share) => (part(share), 0, 0),
            Seen::Failing(share) => (0, part(share), 0),
            Seen::Limited(share) => (0, 0, part(share)),
            _ => (0, 0, 0),
        };
        let in_flight = match seen {
            Seen::Growing(by) => 2 + by * number,
            Seen::Silence => sent * (number + 1),
            _ => 2 + number % 2,
        };
        let done = if matches!(seen, Seen::Silence) {
            0
        } else {
            sent
        };
        Block {
            seconds,
            intended: sent,
            sent,
            done,
            ok: done - failed - limited,
            limited,
            failed,
            over: late + failed,
            latency_at_quantile_ms: 20.0,
            mean_latency_ms: 10.0,
            in_flight: vec![in_flight; trial.block.as_secs() as usize],
            ..Block::default()
        }
    };
    let blocks = trial.duration.as_secs() / trial.block.as_secs();
    Observation {
        trial,
        blocks: (0..blocks).map(block).collect(),
        faults: match seen {
            Seen::Fault => vec!["out of ports".to_owned()],
            _ => Vec::new(),
        },
    }
}

/// Plays a search to its end. Gives its trials, `w20 c20 c40 …` by the first letters of their purposes and
/// whole rates, and the finding. `target` is asked with the trial and its number from 0.
fn played(mut search: Search, target: impl Fn(&Trial, usize) -> Seen) -> (String, Finding) {
    let mut trials = Vec::new();
    let mut step = search.next(None);
    loop {
        match step {
            Step::Run(trial) => {
                let seen = observe(trial, target(&trial, trials.len()));
                let letter = trial.purpose.word().chars().next().unwrap();
                trials.push(format!("{letter}{:.0}", trial.rate));
                assert!(trials.len() < 500, "no end: {trials:?}");
                step = search.next(Some(seen));
            }
            Step::Done(finding) => return (trials.join(" "), *finding),
        }
    }
}

fn verdict_of(finding: &Finding) -> String {
    match &finding.verdict {
        Verdict::Confirmed { low, high } => format!("Confirmed {low:.0} to {high:.0}"),
        Verdict::AtLeast { low, why } => format!("AtLeast {low:.0}: {why}"),
        Verdict::Noisy { low, high, why } => format!("Noisy {low:.0} to {high:.0}: {why}"),
        Verdict::Invalid { why } => format!("Invalid: {why}"),
    }
}

/// Late when the rate is beyond what it carries.
fn carries(capacity: f64) -> impl Fn(&Trial, usize) -> Seen {
    move |trial, _| {
        if trial.rate > capacity {
            Seen::Late(0.3)
        } else {
            Seen::Well
        }
    }
}

type Target = Box<dyn Fn(&Trial, usize) -> Seen>;

#[test]
fn one_search_edge_by_edge() {
    let rows: Vec<(&str, CapacityPlan, f64, Target, &str, &str)> = vec![
        (
            "doubles, bisects to half the precision, soaks at nine tenths",
            plan(),
            1e6,
            Box::new(carries(300.0)),
            "w20 w20 c20 c40 c80 c160 c320 b226 b269 b293 b306 b300 s270",
            "Confirmed 300 to 306",
        ),
        (
            "no soak wanted",
            CapacityPlan {
                soak: Duration::ZERO,
                ..plan()
            },
            1e6,
            Box::new(carries(300.0)),
            "w20 w20 c20 c40 c80 c160 c320 b226 b269 b293 b306 b300",
            "Confirmed 300 to 306",
        ),
        (
            "the plan's maximum is carried; it was a short trial, so it is proven by a long one",
            CapacityPlan {
                max: 100.0,
                ..plan()
            },
            1e6,
            Box::new(carries(1e9)),
            "w20 w20 c20 c40 c80 c100 r100 s90",
            "AtLeast 100: the plan allows no more than 100/s",
        ),
        (
            "the generator was calibrated to 100/s",
            plan(),
            100.0,
            Box::new(carries(1e9)),
            "w20 w20 c20 c40 c70 r70 s63",
            "AtLeast 70: this generator is sure up to 70/s only",
        ),
        (
            "the generator reached nothing",
            plan(),
            0.0,
            Box::new(carries(1e9)),
            "",
            "Invalid: this generator reached nothing",
        ),
        (
            "starts above the capacity: warms up again, goes down, and tries the start once more",
            CapacityPlan {
                start: 400.0,
                ..plan()
            },
            1e6,
            Box::new(carries(300.0)),
            "w400 w400 c400 w400 w400 c400 c200 c400 b283 b336 b308 b295 b302 s266",
            "Confirmed 295 to 302",
        ),
        (
            "nothing is carried down to the floor",
            plan(),
            1e6,
            Box::new(carries(0.0)),
            "w20 w20 c20 w20 w20 c20 c10 c5 c2 c1",
            "Invalid: nothing is carried, not even 1.2/s: ",
        ),
        (
            "failed cold, then fine",
            plan(),
            1e6,
            Box::new(|trial: &Trial, number| {
                if number < 4 {
                    Seen::Late(0.5)
                } else {
                    carries(50.0)(trial, number)
                }
            }),
            "w20 w20 c20 w20 w20 c20 c40 c80 b57 b48 b52 b50 b51 s45",
            "Confirmed",
        ),
        (
            "one invalid trial is run again and changes nothing",
            plan(),
            1e6,
            Box::new(|trial: &Trial, number| {
                if number == 5 {
                    Seen::Fault
                } else {
                    carries(300.0)(trial, number)
                }
            }),
            "w20 w20 c20 c40 c80 c160 c160 c320 b226 b269 b293 b306 b300 s270",
            "Confirmed 300 to 306",
        ),
        (
            "two invalid trials at one load: the generator cannot; what was carried is proven and soaked",
            plan(),
            1e6,
            Box::new(|trial: &Trial, _| {
                if trial.rate > 200.0 {
                    Seen::Fault
                } else {
                    Seen::Well
                }
            }),
            "w20 w20 c20 c40 c80 c160 c320 c320 r160 s144",
            "AtLeast 160: the generator cannot send 320/s: out of ports",
        ),
        (
            "the generator fails between what held and what failed, and both are near",
            plan(),
            1e6,
            Box::new(|trial: &Trial, number| {
                if (297.0..303.0).contains(&trial.rate) {
                    Seen::Fault
                } else {
                    carries(300.0)(trial, number)
                }
            }),
            "w20 w20 c20 c40 c80 c160 c320 b226 b269 b293 b306",
            "Confirmed 293 to 306",
        ),
        (
            "invalid from the beginning",
            plan(),
            1e6,
            Box::new(|_: &Trial, _| Seen::Fault),
            "w20 w20",
            "Invalid: the generator cannot send 20/s: out of ports",
        ),
        (
            "invalid in the soak",
            plan(),
            1e6,
            Box::new(|trial: &Trial, number| {
                if trial.purpose == Purpose::Soak {
                    Seen::Fault
                } else {
                    carries(300.0)(trial, number)
                }
            }),
            "w20 w20 c20 c40 c80 c160 c320 b226 b269 b293 b306 b300 s270 s270",
            "AtLeast 300: the generator cannot send 270/s: out of ports",
        ),
        (
            "calls fail, fast: 0.5 % where 0.1 % may",
            plan(),
            1e6,
            Box::new(|trial: &Trial, _| {
                if trial.rate > 300.0 {
                    Seen::Failing(0.02)
                } else {
                    Seen::Well
                }
            }),
            "w20 w20 c20 c40 c80 c160 c320 b226 b269 b293 b306 b300 s270",
            "Confirmed 300 to 306",
        ),
        (
            "a flow limit in front of it answers 429",
            plan(),
            1e6,
            Box::new(|trial: &Trial, _| {
                if trial.rate > 300.0 {
                    Seen::Limited(0.1)
                } else {
                    Seen::Well
                }
            }),
            "w20 w20 c20 c40 c80 c160 c320 b226 b269 b293 b306 b300 s270",
            "Confirmed 300 to 306",
        ),
        (
            "the queue grows while no call is late yet",
            plan(),
            1e6,
            Box::new(|trial: &Trial, _| {
                if trial.rate > 300.0 {
                    Seen::Growing(5)
                } else {
                    Seen::Well
                }
            }),
            "w20 w20 c20 c40 c80 c160 c320 r320 b226 b269 b293 b306 r306 b300 s270",
            "Confirmed 300 to 306",
        ),
        (
            "answers nothing beyond its capacity",
            plan(),
            1e6,
            Box::new(|trial: &Trial, _| {
                if trial.rate > 100.0 {
                    Seen::Silence
                } else {
                    Seen::Well
                }
            }),
            "w20 w20 c20 c40 c80 c160 b113 b95 b104 b99 b102 s89",
            "Confirmed 99 to 102",
        ),
        (
            "stops to answer for good",
            plan(),
            1e6,
            Box::new(|_: &Trial, number| {
                if number > 4 {
                    Seen::Silence
                } else {
                    Seen::Well
                }
            }),
            "w20 w20 c20 c40 c80 c160 b113 b95",
            "Invalid: the target answered nothing in 3 trials in a row",
        ),
        (
            "holds for seconds, not for long: its bracket is tried anew, then the soak goes down and narrows",
            plan(),
            1e6,
            Box::new(|trial: &Trial, number| match trial.purpose {
                Purpose::Soak => carries(180.0)(trial, number),
                _ => carries(300.0)(trial, number),
            }),
            "w20 w20 c20 c40 c80 c160 c320 b226 b269 b293 b306 b300 s270 r300 s216 s173 s193 s183 s178",
            "Confirmed 178 to 183",
        ),
        (
            "its bracket was too kind: the soak sends it back",
            plan(),
            1e6,
            Box::new(|trial: &Trial, number| {
                carries(if number < 12 { 300.0 } else { 250.0 })(trial, number)
            }),
            "w20 w20 c20 c40 c80 c160 c320 b226 b269 b293 b306 b300 s270 r300",
            "Confirmed 2",
        ),
    ];
    for (name, plan, calibrated_max, target, trials, verdict) in rows {
        let (tried, finding) = played(Search::new(plan, objective(), calibrated_max), target);
        let found = verdict_of(&finding);
        println!("{name}\n  {tried}\n  {found}");
        assert!(tried.starts_with(trials), "{name}: tried {tried}");
        assert!(found.starts_with(verdict), "{name}: {found}");
    }
}
