//! A worker: a thread that holds the sockets of open streams.
//!
//! For a worker an idle stream is an entry in a table, not a task with timers and wakers of its own. A change is one walk over that
//! table, in which the bytes of each stream are written at once. A client that does not read them is written to again when its
//! socket has room. Until then the channel of events counts how far it lags behind, and cuts it off in the end.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Wake};
use std::time::{Duration, Instant};

use bytes::Bytes;
use mio::event::Event as Readiness;
use mio::net::TcpStream;
use mio::{Events, Interest, Token};
use slab::Slab;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;

use super::handover::HandOver;
use super::open_stream::{Ended, Heartbeats, OpenStream};
use crate::environment::Environment;
use crate::environment::catch_up::EVERY;
use crate::stopping::until;

/// A heartbeat may be late by the time between two, divided by this. So the table is searched at most this many times
/// in that time.
const HEARTBEAT_LATENESS: u32 = 32;

/// The token of the waker; those of streams are their places in the table.
const WAKER: Token = Token(usize::MAX);

type Task<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A stream on its way to a worker.
pub(super) struct Arrival<P> {
    pub(super) socket: std::net::TcpStream,
    pub(super) stream: HandOver,
    pub(super) permit: P,
}

/// Sends streams to a worker. When it is dropped, the worker writes the last frames of its streams and ends.
#[derive(Debug)]
pub(super) struct WorkerHandle<P> {
    /// `None` only while the handle is dropped: the worker must find the channel closed when it is woken then.
    arrivals: Option<mpsc::Sender<Arrival<P>>>,
    waker: Arc<WorkerWaker>,
    #[cfg(test)]
    thread: std::thread::JoinHandle<()>,
}

/// Starts a worker.
///
/// # Errors
/// The error of the system, if it refuses a thread or the means to poll.
pub(super) fn start<P: Send + 'static>(
    stopping: &watch::Receiver<bool>,
) -> io::Result<WorkerHandle<P>> {
    let poll = mio::Poll::new()?;
    let waker = Arc::new(WorkerWaker {
        waker: mio::Waker::new(poll.registry(), WAKER)?,
        woken: AtomicBool::new(false),
    });
    let (arrivals, inbox) = mpsc::channel();
    let mut stopping = stopping.clone();
    let worker = Worker {
        poll,
        waker: Arc::clone(&waker),
        inbox,
        stopping: Some(Box::pin(async move { until(&mut stopping).await })),
        signals: Vec::new(),
        streams: Slab::new(),
        ends: VecDeque::new(),
        next_heartbeat: None,
        catching_up: Vec::new(),
    };
    // A future has to be polled once before it wakes anything.
    waker.wake_by_ref();
    let thread = std::thread::Builder::new()
        .name("streams".to_owned())
        .spawn(move || worker.run())?;
    #[cfg(not(test))]
    drop(thread);
    Ok(WorkerHandle {
        arrivals: Some(arrivals),
        waker,
        #[cfg(test)]
        thread,
    })
}

impl<P> WorkerHandle<P> {
    /// Gives the worker a stream.
    ///
    /// # Errors
    /// The stream, if the worker's thread has ended.
    pub(super) fn send(&self, arrival: Arrival<P>) -> Result<(), Arrival<P>> {
        let Some(arrivals) = &self.arrivals else {
            return Err(arrival);
        };
        arrivals.send(arrival).map_err(|refused| refused.0)?;
        self.waker.wake_by_ref();
        Ok(())
    }

    #[cfg(test)]
    pub(super) fn is_alive(&self) -> bool {
        !self.thread.is_finished()
    }
}

impl<P> Drop for WorkerHandle<P> {
    fn drop(&mut self) {
        self.arrivals = None;
        self.waker.wake_by_ref();
    }
}

/// Ends a worker's wait when there are events, arrivals or the end of the server.
#[derive(Debug)]
struct WorkerWaker {
    waker: mio::Waker,
    /// Whether it was woken since the last reset; once is enough.
    woken: AtomicBool,
}

impl WorkerWaker {
    /// Returns whether the worker was woken. Called before the worker looks at what it was woken for, so that what comes in between
    /// wakes it again.
    fn reset(&self) -> bool {
        self.woken.swap(false, Ordering::AcqRel)
    }
}

impl Wake for WorkerWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.woken.swap(true, Ordering::AcqRel)
            && let Err(error) = self.waker.wake()
        {
            self.woken.store(false, Ordering::Release);
            tracing::error!(%error, "cannot wake a worker thread of streams");
        }
    }
}

