//! Flags from an upstream: Harness, its relay, or another `flagwire-server`. This makes the server a relay.
//!
//! Three loops run side by side. One keeps the upstream's stream open; it never carries values, it only says that there
//! is something to fetch. One fetches: when the stream says so, once after each opening of the stream, and from time to
//! time while there is no stream. One posts what clients have counted. Whatever is fetched goes to
//! [`Environment::apply`], which finds the changes; so a missed event costs time and never a change.
//!
//! All flags and all groups come in one call each, however many changed: a burst of events is one fetch, and one more
//! for what happened during it. Where an event names a version that the fetch does not bring, because a replica of the
//! upstream lags behind another, it is repeated.

mod api;
mod expected;
mod metrics;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use flagwire_core::sse::Parser;
use flagwire_core::{Backoff, Millis, Random};
use flagwire_evaluation::model::{FeatureConfig, Segment};
use reqwest::Url;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use self::api::{Api, ApiError, Session};
use self::expected::{Brought, Expected};
use super::kept::Kept;
use super::{BoxFuture, Configuration, Source, SourceState, SourceStatus};
use crate::environment::Environment;

/// A refused key may be allowed later; until then there is no use in asking often.
const REFUSED: Millis = Millis(60_000);

/// Between two fetches that clients bring about, who have heard of a change elsewhere.
const SHORTEST_REFRESH: Duration = Duration::from_secs(1);

/// How often what is on disk is confirmed, or tried again after it could not be written.
const KEEP: Duration = Duration::from_secs(60);

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
    pub api_key: String,
    /// Between two fetches while there is no stream, ±10 %.
    pub poll: Duration,
    /// Between two posts of metrics, ±10 %.
    pub metrics: Duration,
    /// For a request to be answered.
    pub timeout: Duration,
    /// A stream without a byte for this long is dead: three of the usual heartbeats.
    pub silence: Duration,
    /// Where the last good configuration is kept.
    pub kept: Option<Kept>,
}

impl UpstreamOptions {
    /// With the usual times, and nothing kept.
    #[must_use]
    pub fn new(url: Url, api_key: &str) -> Self {
        Self {
            url,
            events_url: None,
            api_key: api_key.to_owned(),
            poll: Duration::from_secs(60),
            metrics: Duration::from_secs(60),
            timeout: Duration::from_secs(20),
            silence: Duration::from_secs(45),
            kept: None,
        }
    }

    /// The upstream's address for people and files, without credentials.
    #[must_use]
    pub fn source(&self) -> String {
        let mut url = self.url.clone();
        let _ = url.set_username("");
        let _ = url.set_password(None);
        url.set_query(None);
        url.set_fragment(None);
        url.to_string()
    }
}

/// See the module.
#[derive(Debug)]
pub struct UpstreamSource {
    options: UpstreamOptions,
    api: Api,
}

impl UpstreamSource {
    /// Nothing is asked of the upstream yet.
    ///
    /// # Errors
    /// What the HTTP client says, for instance that the system has no certificates.
    pub fn new(options: UpstreamOptions) -> Result<Self, reqwest::Error> {
        let api = Api::new(
            &options.url,
            options.events_url.as_ref(),
            &options.api_key,
            options.timeout,
        )?;
        Ok(Self { options, api })
    }
}

impl Source for UpstreamSource {
    fn run(
        self: Box<Self>,
        environment: Arc<Environment>,
        mut stopping: watch::Receiver<bool>,
    ) -> BoxFuture<'static, ()> {
        let relay = Relay::new(*self, environment);
        relay.restore();
        Box::pin(async move {
            let outbox = relay.environment.usage.forward();
            tokio::select! {
                () = crate::serve::until(&mut stopping) => {}
                () = relay.fetch_when_needed() => {}
                () = relay.follow_stream() => {}
                () = relay.keep() => {}
                () = metrics::post_regularly(&relay, &outbox) => {}
            }
            // Better some of it than nothing; the server is in a hurry now.
            drop(timeout(LAST_POST, metrics::post(&relay, &outbox)).await);
        })
    }
}

