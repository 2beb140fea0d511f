//! Targets that serve real users: nothing is sent without a signed permission.

use super::bench::{Ended, Running, alone, is_believed, result, shared};
use super::house::Folder;
use super::listener::Listener;

const ANSWER: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const KEY: (&str, &str) = ("RAMPART_PERMISSION_KEY", "a key of the test, long enough");

fn write_plan(folder: &Folder, target: &Listener, rate: &str, more: &str) -> String {
    folder.write(
        "plan.yaml",
        &format!(
            "target: {{url: \"http://{}\", production: true{more}}}\nallow: [\"127.0.0.1\"]\nrequests: [{{path: /feed}}]\n\
             load: {{rate: {rate}, duration: 3s}}\nobjective: {{p90: 1s, success_rate: 99%}}\noutput: {{json: {}}}\n",
            target.address,
            folder.text_path("out.json")
        ),
    )
}

/// Signs what the plan's target needs and puts it where the plan looks for it.
fn permit(folder: &Folder, plan: &str, rate: &str, lasts: &str) -> Ended {
    let arguments = [
        "loadtest",
        "permit",
        plan,
        "--rate-max",
        rate,
        "--lasts",
        lasts,
    ];
    let ended = Running::start_with(&arguments, &[KEY]).end();
    if ended.code == Some(0) {
        folder.write("permission.json", &ended.printed);
    }
    ended
}

#[test]
fn a_production_target_is_sent_nothing_without_a_permission_that_holds() {
    let _turn = shared();
    let target = Listener::start(Some(ANSWER));
    let folder = Folder::new();
    let named = ", permission_file: permission.json";
    #[track_caller]
    fn refused(plan: &str, variables: &[(&str, &str)], code: i32, words: &str) {
        for command in ["run", "capacity"] {
            let ended = Running::start_with(&["loadtest", command, plan], variables).end();
            assert_eq!(ended.code, Some(code), "{}", ended.said);
            assert!(
                ended.said.contains(words),
                "{words} is missing from: {}",
                ended.said
            );
        }
    }

    let plan = write_plan(&folder, &target, "50/s", "");
    refused(
        &plan,
        &[KEY],
        78,
        "a target that serves real users needs a signed permission",
    );
    let plan = write_plan(&folder, &target, "50/s", named);
    refused(&plan, &[KEY], 1, "there is no such file");
    refused(&plan, &[], 1, "set RAMPART_PERMISSION_KEY");

    assert_eq!(permit(&folder, &plan, "50/s", "1h").code, Some(0));
    refused(&plan, &[], 1, "set RAMPART_PERMISSION_KEY");
    refused(
        &plan,
        &[("RAMPART_PERMISSION_KEY", "another key of the test, as long")],
        1,
        "the permission's signature is not right",
    );
    let faster = write_plan(&folder, &target, "51/s", named);
    refused(
        &faster,
        &[KEY],
        1,
        "the permission allows 50/s, the plan sends up to 51/s",
    );

    let signed = folder.read("permission.json");
    folder.write("permission.json", &signed.replace("50.0", "5000.0"));
    refused(&plan, &[KEY], 1, "the permission's signature is not right");
    folder.write("permission.json", &signed);
    let other = Listener::start(Some(ANSWER));
    let elsewhere = write_plan(&folder, &other, "50/s", named);
    refused(
        &elsewhere,
        &[KEY],
        1,
        &format!("not for http://{}", other.address),
    );

    let too_long = permit(&folder, &plan, "50/s", "900h");
    assert_eq!(too_long.code, Some(1));
    assert!(
        too_long.said.contains("more than 31 days"),
        "{}",
        too_long.said
    );
    assert_eq!((target.connections(), other.connections()), (0, 0));
}

#[test]
fn with_its_permission_a_production_target_is_tested() {
    let _turn = alone();
    let target = Listener::start(Some(ANSWER));
    let folder = Folder::new();
    let plan = write_plan(
        &folder,
        &target,
        "50/s",
        ", permission_file: permission.json",
    );
    assert_eq!(permit(&folder, &plan, "50/s", "1h").code, Some(0));
    let ended = Running::start_with(&["loadtest", "run", &plan], &[KEY]).end();
    let found = result(&folder, "out.json");
    let code = if is_believed(&found) { 0 } else { 98 };
    assert_eq!(ended.code, Some(code), "{}", ended.said);
    let requests = target.requests();
    assert!(requests.len() > 20, "{}", requests.len());
    let id = found["subject"]["id"].as_str().unwrap();
    for request in requests {
        assert!(
            request.contains(&format!("x-rampart-test: {id}\r\n")),
            "{request}"
        );
    }

    // And no longer, once it is over.
    assert_eq!(permit(&folder, &plan, "50/s", "1s").code, Some(0));
    std::thread::sleep(std::time::Duration::from_millis(1_200)); // it expires
    let before = target.connections();
    let ended = Running::start_with(&["loadtest", "run", &plan], &[KEY]).end();
    assert_eq!(ended.code, Some(1), "{}", ended.said);
    assert!(
        ended.said.contains("the permission expired at "),
        "{}",
        ended.said
    );
    assert_eq!(target.connections(), before);
}
