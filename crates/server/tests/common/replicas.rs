//! Starts real Redis servers, and replicas that share flags through them.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use flagwire_server::environment::{Environment, ReplicaStatus, Role};
use flagwire_server::replicas::{Redis, Replica, ReplicaOptions};
use flagwire_server::source::{Origin, Source as _};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::sync::watch;

use super::listening::eventually;
use super::{Server, server_of};

/// The lease: short, so that a new leader is elected soon, and long enough for a busy machine to renew it.
pub const LEASE: Duration = Duration::from_millis(1500);

/// Returns the path of `redis-server`, or `None` if Redis is not installed.
pub fn program() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("REDIS_SERVER") {
        return Some(path.into());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let names = ["redis-server", "valkey-server"];
    std::env::split_paths(&path)
        .flat_map(|directory| names.map(|name| directory.join(name)))
        .find(|program| program.is_file())
}

/// Returns a port on which nobody listens, outside of the range from which the system assigns ports to connections: otherwise a
/// connection of another test could take it before Redis does.
pub fn free_port() -> u16 {
    static TRIED: AtomicU32 = AtomicU32::new(0);
    loop {
        let tried = TRIED.fetch_add(1, Ordering::Relaxed);
        // Test programs that run at the same time start at different ports.
        let place = std::process::id().wrapping_mul(101).wrapping_add(tried);
        let port = 20_000 + (place % 12_000) as u16;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// A Redis server without persistence, which ends with the test.
pub struct RedisServer {
    child: Child,
    pub port: u16,
    args: Vec<String>,
    directory: TempDir,
}

impl RedisServer {
    /// Starts a server. Returns `None`, and prints a line, if Redis is not installed.
    pub fn start() -> Option<Self> {
        let port = free_port();
        Self::start_with(port, &["--port", &port.to_string()])
    }

    pub fn start_with(port: u16, args: &[&str]) -> Option<Self> {
        let program = program().or_else(|| {
            eprintln!("skipped: Redis is not installed; run `npm run setup`, or set REDIS_SERVER");
            None
        })?;
        let directory = tempfile::tempdir().unwrap();
        let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
        let child = run(&program, &args, directory.path());
        Some(Self {
            child,
            port,
            args,
            directory,
        })
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends the server as a crash would.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts the server again on the same port, without data.
    pub fn restart(&mut self) {
        self.child = run(&program().unwrap(), &self.args, self.directory.path());
    }

    pub async fn connect(&self) -> redis::aio::MultiplexedConnection {
        let client = redis::Client::open(self.url()).unwrap();
        client.get_multiplexed_async_connection().await.unwrap()
    }

    pub async fn flush(&self) {
        let mut connection = self.connect().await;
        let () = redis::cmd("FLUSHALL")
            .query_async(&mut connection)
            .await
            .unwrap();
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Starts the process, and returns once it accepts connections.
fn run(program: &Path, args: &[String], directory: &Path) -> Child {
    let mut child = Command::new(program)
        .current_dir(directory)
        .args(args)
        .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut log = String::new();
    while !log.contains("Ready to accept connections") && !log.contains("+monitor") {
        assert_ne!(out.read_line(&mut log).unwrap(), 0, "{log}");
    }
    // The rest of its output is read so that it does not fill the pipe.
    std::thread::spawn(move || std::io::copy(&mut out, &mut std::io::sink()));
    child
}

/// A replica on its own runtime, so that a test can end it as a crash would.
pub struct Replicated {
    pub server: Server,
    runtime: Option<Runtime>,
}

pub fn options(url: &str, name: &str) -> ReplicaOptions {
    let mut options = ReplicaOptions::new(Redis::new(url, None).unwrap());
    options.lease = LEASE;
    options.name = name.to_owned();
    options
}

pub fn replica(options: ReplicaOptions, origin: impl Origin + 'static) -> Replicated {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let environment = Arc::new(Environment::new("development"));
    let (stop, stopping) = watch::channel(false);
    let source = Box::new(Replica::new(Arc::new(options), Arc::new(origin)));
    runtime.spawn(source.run(Arc::clone(&environment), stopping.clone()));
    Replicated {
        server: server_of(environment, stop, stopping),
        runtime: Some(runtime),
    }
}

impl Replicated {
    /// Ends all tasks and connections at once.
    pub fn kill(mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }

    pub fn standing(&self) -> ReplicaStatus {
        self.server.environment.replica().unwrap()
    }

    /// Waits until the replica's status meets the condition.
    pub async fn stands(&self, condition: impl Fn(&ReplicaStatus) -> bool) -> ReplicaStatus {
        let mut watched = self.server.environment.watch_replica();
        let last = watched.clone();
        let reached = async {
            let status = watched.wait_for(|status| status.as_ref().is_some_and(&condition));
            status.await.unwrap().clone().unwrap()
        };
        eventually(reached, || format!("{:?}", last.borrow())).await
    }

    pub async fn leads(&self) -> ReplicaStatus {
        self.stands(|status| status.role == Role::Leader).await
    }
}

/// Until exactly one of these leads. A leader that did not run for as long as its lease loses it for a moment, and replicas learn
/// one after the other who leads.
pub async fn one_leads(replicas: &[&Replicated]) {
    let roles = || Vec::from_iter(replicas.iter().map(|one| one.standing().role));
    let reached = async {
        while roles().iter().filter(|role| **role == Role::Leader).count() != 1 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    eventually(reached, || format!("{:?}", roles())).await;
}

impl Drop for Replicated {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
