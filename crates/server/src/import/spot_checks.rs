//! Asks the old service itself, as a page does, what it serves some targets, and compares that with the file that was written.
//!
//! The proof evaluates both sides with this program, so a rule that it misreads on both would not show. Here the old service
//! evaluates.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flagwire_core::protocol::{Claims, Evaluation, SignInReply, SignInRequest, Target};
use flagwire_evaluation::model::Configuration;
use flagwire_flags_file::proof::{self, Proof};
use reqwest::{Client, Url};
use secrecy::{ExposeSecret as _, SecretString};
use serde::de::DeserializeOwned;

use super::fetch::{Failure, TIMEOUT, patiently};
use crate::source::upstream::api::{ApiError, SDK_INFO, http_client, json, reply_to, url};

const SIGN_IN: &str = "the sign-in with the client key";
const EVALUATIONS: &str = "what it serves a target";

/// Asks for up to `count` targets, and compares what is served with what the written flags serve. Flags of the names in `refused` are
/// left out.
///
/// # Errors
/// A sentence that says what went wrong.
pub(super) async fn spot_checks(
    base: &Url,
    key: &SecretString,
    written: &Configuration,
    refused: &BTreeSet<String>,
    count: usize,
    said: &mut dyn FnMut(&str),
) -> Result<Proof, String> {
    let http = http_client(TIMEOUT).map_err(|error| error.to_string())?;
    let mut asked = Vec::new();
    let targets = chosen(proof::targets([written, written]), count);
    let all = targets.len();
    for (at, target) in targets.into_iter().enumerate() {
        said(&format!("asking what target {} of {all} is served", at + 1));
        let evaluations = patiently(key, said, async |_| {
            evaluations(&http, base, key, &target).await
        })
        .await?;
        asked.push((target, evaluations));
    }
    Ok(proof::compare_served(written, refused, &asked))
}

/// Chooses targets at equal distances from each other, so that there are some of each kind, whose identifiers and names the old service
/// takes.
fn chosen(targets: Vec<Target>, count: usize) -> Vec<Target> {
    let legal: Vec<Target> = targets.into_iter().filter(is_legal).collect();
    let step = legal.len().div_ceil(count.max(1)).max(1);
    legal.into_iter().step_by(step).take(count).collect()
}

fn is_legal(target: &Target) -> bool {
    let identifier = &target.identifier;
    let name = target.name.as_deref().unwrap_or_default();
    !identifier.is_empty()
        && identifier
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || ".@_-".contains(c))
        && name
            .chars()
            .all(|c| c.is_alphabetic() || c.is_ascii_digit() || " .@_-".contains(c))
}

/// Signs in for a target, and fetches what it is served.
async fn evaluations(
    http: &Client,
    base: &Url,
    key: &SecretString,
    target: &Target,
) -> Result<Vec<Evaluation>, Failure> {
    let body = SignInRequest {
        api_key: key.expose_secret().to_owned(),
        target: Some(target.clone()),
    };
    let request = json(http.post(url(base, &["client", "auth"])), &body)
        .header("Harness-SDK-Info", SDK_INFO)
        .timeout(TIMEOUT);
    let reply: SignInReply = read(
        &reply_to(request, SIGN_IN)
            .await
            .map_err(|error| failure(&error))?,
        SIGN_IN,
    )?;
    let claims = Claims::from_token(&reply.auth_token);
    let Some(claims) = claims else {
        return Err(last(
            "the token of the client key names no environment".to_owned(),
        ));
    };
    let is_server = |kind: &str| kind.eq_ignore_ascii_case("server");
    if claims.key_type.as_deref().is_some_and(is_server) {
        return Err(last(
            "the key of --client-key-file is a server key, which may not be given to pages; use the client key of the same environment".to_owned(),
        ));
    }
    let path = [
        "client",
        "env",
        &claims.environment,
        "target",
        &target.identifier,
        "evaluations",
    ];
    let mut url = url(base, &path);
    url.query_pairs_mut().append_pair(
        "cluster",
        claims.cluster_identifier.as_deref().unwrap_or("1"),
    );
    let mut request = http
        .get(url)
        .bearer_auth(&reply.auth_token)
        .header("Harness-SDK-Info", SDK_INFO)
        .timeout(TIMEOUT);
    let encoded = STANDARD.encode(serde_json::to_vec(target).unwrap_or_default());
    request = request.header("Harness-Target", encoded);
    if let Some(name) = &claims.environment_identifier {
        request = request.header("Harness-EnvironmentID", name);
    }
    if let Some(account) = &claims.account_id {
        request = request.header("Harness-AccountID", account);
    }
    read(
        &reply_to(request, EVALUATIONS)
            .await
            .map_err(|error| failure(&error))?,
        EVALUATIONS,
    )
}

fn read<T: DeserializeOwned>(bytes: &[u8], what: &'static str) -> Result<T, Failure> {
    serde_json::from_slice(bytes).map_err(|error| {
        failure(&ApiError::Unreadable {
            what,
            reason: error.to_string(),
        })
    })
}

fn failure(error: &ApiError) -> Failure {
    let again = match error {
        ApiError::Refused { .. } => {
            return last(format!(
                "{error}; the key of --client-key-file must be a client key of the environment"
            ));
        }
        ApiError::Redirected(_) | ApiError::ClientKey => false,
        _ => !error.is_final(),
    };
    Failure {
        retry_after: error.retry_after(),
        sentence: error.to_string(),
        again,
    }
}

/// Returns the failure of an attempt that no other one can mend.
const fn last(sentence: String) -> Failure {
    Failure {
        sentence,
        again: false,
        retry_after: None,
    }
}
