//! Why a target gets what it gets.

use axum::Json;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use flagwire_evaluation::{Explanation, Snapshot};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::super::access::{Payload, current};
use super::{Admin, NO_STORE, json};
use crate::error::ApiError;
use crate::target;

const HINT: &str = r#"{"target": {"identifier": "…", "attributes": {…}}, "flag": "…"}"#;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExplainRequest {
    /// As SDKs send it. Left out or `null`: for nobody, as an evaluation without a target.
    target: Option<Value>,
    /// Left out for all flags.
    flag: Option<String>,
    /// Whether to tell the steps, too; if left out, for a single flag.
    steps: Option<bool>,
}

#[derive(Debug, Serialize)]
struct ExplainReply<'a> {
    environment: &'a str,
    /// Names the configuration, as in the overview.
    content: &'a str,
    flags: Vec<Explanation>,
}

/// `POST /admin/explain`: evaluates as clients are evaluated, and says how that went. The target travels in the body, as
/// addresses are logged on the way.
pub(super) async fn explain(
    admin: Admin,
    headers: HeaderMap,
    Payload(body): Payload,
) -> Result<Response, ApiError> {
    let request: ExplainRequest = json(&headers, &body, HINT)?;
    let target = match request.target {
        None => None,
        Some(json) => Some(target::from_json(json).ok_or_else(|| {
            ApiError::BadRequest(
                "a target is an object with its `identifier`, a text that is not empty".to_owned(),
            )
        })?),
    };
    let current = current(&admin.environment)?;
    let snapshot: &Snapshot = &current.snapshot;
    let tell = |flag: &str, steps: bool| {
        let mut told = snapshot.explain(flag, target.as_ref());
        if !steps {
            told.steps = Vec::new();
        }
        told
    };
    let flags = match &request.flag {
        Some(flag) if snapshot.flag(flag).is_none() => {
            return Err(ApiError::NotFound(format!("there is no flag `{flag}`")));
        }
        Some(flag) => vec![tell(flag, request.steps.unwrap_or(true))],
        None => {
            let steps = request.steps.unwrap_or(false);
            let all = snapshot.flags().iter();
            all.map(|flag| tell(&flag.feature, steps)).collect()
        }
    };
    let reply = ExplainReply {
        environment: admin.environment.name(),
        content: &current.content,
        flags,
    };
    Ok(([NO_STORE], Json(reply)).into_response())
}
