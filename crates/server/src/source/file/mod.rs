//! Reads flags from a file, and reads it again whenever it is saved.
//!
//! A change is noticed in two ways: the system's notifications for the directory (`watching`), which are quick, and a
//! look every two seconds, which misses nothing. The content decides whether anything changed, so it does not matter
//! how it got there; `settling` decides when the file is whole. All work on the disk is done by the file's
//! `FileWorker`, outside the runtime: a disk that hangs is reported, and the last good configuration is served.

mod content;
mod recording;
mod settling;
mod signature;
#[cfg(test)]
mod tests;
mod watching;

use parking_lot::Mutex;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

pub use self::content::LoadError;
use self::content::{FileEditor, FlagsFile, Following, Loaded, Look};
use self::settling::{Settling, quiet_for};
use self::signature::Signature;
use self::watching::{Signs, Watch};
use super::doubt::Loss;
use super::{BoxFuture, Editor, Origin, Source};
use crate::environment::{Configuration, Document, Environment};
use crate::files::write;
use flagwire_flags_file::Parsed;

/// The time between two looks at the file. A change is found after this time where the system sends no notifications.
const POLL: Duration = Duration::from_secs(2);

/// Unfinished files of writers that were killed are removed once in this many looks.
const LOOKS_PER_SWEEP: u32 = 30;

/// A file saved less than this ago may be in the middle of being written when the server starts.
const YOUNG: Duration = Duration::from_secs(1);

/// At the start, a file that was saved just now must not change for this long before it is read.
const FIRST_QUIET: Duration = Duration::from_millis(150);

/// How long the start waits for a file that is being written.
const FIRST_PATIENCE: Duration = Duration::from_secs(30);

/// Why the start waits for a file that is missing.
const MISSING: &str = "there is no such file yet";

/// The source of an environment whose flags are in a file.
#[derive(Debug)]
pub struct FileSource {
    file: Arc<FlagsFile>,
    first: Result<Loaded, String>,
    /// Whether the source sets the editor of its environment. A server with replicas sets it in another place.
    names_editor: bool,
}

impl FileSource {
    /// Reads the file for the first time, as it is. Blocks.
    ///
    /// # Errors
    /// [`LoadError`]
    pub fn open(path: &Path) -> Result<Self, LoadError> {
        let file = FlagsFile::new(path);
        let first = file.load()?;
        Ok(Self {
            file: Arc::new(file),
            first: Ok(first),
            names_editor: true,
        })
    }

    /// Opens the file once it is whole. If there is no file yet, as when it is mounted late, or if it cannot be read in
    /// time, returns a source that waits for it.
    ///
    /// # Errors
    /// [`LoadError`] for a file that exists and cannot be used.
    pub async fn open_or_wait(path: &Path) -> Result<Self, LoadError> {
        let file = Arc::new(FlagsFile::new(path));
        let first = match first(&file).await {
            Ok(first) => Ok(first),
            Err(LoadError::Io { error, .. }) => match error.kind() {
                io::ErrorKind::NotFound => Err(MISSING.to_owned()),
                io::ErrorKind::TimedOut => Err(error.to_string()),
                _ => return Err(file.error(error)),
            },
            Err(error) => return Err(error),
        };
        Ok(Self {
            file,
            first,
            names_editor: true,
        })
    }

    /// Returns a sentence that says why there is nothing to serve yet; `None` if the file was read.
    #[must_use]
    pub fn waits(&self) -> Option<String> {
        let name = self.file.name();
        self.first.as_ref().err().map(|why| {
            if why == MISSING {
                format!("there is no {name} yet; it is served once it is there")
            } else {
                format!("{name}: {why}; it is served once it can be read")
            }
        })
    }

    /// Reads the bytes of a file, which may be a pipe, to check them. Blocks.
    ///
    /// # Errors
    /// [`LoadError::Io`]
    pub fn read(path: &Path) -> Result<Vec<u8>, LoadError> {
        FlagsFile::new(path).bytes()
    }

    /// Reads a file to check it. Returns its flags and groups with its warnings. Blocks.
    ///
    /// # Errors
    /// [`LoadError`]
    pub fn check(path: &Path) -> Result<Parsed, LoadError> {
        FlagsFile::new(path).load_whole()
    }

    /// Leaves the editor of the environment to the caller.
    #[must_use]
    pub(crate) fn without_editor(mut self) -> Self {
        self.names_editor = false;
        self
    }

