//! Shows which of two sources serves an environment, and lets an administrator choose the other one.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::super::access::Payload;
use super::{Admin, NO_STORE, json as read};
use crate::environment::{Environment, SourceStatus};
use crate::error::ApiError;
use crate::files::is_full;
use crate::source::takeover::{Chosen, Comparison, Done, Refusal, Standing, Takeover};
use crate::state::AppState;
use flagwire_evaluation::Target;

/// How many flags that differ are named.
const MAX_NAMED: usize = 100;

const HINT: &str =
    r#"{"source": "file"}, {"source": "file", "confirm": "…"} or {"source": "upstream"}"#;

/// What serves, and what would take over.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Described<'a> {
    environment: &'a str,
    #[serde(flatten)]
    standing: Standing,
    /// The status of the source that serves.
    source: SourceStatus,
    /// Why the file cannot take over: a line for each mistake.
    #[serde(skip_serializing_if = "Option::is_none")]
    mistakes: Option<Vec<String>>,
    /// What would change if the file took over; left out if it serves already, or has mistakes.
    #[serde(skip_serializing_if = "Option::is_none")]
    comparison: Option<Compared<'a>>,
    /// Says that counts could not be posted to the upstream before the file took over.
    #[serde(skip_serializing_if = "Option::is_none")]
    unposted: Option<String>,
}

/// A comparison of what is in force with the flags file.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Compared<'a> {
    flags: usize,
    targets: usize,
    differences: usize,
    /// The numbers in words.
    sentence: String,
    /// The flags that differ for some target, up to [`MAX_NAMED`] of them, and how many there are.
    differing: Vec<&'a str>,
    differing_total: usize,
    /// The first differences, with the steps of both evaluations.
    first: Vec<Differs<'a>>,
    /// What `flagwire-server check` warns of in the file.
    warnings: &'a [String],
    /// Confirms this difference, and no other; left out if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    confirm: Option<&'a str>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Differs<'a> {
    flag: &'a str,
    /// `null` for the evaluation without a target.
    target: Option<&'a Target>,
    in_force: &'a [String],
    file: &'a [String],
}

impl<'a> Compared<'a> {
    fn of(comparison: &'a Comparison) -> Self {
        let proof = &comparison.proof;
        Self {
            flags: proof.flags,
            targets: proof.targets,
            differences: proof.differing,
            sentence: proof.to_string(),
            differing: proof
                .differing_flags
                .iter()
                .take(MAX_NAMED)
                .map(String::as_str)
                .collect(),
            differing_total: proof.differing_flags.len(),
            first: proof
                .differences
                .iter()
                .map(|one| Differs {
                    flag: &one.flag,
                    target: one.target.as_ref(),
                    in_force: &one.original,
                    file: &one.written,
                })
                .collect(),
            warnings: &comparison.warnings,
            confirm: comparison.differs().then_some(comparison.confirm.as_str()),
        }
    }
}

/// `GET /admin/source`: what serves, what would take over, and what would change then.
pub(super) async fn show(
    State(state): State<AppState>,
    admin: Admin,
) -> Result<Response, ApiError> {
    let (environment, takeover) = of(&state, admin)?;
    describe(&environment, &takeover, Done::default()).await
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Choice {
    source: Chosen,
    /// Of a difference that was seen and is meant.
    confirm: Option<String>,
}

/// `POST /admin/source`: has the file take over, or the upstream serve again. Answers as `GET` does once that is so.
pub(super) async fn choose(
    State(state): State<AppState>,
    admin: Admin,
    headers: HeaderMap,
    Payload(body): Payload,
) -> Result<Response, ApiError> {
    let choice: Choice = read(&headers, &body, HINT)?;
    let (user, by) = (admin.user.name.clone(), admin.address);
    let (environment, takeover) = of(&state, admin)?;
    let done = takeover.choose(choice.source, choice.confirm).await;
    let by = by.map(tracing::field::display);
    let source = choice.source;
    match done {
        Ok(done) => {
            tracing::info!(
                environment = environment.name(),
                ?source,
                changed = done.changed,
                user,
                by,
                "source chosen from the admin page"
            );
            describe(&environment, &takeover, done).await
        }
        Err(refusal) => {
            tracing::warn!(environment = environment.name(), ?source, user, by, %refusal, "source not changed from the admin page");
            refused(refusal)
        }
    }
}

fn of(state: &AppState, admin: Admin) -> Result<(Arc<Environment>, Arc<Takeover>), ApiError> {
    let environment = admin.environment;
    let takeover = state.takeovers.get(environment.name()).ok_or_else(|| {
        ApiError::NotFound(format!(
            "`{}` has one source, {}; start the server with --upstream and --takeover to have a flags file take over",
            environment.name(),
            environment.status().source
        ))
    })?;
    Ok((environment, Arc::clone(takeover)))
}

async fn describe(
    environment: &Environment,
    takeover: &Arc<Takeover>,
    done: Done,
) -> Result<Response, ApiError> {
    let (comparison, mistakes) = match takeover.chosen() {
        Chosen::File => (None, None),
        // Going back is done at once, whatever the file says.
        Chosen::Upstream if done.changed => (None, None),
        Chosen::Upstream => match takeover.compare().await {
            Ok(comparison) => (Some(comparison), None),
            Err(Refusal::Mistakes(mistakes)) => (None, Some(mistakes)),
            Err(error) => return Err(ApiError::Busy(error.to_string())),
        },
    };
    let described = Described {
        environment: environment.name(),
        standing: takeover.standing(),
        source: environment.status(),
        mistakes,
        comparison: comparison.as_deref().map(Compared::of),
        unposted: done.unposted,
    };
    Ok(([NO_STORE], Json(described)).into_response())
}

/// Returns the reply to a choice that was not carried out. What must be mended or confirmed is a 409 with all of it.
fn refused(refusal: Refusal) -> Result<Response, ApiError> {
    let message = refusal.to_string();
    let conflict = |body| Ok((StatusCode::CONFLICT, [NO_STORE], Json(body)).into_response());
    match refusal {
        Refusal::Mistakes(mistakes) => conflict(json!({
            "code": "409", "message": message, "mistakes": mistakes,
        })),
        Refusal::Differs(comparison) => {
            let first = comparison.proof.differences.iter();
            let first: String = first.map(ToString::to_string).collect();
            let confirm = &comparison.confirm;
            conflict(json!({
                "code": "409",
                "message": format!(
                    "{message}\n{first}if that is meant, send {{\"source\": \"file\", \"confirm\": \"{confirm}\"}}"
                ),
                "comparison": Compared::of(&comparison),
            }))
        }
        Refusal::Io(error) if is_full(&error) => Err(ApiError::StorageFull(message)),
        Refusal::Io(_) | Refusal::NotRunning | Refusal::Comparing | Refusal::Changing => {
            Err(ApiError::Busy(message))
        }
    }
}
