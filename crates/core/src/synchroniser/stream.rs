//! Opens the stream of changes, reads it and opens it again when it is lost, and polls while there is none.

use super::{
    EntityEvent, EnvironmentAsk, EnvironmentCodec, ParsedEntity, SyncOutput, Synchroniser,
};
use crate::backoff::Backoff;
use crate::config::{IDLE_TIMEOUT, STABLE_AFTER};
use crate::error::{Cause, ErrorKind};
use crate::input::StreamInput;
use crate::output::{StreamId, StreamRequest};
use crate::protocol::HEARTBEAT_EVENT;
#[cfg(feature = "sse")]
use crate::sse::Parser;
use crate::state::Why;
use crate::time::{Instant, Millis};
use crate::timer::Timer;

/// The state of streaming.
#[derive(Debug, Default)]
pub(super) struct Streaming {
    state: State,
    backoff: Backoff,
    #[cfg(feature = "sse")]
    parser: Parser,
    /// The delay the server asked for between connections.
    retry: Option<Millis>,
    /// Whether a token was refused and no stream has opened with the one that replaced it.
    signed_in_again: bool,
    /// Whether the last attempt failed, or the last stream was lost, and none has opened since.
    is_lost: bool,
}

#[derive(Debug, Default)]
enum State {
    /// No stream is wanted, or none is possible yet.
    #[default]
    Off,
    /// The next attempt waits for the retry timer.
    Waiting,
    /// A stream was asked for and is not open yet.
    Opening(StreamId),
    /// A stream is open.
    Open { id: StreamId, since: Instant },
}

impl Streaming {
    /// Returns why the configuration may be out of date although it was just fetched; `None` where changes arrive.
    pub(super) const fn trouble(&self) -> Option<Why> {
        if self.is_lost {
            Some(Why::Stream)
        } else {
            None
        }
    }

    const fn is_open(&self) -> bool {
        matches!(self.state, State::Open { .. })
    }

    /// Whether `id` is that of the stream that is open or being opened.
    pub(super) fn is(&self, id: StreamId) -> bool {
        match self.state {
            State::Opening(current) | State::Open { id: current, .. } => current == id,
            State::Off | State::Waiting => false,
        }
    }
}

impl<C: EnvironmentCodec> Synchroniser<C> {
    /// Opens the stream if the options ask for one, and polls until it is open.
    pub(super) fn start_stream(&mut self, now: Instant) {
        self.arm_poll(now);
        self.open_stream(now);
    }

    pub(super) fn open_stream(&mut self, now: Instant) {
        self.close_stream();
        if !self.config.streaming || !self.session {
            return;
        }
        #[cfg(feature = "sse")]
        {
            self.streaming.parser = Parser::default();
        }
        let id = StreamId(self.requests.number());
        self.streaming.state = State::Opening(id);
        self.timers.set(Timer::StreamIdle, now.after(IDLE_TIMEOUT));
        let request = self.codec.request(EnvironmentAsk::Stream);
        self.put(SyncOutput::OpenStream(StreamRequest {
            id,
            request,
            native: false,
        }));
    }

    /// Closes the stream, and leaves it to the caller to open another.
    pub(super) fn close_stream(&mut self) {
        self.timers.cancel(Timer::StreamIdle);
        self.timers.cancel(Timer::StreamRetry);
        if let State::Opening(id) | State::Open { id, .. } =
            core::mem::take(&mut self.streaming.state)
        {
            self.put(SyncOutput::CloseStream(id));
        }
    }

    pub(super) fn stream_input(&mut self, now: Instant, input: StreamInput<'_>) {
        match input {
            StreamInput::Answered {
                status: 200,
                event_stream: true,
                ..
            } => self.stream_opened(now),
            StreamInput::Answered {
                status: 200,
                retry_after,
                ..
            } => self.stream_lost(now, Cause::Malformed, retry_after),
            StreamInput::Answered {
                status: 401,
                retry_after,
                ..
            } => {
                if core::mem::replace(&mut self.streaming.signed_in_again, true) {
                    self.stream_lost(now, Cause::Status(401), retry_after);
                } else {
                    self.sign_in_again(now);
                }
            }
            StreamInput::Answered {
                status,
                retry_after,
                ..
            } => self.stream_lost(now, Cause::Status(status), retry_after),
            #[cfg(feature = "sse")]
            StreamInput::Bytes(bytes) => self.stream_bytes(now, bytes),
            // By the standard, the delay holds for all later connections, too.
            StreamInput::Retry(delay) => self.streaming.retry = Some(delay),
            StreamInput::Event { kind, data } => {
                self.stream_opened(now);
                self.stream_event(now, kind.as_bytes(), data);
            }
            StreamInput::Closed => self.stream_lost(now, Cause::Network, None),
        }
    }

