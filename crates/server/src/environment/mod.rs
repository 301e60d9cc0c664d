//! One environment: the configuration in force, what changed, who reads it, and what is reported about it.
//!
//! A source supplies whole configurations ([`Environment::apply`]). What differs from the one before is found by comparison. The
//! new one is put in force and only then are the changes published, so that a client that asks after an event gets the new values.
//!
//! Invariants: changes are published in the order they were put in force; versions of one entry only grow, see
//! [`crate::versions`]; a configuration's [stamp](Environment::stamp) depends on its content alone, so that it is the same on every
//! replica and after any restart. Nothing here knows of sources, replicas, streams, routes or sockets.
//!
//! | module | holds |
//! |---|---|
//! | `configuration`, `document` | what a source supplies; the text of a flags file |
//! | `apply`, [`changes`], `current` | putting it in force; finding what changed; the configuration in force |
//! | `event`, `framing`, `replay`, `catch_up` | changes as frames of streams; what a reader has missed; all there is, in slices |
//! | `readers`, [`usage`], `activity` | the open streams; what clients report as served; the last changes in words |
//! | `status`, `edit`, `reports`, `recording` | what is reported about source and replica; changes that people make, and their log |

pub(crate) mod activity;
mod apply;
pub(crate) mod catch_up;
pub mod changes;
mod configuration;
mod current;
mod document;
mod edit;
pub(crate) mod event;
pub(crate) mod framing;
pub(crate) mod readers;
mod recording;
mod replay;
mod reports;
mod status;
pub mod usage;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, OnceLock, Weak};

use arc_swap::ArcSwapOption;
use parking_lot::Mutex;
use tokio::sync::{Notify, broadcast, watch};

use self::activity::Activity;
use self::catch_up::{Everything, Slices};
pub use self::configuration::Configuration;
pub(crate) use self::configuration::ConfigurationRef;
pub use self::current::Current;
pub use self::document::Document;
pub use self::edit::{
    Announce, Author, ChangeQuery, ChangesPage, Edit, EditError, Editor, Entry, FlagsChange,
    LoggedChange, Mistake, TargetEdit,
};
use self::event::Event;
use self::readers::{ReaderInfo, Readers};
use self::replay::Replay;
pub use self::status::{ReplicaStatus, Role, SourceState, SourceStatus};
use self::usage::Usage;
use crate::change_log::ChangeLog;
use crate::versions::{Ledger, Versions};

/// How many configurations a reader may lag behind before it is cut off. It comes back then and fetches everything.
const MAX_LAG: usize = 256;

/// A configuration in force and what belongs to it, as replicas share it.
pub(crate) struct InForce {
    pub(crate) current: Arc<Current>,
    pub(crate) stamp: String,
    pub(crate) edition: u64,
    pub(crate) versions: Versions,
    pub(crate) document: Option<Arc<Document>>,
}

/// An environment: its configuration in force, its last changes, its readers and what is reported about it.
#[derive(Debug)]
pub struct Environment {
    name: String,
    current: ArcSwapOption<Current>,
    /// The lock that is held while a configuration is put in force and published.
    applying: Mutex<()>,
    events: broadcast::Sender<Arc<[Event]>>,
    replay: Mutex<Replay>,
    ledger: Mutex<Ledger>,
    document: Mutex<Option<Arc<Document>>>,
    /// The slices of the last edition, as long as they are written to a stream.
    everything: Mutex<Weak<Slices>>,
    /// Counts what was put in force, including changes of nothing but versions or the flags file's text.
    edition: watch::Sender<u64>,
    status: watch::Sender<SourceStatus>,
    generation: watch::Sender<u64>,
    editor: Mutex<Option<Arc<dyn Editor>>>,
    replica: watch::Sender<Option<ReplicaStatus>>,
    /// The readers of open streams.
    pub(crate) readers: Readers,
    /// The last changes in words, for the admin page.
    pub(crate) activity: Activity,
    /// The log of the changes to the flags file, if the source is one.
    change_log: OnceLock<ChangeLog>,
    /// Counts the changes that were logged.
    logged: watch::Sender<u64>,
    refresh: Notify,
    /// The warnings, one sentence for each topic.
    warnings: Mutex<BTreeMap<&'static str, String>>,
    /// Why the new configuration of the source is not in force yet.
    doubt: Mutex<Option<String>>,
    accept: Notify,
    /// How often each variation was served, as clients report it.
    pub usage: Usage,
}

