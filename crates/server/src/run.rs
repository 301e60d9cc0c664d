//! From options to a running server.

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::config::{ConfigError, DEV_CLIENT_KEY, DEV_SERVER_KEY, Options};
use crate::environment::Environment;
use crate::flags_file::write::directory_of;
use crate::source::Source as _;
use crate::source::file::{FileSource, LoadError};
use crate::{AppState, Settings, app, secret, serve};

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The options do not go together.
    #[error("{0}")]
    Config(#[from] ConfigError),
    /// The flags file cannot be served.
    #[error("{0}")]
    Load(#[from] LoadError),
    /// The sample cannot be written.
    #[error("cannot write a sample to {path}: {error}; name another file with --flags")]
    Sample {
        /// The flags file.
        path: String,
        /// What the system says.
        error: std::io::Error,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {error}; name another address with --listen")]
    Listen {
        /// The address.
        address: std::net::SocketAddr,
        /// What the system says.
        error: std::io::Error,
    },
    /// The system refused something a server cannot do without.
    #[error("{what}: {error}")]
    System {
        /// What was tried.
        what: &'static str,
        /// What the system says.
        error: std::io::Error,
    },
}

/// Starts a server and serves until `stop` completes.
///
/// The first line on standard output is `flagwire-server listening on http://ADDRESS`, for programs that start it; what
/// follows is for people.
///
/// # Errors
/// [`RunError`], before the first connection is accepted.
pub async fn run(options: Options, stop: impl Future<Output = ()> + Send) -> Result<(), RunError> {
    let keys = options.keys()?;
    for origin in &options.cors_origins {
        if origin != "*"
            && (axum::http::HeaderValue::from_str(origin).is_err()
                || !origin.contains("://")
                || origin.ends_with('/'))
        {
            return Err(ConfigError::BadOrigin(origin.clone()).into());
        }
    }
    let sample = FileSource::write_sample(&options.flags).map_err(|error| RunError::Sample {
        path: options.flags.display().to_string(),
        error,
    })?;
    let source = FileSource::open(&options.flags)?;
    let secret = signing_secret(&options)?;

    let listener = TcpListener::bind(options.listen)
        .await
        .map_err(|error| RunError::Listen {
            address: options.listen,
            error,
        })?;
    let address = listener.local_addr().map_err(|error| RunError::System {
        what: "asking for the address",
        error,
    })?;

    let (stopping, stopped) = watch::channel(false);
    let environment = Arc::new(Environment::new(&options.environment));
    let source = Box::new(source).run(Arc::clone(&environment), stopped.clone());
    let source = tokio::spawn(source);

    let state = AppState::new(
        vec![Arc::clone(&environment)],
        keys,
        Settings {
            event_evaluations: options.event_evaluations,
            heartbeat: options.heartbeat(),
            ticket_seconds: options.ticket_seconds,
            cors_origins: options.cors_origins.clone(),
            admin_token: options.admin_token.clone(),
            loopback: address.ip().is_loopback(),
        },
        &secret,
        stopped.clone(),
    );
    announce(&options, address, sample);

    let drain = Duration::from_secs(options.drain_seconds);
    let serving = serve::serve(listener, app(state), stopped, drain);
    tokio::pin!(serving);
    tokio::select! {
        () = stop => {
            tracing::info!("stopping");
            stopping.send_replace(true);
            serving.await;
        }
        () = &mut serving => {}
    }
    drop(source.await);
    Ok(())
}

fn announce(options: &Options, address: std::net::SocketAddr, sample: bool) {
    let mut text = format!("flagwire-server listening on http://{address}\n");
    let file = options.flags.display();
    if sample {
        text.push_str(&format!(
            "  there was no {file}, so a commented sample was written\n"
        ));
    }
    text.push_str(&format!(
        "  flags   {file} (save it, and every connected page changes)\n"
    ));
    text.push_str(&format!("  page    http://{address}/\n"));
    if options.uses_development_keys() {
        text.push_str(&format!(
            "  keys for development: client {DEV_CLIENT_KEY}, server {DEV_SERVER_KEY}\n"
        ));
    }
    let mut out = std::io::stdout().lock();
    // Nobody may be reading; the server runs all the same.
    drop(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
}

fn signing_secret(options: &Options) -> Result<Vec<u8>, RunError> {
    if let Some(secret) = &options.token_secret {
        return Ok(secret.clone().into_bytes());
    }
    let directory: PathBuf = match &options.state_dir {
        Some(directory) => directory.clone(),
        None => directory_of(&options.flags).join(".flagwire"),
    };
    secret::kept_in(&directory).or_else(|error| {
        tracing::warn!(
            %error,
            "cannot keep a signing secret in {}; clients must sign in again after a restart. Name a writable --state-dir or a --token-secret",
            directory.display()
        );
        secret::random().map_err(|error| RunError::System { what: "making a signing secret", error })
    })
}
