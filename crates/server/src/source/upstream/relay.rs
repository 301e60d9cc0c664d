//! Fetches the upstream's configuration and follows its stream of changes. Of several replicas, the leader does this
//! for all.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use flagwire_core::sse::Parser;
use flagwire_core::{Backoff, Millis};
use flagwire_evaluation::model::{FeatureConfig, Segment};
use parking_lot::Mutex;
use reqwest::header::HeaderValue;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::UpstreamOptions;
use super::api::{ApiError, Session, Tagged};
use super::client::Client;
use super::doubts::{Doubts, Verdict};
use super::expected::{Brought, Expected};
use crate::environment::{Configuration, Environment, SourceState, SourceStatus};
use crate::source::{BoxFuture, Source};
use crate::versions::Counting;

/// How long to wait after the upstream has refused the key, which may be allowed later.
const REFUSED: Millis = Millis(60_000);

/// The shortest time between two fetches that clients cause, which another replica has notified of a change.
const SHORTEST_REFRESH: Duration = Duration::from_secs(1);

/// The source of a relay before it runs. [`Running`] takes its parts over.
#[derive(Debug)]
pub(super) struct Relay {
    options: Arc<UpstreamOptions>,
    client: Arc<Client>,
}

impl Relay {
    pub(super) fn new(options: &Arc<UpstreamOptions>, client: &Arc<Client>) -> Self {
        Self {
            options: Arc::clone(options),
            client: Arc::clone(client),
        }
    }
}

impl Source for Relay {
    fn run(
        self: Box<Self>,
        environment: Arc<Environment>,
        mut stopping: watch::Receiver<bool>,
    ) -> BoxFuture<'static, ()> {
        let relay = Running::new(*self, environment);
        relay.note(|_| {});
        Box::pin(async move {
            tokio::select! {
                () = crate::stopping::until(&mut stopping) => {}
                () = relay.fetch_when_needed() => {}
                () = relay.follow_stream() => {}
            }
        })
    }
}

/// The state that the loop which fetches and the loop which reads the stream share.
struct Running {
    options: Arc<UpstreamOptions>,
    client: Arc<Client>,
    name: String,
    environment: Arc<Environment>,
    /// Whether the stream is open.
    streaming: watch::Sender<bool>,
    /// Notified when there is something to fetch.
    wanted: Notify,
    expected: Mutex<Expected>,
    doubts: Mutex<Doubts>,
    /// The entity tags of the last fetch that succeeded; `None` before the first one, and after one whose result is doubted.
    tags: Mutex<Option<Tags>>,
    standing: Mutex<Standing>,
}

/// Removes the doubt from the environment, as nothing can be accepted once the source has stopped.
impl Drop for Running {
    fn drop(&mut self) {
        self.environment.set_doubt(None);
    }
}

/// The entity tags of the two lists in force.
#[derive(Clone, Debug, Default)]
struct Tags {
    /// The environment's edition with these lists in force. The tags are not used with any other edition.
    edition: u64,
    flags: Option<HeaderValue>,
    segments: Option<HeaderValue>,
}

/// What the source reports in the environment's status.
#[derive(Debug, Default)]
struct Standing {
    /// When the configuration in force was last known to be current: at the last fetch that was not doubted, or before
    /// that as the status said when the source started. `None` as long as neither is known.
    fresh_at: Option<SystemTime>,
    /// Whether a fetch has succeeded in this run.
    fetched: bool,
    /// Why the last fetch failed.
    fetch_error: Option<String>,
    /// Why the last fetch, which succeeded, is doubted.
    doubt: Option<String>,
    /// Why there is no stream.
    stream_error: Option<String>,
}

impl Running {
    fn new(relay: Relay, environment: Arc<Environment>) -> Self {
        // A configuration that is in force already comes from the disk or from another replica.
        let fresh_at = environment.current().map(|_| {
            let status = environment.status();
            status.fresh_at.unwrap_or_else(SystemTime::now)
        });
        Self {
            name: relay.options.source(),
            options: relay.options,
            client: relay.client,
            environment,
            streaming: watch::Sender::default(),
            wanted: Notify::new(),
            expected: Mutex::default(),
            doubts: Mutex::default(),
            tags: Mutex::default(),
            standing: Mutex::new(Standing {
                fresh_at,
                ..Standing::default()
            }),
        }
    }

