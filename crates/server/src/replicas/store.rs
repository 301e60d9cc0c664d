//! Stores in Redis what replicas share of one environment.
//!
//! All keys of an environment are in one slot of a cluster. Only the replica that holds the lease writes. A script
//! checks that in the same step, so a leader that was suspended while another took over writes nothing.
//!
//! | key | holds |
//! |---|---|
//! | `…:lease` | who leads, for as long as it lasts |
//! | `…:term` | counts leaders; a replica that remembers a greater number raises it |
//! | `…:snapshot` | the configuration, its stamp, its term and number, what is remembered of versions, and the status of the leader's source; where it is of a flags file, its text and the revision of that |
//! | `…:texts` | hashes of the texts that were in force, by revision |
//! | `…:announced:…` | the leader that is about to write the text with this hash to its flags file, or has written it and not yet published it |
//! | `…:changes` | a stream with an entry for each change, which tells the others to look, and for each edit asked of the leader |
//! | `…:file:…` | a flags file that a replica wants to be put in force |
//! | `…:reply:…` | the leader's answer to one edit |

use std::time::{Duration, Instant};

use redis::aio::ConnectionLike;
use redis::streams::{StreamRangeReply, StreamReadReply};
use redis::{RedisResult, cmd};
use serde::{Deserialize, Serialize};

use super::connection::Connection;
use super::revision::Revision;
use crate::environment::{Configuration, ConfigurationRef, Document, InForce};
use crate::versions::Versions;

/// The version of the format, which grows when the format changes. A snapshot of another version is not read.
const FORMAT: u32 = 1;

/// How many texts of flags files are remembered as older ones.
const TEXTS: usize = 1_000;

/// How long an announced text counts, in seconds; longer than the leader may take to write it and to publish it.
const ANNOUNCED_SECONDS: u64 = 30;

/// How long a flags file waits in Redis for the leader.
const FILE_SECONDS: u64 = 60;

/// About how many entries of the stream are kept. No replica reads further back than the last one.
const CHANGES: usize = 100;

/// How long one read of the stream of changes waits, during which no other command can use the connection.
pub(super) const WAIT: Duration = Duration::from_secs(5);

/// Renews the lease, or takes it where it is free and wanted; says who has it and what there is.
/// Keys: lease, term, snapshot. Arguments: own name, lease in ms, whether to take it, the greatest term known.
const STEP: &str = r"
local holder = redis.call('GET', KEYS[1])
local term = tonumber(redis.call('GET', KEYS[2]) or '0')
local known = tonumber(ARGV[4])
if term < known then
  term = known
  redis.call('SET', KEYS[2], term)
end
if holder == ARGV[1] then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
elseif not holder and ARGV[3] == '1' then
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
  holder = ARGV[1]
  term = redis.call('INCR', KEYS[2])
end
local snapshot = redis.call('HMGET', KEYS[3], 'term', 'number', 'stamp', 'status', 'text-hash', 'revision')
return {holder or '', term, snapshot[1], snapshot[2], snapshot[3], snapshot[4], snapshot[5], snapshot[6]}
";

/// Replaces the snapshot and adds an entry to the stream, for the leader only. Returns whether it did.
/// Keys: lease, snapshot, changes, texts, announcement of the text. Arguments: own name, length of the stream, most texts
/// remembered, hash and revision of the text or twice nothing, then fields and values.
const PUBLISH: &str = r"
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[2], unpack(ARGV, 6))
if ARGV[4] ~= '' then
  redis.call('ZADD', KEYS[4], ARGV[5], ARGV[4])
  redis.call('ZREMRANGEBYRANK', KEYS[4], 0, -1 - ARGV[3])
  redis.call('DEL', KEYS[5])
end
redis.call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[2], '*', 'from', ARGV[1])
return 1
";

/// Returns what is known of a text: the revision at which it was last in force, whether it is announced and no replica leads but
/// the one that has announced it, and the hash and the revision of the text that is in force now.
/// Keys: texts, announcement of the text, snapshot, lease. Argument: hash of the text.
const FIND_TEXT: &str = r"
local by = redis.call('GET', KEYS[2])
local holder = redis.call('GET', KEYS[4])
local announced = 0
if by and (not holder or holder == by) then announced = 1 end
local now = redis.call('HMGET', KEYS[3], 'text-hash', 'revision')
return {redis.call('ZSCORE', KEYS[1], ARGV[1]), announced, now[1], now[2]}
";

/// Gives the lease up, and adds an entry to the stream, so that another replica takes it at once. Keys: lease, changes.
const RELEASE: &str = r"
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[2], '*', 'from', ARGV[1])
return 1
";

/// Names of the keys of one environment.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    base: String,
    lease: String,
    term: String,
    snapshot: String,
    texts: String,
    changes: String,
}

