//! A pod's figures from control groups and metrics as they are found on real machines.

use std::fs;
use std::path::Path;

use super::*;
use crate::serve::model as pod_model;

fn write(folder: &Path, files: &[(&str, &str)]) {
    fs::create_dir_all(folder).unwrap();
    for (name, text) in files {
        fs::write(folder.join(name), text).unwrap();
    }
}

fn cgroup(folder: &Path) -> Result<PodReader, PodError> {
    let sources = PodSources {
        cgroup: Some(folder.to_owned()),
        metrics: None,
    };
    PodReader::open(&sources, &AllowList::default())
}

fn metrics(url: &str, allow: &[&str]) -> Result<PodReader, PodError> {
    let sources = PodSources {
        cgroup: None,
        metrics: Some(url.to_owned()),
    };
    PodReader::open(&sources, &AllowList::parse(allow).unwrap())
}

const CPU_STAT: &str = "usage_usec 12345678\nuser_usec 10000000\nsystem_usec 2345678\n\
    nr_periods 400\nnr_throttled 25\nthrottled_usec 1500000\n";

#[test]
fn a_control_group_is_read_and_what_it_used_is_the_difference() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("pod");
    write(
        &folder,
        &[
            ("cpu.stat", CPU_STAT),
            ("cpu.max", "150000 100000\n"),
            ("memory.current", "104857600\n"),
            ("memory.max", "536870912\n"),
            ("memory.events", "low 0\nhigh 0\nmax 3\noom 2\noom_kill 1\n"),
        ],
    );
    let mut reader = cgroup(&folder).unwrap();
    let first = reader.read().unwrap();
    assert_eq!(
        first,
        PodFigures {
            cpu_seconds: Some(12.345_678),
            throttled_seconds: Some(1.5),
            throttled_periods: Some(25),
            oom_kills: Some(1),
            memory_bytes: Some(104_857_600),
            cpus_limit: Some(1.5),
            memory_limit: Some(536_870_912),
        }
    );
    let later = "usage_usec 13345678\nnr_throttled 27\nthrottled_usec 1750000\n";
    write(
        &folder,
        &[("cpu.stat", later), ("memory.events", "oom_kill 1\n")],
    );
    let second = reader.read().unwrap();
    assert_eq!(
        second.since(&first),
        PodUse {
            cpu_seconds: Some(13.345_678 - 12.345_678),
            throttled_seconds: Some(0.25),
            throttled_periods: Some(2),
            oom_kills: Some(0),
            restarted: false,
        }
    );
    let backwards = first.since(&second);
    assert!(backwards.restarted);
    assert_eq!(backwards.cpu_seconds, None);
    fs::remove_dir_all(&folder).unwrap();
    let gone = reader.read().unwrap_err().to_string();
    assert!(gone.contains("removed"), "{gone}");
}

#[test]
fn the_lowest_limit_on_the_way_up_holds() {
    let root = tempfile::tempdir().unwrap();
    let slice = root.path().join("slice");
    let folder = slice.join("pod");
    write(
        &slice,
        &[("cpu.max", "50000 100000\n"), ("memory.max", "max\n")],
    );
    write(
        &folder,
        &[
            ("cpu.stat", CPU_STAT),
            ("cpu.max", "max 100000\n"),
            ("memory.max", "1000000\n"),
        ],
    );
    let figures = cgroup(&folder).unwrap().read().unwrap();
    assert_eq!(figures.cpus_limit, Some(0.5));
    assert_eq!(figures.memory_limit, Some(1_000_000));
    // The root control group counts CPU and has neither limits nor its own memory.
    let bare = root.path().join("bare");
    write(&bare, &[("cpu.stat", "usage_usec 1000000\n")]);
    let figures = cgroup(&bare).unwrap().read().unwrap();
    let expected = PodFigures {
        cpu_seconds: Some(1.0),
        ..PodFigures::default()
    };
    assert_eq!(figures, expected);
    assert_eq!(figures.since(&PodFigures::default()), PodUse::default());
}

#[test]
fn what_is_no_control_group_is_told_before_a_run() {
    let root = tempfile::tempdir().unwrap();
    let named = |name: &str, files: &[(&str, &str)]| {
        let folder = root.path().join(name);
        write(&folder, files);
        cgroup(&folder).unwrap_err().to_string()
    };
    for (name, files, word) in [
        ("none", [].as_slice(), "no control group of version 2"),
        ("no-usage", &[("cpu.stat", "user_usec 1\n")], "usage_usec"),
        ("text", &[("cpu.stat", "usage_usec many\n")], "`many`"),
        (
            "one",
            &[("cpu.stat", CPU_STAT), ("cpu.max", "100000\n")],
            "period",
        ),
        (
            "zero",
            &[("cpu.stat", CPU_STAT), ("cpu.max", "1 0\n")],
            "period",
        ),
        (
            "memory",
            &[("cpu.stat", CPU_STAT), ("memory.max", "1G\n")],
            "`1G`",
        ),
    ] {
        let error = named(name, files);
        assert!(error.contains(word), "{name}: {error}");
        assert!(error.contains(name), "{name}: {error}");
    }
    fs::create_dir_all(root.path().join("odd/cpu.stat")).unwrap();
    let error = cgroup(&root.path().join("odd")).unwrap_err().to_string();
    assert!(error.contains("cannot read"), "{error}");
}

