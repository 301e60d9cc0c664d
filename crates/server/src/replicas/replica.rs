//! One environment on one replica.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use redis::{RedisError, RedisResult};
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::edits::{self, Elsewhere};
use super::redis::reason;
use super::store::{Heard, Keys, Place, Seen, Store, WAIT, listen};
use super::{ReplicaOptions, ReplicaStatus, Role};
use crate::environment::{Environment, from_unix_seconds, unix_seconds};
use crate::source::{ConfigurationRef, Origin, Source, SourceState, SourceStatus};

/// Looks in one lease.
const LOOKS: u32 = 3;

/// Between attempts to reach Redis: the first, doubled up to the last.
const FIRST_RETRY: Duration = Duration::from_millis(100);
const LAST_RETRY: Duration = Duration::from_secs(3);

/// For a reply of Redis.
const RESPONSE: Duration = Duration::from_secs(5);

/// For a lease to be given back when the server stops.
const RELEASE: Duration = Duration::from_secs(1);

/// Leases for which a leader's upstream may be away before another replica is to try, and for which this one then waits.
const PATIENCE: u32 = 5;
const ABSTENTION: u32 = 2;

/// For a source to end once it is told to.
const SOURCE_END: Duration = Duration::from_secs(5);

/// A source at work.
struct Bringing {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

/// See the module.
pub(super) struct Running {
    options: Arc<ReplicaOptions>,
    origin: Arc<dyn Origin>,
    environment: Arc<Environment>,
    stopping: watch::Receiver<bool>,
    keys: Keys,
    bringing: Option<Bringing>,
    /// The newest snapshot that was read from Redis or written there; `None` takes any.
    known: Option<Place>,
    /// The greatest term heard of.
    term: u64,
    status: ReplicaStatus,
    /// Since when Redis has been away; `None` while it is not.
    lost: Option<Instant>,
    /// Since when this leader's source has not been healthy; `None` while it is.
    ailing: Option<Instant>,
    /// Until when this replica does not lead, unless no other one does, for it could not reach its upstream.
    abstains: Option<Instant>,
}

/// How a leader's source stands, for its followers.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Told {
    source: String,
    state: SourceState,
    healthy: bool,
    error: Option<String>,
    /// Seconds since the Unix epoch.
    fresh_at: Option<i64>,
}

impl Running {
    pub(super) fn new(
        options: Arc<ReplicaOptions>,
        origin: Arc<dyn Origin>,
        environment: Arc<Environment>,
        stopping: watch::Receiver<bool>,
    ) -> Self {
        let status = ReplicaStatus {
            name: options.name.clone(),
            role: Role::Follower,
            leader: None,
            redis: options.redis.name().to_owned(),
            connected: false,
            last_error: None,
            since: SystemTime::now(),
            failures: 0,
            refills: 0,
        };
        environment.set_replica(status.clone());
        Self {
            keys: Keys::new(&options.prefix, environment.name()),
            options,
            origin,
            environment,
            stopping,
            bringing: None,
            known: None,
            term: 0,
            status,
            lost: None,
            ailing: None,
            abstains: None,
        }
    }

    pub(super) async fn run(mut self) {
        self.follow_edits();
        let mut stopping = self.stopping.clone();
        let mut retry = FIRST_RETRY;
        loop {
            let Err(error) = self.connected(&mut retry).await else {
                break;
            };
            self.lost(&error);
            let wait = sleep(jittered(retry));
            retry = (retry * 2).min(LAST_RETRY);
            let alone = sleep(self.until_alone());
            tokio::pin!(wait, alone);
            loop {
                tokio::select! {
                    () = crate::serve::until(&mut stopping) => break,
                    () = &mut wait => break,
                    () = &mut alone, if self.bringing.is_none() => {
                        if !self.go_alone().await {
                            (&mut wait).await;
                            break;
                        }
                    }
                }
            }
        }
        self.end_source().await;
    }

