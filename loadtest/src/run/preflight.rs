//! One request of each kind before anything else: does the target answer as the plan expects?

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use super::ready::Ready;
use super::{RunError, threads};
use crate::engine::{RunClock, Stop};
use crate::outcome::Failure;
use crate::plan::{Arrivals, Load, LoadModel, Stage};
use crate::request::{Complaint, RequestSet};
use crate::tally::Tally;
use crate::tls::why_refused;

/// Kinds of requests that are tried.
pub(crate) const KINDS_MAX: usize = 20;
/// How often a slot that the machine was too busy for is tried again.
const TRIES_MAX: u32 = 10;
/// A stage of one slot: the first is at its beginning, the second would be at its end.
const ONE_SLOT: Duration = Duration::from_millis(10);

/// Sends each kind of request once. The error is a sentence on the first that did not go well.
pub(crate) fn check(
    ready: &Ready,
    load: &Load,
    clock: &RunClock,
    stop: &Arc<Stop>,
) -> Result<(), RunError> {
    let per_second = 1.0 / ONE_SLOT.as_secs_f64();
    let once = Load {
        model: LoadModel::Open {
            arrivals: Arrivals::Constant,
            stages: vec![Stage {
                duration: ONE_SLOT,
                from: per_second,
                to: per_second,
            }],
        },
        warm_up: Duration::ZERO,
        duration: ONE_SLOT,
        connections_max: 1,
        in_flight_max: 1,
        threads: 1,
        ..load.clone()
    };
    for request in ready.requests.requests().iter().take(KINDS_MAX) {
        let mut one = request.clone();
        one.weight = 1;
        let lacking = Complaint::wanted();
        one.expect.complaint = lacking.clone();
        let Some(requests) = RequestSet::new(vec![one]) else {
            continue;
        };
        let ready = Ready {
            requests,
            ..ready.clone()
        };
        let total = send_once(&ready, &once, clock, stop)?;
        let sentence = complaint(
            &request.name,
            &ready,
            load.timeout,
            clock,
            &total,
            lacking.get(),
        );
        if let Some(sentence) = sentence {
            return Err(RunError::Preflight(sentence));
        }
    }
    Ok(())
}

/// Sends the one request. A busy machine may miss its slot; then it is tried again.
fn send_once(
    ready: &Ready,
    once: &Load,
    clock: &RunClock,
    stop: &Arc<Stop>,
) -> Result<Tally, RunError> {
    let mut total = Tally::default();
    for _ in 0..TRIES_MAX {
        threads::send(ready, once, clock, &Stop::below(stop), |_, tally| {
            total.add_after(&tally);
        })?;
        if let Some(reason) = stop.reason() {
            return Err(RunError::Stopped(reason));
        }
        if total.counts.done() > 0 {
            break;
        }
    }
    Ok(total)
}

/// What went wrong with the one request; `None` when nothing did. `lacking` is what its answer lacked.
fn complaint(
    name: &str,
    ready: &Ready,
    timeout: Duration,
    clock: &RunClock,
    total: &Tally,
    lacking: Option<&str>,
) -> Option<String> {
    let counts = &total.counts;
    if counts.ok > 0 {
        return None;
    }
    let place = place(&ready.envelope.authority, ready.address);
    let failure = Failure::ALL
        .into_iter()
        .find(|failure| counts.failures[*failure as usize] > 0);
    let status = total.statuses.keys().next();
    Some(match (failure, status) {
        (_, Some(429)) => {
            format!("{name} at {place} answered 429: a flow limit refuses already a single request")
        }
        (_, Some(status)) => {
            let answered = lacking.map_or_else(|| status.to_string(), str::to_owned);
            format!("{name} at {place} answered {answered}")
        }
        (Some(Failure::Refused), _) => format!("nobody listens at {place}"),
        (Some(Failure::Timeout | Failure::ConnectTimeout), _) => format!(
            "{name} at {place} was not answered within {}",
            model::format_duration(timeout)
        ),
        (Some(Failure::Tls), _) => {
            let why = ready
                .tls
                .as_ref()
                .and_then(|tls| why_refused(tls, &ready.host, ready.address, clock, timeout));
            let why = why.map_or_else(String::new, |why| format!(": {why}"));
            format!(
                "the TLS handshake with {place} failed{why}; a private authority is named by target.ca_file"
            )
        }
        (Some(Failure::Redirect), _) => format!(
            "{name} at {place} was redirected to another place; make that the target if it is the one to be tested"
        ),
        (Some(failure), _) => format!("{name} at {place} failed: {}", failure.word()),
        (None, None) => format!("{name} at {place} was not answered"),
    })
}

/// `feed.internal (10.0.0.7:80)`; the address alone when the target names no other.
fn place(authority: &str, address: SocketAddr) -> String {
    let is_named = authority.parse::<SocketAddr>().is_err()
        && authority
            .trim_matches(['[', ']'])
            .parse::<IpAddr>()
            .is_err();
    if is_named {
        format!("{authority} ({address})")
    } else {
        address.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_named_once() {
        for (authority, address, expected) in [
            ("feed:8080", "10.0.0.7:8080", "feed:8080 (10.0.0.7:8080)"),
            ("10.0.0.7:8080", "10.0.0.7:8080", "10.0.0.7:8080"),
            ("10.0.0.7", "10.0.0.7:80", "10.0.0.7:80"),
            ("[::1]:8080", "[::1]:8080", "[::1]:8080"),
            ("[::1]", "[::1]:443", "[::1]:443"),
        ] {
            assert_eq!(place(authority, address.parse().unwrap()), expected);
        }
    }
}
