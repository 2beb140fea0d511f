//! Whole searches against simulated targets whose true capacity is known.

use std::time::Duration;

use model::Ratio;

use super::*;
use crate::result::Verdict;

const SEEDS: u64 = 20;

fn objective() -> Objective {
    Objective {
        quantile: 0.99,
        latency: Duration::from_millis(100),
        success_rate: Ratio::new(0.99).unwrap(),
    }
}

/// A scenario over all seeds.
struct Played {
    name: &'static str,
    truth: f64,
    runs: Vec<(u64, Finding, f64)>,
}

fn played(
    name: &'static str,
    workers: usize,
    service: Service,
    trouble: Trouble,
    truth: f64,
    soak: u64,
) -> Played {
    let seeds = std::env::var("SEARCH_SEEDS").map_or(SEEDS, |n| n.parse().unwrap());
    let runs = (1..=seeds)
        .map(|seed| {
            let mut target = Target::new(seed, workers, service, &objective(), trouble.clone());
            let search = search(objective(), Duration::from_secs(soak), 1e6);
            let (finding, seconds) = play(search, &mut target, &objective());
            (seed, finding, seconds)
        })
        .collect();
    let played = Played { name, truth, runs };
    played.print();
    played
}

impl Played {
    fn print(&self) {
        let errors = self.errors();
        let mean = errors.iter().sum::<f64>() / errors.len().max(1) as f64;
        let seconds: Vec<f64> = self.runs.iter().map(|run| run.2).collect();
        println!(
            "{:<24} truth {:6.1}  confirmed {:2}/{}  error {:+.1} % ({:+.1} … {:+.1})  {:.0} s (longest {:.0} s)",
            self.name,
            self.truth,
            errors.len(),
            self.runs.len(),
            mean * 100.0,
            errors.iter().copied().fold(f64::INFINITY, f64::min) * 100.0,
            errors.iter().copied().fold(f64::NEG_INFINITY, f64::max) * 100.0,
            seconds.iter().sum::<f64>() / seconds.len() as f64,
            seconds.iter().copied().fold(0.0, f64::max),
        );
        let mut spent = std::collections::BTreeMap::new();
        for (_, finding, _) in &self.runs {
            for (number, search) in finding.searches.iter().enumerate() {
                for trial in &search.trials {
                    let entry: &mut (f64, u32) =
                        spent.entry((number, trial.purpose.clone())).or_default();
                    entry.0 += trial.seconds / self.runs.len() as f64;
                    entry.1 += 1;
                }
            }
        }
        println!(
            "   {}",
            spent
                .iter()
                .map(|((n, p), (s, c))| format!(
                    "{n}{p}:{s:.0}s/{:.1} ",
                    f64::from(*c) / self.runs.len() as f64
                ))
                .collect::<String>()
        );
        for (seed, finding, seconds) in &self.runs {
            if std::env::var("SEARCH_ALL").is_ok() {
                println!(
                    "   {seed} {:?} {:?} {:?} {seconds:.0}",
                    finding.verdict,
                    finding
                        .searches
                        .iter()
                        .map(|s| s.low.unwrap_or(0.0).round())
                        .collect::<Vec<_>>(),
                    finding.notes
                );
            }
            if std::env::var("SEARCH_TRACE")
                .is_ok_and(|only| only == format!("{}:{seed}", self.name))
            {
                for search in &finding.searches {
                    println!("search {:?} {:?}", search.low, search.high);
                    for trial in &search.trials {
                        println!(
                            "  {:8} {:7.1}/s {:4.0} s {:10} {}",
                            trial.purpose, trial.rate, trial.seconds, trial.class, trial.why
                        );
                    }
                }
                println!("{:?} {:?} {seconds}", finding.verdict, finding.notes);
            }
        }
    }

    fn errors(&self) -> Vec<f64> {
        self.runs
            .iter()
            .filter_map(|(_, finding, _)| match finding.verdict {
                Verdict::Confirmed { low, .. } => Some(low / self.truth - 1.0),
                _ => None,
            })
            .collect()
    }
}

#[test]
fn probe() {
    let exponential = Service::Exponential(0.012);
    let t = truth(
        4,
        exponential,
        &objective(),
        &Trouble::default(),
        (100.0, 333.0),
    );
    played("exp4", 4, exponential, Trouble::default(), t, 20);
    let exponential = Service::Exponential(1.0 / 346.0);
    let t = truth(
        1,
        exponential,
        &objective(),
        &Trouble::default(),
        (100.0, 346.0),
    );
    played("exp1", 1, exponential, Trouble::default(), t, 20);
    let s = Service::Constant(0.02);
    let t = truth(6, s, &objective(), &Trouble::default(), (100.0, 330.0));
    played("const6", 6, s, Trouble::default(), t, 20);
    let s = Service::Bimodal(0.008, 0.06, 0.1);
    let t = truth(5, s, &objective(), &Trouble::default(), (100.0, 500.0));
    played("bimodal5", 5, s, Trouble::default(), t, 20);
}
