//! Keeps this replica's copy of the flags file up to date with the text that the replicas share.
//!
//! What happens when the copy differs from the text in force is decided in [`super::revision`].

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use redis::RedisResult;
use tokio::task::JoinHandle;

use super::copy_on_disk::CopyOnDisk;
use super::edits::{self, Offered};
use super::options::ReplicaOptions;
use super::revision::{CopyState, Revision, Verdict};
use super::store::{self, Keys, Store};
use crate::environment::{Document, Environment};
use crate::time::unix_millis;

/// Names the warnings about this replica's copy of the flags file in the environment's status.
const TOPIC: &str = "copy";

/// A text that nobody knows counts once the file has been left alone for this long: as long as a large loss waits in the leader's
/// file. The file may be in the middle of being written, or be the leader's as well, which then has read it by the end of that.
const QUIET: Duration = Duration::from_secs(2);

/// The time of modification, the length and the inode.
type Signature = (SystemTime, u64, u64);

/// What the leader answered about the text with this hash.
type Answered = (String, Result<Offered, String>);

/// This replica's copy of the flags file, and what is known of it.
pub(super) struct FileCopy {
    options: Arc<ReplicaOptions>,
    keys: Keys,
    environment: Arc<Environment>,
    disk: CopyOnDisk,
    /// The revision that the copy last had in common with the other replicas.
    base: Option<Revision>,
    /// The file as it was when it was last compared, and the revision that it was compared with.
    compared: Option<(Option<Signature>, Revision)>,
    /// The file as it was at the last look, and since when it has been so.
    seen: Option<(Signature, Instant)>,
    /// Runs while the leader is asked to take the copy's text over.
    offering: Option<JoinHandle<Answered>>,
    /// Why the copy must not be used, although the file is there.
    unusable: Option<String>,
}

/// The result of comparing the copy with the text in force.
pub(super) struct Compared {
    /// Whether the copy may be used; the error says why not.
    pub(super) usable: Result<(), String>,
    /// Whether the copy was older than the text in force, so that a source which has read it must end.
    pub(super) was_older: bool,
}

impl Compared {
    const USABLE: Self = Self {
        usable: Ok(()),
        was_older: false,
    };
}

impl FileCopy {
    pub(super) fn new(
        options: Arc<ReplicaOptions>,
        keys: Keys,
        environment: Arc<Environment>,
        disk: CopyOnDisk,
    ) -> Self {
        Self {
            options,
            keys,
            environment,
            base: disk.base(),
            disk,
            compared: None,
            seen: None,
            offering: None,
            unusable: None,
        }
    }

    /// The revision that the copy last had in common with the other replicas.
    pub(super) const fn base(&self) -> Option<&Revision> {
        self.base.as_ref()
    }

    /// Why the copy must not be used, although the file is there.
    pub(super) const fn unusable(&self) -> Option<&String> {
        self.unusable.as_ref()
    }

    /// Returns the revision of the text in force: a known one if the text is known, a new one otherwise.
    pub(super) async fn revision_of(
        &self,
        document: &Document,
        shared: Option<&Revision>,
    ) -> Revision {
        let known = || [shared, self.base.as_ref()].into_iter().flatten();
        if let Some(known) = known()
            .filter(|known| known.hash == document.hash)
            .max_by_key(|known| known.number)
        {
            return known.clone();
        }
        let number = if let Some(last) = known().map(|known| known.number).max() {
            unix_millis(SystemTime::now()).max(last.saturating_add(1))
        } else {
            // The first revision of all is as old as its file, so that a newer copy elsewhere counts.
            let signature = self.disk.run(|disk, _| Ok(disk.look())).await;
            let modified = signature.ok().flatten().map(|(modified, ..)| modified);
            unix_millis(modified.unwrap_or_else(SystemTime::now))
        };
        Revision {
            hash: document.hash.clone(),
            number,
        }
    }

    /// Notes that the copy has the text of this revision, as the other replicas have.
    pub(super) async fn agree_on(&mut self, revision: Revision) {
        self.unusable = None;
        if self.base.as_ref() == Some(&revision) {
            return;
        }
        self.base = Some(revision.clone());
        let saved = self.disk.run(move |disk, _| {
            disk.save_base(&revision);
            Ok(())
        });
        drop(saved.await);
    }

