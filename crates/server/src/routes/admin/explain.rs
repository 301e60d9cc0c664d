//! Explains why a target gets the evaluations that it gets.

use axum::Json;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use flagwire_evaluation::{Explanation, Outcome, Snapshot};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::super::access::{Payload, current};
use super::{Admin, NO_STORE, json};
use crate::error::ApiError;
use crate::target;

const HINT: &str = r#"{"target": {"identifier": "…", "attributes": {…}}, "flag": "…"}"#;

/// How many steps are shown for all flags together, counting those that are left out. Flags after that have no steps.
const MAX_STEPS: usize = 5_000;

/// How many bytes the steps of one flag may take if all flags are asked for.
const STEPS_BYTES: usize = 16 * 1024;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExplainRequest {
    /// The target, as SDKs send it. If it is left out or `null`, the evaluation is one without a target.
    target: Option<Value>,
    /// The flag to evaluate; if it is left out, all flags.
    flag: Option<String>,
    /// Whether to list the steps. If it is left out, they are listed for a single flag only.
    steps: Option<bool>,
}

#[derive(Debug, Serialize)]
struct ExplainReply<'a> {
    environment: &'a str,
    /// Identifies the configuration, as in the overview.
    content: &'a str,
    flags: Vec<Explanation>,
}

/// `POST /admin/explain`: evaluates flags as for clients, and says by which steps. The target is in the body, as
/// proxies log URLs.
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
    let target = target.as_ref();
    // All flags share these evaluations, as each would otherwise evaluate all its prerequisites again.
    let mut evaluations = snapshot.for_target(target);
    let mut briefly = |flag: &str| Explanation {
        flag: flag.to_owned(),
        target: target.map(|target| target.identifier.clone()),
        steps: Vec::new(),
        omitted: 0,
        result: match evaluations.evaluate(flag) {
            Ok(served) => Outcome::Served {
                evaluation: served.to_owned(),
                reason: served.reason,
            },
            Err(error) => Outcome::Failed(error),
        },
    };
    let flags = match &request.flag {
        Some(flag) if snapshot.flag(flag).is_none() => {
            return Err(ApiError::NotFound(format!("there is no flag `{flag}`")));
        }
        Some(flag) if request.steps.unwrap_or(true) => vec![snapshot.explain(flag, target)],
        Some(flag) => vec![briefly(flag)],
        None => {
            let mut left = if request.steps.unwrap_or(false) {
                MAX_STEPS
            } else {
                0
            };
            let all = snapshot.flags().iter();
            all.map(|flag| {
                if left == 0 {
                    let mut told = briefly(&flag.feature);
                    told.omitted = usize::from(request.steps == Some(true));
                    return told;
                }
                let told = snapshot.explain_within(&flag.feature, target, STEPS_BYTES);
                left = left.saturating_sub(told.steps.len() + told.omitted);
                told
            })
            .collect()
        }
    };
    let reply = ExplainReply {
        environment: admin.environment.name(),
        content: &current.content,
        flags,
    };
    Ok(([NO_STORE], Json(reply)).into_response())
}
