//! Reports the status of a replica and of its connection to Redis to people, and the status of its source to its
//! followers.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use redis::RedisError;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::connection::reason;
use super::options::ReplicaOptions;
use crate::environment::{Environment, ReplicaStatus, Role, SourceState, SourceStatus};
use crate::time::{from_unix_seconds, unix_seconds};

/// The status of this replica, as the environment shows it.
pub(super) struct Report {
    environment: Arc<Environment>,
    status: ReplicaStatus,
    /// Since when Redis has not answered; `None` while it does, and before the first attempt.
    unreachable_since: Option<Instant>,
}

impl Report {
    pub(super) fn new(options: &ReplicaOptions, environment: Arc<Environment>) -> Self {
        let status = ReplicaStatus {
            name: options.name.clone(),
            role: Role::Follower,
            leader: None,
            redis: options.redis.name().to_owned(),
            connected: false,
            last_error: None,
            since: SystemTime::now(),
            failures: 0,
            refills: 0,
        };
        environment.set_replica(status.clone());
        Self {
            environment,
            status,
            unreachable_since: None,
        }
    }

    pub(super) const fn role(&self) -> Role {
        self.status.role
    }

    pub(super) fn set_role(&mut self, role: Role) {
        self.status.role = role;
        self.publish();
    }

    /// Notes which replica leads. The environment shows it together with the next change of role.
    pub(super) fn note_leader(&mut self, leader: Option<&str>) {
        self.status.leader = leader.map(str::to_owned);
    }

    /// Reports that Redis answers.
    pub(super) fn redis_answers(&mut self) {
        self.unreachable_since = None;
        if !self.status.connected {
            tracing::info!(
                environment = self.environment.name(),
                redis = self.status.redis,
                "Redis answers"
            );
            self.status.connected = true;
            self.status.since = SystemTime::now();
        }
        self.publish();
    }

    /// Reports that Redis does not answer. A replica that runs its source goes on alone; any other one serves what it has.
    pub(super) fn redis_fails(&mut self, error: &RedisError, runs_source: bool) {
        let error = reason(error);
        if self.status.connected || self.status.last_error.as_ref() != Some(&error) {
            tracing::warn!(
                environment = self.environment.name(),
                redis = self.status.redis,
                "Redis cannot be used: {error}"
            );
        }
        self.unreachable_since.get_or_insert_with(Instant::now);
        if self.status.connected {
            self.status.connected = false;
            self.status.since = SystemTime::now();
        }
        self.status.failures += 1;
        self.status.leader = None;
        self.status.last_error = Some(error.clone());
        match self.status.role {
            Role::Leader => self.status.role = Role::Alone,
            _ if runs_source => self.status.role = Role::Alone,
            Role::Follower => {
                self.source_fails(None, format!("Redis cannot be used: {error}"));
            }
            Role::Alone => {}
        }
        self.publish();
    }

    /// Reports that the snapshot in Redis cannot be used.
    pub(super) fn snapshot_is_unusable(&mut self, error: String) {
        tracing::error!(environment = self.environment.name(), "{error}");
        self.status.last_error = Some(error);
        self.publish();
    }

    /// Reports that Redis had lost the snapshot, and that this replica has put it there again.
    pub(super) fn redis_was_refilled(&mut self) {
        tracing::warn!(
            environment = self.environment.name(),
            "Redis had lost the configuration; it is there again"
        );
        self.status.refills += 1;
        self.publish();
    }

    /// Reports that no source supplies configurations at the moment: neither that of another replica nor `source`, this one's.
    pub(super) fn source_cannot_open(&self, source: String, error: &str) {
        let error = format!("no replica brings flags, and this one cannot: {error}");
        self.source_fails(Some(source), error);
    }

    /// How long Redis has not answered.
    pub(super) fn unreachable_for(&self) -> Duration {
        self.unreachable_since
            .map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// Reports in the status of the source that what is served may be outdated. `source` names it, in place of the one before.
    fn source_fails(&self, source: Option<String>, error: String) {
        let before = self.environment.status();
        let serves = self.environment.current().is_some();
        self.environment.set_status(SourceStatus {
            source: source.unwrap_or(before.source),
            state: if serves {
                SourceState::Degraded
            } else {
                SourceState::Starting
            },
            healthy: false,
            error: Some(error),
            warning: None,
            since: SystemTime::now(),
            fresh_at: serves.then(|| before.fresh_at.unwrap_or_else(SystemTime::now)),
        });
    }

    fn publish(&self) {
        self.environment.set_replica(self.status.clone());
    }
}

/// The status of the leader's source as JSON in Redis, for the followers.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct LeaderSource {
    source: String,
    state: SourceState,
    healthy: bool,
    error: Option<String>,
    /// Seconds since the Unix epoch.
    fresh_at: Option<i64>,
}

impl From<SourceStatus> for LeaderSource {
    fn from(status: SourceStatus) -> Self {
        Self {
            source: status.source,
            state: status.state,
            healthy: status.healthy,
            error: status.error,
            fresh_at: status.fresh_at.map(unix_seconds),
        }
    }
}

impl From<LeaderSource> for SourceStatus {
    fn from(leader: LeaderSource) -> Self {
        Self {
            source: leader.source,
            state: leader.state,
            healthy: leader.healthy,
            error: leader.error,
            warning: None,
            since: SystemTime::now(),
            fresh_at: leader.fresh_at.map(from_unix_seconds),
        }
    }
}