impl Keys {
    pub(super) fn new(prefix: &str, environment: &str) -> Self {
        // What is in braces decides the slot; braces in a name would end it early.
        let environment = environment.replace('%', "%25").replace('}', "%7D");
        let base = format!("{{{prefix}:{environment}}}");
        let key = |name: &str| format!("{base}:{name}");
        Self {
            lease: key("lease"),
            term: key("term"),
            snapshot: key("snapshot"),
            texts: key("texts"),
            changes: key("changes"),
            base,
        }
    }

    /// Returns the key for the announcement of a text, of which this is the hash.
    fn announced(&self, hash: &str) -> String {
        format!("{}:announced:{hash}", self.base)
    }

    /// Returns the key for a flags file that is to be put in force.
    fn file(&self, edit: &str) -> String {
        format!("{}:file:{edit}", self.base)
    }

    /// Returns the key for the answer to an edit.
    fn reply(&self, edit: &str) -> String {
        format!("{}:reply:{edit}", self.base)
    }
}

/// Orders snapshots: those of later leaders are newer, and of one leader those with greater counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SnapshotNumber {
    /// The term of the leader that published it.
    pub(super) term: u64,
    /// Counts the snapshots of a term.
    pub(super) count: u64,
}

/// What a look at Redis shows.
#[derive(Debug)]
pub(super) struct Seen {
    /// The replica that has the lease.
    pub(super) holder: Option<String>,
    /// The term of the leader.
    pub(super) term: u64,
    /// The number of the snapshot and its stamp; `None` where there is none.
    pub(super) snapshot: Option<(SnapshotNumber, String)>,
    /// The status of the leader's source, as JSON.
    pub(super) status: Option<String>,
    /// The revision of the flags file's text in the snapshot, where there is one.
    pub(super) shared: Option<Revision>,
}

/// A snapshot as it is stored.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) number: SnapshotNumber,
    pub(super) stamp: String,
    /// `Err` says why it cannot be used.
    pub(super) configuration: Result<Configuration, String>,
    pub(super) versions: Versions,
    /// The text of the flags file, if the source is one.
    pub(super) document: Option<Document>,
}

/// What Redis knows of a text of the flags file.
#[derive(Debug)]
pub(super) struct KnownText {
    /// The number of the revision at which it was last in force; `None` if it never was, as far as is remembered.
    pub(super) last: Option<u64>,
    /// Whether the leader is about to write it to its file, or has written it and not yet published it.
    pub(super) announced: bool,
    /// The revision of the text that is in force at this moment.
    pub(super) in_force: Option<Revision>,
}

/// A snapshot to be stored.
pub(super) struct Publication<'a> {
    pub(super) number: SnapshotNumber,
    pub(super) in_force: &'a InForce,
    pub(super) status: &'a str,
    /// The revision of its text, if the source is a flags file.
    pub(super) revision: Option<&'a Revision>,
    /// Whether Redis has the text already.
    pub(super) text_is_there: bool,
}

#[derive(Serialize)]
struct Body<'a> {
    format: u32,
    #[serde(flatten)]
    configuration: ConfigurationRef<'a>,
}

#[derive(Deserialize)]
struct Head {
    format: u32,
}

/// One environment in Redis, over one connection.
pub(super) struct Store<'k> {
    pub(super) connection: Connection,
    pub(super) keys: &'k Keys,
    /// The name of this replica.
    pub(super) name: &'k str,
}