    fn stream_opened(&mut self, now: Instant) {
        self.timers.set(Timer::StreamIdle, now.after(IDLE_TIMEOUT));
        if let State::Opening(id) = self.streaming.state {
            self.streaming.state = State::Open { id, since: now };
            self.streaming.signed_in_again = false;
            self.streaming.is_lost = false;
            self.arm_poll(now);
            // A change before the server registered this stream was missed, so both lists are fetched after it has. After
            // failed fetches, a stream that opens shows that the server answers again.
            self.fetch_at_once(now);
        }
    }

    #[cfg(feature = "sse")]
    fn stream_bytes(&mut self, now: Instant, mut bytes: &[u8]) {
        self.timers.set(Timer::StreamIdle, now.after(IDLE_TIMEOUT));
        // An event may lead to another sign-in, after which nothing of this stream counts.
        while self.streaming.is_open() {
            match self.streaming.parser.next_raw(&mut bytes) {
                Ok(Some(event)) => self.stream_event(now, &event.kind, &event.data),
                Ok(None) => break,
                Err(_) => return self.stream_lost(now, Cause::Malformed, None),
            }
        }
        self.streaming.retry = self.streaming.parser.retry().or(self.streaming.retry);
    }

    fn stream_event(&mut self, now: Instant, kind: &[u8], data: &[u8]) {
        if kind == HEARTBEAT_EVENT.as_bytes() {
            return;
        }
        match self.codec.entity_event(data) {
            ParsedEntity::Change(EntityEvent {
                change,
                domain,
                identifier,
                version,
            }) => self.entity_changed(now, domain, change, identifier, version),
            ParsedEntity::Unknown => {}
            ParsedEntity::Malformed => {
                self.report(ErrorKind::Stream, Cause::Malformed);
                self.fetch_everything(now);
            }
        }
    }

    pub(super) fn stream_lost(&mut self, now: Instant, cause: Cause, retry_after: Option<Millis>) {
        if let State::Open { since, .. } = self.streaming.state
            && now.millis_since(since) >= u64::from(STABLE_AFTER.0)
        {
            self.streaming.backoff.reset();
        }
        self.close_stream();
        let delay = if cause.is_retryable() {
            let least = retry_after.or(self.streaming.retry);
            self.streaming.backoff.fail(&mut self.random, least)
        } else {
            // A refusal may pass after an operator has acted, and so may a token that is refused.
            self.streaming.signed_in_again = false;
            self.long_wait(retry_after)
        };
        self.streaming.state = State::Waiting;
        self.timers.set(Timer::StreamRetry, now.after(delay));
        self.report(ErrorKind::Stream, cause);
        if !core::mem::replace(&mut self.streaming.is_lost, true) {
            self.arm_poll(now);
        }
        // A reason that is set already says more, and stays until both lists arrive.
        if self.why == Why::Fine {
            self.degrade(now, Why::Stream);
        }
    }

    // ---- polling -----------------------------------------------------------------------------------------------------

    pub(super) fn poll(&mut self, now: Instant) {
        self.signed_in_again = false;
        self.fetch_everything(now);
        self.arm_poll(now);
    }

    /// Arms the timer of polls: often while there is no stream, seldom while there is.
    fn arm_poll(&mut self, now: Instant) {
        let interval = if self.streaming.is_open() {
            self.config.safety_interval
        } else {
            Some(self.config.polling_interval)
        };
        match interval.map(|interval| self.around(interval)) {
            Some(wait) => self.timers.set(Timer::Poll, now.after(wait)),
            None => self.timers.cancel(Timer::Poll),
        }
    }
}