    /// Does what there is to do while Redis answers. `Ok` once the server stops.
    async fn connected(&mut self, retry: &mut Duration) -> RedisResult<()> {
        let mut stopping = self.stopping.clone();
        let connecting = async {
            let redis = &self.options.redis;
            tokio::try_join!(redis.connect(RESPONSE), redis.connect(RESPONSE + WAIT))
        };
        let (connection, mut listening) = tokio::select! {
            () = crate::serve::until(&mut stopping) => return Ok(()),
            connections = connecting => connections?,
        };
        let (keys, name) = (self.keys.clone(), self.options.name.clone());
        let mut store = Store {
            connection,
            keys: &keys,
            name: &name,
        };
        let (tell, mut heard) = mpsc::unbounded_channel();
        // Fails where nobody listens any more, which is the end of both.
        let hearing = listen(&mut listening, &keys, |heard| drop(tell.send(heard)));
        let mut generation = self.environment.watch_generation();
        let mut standing = self.environment.watch_status();
        let serving = async {
            // A leader that is back sooner than the others stays the leader.
            let mut patient = self.bringing.is_none() && self.environment.current().is_some();
            let mut edit = None;
            loop {
                generation.mark_unchanged();
                standing.mark_unchanged();
                self.step(&mut store, !patient).await?;
                patient = false;
                *retry = FIRST_RETRY;
                let leads = self.status.role == Role::Leader;
                // Only once the look has shown that this one still leads; else the leader hears of it, too.
                if let Some(edit) = edit.take().filter(|_| leads) {
                    let environment = Arc::clone(&self.environment);
                    let (connection, keys) = (store.connection.clone(), keys.clone());
                    tokio::spawn(async move {
                        let edit: String = edit;
                        edits::perform(&edit, environment, connection, keys).await;
                    });
                }
                tokio::select! {
                    () = crate::serve::until(&mut stopping) => {
                        // Else another one has to wait until the lease ends.
                        drop(tokio::time::timeout(RELEASE, store.release()).await);
                        return Ok(());
                    }
                    heard = heard.recv() => if let Some(Heard::Edit(json)) = heard {
                        edit = Some(json);
                    },
                    () = sleep(jittered(self.options.lease / LOOKS)) => {}
                    changed = generation.changed(), if leads => if changed.is_err() { return Ok(()) },
                    changed = standing.changed(), if leads => if changed.is_err() { return Ok(()) },
                    // A leader's source listens to this itself.
                    () = self.environment.refresh_wanted(), if !leads => {}
                }
            }
        };
        tokio::select! {
            result = serving => result,
            result = hearing => result.map(|never| match never {}),
        }
    }

    /// Looks at Redis and acts on what is there.
    async fn step(&mut self, store: &mut Store<'_>, may_lead: bool) -> RedisResult<()> {
        let mut seen = store.step(self.options.lease, false, self.term).await?;
        self.found();
        let mut opened = Ok(None);
        let abstains = self.abstains.is_some_and(|until| Instant::now() < until);
        if seen.holder.is_none() && may_lead && !abstains {
            if self.bringing.is_none() {
                opened = self.open().await.map(Some);
            }
            if opened.is_ok() {
                seen = store.step(self.options.lease, true, self.term).await?;
            }
        }
        // A remembered term greater than that of the leader was raised in Redis; who leads goes along with it.
        self.term = self.term.max(seen.term);
        self.status.leader.clone_from(&seen.holder);
        if seen.holder.as_deref() == Some(store.name) {
            self.lead(store, &seen, opened.ok().flatten()).await?;
            self.hand_over(store).await
        } else if abstains && seen.holder.is_none() {
            // The source goes on until another replica leads.
            Ok(())
        } else {
            self.follow(store, &seen, opened.err()).await
        }
    }

    /// Lets another replica lead where this one cannot reach its upstream; perhaps that one can.
    async fn hand_over(&mut self, store: &mut Store<'_>) -> RedisResult<()> {
        // The files of others may be older than this one, so that is stayed with.
        if self.origin.editable() || self.environment.status().healthy {
            self.ailing = None;
            return Ok(());
        }
        let ailing = self.ailing.get_or_insert_with(Instant::now);
        if ailing.elapsed() < self.options.lease * PATIENCE {
            return Ok(());
        }
        tracing::warn!(
            environment = self.environment.name(),
            "the source does not come to life here; another replica may try"
        );
        self.ailing = None;
        self.abstains = Some(Instant::now() + self.options.lease * ABSTENTION);
        self.status.leader = None;
        self.role(Role::Follower);
        store.release().await
    }

