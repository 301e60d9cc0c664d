//! Reads a flags file, puts its content in force and edits it. What reads or writes the disk here blocks, and is run by
//! the file's [`FileWorker`].

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use sha2::{Digest, Sha256};

use super::recording::{Before, Made};
use super::settling::{QUIET_FOR_LOSS, Reading, quiet_for};
use super::signature::Signature;
use crate::change_log::ChangeLog;
use crate::environment::activity::change_in_words;
use crate::environment::changes::Difference;
use crate::environment::{
    Announce, Author, ChangeQuery, ChangesPage, Configuration, Document, EditError, Editor,
    Environment, FlagsChange, LoggedChange, SourceState, SourceStatus,
};
use crate::files::{self, Abandoned, FileWorker, write};
use crate::source::doubt::Loss;
use flagwire_evaluation::Snapshot;
use flagwire_flags_file::edit::restore;
use flagwire_flags_file::{MAX_FILE_BYTES, Parsed, Problem};

/// The coarsest resolution of file times: two writes within this time can leave the same time of modification.
const COARSE: Duration = Duration::from_secs(2);

/// Names the warnings of a flags file in the environment's status.
const TOPIC: &str = "file";
const TOPIC_WRITING: &str = "edit";

/// Why a flags file cannot be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The file cannot be read.
    #[error("{path}: {error}")]
    Io {
        /// The file.
        path: String,
        /// The error of the system.
        error: io::Error,
    },
    /// The file has at least one mistake. They are printed one on a line, as `path:line:column: reason`.
    #[error("{}", lines(path, problems))]
    Invalid {
        /// The file.
        path: String,
        /// The mistakes, in the order of the file.
        problems: Vec<Problem>,
    },
}

/// Returns a line for each flag and group that cannot be evaluated as it is written, as `path:line:column: reason`.
fn mistakes(path: &str, parsed: &Parsed) -> Vec<String> {
    let Configuration { flags, segments } = parsed.configuration.clone();
    let snapshot = Snapshot::compile(flags, segments);
    let problems = snapshot.problems().iter();
    problems
        .map(|problem| format!("{path}:{}", parsed.places.of(problem)))
        .collect()
}

fn lines(path: &str, problems: &[Problem]) -> String {
    let lines: Vec<String> = problems
        .iter()
        .map(|problem| format!("{path}:{problem}"))
        .collect();
    lines.join("\n")
}

/// The state of a flags file, which the loop that watches it and the editor share.
#[derive(Debug)]
pub(super) struct FlagsFile {
    pub(super) path: PathBuf,
    /// Does all work on the file, one piece at a time.
    pub(super) worker: FileWorker,
    seen: Mutex<Seen>,
    /// The warnings that were last logged about a content that can be read.
    warnings: Mutex<Vec<Problem>>,
    /// Whether another source serves the environment by now, so that nothing of the file may be put in force. The lock is held
    /// while something is.
    ended: Mutex<bool>,
    /// Announces what is written to the file, where others may have the same file.
    announce: Mutex<Option<Arc<dyn Announce>>>,
}

/// What was found at the last look at the file.
#[derive(Clone, Debug, Default)]
struct Seen {
    /// The hash of the content that was last read and checked, whether it could be used or not.
    hash: Option<[u8; 32]>,
    /// The signature of the file then; `None` if it does not show whether the content has changed.
    signature: Option<Signature>,
    /// Why the file could not be read the last time.
    unreadable: Option<String>,
    /// Whether it may be in the middle of being written.
    open: bool,
}

/// The configuration in a file, and its text.
pub(super) type Loaded = (Configuration, Arc<Document>);

/// The result of looking at the file or reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// The file has not changed since it was read, or it cannot be read.
    Nothing,
    /// The file differs from what was read before, and was not put in force.
    Differs(Signature),
    /// The file was read.
    Read,
    /// The file was not put in force, as it must not have been written to for this long.
    Wait(Duration),
}

