//! Serves one connection of HTTP/2, with the crate `h2` and without hyper: hyper limits neither how long a client may
//! leave a reply unread nor how much memory all requests of a connection take together, and has no option for it.
//!
//! The memory that one connection can take is limited as follows, whatever windows the client grants and however slowly
//! it sends:
//!
//! | what | at most |
//! |---|---|
//! | heads of requests that wait for their reply | [`HEADS_BYTES`]; a request past it is reset as refused, which clients may repeat |
//! | bodies of requests | [`BODIES_BYTES`]; others wait their turn |
//! | replies | [`REPLIES_BYTES`], or four where they are larger than [`REPLY_BYTES`]; others are not made until there is room |
//! | bytes of replies within h2 | [`SEND_BUFFER_BYTES`] for each of [`MAX_STREAMS`] |
//! | bytes of bodies within h2 | [`CONNECTION_WINDOW_BYTES`] |
//!
//! A reply of which a client takes nothing for the time that [`Timeouts::write`] gives is reset, and so is an event stream.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::body::{Body, HttpBody as _};
use axum::extract::Request;
use axum::http::header::{
    CONNECTION, CONTENT_LENGTH, DATE, HeaderName, TRANSFER_ENCODING, UPGRADE,
};
use axum::http::{HeaderValue, Method, Response};
use axum::response::IntoResponse as _;
use bytes::{Bytes, BytesMut};
use h2::server::{Builder, Connection, SendResponse};
use h2::{Ping, PingPong, Reason, RecvStream, SendStream};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, Sleep};

use super::answering::{Answering, late, reply};
use super::exchange::{Exchange, Watched};
use super::{Refused, Timeouts, head};
use crate::error::ApiError;
use crate::limits::{MAX_BODY_BYTES, MAX_HEAD_BYTES, MAX_REPORT_BYTES};
use crate::peer::Peer;
use crate::stopping::until;

/// How many requests, event streams among them, may be open on a connection at the same time. RFC 9113, section 6.5.2,
/// recommends no less.
pub(super) const MAX_STREAMS: u32 = 100;

const HEADS_BYTES: usize = 2 * 1024 * 1024;
const BODIES_BYTES: usize = 4 * 1024 * 1024;
const REPLIES_BYTES: usize = 4 * 1024 * 1024;

/// The bytes that are reserved for a reply until it is made and its length is known.
const REPLY_BYTES: usize = 1024 * 1024;

/// At most this much of one reply is handed to h2 at a time, so that the replies of a connection share its bandwidth.
const SEND_BUFFER_BYTES: usize = 16 * 1024;

const STREAM_WINDOW_BYTES: u32 = 64 * 1024;
const CONNECTION_WINDOW_BYTES: u32 = 256 * 1024;

/// A client from which no byte arrives for this long is sent a PING.
const PING_AFTER: Duration = Duration::from_secs(20);
/// A client that does not answer a PING for this long is gone.
const PING_TIMEOUT: Duration = Duration::from_secs(20);

/// How many requests a client may reset before the server has accepted them. The connection of a client that resets
/// more is ended.
const MAX_TAKEN_BACK: usize = 20;

/// Budgets are counted in units of this many bytes, as permits are `u32`.
const UNIT_BYTES: usize = 1024;

/// What all requests of a connection share, the budgets of memory among it.
struct Shared {
    app: Router,
    peer: Peer,
    timeouts: Timeouts,
    heads: Arc<Semaphore>,
    bodies: Arc<Semaphore>,
    replies: Arc<Semaphore>,
}

