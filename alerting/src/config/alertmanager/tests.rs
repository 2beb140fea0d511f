//! Files as people have them, and what is said about the parts that Rampart does not do.

use declare::{Problems, read};
use model::Labels;

use super::super::{Config, Destination, Surroundings, Teams};
use crate::testing::at;

fn load(text: &str) -> (Option<Config>, Problems) {
    let mut problems = Problems::new();
    let teams = Teams::read(&read("rampart.yaml", "{}").unwrap());
    let node = read("alertmanager.yml", text).unwrap();
    assert!(Config::is_alertmanager(&node), "{text}");
    let surroundings = Surroundings {
        teams: &teams,
        events: &[],
        external_url: None,
        now: at("2026-11-03T00:00:00Z"),
        secrets: &|path| match path {
            "/run/secrets/slack" => Ok("https://hooks.slack.example.com/services/T/B/X\n".into()),
            _ => Err(format!("no file {path} in tests")),
        },
        time_zone: chrono_tz::Tz::UTC,
    };
    let config = Config::read_alertmanager(&node, &surroundings, &mut problems);
    (config, problems)
}

const WHOLE: &str = r#"
global:
  resolve_timeout: 10m
  smtp_smarthost: 'mail.example.com:587'
  smtp_from: 'alerts@example.com'
  smtp_auth_username: alerts
  smtp_auth_password: secret
  slack_api_url_file: /run/secrets/slack
route:
  receiver: 'null'
  group_by: ['alertname', 'cluster']
  routes:
    - match: {severity: critical}
      match_re: {service: ^(foo1|foo2)$}
      receiver: pager
      group_wait: 10s
      continue: true
    - matchers: [team="db", env!~"dev|test"]
      receiver: db
      mute_time_intervals: [offhours]
receivers:
  - name: 'null'
  - name: pager
    pagerduty_configs: [{routing_key: abc}]
  - name: db
    slack_configs: [{send_resolved: true}, {api_url: 'https://hooks.slack.example.com/other'}]
    email_configs: [{to: 'a@example.com, b@example.com'}]
    telegram_configs: [{bot_token: '1:x', chat_id: -100123}]
    webhook_configs:
      - url: http://127.0.0.1:5001/
        http_config: {basic_auth: {username: u, password: p}}
    msteamsv2_configs: [{webhook_url: 'https://teams.example.com/flow'}]
inhibit_rules:
  - source_matchers: [severity="critical"]
    target_matchers: [severity="warning"]
    equal: [alertname]
mute_time_intervals:
  - name: offhours
    time_intervals: [{weekdays: [saturday, sunday], location: Europe/Berlin}]
"#;

#[test]
fn a_real_file_becomes_routes_and_channels() {
    let (config, problems) = load(WHOLE);
    assert!(problems.is_empty(), "{problems}");
    let config = config.unwrap();
    assert_eq!(config.resolve_timeout.as_secs(), 600);
    assert_eq!(config.root.timing.group_wait.as_secs(), 30);
    let labels = Labels::from_pairs([
        ("severity", "critical"),
        ("service", "foo1"),
        ("team", "db"),
    ]);
    let found = config.root.find(&labels);
    let receivers: Vec<&str> = found.iter().map(|route| route.receiver.as_str()).collect();
    assert_eq!(receivers, ["pager", "db"]);
    assert_eq!(found[0].destination, Destination::Receiver("pager".into()));
    assert_eq!(found[0].timing.group_wait.as_secs(), 10);
    assert_eq!(found[1].mute_times, ["offhours"]);
    let db = &config.receivers["db"].endpoints;
    let kinds: Vec<(&str, &str, bool)> = db
        .iter()
        .map(|way| (way.name.as_str(), way.kind(), way.sends_resolved))
        .collect();
    assert_eq!(
        kinds,
        [
            ("db/1", "webhook", true),
            ("db/2", "slack", true),
            ("db/3", "slack", false),
            ("db/4", "email", false),
            ("db/5", "telegram", true),
            ("db/6", "teams", true),
        ]
    );
    assert_eq!(config.receivers["pager"].endpoints[0].name, "pager");
    assert!(config.receivers["null"].endpoints.is_empty());
    assert_eq!(config.inhibit_rules.len(), 1);
    assert!(!db[0].channel.takes_digests());
}

#[test]
fn what_is_not_done_is_said_at_its_place() {
    let (_, problems) = load(
        r"
global: {smtp_smarthst: x}
templates: ['/etc/alertmanager/*.tmpl']
route:
  receiver: everybody
  escalation: night
receivers:
  - name: everybody
    discord_configs: [{webhook_url: 'https://discord.example.com/x'}]
    wechat_configs: [{corp_id: x}]
    slack_configs: [{channel: '#a', text: '{{ .CommonLabels.x }}', chanel: '#b'}]
    webhook_configs:
      - {url: 'http://127.0.0.1:1/', http_config: {proxy_url: 'http://proxy/'}}
      - {url_file: /nowhere}
    pagerduty_configs: [{service_key: x}]
    hipchat_configs: []
",
    );
    insta::assert_snapshot!(problems);
}
