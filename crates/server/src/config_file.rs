//! Reads the configuration file, which may set any option by its name and has the options of several environments.
//!
//! Its options become the defaults of the command line's, so the command line and the environment variables take
//! precedence, and a value is checked as if it had been given there.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use clap::{Arg, ArgAction, ArgMatches, Command, CommandFactory as _, FromArgMatches as _};
use secrecy::SecretString;

use crate::auth::{Hashed, Permission};
use crate::config::{ConfigError, Options};
use crate::files::write::directory_of;
use flagwire_flags_file::Problem;
use flagwire_flags_file::node::{self, Key, Node, Value};

/// A configuration file as it was read.
#[derive(Debug, Default)]
pub(crate) struct ConfigFile {
    /// The environments by name; `None` if the file has no such section.
    pub(crate) environments: Option<BTreeMap<String, EnvironmentOptions>>,
    /// The named admin tokens, in the order of the file.
    pub(crate) admin_tokens: Vec<AdminTokenOptions>,
    settings: BTreeMap<String, Setting>,
}

/// A named admin token. It has a value or a file, or else cannot be used.
#[derive(Debug, Default)]
pub(crate) struct AdminTokenOptions {
    pub(crate) name: String,
    pub(crate) may: Option<Permission>,
    pub(crate) token: Option<Hashed>,
    pub(crate) token_file: Option<PathBuf>,
}

/// The options of one environment.
#[derive(Debug, Default)]
pub(crate) struct EnvironmentOptions {
    pub(crate) flags: Option<PathBuf>,
    pub(crate) upstream: Option<String>,
    pub(crate) upstream_events: Option<String>,
    pub(crate) api_key: Option<SecretString>,
    pub(crate) api_key_file: Option<PathBuf>,
    pub(crate) takeover: Option<PathBuf>,
    pub(crate) client_keys: Vec<Hashed>,
    pub(crate) server_keys: Vec<Hashed>,
}

/// The names of options that an environment may have.
const ENVIRONMENT_KEYS: &[&str] = &[
    "flags",
    "upstream",
    "upstream-events",
    "api-key",
    "api-key-file",
    "takeover",
    "client-keys",
    "server-keys",
    "client-key",
    "server-key",
];

/// The values of an option as they are written, since a key `007` must not be read as the number seven.
struct Setting(Vec<String>);

/// Leaves the values out, as they may be secrets.
impl fmt::Debug for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Setting(…)")
    }
}

/// Reads one value without the blanks around it. Returns `None` if it is empty or missing.
fn one(key: &Key, node: &Node) -> Result<Option<String>, Problem> {
    match &node.value {
        Value::List(_) | Value::Map(_) => Err(Problem::new(
            node.at,
            format!("`{}` takes one value", key.text),
        )),
        _ => {
            let text = node.optional_text().unwrap_or_default().trim().to_owned();
            Ok(Some(text).filter(|text| !text.is_empty()))
        }
    }
}

/// Reads a list of values, or one text with commas between them.
fn many(key: &Key, node: &Node) -> Result<Vec<String>, Problem> {
    let values: Vec<String> = match &node.value {
        Value::List(nodes) => nodes
            .iter()
            .map(|node| one(key, node).map(Option::unwrap_or_default))
            .collect::<Result<_, _>>()?,
        _ => match one(key, node)? {
            Some(text) => text
                .split(',')
                .map(|value| value.trim().to_owned())
                .collect(),
            None => Vec::new(),
        },
    };
    Ok(values)
}

impl EnvironmentOptions {
    fn read(name: &str, node: &Node) -> Result<Self, Problem> {
        let entries = match &node.value {
            Value::Map(entries) => entries.as_slice(),
            Value::Null => &[],
            _ => {
                return Err(Problem::new(
                    node.at,
                    format!("environment `{name}` is a map, as in `flags: flags.yaml`"),
                ));
            }
        };
        let mut entry = Self::default();
        let path = |given: Option<String>| given.map(PathBuf::from);
        for (key, node) in entries {
            let keys = || -> Result<Vec<Hashed>, Problem> {
                let texts = many(key, node)?;
                let read = texts.into_iter().map(Hashed::try_from);
                read.collect::<Result<_, _>>().map_err(|error| {
                    Problem::new(node.at, format!("`{}` of `{name}`: {error}", key.text))
                })
            };
            match key.text.as_str() {
                "flags" => entry.flags = path(one(key, node)?),
                "upstream" => entry.upstream = one(key, node)?,
                "upstream-events" => entry.upstream_events = one(key, node)?,
                "api-key" => entry.api_key = one(key, node)?.map(SecretString::from),
                "api-key-file" => entry.api_key_file = path(one(key, node)?),
                "takeover" => entry.takeover = path(one(key, node)?),
                "client-key" | "client-keys" => entry.client_keys.extend(keys()?),
                "server-key" | "server-keys" => entry.server_keys.extend(keys()?),
                other => {
                    return Err(Problem::new(
                        key.at,
                        format!(
                            "unknown field `{other}` of environment `{name}`; it may have: {}",
                            ENVIRONMENT_KEYS.get(..8).unwrap_or_default().join(", ")
                        ),
                    ));
                }
            }
        }
        Ok(entry)
    }
}

