//! One environment on one replica.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use redis::{RedisError, RedisResult};
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::ReplicaOptions;
use super::copies::{Copies, Revision, Said, Verdict};
use super::edits::{self, Elsewhere, Offered, Raise};
use super::leading::Leading;
use super::redis::reason;
use super::store::{Heard, Keys, Place, Publication, Seen, Store, Stored, WAIT, listen};
use crate::environment::{
    Document, Environment, InForce, ReplicaStatus, Role, SourceState, SourceStatus,
};
use crate::source::kept::place_of;
use crate::source::{Origin, Source};
use crate::time::{from_unix_seconds, unix_millis, unix_seconds};

/// Looks in one lease.
const LOOKS: u32 = 3;

/// Between attempts to reach Redis: the first, doubled up to the last.
const FIRST_RETRY: Duration = Duration::from_millis(100);
const LAST_RETRY: Duration = Duration::from_secs(3);

/// For a reply of Redis.
const RESPONSE: Duration = Duration::from_secs(5);

/// Edits that were asked for longer ago are not made, as nobody waits for an answer any more.
const EDIT_AGE: Duration = Duration::from_secs(4);

/// For a lease to be given back when the server stops.
const RELEASE: Duration = Duration::from_secs(1);

/// Leases for which a leader's upstream may be away before another replica is to try, and for which this one then waits.
const PATIENCE: u32 = 5;
const ABSTENTION: u32 = 2;

/// For a source to end once it is told to.
const SOURCE_END: Duration = Duration::from_secs(5);

/// Names the warnings about this replica's copy of the flags file in the environment's status.
const TOPIC: &str = "copy";

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
    /// The last edition of the environment that is in Redis, as long as this replica leads.
    published: watch::Sender<u64>,
    /// The flags file, where there is one.
    copy: Option<Copy>,
}

/// This replica's copy of the flags file, and what is known of it.
struct Copy {
    place: Copies,
    /// What it has in common with the others.
    base: Option<Revision>,
    /// The file as it was looked at last, and what it was compared with.
    looked: Option<(Option<Look>, Revision)>,
    /// The leader is asked to take it over, with the hash of the text.
    offering: Option<JoinHandle<(String, Result<Offered, String>)>>,
    /// Why it must not be used, although it is there.
    outdated: Option<String>,
}

