//! Does file work on threads of its own and waits for it no longer than a limit, so that a disk that hangs does not
//! stop the server.
//!
//! A network mount whose server is gone, a failing disk or a named pipe without a writer lets a read last for hours. On
//! the runtime's threads that would stop connections and signals, and the runtime waits for its own blocking threads
//! when it ends; so neither is used. A [`FileWorker`] does one piece of work at a time. Work that takes longer than the
//! limit is abandoned: it keeps its thread until it comes to an end, and must change nothing from then on. The next
//! work gets a thread of its own, as the mount may have been replaced, but after ever longer pauses: a mount that hangs
//! for a day costs eight threads. Computations on a file's content, under [`computing`], end by themselves and are
//! waited for without a limit, so that a large file on a busy machine does not count as a mount that hangs.

pub(crate) mod write;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// How long file work is waited for.
pub(crate) const LIMIT: Duration = Duration::from_secs(5);

/// How long no new work is tried after a second piece of work hangs. The pause is four times as long after each further
/// one.
const PAUSE: Duration = Duration::from_secs(60);

/// The pause between two checks whether the work before has ended.
const TRY_AGAIN: Duration = Duration::from_millis(1);

/// How many pieces of work may hang at the same time.
const MOST: u32 = 8;

/// Does work on one file, or in one directory, one piece after the other.
#[derive(Clone, Debug)]
pub(crate) struct FileWorker {
    limit: Duration,
    /// The lock that a caller holds while it waits for its work.
    turn: Arc<tokio::sync::Mutex<()>>,
    stuck: Arc<Mutex<Stuck>>,
}

/// Work that was abandoned and has not come to an end.
#[derive(Debug, Default)]
struct Stuck {
    pieces: u32,
    /// No new work is tried before this moment.
    pause: Option<Instant>,
}

/// Tells a piece of work whether its caller still waits for it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Abandoned {
    set: Arc<AtomicBool>,
    /// Whether the work computes at the moment, and so cannot hang.
    computes: Arc<AtomicBool>,
}

thread_local! {
    /// The work that this thread does.
    static WORK: RefCell<Abandoned> = RefCell::default();
}

/// Runs a computation that needs no file as a part of file work. The time limit does not apply to it.
pub(crate) fn computing<T>(compute: impl FnOnce() -> T) -> T {
    let computes = WORK.with_borrow(|work| Arc::clone(&work.computes));
    let before = computes.swap(true, Ordering::SeqCst);
    let result = compute();
    computes.store(before, Ordering::SeqCst);
    result
}

impl Abandoned {
    /// Whether the work took too long, and must change nothing any more.
    pub(crate) fn is_set(&self) -> bool {
        self.set.load(Ordering::SeqCst)
    }

    fn computes(&self) -> bool {
        self.computes.load(Ordering::SeqCst)
    }
}

impl Default for FileWorker {
    fn default() -> Self {
        Self {
            limit: LIMIT,
            turn: Arc::default(),
            stuck: Arc::default(),
        }
    }
}

/// The workers of files that may be opened again and again, by path.
static WORKERS: Mutex<BTreeMap<PathBuf, FileWorker>> = Mutex::new(BTreeMap::new());

impl FileWorker {
    /// Returns the one worker of the file at `path` in this process.
    pub(crate) fn of(path: &Path) -> Self {
        let mut places = WORKERS.lock();
        places.entry(path.to_owned()).or_default().clone()
    }

