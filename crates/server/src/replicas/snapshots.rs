//! Moves snapshots between Redis and the environment: the leader publishes, followers take what is newer.

use std::sync::Arc;

use redis::RedisResult;
use tokio::sync::watch;

use super::edits::{self, Raise};
use super::file_copy::FileCopy;
use super::revision::Revision;
use super::store::{Publication, Seen, SnapshotNumber, Store, Stored};
use crate::environment::Environment;

/// What this replica knows of the snapshot in Redis.
pub(super) struct Snapshots {
    environment: Arc<Environment>,
    /// The number of the newest snapshot that was read from Redis or written there; with `None` any snapshot counts as newer.
    known: Option<SnapshotNumber>,
    /// The last edition of the environment that is in Redis, as long as this replica leads.
    published: watch::Sender<u64>,
}

impl Snapshots {
    pub(super) fn new(environment: Arc<Environment>) -> Self {
        Self {
            environment,
            known: None,
            published: watch::Sender::default(),
        }
    }

    /// Watches the last edition of the environment that is in Redis.
    pub(super) fn published(&self) -> watch::Receiver<u64> {
        self.published.subscribe()
    }

    /// Has the next snapshot that is seen in Redis count as newer, whatever its number.
    pub(super) const fn forget(&mut self) {
        self.known = None;
    }

    /// Puts the snapshot in Redis in force if it is newer than what is known. A follower that has served greater versions asks
    /// the leader to raise its own to these. The inner error says why the snapshot cannot be used.
    pub(super) async fn take(
        &mut self,
        store: &mut Store<'_>,
        seen: &Seen,
        follows: bool,
    ) -> RedisResult<Result<(), String>> {
        let newer = |number: SnapshotNumber| self.known.is_none_or(|known| number > known);
        if !seen
            .snapshot
            .as_ref()
            .is_some_and(|(number, _)| newer(*number))
        {
            return Ok(Ok(()));
        }
        let Some(stored) = store.read().await? else {
            return Ok(Ok(()));
        };
        let Stored {
            number,
            stamp,
            configuration,
            versions,
            document,
        } = stored;
        let configuration = match configuration {
            Ok(configuration) => configuration,
            Err(why) => {
                self.known = Some(number);
                return Ok(Err(format!("what is in Redis cannot be used: {why}")));
            }
        };
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
        // This replica has served greater versions alone, or under a leader whose last snapshots Redis has lost.
        let current = self.environment.current();
        let raise = current.map(|current| {
            let snapshot = &current.snapshot;
            Raise::of(snapshot.flags(), snapshot.segments()).beyond(&given)
        });
        if let Some(raise) = raise.filter(|raise| !raise.is_empty())
            && follows
        {
            edits::ask_to_raise(&mut store.connection, store.keys, raise).await?;
        }
        self.known = Some(number);
        Ok(Ok(()))
    }

    /// Publishes what is in force here unless Redis has it already; `status` is how the leader's source is, as JSON. Returns
    /// whether Redis had lost the snapshot and has it again.
    pub(super) async fn publish(
        &mut self,
        store: &mut Store<'_>,
        seen: &Seen,
        status: &str,
        copy: Option<&mut FileCopy>,
    ) -> RedisResult<bool> {
        let Some(in_force) = self.environment.in_force() else {
            return Ok(false);
        };
        let shared = seen.shared.as_ref();
        let revision = match (&copy, &in_force.document) {
            (Some(copy), Some(document)) => Some(copy.revision_of(document, shared).await),
            _ => None,
        };
        let number = match seen.snapshot {
            Some((number, ref stamp))
                if *stamp == in_force.stamp
                    && number.term == seen.term
                    && *self.published.borrow() == in_force.edition
                    && (revision.is_none() || revision.as_ref() == shared) =>
            {
                if seen.status.as_deref() != Some(status) {
                    store.put_status(status).await?;
                }
                self.known = Some(number);
                return Ok(false);
            }
            // Greater than any that some replica may have seen, whatever is in Redis.
            ref other => {
                let there = other.as_ref().map_or(0, |(number, _)| number.count);
                let known = self.known.map_or(0, |known| known.count);
                SnapshotNumber {
                    term: seen.term,
                    count: there.max(known).saturating_add(1),
                }
            }
        };
        let hash = |revision: Option<&Revision>| revision.map(|one| one.hash.clone());
        let publication = Publication {
            number,
            in_force: &in_force,
            status,
            revision: revision.as_ref(),
            text_is_there: hash(revision.as_ref()) == hash(shared),
        };
        if !store.publish(publication).await? {
            return Ok(false);
        }
        let refilled = seen.snapshot.is_none() && self.known.is_some();
        self.known = Some(number);
        if let (Some(revision), Some(copy)) = (revision, copy) {
            copy.agree_on(revision).await;
        }
        self.published.send_replace(in_force.edition);
        Ok(refilled)
    }

    /// Prepares that what this replica has served while it was alone becomes what all serve: gives its flags and groups greater
    /// versions than those that other replicas have served meanwhile.
    pub(super) async fn outgrow(&self, store: &mut Store<'_>, seen: &Seen) -> RedisResult<()> {
        let number = seen.snapshot.as_ref().map(|(number, _)| *number);
        if number.is_none() || number == self.known {
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
}
