//! What the driver is to do.

use crate::client::TabOutput;
use crate::codec::Codec;
use crate::error::Error;
use crate::numbered;
use crate::request::{Request, RequestId};

/// Names a stream; what the driver reports of it carries it. Never used twice by one client, nor for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamId(pub u32);

/// A stream for the driver to open.
#[derive(Debug)]
pub struct StreamRequest<R> {
    /// To be named in what is reported of it.
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
    /// Tell the application. Its code may call the client again, so nothing may be borrowed meanwhile.
    Emit(Event<C::Changes>),
}

/// Something the application may want to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event<T> {
    /// The first evaluations from the server are there. Once.
    Ready,
    /// The stream is open.
    Connected,
    /// The stream is lost; once an outage.
    Disconnected,
    /// The client was closed. The last event.
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

numbered! {
    /// How far the values can be trusted.
    pub enum Status {
        /// No values yet: defaults are served.
        Initializing,
        /// Values of an earlier visit or given by the page; the server has not been heard yet.
        Cached,
        /// What the server said last, and nothing is known to be wrong: changes are heard of in the way that the options ask for.
        Ready,
        /// What the server said last, but it may have changed since: the reason says what is wrong.
        Stale,
        /// Closed by the application.
        Closed,
    }
}

numbered! {
    /// Why the status is what it is.
    pub enum Why {
        /// Nothing is wrong.
        Fine,
        /// Signing in fails: the server answered with an error that may pass, or refused a token that is being replaced.
        Auth,
        /// Fetching evaluations fails: the server answered with an error.
        Fetch,
        /// There is to be a stream, and the last attempt at it failed, or it was lost, or it was given up.
        Stream,
        /// The page is hidden and its stream was closed.
        Hidden,
        /// The target was switched and its evaluations have not come yet.
        Target,
        /// The server refused the key or the target. Nothing is tried any more but with another target.
        Refused,
        /// Signing in or fetching evaluations got no answer, or none in time.
        Unreachable,
    }
}
