//! A way to a server on which requests can be held back, so that a test decides what happens before what.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};

/// Passes connections on to a port. Requests are held back while it is shut; replies never are.
pub struct Gate {
    pub port: u16,
    state: Arc<(Mutex<State>, Condvar)>,
}

#[derive(Default)]
struct State {
    shut: bool,
    /// The gate shuts before a request that contains this.
    shuts_at: Option<&'static str>,
}

impl Gate {
    pub fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let state = Arc::default();
        let gate = Self {
            port: listener.local_addr().unwrap().port(),
            state: Arc::clone(&state),
        };
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let Ok(server) = TcpStream::connect(("127.0.0.1", port)) else {
                    continue;
                };
                let (client, state) = (client.unwrap(), Arc::clone(&state));
                let (from, to) = (server.try_clone().unwrap(), client.try_clone().unwrap());
                std::thread::spawn(move || pass(client, server, Some(&state)));
                std::thread::spawn(move || pass(from, to, None));
            }
        });
        gate
    }

    pub fn shut(&self) {
        self.state.0.lock().unwrap().shut = true;
    }

    pub fn shut_at(&self, request: &'static str) {
        self.state.0.lock().unwrap().shuts_at = Some(request);
    }

    pub fn open(&self) {
        *self.state.0.lock().unwrap() = State::default();
        self.state.1.notify_all();
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, gate: Option<&(Mutex<State>, Condvar)>) {
    let mut bytes = vec![0; 1 << 16];
    while let Ok(read @ 1..) = from.read(&mut bytes) {
        let bytes = &bytes[..read];
        if let Some((state, opened)) = gate {
            let mut state = state.lock().unwrap();
            let contains = |text: &str| bytes.windows(text.len()).any(|at| at == text.as_bytes());
            if state.shuts_at.is_some_and(contains) {
                state.shut = true;
            }
            drop(opened.wait_while(state, |state| state.shut).unwrap());
        }
        if to.write_all(bytes).is_err() {
            break;
        }
    }
    drop(to.shutdown(Shutdown::Both));
    drop(from.shutdown(Shutdown::Both));
}
