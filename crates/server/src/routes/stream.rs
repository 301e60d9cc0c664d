//! Serves `GET /stream`, and the tickets with which its URL alone opens it.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{FromRequestParts as _, Query, State};
use axum::http::HeaderMap;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use super::access::{Caller, Segments};
use crate::auth::token::Token;
use crate::auth::{CLUSTER, KeyKind};
use crate::environment::Environment;
use crate::environment::catch_up::Everything;
use crate::environment::event::Audience;
use crate::environment::readers::{ReaderInfo, StreamTarget, Transport};
use crate::error::ApiError;
use crate::peer::Peer;
use crate::state::AppState;
use crate::stream::{Detachable, Heartbeat, NewStream, Subscriber};
use crate::time::now;

/// The parameters of the query; unknown ones are ignored.
#[derive(Debug, Deserialize)]
struct StreamQuery {
    ticket: Option<String>,
}

/// Opens a stream for a request with a token in its header, or a ticket in its URL.
pub(super) async fn stream(
    State(state): State<AppState>,
    mut parts: Parts,
) -> Result<Response, ApiError> {
    let ticket = Query::<StreamQuery>::try_from_uri(&parts.uri)
        .ok()
        .and_then(|Query(query)| query.ticket);
    let address = parts.extensions.get::<Peer>().map(|peer| peer.0);
    let (caller, heartbeat, transport) = match ticket {
        Some(ticket) => {
            let expired = ApiError::Unauthorized(
                "the ticket is not valid or has expired; ask for a fresh one",
            );
            let token = state.signer.check_ticket(&ticket).ok_or(expired)?;
            (
                Caller::of_token(token, &parts.headers, &state)?,
                Heartbeat::Event,
                Transport::EventSource,
            )
        }
        None => (
            Caller::from_request_parts(&mut parts, &state).await?,
            Heartbeat::Comment,
            Transport::Fetch,
        ),
    };
    // Subscribes before the configuration is read, so that no change in between is missed.
    let events = caller.environment.subscribe();
    let (audience, stream_target) = match (caller.kind, caller.own_target(&parts.headers, &state)) {
        (KeyKind::Server, _) => (Audience::Rules, StreamTarget::None),
        (KeyKind::Client, Some(target)) if state.settings.event_evaluations => {
            let target = Arc::new(target);
            (
                Audience::One(Arc::clone(&target)),
                StreamTarget::Target(target),
            )
        }
        (KeyKind::Client, target) => {
            let named = target.map(|target| StreamTarget::Named(target.identifier.into()));
            (Audience::Anyone, named.unwrap_or_default())
        }
    };
    let reading = ReaderInfo {
        target: stream_target,
        transport: match caller.kind {
            KeyKind::Server => Transport::Server,
            KeyKind::Client => transport,
        },
        address,
    };
    let id = last_event_id(&parts.headers);
    let (missed, catch_up) = match id.filter(|id| !id.is_empty()) {
        Some(id) => missed(id, &audience, &caller.environment),
        None if audience == Audience::Rules && takes_ids_alone(&parts.headers) => {
            (first_id(&caller.environment), None)
        }
        None => (Bytes::new(), None),
    };
    Ok(respond(NewStream {
        missed,
        subscriber: Subscriber {
            audience,
            heartbeat,
            every: state.settings.heartbeat,
            events,
            drain: state.drain.clone(),
            catch_up,
            guard: caller.environment.count_stream(reading),
        },
        stopping: state.stopping.clone(),
    }))
}

/// Returns the frames that a reader gets first and, for a back end whose id is unknown, everything else there is.
/// Clients fetch everything when they open a stream; published server SDKs do not.
fn missed(
    id: &str,
    audience: &Audience,
    environment: &Environment,
) -> (Bytes, Option<Box<Everything>>) {
    if let Some(missed) = environment.since(id) {
        return (audience.missed(&missed), None);
    }
    if *audience != Audience::Rules {
        return (Bytes::new(), None);
    }
    let Some(mut everything) = environment.everything() else {
        return (Bytes::new(), None);
    };
    match everything.take() {
        Some((first, more)) => (first.plain().clone(), more.then(|| Box::new(everything))),
        None => (Bytes::new(), None),
    }
}

/// Returns a frame with the id of the configuration in force, so that a back end can resume from there although it has
/// received no event. The frame itself is not an event.
fn first_id(environment: &Environment) -> Bytes {
    let stamp = environment.stamp();
    if stamp.is_empty() {
        return Bytes::new();
    }
    Bytes::from(format!("id: {stamp}\n\n"))
}

/// Whether a reader can be sent an id without data. The published Go SDK takes it for an event, logs that it cannot
/// read it, and never sends ids anyway.
fn takes_ids_alone(headers: &HeaderMap) -> bool {
    let sdk = headers.get("harness-sdk-info");
    !sdk.is_some_and(|sdk| sdk.as_bytes().starts_with(b"Go"))
}

/// Returns the id of the last event that a reader had received before it reconnected.
pub(super) fn last_event_id(headers: &HeaderMap) -> Option<&str> {
    headers.get("last-event-id")?.to_str().ok()
}

/// Returns a stream as a reply that proxies must not buffer.
pub(super) fn respond(reader: NewStream) -> Response {
    let headers = [
        (CONTENT_TYPE.as_str(), "text/event-stream"),
        (CACHE_CONTROL.as_str(), "no-cache, no-transform"),
        ("x-accel-buffering", "no"),
    ];
    let stream = Detachable::new(reader);
    let body = Body::from_stream(stream.clone().into_stream());
    (headers, Extension(stream), body).into_response()
}

/// `GET /client/env/{environment}/stream-ticket`: a fresh ticket for the token's target.
pub(super) async fn ticket(
    State(state): State<AppState>,
    caller: Caller,
    Segments(environment): Segments<String>,
) -> Result<Json<Value>, ApiError> {
    caller.allow(&environment, None)?;
    Ok(Json(
        json!({ "streamUrl": url(&caller.token, now(), &state)? }),
    ))
}

/// Returns the URL at which a native `EventSource` opens the stream, relative to the base URL.
pub(super) fn url(token: &Token, now: u64, state: &AppState) -> Result<String, ApiError> {
    let ticket = state
        .signer
        .ticket(token, now, state.settings.ticket_seconds)
        .map_err(|error| ApiError::Internal(error.to_string()))?;
    Ok(format!("stream?cluster={CLUSTER}&ticket={ticket}"))
}