/// What the loops share.
struct Relay {
    api: Api,
    options: UpstreamOptions,
    name: String,
    environment: Arc<Environment>,
    /// Held during a sign-in, so that there is one at a time.
    session: tokio::sync::Mutex<Option<Arc<Session>>>,
    random: Mutex<Random>,
    /// Whether the stream is open.
    streaming: watch::Sender<bool>,
    /// There is something to fetch.
    wanted: Notify,
    expected: Mutex<Expected>,
    standing: Mutex<Standing>,
}

/// How things stand, for the status.
#[derive(Debug, Default)]
struct Standing {
    /// When a fetch last succeeded, or what is on disk was current.
    fresh_at: Option<SystemTime>,
    /// Whether a fetch has succeeded in this process.
    fetched: bool,
    /// Why the last fetch failed.
    fetch_error: Option<String>,
    /// Why there is no stream.
    stream_error: Option<String>,
    /// Why the configuration cannot be kept on disk.
    keep_error: Option<String>,
}

impl Relay {
    fn new(source: UpstreamSource, environment: Arc<Environment>) -> Self {
        let mut seed = [0; 8];
        // A poor seed makes for poor jitter and nothing worse.
        let _ = getrandom::fill(&mut seed);
        Self {
            api: source.api,
            name: source.options.source(),
            options: source.options,
            environment,
            session: tokio::sync::Mutex::default(),
            random: Mutex::new(Random::new(u64::from_le_bytes(seed))),
            streaming: watch::Sender::default(),
            wanted: Notify::new(),
            expected: Mutex::default(),
            standing: Mutex::default(),
        }
    }

