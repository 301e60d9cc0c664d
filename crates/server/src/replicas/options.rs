//! The options by which the replicas of one server find each other.

use std::path::PathBuf;
use std::time::Duration;

use super::connection::Redis;
use crate::auth::hex;

/// The options by which replicas find each other.
#[derive(Clone, Debug)]
pub struct ReplicaOptions {
    /// The Redis that all replicas share.
    pub redis: Redis,
    /// The beginning of the names of all keys; `flagwire` by default.
    pub prefix: String,
    /// How long a leader that has died is still taken for the leader; 6 seconds by default.
    pub lease: Duration,
    /// The name of this replica, which no other one may have.
    pub name: String,
    /// The directory in which a replica saves what its copy of the flags file has in common with others; with `None` it is not
    /// saved.
    pub state_dir: Option<PathBuf>,
}

impl ReplicaOptions {
    /// Returns options with the default times, and with a name made of the host's, the process's and a random number.
    #[must_use]
    pub fn new(redis: Redis) -> Self {
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let host = match host.trim() {
            "" => "replica",
            host => host,
        };
        let mut bytes = [0; 4];
        // Without a random number the process alone tells replicas on one machine apart.
        let _ = getrandom::fill(&mut bytes);
        let name = format!("{host}-{}-{}", std::process::id(), hex(&bytes));
        Self {
            redis,
            prefix: "flagwire".to_owned(),
            lease: Duration::from_secs(6),
            name,
            state_dir: None,
        }
    }
}
