//! A signed-in connection to an upstream, shared by everything that asks something of it.

use std::sync::Arc;
use std::time::Duration;

use flagwire_core::{Backoff, Millis, Random};
use parking_lot::Mutex;

use super::UpstreamOptions;
use super::api::{Api, ApiError, Session};
use crate::source::BoxFuture;

/// See the module.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) api: Api,
    /// Held during a sign-in, so that there is one at a time.
    session: tokio::sync::Mutex<Option<Arc<Session>>>,
    random: Mutex<Random>,
}

impl Client {
    pub(super) fn new(options: &UpstreamOptions) -> Result<Self, reqwest::Error> {
        let mut seed = [0; 8];
        // A poor seed makes for poor jitter and nothing worse.
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

    /// Makes a request with the token at hand; a refused token is replaced once.
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

    /// ±10 %, so that many relays do not ask in the same moment.
    pub(super) fn jittered(&self, around: Duration) -> Duration {
        let mut random = self.random.lock();
        around.mul_f64(0.9 + 0.2 * f64::from(random.below(1000)) / 1000.0)
    }
}
