//! Runs the service behind real sockets, over each of its transports, with a client for each.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response};
use flagwire_server::serve::{Certificates, Serving, Timeouts};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;
use tokio_rustls::TlsConnector;

const HOUR: Duration = Duration::from_secs(3600);

/// Time limits that no test reaches, unless it shortens one.
pub const PATIENT: Timeouts = Timeouts {
    head: HOUR,
    idle: HOUR,
    request: HOUR,
    write: HOUR,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// HTTP/1.1 without encryption.
    Plain,
    /// HTTP/1.1 over TLS.
    Tls,
    /// HTTP/2 over TLS.
    Http2,
}

impl Transport {
    pub const ALL: [Self; 3] = [Self::Plain, Self::Tls, Self::Http2];
}

/// A connection that bytes can be read from and written to.
pub trait Io: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Io for T {}

/// A service behind a socket of this transport. It ends with the test's runtime, or when `stopping` becomes true.
#[derive(Clone, Debug)]
pub struct Site {
    pub transport: Transport,
    pub address: SocketAddr,
    trusted: CertificateDer<'static>,
}

pub async fn serve_over(
    transport: Transport,
    app: Router,
    stopping: watch::Receiver<bool>,
    serving: Serving,
) -> Site {
    let directory = tempfile::TempDir::new().unwrap();
    let (certificate, key) = (
        directory.path().join("certificate.pem"),
        directory.path().join("key.pem"),
    );
    let trusted = certify(&certificate, &key);
    let certificates = Arc::new(Certificates::load(&certificate, &key).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = Serving {
        tls: (transport != Transport::Plain).then_some(certificates),
        ..serving
    };
    tokio::spawn(serving.run(listener, app, stopping));
    Site {
        transport,
        address,
        trusted,
    }
}

/// Writes a self-signed certificate for localhost, and its key.
pub fn certify(certificate: &Path, key: &Path) -> CertificateDer<'static> {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    std::fs::write(certificate, made.cert.pem()).unwrap();
    std::fs::write(key, made.signing_key.serialize_pem()).unwrap();
    made.cert.der().clone()
}

impl Site {
    /// Returns a service that runs already.
    pub fn at(transport: Transport, address: SocketAddr, trusted: CertificateDer<'static>) -> Self {
        Self {
            transport,
            address,
            trusted,
        }
    }

    /// Opens a connection, before its first byte of HTTP. With a small buffer on this side the server's buffer is soon full.
    pub async fn raw(&self, little_room: bool) -> std::io::Result<Box<dyn Io>> {
        let socket = TcpSocket::new_v4()?;
        if little_room {
            socket.set_recv_buffer_size(4096)?;
        }
        let socket = socket.connect(self.address).await?;
        if self.transport == Transport::Plain {
            return Ok(Box::new(socket));
        }
        let mut roots = RootCertStore::empty();
        roots.add(self.trusted.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = match self.transport {
            Transport::Http2 => vec![b"h2".to_vec()],
            _ => vec![b"http/1.1".to_vec()],
        };
        let name = ServerName::try_from("localhost").unwrap();
        let stream = TlsConnector::from(Arc::new(config)).connect(name, socket);
        Ok(Box::new(stream.await?))
    }

    pub async fn connect(&self) -> Client {
        self.connect_over(self.raw(false).await.unwrap()).await
    }

    pub async fn connect_over(&self, io: Box<dyn Io>) -> Client {
        let io = TokioIo::new(io);
        let sender = if self.transport == Transport::Http2 {
            let (sender, connection) =
                hyper::client::conn::http2::handshake(TokioExecutor::new(), io)
                    .await
                    .unwrap();
            tokio::spawn(connection);
            Sender::Http2(sender)
        } else {
            let (sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
            tokio::spawn(connection);
            Sender::Http1(sender)
        };
        Client {
            sender,
            host: format!("localhost:{}", self.address.port()),
        }
    }
}

enum Sender {
    Http1(hyper::client::conn::http1::SendRequest<Full<Bytes>>),
    Http2(hyper::client::conn::http2::SendRequest<Full<Bytes>>),
}

/// One connection.
pub struct Client {
    sender: Sender,
    /// The host of requests that name none.
    host: String,
}

impl Client {
    pub async fn send(&mut self, request: Request<Body>) -> Result<Response<Body>, hyper::Error> {
        let (mut head, body) = request.into_parts();
        let body = Full::new(body.collect().await.unwrap().to_bytes());
        let host = head.headers.remove("host");
        let host = host.map_or_else(
            || self.host.clone(),
            |host| host.to_str().unwrap().to_owned(),
        );
        let path = head.uri.path_and_query().unwrap().clone();
        let reply: Response<Incoming> = match &mut self.sender {
            Sender::Http1(sender) => {
                head.headers.insert("host", host.parse().unwrap());
                head.uri = path.as_str().parse().unwrap();
                sender.ready().await?;
                sender.send_request(Request::from_parts(head, body)).await?
            }
            Sender::Http2(sender) => {
                head.uri = format!("https://{host}{path}").parse().unwrap();
                sender.ready().await?;
                sender.send_request(Request::from_parts(head, body)).await?
            }
        };
        Ok(reply.map(Body::new))
    }

    /// Waits until the server has ended the connection.
    pub async fn ended(&mut self) {
        match &mut self.sender {
            Sender::Http1(sender) => {
                while sender.ready().await.is_ok() {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            }
            Sender::Http2(sender) => {
                while sender.ready().await.is_ok() {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            }
        }
    }
}

/// Returns the transport for requests that tests otherwise send without a socket. The variable `FLAGWIRE_TEST_TRANSPORT` is
/// `plain`, `tls` or `http2`. Without it, and in tests whose clock is paused, there is no socket.
pub fn wanted() -> Option<Transport> {
    let transport = match std::env::var("FLAGWIRE_TEST_TRANSPORT").ok()?.as_str() {
        "plain" => Transport::Plain,
        "tls" => Transport::Tls,
        "http2" => Transport::Http2,
        other => panic!("FLAGWIRE_TEST_TRANSPORT is {other}"),
    };
    let before = tokio::time::Instant::now();
    std::thread::sleep(Duration::from_millis(2));
    (before.elapsed() > Duration::ZERO).then_some(transport)
}
