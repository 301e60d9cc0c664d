//! Announces in Redis what the leader is about to write to its flags file, so that a replica which has the same file does not
//! take that for an older text, or for an edit by hand.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::time::timeout;

use super::connection::{Connection, reason};
use super::store::{self, Keys};
use crate::environment::{Announce, Document, EditError};

/// How long Redis may take to store an announcement.
const PATIENCE: Duration = Duration::from_secs(2);

/// Announces texts over the connection of the replica that leads.
pub(super) struct Announcer {
    keys: Keys,
    /// The name of this replica.
    name: String,
    /// The connection and the runtime that serves it; `None` while Redis cannot be reached.
    connection: Mutex<Option<(Connection, Handle)>>,
}

impl std::fmt::Debug for Announcer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Announcer").finish_non_exhaustive()
    }
}

impl Announcer {
    /// Returns an announcer that has no connection yet.
    pub(super) fn new(keys: Keys, name: String) -> Self {
        Self {
            keys,
            name,
            connection: Mutex::default(),
        }
    }

    /// Sets the connection for the next announcements, in place of the one before. The runtime that this is called in serves it.
    pub(super) fn set_connection(&self, connection: Option<Connection>) {
        *self.connection.lock() = connection.map(|connection| (connection, Handle::current()));
    }
}

impl Announce for Announcer {
    fn announce(&self, document: &Document) -> Result<(), EditError> {
        let connection = self.connection.lock().clone();
        let announced = match connection {
            Some((mut connection, runtime)) => runtime.block_on(async {
                let announcing =
                    store::announce(&mut connection, &self.keys, &self.name, &document.hash);
                match timeout(PATIENCE, announcing).await {
                    Ok(announced) => announced.map_err(|error| reason(&error)),
                    Err(_) => Err("no answer in time".to_owned()),
                }
            }),
            None => Err("there is no connection".to_owned()),
        };
        announced.map_err(|why| {
            EditError::Refused(format!(
                "Redis cannot be used ({why}), so a change could not be shared with the other replicas; nothing was changed, try again soon"
            ))
        })
    }
}
