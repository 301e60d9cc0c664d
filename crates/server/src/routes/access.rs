//! Checks who sends a request and what they may do, for all endpoints of the protocol.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::header::{AUTHORIZATION, ORIGIN};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use flagwire_core::protocol::Target;
use serde::de::DeserializeOwned;

use crate::auth::KeyKind;
use crate::auth::token::Token;
use crate::environment::{Current, Environment};
use crate::error::ApiError;
use crate::state::AppState;
use crate::target;

/// The sender of a request, whose token was checked.
pub(super) struct Caller {
    pub(super) token: Token,
    pub(super) kind: KeyKind,
    pub(super) environment: Arc<Environment>,
}

impl FromRequestParts<AppState> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let text = bearer(&parts.headers).ok_or(ApiError::Unauthorized(
            "no token; sign in with POST /client/auth and send it as Authorization: Bearer",
        ))?;
        let token = state
            .signer
            .check_token(text)
            .ok_or(ApiError::Unauthorized(
                "the token is not valid; sign in again",
            ))?;
        Self::of_token(token, &parts.headers, state)
    }
}

impl Caller {
    /// Returns the caller for a token whose signature was checked, if its key is still valid and may be used with these
    /// headers.
    pub(super) fn of_token(
        token: Token,
        headers: &HeaderMap,
        state: &AppState,
    ) -> Result<Self, ApiError> {
        const GONE: ApiError = ApiError::Unauthorized("the key of this token is no longer valid");
        let grant = state.keys.by_name(&token.key).ok_or(GONE)?;
        if grant.environment != token.claims.environment {
            return Err(GONE);
        }
        let environment = state.environments.get(&grant.environment).ok_or(GONE)?;
        keep_in_back_ends(grant.kind, headers, state)?;
        Ok(Self {
            kind: grant.kind,
            environment: Arc::clone(environment),
            token,
        })
    }

    /// Returns the environment, if it is the one of the path and the key is of the right kind.
    pub(super) fn allow(
        &self,
        environment: &str,
        kind: Option<KeyKind>,
    ) -> Result<&Arc<Environment>, ApiError> {
        if environment != self.environment.name() {
            return Err(ApiError::Forbidden(format!(
                "the token is not for the environment `{environment}`"
            )));
        }
        match kind {
            Some(kind) if kind != self.kind => Err(ApiError::Forbidden(match kind {
                KeyKind::Client => {
                    "a server key reads rules, not evaluations; sign in with a client key"
                        .to_owned()
                }
                KeyKind::Server => {
                    "a client key reads evaluations, not rules; sign in with a server key"
                        .to_owned()
                }
            })),
            _ => Ok(&self.environment),
        }
    }

    /// Returns the target of the header, or else of the token. Returns `None` if that target is too long for the token
    /// and this server does not have it, as after a restart or on another replica: flags cannot be evaluated without
    /// its attributes.
    pub(super) fn own_target(&self, headers: &HeaderMap, state: &AppState) -> Option<Target> {
        header_target(headers).or_else(|| self.signed_in_target(state))
    }

    /// Returns the target of a path, with the attributes of the header or else of the token, if they belong to the same
    /// target.
    pub(super) fn target(&self, identifier: &str, headers: &HeaderMap, state: &AppState) -> Target {
        let same = |target: &Target| target.identifier == identifier;
        header_target(headers)
            .filter(same)
            .or_else(|| self.signed_in_target(state).filter(same))
            .unwrap_or_else(|| target::bare(identifier))
    }

    fn signed_in_target(&self, state: &AppState) -> Option<Target> {
        match (&self.token.target, &self.token.target_ref) {
            (Some(target), _) => Some(target.clone()),
            (None, Some(kept)) => state.targets.get(&kept.hash),
            (None, None) => None,
        }
    }
}

/// Refuses a server key, or a token given for one, that a page uses, as everybody who opens the page can read it.
///
/// A browser sets `Origin` and `Sec-Fetch-Site` itself, and lets no page leave them out or change them. The second one
/// is also in requests to a page's own origin, some of which have no `Origin`. Back ends send neither.
pub(super) fn keep_in_back_ends(
    kind: KeyKind,
    headers: &HeaderMap,
    state: &AppState,
) -> Result<(), ApiError> {
    let from_page = headers.contains_key(ORIGIN)
        || headers
            .get("sec-fetch-site")
            .is_some_and(|site| site != "none");
    if kind == KeyKind::Server && from_page && !state.settings.server_keys_in_browsers {
        return Err(ApiError::Forbidden(
            "a server key must not be used in a browser; use a client key there".to_owned(),
        ));
    }
    Ok(())
}

pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn header_target(headers: &HeaderMap) -> Option<Target> {
    target::from_header(headers.get("harness-target")?.as_bytes())
}

/// Returns the configuration in force, or an error if there is none yet.
pub(super) fn current(environment: &Environment) -> Result<Arc<Current>, ApiError> {
    environment.current().ok_or(ApiError::Unavailable(
        "no configuration yet; try again in a moment",
    ))
}

/// The decoded segments of the path. If they cannot be decoded, the request is answered like any other bad request.
pub(super) struct Segments<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Segments<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        Path::from_request_parts(parts, state)
            .await
            .map(|Path(segments)| Self(segments))
            .map_err(|rejection: PathRejection| ApiError::BadRequest(rejection.body_text()))
    }
}

/// The parameters of the query. If they cannot be read, as when one is given twice, the request is answered like any
/// other bad request.
pub(super) struct Parameters<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Parameters<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        Query::try_from_uri(&parts.uri)
            .map(|Query(parameters)| Self(parameters))
            .map_err(|rejection| ApiError::BadRequest(rejection.body_text()))
    }
}

/// The whole body of the request.
pub(super) struct Payload(pub(super) Bytes);

impl<S: Send + Sync> FromRequest<S> for Payload {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        match Bytes::from_request(request, state).await {
            Ok(bytes) => Ok(Self(bytes)),
            Err(error) if error.status() == StatusCode::PAYLOAD_TOO_LARGE => {
                Err(ApiError::TooLarge)
            }
            Err(error) => Err(ApiError::BadRequest(error.body_text())),
        }
    }
}
