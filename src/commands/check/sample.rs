//! `rampart check --sample FILE SOURCE`: what a source would make of a file, before it is fed.

use std::fmt::Write;
use std::path::Path;

use collector::{Decoded, Decoder, Input};
use model::{Clock, SystemClock, Timestamp};
use store::InvocationRows;

use crate::commands::{complain, say, tell};
use crate::config::{Config, ConfigFiles, Overrides, Surroundings};
use crate::exit::Exit;
use crate::surroundings;

/// The most bytes of a sample that are read.
const SAMPLE_BYTES_MAX: usize = 16 << 20;

/// Reads the file as the source would; refused lines are findings.
pub fn run(main: &Path, sample: &[String]) -> Exit {
    let [file, source] = sample else {
        return complain("--sample takes a file and a source", Exit::Usage);
    };
    let now = SystemClock::new().now();
    let surroundings = Surroundings {
        variable: &surroundings::variable,
        secret_file: &surroundings::secret_file,
        now,
    };
    let files = match ConfigFiles::load(main) {
        Ok((files, _)) => files,
        Err(error) => return complain(&error.to_string(), Exit::InvalidConfiguration),
    };
    let config = match Config::parse(&files, &Overrides::default(), &surroundings) {
        Ok((config, _)) => config,
        Err(problems) => {
            tell(&problems.to_string());
            return Exit::InvalidConfiguration;
        }
    };
    let bytes = match std::fs::read(file) {
        Ok(bytes) => bytes,
        Err(error) => return complain(&format!("{file}: {error}"), Exit::Failed),
    };
    match decode(
        &config.collector,
        source,
        &bytes[..bytes.len().min(SAMPLE_BYTES_MAX)],
        now,
    ) {
        Ok(decoded) => {
            say(&describe(&decoded));
            if decoded.rejected.total() == 0 {
                Exit::Fine
            } else {
                Exit::Findings
            }
        }
        Err(message) => complain(&message, Exit::Usage),
    }
}

fn decode(
    config: &collector::Config,
    name: &str,
    bytes: &[u8],
    now: Timestamp,
) -> Result<Decoded, String> {
    let Some(source) = config.sources.iter().find(|source| source.name == name) else {
        let known: Vec<&str> = config
            .sources
            .iter()
            .map(|source| source.name.as_str())
            .collect();
        return Err(format!(
            "there is no source `{name}`; declared: {}",
            known.join(", ")
        ));
    };
    if let Input::Scrape(_) = source.input {
        return Err(format!(
            "source `{name}` is scraped; samples are for sources that read lines"
        ));
    }
    Ok(
        Decoder::new(source.format.clone(), source.meaning.clone()).decode(
            bytes,
            now,
            &mut InvocationRows::new(),
        ),
    )
}

fn describe(decoded: &Decoded) -> String {
    let functions: Vec<String> = decoded.functions.iter().map(ToString::to_string).collect();
    let mut text = format!("{} rows", decoded.accepted);
    if !functions.is_empty() {
        let _ = write!(text, " of {}", functions.join(", "));
    }
    let _ = writeln!(
        text,
        "; {} lines skipped, {} refused",
        decoded.skipped,
        decoded.rejected.total()
    );
    for refusal in &decoded.refusals {
        let _ = writeln!(text, "line {}: {}", refusal.line, refusal.reason);
    }
    text
}
