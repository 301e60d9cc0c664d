//! Sockets: accepts connections, serves HTTP/1.1 on them, and ends in good order.
//!
//! hyper's HTTP/1 connection is used directly: it costs half the memory of a general-purpose server for each idle
//! stream, and gives a say in its limits.

use std::convert::Infallible;
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

/// The largest head of a request: `Harness-Target` may take 256 KiB, and there is more than that header.
const MAX_HEAD_BYTES: usize = 352 * 1024;

/// Written data that a client has not taken for this long ends the connection: it is gone, or stuck.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// Serves `app` until `stopping` turns true, then lets open requests finish for at most `drain`.
pub async fn serve(
    listener: TcpListener,
    app: Router,
    mut stopping: watch::Receiver<bool>,
    drain: Duration,
) {
    // Each connection holds a sender; when all are gone, so are all connections.
    let (open, mut all_closed) = mpsc::channel::<Infallible>(1);
    loop {
        let socket = tokio::select! {
            biased;
            () = until(&mut stopping) => break,
            accepted = listener.accept() => match accepted {
                Ok((socket, _)) => socket,
                Err(error) => {
                    // Out of file descriptors, mostly: wait for some to come free instead of spinning.
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
        };
        let (app, stopping, open) = (app.clone(), stopping.clone(), open.clone());
        tokio::spawn(async move {
            connection(socket, app, stopping).await;
            drop(open);
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
