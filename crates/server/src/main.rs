//! The program: it reads the command line, handles signals and returns the exit code. Everything else is in the
//! library.

use std::convert::Infallible;
use std::process::ExitCode;
use std::time::Duration;

use flagwire_server::{commands, config::Options, run, telemetry};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

/// How long tasks that the runtime cannot end, such as a look-up of a name, are waited for at the end.
const END: Duration = Duration::from_secs(1);

/// A start that waits for a disk may take this long after a signal, so that the server ends in order; then the process ends.
const START: Duration = Duration::from_secs(15);

fn main() -> ExitCode {
    return_memory();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let code = runtime.block_on(start());
    runtime.shutdown_timeout(END);
    code
}

async fn start() -> ExitCode {
    let options = Options::read(std::env::args_os()).unwrap_or_else(|error| error.exit());
    if let Some(command) = &options.command {
        return commands::run(command).await;
    }
    telemetry::init(&options);
    survive_hangups();
    // Signals are caught before the start, which may wait for a disk, so that from here on a signal ends the server in
    // order.
    let stopped = stopped();
    match run(options, stopped).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Makes the allocator return large blocks to the system as soon as they are free.
///
/// glibc does that below a threshold that it raises to the size of whatever large block is freed, up to 32 MiB; a flood of
/// bodies or replies of a megabyte leaves it there, and with it what the flood has taken. A threshold that is set stays. After
/// the floods of `tests/floods.rs` the process is at 38 MiB with it, at 88 MiB without, at 60 to 88 MiB with a single arena, and
/// at 76 MiB with mimalloc, which also takes 20 MiB more from the start.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[allow(unsafe_code, reason = "there is no other way to this setting")]
fn return_memory() {
    const LARGE_BYTES: libc::c_int = 128 * 1024;
    // SAFETY: `mallopt` takes two numbers and may be called at any time. Where it refuses them, nothing changes.
    unsafe { libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE_BYTES) };
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
const fn return_memory() {}

/// Ignores SIGHUP, by which other servers are asked to read their files again: it would end this one.
fn survive_hangups() {
    let Ok(mut hangup) = signal(SignalKind::hangup()) else {
        return;
    };
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            tracing::info!(
                "SIGHUP: flags and certificates are read again as they change; other options need a restart"
            );
        }
    });
}

/// Catches SIGINT (Ctrl-C) and SIGTERM from now on. The future completes at the first of them, and is polled once the server
/// has started; the second signal ends the process at once, and so does the first one where the start hangs.
fn stopped() -> impl Future<Output = ()> + Send {
    let (signalled, first) = oneshot::channel();
    // Nothing is sent on this channel. It is closed once the future is polled.
    let (starts, started) = oneshot::channel::<Infallible>();
    match (
        signal(SignalKind::interrupt()),
        signal(SignalKind::terminate()),
    ) {
        (Ok(mut interrupt), Ok(mut terminate)) => {
            tokio::spawn(async move {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
                // There is no receiver if the start has failed.
                let _ = signalled.send(());
                let start_hangs = async {
                    if tokio::time::timeout(START, started).await.is_ok() {
                        std::future::pending::<()>().await;
                    }
                };
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                    () = start_hangs => {}
                }
                std::process::exit(130);
            });
        }
        _ => tracing::warn!("no signals can be received; stop the process by killing it"),
    }
    async move {
        drop(starts);
        if first.await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