impl Store<'_> {
    /// Renews or takes the lease, and returns what Redis holds.
    pub(super) async fn step(
        &mut self,
        lease: Duration,
        take: bool,
        known_term: u64,
    ) -> RedisResult<Seen> {
        type Reply = (
            String,
            u64,
            Option<u64>,
            Option<u64>,
            Option<String>,
            Option<String>,
            Option<String>,
            Option<u64>,
        );
        let mut eval = cmd("EVAL");
        eval.arg(STEP)
            .arg(3)
            .arg(&[&self.keys.lease, &self.keys.term, &self.keys.snapshot])
            .arg(self.name)
            .arg(u64::try_from(lease.as_millis()).unwrap_or(u64::MAX))
            .arg(u8::from(take))
            .arg(known_term);
        let (holder, now, term, number, stamp, status, hash, revision): Reply =
            eval.query_async(&mut self.connection).await?;
        Ok(Seen {
            holder: Some(holder).filter(|holder| !holder.is_empty()),
            term: now,
            snapshot: term
                .zip(number)
                .map(|(term, count)| SnapshotNumber { term, count })
                .zip(stamp),
            status,
            shared: hash
                .zip(revision)
                .map(|(hash, number)| Revision { hash, number }),
        })
    }

    /// Stores a snapshot. Returns whether this replica still has the lease.
    pub(super) async fn publish(&mut self, publication: Publication<'_>) -> RedisResult<bool> {
        let Publication {
            number,
            in_force,
            status,
            revision,
            text_is_there,
        } = publication;
        let snapshot = &in_force.current.snapshot;
        let body = serde_json::to_vec(&Body {
            format: FORMAT,
            configuration: ConfigurationRef {
                flags: snapshot.flags(),
                segments: snapshot.segments(),
            },
        })
        .map_err(std::io::Error::other)?;
        let versions = serde_json::to_vec(&in_force.versions).map_err(std::io::Error::other)?;
        let (term, count) = (number.term.to_string(), number.count.to_string());
        let (hash, at) = revision.map_or_else(Default::default, |revision| {
            (revision.hash.clone(), revision.number.to_string())
        });
        let mut fields: Vec<(&str, &[u8])> = vec![
            ("term", term.as_bytes()),
            ("number", count.as_bytes()),
            ("stamp", in_force.stamp.as_bytes()),
            ("status", status.as_bytes()),
            ("versions", &versions),
            ("body", &body),
        ];
        if let Some(document) = in_force.document.as_ref().filter(|_| revision.is_some()) {
            fields.push(("text-hash", hash.as_bytes()));
            fields.push(("revision", at.as_bytes()));
            if !text_is_there {
                fields.push(("text", &document.text));
            }
        }
        self.write(&fields, revision).await
    }

    /// Stores the status of the source. Returns whether this replica still has the lease.
    pub(super) async fn put_status(&mut self, status: &str) -> RedisResult<bool> {
        self.write(&[("status", status.as_bytes())], None).await
    }

    async fn write(
        &mut self,
        fields: &[(&str, &[u8])],
        revision: Option<&Revision>,
    ) -> RedisResult<bool> {
        let mut eval = cmd("EVAL");
        let hash = revision.map_or("", |revision| &revision.hash);
        eval.arg(PUBLISH)
            .arg(5)
            .arg(&[
                &self.keys.lease,
                &self.keys.snapshot,
                &self.keys.changes,
                &self.keys.texts,
                &self.keys.announced(hash),
            ])
            .arg(self.name)
            .arg(CHANGES)
            .arg(TEXTS)
            .arg(hash)
            .arg(revision.map_or(0, |revision| revision.number));
        for (field, value) in fields {
            eval.arg(field).arg(value);
        }
        eval.query_async(&mut self.connection).await
    }

    /// Returns the snapshot, if there is one.
    pub(super) async fn read(&mut self) -> RedisResult<Option<Stored>> {
        type Bytes = Option<Vec<u8>>;
        type Reply = (
            Option<u64>,
            Option<u64>,
            Option<String>,
            Bytes,
            Bytes,
            Bytes,
        );
        let mut get = cmd("HMGET");
        get.arg(&self.keys.snapshot)
            .arg(&["term", "number", "stamp", "body", "versions", "text"]);
        let reply: Reply = get.query_async(&mut self.connection).await?;
        let (Some(term), Some(count), Some(stamp), Some(body), versions, text) = reply else {
            return Ok(None);
        };
        let versions = versions.and_then(|json| serde_json::from_slice(&json).ok());
        Ok(Some(Stored {
            number: SnapshotNumber { term, count },
            stamp,
            configuration: parse(&body),
            versions: versions.unwrap_or_default(),
            document: text.map(Document::new),
        }))
    }

    /// Gives the lease up, if this replica has it.
    pub(super) async fn release(&mut self) -> RedisResult<()> {
        let mut eval = cmd("EVAL");
        eval.arg(RELEASE)
            .arg(2)
            .arg(&[&self.keys.lease, &self.keys.changes])
            .arg(self.name)
            .arg(CHANGES);
        eval.query_async(&mut self.connection).await
    }
}

fn parse(body: &[u8]) -> Result<Configuration, String> {
    let unreadable = |error: serde_json::Error| format!("it cannot be read: {error}");
    let head: Head = serde_json::from_slice(body).map_err(unreadable)?;
    if head.format != FORMAT {
        return Err(format!(
            "it was written by another version of this server (format {})",
            head.format
        ));
    }
    serde_json::from_slice(body).map_err(unreadable)
}

/// An entry of the stream.
#[derive(Debug)]
pub(super) enum Heard {
    /// Another replica may have stored something new.
    Change,
    /// A replica asks the leader for an edit, since this moment.
    Edit(String, Instant),
}

/// The field of an entry that asks for an edit.
const EDIT: &str = "edit";

