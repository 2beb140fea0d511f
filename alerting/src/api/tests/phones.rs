//! Calls and text messages: keys, callbacks, codes.

use super::*;

/// What the provider's account of these tests would send as `X-Twilio-Signature`.
fn signature(path: &str, form: &str) -> String {
    use base64::Engine as _;
    use hmac::{Hmac, KeyInit, Mac};
    let mut fields: Vec<(&str, &str)> = form.split('&').filter_map(|f| f.split_once('=')).collect();
    fields.sort_unstable();
    let mut mac = Hmac::<sha1::Sha1>::new_from_slice(b"canary").unwrap();
    mac.update(format!("https://rampart.example.com{path}").as_bytes());
    for (name, value) in fields {
        mac.update(name.as_bytes());
        mac.update(value.as_bytes());
    }
    base64::engine::general_purpose::STANDARD.encode(mac.finalize().into_bytes())
}

impl Api {
    /// Posts a form as the provider of calls does.
    async fn call_back(&self, path: &str, form: &str, signature: &str) -> (StatusCode, String) {
        use tower::ServiceExt;
        let request = Request::post(path)
            .header("x-twilio-signature", signature)
            .body(Body::from(form.to_owned()))
            .unwrap();
        let answer = self.router.clone().oneshot(request).await.unwrap();
        let status = answer.status();
        let (parts, body) = answer.into_parts();
        let bytes = read_body(&parts.headers, body, &BodyLimits::small(1 << 20)).await;
        (status, String::from_utf8(bytes.unwrap().to_vec()).unwrap())
    }

    async fn press(&self, path: &str, form: &str) -> (StatusCode, String) {
        self.call_back(path, form, &signature(path, form)).await
    }
}

#[tokio::test]
async fn a_key_pressed_in_a_call_acts_and_is_answered_aloud() {
    let api = Api::new(ONE).await;
    let id = api.fire().await;
    let keys = format!("/a/{}/keys", api.token());
    let path = format!("/api/v1/incidents/{id}");
    let (status, asked) = api.press(&keys, "CallSid=CA1&Digits=9").await;
    assert_eq!(status, StatusCode::OK);
    assert!(
        asked.contains("<Gather") && asked.contains("action=\"keys\""),
        "{asked}"
    );
    let (_, incident) = api.json("GET", &path, json!({})).await;
    assert_eq!(incident["status"], "open");
    for _ in 0..2 {
        let (status, said) = api.press(&keys, "CallSid=CA1&Digits=4").await;
        assert_eq!(status, StatusCode::OK);
        assert!(
            said.contains("You have it.") && !said.contains("<Gather"),
            "{said}"
        );
    }
    let (_, incident) = api.json("GET", &path, json!({})).await;
    assert_eq!(incident["status"], "acknowledged");
    assert_eq!(incident["acknowledged"]["how"], "key");
    let (status, said) = api.press(&keys, "CallSid=CA1&Digits=6").await;
    assert_eq!(status, StatusCode::OK);
    assert!(said.contains("<Say"), "{said}");
    let (_, incident) = api.json("GET", &path, json!({})).await;
    assert_eq!(incident["status"], "open");
    // The first press, recorded and played again: answered, and nothing more.
    let (status, said) = api.press(&keys, "CallSid=CA1&Digits=4").await;
    assert!(status == StatusCode::OK && said.contains("<Say"), "{said}");
    let (_, incident) = api.json("GET", &path, json!({})).await;
    assert_eq!(incident["status"], "open", "a replay acts on nothing");
    let (status, said) = api.press("/a/x/keys", "Digits=4").await;
    assert_eq!(status, StatusCode::OK);
    assert!(said.contains("damaged or incomplete"), "{said}");
    let (status, _) = api.call(None, "GET", &keys, "").await;
    assert_eq!(
        status,
        StatusCode::METHOD_NOT_ALLOWED,
        "looking is not acting"
    );
}

