//! Templates as people have them, held against what they must say; hostile texts and endless templates.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::Timestamp;

use super::*;

fn pairs(list: &[(&str, &str)]) -> Value {
    let pairs = list.iter();
    let pairs = pairs.map(|(name, text)| ((*name).to_owned(), Text::foreign(*text)));
    Value::Pairs(Arc::new(pairs.collect::<BTreeMap<_, _>>()))
}

fn time(text: &str) -> Value {
    Value::Time(Moment {
        at: Some(text.parse().unwrap()),
        zone: chrono_tz::Tz::UTC,
    })
}

fn alert(status: &str, instance: &str) -> Value {
    Value::record(
        "an alert",
        vec![
            ("Status", Value::own(status)),
            (
                "Labels",
                pairs(&[("alertname", "Down"), ("instance", instance), ("a", "<b>")]),
            ),
            ("Annotations", pairs(&[("summary", "it is down")])),
            ("StartsAt", time("2026-11-11T00:00:05.250Z")),
            (
                "EndsAt",
                Value::Time(Moment {
                    at: None,
                    zone: chrono_tz::Tz::UTC,
                }),
            ),
            (
                "GeneratorURL",
                Value::foreign("http://prometheus.example.com/graph?g0=up"),
            ),
        ],
    )
}

fn facts() -> Value {
    Value::record(
        "the data of a template",
        vec![
            ("Receiver", Value::own("team")),
            ("Status", Value::own("firing")),
            (
                "Alerts",
                Value::list([alert("firing", "a:9100"), alert("resolved", "b:9100")]),
            ),
            ("GroupLabels", pairs(&[("alertname", "Down")])),
            (
                "CommonLabels",
                pairs(&[("alertname", "Down"), ("severity", "critical")]),
            ),
            ("CommonAnnotations", pairs(&[("summary", "it is down")])),
            ("ExternalURL", Value::own("https://rampart.example.com")),
        ],
    )
}

const PLAIN: Medium = Medium {
    escape: |text| format!("‹{text}›"),
    is_html: false,
    now: Timestamp::from_seconds(1_794_358_805),
};

/// Foreign text shows between ‹ ›, so that the tables tell it apart.
fn run(template: &str) -> Result<String, Mistake> {
    let mut templates = Templates::built_in();
    templates
        .add("own.tmpl", "{{ define \"own\" }}<{{ .Status }}>{{ end }}{{ define \"deep\" }}{{ template \"deep\" . }}{{ end }}")
        .unwrap();
    templates.compile(template)?.run(&facts(), PLAIN)
}

