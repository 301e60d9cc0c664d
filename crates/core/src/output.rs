//! The outputs of the client, which a driver performs.

use alloc::vec::Vec;

use crate::codec::Codec;
use crate::error::Error;
use crate::message::TabMessage;
use crate::request::{Request, RequestId};
use crate::state::{Status, Why};

/// Names a stream in what the driver reports of it. A client never uses an id twice, nor for both a stream and a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamId(pub u32);

/// A stream for the driver to open.
#[derive(Debug)]
pub struct StreamRequest<R> {
    /// The id with which to report what happens to the stream.
    pub id: StreamId,
    /// The request to send.
    pub request: R,
    /// Whether to open the stream with the platform's own `EventSource`.
    pub native: bool,
}

/// Something for the driver to do, in the order given.
pub enum Output<C: Codec> {
    /// Send a request and report its reply with `handle_response` or `handle_failure`.
    Send(Request<C::Request>),
    /// Abort a request. Nothing is to be reported of it any more.
    Abort(RequestId),
    /// Open a stream and report what happens to it with `handle_stream`.
    OpenStream(StreamRequest<C::Request>),
    /// Close a stream. Nothing is to be reported of it any more.
    CloseStream(StreamId),
    /// Write to the cache. A failure is not reported to the client.
    Save(C::Saved),
    /// Take part in the group of tabs that share a stream. It comes only where `share_stream` is set.
    Tabs(TabOutput<C::Text>),
    /// Notify the application. Its code may call the client again, so nothing may be borrowed meanwhile.
    Emit(Event<C::Changes>),
}

/// Something for the driver to do in the group of tabs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TabOutput<T> {
    /// Listen on the channel of this name, and ask for the lock of this name. Text of letters, digits and dashes.
    Join(T),
    /// Stop listening, and give up the lock, or the request for it.
    Leave,
    /// Take the lock from the tab that holds it, instead of waiting for it.
    Steal,
    /// Send this message to all other tabs of the group.
    Post(TabMessage, Vec<u8>),
}

/// An event for the application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event<T> {
    /// The first evaluations from the server are there. It happens once.
    Ready,
    /// The stream is open.
    Connected,
    /// The stream is lost. It is reported once for each outage.
    Disconnected,
    /// The client was closed. Only the last state comes after this event.
    Stopped,
    /// Polling has started.
    Polling,
    /// Polling has stopped, because the stream is open again.
    PollingStopped,
    /// All evaluations were fetched.
    FlagsLoaded,
    /// Evaluations differ from what they were.
    Changed(T),
    /// The evaluations are those of the target given in the `identify` with this number, counted from 1.
    Identified(u32),
    /// How far the values can be trusted has changed.
    State(Status, Why),
    /// Something failed.
    Error(Error),
}
