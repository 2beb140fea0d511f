//! A person with a phone: opens the signed link, looks, and taps "I have it".

use reqwest::header::CONTENT_TYPE;

/// The largest page a phone of the demo loads.
const PAGE_BYTES_MAX: usize = 1 << 20;

/// Why the tap did not work.
#[derive(Debug, thiserror::Error)]
pub enum PersonError {
    /// The page or the button's target did not answer.
    #[error("the page cannot be reached")]
    Reach(#[from] reqwest::Error),
    /// It answered with an error.
    #[error("the page answered {0}")]
    Status(u16),
    /// There is nothing to tap on it.
    #[error("the page has no button to acknowledge with")]
    NoButton,
}

/// Opens the link and taps the button that acknowledges.
pub async fn acknowledge(client: &reqwest::Client, link: &str) -> Result<(), PersonError> {
    let mut answer = client.get(link).send().await?;
    if !answer.status().is_success() {
        return Err(PersonError::Status(answer.status().as_u16()));
    }
    let mut page = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        page.extend_from_slice(&chunk);
        if page.len() > PAGE_BYTES_MAX {
            return Err(PersonError::NoButton);
        }
    }
    let form = Form::find(&String::from_utf8_lossy(&page)).ok_or(PersonError::NoButton)?;
    let target = answer
        .url()
        .join(&form.action)
        .map_err(|_| PersonError::NoButton)?;
    let posted = client
        .post(target)
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(form.body)
        .send()
        .await?;
    let status = posted.status();
    if status.is_success() || status.is_redirection() {
        Ok(())
    } else {
        Err(PersonError::Status(status.as_u16()))
    }
}

/// What a tap sends, and where.
#[derive(Debug, PartialEq, Eq)]
struct Form {
    action: String,
    body: String,
}

impl Form {
    /// The page's form as its acknowledging button sends it; a form without a target posts to the page.
    fn find(page: &str) -> Option<Form> {
        let form = page.get(page.find("<form")?..)?;
        let form = form.get(..form.find("</form>")?)?;
        let opening = form.get(..form.find('>')?)?;
        let button = form.split('<').find(|tag| {
            tag.starts_with("button") && attribute(tag, "value").as_deref() == Some("acknowledge")
        })?;
        let hidden = form
            .split('<')
            .filter(|tag| tag.starts_with("input"))
            .filter_map(|tag| Some((attribute(tag, "name")?, attribute(tag, "value")?)));
        let fields: Vec<String> = hidden
            .chain([(attribute(button, "name")?, attribute(button, "value")?)])
            .map(|(name, value)| format!("{}={}", percent_encoded(&name), percent_encoded(&value)))
            .collect();
        Some(Form {
            action: attribute(opening, "action").unwrap_or_default(),
            body: fields.join("&"),
        })
    }
}

/// An attribute of a tag, in double quotes as Rampart's pages write them.
fn attribute(tag: &str, name: &str) -> Option<String> {
    let opening = format!(" {name}=\"");
    let after = tag.get(tag.find(&opening)? + opening.len()..)?;
    let value = after.get(..after.find('"')?)?;
    Some(
        value
            .replace("&quot;", "\"")
            .replace("&#39;", "'")
            .replace("&#x2f;", "/")
            .replace("&lt;", "<")
            .replace("&gt;", ">")
            .replace("&amp;", "&"),
    )
}

fn percent_encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            byte => format!("%{byte:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use axum::Router;
    use axum::extract::State;
    use axum::http::StatusCode;
    use axum::response::Html;
    use axum::routing::get;

    use super::*;
    use crate::listening::Listening;

    const PAGE: &str = "<main><form method=\"post\" action=\"/a/x?y=1&amp;z=2\">\n<input type=\"hidden\" name=\"c\" value=\"a b\">\
        <button class=\"first\" name=\"action\" value=\"acknowledge\">I have it</button>\
        <button name=\"action\" value=\"escalate\">Wake</button></form></main>";

    #[test]
    fn the_button_is_found_with_its_form() {
        let form = Form::find(PAGE).unwrap();
        assert_eq!(form.action, "/a/x?y=1&z=2");
        assert_eq!(form.body, "c=a%20b&action=acknowledge");
        assert_eq!(
            Form::find("<form action=\"/x\"><button name=\"a\" value=\"escalate\"></form>"),
            None
        );
        assert_eq!(Form::find("resolved"), None);
    }

    #[tokio::test]
    async fn looking_comes_before_tapping() {
        type Log = Arc<Mutex<Vec<String>>>;
        let log = Log::default();
        let looked = |State(log): State<Log>| async move {
            log.lock().unwrap().push("looked".to_owned());
            Html(PAGE)
        };
        let tapped = |State(log): State<Log>, body: String| async move {
            log.lock().unwrap().push(body);
            StatusCode::SEE_OTHER
        };
        let router = Router::new()
            .route("/a/x", get(looked).post(tapped))
            .with_state(Arc::clone(&log));
        let listening = Listening::start("a page", router).await.unwrap();
        let client = crate::loopback_client(Duration::from_secs(20)).unwrap();
        let link = format!("http://{}/a/x", listening.address());
        acknowledge(&client, &link).await.unwrap();
        assert_eq!(
            *log.lock().unwrap(),
            ["looked", "c=a%20b&action=acknowledge"]
        );
        let gone = acknowledge(&client, &format!("{link}/gone"))
            .await
            .unwrap_err();
        assert!(matches!(gone, PersonError::Status(404)), "{gone}");
    }
}
