//! Runs servers on real sockets, each on its own runtime, so that a test can end one as a crash would.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use flagwire_server::environment::{Current, Environment, SourceState, SourceStatus};
use flagwire_server::source::Source as _;
use flagwire_server::source::upstream::{UpstreamOptions, UpstreamSource};
use flagwire_server::{AppState, app, serve};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::watch;

use super::{SERVER_KEY, Server, keys, server_of, settings};

pub struct Listening {
    pub address: SocketAddr,
    runtime: Option<Runtime>,
    stop: watch::Sender<bool>,
}

/// Serves on `address`; port 0 chooses a free one.
pub async fn listen_on(address: &str, app: Router) -> Listening {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let (stop, stopping) = watch::channel(false);
    let address = address.to_owned();
    let listener = runtime.spawn(bind(address)).await.unwrap();
    let address = listener.local_addr().unwrap();
    runtime.spawn(serve::serve(
        listener,
        app,
        stopping,
        serve::Limits::default(),
        Duration::ZERO,
    ));
    Listening {
        address,
        runtime: Some(runtime),
        stop,
    }
}

/// Binds the address of a server that was killed, which becomes free once its runtime has ended.
async fn bind(address: String) -> TcpListener {
    let bound = async {
        loop {
            match TcpListener::bind(&address).await {
                Err(error) if error.kind() == ErrorKind::AddrInUse => {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                bound => break bound.unwrap(),
            }
        }
    };
    let limit = Duration::from_secs(30);
    let bound = tokio::time::timeout(limit, bound).await;
    bound.unwrap_or_else(|_| panic!("{address} is still in use"))
}

pub async fn listen(app: Router) -> Listening {
    listen_on("127.0.0.1:0", app).await
}

impl Listening {
    /// Ends all connections at once.
    pub fn kill(mut self) -> SocketAddr {
        self.stop.send_replace(true);
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
        self.address
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

pub fn upstream(address: SocketAddr) -> UpstreamOptions {
    UpstreamOptions::new(
        format!("http://{address}/api/1.0").parse().unwrap(),
        SERVER_KEY,
    )
}

/// Starts a server whose flags come from an upstream. It ends with the test's runtime.
pub fn relay(options: UpstreamOptions) -> Server {
    let environment = Arc::new(Environment::new("development"));
    let (stop, stopping) = watch::channel(false);
    let source = Box::new(UpstreamSource::new(options).unwrap());
    tokio::spawn(source.run(Arc::clone(&environment), stopping.clone()));
    server_of(environment, stop, stopping)
}

/// Starts a replica that serves the same environment from its own sockets.
pub fn app_of(server: &Server) -> Router {
    let stopping = server.stop.subscribe();
    app(AppState::new(
        vec![Arc::clone(&server.environment)],
        keys(),
        settings(),
        b"test secret",
        stopping,
    ))
}

/// The longest time that a test waits for an event, on a machine that runs other tests at the same time.
const PATIENCE: Duration = Duration::from_secs(120);

/// Waits for `event`, and fails with the text of `now` if it does not happen in time.
pub async fn eventually<T>(event: impl Future<Output = T>, now: impl FnOnce() -> String) -> T {
    match tokio::time::timeout(PATIENCE, event).await {
        Ok(value) => value,
        Err(_) => panic!("nothing came within {PATIENCE:?}: {}", now()),
    }
}

impl Server {
    pub async fn status(&self, condition: impl FnMut(&SourceStatus) -> bool) -> SourceStatus {
        let mut status = self.environment.watch_status();
        let last = status.clone();
        eventually(
            async { status.wait_for(condition).await.unwrap().clone() },
            || format!("{:?}", last.borrow()),
        )
        .await
    }

    /// Waits until the source serves without anything wrong, and returns its status.
    pub async fn live(&self) -> SourceStatus {
        self.status(|status| status.state == SourceState::Live)
            .await
    }

    /// Waits until this configuration is in force.
    pub async fn has(&self, content: &str) {
        let same = |current: &Current| current.content == content;
        self.until(same, || format!("the content {content}")).await;
    }

    /// Waits until the server serves the flag's variation by default.
    pub async fn serves(&self, flag: &str, variation: &str) {
        let same = |current: &Current| {
            let flag = current.snapshot.flag(flag);
            flag.and_then(|flag| flag.default_serve.variation.as_deref()) == Some(variation)
        };
        self.until(same, || format!("{flag}: {variation}")).await;
    }

    /// Waits until the configuration in force meets `condition`.
    pub async fn until(
        &self,
        condition: impl Fn(&Current) -> bool,
        wanted: impl FnOnce() -> String,
    ) {
        let mut generation = self.environment.watch_generation();
        let reached = async {
            loop {
                generation.borrow_and_update();
                if self
                    .environment
                    .current()
                    .is_some_and(|now| condition(&now))
                {
                    return;
                }
                generation.changed().await.unwrap();
            }
        };
        eventually(reached, wanted).await;
    }
}
