//! Bodies: whole, slow, broken, compressed well and compressed too well.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::convert::Infallible;
use std::io::Write;
use std::time::Duration;

use axum::body::Body;
use axum::http::HeaderMap;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use inbound::{BodyLimits, ProblemDocument, read_body};
use proptest::prelude::*;

fn encoded(encoding: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("content-encoding", encoding.parse().unwrap());
    headers
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 3).unwrap()
}

/// A body in chunks, as a socket gives it.
fn chunked(bytes: &[u8], size: usize) -> Body {
    let chunks: Vec<Result<Bytes, Infallible>> = bytes
        .chunks(size.max(1))
        .map(|chunk| Ok(Bytes::copy_from_slice(chunk)))
        .collect();
    Body::from_stream(stream::iter(chunks))
}

async fn read(encoding: &str, bytes: &[u8], limits: &BodyLimits) -> Result<Bytes, ProblemDocument> {
    read_body(&encoded(encoding), chunked(bytes, 1000), limits).await
}

async fn refusal(encoding: &str, bytes: &[u8], limits: &BodyLimits) -> (u16, String) {
    let problem = read(encoding, bytes, limits).await.unwrap_err();
    (problem.status().as_u16(), problem.detail().to_owned())
}

/// Bytes that do not compress, the same each time.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    })
    .flatten()
    .take(length)
    .collect()
}

#[tokio::test]
async fn bodies_are_read_whole_in_every_encoding() {
    let limits = BodyLimits::default();
    for length in [0, 1, 999, 100_000, 700_000] {
        let plain = noise(length);
        let none = read_body(&HeaderMap::new(), chunked(&plain, 777), &limits)
            .await
            .unwrap();
        assert_eq!(none, plain);
        assert_eq!(read("identity", &plain, &limits).await.unwrap(), plain);
        for word in ["gzip", "GZIP", " x-gzip "] {
            assert_eq!(read(word, &gzip(&plain), &limits).await.unwrap(), plain);
        }
        assert_eq!(read("zstd", &zstd(&plain), &limits).await.unwrap(), plain);
    }
    assert_eq!(read("gzip", b"", &limits).await.unwrap(), "");
}

#[tokio::test]
async fn several_members_and_frames_are_one_body() {
    let limits = BodyLimits::default();
    let parts: [&[u8]; 4] = [b"one\n", b"", b"two\n", b"three\n"];
    for (word, compress) in [("gzip", gzip as fn(&[u8]) -> Vec<u8>), ("zstd", zstd)] {
        let sent: Vec<u8> = parts.iter().flat_map(|part| compress(part)).collect();
        assert_eq!(
            read(word, &sent, &limits).await.unwrap(),
            "one\ntwo\nthree\n",
            "{word}"
        );
    }
}

#[tokio::test]
async fn truncated_streams_say_so_wherever_they_end() {
    let limits = BodyLimits::default();
    let plain = noise(5_000);
    for (word, whole) in [("gzip", gzip(&plain)), ("zstd", zstd(&plain))] {
        for end in (1..whole.len()).step_by(97).chain([whole.len() - 1]) {
            let (status, detail) = refusal(word, &whole[..end], &limits).await;
            assert_eq!(status, 400, "{word} cut at {end}");
            assert!(
                detail.contains("truncated") || detail.contains("not valid"),
                "{detail}"
            );
        }
        let (_, detail) = refusal(word, &whole[..whole.len() / 2], &limits).await;
        assert_eq!(detail, format!("the {word} body is truncated"));
    }
}

#[tokio::test]
async fn what_is_not_what_it_says_is_refused() {
    let limits = BodyLimits::default();
    for word in ["gzip", "zstd"] {
        let (status, detail) = refusal(word, b"{\"ts\":1}", &limits).await;
        assert_eq!(status, 400);
        assert!(detail.contains(word), "{detail}");
    }
    let mut damaged = gzip(&noise(2_000));
    let last = damaged.len() - 5;
    damaged[last] ^= 1; // the checksum
    assert_eq!(refusal("gzip", &damaged, &limits).await.0, 400);
}

#[tokio::test]
async fn unknown_encodings_list_those_accepted() {
    let limits = BodyLimits::default();
    for word in ["br", "deflate", "snappy", "gzip, gzip", "gzip,zstd", "*"] {
        let problem = read(word, b"x", &limits).await.unwrap_err();
        assert_eq!(problem.status(), 415, "{word}");
        let response = axum::response::IntoResponse::into_response(problem);
        assert_eq!(response.headers()["accept-encoding"], "gzip, zstd");
    }
    let mut twice = encoded("gzip");
    twice.append("content-encoding", "gzip".parse().unwrap());
    let problem = read_body(&twice, Body::from("x"), &limits)
        .await
        .unwrap_err();
    assert_eq!(problem.status(), 415);
}

