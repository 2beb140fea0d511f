//! The configuration `rampart demo` runs with: what a user would write for such a platform.

use std::net::SocketAddr;

use crate::phone::{ROBOT_SECRET, ROBOT_TOKEN};

/// The three files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Configuration {
    /// `rampart.yaml`.
    pub main: String,
    /// `rules.yaml`, which the main file names.
    pub rules: String,
    /// `alerting.yaml`, which the main file names.
    pub alerting: String,
}

impl Configuration {
    /// The files with these receivers as the people's phones.
    pub fn telling(phones: SocketAddr) -> Self {
        Configuration {
            main: MAIN.to_owned(),
            rules: RULES.to_owned(),
            alerting: ALERTING
                .replace("{PHONES}", &phones.to_string())
                .replace("{TOKEN}", ROBOT_TOKEN)
                .replace("{SECRET}", ROBOT_SECRET),
        }
    }
}

const MAIN: &str = r#"# What `rampart demo` runs with.
collector:
  sources:
    - name: demo                          # the gateway pushes NDJSON and says how far it is
      http: {expect_every: 2s}
      format: rampart-json
teams:
  team-guide: {owns: ["guide/*"], im: team-chat, schedule: night-watch}
  team-travel: {owns: ["travel/*"], im: team-chat, schedule: night-watch}
  team-store: {owns: ["store/*"], im: team-chat, schedule: night-watch}
rules: {files: [rules.yaml]}
alerting: {file: alerting.yaml}
"#;

const RULES: &str = r#"version: rampart/v1
groups:
  - name: everybody                         # whose function it is, `teams` says
    functions: ["guide/*", "travel/*", "store/*"]
    every: 1s
    by: [function, unit]
    rules:
      - alert: SuccessRateLow
        success_rate: {below: 95%, over: 30s, min_calls: 50, confidence: 99.9%}
        severity: critical
        annotations: {summary: "{{ id }} at {{ value | percent }} in unit {{ unit }}"}
  - name: travel                            # a small share of failures: the chat is enough
    functions: ["travel/*"]
    every: 1s
    rules:
      - alert: SuccessRateDegraded
        success_rate: {below: 99.5%, over: 45s, min_calls: 500, confidence: 99.9%}
        severity: warning
        annotations: {summary: "{{ id }} at {{ value | percent }}"}
  - name: store                             # silence is told from a late pipeline by the heartbeat
    functions: ["store/*"]
    every: 1s
    rules:
      - alert: NoCalls
        qps: {absent_for: 15s, min_baseline: 1/s}
        severity: critical
        annotations: {summary: "nobody calls {{ id }} any more"}
"#;

const ALERTING: &str = r#"channels:                                   # gateways that stand for an SMS and a phone provider
  sms: {webhook: {url: "http://{PHONES}/sms"}}
  phone: {webhook: {url: "http://{PHONES}/phone"}}
receivers:
  - name: team-chat
    dingtalk: {url: "http://{PHONES}/robot/send?access_token={TOKEN}", secret: {SECRET}}
route:
  receiver: team-chat
  group_interval: 10s                       # a fault two minutes later is an incident of its own
  routes:
    - matchers: ['severity="critical"']
      escalation: night
escalations:
  night:                                    # everyday steps wait minutes; these wait seconds
    steps:
      - {after: 0s, notify: [im: owner]}
      - {after: 10s, notify: [sms: owner]}
      - {after: 25s, notify: [phone: owner]}
    acknowledged_for: 30m
schedules:
  night-watch:
    time_zone: Asia/Shanghai
    rotations:
      - {name: weekly, start: 2024-01-01T10:00, every: 1w, people: [first, second]}
people:
  first: {name: First On Call, im: {dingtalk: "13800000001"}, sms: "+8613800000001", phone: "+8613800000001"}
  second: {name: Second On Call, im: {dingtalk: "13800000002"}, sms: "+8613800000002", phone: "+8613800000002"}
"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_receivers_are_filled_in() {
        let configuration = Configuration::telling("127.0.0.1:4711".parse().unwrap());
        for address in [
            "http://127.0.0.1:4711/sms",
            "http://127.0.0.1:4711/phone",
            "http://127.0.0.1:4711/robot/send?access_token=demo-robot",
        ] {
            assert!(configuration.alerting.contains(address), "{address}");
        }
        assert!(configuration.alerting.contains("secret: SECdemo"));
        let whole = [
            configuration.main,
            configuration.rules,
            configuration.alerting,
        ]
        .concat();
        assert!(
            !whole.contains("{PHONES}")
                && !whole.contains("{TOKEN}")
                && !whole.contains("{SECRET}")
        );
    }
}
