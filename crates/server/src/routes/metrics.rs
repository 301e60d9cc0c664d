//! Serves `POST /metrics/{environment}`, by which clients report how often they have served which variation.

use axum::http::StatusCode;
use flagwire_core::protocol::{KeyValue, Metrics, MetricsData, TargetData};
use serde_json::Value;

use super::access::{Caller, Payload, Segments};
use crate::error::ApiError;
use crate::json;

/// Accepts any JSON: clients drop a report that is refused, so that a refusal would only lose counts. What cannot be counted is
/// left out.
pub(super) async fn report(
    caller: Caller,
    Segments(environment): Segments<String>,
    Payload(body): Payload,
) -> Result<StatusCode, ApiError> {
    let environment = caller.allow(&environment, None)?;
    let report: Value = json::from_slice(&body)
        .map_err(|error| ApiError::BadRequest(format!("the body is not JSON: {error}")))?;
    let current = environment.current();
    let snapshot = current.as_ref().map(|current| &current.snapshot);
    environment
        .usage
        .add(&counters(&report), snapshot, caller.kind);
    Ok(StatusCode::OK)
}

fn counters(json: &Value) -> Metrics {
    let data = list(json.get("metricsData"))
        .iter()
        .map(|item| MetricsData {
            timestamp: item
                .get("timestamp")
                .and_then(Value::as_i64)
                .unwrap_or_default(),
            count: item.get("count").and_then(count).unwrap_or_default(),
            metrics_type: text(item.get("metricsType")),
            attributes: pairs(item.get("attributes")),
        });
    let targets = list(json.get("targetData")).iter().map(|item| TargetData {
        identifier: text(item.get("identifier")),
        name: text(item.get("name")),
        attributes: pairs(item.get("attributes")),
    });
    Metrics {
        metrics_data: Some(data.collect()),
        target_data: Some(targets.collect()),
    }
}

/// Reads a count: a whole number, which may be written as `3.0`. Returns `None` for negative numbers, fractions and
/// texts.
fn count(json: &Value) -> Option<u64> {
    json.as_u64().or_else(|| {
        let number = json.as_f64()?;
        // Past this a floating-point number is not exact.
        let whole = number.fract() == 0.0 && (0.0..9e15).contains(&number);
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is whole and in range"
        )]
        whole.then_some(number as u64)
    })
}

fn list(json: Option<&Value>) -> &[Value] {
    json.and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn text(json: Option<&Value>) -> String {
    match json {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None => String::new(),
        Some(other) => other.to_string(),
    }
}

fn pairs(json: Option<&Value>) -> Vec<KeyValue> {
    list(json)
        .iter()
        .map(|pair| KeyValue {
            key: text(pair.get("key")),
            value: text(pair.get("value")),
        })
        .collect()
}
