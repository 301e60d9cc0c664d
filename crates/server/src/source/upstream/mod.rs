//! Flags from an upstream: Harness, its relay, or another `flagwire-server`. This makes the server a relay.
//!
//! Three loops run side by side, and a fourth keeps what is in force on disk. One keeps the upstream's stream open; it
//! never carries values, it only says that there is something to fetch. One fetches: when the stream says so, once
//! after each opening of the stream, and from time to time while there is no stream. One posts what clients have
//! counted. Whatever is fetched goes to [`Environment::apply_with`], which finds the changes; so a missed event can
//! delay a change but not lose it.
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

/// How long the last post of metrics may take when the server stops.
const LAST_POST: Duration = Duration::from_secs(2);

/// How to reach an upstream and how to behave toward it.
#[derive(Clone, Debug)]
pub struct UpstreamOptions {
    /// The upstream's base URL, as SDKs are given it.
    pub url: Url,
    /// Base URL for metrics. Default: `url`, but with Harness's host for metrics where `url` is that of Harness's
    /// service.
    pub events_url: Option<Url>,
    /// A server key.
    pub api_key: SecretString,
    /// The time between two fetches while there is no stream, ±10 %. Default: 60 s.
    pub poll: Duration,
    /// The time after which everything is fetched although the stream is open and has reported no change, ±10 %.
    /// Default: 180 s.
    pub safety: Duration,
    /// The time between two posts of metrics, ±10 %. Default: 60 s.
    pub metrics: Duration,
    /// The time limit for the answer to a request. Default: 20 s.
    pub timeout: Duration,
    /// A stream on which no byte arrives for this long counts as lost. Default: 45 s, which is three of the usual
    /// heartbeats.
    pub silence: Duration,
    /// The time between two fetches while an answer is doubted, as it lacks most of what is in force, ±10 %. Default:
    /// 10 s.
    pub recheck: Duration,
    /// Where the last good configuration is saved for the next start; `None` if it is not saved.
    pub kept: Option<SavedConfiguration>,
}

impl UpstreamOptions {
    /// Returns options with the default times, and without a place to save the configuration.
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

    /// Returns the upstream's address without query and fragment, as people and files name it.
    #[must_use]
    pub fn source(&self) -> String {
        let mut url = self.url.clone();
        url.set_query(None);
        url.set_fragment(None);
        url.to_string()
    }
}

/// The source of an environment whose configuration comes from an upstream.
#[derive(Clone, Debug)]
pub struct UpstreamSource {
    options: Arc<UpstreamOptions>,
    client: Arc<Client>,
    /// Does all work on the state directory.
    disk: FileWorker,
}

impl UpstreamSource {
    /// Creates the source, which asks nothing of the upstream before it runs.
    ///
    /// # Errors
    /// The HTTP client cannot be created, for instance because the system has no certificates.
    pub fn new(options: UpstreamOptions) -> Result<Self, reqwest::Error> {
        Ok(Self {
            client: Arc::new(Client::new(&options)?),
            options: Arc::new(options),
            disk: FileWorker::default(),
        })
    }
}

impl UpstreamSource {
    /// Puts the configuration in force that was saved before, if there is one. Blocks.
    pub(super) fn restore_blocking(&self, environment: &Environment) {
        if let Some(kept) = &self.options.kept {
            let loaded = keep::load_blocking(&self.disk, kept);
            keep::restore(loaded, kept, &self.name(), environment);
        }
    }

    /// Returns the source that fetches and follows the stream, and does nothing else.
    pub(super) fn relay(&self) -> Box<dyn Source> {
        Box::new(Relay::new(&self.options, &self.client))
    }

    /// Saves what is in force and posts what clients have counted, until `stopping` turns true. `is_saved` says whether what is in
    /// force at the start is on the disk already. Returns a sentence if counts could not be posted at the end.
    pub(super) async fn save_and_post(
        self,
        environment: Arc<Environment>,
        mut stopping: watch::Receiver<bool>,
        is_saved: bool,
    ) -> Option<String> {
        let Self {
            options,
            client,
            disk,
        } = self;
        let outbox = environment.usage.forward();
        tokio::select! {
            () = crate::stopping::until(&mut stopping) => {}
            () = keep::keep(&disk, options.kept.as_ref(), &environment, is_saved) => {}
            () = metrics::post_regularly(&client, &environment, &outbox, options.metrics) => {}
        }
        environment.set_warning(keep::TOPIC, None);
        environment.usage.stop_forwarding();
        // The post is cut off after `LAST_POST`, as the server may be stopping.
        let last = metrics::post(&client, &environment, &outbox);
        let unposted = match tokio::time::timeout(LAST_POST, last).await {
            Ok(()) => match outbox.take().evaluations() {
                0 => return None,
                1 => "1 evaluation that clients have counted".to_owned(),
                left => format!("{left} evaluations that clients have counted"),
            },
            Err(_) => "what clients have counted last".to_owned(),
        };
        let sentence = format!(
            "{unposted} could not be posted to {}, which does not answer",
            options.source()
        );
        tracing::warn!(environment = environment.name(), "{sentence}");
        Some(sentence)
    }
}

impl Source for UpstreamSource {
    fn run(
        self: Box<Self>,
        environment: Arc<Environment>,
        stopping: watch::Receiver<bool>,
    ) -> BoxFuture<'static, ()> {
        self.restore_blocking(&environment);
        let on_each = self.run_on_each_replica(Arc::clone(&environment), stopping.clone());
        let fetching = self.relay().run(environment, stopping);
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
        Box::pin(std::future::ready(Ok(self.relay())))
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
        stopping: watch::Receiver<bool>,
    ) -> BoxFuture<'static, ()> {
        let each = self.clone().save_and_post(environment, stopping, true);
        Box::pin(async { drop(each.await) })
    }
}
