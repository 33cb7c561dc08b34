//! Serving until SIGTERM, SIGINT or SIGHUP, and the shutdown after it: programs get their grace,
//! and the whole has a deadline. Tells systemd about it (sd_notify(3)).

use std::cell::Cell;
use std::pin::Pin;
use std::time::Duration;

use anyhow::bail;
use further_link_engine::Engine;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::config::Config;

/// How long a shutdown may take beyond the grace time of programs (`run.stop_grace`).
const SHUTDOWN_MARGIN: Duration = Duration::from_secs(8);

/// Completes when the server is to stop.
pub(in crate::commands) type StopSignal<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

/// Runs `serve` until SIGTERM, SIGINT or SIGHUP, and then stops all programs. `announce` tells
/// people that the server is ready.
///
/// # Errors
/// Returns an error if signals cannot be handled, or the spawner has ended.
pub(in crate::commands) async fn serve_until_stopped(
    config: &Config,
    engine: &Engine,
    announce: impl FnOnce() -> anyhow::Result<()>,
    serve: impl AsyncFnOnce(StopSignal<'_>),
) -> anyhow::Result<()> {
    // Before anybody is told that the server is ready: whoever reads that may stop it at once.
    let mut terminated = signal(SignalKind::terminate())?;
    let mut interrupted = signal(SignalKind::interrupt())?;
    let mut hung_up = HangUp::listen()?;
    announce()?;
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
    let watchdog = tokio::spawn(feed_watchdog());

    let spawner_ended = Cell::new(false);
    let stop = async {
        tokio::select! {
            _ = terminated.recv() => {}
            _ = interrupted.recv() => {}
            () = hung_up.recv() => {}
            () = engine.spawner_ended() => spawner_ended.set(true),
        }
        tracing::info!("stopping");
        let _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
    };
    let shutdown = async {
        serve(Box::pin(stop)).await;
        engine.shut_down().await;
    };
    let mut shutdown = std::pin::pin!(shutdown);
    // The deadline counts from the signal, whatever `serve` does with it.
    tokio::select! {
        () = &mut shutdown => {}
        () = shutdown_deadline(config.run.stop_grace + SHUTDOWN_MARGIN) => {
            tracing::warn!("not waiting any longer; what still runs is killed");
        }
    }
    watchdog.abort();
    if spawner_ended.get() {
        bail!(
            "the process that starts programs (the spawner) has ended. Its programs were killed; \
             what those had started ends at the next start at the latest"
        );
    }
    Ok(())
}

/// SIGHUP, which a terminal sends when it is closed; [`None`] if it is ignored.
struct HangUp(Option<Signal>);

impl HangUp {
    /// Listens for SIGHUP, unless it is ignored: nohup(1) starts programs like that, so that they
    /// outlive their terminal.
    fn listen() -> std::io::Result<Self> {
        // proc_pid_status(5): a mask in hexadecimal, SIGHUP is its lowest bit.
        let ignored = std::fs::read_to_string("/proc/self/status")?
            .lines()
            .find_map(|line| u64::from_str_radix(line.strip_prefix("SigIgn:")?.trim(), 16).ok())
            .is_some_and(|mask| mask & 1 != 0);
        Ok(Self(if ignored {
            None
        } else {
            Some(signal(SignalKind::hangup())?)
        }))
    }

    async fn recv(&mut self) {
        match &mut self.0 {
            Some(signal) => {
                signal.recv().await;
            }
            None => std::future::pending().await,
        }
    }
}

/// Completes `limit` after the first signal to stop, or at once when Ctrl-C is pressed again.
async fn shutdown_deadline(limit: Duration) {
    let (Ok(mut terminated), Ok(mut interrupted), Ok(mut hung_up)) = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
        HangUp::listen(),
    ) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminated.recv() => {}
        _ = interrupted.recv() => {}
        () = hung_up.recv() => {}
    }
    tokio::select! {
        () = tokio::time::sleep(limit) => {}
        _ = interrupted.recv() => {}
    }
}

/// Tells systemd's watchdog that this process is alive, as often as the unit demands
/// (`WatchdogSec=`, sd_watchdog_enabled(3)).
async fn feed_watchdog() {
    let Some(period) = sd_notify::watchdog_enabled() else {
        return;
    };
    loop {
        let _ = sd_notify::notify(&[sd_notify::NotifyState::Watchdog]);
        tokio::time::sleep(period / 2).await;
    }
}
