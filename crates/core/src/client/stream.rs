//! Opens the stream, reads it and opens it again when it is lost, and polls while there is none.

use super::Client;
use crate::backoff::Backoff;
use crate::codec::{Ask, Codec, Parsed};
use crate::config::{IDLE_TIMEOUT, STABLE_AFTER, Transport};
use crate::error::{Cause, ErrorKind};
use crate::input::StreamInput;
use crate::message::TabMessage;
use crate::output::{Event, Output, StreamId, StreamRequest};
use crate::protocol::{Change, Domain, HEARTBEAT_EVENT};
#[cfg(feature = "sse")]
use crate::sse::Parser;
use crate::state::Why;
use crate::time::{Instant, Millis};
use crate::timer::Timer;

/// The data of each heartbeat but the first of a connection. A native `EventSource` opens a lost connection again without
/// reporting it, so a first heartbeat on an open stream is the only sign that something may have been missed.
const HEARTBEAT_DATA: &[u8] = b"{}";

/// The state of streaming and polling.
#[derive(Debug, Default)]
pub(super) struct Streaming {
    state: State,
    backoff: Backoff,
    /// Attempts in a row that opened no stream, or a stream on which nothing came before it was lost.
    failures: u32,
    /// When the last event came; before that, when the stream opened.
    quiet_since: Instant,
    #[cfg(feature = "sse")]
    parser: Parser,
    /// The delay the server asked for between connections.
    retry: Option<Millis>,
    /// Whether a native stream failed before it opened. It does not report the cause, so the next attempt uses `fetch`.
    native_failed: bool,
    /// What was last reported to the application.
    reported: Reported,
    /// Whether a token was refused and no stream has opened with the one that replaced it.
    signed_in_again: bool,
    /// Whether it was reported to the application that polling has started.
    polling: bool,
}

#[derive(Debug, Default)]
enum State {
    /// No stream is wanted, or none is possible yet.
    #[default]
    Off,
    /// The next attempt waits for the retry timer, or for a new ticket from signing in.
    Waiting,
    /// A stream was asked for and is not open yet.
    Opening { id: StreamId, native: bool },
    /// A stream is open.
    Open { id: StreamId, since: Instant },
    /// This tab uses the stream of the leader. `open` is what the leader reported last.
    Following { open: bool },
    /// The stream is closed while the page is hidden.
    Paused,
    /// Streaming is given up: the server refuses streams, or the retries are used up.
    Stopped,
}

/// The status of this tab's stream, as a leader posts it to other tabs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StreamStatus {
    /// The stream is open, and no event has come for so many seconds, 127 at most: messages of tabs
    /// are UTF-8, so the number is a byte of 7 bits.
    Open { quiet_seconds: u8 },
    /// There is no stream, and the outage was reported to the application.
    Down,
    /// There is no stream yet.
    Starting,
}

/// What a follower knows of the leader's stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leader {
    /// Nothing is known yet, because this tab has just joined.
    Unknown,
    /// The stream is open.
    Open,
    /// The stream is down for this cause.
    Down(Cause),
}

#[derive(Debug, Default, PartialEq, Eq)]
enum Reported {
    #[default]
    Nothing,
    Connected,
    Disconnected,
}

impl Streaming {
    /// Returns why values may be out of date although they were just fetched; `None` where changes arrive.
    pub(super) fn trouble(&self) -> Option<Why> {
        match self.state {
            State::Open { .. } | State::Following { open: true } => None,
            State::Stopped => Some(Why::Stream),
            State::Paused => Some(Why::Hidden),
            State::Off
            | State::Waiting
            | State::Opening { .. }
            | State::Following { open: false } => self.is_outage_reported().then_some(Why::Stream),
        }
    }

    /// Returns the status of the stream for other tabs.
    pub(super) fn status(&self, now: Instant) -> StreamStatus {
        match self.state {
            State::Open { .. } => StreamStatus::Open {
                quiet_seconds: (now.millis_since(self.quiet_since) / 1_000).min(127) as u8,
            },
            _ if self.is_outage_reported() => StreamStatus::Down,
            _ => StreamStatus::Starting,
        }
    }

    /// Whether the leader's stream is open, as the leader reported last; `None` where this tab follows no leader.
    ///
    /// This is not part of [`Self::status`], because a follower that begins to lead posts the status of an outage before it has left
    /// this state.
    pub(super) const fn followed(&self) -> Option<bool> {
        match self.state {
            State::Following { open } => Some(open),
            _ => None,
        }
    }

