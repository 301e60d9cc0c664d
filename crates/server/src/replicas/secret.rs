//! One signing secret for all replicas, unless one is configured.
//!
//! Secrets are in a set in Redis. A replica that has signed nothing yet takes what it finds there in place of its own;
//! only the first one finds nothing. One that has signed, because Redis was away when it started, adds its own. Each goes
//! on signing with what it began with, and takes what any of the set has signed: so no token is refused that was given
//! out before. What Redis loses, each replica puts there again.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use redis::{RedisResult, cmd};
use secrecy::{ExposeSecret as _, SecretSlice};
use tokio::sync::watch;
use tokio::time::{Duration, sleep};

use super::connection::{Connection, reason};
use super::options::ReplicaOptions;
use crate::auth::token::Signer;
use crate::files::FileWorker;

/// Secrets with fewer bytes than this are not accepted.
const LEAST_BYTES: usize = 32;

/// The most secrets that are accepted, as the check of a token may try them all.
const MOST: usize = 16;

/// How long Redis may take for a reply.
const RESPONSE: Duration = Duration::from_secs(5);

/// Returns the set, after adding to it. A replica that has signed nothing adds to an empty one only.
/// Keys: the set. Arguments: 1 for a replica that has signed nothing, secrets.
const SHARE: &str = r"
if ARGV[1] == '0' or redis.call('SCARD', KEYS[1]) == 0 then
  redis.call('SADD', KEYS[1], unpack(ARGV, 2))
end
return redis.call('SMEMBERS', KEYS[1])
";

/// Shares the signing secret with the other replicas.
pub(crate) struct Sharing {
    options: Arc<ReplicaOptions>,
    signer: Arc<Signer>,
    /// The directory in which the signing secret is saved, for a restart without Redis.
    directory: PathBuf,
    worker: FileWorker,
    /// The secret that signs.
    signs: Vec<u8>,
    /// All secrets of the set; tokens that any of them has signed are accepted.
    known: BTreeSet<Vec<u8>>,
    /// Whether nothing has been signed yet, in this process or before.
    unused: bool,
    connection: Option<Connection>,
}

impl Sharing {
    /// Returns the sharing of the secret `own`, which signs already. `unused` says whether it was made just now.
    pub(crate) fn new(
        options: Arc<ReplicaOptions>,
        signer: Arc<Signer>,
        directory: &Path,
        own: &SecretSlice<u8>,
        unused: bool,
    ) -> Self {
        let signs = own.expose_secret().to_vec();
        Self {
            options,
            signer,
            directory: directory.to_owned(),
            worker: FileWorker::default(),
            known: BTreeSet::from([signs.clone()]),
            signs,
            unused,
            connection: None,
        }
    }

    /// Takes the secret that the others sign with, if Redis answers in time. Must complete before anything is signed.
    pub(crate) async fn begin(&mut self, patience: Duration) {
        match tokio::time::timeout(patience, self.round()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!("the signing secret is not shared yet: {}", reason(&error));
            }
            Err(_) => tracing::warn!("the signing secret is not shared yet: Redis does not answer"),
        }
        self.unused = false;
    }

    /// Shares until `stopping` turns true.
    pub(crate) async fn run(mut self, mut stopping: watch::Receiver<bool>) {
        loop {
            tokio::select! {
                () = crate::stopping::until(&mut stopping) => return,
                () = sleep(self.options.lease / 2) => {}
            }
            if let Err(error) = self.round().await {
                // The environments report the same at a higher level.
                tracing::debug!("the signing secret is not shared: {}", reason(&error));
                self.connection = None;
            }
        }
    }

    async fn round(&mut self) -> RedisResult<()> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => none.insert(self.options.redis.connect(RESPONSE).await?),
        };
        let mut share = cmd("EVAL");
        share
            .arg(SHARE)
            .arg(1)
            .arg(format!("{}:token-secrets", self.options.prefix))
            .arg(u8::from(self.unused));
        for secret in &self.known {
            share.arg(secret);
        }
        let found: BTreeSet<Vec<u8>> = share.query_async(connection).await?;
        let found: BTreeSet<Vec<u8>> = found
            .into_iter()
            .filter(|secret| secret.len() >= LEAST_BYTES)
            .take(MOST)
            .collect();
        if let Some(theirs) = found.first()
            && self.unused
            && !found.contains(&self.signs)
        {
            self.signs.clone_from(theirs);
            self.known = found;
            self.keep().await;
        } else {
            let before = self.known.len();
            let room = MOST.saturating_sub(before);
            let new: Vec<_> = found.difference(&self.known).take(room).cloned().collect();
            self.known.extend(new);
            if self.known.len() == before {
                return Ok(());
            }
        }
        let further: Vec<&[u8]> = self.known.iter().map(Vec::as_slice).collect();
        self.signer.change(&self.signs, &further);
        tracing::info!(
            secrets = self.known.len(),
            "tokens of all replicas are taken"
        );
        Ok(())
    }

    async fn keep(&self) {
        let (directory, secret) = (self.directory.clone(), self.signs.clone());
        let what = format!("writing to {}", self.directory.display());
        let kept = self
            .worker
            .run(&what, move |_| crate::secret::keep_in(&directory, &secret));
        if let Err(error) = kept.await.flatten() {
            tracing::warn!(
                %error,
                "cannot keep the common signing secret in {}; after a restart without Redis tokens of before are refused",
                self.directory.display()
            );
        }
    }
}
