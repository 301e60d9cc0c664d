//! What an environment reports about its source and its replica: for the admin page, `/status` and the metrics.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::time::unix_seconds;

/// Which way configurations come at the moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SourceState {
    /// Nothing has come yet.
    #[default]
    Starting,
    /// Changes arrive as they are made.
    Live,
    /// Changes arrive when the source is asked the next time.
    Polling,
    /// The source cannot be read or does not answer; what is served is the last that it gave.
    Degraded,
}

/// How a source stands.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SourceStatus {
    /// What it is, for people: the file's path, say.
    pub source: String,
    /// Which way configurations come.
    pub state: SourceState,
    /// Whether what is served is what the source holds now.
    pub healthy: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What else people should know, although all is served as it should be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
    /// Since when it stands so.
    #[serde(skip)]
    pub since: SystemTime,
    /// When what is served was last known to be what the source holds: for an upstream, when it last answered. `None` where it
    /// is known at any time, as for a file that is watched, or never was.
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
    /// Takes what the leader puts into Redis.
    #[default]
    Follower,
    /// Brings configurations for all.
    Leader,
    /// Brings configurations for itself, as Redis is away.
    Alone,
}

/// How a replica stands.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReplicaStatus {
    /// Its name.
    pub name: String,
    /// What it does.
    pub role: Role,
    /// Who leads, as far as known.
    pub leader: Option<String>,
    /// Where replicas meet, without credentials.
    pub redis: String,
    /// Whether Redis answers.
    pub connected: bool,
    /// Why it does not, or did not the last time; `None` while there was nothing.
    pub last_error: Option<String>,
    /// Since when it answers, or does not; in JSON, seconds since the Unix epoch.
    #[serde(serialize_with = "as_seconds")]
    pub since: SystemTime,
    /// How often Redis was lost or did not answer.
    pub failures: u64,
    /// How often Redis had lost the configuration and this replica has put it there again.
    pub refills: u64,
}

fn as_seconds<S: serde::Serializer>(at: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_i64(unix_seconds(*at))
}
