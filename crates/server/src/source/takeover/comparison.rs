//! Compares the flags file that is to take over with the configuration in force.

use std::io;
use std::path::Path;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use tokio::sync::{Mutex, oneshot};

use crate::auth::hex;
use crate::environment::{Configuration, Environment};
use crate::source::file::CheckedFile;
use flagwire_flags_file::proof::{Proof, prove};

/// The result of evaluating every flag by the configuration in force and by a flags file without mistakes.
#[derive(Debug)]
pub struct Comparison {
    /// How many flags were evaluated for how many targets, and what differs.
    pub proof: Proof,
    /// Names this difference and no other: a hash of the two configurations. 32 hex digits.
    pub confirm: String,
    /// What `flagwire-server check` warns of in the file.
    pub warnings: Vec<String>,
    /// The content in force that was compared; empty if there was nothing in force.
    pub(super) in_force: String,
    pub(super) file: CheckedFile,
}

impl Comparison {
    /// Whether the file serves any target another variation of any flag.
    #[must_use]
    pub const fn differs(&self) -> bool {
        self.proof.differing > 0
    }
}

/// Makes comparisons, one at a time, and keeps the last one for as long as both sides stay as they are.
#[derive(Debug, Default)]
pub(super) struct Comparing {
    last: Arc<Mutex<Option<Arc<Comparison>>>>,
}

impl Comparing {
    /// Compares the file at `path` with what is in force in `environment`.
    ///
    /// # Errors
    /// A line for each mistake in the file.
    pub(super) async fn compare(
        &self,
        environment: &Arc<Environment>,
        path: &Path,
    ) -> Result<Arc<Comparison>, Vec<String>> {
        let mut last = Arc::clone(&self.last).lock_owned().await;
        let file = CheckedFile::read(path).await?;
        let in_force = content_in_force(environment);
        if let Some(last) = &*last
            && last.in_force == in_force
            && last.file.document.hash == file.document.hash
        {
            return Ok(Arc::clone(last));
        }
        let environment = Arc::clone(environment);
        let (done, compared) = oneshot::channel();
        // A large configuration takes minutes. The runtime would wait for its own threads when the server stops.
        let thread = std::thread::Builder::new().name("comparison".to_owned());
        let started = thread.spawn(move || {
            let comparison = Arc::new(compare(&environment, file));
            *last = Some(Arc::clone(&comparison));
            drop(last);
            drop(done.send(comparison));
        });
        let failed = |error: io::Error| vec![format!("the comparison failed: {error}")];
        started.map_err(failed)?;
        compared
            .await
            .map_err(|_| failed(io::Error::other("its thread has ended")))
    }
}

/// Returns the content in force; empty if there is nothing in force.
pub(super) fn content_in_force(environment: &Environment) -> String {
    let current = environment.current();
    current.map_or_else(String::new, |current| current.content.clone())
}

fn compare(environment: &Environment, file: CheckedFile) -> Comparison {
    let current = environment.current();
    let (content, served) = match &current {
        Some(current) => (
            current.content.clone(),
            Configuration {
                flags: current.snapshot.flags().to_vec(),
                segments: current.snapshot.segments().to_vec(),
            },
        ),
        None => (String::new(), Configuration::default()),
    };
    let proof = prove(&served, &file.configuration, |_, _| {});
    let written = environment.content_of(file.configuration.clone());
    let hash = Sha256::digest(format!("{content}\n{written}"));
    Comparison {
        proof,
        confirm: hex(hash.get(..16).unwrap_or_default()),
        warnings: file.warnings.clone(),
        in_force: content,
        file,
    }
}