    /// Does `work` on a thread of its own, after the work that was asked for before. `what` names it, like "reading
    /// flags.yaml".
    ///
    /// # Errors
    /// [`io::ErrorKind::TimedOut`] if it, or what was asked for before it, does not come to an end within the limit.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        what: &str,
        work: impl FnOnce(&Abandoned) -> T + Send + 'static,
    ) -> io::Result<T> {
        let Ok(_turn) = timeout(self.limit, self.turn.lock()).await else {
            return Err(hangs(what, self.limit));
        };
        let (done, mut finished) = oneshot::channel();
        let mut waiting = self.begin(what, work, |result| drop(done.send(result)))?;
        let result = loop {
            let result = timeout(self.limit, &mut finished).await;
            if result.is_ok() || !waiting.abandoned.computes() {
                break result;
            }
        };
        waiting.ended = result.is_ok();
        match result {
            Ok(Ok(result)) => Ok(result),
            Ok(Err(_)) => Err(failed(what)),
            Err(_) => Err(hangs(what, self.limit)),
        }
    }

    /// Does `work` as [`run`](Self::run) does, for callers that may block. Most of them write, and report success only
    /// once the disk has the text. A busy disk takes seconds for that without being stuck, so the limit is three times
    /// as long.
    ///
    /// # Errors
    /// As for [`run`](Self::run).
    pub(crate) fn run_blocking<T: Send + 'static>(
        &self,
        what: &str,
        work: impl FnOnce(&Abandoned) -> T + Send + 'static,
    ) -> io::Result<T> {
        let limit = self.limit * 3;
        let asked = Instant::now();
        let _turn = loop {
            match self.turn.try_lock() {
                Ok(turn) => break turn,
                Err(_) if asked.elapsed() < limit => std::thread::sleep(TRY_AGAIN),
                Err(_) => return Err(hangs(what, limit)),
            }
        };
        let (done, finished) = channel();
        let mut waiting = self.begin(what, work, move |result| drop(done.send(result)))?;
        let result = loop {
            let result = finished.recv_timeout(limit);
            let late = matches!(result, Err(RecvTimeoutError::Timeout));
            if !late || !waiting.abandoned.computes() {
                break result;
            }
        };
        waiting.ended = !matches!(result, Err(RecvTimeoutError::Timeout));
        result.map_err(|error| match error {
            RecvTimeoutError::Timeout => hangs(what, limit),
            RecvTimeoutError::Disconnected => failed(what),
        })
    }

    /// Starts a thread that does `work` and calls `done` with its result.
    fn begin<T>(
        &self,
        what: &str,
        work: impl FnOnce(&Abandoned) -> T + Send + 'static,
        done: impl FnOnce(T) + Send + 'static,
    ) -> io::Result<PendingWork> {
        if self.pauses() {
            return Err(hangs(what, self.limit));
        }
        let abandoned = Abandoned::default();
        let end = End(Arc::clone(&self.stuck), abandoned.clone());
        std::thread::Builder::new()
            .name("files".to_owned())
            .spawn(move || {
                WORK.set(end.1.clone());
                let result = work(&end.1);
                // The caller may no longer wait for the result.
                done(result);
            })?;
        Ok(PendingWork {
            stuck: Arc::clone(&self.stuck),
            abandoned,
            ended: false,
        })
    }

    /// Whether no work is being done.
    #[cfg(test)]
    pub(crate) fn is_free(&self) -> bool {
        self.turn.try_lock().is_ok()
    }

    /// Returns a worker with a short limit.
    #[cfg(test)]
    pub(crate) fn hurried() -> Self {
        Self {
            limit: Duration::from_millis(100),
            ..Self::default()
        }
    }

    fn pauses(&self) -> bool {
        let stuck = self.stuck.lock();
        stuck.pieces >= MOST || stuck.pause.is_some_and(|until| Instant::now() < until)
    }
}

/// Work that is waited for. Dropped before its end, it is abandoned.
struct PendingWork {
    stuck: Arc<Mutex<Stuck>>,
    abandoned: Abandoned,
    ended: bool,
}

impl Drop for PendingWork {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        let mut stuck = self.stuck.lock();
        self.abandoned.set.store(true, Ordering::SeqCst);
        stuck.pieces = stuck.pieces.saturating_add(1);
        stuck.pause = stuck.pieces.checked_sub(2).map(|further| {
            let pause = PAUSE.saturating_mul(4_u32.saturating_pow(further));
            Instant::now() + pause
        });
    }
}

/// The end of work, also by a panic.
struct End(Arc<Mutex<Stuck>>, Abandoned);

impl Drop for End {
    fn drop(&mut self) {
        let mut stuck = self.0.lock();
        if self.1.is_set() {
            stuck.pieces = stuck.pieces.saturating_sub(1);
            stuck.pause = None;
        }
    }
}

/// Whether there is no room to write.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
    )
}

fn failed(what: &str) -> io::Error {
    io::Error::other(format!("{what} failed"))
}

fn hangs(what: &str, limit: Duration) -> io::Error {
    let reason = format!(
        "{what} has not come to an end within {} s; the disk or network mount hangs, or it is a pipe that nobody writes to",
        limit.as_secs()
    );
    io::Error::new(io::ErrorKind::TimedOut, reason)
}

/// Does work that the start of the program cannot do without, however long it takes, and warns when it takes long. A signal ends the
/// program meanwhile, after a pause.
pub(crate) fn at_start<T: Send + 'static>(
    what: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<T> {
    let (done, finished) = channel();
    std::thread::Builder::new()
        .name("files".to_owned())
        .spawn(move || drop(done.send(work())))?;
    match finished.recv_timeout(LIMIT) {
        Ok(result) => Ok(result),
        Err(RecvTimeoutError::Disconnected) => Err(failed(what)),
        Err(RecvTimeoutError::Timeout) => {
            let said = format!("{}; the start waits for it", hangs(what, LIMIT));
            // There is no log before the options are read.
            if tracing::dispatcher::has_been_set() {
                tracing::warn!("{said}");
            } else {
                eprintln!("{said}");
            }
            let result = finished.recv().map_err(|_| failed(what))?;
            tracing::info!("{what} has come to its end");
            Ok(result)
        }
    }
}

