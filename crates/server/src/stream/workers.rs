//! The worker threads that hold the sockets of open streams, one for each processor.
//!
//! New streams go to the workers in turn. A worker whose thread has ended, which a mistake in this program or a refusal of the
//! system can do, loses its streams, and their clients open new ones; the first of these that is given to it starts another thread
//! in its place.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::handover::HandOver;
use super::worker::{self, Arrival, WorkerHandle};

/// How much the kernel buffers for a client that does not read; a stream's events are small.
#[cfg(unix)]
const SEND_BUFFER_BYTES: usize = 128 * 1024;

/// The workers of a server. `P` is kept with each stream for as long as it is open. When this is dropped, each worker writes the
/// last frames of its streams and ends.
#[derive(Debug)]
pub(crate) struct Workers<P> {
    workers: Vec<Mutex<WorkerHandle<P>>>,
    /// Counts the streams, which decides the worker that gets the next one.
    next: AtomicUsize,
    /// True once the server stops.
    stopping: watch::Receiver<bool>,
}

impl<P: Send + 'static> Workers<P> {
    /// Starts one worker for each processor. `stopping` turns true when the server stops, and streams end then.
    ///
    /// # Errors
    /// The error of the system, if it refuses a thread or the means to poll.
    pub(crate) fn start(stopping: &watch::Receiver<bool>) -> io::Result<Self> {
        let count = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self::start_some(count, stopping)
    }

    fn start_some(count: usize, stopping: &watch::Receiver<bool>) -> io::Result<Self> {
        let workers = (0..count).map(|_| worker::start(stopping).map(Mutex::new));
        Ok(Self {
            workers: workers.collect::<io::Result<_>>()?,
            next: AtomicUsize::new(0),
            stopping: stopping.clone(),
        })
    }

    /// Gives a worker an open stream, with the socket on which its head was written.
    pub(crate) fn take(&self, socket: TcpStream, stream: HandOver, permit: P) {
        // The socket is removed from the runtime, whose entry for a socket keeps the memory of the task that used it
        // last.
        let socket = match socket.into_std() {
            Ok(socket) => socket,
            Err(error) => {
                tracing::warn!(%error, "cannot take the socket of a stream from the runtime; the stream is closed");
                return;
            }
        };
        #[cfg(unix)]
        if let Err(error) = socket2::SockRef::from(&socket).set_send_buffer_size(SEND_BUFFER_BYTES)
        {
            tracing::trace!(%error, "cannot set SO_SNDBUF");
        }
        let turn = self.next.fetch_add(1, Ordering::Relaxed) % self.workers.len().max(1);
        let Some(worker) = self.workers.get(turn) else {
            return;
        };
        let mut worker = worker.lock();
        let Err(arrival) = worker.send(Arrival {
            socket,
            stream,
            permit,
        }) else {
            return;
        };
        tracing::error!("a worker thread of streams has ended; another one is started");
        match worker::start(&self.stopping) {
            Ok(started) => *worker = started,
            Err(error) => {
                tracing::error!(%error, "cannot start a worker thread of streams; the stream is closed");
                return;
            }
        }
        if worker.send(arrival).is_err() {
            tracing::error!("the new worker thread has ended, too; the stream is closed");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader};
    use std::sync::Arc;
    use std::time::Duration;

    use tokio::net::TcpListener;

    use super::super::subscriber::{Heartbeat, Subscriber};
    use super::*;
    use crate::environment::Environment;
    use crate::environment::event::Audience;
    use crate::environment::framing::Framing;
    use crate::environment::readers::{ReaderInfo, StreamTarget, Transport};

    /// Ends the thread that drops it.
    struct Deadly(bool);

    impl Drop for Deadly {
        fn drop(&mut self) {
            assert!(!self.0, "this panic is part of the test");
        }
    }

    fn stream(environment: &Arc<Environment>) -> HandOver {
        let reader = ReaderInfo {
            target: StreamTarget::None,
            transport: Transport::Server,
            address: None,
        };
        HandOver {
            subscriber: Subscriber {
                audience: Audience::Rules,
                heartbeat: Heartbeat::Comment,
                every: Duration::from_millis(10),
                events: environment.subscribe(),
                drain: Arc::default(),
                catch_up: None,
                guard: environment.count_stream(reader),
            },
            framing: Framing::Plain,
        }
    }

    /// The server's and the client's end of a connection.
    async fn connection() -> (TcpStream, std::net::TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let client = std::net::TcpStream::connect(address).unwrap();
        let (server, _) = listener.accept().await.unwrap();
        (server, client)
    }

    /// Reads a line of a stream; an empty one at its end.
    async fn line(
        mut client: BufReader<std::net::TcpStream>,
    ) -> (String, BufReader<std::net::TcpStream>) {
        let read = move || {
            let mut line = String::new();
            let _ = client.read_line(&mut line);
            (line, client)
        };
        tokio::task::spawn_blocking(read).await.unwrap()
    }

    #[tokio::test]
    async fn a_worker_thread_that_has_ended_is_replaced_when_the_next_stream_comes() {
        let environment = Arc::new(Environment::new("e"));
        let (_stop, stopping) = watch::channel(false);
        let workers = Workers::start_some(1, &stopping).unwrap();
        let (server, client) = connection().await;
        workers.take(server, stream(&environment), Deadly(true));
        let (first, client) = line(BufReader::new(client)).await;
        assert_eq!(first, ":\n");
        // The worker notices that the client is gone, and ends while it drops the stream.
        drop(client);
        while environment.streams() > 0 || workers.workers[0].lock().is_alive() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let (server, client) = connection().await;
        workers.take(server, stream(&environment), Deadly(false));
        let (first, _client) = line(BufReader::new(client)).await;
        assert_eq!(first, ":\n");
        assert_eq!(environment.streams(), 1);
    }
}
