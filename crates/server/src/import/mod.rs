//! `flagwire-server import` and `flagwire-server export`: environments from elsewhere to flags files, and back.
//!
//! The flow of an import: `fetch` (or files) brings what another server serves, [`flagwire_flags_file::import`] writes it as a flags
//! file, that text is read again, and [`flagwire_flags_file::proof`] evaluates both for targets that reach every rule. Only then are
//! files written, all of them or, where one environment fails, none.

mod fetch;
mod files;

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use flagwire_evaluation::Snapshot;
use secrecy::SecretString;

use crate::config::{ExportOptions, ImportOptions};
use crate::plan::{address, key_in};
use crate::source::file::FileSource;
use flagwire_flags_file::import::{Source, convert};
use flagwire_flags_file::proof;

/// The time between two lines about the progress of a proof.
const BETWEEN_LINES: Duration = Duration::from_secs(5);

/// The path of the flags file if none is given.
const FLAGS_FILE: &str = "flags.yaml";

/// An environment, ready to be written.
struct Imported {
    name: String,
    /// The path of its flags file.
    path: PathBuf,
    text: String,
    flags: usize,
    groups: usize,
    /// Whether everything in the source was carried over.
    whole: bool,
    server_key: Option<SecretString>,
    client_key: Option<SecretString>,
}

/// Runs an import. The result goes to standard output, mistakes and progress to standard error. Returns whether
/// everything was carried over and serves the same.
///
/// # Errors
/// The error of writing to standard output.
pub(crate) async fn import(options: &ImportOptions) -> io::Result<bool> {
    let imported = match all(options).await {
        Ok(imported) => imported,
        Err(sentence) => {
            eprintln!("{sentence}");
            eprintln!("nothing was written");
            return Ok(false);
        }
    };
    if let Err(sentence) = files::write(options, &imported) {
        eprintln!("{sentence}");
        return Ok(false);
    }
    let mut out = io::stdout();
    for one in &imported {
        let (flags, groups) = (one.flags, one.groups);
        writeln!(
            out,
            "{} written: {flags} flags, {groups} groups",
            one.path.display()
        )?;
    }
    if let Some(config) = &options.config {
        writeln!(out, "{} written", config.display())?;
    }
    write!(out, "{}", next_steps(options, &imported))?;
    Ok(imported.iter().all(|one| one.whole))
}

/// Runs an export. Mistakes go to standard error. Returns whether it succeeded.
///
/// # Errors
/// The error of writing to standard output.
pub(crate) fn export(options: &ExportOptions) -> io::Result<bool> {
    let parsed = match FileSource::check(&options.file) {
        Ok(parsed) => parsed,
        Err(error) => {
            eprintln!("{error}");
            return Ok(false);
        }
    };
    let text = flagwire_flags_file::export(&parsed.configuration, &options.environment_name);
    let Some(path) = &options.out else {
        io::stdout().write_all(text.as_bytes())?;
        return Ok(true);
    };
    match files::write_one(path, &text, options.force) {
        Ok(()) => Ok(true),
        Err(sentence) => {
            eprintln!("{sentence}");
            Ok(false)
        }
    }
}

/// Returns all environments that were asked for.
async fn all(options: &ImportOptions) -> Result<Vec<Imported>, String> {
    let keys: Vec<SecretString> = secrets(&options.api_key_files)?;
    let client_keys: Vec<SecretString> = secrets(&options.client_key_files)?;
    let several = keys.len().max(1);
    for (given, option) in [
        (options.environment_names.len(), "--environment-name"),
        (client_keys.len(), "--client-key-file"),
    ] {
        if given > several {
            return Err(format!(
                "{option} is given {given} times for {several} environment{}; give it once for each --api-key-file at most",
                if several == 1 { "" } else { "s" }
            ));
        }
    }
    if several == 1 {
        // This is checked before any server is asked.
        files::must_have_a_directory(&single_path(options))?;
        files::must_be_free(&single_path(options), options.force)?;
    }
    if let Some(config) = &options.config {
        files::must_have_a_directory(config)?;
        files::must_be_free(config, options.force)?;
    }
    let mut sources = Vec::new();
    if let Some(from) = &options.from {
        let base = address(from).map_err(|_| {
            format!("`{from}` is not an address to import from; write it like https://config.ff.harness.io/api/1.0")
        })?;
        for (key, path) in keys.iter().zip(&options.api_key_files) {
            let shown = path.display();
            let fetched = fetch::fetch(&base, key, |said| eprintln!("{shown}: {said}")).await;
            let fetched = fetched.map_err(|sentence| format!("{shown}: {sentence}"))?;
            sources.push((fetched.source, fetched.environment));
        }
    } else {
        sources.push((from_files(options)?, None));
    }
    let mut imported: Vec<Imported> = Vec::new();
    for (at, (source, said)) in sources.into_iter().enumerate() {
        let given = options.environment_names.get(at).cloned();
        let name = given.or(said).unwrap_or_else(|| "production".to_owned());
        let path = if several == 1 {
            single_path(options)
        } else {
            let directory = options.out.clone().unwrap_or_default();
            directory.join(format!("{}.yaml", files::file_name(&name)))
        };
        if imported
            .iter()
            .any(|other| other.name == name || other.path == path)
        {
            return Err(format!(
                "two of the keys are for the environment `{name}`; give each its own name with --environment-name"
            ));
        }
        files::must_be_free(&path, options.force)?;
        let mut one = proven(options, &name, &source)?;
        one.path = path;
        one.server_key = keys.get(at).cloned();
        one.client_key = client_keys.get(at).cloned();
        imported.push(one);
    }
    Ok(imported)
}

