//! The command line and the environment variables.

mod given;
mod import;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{EnumValueParser, RangedU64ValueParser};
use clap::{ArgAction, Parser, Subcommand, ValueEnum};
use secrecy::{ExposeSecret as _, SecretString};

use self::given::Trimmed;
pub use self::import::{ExportOptions, ImportOptions};
use crate::auth::{BadAdminToken, BadSecret, Hashed};

/// The client key of a server that was given none and listens to this machine only.
pub const DEV_CLIENT_KEY: &str = "flagwire-dev-client-key";

/// The server key of a server that was given none and listens to this machine only.
pub const DEV_SERVER_KEY: &str = "flagwire-dev-server-key";

/// The path of the flags file if none is given.
const FLAGS_FILE: &str = "flags.yaml";

/// How logs are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Lines for people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// What the program can do besides serving.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Checks flags files and says where their mistakes are; exits with 1 if there are any.
    Check {
        /// The files.
        #[arg(default_value = "flags.yaml", value_name = "FILE")]
        files: Vec<PathBuf>,

        /// Also names the flags that Harness's published server SDKs would evaluate otherwise, and why. They do not count as
        /// mistakes.
        #[arg(long)]
        sdks: bool,
    },
    /// Prints the JSON Schema of flags files, with which editors complete them.
    Schema,
    /// Writes a flags file with everything that another server serves, and proves that it serves everybody the same.
    ///
    /// It signs in with a key for back ends, fetches all flags and groups, writes them as a flags file, and evaluates each flag on
    /// both sides for targets that reach every rule, group, share and requirement. Exits with 1, and writes nothing, if anything
    /// differs; exits with 1 if something could not be carried over.
    Import(Box<ImportOptions>),
    /// Prints the flags of a file in the full form as JSON, as back ends download them.
    Export(ExportOptions),
}

/// The longest time that an option may set: a year, in seconds. More is a mistake, and could overflow in computations.
const MAX_SECONDS: u64 = 31_536_000;
const MAX_MILLISECONDS: u64 = MAX_SECONDS * 1000;

/// Serves feature flags from a file or an upstream over the Harness Feature Flags client protocol.
///
/// Without arguments it writes a commented flags.yaml, serves it on this machine, and prints the address of its page.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "flagwire-server",
    version,
    args_conflicts_with_subcommands = true
)]
pub struct Options {
    /// The subcommand; without one the server serves.
    #[command(subcommand)]
    pub command: Option<Command>,