struct Worker<P> {
    poll: mio::Poll,
    waker: Arc<WorkerWaker>,
    inbox: mpsc::Receiver<Arrival<P>>,
    /// Completes when the server stops; `None` after that.
    stopping: Option<Task<()>>,
    /// The signals, one for each environment that has a stream here.
    signals: Vec<EventSignal>,
    streams: Slab<OpenStream<P>>,
    /// When each stream is to end, as the server has stopped; the first one first.
    ends: VecDeque<(Instant, usize)>,
    /// When the next heartbeat may be due.
    next_heartbeat: Option<Instant>,
    /// Streams to which everything is written, slice by slice.
    catching_up: Vec<usize>,
}

/// Wakes the worker when an environment has new events.
struct EventSignal {
    environment: Arc<Environment>,
    next: Task<()>,
}

impl EventSignal {
    fn new(environment: Arc<Environment>) -> Self {
        Self {
            next: Self::next(&environment),
            environment,
        }
    }

    /// Completes with the first event from now on.
    fn next(environment: &Environment) -> Task<()> {
        let mut events = environment.subscribe();
        Box::pin(async move {
            if let Err(RecvError::Closed) = events.recv().await {
                std::future::pending::<()>().await;
            }
        })
    }
}

impl<P> Worker<P> {
    /// Runs until no more streams can be sent to this worker.
    fn run(mut self) {
        let mut ready = Events::with_capacity(1024);
        let heartbeats = Heartbeats::new();
        loop {
            let slice = (!self.catching_up.is_empty()).then(|| Instant::now() + EVERY / 2);
            let next = [
                self.next_heartbeat,
                self.ends.front().map(|(at, _)| *at),
                slice,
            ];
            let wait = next
                .into_iter()
                .flatten()
                .min()
                .map(|at| at.saturating_duration_since(Instant::now()));
            if let Err(error) = self.poll.poll(&mut ready, wait)
                && error.kind() != io::ErrorKind::Interrupted
            {
                tracing::error!(%error, "a worker thread of streams cannot go on");
                return;
            }
            // These are handled before arrivals, as a new stream may get the place of one that has ended.
            for readiness in &ready {
                if readiness.token() != WAKER {
                    self.handle_readiness(readiness);
                }
            }
            if self.waker.reset() {
                self.handle_signals();
                if !self.take_arrivals() {
                    // The server waits no longer, so the streams whose turn has not come end now.
                    self.each(OpenStream::finish);
                    return;
                }
            }
            let now = Instant::now();
            if self.next_heartbeat.is_some_and(|at| at <= now) {
                self.write_heartbeats(now, &heartbeats);
            }
            if !self.catching_up.is_empty() {
                self.catch_up(now);
            }
            while self.ends.front().is_some_and(|(at, _)| *at <= now) {
                if let Some((_, key)) = self.ends.pop_front() {
                    self.with(key, OpenStream::finish);
                }
            }
        }
    }

    /// Writes a slice of everything to each stream for which one is due.
    fn catch_up(&mut self, now: Instant) {
        for key in std::mem::take(&mut self.catching_up) {
            self.with(key, |stream| stream.catch_up(now));
            let stream = self.streams.get(key);
            if stream.is_some_and(|stream| stream.subscriber.catch_up.is_some()) {
                self.catching_up.push(key);
            }
        }
    }

    /// Does something with a stream, and removes it if that ends it.
    fn with(&mut self, key: usize, what: impl FnOnce(&mut OpenStream<P>) -> Result<(), Ended>) {
        if let Some(stream) = self.streams.get_mut(key)
            && let Err(Ended) = what(stream)
        {
            self.remove(key);
        }
    }

    /// Removes a stream, which closes its socket.
    fn remove(&mut self, key: usize) {
        if let Some(mut stream) = self.streams.try_remove(key) {
            drop(self.poll.registry().deregister(&mut stream.socket));
        }
        // Memory that many streams have taken is given back after the last of them.
        if self.streams.is_empty() {
            self.streams = Slab::new();
            self.ends = VecDeque::new();
            self.next_heartbeat = None;
        }
    }

    /// Polls everything that may have woken the worker, so that each of them wakes it again the next time. Writes new
    /// events, and plans the end of all streams once the server stops.
    fn handle_signals(&mut self) {
        let waker = Arc::clone(&self.waker).into();
        let mut context = Context::from_waker(&waker);
        let mut fresh = vec![false; self.signals.len()];
        for (signal, fresh) in self.signals.iter_mut().zip(&mut fresh) {
            while let Poll::Ready(()) = signal.next.as_mut().poll(&mut context) {
                *fresh = true;
                // The events that are there already are read below.
                signal.next = EventSignal::next(&signal.environment);
            }
        }
        if fresh.contains(&true) {
            let begun = Instant::now();
            let mut written = 0_usize;
            self.each(|stream| {
                if fresh.get(stream.signal) != Some(&true) {
                    return Ok(());
                }
                written += 1;
                stream.advance()
            });
            tracing::debug!(streams = written, time = ?begun.elapsed(), "wrote changes");
        }
        if let Some(stopping) = &mut self.stopping
            && stopping.as_mut().poll(&mut context).is_ready()
        {
            self.stopping = None;
            for (key, stream) in &self.streams {
                self.ends.push_back((stream.end(), key));
            }
        }
    }

