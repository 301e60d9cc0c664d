//! Accepts connections and serves HTTP on them. When the server stops, lets open requests finish.
//!
//! hyper's connections are used directly. This takes half the memory of a general-purpose server, and lets this code
//! set the limits and hand a socket to an event stream.

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

/// How many connections past the limit may be served a full refusal at the same time. Others are closed, without TLS
/// after a short reply.
const REFUSALS: usize = 64;

/// A connection past the limit gets this long to send a request, so that the refusal can be answered with a 503. A connection of
/// HTTP/2, which a reply does not end, is ended by a GOAWAY after this time.
const REFUSAL: Duration = Duration::from_secs(1);

/// The limits for one address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// The highest number of open connections from one IPv4 address or IPv6 network (/64). 0, the default, sets no
    /// limit: behind a load balancer all connections come from one address.
    pub connections_per_address: usize,
}

/// The time limits of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// The time for the head of a request, from its first byte to its last.
    pub head: Duration,
    /// The time between two requests. A load balancer in front usually keeps idle connections for a minute, and should
    /// close them before the server does.
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

/// Marks, as an extension of a request, that its connection is past the limit, so that it is only answered with this
/// refusal.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TooMany;

/// Marks, as an extension of a request, that it is refused with this error before a handler is called. The reply gets
/// the headers of CORS, so that pages can read why.
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
        // Each connection holds a sender, so the channel closes once all connections have ended.
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
                        // Most often the process is out of file descriptors: wait until some are free instead of trying
                        // in a busy loop.
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

/// Answers connections that are past the limit.
struct Refusing {
    app: Router,
    /// How many more connections may be answered.
    free: Arc<Semaphore>,
}

impl Refusing {
    /// Answers the first request with the reason, unless [`REFUSALS`] connections are being answered already.
    fn refuse(&self, socket: TcpStream, tls: Option<&Arc<Certificates>>, peer: Peer) {
        let Ok(slot) = Arc::clone(&self.free).try_acquire_owned() else {
            // The reply is a single write, without a TLS handshake, so that a client with very many connections takes
            // little of the server's time.
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

/// Sets the options of a socket: small events are sent at once (`TCP_NODELAY`), and on Linux a connection ends when its
/// client takes nothing for `write_timeout`.
fn prepare(socket: &TcpStream, write_timeout: Duration) {
    if let Err(error) = socket.set_nodelay(true) {
        tracing::trace!(%error, "cannot set TCP_NODELAY");
    }
    // This limits event streams that have taken their socket over. Other connections are also limited by
    // `Timeouts::write`, on every system.
    #[cfg(not(target_os = "linux"))]
    let _ = write_timeout;
    #[cfg(target_os = "linux")]
    if let Err(error) = socket2::SockRef::from(socket).set_tcp_user_timeout(Some(write_timeout)) {
        tracing::trace!(%error, "cannot set TCP_USER_TIMEOUT");
    }
}