    /// Fetches when there is something to fetch, and from time to time: often while there is no stream, seldom while there is.
    async fn fetch_when_needed(&self) {
        let mut streaming = self.streaming.subscribe();
        let mut backoff = Backoff::default();
        self.expected.lock().everything();
        let mut next = Instant::now();
        let mut safety = Instant::now();
        let mut last: Option<Instant> = None;
        // The result of the last fetch. It decides whether to wait for events of an open stream, or to fetch on a timer
        // as well.
        let mut brought = Brought::Everything;
        loop {
            let mut accepted = false;
            let failing = backoff.attempts() > 0;
            let lively = last.is_none_or(|last| last.elapsed() >= SHORTEST_REFRESH);
            let quiet = *streaming.borrow_and_update()
                && !failing
                && last.is_some()
                && !matches!(brought, Brought::LessForGood | Brought::Doubted(_));
            tokio::select! {
                // While the upstream fails, its events do not shorten the wait.
                () = self.wanted.notified(), if !failing => {}
                () = self.environment.accept_wanted() => {
                    self.expected.lock().everything();
                    accepted = true;
                }
                () = self.environment.refresh_wanted(), if lively && !failing => self.expected.lock().everything(),
                () = sleep_until(next), if !quiet => if brought != Brought::Less {
                    self.expected.lock().everything();
                },
                // A proxy may hold the stream open although the upstream behind it no longer sends its changes.
                () = sleep_until(safety), if quiet => self.expected.lock().everything(),
                changed = streaming.changed() => {
                    if changed.is_err() { return }
                    // After failed fetches, a stream that opens shows that the upstream answers again, so the next
                    // fetch does not wait.
                    if !*streaming.borrow() || !failing { continue }
                }
            }
            match self.fetch(accepted).await {
                Ok(now) => {
                    last = Some(Instant::now());
                    safety = Instant::now() + self.client.jittered(self.options.safety);
                    brought = now;
                    let wait = match brought {
                        Brought::Less => self.client.delay(&mut backoff, None),
                        Brought::Everything | Brought::LessForGood => {
                            backoff.reset();
                            self.client.jittered(self.options.poll)
                        }
                        Brought::Doubted(again) => {
                            backoff.reset();
                            self.client.jittered(again)
                        }
                    };
                    next = Instant::now() + wait;
                }
                Err(error) => {
                    let refused = error.is_refusal().then_some(REFUSED);
                    let delay = self
                        .client
                        .delay(&mut backoff, error.retry_after().or(refused));
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

    /// Fetches what is wanted and puts it in force. An answer that lacks much of what is in force is doubted, unless
    /// the loss is `accepted`.
    async fn fetch(&self, accepted: bool) -> Result<Brought, ApiError> {
        if self.doubts.lock().is_doubting() {
            // If only one list were fetched, the other would be taken from the configuration in force, and would look
            // like an answer that lacks nothing.
            self.expected.lock().everything();
        }
        let mut wanted = self.expected.lock().begin();
        let (want_flags, want_segments) = (wanted.flags, wanted.segments);
        let known = if wanted.is_a_look() {
            let tags = self.tags.lock();
            let tags = tags.clone();
            // The tags are used only if the configuration in force is still the one that they came with: another
            // replica may have put another one in force meanwhile.
            tags.filter(|tags| tags.edition == self.environment.edition())
        } else {
            None
        };
        let known = &known.unwrap_or_default();
        let (flags, segments) = self
            .client
            .signed_in(move |session| {
                Box::pin(self.bring(session, want_flags, want_segments, known))
            })
            .await
            .inspect_err(|_| self.expected.lock().everything())?;
        let tags = (flags.tag, segments.tag);
        let (flags, segments) = (flags.entries, segments.entries);
        wanted.check(&flags, &segments);
        let mut brought = self.expected.lock().end(wanted);
        let mut configuration = Configuration { flags, segments };
        let doubt = self.judge(&mut configuration, accepted, &mut brought);
        let count = configuration.flags.len();
        let differences = self
            .environment
            .apply_with(configuration, Counting::Upstream);
        // The tags of a doubted answer are dropped, from the first one on, so that the next fetch gets the whole answer
        // again: "not modified" would look like an answer that lacks nothing.
        let believed = !matches!(brought, Brought::Doubted(_));
        let tags = believed.then(|| Tags {
            edition: self.environment.edition(),
            flags: tags.0,
            segments: tags.1,
        });
        *self.tags.lock() = tags;
        if !differences.is_empty() {
            tracing::info!(
                environment = self.environment.name(),
                flags = count,
                changes = differences.len(),
                "flags fetched"
            );
        }
        self.note(|standing| {
            // The first doubted answer has no reason for people yet, but proves as little as the next ones.
            if believed {
                standing.fresh_at = Some(SystemTime::now());
            }
            standing.fetched = true;
            standing.fetch_error = None;
            standing.doubt = doubt;
        });
        Ok(brought)
    }

    /// Compares an answer with what is in force. Where its loss is doubted, what is missing is put back into `answer`.
    /// Returns the reason for people, once a second answer has lacked the same.
    fn judge(
        &self,
        answer: &mut Configuration,
        accepted: bool,
        brought: &mut Brought,
    ) -> Option<String> {
        let current = self.environment.current();
        let mut expected = self.expected.lock();
        let mut doubts = self.doubts.lock();
        let every = self.options.recheck;
        let verdict = doubts.judge(current.as_deref(), answer, &expected, accepted, every);
        let why = match verdict {
            Verdict::Believed => {
                if *brought == Brought::Everything {
                    expected.deleted_is_done();
                }
                None
            }
            Verdict::Doubted { again, why } => {
                *brought = Brought::Doubted(again);
                why
            }
        };
        if let Some(why) = &why
            && self.environment.doubt().is_none()
        {
            tracing::warn!(environment = self.environment.name(), "{why}");
        }
        self.environment.set_doubt(why.clone());
        why
    }

    /// Returns all flags and groups. A list that is not wanted is taken from the configuration in force, and so is a
    /// list of which the upstream says that it still has the tag in `known`.
    async fn bring(
        &self,
        session: Arc<Session>,
        flags: bool,
        segments: bool,
        known: &Tags,
    ) -> Result<(Tagged<FeatureConfig>, Tagged<Segment>), ApiError> {
        let current = self.environment.current();
        let flags = async {
            let tag = known.flags.as_ref().filter(|_| current.is_some());
            let fetched = match &current {
                Some(_) if !flags => None,
                _ => self.client.api.flags(&session, tag).await?,
            };
            Ok(fetched.unwrap_or_else(|| Tagged {
                entries: current
                    .as_ref()
                    .map_or_else(Vec::new, |current| current.snapshot.flags().to_vec()),
                tag: known.flags.clone(),
            }))
        };
        let segments = async {
            let tag = known.segments.as_ref().filter(|_| current.is_some());
            let fetched = match &current {
                Some(_) if !segments => None,
                _ => self.client.api.segments(&session, tag).await?,
            };
            Ok(fetched.unwrap_or_else(|| Tagged {
                entries: current
                    .as_ref()
                    .map_or_else(Vec::new, |current| current.snapshot.segments().to_vec()),
                tag: known.segments.clone(),
            }))
        };
        tokio::try_join!(flags, segments)
    }

    /// Opens the stream and reads it, and opens it again after a wait each time it ends or fails. Never completes.
    async fn follow_stream(&self) {
        let mut backoff = Backoff::default();
        loop {
            let opened = self
                .client
                .signed_in(|session| {
                    Box::pin(async move { self.client.api.stream(&session).await })
                })
                .await;
            let (error, asked) = match opened {
                Ok(response) => {
                    tracing::info!(
                        environment = self.environment.name(),
                        "the upstream's stream is open"
                    );
                    self.expected.lock().everything();
                    self.streaming.send_replace(true);
                    self.note(|standing| standing.stream_error = None);
                    self.wanted.notify_one();
                    let error = self.read(response, &mut backoff).await;
                    self.streaming.send_replace(false);
                    (error, None)
                }
                Err(error) => {
                    // After two failures in a row, of which the end of a stream may be the first, a fetch shows at once
                    // whether the upstream answers other requests.
                    if backoff.attempts() == 1 {
                        self.expected.lock().everything();
                        self.wanted.notify_one();
                    }
                    let refused = error.is_refusal().then_some(REFUSED);
                    (error.to_string(), error.retry_after().or(refused))
                }
            };
            let delay = self.client.delay(&mut backoff, asked);
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
                        if self.expected.lock().event(&event.data) {
                            self.wanted.notify_one();
                        }
                    }
                    Ok(None) => break,
                    Err(_) => return "an event has no end".to_owned(),
                }
            }
        }
    }

    /// Changes the state of the source, and reports it.
    fn note(&self, change: impl FnOnce(&mut Standing)) {
        let mut standing = self.standing.lock();
        change(&mut standing);
        let streaming = *self.streaming.borrow();
        let failed =
            standing.fetch_error.is_some() || standing.doubt.is_some() || !standing.fetched;
        let state = match (failed, streaming) {
            (true, _) if standing.fresh_at.is_none() => SourceState::Starting,
            (true, _) => SourceState::Degraded,
            (false, true) => SourceState::Live,
            (false, false) => SourceState::Polling,
        };
        let errors = [
            &standing.fetch_error,
            &standing.doubt,
            &standing.stream_error,
        ];
        let mut error = errors.into_iter().flatten().next().cloned();
        if error.is_none() && failed {
            error = Some("the upstream has not answered yet".to_owned());
        }
        self.environment.set_status(SourceStatus {
            source: self.name.clone(),
            state,
            healthy: !failed,
            error,
            warning: None,
            since: SystemTime::now(),
            fresh_at: standing.fresh_at,
        });
    }
}
