//! Lists the logged changes, and undoes the last one of a flag or group.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};

use super::super::access::{Parameters, Segments};
use super::change::with_editor;
use super::{Admin, NO_STORE, describe};
use crate::environment::ChangeQuery;
use crate::error::ApiError;
use crate::state::AppState;

/// `GET /admin/changes`: lists changes, the newest first; those of one flag or group, or all.
pub(super) async fn list(
    admin: Admin,
    Parameters(query): Parameters<ChangeQuery>,
) -> Result<Response, ApiError> {
    let listed = with_editor(&admin.environment, move |editor| editor.changes(&query));
    let page = listed.await?;
    Ok(([NO_STORE], Json(page)).into_response())
}

/// `POST /admin/changes/{id}/undo`; answers with the new overview once the change is undone.
pub(super) async fn undo(
    State(state): State<AppState>,
    admin: Admin,
    Segments(id): Segments<String>,
) -> Result<Json<describe::Overview>, ApiError> {
    let author = admin.author();
    let undone = {
        let (id, author) = (id.clone(), author.clone());
        with_editor(&admin.environment, move |editor| editor.undo(&id, &author)).await
    };
    let environment = admin.environment;
    let by = author.address.map(tracing::field::display);
    let user = &author.name;
    let change = undone.inspect_err(|error| {
        tracing::warn!(environment = environment.name(), id, user, by, %error, "not undone from the admin page");
    })?;
    tracing::info!(
        environment = environment.name(),
        what = %change.what,
        change = change.change,
        id,
        user,
        by,
        "undone from the admin page"
    );
    let words = vec![format!("undid: {}", change.change)];
    environment.activity.edited(&change.what, words, &author);
    Ok(Json(describe::Overview::of(&state, &environment, None)))
}
