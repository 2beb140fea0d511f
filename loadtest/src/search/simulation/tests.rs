//! Whole searches against simulated targets whose true capacity is known.
//!
//! `SEARCH_SEEDS=80` plays more seeds, `SEARCH_TRACE=name:seed` prints every trial of one search; both
//! show with `--nocapture`.

use super::*;
use crate::result::Verdict;

const SEEDS: u64 = 20;
/// What a result may be off, and not be honest about it.
const ERROR_MAX: f64 = 0.05;

const FOUR_EXPONENTIAL: (usize, Service) = (4, Service::Exponential(0.012));
const ONE_EXPONENTIAL: (usize, Service) = (1, Service::Exponential(1.0 / 346.0));
const SIX_CONSTANT: (usize, Service) = (6, Service::Constant(0.02));
const FIVE_BIMODAL: (usize, Service) = (5, Service::Bimodal(0.008, 0.06, 0.1));

struct Scenario {
    name: &'static str,
    workers: usize,
    service: Service,
    trouble: Trouble,
    plan: CapacityPlan,
    calibrated_max: f64,
}

/// One seed's search.
struct Run {
    seed: u64,
    finding: Finding,
    seconds: f64,
}

impl Scenario {
    fn new(name: &'static str, (workers, service): (usize, Service), trouble: Trouble) -> Self {
        Scenario {
            name,
            workers,
            service,
            trouble,
            plan: plan(),
            calibrated_max: 1e6,
        }
    }

    fn truth(&self) -> f64 {
        truth(
            self.workers,
            self.service,
            &objective(),
            &self.trouble,
            (50.0, 700.0),
        )
    }

    fn play(&self, seed: u64) -> Run {
        let mut target = Target::new(
            seed,
            self.workers,
            self.service,
            &objective(),
            self.trouble.clone(),
        );
        let search = Search::new(self.plan, objective(), self.calibrated_max);
        let (finding, seconds) = play(search, &mut target, &objective());
        self.trace(seed, &finding);
        Run {
            seed,
            finding,
            seconds,
        }
    }

    /// Every seed. `honest` says whether a verdict may stand beside the truth.
    fn play_all(&self, truth: f64, honest: impl Fn(&Verdict) -> bool) -> Vec<Run> {
        let seeds = std::env::var("SEARCH_SEEDS").map_or(SEEDS, |seeds| seeds.parse().unwrap());
        let runs: Vec<Run> = (1..=seeds).map(|seed| self.play(seed)).collect();
        self.print(truth, &runs);
        for run in &runs {
            let verdict = &run.finding.verdict;
            assert!(
                honest(verdict),
                "{}, seed {}: {verdict:?} beside {truth}",
                self.name,
                run.seed
            );
        }
        runs
    }

    fn print(&self, truth: f64, runs: &[Run]) {
        let errors: Vec<f64> = runs
            .iter()
            .filter_map(|run| match run.finding.verdict {
                Verdict::Confirmed { low, .. } => Some((low / truth - 1.0) * 100.0),
                _ => None,
            })
            .collect();
        let mean = |figures: &[f64]| figures.iter().sum::<f64>() / figures.len().max(1) as f64;
        let seconds: Vec<f64> = runs.iter().map(|run| run.seconds).collect();
        println!(
            "{:<18} truth {truth:5.1}/s, confirmed {:2} of {}, error {:+.1} % ({:+.1} … {:+.1}), {:.0} s (up to {:.0} s)",
            self.name,
            errors.len(),
            runs.len(),
            mean(&errors),
            errors.iter().copied().fold(f64::INFINITY, f64::min),
            errors.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            mean(&seconds),
            seconds.iter().copied().fold(0.0, f64::max),
        );
    }

    fn trace(&self, seed: u64, finding: &Finding) {
        let wanted = std::env::var("SEARCH_TRACE").unwrap_or_default();
        if wanted == format!("{}:all", self.name) {
            println!("{seed} {:?} {:?}", finding.verdict, finding.notes);
        }
        if wanted != format!("{}:{seed}", self.name) {
            return;
        }
        for search in &finding.searches {
            println!("search {:?} to {:?}", search.low, search.high);
            for trial in &search.trials {
                println!(
                    "  {:8} {:6.1}/s {:4.0} s {:10} {}",
                    trial.purpose, trial.rate, trial.seconds, trial.class, trial.why
                );
            }
        }
        println!("{:?} {:?}", finding.verdict, finding.notes);
    }
}

fn is_near(rate: f64, truth: f64) -> bool {
    (rate / truth - 1.0).abs() <= ERROR_MAX
}

/// Right, or said to be unsure.
fn right_or_unsure(truth: f64) -> impl Fn(&Verdict) -> bool {
    move |verdict| match verdict {
        Verdict::Confirmed { low, .. } => is_near(*low, truth),
        Verdict::AtLeast { low, .. } => *low <= truth * (1.0 + ERROR_MAX),
        Verdict::Noisy { .. } | Verdict::Invalid { .. } => true,
    }
}

