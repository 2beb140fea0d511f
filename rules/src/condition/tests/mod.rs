//! Verdicts by table: what the counts say, and what they cannot say. One file a condition.

mod above_capacity;
mod absent;
mod compare;
mod latency;
mod outlier;
mod qps_drop;
mod qps_level;
mod share;
mod slo;
mod success_rate;

use std::time::Duration;

use chrono_tz::Tz;
use model::{Rate, Ratio, Timestamp};
use proptest::prelude::*;

use super::*;
use crate::capacity::Capacity;
use crate::windows::{Against, LagRate, Recent, Tally};

pub(super) fn ratio(text: &str) -> Ratio {
    Ratio::parse(text).unwrap()
}

pub(super) fn rate(text: &str) -> Rate {
    Rate::parse(text).unwrap()
}

pub(super) fn calls(counted: u64, failed: u64) -> Tally {
    Tally {
        counted,
        failed,
        weighted: counted,
    }
}

/// `ok`, `band` (ok, not recovered), `breach` or the reason.
pub(super) fn word(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Ok {
            recovered: true, ..
        } => "ok".to_owned(),
        Verdict::Ok { .. } => "band".to_owned(),
        Verdict::Breach { .. } => "breach".to_owned(),
        Verdict::Unknown { why } => why.to_string(),
    }
}

#[test]
fn the_sentence_is_one_a_person_can_act_on() {
    let evidence = Evidence {
        calls: 402,
        failed: 116,
        ..Evidence::default()
    };
    let condition = Condition::SuccessRate(success_rate::success("99%", 100));
    assert_eq!(
        condition.describe("guide/wow-video-feed in unit b", 286.0 / 402.0, &evidence),
        "guide/wow-video-feed in unit b: 71.14 % of 402 calls succeeded in 1m; the objective is 99 %"
    );
    let fallen = Evidence {
        baseline: Some(120.0),
        ..Evidence::default()
    };
    assert_eq!(
        Condition::QpsDrop(qps_drop::dropping("50%")).describe("guide/feed", 30.0, &fallen),
        "guide/feed: 30/s over 5m, 75 % less than the usual 120/s at this time"
    );
}

pub(super) fn enough(min_calls: u64) -> Enough {
    Enough {
        min_calls,
        confidence: ratio("99.9%"),
    }
}
