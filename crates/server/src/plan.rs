//! Finds out from the options and the configuration file which environments are served, from which sources and with
//! which keys.

mod admin_tokens;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::Url;
use secrecy::{ExposeSecret as _, SecretString};

use crate::auth::{AdminTokens, BadSecret, Grant, Hashed, KeyKind, Keys};
use crate::config::{ConfigError, DEV_CLIENT_KEY, DEV_SERVER_KEY, Options};
use crate::config_file::{ConfigFile, EnvironmentOptions};
use crate::files;
use crate::files::write::directory_of;
use crate::replicas::{Redis, ReplicaOptions};
use crate::source::saved::{SavedConfiguration, path_in};
use crate::source::takeover::TakeoverOptions;
use crate::source::upstream::UpstreamOptions;

/// An environment that is to be served.
#[derive(Clone, Debug)]
pub struct Planned {
    /// The name of the environment, as in URLs and tokens.
    pub name: String,
    /// The source of its flags.
    pub from: From,
    client_keys: Vec<Hashed>,
    server_keys: Vec<Hashed>,
}

/// The source of an environment's flags.
#[derive(Clone, Debug)]
pub enum From {
    /// A flags file.
    File(PathBuf),
    /// Another server.
    Upstream(Box<UpstreamOptions>),
    /// Another server, until a flags file takes over.
    Takeover(Box<TakeoverOptions>),
}

/// Everything that the options say about environments, state and replicas.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The environments. There is at least one, and their names differ.
    pub environments: Vec<Planned>,
    /// Whether the public keys for development are accepted.
    pub development_keys: bool,
    /// The state directory, for files that must last through a restart.
    pub state_dir: PathBuf,
    /// How the server finds its replicas, if it has any.
    pub replicas: Option<ReplicaOptions>,
    /// The tokens of the admin page.
    pub admin_tokens: AdminTokens,
}

impl Plan {
    /// Reads the options, and the files they name except for flags files.
    ///
    /// # Errors
    /// [`ConfigError`]
    pub fn of(options: &Options) -> Result<Self, ConfigError> {
        options.complete()?;
        let file = match &options.config {
            Some(path) => ConfigFile::read(path)?,
            None => ConfigFile::default(),
        };
        let beside = options
            .config
            .as_deref()
            .map_or_else(|| Path::new(""), directory_of);
        let admin_tokens = admin_tokens::gather(options, file.admin_tokens, beside)?;
        let file = file.environments;
        // Options in the file have its directory in their paths already; the paths of its environments start at
        // `directory`.
        let directory = match (&options.config, &file) {
            (Some(path), Some(_)) => directory_of(path).to_owned(),
            _ => PathBuf::new(),
        };
        let entries = match file {
            Some(_) if options.has_source() => return Err(ConfigError::TwoSources),
            Some(environments) => environments,
            None => {
                BTreeMap::from([(options.environment.clone(), EnvironmentOptions::of(options))])
            }
        };
        if entries.is_empty() {
            return Err(ConfigError::File(
                "it names no environment; put at least one below `environments`".to_owned(),
            ));
        }
        let state_dir = match (&options.state_dir, &options.config) {
            (Some(directory), _) => directory.clone(),
            (None, Some(config)) => directory_of(config).join(".flagwire"),
            (None, None) => directory_of(&options.flags).join(".flagwire"),
        };
        // Once any key is given, no environment gets the keys for development.
        let development_keys = entries
            .values()
            .all(|entry| entry.client_keys.is_empty() && entry.server_keys.is_empty());
        if development_keys && entries.len() > 1 {
            return Err(ConfigError::File("several environments need keys of their own: set `client-keys` or `server-keys` in each".to_owned()));
        }
        if development_keys && !options.listen.ip().is_loopback() {
            return Err(ConfigError::DevelopmentKeysExposed(options.listen));
        }
        let environments = entries
            .into_iter()
            .map(|(name, mut entry)| {
                if development_keys {
                    entry.client_keys.push(Hashed::of(DEV_CLIENT_KEY));
                    entry.server_keys.push(Hashed::of(DEV_SERVER_KEY));
                }
                planned(name, entry, &directory, &state_dir, options)
            })
            .collect::<Result<_, _>>()?;
        Ok(Self {
            environments,
            development_keys,
            replicas: replicas(options, &state_dir)?,
            admin_tokens,
            state_dir,
        })
    }

