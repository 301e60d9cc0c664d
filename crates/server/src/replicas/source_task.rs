//! The task that runs this replica's source while the replica leads or is alone.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;

use super::announcer::Announcer;
use super::leader_editor::LeaderEditor;
use crate::environment::{Announce, Environment};
use crate::source::Source;
use crate::stopping::Task;

/// How long a source that was asked to end may take before its task is aborted.
const END_LIMIT: Duration = Duration::from_secs(5);

/// The task of the source, if one was started.
#[derive(Default)]
pub(super) struct SourceTask {
    started: Option<Task<()>>,
}

impl SourceTask {
    /// Whether a source was started and not ended, even if its task is over.
    pub(super) const fn is_started(&self) -> bool {
        self.started.is_some()
    }

    /// Whether a source was started and its task goes on.
    pub(super) fn is_running(&self) -> bool {
        self.started.as_ref().is_some_and(Task::is_running)
    }

    /// Starts a source in place of the one before. If it can be edited, the environment's editor has `announcer` announce each
    /// change, makes it, and waits until `published`, the last edition that is in Redis, has it.
    pub(super) async fn start(
        &mut self,
        source: Box<dyn Source>,
        environment: &Arc<Environment>,
        published: watch::Receiver<u64>,
        announcer: &Arc<Announcer>,
    ) {
        self.end().await;
        let editor = source.editor(environment);
        self.started = Some(Task::start(|stopping| {
            let running = source.run(Arc::clone(environment), stopping);
            if let Some(inner) = editor {
                inner.announce_by(Arc::clone(announcer) as Arc<dyn Announce>);
                environment.set_editor(Some(Arc::new(LeaderEditor {
                    inner,
                    environment: Arc::downgrade(environment),
                    published,
                    runtime: Handle::current(),
                })));
            }
            running
        }));
    }

    /// Ends the source and waits until its task is over, if one was started.
    pub(super) async fn end(&mut self) {
        if let Some(task) = self.started.take() {
            task.end_within(END_LIMIT).await;
        }
    }
}
