//! What every form of report looks like, and that none can be broken out of.

use proptest::prelude::*;

use super::*;
use crate::result::{CapacityResult, RunResult, Verdict};

fn kept(run: RunResult) -> Kept {
    Kept::Run(Box::new(run))
}

fn capacity(result: CapacityResult) -> Kept {
    Kept::Capacity(Box::new(result))
}

/// Compares with a file; `UPDATE=1` rewrites it.
pub(crate) fn assert_golden(name: &str, actual: &str) {
    let path = format!("{}/tests/golden/{name}", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, actual).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        actual == expected,
        "{name} differs; UPDATE=1 rewrites it:\n{actual}"
    );
}

/// Every element that is opened is closed in order; attributes are quoted; text holds no bare `&`.
/// Elements that HTML never closes are named.
fn assert_balanced(text: &str, never_closed: &[&str]) {
    let mut open: Vec<&str> = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find('<') {
        let after = &rest[start + 1..];
        let end = after
            .find('>')
            .unwrap_or_else(|| panic!("unclosed tag: {}", &after[..after.len().min(80)]));
        let tag = &after[..end];
        rest = &after[end + 1..];
        if tag.starts_with('!') || tag.starts_with('?') {
            continue;
        }
        assert_eq!(tag.matches('"').count() % 2, 0, "quotes: <{tag}>");
        let name = tag
            .trim_start_matches('/')
            .split([' ', '\n', '/'])
            .next()
            .unwrap();
        assert!(
            !name.is_empty() && name.chars().all(|c| c == '-' || c.is_ascii_alphanumeric()),
            "<{tag}>"
        );
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name), "</{name}> closes another");
        } else if !tag.ends_with('/') && !never_closed.contains(&name) {
            open.push(name);
        }
        if name == "style" && !tag.starts_with('/') {
            rest = &rest[rest.find("</style>").unwrap()..];
        }
    }
    assert!(open.is_empty(), "left open: {open:?}");
}

const NEVER_CLOSED: &[&str] = &["meta"];

fn elements<'a>(page: &'a str, name: &str) -> Vec<&'a str> {
    let opening = format!("<{name}");
    page.match_indices(&opening)
        .filter(|(at, _)| {
            !page[at + opening.len()..].starts_with(|c: char| c.is_ascii_alphanumeric())
        })
        .map(|(at, _)| &page[at..])
        .collect()
}

#[test]
fn a_run_that_held() {
    let (run, total) = sample::run();
    let kept = kept(run);
    assert_golden("run.txt", &text(&kept));
    assert_golden("run.xml", &junit::encode(&kept));
    assert_golden("run.html", &html::page(&kept, Some(&total.latency)));
}

#[test]
fn a_run_that_missed_and_one_that_is_invalid() {
    let missed = kept(sample::missed_run());
    assert_golden("missed.txt", &text(&missed));
    assert_golden("missed.xml", &junit::encode(&missed));
    let invalid = kept(sample::invalid_run());
    assert_golden("invalid.txt", &text(&invalid));
    assert_golden("invalid.xml", &junit::encode(&invalid));
}

#[test]
fn a_capacity() {
    let kept = capacity(sample::capacity());
    assert_golden("capacity.txt", &text(&kept));
    assert_golden("capacity.xml", &junit::encode(&kept));
    assert_golden("capacity.html", &html::page(&kept, None));
}

#[test]
fn the_sentences_of_every_verdict() {
    let mut lines = String::new();
    for verdict in [
        Verdict::Confirmed {
            low: 297.0,
            high: 312.0,
        },
        Verdict::AtLeast {
            low: 297.0,
            why: "the generator sends 5,000/s at most".to_owned(),
        },
        Verdict::Noisy {
            low: 240.0,
            high: 310.0,
            why: "the second search found less CPU".to_owned(),
        },
        Verdict::Invalid {
            why: "the functional request was answered with 500".to_owned(),
        },
    ] {
        let mut result = sample::capacity();
        if verdict.plannable().is_none() {
            (result.per_pod, result.pods, result.limits) = (None, None, None);
        }
        result.verdict = verdict;
        lines.push_str(&words::of_capacity(&result).text);
        lines.push('\n');
    }
    for run in [
        sample::run().0,
        sample::missed_run(),
        sample::invalid_run(),
        RunResult::default(),
    ] {
        lines.push_str(&words::of_run(&run).text);
        lines.push('\n');
    }
    assert_golden("sentences.txt", &lines);
}

