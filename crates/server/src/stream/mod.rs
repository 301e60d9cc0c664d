//! The body of `GET /stream`: events as they happen, heartbeats in between.
//!
//! A reader that cannot keep up lags by at most [`crate::environment`]'s bound and is then cut off; it comes back and
//! fetches everything, which is cheaper for both sides than a queue without end.

mod drain;
pub(crate) mod event;
mod handover;
pub(crate) mod registry;

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::Stream;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::{broadcast, watch};
use tokio::time::{Instant, Sleep};

pub(crate) use self::drain::Drain;
use self::event::{Audience, Event};
pub(crate) use self::handover::{Detachable, Framing, HandOver};
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

/// A stream about to be read.
#[derive(Debug)]
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
    pub(crate) drain: Arc<Drain>,
    /// Counts this stream while it is open, if it is a client's.
    pub(crate) _guard: Option<StreamGuard>,
}

impl Reader {
    /// The first heartbeat and what was missed, and all that follows.
    pub(crate) fn open(mut self) -> (Bytes, Open) {
        let mut opening = BytesMut::from(self.heartbeat.opening());
        opening.extend_from_slice(&std::mem::take(&mut self.missed));
        let timer = Box::pin(tokio::time::sleep(self.every));
        let open = Open {
            reader: self,
            timer,
            end: End::Unknown,
        };
        (opening.freeze(), open)
    }

    /// All its bytes. Ends when the server stops or the reader lags too far.
    pub(crate) fn into_stream(self) -> impl Stream<Item = Result<Bytes, Infallible>> + Send {
        let (opening, open) = self.open();
        futures_util::stream::unfold((open, Some(opening)), |(mut open, opening)| async move {
            let bytes = match opening {
                Some(opening) => opening,
                None => open.next().await?,
            };
            Some((Ok(bytes), (open, None)))
        })
    }

    /// A native `EventSource` comes back by itself, and after as long as it was told.
    fn heeds_retry(&self) -> bool {
        self.heartbeat == Heartbeat::Event || self.audience == Audience::Refetch
    }
}

/// An open stream, to be asked for its bytes.
#[derive(Debug)]
pub(crate) struct Open {
    reader: Reader,
    /// For the next heartbeat, or the end, whichever is first.
    timer: Pin<Box<Sleep>>,
    end: End,
}

/// When a stream ends because the server does.
#[derive(Clone, Copy, Debug)]
enum End {
    Unknown,
    At(Instant),
    /// The farewell is said.
    Now,
}

impl Open {
    /// The next bytes; `None` at the end.
    pub(crate) async fn next(&mut self) -> Option<Bytes> {
        loop {
            let reader = &mut self.reader;
            let events = tokio::select! {
                biased;
                () = crate::serve::until(&mut reader.stopping), if matches!(self.end, End::Unknown) => {
                    let at = reader.drain.moment();
                    self.end = End::At(at);
                    if at < self.timer.deadline() {
                        self.timer.as_mut().reset(at);
                    }
                    continue;
                }
                events = reader.events.recv() => events,
                () = self.timer.as_mut() => match self.end {
                    End::At(at) if at <= Instant::now() => return self.farewell(),
                    End::Now => return None,
                    End::Unknown | End::At(_) => {
                        self.arm();
                        return Some(self.reader.heartbeat.frame());
                    }
                },
            };
            let mut burst = Burst::default();
            match events {
                Ok(events) => burst.add(&events, &reader.audience),
                Err(RecvError::Lagged(missed)) => return cut_off(missed),
                Err(RecvError::Closed) => return None,
            }
            // What else is there already goes out in the same write.
            while burst.len() < MAX_BURST_BYTES {
                match reader.events.try_recv() {
                    Ok(events) => burst.add(&events, &reader.audience),
                    Err(TryRecvError::Empty | TryRecvError::Closed) => break,
                    Err(TryRecvError::Lagged(missed)) => return cut_off(missed),
                }
            }
            if burst.len() > 0 {
                self.arm();
                return Some(burst.into_bytes());
            }
        }
    }

    fn arm(&mut self) {
        let heartbeat = Instant::now() + self.reader.every;
        let at = match self.end {
            End::At(end) => heartbeat.min(end),
            End::Unknown | End::Now => heartbeat,
        };
        self.timer.as_mut().reset(at);
    }

    /// The last that is said, if there is anything to say.
    fn farewell(&mut self) -> Option<Bytes> {
        if !self.reader.heeds_retry() {
            return None;
        }
        self.end = End::Now;
        self.timer.as_mut().reset(Instant::now());
        Some(self.reader.drain.farewell())
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
