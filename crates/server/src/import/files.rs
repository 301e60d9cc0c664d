//! Writes what was imported. Each file is written whole, and an existing file is replaced only if that is wanted.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use secrecy::ExposeSecret as _;

use super::Imported;
use crate::auth::Hashed;
use crate::config::ImportOptions;
use crate::files::write;

/// Checks that there is no such file yet, or that it may be overwritten.
///
/// # Errors
/// A sentence that says so, for people.
pub(super) fn must_be_free(path: &Path, force: bool) -> Result<(), String> {
    if !force && fs::symlink_metadata(path).is_ok() {
        return Err(format!(
            "{} is there already; name another file, or overwrite it with --force",
            path.display()
        ));
    }
    Ok(())
}

/// Checks that the directory of a file exists, before anything is fetched for the file.
///
/// # Errors
/// A sentence that says so, for people.
pub(super) fn must_have_a_directory(path: &Path) -> Result<(), String> {
    let directory = write::directory_of(path);
    if directory.is_dir() {
        return Ok(());
    }
    Err(format!(
        "there is no directory {} for {}; make it first",
        directory.display(),
        path.display()
    ))
}

/// Writes the flags files, and the configuration file if one is wanted.
///
/// # Errors
/// A sentence about the first file that cannot be written. Those before it were written.
pub(super) fn write(options: &ImportOptions, imported: &[Imported]) -> Result<(), String> {
    if imported.len() > 1
        && let Some(directory) = &options.out
    {
        fs::create_dir_all(directory).map_err(|error| sentence(directory, &error))?;
    }
    for one in imported {
        write_one(&one.path, &one.text, options.force)?;
    }
    if let Some(path) = &options.config {
        let text = configuration(path, imported);
        write_private(path, &text, options.force).map_err(|error| sentence(path, &error))?;
    }
    Ok(())
}

/// Writes one file whole.
///
/// # Errors
/// A sentence that says why the file cannot be written.
pub(super) fn write_one(path: &Path, text: &str, force: bool) -> Result<(), String> {
    let created = write::create(path, text.as_bytes());
    let done = match created {
        Err(error) if force && error.kind() == io::ErrorKind::AlreadyExists => {
            write::replace(path, text.as_bytes(), || true)
        }
        other => other,
    };
    done.map_err(|error| sentence(path, &error))
}

/// Writes a file that its owner alone can read.
fn write_private(path: &Path, text: &str, force: bool) -> io::Result<()> {
    if force {
        return write::write_if(path, text.as_bytes(), None, || true);
    }
    let mut file = write::unfinished_in(write::directory_of(path))?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist_noclobber(path).map_err(|error| error.error)?;
    Ok(())
}

fn sentence(path: &Path, error: &io::Error) -> String {
    let path = path.display();
    match error.kind() {
        io::ErrorKind::AlreadyExists => {
            format!("{path} is there already; name another file, or overwrite it with --force")
        }
        _ => format!("{path} cannot be written: {error}"),
    }
}

/// Returns the text of the configuration file. It holds the hashes of the keys: nobody can sign in with a hash, and the
/// keys stay valid.
fn configuration(path: &Path, imported: &[Imported]) -> String {
    let directory = write::directory_of(path);
    let mut text = String::from(
        "# Written by `flagwire-server import`. Keys are there as their hashes; a new one can be added as it is.\nenvironments:\n",
    );
    for one in imported {
        // Relative paths in the file start at its directory.
        let flags = one.path.strip_prefix(directory).unwrap_or(&one.path);
        let flags = match flags.is_relative() && flags == one.path && directory != Path::new(".") {
            true => fs::canonicalize(&one.path).unwrap_or_else(|_| one.path.clone()),
            false => flags.to_owned(),
        };
        text.push_str(&format!(
            "  {}:\n    flags: {}\n",
            json(&one.name),
            json(&flags.display().to_string())
        ));
        for (keys, key) in [
            ("client-keys", &one.client_key),
            ("server-keys", &one.server_key),
        ] {
            if let Some(key) = key {
                let hash = Hashed::of(key.expose_secret()).written();
                text.push_str(&format!("    {keys}: [\"{hash}\"]\n"));
            }
        }
    }
    text
}

/// Returns a text in quotes, which YAML reads as JSON does.
fn json(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Returns a name without the characters that a file name should not have.
pub(super) fn file_name(name: &str) -> String {
    let legal = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    let text: String = name
        .chars()
        .map(|c| if legal(c) { c } else { '-' })
        .collect();
    text.trim_start_matches('.').to_owned()
}

/// Returns a text as one word for a shell.
pub(super) fn shell_quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+=,".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}
