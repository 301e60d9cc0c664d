//! Reads and writes the lines of the log. Everything here blocks.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::LoggedChange;
use crate::files::write::{directory_of, write_if};

/// A log that is longer is cut to half of this.
pub(crate) const MAX_LOG_BYTES: u64 = 4 * 1024 * 1024;

/// A log that cannot be cut gets no further lines once it is this long.
const MOST_BYTES: u64 = 2 * MAX_LOG_BYTES;

/// Appends lines to the first of these files, or to the second one if the first cannot be written where it is.
///
/// # Errors
/// The error of the system.
pub(super) fn append([beside, fallback]: &[PathBuf; 2], lines: &[u8]) -> io::Result<()> {
    match append_to(beside, lines) {
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::PermissionDenied
                    | io::ErrorKind::ReadOnlyFilesystem
                    | io::ErrorKind::NotFound
            ) =>
        {
            fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(directory_of(fallback))?;
            append_to(fallback, lines)
        }
        other => other,
    }
}

fn append_to(path: &Path, lines: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)?;
    let length = file.metadata()?.len();
    if length > MOST_BYTES {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            "it is too long and cannot be cut; move it away",
        ));
    }
    // A crash or a full disk may have left half a line, which must not swallow the next one.
    let torn = length > 0 && {
        let mut last = [0];
        file.read_exact_at(&mut last, length - 1)?;
        last != *b"\n"
    };
    let begin: &[u8] = if torn { b"\n" } else { b"" };
    let written = file.write_all(&[begin, lines].concat());
    if let Err(error) = written.and_then(|()| file.sync_data()) {
        drop(file.set_len(length));
        return Err(error);
    }
    if length + lines.len() as u64 > MAX_LOG_BYTES {
        cut(path, &file)?;
    }
    Ok(())
}

/// Drops the oldest lines, so that half of the limit is left.
fn cut(path: &Path, file: &File) -> io::Result<()> {
    let real = fs::canonicalize(path)?;
    let bytes = fs::read(&real)?;
    let keep = usize::try_from(MAX_LOG_BYTES / 2).unwrap_or(usize::MAX);
    let start = bytes.len().saturating_sub(keep);
    let kept = bytes.get(start..).unwrap_or_default();
    let line = kept.iter().position(|byte| *byte == b'\n');
    let kept = line.and_then(|end| kept.get(end + 1..)).unwrap_or_default();
    let permissions = file.metadata()?.permissions();
    write_if(&real, kept, Some(permissions), || true)
}

/// Returns the changes of both files, the oldest first, and the places of the lines that are damaged.
///
/// # Errors
/// The error of the system. A file that is missing is an empty one.
pub(super) fn read(
    [beside, fallback]: &[PathBuf; 2],
) -> io::Result<(Vec<LoggedChange>, Vec<String>)> {
    let (mut changes, mut damaged) = (Vec::new(), Vec::new());
    let mut files = 0;
    for path in [fallback, beside] {
        let before = changes.len();
        read_from(path, &mut changes, &mut damaged)?;
        files += usize::from(changes.len() > before);
    }
    if files > 1 {
        changes.sort_by(|one, other| one.at.cmp(&other.at));
    }
    Ok((changes, damaged))
}

fn read_from(
    path: &Path,
    changes: &mut Vec<LoggedChange>,
    damaged: &mut Vec<String>,
) -> io::Result<()> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    file.take(MOST_BYTES * 2).read_to_end(&mut bytes)?;
    for (line, number) in bytes.split(|byte| *byte == b'\n').zip(1_usize..) {
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        match serde_json::from_slice(line) {
            Ok(change) => changes.push(change),
            Err(_) => damaged.push(format!("{}:{number}", path.display())),
        }
    }
    Ok(())
}
