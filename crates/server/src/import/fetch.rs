//! Fetches an environment from the endpoints for back ends, by a sign-in with the server key and one request for each
//! list.

use std::time::Duration;

use flagwire_core::{Backoff, Millis, Random};
use reqwest::Url;
use secrecy::{ExposeSecret as _, SecretString};

use crate::source::upstream::api::{Api, ApiError, List, Session};
use flagwire_flags_file::import::Source;

/// How many attempts an import makes.
const ATTEMPTS: u32 = 5;

/// The time limit for one request, as environments of several megabytes take long.
pub(super) const TIMEOUT: Duration = Duration::from_secs(60);

/// If a server asks for a longer pause than this, the import ends and can be started again later.
const LONGEST_PAUSE: Millis = Millis(120_000);

/// What was fetched.
pub(super) struct Fetched {
    pub(super) source: Source,
    /// What the sign-in has returned.
    pub(super) session: Session,
}

/// Fetches the environment that the key is for. `said` is called with sentences about the progress.
///
/// # Errors
/// A sentence that says what went wrong and what to do about it.
pub(super) async fn fetch(
    base: &Url,
    key: &SecretString,
    mut said: impl FnMut(&str),
) -> Result<Fetched, String> {
    let api = Api::new(base, None, key, TIMEOUT).map_err(|error| error.to_string())?;
    patiently(key, &mut said, async |said| once(&api, said).await).await
}

/// Makes an attempt, and again with growing pauses while another one may succeed. The secret is left out of all sentences: a
/// server may repeat it in what it answers.
///
/// # Errors
/// The sentence of the last attempt.
pub(super) async fn patiently<T>(
    secret: &SecretString,
    said: &mut dyn FnMut(&str),
    mut attempt: impl AsyncFnMut(&mut dyn FnMut(&str)) -> Result<T, Failure>,
) -> Result<T, String> {
    let mut seed = [0; 8];
    // Where this fails, the seed is zero: the jitter can then be predicted, which does no harm.
    let _ = getrandom::fill(&mut seed);
    let mut random = Random::new(u64::from_le_bytes(seed));
    let mut backoff = Backoff::default();
    loop {
        let failure = match attempt(said).await {
            Ok(done) => return Ok(done),
            Err(failure) => failure,
        };
        let sentence = failure.sentence.replace(secret.expose_secret(), "…");
        let pause = backoff.fail(&mut random, failure.retry_after);
        if !failure.again {
            return Err(sentence);
        }
        if backoff.attempts() >= ATTEMPTS {
            return Err(format!(
                "{sentence}; this was attempt {ATTEMPTS}, and the last"
            ));
        }
        if pause > LONGEST_PAUSE {
            return Err(format!(
                "{sentence}; it asks to be left alone for {} minutes, so try again then",
                pause.0.div_ceil(60_000)
            ));
        }
        said(&format!(
            "{sentence}; trying again in {} s",
            pause.0.div_ceil(1000)
        ));
        tokio::time::sleep(Duration::from_millis(pause.0.into())).await;
    }
}

/// Why an attempt has failed.
pub(super) struct Failure {
    pub(super) sentence: String,
    /// Whether another attempt may succeed.
    pub(super) again: bool,
    pub(super) retry_after: Option<Millis>,
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        let retry_after = error.retry_after();
        let (sentence, again) = match &error {
            ApiError::ClientKey => (error.to_string(), false),
            ApiError::Refused { .. } => (
                format!(
                    "{error}; the key must be a server key of the environment: copy it again, or create one there"
                ),
                false,
            ),
            ApiError::Redirected(_) => (error.to_string(), false),
            ApiError::Status { .. } if error.is_final() => (
                format!("{error}; check the address given with --from"),
                false,
            ),
            ApiError::Status { .. } | ApiError::Network(_) | ApiError::Unreadable { .. } => {
                (error.to_string(), true)
            }
        };
        Self {
            sentence,
            again,
            retry_after,
        }
    }
}

async fn once(api: &Api, said: &mut dyn FnMut(&str)) -> Result<Fetched, Failure> {
    said("signing in");
    let session = api.sign_in().await?;
    said("fetching the flags");
    let flags = api.reply(&session, List::Flags).await?;
    said("fetching the groups");
    let groups = api.reply(&session, List::Segments).await?;
    let source = Source::from_replies(&flags, &groups).map_err(|sentence| Failure {
        sentence,
        again: true,
        retry_after: None,
    })?;
    Ok(Fetched { source, session })
}
