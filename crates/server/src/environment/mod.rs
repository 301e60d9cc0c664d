//! One environment: its configuration, and everybody who wants to hear of changes.
//!
//! A source hands over whole configurations ([`Environment::apply`]). What differs from the one before is found by
//! comparison, put in force, and only then published, so that whoever asks after an event sees the new values.
//!
//! Invariants: changes are published in the order they were put in force; versions of one entry only grow, see
//! [`crate::versions`]; a configuration's [stamp](Environment::stamp) names what it says and nothing else, on whichever
//! replica it is in force and after any restart.

pub(crate) mod activity;
pub(crate) mod catch_up;
pub mod changes;
mod configuration;
mod current;
mod document;
mod edit;
pub(crate) mod event;
pub(crate) mod framing;
pub(crate) mod readers;
mod replay;
mod status;
pub mod usage;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Weak};
use std::time::SystemTime;

use arc_swap::ArcSwapOption;
use flagwire_evaluation::Snapshot;
use flagwire_evaluation::model::{FeatureConfig, Segment};
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{Notify, broadcast, watch};

use self::activity::Activity;
use self::catch_up::{Everything, Slices};
use self::changes::Difference;
pub use self::configuration::Configuration;
pub(crate) use self::configuration::ConfigurationRef;
pub use self::current::Current;
use self::current::content_hash;
pub use self::document::Document;
pub use self::edit::{Edit, EditError, Editor, TargetEdit};
use self::event::Event;
use self::readers::{ReaderInfo, Readers};
use self::replay::Replay;
pub use self::status::{ReplicaStatus, Role, SourceState, SourceStatus};
use self::usage::Usage;
use crate::versions::{Counting, Ledger, Versions};

/// Configurations a reader may lag behind before it is cut off; it comes back and fetches everything.
const MAX_LAG: usize = 256;

/// What replicas share of a configuration.
pub(crate) struct InForce {
    pub(crate) current: Arc<Current>,
    pub(crate) stamp: String,
    pub(crate) edition: u64,
    pub(crate) versions: Versions,
    pub(crate) document: Option<Arc<Document>>,
}

/// See the module.
#[derive(Debug)]
pub struct Environment {
    name: String,
    current: ArcSwapOption<Current>,
    /// Held while a configuration is put in force and published.
    applying: Mutex<()>,
    events: broadcast::Sender<Arc<[Event]>>,
    replay: Mutex<Replay>,
    ledger: Mutex<Ledger>,
    document: Mutex<Option<Arc<Document>>>,
    /// As long as somebody is being told of it.
    everything: Mutex<Weak<Slices>>,
    /// Counts what was put in force, changes of versions or of the flags file's text alone among them.
    edition: watch::Sender<u64>,
    status: watch::Sender<SourceStatus>,
    generation: watch::Sender<u64>,
    editor: Mutex<Option<Arc<dyn Editor>>>,
    replica: watch::Sender<Option<ReplicaStatus>>,
    /// The open streams.
    pub(crate) readers: Readers,
    /// What happened, for people.
    pub(crate) activity: Activity,
    refresh: Notify,
    /// By topic.
    warnings: Mutex<BTreeMap<&'static str, String>>,
    /// What the source has and does not put in force before somebody says so.
    doubt: Mutex<Option<String>>,
    accept: Notify,
    /// How often each variation was served, as clients report it.
    pub usage: Usage,
}

