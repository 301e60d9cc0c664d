//! Changes a flag, or accepts a configuration that is doubted.

use std::io::ErrorKind;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use serde::{Deserialize, Serialize};

use super::super::access::{Payload, Segments};
use super::{Admin, describe, json};
use crate::environment::activity::change_in_words;
use crate::environment::{Edit, EditError, Editor, Environment, FlagsChange, Role, TargetEdit};
use crate::error::ApiError;
use crate::files::is_full;
use crate::state::AppState;

/// The longest identifier of a target, in bytes.
const MAX_TARGET_BYTES: usize = 1024;

/// A change as the page sends it. Fields that are left out stay as they are.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ChangeRequest {
    state: Option<Switch>,
    default: Option<String>,
    off: Option<String>,
    target: Option<TargetRequest>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TargetRequest {
    identifier: String,
    /// The variation to serve; `null` leaves it to the rules.
    variation: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Switch {
    On,
    Off,
}

const HINT: &str = r#"{"state": "on"}, {"default": "…"}, {"off": "…"} or {"target": {"identifier": "…", "variation": "…"}}"#;

/// `POST /admin/flags/{flag}`; answers with the new overview once the change is in force.
pub(super) async fn change(
    State(state): State<AppState>,
    admin: Admin,
    Segments(flag): Segments<String>,
    headers: HeaderMap,
    Payload(body): Payload,
) -> Result<Json<describe::Overview>, ApiError> {
    let edit = edit(json(&headers, &body, HINT)?)?;
    let environment = Arc::clone(&admin.environment);
    perform(admin, FlagsChange::Settings { flag, edit }).await?;
    Ok(Json(describe::Overview::of(&state, &environment, None)))
}

/// Says where the flags of an environment are changed that has no editor.
pub(super) fn elsewhere(environment: &Environment) -> ApiError {
    ApiError::Conflict(format!(
        "the flags of `{}` come from {}; change them there",
        environment.name(),
        environment.status().source
    ))
}

/// Makes a change for the sender of a request, once they have passed the guard, and logs who made it. Returns once it is in force.
///
/// # Errors
/// What the request is answered with; nothing has changed then.
pub(super) async fn perform(admin: Admin, change: FlagsChange) -> Result<(), ApiError> {
    let author = admin.author();
    let made = {
        let (change, author) = (change.clone(), author.clone());
        with_editor(&admin.environment, move |editor| {
            editor.edit(&change, &author)
        })
        .await
    };
    let environment = admin.environment;
    let (user, by) = (&author.name, author.address.map(tracing::field::display));
    let entry = change.entry();
    let words = change_in_words(&change);
    let said = words.join(", ");
    made.inspect_err(|error| {
        tracing::warn!(environment = environment.name(), %entry, change = said, user, by, %error, "not changed from the admin page");
    })?;
    tracing::info!(
        environment = environment.name(),
        %entry,
        change = said,
        user,
        by,
        "changed from the admin page"
    );
    environment.activity.edited(&entry, words, &author);
    Ok(())
}

/// Has the editor of an environment do something that blocks.
///
/// # Errors
/// What the request is answered with if there is no editor, or if it refuses.
pub(super) async fn with_editor<T: Send + 'static>(
    environment: &Environment,
    work: impl FnOnce(&dyn Editor) -> Result<T, EditError> + Send + 'static,
) -> Result<T, ApiError> {
    let Some(editor) = environment.editor() else {
        return Err(elsewhere(environment));
    };
    let done = tokio::task::spawn_blocking(move || work(&*editor)).await;
    let done = done.map_err(|error| ApiError::Internal(error.to_string()))?;
    done.map_err(|error| {
        let sentence = error.to_string();
        match error {
            EditError::UnknownFlag(_)
            | EditError::UnknownGroup(_)
            | EditError::UnknownChange(_) => ApiError::NotFound(sentence),
            EditError::UnknownVariation { .. } => ApiError::BadRequest(sentence),
            EditError::Mistakes(mistakes) => ApiError::Mistakes(mistakes),
            EditError::Refused(_) => ApiError::Conflict(sentence),
            EditError::Io { error, .. } if is_full(&error) => ApiError::StorageFull(sentence),
            // The disk may answer again later.
            EditError::Io { error, .. } if error.kind() == ErrorKind::TimedOut => {
                ApiError::Busy(sentence)
            }
            EditError::Io { .. } => ApiError::Conflict(sentence),
        }
    })
}

/// `POST /admin/accept`: has the source put in force what it has, although much is missing from it.
pub(super) async fn accept(admin: Admin) -> Result<Json<Accepted>, ApiError> {
    let environment = admin.environment;
    let follows = environment
        .replica()
        .filter(|status| status.role == Role::Follower);
    if let Some(leader) = follows.and_then(|status| status.leader) {
        return Err(ApiError::Conflict(format!(
            "the replica `{leader}` brings the flags of `{}`; accept it there",
            environment.name()
        )));
    }
    let accepted = environment.accept().ok_or_else(|| {
        ApiError::Conflict(format!(
            "nothing that the source of `{}` has is held back",
            environment.name()
        ))
    })?;
    Ok(Json(Accepted { accepted }))
}

/// The reason for which the new configuration was not in force.
#[derive(Debug, Serialize)]
pub(super) struct Accepted {
    accepted: String,
}

fn edit(request: ChangeRequest) -> Result<Edit, ApiError> {
    let wrong = |reason: &str| Err(ApiError::BadRequest(reason.to_owned()));
    if let Some(target) = &request.target {
        if target.identifier.is_empty() {
            return wrong("a target needs its identifier");
        }
        if target.identifier.len() > MAX_TARGET_BYTES {
            return wrong("the target's identifier is longer than 1024 bytes");
        }
        if target.identifier.chars().any(char::is_control) {
            return wrong(
                "the target's identifier has control characters in it, such as a line end",
            );
        }
    }
    let edit = Edit {
        state: request.state.map(|switch| switch == Switch::On),
        default: request.default,
        off: request.off,
        target: request.target.map(|target| TargetEdit {
            identifier: target.identifier,
            variation: target.variation,
        }),
    };
    if edit == Edit::default() {
        return Err(ApiError::BadRequest(format!("send what to change: {HINT}")));
    }
    Ok(edit)
}