    /// Compares the copy with `shared`, the text in force, and does what follows from that. A replica that is `about_to_lead`
    /// puts a newer copy in force by opening it as its source; any other one offers it to the leader.
    pub(super) async fn compare(
        &mut self,
        store: &mut Store<'_>,
        shared: &Revision,
        about_to_lead: bool,
    ) -> RedisResult<Compared> {
        if let Some(offering) = &mut self.offering {
            if offering.is_finished() {
                let answered = offering.await;
                self.offering = None;
                self.answered(answered.ok());
            }
            // After an answer, what was seen in Redis may be older than it.
            return Ok(Compared::USABLE);
        }
        let signature = self.disk.run(|disk, _| Ok(disk.look())).await;
        let signature = signature.ok().flatten();
        let quiet = self.quiet(signature);
        let compared = Some((signature, shared.clone()));
        if compared == self.compared {
            let usable = self.unusable.clone().map_or(Ok(()), Err);
            return Ok(Compared {
                usable,
                was_older: false,
            });
        }
        let read = self.disk.run(|disk, _| disk.read()).await;
        let Ok(Some((document, modified))) = read else {
            // Opening it as a source says what is wrong with it.
            return Ok(Compared::USABLE);
        };
        let state = CopyState {
            hash: document.hash.clone(),
            modified,
            base: self.base.clone(),
        };
        let mut last = None;
        if state.hash != shared.hash {
            // After the file was read, as the leader announces a text before it writes it.
            let known = store::find_text(&mut store.connection, store.keys, &state.hash).await?;
            last = known.last;
            let undecided = known.announced
                || known.in_force.as_ref() != Some(shared)
                || (last.is_none() && quiet < QUIET);
            // The next look decides. An announcement does not count for who leads next.
            if undecided && !about_to_lead {
                return Ok(Compared::USABLE);
            }
        }
        match state.compared_with(shared, last) {
            Verdict::Same => {
                self.compared = compared;
                self.agree_on(shared.clone()).await;
                self.environment.set_warning(TOPIC, None);
                Ok(Compared::USABLE)
            }
            Verdict::Newer => {
                self.unusable = None;
                if !about_to_lead {
                    self.compared = compared;
                    self.offer(state, document);
                }
                Ok(Compared::USABLE)
            }
            verdict @ (Verdict::Older | Verdict::Conflict) => {
                let replaced = self.replace(store, document, shared, verdict).await?;
                if replaced == Ok(true) {
                    self.agree_on(shared.clone()).await;
                }
                let unusable = replaced.as_ref().err().cloned();
                self.warn(unusable.clone());
                // A copy that was replaced is compared once more at the next look.
                self.compared = compared.filter(|_| unusable.is_some());
                self.unusable = unusable;
                Ok(Compared {
                    usable: match replaced {
                        Ok(true) => Ok(()),
                        // The next look decides.
                        Ok(false) => Err("its flags file changes at this moment".to_owned()),
                        Err(why) => Err(why),
                    },
                    was_older: true,
                })
            }
        }
    }

    /// Returns for how long nothing has written to the file, which has this signature now.
    fn quiet(&mut self, signature: Option<Signature>) -> Duration {
        let Some(signature) = signature else {
            self.seen = None;
            return Duration::ZERO;
        };
        let since = match self.seen {
            Some((seen, since)) if seen == signature => since,
            _ => Instant::now(),
        };
        self.seen = Some((signature, since));
        let (modified, ..) = signature;
        // The clock of another machine may have set the time of modification, and be ahead.
        since.elapsed().max(modified.elapsed().unwrap_or_default())
    }

    /// Begins to ask the leader to put the copy's text in force.
    fn offer(&mut self, state: CopyState, document: Document) {
        tracing::info!(
            environment = self.environment.name(),
            file = %self.disk.path().display(),
            "the flags file was changed here; the replica that leads is asked to take it over"
        );
        let (options, keys) = (Arc::clone(&self.options), self.keys.clone());
        self.offering = Some(tokio::spawn(async move {
            let hash = state.hash.clone();
            let offered = edits::offer(&options, &keys, state, &document.text).await;
            (hash, offered)
        }));
    }

