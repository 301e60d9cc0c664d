//! Replicas of one server, which share configurations and changes through Redis.
//!
//! Memory is the truth and Redis a mirror of it. One replica, the leader, has the lease: its source runs, and what that
//! brings is put into Redis. The others, followers, take from there what is new. A stream in Redis says when to look; a
//! look a few times in each lease misses nothing if that is lost. What a look finds is acted on whatever led to it:
//!
//! - The lease is free: a replica that can open its source takes it.
//! - The snapshot is not the leader's, because Redis has lost it, or the server that took over in Redis has an older
//!   one: the leader puts its own there.
//! - The snapshot is newer than a follower's: it is put in force there, under the same stamp, with the same events.
//! - Another one leads, where this one did: its source ends, and it follows.
//! - The leader's upstream has not answered it for a while: it lets another one try.
//!
//! Where flags are in a file, each replica may have a copy of it, or all share one; the module `copies` says what happens
//! when copies differ. A change by the admin page or its API is answered once Redis has it, so that it survives whichever
//! replica dies next. A replica that is alone refuses such changes, as nobody could tell the others.
//!
//! While Redis is away for longer than a lease, nobody knows who leads, and each replica is alone: it runs its source
//! itself. What follows a return is what follows a start.
//!
//! Two replicas may take themselves for leaders for a moment. That does no harm: each asks the upstream, and Redis takes
//! snapshots from one only, see the module `store`.

mod copies;
mod edits;
mod leading;
pub mod redis;
mod replica;
pub(crate) mod secret;
mod store;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub use self::redis::{AddressError, Redis};
use crate::source::{BoxFuture, Origin, Source};

/// How replicas find each other.
#[derive(Clone, Debug)]
pub struct ReplicaOptions {
    /// Where they meet.
    pub redis: Redis,
    /// Begins the names of all keys.
    pub prefix: String,
    /// For how long a leader that is gone is still taken for one.
    pub lease: Duration,
    /// This replica's name, no other's.
    pub name: String,
    /// Where a replica keeps what its copy of the flags file has in common with others; `None` for nowhere.
    pub state_dir: Option<PathBuf>,
}

impl ReplicaOptions {
    /// With the usual times and a name of its own.
    #[must_use]
    pub fn new(redis: Redis) -> Self {
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let host = match host.trim() {
            "" => "replica",
            host => host,
        };
        let mut bytes = [0; 4];
        // The process makes do as well, on one machine.
        let _ = getrandom::fill(&mut bytes);
        let name = format!("{host}-{}-{}", std::process::id(), crate::auth::hex(&bytes));
        Self {
            redis,
            prefix: "flagwire".to_owned(),
            lease: Duration::from_secs(6),
            name,
            state_dir: None,
        }
    }
}

/// A source that brings configurations itself or takes them from the replica that does.
pub struct Replica {
    options: Arc<ReplicaOptions>,
    origin: Arc<dyn Origin>,
}

impl Replica {
    /// `origin` is where this replica gets configurations while it leads.
    #[must_use]
    pub fn new(options: Arc<ReplicaOptions>, origin: Arc<dyn Origin>) -> Self {
        Self { options, origin }
    }
}

impl Source for Replica {
    fn run(
        self: Box<Self>,
        environment: Arc<crate::environment::Environment>,
        stopping: tokio::sync::watch::Receiver<bool>,
    ) -> BoxFuture<'static, ()> {
        let aside = self
            .origin
            .aside(Arc::clone(&environment), stopping.clone());
        let running = replica::Running::new(self.options, self.origin, environment, stopping);
        Box::pin(async move {
            tokio::join!(running.run(), aside);
        })
    }
}