impl Environment {
    /// An environment that waits for its first configuration.
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
            refresh: Notify::new(),
            warnings: Mutex::default(),
            doubt: Mutex::default(),
            accept: Notify::new(),
            usage: Usage::default(),
        }
    }

    /// As in the tokens and paths.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The configuration in force; `None` before the first.
    #[must_use]
    pub fn current(&self) -> Option<Arc<Current>> {
        self.current.load_full()
    }

    /// Remembers in a file which versions were served, so that they go on growing after a restart. To be called before the
    /// first configuration. Blocks.
    pub fn keep_versions_in(&self, path: &Path) {
        self.ledger.lock().keep_in(path);
    }

    /// Puts a configuration of a flags file in force and publishes what changed. Returns the changes; none, and nothing
    /// happens, for a configuration that says the same as the one in force. The first configuration publishes nothing:
    /// nobody has seen another.
    pub fn apply(&self, configuration: Configuration) -> Vec<Difference> {
        self.apply_with(configuration, Counting::File)
    }

    /// The same, of a source whose versions mean something else.
    pub fn apply_with(&self, configuration: Configuration, counting: Counting) -> Vec<Difference> {
        self.put_in_force(&self.applying.lock(), configuration, counting, None, None)
    }

    /// The same, of a flags file that says this.
    pub(crate) fn apply_document(
        &self,
        configuration: Configuration,
        document: Arc<Document>,
    ) -> Vec<Difference> {
        let document = Some(document);
        self.put_in_force(
            &self.applying.lock(),
            configuration,
            Counting::File,
            None,
            document,
        )
    }

    /// The same, for a configuration that another replica has put in force under this stamp.
    pub(crate) fn apply_as(
        &self,
        configuration: Configuration,
        stamp: String,
        versions: &Versions,
        document: Option<Arc<Document>>,
    ) -> Vec<Difference> {
        self.ledger.lock().versions.merge(versions);
        let stamp = Some(stamp);
        self.put_in_force(
            &self.applying.lock(),
            configuration,
            Counting::Own,
            stamp,
            document,
        )
    }

    /// Gives entries in force at least these versions, by identifier, as another replica has served them with the same
    /// values.
    pub(crate) fn raise(&self, flags: &BTreeMap<String, i64>, groups: &BTreeMap<String, i64>) {
        self.raise_with(|version, least| version.max(least), flags, groups);
    }

    /// Gives entries in force greater versions than these, which others have served with other values perhaps.
    pub(crate) fn outgrow(
        &self,
        versions: &Versions,
        flags: &BTreeMap<String, i64>,
        groups: &BTreeMap<String, i64>,
    ) {
        self.ledger.lock().versions.merge(versions);
        let greater = |version: i64, served: i64| version.max(served.saturating_add(1));
        self.raise_with(greater, flags, groups);
    }

    fn raise_with(
        &self,
        raised: impl Fn(i64, i64) -> i64,
        flags: &BTreeMap<String, i64>,
        groups: &BTreeMap<String, i64>,
    ) {
        let applying = self.applying.lock();
        let Some(current) = self.current() else {
            return;
        };
        let mut configuration = Configuration {
            flags: current.snapshot.flags().to_vec(),
            segments: current.snapshot.segments().to_vec(),
        };
        for flag in &mut configuration.flags {
            if let (Some(version), Some(other)) = (&mut flag.version, flags.get(&flag.feature)) {
                *version = raised(*version, *other);
            }
        }
        for group in &mut configuration.segments {
            let other = groups.get(&group.identifier);
            if let (Some(version), Some(other)) = (&mut group.version, other) {
                *version = raised(*version, *other);
            }
        }
        self.put_in_force(&applying, configuration, Counting::Own, None, None);
    }

    fn put_in_force(
        &self,
        _applying: &MutexGuard<'_, ()>,
        configuration: Configuration,
        counting: Counting,
        stamp: Option<String>,
        document: Option<Arc<Document>>,
    ) -> Vec<Difference> {
        let (mut flags, mut segments) = self.complete(configuration);
        let before = self.current();
        let now = SystemTime::now();
        let differences = self.number(before.as_deref(), &mut flags, &mut segments, now, counting);
        let said = self.say_document(document);
        if let Some(before) = before.as_ref().filter(|_| differences.is_empty()) {
            if let Some(stamp) = stamp {
                self.replay.lock().step(stamp, &[]);
            }
            let raised = before.is_older(&flags, &segments);
            if raised {
                // What is evaluated is the same; only back ends see it, and nobody needs to hear of it.
                self.current.store(Some(Arc::new(
                    before.with(Snapshot::compile(flags, segments)),
                )));
            }
            if raised || said {
                self.edition.send_modify(|edition| *edition += 1);
                self.generation.send_modify(|_| {});
            }
            return differences;
        }
        let content = content_hash(&flags, &segments);
        let snapshot = Snapshot::compile(flags, segments);
        for problem in snapshot.problems() {
            tracing::warn!(
                environment = self.name,
                entry = problem.identifier,
                "{}",
                problem.sentence
            );
        }
        let current = Arc::new(Current::new(
            snapshot,
            content,
            before.as_ref().map_or(1, |current| current.generation + 1),
            now,
        ));
        let stamp = stamp.unwrap_or_else(|| current.content.clone());
        self.current.store(Some(Arc::clone(&current)));
        if let Some(before) = &before {
            self.publish(&differences, &current, stamp);
            self.activity
                .changed(&differences, &before.snapshot, &current.snapshot);
        } else {
            self.replay.lock().step(stamp, &[]);
        }
        self.edition.send_modify(|edition| *edition += 1);
        self.generation.send_replace(current.generation);
        differences
    }

    /// Fills in what a source leaves out, as it goes without saying.
    fn complete(&self, configuration: Configuration) -> (Vec<FeatureConfig>, Vec<Segment>) {
        let Configuration {
            mut flags,
            mut segments,
        } = configuration;
        for flag in &mut flags {
            if flag.environment.is_empty() {
                self.name.clone_into(&mut flag.environment);
            }
            if flag.project.is_empty() {
                crate::auth::PROJECT.clone_into(&mut flag.project);
            }
        }
        for segment in &mut segments {
            segment.environment.get_or_insert_with(|| self.name.clone());
        }
        (flags, segments)
    }

    /// Gives each entry its version and finds what differs. What must be remembered of that is kept before anybody sees it.
    fn number(
        &self,
        before: Option<&Current>,
        flags: &mut [FeatureConfig],
        segments: &mut [Segment],
        now: SystemTime,
        counting: Counting,
    ) -> Vec<Difference> {
        let mut ledger = self.ledger.lock();
        let now = crate::time::unix_seconds(now);
        let (old, now) = match before {
            Some(current) => (
                (current.snapshot.flags(), current.snapshot.segments()),
                ledger.versions.advance(now),
            ),
            None => ((&[][..], &[][..]), ledger.versions.begin(now, counting)),
        };
        let differences =
            changes::compare(old, (flags, segments), &mut ledger.versions, now, counting);
        ledger.save();
        differences
    }

    /// Notes the text of the flags file in force. Returns whether it is another one.
    fn say_document(&self, document: Option<Arc<Document>>) -> bool {
        let mut said = self.document.lock();
        let hash = |document: &Option<Arc<Document>>| document.as_ref().map(|one| one.hash.clone());
        let news = document.is_some() && hash(&said) != hash(&document);
        if document.is_some() {
            *said = document;
        }
        news
    }

    /// All changes of one configuration go out together, so that a large one is one step for a slow reader, too.
    fn publish(&self, differences: &[Difference], current: &Arc<Current>, stamp: String) {
        let ids = self.replay.lock().step(stamp, differences);
        let events: Arc<[Event]> = ids
            .into_iter()
            .zip(differences)
            .map(|(id, difference)| Event::new(id, difference.clone(), Arc::clone(current)))
            .collect();
        // An error means that nobody listens.
        drop(self.events.send(events));
    }

    /// Names the configuration in force; empty before the first. Replicas that share a configuration give it the same.
    #[must_use]
    pub fn stamp(&self) -> String {
        self.replay.lock().stamp().to_owned()
    }

    /// The configuration in force and what belongs to it, of the same moment.
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

    /// Grows with everything that is put in force; 0 before the first.
    pub(crate) fn edition(&self) -> u64 {
        *self.edition.borrow()
    }

    /// The text of the flags file in force, where there is one.
    pub(crate) fn document(&self) -> Option<Arc<Document>> {
        let document = self.document.lock();
        document.clone()
    }

    /// Asks the source to look for a new configuration now.
    pub(crate) fn refresh(&self) {
        self.refresh.notify_one();
    }

    /// For sources: completes when somebody has reason to believe that there is a new configuration.
    pub async fn refresh_wanted(&self) {
        self.refresh.notified().await;
    }

    /// From now on, every event.
    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Arc<[Event]>> {
        self.events.subscribe()
    }

    /// What happened since the event of this id: for each entry its last event, evaluated as of now. `None` if that
    /// cannot be said, because the id is too old, or of a configuration that was never in force here.
    pub(crate) fn since(&self, last_event_id: &str) -> Option<Vec<Event>> {
        // In force before it is in the replay: so what is evaluated is never older than the events.
        let missed = self.replay.lock().since(last_event_id)?;
        let current = self.current()?;
        let event = |(id, difference)| Event::new(id, difference, Arc::clone(&current));
        Some(missed.into_iter().map(event).collect())
    }

    /// A change of everything there is, for a back end that may have missed any; `None` before the first configuration.
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

    /// What the source says of itself.
    #[must_use]
    pub fn status(&self) -> SourceStatus {
        self.status.borrow().clone()
    }

    /// The same, and when it changes.
    #[must_use]
    pub fn watch_status(&self) -> watch::Receiver<SourceStatus> {
        self.status.subscribe()
    }

    /// For sources: says how it stands. What is said again keeps the time at which it was said first. A warning stays as
    /// it is, see `set_warning`.
    pub fn set_status(&self, mut status: SourceStatus) {
        self.status.send_if_modified(|before| {
            status.warning.clone_from(&before.warning);
            let same = (before.state, &before.error, &before.source)
                == (status.state, &status.error, &status.source);
            if !same {
                self.activity.source(before, &status);
            }
            if same {
                status.since = before.since;
            }
            *before = status;
            !same
        });
    }

    /// Says what people should know although all is served as it should be, one sentence for each topic. Returns whether that
    /// is news.
    pub(crate) fn set_warning(&self, topic: &'static str, warning: Option<String>) -> bool {
        let mut warnings = self.warnings.lock();
        if warnings.get(topic) == warning.as_ref() {
            return false;
        }
        match warning {
            Some(warning) => warnings.insert(topic, warning),
            None => warnings.remove(topic),
        };
        let all: Vec<&str> = warnings.values().map(String::as_str).collect();
        let all = (!all.is_empty()).then(|| all.join("; "));
        self.status.send_modify(|status| status.warning = all);
        true
    }

    /// For sources: says that there is a new configuration that is not put in force before it has been looked at longer, or
    /// before somebody [accepts](Self::accept) it; `None` once there is no such one.
    pub(crate) fn set_doubt(&self, doubt: Option<String>) {
        *self.doubt.lock() = doubt;
    }

    /// What is doubted, for people.
    #[must_use]
    pub fn doubt(&self) -> Option<String> {
        let doubt = self.doubt.lock();
        doubt.clone()
    }

    /// Has the source put in force what it has, whatever is missing from it. Returns what was doubted; `None` if nothing
    /// is, and then nothing happens.
    pub fn accept(&self) -> Option<String> {
        let doubt = self.doubt()?;
        tracing::warn!(environment = self.name, doubt, "accepted by hand");
        self.accept.notify_one();
        Some(doubt)
    }

    /// For sources: completes when somebody has accepted what is doubted.
    pub(crate) async fn accept_wanted(&self) {
        self.accept.notified().await;
    }

    /// Tells of each configuration that is put in force, by its number.
    #[must_use]
    pub fn watch_generation(&self) -> watch::Receiver<u64> {
        self.generation.subscribe()
    }

    /// Who can change flags for good; `None` where the source is read-only.
    #[must_use]
    pub fn editor(&self) -> Option<Arc<dyn Editor>> {
        let editor = self.editor.lock();
        editor.clone()
    }

    /// For sources: names who can change flags, in place of whoever was named before.
    pub fn set_editor(&self, editor: Option<Arc<dyn Editor>>) {
        *self.editor.lock() = editor;
    }

    /// Returns the environment of an editor.
    ///
    /// # Errors
    /// [`EditError::Refused`] once the environment is gone, as the server stops.
    pub(crate) fn of_editor(environment: &Weak<Self>) -> Result<Arc<Self>, EditError> {
        environment.upgrade().ok_or_else(|| {
            EditError::Refused("the server stops; try again once it has started".to_owned())
        })
    }

    /// How this server stands among its replicas; `None` where it has none.
    #[must_use]
    pub fn replica(&self) -> Option<ReplicaStatus> {
        self.replica.borrow().clone()
    }

    /// The same, and when it changes.
    #[must_use]
    pub fn watch_replica(&self) -> watch::Receiver<Option<ReplicaStatus>> {
        self.replica.subscribe()
    }

    pub(crate) fn set_replica(&self, status: ReplicaStatus) {
        self.replica.send_replace(Some(status));
    }

    /// Open streams.
    #[must_use]
    pub fn streams(&self) -> usize {
        self.readers.len()
    }

    /// Counts and names one open stream for as long as the guard is kept.
    pub(crate) fn count_stream(self: &Arc<Self>, reading: ReaderInfo) -> StreamGuard {
        StreamGuard {
            number: self.readers.open(reading),
            environment: Arc::clone(self),
        }
    }
}

/// One open stream.
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
