//! Gathers the admin tokens from the options, the configuration file and the files that these name.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::auth::{AdminTokens, BadAdminToken, Hashed};
use crate::config::{ConfigError, Options};
use crate::config_file::AdminTokenOptions;
use crate::files;

/// The permissions of everybody but the owner.
const OTHERS: u32 = 0o077;

/// Returns all admin tokens. Relative paths in the list of the configuration file start at `directory`.
///
/// # Errors
/// [`ConfigError`], if a file cannot be read, or a token cannot be used.
pub(super) fn gather(
    options: &Options,
    listed: Vec<AdminTokenOptions>,
    directory: &Path,
) -> Result<AdminTokens, ConfigError> {
    let single = options.admin_token.map(AdminTokens::single);
    let mut tokens = single.unwrap_or_default();
    for one in listed {
        let name = one.name;
        let wrong = |what: &str| ConfigError::File(format!("admin token `{name}`: {what}"));
        let may = one
            .may
            .ok_or_else(|| wrong("set `may` to `read` or `edit`"))?;
        let token = match (one.token, one.token_file) {
            (Some(token), None) => token,
            (None, Some(file)) => {
                let text = read_secret(&directory.join(file))?;
                text.parse::<Hashed>()
                    .map_err(|error| BadAdminToken::Token(name.clone(), error))?
            }
            _ => return Err(wrong("set either `token` or `token-file`")),
        };
        tokens.add(&name, may, token)?;
    }
    if let Some(path) = &options.admin_tokens_file {
        let text = read_secret(path)?;
        tokens
            .add_lines(&text)
            .map_err(|error| unreadable(path, &error))?;
    }
    Ok(tokens)
}

/// Reads a file with secrets, and warns if others than its owner may read it as well. That does not stop the server, since
/// Kubernetes widens the permissions of everything on a volume that it mounts for a group.
fn read_secret(path: &Path) -> Result<String, ConfigError> {
    let text = files::read_text_at_start(path).map_err(|error| unreadable(path, &error))?;
    let asked: PathBuf = path.to_owned();
    let what = format!("reading {}", path.display());
    let mode = files::at_start(&what, move || std::fs::metadata(asked));
    let mode = mode.flatten().map_or(0, |found| found.permissions().mode());
    let secrets = text.lines().map(str::trim).filter(|line| {
        let hash = line.split_whitespace().last().unwrap_or("#");
        !line.starts_with('#') && !hash.starts_with("sha256:")
    });
    if mode & OTHERS != 0 && secrets.filter(|line| !line.is_empty()).count() > 0 {
        tracing::warn!(
            "{} holds admin tokens and can be used by others (mode {:o}); run chmod 600 on it, or write the tokens as `sha256:` and their hash",
            path.display(),
            mode & 0o777
        );
    }
    Ok(text)
}

fn unreadable(path: &Path, reason: &dyn std::fmt::Display) -> ConfigError {
    ConfigError::Unreadable {
        path: path.display().to_string(),
        reason: reason.to_string(),
    }
}