impl Environment {
    /// Returns an environment that has no configuration yet.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            current: ArcSwapOption::empty(),
            applying: Mutex::new(()),
            events: broadcast::Sender::new(MAX_LAG),
            replay: Mutex::default(),
            ledger: Mutex::default(),
            document: Mutex::default(),
            everything: Mutex::default(),
            edition: watch::Sender::default(),
            status: watch::Sender::default(),
            generation: watch::Sender::default(),
            editor: Mutex::default(),
            replica: watch::Sender::default(),
            readers: Readers::default(),
            activity: Activity::default(),
            change_log: OnceLock::new(),
            logged: watch::Sender::default(),
            refresh: Notify::new(),
            warnings: Mutex::default(),
            doubt: Mutex::default(),
            accept: Notify::new(),
            usage: Usage::default(),
        }
    }

    /// Returns the name, as it stands in tokens and paths.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the configuration in force; `None` before the first.
    #[must_use]
    pub fn current(&self) -> Option<Arc<Current>> {
        self.current.load_full()
    }

    /// Saves in a file which versions were served, so that they go on growing after a restart. Must be called before the first
    /// configuration. Blocks.
    pub fn keep_versions_in(&self, path: &Path) {
        self.ledger.lock().keep_in(path);
    }

    /// Returns the stamp of the configuration in force; empty before the first. Replicas that share a configuration give it the same
    /// stamp.
    #[must_use]
    pub fn stamp(&self) -> String {
        self.replay.lock().stamp().to_owned()
    }

    /// Returns the configuration in force and what belongs to it, all of the same moment.
    pub(crate) fn in_force(&self) -> Option<InForce> {
        let _applying = self.applying.lock();
        Some(InForce {
            current: self.current()?,
            stamp: self.stamp(),
            edition: *self.edition.borrow(),
            versions: self.ledger.lock().versions.clone(),
            document: self.document(),
        })
    }

    /// Returns the number of editions that were put in force; 0 before the first.
    pub(crate) fn edition(&self) -> u64 {
        *self.edition.borrow()
    }

    /// Returns the text of the flags file in force, if the source is one.
    pub(crate) fn document(&self) -> Option<Arc<Document>> {
        let document = self.document.lock();
        document.clone()
    }

    /// Returns a receiver of all events from now on.
    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Arc<[Event]>> {
        self.events.subscribe()
    }

    /// Returns what happened since the event of this id: for each flag and group its last event, evaluated as of now. `None` if
    /// that is not known, because the id is too old, or of a configuration that was never in force here.
    pub(crate) fn since(&self, last_event_id: &str) -> Option<Vec<Event>> {
        // A configuration is in force before its changes are in the replay, so what is evaluated is never older than
        // the events.
        let missed = self.replay.lock().since(last_event_id)?;
        let current = self.current()?;
        let event = |(id, difference)| Event::new(id, difference, Arc::clone(&current));
        Some(missed.into_iter().map(event).collect())
    }

    /// Returns a change of each flag and group, for a back end that may have missed any; `None` before the first configuration.
    pub(crate) fn everything(&self) -> Option<Everything> {
        let InForce {
            current,
            stamp,
            edition,
            versions,
            ..
        } = self.in_force()?;
        let mut made = self.everything.lock();
        let shared = made.upgrade().filter(|one| one.edition == edition);
        let slices = shared.unwrap_or_else(|| {
            let slices = Arc::new(Slices::of(&current, &versions, &stamp, edition));
            *made = Arc::downgrade(&slices);
            slices
        });
        Some(Everything::new(slices))
    }

    /// Watches the number of the configuration in force.
    #[must_use]
    pub fn watch_generation(&self) -> watch::Receiver<u64> {
        self.generation.subscribe()
    }

    /// Returns the number of open streams.
    #[must_use]
    pub fn streams(&self) -> usize {
        self.readers.len()
    }

    /// Registers an open stream for as long as the guard exists.
    pub(crate) fn count_stream(self: &Arc<Self>, reader: ReaderInfo) -> StreamGuard {
        StreamGuard {
            number: self.readers.open(reader),
            environment: Arc::clone(self),
        }
    }
}

/// Keeps an open stream registered.
#[derive(Debug)]
pub(crate) struct StreamGuard {
    environment: Arc<Environment>,
    number: u32,
}

impl StreamGuard {
    pub(crate) const fn environment(&self) -> &Arc<Environment> {
        &self.environment
    }
}

impl Drop for StreamGuard {
    fn drop(&mut self) {
        self.environment.readers.close(self.number);
    }
}
