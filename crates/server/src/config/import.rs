//! The options of the commands `import` and `export`.

use std::path::PathBuf;

use clap::{ArgGroup, Args};

/// Options of `flagwire-server import`.
#[derive(Clone, Debug, Args)]
#[command(group(ArgGroup::new("source").required(true).args(["from", "from_files"])))]
pub struct ImportOptions {
    /// Base URL of the server to import from, as SDKs are given it; that of Harness is `https://config.ff.harness.io/api/1.0`.
    #[arg(long, value_name = "URL", requires = "api_key_files")]
    pub from: Option<String>,

    /// A file with a server key of the environment and nothing else. Give one for each environment to be imported.
    #[arg(long = "api-key-file", value_name = "FILE", requires = "from")]
    pub api_key_files: Vec<PathBuf>,

    /// A file to import from instead: the JSON of feature-configs or of target-segments (give both), an export of flagwire-server,
    /// or Git Experience's YAML. May be given several times.
    #[arg(long = "from-file", value_name = "FILE")]
    pub from_files: Vec<PathBuf>,

    /// The environment's name, one for each key file in the same order. Default: the name that the key's sign-in brings.
    #[arg(long = "environment-name", value_name = "NAME")]
    pub environment_names: Vec<String>,

    /// The flags file to write; for several environments a directory, in which each gets NAME.yaml. Default: flags.yaml, or
    /// this directory.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,

    /// Overwrites files that are there already.
    #[arg(long)]
    pub force: bool,

    /// Writes a configuration file for flagwire-server with the imported environments. It holds the hashes of their keys, and
    /// its owner alone can read it.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// A file with the client key that pages have today, one for each environment in the same order. With it the old service is
    /// asked for some targets what it serves them, and --config lets the key in. Keys are read from files alone, as arguments can
    /// be seen in the list of processes.
    #[arg(long = "client-key-file", value_name = "FILE")]
    pub client_key_files: Vec<PathBuf>,

    /// A file with a token for Harness's management API. It brings along what the endpoints for back ends lack: descriptions, tags
    /// and owners of flags, names of targets, and which flags are archived.
    #[arg(long, value_name = "FILE", requires = "from")]
    pub admin_token_file: Option<PathBuf>,

    /// Base URL of the management API. Default: `https://app.harness.io`, if Harness is what is imported from.
    #[arg(long, value_name = "URL", requires = "admin_token_file")]
    pub admin_from: Option<String>,

    /// The account's identifier in the management API. Default: the one that the key's sign-in brings, as for the next two.
    #[arg(long, value_name = "ID", requires = "admin_token_file")]
    pub admin_account: Option<String>,

    /// The organization's identifier in the management API.
    #[arg(long, value_name = "ID", requires = "admin_token_file")]
    pub admin_organization: Option<String>,

    /// The project's identifier in the management API.
    #[arg(long, value_name = "ID", requires = "admin_token_file")]
    pub admin_project: Option<String>,

    /// For how many targets the old service itself is asked what it serves, where its client key is given with --client-key-file. It
    /// stores these targets, as it does with those of each client.
    #[arg(
        long,
        value_name = "COUNT",
        default_value_t = 20,
        requires = "client_key_files"
    )]
    pub spot_checks: usize,

    /// The name of a field, operator, kind or state of the source that is unknown here and that you know to make no difference.
    /// May be given several times.
    #[arg(long = "ignore", value_name = "NAME")]
    pub ignored: Vec<String>,
}

/// Options of `flagwire-server export`.
#[derive(Clone, Debug, Args)]
pub struct ExportOptions {
    /// The flags file.
    #[arg(default_value = "flags.yaml", value_name = "FILE")]
    pub file: PathBuf,

    /// Where the JSON goes. Default: standard output.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,

    /// The environment's name, which stands in each flag and group.
    #[arg(long, default_value = "production", value_name = "NAME")]
    pub environment_name: String,

    /// Overwrites a file that is there already.
    #[arg(long)]
    pub force: bool,
}