#[tokio::test]
async fn a_callback_that_the_provider_did_not_sign_does_nothing() {
    let api = Api::new(ONE).await;
    let id = api.fire().await;
    let keys = format!("/a/{}/keys", api.token());
    let status_path = format!("/a/{}/status", api.token());
    let form = "CallSid=CA1&Digits=4";
    let (status, _) = api.call(None, "POST", &keys, form).await;
    assert_eq!(status, StatusCode::FORBIDDEN, "unsigned");
    for signature in [
        String::new(),
        "forged".into(),
        signature(&keys, "CallSid=CA1&Digits=6"),
        signature("/a/another/keys", form),
    ] {
        let (status, _) = api.call_back(&keys, form, &signature).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{signature}");
        let (status, _) = api.call_back(&status_path, form, &signature).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{signature}");
    }
    let (_, incident) = api
        .json("GET", &format!("/api/v1/incidents/{id}"), json!({}))
        .await;
    assert_eq!(incident["status"], "open");
    // A link that is over opens nothing, however well it is signed.
    let handle = api.alerting.handle();
    let before = handle.now() - Duration::from_secs(1);
    let token = page::sign(&handle.links().key, &id, "", before);
    let (status, said) = api.press(&format!("/a/{token}/keys"), form).await;
    assert!(
        status == StatusCode::OK && said.contains("expired"),
        "{said}"
    );
}

#[tokio::test]
async fn a_call_that_nobody_picks_up_brings_the_next_step() {
    let api = Api::new("[{after: 0s, notify: [caller]}, {after: 1h, notify: [hook]}]").await;
    let handle = api.alerting.handle();
    handle
        .receive(vec![failing("feed", handle.now())])
        .await
        .unwrap();
    let calls = api.twilio.wait_for(1).await;
    let form = calls[0].form();
    let field = |name: &str| form.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone());
    let callback = field("StatusCallback").unwrap();
    let path = callback
        .strip_prefix("https://rampart.example.com")
        .unwrap();
    assert!(
        path.starts_with("/a/") && path.ends_with("/status"),
        "{path}"
    );
    let incident = async || {
        let (_, list) = api.json("GET", "/api/v1/incidents", json!({})).await;
        list["incidents"][0].clone()
    };
    while incident().await["reach"] != "reached" {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    for word in ["ringing", "no-answer", "no-answer"] {
        let form = format!("CallSid=CA1&CallStatus={word}");
        let (status, _) = api.press(path, &form).await;
        assert_eq!(status, StatusCode::NO_CONTENT);
    }
    api.hook.wait_for(1).await;
    let id = incident().await["id"].as_str().unwrap().to_owned();
    let (_, whole) = api
        .json("GET", &format!("/api/v1/incidents/{id}"), json!({}))
        .await;
    let story = whole["timeline"].to_string();
    assert_eq!(
        story.matches("did not arrive: no-answer").count(),
        1,
        "{story}"
    );
    assert!(
        story.contains("caller did not get the message; the next step comes at once"),
        "{story}"
    );
}

#[tokio::test]
async fn the_code_of_a_text_message_opens_the_incident_as_its_person() {
    let api = Api::new("[{after: 0s, notify: [hook, texter]}]").await;
    let id = api.fire().await;
    let calls = api.aliyun.wait_for(1).await;
    let query = calls[0].query();
    let (_, variables) = query
        .iter()
        .find(|(name, _)| name == "TemplateParam")
        .unwrap();
    let variables: Value = serde_json::from_str(variables).unwrap();
    let code = variables["code"].as_str().unwrap().to_owned();
    assert_eq!(code.len(), 6, "{variables}");
    let (status, form) = api.call(None, "GET", "/a", "").await;
    assert!(
        status == StatusCode::OK && form.contains("name=\"code\""),
        "{form}"
    );
    let typed = format!("code=+{}+", code.to_lowercase());
    let (status, page) = api.call(None, "POST", "/a", &typed).await;
    assert_eq!(status, StatusCode::OK, "{page}");
    let (_, rest) = page
        .split_once("<form method=\"post\" action=\"a/")
        .unwrap();
    let token = rest.split('"').next().unwrap();
    let (_, incident) = api
        .json("GET", &format!("/api/v1/incidents/{id}"), json!({}))
        .await;
    assert_eq!(incident["status"], "open", "a code shows, its buttons act");
    api.call(None, "POST", &format!("/a/{token}"), "do=acknowledge")
        .await;
    let (_, incident) = api
        .json("GET", &format!("/api/v1/incidents/{id}"), json!({}))
        .await;
    assert_eq!(incident["status"], "acknowledged");
    for n in 0..5 {
        let (status, page) = api
            .call(None, "POST", "/a", &format!("code=22222{}", n + 2))
            .await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{page}");
        assert!(page.contains("opens nothing"), "{page}");
    }
    let (status, page) = api.call(None, "POST", "/a", &typed).await;
    assert_eq!(
        status,
        StatusCode::TOO_MANY_REQUESTS,
        "not even the right one: {page}"
    );
}
