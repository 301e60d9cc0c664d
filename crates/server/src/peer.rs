//! Returns the address of the other end of a connection, and the network that limits count as one address.

use std::net::{IpAddr, Ipv6Addr};

/// The address of the client of a request, or of a proxy in front of the server. It is an extension of the request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) IpAddr);

impl Peer {
    /// Returns the address for a request; 0.0.0.0 if the request did not come over a connection.
    pub(crate) fn of(extensions: &axum::http::Extensions) -> IpAddr {
        let none = IpAddr::from([0, 0, 0, 0]);
        extensions.get::<Self>().map_or(none, |peer| peer.0)
    }
}

/// Returns what limits count as one address: an IPv4 address, or the /64 network of an IPv6 address, as its owner can
/// use all 2⁶⁴ addresses in it.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
        v4 => v4,
    }
}
