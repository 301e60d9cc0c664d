//! One environment: its configuration, and everybody who wants to hear of changes.
//!
//! A source hands over whole configurations ([`Environment::apply`]). What differs from the one before is found by
//! comparison, put in force, and only then published, so that whoever asks after an event sees the new values.
//!
//! Invariants: changes are published in the order they were put in force; versions of one entry only grow; a
//! configuration's [stamp](Environment::stamp) names it and no other, on whichever replica it is in force.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwapOption;
use flagwire_evaluation::Snapshot;
use flagwire_evaluation::model::{FeatureConfig, Segment};
use sha2::{Digest, Sha256};
use tokio::sync::{Notify, broadcast, watch};

use crate::activity::Activity;
use crate::changes::{self, Difference};
use crate::replay::Replay;
use crate::replicas::ReplicaStatus;
use crate::source::{Configuration, Editor, SourceStatus};
use crate::stream::event::Event;
use crate::stream::registry::{Reading, Registry};
use crate::usage::Usage;

/// Configurations a reader may lag behind before it is cut off; it comes back and fetches everything.
const MAX_LAG: usize = 256;

/// A configuration in force.
#[derive(Debug)]
pub struct Current {
    /// Ready for evaluation; its flags and groups carry their versions.
    pub snapshot: Snapshot,
    /// Says the same for the same flags and groups, on any replica and after any restart. 32 hex digits.
    pub content: String,
    /// Counts configurations in this process, from 1.
    pub generation: u64,
    /// When it was put in force.
    pub since: SystemTime,
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
    process: String,
    status: watch::Sender<SourceStatus>,
    generation: watch::Sender<u64>,
    editor: Mutex<Option<Arc<dyn Editor>>>,
    replica: watch::Sender<Option<ReplicaStatus>>,
    /// The open streams.
    pub(crate) readers: Registry,
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
            process: process_name(),
            status: watch::Sender::default(),
            generation: watch::Sender::default(),
            editor: Mutex::default(),
            replica: watch::Sender::default(),
            readers: Registry::default(),
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

    /// Puts a configuration in force and publishes what changed. Returns the changes; none, and nothing happens, for a
    /// configuration that says the same as the one in force. The first configuration publishes nothing: nobody has
    /// seen another.
    pub fn apply(&self, configuration: Configuration) -> Vec<Difference> {
        self.apply_as(configuration, None)
    }