    /// Returns what ends the file's part, when another source follows it.
    pub(crate) fn end(&self) -> FileEnd {
        FileEnd(Arc::clone(&self.file))
    }

    /// Writes the commented sample where there is no file yet. Returns whether it did. Blocks.
    ///
    /// # Errors
    /// The error of the system.
    pub fn write_sample(path: &Path) -> io::Result<bool> {
        match write::create(path, flagwire_flags_file::SAMPLE.as_bytes()) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// Ends the part that a flags file has in its environment.
#[derive(Debug)]
pub(crate) struct FileEnd(Arc<FlagsFile>);

impl FileEnd {
    /// Makes sure that nothing of the file is put in force any more, also by an edit that is under way.
    pub(crate) fn end(&self) {
        self.0.end();
    }
}

/// A flags file that was read once no process wrote to it, and has no mistakes.
#[derive(Debug)]
pub(crate) struct CheckedFile {
    file: Arc<FlagsFile>,
    pub(crate) configuration: Configuration,
    pub(crate) document: Arc<Document>,
    /// What `flagwire-server check` warns of.
    pub(crate) warnings: Vec<String>,
}

impl CheckedFile {
    /// Reads the file at `path`, and checks it as `flagwire-server check` does.
    ///
    /// # Errors
    /// A line for each mistake.
    pub(crate) async fn read(path: &Path) -> Result<Self, Vec<String>> {
        let file = Arc::new(FlagsFile::new(path));
        let unread = |error| vec![file.error(error).to_string()];
        settled(&file).await.map_err(unread)?;
        let read = Arc::clone(&file);
        let what = file.reading();
        let loaded = file.worker.run(&what, move |_| read.load_checked());
        let ((configuration, document), warnings) = loaded.await.map_err(unread)??;
        Ok(Self {
            warnings: warnings
                .iter()
                .map(|warning| format!("{}:{warning}", file.name()))
                .collect(),
            file,
            configuration,
            document,
        })
    }

    /// Whether the file still says the same.
    pub(crate) async fn is_unchanged(&self) -> bool {
        let (file, document) = (Arc::clone(&self.file), Arc::clone(&self.document));
        let what = self.file.reading();
        let same = self.file.worker.run(&what, move |_| file.is(&document));
        same.await.unwrap_or(false)
    }

    /// Returns the source that goes on with the file from here. It leaves the editor of the environment to the caller.
    pub(crate) fn source(&self) -> FileSource {
        let first = (self.configuration.clone(), Arc::clone(&self.document));
        FileSource {
            file: Arc::new(self.file.again()),
            first: Ok(first),
            names_editor: false,
        }
    }
}

/// Reads the file for the first time, once no process writes to it.
async fn first(file: &Arc<FlagsFile>) -> Result<Loaded, LoadError> {
    let wrap = |error| file.error(error);
    settled(file).await.map_err(wrap)?;
    let read = Arc::clone(file);
    let loaded = file.worker.run(&file.reading(), move |_| read.load()).await;
    loaded.map_err(wrap)?
}

/// Waits until no process writes to the file.
async fn settled(file: &Arc<FlagsFile>) -> io::Result<()> {
    let what = file.reading();
    let look = || {
        let looked = Arc::clone(file);
        file.worker.run(&what, move |_| Signature::at(&looked.path))
    };
    let mut seen = look().await.flatten()?;
    if !seen.is_younger_than(YOUNG) {
        return Ok(());
    }
    let began = Instant::now();
    let mut quiet = FIRST_QUIET;
    loop {
        sleep(quiet).await;
        let now = look().await.flatten()?;
        if now == seen {
            return Ok(());
        }
        if began.elapsed() > FIRST_PATIENCE {
            return Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "it is being written to without end",
            ));
        }
        seen = now;
        quiet = quiet_for(now.bytes);
    }
}