/// Serves HTTP/2 on a connection until it ends.
pub(super) async fn http2<I>(
    io: I,
    peer: Peer,
    app: Router,
    mut stopping: watch::Receiver<bool>,
    timeouts: Timeouts,
) where
    I: AsyncRead + AsyncWrite + Unpin,
{
    let exchange = Arc::new(Exchange::http2());
    let budget = |bytes: usize| Arc::new(Semaphore::new(bytes / UNIT_BYTES));
    let shared = Arc::new(Shared {
        app,
        peer,
        timeouts,
        heads: budget(HEADS_BYTES),
        bodies: budget(BODIES_BYTES),
        replies: budget(REPLIES_BYTES),
    });
    let mut builder = Builder::new();
    builder
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(u32::try_from(MAX_HEAD_BYTES).unwrap_or(u32::MAX))
        .initial_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_send_buffer_size(SEND_BUFFER_BYTES)
        .max_pending_accept_reset_streams(MAX_TAKEN_BACK);
    let mut timer = pin!(tokio::time::sleep(timeouts.idle));
    let mut handshake = builder.handshake::<_, Bytes>(Watched::new(io, Arc::clone(&exchange)));
    let shaken = std::future::poll_fn(|context| match Pin::new(&mut handshake).poll(context) {
        Poll::Ready(result) => Poll::Ready(result.ok()),
        Poll::Pending => late(&exchange, timeouts, timer.as_mut(), context).map(|()| None),
    });
    let Some(mut connection) = shaken.await else {
        return;
    };
    let mut pings = connection.ping_pong().map(Pings::new);
    let mut stop = pin!(until(&mut stopping));
    let mut stopped = false;
    let ended = std::future::poll_fn(|context| {
        if !stopped && stop.as_mut().poll(context).is_ready() {
            stopped = true;
            connection.graceful_shutdown();
        }
        loop {
            match connection.poll_accept(context) {
                Poll::Ready(Some(Ok((request, respond)))) => {
                    let answering = Answering::new(Arc::clone(&exchange));
                    tokio::spawn(answer(request, respond, Arc::clone(&shared), answering));
                }
                Poll::Ready(Some(Err(error))) => {
                    tracing::trace!(%error, "connection ended");
                    return Poll::Ready(Ended::Done);
                }
                Poll::Ready(None) => return Poll::Ready(Ended::Done),
                Poll::Pending => break,
            }
        }
        let gone = pings
            .as_mut()
            .is_some_and(|pings| pings.poll(&exchange, context).is_ready());
        if gone || late(&exchange, timeouts, timer.as_mut(), context).is_ready() {
            return Poll::Ready(Ended::Late);
        }
        Poll::Pending
    })
    .await;
    if let Ended::Late = ended {
        say_goodbye(connection).await;
    }
}

/// Why a connection ends.
enum Ended {
    /// The client has ended it, it has failed, or the server has announced that it takes no more requests and has
    /// answered all.
    Done,
    /// A time limit has passed, or the client did not answer a PING.
    Late,
}

/// Sends a GOAWAY to the client if its socket takes that at once, and does not wait.
async fn say_goodbye<I>(mut connection: Connection<Watched<I>, Bytes>)
where
    I: AsyncRead + AsyncWrite + Unpin,
{
    connection.abrupt_shutdown(Reason::NO_ERROR);
    std::future::poll_fn(|context| {
        let _ended: Poll<_> = connection.poll_closed(context);
        Poll::Ready(())
    })
    .await;
}

/// Answers one request, unless the client resets it.
async fn answer(
    request: axum::http::Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    shared: Arc<Shared>,
    answering: Answering,
) {
    let bytes = head::bytes(&request);
    let Ok(room_for_head) = Arc::clone(&shared.heads).try_acquire_many_owned(units(bytes)) else {
        respond.send_reset(Reason::REFUSED_STREAM);
        return;
    };
    let without_body = request.method() == Method::HEAD;
    let made = {
        let mut made = pin!(make(request, &shared));
        std::future::poll_fn(|context| {
            if let Poll::Ready(made) = made.as_mut().poll(context) {
                return Poll::Ready(Some(made));
            }
            respond.poll_reset(context).map(|_| None)
        })
        .await
    };
    drop(room_for_head);
    let Some((response, room)) = made else {
        return;
    };
    if send(response, without_body, &mut respond, shared.timeouts.write)
        .await
        .is_none()
    {
        tracing::trace!("a reply was not taken");
    }
    drop((room, answering));
}

