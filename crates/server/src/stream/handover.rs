//! How a stream gets a socket of its own.
//!
//! An HTTP connection costs about ten kilobytes, most of it for requests that can no longer come once a stream is open. So
//! hyper reads the request and writes the head of the reply; then the socket is taken from it, and given to a
//! [keeper](super::keeper). This works for HTTP/1 without TLS; elsewhere a stream is a [body](super::body) like others.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use parking_lot::Mutex;

use super::{Reader, Subscriber};
use crate::environment::framing::Framing;

/// A reply's stream, for whoever is first: the body that is asked for its bytes, or a connection that gives it the socket. It
/// travels as an extension of the reply.
#[derive(Clone, Debug)]
pub(crate) struct Detachable(Arc<Mutex<Option<Reader>>>);

impl Detachable {
    pub(crate) fn new(reader: Reader) -> Self {
        Self(Arc::new(Mutex::new(Some(reader))))
    }

    pub(crate) fn take(&self) -> Option<Reader> {
        self.0.lock().take()
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

/// An open stream whose head is on its way.
#[derive(Debug)]
pub(crate) struct HandOver {
    pub(crate) subscriber: Subscriber,
    pub(crate) framing: Framing,
}
