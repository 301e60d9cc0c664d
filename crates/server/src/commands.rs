//! Runs the commands of the program, other than serving.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use crate::config::Command;
use crate::import;
use crate::source::file::{FileSource, mistakes};
use flagwire_flags_file::{Problem, SCHEMA};

/// Runs a command. Its result goes to standard output, mistakes to standard error.
pub async fn run(command: &Command) -> ExitCode {
    let done = match command {
        Command::Schema => io::stdout().write_all(SCHEMA.as_bytes()).map(|()| true),
        Command::Check { files } => check(files),
        Command::Import(options) => import::import(options).await,
        Command::Export(options) => import::export(options),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Returns a warning as a line such as `12:5: warning: reason`.
fn as_warning(problem: &Problem) -> String {
    let reason = problem.reason();
    match problem.place() {
        Some(place) => format!("{}:{}: warning: {reason}", place.line, place.column),
        None => format!(" warning: {reason}"),
    }
}

/// Checks flags files and returns whether all are without mistakes. Warnings are printed, and do not count as mistakes.
fn check(files: &[PathBuf]) -> io::Result<bool> {
    let mut good = true;
    for file in files {
        let parsed = match FileSource::check(file) {
            Ok(parsed) => parsed,
            Err(error) => {
                eprintln!("{error}");
                good = false;
                continue;
            }
        };
        for warning in &parsed.warnings {
            eprintln!("{}:{}", file.display(), as_warning(warning));
        }
        let mistakes = mistakes(&file.display().to_string(), &parsed);
        for mistake in &mistakes {
            eprintln!("{mistake}");
            good = false;
        }
        let (flags, groups) = (&parsed.configuration.flags, &parsed.configuration.segments);
        if mistakes.is_empty() {
            writeln!(
                io::stdout(),
                "{}: {}, {}, no mistakes",
                file.display(),
                count(flags.len(), "flag"),
                count(groups.len(), "group")
            )?;
        }
    }
    Ok(good)
}

/// Returns a number with its noun, as in "1 flag" and "2 flags".
fn count(number: usize, what: &str) -> String {
    let s = if number == 1 { "" } else { "s" };
    format!("{number} {what}{s}")
}