    /// Handles the leader's answer about the copy's text; `None` stands for an offer that failed in this process.
    fn answered(&mut self, answered: Option<Answered>) {
        let file = self.disk.path().display().to_string();
        let warning = match answered {
            // The text is in force, or another text is or will be soon; the next look compares with that.
            Some((_, Ok(Offered::NotNewer))) => {
                self.compared = None;
                None
            }
            // If the file was saved once more since, its new text is based on that text.
            Some((hash, Ok(Offered::Taken))) => {
                self.compared = None;
                let number = self.base.as_ref().map_or(0, |base| base.number);
                self.base = Some(Revision { hash, number });
                None
            }
            Some((_, Ok(Offered::Refused(why)))) => Some(format!(
                "{file} was changed here, but the replica that leads does not take it over: {why}"
            )),
            Some((_, Err(why))) => {
                self.compared = None;
                tracing::info!(
                    environment = self.environment.name(),
                    "{file} was changed here and is offered to the others again: {why}"
                );
                None
            }
            None => None,
        };
        self.warn(warning);
    }

    /// Replaces a copy that is older; one that is in conflict is saved under another name first. Returns whether the copy has the
    /// text of `shared`; the inner error says why it cannot be replaced.
    async fn replace(
        &self,
        store: &mut Store<'_>,
        document: Document,
        shared: &Revision,
        verdict: Verdict,
    ) -> RedisResult<Result<bool, String>> {
        let there = store.read().await?.and_then(|stored| stored.document);
        let Some(newer) = there.filter(|there| there.hash == shared.hash) else {
            // Another text is in force by now; the next look compares with that.
            return Ok(Ok(false));
        };
        let number = shared.number;
        let environment = self.environment.name().to_owned();
        let written = self.disk.run(move |disk, abandoned| {
            let file = disk.path().display();
            if verdict == Verdict::Conflict {
                let saved = disk.save_refused(&document, abandoned)?;
                tracing::warn!(
                    environment,
                    "{file} was changed here while other flags came into force, so it is not used; it is kept as {}. Make the change again in {file}",
                    saved.display()
                );
            }
            if disk.replace(&document.hash, &newer, number, abandoned)? {
                tracing::info!(
                    environment,
                    "{file} was older than what replicas serve; it is brought up to date"
                );
                return Ok(true);
            }
            Ok(false)
        });
        Ok(written.await.map_err(|error| {
            format!(
                "{} is not what the replicas serve, and cannot be brought up to date: {error}. It is not used; make it writable, or replace it",
                self.disk.path().display()
            )
        }))
    }

    /// Shows this warning about the copy in place of the one before, and logs it if it is new.
    fn warn(&self, warning: Option<String>) {
        if self.environment.set_warning(TOPIC, warning.clone())
            && let Some(warning) = warning
        {
            tracing::warn!(environment = self.environment.name(), "{warning}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replicas::connection::Redis;

    #[test]
    fn a_file_is_quiet_from_its_last_write_on() {
        let options = Arc::new(ReplicaOptions::new(
            Redis::new("redis://127.0.0.1:1", None).unwrap(),
        ));
        let mut copy = FileCopy::new(
            options,
            Keys::new("flagwire", "e"),
            Arc::new(Environment::new("e")),
            CopyOnDisk::new("flags.yaml".into(), None),
        );
        let now = SystemTime::now();
        let (hour, long_ago) = (Duration::from_secs(3_600), now - Duration::from_secs(3_600));
        assert!(copy.quiet(Some((long_ago, 10, 1))) >= hour);
        // Where the clock that set the time is ahead, what was seen here counts.
        let ahead = now + hour;
        assert!(copy.quiet(Some((ahead, 11, 1))) < hour);
        let Some((seen, since)) = copy.seen else {
            panic!("it was seen")
        };
        assert_eq!(seen, (ahead, 11, 1));
        copy.seen = since.checked_sub(QUIET).map(|since| (seen, since));
        assert!(copy.quiet(Some((ahead, 11, 1))) >= QUIET);
        assert!(copy.quiet(Some((ahead, 12, 1))) < hour);
        assert_ne!(copy.seen.map(|(_, since)| since), since.checked_sub(QUIET));
        assert_eq!(copy.quiet(None), Duration::ZERO);
    }
}
