//! Decides which events and heartbeats a stream gets and when it is cut off, however its bytes reach the reader.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use tokio::sync::broadcast::error::TryRecvError;
use tokio::sync::{broadcast, watch};

use super::drain::Drain;
use crate::environment::StreamGuard;
use crate::environment::catch_up::Everything;
use crate::environment::event::{Audience, Event};
use crate::environment::framing::{Framed, Framing};

/// A comment, invisible to a native `EventSource`, sent at once: some clients call the stream open at its first byte.
const COMMENT: &[u8] = b":\n\n";

/// The heartbeat that a native `EventSource` sees.
const HEARTBEAT_EVENT: &[u8] = b"event: heartbeat\ndata: {}\n\n";

/// The first heartbeat of a stream. A native `EventSource` reconnects by itself and reports nothing; from this event the client
/// learns that it may have missed others.
const OPENING_EVENT: &[u8] = b"event: heartbeat\ndata: {\"open\":true}\n\n";

/// A burst longer than this, in bytes, is written in parts.
const MAX_BURST_BYTES: usize = 64 * 1024;

/// How a stream shows that it is alive while there are no events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heartbeat {
    /// A comment, as Harness sends it.
    Comment,
    /// An event named `heartbeat`, for a native `EventSource`.
    Event,
}

impl Heartbeat {
    pub(super) const fn frame(self) -> &'static [u8] {
        match self {
            Self::Comment => COMMENT,
            Self::Event => HEARTBEAT_EVENT,
        }
    }

    const fn opening(self) -> &'static [u8] {
        match self {
            Self::Comment => COMMENT,
            Self::Event => OPENING_EVENT,
        }
    }
}

/// A stream whose first bytes are yet to be written.
#[derive(Debug)]
pub(crate) struct NewStream {
    pub(crate) subscriber: Subscriber,
    /// The frames that follow the first heartbeat: the events that the reader has missed, or the first slice of everything.
    pub(crate) missed: Bytes,
    /// True once the server stops.
    pub(crate) stopping: watch::Receiver<bool>,
}

/// The state of an open stream: who reads it, and what is still to be written to it.
#[derive(Debug)]
pub(crate) struct Subscriber {
    pub(crate) audience: Audience,
    pub(crate) heartbeat: Heartbeat,
    /// The time between two heartbeats.
    pub(crate) every: Duration,
    /// Subscribed before the environment was read, so that no event is lost in between.
    pub(crate) events: broadcast::Receiver<Arc<[Event]>>,
    pub(crate) drain: Arc<Drain>,
    /// An event for each flag and group, written besides the new events if it is not known what this reader has missed.
    pub(crate) catch_up: Option<Box<Everything>>,
    /// Registers this stream with its environment while it is open.
    pub(crate) guard: StreamGuard,
}

/// The stream is to end, as its reader lags too far behind.
#[derive(Debug)]
pub(super) struct CutOff;

impl NewStream {
    /// Returns the first bytes: a heartbeat, and the frames that were missed.
    pub(crate) fn opening(&mut self) -> Bytes {
        let mut opening = BytesMut::from(self.subscriber.heartbeat.opening());
        opening.extend_from_slice(&std::mem::take(&mut self.missed));
        opening.freeze()
    }
}

impl Subscriber {
    /// Whether the reader obeys the field `retry`, as a native `EventSource` does.
    pub(super) fn heeds_retry(&self) -> bool {
        self.heartbeat == Heartbeat::Event || self.audience == Audience::Refetch
    }

    /// Returns the frames of all new events, up to a bound; nothing where there are none.
    pub(super) fn burst(&mut self, framing: Framing) -> Result<Bytes, CutOff> {
        let mut burst = Burst::default();
        self.fill(&mut burst, framing)?;
        Ok(burst.into_bytes())
    }

    /// Returns the next slice of everything, if one is due by `now`.
    pub(super) fn slice(&mut self, now: Instant) -> Option<Framed> {
        let everything = self.catch_up.as_mut()?;
        if everything.due > now {
            return None;
        }
        match everything.take() {
            Some((slice, true)) => Some(slice),
            last => {
                self.catch_up = None;
                last.map(|(slice, _)| slice)
            }
        }
    }

    /// Adds the frames of all new events to a burst, up to its bound.
    pub(super) fn fill(&mut self, burst: &mut Burst, framing: Framing) -> Result<(), CutOff> {
        while burst.len() < MAX_BURST_BYTES {
            match self.events.try_recv() {
                Ok(events) => burst.add(&events, self, framing),
                Err(TryRecvError::Empty | TryRecvError::Closed) => break,
                Err(TryRecvError::Lagged(missed)) => return Err(cut_off(missed)),
            }
        }
        Ok(())
    }
}

/// Logs that a reader is cut off.
pub(super) fn cut_off(missed: u64) -> CutOff {
    tracing::debug!(missed, "cut off a reader that does not keep up");
    CutOff
}

/// Frames that go into one write. A single one, which is the rule, is shared and not copied.
#[derive(Debug, Default)]
pub(super) struct Burst {
    first: Bytes,
    rest: BytesMut,
}

impl Burst {
    pub(super) fn add(&mut self, events: &[Event], reader: &Subscriber, framing: Framing) {
        let audience = &reader.audience;
        // A reader that fetches everything after an event needs one event for all that changed at once.
        let events = match (audience, events) {
            (Audience::Refetch, events) => {
                let last = events.iter().rfind(|event| event.concerns(audience));
                last.map_or(&[][..], std::slice::from_ref)
            }
            _ => events,
        };
        for event in events {
            let frames = match reader.catch_up {
                Some(_) => event.unnumbered().clone(),
                None => event.frames(audience),
            };
            let bytes = frames.in_framing(framing);
            if self.first.is_empty() {
                self.first = bytes.clone();
            } else {
                self.rest.extend_from_slice(bytes);
            }
        }
    }

    pub(super) fn len(&self) -> usize {
        self.first.len() + self.rest.len()
    }

    pub(super) fn into_bytes(self) -> Bytes {
        if self.rest.is_empty() {
            return self.first;
        }
        let mut all = BytesMut::with_capacity(self.len());
        all.extend_from_slice(&self.first);
        all.extend_from_slice(&self.rest);
        all.freeze()
    }
}