impl ConfigFile {
    fn parse(text: &str) -> Result<Self, Problem> {
        let document = node::parse(text)?;
        let entries = match &document.value {
            Value::Map(entries) => entries.as_slice(),
            Value::Null => &[],
            _ => {
                return Err(Problem::new(
                    document.at,
                    "expected options by their names, as `listen: 0.0.0.0:7700`",
                ));
            }
        };
        let command = Options::command();
        let mut file = Self::default();
        for (key, node) in entries {
            let name = key.text.as_str();
            if name == "environments" {
                file.environments = Some(environments(node)?);
                continue;
            }
            if name == "admin-tokens" {
                file.admin_tokens = admin_tokens(node)?;
                continue;
            }
            let Some(arg) = option(&command, name) else {
                return Err(Problem::new(
                    key.at,
                    format!("there is no option `{name}`; `flagwire-server --help` lists them"),
                ));
            };
            let values = if matches!(arg.get_action(), ArgAction::Append) {
                many(key, node)?
            } else {
                one(key, node)?.into_iter().collect()
            };
            let id = arg.get_id().to_string();
            if file.settings.insert(id, Setting(values)).is_some() {
                return Err(Problem::new(key.at, format!("`{name}` is there twice")));
            }
        }
        // An option without a value keeps its default.
        file.settings.retain(|_, setting| !setting.0.is_empty());
        Ok(file)
    }
}

fn environments(node: &Node) -> Result<BTreeMap<String, EnvironmentOptions>, Problem> {
    match &node.value {
        Value::Map(entries) => entries
            .iter()
            .map(|(key, node)| Ok((key.text.clone(), EnvironmentOptions::read(&key.text, node)?)))
            .collect(),
        Value::Null => Ok(BTreeMap::new()),
        _ => Err(Problem::new(
            node.at,
            "`environments` is a map from name to what is said of it",
        )),
    }
}

fn admin_tokens(node: &Node) -> Result<Vec<AdminTokenOptions>, Problem> {
    let like =
        "`admin-tokens` is a list, as in `- { name: ana, may: edit, token-file: ana.token }`";
    match &node.value {
        Value::List(nodes) => nodes.iter().map(AdminTokenOptions::read).collect(),
        Value::Null => Ok(Vec::new()),
        _ => Err(Problem::new(node.at, like)),
    }
}

impl AdminTokenOptions {
    fn read(node: &Node) -> Result<Self, Problem> {
        let Value::Map(entries) = &node.value else {
            return Err(Problem::new(
                node.at,
                "an admin token is a map, as in `{ name: ana, may: edit, token-file: ana.token }`",
            ));
        };
        let mut read = Self::default();
        for (key, node) in entries {
            let given = one(key, node)?;
            match key.text.as_str() {
                "name" => read.name = given.unwrap_or_default(),
                "may" => {
                    read.may = given.as_deref().and_then(Permission::parse);
                    if read.may.is_none() {
                        let reason = "`may` of an admin token is `read` or `edit`";
                        return Err(Problem::new(node.at, reason));
                    }
                }
                "token" => {
                    let token = Hashed::try_from(given.unwrap_or_default());
                    read.token = Some(token.map_err(|error| {
                        Problem::new(node.at, format!("`token` of an admin token: {error}"))
                    })?);
                }
                "token-file" => read.token_file = given.map(PathBuf::from),
                other => {
                    let reason = format!(
                        "unknown field `{other}` of an admin token; it may have: name, may, token, token-file"
                    );
                    return Err(Problem::new(key.at, reason));
                }
            }
        }
        Ok(read)
    }
}

