//! A target's answers over several rounds.

use store::{QueryAnswer, SampleRows};

use super::*;
use crate::config::Input;
use crate::config::tests::source_of;

fn series(yaml: &str) -> Series {
    let Input::Scrape(scrape) = source_of(yaml).input else {
        panic!("not a scrape");
    };
    Series::new(&scrape, &scrape.targets[0])
}

fn plain() -> Series {
    series("{name: pods, scrape: {targets: ['h:1']}, labels: {unit: a}}")
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(1_800_000_000 + seconds)
}

fn answer(seconds: i64, body: &str) -> Fetched {
    Fetched {
        body: body.as_bytes().to_vec(),
        dialect: Dialect::Text,
        failure: None,
        at: at(seconds),
        took: Duration::from_millis(20),
    }
}

fn failed(seconds: i64) -> Fetched {
    Fetched {
        failure: Some("connection refused".to_owned()),
        ..answer(seconds, "")
    }
}

/// `name{labels} value @seconds`, the stale marker as `stale`. The bits of NaN do not survive JSON, so
/// they are looked at on the way in, see `the_stale_marker_is_that_of_prometheus`.
fn printed(scraped: &Scraped) -> Vec<String> {
    let batch = scraped.batch.samples.clone().unwrap();
    let answer = QueryAnswer {
        schema: batch.schema(),
        batches: vec![batch],
        truncated: false,
    };
    let json = answer.to_json();
    let place = |name: &str| {
        let columns = json["columns"].as_array().unwrap();
        columns.iter().position(|c| c["name"] == name).unwrap()
    };
    let (ts, name, labels, value) = (place("ts"), place("name"), place("labels"), place("value"));
    let mut lines: Vec<String> = json["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            let when: Timestamp = row[ts].as_str().unwrap().parse().unwrap();
            let mut labels = row[labels].as_object().unwrap().clone();
            for own in ["job", "instance", "unit"] {
                labels.remove(own).unwrap();
            }
            let value = row[value]
                .as_f64()
                .map_or("stale".to_owned(), |v| v.to_string());
            let seconds = when.as_seconds() - at(0).as_seconds();
            let labels = serde_json::Value::Object(labels);
            format!("{}{labels} {value} @{seconds}", row[name].as_str().unwrap())
        })
        .filter(|line| !line.starts_with("scrape_"))
        .collect();
    lines.sort();
    lines
}

#[test]
fn series_and_targets_that_go_away_end_once() {
    let mut series = plain();
    let first = series.observe(answer(0, "a 1\nb{x=\"1\"} 2\n"));
    assert_eq!(
        printed(&first),
        ["a{} 1 @0", "b{\"x\":\"1\"} 2 @0", "up{} 1 @0"]
    );
    assert_eq!((first.samples, first.ended), (2, 0));

    let second = series.observe(answer(5, "a 3\n"));
    assert_eq!(
        printed(&second),
        ["a{} 3 @5", "b{\"x\":\"1\"} stale @5", "up{} 1 @5"]
    );

    let third = series.observe(failed(10));
    assert_eq!(printed(&third), ["a{} stale @10", "up{} 0 @10"]);
    assert_eq!(printed(&series.observe(failed(15))), ["up{} 0 @15"]);

    let back = series.observe(answer(20, "a 4\n"));
    assert_eq!(printed(&back), ["a{} 4 @20", "up{} 1 @20"]);
    let gone = series.end(at(25));
    assert_eq!(printed(&gone), ["a{} stale @25", "up{} stale @25"]);
}

#[test]
fn an_answer_that_was_cut_off_ends_nothing_and_is_not_up() {
    let mut series = plain();
    series.observe(answer(0, "a 1\nb 2\n"));
    let cut = series.observe(answer(5, "a 3\nb 2"));
    assert_eq!(printed(&cut), ["a{} 3 @5", "up{} 0 @5"]);
    let reasons: Vec<&str> = cut.refusals.iter().map(|r| r.reason.as_str()).collect();
    assert_eq!(
        reasons.last(),
        Some(&"the answer was cut off before its end")
    );
    let whole = series.observe(answer(10, "a 3\n"));
    assert_eq!(
        printed(&whole),
        ["a{} 3 @10", "b{} stale @10", "up{} 1 @10"]
    );
}

#[test]
fn times_of_their_own_repeats_and_bad_labels() {
    let mut series = plain();
    let body = format!(
        "a 1 {}\nb 1\nb 2\nc{{x=\"{}\"}} 1\nd 1 {}\n",
        at(-5).as_millis(),
        "x".repeat(5_000),
        at(700).as_millis()
    );
    let scraped = series.observe(answer(0, &body));
    assert_eq!(printed(&scraped), ["a{} 1 @-5", "b{} 1 @0", "up{} 1 @0"]);
    assert_eq!(scraped.rejected.total(), 3);
    // A series with its own times says itself when it ends.
    let next = series.observe(answer(5, "b 1\n"));
    assert_eq!(printed(&next), ["b{} 1 @5", "up{} 1 @5"]);
}

#[test]
fn the_stale_marker_is_that_of_prometheus() {
    let stale = f64::from_bits(STALE_MARKER_BITS);
    assert!(stale.is_nan() && stale.to_bits() == 0x7ff0_0000_0000_0002);
    let mut rows = SampleRows::new();
    push(&mut rows, 0, "x", &Labels::new(), stale);
    // Debug prints NaN alike; that the store keeps the bits is its own promise and test.
    assert_eq!(rows.len(), 1);
}
