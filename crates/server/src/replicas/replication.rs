//! One environment on one replica: connects to Redis, looks at it again and again, and leads, follows, or goes on alone.

use std::sync::Arc;
use std::time::{Duration, Instant as StdInstant};

use redis::RedisResult;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep};

use super::abstention::Abstention;
use super::announcer::Announcer;
use super::copy_on_disk::CopyOnDisk;
use super::edits::{self, FollowerEditor};
use super::file_copy::FileCopy;
use super::options::ReplicaOptions;
use super::report::{LeaderSource, Report};
use super::snapshots::Snapshots;
use super::source_task::SourceTask;
use super::store::{Heard, Keys, Seen, Store, WAIT, listen};
use crate::environment::{Environment, Role};
use crate::source::saved::path_in;
use crate::source::{Origin, Source};
use crate::stopping::until;

/// How many times a replica looks at Redis in one lease.
const LOOKS: u32 = 3;

/// The pause before the first attempt to reach Redis again; it doubles with each further attempt, up to the last one.
const FIRST_RETRY: Duration = Duration::from_millis(100);
const LAST_RETRY: Duration = Duration::from_secs(3);

/// How long Redis may take for a reply.
const RESPONSE: Duration = Duration::from_secs(5);

/// An edit that was asked for longer ago is not made, as the replica that asked no longer waits for an answer.
const EDIT_AGE: Duration = Duration::from_secs(4);

/// How long giving up the lease may take when the server stops.
const RELEASE: Duration = Duration::from_secs(1);

/// Runs one environment on one replica.
pub(super) struct Replication {
    options: Arc<ReplicaOptions>,
    origin: Arc<dyn Origin>,
    environment: Arc<Environment>,
    stopping: watch::Receiver<bool>,
    keys: Keys,
    /// The greatest term that was seen in Redis.
    term: u64,
    source: SourceTask,
    snapshots: Snapshots,
    report: Report,
    abstention: Abstention,
    /// The copy of the flags file, where the origin is one.
    copy: Option<FileCopy>,
    announcer: Arc<Announcer>,
}

impl Replication {
    pub(super) fn new(
        options: Arc<ReplicaOptions>,
        origin: Arc<dyn Origin>,
        environment: Arc<Environment>,
        stopping: watch::Receiver<bool>,
    ) -> Self {
        let keys = Keys::new(&options.prefix, environment.name());
        let copy = origin.file().map(|path| {
            let state = options.state_dir.as_ref();
            let state = state.map(|directory| path_in(directory, "replica", environment.name()));
            FileCopy::new(
                Arc::clone(&options),
                keys.clone(),
                Arc::clone(&environment),
                CopyOnDisk::new(path, state),
            )
        });
        Self {
            term: 0,
            source: SourceTask::default(),
            snapshots: Snapshots::new(Arc::clone(&environment)),
            report: Report::new(&options, Arc::clone(&environment)),
            abstention: Abstention::default(),
            copy,
            announcer: Arc::new(Announcer::new(keys.clone(), options.name.clone())),
            options,
            origin,
            environment,
            stopping,
            keys,
        }
    }

    /// Runs until the server stops.
    pub(super) async fn run(mut self) {
        self.edit_through_leader();
        let mut stopping = self.stopping.clone();
        let mut retry = FIRST_RETRY;
        loop {
            let connected = self.connected(&mut retry).await;
            self.announcer.set_connection(None);
            let Err(error) = connected else {
                break;
            };
            self.report.redis_fails(&error, self.source.is_started());
            let wait = sleep(jittered(retry));
            retry = (retry * 2).min(LAST_RETRY);
            let alone = sleep(self.until_alone());
            tokio::pin!(wait, alone);
            loop {
                tokio::select! {
                    () = until(&mut stopping) => break,
                    () = &mut wait => break,
                    () = &mut alone, if !self.source.is_started() => {
                        if !self.go_alone().await {
                            (&mut wait).await;
                            break;
                        }
                    }
                }
            }
        }
        self.source.end().await;
    }