/// Returns the option of this name, if a configuration file may set it.
fn option<'c>(command: &'c Command, name: &str) -> Option<&'c Arg> {
    command.get_arguments().find(|arg| {
        let aliases = arg.get_all_aliases().unwrap_or_default();
        let named = arg.get_long() == Some(name) || aliases.contains(&name);
        named && !matches!(arg.get_id().as_str(), "config" | "help" | "version")
    })
}

/// Whether the option's value is a path, which is relative to the directory of the configuration file.
fn is_path(arg: &Arg) -> bool {
    let names = arg.get_value_names().unwrap_or_default();
    names
        .iter()
        .any(|name| matches!(name.as_str(), "FILE" | "DIRECTORY"))
}

impl EnvironmentOptions {
    /// Returns the options of the one environment of a server without a list of environments.
    pub(crate) fn of(options: &Options) -> Self {
        let upstream = options.upstream.clone();
        Self {
            flags: upstream.is_none().then(|| options.flags.clone()),
            upstream,
            upstream_events: options.upstream_events.clone(),
            api_key: options.api_key.clone(),
            api_key_file: options.api_key_file.clone(),
            takeover: options.takeover.clone(),
            client_keys: options.client_keys.clone(),
            server_keys: options.server_keys.clone(),
        }
    }
}

impl ConfigFile {
    pub(crate) fn read(path: &Path) -> Result<Self, ConfigError> {
        let wrap = |reason: String| ConfigError::Unreadable {
            path: path.display().to_string(),
            reason,
        };
        let text =
            crate::files::read_text_at_start(path).map_err(|error| wrap(error.to_string()))?;
        Self::parse(&text).map_err(|problem| wrap(problem.to_string()))
    }

    /// Returns the definition of the command line with this file's options as defaults. Relative paths in it start at
    /// `directory`, where the file is.
    fn into_defaults(self, directory: &Path) -> Command {
        let mut command = Options::command();
        for (id, setting) in self.settings {
            command = command.mut_arg(id, |arg| {
                let path = is_path(&arg);
                let Setting(values) = setting;
                arg.default_values(values.into_iter().map(|value| {
                    if path {
                        directory.join(value).into_os_string()
                    } else {
                        OsString::from(value)
                    }
                }))
            });
        }
        command
    }
}

