//! The inputs that a driver reports: of a stream, of the page, and of the group of tabs.

use crate::message::TabMessage;
use crate::time::Millis;

/// An input of a stream.
#[derive(Clone, Copy, Debug)]
pub enum StreamInput<'a> {
    /// The head of the response has arrived.
    Answered {
        /// The HTTP status.
        status: u16,
        /// Whether the content type is `text/event-stream`.
        event_stream: bool,
        /// What the header `Retry-After` asks for, as a span from now on.
        retry_after: Option<Millis>,
    },
    /// Bytes of the body, in any split.
    #[cfg(feature = "sse")]
    Bytes(&'a [u8]),
    /// The server asked for this delay before the next connection, by the field `retry`. Only drivers that parse report it.
    Retry(Millis),
    /// An event that the driver or the platform parsed. A native stream counts as open at its first event: `EventSource` itself
    /// does not say so in a way that every driver sees.
    Event {
        /// The event's name.
        kind: &'a str,
        /// The event's data, which is UTF-8.
        data: &'a [u8],
    },
    /// The stream ended, whatever the cause.
    Closed,
}

/// An event of the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageEvent {
    /// The network is back. It may be another one.
    Online,
    /// The page is visible again.
    Visible,
    /// The page is hidden, perhaps for good.
    Hidden,
    /// The page is left. It may come back from the back/forward cache.
    Left,
    /// The page came back from the back/forward cache.
    Restored,
}

/// An input of the group of tabs. Nothing is to be reported of a group that this tab has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TabInput<'a> {
    /// This tab holds the lock.
    Leading,
    /// The lock was stolen; the driver has asked for it again.
    Lost,
    /// Another tab sent this message, with this data.
    Message(TabMessage, &'a [u8]),
}
