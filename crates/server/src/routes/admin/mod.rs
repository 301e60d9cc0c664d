//! The admin page and its endpoints.
//!
//! They change things, so they are guarded apart from the protocol: nothing here is for pages of other sites. Without an
//! admin token they work only where the server listens to its own machine and was asked for by a name of that machine,
//! as a foreign site could otherwise point a name of its own at it (DNS rebinding).

mod describe;

use std::future::ready;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, ORIGIN,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures_util::{StreamExt as _, stream};
use serde::Deserialize;

use super::access::{Payload, Segments, current};
use crate::AppState;
use crate::auth::Hashed;
use crate::environment::Environment;
use crate::error::ApiError;
use crate::source::{Edit, EditError};
use crate::stream::event::Audience;
use crate::stream::{Heartbeat, Reader};

const PAGE: &str = include_str!("../../assets/admin.html");
const STYLE: &str = include_str!("../../assets/admin.css");
const SCRIPT: &str = include_str!("../../assets/admin.js");

/// How the source stands has changed.
const STATUS_EVENT: &[u8] = b"event: status\ndata: {}\n\n";

/// The page needs nothing from anywhere else, and nobody may frame it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/", get(|| asset("text/html; charset=utf-8", PAGE)))
        .route("/admin", get(|| asset("text/html; charset=utf-8", PAGE)))
        .route(
            "/admin/page.css",
            get(|| asset("text/css; charset=utf-8", STYLE)),
        )
        .route(
            "/admin/page.js",
            get(|| asset("text/javascript; charset=utf-8", SCRIPT)),
        )
        .route("/admin/state", get(overview))
        .route("/admin/events", get(events))
        .route("/admin/flags/{flag}", post(change))
}

