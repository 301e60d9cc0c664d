//! `flagwire-server`: serves feature flags over the Harness Feature Flags client protocol.
//!
//! The flow: a [`source`] brings whole configurations to an [`environment::Environment`]; there [`environment::changes`] finds what
//! differs, the new snapshot is put in force, and each difference leaves as an event. The [`routes`] answer from the
//! snapshot in force and never wait for a source; streams frame each event once for each different text.
//!
//! | module | holds |
//! |---|---|
//! | [`commands`] | checking flags files, printing their schema |
//! | [`config`], `config_file`, [`plan`] | command line, environment variables, file; which environments come of them |
//! | [`source`], [`flags_file`] | where configurations come from; reading and editing the flags file |
//! | [`environment`] | the state in force, what changed, and who reads it |
//! | `stream` | the open streams |
//! | [`replicas`] | several servers as one, through Redis |
//! //! | [`auth`], `target` | keys, tokens and tickets; who a request is for |
//! | [`routes`] | one small handler for each endpoint |
//! | [`serve`] | sockets, limits, and the orderly end |
//! | `files` | work on files, on threads that may hang |
//!
//! [`app`] is the whole service without a socket, so that tests call it directly.
#![deny(missing_docs)]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing
    )
)]

pub mod auth;
mod cache;
pub mod commands;
pub mod config;
mod config_file;
pub mod environment;
pub mod error;
mod files;
pub mod flags_file;
mod json;
mod metrics;
pub mod plan;
pub mod replicas;
pub mod routes;
mod run;
mod secret;
pub mod serve;
pub mod source;
mod stream;
mod target;
pub mod telemetry;
pub mod versions;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

// For `flags_file`, until it has a crate of its own.
pub(crate) use environment::changes;
pub use routes::app;
pub use run::{RunError, run};

/// What the protocol calls project, organisation and account; one of each is enough here, but readers want them named.
pub(crate) const PROJECT: &str = "default";

/// There is one cluster.
pub(crate) const CLUSTER: &str = "1";

/// Everything handlers share.
#[derive(Clone)]
pub struct AppState {
    /// By name.
    pub environments: Arc<BTreeMap<String, Arc<environment::Environment>>>,
    /// Who may come in.
    pub keys: Arc<auth::Keys>,
    /// How the server behaves.
    pub settings: Arc<Settings>,
    pub(crate) signer: Arc<auth::token::Signer>,
    pub(crate) targets: Arc<target::TargetStore>,
    pub(crate) metrics: Arc<metrics::HttpMetrics>,
    pub(crate) replies: Arc<cache::ReplyCache>,
    pub(crate) drain: Arc<stream::Drain>,
    pub(crate) guesses: Arc<auth::Guesses>,
    /// Turns true when the server stops; streams end then.
    pub stopping: watch::Receiver<bool>,
}

/// What handlers need to know of the options.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Whether stream events carry evaluations.
    pub event_evaluations: bool,
    /// Between heartbeats of a stream.
    pub heartbeat: Duration,
    /// In which a stream ticket must be used, in seconds.
    pub ticket_seconds: u64,
    /// Origins whose pages may use the server; `*` for all.
    pub cors_origins: Vec<String>,
    /// What the admin page asks for.
    pub admin_token: Option<auth::Hashed>,
    /// Whether pages may use server keys.
    pub server_keys_in_browsers: bool,
    /// Whether only this machine reaches the server.
    pub loopback: bool,
}

impl AppState {
    /// State for these environments and keys. `secret` signs the tokens; `stopping` ends the streams.
    #[must_use]
    pub fn new(
        environments: Vec<Arc<environment::Environment>>,
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

    /// Has streams end one after another once the server stops, the last of them after this time; without it all end at
    /// once.
    #[must_use]
    pub fn with_drain(mut self, longest: Duration) -> Self {
        let environments = self.environments.values().map(Arc::downgrade).collect();
        self.drain = Arc::new(stream::Drain::new(longest, environments));
        self
    }
}
