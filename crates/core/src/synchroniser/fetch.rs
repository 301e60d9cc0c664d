//! Fetches both lists, and single flags and groups that changed.

use alloc::vec::Vec;

use super::{EnvironmentAsk, EnvironmentCodec, HeldVersion, Synchroniser};
use crate::error::{Cause, ErrorKind};
use crate::protocol::{Change, Domain};
use crate::request::{Purpose, RequestId, Response};
use crate::state::Why;
use crate::time::{Instant, Millis};
use crate::timer::Timer;

/// How many flags, and how many groups, may be fetched one by one at a time. If more change, the list is fetched.
const MAX_SINGLE_FETCHES: usize = 8;

/// How many announced changes and deletions of each list are remembered until a fetch has confirmed them. Past that the list is
/// fetched without comparing it.
pub const MAX_EXPECTED: usize = 64;

/// How many lists in a row may lack an announced change, or have lower versions than what is stored, before they are believed: the
/// server's count of versions may have started over.
pub const MAX_TRIES: u8 = 6;

/// The state of fetching one of the two lists.
#[derive(Debug)]
pub(super) struct Part<T> {
    /// Whether the list is to be fetched as soon as that is possible.
    wanted: bool,
    /// The request for the list.
    pub(super) under_way: Option<RequestId>,
    /// What was announced while the list is under way.
    again: Again,
    /// Whether the request under way carries the tag, so that it can be answered with 304.
    conditional: bool,
    /// The tag of the stored list; `None` as soon as an entry changed otherwise.
    etag: Option<T>,
    loaded: bool,
    failed: bool,
    singles: Vec<Single<T>>,
    /// Announced versions that no reply has had yet.
    expected: Vec<(T, i64)>,
    /// Identifiers of which a deletion was announced, and no list has confirmed it yet.
    gone: Vec<T>,
    /// How many lists in a row were behind.
    behind: u8,
}

/// A fetch of one entry that is under way.
#[derive(Debug)]
pub(super) struct Single<T> {
    identifier: T,
    request: RequestId,
    again: Again,
}

/// Whether to fetch once more after the fetch under way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Again {
    #[default]
    No,
    /// If the reply lacks a version that was announced meanwhile.
    IfBehind,
    /// In any case, because a change without a version was announced.
    Always,
}

impl<T> Default for Part<T> {
    fn default() -> Self {
        Self {
            wanted: true,
            under_way: None,
            again: Again::No,
            conditional: false,
            etag: None,
            loaded: false,
            failed: false,
            singles: Vec::new(),
            expected: Vec::new(),
            gone: Vec::new(),
            behind: 0,
        }
    }
}

impl<T: PartialEq> Part<T> {
    /// Returns how many things are remembered.
    pub(super) fn len(&self) -> usize {
        self.singles
            .len()
            .saturating_add(self.expected.len())
            .saturating_add(self.gone.len())
    }

    /// Returns whether the stored list is the server's, as far as is known.
    pub(super) const fn is_current(&self) -> bool {
        self.loaded && !self.failed
    }

    /// Resets the state for a new session: nothing is under way, and the list is wanted.
    pub(super) fn forget(&mut self) {
        self.wanted = true;
        self.under_way = None;
        self.again = Again::No;
        self.singles.clear();
    }

    pub(super) fn take_single(&mut self, id: RequestId) -> Option<Single<T>> {
        let index = self.singles.iter().position(|it| it.request == id)?;
        Some(self.singles.swap_remove(index))
    }

    /// Remembers that a version was announced. Returns whether there was room.
    fn expect(&mut self, identifier: T, version: i64) -> bool {
        let known = self.expected.iter_mut().find(|(it, _)| *it == identifier);
        if let Some((_, least)) = known {
            *least = version.max(*least);
        } else if self.expected.len() < MAX_EXPECTED {
            self.expected.push((identifier, version));
        } else {
            return false;
        }
        true
    }
}

impl<C: EnvironmentCodec> Synchroniser<C> {
    /// Fetches both lists without the wait that follows a failure, unless the server asked for it.
    pub(super) fn fetch_at_once(&mut self, now: Instant) {
        if !self.told_to_wait {
            self.timers.cancel(Timer::Snapshot);
        }
        self.fetch_everything(now);
    }

    /// Fetches both lists: now, or as soon as that is possible.
    pub(super) fn fetch_everything(&mut self, now: Instant) {
        self.fetch_list(now, Domain::Flag, Again::Always);
        self.fetch_list(now, Domain::TargetSegment, Again::Always);
    }

    /// Fetches the lists that are wanted after a wait. A token that is refused now may be replaced again, as the last time is a while
    /// ago.
    pub(super) fn fetch_after_wait(&mut self, now: Instant) {
        self.signed_in_again = false;
        self.told_to_wait = false;
        for domain in [Domain::Flag, Domain::TargetSegment] {
            if self.part(domain).wanted && self.part(domain).under_way.is_none() {
                self.fetch_list(now, domain, Again::Always);
            }
        }
    }