/// Returns the path of the flags file of the only environment.
fn single_path(options: &ImportOptions) -> PathBuf {
    options
        .out
        .clone()
        .unwrap_or_else(|| PathBuf::from(FLAGS_FILE))
}

fn secrets(paths: &[PathBuf]) -> Result<Vec<SecretString>, String> {
    let read =
        |path: &PathBuf| key_in(path).map_err(|error| format!("{}: {error}", path.display()));
    paths.iter().map(read).collect()
}

fn from_files(options: &ImportOptions) -> Result<Source, String> {
    let mut source = Source::default();
    for path in &options.from_files {
        let wrong = |sentence: String| format!("{}: {sentence}", path.display());
        let text =
            crate::files::read_text_at_start(path).map_err(|error| wrong(error.to_string()))?;
        let environment = options.environment_names.first().map(String::as_str);
        source.add_file(&text, environment).map_err(wrong)?;
    }
    Ok(source)
}

/// Converts a source, and proves that the file serves what the source serves.
fn proven(options: &ImportOptions, name: &str, source: &Source) -> Result<Imported, String> {
    let original = &source.configuration;
    if original.flags.is_empty() && original.segments.is_empty() {
        return Err(format!(
            "{name}: there is nothing in this environment; if that is not so, the key is of another one, or a relay in between has not loaded it"
        ));
    }
    let unknown: Vec<String> = source
        .unknown
        .iter()
        .filter(|unknown| !options.ignored.contains(&unknown.name))
        .map(|unknown| format!("{name}: {unknown}"))
        .collect();
    if !unknown.is_empty() {
        return Err(format!(
            "{}\nwhat is unknown may decide what somebody is served, so it counts as a difference; if you know that it does not, name it with --ignore",
            first_ten(&unknown)
        ));
    }
    let conversion = convert(original, &heading(options, name));
    let parsed = flagwire_flags_file::parse_whole(&conversion.text).map_err(|problems| {
        let first = problems.first().map(ToString::to_string).unwrap_or_default();
        format!("{name}: the file that was written cannot be read, which is a fault of this program: {first}")
    })?;
    let written = parsed.configuration;
    let problems: Vec<String> = Snapshot::compile(written.flags.clone(), written.segments.clone())
        .problems()
        .iter()
        .map(ToString::to_string)
        .collect();
    if !problems.is_empty() {
        return Err(format!(
            "{name}: the file that was written does not pass its check, which is a fault of this program:\n{}",
            first_ten(&problems)
        ));
    }
    let carried = conversion.carried(original);
    let mut last = Instant::now();
    let proof = proof::prove(&carried, &written, |done, all| {
        if last.elapsed() >= BETWEEN_LINES {
            last = Instant::now();
            eprintln!("{name}: {done} of {all} targets compared");
        }
    });
    if proof.differing > 0 {
        let shown: String = proof.differences.iter().map(ToString::to_string).collect();
        return Err(format!("{name}: {proof}\n{shown}"));
    }
    println!("{name}: {proof}");
    for refusal in &conversion.refused {
        eprintln!("{name}: not carried over: {refusal}");
    }
    if !conversion.remarks.is_empty() {
        eprintln!(
            "{name}: {} things that have no effect were left out; a comment in the file says each",
            conversion.remarks.len()
        );
    }
    Ok(Imported {
        name: name.to_owned(),
        path: PathBuf::new(),
        text: conversion.text,
        flags: written.flags.len(),
        groups: written.segments.len(),
        whole: conversion.refused.is_empty(),
        server_key: None,
        client_key: None,
    })
}

/// Returns the comment at the start of the file. It has no date, so that the same flags give the same file.
fn heading(options: &ImportOptions, name: &str) -> Vec<String> {
    let from = match &options.from {
        Some(from) => from.clone(),
        None => {
            let names = options
                .from_files
                .iter()
                .map(|path| path.file_name().unwrap_or_default());
            names
                .map(|name| name.to_string_lossy())
                .collect::<Vec<_>>()
                .join(", ")
        }
    };
    vec![format!(
        "The flags of `{name}`, imported from {from} by flagwire-server. From here on they are edited in this file."
    )]
}

fn first_ten(lines: &[String]) -> String {
    let mut shown = lines.iter().take(10).cloned().collect::<Vec<_>>();
    if let Some(more) = lines.len().checked_sub(10).filter(|more| *more > 0) {
        shown.push(format!("and {more} more"));
    }
    shown.join("\n")
}

/// Returns what to do next: two commands, and the line to change in an application.
fn next_steps(options: &ImportOptions, imported: &[Imported]) -> String {
    let quoted = |path: &Path| files::shell_quoted(&path.display().to_string());
    let paths: Vec<String> = imported.iter().map(|one| quoted(&one.path)).collect();
    let start = match (&options.config, imported.first()) {
        (Some(config), _) => format!("flagwire-server --config {}", quoted(config)),
        (None, Some(one)) => {
            let server_keys = match options.api_key_files.first() {
                Some(path) => format!("FLAGWIRE_SERVER_KEYS=\"$(cat {})\" ", quoted(path)),
                None => String::new(),
            };
            format!(
                "{server_keys}flagwire-server --flags {} --environment {}",
                quoted(&one.path),
                files::shell_quoted(&one.name)
            )
        }
        (None, None) => String::new(),
    };
    let was = match &options.from {
        Some(from) => format!(" // was: {from}"),
        None => String::new(),
    };
    format!(
        "\nNext:\n  flagwire-server check {}\n  {start}\nand in the application, the address that its SDK is given:\n  baseUrl: \"http://127.0.0.1:7700/api/1.0\", eventUrl: \"http://127.0.0.1:7700/api/1.0\"{was}\n",
        paths.join(" ")
    )
}
