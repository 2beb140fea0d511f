//! One load from several processes, as from several machines.

use super::bench::{Pod, Running, alone, is_believed, result, shared, until_believed};
use super::house::Folder;

fn worker(allow: &str, token: &str) -> (Running, String) {
    let mut process = Running::start(&[
        "loadtest",
        "worker",
        "--listen",
        "127.0.0.1:0",
        "--allow",
        allow,
        "--token-file",
        token,
    ]);
    let line = process.hear("Listening for leaders ");
    let address = line.rsplit('=').next().unwrap().to_owned();
    (process, address)
}

fn write_plan(folder: &Folder, pod: &Pod) -> String {
    folder.write(
        "plan.yaml",
        &format!(
            "function: guide/feed\ntarget: \"http://{}\"\nallow: [\"127.0.0.1\"]\nrequests: [{{path: /feed}}]\n\
             load: {{rate: 100/s, duration: 5s}}\nobjective: {{p99: 1s, success_rate: 99%}}\noutput: {{json: {}}}\n",
            pod.address,
            folder.text_path("out.json")
        ),
    )
}

fn lead(plan: &str, workers: &str, token: &str) -> Running {
    Running::start(&[
        "loadtest",
        "run",
        plan,
        "--workers",
        workers,
        "--workers-token-file",
        token,
    ])
}

#[test]
fn two_workers_send_one_load_and_the_leader_adds_up() {
    let _turn = alone();
    let pod = Pod::start(&["--service", "5ms"]);
    let folder = Folder::new();
    let plan = write_plan(&folder, &pod);
    let token = folder.write("worker.token", "of two workers and one leader");
    let (_one, first) = worker("127.0.0.0/8", &token);
    let (_two, second) = worker("127.0.0.0/8", &token);
    let (ended, found, came) = until_believed(|| {
        let before = pod.requests();
        let ended = lead(&plan, &format!("{first},{second}"), &token).end();
        let found = result(&folder, "out.json");
        if !is_believed(&found) || found["left_out"] != 0 {
            return Err(found["invalid"].to_string());
        }
        Ok((ended, found, pod.requests() - before))
    });
    assert_eq!(ended.code, Some(0), "{}", ended.said);
    let workers = found["subject"]["workers"].as_array().unwrap();
    let addresses: Vec<&str> = workers
        .iter()
        .map(|worker| worker["address"].as_str().unwrap())
        .collect();
    assert_eq!(addresses, [first.as_str(), second.as_str()]);
    // Each tried the request once, and nothing was sent twice or by nobody.
    let total = &found["total"];
    assert_eq!(total["sent"], 500, "{total}");
    assert_eq!(total["ok"], 500, "{total}");
    assert_eq!(total["latency"]["count"], 500, "{total}");
    assert!((502..=506).contains(&came), "{came} came");
    assert!(
        ended
            .printed
            .contains(&format!("sent by {first}, {second}")),
        "{}",
        ended.printed
    );
}

#[test]
fn a_worker_sends_for_nobody_without_the_token_and_nowhere_it_may_not() {
    let _turn = shared();
    let pod = Pod::start(&["--service", "5ms"]);
    let folder = Folder::new();
    let plan = write_plan(&folder, &pod);
    let token = folder.write("worker.token", "of one worker and one leader");
    let other = folder.write("other.token", "of somebody else altogether");
    let (_one, open) = worker("127.0.0.0/8", &token);
    let (_two, elsewhere) = worker("10.0.0.0/8", &token);
    for (workers, token, why) in [
        (&open, &other, "token"),
        (&elsewhere, &token, "--allow"),
        (&"127.0.0.1:1".to_owned(), &token, "127.0.0.1:1"),
    ] {
        let ended = lead(&plan, workers, token).end();
        assert!(
            matches!(ended.code, Some(1 | 98)),
            "{why}: {:?} {}",
            ended.code,
            ended.said
        );
        assert!(ended.said.contains(why), "{why}: {}", ended.said);
    }
    assert_eq!(pod.requests(), 0);
}
