//! Incidents over the API: shown, acted on, mistakes named, roles kept apart.

use super::*;

/// What somebody did or said last: by whom, and in which words. What is sent meanwhile comes between.
fn last_of_people(incident: &Value) -> (&str, &str) {
    let entries = incident["timeline"].as_array().unwrap();
    let last = entries.iter().rfind(|entry| entry["by"].is_string());
    let word = |key| last.unwrap()[key].as_str().unwrap();
    (word("by"), word("text"))
}

#[tokio::test]
async fn an_incident_is_listed_shown_and_acted_on() {
    let api = Api::new(TWO).await;
    let id = api.fire().await;
    let (status, whole) = api
        .json("GET", &format!("/api/v1/incidents/{id}"), json!({}))
        .await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(whole["title"], "SuccessRateLow guide/feed");
    assert_eq!(whole["function"], "guide/feed");
    assert!(whole["timeline"].as_array().unwrap().len() >= 4, "{whole}");
    assert_eq!(whole["alerts"][0]["labels"]["function"], "feed");
    let (_, alerts) = api.json("GET", "/api/v1/alerts", json!({})).await;
    assert_eq!(
        (&alerts["total"], &alerts["alerts"][0]["incident"]),
        (&json!(1), &json!(id))
    );

    let act = |what: &str| format!("/api/v1/incidents/{id}/{what}");
    for _ in 0..2 {
        let (status, done) = api
            .json("POST", &act("acknowledge"), json!({"by": "Ann"}))
            .await;
        assert_eq!(
            (status, &done["status"]),
            (StatusCode::OK, &json!("acknowledged"))
        );
        assert_eq!(done["acknowledged"]["by"], "Ann (ops)");
    }
    let (_, noted) = api
        .json("POST", &act("note"), json!({"text": "looking"}))
        .await;
    assert_eq!(last_of_people(&noted), ("ops", "looking"));
    let (_, snoozed) = api.json("POST", &act("snooze"), json!({"for": "2h"})).await;
    assert!(snoozed["acknowledged"]["until"].is_string());
    let (_, raised) = api.json("POST", &act("escalate"), json!({})).await;
    assert_eq!(raised["status"], "open");
    assert_eq!(api.hook.wait_for(2).await.len(), 2);
    let resolve = json!({"reason": "false_alarm"});
    for _ in 0..2 {
        let (status, done) = api.json("POST", &act("resolve"), resolve.clone()).await;
        assert_eq!(
            (status, &done["status"]),
            (StatusCode::OK, &json!("resolved"))
        );
        assert_eq!(done["false_alarm"], true);
    }
    let (_, open) = api
        .json("GET", "/api/v1/incidents?status=open", json!({}))
        .await;
    assert_eq!(open["incidents"], json!([]));
    // A late remark about something that is over.
    let (status, noted) = api
        .json("POST", &act("note"), json!({"text": "it was the cache"}))
        .await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(last_of_people(&noted), ("ops", "it was the cache"));
}

#[tokio::test]
async fn mistakes_name_the_field_and_the_way_out() {
    let api = Api::new(ONE).await;
    let id = api.fire().await;
    let act = |what: &str| format!("/api/v1/incidents/{id}/{what}");
    let table = [
        (
            "POST",
            "/api/v1/incidents/nothere1/acknowledge".to_owned(),
            json!({}),
            404,
            None,
        ),
        (
            "GET",
            "/api/v1/incidents/nothere1".to_owned(),
            json!({}),
            404,
            None,
        ),
        (
            "POST",
            act("snooze"),
            json!({"for": "soon"}),
            400,
            Some("for"),
        ),
        (
            "POST",
            act("snooze"),
            json!({"for": "1s"}),
            400,
            Some("for"),
        ),
        ("POST", act("snooze"), json!({}), 400, Some("for")),
        (
            "POST",
            act("acknowledge"),
            json!({"who": "x"}),
            400,
            Some("who"),
        ),
        ("POST", act("note"), json!({"text": " "}), 400, Some("text")),
        (
            "POST",
            act("resolve"),
            json!({"reason": "x".repeat(2_000)}),
            400,
            Some("reason"),
        ),
        (
            "GET",
            "/api/v1/incidents?status=done".to_owned(),
            json!({}),
            400,
            Some("status"),
        ),
        (
            "GET",
            "/api/v1/incidents?limit=0".to_owned(),
            json!({}),
            400,
            Some("limit"),
        ),
    ];
    for (method, path, body, status, field) in table {
        let (got, problem) = api.json(method, &path, body).await;
        assert_eq!(got.as_u16(), status, "{path}: {problem}");
        assert_eq!(problem["field"].as_str(), field, "{path}: {problem}");
    }
}

#[tokio::test]
async fn roles_are_kept_apart() {
    let api = Api::new(ONE).await;
    let id = api.fire().await;
    let acknowledge = format!("/api/v1/incidents/{id}/acknowledge");
    for (role, method, path, status) in [
        (None, "GET", "/api/v1/incidents", 401),
        (Some(Role::Ingest), "GET", "/api/v1/incidents", 403),
        (Some(Role::Viewer), "GET", "/api/v1/oncall", 200),
        (Some(Role::Viewer), "POST", acknowledge.as_str(), 403),
        (Some(Role::Responder), "POST", "/api/v1/notify/test", 403),
    ] {
        let (got, text) = api.call(role, method, path, "{}").await;
        assert_eq!(got.as_u16(), status, "{role:?} {method} {path}: {text}");
    }
}
