//! Reads the address of Redis, and connects to it.

use std::time::Duration;

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::cluster::{ClusterClient, ClusterConfig};
use redis::cluster_async::ClusterConnection;
use redis::sentinel::{SentinelClientBuilder, SentinelServerType};
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ConnectionInfo, IntoConnectionInfo as _,
    Pipeline, RedisError, RedisFuture, RedisResult, TlsCertificates, TlsMode, Value,
};
use secrecy::{ExposeSecret as _, SecretString};

/// The time limit for connecting, including questions to Sentinels or to the nodes of a cluster.
const CONNECT: Duration = Duration::from_secs(5);

/// Why an address cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{address}` is not an address of Redis: {reason}; write it like redis://host:6379, rediss://host:6380 (TLS), redis+sentinel://host:26379,host:26379/name or redis+cluster://host:6379,host:6379"
)]
pub struct AddressError {
    address: String,
    reason: String,
}

/// A Redis server, a group of them behind Sentinels, or a cluster.
#[derive(Clone)]
pub struct Redis {
    name: String,
    kind: Kind,
}

#[derive(Clone)]
enum Kind {
    Single(Client),
    Sentinel(Sentinel),
    Cluster(ClusterClient),
}

#[derive(Clone)]
struct Sentinel {
    nodes: Vec<ConnectionAddr>,
    service: String,
    /// Name, password and database of the servers.
    server: ConnectionInfo,
    /// Name and password for the Sentinels themselves.
    login: Option<(Option<String>, SecretString)>,
    tls: bool,
    certificates: Option<TlsCertificates>,
}

impl std::fmt::Debug for Redis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Redis").field(&self.name).finish()
    }
}

impl Redis {
    /// Reads an address. `authority` is a PEM file's content, whose certificates count in place of the system's.
    ///
    /// # Errors
    /// [`AddressError`]
    pub fn new(address: &str, authority: Option<Vec<u8>>) -> Result<Self, AddressError> {
        let parts = Parts::of(address).map_err(|reason| AddressError {
            address: without_credentials(address),
            reason,
        })?;
        let wrong = |error: RedisError| AddressError {
            address: without_credentials(address),
            reason: reason(&error),
        };
        // Another part of the process may have chosen a provider already, which serves as well.
        drop(rustls::crypto::ring::default_provider().install_default());
        let certificates = authority.map(|root_cert| TlsCertificates {
            client_tls: None,
            root_cert: Some(root_cert),
        });
        let kind = match &parts.topology {
            Topology::Single => {
                let info = address.into_connection_info().map_err(wrong)?;
                Kind::Single(
                    match certificates {
                        Some(certificates) => Client::build_with_tls(info, certificates),
                        None => Client::open(info),
                    }
                    .map_err(wrong)?,
                )
            }
            Topology::Sentinel { service, database } => {
                let node = |host: &&str| parts.url(host, "", "").into_connection_info();
                let nodes: Vec<ConnectionInfo> = parts
                    .hosts
                    .iter()
                    .map(node)
                    .collect::<RedisResult<_>>()
                    .map_err(wrong)?;
                let server = parts.url("server", parts.credentials, database);
                Kind::Sentinel(Sentinel {
                    nodes: nodes.iter().map(|info| info.addr().clone()).collect(),
                    service: (*service).to_owned(),
                    server: server.into_connection_info().map_err(wrong)?,
                    login: None,
                    tls: parts.tls,
                    certificates,
                })
            }
            Topology::Cluster => {
                let nodes = parts
                    .hosts
                    .iter()
                    .map(|host| parts.url(host, parts.credentials, ""));
                let mut builder = ClusterClient::builder(nodes).retries(1);
                if let Some(certificates) = certificates {
                    builder = builder.certs(certificates);
                }
                Kind::Cluster(builder.build().map_err(wrong)?)
            }
        };
        Ok(Self {
            name: without_credentials(address),
            kind,
        })
    }

