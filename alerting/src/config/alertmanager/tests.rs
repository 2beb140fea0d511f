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
        templates: &|pattern| match pattern {
            "*.tmpl" => Ok(vec![("/etc/own.tmpl".to_owned(), OWN_TEMPLATES.to_owned())]),
            "broken.tmpl" => Ok(vec![(
                "/etc/broken.tmpl".to_owned(),
                "{{ define \"x\" }}\n{{ toUper . }}{{ end }}".to_owned(),
            )]),
            "none.tmpl" => Ok(Vec::new()),
            _ => Err(format!("no file {pattern} in tests")),
        },
        time_zone: chrono_tz::Tz::UTC,
    };
    let config = Config::read_alertmanager(&node, &surroundings, &mut problems);
    (config, problems)
}

/// A file of templates as people have it; one stands in for one that Alertmanager brings.
const OWN_TEMPLATES: &str = r#"
{{ define "line" }}{{ range .Alerts }}<{{ .GeneratorURL }}|{{ .Labels.instance }}> {{ end }}{{ end }}
{{ define "slack.default.title" }}[{{ .Status | toUpper }}] {{ .CommonLabels.alertname }}{{ end }}
"#;

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
        r#"
global: {smtp_smarthst: x}
templates: ['broken.tmpl', 'none.tmpl', '/nowhere/x.tmpl']
route:
  receiver: everybody
  escalation: night
receivers:
  - name: everybody
    sns_configs: [{topic_arn: x}]
    wechat_configs: [{corp_id: x, to_user: '{{ .x }}'}]
    opsgenie_configs: [{api_key: x, responders: [{type: user, username: ann}]}]
    slack_configs: [{channel: '#a', text: '{{ .ComonLabels.x }}', title: '{{ template "lien" . }}', chanel: '#b'}]
    webhook_configs:
      - {url: 'http://127.0.0.1:1/', http_config: {proxy_url: 'http://proxy/'}}
      - {url_file: /nowhere}
    pagerduty_configs: [{service_key: x}]
    hipchat_configs: []
"#,
    );
    insta::assert_snapshot!(problems);
}

#[test]
fn templates_say_how_messages_look() {
    let (config, problems) = load(
        r#"
templates: ['*.tmpl']
route: {receiver: team}
receivers:
  - name: team
    slack_configs: [{api_url: 'https://hooks.slack.example.com/x', text: '*{{ .CommonLabels.alertname }}* {{ template "line" . }}'}]
    telegram_configs:
      - {bot_token: '1:x', chat_id: 5, message: '<i>{{ .CommonLabels.alertname }}</i>'}
      - {bot_token: '1:x', chat_id: 5, parse_mode: MarkdownV2, message: '*x*'}
    pagerduty_configs:
      - routing_key: abc
        description: '{{ .CommonAnnotations.summary }}'
        severity: '{{ if eq .Status "firing" }}error{{ end }}'
        details: {team: '{{ .GroupLabels.alertname }}!'}
    msteamsv2_configs: [{webhook_url: 'https://teams.example.com/flow', title: 'T {{ .Status }}', text: '**{{ len .Alerts }}**'}]
"#,
    );
    let advice = problems.to_string();
    assert!(!problems.has_errors(), "{advice}");
    assert!(
        advice.contains("`message` is followed with `parse_mode: HTML` only"),
        "{advice}"
    );
    let config = config.unwrap();
    let bodies = |alertname: &str| -> Vec<String> {
        let mut delivery = crate::message::sample::delivery(
            crate::delivery::MessageKind::Firing,
            crate::delivery::Language::En,
        );
        delivery.incident.group = Some(crate::delivery::GroupView {
            key: "{}:{}".to_owned(),
            labels: Labels::from_pairs([("alertname", alertname)]),
            receiver: "team".to_owned(),
            external_url: "https://rampart.example.com".to_owned(),
        });
        delivery.incident.labels.set("alertname", alertname);
        for alert in &mut delivery.incident.alerts {
            alert.generator_url = "http://prometheus.example.com/graph?g0=up".to_owned();
            alert.labels.set("instance", "a:9100");
        }
        let ways = &config.receivers["team"].endpoints;
        ways.iter().map(|way| way.channel.body(&delivery)).collect()
    };
    let said = bodies("Down");
    for (way, part) in [
        (0, r#""text":"[FIRING] Down","type":"plain_text""#),
        (
            0,
            r#""*Down* <http://prometheus.example.com/graph?g0=up|a:9100>"#,
        ),
        (0, r#""url":"https://rampart.example.com/guard/a/token""#),
        (
            2,
            r#""text":"<i>Down</i>\n<a href=\"https://rampart.example.com/guard/a/token\">"#,
        ),
        (3, "<b>[Critical] guide/wow-video-feed"),
        (1, r#""summary":"wow-video-feed at 83.1% in a""#),
        (1, r#""severity":"error""#),
        (1, r#""team":"Down!""#),
        (4, r#""text":"T firing""#),
        (4, r#""text":"**1**""#),
    ] {
        assert!(said[way].contains(part), "{part}: {}", said[way]);
    }
    // What alerts bring is never markup, and nobody is called by it.
    let said = bodies("<!channel> <b>*x*</b> @all");
    assert!(
        !said[0].contains("<!channel>") && !said[0].contains("*x*"),
        "{}",
        said[0]
    );
    assert!(said[2].contains("<i>＜!channel＞ ＜b＞"), "{}", said[2]);
}

#[test]
fn mails_are_written_by_their_templates() {
    let (config, problems) = load(
        r"
templates: []
global: {smtp_smarthost: 'mail.example.com:587', smtp_from: a@example.com}
route: {receiver: team}
receivers:
  - name: team
    email_configs:
      - to: b@example.com
        headers: {subject: 'About {{ .CommonLabels.alertname }}'}
        html: '<p>{{ range .Alerts }}{{ .Annotations.summary }}{{ end }}</p>'
",
    );
    assert!(!problems.has_errors(), "{problems}");
    let mut delivery = crate::message::sample::delivery(
        crate::delivery::MessageKind::Firing,
        crate::delivery::Language::En,
    );
    let ways = &config.unwrap().receivers["team"].endpoints;
    assert!(
        ways[0]
            .channel
            .body(&delivery)
            .contains("Subject: [Critical]"),
        "not about a group"
    );
    delivery.incident.group = Some(crate::delivery::GroupView {
        key: "{}:{}".to_owned(),
        labels: Labels::new(),
        receiver: "team".to_owned(),
        external_url: String::new(),
    });
    delivery.incident.alerts[0]
        .annotations
        .insert("summary".to_owned(), "<script>".to_owned());
    let mail = ways[0].channel.body(&delivery);
    assert!(mail.contains("Subject: About SuccessRateLow\r\n"), "{mail}");
    assert!(mail.contains("<p>&lt;script&gt;</p><a href="), "{mail}");
}