impl FlagsFile {
    pub(super) fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            worker: FileWorker::of(path),
            seen: Mutex::default(),
            warnings: Mutex::default(),
            ended: Mutex::default(),
            announce: Mutex::default(),
        }
    }

    /// Returns the same file, with what was found at the last look at it, for another turn of serving it.
    pub(super) fn again(&self) -> Self {
        let again = Self::new(&self.path);
        again.seen.lock().clone_from(&self.seen.lock());
        again
    }

    /// Makes sure that nothing of the file is put in force any more, also by an edit that is under way.
    pub(super) fn end(&self) {
        *self.ended.lock() = true;
    }

    pub(super) fn name(&self) -> String {
        self.path.display().to_string()
    }

    /// Returns how errors name the reading of the file.
    pub(super) fn reading(&self) -> String {
        format!("reading {}", self.name())
    }

    pub(super) fn error(&self, error: io::Error) -> LoadError {
        LoadError::Io {
            path: self.name(),
            error,
        }
    }

    /// Reads the file for the first time, as it is. It may be a pipe.
    pub(super) fn load(&self) -> Result<Loaded, LoadError> {
        let (bytes, signature) = self.read_anything().map_err(|error| self.error(error))?;
        let configuration = self.parse(&bytes)?;
        self.remember(&bytes, signature);
        Ok((configuration, Arc::new(Document::new(bytes))))
    }

    fn remember(&self, bytes: &[u8], signature: Signature) {
        let mut seen = self.seen.lock();
        seen.hash = Some(Sha256::digest(bytes).into());
        seen.signature = Some(signature).filter(|signature| !signature.is_younger_than(COARSE));
        seen.unreadable = None;
        seen.open = false;
    }

    /// Forgets what was read, so that the next look reads the file as if it were new.
    pub(super) fn forget(&self) {
        *self.seen.lock() = Seen::default();
    }

    /// Returns the content, and the signature of the file before it was read. Only a regular file can be followed, as a
    /// pipe gives its content once.
    fn read(&self) -> io::Result<(Vec<u8>, Signature)> {
        // This is checked before a pipe is opened, as that would wait for a writer.
        if !std::fs::metadata(&self.path)?.is_file() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "it is not a regular file; a pipe or a device cannot be followed, so write the flags to a file",
            ));
        }
        self.read_anything()
    }

    fn read_anything(&self) -> io::Result<(Vec<u8>, Signature)> {
        let file = File::open(&self.path)?;
        let signature = Signature::of(&file.metadata()?);
        let mut bytes = Vec::new();
        file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > MAX_FILE_BYTES {
            return Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                format!("larger than {MAX_FILE_BYTES} bytes"),
            ));
        }
        Ok((bytes, signature))
    }

    fn parse(&self, bytes: &[u8]) -> Result<Configuration, LoadError> {
        let parsed = self.parse_whole(bytes)?;
        // Each warning is logged once, however often the file is read.
        let mut told = self.warnings.lock();
        for warning in &parsed.warnings {
            if told.iter().all(|one| one.reason() != warning.reason()) {
                tracing::warn!("{}:{warning}", self.name());
            }
        }
        *told = parsed.warnings;
        Ok(parsed.configuration)
    }

    /// Reads the bytes of the file as they are.
    pub(super) fn bytes(&self) -> Result<Vec<u8>, LoadError> {
        let read = self.read_anything();
        read.map(|(bytes, _)| bytes)
            .map_err(|error| self.error(error))
    }

    /// Reads the file as it is, with all its warnings.
    pub(super) fn load_whole(&self) -> Result<Parsed, LoadError> {
        self.parse_whole(&self.bytes()?)
    }

    /// Reads the file, and checks it as `flagwire-server check` does. Returns its warnings with it.
    ///
    /// # Errors
    /// A line for each mistake.
    pub(super) fn load_checked(&self) -> Result<(Loaded, Vec<Problem>), Vec<String>> {
        let lines = |error: &LoadError| -> Vec<String> {
            error.to_string().lines().map(str::to_owned).collect()
        };
        let (bytes, signature) = self.read().map_err(|error| lines(&self.error(error)))?;
        let parsed = self.parse_whole(&bytes).map_err(|error| lines(&error))?;
        let mistakes = files::computing(|| mistakes(&self.name(), &parsed));
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        self.remember(&bytes, signature);
        let document = Arc::new(Document::new(bytes));
        Ok(((parsed.configuration, document), parsed.warnings))
    }

    /// Whether the text of the file is still this one.
    pub(super) fn is(&self, document: &Document) -> bool {
        self.read()
            .is_ok_and(|(bytes, _)| Document::new(bytes).hash == document.hash)
    }

    fn parse_whole(&self, bytes: &[u8]) -> Result<Parsed, LoadError> {
        files::computing(|| flagwire_flags_file::parse_bytes(bytes)).map_err(|problems| {
            LoadError::Invalid {
                path: self.name(),
                problems,
            }
        })
    }

    /// Looks whether the file differs from what was read, without reading a file that looks the same.
    pub(super) fn poll(&self, environment: &Environment) -> Look {
        let (hash, known) = {
            let seen = self.seen.lock();
            (seen.hash, seen.signature)
        };
        match Signature::at(&self.path) {
            Ok(signature) if known == Some(signature) => return Look::Nothing,
            Ok(_) => {}
            Err(error) => {
                self.report_unreadable(environment, &error);
                return Look::Nothing;
            }
        }
        match self.read() {
            Ok((bytes, signature)) if hash == Some(Sha256::digest(&bytes).into()) => {
                self.remember(&bytes, signature);
                Look::Nothing
            }
            Ok((_, signature)) => Look::Differs(signature),
            Err(error) => {
                self.report_unreadable(environment, &error);
                Look::Nothing
            }
        }
    }

    /// Reads the file and puts what is new in it in force, if it is whole.
    pub(super) fn take(
        &self,
        environment: &Environment,
        reading: Reading,
        accepted: bool,
        abandoned: &Abandoned,
    ) -> Look {
        let (bytes, signature) = match self.read() {
            Ok(read) => read,
            Err(error) => {
                self.report_unreadable(environment, &error);
                return Look::Nothing;
            }
        };
        let expected = reading.found.unwrap_or(signature);
        match Signature::at(&self.path) {
            Ok(after) if after == signature && signature == expected => {}
            Ok(after) => return Look::Differs(after),
            // The next look will report what is wrong.
            Err(_) => return Look::Wait(Duration::ZERO),
        }
        if reading.open && reading.quiet < quiet_for(signature.bytes) {
            return Look::Wait(quiet_for(signature.bytes));
        }
        if self.seen.lock().hash == Some(Sha256::digest(&bytes).into()) {
            self.remember(&bytes, signature);
            environment.set_warning(TOPIC, None);
            environment.set_doubt(None);
            return Look::Read;
        }
        let parsed = self.parse(&bytes);
        if let Ok(configuration) = &parsed
            && !accepted
            && reading.quiet < QUIET_FOR_LOSS
            && let Some(current) = environment.current()
        {
            let loss = Loss::of(&current, configuration);
            // The first line of a file that is half written is `flags:`.
            if loss.is_large() || loss.flags.is_total() {
                self.doubt(environment, &loss);
                return Look::Wait(QUIET_FOR_LOSS);
            }
        }
        // Later work may have put a newer content in force already.
        if abandoned.is_set() {
            return Look::Nothing;
        }
        self.remember(&bytes, signature);
        let before = Before::of(environment);
        let differences = self.put_in_force(environment, parsed, bytes);
        self.record(environment, &before, &differences);
        Look::Read
    }

    fn doubt(&self, environment: &Environment, loss: &Loss) {
        let warning = format!(
            "{} has lost {loss}; that is taken once nothing has written to it for {} s, and what was loaded before is served until then",
            self.name(),
            QUIET_FOR_LOSS.as_secs()
        );
        if environment.set_warning(TOPIC, Some(warning.clone())) {
            tracing::warn!(environment = environment.name(), "{warning}");
        }
        environment.set_doubt(Some(warning));
        self.seen.lock().open = true;
    }

    fn put_in_force(
        &self,
        environment: &Environment,
        parsed: Result<Configuration, LoadError>,
        text: Vec<u8>,
    ) -> Vec<Difference> {
        let ended = self.ended.lock();
        if *ended {
            return Vec::new();
        }
        environment.set_warning(TOPIC, None);
        environment.set_doubt(None);
        match parsed {
            Ok(configuration) => {
                let flags = configuration.flags.len();
                let document = Arc::new(Document::new(text));
                let differences =
                    files::computing(|| environment.apply_document(configuration, document));
                tracing::info!(
                    environment = environment.name(),
                    file = self.name(),
                    flags,
                    changes = differences.len(),
                    "flags loaded"
                );
                environment.set_status(self.status(environment, None));
                differences
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
                Vec::new()
            }
        }
    }

    /// Logs what somebody else has changed in the file.
    fn record(&self, environment: &Environment, before: &Before, differences: &[Difference]) {
        let Some(document) = environment.document().filter(|_| !differences.is_empty()) else {
            return;
        };
        // The log has a limit of its own.
        files::computing(|| {
            if let Ok(text) = std::str::from_utf8(&document.text) {
                environment.log_changes(before.up_to(environment, text, differences));
            }
        });
    }

    /// Reports that the file cannot be read. As this can last, it is logged once.
    pub(super) fn report_unreadable(&self, environment: &Environment, error: &io::Error) {
        let missing = error.kind() == io::ErrorKind::NotFound;
        let error = format!("{}: {error}", self.name());
        {
            let mut seen = self.seen.lock();
            // If the file has never existed, the start has reported already that it is waited for.
            let never = seen.hash.is_none() && seen.unreadable.is_none();
            if never && missing && environment.current().is_none() {
                return;
            }
            if seen.unreadable.as_ref() == Some(&error) {
                return;
            }
            // Once the file can be read again, even the same content is to be put in force and reported.
            *seen = Seen {
                unreadable: Some(error.clone()),
                ..Seen::default()
            };
        }
        environment.set_warning(TOPIC, None);
        environment.set_doubt(None);
        tracing::warn!(
            environment = environment.name(),
            "{error}; what was loaded before stays in force"
        );
        environment.set_status(self.status(environment, Some(error)));
    }

    /// Notes that the file may be in the middle of being written, and warns if that has lasted for long.
    pub(super) fn report_open(&self, environment: &Environment, lasted: Option<Duration>) {
        self.seen.lock().open = true;
        let Some(lasted) = lasted else { return };
        let warning = format!(
            "{} has been written to for more than {} s; it is read once its writer closes it or pauses",
            self.name(),
            lasted.as_secs()
        );
        if environment.set_warning(TOPIC, Some(warning.clone())) {
            tracing::warn!(environment = environment.name(), "{warning}");
        }
    }

    pub(super) fn status(&self, environment: &Environment, error: Option<String>) -> SourceStatus {
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

    /// Makes an edit in the file, puts it in force and logs it. `edit` returns the new text of the file.
    fn change(
        &self,
        environment: &Environment,
        made: Made,
        abandoned: &Abandoned,
        edit: impl FnOnce(&str) -> Result<String, EditError>,
    ) -> Result<(), EditError> {
        let io = |error| EditError::Io {
            path: self.name(),
            error,
        };
        if *self.ended.lock() {
            return Err(EditError::Refused(format!(
                "the flags come from another source than {} by now; change them there",
                self.name()
            )));
        }
        if self.seen.lock().open {
            return Err(EditError::Refused(format!(
                "somebody else is writing to {} at this moment; try again once that has ended",
                self.name()
            )));
        }
        let (bytes, signature) = self.read().map_err(io)?;
        let text = String::from_utf8(bytes)
            .map_err(|_| EditError::Refused("the flags file is not UTF-8 text".to_owned()))?;
        let edited = files::computing(|| edit(&text))?;
        let changes = edited != text;
        let edited = Document::new(edited.into_bytes());
        let overtaken = || {
            EditError::Refused(format!(
                "somebody else has written to {} at this moment; try again",
                self.name()
            ))
        };
        if changes {
            self.announce(&edited)?;
            let Some(written) = self.write_over(signature, &edited, abandoned) else {
                return Err(overtaken());
            };
            let warning = written
                .as_ref()
                .err()
                .map(|error| format!("cannot change {}: {error}", self.name()));
            environment.set_warning(TOPIC_WRITING, warning);
            written.map_err(io)?;
        }
        let (bytes, signature) = self.read().map_err(io)?;
        let lasts = bytes == edited.text;
        let parsed = self.parse(&bytes);
        self.remember(&bytes, signature);
        let before = Before::of(environment);
        let differences = self.put_in_force(environment, parsed, bytes);
        if !lasts {
            self.record(environment, &before, &differences);
            return Err(overtaken());
        }
        // The log has a limit of its own.
        files::computing(|| {
            // Somebody else may have changed the file before the edit.
            let mut logged = before.up_to(environment, &text, &differences);
            if let Ok(edited) = std::str::from_utf8(&edited.text) {
                logged.extend(before.made(environment, (&text, edited), made, &differences));
            }
            environment.log_changes(logged);
        });
        Ok(())
    }

    /// Announces the text to those who may have the same file, if there may be any.
    fn announce(&self, document: &Document) -> Result<(), EditError> {
        let announce = self.announce.lock().clone();
        announce.map_or(Ok(()), |announce| announce.announce(document))
    }

    /// Writes a text in the place of the file that has this signature. Returns `None`, and writes nothing, if the file has another one
    /// by then.
    fn write_over(
        &self,
        signature: Signature,
        document: &Document,
        abandoned: &Abandoned,
    ) -> Option<io::Result<()>> {
        let mut differs = false;
        let written = write::replace(&self.path, &document.text, || {
            differs = Signature::at(&self.path).ok() != Some(signature);
            !differs && !abandoned.is_set()
        });
        (!differs).then_some(written)
    }

    /// Undoes a change, if it is the last one of its flag or group.
    fn undo(
        &self,
        environment: &Environment,
        id: &str,
        by: Author,
        abandoned: &Abandoned,
    ) -> Result<LoggedChange, EditError> {
        let log = log_of(environment)?;
        let found = files::computing(|| log.find(id)).map_err(|error| EditError::Io {
            path: log.name(),
            error,
        })?;
        let (change, last) = found.ok_or_else(|| EditError::UnknownChange(id.to_owned()))?;
        if let Some(last) = last {
            return Err(EditError::Refused(format!(
                "{} has been changed since by {}, at {}; undo that first",
                change.what, last.by, last.at
            )));
        }
        if change.omitted {
            return Err(EditError::Refused(format!(
                "the log does not have what the file said of {} before, so the change cannot be undone from here; edit the file itself",
                change.what
            )));
        }
        let made = Made {
            by,
            what: change.what.clone(),
            change: Some(format!("undid: {}", change.change)),
            undoes: Some(change.id.clone()),
        };
        self.change(environment, made, abandoned, |text| {
            let (now, then) = (change.to.as_deref(), change.before());
            Ok(restore(text, &change.what, now, then.as_ref())?)
        })?;
        Ok(change)
    }

    /// Replaces the text of the file if its hash is `expected`, and puts the new one in force. Returns whether it did.
    fn replace(
        &self,
        environment: &Environment,
        expected: &str,
        document: &Document,
        abandoned: &Abandoned,
    ) -> Result<bool, EditError> {
        let io = |error| EditError::Io {
            path: self.name(),
            error,
        };
        self.parse(&document.text)
            .map_err(|error| EditError::Refused(error.to_string()))?;
        let (bytes, signature) = self.read().map_err(io)?;
        let is = Document::new(bytes);
        if is.hash != document.hash {
            if is.hash != expected {
                return Ok(false);
            }
            self.announce(document)?;
            let Some(written) = self.write_over(signature, document, abandoned) else {
                return Ok(false);
            };
            written.map_err(io)?;
        }
        let (bytes, signature) = self.read().map_err(io)?;
        let parsed = self.parse(&bytes);
        self.remember(&bytes, signature);
        let before = Before::of(environment);
        let differences = self.put_in_force(environment, parsed, bytes);
        self.record(environment, &before, &differences);
        Ok(true)
    }
}

