//! The client, with its commands and inputs. It connects the mechanisms, which are in the modules below.

mod auth;
mod metrics;
mod page;
mod snapshot;
mod stream;
mod tabs;

use alloc::vec::Vec;

use self::auth::{Auth, Session};
use self::snapshot::Snapshots;
use self::stream::Streaming;
use self::tabs::Tabs;
use crate::backoff::Random;
use crate::codec::Codec;
use crate::config::{Config, MIN_INTERVAL, REQUEST_TIMEOUT};
use crate::error::{Cause, Error, ErrorKind};
use crate::order::Order;
use crate::output::{Event, Output};
use crate::request::{Pending, Purpose, Request, RequestId, Requests, Response};
use crate::state::{Status, Why};
use crate::time::{Instant, Millis};
use crate::timer::{Timer, Timers};

/// A client for one target. See the crate's documentation for how to drive it.
pub struct Client<C: Codec> {
    config: Config,
    codec: C,
    random: Random,
    outputs: Vec<Output<C>>,
    timers: Timers,
    requests: Requests,
    order: Order,
    auth: Auth,
    session: Option<Session>,
    snapshots: Snapshots<C::Text>,
    streaming: Streaming,
    tabs: Tabs,
    /// Whether the last refusal of a token for metrics led to signing in again. Every other one does; a post that succeeds clears it.
    metrics_signed_in_again: bool,
    /// How many times the target was switched.
    target_switches: u32,
    status: Status,
    why: Why,
}

impl<C: Codec> Client<C> {
    /// Makes a client that does nothing yet. `codec` knows the target; `seed` decides about jitter alone.
    #[must_use]
    pub fn new(mut config: Config, codec: C, seed: u64) -> Self {
        config.polling_interval = config.polling_interval.max(MIN_INTERVAL);
        config.metrics_interval = config.metrics_interval.max(MIN_INTERVAL);
        Self {
            status: if config.cached {
                Status::Cached
            } else {
                Status::Initializing
            },
            why: Why::Fine,
            codec,
            random: Random::new(seed),
            outputs: Vec::new(),
            timers: Timers::default(),
            requests: Requests::default(),
            order: Order::default(),
            auth: Auth::default(),
            session: None,
            snapshots: Snapshots::default(),
            streaming: Streaming::default(),
            tabs: Tabs::default(),
            metrics_signed_in_again: false,
            target_switches: 0,
            config,
        }
    }

    // ---- commands ----------------------------------------------------------------------------------------------------

    /// Starts the client, which signs in; all other requests follow from that.
    pub fn start(&mut self, now: Instant) {
        if !self.is_closed() {
            self.sign_in(now);
        }
    }

    /// Switches to another target. Replies for the old one are ignored from now on, but its values stay until the new ones
    /// arrive, so that listeners are notified of real differences alone. Returns the number of the [`Event::Identified`] that
    /// reports the end of the switch.
    pub fn identify(&mut self, now: Instant, target: C::Target) -> u32 {
        if self.is_closed() {
            return self.target_switches;
        }
        self.save(); // under the key of the old target, which the codec is about to forget
        self.post_metrics(now); // while there is a session to post them in
        self.codec.set_target(target);
        self.target_switches = self.target_switches.saturating_add(1);
        self.forget_session();
        self.snapshots.signed_in_again = false;
        self.degrade(Why::Target);
        self.sign_in(now);
        self.target_switches
    }

    /// Fetches all evaluations now. Many calls in quick succession lead to two requests at most.
    pub fn refresh(&mut self, now: Instant) {
        if !self.is_closed() {
            self.fetch_all(now);
        }
    }

    /// Stores evaluations that the application provides; newer ones from the server will overwrite them.
    pub fn set_evaluations(&mut self, now: Instant, evaluations: C::Evaluations) {
        if !self.is_closed() {
            self.apply(now, evaluations);
        }
    }

    /// Posts the counts and writes pending values to the cache now, without waiting for their timers.
    pub fn flush(&mut self, now: Instant) {
        if !self.is_closed() {
            self.post_metrics(now);
            self.save();
        }
    }