    /// Whether an outage was reported to the application, and its end was not yet.
    fn is_outage_reported(&self) -> bool {
        self.reported == Reported::Disconnected
    }
}

impl<C: Codec> Client<C> {
    /// Opens the stream if there should be one and there is none.
    pub(super) fn start_stream(&mut self, now: Instant) {
        match self.streaming.state {
            _ if !self.config.streaming => self.start_polling(now),
            State::Stopped => self.start_polling(now),
            State::Off => self.open_stream(now),
            State::Waiting if !self.timers.is_set(Timer::StreamRetry) => self.open_stream(now),
            State::Waiting
            | State::Opening { .. }
            | State::Open { .. }
            | State::Following { .. }
            | State::Paused => {}
        }
    }

    /// Opens a stream now. If there is one already, it is closed first.
    pub(super) fn open_stream(&mut self, now: Instant) {
        if matches!(self.streaming.state, State::Stopped) {
            return;
        }
        self.close_stream();
        self.streaming.state = State::Waiting;
        if self.session.is_some() && self.follow(now) {
            return;
        }
        let Some(session) = &mut self.session else {
            return;
        };
        let native = match self.config.transport {
            Transport::Fetch => false,
            Transport::EventSource => true,
            Transport::Auto => {
                session.offers_native && !core::mem::take(&mut self.streaming.native_failed)
            }
        };
        let ask = if native {
            if !session.offers_native {
                return self.stop_stream(now, Cause::Malformed);
            }
            if !core::mem::take(&mut session.ticket) {
                return self.sign_in(now); // each URL opens one stream; signing in gives the next
            }
            Ask::NativeStream
        } else {
            Ask::Stream
        };
        let request = self.codec.request(ask);
        let id = StreamId(self.requests.number());
        #[cfg(feature = "sse")]
        {
            self.streaming.parser = Parser::default();
        }
        self.streaming.state = State::Opening { id, native };
        self.timers.set(Timer::StreamIdle, now.after(IDLE_TIMEOUT));
        self.put(Output::OpenStream(StreamRequest {
            id,
            request,
            native,
        }));
    }

    /// Uses the leader's stream in place of one of this tab's own.
    pub(super) fn follow_stream(&mut self, now: Instant, leader: Leader) {
        self.streaming.state = State::Following {
            open: leader == Leader::Open,
        };
        match leader {
            Leader::Unknown => {}
            Leader::Open => self.connected(),
            Leader::Down(cause) => {
                if !self.streaming.is_outage_reported() {
                    self.outage(now, cause);
                    self.stream_missing();
                }
            }
        }
    }

    /// Closes the stream if there is one. A paused or stopped state is kept; after any other, the caller sets the next one.
    pub(super) fn close_stream(&mut self) {
        if let State::Opening { id, .. } | State::Open { id, .. } = self.streaming.state {
            self.put(Output::CloseStream(id));
        }
        if !matches!(self.streaming.state, State::Stopped | State::Paused) {
            self.streaming.state = State::Off;
        }
        self.timers.cancel(Timer::StreamIdle);
        self.timers.cancel(Timer::StreamRetry);
    }

    /// Takes an input of a stream. It is ignored where the stream is not the current one any more.
    pub fn handle_stream(&mut self, now: Instant, id: StreamId, input: StreamInput<'_>) {
        match self.streaming.state {
            State::Opening { id: current, .. } | State::Open { id: current, .. }
                if current == id => {}
            _ => return,
        }
        match input {
            StreamInput::Answered {
                status: 200,
                event_stream: true,
                ..
            } => self.stream_opened(now, id),
            StreamInput::Answered {
                status: 200,
                retry_after,
                ..
            } => self.stream_lost(now, Cause::Malformed, retry_after),
            StreamInput::Answered {
                status,
                retry_after,
                ..
            } => self.stream_refused(now, status, retry_after),
            #[cfg(feature = "sse")]
            StreamInput::Bytes(bytes) => self.stream_bytes(now, bytes),
            // By the standard, the delay holds for all later connections, too.
            StreamInput::Retry(delay) => self.streaming.retry = Some(delay),
            StreamInput::Event { kind, data } => {
                let reopened = matches!(self.streaming.state, State::Open { .. })
                    && kind == HEARTBEAT_EVENT
                    && data != HEARTBEAT_DATA;
                self.stream_opened(now, id);
                self.streaming.failures = 0;
                if reopened {
                    self.post_as_leader(TabMessage::Open, b"");
                    self.fetch_all(now);
                }
                self.own_event(now, kind.as_bytes(), data);
            }
            StreamInput::Closed => self.stream_lost(now, Cause::Network, None),
        }
    }

