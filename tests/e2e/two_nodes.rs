//! Nodes that share a PostgreSQL database: through a provider's outage, a leader that is killed or
//! stands still, a database that restarts or stays away. Each page arrives once.

use std::time::Duration;

use fakes::{Postgres, Webhook, WebhookBehaviour};
use serde_json::{Value, json};

use super::house::{Folder, Server, eventually, rampart, send, text};

/// A node's folder; `address` holds the database's address with its password.
fn node(name: &str, url: &str, hook: &Webhook) -> Folder {
    let alerting = format!(
        "receivers:\n  - name: chat\n    webhook: {{url: \"{}\", deadline: 5s}}\nroute: {{receiver: chat, repeat_interval: 12h}}\n",
        hook.url()
    );
    node_that_tells(name, url, &alerting)
}

fn node_that_tells(name: &str, url: &str, alerting: &str) -> Folder {
    let folder = Folder::new();
    folder.write("address", url);
    folder.write(
        "rampart.yaml",
        &format!(
            "state: {{url_file: address, node: {name}, lease: 3s}}\nalerting: {{file: alerting.yaml}}\n"
        ),
    );
    folder.write("alerting.yaml", alerting);
    folder
}

/// Who leads, as this node's system page says.
fn standing(server: &Server) -> (String, u64) {
    let node = server.get("/api/v1/system")["node"].clone();
    (
        node["role"].as_str().unwrap().to_owned(),
        node["epoch"].as_u64().unwrap(),
    )
}

fn leads(server: &Server) -> u64 {
    eventually("the node leads", || {
        let (role, epoch) = standing(server);
        (role == "leader").then_some(epoch)
    })
}

fn alert(function: &str, over: bool) -> Value {
    let mut alert = json!({
        "labels": {"alertname": "SuccessRateLow", "severity": "critical", "namespace": "guide", "function": function},
        "annotations": {"summary": "it fails"},
        "startsAt": "2026-11-11T00:00:00Z",
    });
    if over {
        alert["endsAt"] = json!("2026-11-11T00:05:00Z");
    }
    alert
}

/// Posts until it is taken, as Prometheus does.
fn post(server: &Server, function: &str, over: bool) {
    let body = json!([alert(function, over)]).to_string();
    let url = format!("{}/api/v2/alerts", server.url);
    let headers = [("content-type", "application/json")];
    eventually("the alert is taken", || {
        let answer = send("POST", &url, &headers, body.as_bytes()).ok()?;
        (answer.status == 200).then_some(())
    });
}

/// How many messages that were taken speak of a function.
fn told(hook: &Webhook, function: &str) -> usize {
    said(hook, &format!("guide/{function}"))
}

/// How many messages that were taken hold these words.
fn said(hook: &Webhook, words: &str) -> usize {
    let requests = hook.requests();
    let holds = |body: &Value| body.to_string().contains(words);
    requests.iter().filter(|hook| holds(&hook.body)).count()
}

