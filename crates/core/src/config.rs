//! The settings that a client starts with.

use crate::time::Millis;

/// How the stream is opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transport {
    /// A native `EventSource` where the sign-in reply offers a URL for it, else `fetch`.
    #[default]
    Auto,
    /// A native `EventSource`; no stream at all where the server does not offer it.
    EventSource,
    /// `fetch`, with headers.
    Fetch,
}

/// The options of a client, which the driver has checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// Whether a stream is kept open.
    pub streaming: bool,
    /// How the stream is opened.
    pub transport: Transport,
    /// Failed attempts in a row after which the stream is given up; `u32::MAX` for never.
    pub max_stream_retries: u32,
    /// Whether evaluations are polled when streaming is off, or while the stream is down.
    pub polling: bool,
    /// Time between polls; at least [`MIN_INTERVAL`].
    pub polling_interval: Millis,
    /// Whether reads are counted and posted.
    pub metrics: bool,
    /// Time between metrics posts; at least [`MIN_INTERVAL`].
    pub metrics_interval: Millis,
    /// How long sign-in may take before it counts as failed.
    pub sign_in_timeout: Millis,
    /// Whether values are written to the cache.
    pub cache: bool,
    /// Whether values were there before the start, from the cache or given by the page.
    pub cached: bool,
    /// How long the page may be hidden before the stream is closed; `None` for ever.
    pub pause_when_hidden: Option<Millis>,
    /// Whether one stream is shared among the tabs of an origin. It needs a driver that performs
    /// [`Output::Tabs`](crate::Output::Tabs).
    pub share_stream: bool,
}

/// The shortest polling and metrics intervals; shorter ones are raised to this. Harness asks for it.
pub const MIN_INTERVAL: Millis = Millis(60_000);

/// The default of [`Config::sign_in_timeout`], and the timeout of every other request.
pub const REQUEST_TIMEOUT: Millis = Millis(30_000);

/// The time without any byte after which a stream counts as dead: two heartbeats of 15 seconds, and something for a slow network.
/// The same bound holds for opening it.
pub(crate) const IDLE_TIMEOUT: Millis = Millis(35_000);

/// How long a stream must have been open for its loss to count as a new outage, with which the backoff starts again. A server
/// that closes each stream at once would otherwise be asked again without any backoff.
pub(crate) const STABLE_AFTER: Millis = Millis(10_000);
