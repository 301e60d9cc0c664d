//! The options, which are those of the npm package.

use std::rc::Rc;

use flagwire_core::protocol::Evaluation;
use flagwire_core::{Config, Millis, REQUEST_TIMEOUT, Service, Transport};
use wasm_bindgen::JsValue;

use super::cache::Cache;
use super::log::Logger;
use super::{Error, Middleware};

const HARNESS: &str = "https://config.ff.harness.io/api/1.0";
const HARNESS_EVENTS: &str = "https://events.ff.harness.io/api/1.0";

/// The options of a client. Spans of time are milliseconds.
///
/// ```
/// use flagwire::Options;
///
/// let options = Options {
///     polling_enabled: false,
///     ..Options::at("https://flags.example.com")
/// };
/// ```
#[derive(Clone)]
pub struct Options {
    /// The URL of sign-in, evaluations and the stream. Default: `https://config.ff.harness.io/api/1.0`.
    pub base_url: Option<String>,
    /// The URL to which metrics are posted. Default: `base_url` where that is given, else `https://events.ff.harness.io/api/1.0`.
    pub event_url: Option<String>,
    /// Whether a stream is kept open, so that changes arrive at once. Default: true.
    pub stream_enabled: bool,
    /// How the stream is opened: by a native `EventSource` where the server offers that, or by `fetch`. Default:
    /// [`Transport::Auto`], which is `fetch` with a [`middleware`](Self::middleware): a native `EventSource` would go past it.
    pub stream_transport: Transport,
    /// The number of failed attempts in a row after which the stream is given up and polling takes its place. Default: never.
    pub max_stream_retries: Option<u32>,
    /// Whether evaluations are polled when streaming is off, or while the stream is down. Default: true.
    pub polling_enabled: bool,
    /// The time between polls; at least 60,000, which is the default.
    pub polling_interval: u32,
    /// Whether reads are counted and the counts posted. Default: true.
    pub enable_analytics: bool,
    /// The time between posts of counts; at least 60,000, which is the default.
    pub events_sync_interval: u32,
    /// How long signing in may take before it is tried again. Default, and what 0 stands for: 30,000.
    pub auth_request_read_timeout: u32,
    /// How values are kept from one visit to the next. Default: they are not.
    pub cache: Option<Cache>,
    /// The evaluations to start with, for example of the server that rendered the page. They win over cached ones. Default: none.
    pub bootstrap: Vec<Evaluation>,
    /// How long a page may be hidden before its stream is closed, until the page is looked at again. Default: for ever.
    pub pause_when_hidden: Option<u32>,
    /// Whether one stream is shared among the tabs of this origin that have the same key and target. Default: true.
    pub share_stream: bool,
    /// Whether everything that goes on is logged, and not errors alone. Default: false.
    pub debug: bool,
    /// The function that takes messages. Default: the browser's console.
    pub logger: Option<Logger>,
    /// The function that may change each request before it is sent. Default: none.
    pub middleware: Option<Middleware>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            base_url: None,
            event_url: None,
            stream_enabled: true,
            stream_transport: Transport::Auto,
            max_stream_retries: None,
            polling_enabled: true,
            polling_interval: 60_000,
            enable_analytics: true,
            events_sync_interval: 60_000,
            auth_request_read_timeout: REQUEST_TIMEOUT.0,
            cache: None,
            bootstrap: Vec::new(),
            pause_when_hidden: None,
            share_stream: true,
            debug: false,
            logger: None,
            middleware: None,
        }
    }
}

impl Options {
    /// Returns the defaults, with a service of your own at `base_url`.
    #[must_use]
    pub fn at(base_url: impl Into<String>) -> Self {
        Self {
            base_url: Some(base_url.into()),
            ..Self::default()
        }
    }

    /// Takes [`bootstrap`](Self::bootstrap) from JavaScript: what a script of the page left, such as the evaluations that the
    /// server wrote into the page it rendered.
    ///
    /// # Errors
    /// Fails with [`Error::Bootstrap`] where it is no list of evaluations.
    pub fn bootstrap_from(mut self, evaluations: &JsValue) -> Result<Self, Error> {
        self.bootstrap = serde_wasm_bindgen::from_value(evaluations.clone())
            .map_err(|error| Error::Bootstrap(error.to_string()))?;
        Ok(self)
    }

    pub(super) fn service(&self, api_key: String) -> Service {
        let trimmed = |url: &str| url.trim_end_matches('/').to_owned();
        let base_url = trimmed(self.base_url.as_deref().unwrap_or(HARNESS));
        let event_url = match (&self.event_url, &self.base_url) {
            (Some(url), _) => trimmed(url),
            (None, Some(_)) => base_url.clone(),
            (None, None) => HARNESS_EVENTS.to_owned(),
        };
        Service {
            api_key,
            base_url,
            event_url,
            sdk_info: concat!("Flagwire ", env!("CARGO_PKG_VERSION"), " Client"),
        }
    }

    /// Returns the options of the core. `cached` says whether there are values already.
    pub(super) fn config(&self, cached: bool) -> Config {
        Config {
            streaming: self.stream_enabled,
            transport: match self.stream_transport {
                Transport::Auto if self.middleware.is_some() => Transport::Fetch,
                transport => transport,
            },
            max_stream_retries: self.max_stream_retries.unwrap_or(u32::MAX),
            polling: self.polling_enabled,
            polling_interval: Millis(self.polling_interval),
            metrics: self.enable_analytics,
            metrics_interval: Millis(self.events_sync_interval),
            sign_in_timeout: match self.auth_request_read_timeout {
                0 => REQUEST_TIMEOUT,
                millis => Millis(millis),
            },
            cache: self.cache.is_some(),
            cached,
            pause_when_hidden: self.pause_when_hidden.map(Millis),
            share_stream: self.share_stream,
        }
    }

    pub(super) fn logger(&self) -> Logger {
        self.logger
            .clone()
            .unwrap_or_else(|| Rc::new(super::log::to_console))
    }
}