fn stands_by(server: &Server, leader: &str) {
    eventually("the node stands by", || {
        let node = server.get("/api/v1/system")["node"].clone();
        (node["leader"] == leader && node["role"] == "standby").then_some(())
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn each_page_arrives_once_through_an_outage_and_a_killed_leader() {
    let hook = Webhook::start(None).await.unwrap();
    tokio::task::spawn_blocking(move || outage_and_kill(&hook))
        .await
        .unwrap();
}

fn outage_and_kill(hook: &Webhook) {
    let database = Postgres::start().unwrap();
    let url = database.database().unwrap();
    let (first, second) = (node("a", &url, hook), node("b", &url, hook));
    let a = first.serve();
    let epoch = leads(&a);
    let b = second.serve();
    stands_by(&b, "a");

    // The provider is away; pages arrive at both nodes.
    hook.behave(WebhookBehaviour::Answer(500, Vec::new()));
    for (server, function) in [(&a, "one"), (&b, "two"), (&b, "three")] {
        post(server, function, false);
    }
    eventually("the leader tries", || {
        (hook.refusals().len() >= 3).then_some(())
    });
    // It dies while one of them is on its way.
    hook.behave(WebhookBehaviour::Hang);
    eventually("the provider is silent", || {
        hook.refusals().contains(&"hang".to_owned()).then_some(())
    });
    a.kill();
    // Nobody leads; what arrives is written down.
    post(&b, "four", false);
    let taken = leads(&b);
    assert!(taken > epoch, "{taken} after {epoch}");
    post(&b, "five", false);
    hook.behave(WebhookBehaviour::Accept);
    let functions = ["one", "two", "three", "four", "five"];
    eventually("all five are told", || {
        functions
            .iter()
            .all(|function| told(hook, function) > 0)
            .then_some(())
    });

    // The killed node comes back and waits; a person who reaches it gets an answer all the same.
    let a = first.serve();
    let open = eventually("the standby shows what is open", || {
        let listed = a.get("/api/v1/incidents")["incidents"].clone();
        let listed = listed.as_array().unwrap().clone();
        (listed.len() == functions.len()).then_some(listed)
    });
    assert_eq!(standing(&a).0, "standby");
    let id = open[0]["id"].as_str().unwrap();
    let acked = a.post(
        &format!("/api/v1/incidents/{id}/acknowledge"),
        &json!({"by": "ann"}),
    );
    assert_eq!(acked["status"], "acknowledged", "{acked:#}");
    let seen = b.get(&format!("/api/v1/incidents/{id}"));
    assert_eq!(seen["acknowledged"]["by"], "ann (local)", "{seen:#}");

    for function in functions {
        post(&a, function, true);
    }
    eventually("all five are over", || {
        functions
            .iter()
            .all(|function| told(hook, function) > 1)
            .then_some(())
    });
    for function in functions {
        assert_eq!(told(hook, function), 2, "{function}: the fault and its end");
    }
    // A leader that is stopped hands over at once, without waiting for its lease to end.
    assert_eq!(b.stop(), Some(0));
    assert!(leads(&a) > taken);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_whose_answer_died_with_the_leader_is_unknown_and_sent_once_more() {
    let hook = Webhook::start(None).await.unwrap();
    tokio::task::spawn_blocking(move || lost_answer(&hook))
        .await
        .unwrap();
}

fn lost_answer(hook: &Webhook) {
    let database = Postgres::start().unwrap();
    let url = database.database().unwrap();
    let (first, second) = (node("a", &url, hook), node("b", &url, hook));
    let a = first.serve();
    leads(&a);
    let b = second.serve();
    stands_by(&b, "a");
    hook.behave(WebhookBehaviour::HangAfterAccepting);
    post(&a, "lost", false);
    eventually("the provider has it", || {
        (told(hook, "lost") == 1).then_some(())
    });
    a.kill();
    hook.behave(WebhookBehaviour::Accept);
    leads(&b);
    eventually("it is sent once more", || {
        (told(hook, "lost") > 1).then_some(())
    });
    // Whatever takes messages by their key took one.
    assert_eq!(hook.distinct_keys().len(), 1);
    let listed = b.get("/api/v1/incidents")["incidents"].clone();
    let id = listed[0]["id"].as_str().unwrap();
    eventually("the timeline says that nobody knows", || {
        let incident = b.get(&format!("/api/v1/incidents/{id}"));
        let timeline = incident["timeline"].to_string();
        timeline.contains("unknown outcome").then_some(())
    });
    post(&b, "lost", true);
    eventually("its end is told", || (told(hook, "lost") > 2).then_some(()));
    assert_eq!(told(hook, "lost"), 3);
    assert_eq!(hook.distinct_keys().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_stood_still_for_too_long_sends_nothing_when_it_goes_on() {
    let hook = Webhook::start(None).await.unwrap();
    tokio::task::spawn_blocking(move || stood_still(&hook))
        .await
        .unwrap();
}

fn stood_still(hook: &Webhook) {
    let database = Postgres::start().unwrap();
    let url = database.database().unwrap();
    let (first, second) = (node("a", &url, hook), node("b", &url, hook));
    let a = first.serve();
    let epoch = leads(&a);
    let b = second.serve();
    stands_by(&b, "a");
    hook.behave(WebhookBehaviour::Answer(500, Vec::new()));
    let functions = ["one", "two"];
    for function in functions {
        post(&a, function, false);
    }
    eventually("the leader tries", || {
        (hook.refusals().len() >= 2).then_some(())
    });
    // Both wait for another try, which is overdue when the node goes on.
    a.signal("STOP");
    assert!(leads(&b) > epoch);
    hook.behave(WebhookBehaviour::Accept);
    eventually("the other one tells both", || {
        functions
            .iter()
            .all(|function| told(hook, function) > 0)
            .then_some(())
    });
    a.signal("CONT");
    let warned = "another node leads since a newer epoch";
    let mut heard = String::new();
    eventually("it notices", || {
        heard.push_str(&a.said());
        heard.contains(warned).then_some(())
    });
    stands_by(&a, "b");
    for function in functions {
        post(&a, function, true);
    }
    eventually("both are over", || {
        functions
            .iter()
            .all(|function| told(hook, function) > 1)
            .then_some(())
    });
    for function in functions {
        assert_eq!(told(hook, function), 2, "{function}: the fault and its end");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_restarts_loses_and_repeats_nothing() {
    let hook = Webhook::start(None).await.unwrap();
    tokio::task::spawn_blocking(move || restarted_database(&hook))
        .await
        .unwrap();
}

fn restarted_database(hook: &Webhook) {
    let mut database = Postgres::start().unwrap();
    let url = database.database().unwrap();
    let (first, second) = (node("a", &url, hook), node("b", &url, hook));
    let a = first.serve();
    leads(&a);
    let b = second.serve();
    post(&b, "before", false);
    eventually("it is told", || (told(hook, "before") > 0).then_some(()));

    database.crash().unwrap();
    // An acknowledged alert is a durable one, so nothing is acknowledged now.
    let body = json!([alert("during", false)]).to_string();
    let refused = send(
        "POST",
        &format!("{}/api/v2/alerts", b.url),
        &[("content-type", "application/json")],
        body.as_bytes(),
    );
    assert_eq!(refused.unwrap().status, 503);
    database.resume().unwrap();

    post(&b, "during", false);
    post(&a, "after", false);
    post(&b, "before", true);
    eventually("everything is told", || {
        let all = told(hook, "before") > 1 && told(hook, "during") > 0 && told(hook, "after") > 0;
        all.then_some(())
    });
    // Long enough for a second node to say it all again, if it would.
    std::thread::sleep(Duration::from_secs(5));
    let told = ["before", "during", "after"].map(|function| told(hook, function));
    assert_eq!(told, [2, 1, 1]);
    let leaders = [&a, &b].map(|server| standing(server).0);
    assert_eq!(leaders.iter().filter(|role| *role == "leader").count(), 1);

    // A copy of a node says what it does not hold.
    let backup = rampart(&[
        "store",
        "backup",
        &first.text_path("copy"),
        "--config",
        &first.text_path("rampart.yaml"),
        "--data-dir",
        &first.text_path("data"),
    ]);
    let said = text(&backup.stderr);
    assert!(
        backup.status.success() && said.contains("pg_dump"),
        "{said}"
    );
    assert!(!said.contains(database.password()), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_whose_database_stays_away_pages_from_memory() {
    let (chat, lead) = (
        Webhook::start(None).await.unwrap(),
        Webhook::start(None).await.unwrap(),
    );
    tokio::task::spawn_blocking(move || database_away(&chat, &lead))
        .await
        .unwrap();
}

fn database_away(chat: &Webhook, lead: &Webhook) {
    let mut database = Postgres::start().unwrap();
    let url = database.database().unwrap();
    let alerting = format!(
        "receivers:
  - {{name: chat, webhook: {{url: \"{}\"}}}}
  - {{name: lead, webhook: {{url: \"{}\"}}}}
route: {{receiver: chat, escalation: night}}
escalations:
  night:
    steps:
      - {{after: 0s, notify: [chat]}}
      - {{after: 12s, notify: [lead]}}
      - {{after: 12h, notify: [chat]}}
",
        chat.url(),
        lead.url()
    );
    let folder = node_that_tells("a", &url, &alerting);
    let server = folder.serve();
    leads(&server);
    post(&server, "before", false);
    eventually("it is told", || (told(chat, "before") > 0).then_some(()));

    database.crash().unwrap();
    let body = json!([alert("during", false)]).to_string();
    let headers = [("content-type", "application/json")];
    let refused = server.request("POST", "/api/v2/alerts", &headers, body.as_bytes());
    assert_eq!(refused.status, 503, "what is not durable is not promised");
    eventually("people hear of it all", || {
        let all = told(chat, "during") > 0
            && told(lead, "before") > 0
            && said(chat, "AlertingStorageFailed") > 0;
        all.then_some(())
    });
    let ready = server.request("GET", "/readyz", &[], b"");
    assert_eq!(ready.status, 503);
    assert!(ready.body.contains("operational state"), "{}", ready.body);

    database.resume().unwrap();
    eventually("it is well again", || {
        let ready = server.request("GET", "/readyz", &[], b"");
        let told = said(chat, "alerting writes its database again") > 0;
        (ready.status == 200 && told).then_some(())
    });
    post(&server, "during", false);
    for function in ["before", "during"] {
        post(&server, function, true);
    }
    eventually("everything is over", || {
        let listed = server.get("/api/v1/incidents")["incidents"].clone();
        let listed = listed.as_array().unwrap();
        let over = listed.iter().filter(|it| it["status"] == "resolved");
        (over.count() == 3).then_some(())
    });
    // What was said while nobody could write it down is written now: a new life repeats nothing.
    server.kill();
    let server = folder.serve();
    leads(&server);
    post(&server, "after", false);
    eventually("it is told", || (told(chat, "after") > 0).then_some(()));
    let told = ["before", "during", "after"].map(|function| told(chat, function));
    assert_eq!(told, [2, 2, 1]);

    // A node that starts without the database says so, without the password.
    assert_eq!(server.stop(), Some(0));
    database.crash().unwrap();
    let [config, data] = ["rampart.yaml", "data"].map(|name| folder.text_path(name));
    let arguments = [
        "--config",
        &config,
        "--listen",
        "127.0.0.1:0",
        "--data-dir",
        &data,
    ];
    let Err(why) = Server::try_start(&arguments) else {
        panic!("it started");
    };
    assert!(why.contains("cannot open the operational state"), "{why}");
    assert!(!why.contains(database.password()), "{why}");
}