#[test]
fn what_the_documentation_shows() {
    let table = [
        ("plain", "plain"),
        (
            "{{ .CommonLabels.alertname }} in {{.CommonLabels.cluster}}",
            "‹Down› in ",
        ),
        (
            "{{ range .Alerts }}{{ .Labels.instance }};{{ end }}",
            "‹a:9100›;‹b:9100›;",
        ),
        (
            "{{ range $i, $a := .Alerts }}{{ $i }}={{ $a.Status }} {{ end }}",
            "0=firing 1=resolved ",
        ),
        (
            "{{ range .Alerts.Resolved }}{{ .Labels.instance }}{{ end }}",
            "‹b:9100›",
        ),
        ("{{ .Alerts.Firing | len }} of {{ len .Alerts }}", "1 of 2"),
        (
            "{{ range .CommonLabels.SortedPairs }}{{ .Name }}={{ .Value }},{{ end }}",
            "‹alertname›=‹Down›,‹severity›=‹critical›,",
        ),
        (
            "{{ range $k, $v := .CommonLabels }}{{ $k }}{{ $v }} {{ end }}",
            "‹alertname›‹Down› ‹severity›‹critical› ",
        ),
        ("{{ (index .Alerts 0).Labels.instance }}", "‹a:9100›"),
        ("{{ index .CommonLabels \"severity\" }}", "‹critical›"),
        (
            "{{ if eq .Status \"firing\" }}F{{ else if eq .Status \"x\" }}X{{ else }}R{{ end }}",
            "F",
        ),
        (
            "{{ if and .CommonLabels.severity (ne .Status \"resolved\") }}yes{{ end }}",
            "yes",
        ),
        (
            "{{ if or .CommonLabels.nothing (not true) }}yes{{ else }}no{{ end }}",
            "no",
        ),
        (
            "{{ with .CommonLabels.severity }}{{ . | toUpper }}{{ end }}",
            "‹CRITICAL›",
        ),
        (
            "{{ with .CommonLabels.cluster }}{{ . }}{{ else }}none{{ end }}",
            "none",
        ),
        ("{{ template \"own\" . }}", "<firing>"),
        (
            "{{ define \"x\" }}[{{ . }}]{{ end }}{{ template \"x\" .Status }}",
            "[firing]",
        ),
        ("{{ block \"y\" .Status }}({{ . }}){{ end }}", "(firing)"),
        (
            "{{ $x := 1 }}{{ range .Alerts }}{{ $x = 2 }}{{ end }}{{ $x }}",
            "2",
        ),
        ("a {{- /* quiet */ -}} b", "ab"),
        ("a\n{{- \" \" -}}\nb", "a b"),
        (
            "{{ range .Alerts }}{{ if eq .Status \"resolved\" }}{{ break }}{{ end }}x{{ end }}",
            "x",
        ),
        (
            "{{ range .Alerts }}{{ if eq .Status \"firing\" }}{{ continue }}{{ end }}x{{ end }}",
            "x",
        ),
        (
            "{{ range .CommonLabels.Names }}{{ . }} {{ else }}none{{ end }}",
            "‹alertname› ‹severity› ",
        ),
        ("{{ join \", \" (stringSlice \"a\" \"b\") }}", "a, b"),
        (
            "{{ .CommonLabels.SortedPairs.Values | join \" \" }}",
            "‹Down› ‹critical›",
        ),
        ("{{ .CommonLabels.Values | join \"\" }}", "‹Downcritical›"),
        (
            "{{ (.CommonLabels.Remove (stringSlice \"severity\")).SortedPairs.Values | join \" \" }}",
            "‹Down›",
        ),
        (
            "{{ title \"it IS\" }} {{ toLower \"ABC\" }}{{ trimSpace \" x \" }}",
            "It Is abcx",
        ),
        (
            "{{ reReplaceAll \"(.*):[0-9]+\" \"$1\" (index .Alerts 0).Labels.instance }}",
            "‹a›",
        ),
        (
            "{{ if match \"^D\" .CommonLabels.alertname }}yes{{ end }}",
            "yes",
        ),
        (
            "{{ printf \"%s is %d of %5.2f%%|%-4s|%04d|%q\" .Status 3 2.5 \"x\" 7 \"y\" }}",
            "firing is 3 of  2.50%|x   |0007|\"y\"",
        ),
        ("{{ printf \"*%s*\" .CommonLabels.alertname }}", "*‹Down›*"),
        (
            "{{ print 1 2 \"a\" true }} {{ print \"a\" \"b\" }}",
            "1 2atrue ab",
        ),
        (
            "{{ (index .Alerts 0).StartsAt.Format \"Mon, 02 Jan 2006 15:04:05 MST\" }}",
            "Wed, 11 Nov 2026 00:00:05 UTC",
        ),
        (
            "{{ (index .Alerts 0).StartsAt | tz \"Asia/Shanghai\" | date \"2006-01-02 3:04pm -0700 .000\" }}",
            "2026-11-11 8:00am +0800 .250",
        ),
        (
            "{{ (index .Alerts 0).StartsAt }}",
            "2026-11-11 00:00:05.25 +0000 UTC",
        ),
        (
            "{{ (index .Alerts 0).EndsAt.Format \"2006-01-02\" }}",
            "0001-01-01",
        ),
        (
            "{{ since (index .Alerts 0).StartsAt }} {{ humanizeDuration 93784 }}",
            "59m59.75s 1d 2h 3m 4s",
        ),
        (
            "{{ humanizeDuration 0.0125 }} {{ humanizeDuration \"61\" }} {{ humanizeDuration (since (index .Alerts 0).StartsAt) }}",
            "12.5ms 1m 1s 59m 59s",
        ),
        (
            "{{ dict \"a\" 1 | toJson }} {{ list 1 2 | len }} {{ append (list 1) 2 | len }}",
            "{\"a\":1} 2 2",
        ),
        (
            "{{ slice \"abcdef\" 1 3 }} {{ \"a b&c\" | urlquery }} {{ urlUnescape \"a%20b\" }}",
            "bc a+b%26c a b",
        ),
        (
            "{{ 'a' }} {{ 0x10 }} {{ 1.5 }} {{ -3 }} {{ `raw \\n` }} {{ \"tab\\tu\\u4e2d\" }}",
            "97 16 1.5 -3 raw \\n tab\tu中",
        ),
        (
            "{{ lt 1 2 }} {{ ge \"b\" \"a\" }} {{ eq 1 2 1 }}",
            "true true true",
        ),
        (
            "{{ .CommonLabels }}",
            "‹map[alertname:Down severity:critical]›",
        ),
        (
            "{{ $.Receiver }}{{ with .Status }}{{ $.Receiver }}{{ end }}",
            "teamteam",
        ),
        (
            "{{ template \"__subject\" . }}",
            "[FIRING:1] ‹Down› (‹critical›)",
        ),
        ("{{ range 3 }}{{ . }}{{ end }}", "012"),
    ];
    for (template, expected) in table {
        assert_eq!(run(template).as_deref(), Ok(expected), "{template}");
    }
}