#[test]
fn pages_are_read_for_one_pod() {
    let own = "# HELP process_cpu_seconds_total Total user and system CPU time spent in seconds.\n\
        # TYPE process_cpu_seconds_total counter\n\
        process_cpu_seconds_total 7.25\n\
        process_cpu_seconds_total_other 9\n\
        process_resident_memory_bytes 2.5e+07 1700000000000\n";
    let figures = metrics::figures(own).unwrap();
    assert_eq!(figures.cpu_seconds, Some(7.25));
    assert_eq!(figures.memory_bytes, Some(25_000_000));
    assert_eq!(figures.throttled_seconds, None);

    let runtime = r#"
container_cpu_usage_seconds_total{container="",cpu="total",pod="a-1"} 12
container_cpu_usage_seconds_total{container="POD",cpu="total",pod="a-1"} 1
container_cpu_usage_seconds_total{container="app",cpu="total",pod="a-1"} 10
container_cpu_usage_seconds_total{container="app",cpu="cpu00",pod="a-1"} 5
container_cpu_usage_seconds_total{container="proxy",cpu="total",pod="a-1"} 1.5
container_cpu_cfs_throttled_seconds_total{container="app",pod="a-1"} 0.5
container_cpu_cfs_throttled_periods_total{container="app",pod="a-1"} 8
container_memory_working_set_bytes{container="app",pod="a-1"} 1000
process_cpu_seconds_total 99
"#;
    let figures = metrics::figures(runtime).unwrap();
    assert_eq!(figures.cpu_seconds, Some(11.5));
    assert_eq!(figures.throttled_seconds, Some(0.5));
    assert_eq!(figures.throttled_periods, Some(8));
    assert_eq!(figures.memory_bytes, Some(1_000));

    let two =
        format!("{runtime}container_memory_working_set_bytes{{container=\"app\",pod=\"a-2\"}} 1\n");
    assert!(metrics::figures(&two).unwrap_err().contains("2 pods"));
    for nothing in [
        "",
        "up 1\n",
        "process_cpu_seconds_total NaN\n",
        "process_cpu_seconds_total -1\n",
    ] {
        let why = metrics::figures(nothing).unwrap_err();
        assert!(why.contains("process_cpu_seconds_total"), "{why}");
    }
}

#[test]
fn a_page_is_fetched_from_where_it_may_be() {
    let serving = pod_model::spawn(pod_model::ModelPlan::default()).unwrap();
    let port = serving.address().port();
    let url = format!("http://127.0.0.1:{port}/__model/metrics");
    let mut reader = metrics(&url, &["127.0.0.0/8"]).unwrap();
    let figures = reader.read().unwrap();
    assert_eq!(figures.cpu_seconds, Some(0.0));
    assert_eq!(figures.memory_bytes, Some(32 * 1_024 * 1_024));
    for allow in [&["10.0.0.0/8"][..], &["127.0.0.1:1"], &[]] {
        let error = metrics(&url, allow).unwrap_err();
        assert!(matches!(error, PodError::NotAllowed { .. }), "{error}");
    }
    for (path, word) in [
        ("/__model/nothing", "404"),
        ("/__fault/redirect?http://127.0.0.1/", "302"),
        ("/__fault/cut", "cut off"),
        ("/__fault/close-unanswered", "closed before"),
        ("/__fault/garbage", "not HTTP"),
        ("/__fault/stall", "no answer within 2s"),
        ("/__fault/chunked", "nothing about one pod"),
    ] {
        let url = format!("http://127.0.0.1:{port}{path}");
        let error = metrics(&url, &["127.0.0.1"]).unwrap().read().unwrap_err();
        assert!(error.to_string().contains(word), "{path}: {error}");
    }
    serving.end().unwrap();
    let error = reader.read().unwrap_err().to_string();
    assert!(error.contains(&url), "{error}");
}

#[test]
fn addresses_that_cannot_be_fetched_are_told_with_the_way_out() {
    for (url, word) in [
        ("https://127.0.0.1/metrics", "only http://"),
        ("127.0.0.1:9100", "only http://"),
        ("http://user@127.0.0.1/", "user name"),
        ("http://127.0.0.1/a b", "space"),
        ("http:///metrics", "host"),
        ("http://[::1/metrics", "host"),
    ] {
        let error = metrics(url, &["127.0.0.0/8"]).unwrap_err().to_string();
        assert!(error.contains(word), "{url}: {error}");
        assert!(error.contains("http://127.0.0.1:9100/metrics"), "{error}");
    }
}

#[test]
fn sources_complete_each_other_and_may_be_absent() {
    let serving = pod_model::spawn(pod_model::ModelPlan::default()).unwrap();
    let root = tempfile::tempdir().unwrap();
    write(root.path(), &[("cpu.stat", CPU_STAT)]);
    let sources = PodSources {
        cgroup: Some(root.path().to_owned()),
        metrics: Some(format!("http://{}/__model/metrics", serving.address())),
    };
    let allow = AllowList::parse(&["127.0.0.1"]).unwrap();
    let figures = PodReader::open(&sources, &allow).unwrap().read().unwrap();
    assert_eq!(figures.cpu_seconds, Some(12.345_678));
    assert_eq!(figures.memory_bytes, Some(32 * 1_024 * 1_024));
    let none = PodReader::open(&PodSources::default(), &allow)
        .unwrap()
        .read()
        .unwrap();
    assert_eq!(none, PodFigures::default());
}