    /// Connects, and looks at Redis for as long as it answers. Returns `Ok` once the server stops.
    async fn connected(&mut self, retry: &mut Duration) -> RedisResult<()> {
        let mut stopping = self.stopping.clone();
        let connecting = async {
            let redis = &self.options.redis;
            tokio::try_join!(redis.connect(RESPONSE), redis.connect(RESPONSE + WAIT))
        };
        let (connection, mut listening) = tokio::select! {
            () = until(&mut stopping) => return Ok(()),
            connections = connecting => connections?,
        };
        self.announcer.set_connection(Some(connection.clone()));
        let (keys, name) = (self.keys.clone(), self.options.name.clone());
        let mut store = Store {
            connection,
            keys: &keys,
            name: &name,
        };
        let (sender, mut heard) = mpsc::unbounded_channel();
        // Sending fails once nobody receives, and then both sides are at their end.
        let hearing = listen(&mut listening, &keys, |heard| drop(sender.send(heard)));
        let mut generation = self.environment.watch_generation();
        let mut status = self.environment.watch_status();
        let serving = async {
            // A leader that is back sooner than the others stays the leader.
            let mut waits = !self.source.is_started() && self.environment.current().is_some();
            let mut edit = None;
            loop {
                generation.mark_unchanged();
                status.mark_unchanged();
                self.look(&mut store, !waits).await?;
                waits = false;
                *retry = FIRST_RETRY;
                let leads = self.report.role() == Role::Leader;
                // Made only after a look has shown that this replica still leads; otherwise the leader makes it. And only
                // while the replica that asked waits for it: after that, others may have made the next change.
                let edit_in_time = edit
                    .take()
                    .filter(|(_, at): &(String, StdInstant)| leads && at.elapsed() < EDIT_AGE);
                if let Some((edit, _)) = edit_in_time {
                    self.make_edit(edit, &store);
                }
                tokio::select! {
                    () = until(&mut stopping) => {
                        // Otherwise another replica has to wait until the lease ends.
                        drop(tokio::time::timeout(RELEASE, store.release()).await);
                        return Ok(());
                    }
                    heard = heard.recv() => if let Some(Heard::Edit(json, at)) = heard {
                        edit = Some((json, at));
                    },
                    () = sleep(jittered(self.options.lease / LOOKS)) => {}
                    changed = generation.changed(), if leads => if changed.is_err() { return Ok(()) },
                    changed = status.changed(), if leads => if changed.is_err() { return Ok(()) },
                    // A leader's source waits for this itself.
                    () = self.environment.refresh_wanted(), if !leads => {}
                }
            }
        };
        tokio::select! {
            result = serving => result,
            result = hearing => result.map(|never| match never {}),
        }
    }

    /// Makes an edit that another replica asks this leader for.
    fn make_edit(&self, edit: String, store: &Store<'_>) {
        let environment = Arc::clone(&self.environment);
        let (connection, keys) = (store.connection.clone(), self.keys.clone());
        let shared = self.copy.as_ref().and_then(|copy| copy.base().cloned());
        tokio::spawn(async move {
            edits::perform(&edit, environment, shared, connection, keys).await;
        });
    }

    /// Looks at Redis and acts on what is there.
    async fn look(&mut self, store: &mut Store<'_>, may_lead: bool) -> RedisResult<()> {
        let mut seen = store.step(self.options.lease, false, self.term).await?;
        self.report.redis_answers();
        let mut opened = Ok(None);
        let abstains = self.abstention.lasts(Instant::now());
        if seen.holder.is_none() && may_lead && !abstains {
            if let Err(error) = self.compare_copy(store, &seen, true).await? {
                self.source.end().await;
                opened = Err(error);
            } else if !self.source.is_started() {
                opened = self.origin.open().await.map(Some);
            }
            if opened.is_ok() {
                seen = store.step(self.options.lease, true, self.term).await?;
            }
        }
        // A remembered term that is greater than the leader's was raised in Redis, and the leader goes along with it.
        self.term = self.term.max(seen.term);
        self.report.note_leader(seen.holder.as_deref());
        if seen.holder.as_deref() == Some(store.name) {
            if self.report.role() != Role::Leader
                && let Err(error) = self.compare_copy(store, &seen, true).await?
            {
                // Another replica led in between; its flags are not to be undone.
                tracing::info!(
                    environment = self.environment.name(),
                    "does not lead: {error}"
                );
                self.source.end().await;
                return store.release().await;
            }
            self.lead(store, &seen, opened.ok().flatten()).await?;
            self.hand_over(store).await
        } else if abstains && seen.holder.is_none() {
            // The source goes on until another replica leads.
            Ok(())
        } else {
            self.follow(store, &seen, opened.err()).await
        }
    }

    /// Lets another replica lead if this one cannot reach its upstream; the other one perhaps can.
    async fn hand_over(&mut self, store: &mut Store<'_>) -> RedisResult<()> {
        // A source that is a file stays with this replica, as the files of others may be older.
        let healthy = self.origin.editable() || self.environment.status().healthy;
        let lease = self.options.lease;
        if !self.abstention.begins(healthy, lease, Instant::now()) {
            return Ok(());
        }
        tracing::warn!(
            environment = self.environment.name(),
            "the source does not come to life here; another replica may try"
        );
        self.report.note_leader(None);
        self.report.set_role(Role::Follower);
        store.release().await
    }

    /// Runs the source and publishes what is in force.
    async fn lead(
        &mut self,
        store: &mut Store<'_>,
        seen: &Seen,
        opened: Option<Box<dyn Source>>,
    ) -> RedisResult<()> {
        if self.report.role() != Role::Leader {
            tracing::info!(
                environment = self.environment.name(),
                term = seen.term,
                "this replica leads"
            );
            if self.source.is_started() {
                self.snapshots.outgrow(store, seen).await?;
            }
        }
        if !self.source.is_started() {
            self.take(store, seen).await?;
            if self.environment.current().is_none() {
                self.origin.restore(&self.environment).await;
            }
        }
        self.report.set_role(Role::Leader);
        if !self.source.is_running() {
            let opened = match opened {
                Some(opened) => Ok(opened),
                None => self.origin.open().await,
            };
            match opened {
                Ok(source) => self.start_source(source).await,
                Err(error) => self.report.source_cannot_open(self.origin.name(), &error),
            }
        }
        let status = LeaderSource::from(self.environment.status());
        let status = serde_json::to_string(&status).unwrap_or_default();
        let copy = self.copy.as_mut();
        if self.snapshots.publish(store, seen, &status, copy).await? {
            self.report.redis_was_refilled();
        }
        Ok(())
    }

