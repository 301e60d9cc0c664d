//! The settings that a synchroniser starts with, and what it puts out.

use crate::error::Error;
use crate::output::{StreamId, StreamRequest};
use crate::request::{Request, RequestId};
use crate::state::{Status, Why};
use crate::time::Millis;

/// The options of a [`Synchroniser`](crate::Synchroniser), which the driver has checked.
#[derive(Clone, Copy, Debug)]
pub struct SyncConfig {
    /// Whether a stream is kept open.
    pub streaming: bool,
    /// Time between fetches of both lists while there is no stream; ± 10 % of it are drawn at random. A second at least.
    pub polling_interval: Millis,
    /// Time between fetches of both lists while the stream is open, in case it is silent about a change; ± 10 % of it are drawn at
    /// random. `None` for never, else a second at least.
    pub safety_interval: Option<Millis>,
    /// How long a request may take before it counts as failed.
    pub request_timeout: Millis,
    /// Whether a configuration was stored before the start, from a file or a copy of an earlier run.
    pub cached: bool,
}

impl Default for SyncConfig {
    fn default() -> Self {
        Self {
            streaming: true,
            polling_interval: Millis(60_000),
            safety_interval: Some(Millis(600_000)),
            request_timeout: crate::config::REQUEST_TIMEOUT,
            cached: false,
        }
    }
}

/// Something for the driver to do, in the order given.
#[derive(Debug)]
pub enum SyncOutput<R, C> {
    /// Send a request and report its reply with `handle_response` or `handle_failure`.
    Send(Request<R>),
    /// Abort a request. Nothing is to be reported of it any more.
    Abort(RequestId),
    /// Open a stream and report what happens to it with `handle_stream`. It is never a native one.
    OpenStream(StreamRequest<R>),
    /// Close a stream. Nothing is to be reported of it any more.
    CloseStream(StreamId),
    /// Notify the application. Its code may call the synchroniser again, so nothing may be borrowed meanwhile.
    Emit(SyncEvent<C>),
}

/// An event for the application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SyncEvent<C> {
    /// The stored configuration differs from what it was. Until the state has been [`Status::Ready`] once, one of the two lists may
    /// be missing.
    Changed(C),
    /// How far the configuration can be trusted has changed.
    State(Status, Why),
    /// Something failed; [`Error::environment_message`] says what, for people. A cause is reported once, and again after a success or
    /// where it differs. None of them is final.
    Error(Error),
}
