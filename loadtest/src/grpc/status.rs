//! What the trailers of a call mean.

use http::{HeaderMap, HeaderValue};

use crate::outcome::Outcome;
use crate::request::Expect;

/// A call that ended with another gRPC status than expected counts under this plus its code, so that
/// `1004` in the statuses of a result is gRPC's DEADLINE_EXCEEDED; HTTP has no status that high.
pub const STATUS_BASE: u16 = 1_000;
/// The target protects itself (RESOURCE_EXHAUSTED).
const RESOURCE_EXHAUSTED: u32 = 8;
/// What a call counts as whose status is missing or unreadable (UNKNOWN).
const UNKNOWN: u32 = 2;

/// What came of a call: a success when HTTP said 200, gRPC the expected status, which stands in the
/// trailers, or in the head when there is nothing else, and the metadata of both what is expected of it.
pub(crate) fn outcome(
    status: u16,
    headers: &HeaderMap,
    trailers: &HeaderMap,
    expect: &Expect,
) -> Outcome {
    if status == 429 {
        return Outcome::Limited;
    }
    if status != 200 {
        return Outcome::Unexpected { status };
    }
    let code = trailers
        .get("grpc-status")
        .or_else(|| headers.get("grpc-status"))
        .and_then(code)
        .unwrap_or(UNKNOWN);
    let metadata = |name: &str| headers.get(name).or_else(|| trailers.get(name));
    if expect.judge_grpc(code, &|name| metadata(name).map(HeaderValue::as_bytes)) {
        return Outcome::Ok { status };
    }
    if code == expect.grpc_status {
        return Outcome::Unexpected { status };
    }
    if code == RESOURCE_EXHAUSTED {
        return Outcome::Limited;
    }
    let code = u16::try_from(code).unwrap_or(u16::MAX - STATUS_BASE);
    Outcome::Unexpected {
        status: STATUS_BASE.saturating_add(code),
    }
}

fn code(value: &HeaderValue) -> Option<u32> {
    value.to_str().ok()?.trim().parse().ok()
}