    /// Puts in force what was kept from before, if there is something.
    fn restore(&self) {
        let environment = self.environment.name();
        if let Some(kept) = &self.options.kept {
            kept.sweep();
            match kept.load() {
                Ok(Some((configuration, at))) => {
                    let flags = configuration.flags.len();
                    tracing::info!(environment, flags, file = %kept.path().display(), "serving what was kept until the upstream answers");
                    self.environment.apply(configuration);
                    self.note(|standing| standing.fresh_at = Some(at));
                }
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(environment, file = %kept.path().display(), "what was kept cannot be used: {error}");
                }
            }
        }
        self.note(|_| {});
    }

    /// Fetches when there is something to fetch, and from time to time while there is no stream.
    async fn fetch_when_needed(&self) {
        let mut streaming = self.streaming.subscribe();
        let mut backoff = Backoff::default();
        self.expected().everything();
        let mut next = Instant::now();
        let mut last: Option<Instant> = None;
        // What came before the next fetch, which decides whether the stream is to be relied on.
        let mut brought = Brought::Everything;
        loop {
            let failing = backoff.attempts() > 0;
            let lively = last.is_none_or(|last| last.elapsed() >= SHORTEST_REFRESH);
            let quiet = *streaming.borrow_and_update()
                && !failing
                && last.is_some()
                && brought != Brought::LessForGood;
            tokio::select! {
                // While the upstream fails, its events do not shorten the wait.
                () = self.wanted.notified(), if !failing => {}
                () = self.environment.refresh_wanted(), if lively && !failing => self.expected().everything(),
                () = sleep_until(next), if !quiet => if brought != Brought::Less {
                    self.expected().everything();
                },
                changed = streaming.changed() => {
                    if changed.is_err() { return }
                    // An open stream is a sign of life: no need to wait any longer.
                    if !*streaming.borrow() || !failing { continue }
                }
            }
            match self.fetch().await {
                Ok(now) => {
                    last = Some(Instant::now());
                    brought = now;
                    next = if brought == Brought::Less {
                        Instant::now() + self.delay(&mut backoff, None)
                    } else {
                        backoff.reset();
                        Instant::now() + self.jittered(self.options.poll)
                    };
                }
                Err(error) => {
                    let refused = error.is_refusal().then_some(REFUSED);
                    let delay = self.delay(&mut backoff, error.retry_after().or(refused));
                    tracing::warn!(
                        environment = self.environment.name(),
                        next_in_ms = delay.as_millis(),
                        "{error}"
                    );
                    self.note(|standing| standing.fetch_error = Some(error.to_string()));
                    next = Instant::now() + delay;
                }
            }
        }
    }

    /// Fetches what is wanted and puts it in force.
    async fn fetch(&self) -> Result<Brought, ApiError> {
        let mut wanted = self.expected().begin();
        let (want_flags, want_segments) = (wanted.flags, wanted.segments);
        let (flags, segments) = self
            .signed_in(move |session| Box::pin(self.bring(session, want_flags, want_segments)))
            .await
            .inspect_err(|_| self.expected().everything())?;
        wanted.check(&flags, &segments);
        let brought = self.expected().end(wanted);
        let count = flags.len();
        let differences = self.environment.apply(Configuration { flags, segments });
        if !differences.is_empty() {
            tracing::info!(
                environment = self.environment.name(),
                flags = count,
                changes = differences.len(),
                "flags fetched"
            );
        }
        self.note(|standing| {
            standing.fresh_at = Some(SystemTime::now());
            standing.fetched = true;
            standing.fetch_error = None;
        });
        Ok(brought)
    }

    /// Flags and groups: those that are wanted from the upstream, the others as they are.
    async fn bring(
        &self,
        session: Arc<Session>,
        flags: bool,
        segments: bool,
    ) -> Result<(Vec<FeatureConfig>, Vec<Segment>), ApiError> {
        let current = self.environment.current();
        let flags = async {
            match &current {
                Some(current) if !flags => Ok(current.snapshot.flags().to_vec()),
                _ => self.api.flags(&session).await,
            }
        };
        let segments = async {
            match &current {
                Some(current) if !segments => Ok(current.snapshot.segments().to_vec()),
                _ => self.api.segments(&session).await,
            }
        };
        tokio::try_join!(flags, segments)
    }

    /// Keeps the stream open.
    async fn follow_stream(&self) {
        let mut backoff = Backoff::default();
        loop {
            let opened = self
                .signed_in(|session| Box::pin(async move { self.api.stream(&session).await }))
                .await;
            let (error, asked) = match opened {
                Ok(response) => {
                    tracing::info!(
                        environment = self.environment.name(),
                        "the upstream's stream is open"
                    );
                    self.expected().everything();
                    self.streaming.send_replace(true);
                    self.note(|standing| standing.stream_error = None);
                    self.wanted.notify_one();
                    let error = self.read(response, &mut backoff).await;
                    self.streaming.send_replace(false);
                    (error, None)
                }
                Err(error) => {
                    // The first one of an outage: learn at once whether the rest is gone, too.
                    if backoff.attempts() == 1 {
                        self.expected().everything();
                        self.wanted.notify_one();
                    }
                    let refused = error.is_refusal().then_some(REFUSED);
                    (error.to_string(), error.retry_after().or(refused))
                }
            };
            let delay = self.delay(&mut backoff, asked);
            tracing::info!(
                environment = self.environment.name(),
                next_in_ms = delay.as_millis(),
                "no stream: {error}"
            );
            self.note(|standing| standing.stream_error = Some(error));
            sleep(delay).await;
        }
    }

    /// Reads an open stream to its end and says why it ended.
    async fn read(&self, mut response: reqwest::Response, backoff: &mut Backoff) -> String {
        let mut parser = Parser::default();
        loop {
            let chunk = match timeout(self.options.silence, response.chunk()).await {
                Err(_) => return "the stream has gone silent".to_owned(),
                Ok(Err(error)) => return ApiError::from(error).to_string(),
                Ok(Ok(None)) => return "the upstream has ended the stream".to_owned(),
                Ok(Ok(Some(chunk))) => chunk,
            };
            backoff.reset();
            let mut bytes: &[u8] = &chunk;
            loop {
                match parser.next_event(&mut bytes) {
                    Ok(Some(event)) => {
                        if self.expected().event(&event.data) {
                            self.wanted.notify_one();
                        }
                    }
                    Ok(None) => break,
                    Err(_) => return "an event has no end".to_owned(),
                }
            }
        }
    }

    /// Makes a request with the token at hand; a refused token is replaced once.
    async fn signed_in<'f, T>(
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

    /// Keeps what is in force on disk, and says from time to time that it is still current.
    async fn keep(&self) {
        let Some(kept) = self.options.kept.clone() else {
            return std::future::pending().await;
        };
        let mut generation = self.environment.watch_generation();
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
            let fresh = self.environment.status().healthy;
            let Some(current) = self.environment.current().filter(|_| fresh || unsaved) else {
                continue;
            };
            let kept = kept.clone();
            let save = tokio::task::spawn_blocking(move || {
                if unsaved {
                    kept.save(current.snapshot.flags(), current.snapshot.segments())
                } else {
                    kept.confirm()
                }
            });
            let error = match save.await {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some(error.to_string()),
                Err(error) => Some(error.to_string()),
            };
            unsaved = error.is_some();
            let known =
                self.note(|standing| std::mem::replace(&mut standing.keep_error, error.clone()));
            if let Some(error) = error
                && known.as_ref() != Some(&error)
            {
                tracing::error!(
                    environment = self.environment.name(),
                    directory = ?self.options.kept.as_ref().and_then(|kept| kept.path().parent()),
                    "cannot keep the configuration on disk: {error}; after a restart without upstream there would be none, or an old one"
                );
            }
        }
    }

    fn expected(&self) -> std::sync::MutexGuard<'_, Expected> {
        self.expected.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes how things stand, and says so.
    fn note<T>(&self, change: impl FnOnce(&mut Standing) -> T) -> T {
        let mut standing = self.standing.lock().unwrap_or_else(PoisonError::into_inner);
        let result = change(&mut standing);
        let streaming = *self.streaming.borrow();
        let failed = standing.fetch_error.is_some() || !standing.fetched;
        let state = match (failed, streaming) {
            (true, _) if standing.fresh_at.is_none() => SourceState::Starting,
            (true, _) => SourceState::Degraded,
            (false, true) => SourceState::Live,
            (false, false) => SourceState::Polling,
        };
        let errors = [&standing.fetch_error, &standing.stream_error];
        let mut error = errors.into_iter().flatten().next().cloned();
        if error.is_none() && failed {
            error = Some("the upstream has not answered yet".to_owned());
        }
        let warning = standing
            .keep_error
            .as_ref()
            .map(|error| format!("cannot keep the configuration on disk: {error}"));
        self.environment.set_status(SourceStatus {
            source: self.name.clone(),
            state,
            healthy: !failed,
            error,
            warning,
            since: SystemTime::now(),
            fresh_at: standing.fresh_at.filter(|_| state != SourceState::Live),
        });
        result
    }

    fn delay(&self, backoff: &mut Backoff, asked: Option<Millis>) -> Duration {
        let mut random = self.random.lock().unwrap_or_else(PoisonError::into_inner);
        Duration::from_millis(backoff.fail(&mut random, asked).0.into())
    }

    /// ±10 %, so that many relays do not ask in the same moment.
    fn jittered(&self, around: Duration) -> Duration {
        let mut random = self.random.lock().unwrap_or_else(PoisonError::into_inner);
        around.mul_f64(0.9 + 0.2 * f64::from(random.below(1000)) / 1000.0)
    }
}