    /// Returns all keys with their grants.
    ///
    /// # Errors
    /// [`ConfigError::SharedKey`]
    pub fn keys(&self) -> Result<Keys, ConfigError> {
        let mut keys = Keys::default();
        for environment in &self.environments {
            for (list, kind) in [
                (&environment.client_keys, KeyKind::Client),
                (&environment.server_keys, KeyKind::Server),
            ] {
                for key in list {
                    let grant = Grant {
                        environment: environment.name.clone(),
                        kind,
                    };
                    if keys
                        .add(*key, grant.clone())
                        .is_some_and(|known| known != grant)
                    {
                        return Err(ConfigError::SharedKey);
                    }
                }
            }
        }
        Ok(keys)
    }
}

fn replicas(options: &Options, state_dir: &Path) -> Result<Option<ReplicaOptions>, ConfigError> {
    let Some(address) = &options.redis else {
        return Ok(None);
    };
    let read = |path: &PathBuf| {
        files::read_at_start(path).map_err(|error| ConfigError::Unreadable {
            path: path.display().to_string(),
            reason: error.to_string(),
        })
    };
    let authority = options.redis_ca.as_ref().map(read).transpose()?;
    let mut redis = Redis::new(address.expose_secret(), authority)?;
    if let Some(password) = &options.redis_sentinel_password {
        let user = options.redis_sentinel_user.as_deref();
        redis = redis.with_sentinels_asked_as(user, password)?;
    }
    let mut replicas = ReplicaOptions::new(redis);
    replicas.prefix.clone_from(&options.redis_prefix);
    replicas.state_dir = Some(state_dir.to_owned());
    replicas.lease = Duration::from_millis(options.redis_lease_ms);
    Ok(Some(replicas))
}

fn planned(
    name: String,
    entry: EnvironmentOptions,
    directory: &Path,
    state_dir: &Path,
    options: &Options,
) -> Result<Planned, ConfigError> {
    if name.is_empty() {
        return Err(ConfigError::NoEnvironment);
    }
    let wrong = |what: &str| Err(ConfigError::Environment(name.clone(), what.to_owned()));
    let from = match (entry.flags, entry.upstream) {
        (Some(flags), None) => {
            if entry.api_key.is_some() || entry.api_key_file.is_some() {
                return wrong("an API key is for an upstream, but there is none; set --upstream");
            }
            if entry.takeover.is_some() {
                return wrong(
                    "a file takes over from an upstream, but there is none; set `upstream`, and `flags` not",
                );
            }
            From::File(directory.join(flags))
        }
        (None, Some(upstream)) => {
            let api_key = match (entry.api_key, entry.api_key_file) {
                (Some(key), None) => key,
                (None, Some(file)) => {
                    let path = directory.join(file);
                    match files::read_text_at_start(&path) {
                        Ok(text) => SecretString::from(text.trim()),
                        Err(error) => {
                            return wrong(&format!("cannot read {}: {error}", path.display()));
                        }
                    }
                }
                (None, None) => {
                    return wrong("an upstream needs a server key of its own; set --api-key");
                }
                (Some(_), Some(_)) => return wrong("set `api-key` or `api-key-file`, not both"),
            };
            if api_key.expose_secret().is_empty() {
                return Err(BadSecret::Empty.into());
            }
            if api_key.expose_secret().contains(char::is_whitespace) {
                return Err(ConfigError::Blank {
                    what: "the upstream's key",
                });
            }
            let url = address(&upstream)?;
            let mut upstream = UpstreamOptions::new(url, api_key);
            upstream.events_url = entry.upstream_events.as_deref().map(address).transpose()?;
            upstream.poll = Duration::from_secs(options.poll_seconds);
            upstream.metrics = Duration::from_millis(options.metrics_ms);
            upstream.kept = Some(SavedConfiguration::new(
                state_dir,
                &name,
                &upstream.source(),
            ));
            match entry.takeover {
                None => From::Upstream(Box::new(upstream)),
                Some(_) if options.redis.is_some() => return Err(ConfigError::TakeoverWithRedis),
                Some(_) if options.state_dir.is_none() => {
                    return Err(ConfigError::TakeoverWithoutState);
                }
                Some(file) => From::Takeover(Box::new(TakeoverOptions {
                    upstream,
                    file: directory.join(file),
                    choice: path_in(state_dir, "source", &name),
                })),
            }
        }
        (None, None) => {
            return wrong("it has no flags; set `flags` to a file, or `upstream` and `api-key`");
        }
        (Some(_), Some(_)) => return wrong("set `flags` or `upstream`, not both"),
    };
    Ok(Planned {
        name,
        from,
        client_keys: entry.client_keys,
        server_keys: entry.server_keys,
    })
}

