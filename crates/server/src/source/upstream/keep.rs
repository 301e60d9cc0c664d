//! What is in force, kept on disk for a restart without upstream.

use std::time::Duration;

use tokio::time::sleep;

use crate::environment::Environment;
use crate::source::kept::Kept;
use crate::source::{SourceState, SourceStatus};

/// How often what is on disk is confirmed, or tried again after it could not be written.
const KEEP: Duration = Duration::from_secs(60);

/// Puts in force what was kept from before, if there is something.
pub(super) fn restore(kept: &Kept, source: &str, environment: &Environment) {
    let name = environment.name();
    kept.sweep();
    match kept.load() {
        Ok(Some((configuration, at))) => {
            let flags = configuration.flags.len();
            tracing::info!(environment = name, flags, file = %kept.path().display(), "serving what was kept until the upstream answers");
            environment.apply(configuration);
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

/// Keeps what is in force on disk, and says from time to time that it is still current.
pub(super) async fn keep(kept: Option<&Kept>, environment: &Environment) {
    let Some(kept) = kept else {
        return std::future::pending().await;
    };
    let mut generation = environment.watch_generation();
    // What was read from there need not be written again.
    generation.mark_unchanged();
    let mut unsaved = false;
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
        let save = tokio::task::spawn_blocking(move || {
            if unsaved {
                file.save(current.snapshot.flags(), current.snapshot.segments())
            } else {
                file.confirm()
            }
        });
        let error = match save.await {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(error) => Some(error.to_string()),
        };
        unsaved = error.is_some();
        let warning = error.map(|error| format!("cannot keep the configuration on disk: {error}"));
        if environment.set_warning(warning.clone())
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