/// Calls `tell` for each entry from now on. Never returns but with an error. The connection must wait longer than
/// [`WAIT`] for a reply.
pub(super) async fn listen(
    connection: &mut impl ConnectionLike,
    keys: &Keys,
    tell: impl Fn(Heard),
) -> RedisResult<std::convert::Infallible> {
    // `$` is not used, as it means another place in each command.
    let newest: StreamRangeReply = cmd("XREVRANGE")
        .arg(&keys.changes)
        .arg(&["+", "-", "COUNT", "1"])
        .query_async(connection)
        .await?;
    let newest = newest.ids.into_iter().next();
    let mut last = newest.map_or_else(|| "0-0".to_owned(), |entry| entry.id);
    tell(Heard::Change);
    loop {
        let mut read = cmd("XREAD");
        read.arg("BLOCK")
            .arg(u64::try_from(WAIT.as_millis()).unwrap_or(u64::MAX))
            .arg("STREAMS")
            .arg(&keys.changes)
            .arg(&last);
        let reply: Option<StreamReadReply> = read.query_async(connection).await?;
        let entries = reply
            .into_iter()
            .flat_map(|reply| reply.keys)
            .flat_map(|key| key.ids);
        for entry in entries {
            let edit = entry.get(EDIT);
            tell(edit.map_or(Heard::Change, |edit| Heard::Edit(edit, Instant::now())));
            last = entry.id;
        }
    }
}

/// Returns what Redis knows of the text with this hash.
pub(super) async fn find_text(
    connection: &mut impl ConnectionLike,
    keys: &Keys,
    hash: &str,
) -> RedisResult<KnownText> {
    type Reply = (Option<u64>, bool, Option<String>, Option<u64>);
    let (last, announced, now, number): Reply = cmd("EVAL")
        .arg(FIND_TEXT)
        .arg(4)
        .arg(&[
            &keys.texts,
            &keys.announced(hash),
            &keys.snapshot,
            &keys.lease,
        ])
        .arg(hash)
        .query_async(connection)
        .await?;
    Ok(KnownText {
        last,
        announced,
        in_force: now
            .zip(number)
            .map(|(hash, number)| Revision { hash, number }),
    })
}

/// Announces that the leader of this name is about to write the text with this hash to its flags file.
pub(super) async fn announce(
    connection: &mut impl ConnectionLike,
    keys: &Keys,
    name: &str,
    hash: &str,
) -> RedisResult<()> {
    cmd("SET")
        .arg(keys.announced(hash))
        .arg(name)
        .arg("EX")
        .arg(ANNOUNCED_SECONDS)
        .query_async(connection)
        .await
}

/// Stores a flags file that the leader is asked to put in force, under this id.
pub(super) async fn put_file(
    connection: &mut impl ConnectionLike,
    keys: &Keys,
    id: &str,
    text: &[u8],
) -> RedisResult<()> {
    cmd("SET")
        .arg(keys.file(id))
        .arg(text)
        .arg("EX")
        .arg(FILE_SECONDS)
        .query_async(connection)
        .await
}

/// Takes such a file out of Redis; `None` if it has expired.
pub(super) async fn take_file(
    connection: &mut impl ConnectionLike,
    keys: &Keys,
    id: &str,
) -> RedisResult<Option<Vec<u8>>> {
    let key = keys.file(id);
    let text = cmd("GET").arg(&key).query_async(connection).await?;
    let () = cmd("DEL").arg(&key).query_async(connection).await?;
    Ok(text)
}

/// Asks the leader for an edit and waits for its answer; `None` if there is none in time. The connection must wait
/// longer than `patience`.
pub(super) async fn ask(
    connection: &mut impl ConnectionLike,
    keys: &Keys,
    id: &str,
    edit: &str,
    patience: Duration,
) -> RedisResult<Option<String>> {
    tell(connection, keys, edit).await?;
    let answer: Option<(String, String)> = cmd("BLPOP")
        .arg(keys.reply(id))
        .arg(patience.as_secs_f64())
        .query_async(connection)
        .await?;
    Ok(answer.map(|(_, answer)| answer))
}

/// Asks the leader for an edit that needs no answer.
pub(super) async fn tell(
    connection: &mut impl ConnectionLike,
    keys: &Keys,
    edit: &str,
) -> RedisResult<()> {
    cmd("XADD")
        .arg(&keys.changes)
        .arg(&["MAXLEN", "~"])
        .arg(CHANGES)
        .arg(&["*", EDIT, edit])
        .query_async(connection)
        .await
}

/// Answers an edit. An answer that is not taken expires.
pub(super) async fn answer(
    connection: &mut impl ConnectionLike,
    keys: &Keys,
    id: &str,
    answer: &str,
) -> RedisResult<()> {
    let key = keys.reply(id);
    let () = cmd("RPUSH")
        .arg(&key)
        .arg(answer)
        .query_async(connection)
        .await?;
    cmd("EXPIRE")
        .arg(&key)
        .arg(60)
        .query_async(connection)
        .await
}