impl Source for FileSource {
    fn run(
        self: Box<Self>,
        environment: Arc<Environment>,
        mut stopping: watch::Receiver<bool>,
    ) -> BoxFuture<'static, ()> {
        let editor = self.editor(&environment).filter(|_| self.names_editor);
        let Self { file, first, .. } = *self;
        match first {
            // Other replicas may have served more than this file has. Such a loss is doubted like any other, by the
            // loop that follows.
            Ok((first, _))
                if environment
                    .current()
                    .is_some_and(|current| Loss::of(&current, &first).is_large()) =>
            {
                file.forget();
            }
            Ok((first, document)) => {
                environment.apply_document(first, document);
                environment.set_status(file.status(&environment, None));
            }
            Err(why) => {
                let waiting = format!("{}: {why}; it is waited for", file.name());
                tracing::warn!(environment = environment.name(), "{waiting}");
                environment.set_status(file.status(&environment, Some(waiting)));
            }
        }
        // The editor is set only now, as otherwise what was read before could undo a change.
        if editor.is_some() {
            environment.set_editor(editor);
        }
        Box::pin(async move {
            tokio::select! {
                () = crate::stopping::until(&mut stopping) => {}
                () = follow(&file, &environment) => {}
            }
        })
    }

    fn editor(&self, environment: &Arc<Environment>) -> Option<Arc<dyn Editor>> {
        Some(Arc::new(FileEditor::new(&self.file, environment)))
    }
}

/// Follows the file, and puts each new content of it in force. Never completes.
async fn follow(file: &Arc<FlagsFile>, environment: &Arc<Environment>) {
    let _following = Following(Arc::clone(environment));
    let what = file.reading();
    let signs = Arc::new(Signs::default());
    let watch = Arc::new(Mutex::new(Watch::new(Arc::clone(&signs))));
    let mut settling = Settling::default();
    let mut poll = tokio::time::interval(POLL);
    poll.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut looks = 0_u32;
    loop {
        let due = settling.due();
        let mut accepted = false;
        tokio::select! {
            (sign, at) = signs.next() => {
                settling.sign(sign, Instant::from_std(at));
                if settling.is_open() {
                    file.report_open(environment, settling.long_open(Instant::now()));
                }
                continue;
            }
            () = environment.accept_wanted() => accepted = true,
            () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {}
            _ = poll.tick(), if due.is_none() => {}
        }
        looks = looks.wrapping_add(1);
        let sweep = looks % LOOKS_PER_SWEEP == 1;
        let reading = settling.reading(Instant::now());
        let (file_, environment_, watch_) = (
            Arc::clone(file),
            Arc::clone(environment),
            Arc::clone(&watch),
        );
        let look = file.worker.run(&what, move |abandoned| {
            // A look before this one may still hold the lock, on a disk that hangs.
            if let Some(mut watch) = watch_.try_lock() {
                watch.follow(&file_.path);
            }
            if sweep {
                write::sweep_beside(&file_.path);
            }
            match reading {
                Some(reading) => file_.take(&environment_, reading, accepted, abandoned),
                None => file_.poll(&environment_),
            }
        });
        let look = look.await;
        let now = Instant::now();
        match look {
            Ok(Look::Nothing | Look::Read) => settling.done(),
            Ok(Look::Differs(signature)) => {
                settling.found(signature, now);
                file.report_open(environment, settling.long_open(now));
            }
            Ok(Look::Wait(quiet)) => settling.wait_for(quiet, now),
            Err(error) => {
                file.report_unreadable(environment, &error);
                settling.done();
            }
        }
    }
}

/// The origin of a flags file, of which each replica may have a copy.
#[derive(Debug)]
pub struct FileOrigin(pub PathBuf);

impl Origin for FileOrigin {
    fn name(&self) -> String {
        self.0.display().to_string()
    }

    fn open(&self) -> BoxFuture<'_, Result<Box<dyn Source>, String>> {
        Box::pin(async move {
            let file = Arc::new(FlagsFile::new(&self.0));
            let configuration = first(&file).await.map_err(|error| error.to_string())?;
            Ok(Box::new(FileSource {
                file,
                first: Ok(configuration),
                names_editor: false,
            }) as Box<dyn Source>)
        })
    }

    fn editable(&self) -> bool {
        true
    }

    fn file(&self) -> Option<PathBuf> {
        Some(self.0.clone())
    }

    /// Does nothing, as the flags file itself lasts through a restart.
    fn restore<'a>(&'a self, _: &'a Arc<Environment>) -> BoxFuture<'a, ()> {
        Box::pin(std::future::ready(()))
    }

    fn run_on_each_replica(
        &self,
        _: Arc<Environment>,
        mut stopping: watch::Receiver<bool>,
    ) -> BoxFuture<'static, ()> {
        Box::pin(async move { crate::stopping::until(&mut stopping).await })
    }
}