    /// Does something with each stream, and removes those that it ends.
    fn each(&mut self, mut what: impl FnMut(&mut OpenStream<P>) -> Result<(), Ended>) {
        let mut over = Vec::new();
        for (key, stream) in &mut self.streams {
            if what(stream).is_err() {
                over.push(key);
            }
        }
        for key in over {
            self.remove(key);
        }
    }

    /// Adds the streams that have arrived. Returns false once no more can come.
    fn take_arrivals(&mut self) -> bool {
        loop {
            match self.inbox.try_recv() {
                Ok(arrival) => self.add(arrival),
                Err(mpsc::TryRecvError::Empty) => return true,
                Err(mpsc::TryRecvError::Disconnected) => return false,
            }
        }
    }

    fn add(&mut self, arrival: Arrival<P>) {
        let Arrival {
            socket,
            stream: HandOver {
                subscriber,
                framing,
            },
            permit,
        } = arrival;
        let signal = self.signal(subscriber.guard.environment());
        let heartbeat_due = Instant::now() + subscriber.every;
        let catches_up = subscriber.catch_up.is_some();
        let vacant = self.streams.vacant_entry();
        let key = vacant.key();
        let stream = vacant.insert(OpenStream {
            socket: TcpStream::from_std(socket),
            signal,
            subscriber,
            framing,
            unsent: Bytes::new(),
            ending: false,
            heartbeat_due,
            _permit: permit,
        });
        // The socket is registered for both from the start: mio reports readiness when it begins, so that room which is
        // not waited for is reported only once.
        let registered = self.poll.registry().register(
            &mut stream.socket,
            Token(key),
            Interest::READABLE | Interest::WRITABLE,
        );
        if let Err(error) = registered {
            tracing::warn!(%error, "cannot poll the socket of a stream; the stream is closed");
            self.remove(key);
            return;
        }
        self.next_heartbeat = Some(
            self.next_heartbeat
                .map_or(heartbeat_due, |at| at.min(heartbeat_due)),
        );
        if catches_up && !self.catching_up.contains(&key) {
            self.catching_up.push(key);
        }
        if self.stopping.is_none() {
            self.ends.push_back((stream.end(), key));
        }
        // Writes the events since the stream has subscribed.
        self.with(key, OpenStream::advance);
    }

    /// Returns the index of an environment's signal, which is made if there is none.
    fn signal(&mut self, environment: &Arc<Environment>) -> usize {
        let known = self
            .signals
            .iter()
            .position(|signal| Arc::ptr_eq(&signal.environment, environment));
        known.unwrap_or_else(|| {
            let mut signal = EventSignal::new(Arc::clone(environment));
            let waker = Arc::clone(&self.waker).into();
            if signal
                .next
                .as_mut()
                .poll(&mut Context::from_waker(&waker))
                .is_ready()
            {
                // There is a new event already.
                self.waker.wake_by_ref();
            }
            self.signals.push(signal);
            self.signals.len() - 1
        })
    }

    /// Handles what mio reports about the socket of a stream.
    fn handle_readiness(&mut self, readiness: &Readiness) {
        let Token(key) = readiness.token();
        // Of all that a client may do, only that it closes the connection matters.
        let gone = readiness.is_read_closed() || readiness.is_error();
        let mut sends_more = false;
        self.with(key, |stream| {
            if gone {
                return Err(Ended);
            }
            if readiness.is_readable() {
                sends_more = stream.discard()?;
            }
            stream.advance()
        });
        if sends_more && let Some(stream) = self.streams.get_mut(key) {
            // With this the readiness is reported once more, after the other streams had their turn.
            let interest = Interest::READABLE | Interest::WRITABLE;
            let again = self
                .poll
                .registry()
                .reregister(&mut stream.socket, Token(key), interest);
            if again.is_err() {
                self.remove(key);
            }
        }
    }

    /// Writes a heartbeat to each stream that was silent for long enough.
    fn write_heartbeats(&mut self, now: Instant, heartbeats: &Heartbeats) {
        let mut next: Option<(Instant, Duration)> = None;
        self.each(|stream| {
            let result = if stream.heartbeat_due <= now {
                stream.beat(now, heartbeats)
            } else {
                Ok(())
            };
            let own = (stream.heartbeat_due, stream.subscriber.every);
            next = Some(next.map_or(own, |next| next.min(own)));
            result
        });
        self.next_heartbeat = next.map(|(due, every)| due.max(now + every / HEARTBEAT_LATENESS));
    }
}