    /// The same, for a configuration that another replica has put in force under this stamp.
    pub(crate) fn apply_as(
        &self,
        configuration: Configuration,
        stamp: Option<String>,
    ) -> Vec<Difference> {
        let _applying = self.applying.lock().unwrap_or_else(PoisonError::into_inner);
        let Configuration {
            mut flags,
            mut segments,
        } = configuration;
        for flag in &mut flags {
            if flag.environment.is_empty() {
                self.name.clone_into(&mut flag.environment);
            }
            if flag.project.is_empty() {
                crate::PROJECT.clone_into(&mut flag.project);
            }
        }
        for segment in &mut segments {
            segment.environment.get_or_insert_with(|| self.name.clone());
        }
        let before = self.current();
        let (old_flags, old_segments) = match &before {
            Some(current) => (current.snapshot.flags(), current.snapshot.segments()),
            None => (&[][..], &[][..]),
        };
        let now = SystemTime::now();
        let differences = changes::compare(
            old_flags,
            old_segments,
            &mut flags,
            &mut segments,
            unix_seconds(now),
        );
        if before.is_some() && differences.is_empty() {
            if let Some(stamp) = stamp {
                self.replay().step(stamp, &[]);
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
        let current = Arc::new(Current {
            snapshot,
            content,
            generation: before.as_ref().map_or(1, |current| current.generation + 1),
            since: now,
        });
        let stamp = stamp.unwrap_or_else(|| format!("{}-{}", self.process, current.generation));
        self.current.store(Some(Arc::clone(&current)));
        if let Some(before) = &before {
            self.publish(&differences, &current, stamp);
            self.activity
                .changed(&differences, &before.snapshot, &current.snapshot);
        } else {
            self.replay().step(stamp, &[]);
        }
        self.generation.send_replace(current.generation);
        differences
    }

    /// All changes of one configuration go out together, so that a large one is one step for a slow reader, too.
    fn publish(&self, differences: &[Difference], current: &Arc<Current>, stamp: String) {
        let ids = self.replay().step(stamp, differences);
        let events: Arc<[Event]> = ids
            .into_iter()
            .zip(differences)
            .map(|(id, difference)| Event::new(id, difference.clone(), Arc::clone(current)))
            .collect();
        // An error means that nobody listens.
        drop(self.events.send(events));
    }

    fn replay(&self) -> std::sync::MutexGuard<'_, Replay> {
        self.replay.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Names the configuration in force; empty before the first. Replicas that share a configuration give it the same.
    #[must_use]
    pub fn stamp(&self) -> String {
        self.replay().stamp().to_owned()
    }

    /// The configuration in force and its stamp, of the same moment.
    pub(crate) fn current_with_stamp(&self) -> Option<(Arc<Current>, String)> {
        let _applying = self.applying.lock().unwrap_or_else(PoisonError::into_inner);
        let current = self.current()?;
        Some((current, self.stamp()))
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
        let missed = self.replay().since(last_event_id)?;
        let current = self.current()?;
        let event = |(id, difference)| Event::new(id, difference, Arc::clone(&current));
        Some(missed.into_iter().map(event).collect())
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
        let mut warnings = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
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
        *self.doubt.lock().unwrap_or_else(PoisonError::into_inner) = doubt;
    }

    /// What is doubted, for people.
    #[must_use]
    pub fn doubt(&self) -> Option<String> {
        let doubt = self.doubt.lock().unwrap_or_else(PoisonError::into_inner);
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
        let editor = self.editor.lock().unwrap_or_else(PoisonError::into_inner);
        editor.clone()
    }

    /// For sources: names who can change flags, in place of whoever was named before.
    pub fn set_editor(&self, editor: Option<Arc<dyn Editor>>) {
        *self.editor.lock().unwrap_or_else(PoisonError::into_inner) = editor;
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
    pub(crate) fn count_stream(self: &Arc<Self>, reading: Reading) -> StreamGuard {
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

/// A name that no other process has, as far as ids of events are concerned.
fn process_name() -> String {
    let mut bytes = [0_u8; 6];
    if getrandom::fill(&mut bytes).is_err() {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        for (byte, part) in bytes.iter_mut().zip(now.as_nanos().to_le_bytes()) {
            *byte = part;
        }
    }
    crate::auth::hex(&bytes)
}

/// Over everything that evaluation looks at; versions left out, as they differ between replicas.
fn content_hash(flags: &[FeatureConfig], segments: &[Segment]) -> String {
    let mut lines: Vec<String> = Vec::with_capacity(flags.len() + segments.len());
    for flag in flags {
        let plain = FeatureConfig {
            version: None,
            ..flag.clone()
        };
        lines.push(serde_json::to_string(&plain).unwrap_or_default());
    }
    for segment in segments {
        let plain = Segment {
            version: None,
            ..segment.clone()
        };
        lines.push(serde_json::to_string(&plain).unwrap_or_default());
    }
    lines.sort_unstable();
    let hash = Sha256::digest(lines.join("\n").as_bytes());
    crate::auth::hex(hash.get(..16).unwrap_or_default())
}

/// Seconds since the Unix epoch.
pub(crate) fn unix_seconds(at: SystemTime) -> i64 {
    at.duration_since(UNIX_EPOCH).map_or(0, |since| {
        i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
    })
}

/// The reverse of [`unix_seconds`].
pub(crate) fn from_unix_seconds(seconds: i64) -> SystemTime {
    let since = std::time::Duration::from_secs(u64::try_from(seconds).unwrap_or_default());
    UNIX_EPOCH.checked_add(since).unwrap_or(UNIX_EPOCH)
}
