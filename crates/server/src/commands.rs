//! Runs the commands of the program, other than serving.

use std::collections::BTreeSet;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use crate::config::Command;
use crate::import;
use crate::source::file::FileSource;
use flagwire_flags_file::{SCHEMA, sdks};

/// Runs a command. Its result goes to standard output, mistakes to standard error.
pub async fn run(command: &Command) -> ExitCode {
    let done = match command {
        Command::Schema => io::stdout().write_all(SCHEMA.as_bytes()).map(|()| true),
        Command::Check { files, sdks } => check(files, *sdks),
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

/// Checks flags files and returns whether all are without mistakes. Warnings are printed, and do not count as mistakes. With
/// `sdks`, the flags that published SDKs evaluate otherwise are listed, too.
fn check(files: &[PathBuf], sdks: bool) -> io::Result<bool> {
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
            Some(summary) => {
                writeln!(io::stdout(), "{summary}")?;
                if sdks {
                    list_sdks(&name, &bytes)?;
                }
            }
            None => good = false,
        }
    }
    Ok(good)
}

/// Lists the flags of a file without mistakes that published SDKs evaluate otherwise.
fn list_sdks(name: &str, bytes: &[u8]) -> io::Result<()> {
    let Ok(parsed) = flagwire_flags_file::parse_bytes(bytes) else {
        return Ok(());
    };
    let mut out = io::stdout();
    let found = sdks::find(&parsed.configuration);
    for finding in &found {
        writeln!(out, "{name}:{}", finding.at(&parsed.places))?;
    }
    let versions = sdks::SDKS.map(|sdk| sdk.to_string()).join(", ");
    let flags: BTreeSet<&str> = found.iter().map(|one| one.flag.as_str()).collect();
    match flags.len() {
        0 => writeln!(out, "{name}: {versions} evaluate all flags alike"),
        1 => writeln!(
            out,
            "{name}: 1 flag may be evaluated otherwise by an SDK of {versions}"
        ),
        some => writeln!(
            out,
            "{name}: {some} flags may be evaluated otherwise by an SDK of {versions}"
        ),
    }
}
