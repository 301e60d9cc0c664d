//! The admin page and its endpoints.
//!
//! The endpoints can change flags, so they have a guard of their own, which refuses pages of other sites. Without an
//! admin token they work only where the server listens to its own machine and was asked for by a name of that machine,
//! as a foreign site could otherwise point a name of its own at it (DNS rebinding).

mod change;
mod changes;
mod definitions;
mod describe;
mod explain;
mod guard;

mod live;
mod page;
mod source;

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{FromRequestParts, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, Method};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::access::Parameters;
use crate::auth::{AdminUser, Permission};
use crate::environment::{Author, Environment};
use crate::error::ApiError;
use crate::peer::Peer;
use crate::state::AppState;

/// How many streams are listed at most.
const MAX_STREAMS: usize = 200;

/// Replies of these endpoints must not be cached, as only requests with the token may see them.
const NO_STORE: (HeaderName, &str) = (CACHE_CONTROL, "no-store");

/// The one endpoint that changes nothing although its method is not GET, as a target is sent in its body.
const EXPLAIN: &str = "/admin/explain";

pub(super) fn routes() -> Router<AppState> {
    page::routes()
        .route("/admin/state", get(overview))
        .route("/admin/streams", get(streams))
        .route("/admin/events", get(live::events))
        .route(EXPLAIN, post(explain::explain))
        .route("/admin/accept", post(change::accept))
        .route("/admin/source", get(source::show).post(source::choose))
        .route("/admin/changes", get(changes::list))
        .route("/admin/changes/{id}/undo", post(changes::undo))
        .route(
            "/admin/flags/{flag}",
            post(change::change)
                .put(definitions::put_flag)
                .delete(definitions::delete_flag),
        )
        .route("/admin/flags/{flag}/definition", get(definitions::flag))
        .route(
            "/admin/groups/{group}",
            put(definitions::put_group).delete(definitions::delete_group),
        )
        .route("/admin/groups/{group}/definition", get(definitions::group))
}

/// A request that has passed the guard, and the environment that it is for.
struct Admin {
    environment: Arc<Environment>,
    /// Who sends the request.
    user: AdminUser,
    /// The client's address, for the log.
    address: Option<IpAddr>,
}

impl Admin {
    /// Returns who makes the changes of this request.
    fn author(&self) -> Author {
        Author {
            name: self.user.name.clone(),
            address: self.address,
        }
    }
}

/// Refuses a request that changes something, if its sender may only read. Everything counts as a change that is not known to be
/// none.
fn permit(user: &AdminUser, parts: &Parts) -> Result<(), ApiError> {
    let reads = matches!(parts.method, Method::GET | Method::HEAD) || parts.uri.path() == EXPLAIN;
    if reads || user.may == Permission::Edit {
        return Ok(());
    }
    Err(ApiError::Forbidden(format!(
        "token `{}` may read, not edit",
        user.name
    )))
}

/// Unknown parameters are ignored.
#[derive(Debug, Deserialize)]
struct Which {
    environment: Option<String>,
}

impl FromRequestParts<AppState> for Admin {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let address = parts.extensions.get::<Peer>().map(|peer| peer.0);
        let from = Peer::of(&parts.extensions);
        let user = guard::guard(&parts.headers, from, state);
        let user = user.and_then(|user| permit(&user, parts).map(|()| user));
        let user = user.inspect_err(|error| {
            let address = address.map(tracing::field::display);
            // The guesses before this one were logged, and there may be many more.
            if matches!(error, ApiError::TooManyGuesses(_)) {
                tracing::debug!(address, %error, "refused at the admin page");
                return;
            }
            tracing::warn!(address, path = parts.uri.path(), %error, "refused at the admin page");
        })?;
        let Parameters(which) = Parameters::<Which>::from_request_parts(parts, state).await?;
        let environment = match which.environment {
            None => state.environments.values().next(),
            Some(name) => Some(state.environments.get(&name).ok_or_else(|| {
                let known: Vec<&str> = state.environments.keys().map(String::as_str).collect();
                ApiError::NotFound(format!(
                    "there is no environment `{name}`; there are: {}",
                    known.join(", ")
                ))
            })?),
        };
        let environment = environment.ok_or(ApiError::Unavailable("there is no environment"))?;
        Ok(Self {
            environment: Arc::clone(environment),
            user,
            address,
        })
    }
}

/// Reads a body of JSON.
///
/// A page of another site can send this type only after a preflight, which is never granted here.
fn json<T: DeserializeOwned>(headers: &HeaderMap, body: &[u8], hint: &str) -> Result<T, ApiError> {
    let json = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"));
    if !json {
        return Err(ApiError::UnsupportedMediaType(
            "send Content-Type: application/json",
        ));
    }
    serde_json::from_slice(body)
        .map_err(|error| ApiError::BadRequest(format!("send {hint}: {error}")))
}

#[derive(Debug, Deserialize)]
struct OverviewQuery {
    content: Option<String>,
}

/// The overview, and who asks for it.
#[derive(Debug, Serialize)]
struct OverviewFor {
    user: AdminUser,
    #[serde(flatten)]
    overview: describe::Overview,
}

/// `GET /admin/state`: everything the page shows. With `content` the flags and groups are left out if they are still
/// those of that configuration.
async fn overview(
    State(state): State<AppState>,
    admin: Admin,
    Parameters(query): Parameters<OverviewQuery>,
) -> Response {
    let overview = describe::Overview::of(&state, &admin.environment, query.content.as_deref());
    let user = admin.user;
    ([NO_STORE], Json(OverviewFor { user, overview })).into_response()
}

#[derive(Debug, Deserialize)]
struct StreamsQuery {
    #[serde(default)]
    search: String,
}

/// `GET /admin/streams`: lists the readers of open streams, the newest first. With `search` only those whose target or
/// address contains it.
async fn streams(admin: Admin, Parameters(query): Parameters<StreamsQuery>) -> Response {
    let listing = admin
        .environment
        .readers
        .list(query.search.trim(), MAX_STREAMS);
    ([NO_STORE], Json(listing)).into_response()
}