    /// Sets the user and the password for Sentinels, which are not those of the servers. Without them, Sentinels are
    /// asked without a login.
    ///
    /// # Errors
    /// [`AddressError`] for an address of anything but Sentinels.
    pub fn with_sentinels_asked_as(
        mut self,
        user: Option<&str>,
        password: &SecretString,
    ) -> Result<Self, AddressError> {
        match &mut self.kind {
            Kind::Sentinel(sentinel) => {
                sentinel.login = Some((user.map(str::to_owned), password.clone()));
                Ok(self)
            }
            Kind::Single(_) | Kind::Cluster(_) => Err(AddressError {
                address: self.name,
                reason: "it names no Sentinels, but there is a password for them".to_owned(),
            }),
        }
    }

    /// Returns the address without credentials.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Opens a new connection, on which a reply may take as long as `response`.
    pub(super) async fn connect(&self, response: Duration) -> RedisResult<Connection> {
        let connecting = async {
            let config = AsyncConnectionConfig::new()
                .set_connection_timeout(Some(CONNECT))
                .set_response_timeout(Some(response));
            Ok(match &self.kind {
                Kind::Single(client) => Connection::Single(
                    client
                        .get_multiplexed_async_connection_with_config(&config)
                        .await?,
                ),
                // The client is made again each time, so that a Sentinel that was away is asked again, and the answer
                // is never an old one.
                Kind::Sentinel(sentinel) => Connection::Single(
                    sentinel
                        .client()?
                        .get_async_connection_with_config(&config)
                        .await?,
                ),
                Kind::Cluster(client) => {
                    let config = ClusterConfig::new()
                        .set_connection_timeout(CONNECT)
                        .set_response_timeout(response);
                    Connection::Cluster(client.get_async_connection_with_config(config).await?)
                }
            })
        };
        tokio::time::timeout(CONNECT, connecting)
            .await
            .unwrap_or_else(|_| {
                let error = std::io::Error::new(std::io::ErrorKind::TimedOut, "no answer in time");
                Err(error.into())
            })
    }
}

impl Sentinel {
    fn client(&self) -> RedisResult<redis::sentinel::SentinelClient> {
        let settings = self.server.redis_settings();
        let mut builder = SentinelClientBuilder::new(
            self.nodes.iter().cloned(),
            &self.service,
            SentinelServerType::Master,
        )?
        .set_client_to_redis_db(settings.db());
        if let Some(name) = settings.username() {
            builder = builder.set_client_to_redis_username(name);
        }
        if let Some(password) = settings.password() {
            builder = builder.set_client_to_redis_password(password);
        }
        if let Some((user, password)) = &self.login {
            builder = builder.set_client_to_sentinel_password(password.expose_secret());
            if let Some(user) = user {
                builder = builder.set_client_to_sentinel_username(user);
            }
        }
        if self.tls {
            builder = builder
                .set_client_to_redis_tls_mode(TlsMode::Secure)
                .set_client_to_sentinel_tls_mode(TlsMode::Secure);
            if let Some(certificates) = &self.certificates {
                builder = builder
                    .set_client_to_redis_certificates(certificates.clone())
                    .set_client_to_sentinel_certificates(certificates.clone());
            }
        }
        builder.build()
    }
}

/// The parts of an address.
struct Parts<'a> {
    tls: bool,
    /// The user and the password with the `@` after them, or an empty text.
    credentials: &'a str,
    hosts: Vec<&'a str>,
    topology: Topology<'a>,
}

enum Topology<'a> {
    Single,
    Sentinel { service: &'a str, database: &'a str },
    Cluster,
}

impl<'a> Parts<'a> {
    fn of(address: &'a str) -> Result<Self, String> {
        let (scheme, rest) = address.split_once("://").ok_or("it has no scheme")?;
        let (base, topology) = scheme.split_once('+').unwrap_or((scheme, ""));
        let tls = match base {
            "redis" => false,
            "rediss" => true,
            _ => return Err(format!("`{scheme}` is not a scheme known here")),
        };
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (credentials, hosts) = match authority.rfind('@') {
            Some(at) => authority.split_at(at + 1),
            None => ("", authority),
        };
        let hosts: Vec<&str> = hosts.split(',').collect();
        if hosts.iter().any(|host| host.is_empty()) {
            return Err("it names no host".to_owned());
        }
        let topology = match topology {
            "" if hosts.len() == 1 => Topology::Single,
            "" => return Err("only Sentinels and clusters have several hosts".to_owned()),
            "sentinel" => {
                let (service, database) = path.split_once('/').unwrap_or((path, ""));
                if service.is_empty() {
                    return Err(
                        "the name that the Sentinels know the servers by is missing".to_owned()
                    );
                }
                Topology::Sentinel { service, database }
            }
            "cluster" if path.is_empty() => Topology::Cluster,
            "cluster" => return Err("a cluster has no databases".to_owned()),
            _ => return Err(format!("`{scheme}` is not a scheme known here")),
        };
        Ok(Self {
            tls,
            credentials,
            hosts,
            topology,
        })
    }

