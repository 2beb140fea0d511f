//! A name for what is sent and wanted: results may be compared when it is the same.

use sha2::{Digest, Sha256};

use super::{Objective, Target};
use crate::request::{Request, RequestSet};

/// SHA-256 over how and what is sent (the target's path, protocol and use of connections, every
/// request with its body lines and weight) and the objective, in hexadecimal. Not over the target's
/// host, which differs from pod to pod, and not over the load.
pub(super) fn hash(
    target: &Target,
    requests: &RequestSet,
    objective: Option<&Objective>,
) -> String {
    let mut scenario = Scenario(Sha256::new());
    scenario.add("target", &target.base_path);
    scenario.add("protocol", format!("{:?}", target.protocol));
    scenario.add(
        "connections",
        format!("{} {}", target.tls, target.keep_alive),
    );
    for request in requests.requests() {
        scenario.add_request(request);
    }
    if let Some(objective) = objective {
        let Objective {
            quantile,
            latency,
            success_rate,
        } = objective;
        let text = format!("{quantile} {} {}", latency.as_micros(), success_rate.get());
        scenario.add("objective", text);
    }
    super::permission::hexadecimal(&scenario.0.finalize())
}

struct Scenario(Sha256);

impl Scenario {
    /// Lengths stand before texts, so that no two scenarios give the same bytes.
    fn add(&mut self, name: &str, text: impl AsRef<[u8]>) {
        let text = text.as_ref();
        self.0.update(format!("{name} {}\n", text.len()));
        self.0.update(text);
    }

    fn add_request(&mut self, request: &Request) {
        self.add("request", request.method.as_str());
        self.add("path", &request.path);
        self.add("weight", request.weight.to_string());
        for (name, value) in &request.headers {
            self.add("header", name);
            self.add("value", value);
        }
        self.add("body", &request.body);
        if let Some(lines) = &request.lines {
            self.add("lines", lines.text());
        }
        if let Some(call) = &request.grpc {
            self.add("grpc", &call.service_method);
            self.add("message", call.message.to_string());
        }
        for status in request.expect.statuses.iter() {
            self.add("status", status.to_string());
        }
        for check in &request.expect.headers {
            self.add("expected header", check.as_str());
        }
        for check in &request.expect.json {
            self.add("expected json", check.as_str());
        }
        self.add(
            "expected grpc status",
            request.expect.grpc_status.to_string(),
        );
    }
}
