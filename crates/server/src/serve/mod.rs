//! Sockets: accepts connections, serves HTTP on them, and ends in good order.
//!
//! hyper's connections are used directly: that costs half the memory of a general-purpose server, and gives a say in limits
//! and in what becomes of the socket.

mod addresses;
mod answering;
mod connection;
mod exchange;
mod files;
mod frames;
mod head;
mod http2;
mod tls;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::{Extension, Router};
use prometheus_client::metrics::counter::Counter;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc, watch};

use self::addresses::Addresses;
pub use self::files::raise_open_files;
pub use self::tls::{Certificates, TlsError};
use crate::error::ApiError;
use crate::peer::Peer;
use crate::seldom::Seldom;
use crate::stopping::until;
use crate::stream::Workers;

/// How many connections past the limit are answered at the same time; others are closed with a short reply.
const REFUSALS: usize = 64;

/// A connection past the limit gets this long to send a request, so that the refusal can be answered with a 503. A connection of
/// HTTP/2, which a reply does not end, is ended by a GOAWAY after this time.
const REFUSAL: Duration = Duration::from_secs(1);

/// The limits for one address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Open connections from one address, a /64 for IPv6; 0 for any number, as behind a load balancer all come from
    /// one.
    pub connections_per_address: usize,
}

/// The time limits of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// The time for the head of a request, from its first byte to its last.
    pub head: Duration,
    /// The time between two requests. A load balancer in front usually keeps connections for a minute, and should be the first to
    /// close them.
    pub idle: Duration,
    /// The time for the rest of a request, until there is a reply.
    pub request: Duration,
    /// The time in which a client must read something of what was written. A connection of which nothing is taken for this long ends; in HTTP/2 a reply
    /// of which nothing is taken is reset.
    pub write: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(15),
            idle: Duration::from_secs(75),
            request: Duration::from_secs(30),
            write: Duration::from_secs(30),
        }
    }
}

/// How connections are served.
#[derive(Clone, Debug, Default)]
pub struct Serving {
    /// The limits for one address.
    pub limits: Limits,
    /// The time limits of a connection.
    pub timeouts: Timeouts,
    /// The time that open requests get once the server stops.
    pub drain: Duration,
    /// The certificate; without one, connections are not encrypted.
    pub tls: Option<Arc<Certificates>>,
    /// Counts connections past the limit.
    pub refused: Counter,
}

/// Among the extensions of a request whose connection is past the limit: the answer is that, and nothing else.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TooMany;

/// Among the extensions of a request that is refused before its handler: the answer is that, with what CORS adds to it, so that
/// pages can read why.
#[derive(Clone, Debug)]
pub(crate) struct Refused(pub(crate) ApiError);

/// Serves `app` until `stopping` turns true, then lets open requests finish for at most `drain`.
pub async fn serve(
    listener: TcpListener,
    app: Router,
    stopping: watch::Receiver<bool>,
    limits: Limits,
    drain: Duration,
) {
    let serving = Serving {
        limits,
        drain,
        ..Serving::default()
    };
    serving.run(listener, app, stopping).await;
}