async fn asset(content_type: &'static str, text: &'static str) -> impl IntoResponse {
    let headers: [(HeaderName, &'static str); 4] = [
        (CONTENT_TYPE, content_type),
        (CACHE_CONTROL, "no-cache"),
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, text)
}

/// Everything the page shows.
async fn overview(State(state): State<AppState>, headers: HeaderMap) -> Result<Response, ApiError> {
    guard(&headers, &state)?;
    let environment = environment(&state)?;
    let current = current(environment)?;
    let body = describe::Overview::of(environment, &current);
    Ok(([(CACHE_CONTROL, "no-store")], Json(body)).into_response())
}

/// A stream with an event for each change, upon which the page asks for everything again.
async fn events(State(state): State<AppState>, headers: HeaderMap) -> Result<Response, ApiError> {
    guard(&headers, &state)?;
    let environment = environment(&state)?;
    let reader = Reader {
        audience: Audience::Rules,
        heartbeat: Heartbeat::Comment,
        every: state.settings.heartbeat,
        events: environment.subscribe(),
        missed: Bytes::new(),
        stopping: state.stopping.clone(),
        drain: state.drain.clone(),
        // The page is no client.
        _guard: None,
    };
    // A file that has become broken changes no flag, but the page is to show it.
    let status = stream::unfold(environment.watch_status(), async |mut status| {
        status.changed().await.ok()?;
        Some((Some(Ok(Bytes::from_static(STATUS_EVENT))), status))
    });
    // The end of the changes is the end of the whole: the server stops then.
    let changes = reader
        .into_stream()
        .map(Some)
        .chain(stream::once(ready(None)));
    let all = stream::select(changes, status)
        .take_while(|item| ready(item.is_some()))
        .filter_map(ready);
    let headers: [(HeaderName, &'static str); 2] = [
        (CONTENT_TYPE, "text/event-stream"),
        (CACHE_CONTROL, "no-cache, no-transform"),
    ];
    Ok((headers, Body::from_stream(all)).into_response())
}

/// What the page sends to change a flag. What is left out stays.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ChangeRequest {
    #[serde(default)]
    state: Option<Switch>,
    #[serde(default)]
    default: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Switch {
    On,
    Off,
}

/// `POST /admin/flags/{flag}`, with `{"state": "on" | "off", "default": "<variation>"}`; answers with the new overview.
async fn change(
    State(state): State<AppState>,
    Segments(flag): Segments<String>,
    headers: HeaderMap,
    Payload(body): Payload,
) -> Result<Json<describe::Overview>, ApiError> {
    guard(&headers, &state)?;
    // A page of another site can send this type only after a preflight, which is never granted here.
    let json = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| {
            value
                .split(';')
                .next()
                .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
        });
    if !json {
        return Err(ApiError::UnsupportedMediaType(
            "send Content-Type: application/json",
        ));
    }
    let request: ChangeRequest = serde_json::from_slice(&body).map_err(|error| {
        ApiError::BadRequest(format!(
            "send {{\"state\": \"on\"}} or {{\"default\": \"…\"}}: {error}"
        ))
    })?;
    let environment = Arc::clone(environment(&state)?);
    let Some(editor) = environment.editor() else {
        return Err(ApiError::Conflict(
            "flags cannot be changed here; change them where they come from".to_owned(),
        ));
    };
    let edit = Edit {
        state: request.state.map(|switch| switch == Switch::On),
        default: request.default,
    };
    let made = tokio::task::spawn_blocking({
        let (environment, flag, edit) = (Arc::clone(&environment), flag.clone(), edit.clone());
        move || editor.edit(&environment, &flag, &edit)
    })
    .await
    .map_err(|error| ApiError::Internal(error.to_string()))?;
    made.map_err(|error| match error {
        EditError::UnknownFlag(_) => ApiError::NotFound(error.to_string()),
        EditError::UnknownVariation { .. } => ApiError::BadRequest(error.to_string()),
        EditError::Refused(_) | EditError::Io { .. } => {
            tracing::warn!(flag, "not changed from the admin page: {error}");
            ApiError::Conflict(error.to_string())
        }
    })?;
    tracing::info!(flag, state = ?edit.state, default = edit.default, "changed from the admin page");
    let current = current(&environment)?;
    Ok(Json(describe::Overview::of(&environment, &current)))
}

fn environment(state: &AppState) -> Result<&Arc<Environment>, ApiError> {
    state
        .environments
        .values()
        .next()
        .ok_or(ApiError::Unavailable("there is no environment"))
}

/// Lets in the page itself, and tools of whoever may use it.
fn guard(headers: &HeaderMap, state: &AppState) -> Result<(), ApiError> {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let refused = |reason: &str| Err(ApiError::Forbidden(reason.to_owned()));
    let Some(host) = text(HOST) else {
        return refused("a request needs a Host header");
    };
    if let Some(site) = text(HeaderName::from_static("sec-fetch-site"))
        && !matches!(site, "same-origin" | "none")
    {
        return refused("the admin page cannot be used from another site");
    }
    if let Some(origin) = text(ORIGIN)
        && origin.split_once("://").map(|(_, rest)| rest) != Some(host)
    {
        return refused("the admin page cannot be used from another site");
    }
    match &state.settings.admin_token {
        Some(wanted) => {
            let given = text(AUTHORIZATION)
                .and_then(|value| value.split_once(' '))
                .map(|(_, token)| token.trim())
                .unwrap_or_default();
            if Hashed::of(given) == *wanted {
                Ok(())
            } else {
                Err(ApiError::Unauthorized(
                    "the admin token is missing or wrong",
                ))
            }
        }
        None if !state.settings.loopback => refused(
            "this server can be reached from other machines; start it with --admin-token to use the admin page",
        ),
        None if is_loopback_name(host) => Ok(()),
        None => refused(
            "open the admin page as http://localhost or http://127.0.0.1, or start the server with --admin-token",
        ),
    }
}

/// Whether a `Host` header names this machine.
fn is_loopback_name(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost")
        || name
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::is_loopback_name;

    #[test]
    fn knows_the_names_of_this_machine() {
        for host in [
            "localhost",
            "localhost:7700",
            "127.0.0.1:80",
            "127.8.8.8",
            "[::1]:7700",
            "LOCALHOST",
        ] {
            assert!(is_loopback_name(host), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "localhost.evil.example",
            "192.168.0.2",
            "127.0.0.1.evil.example",
            "[fe80::1]",
        ] {
            assert!(!is_loopback_name(host), "{host}");
        }
    }
}
