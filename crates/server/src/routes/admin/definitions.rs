//! Reads, writes and deletes whole definitions of flags and groups.

use std::sync::Arc;

use axum::Json;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::super::access::{Parameters, Payload, Segments};
use super::{Admin, NO_STORE, change, json};
use crate::environment::{Entry, Environment, FlagsChange};
use crate::error::ApiError;

const HINT: &str = r#"{"definition": …, "revision": "…"}, with the revision that GET has given, or null for a new one"#;

/// A definition as the page sends it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct DefinitionRequest {
    definition: Value,
    /// The revision of the definition that is replaced; `null` for a flag or group that is new.
    revision: Option<String>,
}

/// A definition as the file has it.
#[derive(Debug, Serialize)]
struct DefinitionReply {
    definition: Value,
    /// `short` or `full`.
    form: &'static str,
    revision: String,
}

/// The reply to a change, which is small: the page gets the new state by its stream.
#[derive(Debug, Serialize)]
pub(super) struct Changed {
    /// Identifies the configuration in force after the change.
    content: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct DeleteQuery {
    revision: Option<String>,
}

/// `GET /admin/flags/{flag}/definition`
pub(super) async fn flag(
    admin: Admin,
    Segments(flag): Segments<String>,
) -> Result<Response, ApiError> {
    read(&admin.environment, &Entry::Flag(flag)).await
}

/// `GET /admin/groups/{group}/definition`
pub(super) async fn group(
    admin: Admin,
    Segments(group): Segments<String>,
) -> Result<Response, ApiError> {
    read(&admin.environment, &Entry::Group(group)).await
}

/// `PUT /admin/flags/{flag}`
pub(super) async fn put_flag(
    admin: Admin,
    Segments(flag): Segments<String>,
    headers: HeaderMap,
    Payload(body): Payload,
) -> Result<Json<Changed>, ApiError> {
    put(admin, Entry::Flag(flag), &headers, &body).await
}

/// `PUT /admin/groups/{group}`
pub(super) async fn put_group(
    admin: Admin,
    Segments(group): Segments<String>,
    headers: HeaderMap,
    Payload(body): Payload,
) -> Result<Json<Changed>, ApiError> {
    put(admin, Entry::Group(group), &headers, &body).await
}

/// `DELETE /admin/flags/{flag}`
pub(super) async fn delete_flag(
    admin: Admin,
    Segments(flag): Segments<String>,
    Parameters(query): Parameters<DeleteQuery>,
) -> Result<Json<Changed>, ApiError> {
    delete(admin, Entry::Flag(flag), query).await
}

/// `DELETE /admin/groups/{group}`
pub(super) async fn delete_group(
    admin: Admin,
    Segments(group): Segments<String>,
    Parameters(query): Parameters<DeleteQuery>,
) -> Result<Json<Changed>, ApiError> {
    delete(admin, Entry::Group(group), query).await
}

async fn read(environment: &Arc<Environment>, entry: &Entry) -> Result<Response, ApiError> {
    if environment.editor().is_none() {
        return Err(change::elsewhere(environment));
    }
    let document = environment.document().ok_or(ApiError::Unavailable(
        "there is no flags file yet; try again in a moment",
    ))?;
    let wanted = entry.clone();
    // A large file takes a while to read.
    let found = tokio::task::spawn_blocking(move || {
        let text = std::str::from_utf8(&document.text).unwrap_or_default();
        flagwire_flags_file::edit::definition(text, &wanted)
    })
    .await
    .map_err(|error| ApiError::Internal(error.to_string()))?
    .map_err(|error| ApiError::Conflict(error.to_string()))?;
    let found = found.ok_or_else(|| ApiError::NotFound(format!("there is no {entry}")))?;
    let reply = DefinitionReply {
        definition: found.json,
        form: if found.full { "full" } else { "short" },
        revision: found.revision,
    };
    Ok(([NO_STORE], Json(reply)).into_response())
}

async fn put(
    admin: Admin,
    entry: Entry,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Json<Changed>, ApiError> {
    let request: DefinitionRequest = json(headers, body, HINT)?;
    let change = FlagsChange::Define {
        entry,
        definition: request.definition,
        revision: request.revision,
    };
    changed(admin, change).await
}

async fn delete(
    admin: Admin,
    entry: Entry,
    DeleteQuery { revision }: DeleteQuery,
) -> Result<Json<Changed>, ApiError> {
    changed(admin, FlagsChange::Delete { entry, revision }).await
}

async fn changed(admin: Admin, change: FlagsChange) -> Result<Json<Changed>, ApiError> {
    let environment = Arc::clone(&admin.environment);
    change::perform(admin, change).await?;
    let current = environment.current();
    Ok(Json(Changed {
        content: current.map_or_else(String::new, |current| current.content.clone()),
    }))
}
