//! Records what hyper and h2 do not report about a connection: whether it is idle, a head is arriving, a request is
//! being answered, or the client does not read what is written; and which requests hyper is about to refuse by itself.
//!
//! Three parts share an [`Exchange`]: the [`Watched`] socket below, the service above, and the code that runs the
//! connection and ends it when it takes too long.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::task::{Context, Poll};

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::Timeouts;
use super::frames::Frames;
use crate::stream::HandOver;

/// What a connection is used for at the moment, and since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// No request is being answered, since this time; in HTTP/1.1 nothing of the next one has arrived.
    Idle(Instant),
    /// Some of a head has arrived, since this time; occurs in HTTP/1.1 only.
    Head(Instant),
    /// This many requests are being answered.
    Busy(usize),
}

/// What is recorded about the requests of a connection and about its socket.
#[derive(Debug)]
pub(super) struct Exchange {
    state: Mutex<State>,
    /// The status with which hyper refused a head; 0 for none.
    refused: AtomicU16,
    /// Whether the service has refused a head, so that a reply with such a status is not hyper's.
    refused_here: AtomicBool,
    /// The event stream that takes the socket over once the head of its reply is written.
    handed_over: Mutex<Option<HandOver>>,
    head_written: AtomicBool,
    flushed: AtomicBool,
    left_unread: AtomicBool,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    /// Follows the frames of HTTP/2, where bytes that arrive may be about anything; `None` for HTTP/1.1, where bytes that
    /// arrive between two requests begin a head.
    frames: Option<Frames>,
    /// When the last bytes arrived.
    last_read: Instant,
    /// Since when the socket has taken no bytes although some wait to be written; `None` while it takes them.
    blocked: Option<Instant>,
}

impl Exchange {
    /// Returns the record of a new connection of HTTP/1.1.
    pub(super) fn http1() -> Self {
        Self::new(None)
    }

    /// Returns the record of a new connection of HTTP/2.
    pub(super) fn http2() -> Self {
        Self::new(Some(Frames::default()))
    }

    fn new(frames: Option<Frames>) -> Self {
        let now = Instant::now();
        Self {
            state: Mutex::new(State {
                phase: Phase::Idle(now),
                frames,
                last_read: now,
                blocked: None,
            }),
            refused: AtomicU16::new(0),
            refused_here: AtomicBool::new(false),
            handed_over: Mutex::default(),
            head_written: AtomicBool::new(false),
            flushed: AtomicBool::new(false),
            left_unread: AtomicBool::new(false),
        }
    }

    fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.state.lock())
    }

    pub(super) fn phase(&self) -> Phase {
        self.with(|state| state.phase)
    }

    /// When the last bytes arrived.
    pub(super) fn last_read(&self) -> Instant {
        self.with(|state| state.last_read)
    }

    /// Whether bytes wait to be written that the client does not read.
    pub(super) fn is_blocked(&self) -> bool {
        self.with(|state| state.blocked.is_some())
    }

    /// Returns when the connection reaches a time limit: for the head of a request or another frame, between two
    /// requests, or for the client to read what was written. `None` while a request is being answered and nothing of
    /// the reply waits.
    pub(super) fn deadline(&self, timeouts: Timeouts) -> Option<Instant> {
        self.with(|state| {
            let phase = match state.phase {
                Phase::Idle(since) => Some(since + timeouts.idle),
                Phase::Head(since) => Some(since + timeouts.head),
                Phase::Busy(_) => None,
            };
            let frame = state.frames.as_ref().and_then(Frames::incomplete_since);
            let frame = frame.map(|since| since + timeouts.head);
            let blocked = state.blocked.map(|since| since + timeouts.write);
            [phase, frame, blocked].into_iter().flatten().min()
        })
    }

    /// Notes that a request has arrived.
    pub(super) fn begin(&self) {
        self.with(|state| {
            state.phase = match state.phase {
                Phase::Busy(count) => Phase::Busy(count + 1),
                Phase::Idle(_) | Phase::Head(_) => Phase::Busy(1),
            };
        });
    }

    /// Notes that the reply to a request is written or was given up.
    pub(super) fn end(&self) {
        self.with(|state| {
            state.phase = match state.phase {
                Phase::Busy(count) if count > 1 => Phase::Busy(count - 1),
                _ => Phase::Idle(Instant::now()),
            };
        });
    }

    fn arrived(&self, bytes: &[u8]) {
        let now = Instant::now();
        self.with(|state| {
            state.last_read = now;
            match (&mut state.frames, state.phase) {
                (Some(frames), _) => frames.arrived(bytes, now),
                (None, Phase::Idle(_)) => state.phase = Phase::Head(now),
                (None, _) => {}
            }
        });
    }

    /// Notes whether the socket took what was to be written.
    fn wrote<T>(&self, result: &Poll<T>) {
        let now = Instant::now();
        self.with(|state| match result {
            Poll::Ready(_) => state.blocked = None,
            Poll::Pending => state.blocked = state.blocked.or(Some(now)),
        });
    }

    /// Returns the status with which hyper wanted to refuse a head, if it did.
    pub(super) fn refused(&self) -> Option<u16> {
        Some(self.refused.load(Ordering::Relaxed)).filter(|status| *status != 0)
    }

    /// Notes that the service itself is about to refuse a head.
    pub(super) fn refused_here(&self) {
        self.refused_here.store(true, Ordering::Relaxed);
    }

    /// Has the socket handed to this stream as soon as hyper has written the head of the reply.
    pub(super) fn hand_over(&self, stream: HandOver) {
        *self.handed_over.lock() = Some(stream);
    }

    /// Notes that hyper has encoded the head and the first part of the body, and asks for more of the body.
    pub(super) fn head_written(&self) {
        self.head_written.store(true, Ordering::Relaxed);
    }

    /// Returns the stream that takes the socket over, once nothing is left in hyper's buffers.
    pub(super) fn taken_over(&self) -> Option<HandOver> {
        if !self.flushed.load(Ordering::Relaxed) {
            return None;
        }
        self.handed_over.lock().take()
    }

    /// Notes that a request was answered before its body was read.
    pub(super) fn left_unread(&self) {
        self.left_unread.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_left_unread(&self) -> bool {
        self.left_unread.load(Ordering::Relaxed)
    }

    /// Whether these bytes are hyper's own refusal of a head. That is noted, and not written, as it has no body; the
    /// service's has one. A reply with such a status is hyper's unless the service has said before that it is about to
    /// refuse a head.
    fn is_refusal(&self, bytes: &[u8]) -> bool {
        let status = match bytes.get(..12) {
            Some(b"HTTP/1.1 431") => 431,
            Some(b"HTTP/1.1 414") => 414,
            _ => return false,
        };
        if self.refused_here.load(Ordering::Relaxed) {
            return false;
        }
        self.refused.store(status, Ordering::Relaxed);
        true
    }
}

/// A socket that notes what is read from it and written to it.
#[derive(Debug)]
pub(super) struct Watched<I> {
    pub(super) io: I,
    exchange: Arc<Exchange>,
}

impl<I> Watched<I> {
    pub(super) const fn new(io: I, exchange: Arc<Exchange>) -> Self {
        Self { io, exchange }
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Watched<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let result = Pin::new(&mut self.io).poll_read(context, buffer);
        if let Some(bytes @ [_, ..]) = buffer.filled().get(before..) {
            self.exchange.arrived(bytes);
        }
        result
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Watched<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.exchange.is_refusal(bytes) {
            return Poll::Ready(Ok(bytes.len()));
        }
        let result = Pin::new(&mut self.io).poll_write(context, bytes);
        self.exchange.wrote(&result);
        result
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if parts
            .first()
            .is_some_and(|first| self.exchange.is_refusal(first))
        {
            return Poll::Ready(Ok(parts.iter().map(|part| part.len()).sum()));
        }
        let result = Pin::new(&mut self.io).poll_write_vectored(context, parts);
        self.exchange.wrote(&result);
        result
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    /// Called when no bytes are left in the buffers above; TLS may still have some.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.io).poll_flush(context);
        self.exchange.wrote(&result);
        if matches!(result, Poll::Ready(Ok(())))
            && self.exchange.head_written.load(Ordering::Relaxed)
        {
            self.exchange.flushed.store(true, Ordering::Relaxed);
        }
        result
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}
