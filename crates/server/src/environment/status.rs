//! Defines what an environment reports about its source and its replica, for the admin page, `/status` and the metrics.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::time::unix_seconds;

/// How configurations reach this server at the moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SourceState {
    /// There is no configuration yet.
    #[default]
    Starting,
    /// Changes arrive as they are made.
    Live,
    /// Changes arrive when the source is asked the next time.
    Polling,
    /// The source cannot be read or does not answer; the last configuration of it is served.
    Degraded,
}

/// The status of a source.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SourceStatus {
    /// The name of the source for people, such as the path of the file.
    pub source: String,
    /// How configurations reach this server.
    pub state: SourceState,
    /// Whether what is served is what the source holds now.
    pub healthy: bool,
    /// Why it is not healthy; `None` while it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Sentences that people should read although flags are served as they should be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
    /// Since when the status has been the same.
    #[serde(skip)]
    pub since: SystemTime,
    /// When the served configuration was last known to be the one of the source: for an upstream, when it last answered. `None` if
    /// that is known at any time, as for a file that is watched, and if it was never known.
    #[serde(skip)]
    pub fresh_at: Option<SystemTime>,
}

impl Default for SourceStatus {
    fn default() -> Self {
        Self {
            source: String::new(),
            state: SourceState::Starting,
            healthy: false,
            error: Some("no configuration yet".to_owned()),
            warning: None,
            since: SystemTime::now(),
            fresh_at: None,
        }
    }
}

/// What a replica does at the moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// It takes the configurations that the leader puts into Redis.
    #[default]
    Follower,
    /// It runs the source for all replicas.
    Leader,
    /// It runs the source for itself, as Redis is away.
    Alone,
}

/// The status of a replica.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReplicaStatus {
    /// The name of this replica.
    pub name: String,
    /// The role of this replica at the moment.
    pub role: Role,
    /// The name of the replica that leads, if it is known.
    pub leader: Option<String>,
    /// The address of Redis, without credentials.
    pub redis: String,
    /// Whether Redis answers.
    pub connected: bool,
    /// The last error of Redis; `None` if there was none.
    pub last_error: Option<String>,
    /// Since when Redis has answered, or has not; in JSON, seconds since the Unix epoch.
    #[serde(serialize_with = "as_seconds")]
    pub since: SystemTime,
    /// How many times Redis was lost or did not answer.
    pub failures: u64,
    /// How many times Redis had lost the configuration and this replica has put it there again.
    pub refills: u64,
}

fn as_seconds<S: serde::Serializer>(at: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_i64(unix_seconds(*at))
}
