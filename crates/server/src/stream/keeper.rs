//! Keepers: threads that hold the sockets of open streams, one for each processor.
//!
//! To a keeper an idle stream is an entry in a table and no task with timers and wakers of its own; a change is one walk over
//! that table, each stream's bytes written on the spot. Whoever does not take them is asked again when its socket has room,
//! and until then what it lags behind is counted by the channel of events, which cuts it off in the end.

use std::collections::VecDeque;
use std::io::{self, Read as _, Write as _};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Wake};
use std::time::{Duration, Instant};

use bytes::{Buf as _, Bytes, BytesMut};
use mio::event::Event as Readiness;
use mio::net::TcpStream;
use mio::{Events, Interest, Token};
use slab::Slab;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;

use super::{CutOff, HandOver, Heartbeat, Subscriber};
use crate::environment::Environment;
use crate::environment::catch_up::EVERY;
use crate::environment::framing::{Framed, Framing};

/// What the kernel keeps for a reader that does not take it; a stream's events are small.
#[cfg(unix)]
const SEND_BUFFER_BYTES: usize = 128 * 1024;

/// How late a heartbeat may be, as a part of the time between two: so the table is looked through this often at most.
const HEARTBEAT_LATENESS: u32 = 32;

/// Read of what a client says at a time; others want their turn.
const DISCARD_BYTES: usize = 4096;

const BELL: Token = Token(usize::MAX);

type Task<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// The keepers of a server. `P` is kept with each stream for as long as that is open.
#[derive(Debug)]
pub(crate) struct Keepers<P> {
    doors: Vec<Door<P>>,
    next: AtomicUsize,
}

/// The way to a keeper.
#[derive(Debug)]
struct Door<P> {
    /// Before the bell, so that the last ring finds it closed.
    arrivals: Option<mpsc::Sender<Arrival<P>>>,
    bell: Arc<Bell>,
}

struct Arrival<P> {
    socket: std::net::TcpStream,
    stream: HandOver,
    permit: P,
}

impl<P: Send + 'static> Keepers<P> {
    /// Each ends when this is dropped, and says farewell to whom it keeps.
    pub(crate) fn start(stopping: &watch::Receiver<bool>) -> io::Result<Self> {
        let count = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let doors = (0..count)
            .map(|_| {
                let poll = mio::Poll::new()?;
                let bell = Arc::new(Bell {
                    waker: mio::Waker::new(poll.registry(), BELL)?,
                    rung: AtomicBool::new(false),
                });
                let (arrivals, inbox) = mpsc::channel();
                let mut stopping = stopping.clone();
                let keeper = Keeper {
                    poll,
                    bell: Arc::clone(&bell),
                    inbox,
                    stopping: Some(Box::pin(async move {
                        crate::stopping::until(&mut stopping).await;
                    })),
                    feeds: Vec::new(),
                    streams: Slab::new(),
                    ends: VecDeque::new(),
                    look_at: None,
                    catching_up: Vec::new(),
                };
                // Whatever may ring it has to be looked at once first.
                bell.wake_by_ref();
                std::thread::Builder::new()
                    .name("streams".to_owned())
                    .spawn(move || keeper.run())?;
                Ok(Door {
                    arrivals: Some(arrivals),
                    bell,
                })
            })
            .collect::<io::Result<_>>()?;
        Ok(Self {
            doors,
            next: AtomicUsize::new(0),
        })
    }

    /// Gives a stream the socket on which its head was written.
    pub(crate) fn take(&self, socket: tokio::net::TcpStream, stream: HandOver, permit: P) {
        // Away from the runtime, whose record of a socket keeps the memory of the task that asked for it last.
        let socket = match socket.into_std() {
            Ok(socket) => socket,
            Err(error) => {
                tracing::warn!(%error, "cannot hand a stream its socket");
                return;
            }
        };
        #[cfg(unix)]
        if let Err(error) = socket2::SockRef::from(&socket).set_send_buffer_size(SEND_BUFFER_BYTES)
        {
            tracing::trace!(%error, "cannot set SO_SNDBUF");
        }
        let turn = self.next.fetch_add(1, Ordering::Relaxed) % self.doors.len().max(1);
        let Some(Door {
            arrivals: Some(arrivals),
            bell,
        }) = self.doors.get(turn)
        else {
            return;
        };
        let arrival = Arrival {
            socket,
            stream,
            permit,
        };
        if arrivals.send(arrival).is_err() {
            tracing::error!("a keeper of streams is gone; the stream is closed");
        }
        bell.wake_by_ref();
    }
}