    /// Fetches a list: now, or after the wait that follows a failure, or, as `again` says, after the fetch under way.
    fn fetch_list(&mut self, now: Instant, domain: Domain, again: Again) {
        let can = self.session && !self.timers.is_set(Timer::Snapshot);
        let part = self.part(domain);
        if part.under_way.is_some() {
            part.again = part.again.max(again);
            return;
        }
        part.wanted = true;
        if !can {
            return;
        }
        part.again = Again::No;
        part.conditional = part.etag.is_some();
        // The list is asked for later than they were, and must not be overwritten by them.
        for single in core::mem::take(&mut part.singles) {
            self.abort(single.request);
        }
        let etag = match domain {
            Domain::Flag => &self.flags.etag,
            Domain::TargetSegment => &self.groups.etag,
        };
        let ask = EnvironmentAsk::All(domain, etag.as_ref());
        let request = self.codec.request(ask);
        let id = self.send(now, Purpose::All, request);
        self.part(domain).under_way = Some(id);
    }

    pub(super) fn fetched_all(
        &mut self,
        now: Instant,
        domain: Domain,
        failure: Option<Cause>,
        response: &mut Response<C::Json, C::Text>,
    ) {
        let part = self.part(domain);
        part.under_way = None;
        let again = core::mem::take(&mut part.again);
        let behind = match failure {
            None => self.store_all(domain, response),
            Some(cause) => Err(cause),
        };
        match behind {
            Err(cause) => self.fetch_failed(now, domain, cause, response.retry_after),
            Ok(behind) => {
                let part = self.part(domain);
                part.wanted = false;
                part.loaded = true;
                part.failed = false;
                // The token is good for both lists.
                if !self.flags.wanted && !self.groups.wanted {
                    self.signed_in_again = false;
                }
                if again == Again::Always || (behind && again == Again::IfBehind) {
                    self.fetch_list(now, domain, Again::No);
                } else if behind {
                    self.fetch_later(now, domain);
                } else if !self.timers.is_set(Timer::Snapshot) {
                    self.fetch_backoff.reset();
                }
                self.improve(now);
            }
        }
    }

    /// Stores a list. Returns whether it lacks something that is known of the server's configuration.
    fn store_all(
        &mut self,
        domain: Domain,
        response: &mut Response<C::Json, C::Text>,
    ) -> Result<bool, Cause> {
        if response.status == 304 {
            let part = self.part(domain);
            if !part.conditional {
                return Err(Cause::Malformed);
            }
            // Without a tag the stored entries are not those of the tag any more.
            return Ok(part.etag.is_none() || self.check_expected(domain));
        }
        let body = response.body.take().ok_or(Cause::Malformed)?;
        let entries = self
            .codec
            .entries(domain, body, None)
            .ok_or(Cause::Malformed)?;
        let trusted = self.part(domain).behind >= MAX_TRIES;
        if trusted {
            self.part(domain).gone.clear();
            self.part(domain).expected.clear();
        }
        let gone = match domain {
            Domain::Flag => &self.flags.gone,
            Domain::TargetSegment => &self.groups.gone,
        };
        let stored = self.codec.replace(domain, entries, gone, trusted);
        self.changed(stored.changes);
        let behind = self.check_expected(domain) || (stored.behind && !trusted);
        let part = self.part(domain);
        part.etag = None;
        if behind {
            part.behind = part.behind.saturating_add(1);
        } else {
            part.behind = 0;
            part.gone.clear();
            part.etag = response.etag.take();
        }
        Ok(behind)
    }

    /// Forgets the announced versions that are stored. Returns whether some are missing.
    fn check_expected(&mut self, domain: Domain) -> bool {
        let (part, codec) = match domain {
            Domain::Flag => (&mut self.flags, &self.codec),
            Domain::TargetSegment => (&mut self.groups, &self.codec),
        };
        part.expected
            .retain(|(identifier, version)| !codec.held(domain, identifier).has(*version));
        !part.expected.is_empty()
    }

    fn fetch_failed(
        &mut self,
        now: Instant,
        domain: Domain,
        cause: Cause,
        retry_after: Option<Millis>,
    ) {
        let part = self.part(domain);
        part.failed = true;
        part.wanted = true;
        let delay = if cause.is_retryable() {
            self.fetch_backoff.fail(&mut self.random, retry_after)
        } else {
            self.long_wait(retry_after)
        };
        self.told_to_wait |= retry_after.is_some();
        self.wait(now, delay);
        self.report(ErrorKind::FetchFlags, cause);
        let why = match cause {
            Cause::Status(403) => Why::Refused,
            Cause::Status(401) => Why::Auth,
            _ => Why::Fetch,
        };
        self.degrade(now, cause.reason(why));
    }

    /// Fetches a list after a wait, because the last one lacks something.
    fn fetch_later(&mut self, now: Instant, domain: Domain) {
        self.part(domain).wanted = true;
        if !self.timers.is_set(Timer::Snapshot) {
            let delay = self.fetch_backoff.fail(&mut self.random, None);
            self.wait(now, delay);
        }
    }

