//! The endpoints for browsers and apps: signing in, and the evaluations of one target.

use std::net::IpAddr;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY};
use axum::http::{Extensions, HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use flagwire_core::protocol::{Evaluation, SignInReply, Target};
use flagwire_evaluation::EvaluationError;
use serde_json::Value;

use super::access::{Caller, Payload, Segments, current, keep_in_back_ends};
use crate::auth::KeyKind;
use crate::auth::token::{MAX_TARGET_BYTES, TargetRef, Token};
use crate::error::ApiError;
use crate::peer::Peer;
use crate::state::AppState;
use crate::time::now;
use crate::{json, target};

/// `POST /client/auth`
pub(super) async fn sign_in(
    State(state): State<AppState>,
    headers: HeaderMap,
    extensions: Extensions,
    Payload(body): Payload,
) -> Result<Json<SignInReply>, ApiError> {
    let bad = |what: &str| {
        ApiError::BadRequest(format!(
            "{what}; send {{\"apiKey\": \"…\", \"target\": {{\"identifier\": \"…\"}}}}"
        ))
    };
    let Ok(Value::Object(mut request)) = json::from_slice(&body) else {
        return Err(bad("the body is not a JSON object"));
    };
    let key = match request.get("apiKey") {
        Some(Value::String(key)) if !key.is_empty() => key,
        _ => return Err(bad("apiKey is missing or empty")),
    };
    let (grant, name) = state
        .keys
        .find(key)
        .ok_or(ApiError::Unauthorized("the key is not known here"))?;
    let grant = grant.clone();
    keep_in_back_ends(grant.kind, &headers, &state)?;
    let target = match request.remove("target") {
        None | Some(Value::Null) => None,
        Some(json) => {
            Some(target::from_json(json).ok_or_else(|| bad("the target has no identifier"))?)
        }
    };
    let (target, target_ref) = match (grant.kind, target) {
        (KeyKind::Client, Some(target)) => carry(target, Peer::of(&extensions), &state),
        _ => (None, None),
    };
    let now = now();
    let token = Token {
        target,
        target_ref,
        ..Token::for_key(&grant, name, now)
    };
    let internal = |error: jsonwebtoken::errors::Error| ApiError::Internal(error.to_string());
    Ok(Json(SignInReply {
        auth_token: state.signer.token(&token).map_err(internal)?,
        stream_url: Some(super::stream::url(&token, now, &state)?),
    }))
}

/// Returns the target as the token is to carry it: whole or, if it is too long for that, as a reference to the stored
/// target.
fn carry(target: Target, address: IpAddr, state: &AppState) -> (Option<Target>, Option<TargetRef>) {
    let json = serde_json::to_string(&target).unwrap_or_default();
    if json.len() <= MAX_TARGET_BYTES {
        return (Some(target), None);
    }
    let hash = state.targets.put(&json, address);
    (
        None,
        Some(TargetRef {
            identifier: target.identifier,
            hash,
        }),
    )
}

/// The identifiers of targets that cannot be a segment of a URL: clients and proxies resolve `target/./evaluations` to
/// `target/evaluations`, and `target/../evaluations` to `evaluations`. For such paths the target is that of the token.
const DOT: &str = ".";
const DOTS: &str = "..";

/// `GET /client/env/{environment}/target/evaluations`
pub(super) async fn evaluations_of_dot(
    state: State<AppState>,
    caller: Caller,
    Segments(environment): Segments<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let segments = Segments((environment, DOT.to_owned()));
    evaluations(state, caller, segments, headers).await
}

/// `GET /client/env/{environment}/evaluations`
pub(super) async fn evaluations_of_dots(
    state: State<AppState>,
    caller: Caller,
    Segments(environment): Segments<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let segments = Segments((environment, DOTS.to_owned()));
    evaluations(state, caller, segments, headers).await
}

/// `GET /client/env/{environment}/target/evaluations/{flag}`. If the last segment is `evaluations` too, the request is
/// for all evaluations of a target named `evaluations`.
pub(super) async fn evaluation_of_dot(
    state: State<AppState>,
    caller: Caller,
    Segments((environment, flag)): Segments<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    if flag == "evaluations" {
        return evaluations(state, caller, Segments((environment, flag)), headers).await;
    }
    let segments = Segments((environment, DOT.to_owned(), flag));
    let found = evaluation(state, caller, segments, headers).await?;
    Ok(found.into_response())
}

/// `GET /client/env/{environment}/evaluations/{flag}`
pub(super) async fn evaluation_of_dots(
    state: State<AppState>,
    caller: Caller,
    Segments((environment, flag)): Segments<(String, String)>,
    headers: HeaderMap,
) -> Result<Json<Evaluation>, ApiError> {
    let segments = Segments((environment, DOTS.to_owned(), flag));
    evaluation(state, caller, segments, headers).await
}

/// `GET /client/env/{environment}/target/{target}/evaluations`
pub(super) async fn evaluations(
    State(state): State<AppState>,
    caller: Caller,
    Segments((environment, identifier)): Segments<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let environment = caller.allow(&environment, Some(KeyKind::Client))?;
    let current = current(environment)?;
    let target = caller.target(&identifier, &headers, &state);
    let fingerprint = target::fingerprint(&current.content, &target);
    let make = || {
        let mut body = Vec::with_capacity(128 * current.snapshot.flags().len() + 2);
        body.push(b'[');
        let mut result = Ok(());
        current
            .snapshot
            .evaluate_all_with(Some(&target), |evaluation| {
                if body.len() > 1 {
                    body.push(b',');
                }
                if let Err(error) = serde_json::to_writer(&mut body, &evaluation) {
                    result = Err(ApiError::Internal(error.to_string()));
                }
            });
        body.push(b']');
        result.map(|()| body)
    };
    tagged(&headers, &fingerprint, || {
        state.replies.get(&fingerprint, make)
    })
}

/// `GET /client/env/{environment}/target/{target}/evaluations/{flag}`
pub(super) async fn evaluation(
    State(state): State<AppState>,
    caller: Caller,
    Segments((environment, identifier, flag)): Segments<(String, String, String)>,
    headers: HeaderMap,
) -> Result<Json<Evaluation>, ApiError> {
    let environment = caller.allow(&environment, Some(KeyKind::Client))?;
    let current = current(environment)?;
    let target = caller.target(&identifier, &headers, &state);
    current
        .snapshot
        .evaluate(&flag, Some(&target))
        .map(Json)
        .map_err(|error| match error {
            EvaluationError::UnknownFlag => {
                ApiError::NotFound(format!("there is no flag `{flag}`"))
            }
            // The same request would fail again, so the client is answered as if there were no such flag.
            other => ApiError::NotFound(format!("flag `{flag}` has no evaluation: {other}")),
        })
}

/// Returns a reply whose `ETag` is `fingerprint`, or 304 if the client has that reply already.
pub(super) fn tagged(
    headers: &HeaderMap,
    fingerprint: &str,
    body: impl FnOnce() -> Result<Bytes, ApiError>,
) -> Result<Response, ApiError> {
    let tag = format!("\"{fingerprint}\"");
    let known = headers
        .get_all(IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .any(|value| {
            value
                .split(',')
                .map(str::trim)
                .any(|one| one == "*" || one.strip_prefix("W/").unwrap_or(one) == tag)
        });
    let mut response = if known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        ([(CONTENT_TYPE, "application/json")], Body::from(body()?)).into_response()
    };
    let headers = response.headers_mut();
    headers.insert(
        ETAG,
        HeaderValue::try_from(tag).map_err(|error| ApiError::Internal(error.to_string()))?,
    );
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    headers.append(
        VARY,
        HeaderValue::from_static("authorization, harness-target"),
    );
    Ok(response)
}
