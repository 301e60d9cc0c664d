//! The client of an upstream, signed in, which all loops share that fetch, follow the stream or post metrics.

use std::sync::Arc;
use std::time::Duration;

use flagwire_core::{Backoff, Millis, Random};
use parking_lot::Mutex;

use super::UpstreamOptions;
use super::api::{Api, ApiError, Session};
use crate::source::BoxFuture;

/// Makes requests to an upstream with one token for all, and decides how long to wait between them.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) api: Api,
    /// What the last sign-in returned. The lock is held during a sign-in, so that there is one at a time.
    session: tokio::sync::Mutex<Option<Arc<Session>>>,
    random: Mutex<Random>,
}

impl Client {
    pub(super) fn new(options: &UpstreamOptions) -> Result<Self, reqwest::Error> {
        let mut seed = [0; 8];
        // Where this fails, the seed is zero: the jitter can then be predicted, which does no harm.
        let _ = getrandom::fill(&mut seed);
        Ok(Self {
            api: Api::new(
                &options.url,
                options.events_url.as_ref(),
                &options.api_key,
                options.timeout,
            )?,
            session: tokio::sync::Mutex::default(),
            random: Mutex::new(Random::new(u64::from_le_bytes(seed))),
        })
    }

    /// Makes a request with the token of the last sign-in. If the upstream refuses it, signs in again and makes the
    /// request once more.
    pub(super) async fn signed_in<'f, T>(
        &self,
        request: impl Fn(Arc<Session>) -> BoxFuture<'f, Result<T, ApiError>> + Send,
    ) -> Result<T, ApiError> {
        let session = self.session().await?;
        match request(Arc::clone(&session)).await {
            Err(error) if error.is_refusal() => {
                {
                    let mut known = self.session.lock().await;
                    if known
                        .as_ref()
                        .is_some_and(|known| Arc::ptr_eq(known, &session))
                    {
                        *known = None;
                    }
                }
                let session = self.session().await?;
                request(session).await
            }
            other => other,
        }
    }

    async fn session(&self) -> Result<Arc<Session>, ApiError> {
        let mut known = self.session.lock().await;
        if let Some(session) = &*known {
            return Ok(Arc::clone(session));
        }
        let session = Arc::new(self.api.sign_in().await?);
        *known = Some(Arc::clone(&session));
        Ok(session)
    }

    pub(super) fn delay(&self, backoff: &mut Backoff, asked: Option<Millis>) -> Duration {
        let mut random = self.random.lock();
        Duration::from_millis(backoff.fail(&mut random, asked).0.into())
    }

    /// Returns a duration that differs from `around` by at most 10 %, so that many relays do not ask in the same
    /// moment.
    pub(super) fn jittered(&self, around: Duration) -> Duration {
        let mut random = self.random.lock();
        around.mul_f64(0.9 + 0.2 * f64::from(random.below(1000)) / 1000.0)
    }
}
