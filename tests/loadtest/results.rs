//! How a run ends, and what it leaves behind.

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::bench::{Pod, alone, is_believed, number, result, run, run_until_believed, shared};
use super::house::{Folder, rampart, text};

/// A plan against one address, with its load, objective and outputs.
fn plan(address: &str, rest: &str) -> String {
    format!(
        "function: guide/feed\nversion: \"12\"\ntarget: \"http://{address}\"\nallow: [\"127.0.0.1\"]\n\
         requests: [{{path: /feed}}]\n{rest}\n\
         output: {{json: out.json, html: out.html, junit: out.xml, hgrm: out.hgrm}}\n"
    )
}

/// The plan with outputs in its folder, wherever the test was started.
fn write(folder: &Folder, plan: &str) {
    let mut text = plan.to_owned();
    for name in ["out.json", "out.html", "out.xml", "out.hgrm"] {
        text = text.replace(name, &folder.text_path(name));
    }
    folder.write("plan.yaml", &text);
}

/// What Python makes of a file that it gets on standard input.
fn python(script: &str, input: &str) -> Value {
    let mut child = Command::new("python3")
        .args(["-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("python3: {error}; `make setup-test` installs it"));
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The counts of a JUnit file and its cases: name and what is wrong with each.
fn junit(folder: &Folder) -> Value {
    let script = "
import json, sys, xml.etree.ElementTree as tree
root = tree.fromstring(sys.stdin.buffer.read())
cases = [[c.get('name'), [e.tag for e in c if e.tag != 'system-out']] for c in root.iter('testcase')]
print(json.dumps({'counts': [root.get('tests'), root.get('failures'), root.get('errors')], 'cases': cases}))
";
    python(script, &folder.read("out.xml"))
}

/// A page's charts, what it fetches from elsewhere, and whether every element is closed.
fn page(folder: &Folder) -> Value {
    let script = "
import html.parser, json, sys
VOID = {'meta', 'link', 'br', 'hr', 'img', 'input', 'path', 'line', 'rect', 'circle', 'polyline', 'polygon', 'use', 'stop', 'col'}
class Page(html.parser.HTMLParser):
    open, charts, fetched, crossed, words = [], 0, [], [], ''
    def handle_starttag(self, tag, attributes):
        self.charts += tag == 'svg'
        self.fetched += [v for k, v in attributes if k in ('src', 'href') and v and not v.startswith(('#', 'data:'))]
        if tag not in VOID: self.open.append(tag)
    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID: self.open.pop()
    def handle_endtag(self, tag):
        if tag in VOID: return
        if not self.open or self.open.pop() != tag: self.crossed.append(tag)
    def handle_data(self, data): self.words += data
page = Page()
page.feed(sys.stdin.read())
page.close()
print(json.dumps({'charts': page.charts, 'fetched': page.fetched, 'crossed': page.crossed, 'open': page.open, 'words': page.words}))
";
    python(script, &folder.read("out.html"))
}

#[test]
fn a_load_that_is_carried_ends_with_0_and_leaves_every_form_of_its_result() {
    let _turn = alone();
    let pod = Pod::start(&["--service", "5ms"]);
    let folder = Folder::new();
    let rest =
        "load: {rate: 100/s, warm_up: 1s, duration: 5s}\nobjective: {p99: 1s, success_rate: 99%}";
    write(&folder, &plan(&pod.address, rest));
    let (ended, found) = run_until_believed(&folder, "plan.yaml", false);
    assert_eq!(ended.code, Some(0), "{}", ended.said);
    assert!(
        ended
            .printed
            .starts_with("Held: p99 ≤ 1s and success rate ≥ 99%"),
        "{}",
        ended.printed
    );
    for name in ["out.json", "out.html", "out.xml", "out.hgrm"] {
        assert!(
            ended
                .said
                .contains(&format!("wrote {}", folder.text_path(name))),
            "{}",
            ended.said
        );
    }

    // JSON: what came due was sent and answered, second by second and in all.
    assert_eq!(
        (
            &found["kind"],
            &found["subject"]["function"],
            &found["stopped"]
        ),
        (&json!("run"), &json!("guide/feed"), &json!(null))
    );
    let calls = found["total"]["sent"].as_u64().unwrap();
    assert!(
        (300..=500).contains(&calls),
        "{calls} calls in 5 s at 100/s"
    );
    assert_eq!(found["total"]["ok"], calls);
    assert_eq!(found["total"]["statuses"], json!({ "200": calls }));
    assert!(found["seconds"].as_array().unwrap().len() >= 6);
    assert_eq!(found["seconds"][0]["warm_up"], true);
    // An answer that was found after a pause of the generator counts from the pause's start.
    let gap = number(&found, "/total/loop_gap_max_ms");
    assert!(
        number(&found, "/total/latency/min_ms") >= 5.0 - gap,
        "{found}"
    );

    let cases = json!([["p99 ≤ 1s", []], ["success rate ≥ 99%", []]]);
    assert_eq!(
        junit(&folder),
        json!({"counts": ["2", "0", "0"], "cases": cases})
    );
    let page = page(&folder);
    assert_eq!(
        (&page["fetched"], &page["crossed"], &page["open"]),
        (&json!([]), &json!([]), &json!([]))
    );
    let words = page["words"].as_str().unwrap();
    assert!(
        page["charts"].as_u64().unwrap() >= 1 && words.contains("guide/feed"),
        "{page}"
    );
    check_distribution(&folder.read("out.hgrm"), calls);

    // The same is printed again from the file.
    let again = rampart(&["loadtest", "report", &folder.text_path("out.json")]);
    assert_eq!(text(&again.stdout), ended.printed);
}

/// Percentiles rise, and the last line holds every call.
fn check_distribution(hgrm: &str, calls: u64) {
    let rows: Vec<Vec<f64>> = hgrm
        .lines()
        .skip(1)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| {
            let columns = line.split_whitespace();
            columns.map(|column| column.parse().unwrap()).collect()
        })
        .collect();
    assert!(rows.len() > 10, "{hgrm}");
    for pair in rows.windows(2) {
        assert!(
            pair[0][0] <= pair[1][0] && pair[0][1] <= pair[1][1] && pair[0][2] <= pair[1][2],
            "{hgrm}"
        );
    }
    let last = rows.last().unwrap();
    assert_eq!((last[1], last[2]), (1.0, calls as f64), "{hgrm}");
    assert!(last[0] >= 5.0, "in milliseconds: {hgrm}");
    let count: u64 = hgrm
        .split("Total count    =")
        .nth(1)
        .and_then(|rest| rest.split(']').next())
        .and_then(|count| count.trim().parse().ok())
        .unwrap();
    assert_eq!(count, calls);
}

#[test]
fn a_missed_objective_ends_with_99_and_says_which_part() {
    let _turn = alone();
    let pod = Pod::start(&["--service", "60ms", "--pool", "100"]);
    let folder = Folder::new();
    let rest = "load: {rate: 80/s, duration: 5s}\nobjective: {p95: 50ms, success_rate: 99%}";
    write(&folder, &plan(&pod.address, rest));
    let (ended, found) = run_until_believed(&folder, "plan.yaml", false);
    assert_eq!(ended.code, Some(99), "{}", ended.said);
    assert_eq!(
        (
            &found["thresholds"][0]["wanted"],
            &found["thresholds"][0]["held"]
        ),
        (&json!("p95 ≤ 50ms"), &json!(false))
    );
    assert_eq!(found["thresholds"][1]["held"], true);
    assert!(
        ended.printed.starts_with("Missed: p95 ≤ 50ms"),
        "{}",
        ended.printed
    );
    assert_eq!(junit(&folder)["counts"], json!(["2", "1", "0"]));
    assert_eq!(
        junit(&folder)["cases"][0],
        json!(["p95 ≤ 50ms", ["failure"]])
    );

    // Fast failures are no success.
    let pod = Pod::start(&["--service", "1ms", "--fail", "30%", "--seed", "3"]);
    write(&folder, &plan(&pod.address, rest));
    let (ended, found) = run_until_believed(&folder, "plan.yaml", false);
    assert_eq!(ended.code, Some(99), "{}", ended.said);
    assert_eq!(found["thresholds"][1]["held"], false);
    let total = &found["total"];
    assert_eq!(total["statuses"]["500"], total["unexpected"]);
    assert!(total["unexpected"].as_u64().unwrap() > 50, "{total}");
}

#[test]
fn figures_that_must_not_be_believed_end_with_98() {
    let _turn = alone();
    // Ten calls are in flight at any time, three may be.
    let pod = Pod::start(&["--service", "100ms", "--pool", "100"]);
    let folder = Folder::new();
    let rest = "load: {rate: 100/s, duration: 4s, in_flight_max: 3}\nobjective: {p99: 1s, success_rate: 99%}";
    write(&folder, &plan(&pod.address, rest));
    let ended = run(&folder, "plan.yaml");
    assert_eq!(ended.code, Some(98), "{}", ended.said);
    let found = result(&folder, "out.json");
    let why = found["invalid"].to_string();
    assert!(
        why.contains("as many were in flight as load.in_flight_max allows"),
        "{why}"
    );
    assert!(
        ended.printed.contains("load.in_flight_max"),
        "{}",
        ended.printed
    );
    assert_eq!(
        junit(&folder)["counts"][2],
        "2",
        "{}",
        folder.read("out.xml")
    );
    assert!(
        page(&folder)["words"]
            .as_str()
            .unwrap()
            .contains("load.in_flight_max")
    );
}

#[test]
fn callers_who_wait_are_no_open_load() {
    let _turn = alone();
    let pod = Pod::start(&["--service", "20ms", "--pool", "2"]);
    let folder = Folder::new();
    write(
        &folder,
        &plan(
            &pod.address,
            "load: {closed: {connections: 4}, duration: 3s}",
        ),
    );
    let (ended, found) = run_until_believed(&folder, "plan.yaml", false);
    assert_eq!(ended.code, Some(0), "{}", ended.said);
    // Two workers of 20 ms end 100 calls per second, however many ask.
    let per_second = number(&found, "/total/ok_per_second");
    assert!((80.0..=101.0).contains(&per_second), "{per_second}");
    assert_eq!(found["total"]["in_flight_max"], 4);
    assert!(is_believed(&found) && found["thresholds"] == json!([]));
}

#[test]
fn arguments_that_make_no_sense_end_with_2_and_missing_files_with_1() {
    let _turn = shared();
    for wrong in [
        &["loadtest"][..],
        &["loadtest", "run"],
        &["loadtest", "run", "plan.yaml", "--fast"],
        &["loadtest", "run", "plan.yaml", "--control", "here"],
        &["loadtest", "serve-model", "--capacity", "many"],
        &["loadtest", "serve-model", "--service", "pareto:10ms"],
        &["loadtest", "permit", "plan.yaml"],
    ] {
        let ended = rampart(wrong);
        assert_eq!(
            ended.status.code(),
            Some(2),
            "{wrong:?}: {}",
            text(&ended.stderr)
        );
    }
    let ended = rampart(&["loadtest", "run", "/nowhere/plan.yaml"]);
    assert_eq!(ended.status.code(), Some(1));
    assert!(text(&ended.stderr).contains("/nowhere/plan.yaml"));
    let folder = Folder::new();
    let broken = folder.write("out.json", "{\"kind\": \"run\"");
    let ended = rampart(&["loadtest", "report", &broken]);
    assert_eq!(ended.status.code(), Some(1));
    assert!(
        text(&ended.stderr).contains("out.json"),
        "{}",
        text(&ended.stderr)
    );
}
