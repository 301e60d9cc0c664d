//! A source that is a relay of an upstream until an administrator lets a flags file take over, and from then on is that file.
//!
//! Two sources take turns in one environment, and which one runs is an administrator's choice: it never changes by itself. The
//! file takes over if it has no mistakes and serves every target what is in force; what differs must be confirmed. The
//! steps, in their order:
//!
//! 1. The file is checked and compared with what is in force (`comparison`), while the relay goes on.
//! 2. The relay ends. If the configuration in force or the file has changed since, it is started again, and the
//!    comparison is repeated: what takes over is what was compared.
//! 3. The choice is written to the state directory (`choice`). A restart from here on goes on with the file.
//! 4. What clients have counted is posted to the upstream for the last time.
//! 5. The file is put in force. Clients get events for flags that serve somebody another variation; back ends, which
//!    hold rules, also for rules that are written in another way. Versions only grow (see [`crate::versions`]).
//!
//! Readers, streams and counts belong to the environment, so they do not notice who supplies it.

mod choice;
mod comparison;
#[cfg(test)]
mod tests;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde::Serialize;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use self::choice::Choice;
pub use self::choice::{ChoiceError, Chosen};
pub use self::comparison::Comparison;
use self::comparison::{Comparing, content_in_force};
use super::file::{FileEnd, FileSource};
use super::upstream::{UpstreamOptions, UpstreamSource};
use super::{BoxFuture, Origin as _, Source};
use crate::environment::Environment;
use crate::stopping::{Task, until};

/// How long a request waits for comparisons. It must be answered before the server gives it up; a comparison goes on by itself, and
/// its result is there for the next request.
const PATIENCE: Duration = Duration::from_secs(15);

/// How long the source that served may take to end. Its requests have longer limits of their own, and are given up.
const END_LIMIT: Duration = Duration::from_secs(5);

/// How often a comparison is made if the upstream or the file changes while it is made.
const ATTEMPTS: usize = 3;

/// Names both sources, and the file that the choice is kept in.
#[derive(Clone, Debug)]
pub struct TakeoverOptions {
    /// How to reach the upstream.
    pub upstream: UpstreamOptions,
    /// The flags file that may take over.
    pub file: PathBuf,
    /// The file that the choice is kept in. Its directory is made when it is needed.
    pub choice: PathBuf,
}

/// The two sources and which one serves, for the status and the admin page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Standing {
    /// The source that serves.
    pub serves: Chosen,
    /// The upstream's address.
    pub upstream: String,
    /// The path of the flags file.
    pub file: String,
}

/// What came of a choice that was carried out.
#[derive(Debug, Default)]
pub struct Done {
    /// Whether that source did not serve before.
    pub changed: bool,
    /// Says that counts could not be posted to the upstream, if that is so.
    pub unposted: Option<String>,
}

/// Why the source was not changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The flags file cannot be used. There is a line for each mistake.
    #[error("the flags file cannot take over as it is:\n{}", .0.join("\n"))]
    Mistakes(Vec<String>),
    /// The flags file serves something else than what is in force, and that was not confirmed.
    #[error("the flags file does not serve what is in force: {}", .0.proof)]
    Differs(Arc<Comparison>),
    /// There are so many flags that the comparison is not done yet.
    #[error("the flags file is still being compared with what is in force; ask again in a moment")]
    Comparing,
    /// The upstream or the file changed during each comparison.
    #[error(
        "what the upstream serves, or the flags file, changed while they were compared; try again"
    )]
    Changing,
    /// The server has not started its source, or stops.
    #[error("the server starts or stops at this moment; try again")]
    NotRunning,
    /// The choice could not be written to the state directory.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// Has one of the two sources of an environment serve it.
#[derive(Debug)]
pub struct Takeover {
    upstream: UpstreamSource,
    file: PathBuf,
    choice: Choice,
    chosen: watch::Sender<Chosen>,
    comparing: Comparing,
    /// Held while one of the sources is started or ended.
    turn: tokio::sync::Mutex<()>,
    /// `None` before the start, after the end, and while one source follows the other.
    running: Mutex<Option<Running>>,
}

#[derive(Debug)]
struct Running {
    environment: Arc<Environment>,
    inner: Inner,
}

/// The source that runs.
#[derive(Debug)]
enum Inner {
    Upstream {
        /// Fetches and follows the stream.
        relay: Task<()>,
        /// Saves what is in force and posts counts.
        each: Task<Option<String>>,
    },
    File {
        follow: Task<()>,
        end: FileEnd,
    },
}