/// Removes the source's warnings and doubts from the environment when the source ends.
pub(super) struct Following(pub(super) Arc<Environment>);

impl Drop for Following {
    fn drop(&mut self) {
        self.0.set_warning(TOPIC, None);
        self.0.set_warning(TOPIC_WRITING, None);
        self.0.set_doubt(None);
    }
}

/// Changes flags in the flags file of an environment.
#[derive(Debug)]
pub(super) struct FileEditor {
    file: Arc<FlagsFile>,
    /// The environment holds its editor, so the editor must not keep the environment alive.
    environment: Weak<Environment>,
}

impl FileEditor {
    pub(super) fn new(file: &Arc<FlagsFile>, environment: &Arc<Environment>) -> Self {
        Self {
            file: Arc::clone(file),
            environment: Arc::downgrade(environment),
        }
    }

    /// Does `work` on the file's worker thread, and waits for it.
    fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce(&FlagsFile, &Environment, &Abandoned) -> Result<T, EditError> + Send + 'static,
    ) -> Result<T, EditError> {
        let environment = Environment::of_editor(&self.environment)?;
        let (file, path) = (Arc::clone(&self.file), self.file.name());
        self.file
            .worker
            .run_blocking(&format!("changing {path}"), move |abandoned| {
                work(&file, &environment, abandoned)
            })
            .unwrap_or_else(|error| Err(EditError::Io { path, error }))
    }
}

