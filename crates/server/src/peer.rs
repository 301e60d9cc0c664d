//! The other end of a connection: its address, and the network that counts as one for limits.

use std::net::{IpAddr, Ipv6Addr};

/// The other end of a request's connection: of a proxy, if there is one in front. Among the request's extensions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) IpAddr);

impl Peer {
    /// The address of a request; an unspecified one without a connection.
    pub(crate) fn of(extensions: &axum::http::Extensions) -> IpAddr {
        let none = IpAddr::from([0, 0, 0, 0]);
        extensions.get::<Self>().map_or(none, |peer| peer.0)
    }
}

/// Whoever has one IPv6 address has the other 2⁶⁴ of its network as well.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
        v4 => v4,
    }
}
