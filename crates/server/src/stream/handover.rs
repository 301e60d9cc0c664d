//! Gives a stream the socket of its connection.
//!
//! An HTTP connection costs about ten kilobytes, most of it for requests that can no longer come once a stream is open. So
//! hyper reads the request and writes the head of the reply; then the socket is taken from it, and given to a
//! [worker](super::worker). This works for HTTP/1 without TLS; elsewhere a stream is a [body](super::body) like others.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use parking_lot::Mutex;

use super::subscriber::{NewStream, Subscriber};
use crate::environment::framing::Framing;

/// The stream of a reply. Whichever is first takes it: the body when it is polled for its bytes, or the connection, which gives the
/// stream its socket. It is an extension of the reply.
#[derive(Clone, Debug)]
pub(crate) struct Detachable(Arc<Mutex<Option<NewStream>>>);

impl Detachable {
    pub(crate) fn new(reader: NewStream) -> Self {
        Self(Arc::new(Mutex::new(Some(reader))))
    }

    /// Takes the stream; `None` if it was taken before.
    pub(crate) fn take(&self) -> Option<NewStream> {
        self.0.lock().take()
    }

    /// Returns the stream as the body of the reply, unless a connection takes it first.
    pub(crate) fn into_stream(
        self,
    ) -> impl Stream<Item = Result<Bytes, std::convert::Infallible>> + Send {
        futures_util::stream::iter(std::iter::once_with(move || self.take()))
            .filter_map(std::future::ready)
            .flat_map(NewStream::into_stream)
    }
}

/// An open stream whose head was written by its connection, which gives it the socket.
#[derive(Debug)]
pub(crate) struct HandOver {
    pub(crate) subscriber: Subscriber,
    pub(crate) framing: Framing,
}
