//! Runs the commands of the program, other than serving.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use crate::config::Command;
use crate::import;
use crate::source::file::FileSource;
use flagwire_flags_file::SCHEMA;

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

/// Checks flags files and returns whether all are without mistakes. Warnings are printed, and do not count as mistakes.
fn check(files: &[PathBuf]) -> io::Result<bool> {
    let mut good = true;
    for file in files {
        let bytes = match FileSource::read(file) {
            Ok(bytes) => bytes,
            Err(error) => {
                eprintln!("{error}");
                good = false;
                continue;
            }
        };
        let name = file.display().to_string();
        let report = flagwire_flags_file::check(&name, &bytes);
        for line in &report.lines {
            eprintln!("{line}");
        }
        match report.summary(&name) {
            Some(summary) => writeln!(io::stdout(), "{summary}")?,
            None => good = false,
        }
    }
    Ok(good)
}
