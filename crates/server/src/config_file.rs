//! The configuration file: any option by its name, and what several environments need.
//!
//! What it says of options becomes their default, so the command line and the environment come before it, and a value is
//! checked as if it had been given there.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use clap::{Arg, ArgAction, ArgMatches, Command, CommandFactory as _, FromArgMatches as _};
use secrecy::SecretString;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde::{Deserialize, de};

use crate::auth::Hashed;
use crate::config::{ConfigError, Options};
use crate::flags_file::write::directory_of;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct ConfigFile {
    /// By name; `None` where the file does not speak of environments.
    pub(crate) environments: Option<BTreeMap<String, Entry>>,
    settings: BTreeMap<String, Setting>,
}

/// What is said of one environment.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct Entry {
    pub(crate) flags: Option<PathBuf>,
    pub(crate) upstream: Option<String>,
    pub(crate) upstream_events: Option<String>,
    pub(crate) api_key: Option<SecretString>,
    pub(crate) api_key_file: Option<PathBuf>,
    #[serde(alias = "client-key")]
    pub(crate) client_keys: Vec<Hashed>,
    #[serde(alias = "server-key")]
    pub(crate) server_keys: Vec<Hashed>,
}

/// The value of an option.
#[derive(Deserialize)]
#[serde(untagged)]
enum Setting {
    Bool(bool),
    Number(i64),
    Text(String),
    List(Vec<String>),
}

/// It may be a secret.
impl fmt::Debug for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Setting(…)")
    }
}

impl Setting {
    fn into_texts(self) -> Vec<String> {
        match self {
            Self::Bool(value) => vec![value.to_string()],
            Self::Number(value) => vec![value.to_string()],
            Self::Text(value) => vec![value],
            Self::List(values) => values,
        }
    }
}

/// By hand, because `serde(flatten)` would lose the places of mistakes.
impl<'de> Deserialize<'de> for ConfigFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct File;
        impl<'de> Visitor<'de> for File {
            type Value = ConfigFile;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("options by their names, as `listen: 0.0.0.0:7700`")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ConfigFile, A::Error> {
                let command = Options::command();
                let mut file = ConfigFile::default();
                while let Some(key) = map.next_key::<String>()? {
                    if key == "environments" {
                        file.environments = Some(map.next_value()?);
                        continue;
                    }
                    let Some(arg) = option(&command, &key) else {
                        return Err(de::Error::custom(format_args!(
                            "there is no option `{key}`; `flagwire-server --help` lists them"
                        )));
                    };
                    let setting = map.next_value()?;
                    let many = matches!(arg.get_action(), ArgAction::Append);
                    if matches!(setting, Setting::List(_)) && !many {
                        return Err(de::Error::custom(format_args!("`{key}` takes one value")));
                    }
                    let id = arg.get_id().to_string();
                    if file.settings.insert(id, setting).is_some() {
                        return Err(de::Error::custom(format_args!("`{key}` is there twice")));
                    }
                }
                Ok(file)
            }

            fn visit_unit<E>(self) -> Result<ConfigFile, E> {
                Ok(ConfigFile::default())
            }
        }
        deserializer.deserialize_map(File)
    }
}

/// The option of that name that a file may set.
fn option<'c>(command: &'c Command, name: &str) -> Option<&'c Arg> {
    command.get_arguments().find(|arg| {
        let aliases = arg.get_all_aliases().unwrap_or_default();
        let named = arg.get_long() == Some(name) || aliases.contains(&name);
        named && !matches!(arg.get_id().as_str(), "config" | "help" | "version")
    })
}

/// Whether a relative value of the option is meant from where the file is.
fn is_path(arg: &Arg) -> bool {
    let names = arg.get_value_names().unwrap_or_default();
    names
        .iter()
        .any(|name| matches!(name.as_str(), "FILE" | "DIRECTORY"))
}

impl Entry {
    /// The one environment of a server that is given options alone.
    pub(crate) fn of(options: &Options) -> Self {
        let upstream = options.upstream.clone();
        Self {
            flags: upstream.is_none().then(|| options.flags.clone()),
            upstream,
            upstream_events: options.upstream_events.clone(),
            api_key: options.api_key.clone(),
            api_key_file: options.api_key_file.clone(),
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
        let options = serde_saphyr::options! { strict_booleans: true, with_snippet: false };
        serde_saphyr::from_str_with_options(&text, options)
            .map_err(|error| wrap(crate::flags_file::syntax::placed(&error)))
    }

    /// The command line's definition with what this file, which lies in `directory`, says as defaults.
    fn into_defaults(self, directory: &Path) -> Command {
        let mut command = Options::command();
        for (id, setting) in self.settings {
            command = command.mut_arg(id, |arg| {
                let path = is_path(&arg);
                let values: Vec<String> = setting.into_texts();
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
    /// What clap says, `--help` and `--version` included.
    pub fn read(
        args: impl IntoIterator<Item = impl Into<OsString> + Clone>,
    ) -> Result<Self, clap::Error> {
        let args: Vec<OsString> = args.into_iter().map(Into::into).collect();
        let of = |command: Command| -> Result<Self, clap::Error> {
            let matches: ArgMatches = command.try_get_matches_from(&args)?;
            Self::from_arg_matches(&matches)
        };
        let plain = of(Self::command());
        let path = match &plain {
            Ok(options) => options.config.clone(),
            Err(error) if !error.use_stderr() => return plain,
            // What is missing may stand in the file.
            Err(_) => Self::command()
                .ignore_errors(true)
                .try_get_matches_from(&args)
                .ok()
                .and_then(|matches| matches.get_one::<PathBuf>("config").cloned()),
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
            // What was fine without the file fails because of it.
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

    #[test]
    fn mistakes_are_named_with_the_file() {
        for (text, expected) in [
            ("listn: 1", "there is no option `listn`"),
            ("config: x", "there is no option `config`"),
            ("help: true", "there is no option `help`"),
            ("flags: f\nflags: g\n", "flags"),
            ("client-key: a\nclient-keys: [b]\n", "there twice"),
            ("listen: here", "invalid value 'here' for '--listen"),
            ("poll-seconds: 0", "'--poll-seconds"),
            ("listen: [127.0.0.1:1]", "`listen` takes one value"),
            ("log-format: xml", "--log-format"),
            ("- listen", "expected mapping"),
        ] {
            let error = read(text, &[]).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
            assert!(error.contains("flagwire.yaml: "), "{error}");
        }
    }
}
