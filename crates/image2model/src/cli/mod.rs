//! The command line: parse, start telemetry, run one command, exit code.

mod config;

use std::process::ExitCode;

/// Runs the command line; 0 is success, 1 a failure, 2 wrong usage or a start that cannot succeed.
#[must_use]
pub fn main() -> ExitCode {
    ExitCode::FAILURE
}
