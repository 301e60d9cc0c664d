//! Flags from a file, reloaded as it is saved.
//!
//! Two things tell of a change: the system's notifications for the directory, which are quick, and a look at the
//! content every two seconds, which misses nothing. Directories are watched, not the file: editors rename a new file
//! over the old one, and Kubernetes swaps a link further up. The content decides whether anything changed, so it does not
//! matter how it got there.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use notify::{RecursiveMode, Watcher as _};
use sha2::{Digest, Sha256};
use tokio::sync::{Notify, watch};

use super::{
    BoxFuture, Configuration, Edit, EditError, Editor, Origin, Source, SourceState, SourceStatus,
};
use crate::environment::Environment;
use crate::flags_file::{self, MAX_FILE_BYTES, Problem, edit, write};

/// How long a file may go unnoticed where the system sends no notifications.
const POLL: Duration = Duration::from_secs(2);

/// A file counts as saved once two looks this far apart find the same in it.
const SETTLE: Duration = Duration::from_millis(20);

/// Looks before a file that never settles is read as it is.
const MAX_LOOKS: usize = 50;

/// Why a flags file cannot be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// It cannot be read.
    #[error("{path}: {error}")]
    Io {
        /// The file.
        path: String,
        /// What the system says.
        error: io::Error,
    },
    /// It has mistakes, at least one. Printed one a line as `path:line:column: reason`.
    #[error("{}", lines(path, problems))]
    Invalid {
        /// The file.
        path: String,
        /// The mistakes, in the order of the file.
        problems: Vec<Problem>,
    },
}

fn lines(path: &str, problems: &[Problem]) -> String {
    let lines: Vec<String> = problems
        .iter()
        .map(|problem| format!("{path}:{problem}"))
        .collect();
    lines.join("\n")
}

/// A flags file.
#[derive(Debug)]
pub struct FileSource {
    file: Arc<FlagsFile>,
    first: Option<Configuration>,
}

/// What the watching task and the editor share.
#[derive(Debug)]
struct FlagsFile {
    path: PathBuf,
    /// Hash of the content last looked at, good or bad. Held while a content is read and put in force.
    seen: Mutex<Option<[u8; 32]>>,
}

impl FileSource {
    /// Reads the file for the first time.
    ///
    /// # Errors
    /// [`LoadError`]
    pub fn open(path: &Path) -> Result<Self, LoadError> {
        let file = FlagsFile {
            path: path.to_owned(),
            seen: Mutex::default(),
        };
        let text = file.read()?;
        let first = file.parse(&text)?;
        *file.seen.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(Sha256::digest(&text).into());
        Ok(Self {
            file: Arc::new(file),
            first: Some(first),
        })
    }

    /// The same, or a source that waits for the file where there is none yet, as when it is mounted late.
    ///
    /// # Errors
    /// [`LoadError`] for a file that is there.
    pub fn open_or_wait(path: &Path) -> Result<Self, LoadError> {
        match Self::open(path) {
            Err(LoadError::Io { error, .. }) if error.kind() == io::ErrorKind::NotFound => {
                let file = Arc::new(FlagsFile {
                    path: path.to_owned(),
                    seen: Mutex::default(),
                });
                Ok(Self { file, first: None })
            }
            opened => opened,
        }
    }

    /// Whether there is no file yet.
    #[must_use]
    pub const fn waits(&self) -> bool {
        self.first.is_none()
    }

    /// What was read.
    #[must_use]
    pub fn into_configuration(self) -> Configuration {
        self.first.unwrap_or_default()
    }

    /// Writes the commented sample where there is no file yet. Returns whether it did.
    ///
    /// # Errors
    /// What the system says.
    pub fn write_sample(path: &Path) -> io::Result<bool> {
        match write::create(path, flags_file::SAMPLE.as_bytes()) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error),
        }
    }
}

impl FlagsFile {
    fn name(&self) -> String {
        self.path.display().to_string()
    }

