//! The body of `GET /stream`: events as they happen, heartbeats in between.
//!
//! A reader that cannot keep up lags by at most [`crate::environment`]'s bound and is then cut off; it comes back and
//! fetches everything, which is cheaper for both sides than a queue without end.

pub(crate) mod event;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::Stream;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::{broadcast, watch};
use tokio::time::{Instant, MissedTickBehavior};

use self::event::{Audience, Event};
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
    const fn frame(self) -> Bytes {
        Bytes::from_static(match self {
            Self::Comment => COMMENT,
            Self::Event => HEARTBEAT_EVENT,
        })
    }

    const fn opening(self) -> &'static [u8] {
        match self {
            Self::Comment => COMMENT,
            Self::Event => OPENING_EVENT,
        }
    }
}

/// An open stream, to be polled for its bytes.
pub(crate) struct Reader {
    pub(crate) audience: Audience,
    pub(crate) heartbeat: Heartbeat,
    pub(crate) every: Duration,
    /// Subscribed before anything else was looked at, so that nothing falls in between.
    pub(crate) events: broadcast::Receiver<Arc<[Event]>>,
    /// Frames to begin with, after the heartbeat: what was missed.
    pub(crate) missed: Bytes,
    /// True once the server stops.
    pub(crate) stopping: watch::Receiver<bool>,
    /// Counts this stream while it is open, if it is a client's.
    pub(crate) _guard: Option<StreamGuard>,
}

impl Reader {
    /// The bytes, starting with a heartbeat. Ends when the server stops or the reader lags too far.
    pub(crate) fn into_stream(self) -> impl Stream<Item = Result<Bytes, Infallible>> + Send {
        let first = self.opening();
        let mut ticks = tokio::time::interval_at(Instant::now() + self.every, self.every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        futures_util::stream::unfold(
            (self, ticks, Some(first)),
            |(mut reader, mut ticks, first)| async move {
                let bytes = match first {
                    Some(first) => first,
                    None => reader.next(&mut ticks).await?,
                };
                Some((Ok(bytes), (reader, ticks, None)))
            },
        )
    }

    /// The first heartbeat and what was missed.
    fn opening(&self) -> Bytes {
        let mut bytes = BytesMut::from(self.heartbeat.opening());
        bytes.extend_from_slice(&self.missed);
        bytes.freeze()
    }

    async fn next(&mut self, ticks: &mut tokio::time::Interval) -> Option<Bytes> {
        loop {
            let events = tokio::select! {
                biased;
                () = crate::serve::until(&mut self.stopping) => return None,
                events = self.events.recv() => events,
                _ = ticks.tick() => return Some(self.heartbeat.frame()),
            };
            let mut burst = Burst::default();
            match events {
                Ok(events) => burst.add(&events, &self.audience),
                Err(RecvError::Lagged(missed)) => return cut_off(missed),
                Err(RecvError::Closed) => return None,
            }
            // What else is there already goes out in the same write.
            while burst.len() < MAX_BURST_BYTES {
                match self.events.try_recv() {
                    Ok(events) => burst.add(&events, &self.audience),
                    Err(TryRecvError::Empty | TryRecvError::Closed) => break,
                    Err(TryRecvError::Lagged(missed)) => return cut_off(missed),
                }
            }
            if burst.len() > 0 {
                ticks.reset();
                return Some(burst.into_bytes());
            }
        }
    }
}

fn cut_off(missed: u64) -> Option<Bytes> {
    tracing::debug!(missed, "cut off a reader that does not keep up");
    None
}

/// Frames on their way into one write. A single one, which is the rule, is shared and not copied.
#[derive(Debug, Default)]
struct Burst {
    first: Bytes,
    rest: BytesMut,
}

impl Burst {
    fn add(&mut self, events: &[Event], audience: &Audience) {
        // Whoever asks for everything again after an event wants one for all that changed at once.
        let events = match (audience, events) {
            (Audience::Refetch, [.., last]) => std::slice::from_ref(last),
            _ => events,
        };
        for event in events {
            let frames = event.frames(audience);
            if self.first.is_empty() {
                self.first = frames;
            } else {
                self.rest.extend_from_slice(&frames);
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