#[test]
fn every_built_in_template_runs() {
    let templates = Templates::built_in();
    assert_eq!(templates.missing(), []);
    let names: Vec<String> = templates.named.keys().cloned().collect();
    assert!(names.len() > 50, "{names:?}");
    for name in names
        .iter()
        .filter(|name| !name.contains("text_alert") && !name.contains("instances"))
    {
        run(&format!("{{{{ template \"{name}\" . }}}}")).unwrap();
    }
    let text = run("{{ template \"slack.default.title\" . }}|{{ template \"pagerduty.default.instances\" .Alerts.Firing }}").unwrap();
    assert!(text.contains(" - ‹instance› = ‹a:9100›\n"), "{text}");
}

#[test]
fn a_mistake_names_its_place_and_the_way_out() {
    let table = [
        ("{{ .Status", "1:1: the action is not closed"),
        (
            "a\n  {{ toUper .Status }}",
            "2:6: there is no function `toUper`",
        ),
        ("{{ if .Status }}x", "1:4: `if` has no end"),
        ("{{ range .Alerts }}{{ else }}", "1:4: `range` has no end"),
        ("x{{ end }}", "1:5: `end` without what it belongs to"),
        ("{{ $y }}", "1:4: there is no variable `$y`"),
        ("{{ $y = 1 }}", "1:7: there is no variable `$y`"),
        (
            "{{ template x . }}",
            "1:13: a template's name stands in double quotes",
        ),
        (
            "{{ template \"owm\" . }}",
            "1:4: there is no template `owm`",
        ),
        (
            "{{ .Comon }}",
            "1:4: the data of a template has no field `Comon`",
        ),
        (
            "{{ (index .Alerts 0).Lables.x }}",
            "1:4: an alert has no field `Lables`",
        ),
        (
            "{{ \"abc }}",
            "1:4: the text is not closed by a \" on its line",
        ),
        ("{{ join .Alerts }}", "1:4: `join` takes 2 values"),
        (
            "{{ index .Alerts 7 }}",
            "1:4: the list has 2 items, none at 7",
        ),
        (
            "{{ reReplaceAll \"(\" \"\" \"x\" }}",
            "1:4: `(` is not a regular expression",
        ),
        (
            "{{ tz \"Mars\" (index .Alerts 0).StartsAt }}",
            "1:4: `Mars` is not a time zone",
        ),
        ("{{ break }}", "1:4: `break` outside of `range`"),
        (
            "{{ 1 2 }}",
            "1:4: this is a value and takes nothing; only functions do",
        ),
        ("{{ (1 }}", "1:5: the parenthesis is not closed"),
        (
            "{{ \"a\" | }}",
            "1:8: a value or a function is missing here",
        ),
        ("{{ ! }}", "1:4: `!` means nothing here"),
        (
            "{{ lt 1 \"a\" }}",
            "1:4: a number and a text cannot be compared",
        ),
    ];
    for (template, expected) in table {
        let mistake = run(template).unwrap_err();
        assert_eq!(mistake.to_string(), expected, "{template}");
    }
    let hint = |template: &str| run(template).unwrap_err().hint.unwrap();
    assert_eq!(hint("{{ toUper .Status }}"), "did you mean `toUpper`?");
    assert_eq!(hint("{{ template \"owm\" . }}"), "did you mean `own`?");
    assert_eq!(
        hint("{{ (index .Alerts 0).Lables }}"),
        "did you mean `.Labels`?"
    );
}

