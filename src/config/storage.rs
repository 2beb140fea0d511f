//! The section `store`, and which layer's rows are the calls of a function.

use std::path::PathBuf;
use std::time::Duration;

use declare::{Node, Problems};
use model::{Bytes, Secret};
use store::{CountedLayers, Durability, Layer, Options, Retention, S3, SecondHome};

use super::Surroundings;

/// With less its share does not hold what merging two files of Parquet takes.
const MEMORY_BYTES_MIN: u64 = 64 << 20;
/// How long after its end an hour stays on the local disk as well.
const KEEP_LOCAL: Duration = Duration::from_hours(24);
/// Hours go to their second home an hour after their end; a local copy that goes earlier helps nobody.
const KEEP_LOCAL_MIN: Duration = Duration::from_hours(1);

/// How the tables are kept.
pub(super) fn options(
    root: &Node,
    directory: PathBuf,
    around: &Surroundings<'_>,
    problems: &mut Problems,
) -> Options {
    let mut options = Options::new(directory);
    options.counted_layers = counted_layers(root);
    let Some(section) = root.field("store") else {
        return options;
    };
    options.durability = match section.text_of("durability") {
        Some("interval") => Durability::Interval,
        Some("none") => Durability::None,
        _ => Durability::Sync,
    };
    if let Some(node) = section.field("memory_bytes_max")
        && let Some(bytes) = node.bytes()
    {
        options.memory_bytes_max = bytes.get();
        if bytes.get() < MEMORY_BYTES_MIN {
            let least = Bytes::new(MEMORY_BYTES_MIN);
            problems
                .error(
                    node,
                    format!("{bytes} are too little for the store to work with"),
                )
                .hint(format!(
                    "give it at least {least}; a small machine does well with 256MiB"
                ));
        }
    }
    options.retention = retention(section, options.retention);
    if let Some(node) = section.field("object_store") {
        options.second_home = second_home(node, around, problems);
    }
    options
}

fn retention(section: &Node, defaults: Retention) -> Retention {
    let kept = |table: &str, otherwise: Duration| {
        section
            .field("retention")
            .and_then(|retention| retention.duration_of(table))
            .unwrap_or(otherwise)
    };
    Retention {
        invocations: kept("invocations", defaults.invocations),
        logs: kept("logs", defaults.logs),
        samples: kept("samples", defaults.samples),
        minutes: kept("minutes", defaults.minutes),
        loadtests: kept("loadtests", defaults.loadtests),
    }
}

/// `functions.counted_layer`: the first pattern that matches decides.
fn counted_layers(root: &Node) -> CountedLayers {
    let layers = root
        .field("functions")
        .and_then(|functions| functions.field("counted_layer"));
    let Some(layers) = layers else {
        return CountedLayers::default();
    };
    let patterns = layers
        .fields()
        .filter_map(|(pattern, layer)| Some((pattern.glob()?, Layer::from_word(layer.as_text()?)?)))
        .collect();
    CountedLayers::new(patterns)
}

/// The object store that closed hours go to.
fn second_home(
    node: &Node,
    around: &Surroundings<'_>,
    problems: &mut Problems,
) -> Option<SecondHome> {
    let keys = keys(node, around, problems);
    let url = node.field("url")?;
    let (bucket, prefix) = match place(url.text()?) {
        Ok(place) => place,
        Err(reason) => {
            problems
                .error(url, reason)
                .hint("write s3://bucket/prefix, and `endpoint` for one that is not Amazon's");
            return None;
        }
    };
    let keep_local = node.duration_of("keep_local").unwrap_or(KEEP_LOCAL);
    if let Some(written) = node.field("keep_local")
        && keep_local < KEEP_LOCAL_MIN
    {
        problems
            .error(
                written,
                "an hour stays on the local disk for at least 1h after its end",
            )
            .hint("rows that come late are merged there before the hour moves");
    }
    let settings = S3 {
        bucket,
        prefix,
        endpoint: node.text_of("endpoint").map(str::to_owned),
        region: node.text_of("region").unwrap_or("us-east-1").to_owned(),
        keys: keys.ok()?,
        bucket_in_host: node.text_of("addressing") == Some("host"),
    };
    match SecondHome::s3(&settings, keep_local) {
        Ok(home) => Some(home),
        Err(error) => {
            problems.error(node, error.to_string());
            None
        }
    }
}

/// The key and its secret; `Ok(None)` when neither is written, `Err` after a mistake that is told.
fn keys(
    node: &Node,
    around: &Surroundings<'_>,
    problems: &mut Problems,
) -> Result<Option<(String, Secret<String>)>, ()> {
    let written = node.field("secret_key").or(node.field("secret_key_file"));
    let secret = match (node.text_of("secret_key"), node.text_of("secret_key_file")) {
        (Some(_), Some(_)) => {
            let place = written.unwrap_or(node);
            problems.error(place, "both `secret_key` and `secret_key_file` are given");
            return Err(());
        }
        (Some(secret), None) => Some(secret.to_owned()),
        (None, Some(path)) => match (around.secret_file)(path) {
            Ok(secret) => Some(secret),
            Err(reason) => {
                problems.error(written.unwrap_or(node), reason);
                return Err(());
            }
        },
        (None, None) => None,
    };
    match (node.text_of("access_key"), secret) {
        (None, None) => Ok(None),
        (Some(key), Some(secret)) if !secret.trim().is_empty() => Ok(Some((
            key.to_owned(),
            Secret::new(secret.trim().to_owned()),
        ))),
        (key, _) => {
            let missing = key.map_or("`access_key`", |_| "its secret");
            problems
                .error(node, format!("{missing} is missing"))
                .hint("write access_key with secret_key or secret_key_file, or none of them");
            Err(())
        }
    }
}

/// The bucket and the prefix of `s3://bucket/prefix`.
fn place(url: &str) -> Result<(String, String), String> {
    let rest = url
        .strip_prefix("s3://")
        .ok_or_else(|| format!("`{url}` does not begin with s3://"))?;
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let sound = |part: &str| {
        part.chars()
            .all(|letter| letter.is_ascii_alphanumeric() || "-._/".contains(letter))
    };
    if bucket.is_empty() || !sound(bucket) || !sound(prefix) || prefix.contains("..") {
        return Err(format!(
            "`{url}` names no bucket, or has other characters than letters, digits and -._/"
        ));
    }
    Ok((bucket.to_owned(), prefix.trim_matches('/').to_owned()))
}

#[cfg(test)]
mod tests {
    use super::place;

    #[test]
    fn a_bucket_and_what_names_begin_with() {
        let split = |url| place(url).ok();
        let pair = |bucket: &str, prefix: &str| Some((bucket.to_owned(), prefix.to_owned()));
        assert_eq!(split("s3://rows"), pair("rows", ""));
        assert_eq!(split("s3://rows/"), pair("rows", ""));
        assert_eq!(split("s3://rows/guard/a/"), pair("rows", "guard/a"));
        for wrong in [
            "rows",
            "s3://",
            "s3:///guard",
            "s3://rows/../x",
            "s3://a b",
            "gs://rows",
        ] {
            assert_eq!(split(wrong), None, "{wrong}");
        }
    }
}
