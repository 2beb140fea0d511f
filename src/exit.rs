//! Exit codes: a contract for scripts.

use std::process::ExitCode;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Everything as asked.
    Fine,
    /// It was tried and failed.
    Failed,
    /// The command line makes no sense.
    Usage,
    /// It ran and found something: advice, a failed rule test.
    Findings,
    /// The configuration is invalid (`EX_CONFIG` of sysexits.h).
    InvalidConfiguration,
    /// A load test's figures must not be believed.
    InvalidResult,
    /// A load test missed its objective.
    ThresholdCrossed,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(match exit {
            Exit::Fine => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::Findings => 3,
            Exit::InvalidConfiguration => 78,
            Exit::InvalidResult => 98,
            Exit::ThresholdCrossed => 99,
        })
    }
}
