//! The body of `GET /stream`: events as they happen, heartbeats in between.
//!
//! A reader that cannot keep up lags by at most [`crate::environment`]'s bound and is then cut off; it comes back and
//! fetches everything, which is cheaper for both sides than a queue without end.

mod body;

mod drain;

mod handover;
mod keeper;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use tokio::sync::broadcast::error::TryRecvError;
use tokio::sync::{broadcast, watch};

pub(crate) use self::drain::Drain;
use crate::environment::catch_up::Everything;
use crate::environment::event::{Audience, Event};
use crate::environment::framing::{Framed, Framing};

pub(crate) use self::handover::{Detachable, HandOver};
pub(crate) use self::keeper::Keepers;
use crate::environment::StreamGuard;

/// A comment, invisible to a native `EventSource`, sent at once: some clients call the stream open at its first byte.
const COMMENT: &[u8] = b":\n\n";

/// The heartbeat that a native `EventSource` sees.
const HEARTBEAT_EVENT: &[u8] = b"event: heartbeat\ndata: {}\n\n";

/// The first one of a stream. A native `EventSource` reconnects by itself and tells nobody; this is how the client
/// notices that it may have missed something.
const OPENING_EVENT: &[u8] = b"event: heartbeat\ndata: {\"open\":true}\n\n";

/// A burst longer than this goes out in parts.
const MAX_BURST_BYTES: usize = 64 * 1024;

/// How this stream says that it is alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heartbeat {
    /// By a comment, as Harness does.
    Comment,
    /// By an event named `heartbeat`, for a native `EventSource`.
    Event,
}

impl Heartbeat {
    const fn frame(self) -> &'static [u8] {
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

/// A stream about to be read.
#[derive(Debug)]
pub(crate) struct Reader {
    pub(crate) subscriber: Subscriber,
    /// Frames to begin with, after the heartbeat: what was missed, or the first slice of everything.
    pub(crate) missed: Bytes,
    /// True once the server stops.
    pub(crate) stopping: watch::Receiver<bool>,
}

/// What an open stream needs as long as it is open.
#[derive(Debug)]
pub(crate) struct Subscriber {
    pub(crate) audience: Audience,
    pub(crate) heartbeat: Heartbeat,
    pub(crate) every: Duration,
    /// Subscribed before anything else was looked at, so that nothing falls in between.
    pub(crate) events: broadcast::Receiver<Arc<[Event]>>,
    pub(crate) drain: Arc<Drain>,
    /// What else there is to be told besides events, as nobody knows what this reader has missed.
    pub(crate) catch_up: Option<Box<Everything>>,
    /// Counts this stream while it is open.
    pub(crate) guard: StreamGuard,
}

/// The stream is to end: its reader lags too far behind.
#[derive(Debug)]
struct CutOff;

impl Reader {
    /// What is said first: a heartbeat, and what was missed.
    pub(crate) fn opening(&mut self) -> Bytes {
        let mut opening = BytesMut::from(self.subscriber.heartbeat.opening());
        opening.extend_from_slice(&std::mem::take(&mut self.missed));
        opening.freeze()
    }
}

impl Subscriber {
    /// A native `EventSource` comes back by itself, and after as long as it was told.
    fn heeds_retry(&self) -> bool {
        self.heartbeat == Heartbeat::Event || self.audience == Audience::Refetch
    }

    /// The frames of all events that are there, up to a bound; empty where there is nothing to say.
    fn burst(&mut self, framing: Framing) -> Result<Bytes, CutOff> {
        let mut burst = Burst::default();
        self.fill(&mut burst, framing)?;
        Ok(burst.into_bytes())
    }

    /// The next slice of everything, where one is due by `now`.
    fn slice(&mut self, now: Instant) -> Option<Framed> {
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

    fn fill(&mut self, burst: &mut Burst, framing: Framing) -> Result<(), CutOff> {
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

fn cut_off(missed: u64) -> CutOff {
    tracing::debug!(missed, "cut off a reader that does not keep up");
    CutOff
}

/// Frames on their way into one write. A single one, which is the rule, is shared and not copied.
#[derive(Debug, Default)]
struct Burst {
    first: Bytes,
    rest: BytesMut,
}

impl Burst {
    fn add(&mut self, events: &[Event], reader: &Subscriber, framing: Framing) {
        let audience = &reader.audience;
        // Whoever asks for everything again after an event wants one for all that changed at once.
        let events = match (audience, events) {
            (Audience::Refetch, [.., last]) => std::slice::from_ref(last),
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

    fn len(&self) -> usize {
        self.first.len() + self.rest.len()
    }

    fn into_bytes(self) -> Bytes {
        if self.rest.is_empty() {
            return self.first;
        }
        let mut all = BytesMut::with_capacity(self.len());
        all.extend_from_slice(&self.first);
        all.extend_from_slice(&self.rest);
        all.freeze()
    }
}
