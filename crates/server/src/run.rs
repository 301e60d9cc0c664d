//! Starts a server from its options, and runs it until it is stopped.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretSlice};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::change_log::ChangeLog;
use crate::config::{ConfigError, DEV_CLIENT_KEY, DEV_SERVER_KEY, Options};
use crate::environment::Environment;
use crate::files::at_start;
use crate::files::write;
use crate::plan::{From, Plan, Planned};
use crate::replicas::secret::Sharing;
use crate::replicas::{Replica, ReplicaOptions};
use crate::routes::app;
use crate::secret;
use crate::serve::{Certificates, Limits, Serving, Timeouts, TlsError, raise_open_files};
use crate::source::file::{FileOrigin, FileSource, LoadError};
use crate::source::saved::path_in;
use crate::source::takeover::{ChoiceError, Chosen, Takeover, TakeoverSource};
use crate::source::upstream::UpstreamSource;
use crate::source::{Origin, Source};
use crate::state::{AppState, Settings};

/// How long the start waits for Redis to answer with the secret that replicas share.
const SHARED_SECRET: Duration = Duration::from_secs(2);

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
        /// The path of the flags file.
        path: String,
        /// The error of the system.
        error: std::io::Error,
    },
    /// The certificate cannot be used.
    #[error("{0}")]
    Tls(#[from] TlsError),
    /// The saved choice between an upstream and a flags file cannot be read.
    #[error("{0}")]
    Choice(#[from] ChoiceError),
    /// The HTTP client for an upstream cannot be created.
    #[error("cannot set up the connection to the upstream: {0}")]
    Upstream(#[from] reqwest::Error),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {error}; name another address with --listen")]
    Listen {
        /// The address.
        address: std::net::SocketAddr,
        /// The error of the system.
        error: std::io::Error,
    },
    /// The system refused something a server cannot do without.
    #[error("{what}: {error}")]
    System {
        /// What the server tried to do.
        what: &'static str,
        /// The error of the system.
        error: std::io::Error,
    },
}

/// A warning is logged if the process may have fewer open files than this.
const FEW_FILES: u64 = 8_192;

/// Starts a server and serves until `stop` completes.
///
/// The first line on standard output is `flagwire-server listening on http://ADDRESS`, for programs that start it; what
/// follows is for people.
///
/// # Errors
/// [`RunError`], before the first connection is accepted.
pub async fn run(options: Options, stop: impl Future<Output = ()> + Send) -> Result<(), RunError> {
    let plan = Plan::of(&options)?;
    let keys = plan.keys()?;
    let mut notes = Vec::new();
    let mut sources = Vec::new();
    let mut takeovers = BTreeMap::new();
    let replicas = plan.replicas.clone().map(Arc::new);
    for planned in &plan.environments {
        sources.push(match &replicas {
            Some(replicas) => Box::new(replica(planned, replicas)?),
            None => open(planned, plan.development_keys, &mut notes, &mut takeovers).await?,
        });
    }
    let made_now = {
        let directory = plan.state_dir.clone();
        let what = format!("reading {}", directory.display());
        at_start(&what, move || {
            write::sweep(&directory);
            !secret::is_kept_in(&directory)
        })
        .unwrap_or(true)
    };
    let secret = signing_secret(&options, &plan)?;
    let tls = match (&options.tls_certificate, &options.tls_key) {
        (Some(certificate), Some(key)) => {
            let files = (certificate.clone(), key.clone());
            let what = format!("reading {} and {}", certificate.display(), key.display());
            let loaded = at_start(&what, move || Certificates::load(&files.0, &files.1));
            Some(Arc::new(loaded.map_err(|error| RunError::System {
                what: "reading the certificate",
                error,
            })??))
        }
        _ => None,
    };
    warn_of_few_files();

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
    // Sources go on until the last stream has ended.
    let (ending, ended) = watch::channel(false);
    let mut environments = Vec::new();
    let mut running = Vec::new();
    for (planned, source) in plan.environments.iter().zip(sources) {
        let environment = Arc::new(Environment::new(&planned.name));
        environment.keep_versions_in(&path_in(&plan.state_dir, "versions", &planned.name));
        let flags = match &planned.from {
            From::File(flags) => Some(flags),
            From::Takeover(options) => Some(&options.file),
            From::Upstream(_) => None,
        };
        if let Some(flags) = flags {
            let fallback = path_in(&plan.state_dir, "changes", &planned.name);
            let fallback = fallback.with_extension("jsonl");
            environment.log_changes_in(ChangeLog::new(&planned.name, flags, &fallback));
        }
        let (serves, ended) = (Arc::clone(&environment), ended.clone());
        let begun = tokio::task::spawn_blocking(move || source.run(serves, ended));
        match begun.await {
            Ok(source) => running.push(tokio::spawn(source)),
            Err(error) => tracing::error!(%error, "a source did not start"),
        }
        environments.push(environment);
    }

    accept_on_signal(&environments);
    let drain = Duration::from_secs(options.drain_seconds);
    let state = AppState::new(
        environments,
        keys,
        Settings {
            event_evaluations: options.event_evaluations,
            heartbeat: options.heartbeat(),
            ticket_seconds: options.ticket_seconds,
            cors_origins: options.cors_origins.clone(),
            admin_tokens: plan.admin_tokens.clone(),
            server_keys_in_browsers: options.server_keys_in_browsers,
            loopback: address.ip().is_loopback(),
        },
        secret.expose_secret(),
        stopped.clone(),
    )
    .with_takeovers(takeovers)
    .with_drain(drain * 9 / 10);
    if let Some(replicas) = replicas.filter(|_| options.token_secret.is_none()) {
        let mut sharing = Sharing::new(
            replicas,
            Arc::clone(&state.signer),
            &plan.state_dir,
            &secret,
            made_now,
        );
        sharing.begin(SHARED_SECRET).await;
        running.push(tokio::spawn(sharing.run(ended.clone())));
    }
    announce(&plan, address, tls.is_some(), &notes, &state.takeovers);
    if let Some(tls) = &tls {
        running.push(tokio::spawn(Arc::clone(tls).follow(ended.clone())));
    }

    let serving = Serving {
        limits: Limits {
            connections_per_address: options.connections_per_address,
        },
        timeouts: Timeouts {
            idle: Duration::from_secs(options.idle_seconds),
            ..Timeouts::default()
        },
        drain,
        tls,
        refused: state.metrics.refused.clone(),
    };
    // The options hold secrets, which are no longer needed.
    drop(options);
    let serving = serving.run(listener, app(state), stopped);
    tokio::pin!(serving);
    tokio::select! {
        () = stop => {
            tracing::info!("stopping");
            stopping.send_replace(true);
            serving.await;
        }
        () = &mut serving => {}
    }
    ending.send_replace(true);
    for source in running {
        drop(source.await);
    }
    Ok(())
}

/// Opens a source as far as that can be done before the server listens. Adds notes that are printed at the start, as when there is
/// no flags file yet.
/// The sample is only for trying the server: with keys of one's own its flags would be served to real clients.
async fn open(
    planned: &Planned,
    samples: bool,
    notes: &mut Vec<String>,
    takeovers: &mut BTreeMap<String, Arc<Takeover>>,
) -> Result<Box<dyn Source>, RunError> {
    match &planned.from {
        From::File(path) => {
            let name = path.display();
            if samples {
                let sample = path.clone();
                let written = at_start(&format!("reading {name}"), move || {
                    FileSource::write_sample(&sample)
                });
                let written = written.flatten().map_err(|error| RunError::Sample {
                    path: name.to_string(),
                    error,
                })?;
                if written {
                    notes.push(format!(
                        "there was no {name}, so a commented sample was written"
                    ));
                }
            }
            let source = FileSource::open_or_wait(path).await?;
            if let Some(why) = source.waits() {
                notes.push(why);
            }
            Ok(Box::new(source))
        }
        From::Upstream(upstream) => Ok(Box::new(UpstreamSource::new((**upstream).clone())?)),
        From::Takeover(options) => {
            let takeover = Arc::new(Takeover::new((**options).clone())?);
            takeovers.insert(planned.name.clone(), Arc::clone(&takeover));
            let source = match takeover.load_choice().await? {
                Chosen::Upstream => TakeoverSource::with_upstream(takeover),
                Chosen::File => {
                    let file = FileSource::open_or_wait(&options.file).await?;
                    notes.extend(file.waits());
                    TakeoverSource::with_file(takeover, file)
                }
            };
            Ok(Box::new(source))
        }
    }
}

/// Returns the source of a server with replicas. A flags file may be missing here, as another replica may have it.
fn replica(planned: &Planned, options: &Arc<ReplicaOptions>) -> Result<Replica, RunError> {
    let origin: Arc<dyn Origin> = match &planned.from {
        From::File(path) => Arc::new(FileOrigin(path.clone())),
        From::Upstream(upstream) => Arc::new(UpstreamSource::new((**upstream).clone())?),
        From::Takeover(_) => return Err(ConfigError::TakeoverWithRedis.into()),
    };
    Ok(Replica::new(Arc::clone(options), origin))
}

/// On SIGUSR1, has sources put in force what they hold back because much is missing from it.
fn accept_on_signal(environments: &[Arc<Environment>]) {
    use tokio::signal::unix::{SignalKind, signal};

    let Ok(mut accepts) = signal(SignalKind::user_defined1()) else {
        return;
    };
    let environments = environments.to_vec();
    tokio::spawn(async move {
        while accepts.recv().await.is_some() {
            let accepted = environments.iter().filter_map(|one| one.accept()).count();
            tracing::info!(
                "SIGUSR1: accepted what {accepted} of {} environments held back",
                environments.len()
            );
        }
    });
}

/// Raises the limit of open files, and warns if it is low, as each connection is an open file.
fn warn_of_few_files() {
    if let Some(files) = raise_open_files().filter(|files| *files < FEW_FILES) {
        tracing::warn!(
            "the system allows {files} open files, and each connection is one; for more streams than that raise the limit: \
             LimitNOFILE= in a systemd unit, ulimit -n in a shell, --ulimit nofile= for a container"
        );
    }
}

fn announce(
    plan: &Plan,
    address: std::net::SocketAddr,
    tls: bool,
    notes: &[String],
    takeovers: &BTreeMap<String, Arc<Takeover>>,
) {
    let scheme = if tls { "https" } else { "http" };
    let mut text = format!("flagwire-server listening on {scheme}://{address}\n");
    for note in notes {
        text.push_str(&format!("  {note}\n"));
    }
    for planned in &plan.environments {
        text.push_str(&match &planned.from {
            From::File(path) => format!(
                "  flags   {} (save it, and every connected page changes)\n",
                path.display()
            ),
            From::Upstream(upstream) => {
                format!(
                    "  flags   relayed from {} as {}\n",
                    upstream.source(),
                    planned.name
                )
            }
            From::Takeover(options) => {
                let (upstream, file) = (options.upstream.source(), options.file.display());
                match takeovers.get(&planned.name).map(|one| one.chosen()) {
                    Some(Chosen::File) => {
                        format!("  flags   {file} (it took over from {upstream})\n")
                    }
                    _ => format!(
                        "  flags   relayed from {upstream} as {} until you have {file} take over\n",
                        planned.name
                    ),
                }
            }
        });
    }
    if let Some(replicas) = &plan.replicas {
        text.push_str(&format!(
            "  replica {}, shares through {}\n",
            replicas.name,
            replicas.redis.name()
        ));
    }
    text.push_str(&format!("  page    {scheme}://{address}/\n"));
    if plan.development_keys {
        text.push_str(&format!(
            "  keys for development: client {DEV_CLIENT_KEY}, server {DEV_SERVER_KEY}\n"
        ));
    }
    let mut out = std::io::stdout().lock();
    // An error is ignored, as the server also runs if nobody reads its output.
    drop(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
}

fn signing_secret(options: &Options, plan: &Plan) -> Result<SecretSlice<u8>, RunError> {
    if let Some(secret) = &options.token_secret {
        return Ok(secret.expose_secret().as_bytes().to_vec().into());
    }
    let directory = &plan.state_dir;
    let kept = {
        let directory = directory.clone();
        // Another secret would lock out every open page, so this one is waited for.
        at_start(&format!("reading {}", directory.display()), move || {
            secret::kept_in(&directory)
        })
    };
    kept.flatten().or_else(|error| {
        tracing::warn!(
            %error,
            "cannot keep a signing secret in {}; clients must sign in again after a restart. Name a writable --state-dir or a --token-secret",
            directory.display()
        );
        secret::random().map_err(|error| RunError::System { what: "making a signing secret", error })
    })
}
