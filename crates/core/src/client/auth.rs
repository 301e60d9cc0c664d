//! Signing in.

use super::Client;
use crate::backoff::Backoff;
use crate::codec::{Ask, Codec, SignedIn};
use crate::error::{Cause, ErrorKind};
use crate::request::{Purpose, Response};
use crate::state::Why;
use crate::time::{Instant, Millis};
use crate::timer::Timer;

/// What signing in gave, besides what the codec remembers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Session {
    /// The server offers native streams.
    pub(super) offers_native: bool,
    /// The URL for a native stream holds a ticket that opens one stream, and that was not used yet.
    pub(super) ticket: bool,
}

/// Where signing in stands. What it gave is in `Client::session`, which stays in use while a new ticket is fetched.
#[derive(Debug, Default)]
pub(super) enum Auth {
    /// No request to sign in is under way.
    #[default]
    Idle,
    /// A request is under way, or waits to be sent again.
    Busy(Backoff),
    /// The server refused. That is final: a wrong key does not become right by asking again.
    Refused,
}

impl<C: Codec> Client<C> {
    /// Signs in now, unless that is under way or was refused.
    pub(super) fn sign_in(&mut self, now: Instant) {
        match self.auth {
            Auth::Refused => return,
            Auth::Idle => self.auth = Auth::Busy(Backoff::default()),
            Auth::Busy(_) => {}
        }
        self.timers.cancel(Timer::SignIn);
        if !self.requests.is_under_way(Purpose::SignIn) {
            let request = self.codec.request(Ask::SignIn);
            self.send(now, Purpose::SignIn, request);
        }
    }

    pub(super) fn signed_in(
        &mut self,
        now: Instant,
        failure: Option<Cause>,
        response: &mut Response<C::Json, C::Text>,
    ) {
        let signed_in = match (failure, response.body.take()) {
            (None, Some(body)) => self.codec.sign_in(body),
            _ => None,
        };
        if let Some(SignedIn { offers_native }) = signed_in {
            self.session = Some(Session {
                offers_native,
                ticket: offers_native,
            });
            self.auth = Auth::Idle;
            return self.resume(now);
        }
        // A captive portal answers 200 with a page of its own: worth another try.
        let cause = failure.unwrap_or(Cause::Malformed);
        if cause.is_retryable() {
            self.sign_in_failed(now, cause, response.retry_after);
        } else {
            self.refuse(cause);
        }
    }

    /// Drops the token and asks for another.
    pub(super) fn sign_in_again(&mut self, now: Instant) {
        self.forget_session();
        self.degrade(Why::Auth);
        self.sign_in(now);
    }

    fn sign_in_failed(&mut self, now: Instant, cause: Cause, retry_after: Option<Millis>) {
        let Auth::Busy(backoff) = &mut self.auth else {
            return;
        };
        let first = backoff.attempts() == 0;
        let delay = backoff.fail(&mut self.random, retry_after);
        self.timers.set(Timer::SignIn, now.after(delay));
        // Reported once an outage: an application that hears an error a second can do nothing more with it.
        if first {
            self.report(ErrorKind::Auth, cause);
        }
        // With a session, this was for a ticket or for metrics: the values are as good as before.
        if self.session.is_none() {
            self.degrade(cause.reason(Why::Auth));
        }
    }

    fn refuse(&mut self, cause: Cause) {
        self.save();
        self.forget_session();
        self.stop_polling();
        self.timers.clear();
        self.auth = Auth::Refused;
        self.report(ErrorKind::Auth, cause);
        self.disconnected();
        self.degrade(Why::Refused);
    }

    /// Goes on where signing in had been in the way.
    fn resume(&mut self, now: Instant) {
        if self.snapshots.wanted {
            self.fetch_all(now);
        }
        self.start_stream(now);
        self.start_metrics(now);
    }
}
