//! Posts counts of reads. The codec has the counters.

use super::Client;
use crate::codec::Codec;
use crate::error::{Cause, ErrorKind};
use crate::request::Purpose;
use crate::time::Instant;
use crate::timer::Timer;

impl<C: Codec> Client<C> {
    /// Arms the timer of metrics, unless it is armed.
    pub(super) fn start_metrics(&mut self, now: Instant) {
        if self.config.metrics && !self.timers.is_set(Timer::Metrics) {
            self.timers
                .set(Timer::Metrics, now.after(self.config.metrics_interval));
        }
    }

    pub(super) fn metrics_due(&mut self, now: Instant) {
        self.start_metrics(now);
        self.post_metrics(now);
    }

    /// Posts as many counts as fit into one body, unless a post is under way.
    pub(super) fn post_metrics(&mut self, now: Instant) {
        if !self.requests.is_under_way(Purpose::Metrics) {
            self.post_one_body(now);
        }
    }

    /// Posts all counts at once, also while a post is under way. It is for closing, after which nothing is counted.
    pub(super) fn post_all_metrics(&mut self, now: Instant) {
        while self.post_one_body(now) {}
    }

    fn post_one_body(&mut self, now: Instant) -> bool {
        if !self.config.metrics || self.session.is_none() {
            return false;
        }
        let Some(request) = self.codec.take_counts() else {
            return false;
        };
        self.send(now, Purpose::Metrics, request);
        true
    }

    /// Reacts to a token that was refused for metrics. The counts wait for another token. The stream and the values are left as
    /// they are, because metrics may be posted to another service.
    pub(super) fn metrics_unauthorized(&mut self, now: Instant) {
        self.codec.settle_counts(true);
        // Only every other refusal leads to signing in: the last token may have expired before its use, but a service that
        // refuses every token must not cause a sign-in for each post.
        self.metrics_signed_in_again = !self.metrics_signed_in_again;
        if self.metrics_signed_in_again {
            self.sign_in(now);
        } else {
            self.report(ErrorKind::Metrics, Cause::Status(401));
        }
    }

    pub(super) fn posted_metrics(&mut self, now: Instant, failure: Option<Cause>) {
        match failure {
            None => {
                self.metrics_signed_in_again = false;
                self.codec.settle_counts(false);
                self.post_metrics(now); // what did not fit into one body
            }
            Some(cause) => {
                // Counts that the server refuses for good would be refused again, so they are dropped.
                self.codec.settle_counts(cause.is_retryable());
                self.report(ErrorKind::Metrics, cause);
            }
        }
    }
}
