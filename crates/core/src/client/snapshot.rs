//! Fetches evaluations: all of them, or those of single flags that changed.

use alloc::vec::Vec;

use super::Client;
use crate::backoff::Backoff;
use crate::codec::{Ask, Codec};
use crate::error::{Cause, ErrorKind};
use crate::order::Moment;
use crate::output::Event;
use crate::request::{Pending, Purpose, RequestId, Response};
use crate::state::{Status, Why};
use crate::time::{Instant, Millis};
use crate::timer::Timer;

/// How many flags may be fetched one by one at a time. If more change, all are fetched in one request: browsers allow six
/// connections to an origin, and the application needs some of them.
const MAX_SINGLE_FETCHES: usize = 8;

/// How long to wait before fetching a flag that was just created, as Harness's own client does: the caches of the service may
/// not have the flag yet.
const CREATED_DELAY: Millis = Millis(1_000);

/// The state of fetching.
#[derive(Debug)]
pub(super) struct Snapshots<T> {
    /// Whether all evaluations are to be fetched as soon as that is possible.
    pub(super) wanted: bool,
    /// Whether a token was refused and no fetch has succeeded with the one that replaced it. After a wait there may be another.
    pub(super) signed_in_again: bool,
    /// Whether to fetch all again when the fetch under way ends, because something changed meanwhile.
    again: bool,
    backoff: Backoff,
    /// When the last list was asked for; `None` where this session has not asked for one yet.
    pub(super) asked_at: Option<Instant>,
    /// The tag of the list from which all stored values are; `None` as soon as one of them is from elsewhere.
    etag: Option<T>,
    /// Whether the request under way carries the tag, so that it can be answered with 304.
    conditional: bool,
    /// Whether the evaluations of all flags have arrived once.
    ready: bool,
    /// The last switch of target that was completed.
    pub(super) identified: u32,
    /// Flags being fetched one by one.
    singles: Vec<Single<T>>,
}

#[derive(Debug)]
struct Single<T> {
    flag: T,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The flag is to be fetched at this time.
    Due(Instant),
    /// Its request is under way.
    Asked(RequestId),
    /// Its request is under way, and the flag has changed since.
    Again(RequestId),
}

impl<T> Default for Snapshots<T> {
    fn default() -> Self {
        Self {
            wanted: true,
            signed_in_again: false,
            again: false,
            backoff: Backoff::default(),
            asked_at: None,
            etag: None,
            conditional: false,
            ready: false,
            identified: 0,
            singles: Vec::new(),
        }
    }
}

impl<T> Snapshots<T> {
    pub(super) const fn len(&self) -> usize {
        self.singles.len()
    }

    /// Resets the state for a new session: nothing is under way, and all evaluations are wanted.
    pub(super) fn forget(&mut self) {
        self.wanted = true;
        self.again = false;
        self.asked_at = None;
        self.etag = None;
        self.singles.clear();
    }
}

impl<C: Codec> Client<C> {
    /// Fetches all evaluations: now, or as soon as the client is signed in, or again after the fetch under way.
    pub(super) fn fetch_all(&mut self, now: Instant) {
        self.snapshots.wanted = true;
        if self.requests.is_under_way(Purpose::All) {
            self.snapshots.again = true;
        } else if self.session.is_some() {
            self.timers.cancel(Timer::Snapshot);
            self.snapshots.asked_at = Some(now);
            self.snapshots.conditional = self.snapshots.etag.is_some();
            let request = self.codec.request(Ask::All(self.snapshots.etag.as_ref()));
            self.send(now, Purpose::All, request);
        }
    }

    /// Fetches all evaluations after a wait. A token that is refused now may be replaced again, as the last time is a while ago.
    pub(super) fn fetch_after_wait(&mut self, now: Instant) {
        self.snapshots.signed_in_again = false;
        self.fetch_all(now);
    }

    pub(super) fn fetched_all(
        &mut self,
        now: Instant,
        asked: Moment,
        failure: Option<Cause>,
        response: &mut Response<C::Json, C::Text>,
    ) {
        let failure = failure.or_else(|| self.store_all(asked, response));
        let again = core::mem::take(&mut self.snapshots.again);
        match failure {
            None => {
                self.snapshots.backoff.reset();
                self.snapshots.signed_in_again = false;
                self.snapshots.wanted = again;
                self.loaded(again);
                self.save_soon(now); // unchanged values too: their age counts in the cache
                if again {
                    self.fetch_all(now);
                }
            }
            Some(cause) => {
                let delay = self
                    .snapshots
                    .backoff
                    .fail(&mut self.random, response.retry_after);
                // After a status that will not pass by itself, the next attempt waits for a whole polling interval.
                let delay = if cause.is_retryable() {
                    delay
                } else {
                    self.config.polling_interval
                };
                self.timers.set(Timer::Snapshot, now.after(delay));
                self.report(ErrorKind::FetchFlags, cause);
                self.degrade(cause.reason(Why::Fetch));
            }
        }
    }

