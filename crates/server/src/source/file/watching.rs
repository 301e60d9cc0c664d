//! Receives the system's notifications about a file. Its directory is watched, and that of the file it links to.
//!
//! Directories are watched, not the file: editors rename a new file over the old one, and Kubernetes swaps a link further
//! up.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use notify::event::{AccessKind, AccessMode, ModifyKind, RenameMode};
use notify::{EventKind, RecursiveMode, Watcher as _};
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Notify;

use super::POLL;
use super::settling::Sign;
use crate::files::write::directory_of;

/// The notifications that were received and not yet taken.
#[derive(Debug, Default)]
pub(super) struct Signs {
    last: Mutex<Option<(Sign, Instant)>>,
    arrived: Notify,
}

impl Signs {
    /// Waits for a notification. Of several only the last one is returned, as it shows how the file is now.
    pub(super) async fn next(&self) -> (Sign, Instant) {
        loop {
            self.arrived.notified().await;
            if let Some(sign) = lock(&self.last).take() {
                return sign;
            }
        }
    }

    fn tell(&self, sign: Sign) {
        *lock(&self.last) = Some((sign, Instant::now()));
        self.arrived.notify_one();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock()
}

/// The file names in the watched directories whose events count: those of the file, of its target and of links on the
/// way.
type Names = Arc<Mutex<BTreeSet<OsString>>>;

/// Watches the directories of a file and of its target, also when links change. Its methods read the file system and
/// may block.
pub(super) struct Watch {
    watcher: Option<notify::RecommendedWatcher>,
    names: Names,
    watched: Vec<PathBuf>,
}

impl Watch {
    pub(super) fn new(signs: Arc<Signs>) -> Self {
        let names = Names::default();
        let relevant = Arc::clone(&names);
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            let sign = match event {
                Ok(event) => sign(&event, &relevant),
                // The system has lost events, so the file may have been written to.
                Err(_) => Some(Sign::Written),
            };
            if let Some(sign) = sign {
                signs.tell(sign);
            }
        });
        let watcher = match watcher {
            Ok(watcher) => Some(watcher),
            Err(error) => {
                tracing::warn!(%error, "no notifications of changed files; looking every {} s instead", POLL.as_secs());
                None
            }
        };
        Self {
            watcher,
            names,
            watched: Vec::new(),
        }
    }

    /// Watches the directories in which a change of the file at `path` can be seen.
    pub(super) fn follow(&mut self, path: &Path) {
        let real = std::fs::canonicalize(path).ok();
        let mut names = BTreeSet::new();
        for path in [Some(path), real.as_deref()].into_iter().flatten() {
            names.extend(path.file_name().map(OsString::from));
        }
        if let Ok(target) = std::fs::read_link(path) {
            names.extend(target.iter().map(OsString::from));
        }
        *lock(&self.names) = names;
        let mut wanted = vec![directory_of(path).to_owned()];
        if let Some(real) = real {
            let directory = directory_of(&real).to_owned();
            if std::fs::canonicalize(directory_of(path)).ok().as_ref() != Some(&directory) {
                wanted.push(directory);
            }
        }
        self.watch(wanted);
    }

    fn watch(&mut self, wanted: Vec<PathBuf>) {
        let Some(watcher) = &mut self.watcher else {
            return;
        };
        if wanted == self.watched {
            return;
        }
        for directory in &self.watched {
            drop(watcher.unwatch(directory));
        }
        self.watched = wanted
            .into_iter()
            .filter(
                |directory| match watcher.watch(directory, RecursiveMode::NonRecursive) {
                    Ok(()) => true,
                    Err(error) => {
                        tracing::debug!(%error, directory = %directory.display(), "cannot watch");
                        false
                    }
                },
            )
            .collect();
    }
}

/// Returns what an event means for the file; `None` if it does not concern it.
fn sign(event: &notify::Event, names: &Mutex<BTreeSet<OsString>>) -> Option<Sign> {
    if event.need_rescan() {
        return Some(Sign::Written);
    }
    let names = lock(names);
    let matters = |path: Option<&PathBuf>| {
        path.and_then(|path| path.file_name())
            .is_some_and(|name| names.contains(name))
    };
    let (first, last) = (event.paths.first(), event.paths.last());
    if !matters(first) && !matters(last) {
        return None;
    }
    match event.kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => Some(Sign::Closed),
        // Reading a file is an event too, and this process reads it.
        EventKind::Access(_) | EventKind::Modify(ModifyKind::Metadata(_)) => None,
        EventKind::Modify(ModifyKind::Name(RenameMode::From)) | EventKind::Remove(_) => {
            Some(Sign::Closed)
        }
        EventKind::Modify(ModifyKind::Name(_)) => Some(if matters(last) {
            Sign::Replaced
        } else {
            Sign::Closed
        }),
        // A link is complete once it exists; a new file has yet to be written.
        EventKind::Create(_) => Some(if last.is_some_and(|path| path.is_symlink()) {
            Sign::Replaced
        } else {
            Sign::Written
        }),
        _ => Some(Sign::Written),
    }
}