fn confirmed(runs: &[Run]) -> usize {
    runs.iter()
        .filter(|run| matches!(run.finding.verdict, Verdict::Confirmed { .. }))
        .count()
}

/// A target without trouble: right within 5 %, and sure of it for four seeds in five.
fn well_behaved(name: &'static str, pod: (usize, Service)) {
    let scenario = Scenario::new(name, pod, Trouble::default());
    let truth = scenario.truth();
    let runs = scenario.play_all(truth, right_or_unsure(truth));
    assert!(
        confirmed(&runs) * 5 >= runs.len() * 4,
        "{name}: {} of {}",
        confirmed(&runs),
        runs.len()
    );
}

#[test]
fn four_workers_with_exponential_service() {
    well_behaved("exponential, 4", FOUR_EXPONENTIAL);
}

#[test]
fn one_worker_with_exponential_service() {
    well_behaved("exponential, 1", ONE_EXPONENTIAL);
}

#[test]
fn constant_service() {
    well_behaved("constant, 6", SIX_CONSTANT);
}

#[test]
fn bimodal_service() {
    well_behaved("bimodal, 5", FIVE_BIMODAL);
}

/// One worker's truth is known in closed form: P(T > t) = e^(−(μ − λ)t), so λ = μ − ln 100 / 0.1 s.
#[test]
fn the_simulated_truth_is_that_of_theory() {
    let (workers, service) = ONE_EXPONENTIAL;
    let simulated = truth(
        workers,
        service,
        &objective(),
        &Trouble::default(),
        (50.0, 345.0),
    );
    let theory = 346.0 - 100_f64.ln() / 0.1;
    assert!(
        (simulated / theory - 1.0).abs() < 0.02,
        "{simulated} {theory}"
    );
}

#[test]
fn fast_503s_are_no_capacity() {
    let trouble = Trouble {
        queue_max: Some(40),
        ..Trouble::default()
    };
    let scenario = Scenario::new("fast 503s", (4, Service::Exponential(0.006)), trouble);
    let truth = scenario.truth();
    let runs = scenario.play_all(truth, right_or_unsure(truth));
    assert!(confirmed(&runs) * 5 >= runs.len() * 4);
}

#[test]
fn probe() {
    let t = |name, pod, trouble| {
        let s = Scenario::new(name, pod, trouble);
        let truth = s.truth();
        s.play_all(truth, |_| true);
    };
    t(
        "collapse",
        FOUR_EXPONENTIAL,
        Trouble {
            collapse_at: Some(40),
            ..Trouble::default()
        },
    );
    t(
        "noise2",
        FOUR_EXPONENTIAL,
        Trouble {
            noise: Some((30.0, 0.015)),
            ..Trouble::default()
        },
    );
    t(
        "noise25",
        FOUR_EXPONENTIAL,
        Trouble {
            noise: Some((40.0, 0.25)),
            ..Trouble::default()
        },
    );
    let tt = |name, pod, trouble, truth: f64, soak| {
        let mut s = Scenario::new(name, pod, trouble);
        s.plan.soak = Duration::from_secs(soak);
        s.play_all(truth, |_| true);
    };
    tt(
        "limit",
        FOUR_EXPONENTIAL,
        Trouble {
            limit: Some(150.0),
            ..Trouble::default()
        },
        150.0 / 0.99,
        20,
    );
    tt(
        "leak",
        FOUR_EXPONENTIAL,
        Trouble {
            leak_after: Some(12_000),
            ..Trouble::default()
        },
        202.0,
        60,
    );
    tt(
        "leakmem",
        FOUR_EXPONENTIAL,
        Trouble {
            leak_after: Some(24_000),
            memory_shows: true,
            ..Trouble::default()
        },
        200.0,
        120,
    );
    tt(
        "holeseen",
        FOUR_EXPONENTIAL,
        Trouble {
            hole: Some((70.0, 100.0)),
            ..Trouble::default()
        },
        70.0,
        20,
    );
    tt(
        "holelater",
        FOUR_EXPONENTIAL,
        Trouble {
            hole: Some((195.0, 228.0)),
            ..Trouble::default()
        },
        200.0,
        20,
    );
    tt(
        "generator",
        FOUR_EXPONENTIAL,
        Trouble {
            generator_max: Some(250.0),
            ..Trouble::default()
        },
        284.0,
        20,
    );
    tt(
        "cold",
        FOUR_EXPONENTIAL,
        Trouble {
            cold_calls: 400,
            ..Trouble::default()
        },
        284.0,
        20,
    );
    tt(
        "dies",
        FOUR_EXPONENTIAL,
        Trouble {
            dies_after: Some(200.0),
            ..Trouble::default()
        },
        284.0,
        20,
    );
}
