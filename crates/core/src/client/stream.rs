//! The stream, and polling in its place.

use super::Client;
use crate::backoff::Backoff;
use crate::codec::{Ask, Codec, Parsed};
use crate::config::Transport;
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

/// The time without any byte after which a stream counts as dead: two heartbeats of 15 seconds, and something for a slow network.
/// The same bound holds for opening it.
pub(super) const IDLE_TIMEOUT: Millis = Millis(35_000);

/// How long a stream must have lived for its loss to be a new outage. A server that accepts and closes at once would
/// otherwise be asked again without any backoff.
const STABLE_AFTER: Millis = Millis(10_000);

/// The data of every heartbeat but the first after an opening. A native `EventSource` opens a lost connection again without
/// a word, and only a first heartbeat in the middle tells that something may have been missed.
const HEARTBEAT_DATA: &[u8] = b"{}";

/// How streaming stands.
#[derive(Debug, Default)]
pub(super) struct Streaming {
    state: State,
    backoff: Backoff,
    /// Attempts in a row that opened no stream, or one that said nothing before it was lost.
    failures: u32,
    /// When the last event came, or the stream opened.
    quiet_since: Instant,
    #[cfg(feature = "sse")]
    parser: Parser,
    /// The delay the server asked for between connections.
    retry: Option<Millis>,
    /// A native stream failed before it opened. It cannot say why, so `fetch` is asked next.
    native_failed: bool,
    /// What was last reported to the application.
    told: Told,
    /// A token was refused, and no stream has opened with the one that replaced it.
    signed_in_again: bool,
    /// It was reported to the application that polling is on.
    polling: bool,
}

#[derive(Debug, Default)]
enum State {
    /// Not wanted, or not possible yet.
    #[default]
    Off,
    /// Waits for the retry timer, or for signing in to give a new ticket.
    Waiting,
    /// Asked for.
    Opening { id: StreamId, native: bool },
    /// Open.
    Open { id: StreamId, since: Instant },
    /// Another tab's stream is this one's too; `open` as that tab said last.
    Following { open: bool },
    /// Closed while nobody looks at the page.
    Paused,
    /// Given up: the server does not want streams, or the retries are used up.
    Stopped,
}

/// What this tab can say of the stream that it hears from, or wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StreamStatus {
    /// This tab's own is open, and no event has come for so many seconds, 127 at the most: what tabs
    /// say is UTF-8, so that this is a byte of 7 bits.
    Open { quiet_seconds: u8 },
    /// There is none, and the application knows of the outage.
    Down,
    /// There is none yet.
    Starting,
}

/// What a follower knows of the leader's stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leader {
    /// Nothing yet: this tab has just joined.
    Unknown,
    /// The stream is open.
    Open,
    /// The stream is down, by this cause.
    Down(Cause),
}

#[derive(Debug, Default, PartialEq, Eq)]
enum Told {
    #[default]
    Nothing,
    Connected,
    Disconnected,
}

impl Streaming {
    /// Why values may be old although they were just fetched.
    pub(super) fn trouble(&self) -> Option<Why> {
        match self.state {
            State::Open { .. } | State::Following { open: true } => None,
            State::Stopped => Some(Why::Stream),
            State::Paused => Some(Why::Hidden),
            State::Off
            | State::Waiting
            | State::Opening { .. }
            | State::Following { open: false } => self.is_told_lost().then_some(Why::Stream),
        }
    }

    /// What there is to say of the stream to other tabs.
    pub(super) fn status(&self, now: Instant) -> StreamStatus {
        match self.state {
            State::Open { .. } => StreamStatus::Open {
                quiet_seconds: (now.millis_since(self.quiet_since) / 1_000).min(127) as u8,
            },
            _ if self.is_told_lost() => StreamStatus::Down,
            _ => StreamStatus::Starting,
        }
    }

    /// Whether the leader's stream is open, as the leader said last; `None` where this tab follows no leader.
    pub(super) const fn followed(&self) -> Option<bool> {
        match self.state {
            State::Following { open } => Some(open),
            _ => None,
        }
    }

    /// An outage was reported to the application, and its end not yet.
    fn is_told_lost(&self) -> bool {
        self.told == Told::Disconnected
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

    /// Opens a stream now; the one there may be is closed first.
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

    /// Hears from the leader's stream in place of one of this tab's own.
    pub(super) fn follow_stream(&mut self, now: Instant, leader: Leader) {
        self.streaming.state = State::Following {
            open: leader == Leader::Open,
        };
        match leader {
            Leader::Unknown => {}
            Leader::Open => self.connected(),
            Leader::Down(cause) => {
                if !self.streaming.is_told_lost() {
                    self.outage(now, cause);
                    self.stream_missing();
                }
            }
        }
    }

    /// Closes the stream if there is one. One that is paused or given up stays so; else what comes next is the caller's to say.
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

    /// Takes what happened to a stream. One that is not the current one any more changes nothing.
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
            // The standard wants it kept for the connections that follow.
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
        // What changed before the server counted us among its listeners was missed: fetch all, later than that. One that was
        // asked for at the start, together with the stream, is confirmed by this one.
        self.fetch_all(now);
    }

    /// Takes note that a stream is open, this tab's or another's.
    fn connected(&mut self) {
        if core::mem::replace(&mut self.streaming.told, Told::Connected) != Told::Connected {
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
                // It may have been about any change.
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

    /// Gives up a stream, or a leader, from which nothing came for too long.
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
            // Once with a new token; if only the stream goes on refusing it, the rest can go on without a stream.
            if core::mem::replace(&mut self.streaming.signed_in_again, true) {
                self.stop_stream(now, cause);
            } else {
                self.sign_in_again(now);
            }
        } else if cause.is_retryable() {
            self.stream_lost(now, cause, retry_after);
        } else {
            // 204 is the standard's way to say "do not come back"; the 4xx that remain will not pass by themselves.
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
        // A stream that opened and delivered was no failed attempt, however short it was; only the delay grows.
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

    /// Gives streaming up; polling takes its place.
    fn stop_stream(&mut self, now: Instant, cause: Cause) {
        self.close_stream();
        self.leave_tabs(); // another tab may fare better
        self.streaming.state = State::Stopped;
        self.outage(now, cause);
        self.stream_missing();
    }

    /// Takes note that there should be a stream, and that there is none. Another reason says more, and stays until the next list is
    /// there.
    fn stream_missing(&mut self) {
        if self.why == Why::Fine {
            self.degrade(Why::Stream);
        }
    }

    /// Reports that nothing streams any more, if it was reported that something does.
    pub(super) fn disconnected(&mut self) {
        if self.streaming.told == Told::Connected {
            self.streaming.told = Told::Disconnected;
            self.emit(Event::Disconnected);
        }
    }

    fn outage(&mut self, now: Instant, cause: Cause) {
        self.start_polling(now);
        self.report(ErrorKind::Stream, cause);
        if core::mem::replace(&mut self.streaming.told, Told::Disconnected) != Told::Disconnected {
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

    /// One interval from now, ± 10 %, so that the clients of one outage do not ask in step.
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

    /// Looks after everything that waits, at once. `reopen` replaces a stream that looks open too: its network is another.
    /// A paused stream is opened if somebody looks at the page (`seen`).
    pub(super) fn wake(&mut self, now: Instant, reopen: bool, seen: bool) {
        if self.timers.is_set(Timer::SignIn) {
            self.sign_in(now);
        }
        if self.timers.is_set(Timer::Snapshot) {
            self.fetch_all(now);
        }
        match self.streaming.state {
            State::Waiting => self.open_stream(now),
            // What the leader answers makes this tab fetch.
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