    fn url(&self, host: &str, credentials: &str, database: &str) -> String {
        let scheme = if self.tls { "rediss" } else { "redis" };
        format!("{scheme}://{credentials}{host}/{database}")
    }
}

fn without_credentials(address: &str) -> String {
    match (address.split_once("://"), address.rfind('@')) {
        (Some((scheme, _)), Some(at)) => {
            let rest = address.get(at + 1..).unwrap_or_default();
            format!("{scheme}://{rest}")
        }
        (None, Some(_)) => "…".to_owned(),
        _ => address.to_owned(),
    }
}

/// Returns what went wrong, on one line.
pub(super) fn reason(error: &RedisError) -> String {
    error
        .to_string()
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

/// A connection to a server or to a cluster. Its copies share it.
#[derive(Clone)]
pub(super) enum Connection {
    Single(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::Single(connection) => connection.req_packed_command(cmd),
            Self::Cluster(connection) => connection.req_packed_command(cmd),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::Single(connection) => connection.req_packed_commands(pipeline, offset, count),
            Self::Cluster(connection) => connection.req_packed_commands(pipeline, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::Single(connection) => connection.get_db(),
            Self::Cluster(connection) => connection.get_db(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_named_without_their_passwords() {
        for (address, name) in [
            ("redis://127.0.0.1:6379", "redis://127.0.0.1:6379"),
            ("rediss://user:p@ss@h:6380/2", "rediss://h:6380/2"),
            (
                "redis+sentinel://:secret@a:26379,b:26379/main/1",
                "redis+sentinel://a:26379,b:26379/main/1",
            ),
            (
                "rediss+cluster://u:secret@a:1,b:2",
                "rediss+cluster://a:1,b:2",
            ),
        ] {
            let address = address.replace("p@ss", "p%40ss");
            let redis = Redis::new(&address, None).unwrap();
            assert_eq!(redis.name(), name);
            assert_eq!(format!("{redis:?}"), format!("Redis({name:?})"));
        }
    }

    #[test]
    fn what_is_no_address_is_said_with_what_to_write() {
        for (address, expected) in [
            ("localhost:6379", "no scheme"),
            ("http://h", "`http` is not a scheme"),
            ("redis+ring://h", "`redis+ring` is not a scheme"),
            ("redis://", "no host"),
            ("redis://a,b", "several hosts"),
            ("redis+sentinel://a:1,b:1", "the name that the Sentinels"),
            ("redis+cluster://a:1/3", "no databases"),
            ("redis://h:secret@h:port", "redis://h:port"),
        ] {
            let error = Redis::new(address, None).unwrap_err().to_string();
            assert!(error.contains(expected), "{address}: {error}");
            assert!(error.contains("redis+sentinel://"), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }
    #[test]
    fn a_password_for_sentinels_needs_sentinels() {
        let password = SecretString::from("opensesame");
        for (address, fits) in [
            ("redis+sentinel://a:26379/main", true),
            ("redis://a:6379", false),
            ("redis+cluster://a:6379", false),
        ] {
            let redis = Redis::new(address, None).unwrap();
            match redis.with_sentinels_asked_as(None, &password) {
                Ok(redis) => assert!(fits && !format!("{redis:?}").contains("opensesame")),
                Err(error) => {
                    assert!(!fits && error.to_string().contains("names no Sentinels"));
                    assert!(!error.to_string().contains("opensesame"));
                }
            }
        }
    }
}
