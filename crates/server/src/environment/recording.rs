//! Logs the changes to the flags of an environment.

use tokio::sync::watch;

use super::Environment;
use crate::change_log::{ChangeLog, NewChange};

/// Names the warning about the log in the environment's status.
const TOPIC: &str = "change log";

impl Environment {
    /// Sets the log of the changes to the flags file. Only the first one that is set counts.
    pub fn log_changes_in(&self, log: ChangeLog) {
        drop(self.change_log.set(log));
    }

    /// Returns the log of the changes to the flags file, if the source is one.
    pub(crate) fn change_log(&self) -> Option<&ChangeLog> {
        self.change_log.get()
    }

    /// Logs changes that are in force. If that does not work, the status has a warning until it works again. Blocks.
    pub(crate) fn log_changes(&self, changes: Vec<NewChange>) {
        let Some(log) = self.change_log() else {
            return;
        };
        if changes.is_empty() {
            return;
        }
        let warning = log.append(changes).err().map(|error| {
            format!(
                "flags were changed, but that cannot be added to {}: {error}",
                log.name()
            )
        });
        if self.set_warning(TOPIC, warning.clone())
            && let Some(warning) = warning
        {
            tracing::warn!(environment = self.name(), "{warning}");
        }
        self.logged.send_modify(|logged| *logged += 1);
    }

    /// Watches the number of times that changes were logged.
    pub(crate) fn watch_logged(&self) -> watch::Receiver<u64> {
        self.logged.subscribe()
    }
}