#[test]
fn two_results_side_by_side() {
    let (a, _) = sample::run();
    let mut b = a.clone();
    b.subject.version = Some("13".to_owned());
    b.subject.machine = "4 CPUs, Linux 6.8".to_owned();
    b.total.latency.p99_ms *= 3.1;
    b.total.latency.p50_ms *= 1.08;
    b.total.ok_per_second *= 0.97;
    b.total.success_rate = Some(0.9931);
    b.invalid = vec!["the generator sent late".to_owned()];
    assert_golden("compare.txt", &compare(&kept(a.clone()), &kept(b)).unwrap());
    let older = sample::capacity();
    let mut newer = older.clone();
    newer.per_pod = Some(355.0);
    newer.per_cpu = None;
    newer.objective = "p99 ≤ 200ms".to_owned();
    assert_golden(
        "compare_capacity.txt",
        &compare(&capacity(older.clone()), &capacity(newer)).unwrap(),
    );
    let mixed = compare(&kept(a), &capacity(older)).unwrap_err();
    assert!(mixed.to_string().contains("same kind"), "{mixed}");
}

#[test]
fn json_is_read_back_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.json");
    let output = Output {
        json: Some(path.clone()),
        ..Output::default()
    };
    for wanted in [kept(sample::run().0), capacity(sample::capacity())] {
        assert_eq!(
            write(&output, &wanted, None).unwrap(),
            std::slice::from_ref(&path)
        );
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(
            text.starts_with("{\n  \"schema\": 1,\n  \"kind\": "),
            "{text}"
        );
        // Figures may lose their last binary digit on the way through decimals, so text is compared.
        let back = read(&path).unwrap();
        // A server that keeps results reads them without the file's frame.
        let kept: Kept = serde_json::from_str(&text).unwrap();
        assert_eq!(kept, back);
        assert_eq!(super::text(&back), super::text(&wanted));
        assert_eq!(
            serde_json::to_value(&back).unwrap()["subject"],
            serde_json::to_value(&wanted).unwrap()["subject"]
        );
        if let (Kept::Run(back), Kept::Run(wanted)) = (&back, &wanted) {
            assert_eq!(
                (&back.total.statuses, back.seconds.len()),
                (&wanted.total.statuses, wanted.seconds.len())
            );
        }
    }
}

#[test]
fn a_file_that_is_no_result_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.json");
    for (content, wanted) in [
        (
            "{\"schema\": 2, \"kind\": \"run\"}",
            "has schema 2, this version reads up to 1",
        ),
        (
            "{\"schema\": 1, \"kind\": \"soup\"}",
            "unknown variant `soup`",
        ),
        ("{\"kind\": \"run\"}", "missing field `schema`"),
        (
            "{\"schema\": 1, \"kind\": \"run\"}",
            "missing field `subject`",
        ),
        (
            "hello",
            "a.json is not a result of a load test: it is not JSON (expected value at line 1 column 1)",
        ),
        ("{\"schema\": 1, ", "it is not JSON (EOF"),
        ("[]", "is not a result of a load test; give"),
    ] {
        std::fs::write(&path, content).unwrap();
        let error = read(&path).unwrap_err().to_string();
        assert!(
            error.contains(wanted) && error.contains("a.json"),
            "{content}: {error}"
        );
    }
    let absent = read(&folder.path().join("absent.json"))
        .unwrap_err()
        .to_string();
    assert!(absent.contains("absent.json cannot be read"), "{absent}");
}

#[test]
fn every_file_is_written_whole_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| Some(folder.path().join(name));
    let output = Output {
        json: at("o.json"),
        html: at("o.html"),
        junit: at("o.xml"),
        hgrm: at("o.hgrm"),
    };
    let (run, total) = sample::run();
    let run = kept(run);
    assert_eq!(write(&output, &run, Some(&total.latency)).unwrap().len(), 4);
    // Without the histogram there is nothing to fill an hgrm file with.
    assert_eq!(write(&output, &run, None).unwrap().len(), 3);
    let names = || {
        let mut names: Vec<_> = std::fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        names.sort();
        names
    };
    assert_eq!(names(), ["o.hgrm", "o.html", "o.json", "o.xml"]);
    // A folder in the file's place cannot be replaced: an error with its path, and nothing is left behind.
    std::fs::create_dir(folder.path().join("taken")).unwrap();
    let output = Output {
        html: at("taken"),
        ..Output::default()
    };
    let error = write(&output, &run, None).unwrap_err().to_string();
    assert!(error.contains("taken cannot be written"), "{error}");
    let absent = Output {
        html: at("no/where.html"),
        ..Output::default()
    };
    assert!(write(&absent, &run, None).is_err());
    assert_eq!(names(), ["o.hgrm", "o.html", "o.json", "o.xml", "taken"]);
}

