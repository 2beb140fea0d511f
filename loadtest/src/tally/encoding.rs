//! Histograms as text, so that a tally can be sent to whoever adds it up.
//!
//! The form is `HdrHistogram`'s V2 (uncompressed: what is read can be no larger than what came) in base64.
//! The header is proven before anything is allocated for it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer, Serializer as _, V2Serializer};
use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer as From, Serialize, Serializer as Into};

use super::{LOWEST_NANOS, SIGNIFICANT_DIGITS, TIME_NANOS_MAX, Times};

/// Bytes before the counts: cookie, length, offset, digits (4 each), bounds and ratio (8 each).
const HEADER_BYTES: usize = 40;
/// Highest bound of a histogram that is taken: one that has grown to [`TIME_NANOS_MAX`] ends below it.
const HIGH_NANOS_MAX: u64 = 2 * TIME_NANOS_MAX;
/// So many bytes of ones in a row are a number beyond every count.
const ONES_BYTES_MAX: usize = 7;

impl Serialize for Times {
    fn serialize<S: Into>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut bytes = Vec::new();
        V2Serializer::new()
            .serialize(&self.0, &mut bytes)
            .map_err(S::Error::custom)?;
        to.serialize_str(&STANDARD.encode(bytes))
    }
}

impl<'de> Deserialize<'de> for Times {
    fn deserialize<D: From<'de>>(from: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(from)?;
        let bytes = STANDARD.decode(text.as_bytes()).map_err(D::Error::custom)?;
        decode(&bytes).map(Times).map_err(D::Error::custom)
    }
}

/// A histogram of the bounds and precision that ours have; anything else is refused.
fn decode(bytes: &[u8]) -> Result<Histogram<u64>, String> {
    let word = |at: usize| {
        let four = bytes.get(at..)?.first_chunk()?;
        Some(u32::from_be_bytes(*four))
    };
    let long = |at: usize| {
        let eight = bytes.get(at..)?.first_chunk()?;
        Some(u64::from_be_bytes(*eight))
    };
    let counts = bytes.get(HEADER_BYTES..).ok_or("a histogram cut short")?;
    if word(4).map(|length| length as usize) != Some(counts.len()) {
        return Err("a histogram whose length is not what it says".to_owned());
    }
    let digits = word(12) == Some(u32::from(SIGNIFICANT_DIGITS));
    let low = long(16) == Some(LOWEST_NANOS);
    let high = long(24).is_some_and(|high| (2 * LOWEST_NANOS..=HIGH_NANOS_MAX).contains(&high));
    if !(digits && low && high) {
        return Err("a histogram of another precision".to_owned());
    }
    let ones = counts.chunk_by(|one, next| *one == 0xff && *next == 0xff);
    if ones.map(<[u8]>::len).any(|run| run > ONES_BYTES_MAX) {
        return Err("a histogram with a count that nothing reaches".to_owned());
    }
    let mut histogram: Histogram<u64> = Deserializer::new()
        .deserialize(&mut &*bytes)
        .map_err(|error| error.to_string())?;
    histogram.auto(true);
    Ok(histogram)
}

#[cfg(test)]
mod tests {
    use super::super::Tally;
    use super::*;
    use crate::outcome::{Failure, Outcome};
    use crate::timing::{Nanos, Timing};

    fn tally() -> Tally {
        let mut tally = Tally {
            threads: 1,
            span_nanos: 1_000_000_000,
            cpu_nanos: 5,
            loop_gap_nanos_max: 77,
            in_flight: 3,
            in_flight_max: 9,
            ..Tally::default()
        };
        for step in 1..2_000_u64 {
            let timing = Timing {
                written: Nanos(step),
                done: Nanos(step * step * 1_000),
                ..Timing::default()
            };
            let outcome = match step % 7 {
                0 => Outcome::Failed(Failure::Timeout),
                1 => Outcome::Limited,
                _ => Outcome::Ok { status: 200 },
            };
            tally.record(&timing, outcome);
        }
        tally.latency.record(u64::MAX);
        tally
    }