/// Reads a file that the start of the program cannot do without, see [`at_start`].
///
/// # Errors
/// The error of the system.
pub(crate) fn read_at_start(path: &Path) -> io::Result<Vec<u8>> {
    let file = path.to_owned();
    at_start(&format!("reading {}", path.display()), move || {
        std::fs::read(file)
    })
    .flatten()
}

/// Reads a text file that the start of the program cannot do without, see [`at_start`].
///
/// # Errors
/// The error of the system, or [`io::ErrorKind::InvalidData`] if the text is not UTF-8.
pub(crate) fn read_text_at_start(path: &Path) -> io::Result<String> {
    String::from_utf8(read_at_start(path)?).map_err(|_| {
        io::Error::new(
            io::ErrorKind::InvalidData,
            "it is not UTF-8 text; save it as UTF-8",
        )
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::sync::mpsc::{Receiver, Sender};

    use super::*;

    /// Hangs until the sender is used, and counts that it has begun.
    fn hanging(begun: &Arc<AtomicUsize>) -> (Sender<()>, impl FnOnce(&Abandoned) + Send + use<>) {
        let (release, hung): (_, Receiver<()>) = channel();
        let begun = Arc::clone(begun);
        let work = move |_: &Abandoned| {
            begun.fetch_add(1, Ordering::SeqCst);
            let _ = hung.recv();
        };
        (release, work)
    }

    #[tokio::test]
    async fn work_that_hangs_costs_two_threads_and_after_that_fewer_and_fewer() {
        let place = FileWorker::hurried();
        let begun = Arc::new(AtomicUsize::new(0));
        let mut releases = Vec::new();
        for _ in 0..20 {
            let (release, work) = hanging(&begun);
            let error = place.run("reading x", work).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
            assert!(
                error.to_string().starts_with("reading x has not"),
                "{error}"
            );
            releases.push(release);
        }
        assert_eq!(begun.load(Ordering::SeqCst), 2);
        let pause = place.stuck.lock().pause.unwrap();
        assert!(pause > Instant::now());
        // The pause is over: one more thread, and a longer pause.
        place.stuck.lock().pause = None;
        let (release, work) = hanging(&begun);
        place.run("reading x", work).await.unwrap_err();
        releases.push(release);
        assert!(place.stuck.lock().pause.unwrap() > pause);
        // However often that happens, there is an end to it.
        for _ in 0..20 {
            place.stuck.lock().pause = None;
            let (release, work) = hanging(&begun);
            place.run("reading x", work).await.unwrap_err();
            releases.push(release);
        }
        assert_eq!(begun.load(Ordering::SeqCst), MOST as usize);
        // The mount is back.
        drop(releases);
        while place.stuck.lock().pieces > 0 {
            tokio::task::yield_now().await;
        }
        let place = FileWorker {
            limit: LIMIT,
            ..place
        };
        assert_eq!(place.run("reading x", |_| 7).await.unwrap(), 7);
    }

    #[tokio::test]
    async fn work_that_took_too_long_learns_that_it_must_change_nothing() {
        let (release, hung) = channel::<()>();
        let (tell, told) = oneshot::channel();
        let place = FileWorker::hurried();
        let late = place.run("writing x", move |abandoned| {
            let before = abandoned.is_set();
            let _ = hung.recv();
            let _ = tell.send((before, abandoned.is_set()));
        });
        late.await.unwrap_err();
        drop(release);
        assert_eq!(told.await.unwrap(), (false, true));
    }

    #[tokio::test]
    async fn what_is_computed_from_a_file_is_waited_for_past_the_limit() {
        let place = FileWorker::hurried();
        let compute = |_: &Abandoned| {
            computing(|| std::thread::sleep(Duration::from_millis(350)));
            7
        };
        assert_eq!(place.run("reading x", compute).await.unwrap(), 7);
        let blocking = place.clone();
        let waited = std::thread::spawn(move || blocking.run_blocking("reading x", compute));
        assert_eq!(waited.join().unwrap().unwrap(), 7);
        let (release, hung) = channel::<()>();
        let hangs = place.run("reading x", move |_| {
            computing(|| ());
            hung.recv()
        });
        hangs.await.unwrap_err();
        drop(release);
    }

    #[tokio::test]
    async fn work_that_panics_is_an_error_and_gives_its_place_back() {
        let place = FileWorker::default();
        assert!(
            place
                .run("reading x", |_| panic!("on purpose"))
                .await
                .is_err()
        );
        assert_eq!(place.run("reading x", |_| 7).await.unwrap(), 7);
    }
}
