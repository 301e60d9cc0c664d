//! Counts and limits the open connections of each address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::peer::network;

/// The numbers of open connections by IPv4 address or IPv6 network.
#[derive(Debug, Default)]
pub(super) struct Addresses {
    open: Mutex<HashMap<IpAddr, usize>>,
}

/// Counts one connection as open until this is dropped.
#[derive(Debug)]
pub(super) struct CountedConnection(Option<(Arc<Addresses>, IpAddr)>);

impl Addresses {
    /// Counts a connection from `address`. Returns `None` if `limit` are open already; a `limit` of 0 allows any
    /// number.
    pub(super) fn admit(
        self: &Arc<Self>,
        address: IpAddr,
        limit: usize,
    ) -> Option<CountedConnection> {
        if limit == 0 {
            return Some(CountedConnection(None));
        }
        let address = network(address);
        let mut open = self.open.lock();
        let count = open.entry(address).or_default();
        if *count >= limit {
            return None;
        }
        *count += 1;
        Some(CountedConnection(Some((Arc::clone(self), address))))
    }
}

impl Drop for CountedConnection {
    fn drop(&mut self) {
        if let Some((addresses, address)) = &self.0 {
            let mut open = addresses.open.lock();
            if let Some(count) = open.get_mut(address) {
                *count -= 1;
                if *count == 0 {
                    open.remove(address);
                }
            }
        }
    }
}
