//! The body of `GET /stream`: events as they happen, heartbeats in between.
//!
//! A reader that cannot keep up lags by at most [`crate::environment`]'s bound and is then cut off; it comes back and
//! fetches everything, which is cheaper for both sides than a queue without end.

pub(crate) mod event;

use std::collections::VecDeque;
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
}

/// An open stream, to be polled for its bytes.
pub(crate) struct Reader {
    pub(crate) audience: Audience,
    pub(crate) heartbeat: Heartbeat,
    pub(crate) every: Duration,
    /// Subscribed before anything else was looked at, so that nothing falls in between.
    pub(crate) events: broadcast::Receiver<Arc<Event>>,
    /// What was missed, oldest first.
    pub(crate) replay: VecDeque<Event>,
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
        let mut bytes = BytesMut::from(&*self.heartbeat.frame());
        for event in &self.replay {
            bytes.extend_from_slice(&event.frames(&self.audience));
        }
        bytes.freeze()
    }

    async fn next(&mut self, ticks: &mut tokio::time::Interval) -> Option<Bytes> {
        loop {
            let event = tokio::select! {
                biased;
                () = crate::serve::until(&mut self.stopping) => return None,
                event = self.events.recv() => event,
                _ = ticks.tick() => return Some(self.heartbeat.frame()),
            };
            let bytes = match event {
                Ok(event) => event.frames(&self.audience),
                Err(RecvError::Lagged(missed)) => {
                    tracing::debug!(missed, "cut off a reader that does not keep up");
                    return None;
                }
                Err(RecvError::Closed) => return None,
            };
            let bytes = self.gather(bytes)?;
            if !bytes.is_empty() {
                ticks.reset();
                return Some(bytes);
            }
        }
    }

    /// Adds what else is there already, so that a burst is one write.
    fn gather(&mut self, first: Bytes) -> Option<Bytes> {
        /// A burst longer than this goes out in parts.
        const MAX_BYTES: usize = 64 * 1024;
        let mut all: Option<BytesMut> = None;
        while all.as_ref().map_or(first.len(), BytesMut::len) < MAX_BYTES {
            match self.events.try_recv() {
                Ok(event) => {
                    let frames = event.frames(&self.audience);
                    all.get_or_insert_with(|| BytesMut::from(&*first))
                        .extend_from_slice(&frames);
                }
                Err(TryRecvError::Empty | TryRecvError::Closed) => break,
                Err(TryRecvError::Lagged(missed)) => {
                    tracing::debug!(missed, "cut off a reader that does not keep up");
                    return None;
                }
            }
        }
        Some(all.map_or(first, BytesMut::freeze))
    }
}
