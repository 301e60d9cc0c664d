//! A stream with a socket of its own.
//!
//! An HTTP connection costs about ten kilobytes, most of it for requests that can no longer come once a stream is open. So
//! hyper reads the request and writes the head of the reply; then the socket is taken from it, and events are written straight
//! to it. This works for HTTP/1 without TLS; elsewhere a stream is a body like others.

use std::io::{self, IoSlice};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use tokio::net::TcpStream;

use super::{Open, Reader};

/// What the kernel keeps for a reader that does not take it; a stream's events are small.
#[cfg(unix)]
const SEND_BUFFER_BYTES: usize = 128 * 1024;

/// The end of a chunked body.
const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// A reply's stream, for whoever is first: the body that is asked for its bytes, or a connection that gives it the socket. It
/// travels as an extension of the reply.
#[derive(Clone, Debug)]
pub(crate) struct Detachable(Arc<Mutex<Option<Reader>>>);

impl Detachable {
    pub(crate) fn new(reader: Reader) -> Self {
        Self(Arc::new(Mutex::new(Some(reader))))
    }

    pub(crate) fn take(&self) -> Option<Reader> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The body.
    pub(crate) fn into_stream(
        self,
    ) -> impl Stream<Item = Result<Bytes, std::convert::Infallible>> + Send {
        futures_util::stream::iter(std::iter::once_with(move || self.take()))
            .filter_map(std::future::ready)
            .flat_map(Reader::into_stream)
    }
}

/// How a body's end is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// HTTP/1.1: in chunks, each with its length.
    Chunked,
    /// HTTP/1.0: by the end of the connection.
    Plain,
}

/// An open stream whose head is on its way.
#[derive(Debug)]
pub(crate) struct HandOver {
    pub(crate) stream: Open,
    pub(crate) framing: Framing,
}

impl HandOver {
    /// Writes the stream to the socket until one of both ends.
    pub(crate) async fn run(self, socket: TcpStream) {
        let Self {
            mut stream,
            framing,
        } = self;
        #[cfg(unix)]
        if let Err(error) = socket2::SockRef::from(&socket).set_send_buffer_size(SEND_BUFFER_BYTES)
        {
            tracing::trace!(%error, "cannot set SO_SNDBUF");
        }
        loop {
            let next = tokio::select! {
                biased;
                next = stream.next() => next,
                () = gone(&socket) => return,
            };
            let written = match (&next, framing) {
                (Some(bytes), Framing::Chunked) => {
                    let length = format!("{:x}\r\n", bytes.len());
                    write_all(&socket, [length.as_bytes(), bytes, b"\r\n"]).await
                }
                (Some(bytes), Framing::Plain) => write_all(&socket, [bytes, b"", b""]).await,
                (None, Framing::Chunked) => write_all(&socket, [LAST_CHUNK, b"", b""]).await,
                (None, Framing::Plain) => return,
            };
            if next.is_none() || written.is_err() {
                return;
            }
        }
    }
}

/// Completes when the client is gone. It has nothing to say any more; what it sends all the same is thrown away.
async fn gone(socket: &TcpStream) {
    while socket.readable().await.is_ok() {
        match discard(socket) {
            Ok(1..) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Ok(0) | Err(_) => return,
        }
    }
}

/// A function, so that an idle stream does not hold the buffer.
fn discard(socket: &TcpStream) -> io::Result<usize> {
    socket.try_read(&mut [0; 1024])
}

async fn write_all(socket: &TcpStream, parts: [&[u8]; 3]) -> io::Result<()> {
    let mut slices = parts.map(IoSlice::new);
    let mut rest = &mut slices[..];
    IoSlice::advance_slices(&mut rest, 0);
    while !rest.is_empty() {
        match socket.try_write_vectored(rest) {
            Ok(written) => IoSlice::advance_slices(&mut rest, written),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => socket.writable().await?,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
