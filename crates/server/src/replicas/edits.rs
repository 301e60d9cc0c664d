//! Changes flags on a follower, which asks the leader to do so.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Weak};
use std::time::Duration;

use flagwire_evaluation::model::{FeatureConfig, Segment};
use redis::RedisResult;
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;

use super::connection::{Connection, reason};
use super::options::ReplicaOptions;
use super::revision::{CopyState, Revision, Verdict};
use super::store::{self, Keys};
use crate::environment::{
    Author, ChangeQuery, ChangesPage, Document, Edit, EditError, Editor, Environment, FlagsChange,
    LoggedChange, Mistake,
};
use crate::files::is_full;

/// How long the leader may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long a change that the leader has made may take to arrive here.
const ARRIVAL: Duration = Duration::from_secs(5);

/// What a replica asks the leader for, as JSON.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Request {
    Edit {
        id: String,
        flag: String,
        edit: Edit,
        /// Who asks; replicas of older builds do not say so.
        #[serde(default)]
        by: Option<Author>,
    },
    /// A flag or group is to be added, deleted, or given a new definition.
    Change {
        id: String,
        change: FlagsChange,
        #[serde(default)]
        by: Option<Author>,
    },
    /// A logged change is to be undone.
    Undo {
        id: String,
        undo: String,
        by: Author,
    },
    /// Logged changes are to be listed.
    Changes { id: String, changes: ChangeQuery },
    /// The flags file of another replica is newer. Its text is in a key of its own.
    File { id: String, file: CopyState },
    /// Another replica has served greater versions.
    Raise { id: String, raise: Raise },
}

/// Versions that entries are to have at least, by identifier.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Raise {
    pub(crate) flags: BTreeMap<String, i64>,
    pub(crate) groups: BTreeMap<String, i64>,
}

impl Raise {
    /// Returns the versions of these flags and groups.
    pub(super) fn of(flags: &[FeatureConfig], segments: &[Segment]) -> Self {
        let flag = |flag: &FeatureConfig| Some((flag.feature.clone(), flag.version?));
        let group = |group: &Segment| Some((group.identifier.clone(), group.version?));
        Self {
            flags: flags.iter().filter_map(flag).collect(),
            groups: segments.iter().filter_map(group).collect(),
        }
    }

    /// Returns the versions that are greater than those of `others`.
    pub(super) fn beyond(self, others: &Self) -> Self {
        let beyond = |own: BTreeMap<String, i64>, others: &BTreeMap<String, i64>| {
            own.into_iter()
                .filter(|(identifier, version)| {
                    others.get(identifier).is_some_and(|other| other < version)
                })
                .collect()
        };
        Self {
            flags: beyond(self.flags, &others.flags),
            groups: beyond(self.groups, &others.groups),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.flags.is_empty() && self.groups.is_empty()
    }
}

/// The leader's answer, as JSON.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Answer {
    /// The edit is made, and the configuration with it has this stamp.
    Made(String),
    /// The change is undone, and the configuration then has this stamp.
    Undone {
        stamp: String,
        change: Box<LoggedChange>,
    },
    Changes(ChangesPage),
    UnknownFlag(String),
    UnknownChange(String),
    UnknownVariation {
        flag: String,
        variation: String,
        known: String,
    },
    UnknownGroup(String),
    Mistakes(Vec<Mistake>),
    Refused(String),
    /// The leader's file could not be read or written.
    Io {
        path: String,
        reason: String,
        /// Whether the disk was full.
        full: bool,
        /// Whether the disk did not answer.
        hangs: bool,
    },
    /// A flags file is not newer than what is in force.
    NotNewer,
}

/// The leader's answer about a flags file that it was asked to put in force.
#[derive(Debug)]
pub(super) enum Offered {
    Taken,
    NotNewer,
    /// The file cannot be used, for this reason.
    Refused(String),
}

/// The editor of a follower: it asks the leader to make each change.
#[derive(Debug)]
pub(super) struct FollowerEditor {
    pub(super) options: Arc<ReplicaOptions>,
    pub(super) keys: Keys,
    pub(super) environment: Weak<Environment>,
    pub(super) runtime: Handle,
}

