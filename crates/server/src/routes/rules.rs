//! The endpoints for back ends, which download the rules themselves.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use bytes::Bytes;
use flagwire_evaluation::model::{FeatureConfig, Segment};
use serde::{Deserialize, Serialize};

use super::access::{Caller, Parameters, Segments, current};
use super::client::tagged;
use crate::auth::KeyKind;
use crate::error::ApiError;
use crate::state::AppState;

/// `rules=v2` asks for serving rules; unknown parameters are ignored.
#[derive(Debug, Deserialize)]
pub(super) struct RulesQuery {
    rules: Option<String>,
}

/// `descriptions=true` asks for the descriptions, tags, owners and metadata of flags. The published schema has no such
/// fields, and some readers are strict; this server asks for them as a relay.
#[derive(Debug, Deserialize)]
pub(super) struct FlagsQuery {
    descriptions: Option<String>,
}

impl FlagsQuery {
    fn shape(&self, flag: &FeatureConfig) -> FeatureConfig {
        let mut flag = flag.clone();
        if self.descriptions.as_deref() != Some("true") {
            flag.forget_about();
        }
        flag
    }
}

impl RulesQuery {
    fn shape(&self, group: &Segment) -> Segment {
        if self.rules.as_deref() == Some("v2") {
            group.with_serving_rules()
        } else {
            group.with_flat_rules()
        }
    }
}

fn json(list: &impl Serialize) -> Result<Bytes, ApiError> {
    serde_json::to_vec(list)
        .map(Bytes::from)
        .map_err(|error| ApiError::Internal(error.to_string()))
}

/// `GET /client/env/{environment}/feature-configs`
pub(super) async fn flags(
    State(_): State<AppState>,
    caller: Caller,
    Segments(environment): Segments<String>,
    Parameters(query): Parameters<FlagsQuery>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let current = current(caller.allow(&environment, Some(KeyKind::Server))?)?;
    tagged(&headers, current.tag(), || {
        let flags = current.snapshot.flags().iter();
        json(&flags.map(|flag| query.shape(flag)).collect::<Vec<_>>())
    })
}

/// `GET /client/env/{environment}/feature-configs/{flag}`
pub(super) async fn flag(
    State(_): State<AppState>,
    caller: Caller,
    Segments((environment, flag)): Segments<(String, String)>,
    Parameters(query): Parameters<FlagsQuery>,
) -> Result<Json<FeatureConfig>, ApiError> {
    let current = current(caller.allow(&environment, Some(KeyKind::Server))?)?;
    match current.snapshot.flag(&flag) {
        Some(flag) => Ok(Json(query.shape(flag))),
        None => Err(ApiError::NotFound(format!("there is no flag `{flag}`"))),
    }
}

/// `GET /client/env/{environment}/target-segments`
pub(super) async fn groups(
    State(_): State<AppState>,
    caller: Caller,
    Segments(environment): Segments<String>,
    Parameters(query): Parameters<RulesQuery>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let current = current(caller.allow(&environment, Some(KeyKind::Server))?)?;
    tagged(&headers, current.tag(), || {
        let groups = current.snapshot.segments().iter();
        json(&groups.map(|group| query.shape(group)).collect::<Vec<_>>())
    })
}

/// `GET /client/env/{environment}/target-segments/{group}`
pub(super) async fn group(
    State(_): State<AppState>,
    caller: Caller,
    Segments((environment, group)): Segments<(String, String)>,
    Parameters(query): Parameters<RulesQuery>,
) -> Result<Json<Segment>, ApiError> {
    let current = current(caller.allow(&environment, Some(KeyKind::Server))?)?;
    match current.snapshot.segment(&group) {
        Some(group) => Ok(Json(query.shape(group))),
        None => Err(ApiError::NotFound(format!("there is no group `{group}`"))),
    }
}