impl Takeover {
    /// Creates both sources; neither of them runs.
    ///
    /// # Errors
    /// The HTTP client for the upstream cannot be created.
    pub fn new(options: TakeoverOptions) -> Result<Self, reqwest::Error> {
        Ok(Self {
            upstream: UpstreamSource::new(options.upstream)?,
            file: options.file,
            choice: Choice::new(&options.choice),
            chosen: watch::Sender::default(),
            comparing: Comparing::default(),
            turn: tokio::sync::Mutex::default(),
            running: Mutex::default(),
        })
    }

    /// Returns the source that was chosen in an earlier run; the upstream if nobody has chosen.
    ///
    /// # Errors
    /// [`ChoiceError`]
    pub async fn load_choice(&self) -> Result<Chosen, ChoiceError> {
        self.choice.load().await
    }

    /// Returns the source that serves.
    #[must_use]
    pub fn chosen(&self) -> Chosen {
        *self.chosen.borrow()
    }

    /// Returns both sources, and which one serves.
    #[must_use]
    pub fn standing(&self) -> Standing {
        Standing {
            serves: self.chosen(),
            upstream: self.upstream.name(),
            file: self.file.display().to_string(),
        }
    }

    /// Checks the flags file, and compares it with what is in force. The result is kept until one of the two changes.
    ///
    /// # Errors
    /// [`Refusal::Mistakes`], [`Refusal::NotRunning`], and [`Refusal::Comparing`] if it takes longer than 15 s.
    pub async fn compare(self: &Arc<Self>) -> Result<Arc<Comparison>, Refusal> {
        self.compare_until(Instant::now() + PATIENCE).await
    }

    async fn compare_until(
        self: &Arc<Self>,
        deadline: Instant,
    ) -> Result<Arc<Comparison>, Refusal> {
        let environment = match &*self.running.lock() {
            Some(running) => Arc::clone(&running.environment),
            None => return Err(Refusal::NotRunning),
        };
        let takeover = Arc::clone(self);
        // It goes on if the request does not wait for it.
        let comparing = tokio::spawn(async move {
            takeover
                .comparing
                .compare(&environment, &takeover.file)
                .await
        });
        match timeout_at(deadline, comparing).await {
            Ok(Ok(compared)) => compared.map_err(Refusal::Mistakes),
            Ok(Err(_)) => Err(Refusal::NotRunning),
            Err(_) => Err(Refusal::Comparing),
        }
    }

    /// Has one of the sources serve from now on. `confirmed` is the [`Comparison::confirm`] of a difference that is meant. It
    /// runs to its end even if the future that is returned is dropped.
    ///
    /// # Errors
    /// [`Refusal`]; the source that serves goes on then.
    pub async fn choose(
        self: &Arc<Self>,
        chosen: Chosen,
        confirmed: Option<String>,
    ) -> Result<Done, Refusal> {
        let takeover = Arc::clone(self);
        let carried_out = tokio::spawn(async move {
            match chosen {
                Chosen::File => {
                    let deadline = Instant::now() + PATIENCE;
                    takeover.choose_file(confirmed.as_deref(), deadline).await
                }
                Chosen::Upstream => takeover.choose_upstream().await,
            }
        });
        carried_out.await.unwrap_or(Err(Refusal::NotRunning))
    }

    async fn choose_file(
        self: &Arc<Self>,
        confirmed: Option<&str>,
        deadline: Instant,
    ) -> Result<Done, Refusal> {
        for _ in 0..ATTEMPTS {
            if self.chosen() == Chosen::File {
                return Ok(Done::default());
            }
            let comparison = self.compare_until(deadline).await?;
            if comparison.differs() && confirmed != Some(comparison.confirm.as_str()) {
                return Err(Refusal::Differs(comparison));
            }
            if let Some(done) = self.take_over(&comparison).await? {
                return Ok(done);
            }
        }
        Err(Refusal::Changing)
    }

    /// Puts the file that was compared in the place of the upstream. Returns `None`, and the upstream serves on, if either
    /// side has changed since.
    async fn take_over(&self, comparison: &Comparison) -> Result<Option<Done>, Refusal> {
        let _turn = self.turn.lock().await;
        let taken = self.running.lock().take();
        let Some(Running { environment, inner }) = taken else {
            return Err(Refusal::NotRunning);
        };
        let (relay, each) = match inner {
            Inner::Upstream { relay, each } => (relay, each),
            inner @ Inner::File { .. } => {
                self.runs(&environment, inner);
                return Ok(Some(Done::default()));
            }
        };
        relay.end_within(END_LIMIT).await;
        let resume = |each| {
            let relay = self.start_relay(&environment);
            self.runs(&environment, Inner::Upstream { relay, each });
        };
        if content_in_force(&environment) != comparison.in_force
            || !comparison.file.is_unchanged().await
        {
            resume(each);
            return Ok(None);
        }
        if let Err(error) = self.choice.save(Chosen::File).await {
            resume(each);
            return Err(error.into());
        }
        let unposted = each.end().await.flatten();
        let file = &comparison.file;
        let differences = environment.take_over(
            file.configuration.clone(),
            Arc::clone(&file.document),
            &comparison.proof.differing_flags,
        );
        tracing::info!(
            environment = environment.name(),
            file = %self.file.display(),
            upstream = self.upstream.name(),
            compared = %comparison.proof,
            changes = differences.len(),
            "the flags file has taken over from the upstream"
        );
        self.chosen.send_replace(Chosen::File);
        let inner = start_file(file.source(), &environment);
        self.runs(&environment, inner);
        Ok(Some(Done {
            changed: true,
            unposted,
        }))
    }

