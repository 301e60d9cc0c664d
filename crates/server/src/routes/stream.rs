//! `GET /stream`, and the tickets that open it by URL alone.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{FromRequestParts as _, Query, State};
use axum::http::HeaderMap;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::Deserialize;
use serde_json::{Value, json};

use super::access::{Caller, Segments};
use super::client::now;
use crate::auth::KeyKind;
use crate::auth::token::Token;
use crate::error::ApiError;
use crate::serve::Peer;
use crate::stream::event::Audience;
use crate::stream::registry::{Reading, Transport, Whom};
use crate::stream::{Detachable, Heartbeat, Reader, Subscriber};
use crate::{AppState, CLUSTER};

/// Unknown parameters are ignored.
#[derive(Debug, Deserialize)]
struct StreamQuery {
    ticket: Option<String>,
}

/// Opens a stream for whoever sends a token in the header, or a ticket in the URL.
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
    // Before anything is looked at, so that nothing falls in between.
    let events = caller.environment.subscribe();
    let (audience, whom) = match (caller.kind, caller.own_target(&parts.headers, &state)) {
        (KeyKind::Server, _) => (Audience::Rules, Whom::Nobody),
        (KeyKind::Client, Some(target)) if state.settings.event_evaluations => {
            let target = Arc::new(target);
            (Audience::One(Arc::clone(&target)), Whom::Target(target))
        }
        (KeyKind::Client, target) => {
            let named = target.map(|target| Whom::Named(target.identifier.into()));
            (Audience::Anyone, named.unwrap_or_default())
        }
    };
    let reading = Reading {
        whom,
        transport: match caller.kind {
            KeyKind::Server => Transport::Server,
            KeyKind::Client => transport,
        },
        address,
    };
    let missed = last_event_id(&parts.headers)
        .and_then(|id| caller.environment.since(id))
        .unwrap_or_default();
    Ok(respond(Reader {
        missed: audience.missed(&missed),
        subscriber: Subscriber {
            audience,
            heartbeat,
            every: state.settings.heartbeat,
            events,
            drain: state.drain.clone(),
            guard: caller.environment.count_stream(reading),
        },
        stopping: state.stopping.clone(),
    }))
}

/// The id of the last event that a reader who comes back has seen.
pub(super) fn last_event_id(headers: &HeaderMap) -> Option<&str> {
    headers.get("last-event-id")?.to_str().ok()
}

/// A stream as a reply that nobody on the way may hold back.
pub(super) fn respond(reader: Reader) -> Response {
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

/// Where a native `EventSource` opens the stream, relative to the base URL, whatever that is.
pub(super) fn url(token: &Token, now: u64, state: &AppState) -> Result<String, ApiError> {
    let ticket = state
        .signer
        .ticket(token, now, state.settings.ticket_seconds)
        .map_err(|error| ApiError::Internal(error.to_string()))?;
    Ok(format!("stream?cluster={CLUSTER}&ticket={ticket}"))
}