    fn stream_opened(&mut self, now: Instant, id: StreamId) {
        self.timers.set(Timer::StreamIdle, now.after(IDLE_TIMEOUT));
        if matches!(self.streaming.state, State::Open { .. }) {
            return;
        }
        self.streaming.state = State::Open { id, since: now };
        self.streaming.quiet_since = now;
        self.streaming.signed_in_again = false;
        self.connected();
        self.post_as_leader(TabMessage::Open, b"");
        // A change before the server registered this stream was missed, so all evaluations are fetched after it has. At the start
        // this comes after a list that was requested together with the stream.
        self.fetch_all(now);
    }

    /// Reports that a stream is open, this tab's or the leader's, and stops polling.
    fn connected(&mut self) {
        if core::mem::replace(&mut self.streaming.reported, Reported::Connected)
            != Reported::Connected
        {
            self.emit(Event::Connected);
        }
        self.stop_polling();
    }

    #[cfg(feature = "sse")]
    fn stream_bytes(&mut self, now: Instant, mut bytes: &[u8]) {
        self.timers.set(Timer::StreamIdle, now.after(IDLE_TIMEOUT));
        self.streaming.failures = 0;
        self.post_as_leader(TabMessage::Alive, b"");
        loop {
            match self.streaming.parser.next_raw(&mut bytes) {
                Ok(Some(event)) => self.own_event(now, &event.kind, &event.data),
                Ok(None) => break,
                Err(_) => return self.stream_lost(now, Cause::Malformed, None),
            }
        }
        self.streaming.retry = self.streaming.parser.retry().or(self.streaming.retry);
    }

    /// Takes an event of this tab's own stream.
    fn own_event(&mut self, now: Instant, kind: &[u8], data: &[u8]) {
        if kind == HEARTBEAT_EVENT.as_bytes() {
            self.post_as_leader(TabMessage::Alive, b"");
        } else {
            self.streaming.quiet_since = now;
            self.post_as_leader(TabMessage::Event, data);
            self.stream_event(now, data);
        }
    }

    pub(super) fn stream_event(&mut self, now: Instant, data: &[u8]) {
        let event = match self.codec.change_event(data) {
            Parsed::Change(event) => event,
            Parsed::Unknown => return,
            Parsed::Malformed => {
                self.report(ErrorKind::Stream, Cause::Malformed);
                // The event may have been about any change.
                return self.fetch_all(now);
            }
        };
        match (event.domain, event.change, event.evaluations) {
            (Domain::Flag, Change::Delete, _) => {
                let moment = self.order.next();
                self.forget_flag(now, &event.identifier, moment);
            }
            (Domain::Flag, Change::Create | Change::Patch, Some(evaluations))
            | (Domain::TargetSegment, Change::Patch, Some(evaluations)) => {
                self.apply(now, evaluations);
            }
            (Domain::Flag, change, None) => {
                self.fetch_flag(now, event.identifier, change == Change::Create);
            }
            (Domain::TargetSegment, _, _) => self.fetch_all(now),
        }
    }

    /// Gives up the stream, or the leader, after nothing came from it for too long.
    pub(super) fn stream_silent(&mut self, now: Instant) {
        if let State::Following { .. } = self.streaming.state {
            self.leader_silent(now);
        } else {
            self.stream_lost(now, Cause::Timeout, None);
        }
    }

    fn stream_refused(&mut self, now: Instant, status: u16, retry_after: Option<Millis>) {
        let cause = Cause::Status(status);
        if status == 401 {
            // The stream is tried once with a new token. If it is refused again, the client goes on without a stream.
            if core::mem::replace(&mut self.streaming.signed_in_again, true) {
                self.stop_stream(now, cause);
            } else {
                self.sign_in_again(now);
            }
        } else if cause.is_retryable() {
            self.stream_lost(now, cause, retry_after);
        } else {
            // By the standard, 204 means that a client should not connect again. The 4xx that remain will not pass by themselves.
            self.stop_stream(now, cause);
        }
    }

