//! Answers requests in the same way for HTTP/1.1 and HTTP/2.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Router;
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use tokio::time::Sleep;
use tower::ServiceExt as _;

use super::exchange::Exchange;
use super::{Timeouts, head};
use crate::peer::Peer;

/// Answers a request through the service, after a check of its head.
pub(super) async fn reply(app: &Router, peer: Peer, mut request: Request) -> Response {
    if let Err(error) = head::check_size(&request).and_then(|()| head::settle_host(&mut request)) {
        return error.into_response();
    }
    request.extensions_mut().insert(peer);
    let answered = app.clone().oneshot(request).await;
    answered.unwrap_or_else(|never| match never {})
}

/// Counts a request as open until this is dropped, when the last bytes of the reply have been handed over.
pub(super) struct Answering(pub(super) Arc<Exchange>);

impl Answering {
    pub(super) fn new(exchange: Arc<Exchange>) -> Self {
        exchange.begin();
        Self(exchange)
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// Is ready once the connection has reached a time limit.
pub(super) fn late(
    exchange: &Exchange,
    timeouts: Timeouts,
    mut timer: Pin<&mut Sleep>,
    context: &mut Context<'_>,
) -> Poll<()> {
    let Some(deadline) = exchange.deadline(timeouts) else {
        return Poll::Pending;
    };
    if timer.deadline() != deadline {
        timer.as_mut().reset(deadline);
    }
    timer.poll(context)
}