    fn read(&self) -> Result<Vec<u8>, LoadError> {
        let wrap = |error| LoadError::Io {
            path: self.name(),
            error,
        };
        let mut bytes = Vec::new();
        std::fs::File::open(&self.path)
            .and_then(|file| file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes))
            .map_err(wrap)?;
        if bytes.len() as u64 > MAX_FILE_BYTES {
            return Err(wrap(io::Error::new(
                io::ErrorKind::FileTooLarge,
                format!("larger than {MAX_FILE_BYTES} bytes"),
            )));
        }
        Ok(bytes)
    }

    fn parse(&self, bytes: &[u8]) -> Result<Configuration, LoadError> {
        let invalid = |problems| LoadError::Invalid {
            path: self.name(),
            problems,
        };
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let line = bytes
                .iter()
                .take(error.valid_up_to())
                .filter(|byte| **byte == b'\n')
                .count()
                + 1;
            invalid(vec![Problem::whole(format!(
                "not UTF-8 text, in line {line}; save the file as UTF-8"
            ))])
        })?;
        // An empty file is far more often a file in the middle of being written than the wish to have no flags.
        if text.trim().is_empty() {
            return Err(invalid(vec![Problem::whole(
                "the file is empty; write `flags:` if no flags are wanted".to_owned(),
            )]));
        }
        flags_file::parse(text).map_err(invalid)
    }

    /// Looks at the file and puts what is new in it in force.
    fn reload(&self, environment: &Environment) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = match self.read() {
            Ok(bytes) => bytes,
            Err(error) => {
                // Gone is a state that can last; it is told once.
                if seen.take().is_some() {
                    tracing::warn!(
                        environment = environment.name(),
                        "{error}; what was loaded before stays in force"
                    );
                    environment.set_status(self.status(environment, Some(error.to_string())));
                }
                return;
            }
        };
        let hash: [u8; 32] = Sha256::digest(&bytes).into();
        if *seen == Some(hash) {
            return;
        }
        *seen = Some(hash);
        match self.parse(&bytes) {
            Ok(configuration) => {
                let flags = configuration.flags.len();
                let differences = environment.apply(configuration);
                tracing::info!(
                    environment = environment.name(),
                    file = self.name(),
                    flags,
                    changes = differences.len(),
                    "flags loaded"
                );
                environment.set_status(self.status(environment, None));
            }
            Err(error) => {
                for line in error.to_string().lines() {
                    tracing::error!(environment = environment.name(), "{line}");
                }
                tracing::error!(
                    environment = environment.name(),
                    "the flags file has mistakes; {}",
                    if environment.current().is_some() {
                        "what was loaded before stays in force"
                    } else {
                        "there is nothing to serve before they are mended"
                    }
                );
                environment.set_status(self.status(environment, Some(error.to_string())));
            }
        }
    }

    fn status(&self, environment: &Environment, error: Option<String>) -> SourceStatus {
        // From the first mistake on, what is served is no longer what the file says.
        let outdated_since = || {
            environment
                .status()
                .fresh_at
                .unwrap_or_else(SystemTime::now)
        };
        SourceStatus {
            source: self.name(),
            state: match (&error, environment.current()) {
                (None, _) => SourceState::Live,
                (Some(_), Some(_)) => SourceState::Degraded,
                (Some(_), None) => SourceState::Starting,
            },
            healthy: error.is_none(),
            fresh_at: error.is_some().then(outdated_since),
            error,
            warning: None,
            since: SystemTime::now(),
        }
    }

    /// Waits until two looks find the same, so that a file is not read in the middle of being written.
    async fn settle(&self) {
        let look = || {
            std::fs::read(&self.path)
                .ok()
                .map(|bytes| <[u8; 32]>::from(Sha256::digest(bytes)))
        };
        let mut last = look();
        for _ in 0..MAX_LOOKS {
            tokio::time::sleep(SETTLE).await;
            let next = look();
            if next == last {
                return;
            }
            last = next;
        }
    }

    /// The directories in which a change of the file can show: its own, and that of the file it links to.
    fn directories(&self) -> Vec<PathBuf> {
        let own = write::directory_of(&self.path).to_owned();
        let mut all = vec![own];
        if let Ok(real) = std::fs::canonicalize(&self.path) {
            let directory = write::directory_of(&real).to_owned();
            if std::fs::canonicalize(write::directory_of(&self.path))
                .ok()
                .as_ref()
                != Some(&directory)
            {
                all.push(directory);
            }
        }
        all
    }
}

