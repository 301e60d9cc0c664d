//! The editor of a replica that runs its source itself. It returns once Redis has the change, so that other replicas
//! get it.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::environment::{
    Author, ChangeQuery, ChangesPage, Document, EditError, Editor, Environment, FlagsChange,
    LoggedChange, Role,
};

/// How long Redis may take to store a change; less than a follower waits for an answer.
const PATIENCE: Duration = Duration::from_secs(4);

/// The editor of the leader.
#[derive(Debug)]
pub(super) struct LeaderEditor {
    pub(super) inner: Arc<dyn Editor>,
    pub(super) environment: Weak<Environment>,
    /// The last [edition](Environment::edition) of the environment that is in Redis.
    pub(super) published: watch::Receiver<u64>,
    pub(super) runtime: Handle,
}

impl LeaderEditor {
    fn may(environment: &Environment) -> Result<(), EditError> {
        match environment.replica().map(|status| status.role) {
            Some(Role::Leader) => Ok(()),
            Some(Role::Alone) => Err(EditError::Refused(
                "Redis cannot be reached, so a change could not be shared with the other replicas and might be lost; try again once it answers"
                    .to_owned(),
            )),
            _ => Err(EditError::Refused(
                "another replica is about to lead; try again soon".to_owned(),
            )),
        }
    }

    /// Waits until Redis has the configuration in force.
    fn settle(&self, environment: &Environment) -> Result<(), EditError> {
        let wanted = environment.edition();
        let mut published = self.published.clone();
        let mut replica = environment.watch_replica();
        let shared = self.runtime.block_on(async {
            tokio::select! {
                biased;
                shared = published.wait_for(|edition| *edition >= wanted) => shared.is_ok(),
                _ = replica.wait_for(|status| {
                    status.as_ref().is_none_or(|status| status.role != Role::Leader)
                }) => false,
                () = tokio::time::sleep(PATIENCE) => false,
            }
        });
        if shared {
            return Ok(());
        }
        Err(EditError::Refused(
            "the change was made here, but Redis has not taken it, so the other replicas may not know of it; look again soon whether it lasts"
                .to_owned(),
        ))
    }
}

impl Editor for LeaderEditor {
    fn edit(&self, change: &FlagsChange, by: &Author) -> Result<(), EditError> {
        let environment = Environment::of_editor(&self.environment)?;
        Self::may(&environment)?;
        self.inner.edit(change, by)?;
        self.settle(&environment)
    }

    fn undo(&self, id: &str, by: &Author) -> Result<LoggedChange, EditError> {
        let environment = Environment::of_editor(&self.environment)?;
        Self::may(&environment)?;
        let undone = self.inner.undo(id, by)?;
        self.settle(&environment)?;
        Ok(undone)
    }

    fn changes(&self, query: &ChangeQuery) -> Result<ChangesPage, EditError> {
        self.inner.changes(query)
    }

    fn replace(&self, expected: &str, document: Document) -> Result<bool, EditError> {
        let environment = Environment::of_editor(&self.environment)?;
        Self::may(&environment)?;
        let replaced = self.inner.replace(expected, document)?;
        if replaced {
            self.settle(&environment)?;
        }
        Ok(replaced)
    }
}