/// Calls the service once the budgets have room for the request's body and the reply. Returns the reply with its part
/// of the budget.
async fn make(
    request: axum::http::Request<RecvStream>,
    shared: &Shared,
) -> (Response<Body>, Option<OwnedSemaphorePermit>) {
    let late = || ApiError::TooSlow.into_response();
    let refused = |error: ApiError| (error.into_response(), None);
    if let Err(error) = head::check_size(&request) {
        return refused(error);
    }
    let timeout = shared.timeouts.request;
    let request = match tokio::time::timeout(timeout, whole(request, &shared.bodies)).await {
        Ok(Ok(request)) => request,
        Ok(Err(error)) => return refused(error),
        Err(_) => return (late(), None),
    };
    let (request, body) = request;
    // This wait has no time limit: the budget is used up by replies that the client does not read, and each of those
    // has a time limit.
    let mut room = Arc::clone(&shared.replies)
        .acquire_many_owned(units(REPLY_BYTES))
        .await
        .ok();
    let made = reply(&shared.app, shared.peer, request);
    let response = tokio::time::timeout(timeout, made).await;
    drop(body);
    let response = response.unwrap_or_else(|_| late());
    // The length of an event stream is unknown; it holds one event at a time.
    let needed = response.size_hint().exact().map_or(0, |length| {
        usize::try_from(length)
            .unwrap_or(usize::MAX)
            .min(REPLY_BYTES)
    });
    if let Some(room) = &mut room {
        let rest = room
            .num_permits()
            .saturating_sub(needed.div_ceil(UNIT_BYTES));
        drop(room.split(rest));
    }
    (response, room)
}

