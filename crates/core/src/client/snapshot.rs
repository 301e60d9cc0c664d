//! Fetching evaluations: all of them, or the one that changed.

use alloc::string::String;
use alloc::vec::Vec;

use super::Client;
use crate::backoff::Backoff;
use crate::codec::Codec;
use crate::error::{Cause, ErrorKind};
use crate::order::Moment;
use crate::output::{Event, Status, Why};
use crate::request::{Purpose, Response};
use crate::time::{Instant, Millis};
use crate::timer::Timer;

/// How many flags may be under way one by one. Past that all are fetched in one request: browsers run six connections
/// per origin, and the application needs some of them.
const MAX_SINGLE_FETCHES: usize = 8;

/// How long to wait before fetching a flag that was just created, as Harness's own client does: its caches may not know
/// the flag yet.
const CREATED_DELAY: Millis = Millis(1_000);

/// How fetching stands.
#[derive(Debug)]
pub(super) struct Snapshots {
    /// All evaluations are wanted as soon as that is possible.
    pub(super) wanted: bool,
    /// A token was refused, and no fetch has succeeded with the one that replaced it; after a wait there may be another.
    pub(super) signed_in_again: bool,
    /// Fetch all once more when the fetch under way has ended: something changed meanwhile.
    again: bool,
    backoff: Backoff,
    /// Of the values as they are stored. Empty as soon as they came from anything but one whole list.
    etag: String,
    /// Evaluations of all flags have arrived for the first target.
    ready: bool,
    /// The last switch of target that was completed.
    pub(super) identified: u32,
    /// Flags being fetched one by one.
    singles: Vec<Single>,
}

#[derive(Debug)]
struct Single {
    flag: String,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Waits until then.
    Due(Instant),
    /// Under way.
    Asked,
    /// Under way, and it changed since.
    Again,
}

impl Default for Snapshots {
    fn default() -> Self {
        Self {
            wanted: true,
            signed_in_again: false,
            again: false,
            backoff: Backoff::default(),
            etag: String::new(),
            ready: false,
            identified: 0,
            singles: Vec::new(),
        }
    }
}

impl Snapshots {
    pub(super) const fn len(&self) -> usize {
        self.singles.len()
    }

    /// Nothing is under way any more, and all evaluations are wanted.
    pub(super) fn forget(&mut self) {
        self.wanted = true;
        self.again = false;
        self.etag.clear();
        self.singles.clear();
    }
}

impl<C: Codec> Client<C> {
    /// Fetches all evaluations: now, or when signed in, or once more after the fetch under way.
    pub(super) fn fetch_all(&mut self, now: Instant) {
        self.snapshots.wanted = true;
        if self.is_fetching_all() {
            self.snapshots.again = true;
            return;
        }
        let Some(session) = &self.session else { return };
        self.timers.cancel(Timer::Snapshot);
        let url = session.evaluations_url(&self.config, &self.codec.target_path(), None);
        let mut headers = session.headers(&self.config);
        let conditional = !self.snapshots.etag.is_empty();
        if conditional {
            headers.push(("If-None-Match", self.snapshots.etag.clone()));
        }
        self.send(now, Purpose::Snapshot { conditional }, url, headers, None);
    }

    fn is_fetching_all(&self) -> bool {
        self.requests
            .is_under_way(|purpose| matches!(purpose, Purpose::Snapshot { .. }))
    }

    pub(super) fn fetched_all(
        &mut self,
        now: Instant,
        asked: Moment,
        conditional: bool,
        answer: Result<Response<C::Json>, Cause>,
        retry_after: Option<Millis>,
    ) {
        let stored = answer.and_then(|response| self.store_all(asked, conditional, response));
        let again = core::mem::take(&mut self.snapshots.again);
        match stored {
            Ok(()) => {
                self.snapshots.backoff.reset();
                self.snapshots.signed_in_again = false;
                self.snapshots.wanted = again;
                self.loaded(again);
                self.save_soon(now); // unchanged values too: their age counts in the cache
                if again {
                    self.fetch_all(now);
                }
            }
            Err(cause) => {
                let delay = self.snapshots.backoff.fail(&mut self.random, retry_after);
                // A status that will not pass by itself is asked about as rarely as a poll.
                let delay = if cause.is_retryable() {
                    delay
                } else {
                    self.config.polling_interval
                };
                self.timers.set(Timer::Snapshot, now.after(delay));
                self.report(ErrorKind::FetchFlags, cause);
                self.degrade(Why::Fetch);
            }
        }
    }

    fn store_all(
        &mut self,
        asked: Moment,
        conditional: bool,
        response: Response<C::Json>,
    ) -> Result<(), Cause> {
        if response.status == 304 {
            if !conditional {
                return Err(Cause::Malformed);
            }
            if self.snapshots.etag.is_empty() {
                // The values are not those of the tag any more: an older answer may have come in between.
                self.snapshots.again = true;
            } else {
                self.order.know_all(asked, |_| ());
            }
            return Ok(());
        }
        let list = response
            .body
            .and_then(|body| self.codec.evaluations(body, false))
            .ok_or(Cause::Malformed)?;
        let mut whole = false;
        let codec = &mut self.codec;
        let changes = self.order.know_all(asked, |keep| {
            whole = keep.is_empty();
            codec.replace(list, keep)
        });
        self.snapshots.etag = response.etag.filter(|_| whole).unwrap_or_default();
        if let Some(changes) = changes.flatten() {
            self.emit(Event::Changed(changes));
        }
        Ok(())
    }