impl Options {
    /// Reads the command line, the environment and, where one of them names it, the configuration file.
    ///
    /// # Errors
    /// The error of clap, which it also returns for `--help` and `--version`. A configuration file that cannot be read
    /// is reported in the same way.
    pub fn read(
        args: impl IntoIterator<Item = impl Into<OsString> + Clone>,
    ) -> Result<Self, clap::Error> {
        let args: Vec<OsString> = args.into_iter().map(Into::into).collect();
        let of = |command: Command| -> Result<Self, clap::Error> {
            let matches: ArgMatches = command.try_get_matches_from(&args)?;
            Self::from_arg_matches(&matches).map(Self::without_empty)
        };
        let plain = of(Self::command());
        let path = match &plain {
            Ok(options) => options.config.clone(),
            Err(error) if !error.use_stderr() => return plain,
            // An option that is missing may be in the file.
            Err(_) => Self::command()
                .ignore_errors(true)
                .try_get_matches_from(&args)
                .ok()
                .and_then(|matches| matches.get_one::<PathBuf>("config").cloned())
                .filter(|path| !path.as_os_str().is_empty()),
        };
        let Some(path) = path else {
            return plain;
        };
        let file = ConfigFile::read(&path)
            .map_err(|error| Self::command().error(clap::error::ErrorKind::Io, error))?;
        of(file.into_defaults(directory_of(&path))).map_err(|error| {
            if plain.is_err() {
                return error;
            }
            // The options are valid without the file, so the message names the file.
            let reason = error.to_string();
            let reason = reason.strip_prefix("error: ").unwrap_or(&reason);
            clap::Error::raw(error.kind(), format!("{}: {reason}", path.display()))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn read(text: &str, args: &[&str]) -> Result<Options, String> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("flagwire.yaml");
        std::fs::write(&path, text).unwrap();
        let start = ["flagwire-server", "--config", path.to_str().unwrap()];
        Options::read([&start, args].concat()).map_err(|error| error.to_string())
    }

    #[test]
    fn it_sets_any_option_and_the_command_line_comes_first() {
        let text = "listen: 127.0.0.1:8\nclient-keys: [a, b]\nserver-key: c\nflags: mine.yaml\nstate-dir: /var/lib/x\nevent-evaluations: false\nheartbeat-ms: 20\n";
        let options = read(text, &["--listen", "127.0.0.1:9"]).unwrap();
        assert_eq!(options.listen.port(), 9);
        assert_eq!(options.client_keys, [Hashed::of("a"), Hashed::of("b")]);
        assert_eq!(options.server_keys, [Hashed::of("c")]);
        assert!(options.flags.is_absolute() && options.flags.ends_with("mine.yaml"));
        assert_eq!(options.state_dir.as_deref(), Some(Path::new("/var/lib/x")));
        assert!(!options.event_evaluations);
        assert_eq!(options.heartbeat(), Duration::from_millis(20));
        assert!(read("", &[]).is_ok() && read("# nothing\n", &[]).is_ok());
    }

    /// YAML would take some of them for numbers, and files and templates leave blanks around them.
    #[test]
    fn values_count_as_they_are_written_without_blanks_around_them() {
        let text = "client-keys: [007, 1e5, 12345678901234567890]\nserver-key: ' a , 0x10 '\nenvironment: 1.10\nlisten: \"127.0.0.1:8\\n\"\nflags: ' mine.yaml '\nupstream:\nredis: ''\ncors-origins: 'http://A.example/, http://b.example'\nevent-evaluations: off\nidle-seconds: ' 7 '\nlog-format: JSON\n";
        let options = read(text, &[]).unwrap();
        let keys =
            |keys: &[&str]| -> Vec<Hashed> { keys.iter().map(|key| Hashed::of(key)).collect() };
        assert_eq!(
            options.client_keys,
            keys(&["007", "1e5", "12345678901234567890"])
        );
        assert_eq!(options.server_keys, keys(&["a", "0x10"]));
        assert_eq!(options.environment, "1.10");
        assert_eq!(options.listen.port(), 8);
        assert!(options.flags.ends_with("mine.yaml"));
        assert!(options.upstream.is_none() && options.redis.is_none());
        assert_eq!(
            options.cors_origins,
            ["http://a.example", "http://b.example"]
        );
        assert!(!options.event_evaluations);
        assert_eq!(options.idle_seconds, 7);
        assert_eq!(options.log_format, crate::config::LogFormat::Json);
    }

    #[test]
    fn what_is_empty_counts_as_not_given() {
        let options = read(
            "",
            &[
                "--upstream",
                "",
                "--token-secret",
                " \n",
                "--flags",
                "",
                "--state-dir",
                " ",
            ],
        )
        .unwrap();
        assert!(options.upstream.is_none() && options.token_secret.is_none());
        assert!(options.state_dir.is_none());
        assert_eq!(options.flags, Path::new("flags.yaml"));
        for (args, expected) in [
            (&["--admin-token", ""][..], "a key is empty"),
            (&["--client-key", "a,,b"], "a key is empty"),
            (
                &["--cors-origin", "http://a.example,"],
                "an origin is empty",
            ),
            (&["--listen", ""], "names no address"),
            (&["--drain-seconds", "99999999999"], "--drain-seconds"),
        ] {
            let error = read("", args).unwrap_err();
            assert!(error.contains(expected), "{args:?}: {error}");
        }
    }

    #[test]
    fn mistakes_are_named_with_the_file() {
        for (text, expected) in [
            ("listn: 1", "there is no option `listn`"),
            ("config: x", "there is no option `config`"),
            ("help: true", "there is no option `help`"),
            ("flags: f\nflags: g\n", "`flags` is there twice"),
            ("client-key: a\nclient-keys: [b]\n", "there twice"),
            ("listen: here", "invalid value 'here' for '--listen"),
            ("poll-seconds: 0", "'--poll-seconds"),
            ("listen: [127.0.0.1:1]", "`listen` takes one value"),
            ("log-format: xml", "--log-format"),
            ("- listen", "expected options by their names"),
            ("client-key: [a, [b]]", "takes one value"),
            ("client-key: open sesame", "has a blank"),
            (
                "cors-origin: [https://a.example, 'https://*.b.example']",
                "wildcard",
            ),
            (
                "environments: { a: { client-keys: [open sesame] } }",
                "has a blank",
            ),
            ("environments: { a: 7 }", "is a map"),
        ] {
            let error = read(text, &[]).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
            assert!(error.contains("flagwire.yaml: "), "{error}");
            assert!(!error.contains("sesame"), "it may be a secret: {error}");
        }
    }
}
