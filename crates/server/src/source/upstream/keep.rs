//! Saves the configuration in force to disk, so that the server can restart while the upstream cannot be reached.

use std::time::{Duration, SystemTime};

use tokio::time::sleep;

use crate::environment::{Configuration, Environment, SourceState, SourceStatus};
use crate::files::{Abandoned, FileWorker};
use crate::source::saved::{SavedConfiguration, SavedError};
use crate::versions::Counting;

/// How often the saved configuration is confirmed to be current, or saved again after that has failed.
const KEEP: Duration = Duration::from_secs(60);

/// Names the warning of the state directory in the environment's status.
pub(super) const TOPIC: &str = "kept";

type Loaded = Result<Option<(Configuration, SystemTime)>, SavedError>;

/// Loads the saved configuration of an earlier run.
pub(super) async fn load(disk: &FileWorker, kept: &SavedConfiguration) -> Loaded {
    let (what, work) = loading(kept);
    disk.run(&what, work).await?
}

/// Loads the saved configuration; for callers that may block.
pub(super) fn load_blocking(disk: &FileWorker, kept: &SavedConfiguration) -> Loaded {
    let (what, work) = loading(kept);
    disk.run_blocking(&what, work)?
}

fn loading(
    kept: &SavedConfiguration,
) -> (String, impl FnOnce(&Abandoned) -> Loaded + Send + use<>) {
    let file = kept.clone();
    let what = format!("reading {}", kept.path().display());
    (what, move |_: &Abandoned| {
        file.sweep();
        file.load()
    })
}

/// Puts the saved configuration in force, if there is one; the status is degraded until the upstream answers.
pub(super) fn restore(
    loaded: Loaded,
    kept: &SavedConfiguration,
    source: &str,
    environment: &Environment,
) {
    let name = environment.name();
    match loaded {
        Ok(Some((configuration, at))) => {
            let flags = configuration.flags.len();
            tracing::info!(environment = name, flags, file = %kept.path().display(), "serving what was kept until the upstream answers");
            environment.apply_with(configuration, Counting::Own);
            environment.set_status(SourceStatus {
                source: source.to_owned(),
                state: SourceState::Degraded,
                error: Some("the upstream has not answered yet".to_owned()),
                fresh_at: Some(at),
                ..SourceStatus::default()
            });
        }
        Ok(None) => {}
        Err(error) => {
            tracing::warn!(environment = name, file = %kept.path().display(), "what was kept cannot be used: {error}");
        }
    }
}

/// Saves the configuration each time it changes; the one in force at the start is saved later, if it is not `is_saved`. While the environment is healthy, confirms every [`KEEP`] that the
/// saved configuration is still current. Without a state directory it does nothing and never completes.
pub(super) async fn keep(
    disk: &FileWorker,
    kept: Option<&SavedConfiguration>,
    environment: &Environment,
    is_saved: bool,
) {
    let Some(kept) = kept else {
        return std::future::pending().await;
    };
    let mut generation = environment.watch_generation();
    // A configuration that was loaded from the disk need not be written again.
    generation.mark_unchanged();
    let mut unsaved = !is_saved;
    loop {
        tokio::select! {
            changed = generation.changed() => {
                if changed.is_err() { return }
                unsaved = true;
            }
            () = sleep(KEEP) => {}
        }
        let fresh = environment.status().healthy;
        let Some(current) = environment.current().filter(|_| fresh || unsaved) else {
            continue;
        };
        let file = kept.clone();
        let what = format!("writing {}", kept.path().display());
        let save = disk.run(&what, move |abandoned| {
            if unsaved {
                let (flags, segments) = (current.snapshot.flags(), current.snapshot.segments());
                file.save_if(flags, segments, || !abandoned.is_set())
            } else {
                file.confirm()
            }
        });
        let error = save.await.flatten().err();
        unsaved = error.is_some();
        let warning = error.map(|error| format!("cannot keep the configuration on disk: {error}"));
        if environment.set_warning(TOPIC, warning.clone())
            && let Some(warning) = warning
        {
            tracing::error!(
                environment = environment.name(),
                directory = ?kept.path().parent(),
                "{warning}; after a restart without upstream there would be none, or an old one"
            );
        }
    }
}
