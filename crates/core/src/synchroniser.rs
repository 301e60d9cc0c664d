//! Keeps one environment's configuration, its flags and target groups, in a server: signs in with a server key, fetches both lists,
//! follows the stream of changes, and polls while there is none.
//!
//! A driver runs it as it runs [`Client`](crate::Client): one `handle_*` method or command, then [`Synchroniser::poll_output`] to
//! `None`, then a timer for [`Synchroniser::poll_timeout`].
//!
//! # Invariants
//! - There are never two streams, and never two requests for the same list or entry.
//! - An older reply never overwrites a newer one. While a list is fetched, no single entry of it is; a list that is asked for aborts
//!   the requests for single entries of it. What an event announces meanwhile is remembered, and compared with the list.
//! - An entry is replaced by one with a lower version only after [`MAX_TRIES`] lists in a row have had lower versions.
//! - Memory besides the configuration is bounded, whatever the server sends.
//! - There is no output after the state `Closed`.

mod auth;
mod codec;
mod config;
mod fetch;
mod stream;

use alloc::vec::Vec;

pub use self::codec::{
    EntityEvent, EnvironmentAsk, EnvironmentCodec, HeldVersion, KeyCheck, ParsedEntity, Stored,
};
pub use self::config::{SyncConfig, SyncEvent, SyncOutput};
use self::fetch::Part;
pub use self::fetch::{MAX_EXPECTED, MAX_TRIES};
use self::stream::Streaming;
use crate::backoff::{Backoff, Random};
use crate::error::{Cause, Error, ErrorKind};
use crate::order::Order;
use crate::output::StreamId;
use crate::protocol::Domain;
use crate::request::{Pending, Purpose, Request, RequestId, Requests, Response};
use crate::state::{Status, Why};
use crate::time::{Instant, Millis};
use crate::timer::{Timer, Timers};

/// The shortest polling and safety intervals; shorter ones are raised to this.
const MIN_SYNC_INTERVAL: Millis = Millis(1_000);

/// The shortest wait after an answer that will not pass by itself, such as a refused key, which an operator may allow later.
const REFUSED_DELAY: Millis = Millis(60_000);

/// Synchronises the configuration of one environment. See the module's documentation for what holds, and the crate's for how to
/// drive it.
pub struct Synchroniser<C: EnvironmentCodec> {
    config: SyncConfig,
    codec: C,
    random: Random,
    outputs: Vec<SyncOutput<C::Request, C::Changes>>,
    timers: Timers,
    requests: Requests,
    order: Order,
    session: bool,
    sign_in_backoff: Backoff,
    /// Whether a token was refused and no request has succeeded with the one that replaced it. After a wait there may be another.
    signed_in_again: bool,
    flags: Part<C::Text>,
    groups: Part<C::Text>,
    fetch_backoff: Backoff,
    /// Whether the wait before the next fetch is one that the server asked for, which nothing shortens.
    told_to_wait: bool,
    streaming: Streaming,
    last_error: Option<Error>,
    status: Status,
    why: Why,
    since: Instant,
}

impl<C: EnvironmentCodec> Synchroniser<C> {
    /// Makes a synchroniser that does nothing yet. `seed` decides about jitter alone.
    #[must_use]
    pub fn new(mut config: SyncConfig, codec: C, seed: u64) -> Self {
        config.polling_interval = config.polling_interval.max(MIN_SYNC_INTERVAL);
        config.safety_interval = config.safety_interval.map(|it| it.max(MIN_SYNC_INTERVAL));
        Self {
            status: if config.cached {
                Status::Cached
            } else {
                Status::Initializing
            },
            why: Why::Fine,
            since: Instant::default(),
            config,
            codec,
            random: Random::new(seed),
            outputs: Vec::new(),
            timers: Timers::default(),
            requests: Requests::default(),
            order: Order::default(),
            session: false,
            sign_in_backoff: Backoff::default(),
            signed_in_again: false,
            flags: Part::default(),
            groups: Part::default(),
            fetch_backoff: Backoff::default(),
            told_to_wait: false,
            streaming: Streaming::default(),
            last_error: None,
        }
    }

    // ---- commands ----------------------------------------------------------------------------------------------------

    /// Starts the synchroniser, which signs in; all other requests follow from that.
    pub fn start(&mut self, now: Instant) {
        if !self.is_closed() {
            self.since = now;
            self.sign_in(now);
        }
    }