impl Editor for FollowerEditor {
    fn edit(&self, change: &FlagsChange, by: &Author) -> Result<(), EditError> {
        let by = Some(by.clone());
        let reply = match change.clone() {
            FlagsChange::Settings { flag, edit } => {
                self.ask_leader(|id| Request::Edit { id, flag, edit, by })
            }
            change => self.ask_leader(|id| Request::Change { id, change, by }),
        };
        match reply? {
            Reply::Made => Ok(()),
            other => Err(other.unexpected()),
        }
    }

    fn undo(&self, id: &str, by: &Author) -> Result<LoggedChange, EditError> {
        let (undo, by) = (id.to_owned(), by.clone());
        match self.ask_leader(|id| Request::Undo { id, undo, by })? {
            Reply::Undone(change) => Ok(*change),
            other => Err(other.unexpected()),
        }
    }

    fn changes(&self, query: &ChangeQuery) -> Result<ChangesPage, EditError> {
        let changes = query.clone();
        match self.ask_leader(|id| Request::Changes { id, changes })? {
            Reply::Changes(page) => Ok(page),
            other => Err(other.unexpected()),
        }
    }
}

/// What the leader has done.
enum Reply {
    Made,
    Undone(Box<LoggedChange>),
    Changes(ChangesPage),
}

impl Reply {
    /// Returns the error of a reply to another question.
    fn unexpected(self) -> EditError {
        drop(self);
        EditError::Refused(
            "flags are changed by another replica, whose answer cannot be read".to_owned(),
        )
    }
}

impl FollowerEditor {
    /// Asks the leader, and returns its reply once this replica has what the leader has made. Blocks.
    fn ask_leader(&self, request: impl FnOnce(String) -> Request) -> Result<Reply, EditError> {
        let environment = Environment::of_editor(&self.environment)?;
        let Some(leader) = environment.replica().and_then(|status| status.leader) else {
            return Err(EditError::Refused(
                "flags can be changed by one replica only, and at the moment there is none that may; try again soon"
                    .to_owned(),
            ));
        };
        let id = random_id().map_err(EditError::Refused)?;
        let request = request(id.clone());
        self.runtime
            .block_on(self.ask(&environment, &leader, &id, &request))
    }

    async fn ask(
        &self,
        environment: &Environment,
        leader: &str,
        id: &str,
        request: &Request,
    ) -> Result<Reply, EditError> {
        let json = serde_json::to_string(request).unwrap_or_default();
        let asked: RedisResult<Option<String>> = async {
            let mut connection = self.options.redis.connect(2 * PATIENCE).await?;
            store::ask(&mut connection, &self.keys, id, &json, PATIENCE).await
        }
        .await;
        let refused = |why: String| {
            Err(EditError::Refused(format!(
                "flags are changed by the replica `{leader}`, {why}"
            )))
        };
        let answer = match asked {
            Ok(Some(answer)) => answer,
            Ok(None) => {
                return refused(
                    "which does not answer; look again soon whether it has made the change"
                        .to_owned(),
                );
            }
            Err(error) => return refused(format!("but Redis cannot be used: {}", reason(&error))),
        };
        match serde_json::from_str(&answer) {
            Ok(Answer::Made(stamp)) => {
                arrival(environment, &stamp).await;
                Ok(Reply::Made)
            }
            Ok(Answer::Undone { stamp, change }) => {
                arrival(environment, &stamp).await;
                Ok(Reply::Undone(change))
            }
            Ok(Answer::Changes(page)) => Ok(Reply::Changes(page)),
            Ok(Answer::UnknownChange(id)) => Err(EditError::UnknownChange(id)),
            Ok(Answer::UnknownFlag(flag)) => Err(EditError::UnknownFlag(flag)),
            Ok(Answer::UnknownVariation {
                flag,
                variation,
                known,
            }) => Err(EditError::UnknownVariation {
                flag,
                variation,
                known,
            }),
            Ok(Answer::UnknownGroup(group)) => Err(EditError::UnknownGroup(group)),
            Ok(Answer::Mistakes(mistakes)) => Err(EditError::Mistakes(mistakes)),
            Ok(Answer::Refused(why)) => Err(EditError::Refused(why)),
            Ok(Answer::Io {
                path,
                reason,
                full,
                hangs,
            }) => {
                let kind = match (full, hangs) {
                    (true, _) => io::ErrorKind::StorageFull,
                    (false, true) => io::ErrorKind::TimedOut,
                    (false, false) => io::ErrorKind::Other,
                };
                let path = format!("{path} of the replica `{leader}`");
                let error = io::Error::new(kind, reason);
                Err(EditError::Io { path, error })
            }
            Ok(Answer::NotNewer) | Err(_) => refused("whose answer cannot be read".to_owned()),
        }
    }
}