    /// The whole list is stored. `again`: another one is wanted, because something may have changed since this was asked for.
    fn loaded(&mut self, again: bool) {
        self.emit(Event::FlagsLoaded);
        if !self.snapshots.ready {
            self.snapshots.ready = true;
            self.emit(Event::Ready);
        }
        if self.snapshots.identified != self.target_switches {
            self.snapshots.identified = self.target_switches;
            self.emit(Event::Identified(self.target_switches));
        }
        match self.streaming.trouble() {
            _ if (again || self.timers.is_set(Timer::Snapshot)) && self.status == Status::Stale => {
            }
            Some(why) => self.set_state(Status::Stale, why),
            None => self.set_state(Status::Ready, Why::Fine),
        }
    }

    /// Fetches one flag that an event named without saying its value.
    pub(super) fn fetch_flag(&mut self, now: Instant, flag: String, created: bool) {
        if self.snapshots.again || (self.snapshots.wanted && self.session.is_none()) {
            return; // all are about to be fetched, later than the change
        }
        if let Some(single) = self
            .snapshots
            .singles
            .iter_mut()
            .find(|single| single.flag == flag)
        {
            if single.stage == Stage::Asked {
                single.stage = Stage::Again;
            }
        } else if self.snapshots.singles.len() >= MAX_SINGLE_FETCHES {
            if !created {
                self.fetch_all(now);
            } else if !self.timers.is_set(Timer::Snapshot) {
                self.timers.set(Timer::Snapshot, now.after(CREATED_DELAY));
            }
        } else if created {
            let due = now.after(CREATED_DELAY);
            self.snapshots.singles.push(Single {
                flag,
                stage: Stage::Due(due),
            });
            if !self.timers.is_set(Timer::Created) {
                self.timers.set(Timer::Created, due);
            }
        } else {
            self.send_single(now, flag);
        }
    }

    /// Fetches the created flags whose wait is over.
    pub(super) fn fetch_created(&mut self, now: Instant) {
        while let Some(index) = self
            .snapshots
            .singles
            .iter()
            .position(|single| matches!(single.stage, Stage::Due(due) if due <= now))
        {
            let single = self.snapshots.singles.swap_remove(index);
            self.send_single(now, single.flag);
        }
        let next = self
            .snapshots
            .singles
            .iter()
            .filter_map(|single| match single.stage {
                Stage::Due(due) => Some(due),
                Stage::Asked | Stage::Again => None,
            });
        if let Some(next) = next.min() {
            self.timers.set(Timer::Created, next);
        }
    }

    fn send_single(&mut self, now: Instant, flag: String) {
        let Some(session) = &self.session else { return };
        let url = session.evaluations_url(&self.config, &self.codec.target_path(), Some(&flag));
        let headers = session.headers(&self.config);
        self.snapshots.singles.push(Single {
            flag: flag.clone(),
            stage: Stage::Asked,
        });
        self.send(now, Purpose::Flag(flag), url, headers, None);
    }

    pub(super) fn fetched_flag(
        &mut self,
        now: Instant,
        flag: String,
        asked: Moment,
        answer: Result<Response<C::Json>, Cause>,
    ) {
        let index = self
            .snapshots
            .singles
            .iter()
            .position(|single| single.flag == flag);
        let single = index.map(|index| self.snapshots.singles.swap_remove(index));
        let again = single.is_some_and(|single| single.stage == Stage::Again);
        let answer = answer.and_then(|response| {
            response
                .body
                .and_then(|body| self.codec.evaluations(body, true))
                .ok_or(Cause::Malformed)
        });
        match answer {
            Ok(evaluation) => {
                self.snapshots.signed_in_again = false;
                if self.order.is_news(&flag, asked) {
                    self.order.know(flag.clone(), asked);
                    self.snapshots.etag.clear();
                    let changes = self.codec.merge(evaluation);
                    self.changed(now, changes);
                }
            }
            // The flag was deleted between the event and the fetch.
            Err(Cause::Status(404)) => {
                if self.order.is_news(&flag, asked) {
                    self.forget_flag(now, flag.clone(), asked);
                }
            }
            Err(cause) => {
                self.report(ErrorKind::FetchFlag, cause);
                // The fetch of all has the retries; what it brings is at least as new.
                self.snapshots.wanted = true;
                if self.is_fetching_all() {
                    self.snapshots.again = true;
                } else if !self.timers.is_set(Timer::Snapshot) {
                    let delay = self.snapshots.backoff.fail(&mut self.random, None);
                    self.timers.set(Timer::Snapshot, now.after(delay));
                }
                self.degrade(Why::Fetch);
                return;
            }
        }
        if again {
            self.send_single(now, flag);
        }
    }

    /// Stores evaluations that came by themselves: in an event, or from the application.
    pub(super) fn apply(&mut self, now: Instant, evaluations: C::Evaluations) {
        let moment = self.order.next();
        if self.is_fetching() {
            let order = &mut self.order;
            self.codec
                .flags(&evaluations, &mut |flag| order.know(flag, moment));
        }
        self.snapshots.etag.clear();
        let changes = self.codec.merge(evaluations);
        self.changed(now, changes);
    }

    /// Forgets a flag that was deleted, known as of `moment`.
    pub(super) fn forget_flag(&mut self, now: Instant, flag: String, moment: Moment) {
        self.snapshots.etag.clear();
        let changes = self.codec.remove(&flag);
        if self.is_fetching() {
            self.order.know(flag, moment);
        }
        self.changed(now, changes);
    }

    /// Whether something that was asked for before now may still arrive: only then matters what is known since when.
    pub(super) fn is_fetching(&self) -> bool {
        self.requests
            .is_under_way(|purpose| *purpose != Purpose::Metrics)
    }

    fn changed(&mut self, now: Instant, changes: Option<C::Changes>) {
        if let Some(changes) = changes {
            self.emit(Event::Changed(changes));
            self.save_soon(now);
        }
    }
}
