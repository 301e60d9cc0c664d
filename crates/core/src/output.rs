//! What the driver is to do.

use alloc::vec::Vec;

use crate::codec::Codec;
use crate::error::Error;
use crate::message::TabMessage;
use crate::request::{Request, RequestId};
use crate::state::{Status, Why};

/// Names a stream; what the driver reports of it carries it. A client never uses an id twice, nor for a request as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamId(pub u32);

/// A stream for the driver to open.
#[derive(Debug)]
pub struct StreamRequest<R> {
    /// The id to report with whatever happens to the stream.
    pub id: StreamId,
    /// What to send.
    pub request: R,
    /// Whether to open it with the platform's own `EventSource`.
    pub native: bool,
}

/// Something for the driver to do, in the order given.
pub enum Output<C: Codec> {
    /// Send a request and report its reply with `handle_response` or `handle_failure`.
    Send(Request<C::Request>),
    /// The reply is not wanted any more; nothing needs to be reported.
    Abort(RequestId),
    /// Open a stream and report what happens to it with `handle_stream`.
    OpenStream(StreamRequest<C::Request>),
    /// Close a stream; nothing needs to be reported.
    CloseStream(StreamId),
    /// Write to the cache; failing is no reason to report anything to the client.
    Save(C::Saved),
    /// Take part in the group of tabs that share a stream; only where `share_stream` is set, which needs a driver that can.
    Tabs(TabOutput<C::Text>),
    /// Notify the application. Its code may call the client again, so nothing may be borrowed meanwhile.
    Emit(Event<C::Changes>),
}

/// Something for the driver to do in the group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TabOutput<T> {
    /// Listen on the channel of this name, and ask for the lock of this name. Text of letters, digits and dashes.
    Join(T),
    /// Stop listening, and give up the lock or the wish for it.
    Leave,
    /// Take the lock from whoever holds it, in place of waiting for it.
    Steal,
    /// Send this message to all other tabs of the group.
    Post(TabMessage, Vec<u8>),
}

/// Something the application may want to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event<T> {
    /// The first evaluations from the server are there. It happens once.
    Ready,
    /// The stream is open.
    Connected,
    /// The stream is lost. It is reported once for each outage.
    Disconnected,
    /// The client was closed. It is the last event but the last state.
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