/// Waits until what the leader has made is in force here. It is made already, and may arrive later than is waited for.
async fn arrival(environment: &Environment, stamp: &str) {
    let mut generation = environment.watch_generation();
    let arrived = generation.wait_for(|_| environment.stamp() == stamp);
    drop(tokio::time::timeout(ARRIVAL, arrived).await);
}

fn random_id() -> Result<String, String> {
    let mut id = [0; 16];
    getrandom::fill(&mut id).map_err(|error| format!("no random numbers: {error}"))?;
    Ok(crate::auth::hex(&id))
}

/// Asks the leader to put this replica's flags file in force. An error says that it could not be asked or did not answer.
pub(super) async fn offer(
    options: &ReplicaOptions,
    keys: &Keys,
    file: CopyState,
    text: &[u8],
) -> Result<Offered, String> {
    let id = random_id()?;
    let json = serde_json::to_string(&Request::File {
        id: id.clone(),
        file,
    })
    .unwrap_or_default();
    let asked: RedisResult<Option<String>> = async {
        let mut connection = options.redis.connect(2 * PATIENCE).await?;
        store::put_file(&mut connection, keys, &id, text).await?;
        store::ask(&mut connection, keys, &id, &json, PATIENCE).await
    }
    .await;
    let answer = asked.map_err(|error| reason(&error))?;
    let answer = answer.ok_or_else(|| "the replica that leads does not answer".to_owned())?;
    match serde_json::from_str(&answer) {
        Ok(Answer::Made(_)) => Ok(Offered::Taken),
        Ok(Answer::NotNewer) => Ok(Offered::NotNewer),
        Ok(Answer::Refused(why)) => Ok(Offered::Refused(why)),
        _ => Err("the answer of the replica that leads cannot be read".to_owned()),
    }
}

/// Asks the leader to raise its versions to those that this replica has served. There is no answer; a later look shows whether it
/// did.
pub(super) async fn ask_to_raise(
    connection: &mut Connection,
    keys: &Keys,
    raise: Raise,
) -> RedisResult<()> {
    let id = random_id().map_err(io::Error::other)?;
    let json = serde_json::to_string(&Request::Raise { id, raise }).unwrap_or_default();
    store::tell(connection, keys, &json).await
}

/// Makes an edit as the leader, and answers. `shared` is the flags file's text that the replicas share.
pub(super) async fn perform(
    json: &str,
    environment: Arc<Environment>,
    shared: Option<Revision>,
    mut connection: Connection,
    keys: Keys,
) {
    let request: Request = match serde_json::from_str(json) {
        Ok(request) => request,
        Err(error) => {
            tracing::warn!(%error, "an edit from another replica cannot be read");
            return;
        }
    };
    let name = environment.name().to_owned();
    let (id, answer) = match request {
        Request::Edit { id, flag, edit, by } => {
            let change = FlagsChange::Settings { flag, edit };
            (id, make(environment, change, by).await)
        }
        Request::Change { id, change, by } => (id, make(environment, change, by).await),
        Request::Undo { id, undo, by } => {
            let work = move |editor: &dyn Editor, environment: &Environment| {
                let change = Box::new(editor.undo(&undo, &by)?);
                let stamp = environment.stamp();
                Ok(Answer::Undone { stamp, change })
            };
            (id, make_with(environment, work).await)
        }
        Request::Changes { id, changes } => {
            let work = move |editor: &dyn Editor, _: &Environment| {
                editor.changes(&changes).map(Answer::Changes)
            };
            (id, make_with(environment, work).await)
        }
        Request::File { id, file } => {
            tracing::info!(environment = name, "another replica has a newer flags file");
            let text = store::take_file(&mut connection, &keys, &id).await;
            let known = store::find_text(&mut connection, &keys, &file.hash).await;
            let answer = match text.and_then(|text| Ok((text, known?.last))) {
                Ok((Some(text), last)) => take_over(environment, file, text, shared, last).await,
                Ok((None, _)) => Answer::Refused("the file did not arrive in time".to_owned()),
                Err(error) => Answer::Refused(reason(&error)),
            };
            (id, answer)
        }
        Request::Raise { raise, .. } => {
            environment.raise(&raise.flags, &raise.groups);
            return;
        }
    };
    let answer = serde_json::to_string(&answer).unwrap_or_default();
    if let Err(error) = store::answer(&mut connection, &keys, &id, &answer).await {
        tracing::warn!(
            environment = name,
            error = reason(&error),
            "a change was made, but whoever asked for it does not hear of that"
        );
    }
}