    async fn lead(
        &mut self,
        store: &mut Store<'_>,
        seen: &Seen,
        opened: Option<Box<dyn Source>>,
    ) -> RedisResult<()> {
        if self.status.role != Role::Leader {
            tracing::info!(
                environment = self.environment.name(),
                term = seen.term,
                "this replica leads"
            );
            if self.bringing.is_none() {
                self.take(store, seen).await?;
                if self.environment.current().is_none() {
                    self.origin.restore(&self.environment).await;
                }
            }
        }
        self.role(Role::Leader);
        if self
            .bringing
            .as_ref()
            .is_none_or(|one| one.task.is_finished())
        {
            let opened = match opened {
                Some(opened) => Ok(opened),
                None => self.open().await,
            };
            match opened {
                Ok(source) => self.start_source(source).await,
                Err(error) => self.cannot_open(&error),
            }
        }
        let told = serde_json::to_string(&self.told()).unwrap_or_default();
        let Some((current, stamp)) = self.environment.current_with_stamp() else {
            return Ok(());
        };
        let place = match seen.snapshot {
            Some((place, ref known)) if *known == stamp && place.term == seen.term => {
                if seen.status.as_deref() != Some(&told) {
                    store.put_status(&told).await?;
                }
                self.known = Some(place);
                return Ok(());
            }
            // Greater than any that somebody may have seen, whatever is in Redis.
            ref other => {
                let there = other.as_ref().map_or(0, |(place, _)| place.number);
                let known = self.known.map_or(0, |known| known.number);
                Place {
                    term: seen.term,
                    number: there.max(known).saturating_add(1),
                }
            }
        };
        let content = ConfigurationRef {
            flags: current.snapshot.flags(),
            segments: current.snapshot.segments(),
        };
        if store.publish(place, &stamp, content, &told).await? {
            if seen.snapshot.is_none() && self.known.is_some() {
                tracing::warn!(
                    environment = self.environment.name(),
                    "Redis had lost the configuration; it is there again"
                );
                self.status.refills += 1;
                self.say();
            }
            self.known = Some(place);
        }
        Ok(())
    }

    async fn follow(
        &mut self,
        store: &mut Store<'_>,
        seen: &Seen,
        cannot_open: Option<String>,
    ) -> RedisResult<()> {
        if self.bringing.is_some() || self.status.role != Role::Follower {
            tracing::info!(
                environment = self.environment.name(),
                leader = seen.holder,
                "another replica leads"
            );
            self.end_source().await;
            self.follow_edits();
            self.known = None;
        }
        self.role(Role::Follower);
        self.take(store, seen).await?;
        if seen.snapshot.is_none() && self.environment.current().is_none() {
            self.origin.restore(&self.environment).await;
        }
        let told = seen.status.as_deref().map(serde_json::from_str::<Told>);
        match (told, cannot_open) {
            (_, Some(error)) => self.cannot_open(&error),
            (Some(Ok(told)), None) if seen.holder.is_some() => {
                self.environment.set_status(SourceStatus {
                    source: told.source,
                    state: told.state,
                    healthy: told.healthy,
                    error: told.error,
                    warning: None,
                    since: SystemTime::now(),
                    fresh_at: told.fresh_at.map(from_unix_seconds),
                });
            }
            // Nobody leads for the moment, or the leader has nothing to tell yet: things are as they were.
            _ => {}
        }
        Ok(())
    }

    /// Puts in force what is in Redis, if it is newer.
    async fn take(&mut self, store: &mut Store<'_>, seen: &Seen) -> RedisResult<()> {
        let newer = |place: Place| self.known.is_none_or(|known| place > known);
        if !seen
            .snapshot
            .as_ref()
            .is_some_and(|(place, _)| newer(*place))
        {
            return Ok(());
        }
        let Some(stored) = store.read().await? else {
            return Ok(());
        };
        match stored.configuration {
            Ok(configuration) => {
                let flags = configuration.flags.len();
                let differences = self.environment.apply_as(configuration, Some(stored.stamp));
                tracing::info!(
                    environment = self.environment.name(),
                    flags,
                    changes = differences.len(),
                    "flags taken from Redis"
                );
            }
            Err(why) => {
                let error = format!("what is in Redis cannot be used: {why}");
                tracing::error!(environment = self.environment.name(), "{error}");
                self.status.last_error = Some(error);
                self.say();
            }
        }
        self.known = Some(stored.place);
        Ok(())
    }

    /// Opens the source; may read files.
    async fn open(&self) -> Result<Box<dyn Source>, String> {
        self.origin.open().await
    }

    async fn start_source(&mut self, source: Box<dyn Source>) {
        self.end_source().await;
        let (stop, stopping) = watch::channel(false);
        let task = tokio::spawn(source.run(Arc::clone(&self.environment), stopping));
        self.bringing = Some(Bringing { stop, task });
    }