    async fn choose_upstream(&self) -> Result<Done, Refusal> {
        let _turn = self.turn.lock().await;
        let taken = self.running.lock().take();
        let Some(Running { environment, inner }) = taken else {
            return Err(Refusal::NotRunning);
        };
        let (follow, end) = match inner {
            Inner::File { follow, end } => (follow, end),
            inner @ Inner::Upstream { .. } => {
                self.runs(&environment, inner);
                return Ok(Done::default());
            }
        };
        if let Err(error) = self.choice.save(Chosen::Upstream).await {
            self.runs(&environment, Inner::File { follow, end });
            return Err(error.into());
        }
        environment.set_editor(None);
        end.end();
        follow.end_within(END_LIMIT).await;
        tracing::warn!(
            environment = environment.name(),
            file = %self.file.display(),
            upstream = self.upstream.name(),
            "the upstream serves again in place of the flags file"
        );
        self.chosen.send_replace(Chosen::Upstream);
        let inner = self.start_upstream(&environment, false);
        self.runs(&environment, inner);
        Ok(Done {
            changed: true,
            unposted: None,
        })
    }

    fn runs(&self, environment: &Arc<Environment>, inner: Inner) {
        *self.running.lock() = Some(Running {
            environment: Arc::clone(environment),
            inner,
        });
    }

    fn start_relay(&self, environment: &Arc<Environment>) -> Task<()> {
        let environment = Arc::clone(environment);
        Task::start(|stopping| self.upstream.relay().run(environment, stopping))
    }

    /// Starts the relay. `is_saved` says whether what is in force is the copy of the upstream's configuration on the disk.
    fn start_upstream(&self, environment: &Arc<Environment>, is_saved: bool) -> Inner {
        let (upstream, of) = (self.upstream.clone(), Arc::clone(environment));
        Inner::Upstream {
            each: Task::start(async move |stopping| {
                upstream.save_and_post(of, stopping, is_saved).await
            }),
            relay: self.start_relay(environment),
        }
    }
}

/// Starts to follow a flags file, and lets people edit it. Blocks for some seconds where the disk hangs.
fn start_file(source: FileSource, environment: &Arc<Environment>) -> Inner {
    let source = source.without_editor();
    let (end, editor) = (source.end(), source.editor(environment));
    let of = Arc::clone(environment);
    let follow = Task::start(|stopping| Box::new(source).run(of, stopping));
    environment.set_editor(editor);
    Inner::File { follow, end }
}

/// The source of an environment that has a [`Takeover`].
#[derive(Debug)]
pub struct TakeoverSource {
    takeover: Arc<Takeover>,
    /// The source that serves at the start: the file, or the upstream where it is `None`.
    file: Option<FileSource>,
}

impl TakeoverSource {
    /// Returns a source that starts as a relay.
    #[must_use]
    pub const fn with_upstream(takeover: Arc<Takeover>) -> Self {
        Self {
            takeover,
            file: None,
        }
    }

    /// Returns a source that starts with the file, which took over in an earlier run, and does not ask the upstream.
    #[must_use]
    pub const fn with_file(takeover: Arc<Takeover>, file: FileSource) -> Self {
        Self {
            takeover,
            file: Some(file),
        }
    }
}

impl Source for TakeoverSource {
    fn run(
        self: Box<Self>,
        environment: Arc<Environment>,
        mut stopping: watch::Receiver<bool>,
    ) -> BoxFuture<'static, ()> {
        let Self { takeover, file } = *self;
        let inner = match file {
            Some(file) => {
                takeover.chosen.send_replace(Chosen::File);
                start_file(file, &environment)
            }
            None => {
                takeover.upstream.restore_blocking(&environment);
                takeover.start_upstream(&environment, true)
            }
        };
        takeover.runs(&environment, inner);
        Box::pin(async move {
            until(&mut stopping).await;
            let _turn = takeover.turn.lock().await;
            let running = takeover.running.lock().take();
            match running.map(|running| running.inner) {
                Some(Inner::Upstream { relay, each }) => {
                    tokio::join!(relay.end(), each.end());
                }
                Some(Inner::File { follow, .. }) => drop(follow.end().await),
                None => {}
            }
        })
    }
}
