//! How many connections each address has open.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::peer::network;

/// Open connections by address.
#[derive(Debug, Default)]
pub(super) struct Addresses {
    open: Mutex<HashMap<IpAddr, usize>>,
}

/// Counts one connection for as long as it is kept.
#[derive(Debug)]
pub(super) struct CountedConnection(Option<(Arc<Addresses>, IpAddr)>);

impl Addresses {
    /// `None` for a connection past the limit.
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
