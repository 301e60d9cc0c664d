//! Serves one connection within its time limits: the TLS handshake, and HTTP/1.1 with replies to heads that hyper
//! refuses and with event streams that take the socket over. HTTP/2 is in [`http2`].

use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Router;
use axum::body::Body;
use axum::http::header::{CONNECTION, HeaderValue};
use axum::http::{Method, StatusCode, Version};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use super::Timeouts;
use super::answering::{Answering, late, reply};
use super::exchange::{Exchange, Phase, Watched};
use super::http2::http2;
use super::tls::HTTP2;
use crate::environment::framing::Framing;
use crate::error::ApiError;
use crate::limits::MAX_HEAD_BYTES;
use crate::peer::Peer;
use crate::stopping::until;
use crate::stream::{Detachable, HandOver};

/// How much is still read from a client after it was refused. If the connection were closed while the client is
/// sending, it might never see the reply.
const MAX_LINGER_BYTES: usize = 4 * 1024 * 1024;

/// Serves HTTP/1.1 on a connection until it ends. Returns the socket and the event stream that takes it over, if one
/// does.
pub(super) async fn http1<I>(
    io: I,
    peer: Peer,
    app: Router,
    mut stopping: watch::Receiver<bool>,
    timeouts: Timeouts,
    may_hand_over: bool,
) -> Option<(I, HandOver)>
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let exchange = Arc::new(Exchange::http1());
    let service = {
        let exchange = Arc::clone(&exchange);
        service_fn(move |request| {
            let (app, exchange) = (app.clone(), Arc::clone(&exchange));
            Box::pin(answer(
                app,
                peer,
                request,
                exchange,
                timeouts,
                may_hand_over,
            ))
        })
    };
    let mut connection = http1::Builder::new()
        .header_read_timeout(None)
        .max_buf_size(MAX_HEAD_BYTES)
        .serve_connection(
            TokioIo::new(Watched::new(io, Arc::clone(&exchange))),
            service,
        );

    enum Ended {
        Done(hyper::Result<()>),
        Late,
        TakenOver(HandOver),
    }
    let ended = {
        let mut stop = pin!(until(&mut stopping));
        let mut stopped = false;
        let mut timer = pin!(tokio::time::sleep(timeouts.head));
        std::future::poll_fn(|context| {
            if !stopped && stop.as_mut().poll(context).is_ready() {
                stopped = true;
                Pin::new(&mut connection).graceful_shutdown();
            }
            if let Poll::Ready(result) = connection.poll_without_shutdown(context) {
                return Poll::Ready(Ended::Done(result));
            }
            if let Some(stream) = exchange.taken_over() {
                return Poll::Ready(Ended::TakenOver(stream));
            }
            late(&exchange, timeouts, timer.as_mut(), context).map(|()| Ended::Late)
        })
        .await
    };
    let mut io = connection.into_parts().io.into_inner().io;
    let refusal = match ended {
        Ended::TakenOver(stream) => return Some((io, stream)),
        Ended::Done(result) => {
            if let Err(error) = result {
                // Most often the client has closed the connection.
                tracing::trace!(%error, "connection ended");
            }
            match exchange.refused() {
                Some(414) => Some(ApiError::UriTooLong),
                Some(_) => Some(ApiError::HeadTooLarge),
                None => None,
            }
        }
        // The client does not read, so a reply would not arrive.
        Ended::Late if exchange.is_blocked() => return None,
        Ended::Late => match exchange.phase() {
            Phase::Head(_) => Some(ApiError::HeadTooSlow),
            Phase::Idle(_) | Phase::Busy(_) => None,
        },
    };
    let ending = async {
        if let Some(refusal) = &refusal {
            drop(io.write_all(&refusal.as_http1()).await);
        }
        drop(io.shutdown().await);
        if refusal.is_some() || exchange.is_left_unread() {
            discard(&mut io).await;
        }
    };
    drop(tokio::time::timeout(timeouts.head, ending).await);
    None
}