    /// Waits before the next fetch. Of two waits the longer one holds.
    fn wait(&mut self, now: Instant, delay: Millis) {
        let mut until = now.after(delay);
        if self.timers.is_set(Timer::Snapshot) {
            until = until.max(self.timers.at(Timer::Snapshot));
        }
        self.timers.set(Timer::Snapshot, until);
    }

    // ---- single entries ----------------------------------------------------------------------------------------------

    /// Takes an announced change of one flag or group.
    pub(super) fn entity_changed(
        &mut self,
        now: Instant,
        domain: Domain,
        change: Change,
        identifier: C::Text,
        version: Option<i64>,
    ) {
        if change == Change::Delete {
            return self.entity_deleted(now, domain, identifier, version);
        }
        let held = self.codec.held(domain, &identifier);
        self.part(domain).gone.retain(|gone| *gone != identifier);
        if let (Some(version), HeldVersion::Entry(Some(held))) = (version, held)
            && held >= version
        {
            return;
        }
        let part = self.part(domain);
        part.etag = None;
        let again = match version {
            Some(version) if part.expect(identifier.clone(), version) => Again::IfBehind,
            _ => Again::Always,
        };
        let mut singles = part.singles.iter_mut();
        if let Some(single) = singles.find(|it| it.identifier == identifier) {
            single.again = single.again.max(again);
            return;
        }
        let busy = part.under_way.is_some() || part.wanted || self.told_to_wait;
        if busy || self.part(domain).singles.len() >= MAX_SINGLE_FETCHES {
            self.fetch_list(now, domain, again);
        } else {
            self.fetch_one(now, domain, identifier);
        }
    }

    fn entity_deleted(
        &mut self,
        now: Instant,
        domain: Domain,
        identifier: C::Text,
        version: Option<i64>,
    ) {
        let held = self.codec.held(domain, &identifier);
        if let (Some(version), HeldVersion::Entry(Some(held))) = (version, held)
            && held > version
        {
            // It was probably created again since, and a list that was fetched has it. Some servers count deletions otherwise.
            return self.fetch_list(now, domain, Again::Always);
        }
        let part = self.part(domain);
        part.etag = None;
        part.expected.retain(|(it, _)| *it != identifier);
        let index = part
            .singles
            .iter()
            .position(|it| it.identifier == identifier);
        if let Some(single) = index.map(|index| part.singles.swap_remove(index)) {
            self.abort(single.request);
        }
        let changes = self.codec.remove(domain, &identifier);
        self.changed(changes);
        let part = self.part(domain);
        if part.gone.contains(&identifier) {
            return;
        }
        if part.gone.len() >= MAX_EXPECTED {
            // A list that is asked for now is later than all of these deletions, which need not be remembered then.
            part.gone.clear();
            if let Some(list) = part.under_way.take() {
                self.abort(list);
            }
            self.fetch_list(now, domain, Again::Always);
        }
        self.part(domain).gone.push(identifier);
    }

    fn fetch_one(&mut self, now: Instant, domain: Domain, identifier: C::Text) {
        if !self.session {
            return; // both lists are fetched after signing in
        }
        let request = self.codec.request(EnvironmentAsk::One(domain, &identifier));
        let request = self.send(now, Purpose::Flag, request);
        self.part(domain).singles.push(Single {
            identifier,
            request,
            again: Again::No,
        });
    }

    pub(super) fn fetched_one(
        &mut self,
        now: Instant,
        domain: Domain,
        Single {
            identifier, again, ..
        }: Single<C::Text>,
        failure: Option<Cause>,
        response: &mut Response<C::Json, C::Text>,
    ) {
        let cause = match (failure, response.body.take()) {
            // It was deleted between the event and the fetch.
            (Some(Cause::Status(404)), _) => {
                if self.codec.held(domain, &identifier) != HeldVersion::Nothing {
                    self.part(domain).expected.retain(|it| it.0 != identifier);
                    let changes = self.codec.remove(domain, &identifier);
                    self.changed(changes);
                }
                None
            }
            (Some(cause), _) => Some(cause),
            (None, body) => {
                match body.and_then(|body| self.codec.entries(domain, body, Some(&identifier))) {
                    None => Some(Cause::Malformed),
                    Some(entries) => {
                        let stored = self.codec.merge(domain, entries);
                        self.changed(stored.changes);
                        None
                    }
                }
            }
        };
        if let Some(cause) = cause {
            // Only lists are retried. The list is at least as new.
            return self.fetch_failed(now, domain, cause, response.retry_after);
        }
        self.check_expected(domain);
        let behind = self
            .part(domain)
            .expected
            .iter()
            .any(|it| it.0 == identifier);
        if again == Again::Always || (behind && again == Again::IfBehind) {
            self.fetch_one(now, domain, identifier);
        } else if behind {
            self.fetch_later(now, domain);
        }
    }
}