    async fn end_source(&mut self) {
        let Some(Bringing { stop, mut task }) = self.bringing.take() else {
            return;
        };
        stop.send_replace(true);
        if tokio::time::timeout(SOURCE_END, &mut task).await.is_err() {
            task.abort();
        }
    }

    /// Redis is away, and nobody knows who leads. Returns whether the source could be opened.
    async fn go_alone(&mut self) -> bool {
        if self.environment.current().is_none() {
            self.origin.restore(&self.environment).await;
        }
        match self.open().await {
            Ok(source) => {
                tracing::warn!(
                    environment = self.environment.name(),
                    "going on without Redis"
                );
                self.role(Role::Alone);
                self.start_source(source).await;
                true
            }
            Err(error) => {
                self.cannot_open(&error);
                false
            }
        }
    }

    /// How long it is until this replica goes on alone.
    fn until_alone(&self) -> Duration {
        let gone = self.lost.map_or(Duration::ZERO, |at| at.elapsed());
        if self.environment.current().is_none() {
            Duration::ZERO
        } else {
            self.options.lease.saturating_sub(gone)
        }
    }

    fn cannot_open(&self, error: &str) {
        let before = self.environment.status();
        let known = self.environment.current().is_some();
        self.environment.set_status(SourceStatus {
            source: self.origin.name(),
            state: if known {
                SourceState::Degraded
            } else {
                SourceState::Starting
            },
            healthy: false,
            error: Some(format!(
                "no replica brings flags, and this one cannot: {error}"
            )),
            warning: None,
            since: SystemTime::now(),
            fresh_at: known.then(|| before.fresh_at.unwrap_or_else(SystemTime::now)),
        });
    }

    fn told(&self) -> Told {
        let status = self.environment.status();
        Told {
            source: status.source,
            state: status.state,
            healthy: status.healthy,
            error: status.error,
            fresh_at: status.fresh_at.map(unix_seconds),
        }
    }

    /// Redis answers.
    fn found(&mut self) {
        self.lost = None;
        if !self.status.connected {
            tracing::info!(
                environment = self.environment.name(),
                redis = self.status.redis,
                "Redis answers"
            );
            self.status.connected = true;
            self.status.since = SystemTime::now();
        }
        self.say();
    }

    /// Redis does not answer.
    fn lost(&mut self, error: &RedisError) {
        let error = reason(error);
        if self.status.connected || self.status.last_error.as_ref() != Some(&error) {
            tracing::warn!(
                environment = self.environment.name(),
                redis = self.status.redis,
                "Redis cannot be used: {error}"
            );
        }
        self.lost.get_or_insert_with(Instant::now);
        if self.status.connected {
            self.status.connected = false;
            self.status.since = SystemTime::now();
        }
        self.status.failures += 1;
        self.status.leader = None;
        self.status.last_error = Some(error.clone());
        match (self.status.role, &self.bringing) {
            (Role::Leader, _) | (_, Some(_)) => self.status.role = Role::Alone,
            (Role::Follower, None) => {
                let before = self.environment.status();
                let known = self.environment.current().is_some();
                self.environment.set_status(SourceStatus {
                    state: if known {
                        SourceState::Degraded
                    } else {
                        SourceState::Starting
                    },
                    healthy: false,
                    error: Some(format!("Redis cannot be used: {error}")),
                    since: SystemTime::now(),
                    fresh_at: known.then(|| before.fresh_at.unwrap_or_else(SystemTime::now)),
                    ..before
                });
            }
            (Role::Alone, None) => {}
        }
        self.say();
    }

    fn role(&mut self, role: Role) {
        self.status.role = role;
        self.say();
    }

    fn say(&self) {
        self.environment.set_replica(self.status.clone());
    }

    /// Changes made here would not be what the leader has: it is to make them.
    fn follow_edits(&self) {
        if self.origin.editable() {
            self.environment.set_editor(Some(Arc::new(Elsewhere {
                options: Arc::clone(&self.options),
                keys: self.keys.clone(),
                runtime: tokio::runtime::Handle::current(),
            })));
        }
    }
}

/// Up to a quarter less, so that replicas do not all come in the same moment.
fn jittered(around: Duration) -> Duration {
    let mut byte = [0];
    // Without it they may.
    let _ = getrandom::fill(&mut byte);
    around.mul_f64(0.75 + f64::from(byte[0]) / 1024.0)
}