#[tokio::test]
async fn size_as_it_arrives_is_capped() {
    let limits = BodyLimits {
        compressed_bytes_max: 10_000,
        ..BodyLimits::default()
    };
    assert!(read("identity", &noise(10_000), &limits).await.is_ok());
    assert_eq!(refusal("identity", &noise(10_001), &limits).await.0, 413);
    // Endless bodies end at the cap, not at the deadline.
    let endless = Body::from_stream(stream::repeat(Ok::<_, Infallible>(Bytes::from_static(
        &[0; 512],
    ))));
    let problem = read_body(&HeaderMap::new(), endless, &limits)
        .await
        .unwrap_err();
    assert_eq!(problem.status(), 413);
    // An announced length over the cap is refused before a byte is read.
    let mut announced = HeaderMap::new();
    announced.insert("content-length", "10001".parse().unwrap());
    let never = Body::from_stream(stream::pending::<Result<Bytes, Infallible>>());
    let problem = read_body(&announced, never, &limits).await.unwrap_err();
    assert_eq!(problem.status(), 413);
    // Any other announcement means nothing.
    announced.insert("content-length", "3".parse().unwrap());
    let longer = read_body(&announced, Body::from("longer"), &limits).await;
    assert_eq!(longer.unwrap(), "longer");
}

#[tokio::test]
async fn bombs_stop_at_the_ratio_and_at_the_cap() {
    let zeros = vec![0_u8; 6 << 20];
    for (word, bomb) in [("gzip", gzip(&zeros)), ("zstd", zstd(&zeros))] {
        let (status, detail) = refusal(word, &bomb, &BodyLimits::default()).await;
        assert_eq!(status, 413, "{word}");
        let allowed = (bomb.len() * 100).max(1 << 20);
        assert!(detail.contains(&allowed.to_string()), "{detail}");

        let capped = BodyLimits {
            ratio_max: usize::MAX,
            decompressed_bytes_max: 5_000_000,
            ..BodyLimits::default()
        };
        let (status, detail) = refusal(word, &bomb, &capped).await;
        assert_eq!(status, 413, "{word}");
        assert!(detail.contains("5000000"), "{detail}");
    }
}

#[tokio::test]
async fn small_batches_may_compress_as_well_as_they_like() {
    let limits = BodyLimits::default();
    let fits = vec![0_u8; limits.ratio_floor_bytes];
    let over = vec![0_u8; limits.ratio_floor_bytes + 1];
    for (word, compress) in [("gzip", gzip as fn(&[u8]) -> Vec<u8>), ("zstd", zstd)] {
        assert_eq!(
            read(word, &compress(&fits), &limits).await.unwrap().len(),
            fits.len()
        );
        assert_eq!(refusal(word, &compress(&over), &limits).await.0, 413);
    }
}

#[tokio::test]
async fn a_zstd_window_larger_than_the_standard_allows_is_refused() {
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
    encoder.window_log(27).unwrap();
    encoder.write_all(&noise(100)).unwrap();
    let sent = encoder.finish().unwrap();
    assert_eq!(refusal("zstd", &sent, &BodyLimits::default()).await.0, 400);
}

#[tokio::test]
async fn slow_senders_are_answered_408() {
    let limits = BodyLimits {
        read_deadline: Duration::from_millis(100),
        ..BodyLimits::default()
    };
    let dripping = stream::repeat(()).then(async |()| {
        tokio::time::sleep(Duration::from_millis(5)).await;
        Ok::<_, Infallible>(Bytes::from_static(b"."))
    });
    let silent = stream::pending::<Result<Bytes, Infallible>>();
    for body in [Body::from_stream(dripping), Body::from_stream(silent)] {
        let problem = read_body(&HeaderMap::new(), body, &limits)
            .await
            .unwrap_err();
        assert_eq!(problem.status(), 408);
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_is_no_body() {
    let broken = stream::iter([Ok(Bytes::from_static(b"half")), Err("reset")]);
    let problem = read_body(
        &HeaderMap::new(),
        Body::from_stream(broken),
        &BodyLimits::default(),
    )
    .await
    .unwrap_err();
    assert_eq!(problem.status(), 400);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_survived_and_what_was_sent_is_read(
        bytes in prop::collection::vec(any::<u8>(), 0..3000),
        chunk in 1..500_usize,
        garbage in any::<bool>(),
        word in prop::sample::select(vec!["gzip", "zstd", "identity"]),
    ) {
        let sent = match (garbage, word) {
            (true, _) | (false, "identity") => bytes.clone(),
            (false, "gzip") => gzip(&bytes),
            (false, _) => zstd(&bytes),
        };
        let read = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
            .block_on(read_body(&encoded(word), chunked(&sent, chunk), &BodyLimits::default()));
        match read {
            Ok(read) if !garbage || word == "identity" => prop_assert_eq!(read, bytes),
            Ok(read) => prop_assert!(read.len() <= 1 << 20),
            Err(problem) => {
                prop_assert!(garbage);
                prop_assert!([400, 413].contains(&problem.status().as_u16()));
            }
        }
    }
}
