//! Probe.
#[path = "../../tests/faults/mod.rs"]
mod faults;
use early::*;
use faults::measure::*;
use faults::world::*;
fn main() {
    let args: Vec<f64> = std::env::args()
        .skip(1)
        .map(|a| a.parse().unwrap())
        .collect();
    let (qps, d, functions, days, trials) = (
        args[0],
        args[1],
        args[2] as u64,
        args[3] as u64,
        args[4] as u64,
    );
    let kinds: Vec<Bursts> = if d > 1.0 {
        Bursts::KINDS.to_vec()
    } else {
        vec![Bursts::None]
    };
    let settings = Settings {
        page_every: std::time::Duration::from_secs(365 * 86400),
        ..Settings::default()
    };
    for kind in kinds {
        let t = std::time::Instant::now();
        let (mut cold, mut pages) = (Pages::default(), Pages::default());
        let mut last = None;
        for seed in 0..functions {
            let mut w = Watched::new(World::new(seed * 77 + 5, qps, kind, d), settings);
            let c = w.clean_days(DAYS_LEARNED);
            cold.early += c.early;
            let mut k = w.clone();
            let p = k.clean_days(days);
            pages.early += p.early;
            pages.minute += p.minute;
            pages.burn_rate += p.burn_rate;
            if seed == 0 {
                println!(
                    "healthy {:.5} burst {:?} th {:?} cold {} learning {}",
                    w.early.healthy(),
                    w.early.burstiness(),
                    w.early
                        .thresholds()
                        .map(|t| format!("{:.3}:{:.1}", t.0, t.1))
                        .collect::<Vec<_>>(),
                    c.early,
                    w.early.is_learning()
                );
                println!(
                    "after {:?} {:?}",
                    k.early.healthy(),
                    k.early
                        .thresholds()
                        .map(|t| format!("{:.3}:{:.1}", t.0, t.1))
                        .collect::<Vec<_>>()
                );
            }
            last = Some(w);
        }
        println!(
            "{qps} {d} {} : days {} cold {} pages {:?} in {:?}",
            kind.word(),
            functions * days,
            cold.early,
            pages,
            t.elapsed()
        );
        let w = last.unwrap();
        for share in [1.0, 0.5, 0.1, 0.02, 0.01] {
            let mut delays = Delays::default();
            for trial in 0..trials {
                strike(
                    &w,
                    trial * 31 + 7,
                    7_200,
                    &|_| Wrong {
                        failing: share,
                        ..Wrong::default()
                    },
                    &mut delays,
                );
            }
            let mean = |d: &Vec<Option<Delay>>| {
                let c: Vec<f64> = d.iter().flatten().map(|d| d.calls).collect();
                (
                    c.iter().sum::<f64>() / c.len().max(1) as f64,
                    d.len() - c.len(),
                )
            };
            let (_, block) = w.early.burstiness();
            let a = 365.0 * 86400.0 / block;
            println!(
                "  {share}: early {:?} minute {:?} burn {:?} yard {:.0}",
                mean(&delays.early),
                mean(&delays.minute),
                mean(&delays.burn_rate),
                f64::ln(a) / divergence(share.max(0.0), 0.001)
            );
        }
        println!("  {:?}", t.elapsed());
    }
}
