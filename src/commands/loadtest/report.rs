//! `rampart loadtest report`: a result again, or two side by side.

use loadtest::plan::Output as Files;
use loadtest::report;

use crate::args::{Output, Remote, ReportArguments};
use crate::commands::{complain, say, tell};
use crate::exit::Exit;

/// Prints what a result says.
pub(super) fn run(remote: &Remote, arguments: &ReportArguments) -> Exit {
    match print(remote, arguments) {
        Ok(exit) => exit,
        Err(error) => complain(&error.to_string(), Exit::Failed),
    }
}

fn print(remote: &Remote, arguments: &ReportArguments) -> Result<Exit, report::ReportError> {
    let kept = report::read(&arguments.result)?;
    let text = match (&arguments.other, remote.output) {
        (Some(other), _) => report::compare(&kept, &report::read(other)?)?,
        (None, Output::Json) => String::from_utf8_lossy(&report::json::encode(&kept)?).into_owned(),
        (None, Output::Table | Output::Csv | Output::Arrow) => report::text(&kept),
    };
    let files = Files {
        html: arguments.html.clone(),
        junit: arguments.junit.clone(),
        ..Files::default()
    };
    for path in report::write(&files, &kept, None)? {
        tell(&format!("wrote {}", path.display()));
    }
    Ok(say(&text))
}
