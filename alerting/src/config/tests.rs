//! The configuration's mistakes, its routes, and DESIGN's example.

use model::{Labels, Mode};

use super::{Destination, Target, Whom};
use crate::config::Medium;
use crate::testing::{config, read_config};

const RECEIVERS: &str = "
receivers:
  - {name: team-chat, webhook: {url: 'http://127.0.0.1:1/chat'}}
  - {name: war-room, webhook: {url: 'http://127.0.0.1:1/war'}}
";

#[test]
fn every_mistake_is_reported_at_once_with_its_place() {
    let alerting = "\
language: fr
receivers:
  - {name: team-chat, webhook: {url: 'http://127.0.0.1:1/chat'}}
  - {name: team-chat, webhook: {url: 'http://127.0.0.1:1/chat'}}
  - {name: owner, webhook: {url: 'http://127.0.0.1:1/chat'}}
route:
  receiver: team-chta
  group_by: [alertname, 9lives]
  group_interval: 0s
  routes:
    - matchers: ['severity=critical']
      escalation: nigth
      mute_time_intervals: [weekend]
      rush: {escalation: war, receiver: team-chat}
    - matcher: ['severity=critical']
      repeat_interval: 5
escalations:
  night:
    steps:
      - {after: 2m, notify: [im: owner, sms: frist]}
      - {after: 1m, notify: [phone: oncall/leads, team-chatt]}
    repeat: {every: 0s, times: 200}
  empty: {steps: []}
schedules:
  guide:
    time_zone: Asia/Shanghay
    rotations:
      - {name: weekly, start: 2026-11-02T10:00, people: [first, secnd]}
      - {name: sale, during: double-12, every: 8h, people: [first]}
      - {name: both, start: 2026-11-02T10:00, during: double-11, people: [first]}
      - {name: none, people: [first]}
      - {name: numbers, cron: '0 9 * * 1-5', lasts: 9h, people: [first]}
      - {name: seconds, cron: '0 0 9 * * MON', people: [first]}
      - {name: turns, cron: '0 9 * * MON', lasts: 400d, every: 1w, people: [first, second]}
      - {name: lost, start: 2026-11-02T10:00, every: 1w, lasts: 9h, people: [first]}
people:
  first: {phone: '+8613800000001'}
  second: {phone: '+8613800000002'}
inhibit_rules:
  - {source_match: {severity: critical}, equal: [9lives]}
  - {source_match_re: {severity: '('}, target_matchers: [severity=warning]}
time_intervals:
  - name: weekends
    time_intervals:
      - {weekdays: ['saturday:sunday', caturday], location: Asia/Shanghay}
      - {times: [{start_time: '17:00', end_time: '09:00'}, {start_time: '9:00', end_time: '24:01'}]}
      - {days_of_month: ['-1:3', '32', '5:1'], months: ['13', 'may:april'], years: ['0']}
  - {name: weekends}
";
    let teams = "a: {owns: ['guide/*'], im: team-chatt, schedule: giude}\n";
    let (_, _, problems) = read_config(alerting, teams);
    insta::assert_snapshot!(problems);
}

#[test]
fn what_will_hurt_at_night_is_advised() {
    let alerting = format!(
        "{RECEIVERS}
channels: {{sms: {{webhook: {{url: 'http://127.0.0.1:1/sms'}}}}}}
route: {{receiver: team-chat, routes: [{{matchers: ['severity=critical'], escalation: night}}]}}
escalations:
  night:
    steps:
      - {{after: 0s, notify: [im: owner]}}
      - {{after: 2m, notify: [sms: oncall/guide]}}
schedules:
  guide: {{time_zone: Asia/Shanghai, rotations: [{{name: sale, during: double-11, people: [first]}}]}}
people:
  first: {{name: First}}
"
    );
    let (config, _, problems) = read_config(&alerting, "{}");
    assert!(config.is_some() && !problems.has_errors());
    insta::assert_snapshot!(problems);
}

