//! `flagwire-server import` and `flagwire-server export`: environments from elsewhere to flags files, and back.
//!
//! The flow of an import: `fetch` (or files) brings what another server serves, [`flagwire_flags_file::import`] writes it as a flags
//! file, that text is read again, and [`flagwire_flags_file::proof`] evaluates both for targets that reach every rule. Only then are
//! files written, all of them or, where one environment fails, none.

mod fetch;
mod files;
mod management;
mod spot_checks;

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use flagwire_evaluation::Snapshot;
use flagwire_evaluation::model::Configuration;
use reqwest::Url;
use secrecy::SecretString;

use self::management::{ManagementApi, Scope};
use crate::config::{ExportOptions, ImportOptions};
use crate::plan::{address, key_in};
use crate::source::file::FileSource;
use flagwire_flags_file::import::{Conversion, Described, Source, convert_described};
use flagwire_flags_file::proof;

/// The time between two lines about the progress of a proof.
const BETWEEN_LINES: Duration = Duration::from_secs(5);

/// The path of the flags file if none is given.
const FLAGS_FILE: &str = "flags.yaml";

/// What is said if there is no token for the management API.
const WITHOUT_TOKEN: &str = "descriptions, tags, owners and archived flags are not in what back ends get; to bring them along, give a token for Harness's management API with --admin-token-file";

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
    let management = ManagementApi::new(options)?;
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
    if !client_keys.is_empty() && options.from.is_none() && options.config.is_none() {
        return Err("a client key is of use with --from, to ask for what is served, or with --config, to let it in; leave --client-key-file out".to_owned());
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
        for (at, (key, path)) in keys.iter().zip(&options.api_key_files).enumerate() {
            let shown = path.display();
            let given = options.environment_names.get(at).cloned();
            let fetched = from_service(&base, key, options, management.as_ref(), given, |said| {
                eprintln!("{shown}: {said}");
            });
            let fetched = fetched.await;
            sources.push(fetched.map_err(|sentence| format!("{shown}: {sentence}"))?);
        }
        if management.is_none() {
            eprintln!("{WITHOUT_TOKEN}");
        }
    } else {
        let name = options.environment_names.first().cloned();
        sources.push(Given {
            source: from_files(options)?,
            name: name.unwrap_or_else(default_name),
            described: Described::default(),
        });
    }
    let mut imported: Vec<Imported> = Vec::new();
    for (at, given) in sources.into_iter().enumerate() {
        let name = given.name.clone();
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
        let mut one = proven(options, &given, client_keys.get(at)).await?;
        one.path = path;
        one.server_key = keys.get(at).cloned();
        one.client_key = client_keys.get(at).cloned();
        imported.push(one);
    }
    Ok(imported)
}

/// An environment as it was read.
struct Given {
    source: Source,
    /// The environment's name.
    name: String,
    described: Described,
}

fn default_name() -> String {
    "production".to_owned()
}

/// Fetches an environment, and what the management API knows of it.
async fn from_service(
    base: &Url,
    key: &SecretString,
    options: &ImportOptions,
    management: Option<&ManagementApi>,
    name: Option<String>,
    mut said: impl FnMut(&str),
) -> Result<Given, String> {
    let fetched = fetch::fetch(base, key, &mut said).await?;
    let mut source = fetched.source;
    let claimed = fetched.session.environment_name().map(str::to_owned);
    let name = name.or(claimed).unwrap_or_else(default_name);
    let described = match management {
        Some(api) => {
            let scope = Scope::new(options, &fetched.session, &name)?;
            let management = api.fetch(&scope, &mut said).await?;
            source.describe(&management)
        }
        None => Described::default(),
    };
    Ok(Given {
        source,
        name,
        described,
    })
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

/// Converts a source, and proves that the file serves what the source serves. With a client key, the old service is asked as well.
async fn proven(
    options: &ImportOptions,
    given: &Given,
    client_key: Option<&SecretString>,
) -> Result<Imported, String> {
    let Given {
        source,
        name,
        described,
    } = given;
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
    let conversion = convert_described(original, &heading(options, name), described);
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
    if let (Some(key), Some(from)) = (client_key, &options.from)
        && options.spot_checks > 0
    {
        ask(from, key, name, &written, &conversion, options.spot_checks).await?;
    }
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

/// Asks the old service for some targets what it serves them, and prints the result in a line.
///
/// # Errors
/// The differences, or why it cannot be asked.
async fn ask(
    from: &str,
    key: &SecretString,
    name: &str,
    written: &Configuration,
    conversion: &Conversion,
    count: usize,
) -> Result<(), String> {
    let wrong = |sentence: String| format!("{name}: {sentence}");
    let base = address(from).map_err(|error| wrong(error.to_string()))?;
    let refused = conversion.refused.iter();
    let refused = refused.map(|refusal| refusal.identifier.clone()).collect();
    let mut said = |said: &str| eprintln!("{name}: {said}");
    let asked = spot_checks::spot_checks(&base, key, written, &refused, count, &mut said);
    let asked = asked.await.map_err(wrong)?;
    if asked.differing > 0 {
        let shown: String = asked.differences.iter().map(ToString::to_string).collect();
        return Err(format!(
            "{name}: the service itself was asked: {asked}\n{shown}if somebody has changed a flag there meanwhile, import again"
        ));
    }
    println!("{name}: the service itself was asked: {asked}");
    Ok(())
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
