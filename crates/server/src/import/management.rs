//! Reads Harness's management API, page by page, for an import.
//!
//! The paths, parameters and replies are those of the published description of "Feature Flags Classic": `GET /cf/admin/features`,
//! `/cf/admin/segments` and `/cf/admin/targets`, with the token in the header `x-api-key`.

use flagwire_flags_file::import::{ManagedList, Management};
use reqwest::header::HeaderValue;
use reqwest::{StatusCode, Url};
use secrecy::{ExposeSecret as _, SecretString};

use super::fetch::{Failure, TIMEOUT, patiently};
use crate::config::ImportOptions;
use crate::plan::{address, key_in};
use crate::source::upstream::api::{ApiError, Session, http_client, reply_to, url};

/// The address of Harness's API, and the end of the names of the hosts that it belongs to.
const HARNESS: &str = "https://app.harness.io";
const HARNESS_HOSTS: &str = ".harness.io";

/// How many entries a page has.
const PAGE_SIZE: u64 = 100;

/// The most pages of one list: a million entries.
const MAX_PAGES: u64 = 10_000;

/// The management API, and who asks it.
pub(super) struct ManagementApi {
    base: Url,
    token: SecretString,
    header: HeaderValue,
    http: reqwest::Client,
}

/// Where an environment is in the management API.
pub(super) struct Scope {
    account: String,
    organization: String,
    project: String,
    environment: String,
}

impl Scope {
    /// Takes what the options name, else what the sign-in has returned.
    ///
    /// # Errors
    /// A sentence that says which option is needed.
    pub(super) fn new(
        options: &ImportOptions,
        session: &Session,
        environment: &str,
    ) -> Result<Self, String> {
        let named = |option: &Option<String>, claimed: Option<&str>, name: &str| {
            let text = option
                .as_deref()
                .or(claimed)
                .filter(|text| !text.is_empty());
            text.map(str::to_owned).ok_or_else(|| {
                format!("the sign-in does not say which {name} the environment is of; name it with --admin-{name}")
            })
        };
        let project = session.project();
        Ok(Self {
            account: named(&options.admin_account, session.account(), "account")?,
            organization: named(
                &options.admin_organization,
                project.organization_identifier.as_deref(),
                "organization",
            )?,
            project: named(
                &options.admin_project,
                project.project_identifier.as_deref(),
                "project",
            )?,
            environment: environment.to_owned(),
        })
    }
}

impl ManagementApi {
    /// Returns the API if a token for it is given.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the token's file or the address.
    pub(super) fn new(options: &ImportOptions) -> Result<Option<Self>, String> {
        let (Some(path), Some(from)) = (&options.admin_token_file, &options.from) else {
            return Ok(None);
        };
        let token = key_in(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let given = match &options.admin_from {
            Some(given) => given.as_str(),
            // A token is sent to no address that the user has not named.
            None if is_harness(from) => HARNESS,
            None => {
                return Err(format!(
                    "{from} is not Harness's own address, so name that of its management API with --admin-from, as {HARNESS}"
                ));
            }
        };
        let base = address(given).map_err(|_| {
            format!("`{given}` is not an address of a management API; write it like {HARNESS}")
        })?;
        let mut header = HeaderValue::from_str(token.expose_secret()).map_err(|_| {
            format!(
                "{}: the token has a character that none has; copy it again",
                path.display()
            )
        })?;
        header.set_sensitive(true);
        let http = http_client(TIMEOUT).map_err(|error| error.to_string())?;
        Ok(Some(Self {
            base,
            token,
            header,
            http,
        }))
    }

    /// Reads all lists. `said` is called with sentences about the progress.
    ///
    /// # Errors
    /// A sentence that says what went wrong and what to do about it.
    pub(super) async fn fetch(
        &self,
        scope: &Scope,
        said: &mut dyn FnMut(&str),
    ) -> Result<Management, String> {
        let mut management = Management::default();
        for list in ManagedList::ALL {
            let mut number = 0;
            let mut pages = 1;
            loop {
                said(&match number {
                    0 => format!("fetching {}", list.what()),
                    _ => format!("fetching {}: page {} of {pages}", list.what(), number + 1),
                });
                let paging = patiently(&self.token, said, async |_| {
                    let reply = self.page(scope, list, number).await?;
                    management
                        .add(list, number, &reply)
                        .map_err(|sentence| Failure {
                            sentence,
                            again: true,
                            retry_after: None,
                        })
                })
                .await?;
                pages = paging.pages;
                number += 1;
                if paging.is_last {
                    break;
                }
                if number >= MAX_PAGES {
                    return Err(format!("{} have more than {MAX_PAGES} pages", list.what()));
                }
            }
        }
        Ok(management)
    }

    async fn page(
        &self,
        scope: &Scope,
        list: ManagedList,
        number: u64,
    ) -> Result<Vec<u8>, Failure> {
        let (path, more) = match list {
            ManagedList::Flags => ("features", Some(("archived", "false"))),
            ManagedList::ArchivedFlags => ("features", Some(("archived", "true"))),
            ManagedList::Groups => ("segments", None),
            ManagedList::Targets => ("targets", None),
        };
        let mut url = url(&self.base, &["cf", "admin", path]);
        url.query_pairs_mut()
            .append_pair("accountIdentifier", &scope.account)
            .append_pair("orgIdentifier", &scope.organization)
            .append_pair("projectIdentifier", &scope.project)
            .append_pair("environmentIdentifier", &scope.environment)
            .append_pair("pageNumber", &number.to_string())
            .append_pair("pageSize", &PAGE_SIZE.to_string())
            .extend_pairs(more);
        let request = self
            .http
            .get(url)
            .header("x-api-key", self.header.clone())
            .timeout(TIMEOUT);
        reply_to(request, list.what())
            .await
            .map_err(|error| failure(&error, scope, list))
    }
}

/// Whether an address is one of Harness's.
fn is_harness(from: &str) -> bool {
    let host = address(from).ok();
    let host = host.as_ref().and_then(Url::host_str);
    host.is_some_and(|host| host.ends_with(HARNESS_HOSTS))
}

/// Returns the sentence for a failed request.
fn failure(error: &ApiError, scope: &Scope, list: ManagedList) -> Failure {
    let what = list.what();
    let (sentence, again) = match error {
        ApiError::Refused {
            status: StatusCode::UNAUTHORIZED,
            ..
        } => (
            format!(
                "{error}; the token of --admin-token-file must be one of a person or of a service account of this account: copy it again, or create one there"
            ),
            false,
        ),
        ApiError::Refused { .. } => (
            format!(
                "{error}; the token has no right to read {what} of the project `{}`: give its owner a role that may view feature flags, targets and groups there",
                scope.project
            ),
            false,
        ),
        ApiError::Status { .. } if error.is_final() => (
            format!(
                "{error}; the management API was asked for the account `{}`, organization `{}`, project `{}` and environment `{}`: name them with --admin-account, --admin-organization, --admin-project and --environment-name if they are others",
                scope.account, scope.organization, scope.project, scope.environment
            ),
            false,
        ),
        ApiError::Redirected(_) => (error.to_string(), false),
        _ => (error.to_string(), true),
    };
    Failure {
        sentence,
        again,
        retry_after: error.retry_after(),
    }
}