    /// Takes what the leader publishes. `cannot_open` says why this replica cannot lead although nobody does.
    async fn follow(
        &mut self,
        store: &mut Store<'_>,
        seen: &Seen,
        cannot_open: Option<String>,
    ) -> RedisResult<()> {
        if self.source.is_started() || self.report.role() != Role::Follower {
            tracing::info!(
                environment = self.environment.name(),
                leader = seen.holder,
                "another replica leads"
            );
            self.source.end().await;
            self.edit_through_leader();
            self.snapshots.forget();
        }
        self.report.set_role(Role::Follower);
        self.take(store, seen).await?;
        if seen.holder.is_some() {
            // A warning in the status says what is wrong with the copy.
            drop(self.compare_copy(store, seen, false).await?);
        }
        if seen.snapshot.is_none() && self.environment.current().is_none() {
            self.origin.restore(&self.environment).await;
        }
        let status = seen.status.as_deref();
        let status = status.map(serde_json::from_str::<LeaderSource>);
        match (status, cannot_open) {
            (_, Some(error)) => self.report.source_cannot_open(self.origin.name(), &error),
            (Some(Ok(status)), None) if seen.holder.is_some() => {
                self.environment.set_status(status.into());
            }
            // No replica leads at the moment, or the leader has reported nothing yet, so the status stays as it is.
            _ => {}
        }
        Ok(())
    }

    /// Puts the snapshot in Redis in force, if it is newer.
    async fn take(&mut self, store: &mut Store<'_>, seen: &Seen) -> RedisResult<()> {
        let follows = self.report.role() == Role::Follower;
        if let Err(error) = self.snapshots.take(store, seen, follows).await? {
            self.report.snapshot_is_unusable(error);
        }
        Ok(())
    }

    /// Compares this replica's copy of the flags file with the text in force, and does what follows from that. The inner error
    /// says why the copy must not be used.
    async fn compare_copy(
        &mut self,
        store: &mut Store<'_>,
        seen: &Seen,
        about_to_lead: bool,
    ) -> RedisResult<Result<(), String>> {
        let Some((copy, shared)) = self.copy.as_mut().zip(seen.shared.as_ref()) else {
            return Ok(Ok(()));
        };
        let compared = copy.compare(store, shared, about_to_lead).await?;
        // What the source has read from an older copy must not come into force.
        if compared.was_older && about_to_lead && self.source.is_started() {
            self.source.end().await;
            self.snapshots.forget();
        }
        Ok(compared.usable)
    }

    async fn start_source(&mut self, source: Box<dyn Source>) {
        let published = self.snapshots.published();
        self.source
            .start(source, &self.environment, published, &self.announcer)
            .await;
    }

    /// Starts the source although nobody knows who leads, as Redis is away. Returns whether it could be opened.
    async fn go_alone(&mut self) -> bool {
        if self.environment.current().is_none() {
            self.origin.restore(&self.environment).await;
        }
        let unusable = self.copy.as_ref().and_then(|copy| copy.unusable().cloned());
        let opened = match unusable {
            Some(why) => Err(why),
            None => self.origin.open().await,
        };
        match opened {
            Ok(source) => {
                tracing::warn!(
                    environment = self.environment.name(),
                    "going on without Redis"
                );
                self.report.set_role(Role::Alone);
                self.start_source(source).await;
                true
            }
            Err(error) => {
                self.report.source_cannot_open(self.origin.name(), &error);
                false
            }
        }
    }

    /// How long it is until this replica goes on alone.
    fn until_alone(&self) -> Duration {
        if self.environment.current().is_none() {
            Duration::ZERO
        } else {
            let unreachable = self.report.unreachable_for();
            self.options.lease.saturating_sub(unreachable)
        }
    }

    /// Lets the leader make the changes of flags that are requested here, as it would undo what this replica changed by
    /// itself.
    fn edit_through_leader(&self) {
        if self.origin.editable() {
            self.environment.set_editor(Some(Arc::new(FollowerEditor {
                options: Arc::clone(&self.options),
                keys: self.keys.clone(),
                environment: Arc::downgrade(&self.environment),
                runtime: Handle::current(),
            })));
        }
    }
}

/// Shortens a duration by up to a quarter at random, so that replicas do not all look in the same moment.
fn jittered(around: Duration) -> Duration {
    let mut byte = [0];
    // Without a random number they may do so.
    let _ = getrandom::fill(&mut byte);
    around.mul_f64(0.75 + f64::from(byte[0]) / 1024.0)
}