#[test]
fn foreign_text_stays_foreign_whatever_is_done_to_it() {
    let html = Medium {
        escape: crate::message::escape_html,
        is_html: true,
        ..PLAIN
    };
    let templates = Templates::built_in();
    let shown_of = |template: &str| {
        templates
            .compile(template)
            .unwrap()
            .run(&facts(), html)
            .unwrap()
    };
    let one = "(index .Alerts 0).Labels.a";
    for template in [
        "{{ A }}",
        "{{ A | toUpper | toLower }}",
        "{{ printf \"%s\" A }}",
        "{{ print A }}",
        "{{ join \"\" (stringSlice A) }}",
        "{{ reReplaceAll \"x\" \"\" A }}",
        "{{ trimSpace A }}",
        "{{ with A }}{{ . }}{{ end }}",
        "{{ $x := A }}{{ $x }}",
        "{{ A | urlUnescape }}",
        "{{ slice A 0 }}",
        "{{ (index .Alerts 0).Labels.Values | join \"\" }}",
        "{{ list A }}",
        "{{ title A }}",
        "{{ toJson A }}",
        "{{ printf \"<i>%v</i>\" A }}",
        "{{ .Alerts }}",
    ] {
        let shown = shown_of(
            &template
                .replace("A ", &format!("{one} "))
                .replace("A)", &format!("{one})")),
        );
        let shown = shown.to_lowercase();
        assert!(
            !shown.contains("<b>") && shown.contains("&lt;b&gt;"),
            "{template}: {shown}"
        );
    }
    assert_eq!(
        shown_of("<i>{{ (index .Alerts 0).Labels.a | safeHtml }}</i>"),
        "<i><b></i>"
    );
    assert_eq!(
        run("{{ (index .Alerts 0).Labels.a | safeHtml }}").unwrap(),
        "‹<b>›",
        "only HTML is HTML"
    );
    assert_eq!(
        shown_of("{{ safeUrl \"javascript:alert(1)\" }}|{{ safeUrl \"https://a/<\" }}"),
        "|https://a/%3C"
    );
}

#[test]
fn no_template_runs_for_ever_or_fills_the_memory() {
    let nested = format!("{}{}", "{{ if true }}".repeat(70), "{{ end }}".repeat(70));
    let parentheses = format!("{{{{ {}1{} }}}}", "(".repeat(70), ")".repeat(70));
    let doubled = "{{ $x := \"aaaaaaaaaaaaaaaa\" }}{{ range 60 }}{{ $x = print $x $x }}{{ end }}";
    for (template, expected) in [
        (
            "{{ template \"deep\" . }}",
            "templates call each other deeper than",
        ),
        (
            "{{ range 10000 }}{{ range 10000 }}{{ end }}{{ end }}",
            "takes more than",
        ),
        (
            "{{ range 10000 }}0123456789012345678901234567890123456789{{ end }}",
            "the text is longer than",
        ),
        (doubled, "a text is longer than"),
        ("{{ printf \"%999999999d\" 1 }}", "a width beyond"),
        (nested.as_str(), "nested deeper than"),
        (parentheses.as_str(), "nested deeper than"),
    ] {
        let said = run(template).unwrap_err().to_string();
        assert!(said.contains(expected), "{template:.60}: {said}");
    }
    let long = "x".repeat(SOURCE_BYTES_MAX + 1);
    assert!(run(&long).unwrap_err().message.contains("longer than"));
}

mod any {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn text_never_panics(text in "[-{}.$a-z\"`'()|:=,/* \n0-9]{0,80}") {
            let _ = run(&format!("{{{{{text}}}}}"));
            let _ = run(&text);
        }
    }
}