#[test]
fn a_number_that_the_provider_cannot_be_given_is_advised() {
    let with = |account: &str| {
        let alerting = format!(
            "{RECEIVERS}
channels: {{sms: {{{account}}}}}
route: {{receiver: team-chat}}
people:
  first: {{sms: '13800000001'}}
  second: {{sms: '555-0100'}}
"
        );
        let (config, _, problems) = read_config(&alerting, "{}");
        assert!(config.is_some() && !problems.has_errors(), "{problems}");
        problems.to_string()
    };
    let twilio = "twilio-sms: {account_sid: AC1, auth_token: t, from: Rampart}";
    let advised = with(twilio);
    assert!(
        advised.contains("`sms` of `second` is not a telephone number"),
        "{advised}"
    );
    assert!(advised.contains("+8613800000001"), "{advised}");
    assert!(!advised.contains("`first`"), "{advised}");
    let gateway = with("webhook: {url: 'http://127.0.0.1:1/sms'}");
    assert!(!gateway.contains("`second`"), "{gateway}");
}

#[test]
fn an_identity_that_rings_nobody_is_advised() {
    let alerting = format!(
        "{RECEIVERS}
route: {{receiver: team-chat}}
people:
  first: {{im: {{dingtalk: '13800000001', slack: U012AB3CD, wecom: '+8613800000001', feishu: ou_1}}}}
  second: {{im: {{dingtlak: '13800000001', slack: '@second', telegram: '@second'}}}}
"
    );
    let (config, _, problems) = read_config(&alerting, "{}");
    assert!(config.is_some() && !problems.has_errors(), "{problems}");
    let advised = problems.to_string();
    assert!(advised.contains("did you mean `dingtalk`?"), "{advised}");
    assert!(
        advised.contains("`slack` cannot call anybody by this"),
        "{advised}"
    );
    assert!(
        advised.contains("U012AB3CD, from the member's profile"),
        "{advised}"
    );
    for fine in ["`feishu`", "`wecom`", "`telegram`", "`dingtalk` cannot"] {
        assert!(!advised.contains(fine), "{advised}");
    }
}

#[test]
fn what_rings_a_phone_is_once_only_wherever_it_stands() {
    let alerting = "
receivers:
  - {name: boss, twilio-voice: {account_sid: AC1, auth_token: t, from: '+14155550100', to: '+14155550101'}}
  - {name: chat, slack: {url: 'http://127.0.0.1:1/chat'}}
route: {receiver: chat}
";
    let (config, _) = config(alerting, "{}");
    assert!(config.endpoint("boss").unwrap().once_only);
    assert!(!config.endpoint("chat").unwrap().once_only);
}

#[test]
fn routes_choose_like_alertmanager() {
    let alerting = format!(
        "{RECEIVERS}
route:
  receiver: team-chat
  routes:
    - matchers: ['severity=\"critical\"']
      escalation: night
      rush: {{escalation: war}}
      continue: true
    - matchers: ['namespace=\"guide\"']
      receiver: war-room
      group_by: ['...']
      routes:
        - matchers: ['function=\"feed\"']
          group_wait: 10s
        - matchers: ['function=\"feed\"', 'unit=\"a\"']
          receiver: team-chat
    - matchers: ['namespace=~\"guide|travel\"']
      receiver: team-chat
escalations:
  night: {{steps: [{{after: 0s, notify: [im: war-room]}}]}}
  war: {{steps: [{{after: 0s, notify: [war-room, {{im: owner}}]}}]}}
"
    );
    let (config, _) = config(&alerting, "{}");
    let chosen = |pairs: &[(&str, &str)], mode| {
        let labels = Labels::from_pairs(pairs.iter().copied());
        let routes = config.root.find(&labels);
        let lines: Vec<String> = routes
            .iter()
            .map(|route| match route.destination(mode) {
                Destination::Receiver(name) => format!("{} -> {name}", route.path),
                Destination::Escalation(name) => format!("{} -> steps of {name}", route.path),
            })
            .collect();
        lines.join("; ")
    };
    let critical = ("severity", "critical");
    let table = [
        (vec![], Mode::Daily, "/ -> team-chat"),
        (
            vec![critical],
            Mode::Daily,
            "/{severity=\"critical\"}/ -> steps of night",
        ),
        (
            vec![critical],
            Mode::Rush,
            "/{severity=\"critical\"}/ -> steps of war",
        ),
        (
            vec![critical, ("namespace", "guide")],
            Mode::Daily,
            "/{severity=\"critical\"}/ -> steps of night; /{namespace=\"guide\"}/ -> war-room",
        ),
        (
            vec![("namespace", "guide"), ("function", "feed"), ("unit", "a")],
            Mode::Rush,
            "/{namespace=\"guide\"}/{function=\"feed\"}/ -> war-room",
        ),
        (
            vec![("namespace", "travel")],
            Mode::Daily,
            "/{namespace=~\"guide|travel\"}/ -> team-chat",
        ),
    ];
    for (labels, mode, expected) in table {
        assert_eq!(chosen(&labels, mode), expected, "{labels:?}");
    }
    let war = &config.escalations["war"].steps[0].notify;
    assert_eq!(
        war,
        &[
            Target::Receiver("war-room".into()),
            Target::By(Medium::Im, Whom::Owner)
        ]
    );
}

