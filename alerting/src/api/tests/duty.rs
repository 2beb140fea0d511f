//! Who is on call, taking over, and test messages.

use super::*;

#[tokio::test]
async fn on_call_and_a_test_message() {
    let api = Api::new(ONE).await;
    let (_, duty) = api.json("GET", "/api/v1/oncall", json!({})).await;
    assert_eq!(duty["schedules"][0]["person"], "ann");
    assert_eq!(duty["schedules"][0]["name"], "Ann");
    let body = r#"{"receiver": "hook"}"#;
    let (_, answer) = api
        .call(Some(Role::Admin), "POST", "/api/v1/notify/test", body)
        .await;
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(answer["delivered"], true, "{answer}");
    assert_eq!(api.hook.count(), 1);
    api.hook
        .behave(fakes::WebhookBehaviour::Answer(500, Vec::new()));
    let (_, answer) = api
        .call(Some(Role::Admin), "POST", "/api/v1/notify/test", body)
        .await;
    assert!(answer.contains("\"delivered\":false"), "{answer}");
    let body = r#"{"receiver": "hok"}"#;
    let (status, _) = api
        .call(Some(Role::Admin), "POST", "/api/v1/notify/test", body)
        .await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn somebody_takes_over_and_gives_it_back() {
    let api = Api::new(ONE).await;
    let path = "/api/v1/oncall/guide/overrides";
    let (status, made) = api
        .json(
            "POST",
            path,
            json!({"person": "ben", "for": "2h", "by": "ann"}),
        )
        .await;
    assert_eq!(status, StatusCode::OK, "{made}");
    assert_eq!((&made["id"], &made["by"]), (&json!(1), &json!("ann (ops)")));
    let (_, on_call) = api.json("GET", "/api/v1/oncall", json!({})).await;
    let guide = &on_call["schedules"][0];
    assert_eq!(
        (&guide["person"], &guide["name"], &guide["rotation"]),
        (&json!("ben"), &json!("Ben"), &json!("override"))
    );
    assert_eq!(
        (&guide["until"], &guide["next"]["person"]),
        (&made["to"], &json!("ann"))
    );
    assert_eq!(
        (&guide["overrides"][0], &guide["gaps"]),
        (&made, &json!([]))
    );
    let one = format!("{path}/1");
    let (status, _) = api.json("DELETE", &one, json!({})).await;
    assert_eq!(status, StatusCode::OK);
    let (_, on_call) = api.json("GET", "/api/v1/oncall", json!({})).await;
    assert_eq!(on_call["schedules"][0]["person"], "ann");
    let (status, _) = api.json("DELETE", &one, json!({})).await;
    assert_eq!(status, StatusCode::NOT_FOUND, "it is over");
}

#[tokio::test]
async fn a_take_over_that_makes_no_sense_says_why() {
    let api = Api::new(ONE).await;
    let guide = "/api/v1/oncall/guide/overrides";
    for (path, body, status, said) in [
        (
            "/api/v1/oncall/giude/overrides",
            json!({"person": "ben", "for": "2h"}),
            404,
            "configured: guide",
        ),
        (
            guide,
            json!({"person": "bne", "for": "2h"}),
            400,
            "configured: ann, ben",
        ),
        (guide, json!({"for": "2h"}), 400, "name a person"),
        (guide, json!({"person": "ben"}), 400, "such as 2h"),
        (
            guide,
            json!({"person": "ben", "for": "200d"}),
            400,
            "at most 90 days",
        ),
        (
            guide,
            json!({"person": "ben", "from": "2020-01-01T00:00:00Z", "for": "2h"}),
            400,
            "over already",
        ),
        (
            guide,
            json!({"person": "ben", "to": "2020-01-01T00:00:00Z"}),
            400,
            "after it begins",
        ),
    ] {
        let (got, answer) = api.json("POST", path, body.clone()).await;
        assert_eq!(got.as_u16(), status, "{body} {answer}");
        assert!(answer.to_string().contains(said), "{body} {answer}");
    }
    let (status, _) = api.call(Some(Role::Viewer), "POST", guide, "{}").await;
    assert_eq!(status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_test_message_goes_to_a_person_too() {
    let api = Api::new(ONE).await;
    let (status, tested) = api
        .call(
            Some(Role::Admin),
            "POST",
            "/api/v1/notify/test",
            r#"{"receiver": "ben"}"#,
        )
        .await;
    assert_eq!(status, StatusCode::OK, "{tested}");
    let tested: Value = serde_json::from_str(&tested).unwrap();
    assert_eq!(tested["delivered"], true);
    assert_eq!(
        tested["results"].as_array().unwrap().len(),
        1,
        "no number for calls: {tested}"
    );
    assert_eq!(tested["results"][0]["endpoint"], "channels.sms");
    let text = api.hook.requests()[0].body.to_string();
    assert!(text.contains(r#""person":"ben""#), "{text}");
}
