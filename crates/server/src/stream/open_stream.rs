//! Decides what an open stream with a socket of its own writes, and when.

use std::io::{self, Read as _, Write as _};
use std::time::Instant;

use bytes::{Buf as _, Bytes, BytesMut};
use mio::net::TcpStream;

use super::subscriber::{CutOff, Heartbeat, Subscriber};
use crate::environment::framing::{Framed, Framing};

/// How much is read at a time of what a client sends, before other streams have their turn.
const DISCARD_BYTES: usize = 4096;

/// An open stream. `P` is kept with it for as long as it is open.
pub(super) struct OpenStream<P> {
    pub(super) socket: TcpStream,
    /// The index of the signal of its environment.
    pub(super) signal: usize,
    pub(super) subscriber: Subscriber,
    pub(super) framing: Framing,
    /// Bytes for which the socket had no room.
    pub(super) unsent: Bytes,
    /// Whether nothing follows what is unsent.
    pub(super) ending: bool,
    /// When the next heartbeat is due.
    pub(super) heartbeat_due: Instant,
    pub(super) _permit: P,
}

/// The stream has ended: its client is gone, or everything was written.
pub(super) struct Ended;

impl<P> OpenStream<P> {
    /// Writes the frames of all new events, as far as the socket has room.
    pub(super) fn advance(&mut self) -> Result<(), Ended> {
        loop {
            self.write()?;
            if !self.unsent.is_empty() {
                return Ok(());
            }
            if self.ending {
                return Err(Ended);
            }
            match self.subscriber.burst(self.framing) {
                Ok(bytes) if bytes.is_empty() => return Ok(()),
                Ok(bytes) => {
                    self.unsent = bytes;
                    self.heartbeat_due = Instant::now() + self.subscriber.every;
                }
                Err(CutOff) => {
                    self.unsent = self.framing.end();
                    self.ending = true;
                }
            }
        }
    }

    /// Writes the next slice of everything if it is due, and if all bytes before it were written.
    pub(super) fn catch_up(&mut self, now: Instant) -> Result<(), Ended> {
        if !self.unsent.is_empty() || self.ending {
            return Ok(());
        }
        if let Some(slice) = self.subscriber.slice(now) {
            self.unsent = slice.in_framing(self.framing).clone();
            self.heartbeat_due = now + self.subscriber.every;
        }
        self.advance()
    }

    /// Writes what is unsent, as far as the socket has room.
    fn write(&mut self) -> Result<(), Ended> {
        while !self.unsent.is_empty() {
            match self.socket.write(&self.unsent) {
                Ok(0) => return Err(Ended),
                Ok(written) => self.unsent.advance(written),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Err(Ended),
            }
        }
        // Frames may be shared with other streams, and are freed with the last reference.
        self.unsent = Bytes::new();
        Ok(())
    }

    /// Writes a heartbeat.
    pub(super) fn beat(&mut self, now: Instant, heartbeats: &Heartbeats) -> Result<(), Ended> {
        self.heartbeat_due = now + self.subscriber.every;
        // A client that has not read the bytes before learns nothing from a heartbeat.
        if self.unsent.is_empty() && !self.ending {
            let beat = heartbeats.of(self.subscriber.heartbeat);
            self.unsent = beat.in_framing(self.framing).clone();
        }
        self.write()
    }

    /// Returns the moment at which this stream is to end because the server stops.
    pub(super) fn end(&self) -> Instant {
        self.subscriber.drain.moment().into_std()
    }

    /// Writes the last frames and the end of the body.
    pub(super) fn finish(&mut self) -> Result<(), Ended> {
        if !self.ending {
            self.ending = true;
            let mut last = BytesMut::from(&self.unsent[..]);
            if self.subscriber.heeds_retry() {
                let retry = Framed::new(&self.subscriber.drain.retry_frame());
                last.extend_from_slice(retry.in_framing(self.framing));
            }
            last.extend_from_slice(&self.framing.end());
            self.unsent = last.freeze();
        }
        self.advance()
    }

    /// Reads and drops what the client sends, as nothing more is expected from it. Returns whether there may be more.
    pub(super) fn discard(&mut self) -> Result<bool, Ended> {
        loop {
            match self.socket.read(&mut [0; DISCARD_BYTES]) {
                Ok(0) => return Err(Ended),
                Ok(_) => return Ok(true),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Err(Ended),
            }
        }
    }
}

/// The two kinds of heartbeats, framed once for all streams of a worker.
pub(super) struct Heartbeats {
    comment: Framed,
    event: Framed,
}

impl Heartbeats {
    pub(super) fn new() -> Self {
        Self {
            comment: Framed::new(Heartbeat::Comment.frame()),
            event: Framed::new(Heartbeat::Event.frame()),
        }
    }

    const fn of(&self, heartbeat: Heartbeat) -> &Framed {
        match heartbeat {
            Heartbeat::Comment => &self.comment,
            Heartbeat::Event => &self.event,
        }
    }
}