/// Reads a file that holds a key and nothing else.
///
/// # Errors
/// A sentence that says what is wrong with the file or with the key, without the key itself.
pub(crate) fn key_in(path: &Path) -> Result<SecretString, String> {
    let text = files::read_text_at_start(path).map_err(|error| error.to_string())?;
    let key = text.trim();
    if key.is_empty() {
        return Err("the file is empty; put the key into it".to_owned());
    }
    if key.contains(char::is_whitespace) {
        return Err("there is a blank or a line end in the key; copy it again".to_owned());
    }
    Ok(key.into())
}

pub(crate) fn address(text: &str) -> Result<Url, ConfigError> {
    match Url::parse(text) {
        // A user and a password would be sent in the header `Authorization`, which the token needs.
        Ok(url) if !url.username().is_empty() || url.password().is_some() => {
            Err(ConfigError::Credentials)
        }
        Ok(url)
            if matches!(url.scheme(), "http" | "https")
                && url.has_host()
                // A gateway may want a query; a fragment is never sent.
                && url.fragment().is_none() =>
        {
            Ok(url)
        }
        _ => Err(ConfigError::BadUpstream(text.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Or what is said instead.
    fn plan(args: &[&str]) -> Result<Plan, String> {
        let options = Options::read([&["flagwire-server"], args].concat());
        Plan::of(&options.map_err(|error| error.to_string())?).map_err(|error| error.to_string())
    }

    fn plan_of_file(text: &str) -> Result<Plan, String> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("flagwire.yaml");
        std::fs::write(directory.path().join("key"), "from-a-file\n").unwrap();
        std::fs::write(&path, text).unwrap();
        plan(&["--config", path.to_str().unwrap()])
    }

    #[test]
    fn a_file_names_several_environments() {
        let plan = plan_of_file(
            "environments:\n  production:\n    upstream: https://config.example/api/1.0\n    api-key-file: key\n    client-keys: [a]\n  test:\n    flags: test.yaml\n    client-keys: [b]\n    server-keys: [c]\n",
        )
        .unwrap();
        let [production, test] = plan.environments.as_slice() else {
            panic!("{plan:?}")
        };
        let From::Upstream(upstream) = &production.from else {
            panic!("{production:?}")
        };
        assert_eq!(
            (upstream.url.as_str(), upstream.api_key.expose_secret()),
            ("https://config.example/api/1.0", "from-a-file")
        );
        assert!(
            matches!(&test.from, From::File(path) if path.ends_with("test.yaml") && path.is_absolute())
        );
        let keys = plan.keys().unwrap();
        assert_eq!(keys.find("c").unwrap().0.environment, "test");
        assert!(keys.find(DEV_CLIENT_KEY).is_none());
    }

    #[test]
    fn what_does_not_go_together_is_said_with_what_to_do() {
        for (text, expected) in [
            ("environments: {}", "names no environment"),
            (
                "environments: { a: { client-keys: [x] } }",
                "set `flags` to a file",
            ),
            (
                "environments: { a: { upstream: 'http://x', client-keys: [x] } }",
                "needs a server key",
            ),
            (
                "environments: { a: { upstream: 'ftp://x', api-key: k, client-keys: [x] } }",
                "not an address",
            ),
            (
                "environments: { a: { flags: f, upstream: 'http://x', client-keys: [x] } }",
                "not both",
            ),
            (
                "environments: { a: { flags: f, api-key: k, client-keys: [x] } }",
                "for an upstream",
            ),
            (
                "environments: { a: { flags: f }, b: { flags: g } }",
                "keys of their own",
            ),
            ("environments: { a: { flag: f } }", "unknown field `flag`"),
            (
                "environments: { a: { upstream: 'ftp://me:opensesame@x', api-key: k, client-keys: [x] } }",
                "must not hold a user",
            ),
            (
                "environments: { a: { flags: f, takeover: g, client-keys: [x] } }",
                "takes over from an upstream, but there is none",
            ),
            (
                "environments: { a: { upstream: 'http://x', api-key: k, takeover: g, client-keys: [x] } }",
                "--takeover needs --state-dir",
            ),
            (
                "{ state-dir: s, redis: 'redis://h', environments: { a: { upstream: 'http://x', api-key: k, takeover: g, client-keys: [x] } } }",
                "--takeover and --redis cannot be used together",
            ),
            (
                "{ takeover: g, environments: { a: { flags: f, client-keys: [x] } } }",
                "--takeover does nothing without --upstream",
            ),
            ("environmets: {}", "there is no option `environmets`"),
        ] {
            let error = plan_of_file(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
            assert!(!error.contains("opensesame"), "{error}");
        }
        let two =
            plan_of_file("server-key: s\nenvironments: { a: { flags: f, client-keys: [x] } }");
        assert_eq!(two.unwrap_err(), ConfigError::TwoSources.to_string());
        let shared = plan_of_file(
            "environments: { a: { flags: f, client-keys: [x] }, b: { flags: g, client-keys: [x] } }",
        );
        assert_eq!(shared.unwrap().keys().unwrap_err(), ConfigError::SharedKey);
    }

    #[test]
    fn a_file_that_takes_over_and_the_choice_are_found_from_where_the_configuration_is() {
        let file = "{ state-dir: kept, environments: { a/b: { upstream: 'http://x', api-key: k, takeover: g.yaml, client-keys: [x] } } }";
        let relative = "{ state-dir: kept, upstream: 'http://x', api-key: k, takeover: g.yaml, environment: a/b }";
        for text in [file, relative] {
            let plan = plan_of_file(text).unwrap();
            let From::Takeover(options) = &plan.environments[0].from else {
                panic!("{plan:?}")
            };
            let directory = options.file.parent().unwrap();
            assert!(directory.is_absolute() && options.file.ends_with("g.yaml"));
            assert_eq!(options.choice, directory.join("kept/source-a%2Fb.json"));
            assert!(options.upstream.kept.is_some());
        }
    }

    /// Of the command line and the file together; half of it must not pass for nothing.
    #[test]
    fn options_that_need_another_one_are_told_apart_from_none() {
        for (text, args, needed) in [
            ("tls-certificate: c", &[][..], Some("--tls-key")),
            ("tls-key: k", &[], Some("--tls-certificate")),
            ("tls-key: k", &["--tls-certificate", "c"], None),
            ("tls-certificate: c\ntls-key: k", &[], None),
            ("redis-ca: c", &[], Some("--redis;")),
            ("", &["--redis-sentinel-password", "p"], Some("--redis;")),
            (
                "redis: redis+sentinel://h:1/main",
                &["--redis-sentinel-user", "u"],
                Some("--redis-sentinel-password"),
            ),
            (
                "redis: redis+sentinel://h:1/main\nredis-sentinel-password: p",
                &["--redis-sentinel-user", "u"],
                None,
            ),
        ] {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("flagwire.yaml");
            std::fs::write(&path, text).unwrap();
            let planned = plan(&[&["--config", path.to_str().unwrap()], args].concat());
            match (planned, needed) {
                (Err(error), Some(needed)) => assert!(error.contains(needed), "{text}: {error}"),
                (planned, needed) => assert_eq!(needed, None, "{text} {args:?}: {planned:?}"),
            }
        }
    }

    #[test]
    fn a_file_without_environments_is_a_server_of_options_alone() {
        let plan = plan_of_file("upstream: http://127.0.0.1:1\napi-key-file: key\nclient-keys: [a]\nenvironment: staging\n").unwrap();
        let [one] = plan.environments.as_slice() else {
            panic!("{plan:?}")
        };
        let From::Upstream(upstream) = &one.from else {
            panic!("{one:?}")
        };
        assert_eq!(upstream.api_key.expose_secret(), "from-a-file");
        assert_eq!(
            (one.name.as_str(), plan.development_keys),
            ("staging", false)
        );
        assert!(plan.keys().unwrap().find("a").is_some());
    }

    #[test]
    fn a_relay_of_options_alone() {
        let plan = plan(&[
            "--upstream",
            "http://127.0.0.1:1/",
            "--api-key",
            "k",
            "--poll-seconds",
            "7",
        ])
        .unwrap();
        let [one] = plan.environments.as_slice() else {
            panic!("{plan:?}")
        };
        let From::Upstream(upstream) = &one.from else {
            panic!("{one:?}")
        };
        assert_eq!(upstream.poll, Duration::from_secs(7));
        assert!(plan.development_keys && one.name == "development");
    }
}
