//! What goes on on one connection, as hyper does not tell it: whether it is idle, a head is arriving, or a request is being
//! answered; and what hyper is about to refuse by itself.
//!
//! Three sides share it: the [`Watched`] socket below hyper, the service above it, and whoever runs the connection and ends it
//! when it takes too long.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use hyper::rt::{Read, ReadBufCursor, Write};
use tokio::time::Instant;

use super::Timeouts;
use crate::stream::HandOver;

/// What a connection is doing, and since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Nothing has arrived since the last reply.
    Idle(Instant),
    /// Some of a head has.
    Head(Instant),
    /// So many requests are being answered.
    Busy(usize),
}

/// See the module.
#[derive(Debug)]
pub(super) struct Exchange {
    phase: Mutex<Phase>,
    /// Whether bytes that arrive while idle begin a head; in HTTP/2 they may be about anything.
    heads: bool,
    /// The status with which hyper refused a head; 0 for none.
    refused: AtomicU16,
    /// A stream that waits for its head to be written.
    handed_over: Mutex<Option<HandOver>>,
    head_written: AtomicBool,
    flushed: AtomicBool,
    left_unread: AtomicBool,
}

impl Exchange {
    pub(super) fn new(heads: bool) -> Self {
        Self {
            phase: Mutex::new(Phase::Idle(Instant::now())),
            heads,
            refused: AtomicU16::new(0),
            handed_over: Mutex::default(),
            head_written: AtomicBool::new(false),
            flushed: AtomicBool::new(false),
            left_unread: AtomicBool::new(false),
        }
    }

    fn with_phase<T>(&self, change: impl FnOnce(&mut Phase) -> T) -> T {
        change(&mut self.phase.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn phase(&self) -> Phase {
        self.with_phase(|phase| *phase)
    }

    /// When the connection has taken too long; never while a request is being answered.
    pub(super) fn deadline(&self, timeouts: Timeouts) -> Option<Instant> {
        match self.phase() {
            Phase::Idle(since) => Some(since + timeouts.idle),
            Phase::Head(since) => Some(since + timeouts.head),
            Phase::Busy(_) => None,
        }
    }

    /// A request has arrived.
    pub(super) fn begin(&self) {
        self.with_phase(|phase| {
            *phase = match *phase {
                Phase::Busy(count) => Phase::Busy(count + 1),
                Phase::Idle(_) | Phase::Head(_) => Phase::Busy(1),
            };
        });
    }

    /// Its reply is written, or given up.
    pub(super) fn end(&self) {
        self.with_phase(|phase| {
            *phase = match *phase {
                Phase::Busy(count) if count > 1 => Phase::Busy(count - 1),
                _ => Phase::Idle(Instant::now()),
            };
        });
    }

    fn bytes_arrived(&self) {
        if self.heads {
            self.with_phase(|phase| {
                if matches!(phase, Phase::Idle(_)) {
                    *phase = Phase::Head(Instant::now());
                }
            });
        }
    }

    /// The status with which hyper wanted to refuse a head.
    pub(super) fn refused(&self) -> Option<u16> {
        Some(self.refused.load(Ordering::Relaxed)).filter(|status| *status != 0)
    }

    /// The socket is to be handed to this stream as soon as hyper has written the head of the reply.
    pub(super) fn hand_over(&self, stream: HandOver) {
        *self
            .handed_over
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(stream);
    }

    /// hyper has encoded the head and what came with it, and asks for more.
    pub(super) fn head_written(&self) {
        self.head_written.store(true, Ordering::Relaxed);
    }

    /// The stream that takes the socket, once nothing is left in hyper's buffers.
    pub(super) fn taken_over(&self) -> Option<HandOver> {
        if !self.flushed.load(Ordering::Relaxed) {
            return None;
        }
        self.handed_over
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    /// A request was answered before its body was read.
    pub(super) fn left_unread(&self) {
        self.left_unread.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_left_unread(&self) -> bool {
        self.left_unread.load(Ordering::Relaxed)
    }

    /// Notes hyper's own refusal of a head, which has no body; ours has. The service never answers with these statuses, so a
    /// reply that begins like this is hyper's.
    fn is_refusal(&self, bytes: &[u8]) -> bool {
        let status = match bytes.get(..12) {
            Some(b"HTTP/1.1 431") => 431,
            Some(b"HTTP/1.1 414") => 414,
            _ => return false,
        };
        self.refused.store(status, Ordering::Relaxed);
        true
    }
}

/// A socket that notes what hyper reads and writes.
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

impl<I: Read + Unpin> Read for Watched<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.io).poll_read(context, buffer);
        // At the end of the socket, too, but then the connection ends anyway.
        if let Poll::Ready(Ok(())) = result {
            self.exchange.bytes_arrived();
        }
        result
    }
}

impl<I: Write + Unpin> Write for Watched<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.exchange.is_refusal(bytes) {
            return Poll::Ready(Ok(bytes.len()));
        }
        Pin::new(&mut self.io).poll_write(context, bytes)
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
        Pin::new(&mut self.io).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    /// hyper asks for this when its buffers are empty.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.io).poll_flush(context);
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