impl<P> Drop for Door<P> {
    fn drop(&mut self) {
        self.arrivals = None;
        self.bell.wake_by_ref();
    }
}

/// Ends a keeper's wait, by whoever has news for it.
#[derive(Debug)]
struct Bell {
    waker: mio::Waker,
    /// Once is enough until it is answered.
    rung: AtomicBool,
}

impl Bell {
    /// Before what was rung for is looked at, so that a ring in between is not lost.
    fn answer(&self) -> bool {
        self.rung.swap(false, Ordering::AcqRel)
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.rung.swap(true, Ordering::AcqRel)
            && let Err(error) = self.waker.wake()
        {
            self.rung.store(false, Ordering::Release);
            tracing::error!(%error, "cannot wake a keeper of streams");
        }
    }
}

struct Keeper<P> {
    poll: mio::Poll,
    bell: Arc<Bell>,
    inbox: mpsc::Receiver<Arrival<P>>,
    /// Until the server stops.
    stopping: Option<Task<()>>,
    feeds: Vec<Feed>,
    streams: Slab<Kept<P>>,
    /// When which stream is to end, as the server has stopped; the first one first.
    ends: VecDeque<(Instant, usize)>,
    /// When the next heartbeat may be due.
    look_at: Option<Instant>,
    /// Streams that are told of everything, slice by slice.
    catching_up: Vec<usize>,
}

/// Says when an environment has new events.
struct Feed {
    environment: Arc<Environment>,
    news: Task<()>,
}

impl Feed {
    fn new(environment: Arc<Environment>) -> Self {
        Self {
            news: Self::news(&environment),
            environment,
        }
    }

    fn news(environment: &Environment) -> Task<()> {
        let mut events = environment.subscribe();
        Box::pin(async move {
            if let Err(RecvError::Closed) = events.recv().await {
                std::future::pending::<()>().await;
            }
        })
    }
}

/// An open stream.
struct Kept<P> {
    socket: TcpStream,
    /// Which feed tells of its events.
    feed: usize,
    subscriber: Subscriber,
    framing: Framing,
    /// For which its socket had no room.
    unsent: Bytes,
    /// Nothing follows what is unsent.
    ending: bool,
    /// For its next heartbeat.
    due: Instant,
    _permit: P,
}

/// The stream is over.
struct Over;

impl<P> Keeper<P> {
    fn run(mut self) {
        let mut ready = Events::with_capacity(1024);
        let beats = Beats::new();
        loop {
            let slice = (!self.catching_up.is_empty()).then(|| Instant::now() + EVERY / 2);
            let next = [self.look_at, self.ends.front().map(|(at, _)| *at), slice];
            let wait = next
                .into_iter()
                .flatten()
                .min()
                .map(|at| at.saturating_duration_since(Instant::now()));
            if let Err(error) = self.poll.poll(&mut ready, wait)
                && error.kind() != io::ErrorKind::Interrupted
            {
                tracing::error!(%error, "a keeper of streams cannot go on");
                return;
            }
            // First, as a stream that is let in may get the place of one that has gone.
            for readiness in &ready {
                if readiness.token() != BELL {
                    self.attend(readiness);
                }
            }
            if self.bell.answer() {
                self.read_news();
                if !self.let_in() {
                    // The server waits no longer; those whose turn has not come are told now.
                    self.each(Kept::say_goodbye);
                    return;
                }
            }
            let now = Instant::now();
            if self.look_at.is_some_and(|at| at <= now) {
                self.beat(now, &beats);
            }
            if !self.catching_up.is_empty() {
                self.catch_up(now);
            }
            while self.ends.front().is_some_and(|(at, _)| *at <= now) {
                if let Some((_, key)) = self.ends.pop_front() {
                    self.with(key, Kept::say_goodbye);
                }
            }
        }
    }

    /// A slice of everything for each stream for which one is due.
    fn catch_up(&mut self, now: Instant) {
        for key in std::mem::take(&mut self.catching_up) {
            self.with(key, |stream| stream.catch_up(now));
            let stream = self.streams.get(key);
            if stream.is_some_and(|stream| stream.subscriber.catch_up.is_some()) {
                self.catching_up.push(key);
            }
        }
    }