    /// Stores the reply, if it is newer than what is known. Returns what is wrong with it; `None` where nothing is.
    fn store_all(
        &mut self,
        asked: Moment,
        response: &mut Response<C::Json, C::Text>,
    ) -> Option<Cause> {
        if response.status == 304 {
            if !self.snapshots.conditional {
                return Some(Cause::Malformed);
            }
            if self.snapshots.etag.is_none() {
                // The values are not those of the tag any more: an older answer may have come in between.
                self.snapshots.again = true;
            } else if self.order.is_news(asked) {
                self.order.know_all(asked);
            }
            return None;
        }
        let Some(list) = response
            .body
            .take()
            .and_then(|body| self.codec.evaluations(body, false))
        else {
            return Some(Cause::Malformed);
        };
        self.snapshots.etag = None;
        if self.order.is_news(asked) {
            if self.order.know_all(asked) {
                self.snapshots.etag = response.etag.take();
            }
            if let Some(changes) = self.codec.replace(list, asked) {
                self.emit(Event::Changed(changes));
            }
        }
        None
    }

    /// Reports that the whole list is stored. `again`: another one is wanted, because something may have changed since this was
    /// asked for.
    fn loaded(&mut self, again: bool) {
        self.emit(Event::FlagsLoaded);
        if !self.snapshots.ready {
            self.snapshots.ready = true;
            self.emit(Event::Ready);
        }
        let switched = self.snapshots.identified != self.target_switches;
        if switched {
            self.snapshots.identified = self.target_switches;
            self.emit(Event::Identified(self.target_switches));
        }
        match self.streaming.trouble() {
            // The next list brings what may have been missed, so the status stays stale until then. For a new target this is the
            // first list, and nothing was missed.
            _ if (again || self.timers.is_set(Timer::Snapshot))
                && self.status == Status::Stale
                && !switched => {}
            Some(why) => self.set_state(Status::Stale, why),
            None => self.set_state(Status::Ready, Why::Fine),
        }
    }

    /// Fetches one flag, of which an event came without the new evaluation.
    pub(super) fn fetch_flag(&mut self, now: Instant, flag: C::Text, created: bool) {
        if self.snapshots.again || (self.snapshots.wanted && self.session.is_none()) {
            return; // all are about to be fetched, later than the change
        }
        if let Some(single) = self
            .snapshots
            .singles
            .iter_mut()
            .find(|single| single.flag == flag)
        {
            if let Stage::Asked(id) = single.stage {
                single.stage = Stage::Again(id);
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
                Stage::Asked(_) | Stage::Again(_) => None,
            });
        if let Some(next) = next.min() {
            self.timers.set(Timer::Created, next);
        }
    }

    fn send_single(&mut self, now: Instant, flag: C::Text) {
        if self.session.is_some() {
            let request = self.codec.request(Ask::Flag(&flag));
            let stage = Stage::Asked(self.send(now, Purpose::Flag, request));
            self.snapshots.singles.push(Single { flag, stage });
        }
    }

    pub(super) fn fetched_flag(
        &mut self,
        now: Instant,
        Pending { id, asked, .. }: Pending,
        failure: Option<Cause>,
        response: &mut Response<C::Json, C::Text>,
    ) {
        let Some(index) = self.snapshots.singles.iter().position(
            |single| matches!(single.stage, Stage::Asked(of) | Stage::Again(of) if of == id),
        ) else {
            return;
        };
        let Single { flag, stage } = self.snapshots.singles.swap_remove(index);
        let evaluation = match failure {
            None => response
                .body
                .take()
                .and_then(|body| self.codec.evaluations(body, true)),
            Some(_) => None,
        };
        match (evaluation, failure) {
            (Some(evaluation), _) => {
                self.snapshots.signed_in_again = false;
                if self.order.is_news(asked) {
                    self.merge(now, evaluation, asked);
                }
            }
            // The flag was deleted between the event and the fetch.
            (None, Some(Cause::Status(404))) => {
                if self.order.is_news(asked) {
                    self.forget_flag(now, &flag, asked);
                }
            }
            (None, failure) => {
                let cause = failure.unwrap_or(Cause::Malformed);
                self.report(ErrorKind::FetchFlag, cause);
                // Only the fetch of all is retried, so that is used; its evaluations are at least as new.
                self.snapshots.wanted = true;
                if self.requests.is_under_way(Purpose::All) {
                    self.snapshots.again = true;
                } else if !self.timers.is_set(Timer::Snapshot) {
                    let delay = self.snapshots.backoff.fail(&mut self.random, None);
                    self.timers.set(Timer::Snapshot, now.after(delay));
                }
                self.degrade(cause.reason(Why::Fetch));
                return;
            }
        }
        if let Stage::Again(_) = stage {
            self.send_single(now, flag);
        }
    }

    /// Stores evaluations that were not fetched: those of an event, or of the application.
    pub(super) fn apply(&mut self, now: Instant, evaluations: C::Evaluations) {
        let moment = self.order.next();
        self.merge(now, evaluations, moment);
    }

    fn merge(&mut self, now: Instant, evaluations: C::Evaluations, as_of: Moment) {
        let changes = self.codec.merge(evaluations, as_of);
        self.changed(now, changes, as_of);
    }

    /// Forgets a flag of which it is known as of `as_of` that it was deleted.
    pub(super) fn forget_flag(&mut self, now: Instant, flag: &C::Text, as_of: Moment) {
        let changes = self.codec.remove(flag, as_of);
        self.changed(now, changes, as_of);
        self.settle_order();
    }

    /// Reports that single flags were stored. The values are no longer those of one list, so the tag is dropped.
    fn changed(&mut self, now: Instant, changes: Option<C::Changes>, as_of: Moment) {
        self.order.know(as_of);
        self.snapshots.etag = None;
        if let Some(changes) = changes {
            self.emit(Event::Changed(changes));
            self.save_soon(now);
        }
    }
}