    fn stream_lost(&mut self, now: Instant, cause: Cause, retry_after: Option<Millis>) {
        match self.streaming.state {
            State::Opening { native, .. } => self.streaming.native_failed = native,
            State::Open { since, .. } if now.millis_since(since) >= u64::from(STABLE_AFTER.0) => {
                self.streaming.backoff.reset();
            }
            _ => {}
        }
        self.close_stream();
        // A stream on which something came does not count as a failed attempt, however short it was; only the delay grows.
        if self.streaming.failures >= self.config.max_stream_retries {
            self.stop_stream(now, cause);
            return;
        }
        self.streaming.failures = self.streaming.failures.saturating_add(1);
        let least = retry_after.or(self.streaming.retry);
        let delay = self.streaming.backoff.fail(&mut self.random, least);
        self.streaming.state = State::Waiting;
        self.timers.set(Timer::StreamRetry, now.after(delay));
        self.outage(now, cause);
        self.stream_missing();
        self.post_as_leader(TabMessage::Down, b"");
    }

    /// Gives streaming up and polls instead.
    fn stop_stream(&mut self, now: Instant, cause: Cause) {
        self.close_stream();
        self.leave_tabs(); // another tab may fare better
        self.streaming.state = State::Stopped;
        self.outage(now, cause);
        self.stream_missing();
    }

    /// Sets the state for a missing stream. A reason that is set already says more, and stays until the next list arrives.
    fn stream_missing(&mut self) {
        if self.why == Why::Fine {
            self.degrade(Why::Stream);
        }
    }

    /// Reports that the stream is lost, if it was reported that it is open.
    pub(super) fn disconnected(&mut self) {
        if self.streaming.reported == Reported::Connected {
            self.streaming.reported = Reported::Disconnected;
            self.emit(Event::Disconnected);
        }
    }

    fn outage(&mut self, now: Instant, cause: Cause) {
        self.start_polling(now);
        self.report(ErrorKind::Stream, cause);
        if core::mem::replace(&mut self.streaming.reported, Reported::Disconnected)
            != Reported::Disconnected
        {
            self.emit(Event::Disconnected);
        }
    }

    // ---- polling -----------------------------------------------------------------------------------------------------

    fn start_polling(&mut self, now: Instant) {
        if self.config.polling && !core::mem::replace(&mut self.streaming.polling, true) {
            self.emit(Event::Polling);
            self.arm_poll(now);
        }
    }

    pub(super) fn stop_polling(&mut self) {
        if core::mem::take(&mut self.streaming.polling) {
            self.timers.cancel(Timer::Poll);
            self.emit(Event::PollingStopped);
        }
    }

    pub(super) fn poll(&mut self, now: Instant) {
        self.fetch_after_wait(now);
        self.arm_poll(now);
    }

    /// Arms the timer of polls, one interval from now ± 10 %, so that the clients of one outage do not all ask at the same time.
    fn arm_poll(&mut self, now: Instant) {
        let interval = self.config.polling_interval.0;
        let tenth = interval / 10;
        let jitter = self.random.below(tenth.saturating_mul(2));
        let delay = interval.saturating_sub(tenth).saturating_add(jitter);
        self.timers.set(Timer::Poll, now.after(Millis(delay)));
    }

    // ---- pause -------------------------------------------------------------------------------------------------------

    /// Closes the stream until [`wake`](Self::wake).
    pub(super) fn pause(&mut self, why: Why) {
        if self.config.streaming && !matches!(self.streaming.state, State::Stopped) {
            self.close_stream();
            self.leave_tabs();
            self.stop_polling();
            self.streaming.state = State::Paused;
            self.degrade(why);
        }
    }

    /// Tries at once everything that waits for a timer. `reopen` also replaces an open stream, because the network may be another
    /// one. A paused stream is opened if the page is visible (`seen`).
    pub(super) fn wake(&mut self, now: Instant, reopen: bool, seen: bool) {
        if self.timers.is_set(Timer::SignIn) {
            self.sign_in(now);
        }
        if self.timers.is_set(Timer::Snapshot) {
            self.fetch_all(now);
        }
        match self.streaming.state {
            State::Waiting => self.open_stream(now),
            // The leader's answer makes this tab fetch.
            State::Following { .. } if reopen => self.open_stream(now),
            State::Paused if seen => {
                self.open_stream(now);
                self.fetch_all(now);
            }
            State::Open { .. } | State::Opening { .. } if reopen => {
                self.open_stream(now);
                self.fetch_all(now);
            }
            State::Off | State::Stopped if reopen => self.fetch_all(now),
            State::Off
            | State::Stopped
            | State::Open { .. }
            | State::Opening { .. }
            | State::Following { .. }
            | State::Paused => {}
        }
    }
}
