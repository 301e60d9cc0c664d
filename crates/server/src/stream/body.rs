//! Sends a stream as the body of a reply, over TLS and HTTP/2, where it cannot take the socket over.

use std::convert::Infallible;
use std::pin::Pin;

use bytes::Bytes;
use futures_util::Stream;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;
use tokio::time::{Instant, Sleep};

use super::subscriber::{Burst, CutOff, NewStream, Subscriber, cut_off};
use crate::environment::framing::Framing;

/// An open stream, which is polled for its bytes.
#[derive(Debug)]
struct Open {
    subscriber: Subscriber,
    stopping: watch::Receiver<bool>,
    /// Fires at the next heartbeat or at the end, whichever is first.
    timer: Pin<Box<Sleep>>,
    end: End,
}

/// When a stream ends because the server does.
#[derive(Clone, Copy, Debug)]
enum End {
    /// The server does not stop.
    Unknown,
    /// The stream ends at this moment.
    At(Instant),
    /// The last frame was sent.
    Now,
}

impl NewStream {
    /// Returns all bytes of the stream. They end when the server stops or the reader lags too far.
    pub(crate) fn into_stream(mut self) -> impl Stream<Item = Result<Bytes, Infallible>> + Send {
        let opening = self.opening();
        let open = Open {
            timer: Box::pin(tokio::time::sleep(self.subscriber.every)),
            subscriber: self.subscriber,
            stopping: self.stopping,
            end: End::Unknown,
        };
        futures_util::stream::unfold((open, Some(opening)), |(mut open, opening)| async move {
            let bytes = match opening {
                Some(opening) => opening,
                None => open.next().await?,
            };
            Some((Ok(bytes), (open, None)))
        })
    }
}

/// Completes when a slice of everything is due; never for streams without slices. Boxed, as it would be part of every idle stream.
fn due(at: Option<std::time::Instant>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    match at {
        Some(at) => Box::pin(tokio::time::sleep_until(at.into())),
        None => Box::pin(std::future::pending()),
    }
}

impl Open {
    /// Waits for the next bytes; `None` at the end.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            let subscriber = &mut self.subscriber;
            let events = tokio::select! {
                biased;
                () = crate::stopping::until(&mut self.stopping), if matches!(self.end, End::Unknown) => {
                    let at = subscriber.drain.moment();
                    self.end = End::At(at);
                    if at < self.timer.deadline() {
                        self.timer.as_mut().reset(at);
                    }
                    continue;
                }
                events = subscriber.events.recv() => events,
                () = due(subscriber.catch_up.as_deref().map(|everything| everything.due)) => {
                    match subscriber.slice(std::time::Instant::now()) {
                        Some(slice) => {
                            self.arm();
                            return Some(slice.plain().clone());
                        }
                        None => continue,
                    }
                }
                () = self.timer.as_mut() => match self.end {
                    End::At(at) if at <= Instant::now() => return self.last_frame(),
                    End::Now => return None,
                    End::Unknown | End::At(_) => {
                        self.arm();
                        return Some(Bytes::from_static(self.subscriber.heartbeat.frame()));
                    }
                },
            };
            let first = match events {
                Ok(events) => events,
                Err(RecvError::Lagged(missed)) => {
                    let CutOff = cut_off(missed);
                    return None;
                }
                Err(RecvError::Closed) => return None,
            };
            let mut burst = Burst::default();
            burst.add(&first, subscriber, Framing::Plain);
            // All further events that are there already go out in the same write.
            subscriber.fill(&mut burst, Framing::Plain).ok()?;
            if burst.len() > 0 {
                self.arm();
                return Some(burst.into_bytes());
            }
        }
    }

    /// Sets the timer to the next heartbeat, or to the end if that comes first.
    fn arm(&mut self) {
        let heartbeat = Instant::now() + self.subscriber.every;
        let at = match self.end {
            End::At(end) => heartbeat.min(end),
            End::Unknown | End::Now => heartbeat,
        };
        self.timer.as_mut().reset(at);
    }

    /// Returns the last frame, if the reader obeys it.
    fn last_frame(&mut self) -> Option<Bytes> {
        if !self.subscriber.heeds_retry() {
            return None;
        }
        self.end = End::Now;
        self.timer.as_mut().reset(Instant::now());
        Some(self.subscriber.drain.retry_frame())
    }
}
