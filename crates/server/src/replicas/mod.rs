//! Replicas of one server, which share configurations and changes through Redis.
//!
//! The memory of the replicas is authoritative, and Redis mirrors it. One replica, the leader, holds the lease: it runs the
//! source and puts what the source supplies into Redis. The others, the followers, take new snapshots from there. A stream in
//! Redis says when to look, and each replica also looks a few times in each lease, so that a lost entry does no harm. A replica
//! acts on what a look finds, whatever led to the look:
//!
//! - Nobody has the lease: a replica that can open its source takes it.
//! - The snapshot is not the leader's, because Redis has lost it, or the server that took over in Redis has an older
//!   one: the leader puts its own there.
//! - The snapshot is newer than a follower's: the follower puts it in force, under the same stamp, with the same events.
//! - Another replica leads, and this one has led so far: it ends its source and follows.
//! - The leader's upstream has not answered for a while: the leader gives the lease up and lets another replica try.
//!
//! Where flags are in a file, each replica may have a copy of it, or all share one; the module `revision` says what happens
//! when copies differ. A change by the admin page or its API is answered once Redis has it, so that it survives whichever
//! replica dies next. A replica that is alone refuses such changes, as it could not pass them on to the others.
//!
//! While Redis is away for longer than a lease, nobody knows who leads, and each replica is alone: it runs its source
//! itself. When Redis is back, replicas do the same as at a start.
//!
//! Two replicas may take themselves for leaders for a moment. That does no harm: each asks the upstream, and Redis takes
//! snapshots from one only, see the module `store`.
//!
//! | module | holds |
//! |---|---|
//! | `replication` | the loop of one environment on one replica: connecting, looking, leading, following, going on alone |
//! | `snapshots`, `source_task`, `abstention`, `report` | its parts: snapshots to and from Redis, the running source, when to let another replica lead, what is reported |
//! | `file_copy`, `copy_on_disk`, `revision` | the copy of the flags file, and how it compares with that of others |
//! | `edits`, `leader_editor`, `announcer` | changes of flags on a follower and on the leader, and what the leader announces of them |
//! | `store`, [`connection`] | the keys and commands; the connection |
//! | `options` | what can be set, see [`ReplicaOptions`] |
//! | `secret` | the signing secret that all replicas share |

mod abstention;
mod announcer;
pub mod connection;
mod copy_on_disk;
mod edits;
mod file_copy;
mod leader_editor;
mod options;
mod replication;
mod report;
mod revision;
pub(crate) mod secret;
mod snapshots;
mod source_task;
mod store;

use std::sync::Arc;

use tokio::sync::watch;

pub use self::connection::{AddressError, Redis};
pub use self::options::ReplicaOptions;
use self::replication::Replication;
use crate::environment::Environment;
use crate::source::{BoxFuture, Origin, Source};

/// The source of an environment that several replicas share: it runs the origin's source while this replica leads, and takes the
/// leader's snapshots from Redis otherwise.
pub struct Replica {
    options: Arc<ReplicaOptions>,
    origin: Arc<dyn Origin>,
}

impl Replica {
    /// Returns a source with these options. This replica opens `origin` while it leads.
    #[must_use]
    pub fn new(options: Arc<ReplicaOptions>, origin: Arc<dyn Origin>) -> Self {
        Self { options, origin }
    }
}

impl Source for Replica {
    fn run(
        self: Box<Self>,
        environment: Arc<Environment>,
        stopping: watch::Receiver<bool>,
    ) -> BoxFuture<'static, ()> {
        let on_each = self
            .origin
            .run_on_each_replica(Arc::clone(&environment), stopping.clone());
        let running = Replication::new(self.options, self.origin, environment, stopping);
        Box::pin(async move {
            tokio::join!(running.run(), on_each);
        })
    }
}
