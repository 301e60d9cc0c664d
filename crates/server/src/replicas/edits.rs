//! Changing flags on a replica that does not own them: the leader is asked to do it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use redis::RedisResult;
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;

use super::ReplicaOptions;
use super::redis::{Connection, reason};
use super::store::{self, Keys};
use crate::environment::Environment;
use crate::files::is_full;
use crate::source::{Edit, EditError, Editor};

/// For the leader to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// For a change that the leader has made to arrive here.
const ARRIVAL: Duration = Duration::from_secs(2);

/// As it goes to the leader.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Request {
    id: String,
    flag: String,
    edit: Edit,
}

/// As it comes back.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Answer {
    /// Made; the configuration with it has this stamp.
    Made(String),
    UnknownFlag(String),
    UnknownVariation {
        flag: String,
        variation: String,
        known: String,
    },
    Refused(String),
    /// The leader's file could not be read or written.
    Io {
        path: String,
        reason: String,
        /// For want of room.
        full: bool,
        /// Because the disk does not answer.
        hangs: bool,
    },
}

/// The editor of a follower.
#[derive(Debug)]
pub(super) struct Elsewhere {
    pub(super) options: Arc<ReplicaOptions>,
    pub(super) keys: Keys,
    pub(super) runtime: Handle,
}

impl Editor for Elsewhere {
    fn edit(
        &self,
        environment: &Arc<Environment>,
        flag: &str,
        edit: &Edit,
    ) -> Result<(), EditError> {
        let Some(leader) = environment.replica().and_then(|status| status.leader) else {
            return Err(EditError::Refused(
                "flags can be changed by one replica only, and at the moment there is none that may; try again soon"
                    .to_owned(),
            ));
        };
        self.runtime
            .block_on(self.ask(environment, &leader, flag, edit))
    }
}

impl Elsewhere {
    async fn ask(
        &self,
        environment: &Environment,
        leader: &str,
        flag: &str,
        edit: &Edit,
    ) -> Result<(), EditError> {
        let mut id = [0; 16];
        if let Err(error) = getrandom::fill(&mut id) {
            return Err(EditError::Refused(format!("no random numbers: {error}")));
        }
        let request = Request {
            id: crate::auth::hex(&id),
            flag: flag.to_owned(),
            edit: edit.clone(),
        };
        let json = serde_json::to_string(&request).unwrap_or_default();
        let asked: RedisResult<Option<String>> = async {
            let mut connection = self.options.redis.connect(2 * PATIENCE).await?;
            store::ask(&mut connection, &self.keys, &request.id, &json, PATIENCE).await
        }
        .await;
        let refused = |why: String| {
            Err(EditError::Refused(format!(
                "flags are changed by the replica `{leader}`, {why}"
            )))
        };
        let answer = match asked {
            Ok(Some(answer)) => answer,
            Ok(None) => {
                return refused(
                    "which does not answer; look again soon whether it has made the change"
                        .to_owned(),
                );
            }
            Err(error) => return refused(format!("but Redis cannot be used: {}", reason(&error))),
        };
        match serde_json::from_str(&answer) {
            Ok(Answer::Made(stamp)) => {
                let mut generation = environment.watch_generation();
                let arrived = generation.wait_for(|_| environment.stamp() == stamp);
                // Later, then; it is made.
                drop(tokio::time::timeout(ARRIVAL, arrived).await);
                Ok(())
            }
            Ok(Answer::UnknownFlag(flag)) => Err(EditError::UnknownFlag(flag)),
            Ok(Answer::UnknownVariation {
                flag,
                variation,
                known,
            }) => Err(EditError::UnknownVariation {
                flag,
                variation,
                known,
            }),
            Ok(Answer::Refused(why)) => Err(EditError::Refused(why)),
            Ok(Answer::Io {
                path,
                reason,
                full,
                hangs,
            }) => {
                let kind = match (full, hangs) {
                    (true, _) => io::ErrorKind::StorageFull,
                    (false, true) => io::ErrorKind::TimedOut,
                    (false, false) => io::ErrorKind::Other,
                };
                let path = format!("{path} of the replica `{leader}`");
                let error = io::Error::new(kind, reason);
                Err(EditError::Io { path, error })
            }
            Err(_) => refused("whose answer cannot be read".to_owned()),
        }
    }
}

/// The leader's part: makes the edit and answers.
pub(super) async fn perform(
    json: &str,
    environment: Arc<Environment>,
    mut connection: Connection,
    keys: Keys,
) {
    let request: Request = match serde_json::from_str(json) {
        Ok(request) => request,
        Err(error) => {
            tracing::warn!(%error, "an edit from another replica cannot be read");
            return;
        }
    };
    let Request { id, flag, edit } = request;
    let name = environment.name().to_owned();
    tracing::info!(
        environment = name,
        flag,
        "another replica asks for a change"
    );
    let made = tokio::task::spawn_blocking(move || {
        let Some(editor) = environment.editor() else {
            let why = "the leader's flags cannot be changed".to_owned();
            return Err(EditError::Refused(why));
        };
        editor
            .edit(&environment, &flag, &edit)
            .map(|()| environment.stamp())
    });
    let answer = match made.await {
        Ok(Ok(stamp)) => Answer::Made(stamp),
        Ok(Err(EditError::UnknownFlag(flag))) => Answer::UnknownFlag(flag),
        Ok(Err(EditError::UnknownVariation {
            flag,
            variation,
            known,
        })) => Answer::UnknownVariation {
            flag,
            variation,
            known,
        },
        Ok(Err(EditError::Io { path, error })) => Answer::Io {
            path,
            reason: error.to_string(),
            full: is_full(&error),
            hangs: error.kind() == io::ErrorKind::TimedOut,
        },
        Ok(Err(error)) => Answer::Refused(error.to_string()),
        Err(error) => Answer::Refused(error.to_string()),
    };
    let answer = serde_json::to_string(&answer).unwrap_or_default();
    if let Err(error) = store::answer(&mut connection, &keys, &id, &answer).await {
        tracing::warn!(
            environment = name,
            error = reason(&error),
            "a change was made, but whoever asked for it does not hear of that"
        );
    }
}
