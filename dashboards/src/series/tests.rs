//! Steps, comparisons and thinning against what they promise.

use super::*;
use proptest::prelude::*;
use store::Counts;

fn now() -> Timestamp {
    "2026-11-11T12:00:30Z".parse().unwrap()
}

fn ask(from: &str, step: Option<&str>) -> Question {
    Question {
        from: Some(from.to_owned()),
        step: step.map(str::to_owned),
        ..Question::default()
    }
}

#[test]
fn steps_fit_what_is_kept_and_what_may_be_answered() {
    let near = stretch(&ask("2026-11-11T11:59:30Z", None), now()).unwrap();
    assert_eq!((near.step, near.len(), near.seconds), (1, 60, true));
    let day = stretch(&ask("2026-11-10T12:00:00Z", Some("1s")), now()).unwrap();
    assert_eq!((day.step, day.len(), day.seconds), (60, 1_441, false));
    let month = stretch(&ask("2026-10-12T12:00:00Z", None), now()).unwrap();
    assert_eq!((month.step, month.len()), (60, 30 * 24 * 60 + 1));
    for from in ["2026-11-12T12:00:00Z", "2020-11-12T12:00:00Z", "soon"] {
        assert_eq!(
            stretch(&ask(from, None), now()).unwrap_err().status(),
            400,
            "{from}"
        );
    }
    let both = Question {
        range: Some("5m".to_owned()),
        ..ask("2026-11-11T11:59:30Z", None)
    };
    assert_eq!(stretch(&both, now()).unwrap_err().status(), 400);
}

#[test]
fn a_range_ends_now_and_unix_seconds_are_instants() {
    let quarter = stretch(&Question::default(), now()).unwrap();
    assert_eq!(
        (quarter.to, quarter.len(), quarter.seconds),
        (now().as_seconds(), 900, true)
    );
    let unix = ask(&(now().as_seconds() - 60).to_string(), None);
    assert_eq!(stretch(&unix, now()).unwrap().len(), 60);
}

#[test]
fn only_dimensions_of_a_deployment_split_a_curve() {
    assert_eq!(dimension(Some("unit")).unwrap(), Some(Dimension::Unit));
    assert_eq!(dimension(Some("")).unwrap(), None);
    assert_eq!(dimension(Some("function")).unwrap_err().status(), 400);
}

#[test]
fn comparisons_are_read_and_limited() {
    let days = Duration::from_hours(24);
    let read = backs(Some("1d, 7d")).unwrap();
    assert_eq!(read, [("1d".to_owned(), days), ("7d".to_owned(), days * 7)]);
    assert!(backs(None).unwrap().is_empty());
    assert_eq!(backs(Some("1d,2d,3d,4d")).unwrap_err().status(), 400);
    assert_eq!(Measures::read(Some("speed")).unwrap_err().status(), 400);
}

#[test]
fn a_minute_gives_its_rate_to_every_second_of_it() {
    let minute = now().as_seconds().div_euclid(60);
    let counts = Counts {
        weighted: 120,
        ..Counts::ZERO
    };
    let grid = Grid {
        from: minute * 60 - 2,
        to: minute * 60 + 2,
        step: 1,
        seconds: false,
    };
    let line = lines::on_grid(Labels::new(), &BTreeMap::from([(minute, counts)]), &grid);
    let measures = Measures::read(Some("qps")).unwrap();
    let curves = measure::curves(&line, &grid, measures, now());
    assert_eq!(
        curves[0].values,
        [Some(0.0), Some(0.0), Some(2.0), Some(2.0)]
    );
}

#[test]
fn a_running_step_is_as_long_as_it_ran() {
    let grid = Grid {
        from: now().as_seconds() - 90,
        to: now().as_seconds(),
        step: 60,
        seconds: false,
    };
    let seconds = [grid.seconds_of(0, now()), grid.seconds_of(1, now())];
    assert_eq!(seconds.map(f64::to_bits), [60.0, 30.0].map(f64::to_bits));
}

proptest! {
    #[test]
    fn thinning_keeps_every_peak(values in prop::collection::vec(prop::option::of(-1e6..1e6_f64), 1..3_000), points in 10..400_usize) {
        let time: Vec<i64> = (0..).take(values.len()).collect();
        let known: Vec<f64> = values.iter().flatten().copied().collect();
        let curves = Curves {
            time,
            step_seconds: 1,
            series: vec![Curve { labels: Labels::new(), measure: "qps", values: values.clone() }],
            as_of: now(),
            complete_until: None,
        };
        let thinned = thin::thin(curves, points);
        let kept = &thinned.series[0].values;
        prop_assert_eq!(kept.len(), thinned.time.len());
        prop_assert!(kept.len() <= values.len() && (values.len() <= points || kept.len() <= points + 5));
        prop_assert!(thinned.time.is_sorted());
        for (at, value) in thinned.time.iter().zip(kept) {
            prop_assert_eq!(&values[usize::try_from(*at).unwrap()], value);
        }
        let most = |values: &[f64]| values.iter().copied().fold(f64::MIN, f64::max);
        let least = |values: &[f64]| values.iter().copied().fold(f64::MAX, f64::min);
        let left: Vec<f64> = kept.iter().flatten().copied().collect();
        prop_assert_eq!(most(&known).to_bits(), most(&left).to_bits());
        prop_assert_eq!(least(&known).to_bits(), least(&left).to_bits());
        prop_assert_eq!(values.last(), kept.last());
    }
}
