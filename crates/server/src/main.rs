//! The program. All of it is in the library; here are the command line, the signals and the exit code.

use std::process::ExitCode;
use std::time::Duration;

use flagwire_server::{commands, config::Options, run, telemetry};
use tokio::signal::unix::{SignalKind, signal};

/// Tasks that the runtime cannot end, such as a look-up of a name, are not waited for longer than this.
const END: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
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
        return commands::run(command);
    }
    telemetry::init(&options);
    survive_hangups();
    match run(options, stopped()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// What other servers are told to read their files again by must not end this one.
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

/// Completes at the first Ctrl-C or SIGTERM. The second one ends the process at once.
async fn stopped() {
    let (Ok(mut interrupt), Ok(mut terminate)) = (
        signal(SignalKind::interrupt()),
        signal(SignalKind::terminate()),
    ) else {
        tracing::warn!("no signals can be received; stop the process by killing it");
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        std::process::exit(130);
    });
}
