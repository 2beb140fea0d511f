//! The disk breaks under the real binary: ingest stops for good, people are told, the process says so
//! when it ends, and what it had acknowledged is there after the next start.

use fakes::DingTalk;

use super::house::{Folder, calls, eventually, send};

const ROWS: usize = 1000;
/// Larger than the operational state gets here, smaller than a segment of the log.
const FILES_KIB: u32 = 1024;
const BATCHES_MAX: usize = 400;

fn configuration(folder: &Folder, robot: &DingTalk) {
    folder.write(
        "rampart.yaml",
        "teams:\n  team-guide: {owns: [\"*\"], im: chat}\nalerting: {file: alerting.yaml}\n",
    );
    folder.write(
        "alerting.yaml",
        &format!("receivers:\n  - name: chat\n    dingtalk: {{url: \"{}\", secret: SECdisk}}\nroute: {{receiver: chat, repeat_interval: 12h}}\n", robot.url()),
    );
}

fn push(url: &str, batch: usize) -> u16 {
    let ids = batch * ROWS..(batch + 1) * ROWS;
    let headers = [("content-type", "application/x-ndjson")];
    let body = calls("guide/feed", "a", "ok", ids);
    let path = format!("{url}/api/v1/invocations");
    send("POST", &path, &headers, body.as_bytes())
        .unwrap()
        .status
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_breaks_stops_ingest_for_good_and_people_are_told() {
    let folder = Folder::new();
    let robot = DingTalk::start("SECdisk").await.unwrap();
    configuration(&folder, &robot);
    tokio::task::spawn_blocking(move || break_disk(&folder, &robot))
        .await
        .unwrap();
}

fn break_disk(folder: &Folder, robot: &DingTalk) {
    let server = folder.serve_with_short_files(FILES_KIB);
    let mut acknowledged = 0;
    let refused = (0..BATCHES_MAX).find_map(|batch| match push(&server.url, batch) {
        200 => {
            acknowledged += ROWS;
            None
        }
        status => Some(status),
    });
    assert_eq!(refused, Some(503), "after {acknowledged} rows");
    assert!(acknowledged > 0);
    let ready = eventually("not ready", || {
        let answer = server.request("GET", "/readyz", &[], b"");
        (answer.status == 503).then_some(answer.body)
    });
    assert!(
        ready.contains("storage failed and ingest is stopped"),
        "{ready}"
    );
    for batch in 0..3 {
        assert_eq!(
            push(&server.url, BATCHES_MAX + batch),
            503,
            "it is not tried again"
        );
    }
    let count = "select count(*) from invocations";
    let expected = i64::try_from(acknowledged).unwrap();
    assert_eq!(server.count(count), expected, "it still answers");
    eventually("the page", || {
        let messages = robot.messages();
        messages
            .iter()
            .any(|message| message.text().contains("StorageFailed"))
            .then_some(())
    });
    assert_eq!(
        server.stop(),
        Some(1),
        "it does not end as if all had been well"
    );
    let server = folder.serve();
    assert_eq!(server.count(count), expected);
    assert_eq!(push(&server.url, 2 * BATCHES_MAX), 200);
    assert_eq!(server.stop(), Some(0));
}