/// Returns the request with its whole body, and the body's part of the budget: a handler is called only when all of the
/// body is there. A request whose body is too large is marked as [`Refused`].
async fn whole(
    request: axum::http::Request<RecvStream>,
    bodies: &Arc<Semaphore>,
) -> Result<(Request, Option<OwnedSemaphorePermit>), ApiError> {
    let (mut head, mut stream) = request.into_parts();
    if stream.is_end_stream() {
        return Ok((Request::from_parts(head, Body::empty()), None));
    }
    let declared = head
        .headers
        .get(CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    let most = match declared {
        Some(length) if length > MAX_REPORT_BYTES => {
            head.extensions.insert(Refused(ApiError::TooLarge));
            return Ok((Request::from_parts(head, Body::empty()), None));
        }
        Some(length) => length,
        None if head.uri.path().contains("/metrics/") => MAX_REPORT_BYTES,
        None => MAX_BODY_BYTES,
    };
    let permit = Arc::clone(bodies)
        .acquire_many_owned(units(most))
        .await
        .ok();
    let mut body = BytesMut::new();
    while let Some(data) = stream.data().await {
        let data = data.map_err(|error| ApiError::BadRequest(error.to_string()))?;
        body.extend_from_slice(&data);
        if body.len() > most {
            head.extensions.insert(Refused(ApiError::TooLarge));
            body.clear();
            break;
        }
        // An error means that the stream has ended, which the next call of `data` returns.
        drop(stream.flow_control().release_capacity(data.len()));
    }
    Ok((Request::from_parts(head, Body::from(body.freeze())), permit))
}

/// Sends a reply at the pace at which the client reads it. Returns `None` if the client has reset it or does not read
/// it in time, or if the body fails.
async fn send(
    response: Response<Body>,
    without_body: bool,
    respond: &mut SendResponse<Bytes>,
    timeout: Duration,
) -> Option<()> {
    let (mut head, mut body) = response.into_parts();
    for name in [
        CONNECTION,
        TRANSFER_ENCODING,
        UPGRADE,
        HeaderName::from_static("keep-alive"),
    ] {
        head.headers.remove(name);
    }
    if let Ok(date) = HeaderValue::try_from(httpdate::fmt_http_date(SystemTime::now())) {
        head.headers.entry(DATE).or_insert(date);
    }
    let ended = without_body || body.is_end_stream();
    if !ended && let Some(length) = body.size_hint().exact() {
        head.headers
            .entry(CONTENT_LENGTH)
            .or_insert_with(|| length.into());
    }
    let mut stream = respond
        .send_response(Response::from_parts(head, ()), ended)
        .ok()?;
    if ended {
        return Some(());
    }
    loop {
        let frame = std::future::poll_fn(|context| {
            if stream.poll_reset(context).is_ready() {
                return Poll::Ready(None);
            }
            Pin::new(&mut body).poll_frame(context).map(Some)
        })
        .await?;
        let Some(frame) = frame else {
            return stream.send_data(Bytes::new(), true).ok();
        };
        let Ok(frame) = frame else {
            stream.send_reset(Reason::INTERNAL_ERROR);
            return None;
        };
        let Ok(data) = frame.into_data() else {
            continue;
        };
        let last = body.is_end_stream();
        send_data(&mut stream, data, last, timeout).await?;
        if last {
            return Some(());
        }
    }
}

/// Sends bytes piece by piece; resets the stream if the client takes none of them for the time `timeout`.
async fn send_data(
    stream: &mut SendStream<Bytes>,
    mut data: Bytes,
    last: bool,
    timeout: Duration,
) -> Option<()> {
    if data.is_empty() {
        return stream.send_data(data, last).ok();
    }
    let split = data.len() > SEND_BUFFER_BYTES;
    while !data.is_empty() {
        stream.reserve_capacity(data.len().min(SEND_BUFFER_BYTES));
        let room = std::future::poll_fn(|context| {
            loop {
                match stream.capacity() {
                    0 => {}
                    room => return Poll::Ready(Some(room)),
                }
                match ready!(stream.poll_capacity(context)) {
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => return Poll::Ready(None),
                }
            }
        });
        let Ok(room) = tokio::time::timeout(timeout, room).await else {
            tracing::debug!("reset a stream whose reader takes nothing");
            stream.send_reset(Reason::CANCEL);
            return None;
        };
        let piece = data.split_to(room?.min(data.len()));
        // A slice of a large reply would keep the whole reply in memory until h2 has sent the slice, so the slice is
        // copied.
        let piece = if split {
            Bytes::copy_from_slice(&piece)
        } else {
            piece
        };
        stream.send_data(piece, last && data.is_empty()).ok()?;
    }
    Some(())
}

fn units(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT_BYTES)).unwrap_or(u32::MAX)
}

/// Sends a PING to a client from which nothing arrives, to learn whether it is still there.
struct Pings {
    ping: PingPong,
    asked: Option<Instant>,
    timer: Pin<Box<Sleep>>,
}

impl Pings {
    fn new(ping: PingPong) -> Self {
        Self {
            ping,
            asked: None,
            timer: Box::pin(tokio::time::sleep(PING_AFTER)),
        }
    }

    /// Is ready once the client has not answered a PING in time.
    fn poll(&mut self, exchange: &Exchange, context: &mut Context<'_>) -> Poll<()> {
        loop {
            if self.asked.is_some() && self.ping.poll_pong(context).is_ready() {
                self.asked = None;
            }
            let due = match self.asked {
                Some(asked) => asked + PING_TIMEOUT,
                None => exchange.last_read() + PING_AFTER,
            };
            if self.timer.deadline() != due {
                self.timer.as_mut().reset(due);
            }
            ready!(self.timer.as_mut().poll(context));
            if self.asked.is_some() {
                return Poll::Ready(());
            }
            if exchange.last_read() + PING_AFTER <= Instant::now() {
                if self.ping.send_ping(Ping::opaque()).is_err() {
                    return Poll::Ready(());
                }
                self.asked = Some(Instant::now());
            }
        }
    }
}