    /// Does something with a stream, which may end it.
    fn with(&mut self, key: usize, what: impl FnOnce(&mut Kept<P>) -> Result<(), Over>) {
        if let Some(stream) = self.streams.get_mut(key)
            && let Err(Over) = what(stream)
        {
            self.let_go(key);
        }
    }

    fn let_go(&mut self, key: usize) {
        if let Some(mut stream) = self.streams.try_remove(key) {
            drop(self.poll.registry().deregister(&mut stream.socket));
        }
        // After a crowd has left, its room is given back.
        if self.streams.is_empty() {
            self.streams = Slab::new();
            self.ends = VecDeque::new();
            self.look_at = None;
        }
    }

    /// Looks at everything that may have rung, and has the bell rung for what comes next.
    fn read_news(&mut self) {
        let waker = Arc::clone(&self.bell).into();
        let mut context = Context::from_waker(&waker);
        let mut fresh = vec![false; self.feeds.len()];
        for (feed, fresh) in self.feeds.iter_mut().zip(&mut fresh) {
            while let Poll::Ready(()) = feed.news.as_mut().poll(&mut context) {
                *fresh = true;
                // From here on: what there is already is read below.
                feed.news = Feed::news(&feed.environment);
            }
        }
        if fresh.contains(&true) {
            let begun = Instant::now();
            let mut told = 0_usize;
            self.each(|stream| {
                if fresh.get(stream.feed) != Some(&true) {
                    return Ok(());
                }
                told += 1;
                stream.advance()
            });
            tracing::debug!(streams = told, time = ?begun.elapsed(), "told of changes");
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

    fn each(&mut self, mut what: impl FnMut(&mut Kept<P>) -> Result<(), Over>) {
        let mut over = Vec::new();
        for (key, stream) in &mut self.streams {
            if what(stream).is_err() {
                over.push(key);
            }
        }
        for key in over {
            self.let_go(key);
        }
    }

    /// Takes in what has arrived. False once nobody can bring more.
    fn let_in(&mut self) -> bool {
        loop {
            match self.inbox.try_recv() {
                Ok(arrival) => self.keep(arrival),
                Err(mpsc::TryRecvError::Empty) => return true,
                Err(mpsc::TryRecvError::Disconnected) => return false,
            }
        }
    }

    fn keep(&mut self, arrival: Arrival<P>) {
        let Arrival {
            socket,
            stream: HandOver {
                subscriber,
                framing,
            },
            permit,
        } = arrival;
        let feed = self.feed(subscriber.guard.environment());
        let due = Instant::now() + subscriber.every;
        let catches_up = subscriber.catch_up.is_some();
        let place = self.streams.vacant_entry();
        let key = place.key();
        let stream = place.insert(Kept {
            socket: TcpStream::from_std(socket),
            feed,
            subscriber,
            framing,
            unsent: Bytes::new(),
            ending: false,
            due,
            _permit: permit,
        });
        // Both, once and for all: readiness is told when it begins, so that room nobody waits for is told of once.
        let registered = self.poll.registry().register(
            &mut stream.socket,
            Token(key),
            Interest::READABLE | Interest::WRITABLE,
        );
        if let Err(error) = registered {
            tracing::warn!(%error, "cannot keep a stream");
            self.let_go(key);
            return;
        }
        self.look_at = Some(self.look_at.map_or(due, |at| at.min(due)));
        if catches_up && !self.catching_up.contains(&key) {
            self.catching_up.push(key);
        }
        if self.stopping.is_none() {
            self.ends.push_back((stream.end(), key));
        }
        // What has happened since it subscribed.
        self.with(key, Kept::advance);
    }

    fn feed(&mut self, environment: &Arc<Environment>) -> usize {
        let known = self
            .feeds
            .iter()
            .position(|feed| Arc::ptr_eq(&feed.environment, environment));
        known.unwrap_or_else(|| {
            let mut feed = Feed::new(Arc::clone(environment));
            let waker = Arc::clone(&self.bell).into();
            if feed
                .news
                .as_mut()
                .poll(&mut Context::from_waker(&waker))
                .is_ready()
            {
                // Looked at again at once.
                self.bell.wake_by_ref();
            }
            self.feeds.push(feed);
            self.feeds.len() - 1
        })
    }

    fn attend(&mut self, readiness: &Readiness) {
        let Token(key) = readiness.token();
        // Of all that a client may do, going away is what matters.
        let gone = readiness.is_read_closed() || readiness.is_error();
        let mut talks_on = false;
        self.with(key, |stream| {
            if gone {
                return Err(Over);
            }
            if readiness.is_readable() {
                talks_on = stream.discard()?;
            }
            stream.advance()
        });
        if talks_on && let Some(stream) = self.streams.get_mut(key) {
            // Told of it once more, after the others.
            let interest = Interest::READABLE | Interest::WRITABLE;
            let again = self
                .poll
                .registry()
                .reregister(&mut stream.socket, Token(key), interest);
            if again.is_err() {
                self.let_go(key);
            }
        }
    }

    /// A heartbeat for each stream that was silent for long enough.
    fn beat(&mut self, now: Instant, beats: &Beats) {
        let mut next: Option<(Instant, Duration)> = None;
        self.each(|stream| {
            let result = if stream.due <= now {
                stream.beat(now, beats)
            } else {
                Ok(())
            };
            let own = (stream.due, stream.subscriber.every);
            next = Some(next.map_or(own, |next| next.min(own)));
            result
        });
        self.look_at = next.map(|(due, every)| due.max(now + every / HEARTBEAT_LATENESS));
    }
}

/// The two kinds of heartbeats, as they go over the wire.
struct Beats {
    comment: Framed,
    event: Framed,
}

impl Beats {
    fn new() -> Self {
        Self {
            comment: Framed::new(Heartbeat::Comment.frame()),
            event: Framed::new(Heartbeat::Event.frame()),
        }
    }

    const fn of(&self, heartbeat: Heartbeat) -> &Framed {
        match heartbeat {
            Heartbeat::Comment => &self.comment,
            Heartbeat::Event => &self.event,
        }
    }
}

impl<P> Kept<P> {
    /// Writes what there is to say, as far as there is room.
    fn advance(&mut self) -> Result<(), Over> {
        loop {
            self.write()?;
            if !self.unsent.is_empty() {
                return Ok(());
            }
            if self.ending {
                return Err(Over);
            }
            match self.subscriber.burst(self.framing) {
                Ok(bytes) if bytes.is_empty() => return Ok(()),
                Ok(bytes) => {
                    self.unsent = bytes;
                    self.due = Instant::now() + self.subscriber.every;
                }
                Err(CutOff) => {
                    self.unsent = self.framing.end();
                    self.ending = true;
                }
            }
        }
    }

    /// Writes a slice of everything that is due, once what came before is on its way.
    fn catch_up(&mut self, now: Instant) -> Result<(), Over> {
        if !self.unsent.is_empty() || self.ending {
            return Ok(());
        }
        if let Some(slice) = self.subscriber.slice(now) {
            self.unsent = slice.in_framing(self.framing).clone();
            self.due = now + self.subscriber.every;
        }
        self.advance()
    }

    fn write(&mut self) -> Result<(), Over> {
        while !self.unsent.is_empty() {
            match self.socket.write(&self.unsent) {
                Ok(0) => return Err(Over),
                Ok(written) => self.unsent.advance(written),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Err(Over),
            }
        }
        // Lets go of what may be shared with others.
        self.unsent = Bytes::new();
        Ok(())
    }

    fn beat(&mut self, now: Instant, beats: &Beats) -> Result<(), Over> {
        self.due = now + self.subscriber.every;
        // Whoever has not taken what came before learns nothing from a heartbeat.
        if self.unsent.is_empty() && !self.ending {
            let beat = beats.of(self.subscriber.heartbeat);
            self.unsent = beat.in_framing(self.framing).clone();
        }
        self.write()
    }

    /// When this stream is to end, as the server does.
    fn end(&self) -> Instant {
        self.subscriber.drain.moment().into_std()
    }

    fn say_goodbye(&mut self) -> Result<(), Over> {
        if !self.ending {
            self.ending = true;
            let mut last = BytesMut::from(&self.unsent[..]);
            if self.subscriber.heeds_retry() {
                let farewell = Framed::new(&self.subscriber.drain.farewell());
                last.extend_from_slice(farewell.in_framing(self.framing));
            }
            last.extend_from_slice(&self.framing.end());
            self.unsent = last.freeze();
        }
        self.advance()
    }

    /// Throws away what the client says: it has nothing to say any more. True if there may be more of it.
    fn discard(&mut self) -> Result<bool, Over> {
        loop {
            match self.socket.read(&mut [0; DISCARD_BYTES]) {
                Ok(0) => return Err(Over),
                Ok(_) => return Ok(true),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Err(Over),
            }
        }
    }
}