type Look = (SystemTime, u64, u64);

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
        let copy = origin.file().map(|path| {
            let state = options.state_dir.as_ref();
            let state = state.map(|directory| place_of(directory, "replica", environment.name()));
            let place = Copies::new(path, state);
            Copy {
                base: place.base(),
                place,
                looked: None,
                offering: None,
                outdated: None,
            }
        });
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
            published: watch::Sender::default(),
            copy,
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
                    () = crate::stopping::until(&mut stopping) => break,
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
            () = crate::stopping::until(&mut stopping) => return Ok(()),
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
                // And while whoever asked waits for it: after that, others may have made the next change.
                if let Some((edit, _)) =
                    edit.take()
                        .filter(|(_, at): &(String, std::time::Instant)| {
                            leads && at.elapsed() < EDIT_AGE
                        })
                {
                    let environment = Arc::clone(&self.environment);
                    let (connection, keys) = (store.connection.clone(), keys.clone());
                    let shared = self.copy.as_ref().and_then(|copy| copy.base.clone());
                    tokio::spawn(async move {
                        edits::perform(&edit, environment, shared, connection, keys).await;
                    });
                }
                tokio::select! {
                    () = crate::stopping::until(&mut stopping) => {
                        // Else another one has to wait until the lease ends.
                        drop(tokio::time::timeout(RELEASE, store.release()).await);
                        return Ok(());
                    }
                    heard = heard.recv() => if let Some(Heard::Edit(json, at)) = heard {
                        edit = Some((json, at));
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
            if let Err(error) = self.tend_copy(store, &seen, true).await? {
                self.end_source().await;
                opened = Err(error);
            } else if self.bringing.is_none() {
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
            if self.status.role != Role::Leader
                && let Err(error) = self.tend_copy(store, &seen, true).await?
            {
                // Another one led in between; its flags are not to be undone.
                tracing::info!(
                    environment = self.environment.name(),
                    "does not lead: {error}"
                );
                self.end_source().await;
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
            if self.bringing.is_some() {
                self.outgrow(store, seen).await?;
            }
        }
        if self.bringing.is_none() {
            self.take(store, seen).await?;
            if self.environment.current().is_none() {
                self.origin.restore(&self.environment).await;
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
        let Some(in_force) = self.environment.in_force() else {
            return Ok(());
        };
        let revision = self.revision_of(&in_force, seen).await;
        let place = match seen.snapshot {
            Some((place, ref known))
                if *known == in_force.stamp
                    && place.term == seen.term
                    && *self.published.borrow() == in_force.edition
                    && (revision.is_none() || revision == seen.shared) =>
            {
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
        let hash = |revision: &Option<Revision>| revision.as_ref().map(|one| one.hash.clone());
        let publication = Publication {
            place,
            in_force: &in_force,
            status: &told,
            revision: revision.as_ref(),
            text_is_there: hash(&revision) == hash(&seen.shared),
        };
        if store.publish(publication).await? {
            if seen.snapshot.is_none() && self.known.is_some() {
                tracing::warn!(
                    environment = self.environment.name(),
                    "Redis had lost the configuration; it is there again"
                );
                self.status.refills += 1;
                self.say();
            }
            self.known = Some(place);
            if let Some(revision) = revision {
                self.agree_on(revision).await;
            }
            self.published.send_replace(in_force.edition);
        }
        Ok(())
    }

    /// The revision of the text in force, or of another one where it is new to the others.
    async fn revision_of(&self, in_force: &InForce, seen: &Seen) -> Option<Revision> {
        let copy = self.copy.as_ref()?;
        let document = in_force.document.as_ref()?;
        let base = copy.base.as_ref();
        if let Some(known) = [seen.shared.as_ref(), base]
            .into_iter()
            .flatten()
            .filter(|known| known.hash == document.hash)
            .max_by_key(|known| known.number)
        {
            return Some(known.clone());
        }
        let number = if seen.shared.is_some() || base.is_some() {
            let last = [seen.shared.as_ref(), base];
            let last = last.into_iter().flatten().map(|known| known.number).max();
            unix_millis(SystemTime::now()).max(last.unwrap_or_default().saturating_add(1))
        } else {
            // The first one of all is as old as its file, so that a newer copy elsewhere counts.
            let look = copy.place.run(|place, _| Ok(place.look())).await;
            let look = look.ok().flatten();
            unix_millis(look.map_or_else(SystemTime::now, |(modified, ..)| modified))
        };
        Some(Revision {
            hash: document.hash.clone(),
            number,
        })
    }

    /// This replica's copy says what the others have.
    async fn agree_on(&mut self, revision: Revision) {
        let Some(copy) = &mut self.copy else { return };
        copy.outdated = None;
        if copy.base.as_ref() == Some(&revision) {
            return;
        }
        copy.base = Some(revision.clone());
        let kept = copy.place.run(move |place, _| {
            place.keep_base(&revision);
            Ok(())
        });
        drop(kept.await);
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
        if seen.holder.is_some() {
            // What is wrong with it is in the warning.
            drop(self.tend_copy(store, seen, false).await?);
        }
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
        let Stored {
            place,
            stamp,
            configuration,
            versions,
            document,
        } = stored;
        match configuration {
            Ok(configuration) => {
                let flags = configuration.flags.len();
                let environment = Arc::clone(&self.environment);
                let given = Raise::of(&configuration.flags, &configuration.segments);
                let applied = tokio::task::spawn_blocking(move || {
                    let document = document.map(Arc::new);
                    environment.apply_as(configuration, stamp, &versions, document)
                });
                let changes = applied.await.map_or(0, |differences| differences.len());
                tracing::info!(
                    environment = self.environment.name(),
                    flags,
                    changes,
                    "flags taken from Redis"
                );
                // Served here alone, or by a leader whose last words Redis has lost.
                let current = self.environment.current();
                let raise = current.map(|current| {
                    let snapshot = &current.snapshot;
                    Raise::of(snapshot.flags(), snapshot.segments()).beyond(&given)
                });
                if let Some(raise) = raise.filter(|raise| !raise.is_empty())
                    && self.status.role == Role::Follower
                {
                    edits::ask_to_raise(&mut store.connection, store.keys, raise).await?;
                }
            }
            Err(why) => {
                let error = format!("what is in Redis cannot be used: {why}");
                tracing::error!(environment = self.environment.name(), "{error}");
                self.status.last_error = Some(error);
                self.say();
            }
        }
        self.known = Some(place);
        Ok(())
    }

    /// Compares this replica's copy of the flags file with the text in force, and does what follows from that. The inner
    /// `Err` says why the copy must not be used. A replica `about_to_lead` takes what is newer in its copy by opening it;
    /// any other asks the leader.
    async fn tend_copy(
        &mut self,
        store: &mut Store<'_>,
        seen: &Seen,
        about_to_lead: bool,
    ) -> RedisResult<Result<(), String>> {
        let Some(shared) = &seen.shared else {
            return Ok(Ok(()));
        };
        let Some(copy) = &mut self.copy else {
            return Ok(Ok(()));
        };
        if let Some(offering) = &mut copy.offering {
            if !offering.is_finished() {
                return Ok(Ok(()));
            }
            let offered = offering.await;
            copy.offering = None;
            self.offered(offered.ok());
            // What was seen in Redis may be older than the answer.
            return Ok(Ok(()));
        }
        let Some(copy) = &mut self.copy else {
            return Ok(Ok(()));
        };
        let look = copy.place.run(|place, _| Ok(place.look())).await.ok();
        let looked = Some((look.flatten(), shared.clone()));
        if looked == copy.looked {
            let outdated = copy.outdated.clone();
            return Ok(outdated.map_or(Ok(()), Err));
        }
        let read = copy.place.run(|place, _| place.read()).await;
        let Ok(Some((document, modified))) = read else {
            // Opening it says what is wrong with it.
            return Ok(Ok(()));
        };
        let said = Said {
            hash: document.hash.clone(),
            modified,
            base: copy.base.clone(),
        };
        let known = said.hash != shared.hash && store.knew(&said.hash).await?;
        let document = Arc::new(document);
        match said.compared_with(shared, known) {
            Verdict::Same => {
                copy.looked = looked;
                self.agree_on(shared.clone()).await;
                self.environment.set_warning(TOPIC, None);
                Ok(Ok(()))
            }
            Verdict::Newer if about_to_lead => {
                copy.outdated = None;
                Ok(Ok(()))
            }
            Verdict::Newer => {
                copy.looked = looked;
                copy.outdated = None;
                tracing::info!(
                    environment = self.environment.name(),
                    file = %copy.place.path().display(),
                    "the flags file was changed here; the replica that leads is asked to take it over"
                );
                let (options, keys) = (Arc::clone(&self.options), self.keys.clone());
                copy.offering = Some(tokio::spawn(async move {
                    let hash = said.hash.clone();
                    (
                        hash,
                        edits::offer(&options, &keys, said, &document.text).await,
                    )
                }));
                Ok(Ok(()))
            }
            verdict @ (Verdict::Older | Verdict::Conflict) => {
                let replaced = self
                    .bring_up_to_date(store, document, shared, verdict)
                    .await?;
                if replaced == Ok(true) {
                    self.agree_on(shared.clone()).await;
                }
                let moved_on = replaced == Ok(false);
                let outdated = replaced.err();
                let environment = &self.environment;
                if environment.set_warning(TOPIC, outdated.clone())
                    && let Some(outdated) = &outdated
                {
                    tracing::warn!(environment = environment.name(), "{outdated}");
                }
                if let Some(copy) = &mut self.copy {
                    copy.outdated.clone_from(&outdated);
                    // Looked at again at once where it was replaced.
                    copy.looked = looked.filter(|_| outdated.is_some());
                }
                // What was brought from it is not to be brought any more.
                if self.bringing.is_some() && about_to_lead {
                    self.end_source().await;
                    self.known = None;
                }
                match outdated {
                    Some(outdated) => Ok(Err(outdated)),
                    // The next look decides.
                    None if moved_on => Ok(Err("its flags file changes at this moment".to_owned())),
                    None => Ok(Ok(())),
                }
            }
        }
    }

    /// The leader has answered about this replica's flags file, or has not.
    fn offered(&mut self, offered: Option<(String, Result<Offered, String>)>) {
        let Some(copy) = &mut self.copy else { return };
        let file = copy.place.path().display().to_string();
        let warning = match offered {
            // It is in force, or another text is or is about to be; the next look compares with that.
            Some((_, Ok(Offered::NotNewer))) => {
                copy.looked = None;
                None
            }
            // Whoever has saved the file once more since has done so on top of that.
            Some((hash, Ok(Offered::Taken))) => {
                copy.looked = None;
                let number = copy.base.as_ref().map_or(0, |base| base.number);
                copy.base = Some(Revision { hash, number });
                None
            }
            Some((_, Ok(Offered::Refused(why)))) => Some(format!(
                "{file} was changed here, but the replica that leads does not take it over: {why}"
            )),
            Some((_, Err(why))) => {
                copy.looked = None;
                tracing::info!(
                    environment = self.environment.name(),
                    "{file} was changed here and is offered to the others again: {why}"
                );
                None
            }
            None => None,
        };
        if self.environment.set_warning(TOPIC, warning.clone())
            && let Some(warning) = warning
        {
            tracing::warn!(environment = self.environment.name(), "{warning}");
        }
    }

    /// Replaces a copy that is older, or first keeps it under another name where it says something that nobody knows. Returns whether
    /// it did; the inner `Err` says why it cannot.
    async fn bring_up_to_date(
        &self,
        store: &mut Store<'_>,
        document: Arc<Document>,
        shared: &Revision,
        verdict: Verdict,
    ) -> RedisResult<Result<bool, String>> {
        let Some(copy) = &self.copy else {
            return Ok(Ok(false));
        };
        let there = store.read().await?.and_then(|stored| stored.document);
        let Some(newer) = there.filter(|there| there.hash == shared.hash) else {
            // There is another one by now; the next look compares with that.
            return Ok(Ok(false));
        };
        let number = shared.number;
        let path = copy.place.path().display().to_string();
        let environment = self.environment.name().to_owned();
        let written = copy.place.run(move |place, abandoned| {
            let file = place.path().display();
            if verdict == Verdict::Conflict {
                let aside = place.set_aside(&document, abandoned)?;
                tracing::warn!(
                    environment,
                    "{file} was changed here while other flags came into force, so it is not used; it is kept as {}. Make the change again in {file}",
                    aside.display()
                );
            }
            if place.replace(&document.hash, &newer, number, abandoned)? {
                tracing::info!(
                    environment,
                    "{file} was older than what replicas serve; it is brought up to date"
                );
                return Ok(true);
            }
            Ok(false)
        });
        let failed = match written.await {
            Ok(replaced) => return Ok(Ok(replaced)),
            Err(error) => error.to_string(),
        };
        Ok(Err(format!(
            "{path} is not what the replicas serve, and cannot be brought up to date: {failed}. It is not used; make it writable, or replace it"
        )))
    }

    /// What this replica has served while it was alone becomes what all serve: its versions must be greater than those that
    /// others have served meanwhile.
    async fn outgrow(&mut self, store: &mut Store<'_>, seen: &Seen) -> RedisResult<()> {
        let place = seen.snapshot.as_ref().map(|(place, _)| *place);
        if place.is_none() || place == self.known {
            return Ok(());
        }
        if let Some(Stored {
            configuration: Ok(configuration),
            versions,
            ..
        }) = store.read().await?
        {
            let served = Raise::of(&configuration.flags, &configuration.segments);
            let environment = Arc::clone(&self.environment);
            let raised = tokio::task::spawn_blocking(move || {
                environment.outgrow(&versions, &served.flags, &served.groups);
            });
            drop(raised.await);
        }
        Ok(())
    }

    /// Opens the source; may read files.
    async fn open(&self) -> Result<Box<dyn Source>, String> {
        self.origin.open().await
    }

    async fn start_source(&mut self, source: Box<dyn Source>) {
        self.end_source().await;
        let (stop, stopping) = watch::channel(false);
        let editor = source.editor(&self.environment);
        let running = source.run(Arc::clone(&self.environment), stopping);
        if let Some(inner) = editor {
            self.environment.set_editor(Some(Arc::new(Leading {
                inner,
                environment: Arc::downgrade(&self.environment),
                published: self.published.subscribe(),
                runtime: tokio::runtime::Handle::current(),
            })));
        }
        let task = tokio::spawn(running);
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
        let outdated = self.copy.as_ref().and_then(|copy| copy.outdated.clone());
        let opened = match outdated {
            Some(outdated) => Err(outdated),
            None => self.open().await,
        };
        match opened {
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
                environment: Arc::downgrade(&self.environment),
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