    /// Fetches both lists now, or after the wait that the server asked for. Many calls in quick succession lead to two requests for
    /// each list at most.
    pub fn refresh(&mut self, now: Instant) {
        if !self.is_closed() {
            self.fetch_at_once(now);
        }
    }

    /// Ends all requests and the stream. It may be called at any moment, and more than once.
    pub fn close(&mut self, now: Instant) {
        if !self.is_closed() {
            self.forget_session();
            self.timers.clear();
            self.set_state(now, Status::Closed, Why::Fine);
        }
    }

    // ---- inputs ------------------------------------------------------------------------------------------------------

    /// Takes the reply to a request.
    pub fn handle_response(
        &mut self,
        now: Instant,
        id: RequestId,
        mut response: Response<C::Json, C::Text>,
    ) {
        let failure = match response.status {
            200..=299 | 304 => None,
            status => Some(Cause::Status(status)),
        };
        if let Some(pending) = self.requests.take(id) {
            self.settle_request(now, pending, failure, &mut response);
        }
    }

    /// Takes the report that a request got no answer.
    pub fn handle_failure(&mut self, now: Instant, id: RequestId) {
        if let Some(pending) = self.requests.take(id) {
            self.fail_request(now, pending, Cause::Network);
        }
    }

    /// Does what is due at `now`. Call it when [`poll_timeout`](Self::poll_timeout) is reached; it does no harm at any other time.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.is_closed() {
            return;
        }
        while let Some(pending) = self.requests.expired(now) {
            self.put(SyncOutput::Abort(pending.id));
            self.fail_request(now, pending, Cause::Timeout);
        }
        while let Some(timer) = self.timers.expired(now) {
            match timer {
                Timer::SignIn => self.sign_in(now),
                Timer::Snapshot => self.fetch_after_wait(now),
                Timer::StreamRetry => self.open_stream(now),
                Timer::StreamIdle => self.stream_lost(now, Cause::Timeout, None),
                Timer::Poll => self.poll(now),
                // The client alone arms these.
                Timer::Created | Timer::Metrics | Timer::Save | Timer::Lead | Timer::Pause => {}
            }
        }
    }

    // ---- what the driver must do -------------------------------------------------------------------------------------

    /// Returns the next thing to do; `None` when all is done.
    pub fn poll_output(&mut self) -> Option<SyncOutput<C::Request, C::Changes>> {
        (!self.outputs.is_empty()).then(|| self.outputs.remove(0))
    }

    /// Returns when to call [`handle_timeout`](Self::handle_timeout) at the latest; `None` for never.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let next = self.timers.next().min(self.requests.next_deadline());
        (next != Instant::NEVER).then_some(next)
    }

    // ---- getters -----------------------------------------------------------------------------------------------------

    /// Returns how far the configuration can be trusted, why, and since when that is so.
    #[must_use]
    pub const fn state(&self) -> (Status, Why, Instant) {
        (self.status, self.why, self.since)
    }

    /// Returns the codec, which stores the configuration.
    #[must_use]
    pub const fn codec(&self) -> &C {
        &self.codec
    }

    /// Returns the codec, for drivers whose codec keeps something of their own. The stored configuration must not be changed through
    /// it.
    pub const fn codec_mut(&mut self) -> &mut C {
        &mut self.codec
    }

    /// Returns how many things the synchroniser remembers besides the configuration. It is bounded whatever happens, which tests
    /// check.
    #[doc(hidden)]
    #[must_use]
    pub fn held(&self) -> usize {
        self.outputs
            .len()
            .saturating_add(self.requests.len())
            .saturating_add(self.flags.len())
            .saturating_add(self.groups.len())
    }

    // ---- shared by the mechanisms ------------------------------------------------------------------------------------

    const fn is_closed(&self) -> bool {
        matches!(self.status, Status::Closed)
    }

    const fn part(&mut self, domain: Domain) -> &mut Part<C::Text> {
        match domain {
            Domain::Flag => &mut self.flags,
            Domain::TargetSegment => &mut self.groups,
        }
    }

    fn put(&mut self, output: SyncOutput<C::Request, C::Changes>) {
        self.outputs.push(output);
    }

    fn changed(&mut self, changes: Option<C::Changes>) {
        if let Some(changes) = changes {
            self.put(SyncOutput::Emit(SyncEvent::Changed(changes)));
        }
    }

    fn report(&mut self, kind: ErrorKind, cause: Cause) {
        let error = Error::new(kind, cause);
        if self.last_error.replace(error) != Some(error) {
            self.put(SyncOutput::Emit(SyncEvent::Error(error)));
        }
    }

    fn set_state(&mut self, now: Instant, status: Status, why: Why) {
        if (self.status, self.why) != (status, why) {
            (self.status, self.why, self.since) = (status, why, now);
            self.put(SyncOutput::Emit(SyncEvent::State(status, why)));
        }
    }

    /// Sets the state for trouble with this reason. A configuration of the server becomes stale.
    fn degrade(&mut self, now: Instant, why: Why) {
        let status = if self.status == Status::Ready {
            Status::Stale
        } else {
            self.status
        };
        self.set_state(now, status, why);
    }

    /// Sets the state after something went right.
    fn improve(&mut self, now: Instant) {
        if !self.flags.is_current() || !self.groups.is_current() {
            return;
        }
        self.last_error = None;
        match self.streaming.trouble() {
            None => self.set_state(now, Status::Ready, Why::Fine),
            Some(why) => self.set_state(now, Status::Stale, why),
        }
    }

    /// Returns a time around `interval`, ± 10 %, so that the servers of one outage do not all ask at the same time.
    fn around(&mut self, interval: Millis) -> Millis {
        let tenth = interval.0 / 10;
        let least = interval.0.saturating_sub(tenth);
        let jitter = self.random.below(tenth.saturating_mul(2));
        Millis(least.saturating_add(jitter))
    }

    /// How long to wait after an answer that will not pass by itself.
    fn long_wait(&mut self, asked: Option<Millis>) -> Millis {
        let wait = self.config.polling_interval.max(REFUSED_DELAY);
        let wait = self.around(wait);
        asked.map_or(wait, |asked| {
            wait.max(asked.min(crate::backoff::MAX_RETRY_AFTER))
        })
    }

    fn send(&mut self, now: Instant, purpose: Purpose, request: C::Request) -> RequestId {
        let asked = self.order.next();
        let deadline = now.after(self.config.request_timeout);
        let id = self.requests.add(purpose, asked, deadline);
        self.put(SyncOutput::Send(Request {
            id,
            request,
            keepalive: false,
            detached: false,
        }));
        id
    }

    /// Aborts a request, unless its reply has come.
    fn abort(&mut self, id: RequestId) {
        if self.requests.take(id).is_some() {
            self.put(SyncOutput::Abort(id));
        }
    }

    fn fail_request(&mut self, now: Instant, pending: Pending, cause: Cause) {
        let mut nothing = Response {
            status: 0,
            retry_after: None,
            etag: None,
            body: None,
        };
        self.settle_request(now, pending, Some(cause), &mut nothing);
    }

    fn settle_request(
        &mut self,
        now: Instant,
        Pending { id, purpose, .. }: Pending,
        failure: Option<Cause>,
        response: &mut Response<C::Json, C::Text>,
    ) {
        if self.is_closed() {
            return;
        }
        if purpose == Purpose::SignIn {
            return self.signed_in(now, failure, response);
        }
        if failure == Some(Cause::Status(401))
            && !core::mem::replace(&mut self.signed_in_again, true)
        {
            return self.sign_in_again(now);
        }
        for domain in [Domain::Flag, Domain::TargetSegment] {
            if self.part(domain).under_way == Some(id) {
                return self.fetched_all(now, domain, failure, response);
            }
            if let Some(single) = self.part(domain).take_single(id) {
                return self.fetched_one(now, domain, single, failure, response);
            }
        }
    }

    /// Ends all requests of the session and its stream.
    fn forget_session(&mut self) {
        while let Some(pending) = self.requests.take_of_target() {
            self.put(SyncOutput::Abort(pending.id));
        }
        self.close_stream();
        self.session = false;
        self.told_to_wait = false;
        self.flags.forget();
        self.groups.forget();
        self.timers.cancel(Timer::SignIn);
        self.timers.cancel(Timer::Snapshot);
        self.timers.cancel(Timer::StreamRetry);
        self.timers.cancel(Timer::Poll);
    }
}

impl<C: EnvironmentCodec> Synchroniser<C> {
    /// Takes an input of a stream. It has the same inputs as the stream of a client.
    pub fn handle_stream(&mut self, now: Instant, id: StreamId, input: crate::StreamInput<'_>) {
        if !self.is_closed() && self.streaming.is(id) {
            self.stream_input(now, input);
        }
    }
}
