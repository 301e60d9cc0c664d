//! Runs the program as a separate process.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

/// Returns the program that was built with the tests, or the one that `FLAGWIRE_SERVER` names.
pub fn command(directory: &Path) -> Command {
    let program = std::env::var_os("FLAGWIRE_SERVER");
    let program = program.unwrap_or_else(|| env!("CARGO_BIN_EXE_flagwire-server").into());
    let mut command = Command::new(program);
    command
        .current_dir(directory)
        .args(["--listen", "127.0.0.1:0"]);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("FLAGWIRE_")) {
        command.env_remove(name);
    }
    command
}

pub fn fails(directory: &Path, args: &[&str]) -> (Option<i32>, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = command(directory).args(args).output().unwrap();
    assert!(stdout.is_empty(), "{}", String::from_utf8_lossy(&stdout));
    (status.code(), String::from_utf8(stderr).unwrap())
}

/// A running server, which ends with the test.
pub struct Running {
    pub child: Child,
    pub address: String,
    pub printed: String,
}

impl Running {
    pub fn start(directory: &Path, args: &[&str]) -> Self {
        Self::spawn(directory, args, Stdio::piped())
    }

    /// Starts the server with its log in a file, because a pipe that nobody reads would fill up.
    pub fn logging(directory: &Path, args: &[&str], log: File) -> Self {
        Self::spawn(directory, args, log.into())
    }

    fn spawn(directory: &Path, args: &[&str], log: Stdio) -> Self {
        let mut child = command(directory)
            .args(args)
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut first = String::new();
        out.read_line(&mut first).unwrap();
        let address = first
            .trim_end()
            .strip_prefix("flagwire-server listening on http://")
            .expect(&first)
            .to_owned();
        let mut printed = String::new();
        // The lines for people are printed together with the first one.
        while !printed.contains("page") {
            assert_ne!(out.read_line(&mut printed).unwrap(), 0, "{printed}");
        }
        if args.is_empty() {
            while !printed.contains("keys for development") {
                assert_ne!(out.read_line(&mut printed).unwrap(), 0, "{printed}");
            }
        }
        Self {
            child,
            address,
            printed,
        }
    }

    pub fn ask(&self, request: &str) -> String {
        let mut socket = TcpStream::connect(&self.address).unwrap();
        write!(socket, "{request}").unwrap();
        let mut reply = String::new();
        socket.read_to_string(&mut reply).unwrap();
        reply
    }

    pub fn sign_in(&self, key: &str) -> String {
        let body = format!(
            r#"{{"apiKey":"{key}","target":{{"identifier":"user-42","attributes":{{"plan":"gold","email":"ada@example.com"}}}}}}"#
        );
        self.ask(&format!(
            "POST /client/auth HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        ))
    }

    pub fn token(&self) -> String {
        let reply = self.sign_in("flagwire-dev-client-key");
        reply
            .split("\"authToken\":\"")
            .nth(1)
            .expect(&reply)
            .split('"')
            .next()
            .unwrap()
            .to_owned()
    }

    pub fn get(&self, path: &str, token: &str, more: &str) -> String {
        self.ask(&format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {token}\r\n{more}\r\n"))
    }

    /// Waits for the end of the process. Returns the exit code, and the log if it is not in a file.
    pub fn terminate(mut self) -> (Option<i32>, String) {
        let pid = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-TERM", &pid])
                .status()
                .unwrap()
                .success()
        );
        let mut log = String::new();
        if let Some(mut pipe) = self.child.stderr.take() {
            pipe.read_to_string(&mut log).unwrap();
        }
        (self.child.wait().unwrap().code(), log)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
