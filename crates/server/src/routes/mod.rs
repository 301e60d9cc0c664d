//! Defines the routes of the service. Each endpoint has a small handler in one of the modules.

mod access;
mod admin;
mod client;
mod cors;
mod metrics;
mod ofrep;
mod operations;
mod rules;
mod stream;

use std::time::Instant;

use axum::Router;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::http::header::CONNECTION;
use axum::http::{HeaderValue, Method, Version};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use tower::ServiceExt as _;
use tower_http::catch_panic::CatchPanicLayer;

use crate::error::ApiError;
use crate::limits::{MAX_BODY_BYTES, MAX_REPORT_BYTES};
use crate::serve::{Refused, TooMany};
use crate::state::AppState;

/// Returns the whole service.
///
/// The protocol answers under `/` and under `/api/1.0`, as base URLs of both kinds are in use. Pages of other origins
/// may use the protocol, but not the admin page's endpoints.
pub fn app(state: AppState) -> Router {
    let protocol = Router::new()
        .route("/client/auth", post(client::sign_in))
        .route(
            "/client/env/{environment}/target/{target}/evaluations",
            get(client::evaluations),
        )
        .route(
            "/client/env/{environment}/target/{target}/evaluations/{flag}",
            get(client::evaluation),
        )
        .route(
            "/client/env/{environment}/target/evaluations",
            get(client::evaluations_of_dot),
        )
        .route(
            "/client/env/{environment}/target/evaluations/{flag}",
            get(client::evaluation_of_dot),
        )
        .route(
            "/client/env/{environment}/evaluations",
            get(client::evaluations_of_dots),
        )
        .route(
            "/client/env/{environment}/evaluations/{flag}",
            get(client::evaluation_of_dots),
        )
        .route(
            "/client/env/{environment}/feature-configs",
            get(rules::flags),
        )
        .route(
            "/client/env/{environment}/feature-configs/{flag}",
            get(rules::flag),
        )
        .route(
            "/client/env/{environment}/target-segments",
            get(rules::groups),
        )
        .route(
            "/client/env/{environment}/target-segments/{group}",
            get(rules::group),
        )
        .route(
            "/client/env/{environment}/stream-ticket",
            get(stream::ticket),
        )
        .route("/stream", get(stream::stream))
        .route(
            "/metrics/{environment}",
            post(metrics::report).layer(DefaultBodyLimit::max(MAX_REPORT_BYTES)),
        )
        .route("/ofrep/v1/evaluate/flags", post(ofrep::evaluate_all))
        .route("/ofrep/v1/evaluate/flags/{flag}", post(ofrep::evaluate))
        .route("/ofrep/v1/events", get(ofrep::events));
    let own = admin::routes()
        .route("/live", get(operations::live))
        .route("/ready", get(operations::ready))
        .route("/status", get(operations::status))
        .route("/metrics", get(operations::metrics))
        .method_not_allowed_fallback(method_not_allowed)
        .layer(middleware::from_fn(refuse));
    let protocol = Router::new()
        .merge(protocol.clone())
        .nest("/api/1.0", protocol)
        .method_not_allowed_fallback(method_not_allowed);
    let known: Router = protocol
        .clone()
        .fallback(nothing_here)
        .with_state(state.clone());
    protocol
        .fallback(
            async move |request: Request| match without_empty_segments(request) {
                Ok(request) => known.oneshot(request).await.into_response(),
                Err(nothing) => nothing.into_response(),
            },
        )
        // This layer is below CORS, so that pages can read why they were refused.
        .layer(middleware::from_fn(refuse))
        .layer(cors::layer(&state.settings.cors_origins))
        .layer(middleware::from_fn(cors::check_preflight))
        .merge(own)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(CatchPanicLayer::new())
        .layer(middleware::from_fn_with_state(state.clone(), log_request))
        .with_state(state)
}

async fn method_not_allowed() -> ApiError {
    ApiError::MethodNotAllowed
}

async fn nothing_here() -> ApiError {
    ApiError::NotFound("there is nothing at this address".to_owned())
}

/// Removes empty segments from the path: clients that are given a base URL with a slash at its end ask for
/// `//client/auth`. Returns an error if there are none.
fn without_empty_segments(mut request: Request) -> Result<Request, ApiError> {
    let nothing = || ApiError::NotFound("there is nothing at this address".to_owned());
    let uri = request.uri();
    if !uri.path().contains("//") {
        return Err(nothing());
    }
    let segments = uri.path().split('/').filter(|segment| !segment.is_empty());
    let mut path: String = segments.flat_map(|segment| ["/", segment]).collect();
    if let Some(query) = uri.query() {
        path.push('?');
        path.push_str(query);
    }
    *request.uri_mut() = path.parse().map_err(|_| nothing())?;
    Ok(request)
}

/// Answers requests that are marked as refused, and those of connections past the limit, before a handler is called.
async fn refuse(request: Request, next: Next) -> Response {
    if let Some(Refused(error)) = request.extensions().get::<Refused>() {
        return error.clone().into_response();
    }
    if request.extensions().get::<TooMany>().is_none() {
        return next.run(request).await;
    }
    let version = request.version();
    let mut response = ApiError::TooManyConnections.into_response();
    // HTTP/2 has no such header.
    if version < Version::HTTP_2 {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(CONNECTION, close);
    }
    response
}

/// Counts each request, and writes a line for it at debug. The query is left out: it may hold a ticket. For a stream, the time
/// is until its head was sent.
async fn log_request(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let start = Instant::now();
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let past_limit = request.extensions().get::<TooMany>().is_some();
    let response = next.run(request).await;
    let took = start.elapsed();
    let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    let status = response.status().as_u16();
    tracing::debug!(%method, path, status, micros, "request");
    // The request was refused for its connection and was counted there. It is no failure of this server.
    if past_limit {
        return response;
    }
    let route = route.as_ref().map_or("none", MatchedPath::as_str);
    state.metrics.count(known(&method), route, status, took);
    response
}

/// Returns the method as metrics name it. Clients may send any text as a method, so only those in use are
/// distinguished.
fn known(method: &Method) -> &str {
    match *method {
        Method::GET
        | Method::POST
        | Method::PUT
        | Method::DELETE
        | Method::OPTIONS
        | Method::HEAD => method.as_str(),
        _ => "other",
    }
}
