//! Fetches an environment from the endpoints for back ends, by a sign-in with the server key and one request for each
//! list.

use std::time::Duration;

use flagwire_core::{Backoff, Millis, Random};
use reqwest::Url;
use secrecy::SecretString;

use crate::source::upstream::api::{Api, ApiError, List};
use flagwire_flags_file::import::Source;

/// How many attempts an import makes.
const ATTEMPTS: u32 = 5;

/// The time limit for one request, as environments of several megabytes take long.
const TIMEOUT: Duration = Duration::from_secs(60);

/// If a server asks for a longer pause than this, the import ends and can be started again later.
const LONGEST_PAUSE: Millis = Millis(120_000);

/// What was fetched.
pub(super) struct Fetched {
    pub(super) source: Source,
    /// The environment's name, if the sign-in has returned one.
    pub(super) environment: Option<String>,
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
    let mut seed = [0; 8];
    // Where this fails, the seed is zero: the jitter can then be predicted, which does no harm.
    let _ = getrandom::fill(&mut seed);
    let mut random = Random::new(u64::from_le_bytes(seed));
    let mut backoff = Backoff::default();
    loop {
        let failure = match once(&api, &mut said).await {
            Ok(fetched) => return Ok(fetched),
            Err(failure) => failure,
        };
        let pause = backoff.fail(&mut random, failure.retry_after);
        if !failure.again {
            return Err(failure.sentence);
        }
        if backoff.attempts() >= ATTEMPTS {
            return Err(format!(
                "{}; this was attempt {ATTEMPTS}, and the last",
                failure.sentence
            ));
        }
        if pause > LONGEST_PAUSE {
            return Err(format!(
                "{}; it asks to be left alone for {} minutes, so try again then",
                failure.sentence,
                pause.0.div_ceil(60_000)
            ));
        }
        said(&format!(
            "{}; trying again in {} s",
            failure.sentence,
            pause.0.div_ceil(1000)
        ));
        tokio::time::sleep(Duration::from_millis(pause.0.into())).await;
    }
}

/// Why an attempt has failed.
struct Failure {
    sentence: String,
    /// Whether another attempt may succeed.
    again: bool,
    retry_after: Option<Millis>,
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

async fn once(api: &Api, said: &mut impl FnMut(&str)) -> Result<Fetched, Failure> {
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
    Ok(Fetched {
        source,
        environment: session.environment_name().map(str::to_owned),
    })
}