    /// Closes the client: the counts are posted, and all else stops. It may be called at any moment, and more than once.
    pub fn close(&mut self, now: Instant) {
        if self.is_closed() {
            return;
        }
        self.save();
        self.post_all_metrics(now);
        self.forget_session();
        self.timers.clear();
        self.emit(Event::Stopped);
        self.set_state(Status::Closed, Why::Fine);
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
            self.put(Output::Abort(pending.id));
            self.fail_request(now, pending, Cause::Timeout);
        }
        while let Some(timer) = self.timers.expired(now) {
            match timer {
                Timer::SignIn => self.sign_in(now),
                Timer::Snapshot => self.fetch_after_wait(now),
                Timer::Created => self.fetch_created(now),
                Timer::StreamRetry => self.open_stream(now),
                Timer::StreamIdle => self.stream_silent(now),
                Timer::Poll => self.poll(now),
                Timer::Metrics => self.metrics_due(now),
                Timer::Save => self.put(Output::Save(self.codec.save())),
                Timer::Lead => self.post_state(now),
                Timer::Pause => self.pause(Why::Hidden),
            }
        }
    }

    // ---- what the driver must do -------------------------------------------------------------------------------------

    /// Returns the next thing to do; `None` when all is done.
    pub fn poll_output(&mut self) -> Option<Output<C>> {
        // There are a few at the most, and a `VecDeque` is a kilobyte of code.
        (!self.outputs.is_empty()).then(|| self.outputs.remove(0))
    }

    /// Returns when to call [`handle_timeout`](Self::handle_timeout) at the latest; `None` for never.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        // A metrics post that outlives `close` has a deadline, but nobody waits for it.
        if self.is_closed() {
            return None;
        }
        let next = self.timers.next().min(self.requests.next_deadline());
        (next != Instant::NEVER).then_some(next)
    }

    // ---- getters -----------------------------------------------------------------------------------------------------

    /// Returns how far the values can be trusted, and why.
    #[must_use]
    pub const fn state(&self) -> (Status, Why) {
        (self.status, self.why)
    }

    /// Returns the codec, which holds the values and counts their reads.
    #[must_use]
    pub const fn codec(&self) -> &C {
        &self.codec
    }

    /// Returns how many things the client remembers besides values and options. It is bounded whatever happens, which tests check.
    #[doc(hidden)]
    #[must_use]
    pub fn held(&self) -> usize {
        self.outputs
            .len()
            .saturating_add(self.requests.len())
            .saturating_add(self.snapshots.len())
    }

    // ---- shared by the mechanisms ------------------------------------------------------------------------------------

    const fn is_closed(&self) -> bool {
        matches!(self.status, Status::Closed)
    }

    // `put`, `emit` and `report` are called from everywhere: written out each time, they are 200 bytes of the shipped module.

    #[inline(never)]
    fn put(&mut self, output: Output<C>) {
        self.outputs.push(output);
    }

    #[inline(never)]
    fn emit(&mut self, event: Event<C::Changes>) {
        self.put(Output::Emit(event));
    }

    #[inline(never)]
    fn report(&mut self, kind: ErrorKind, cause: Cause) {
        self.emit(Event::Error(Error::new(kind, cause)));
    }

    /// Reports each real change of state to the application once.
    fn set_state(&mut self, status: Status, why: Why) {
        if (self.status, self.why) != (status, why) {
            (self.status, self.why) = (status, why);
            self.emit(Event::State(status, why));
        }
    }

    /// Sets the state for trouble with this reason. The status depends on which values there are: those of the server become
    /// stale.
    fn degrade(&mut self, why: Why) {
        let status = if self.status == Status::Ready {
            Status::Stale
        } else {
            self.status
        };
        self.set_state(status, why);
    }

    fn send(&mut self, now: Instant, purpose: Purpose, request: C::Request) -> RequestId {
        let timeout = if purpose == Purpose::SignIn {
            self.config.sign_in_timeout
        } else {
            REQUEST_TIMEOUT
        };
        let detached = purpose == Purpose::Metrics;
        // Metrics are also posted when the page is left, and a post that is under way then should still arrive.
        let keepalive = detached && !self.requests.is_under_way(Purpose::Metrics);
        let asked = self.order.next();
        let id = self.requests.add(purpose, asked, now.after(timeout));
        self.put(Output::Send(Request {
            id,
            request,
            keepalive,
            detached,
        }));
        id
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

    /// Passes a reply to the mechanism that sent the request. Without `failure`, the status of the reply is 2xx or 304.
    fn settle_request(
        &mut self,
        now: Instant,
        pending: Pending,
        failure: Option<Cause>,
        response: &mut Response<C::Json, C::Text>,
    ) {
        if self.is_closed() {
            return;
        }
        if matches!(failure, Some(Cause::Status(401))) {
            match pending.purpose {
                Purpose::SignIn => {}
                Purpose::Metrics => return self.metrics_unauthorized(now),
                Purpose::All | Purpose::Flag => {
                    // The token may have expired, so another one is asked for, once. If that is refused, too, the fetch
                    // fails as for other causes.
                    if !core::mem::replace(&mut self.snapshots.signed_in_again, true) {
                        return self.sign_in_again(now);
                    }
                }
            }
        }
        match pending.purpose {
            Purpose::SignIn => self.signed_in(now, failure, response),
            Purpose::All => self.fetched_all(now, pending.asked, failure, response),
            Purpose::Flag => self.fetched_flag(now, pending, failure, response),
            Purpose::Metrics => self.posted_metrics(now, failure),
        }
        self.settle_order();
    }

    /// Forgets the order of answers if nothing is under way, because no older answer can arrive then.
    fn settle_order(&mut self) {
        if !self.requests.is_fetching() {
            self.order.settle();
            self.codec.settle();
        }
    }

    /// Ends all requests of the session and its stream. Posts of metrics go on: they are for the old target, with its token.
    fn forget_session(&mut self) {
        while let Some(pending) = self.requests.take_of_target() {
            self.put(Output::Abort(pending.id));
        }
        self.close_stream();
        self.leave_tabs();
        self.session = None;
        self.auth = Auth::Idle;
        self.snapshots.forget();
        self.settle_order();
        self.timers.cancel(Timer::SignIn);
        self.timers.cancel(Timer::Snapshot);
        self.timers.cancel(Timer::Created);
        self.timers.cancel(Timer::StreamRetry);
    }

    /// Arms the timer that writes changed values to the cache, so that changes in quick succession are written once.
    fn save_soon(&mut self, now: Instant) {
        /// Writing 10 000 values to local storage blocks the page for milliseconds.
        const SAVE_DELAY: Millis = Millis(1_000);
        // Until the list of a new target arrives, the values are those of the old one, and must not be written under the new key.
        let are_of_target = self.snapshots.identified == self.target_switches;
        if self.config.cache && are_of_target && !self.timers.is_set(Timer::Save) {
            self.timers.set(Timer::Save, now.after(SAVE_DELAY));
        }
    }

    fn save(&mut self) {
        if self.timers.is_set(Timer::Save) {
            self.timers.cancel(Timer::Save);
            self.put(Output::Save(self.codec.save()));
        }
    }
}