#[test]
fn groups_follow_group_by() {
    let alerting = format!(
        "{RECEIVERS}
route:
  receiver: team-chat
  routes:
    - {{matchers: ['a=\"1\"'], group_by: ['...']}}
    - {{matchers: ['a=\"2\"'], group_by: []}}
"
    );
    let (config, _) = config(&alerting, "{}");
    let group = |pairs: &[(&str, &str)]| {
        let labels = Labels::from_pairs(pairs.iter().copied());
        let route = config.root.find(&labels)[0];
        route.group_by.labels_of(&labels).to_string()
    };
    // An alert from outside may lack what Rampart's own have.
    assert_eq!(
        group(&[("alertname", "X"), ("instance", "i")]),
        r#"{alertname="X"}"#
    );
    assert_eq!(group(&[("a", "1"), ("b", "2")]), r#"{a="1", b="2"}"#);
    assert_eq!(group(&[("a", "2"), ("b", "2")]), "{}");
}

#[test]
fn twins_keep_apart_and_paths_survive_edits_elsewhere() {
    let read = |routes: &str| {
        let (config, _) = config(
            &format!("{RECEIVERS}\nroute: {{receiver: team-chat, routes: [{routes}]}}"),
            "{}",
        );
        let mut paths = Vec::new();
        config
            .root
            .walk(&mut |route| paths.push(route.path.clone()));
        paths
    };
    let twin = "{matchers: ['a=\"1\"'], continue: true}";
    let before = read(&format!("{twin}, {twin}"));
    assert_eq!(before.len(), 3);
    assert_ne!(before[1], before[2]);
    let after = read(&format!("{{matchers: ['b=\"1\"']}}, {twin}"));
    assert_eq!(after[2], before[1]);
}

/// Bad input that people write, each with a sentence that names it.
#[test]
fn bad_input_has_a_sentence_of_its_own() {
    let with = |more: &str| format!("{RECEIVERS}{more}");
    let people = "people: {first: {name: First}}\n";
    let steps = |steps: &str| {
        with(&format!(
            "route: {{receiver: team-chat, escalation: night}}\nescalations: {{night: {{steps: [{steps}]}}}}\n{people}"
        ))
    };
    let table = [
        (
            with("route: {receiver: team-chta}\n"),
            "unknown receiver `team-chta`",
        ),
        (
            steps("{after: 0s, notify: [night]}"),
            "`night` is an escalation, and a step tells receivers and people",
        ),
        (
            steps("{after: 0s, notify: [im: night]}"),
            "`night` is an escalation, and a step tells receivers and people",
        ),
        (steps(""), "steps"),
        (steps("{after: 0s, notify: []}"), "notify"),
        (
            format!(
                "channels: {{sms: {{webhook: {{url: 'http://127.0.0.1:1/'}}}}}}\n{}",
                steps("{after: 0s, notify: [sms: first]}")
            ),
            "`first` has no `sms`",
        ),
        (
            with(
                "route: {receiver: team-chat}\nschedules: {s: {time_zone: Mars/Base, rotations: []}}\n",
            ),
            "Mars/Base",
        ),
        (
            with("route: {receiver: team-chat, routes: [{matchers: ['a=~\"(\"']}]}\n"),
            "(",
        ),
        (
            with("route: {receiver: team-chat, routes: [{matchers: ['severity critical']}]}\n"),
            "severity critical",
        ),
        (
            format!(
                "{}schedules: {{guide: {{time_zone: UTC, rotations: [{{name: r, cron: '0 9 * * MON', lasts: 1h, people: [first]}}]}}}}\n",
                steps("{after: 0s, notify: [im: oncall/guide]}")
            ),
            "nobody is on call",
        ),
    ];
    for (alerting, expected) in table {
        let (_, _, problems) = read_config(&alerting, "{}");
        let said = problems.to_string();
        assert!(said.contains(expected), "{expected}\n{alerting}\n{said}");
    }
}