/// Returns the log of the changes to an environment's file.
fn log_of(environment: &Environment) -> Result<&ChangeLog, EditError> {
    let none = || EditError::Refused("changes are not logged here".to_owned());
    environment.change_log().ok_or_else(none)
}

impl Editor for FileEditor {
    fn edit(&self, change: &FlagsChange, by: &Author) -> Result<(), EditError> {
        let change = change.clone();
        let made = Made {
            by: by.clone(),
            what: change.entry(),
            change: match &change {
                FlagsChange::Settings { .. } => Some(change_in_words(&change).join(", ")),
                FlagsChange::Define { .. } | FlagsChange::Delete { .. } => None,
            },
            undoes: None,
        };
        self.work(move |file, environment, abandoned| {
            file.change(environment, made, abandoned, |text| change.apply(text))
        })
    }

    fn undo(&self, id: &str, by: &Author) -> Result<LoggedChange, EditError> {
        let (id, by) = (id.to_owned(), by.clone());
        self.work(move |file, environment, abandoned| file.undo(environment, &id, by, abandoned))
    }

    fn changes(&self, query: &ChangeQuery) -> Result<ChangesPage, EditError> {
        let environment = Environment::of_editor(&self.environment)?;
        let log = log_of(&environment)?;
        let listed = log.list(query).map_err(|error| EditError::Io {
            path: log.name(),
            error,
        })?;
        let before = || query.before.clone().unwrap_or_default();
        listed.ok_or_else(|| EditError::UnknownChange(before()))
    }

    fn replace(&self, expected: &str, document: Document) -> Result<bool, EditError> {
        let expected = expected.to_owned();
        self.work(move |file, environment, abandoned| {
            file.replace(environment, &expected, &document, abandoned)
        })
    }

    fn announce_by(&self, announce: Arc<dyn Announce>) {
        *self.file.announce.lock() = Some(announce);
    }
}