    /// Every bucket that was counted in: its times' upper bound, and how many.
    fn recorded(times: &Times) -> Vec<(u64, u64)> {
        let buckets = times.0.iter_recorded();
        buckets
            .map(|bucket| (bucket.value_iterated_to(), bucket.count_at_value()))
            .collect()
    }

    #[test]
    fn a_tally_comes_back_as_it_went() {
        let tally = tally();
        let text = serde_json::to_string(&tally).unwrap();
        let back: Tally = serde_json::from_str(&text).unwrap();
        assert_eq!(back.counts, tally.counts);
        assert_eq!(back.statuses, tally.statuses);
        for (mine, theirs) in [
            (&tally.latency, &back.latency),
            (&tally.ok_latency, &back.ok_latency),
            (&tally.service, &back.service),
            (&tally.back_pressure, &back.back_pressure),
            (&tally.lag, &back.lag),
        ] {
            assert_eq!(recorded(mine), recorded(theirs));
        }
        assert_eq!(
            (back.threads, back.span_nanos, back.cpu_nanos),
            (1, 1_000_000_000, 5)
        );
        assert_eq!(
            (back.loop_gap_nanos_max, back.in_flight, back.in_flight_max),
            (77, 3, 9)
        );
        // Sums of what came over are the sums of what went.
        let (mut here, mut there) = (Tally::default(), Tally::default());
        here.add_beside(&tally);
        here.add_beside(&tally);
        there.add_beside(&back);
        there.add_beside(&tally);
        assert_eq!(recorded(&here.latency), recorded(&there.latency));
    }

    #[test]
    fn what_is_no_histogram_of_ours_is_refused_before_it_takes_memory() {
        let mut good = Vec::new();
        let mut times = Times::new();
        times.record(5_000_000);
        V2Serializer::new().serialize(&times.0, &mut good).unwrap();
        assert!(decode(&good).is_ok());
        let changed = |at: usize, with: &[u8]| {
            let mut bytes = good.clone();
            bytes.splice(at..at + with.len(), with.iter().copied());
            decode(&bytes)
        };
        for (at, with) in [
            (0, &[0_u8, 0, 0, 0][..]),
            (4, &[0xff, 0xff, 0xff, 0xff]),
            (8, &[0, 0, 0, 1]),
            (12, &[0, 0, 0, 5]),
            (16, &[0, 0, 0, 0, 0, 0, 0, 1]),
            (24, &[0xff; 8]),
            (32, &[0; 8]),
        ] {
            assert!(changed(at, with).is_err(), "{at}");
        }
        assert!(decode(&good[..good.len() - 1]).is_err());
        assert!(decode(&[]).is_err());
        let with_counts = |counts: &[u8]| {
            let mut bytes = good[..HEADER_BYTES].to_vec();
            bytes[4..8].copy_from_slice(&(counts.len() as u32).to_be_bytes());
            bytes.extend_from_slice(counts);
            decode(&bytes)
        };
        // The smallest number there is cannot be turned round.
        assert!(with_counts(&[0xff; 9]).is_err());
        // Half of all numbers as zeros to be passed over, then a count.
        assert!(with_counts(&[0xfd, 0xff, 0xff, 0xff, 0x0f, 0x02]).is_err());
        assert!(serde_json::from_str::<Times>("\"no base64 at all\"").is_err());
        assert!(serde_json::from_str::<Times>("7").is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(counts in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            let mut bytes = Vec::new();
            V2Serializer::new().serialize(&Times::new().0, &mut bytes).unwrap();
            bytes.truncate(HEADER_BYTES);
            bytes[4..8].copy_from_slice(&(counts.len() as u32).to_be_bytes());
            bytes.extend_from_slice(&counts);
            let _ = decode(&bytes);
        }
    }
}
