//! Signs in, and gets new tokens and tickets.

use super::Client;
use crate::backoff::Backoff;
use crate::codec::{Ask, Codec, SignedIn};
use crate::error::{Cause, ErrorKind};
use crate::request::{Purpose, Response};
use crate::state::Why;
use crate::time::{Instant, Millis};
use crate::timer::Timer;

/// The result of signing in, besides the token and other texts, which the codec holds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Session {
    /// Whether the server offers native streams.
    pub(super) offers_native: bool,
    /// Whether the URL for a native stream has a ticket that was not used yet. A ticket opens one stream.
    pub(super) ticket: bool,
}

/// The state of signing in. Its result is in `Client::session`, which stays in use while a new ticket is fetched.
#[derive(Debug, Default)]
pub(super) enum Auth {
    /// No request to sign in is under way.
    #[default]
    Idle,
    /// A request is under way, or will be sent again after a delay.
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
        // A captive portal answers 200 with a page of its own, so an unreadable reply is tried again.
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
        // It is reported once for each outage: an error for each attempt would not help an application.
        if first {
            self.report(ErrorKind::Auth, cause);
        }
        // Where there is a session, this request was for a ticket or for metrics, and the values are as good as before.
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

    /// Starts what had to wait for signing in.
    fn resume(&mut self, now: Instant) {
        if self.snapshots.wanted {
            self.fetch_all(now);
        }
        self.start_stream(now);
        self.start_metrics(now);
    }
}