/// Makes a change of another replica as the leader. Replicas of older builds do not say whose change it is.
async fn make(environment: Arc<Environment>, change: FlagsChange, by: Option<Author>) -> Answer {
    tracing::info!(
        environment = environment.name(),
        entry = %change.entry(),
        "another replica asks for a change"
    );
    let by = by.unwrap_or_else(|| Author {
        name: "another replica".to_owned(),
        address: None,
    });
    let work = move |editor: &dyn Editor, environment: &Environment| {
        editor.edit(&change, &by)?;
        Ok(Answer::Made(environment.stamp()))
    };
    make_with(environment, work).await
}

/// Has the leader's editor do something, and returns the answer.
async fn make_with(
    environment: Arc<Environment>,
    work: impl FnOnce(&dyn Editor, &Environment) -> Result<Answer, EditError> + Send + 'static,
) -> Answer {
    let made = tokio::task::spawn_blocking(move || {
        let Some(editor) = environment.editor() else {
            let why = "the leader's flags cannot be changed".to_owned();
            return Err(EditError::Refused(why));
        };
        work(&*editor, &environment)
    });
    match made.await {
        Ok(Ok(answer)) => answer,
        Ok(Err(EditError::UnknownChange(id))) => Answer::UnknownChange(id),
        Ok(Err(EditError::UnknownFlag(flag))) => Answer::UnknownFlag(flag),
        Ok(Err(EditError::UnknownVariation {
            flag,
            variation,
            known,
        })) => Answer::UnknownVariation {
            flag,
            variation,
            known,
        },
        Ok(Err(EditError::UnknownGroup(group))) => Answer::UnknownGroup(group),
        Ok(Err(EditError::Mistakes(mistakes))) => Answer::Mistakes(mistakes),
        Ok(Err(EditError::Io { path, error })) => Answer::Io {
            path,
            reason: error.to_string(),
            full: is_full(&error),
            hangs: error.kind() == io::ErrorKind::TimedOut,
        },
        Ok(Err(error)) => Answer::Refused(error.to_string()),
        Err(error) => Answer::Refused(error.to_string()),
    }
}

async fn take_over(
    environment: Arc<Environment>,
    file: CopyState,
    text: Vec<u8>,
    shared: Option<Revision>,
    last: Option<u64>,
) -> Answer {
    let document = Document::new(text);
    if document.hash != file.hash {
        return Answer::Refused("the file changed on its way".to_owned());
    }
    let taken = tokio::task::spawn_blocking(move || {
        let Some(editor) = environment.editor() else {
            return Err(EditError::Refused(
                "the leader's flags cannot be changed".to_owned(),
            ));
        };
        let Some(here) = environment.document() else {
            return Ok(None);
        };
        // The file is compared with what is in force here, although Redis may not have that yet.
        let here = shared
            .filter(|shared| shared.hash == here.hash)
            .unwrap_or_else(|| Revision {
                hash: here.hash.clone(),
                number: u64::MAX,
            });
        let verdict = file.compared_with(&here, last);
        let taken = matches!(verdict, Verdict::Newer | Verdict::Same)
            && editor.replace(&here.hash, document)?;
        Ok(taken.then(|| environment.stamp()))
    });
    match taken.await {
        Ok(Ok(Some(stamp))) => Answer::Made(stamp),
        Ok(Ok(None)) => Answer::NotNewer,
        Ok(Err(error)) => Answer::Refused(error.to_string()),
        Err(error) => Answer::Refused(error.to_string()),
    }
}
