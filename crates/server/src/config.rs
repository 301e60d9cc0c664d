//! The command line and the environment variables.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Parser, ValueEnum};

use crate::auth::{Grant, KeyKind, Keys};

/// The client key of a server that was given none and listens to this machine only.
pub const DEV_CLIENT_KEY: &str = "flagwire-dev-client-key";

/// The server key of a server that was given none and listens to this machine only.
pub const DEV_SERVER_KEY: &str = "flagwire-dev-server-key";

/// How logs are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Serves feature flags from a file over the Harness Feature Flags client protocol.
///
/// Without arguments it writes a commented flags.yaml, serves it on this machine, and prints the address of its page.
#[derive(Clone, Debug, Parser)]
#[command(name = "flagwire-server", version)]
pub struct Options {
    /// The flags file. It is reloaded as it is saved; where there is none, a commented sample is written.
    #[arg(
        long,
        env = "FLAGWIRE_FLAGS",
        default_value = "flags.yaml",
        value_name = "FILE"
    )]
    pub flags: PathBuf,

    /// Address and port to listen on; port 0 takes a free one.
    #[arg(
        long,
        env = "FLAGWIRE_LISTEN",
        default_value = "127.0.0.1:7700",
        value_name = "ADDRESS"
    )]
    pub listen: SocketAddr,

    /// A key for browsers and apps; may be given several times.
    #[arg(
        long = "client-key",
        env = "FLAGWIRE_CLIENT_KEYS",
        value_delimiter = ',',
        hide_env_values = true,
        value_name = "KEY"
    )]
    pub client_keys: Vec<String>,

    /// A key for back ends, which may read all rules; may be given several times.
    #[arg(
        long = "server-key",
        env = "FLAGWIRE_SERVER_KEYS",
        value_delimiter = ',',
        hide_env_values = true,
        value_name = "KEY"
    )]
    pub server_keys: Vec<String>,

    /// The environment's name.
    #[arg(
        long,
        env = "FLAGWIRE_ENVIRONMENT",
        default_value = "development",
        value_name = "NAME"
    )]
    pub environment: String,

    /// Whether stream events carry the new evaluations for the stream's target; a relay's do not.
    #[arg(long, env = "FLAGWIRE_EVENT_EVALUATIONS", default_value_t = true, action = ArgAction::Set, value_name = "BOOL")]
    pub event_evaluations: bool,

    /// What tokens are signed with. Without it a random one is kept in the state directory.
    #[arg(
        long,
        env = "FLAGWIRE_TOKEN_SECRET",
        hide_env_values = true,
        value_name = "SECRET"
    )]
    pub token_secret: Option<String>,

    /// Where the server keeps what must last through a restart. Default: `.flagwire` beside the flags file.
    #[arg(long, env = "FLAGWIRE_STATE_DIR", value_name = "DIRECTORY")]
    pub state_dir: Option<PathBuf>,

    /// What the admin page asks for. Without it, the page works on this machine only.
    #[arg(
        long,
        env = "FLAGWIRE_ADMIN_TOKEN",
        hide_env_values = true,
        value_name = "TOKEN"
    )]
    pub admin_token: Option<String>,

    /// An origin whose pages may use this server; `*` for all. May be given several times.
    #[arg(
        long = "cors-origin",
        env = "FLAGWIRE_CORS_ORIGINS",
        value_delimiter = ',',
        default_value = "*",
        value_name = "ORIGIN"
    )]
    pub cors_origins: Vec<String>,

    /// How logs are written.
    #[arg(long, env = "FLAGWIRE_LOG_FORMAT", value_enum, default_value_t)]
    pub log_format: LogFormat,

    /// What is logged: error, warn, info, debug or trace. Requests are logged at debug.
    #[arg(
        long,
        env = "FLAGWIRE_LOG_LEVEL",
        default_value = "info",
        value_name = "LEVEL"
    )]
    pub log_level: String,

    /// Milliseconds between heartbeats of a stream.
    #[arg(long, default_value_t = 15_000, hide = true, value_parser = clap::value_parser!(u64).range(10..))]
    pub heartbeat_ms: u64,

    /// Seconds in which a stream ticket must be used.
    #[arg(long, default_value_t = 60, hide = true)]
    pub ticket_seconds: u64,

    /// Seconds that open requests have to finish once the server is told to stop.
    #[arg(
        long,
        env = "FLAGWIRE_DRAIN_SECONDS",
        default_value_t = 10,
        value_name = "SECONDS"
    )]
    pub drain_seconds: u64,
}

/// Why options cannot be used together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// Development keys are public, so they must not guard what others can reach.
    #[error(
        "{0} can be reached from other machines, where the development keys would let anybody in; \
         set your own with --client-key and --server-key (or FLAGWIRE_CLIENT_KEYS and FLAGWIRE_SERVER_KEYS)"
    )]
    DevelopmentKeysExposed(SocketAddr),
    /// An empty key opens the door to everybody who sends none.
    #[error("a key is empty; leave the option out or give it a value")]
    EmptyKey,
    /// One key cannot be both.
    #[error("the same key is given as client key and as server key; use two")]
    SharedKey,
    /// The name goes into URLs.
    #[error("the environment needs a name")]
    NoEnvironment,
    /// An origin that cannot be a header.
    #[error("`{0}` is not an origin; write it like https://shop.example.com")]
    BadOrigin(String),
}

impl Options {
    /// Whether keys were left to the defaults.
    #[must_use]
    pub fn uses_development_keys(&self) -> bool {
        self.client_keys.is_empty() && self.server_keys.is_empty()
    }

    /// The keys and what they open.
    ///
    /// # Errors
    /// [`ConfigError`]
    pub fn keys(&self) -> Result<Keys, ConfigError> {
        if self.environment.is_empty() {
            return Err(ConfigError::NoEnvironment);
        }
        if self.uses_development_keys() && !self.listen.ip().is_loopback() {
            return Err(ConfigError::DevelopmentKeysExposed(self.listen));
        }
        let development = |key: &str| vec![key.to_owned()];
        let (client, server) = if self.uses_development_keys() {
            (development(DEV_CLIENT_KEY), development(DEV_SERVER_KEY))
        } else {
            (self.client_keys.clone(), self.server_keys.clone())
        };
        if client.iter().any(|key| server.contains(key)) {
            return Err(ConfigError::SharedKey);
        }
        let mut keys = Keys::default();
        for (list, kind) in [(client, KeyKind::Client), (server, KeyKind::Server)] {
            for key in list {
                if key.trim().is_empty() {
                    return Err(ConfigError::EmptyKey);
                }
                keys.add(
                    &key,
                    Grant {
                        environment: self.environment.clone(),
                        kind,
                    },
                );
            }
        }
        Ok(keys)
    }

    /// The time between heartbeats.
    #[must_use]
    pub const fn heartbeat(&self) -> Duration {
        Duration::from_millis(self.heartbeat_ms)
    }
}