impl Serving {
    /// Serves `app` until `stopping` turns true, then lets open requests finish.
    pub async fn run(
        self,
        listener: TcpListener,
        app: Router,
        mut stopping: watch::Receiver<bool>,
    ) {
        let Self {
            limits,
            timeouts,
            drain,
            tls,
            refused,
        } = self;
        let addresses = Arc::new(Addresses::default());
        let refusing = Refusing {
            app: app.clone().layer(Extension(TooMany)),
            free: Arc::new(Semaphore::new(REFUSALS)),
        };
        // Each connection holds a sender; when all are gone, so are all connections.
        let (open, mut all_closed) = mpsc::channel::<Infallible>(1);
        let workers = match Workers::start(&stopping) {
            Ok(workers) => Some(Arc::new(workers)),
            Err(error) => {
                tracing::warn!(%error, "streams cannot have sockets of their own and will take more memory");
                None
            }
        };
        let failures = Seldom::default();
        loop {
            let (socket, address) = tokio::select! {
                biased;
                () = until(&mut stopping) => break,
                accepted = listener.accept() => match accepted {
                    Ok((socket, peer)) => (socket, peer.ip()),
                    Err(error) => {
                        // Out of file descriptors, mostly: wait for some to come free instead of spinning.
                        if let Some(more) = failures.happened() {
                            tracing::warn!(%error, more, "cannot accept a connection");
                        }
                        tokio::time::sleep(Duration::from_millis(50)).await;
                        continue;
                    }
                },
            };
            let Some(counted) = addresses.admit(address, limits.connections_per_address) else {
                tracing::debug!(%address, "refused a connection: too many from this address");
                refused.inc();
                refusing.refuse(socket, tls.as_ref(), Peer(address));
                continue;
            };
            let (app, stopping, open) = (app.clone(), stopping.clone(), open.clone());
            let workers = workers.clone();
            let tls = tls.as_ref().map(|tls| tls.acceptor());
            tokio::spawn(async move {
                prepare(&socket, timeouts.write);
                let peer = Peer(address);
                if let Some(tls) = tls {
                    connection::encrypted(socket, &tls, peer, app, stopping, timeouts).await;
                    drop((counted, open));
                    return;
                }
                let may_hand_over = workers.is_some();
                let handed_over =
                    connection::http1(socket, peer, app, stopping, timeouts, may_hand_over).await;
                if let Some((workers, (socket, stream))) = workers.as_deref().zip(handed_over) {
                    workers.take(socket, stream, (counted, open));
                }
            });
        }
        drop(listener);
        drop(open);
        if tokio::time::timeout(drain, all_closed.recv())
            .await
            .is_err()
        {
            tracing::warn!("some requests did not finish in time");
        }
    }
}

/// Refuses connections past the limit.
struct Refusing {
    app: Router,
    /// How many more connections may be answered.
    free: Arc<Semaphore>,
}

impl Refusing {
    /// Answers the first request with the reason, if not too many others are being answered.
    fn refuse(&self, socket: TcpStream, tls: Option<&Arc<Certificates>>, peer: Peer) {
        let Ok(slot) = Arc::clone(&self.free).try_acquire_owned() else {
            // As much as fits in one write: a client that opens so many connections gets no more of the server's time, and no
            // handshake.
            if tls.is_none() {
                drop(socket.try_write(&ApiError::TooManyConnections.as_http1()));
            }
            return;
        };
        let app = self.app.clone();
        let tls = tls.map(|tls| tls.acceptor());
        tokio::spawn(async move {
            prepare(&socket, REFUSAL);
            let timeouts = Timeouts {
                head: REFUSAL,
                idle: REFUSAL,
                request: REFUSAL,
                write: REFUSAL,
            };
            let (end, ending) = watch::channel(false);
            let serving = async {
                match tls {
                    Some(tls) => {
                        connection::encrypted(socket, &tls, peer, app, ending, timeouts).await;
                    }
                    None => {
                        connection::http1(socket, peer, app, ending, timeouts, false).await;
                    }
                }
            };
            let ended = async {
                tokio::time::sleep(REFUSAL).await;
                end.send_replace(true);
                tokio::time::sleep(4 * REFUSAL).await;
            };
            tokio::select! {
                () = serving => {}
                () = ended => {}
            }
            drop(slot);
        });
    }
}

/// Small events must not wait for more, and a client that takes nothing must not stay for ever.
fn prepare(socket: &TcpStream, write_timeout: Duration) {
    if let Err(error) = socket.set_nodelay(true) {
        tracing::trace!(%error, "cannot set TCP_NODELAY");
    }
    // For streams that have their sockets to themselves; other connections are timed here as well, whatever the system.
    #[cfg(not(target_os = "linux"))]
    let _ = write_timeout;
    #[cfg(target_os = "linux")]
    if let Err(error) = socket2::SockRef::from(socket).set_tcp_user_timeout(Some(write_timeout)) {
        tracing::trace!(%error, "cannot set TCP_USER_TIMEOUT");
    }
}
