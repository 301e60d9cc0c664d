//! `GET /stream`, and the tickets that open it by URL alone.

use std::collections::VecDeque;
use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{FromRequestParts as _, Query, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::access::{Caller, Segments};
use super::client::{CLUSTER, now};
use crate::AppState;
use crate::auth::KeyKind;
use crate::auth::token::Token;
use crate::error::ApiError;
use crate::stream::event::Audience;
use crate::stream::{Heartbeat, Reader};

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
    let (caller, heartbeat) = match ticket {
        Some(ticket) => {
            let expired = ApiError::Unauthorized(
                "the ticket is not valid or has expired; ask for a fresh one",
            );
            let token = state.signer.check_ticket(&ticket).ok_or(expired)?;
            (Caller::of_token(token, &state)?, Heartbeat::Event)
        }
        None => (
            Caller::from_request_parts(&mut parts, &state).await?,
            Heartbeat::Comment,
        ),
    };
    // Before anything is looked at, so that nothing falls in between.
    let events = caller.environment.subscribe();
    let audience = match (caller.kind, caller.own_target(&parts.headers, &state)) {
        (KeyKind::Server, _) => Audience::Rules,
        (KeyKind::Client, Some(target)) if state.settings.event_evaluations => {
            Audience::One(Arc::new(target))
        }
        (KeyKind::Client, _) => Audience::Anyone,
    };
    let replay: VecDeque<_> = parts
        .headers
        .get("last-event-id")
        .and_then(|id| id.to_str().ok())
        .and_then(|id| caller.environment.since(id))
        .unwrap_or_default()
        .into();
    let reader = Reader {
        audience,
        heartbeat,
        every: state.settings.heartbeat,
        events,
        replay,
        stopping: state.stopping.clone(),
        _guard: Some(caller.environment.count_stream()),
    };
    let headers = [
        (CONTENT_TYPE.as_str(), "text/event-stream"),
        (CACHE_CONTROL.as_str(), "no-cache, no-transform"),
        ("x-accel-buffering", "no"),
    ];
    Ok((headers, Body::from_stream(reader.into_stream())).into_response())
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
