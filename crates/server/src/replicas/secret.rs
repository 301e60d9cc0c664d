//! One signing secret for all replicas, unless one is configured.
//!
//! Each replica has a secret of its own to begin with, and puts it into a set in Redis. Tokens are signed with the least
//! of the set and taken if any of it signed them; so all replicas come to sign with the same, and no token is refused
//! that was given out before. What Redis loses, each replica puts there again.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use redis::{RedisResult, cmd};
use secrecy::{ExposeSecret as _, SecretSlice};
use tokio::sync::{oneshot, watch};
use tokio::time::{Duration, sleep};

use super::ReplicaOptions;
use super::redis::{Connection, reason};
use crate::auth::token::Signer;

/// Secrets that are too short to be one are not taken.
const LEAST_BYTES: usize = 32;

/// The most that are taken: every check of a token may try them all.
const MOST: usize = 16;

/// For a reply of Redis.
const RESPONSE: Duration = Duration::from_secs(5);

/// What shares.
pub(crate) struct Sharing {
    pub(crate) options: Arc<ReplicaOptions>,
    pub(crate) signer: Arc<Signer>,
    /// This replica's own.
    pub(crate) own: SecretSlice<u8>,
    /// Where the one that signs is kept, for a restart without Redis.
    pub(crate) directory: PathBuf,
}

impl Sharing {
    /// Shares until `stopping` turns true; says through `first` when Redis has answered for the first time.
    pub(crate) async fn run(self, first: oneshot::Sender<()>, mut stopping: watch::Receiver<bool>) {
        let mut first = Some(first);
        let mut known = BTreeSet::from([self.own.expose_secret().to_vec()]);
        let mut connection = None;
        loop {
            match self.round(&mut connection, &mut known).await {
                Ok(()) => {
                    if let Some(first) = first.take() {
                        // Nobody may be waiting any more.
                        let _ = first.send(());
                    }
                }
                // The environments say so louder.
                Err(error) => {
                    tracing::debug!("the signing secret is not shared: {}", reason(&error));
                    connection = None;
                }
            }
            tokio::select! {
                () = crate::serve::until(&mut stopping) => return,
                () = sleep(self.options.lease / 2) => {}
            }
        }
    }

    async fn round(
        &self,
        connection: &mut Option<Connection>,
        known: &mut BTreeSet<Vec<u8>>,
    ) -> RedisResult<()> {
        let connection = match connection {
            Some(connection) => connection,
            None => connection.insert(self.options.redis.connect(RESPONSE).await?),
        };
        let key = format!("{}:token-secrets", self.options.prefix);
        let mut add = cmd("SADD");
        add.arg(&key);
        for secret in &*known {
            add.arg(secret);
        }
        let () = add.query_async(connection).await?;
        let found: Vec<Vec<u8>> = cmd("SMEMBERS").arg(&key).query_async(connection).await?;
        let before = known.len();
        for secret in found {
            if secret.len() >= LEAST_BYTES && known.len() < MOST {
                known.insert(secret);
            }
        }
        if known.len() > before {
            self.sign_with_the_least(known);
        }
        Ok(())
    }

    fn sign_with_the_least(&self, known: &BTreeSet<Vec<u8>>) {
        let mut all = known.iter().map(Vec::as_slice);
        let Some(signs) = all.next() else {
            return;
        };
        let further: Vec<&[u8]> = all.collect();
        self.signer.change(signs, &further);
        tracing::info!(
            secrets = known.len(),
            "tokens are signed with the replicas' common secret"
        );
        if let Err(error) = crate::secret::keep_in(&self.directory, signs) {
            tracing::warn!(
                %error,
                "cannot keep the common signing secret in {}; after a restart without Redis tokens of before are refused",
                self.directory.display()
            );
        }
    }
}