/// Makes the TLS handshake, then serves the version of HTTP that the client has chosen in it.
pub(super) async fn encrypted(
    socket: TcpStream,
    tls: &TlsAcceptor,
    peer: Peer,
    app: Router,
    stopping: watch::Receiver<bool>,
    timeouts: Timeouts,
) {
    let stream = match tokio::time::timeout(timeouts.head, tls.accept(socket)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            tracing::debug!(%error, "a TLS handshake failed");
            return;
        }
        Err(_) => return,
    };
    if stream.get_ref().1.alpn_protocol() == Some(HTTP2) {
        http2(stream, peer, app, stopping, timeouts).await;
    } else {
        http1(stream, peer, app, stopping, timeouts, false).await;
    }
}

/// Reads and drops what a client sends, until it ends or [`MAX_LINGER_BYTES`] were read.
async fn discard(io: &mut (impl AsyncRead + Unpin)) {
    let mut left = MAX_LINGER_BYTES;
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(read @ 1..) = io.read(&mut buffer).await {
        left = left.saturating_sub(read);
        if left == 0 {
            return;
        }
    }
}

/// Answers one request through the service. If the reply is an event stream that may take the socket over, arranges
/// that.
async fn answer(
    app: Router,
    peer: Peer,
    request: hyper::Request<Incoming>,
    exchange: Arc<Exchange>,
    timeouts: Timeouts,
    may_hand_over: bool,
) -> Result<Response<Reply>, Infallible> {
    let answering = Answering::new(exchange);
    let may_hand_over = may_hand_over && request.method() == Method::GET;
    let framing = match request.version() {
        Version::HTTP_10 => Framing::Plain,
        _ => Framing::Chunked,
    };
    let made = reply(&app, peer, request.map(Body::new));
    let mut response = match tokio::time::timeout(timeouts.request, made).await {
        Ok(response) => response,
        Err(_) => ApiError::TooSlow.into_response(),
    };
    let exchange = &answering.0;
    if matches!(
        response.status(),
        StatusCode::PAYLOAD_TOO_LARGE | StatusCode::SERVICE_UNAVAILABLE
    ) {
        exchange.left_unread();
    }
    if response.status() == StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE {
        exchange.refused_here();
    }
    let stream = may_hand_over
        .then(|| response.extensions_mut().remove::<Detachable>())
        .flatten();
    let Some(mut reader) = stream.and_then(|stream| stream.take()) else {
        return Ok(response.map(|body| Reply {
            bytes: Content::Whole(body),
            answering,
        }));
    };
    let opening = reader.opening();
    exchange.hand_over(HandOver {
        subscriber: reader.subscriber,
        framing,
    });
    // No other request can follow on this connection.
    let close = HeaderValue::from_static("close");
    response.headers_mut().insert(CONNECTION, close);
    Ok(response.map(|_| Reply {
        bytes: Content::Opening(Some(opening)),
        answering,
    }))
}

/// The body of a reply, which counts the request as open while it is sent.
struct Reply {
    bytes: Content,
    answering: Answering,
}

enum Content {
    Whole(Body),
    /// The first bytes of an event stream. The rest is written by the stream itself, once it has taken the socket over.
    Opening(Option<Bytes>),
}

impl hyper::body::Body for Reply {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let Self { bytes, answering } = self.get_mut();
        match bytes {
            Content::Whole(body) => Pin::new(body).poll_frame(context),
            Content::Opening(first) => match first.take() {
                Some(first) => Poll::Ready(Some(Ok(Frame::data(first)))),
                None => {
                    answering.0.head_written();
                    Poll::Pending
                }
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.bytes {
            Content::Whole(body) => body.is_end_stream(),
            Content::Opening(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.bytes {
            Content::Whole(body) => body.size_hint(),
            Content::Opening(_) => SizeHint::default(),
        }
    }
}