#[test]
fn pages_and_xml_are_well_formed() {
    let (run, total) = sample::run();
    for (kept, times) in [
        (kept(run), Some(&total.latency)),
        (kept(sample::invalid_run()), None),
        (kept(RunResult::default()), None),
        (capacity(sample::capacity()), None),
        (capacity(sample::hostile_capacity()), None),
        (kept(sample::hostile()), Some(&total.latency)),
    ] {
        assert_balanced(&html::page(&kept, times), NEVER_CLOSED);
        assert_balanced(&junit::encode(&kept), &[]);
    }
}

#[test]
fn hostile_names_are_inert_everywhere() {
    for hostile in [
        kept(sample::hostile()),
        capacity(sample::hostile_capacity()),
    ] {
        let page = html::page(&hostile, None);
        for name in ["script", "img", "iframe", "link", "a", "object"] {
            assert_eq!(elements(&page, name), Vec::<&str>::new(), "{name}");
        }
        assert_eq!(
            elements(&page, "title").len(),
            page.matches("</title>").count()
        );
        assert_eq!(elements(&page, "style").len(), 1);
        assert!(!page.contains('\u{1b}') && !page.contains('\u{202e}'));
        let xml = junit::encode(&hostile);
        assert!(
            !xml.contains("<script") && !xml.contains("]]>") && !xml.contains('\u{1b}'),
            "{xml}"
        );
        let text = text(&hostile);
        assert!(
            text.chars().all(|c| c == '\n' || !c.is_control()),
            "{text:?}"
        );
        let text = compare(&hostile, &hostile).unwrap();
        assert!(
            text.chars().all(|c| c == '\n' || !c.is_control()),
            "{text:?}"
        );
    }
}

#[test]
fn nothing_is_loaded_and_the_policy_names_the_style_by_its_hash() {
    use base64::Engine as _;
    use sha2::Digest as _;
    let page = html::page(&capacity(sample::capacity()), None);
    let (_, after) = page.split_once("<style>").unwrap();
    let (style, _) = after.split_once("</style>").unwrap();
    let hash = base64::engine::general_purpose::STANDARD.encode(sha2::Sha256::digest(style));
    assert!(page.contains(&format!("default-src 'none'; style-src 'sha256-{hash}';")));
    assert!(
        !page.contains(" style=")
            && !page.contains("url(")
            && !page.contains(" src=")
            && !page.contains(" href=")
    );
}

#[test]
fn a_page_without_the_histogram_still_draws_percentiles() {
    let (run, total) = sample::run();
    let kept = kept(run);
    let (with, without) = (
        html::page(&kept, Some(&total.latency)),
        html::page(&kept, None),
    );
    assert!(
        with.contains("Share of calls by latency")
            && !without.contains("Share of calls by latency")
    );
    assert!(with.contains("Latency by percentile") && without.contains("Latency by percentile"));
}

#[test]
fn a_long_run_stays_a_light_page() {
    let (mut run, _) = sample::run();
    let one = run.seconds[10];
    run.seconds = (0..86_400)
        .map(|at| crate::result::Second {
            at: f64::from(at),
            ..one
        })
        .collect();
    let page = html::page(&kept(run), None);
    assert!(page.len() < 200_000, "{}", page.len());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn any_name_leaves_the_page_well_formed(name in any::<String>(), why in any::<String>(), figure in any::<f64>()) {
        let mut run = RunResult::default();
        run.subject.function = Some(name.clone());
        run.load.clone_from(&why);
        run.invalid = vec![why.clone()];
        run.total.latency.count = 5_000;
        run.total.latency.p99_ms = figure;
        run.total.latency.p50_ms = figure / 2.0;
        run.total.sent_per_second = figure;
        run.seconds = vec![crate::result::Second { p99_ms: figure, max_ms: figure, ..Default::default() }; 3];
        let kept = kept(run);
        let page = html::page(&kept, None);
        assert_balanced(&page, NEVER_CLOSED);
        prop_assert!(elements(&page, "script").is_empty());
        prop_assert!(!page.contains("=\"NaN") && !page.contains("=\"inf"));
        assert_balanced(&junit::encode(&kept), &[]);
        prop_assert!(text(&kept).chars().all(|c| c == '\n' || !c.is_control()));
    }
}
