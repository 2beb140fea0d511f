//! What the links in messages open: the phone page, pictures, and bad links.

use super::*;

#[tokio::test]
async fn the_link_shows_on_get_and_acts_on_post() {
    let api = Api::new(ONE).await;
    let id = api.fire().await;
    let link = format!("/a/{}", api.token());
    for method in ["GET", "HEAD", "GET"] {
        let (status, page) = api.call(None, method, &link, "").await;
        assert_eq!(status, StatusCode::OK);
        assert!(
            method == "HEAD" || page.contains("SuccessRateLow"),
            "{page}"
        );
    }
    let path = format!("/api/v1/incidents/{id}");
    let shown = || api.json("GET", &path, json!({}));
    let (_, incident) = shown().await;
    assert_eq!(incident["status"], "open", "looking is not acting");
    let form = format!("{}=acknowledge", page::PageAction::FIELD);
    for _ in 0..2 {
        let (status, _) = api.call(None, "POST", &link, &form).await;
        assert_eq!(status, StatusCode::OK);
    }
    let (_, incident) = shown().await;
    assert_eq!(incident["status"], "acknowledged");
    assert_eq!(incident["acknowledged"]["how"], "link");
    let form = format!("{}=false_alarm", page::PageAction::FIELD);
    api.call(None, "POST", &link, &form).await;
    let (_, incident) = shown().await;
    assert_eq!(
        (&incident["status"], &incident["false_alarm"]),
        (&json!("resolved"), &json!(true))
    );
    let (status, _) = api.call(None, "POST", &link, &form).await;
    assert_eq!(status, StatusCode::OK, "pressing again is harmless");
}

#[tokio::test]
async fn a_bad_link_says_what_to_do() {
    let api = Api::new(ONE).await;
    let id = api.fire().await;
    let handle = api.alerting.handle();
    let key = Arc::clone(&handle.links().key);
    let later = handle.now() + Duration::from_mins(1);
    let expired = page::sign(&key, &id, "", handle.now() - Duration::from_secs(1));
    let unknown = page::sign(&key, "nothere1", "", later);
    let forged = page::sign(b"another key", &id, "", later);
    for (token, status) in [
        (expired, 410),
        (unknown, 404),
        (forged, 404),
        ("x".into(), 404),
    ] {
        for method in ["GET", "POST"] {
            let form = format!("{}=acknowledge", page::PageAction::FIELD);
            let (got, text) = api.call(None, method, &format!("/a/{token}"), &form).await;
            assert_eq!(got.as_u16(), status, "{token}: {text}");
            assert!(text.contains("<html"), "{text}");
        }
    }
    let (_, incident) = api
        .json("GET", &format!("/api/v1/incidents/{id}"), json!({}))
        .await;
    assert_eq!(incident["status"], "open");
}

#[tokio::test]
async fn the_phone_page_snoozes_notes_and_closes() {
    let api = Api::new(TWO).await;
    let id = api.fire().await;
    let link = format!("/a/{}", api.token());
    let shown = async || {
        let (_, incident) = api
            .json("GET", &format!("/api/v1/incidents/{id}"), json!({}))
            .await;
        incident
    };
    for _ in 0..2 {
        let (status, page) = api.call(None, "POST", &link, "do=snooze&text=").await;
        assert_eq!(status, StatusCode::OK);
        assert!(page.contains("rings again in 30 minutes"), "{page}");
        api.call(None, "POST", &link, "do=note&text=%E9%87%8D%E5%90%AF+b")
            .await;
    }
    api.call(None, "POST", &link, "do=note&text=+").await;
    let incident = shown().await;
    assert_eq!(incident["status"], "acknowledged");
    let lines = |text: &str| {
        let timeline = incident["timeline"].as_array().unwrap();
        let of = timeline
            .iter()
            .filter(|line| line["text"].as_str().unwrap().contains(text));
        of.count()
    };
    assert_eq!(
        (lines("quiet for 30m"), lines("重启 b")),
        (1, 1),
        "twice is once: {incident}"
    );
    let timeline = incident["timeline"].as_array().unwrap();
    assert_eq!(
        timeline
            .iter()
            .filter(|line| line["kind"] == "note")
            .count(),
        1
    );
    api.call(None, "POST", &link, "do=resolve&text=restarted")
        .await;
    let incident = shown().await;
    assert_eq!(
        (
            &incident["status"],
            &incident["resolved"]["reason"],
            &incident["false_alarm"]
        ),
        (&json!("resolved"), &json!("restarted"), &json!(false))
    );
}

struct Flat;

impl crate::ChartSource for Flat {
    fn curves<'a>(
        &'a self,
        function: &'a str,
        from: model::Timestamp,
        to: model::Timestamp,
    ) -> crate::chart::Fetching<'a> {
        Box::pin(async move {
            let line = vec![Some(1.0); 10];
            let panel = crate::Panel {
                name: "calls per second".to_owned(),
                is_share: false,
                now: line.clone(),
                yesterday: line.clone(),
                last_week: line,
            };
            let known = function == "guide/feed";
            known.then(|| crate::Curves {
                title: function.to_owned(),
                from,
                to,
                panels: vec![panel],
            })
        })
    }
}

#[tokio::test]
async fn a_picture_has_an_address_that_shows_and_does_nothing() {
    let api = Api::new(ONE).await;
    api.fire().await;
    let body = api.hook.requests()[0].body.clone();
    let address = body["chart_url"].as_str().unwrap();
    let path = address
        .strip_prefix("https://rampart.example.com")
        .unwrap()
        .to_owned();
    assert!(path.starts_with("/chart/"), "{path}");
    let get = async |path: &str| {
        use tower::ServiceExt;
        let request = Request::get(path).body(Body::empty()).unwrap();
        let answer = api.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = answer.into_parts();
        let bytes = read_body(&parts.headers, body, &BodyLimits::small(1 << 20)).await;
        (parts, bytes.unwrap())
    };
    let (parts, _) = get(&path).await;
    assert_eq!(
        parts.status,
        StatusCode::NOT_FOUND,
        "nobody knows the numbers"
    );
    api.alerting.handle().set_charts(Arc::new(Flat));
    let (parts, picture) = get(&path).await;
    assert_eq!(parts.status, StatusCode::OK);
    assert_eq!(parts.headers["content-type"], "image/png");
    assert_eq!(&picture[..8], b"\x89PNG\r\n\x1a\n");
    // Neither token is the other's.
    let token = path.trim_start_matches("/chart/").trim_end_matches(".png");
    let (status, _) = api
        .call(None, "POST", &format!("/a/{token}"), "do=acknowledge")
        .await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let (parts, _) = get(&format!("/chart/{}.png", api.token())).await;
    assert_eq!(parts.status, StatusCode::NOT_FOUND);
}
