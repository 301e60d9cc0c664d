//! Signs in with the server key, and again where a token is refused.

use super::{EnvironmentAsk, EnvironmentCodec, KeyCheck, Synchroniser};
use crate::error::{Cause, ErrorKind};
use crate::request::{Purpose, Response};
use crate::state::Why;
use crate::time::Instant;
use crate::timer::Timer;

impl<C: EnvironmentCodec> Synchroniser<C> {
    /// Signs in now, unless that is under way.
    pub(super) fn sign_in(&mut self, now: Instant) {
        self.timers.cancel(Timer::SignIn);
        if !self.session && !self.requests.is_under_way(Purpose::SignIn) {
            let request = self.codec.request(EnvironmentAsk::SignIn);
            self.send(now, Purpose::SignIn, request);
        }
    }

    /// Drops the token and asks for another.
    pub(super) fn sign_in_again(&mut self, now: Instant) {
        self.forget_session();
        self.degrade(now, Why::Auth);
        self.sign_in(now);
    }

    pub(super) fn signed_in(
        &mut self,
        now: Instant,
        failure: Option<Cause>,
        response: &mut Response<C::Json, C::Text>,
    ) {
        let check = match (failure, response.body.take()) {
            (None, Some(body)) => self.codec.sign_in(body),
            _ => KeyCheck::Malformed,
        };
        let cause = match (check, failure) {
            (KeyCheck::SignedIn, _) => {
                self.session = true;
                self.sign_in_backoff.reset();
                self.fetch_everything(now);
                self.start_stream(now);
                return;
            }
            // As a server answers that refuses client keys itself.
            (KeyCheck::ClientKey, _) => Cause::Status(403),
            // A captive portal answers 200 with a page of its own, so an unreadable reply is tried again.
            (KeyCheck::Malformed, failure) => failure.unwrap_or(Cause::Malformed),
        };
        self.report(ErrorKind::Auth, cause);
        let delay = if cause.is_retryable() {
            self.degrade(now, cause.reason(Why::Auth));
            self.sign_in_backoff
                .fail(&mut self.random, response.retry_after)
        } else {
            self.degrade(now, Why::Refused);
            self.long_wait(response.retry_after)
        };
        self.timers.set(Timer::SignIn, now.after(delay));
    }
}
