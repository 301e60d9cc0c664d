//! Endpoints for operators: whether the server is alive and ready, the status of its environments, and its metrics.

use axum::Json;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use crate::environment::Environment;
use crate::error::ApiError;
use crate::state::AppState;
use crate::time::{age_seconds, unix_seconds};

const NO_STORE: (HeaderName, HeaderValue) = (CACHE_CONTROL, HeaderValue::from_static("no-store"));

/// `GET /live`: the process answers.
pub(super) async fn live() -> impl IntoResponse {
    ([NO_STORE], Json(json!({ "live": true })))
}

/// `GET /ready`: 200 once every environment has a configuration, however old; 503 before, and while the server stops.
///
/// Old flags are better than none, so an upstream that is down does not make a server unready.
pub(super) async fn ready(State(state): State<AppState>) -> Response {
    let waiting: Vec<&str> = state
        .environments
        .values()
        .filter(|environment| environment.current().is_none())
        .map(|environment| environment.name())
        .collect();
    let stopping = *state.stopping.borrow();
    let ready = waiting.is_empty() && !stopping;
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let body = json!({ "ready": ready, "waitingFor": waiting, "stopping": stopping });
    (status, [NO_STORE], Json(body)).into_response()
}

/// `GET /status`: the status of each environment. Times are seconds since the Unix epoch, ages seconds.
pub(super) async fn status(State(state): State<AppState>) -> impl IntoResponse {
    let environments: Map<String, Value> = state
        .environments
        .values()
        .map(|environment| {
            let mut described = describe(environment);
            if let Some(takeover) = state.takeovers.get(environment.name())
                && let Value::Object(map) = &mut described
            {
                map.insert("takeover".to_owned(), json!(takeover.standing()));
            }
            (environment.name().to_owned(), described)
        })
        .collect();
    let body = json!({
        "server": concat!("flagwire-server/", env!("CARGO_PKG_VERSION")),
        "environments": environments,
    });
    ([NO_STORE], Json(body))
}

fn describe(environment: &Environment) -> Value {
    let status = environment.status();
    let current = environment.current();
    let mut described = json!({
        "source": status.source,
        "state": status.state,
        "healthy": status.healthy,
        "since": unix_seconds(status.since),
        "error": status.error,
        "warning": status.warning,
        "doubt": environment.doubt(),
        "version": current.as_ref().map(|current| &current.content),
        "changed": current.as_ref().map(|current| unix_seconds(current.since)),
        "age": current.is_some().then(|| age_seconds(status.fresh_at)),
        "flags": current.as_ref().map_or(0, |current| current.snapshot.flags().len()),
        "groups": current.as_ref().map_or(0, |current| current.snapshot.segments().len()),
        "clients": environment.streams(),
    });
    if let (Some(replica), Value::Object(map)) = (environment.replica(), &mut described) {
        map.insert("replica".to_owned(), json!(replica));
    }
    described
}

/// `GET /metrics`, for Prometheus.
pub(super) async fn metrics(State(state): State<AppState>) -> Result<Response, ApiError> {
    let text = state
        .metrics
        .encode(state.environments.values(), &state.takeovers)
        .map_err(|error| ApiError::Internal(error.to_string()))?;
    let kind =
        HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
    Ok(([(CONTENT_TYPE, kind), NO_STORE], text).into_response())
}
