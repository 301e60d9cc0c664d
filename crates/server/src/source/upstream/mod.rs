//! Flags from an upstream: Harness, its relay, or another `flagwire-server`. This makes the server a relay.
//!
//! Three loops run side by side, and a fourth keeps what is in force on disk. One keeps the upstream's stream open; it never
//! carries values, it only says that there is something to fetch. One fetches: when the stream says so, once after each opening
//! of the stream, and from time to time while there is no stream. One posts what clients have counted. Whatever is fetched goes
//! to [`Environment::apply_with`], which finds the changes; so a missed event costs time and never a change.
//!
//! An open stream proves nothing: a proxy in between may hold it open while the upstream behind it has died. So while it is
//! open, everything is fetched once in a few minutes all the same, which costs an upstream that answers 304 next to nothing.
//! Where that fails, the source is degraded, and is asked again until it answers.
//!
//! All flags and all groups come in one call each, however many changed: a burst of events is one fetch, and one more
//! for what happened during it. Where an event names a version that the fetch does not bring, because a replica of the
//! upstream lags behind another, it is repeated.

pub(crate) mod api;
mod client;
mod doubts;
mod expected;
mod keep;
mod metrics;
mod relay;

use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;
use secrecy::SecretString;
use tokio::sync::watch;

use self::client::Client;
use self::relay::Relay;
use super::saved::SavedConfiguration;
use super::{BoxFuture, Origin, Source};
use crate::environment::Environment;
use crate::files::FileWorker;

/// Time for the last metrics when the server stops.
const LAST_POST: Duration = Duration::from_secs(2);

/// How to reach an upstream and how to behave toward it.
#[derive(Clone, Debug)]
pub struct UpstreamOptions {
    /// Base URL, as it is given to SDKs.
    pub url: Url,
    /// Base URL for metrics. Default: the same, or for Harness its host for them.
    pub events_url: Option<Url>,
    /// A server key.
    pub api_key: SecretString,
    /// Between two fetches while there is no stream, ±10 %.
    pub poll: Duration,
    /// Between the last fetch and one that looks for what an open stream did not tell, ±10 %.
    pub safety: Duration,
    /// Between two posts of metrics, ±10 %.
    pub metrics: Duration,
    /// For a request to be answered.
    pub timeout: Duration,
    /// A stream without a byte for this long is dead: three of the usual heartbeats.
    pub silence: Duration,
    /// Between two fetches while what the upstream answers is doubted, as it lacks most of what is in force.
    pub recheck: Duration,
    /// Where the last good configuration is kept.
    pub kept: Option<SavedConfiguration>,
}

impl UpstreamOptions {
    /// With the usual times, and nothing kept.
    #[must_use]
    pub fn new(url: Url, api_key: impl Into<SecretString>) -> Self {
        Self {
            url,
            events_url: None,
            api_key: api_key.into(),
            poll: Duration::from_secs(60),
            safety: Duration::from_secs(180),
            metrics: Duration::from_secs(60),
            timeout: Duration::from_secs(20),
            silence: Duration::from_secs(45),
            recheck: Duration::from_secs(10),
            kept: None,
        }
    }

    /// The upstream's address for people and files.
    #[must_use]
    pub fn source(&self) -> String {
        let mut url = self.url.clone();
        url.set_query(None);
        url.set_fragment(None);
        url.to_string()
    }
}

/// See the module.
#[derive(Clone, Debug)]
pub struct UpstreamSource {
    options: Arc<UpstreamOptions>,
    client: Arc<Client>,
    /// Where work on the state directory is done.
    disk: FileWorker,
}

impl UpstreamSource {
    /// Nothing is asked of the upstream yet.
    ///
    /// # Errors
    /// What the HTTP client says, for instance that the system has no certificates.
    pub fn new(options: UpstreamOptions) -> Result<Self, reqwest::Error> {
        Ok(Self {
            client: Arc::new(Client::new(&options)?),
            options: Arc::new(options),
            disk: FileWorker::default(),
        })
    }
}

impl Source for UpstreamSource {
    fn run(
        self: Box<Self>,
        environment: Arc<Environment>,
        stopping: watch::Receiver<bool>,
    ) -> BoxFuture<'static, ()> {
        if let Some(kept) = &self.options.kept {
            let loaded = keep::load_blocking(&self.disk, kept);
            keep::restore(loaded, kept, &self.name(), &environment);
        }
        let on_each = self.run_on_each_replica(Arc::clone(&environment), stopping.clone());
        let relay = Box::new(Relay::new(&self.options, &self.client));
        let fetching = relay.run(environment, stopping);
        Box::pin(async move {
            tokio::join!(fetching, on_each);
        })
    }
}

impl Origin for UpstreamSource {
    fn name(&self) -> String {
        self.options.source()
    }

    fn open(&self) -> BoxFuture<'_, Result<Box<dyn Source>, String>> {
        let relay: Box<dyn Source> = Box::new(Relay::new(&self.options, &self.client));
        Box::pin(std::future::ready(Ok(relay)))
    }

    fn editable(&self) -> bool {
        false
    }

    fn restore<'a>(&'a self, environment: &'a Arc<Environment>) -> BoxFuture<'a, ()> {
        Box::pin(async {
            if let Some(kept) = &self.options.kept {
                let loaded = keep::load(&self.disk, kept).await;
                keep::restore(loaded, kept, &self.name(), environment);
            }
        })
    }

    fn run_on_each_replica(
        &self,
        environment: Arc<Environment>,
        mut stopping: watch::Receiver<bool>,
    ) -> BoxFuture<'static, ()> {
        let Self {
            options,
            client,
            disk,
        } = self.clone();
        Box::pin(async move {
            let outbox = environment.usage.forward();
            tokio::select! {
                () = crate::stopping::until(&mut stopping) => {}
                () = keep::keep(&disk, options.kept.as_ref(), &environment) => {}
                () = metrics::post_regularly(&client, &environment, &outbox, options.metrics) => {}
            }
            // Better some of it than nothing; the server is in a hurry now.
            let last = metrics::post(&client, &environment, &outbox);
            drop(tokio::time::timeout(LAST_POST, last).await);
        })
    }
}
