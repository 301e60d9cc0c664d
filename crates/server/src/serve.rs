//! Sockets: accepts connections, serves HTTP/1.1 on them, and ends in good order.
//!
//! hyper's HTTP/1 connection is used directly: it costs half the memory of a general-purpose server for each idle
//! stream, and gives a say in its limits.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tower::ServiceExt as _;

/// Time a client has to send the head of a request.
const HEADER_TIMEOUT: Duration = Duration::from_secs(15);

/// The largest head of a request: `Harness-Target` may take 256 KiB, and there is more than that header. What arrives in
/// the same read may be somewhat more; past that the answer is 431.
const MAX_HEAD_BYTES: usize = 352 * 1024;

/// For a connection past the limit.
const TOO_MANY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 5\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// Written data that a client has not taken for this long ends the connection: it is gone, or stuck.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// What one address may take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Open connections from one address, a /64 for IPv6; 0 for any number, as behind a load balancer all come from
    /// one.
    pub connections_per_address: usize,
}

/// Serves `app` until `stopping` turns true, then lets open requests finish for at most `drain`.
pub async fn serve(
    listener: TcpListener,
    app: Router,
    mut stopping: watch::Receiver<bool>,
    limits: Limits,
    drain: Duration,
) {
    let addresses = Arc::new(Addresses::default());
    // Each connection holds a sender; when all are gone, so are all connections.
    let (open, mut all_closed) = mpsc::channel::<Infallible>(1);
    loop {
        let (socket, address) = tokio::select! {
            biased;
            () = until(&mut stopping) => break,
            accepted = listener.accept() => match accepted {
                Ok((socket, peer)) => (socket, peer.ip()),
                Err(error) => {
                    // Out of file descriptors, mostly: wait for some to come free instead of spinning.
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
        };
        let Some(counted) = addresses.admit(address, limits.connections_per_address) else {
            tracing::debug!(%address, "refused a connection: too many from this address");
            // As much as fits at once; whoever sends so many gets no more of our time.
            drop(socket.try_write(TOO_MANY));
            continue;
        };
        let (app, stopping, open) = (app.clone(), stopping.clone(), open.clone());
        tokio::spawn(async move {
            connection(socket, app, stopping).await;
            drop((counted, open));
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

/// Open connections by address.
#[derive(Debug, Default)]
struct Addresses {
    open: Mutex<HashMap<IpAddr, usize>>,
}

/// Counts one connection for as long as it is kept.
#[derive(Debug)]
struct Counted(Option<(Arc<Addresses>, IpAddr)>);

impl Addresses {
    /// `None` for a connection past the limit.
    fn admit(self: &Arc<Self>, address: IpAddr, limit: usize) -> Option<Counted> {
        if limit == 0 {
            return Some(Counted(None));
        }
        let address = network(address);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(address).or_default();
        if *count >= limit {
            return None;
        }
        *count += 1;
        Some(Counted(Some((Arc::clone(self), address))))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        if let Some((addresses, address)) = &self.0 {
            let mut open = addresses
                .open
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            if let Some(count) = open.get_mut(address) {
                *count -= 1;
                if *count == 0 {
                    open.remove(address);
                }
            }
        }
    }
}

/// Whoever has one IPv6 address has the other 2⁶⁴ of its network as well.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
        v4 => v4,
    }
}

async fn connection(socket: TcpStream, app: Router, mut stopping: watch::Receiver<bool>) {
    prepare(&socket);
    let service = hyper::service::service_fn(move |request: hyper::Request<Incoming>| {
        let app = app.clone();
        async move {
            let request: Request = request.map(Body::new);
            Ok::<Response, Infallible>(
                app.oneshot(request)
                    .await
                    .unwrap_or_else(|never| match never {}),
            )
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(MAX_HEAD_BYTES)
        .serve_connection(TokioIo::new(socket), service);
    tokio::pin!(connection);
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = until(&mut stopping) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        // Mostly clients that went away, which is how streams end.
        tracing::trace!(%error, "connection ended");
    }
}

/// Small events must not wait for more, and a client that takes nothing must not stay for ever.
fn prepare(socket: &TcpStream) {
    if let Err(error) = socket.set_nodelay(true) {
        tracing::trace!(%error, "cannot set TCP_NODELAY");
    }
    #[cfg(target_os = "linux")]
    if let Err(error) = socket2::SockRef::from(socket).set_tcp_user_timeout(Some(WRITE_TIMEOUT)) {
        tracing::trace!(%error, "cannot set TCP_USER_TIMEOUT");
    }
}

/// Completes once the server stops, or is gone.
pub(crate) async fn until(stopping: &mut watch::Receiver<bool>) {
    // The guard that comes back must not be held across an await.
    drop(stopping.wait_for(|stopping| *stopping).await);
}