    /// The flags file, which is reloaded whenever it is saved. If it does not exist the server waits for it, or writes a commented
    /// sample if you gave no keys.
    #[arg(
        long,
        env = "FLAGWIRE_FLAGS",
        default_value = "flags.yaml",
        value_name = "FILE", value_parser = given::path())]
    pub flags: PathBuf,

    /// The base URL of a server to take the flags from instead: Harness, its relay, or another flagwire-server.
    #[arg(long, env = "FLAGWIRE_UPSTREAM", value_name = "URL", value_parser = given::text())]
    pub upstream: Option<String>,

    /// A server key of the upstream.
    #[arg(
        long,
        env = "FLAGWIRE_API_KEY",
        hide_env_values = true,
        value_name = "KEY", value_parser = given::secret())]
    pub api_key: Option<SecretString>,

    /// A file with a server key of the upstream and nothing else, such as a mounted secret.
    #[arg(long, env = "FLAGWIRE_API_KEY_FILE", value_name = "FILE", value_parser = given::path())]
    pub api_key_file: Option<PathBuf>,

    /// The base URL for metrics, if it is not the upstream's.
    #[arg(long, env = "FLAGWIRE_UPSTREAM_EVENTS", value_name = "URL", value_parser = given::text())]
    pub upstream_events: Option<String>,

    /// A flags file that takes the place of the upstream once you say so, on the admin page or by POST /admin/source. Needs --state-dir,
    /// where the choice is kept.
    #[arg(long, env = "FLAGWIRE_TAKEOVER", value_name = "FILE", value_parser = given::path())]
    pub takeover: Option<PathBuf>,

    /// The seconds between two polls of the upstream while its stream is down, varied by a tenth.
    #[arg(
        long,
        env = "FLAGWIRE_POLL_SECONDS",
        default_value_t = 60,
        value_name = "SECONDS",
        value_parser = Trimmed(RangedU64ValueParser::<u64>::new().range(1..=MAX_SECONDS))
    )]
    pub poll_seconds: u64,

    /// A YAML file with any of these options by their names, and with several environments, each with its own flags and keys.
    #[arg(long, env = "FLAGWIRE_CONFIG", value_name = "FILE", value_parser = given::path())]
    pub config: Option<PathBuf>,

    /// The Redis through which replicas of this server share flags: redis://host:6379, rediss://host:6380 (TLS),
    /// redis+sentinel://host:26379,host:26379/name or redis+cluster://host:6379,host:6379.
    #[arg(
        long,
        env = "FLAGWIRE_REDIS",
        hide_env_values = true,
        value_name = "URL", value_parser = given::secret())]
    pub redis: Option<SecretString>,

    /// A PEM file with the certificates to verify Redis with, instead of the system's.
    #[arg(long, env = "FLAGWIRE_REDIS_CA", value_name = "FILE", value_parser = given::path())]
    pub redis_ca: Option<PathBuf>,

    /// The user name for Sentinels. The user of the Redis servers is part of the URL.
    #[arg(long, env = "FLAGWIRE_REDIS_SENTINEL_USER", value_name = "NAME", value_parser = given::text())]
    pub redis_sentinel_user: Option<String>,

    /// The password for Sentinels. The password of the Redis servers is part of the URL.
    #[arg(
        long,
        env = "FLAGWIRE_REDIS_SENTINEL_PASSWORD",
        hide_env_values = true,
        value_name = "PASSWORD", value_parser = given::secret())]
    pub redis_sentinel_password: Option<SecretString>,

    /// The prefix of all keys in Redis. All replicas must use the same.
    #[arg(
        long,
        env = "FLAGWIRE_REDIS_PREFIX",
        default_value = "flagwire",
        value_name = "NAME", value_parser = given::text())]
    pub redis_prefix: String,

    /// The milliseconds after which a leader that does not answer is replaced.
    #[arg(long, default_value_t = 6_000, hide = true, value_parser = Trimmed(RangedU64ValueParser::<u64>::new().range(100..=MAX_MILLISECONDS)))]
    pub redis_lease_ms: u64,

    /// The address and port to listen on; port 0 chooses a free one.
    #[arg(
        long,
        env = "FLAGWIRE_LISTEN",
        default_value = "127.0.0.1:7700",
        value_name = "ADDRESS", value_parser = given::listen)]
    pub listen: SocketAddr,

    /// A key for browsers and apps, or `sha256:` and its hash; may be given several times.
    #[arg(
        long = "client-key",
        alias = "client-keys",
        env = "FLAGWIRE_CLIENT_KEYS",
        value_delimiter = ',',
        hide_env_values = true,
        value_name = "KEY", value_parser = given::key())]
    pub client_keys: Vec<Hashed>,

    /// A key for back ends, which may read all rules, or `sha256:` and its hash; may be given several times.
    #[arg(
        long = "server-key",
        alias = "server-keys",
        env = "FLAGWIRE_SERVER_KEYS",
        value_delimiter = ',',
        hide_env_values = true,
        value_name = "KEY", value_parser = given::key())]
    pub server_keys: Vec<Hashed>,

    /// Whether pages may use server keys. Everybody who opens such a page can read the key and all rules.
    #[arg(
        long,
        env = "FLAGWIRE_SERVER_KEYS_IN_BROWSERS",
        default_value_t = false,
        action = ArgAction::Set,
        value_name = "BOOL", value_parser = given::boolean())]
    pub server_keys_in_browsers: bool,

    /// The name of the environment.
    #[arg(
        long,
        env = "FLAGWIRE_ENVIRONMENT",
        default_value = "development",
        value_name = "NAME", value_parser = given::text())]
    pub environment: String,

    /// Whether events on the stream contain the new evaluations for the stream's target. Those of Harness's relay do not.
    #[arg(long, env = "FLAGWIRE_EVENT_EVALUATIONS", default_value_t = true, action = ArgAction::Set, value_name = "BOOL", value_parser = given::boolean())]
    pub event_evaluations: bool,

    /// The secret that tokens are signed with. Without it the server creates a random one and keeps it in the state directory.
    #[arg(
        long,
        env = "FLAGWIRE_TOKEN_SECRET",
        hide_env_values = true,
        value_name = "SECRET", value_parser = given::secret())]
    pub token_secret: Option<SecretString>,

    /// The directory for data that must survive a restart. Default: `.flagwire` next to the flags file.
    #[arg(long, env = "FLAGWIRE_STATE_DIR", value_name = "DIRECTORY", value_parser = given::path())]
    pub state_dir: Option<PathBuf>,

    /// The token for the admin page, or `sha256:` and its hash. Without one the page works on this machine only.
    #[arg(
        long,
        env = "FLAGWIRE_ADMIN_TOKEN",
        hide_env_values = true,
        value_name = "TOKEN", value_parser = given::key())]
    pub admin_token: Option<Hashed>,

    /// A file with further, named tokens for the admin page: in each line a name, `read` or `edit`, and the token or its hash.
    #[arg(long, env = "FLAGWIRE_ADMIN_TOKENS_FILE", value_name = "FILE", value_parser = given::path())]
    pub admin_tokens_file: Option<PathBuf>,

    /// An origin whose pages may use this server; `*` for all. May be given several times.
    #[arg(
        long = "cors-origin",
        alias = "cors-origins",
        env = "FLAGWIRE_CORS_ORIGINS",
        value_delimiter = ',',
        default_value = "*",
        value_name = "ORIGIN", value_parser = given::origin)]
    pub cors_origins: Vec<String>,

    /// The largest number of connections from one address; 0 for no limit, for example behind a load balancer.
    #[arg(
        long,
        env = "FLAGWIRE_CONNECTIONS_PER_ADDRESS",
        default_value_t = 0,
        value_name = "NUMBER", value_parser = given::number())]
    pub connections_per_address: usize,

    /// The certificate for HTTPS, a PEM file with the whole chain; read again as it changes.
    #[arg(long, env = "FLAGWIRE_TLS_CERTIFICATE", value_name = "FILE", value_parser = given::path())]
    pub tls_certificate: Option<PathBuf>,

    /// The certificate's private key, a PEM file.
    #[arg(long, env = "FLAGWIRE_TLS_KEY", value_name = "FILE", value_parser = given::path())]
    pub tls_key: Option<PathBuf>,

    /// Seconds for which a connection without requests stays open. A proxy in front should keep idle ones for less time.
    #[arg(
        long,
        env = "FLAGWIRE_IDLE_SECONDS",
        default_value_t = 75,
        value_name = "SECONDS",
        value_parser = Trimmed(RangedU64ValueParser::<u64>::new().range(1..=MAX_SECONDS))
    )]
    pub idle_seconds: u64,

    /// How logs are written.
    #[arg(long, env = "FLAGWIRE_LOG_FORMAT", ignore_case = true, default_value = "text", value_parser = Trimmed(EnumValueParser::<LogFormat>::new()))]
    pub log_format: LogFormat,

    /// What is logged: error, warn, info, debug or trace. Requests are logged at debug.
    #[arg(
        long,
        env = "FLAGWIRE_LOG_LEVEL",
        default_value = "info",
        value_name = "LEVEL", value_parser = given::text())]
    pub log_level: String,

    /// Milliseconds between heartbeats of a stream.
    #[arg(long, default_value_t = 15_000, hide = true, value_parser = Trimmed(RangedU64ValueParser::<u64>::new().range(10..=MAX_MILLISECONDS)))]
    pub heartbeat_ms: u64,

    /// Milliseconds between two posts of metrics to the upstream.
    #[arg(long, default_value_t = 60_000, hide = true, value_parser = Trimmed(RangedU64ValueParser::<u64>::new().range(10..=MAX_MILLISECONDS)))]
    pub metrics_ms: u64,

    /// Seconds in which a stream ticket must be used.
    #[arg(long, default_value_t = 60, hide = true, value_parser = Trimmed(RangedU64ValueParser::<u64>::new().range(0..=MAX_SECONDS)))]
    pub ticket_seconds: u64,

    /// Seconds that open requests have to finish once the server is asked to stop.
    #[arg(
        long,
        env = "FLAGWIRE_DRAIN_SECONDS",
        default_value_t = 10,
        value_name = "SECONDS", value_parser = Trimmed(RangedU64ValueParser::<u64>::new().range(0..=MAX_SECONDS)))]
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
    /// The upstream's key cannot be used.
    #[error("{0}")]
    BadKey(#[from] BadSecret),
    /// An option is given that does nothing without another one.
    #[error("--{option} does nothing without --{needs}; set that as well")]
    Incomplete {
        /// The option that is given.
        option: &'static str,
        /// The option that is missing.
        needs: &'static str,
    },
    /// The same key is given as client key and as server key, or for two environments.
    #[error(
        "the same key is given twice, as client key and as server key or for two environments; use two"
    )]
    SharedKey,
    /// The environment has no name, which URLs need.
    #[error("the environment needs a name")]
    NoEnvironment,
    /// The upstream's address is not one of HTTP.
    #[error(
        "`{0}` is not an address of an upstream; write it like https://flags.example.com/api/1.0"
    )]
    BadUpstream(String),
    /// The upstream's address holds a user or a password.
    #[error(
        "an upstream's address must not hold a user or a password; its API key is what it is asked with"
    )]
    Credentials,
    /// The configuration file has environments, and options of the whole server name a source or keys as well.
    #[error(
        "the configuration file has environments: put upstreams, API keys, client and server keys below them, and not in options of the whole server"
    )]
    TwoSources,
    /// The configuration file cannot be read.
    #[error("{path}: {reason}")]
    Unreadable {
        /// The file.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A flags file is to take over from an upstream, but nothing is named that the choice can be kept in.
    #[error(
        "--takeover needs --state-dir: which source was chosen must last through a restart, so name a directory that does as well"
    )]
    TakeoverWithoutState,
    /// A flags file is to take over from an upstream on several replicas.
    #[error(
        "--takeover and --redis cannot be used together, as each replica would choose its source by itself; let one server without --redis take over, then start all with --flags and --redis"
    )]
    TakeoverWithRedis,
    /// The configuration file was read, but cannot be used.
    #[error("the configuration file cannot be used: {0}")]
    File(String),
    /// The tokens of the admin page cannot be used.
    #[error("{0}")]
    AdminToken(#[from] BadAdminToken),
    /// The options of an environment cannot be used.
    #[error("environment `{0}`: {1}")]
    Environment(String, String),
    /// The address of Redis cannot be used.
    #[error("{0}")]
    Redis(#[from] crate::replicas::AddressError),
    /// A key has a blank or a line end in it, so no SDK can send it.
    #[error("{what} has a blank or a line end in it; copy it again")]
    Blank {
        /// How a sentence names the key.
        what: &'static str,
    },
}

impl Options {
    /// Checks that options which need each other are all given. clap would check the command line and the environment
    /// variables, but not the configuration file.
    pub(crate) fn complete(&self) -> Result<(), ConfigError> {
        let certificate = ("tls-certificate", self.tls_certificate.is_some());
        let key = ("tls-key", self.tls_key.is_some());
        let redis = ("redis", self.redis.is_some());
        let ca = ("redis-ca", self.redis_ca.is_some());
        let user = ("redis-sentinel-user", self.redis_sentinel_user.is_some());
        let password = (
            "redis-sentinel-password",
            self.redis_sentinel_password.is_some(),
        );
        let takeover = ("takeover", self.takeover.is_some());
        let upstream = ("upstream", self.upstream.is_some());
        for ((option, there), (needs, met)) in [
            (takeover, upstream),
            (certificate, key),
            (key, certificate),
            (ca, redis),
            (password, redis),
            (user, password),
        ] {
            if there && !met {
                return Err(ConfigError::Incomplete { option, needs });
            }
        }
        Ok(())
    }

    /// Treats empty values as not given, since a template may leave variables empty.
    pub(crate) fn without_empty(mut self) -> Self {
        for text in [
            &mut self.upstream,
            &mut self.upstream_events,
            &mut self.redis_sentinel_user,
        ] {
            text.take_if(|text| text.is_empty());
        }
        for secret in [
            &mut self.api_key,
            &mut self.redis,
            &mut self.redis_sentinel_password,
            &mut self.token_secret,
        ] {
            secret.take_if(|secret| secret.expose_secret().is_empty());
        }
        for path in [
            &mut self.api_key_file,
            &mut self.takeover,
            &mut self.config,
            &mut self.redis_ca,
            &mut self.state_dir,
            &mut self.tls_certificate,
            &mut self.tls_key,
            &mut self.admin_tokens_file,
        ] {
            path.take_if(|path| path.as_os_str().is_empty());
        }
        if self.flags.as_os_str().is_empty() {
            self.flags = FLAGS_FILE.into();
        }
        self
    }

    /// Whether these options name a source or keys. In a configuration file with environments, each environment names
    /// its own.
    pub(crate) fn has_source(&self) -> bool {
        self.upstream.is_some()
            || self.upstream_events.is_some()
            || self.api_key.is_some()
            || self.api_key_file.is_some()
            || self.takeover.is_some()
            || !self.client_keys.is_empty()
            || !self.server_keys.is_empty()
    }

    /// Returns the time between two heartbeats of a stream.
    #[must_use]
    pub const fn heartbeat(&self) -> Duration {
        Duration::from_millis(self.heartbeat_ms)
    }
}
