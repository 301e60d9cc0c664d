//! The state that all handlers share: the environments, the keys, the settings and the caches.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::environment::Environment;
use crate::source::takeover::Takeover;
use crate::{auth, cache, prometheus, stream, target};

/// Everything that handlers share.
#[derive(Clone)]
pub struct AppState {
    /// The environments, by name.
    pub environments: Arc<BTreeMap<String, Arc<Environment>>>,
    /// For each environment that is a relay until a flags file takes over, the means to have it do so.
    pub takeovers: Arc<BTreeMap<String, Arc<Takeover>>>,
    /// The keys that clients sign in with.
    pub keys: Arc<auth::Keys>,
    /// The options that handlers need.
    pub settings: Arc<Settings>,
    pub(crate) signer: Arc<auth::token::Signer>,
    pub(crate) targets: Arc<target::TargetStore>,
    pub(crate) metrics: Arc<prometheus::HttpMetrics>,
    pub(crate) replies: Arc<cache::ReplyCache>,
    pub(crate) drain: Arc<stream::Drain>,
    pub(crate) guesses: Arc<auth::Guesses>,
    /// Turns true when the server stops; streams end then.
    pub stopping: watch::Receiver<bool>,
}

/// The options that handlers need.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Whether stream events carry evaluations.
    pub event_evaluations: bool,
    /// The time between two heartbeats of a stream.
    pub heartbeat: Duration,
    /// How long a stream ticket is valid, in seconds.
    pub ticket_seconds: u64,
    /// Origins whose pages may use the server; `*` for all.
    pub cors_origins: Vec<String>,
    /// The tokens that the admin page asks for. If there is none, the page works on this machine only.
    pub admin_tokens: auth::AdminTokens,
    /// Whether pages may use server keys.
    pub server_keys_in_browsers: bool,
    /// Whether only this machine reaches the server.
    pub loopback: bool,
}

impl AppState {
    /// Returns the state for these environments and keys. `secret` signs the tokens; `stopping` ends the streams.
    #[must_use]
    pub fn new(
        environments: Vec<Arc<Environment>>,
        keys: auth::Keys,
        settings: Settings,
        secret: &[u8],
        stopping: watch::Receiver<bool>,
    ) -> Self {
        let environments: BTreeMap<_, _> = environments
            .into_iter()
            .map(|one| (one.name().to_owned(), one))
            .collect();
        Self {
            environments: Arc::new(environments),
            takeovers: Arc::default(),
            keys: Arc::new(keys),
            settings: Arc::new(settings),
            signer: Arc::new(auth::token::Signer::new(secret)),
            targets: Arc::default(),
            metrics: Arc::default(),
            replies: Arc::default(),
            drain: Arc::default(),
            guesses: Arc::default(),
            stopping,
        }
    }

    /// Lets administrators choose the source of these environments, by name.
    #[must_use]
    pub fn with_takeovers(mut self, takeovers: BTreeMap<String, Arc<Takeover>>) -> Self {
        self.takeovers = Arc::new(takeovers);
        self
    }

    /// Spreads the ends of streams over this time once the server stops. Without it, all streams end at the same time.
    #[must_use]
    pub fn with_drain(mut self, longest: Duration) -> Self {
        let environments = self.environments.values().map(Arc::downgrade).collect();
        self.drain = Arc::new(stream::Drain::new(longest, environments));
        self
    }
}
