//! Holds what the source and the replica of an environment report, and passes on what people ask of them.

use std::sync::{Arc, Weak};

use tokio::sync::watch;

use super::Environment;
use super::edit::{EditError, Editor};
use super::status::{ReplicaStatus, SourceStatus};

impl Environment {
    /// Asks the source to look for a new configuration now.
    pub(crate) fn refresh(&self) {
        self.refresh.notify_one();
    }

    /// Completes when the source should look for a new configuration at once.
    pub async fn refresh_wanted(&self) {
        self.refresh.notified().await;
    }

    /// Returns the status of the source.
    #[must_use]
    pub fn status(&self) -> SourceStatus {
        self.status.borrow().clone()
    }

    /// Watches the status of the source.
    #[must_use]
    pub fn watch_status(&self) -> watch::Receiver<SourceStatus> {
        self.status.subscribe()
    }

    /// Sets the status of the source. A status that only repeats the one before keeps its `since`, and each keeps the warning, which
    /// `set_warning` sets.
    pub fn set_status(&self, mut status: SourceStatus) {
        self.status.send_if_modified(|before| {
            status.warning.clone_from(&before.warning);
            let same = (before.state, &before.error, &before.source)
                == (status.state, &status.error, &status.source);
            if !same {
                self.activity.source(before, &status);
            }
            if same {
                status.since = before.since;
            }
            *before = status;
            !same
        });
    }

    /// Sets or removes the warning of one topic: a sentence that people should read although flags are served as they should be.
    /// Returns whether that changes anything.
    pub(crate) fn set_warning(&self, topic: &'static str, warning: Option<String>) -> bool {
        let mut warnings = self.warnings.lock();
        if warnings.get(topic) == warning.as_ref() {
            return false;
        }
        match warning {
            Some(warning) => warnings.insert(topic, warning),
            None => warnings.remove(topic),
        };
        let all: Vec<&str> = warnings.values().map(String::as_str).collect();
        let all = (!all.is_empty()).then(|| all.join("; "));
        self.status.send_modify(|status| status.warning = all);
        true
    }

    /// Sets why the source does not put its new configuration in force before it has looked at it for longer, or before a person
    /// [accepts](Self::accept) it; `None` once there is no such configuration.
    pub(crate) fn set_doubt(&self, doubt: Option<String>) {
        *self.doubt.lock() = doubt;
    }

    /// Returns why the new configuration of the source is not in force yet; `None` if there is no such configuration.
    #[must_use]
    pub fn doubt(&self) -> Option<String> {
        let doubt = self.doubt.lock();
        doubt.clone()
    }

    /// Asks the source to put its new configuration in force, whatever is missing from it. Returns why it was not in
    /// force yet; `None`, and nothing happens, if there is no such configuration.
    pub fn accept(&self) -> Option<String> {
        let doubt = self.doubt()?;
        tracing::warn!(environment = self.name, doubt, "accepted by hand");
        self.accept.notify_one();
        Some(doubt)
    }

    /// Completes when a person has accepted the new configuration of the source.
    pub(crate) async fn accept_wanted(&self) {
        self.accept.notified().await;
    }

    /// Returns the editor, which changes flags where they come from; `None` if the source is read-only.
    #[must_use]
    pub fn editor(&self) -> Option<Arc<dyn Editor>> {
        let editor = self.editor.lock();
        editor.clone()
    }

    /// Sets the editor, which changes flags where they come from, in place of the one before.
    pub fn set_editor(&self, editor: Option<Arc<dyn Editor>>) {
        *self.editor.lock() = editor;
    }

    /// Returns the environment of an editor.
    ///
    /// # Errors
    /// [`EditError::Refused`] once the environment is gone, as the server stops.
    pub(crate) fn of_editor(environment: &Weak<Self>) -> Result<Arc<Self>, EditError> {
        environment.upgrade().ok_or_else(|| {
            EditError::Refused("the server stops; try again once it has started".to_owned())
        })
    }

    /// Returns the status of this server as a replica; `None` if it has no others.
    #[must_use]
    pub fn replica(&self) -> Option<ReplicaStatus> {
        self.replica.borrow().clone()
    }

    /// Watches the status of this server as a replica.
    #[must_use]
    pub fn watch_replica(&self) -> watch::Receiver<Option<ReplicaStatus>> {
        self.replica.subscribe()
    }

    pub(crate) fn set_replica(&self, status: ReplicaStatus) {
        self.replica.send_replace(Some(status));
    }
}