/// Keeps the right directories watched while links move.
struct Watch {
    watcher: Option<notify::RecommendedWatcher>,
    watched: Vec<PathBuf>,
}

impl Watch {
    fn new(changed: Arc<Notify>) -> Self {
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            // Reading a file is an event too, and this process reads it.
            if !matches!(
                event,
                Ok(notify::Event {
                    kind: notify::EventKind::Access(_),
                    ..
                })
            ) {
                changed.notify_one();
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
            watched: Vec::new(),
        }
    }

    fn follow(&mut self, wanted: Vec<PathBuf>) {
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

impl Source for FileSource {
    fn run(
        self: Box<Self>,
        environment: Arc<Environment>,
        mut stopping: watch::Receiver<bool>,
    ) -> BoxFuture<'static, ()> {
        let file = self.file;
        environment.set_editor(Some(Arc::clone(&file) as Arc<dyn Editor>));
        if let Some(first) = self.first {
            environment.apply(first);
            environment.set_status(file.status(&environment, None));
        } else {
            let waiting = format!(
                "{}: there is no such file yet; it is waited for",
                file.name()
            );
            tracing::warn!(environment = environment.name(), "{waiting}");
            environment.set_status(file.status(&environment, Some(waiting)));
        }
        Box::pin(async move {
            let changed = Arc::new(Notify::new());
            let mut watch = Watch::new(Arc::clone(&changed));
            let mut poll = tokio::time::interval(POLL);
            loop {
                watch.follow(file.directories());
                tokio::select! {
                    () = crate::serve::until(&mut stopping) => return,
                    () = changed.notified() => {}
                    _ = poll.tick() => {}
                }
                file.settle().await;
                let (file, environment) = (Arc::clone(&file), Arc::clone(&environment));
                if let Err(error) =
                    tokio::task::spawn_blocking(move || file.reload(&environment)).await
                {
                    tracing::error!(%error, "reading the flags file failed");
                }
            }
        })
    }
}

/// A flags file that replicas may each have a copy of.
#[derive(Debug)]
pub struct FileOrigin(pub PathBuf);

impl Origin for FileOrigin {
    fn name(&self) -> String {
        self.0.display().to_string()
    }

    fn open(&self) -> Result<Box<dyn Source>, String> {
        let file = FileSource::open(&self.0).map_err(|error| error.to_string())?;
        Ok(Box::new(file))
    }

    fn editable(&self) -> bool {
        true
    }

    /// The file is what is kept.
    fn restore(&self, _: &Environment) {}

    fn aside(
        &self,
        _: Arc<Environment>,
        mut stopping: watch::Receiver<bool>,
    ) -> BoxFuture<'static, ()> {
        Box::pin(async move { crate::serve::until(&mut stopping).await })
    }
}

impl Editor for FlagsFile {
    fn edit(&self, environment: &Environment, flag: &str, edit: &Edit) -> Result<(), EditError> {
        let io = |error| EditError::Io {
            path: self.name(),
            error,
        };
        {
            // Nobody reloads while the file is being changed here.
            let _seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            let bytes = std::fs::read(&self.path).map_err(io)?;
            let text = String::from_utf8(bytes)
                .map_err(|_| EditError::Refused("the flags file is not UTF-8 text".to_owned()))?;
            let edited = edit::apply(&text, flag, edit)?;
            if edited != text {
                write::replace(&self.path, edited.as_bytes()).map_err(io)?;
            }
        }
        self.reload(environment);
        Ok(())
    }
}
