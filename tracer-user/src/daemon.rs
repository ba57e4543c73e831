//! The daemon: one task owns the engine and writes the metrics; everybody
//! who asks over HTTP reads those.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use sd_notify::NotifyState;
use tokio::{
    net::TcpListener,
    sync::oneshot,
    task::block_in_place,
    time::{MissedTickBehavior, interval},
};
use tracing::{debug, info, warn};

use crate::{
    engine::{Engine, EngineError, HookState, Notice, Options, StartError},
    http::{self, App, ListenAddress, TelemetryPath},
    signals::StopSignals,
    view::metrics::Metrics,
};

/// How often the counters of the kernel programs are taken over. A scrape
/// sees them at most this much late, and never causes a system call on them.
const TOTALS_EVERY: Duration = Duration::from_secs(1);

/// How long requests may still take once the daemon is to stop.
const DRAIN: Duration = Duration::from_secs(5);

/// How to run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Config {
    /// Where to listen.
    pub listen: ListenAddress,
    /// Where the metrics are.
    pub telemetry_path: TelemetryPath,
}

/// Why the daemon ended otherwise than by a signal.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// The address is not to be had.
    #[error("cannot listen on {address}: {error}{}", in_use(.error))]
    Listen {
        /// The address.
        address: ListenAddress,
        /// Why.
        error: io::Error,
    },
    /// Signals cannot be handled.
    #[error("cannot handle signals: {0}")]
    Signals(io::Error),
    /// The tracer cannot start.
    #[error("{0}")]
    Start(#[source] StartError),
    /// The tracer had to stop.
    #[error("{0}")]
    Engine(#[source] EngineError),
}

/// The way out, for the likely reason.
fn in_use(error: &io::Error) -> &'static str {
    if error.kind() == io::ErrorKind::AddrInUse {
        " (another nslife? --web.listen-address chooses another port)"
    } else {
        ""
    }
}

/// Runs until SIGTERM or SIGINT. Needs a multi-threaded tokio runtime: it
/// blocks while the tracer starts, and `/healthz` answers all the while.
pub async fn run(config: Config) -> Result<(), DaemonError> {
    let mut stop = StopSignals::new().map_err(DaemonError::Signals)?;
    // First of all: what is in use is told before anything is loaded.
    let listener = config
        .listen
        .bind()
        .await
        .map_err(|error| DaemonError::Listen {
            address: config.listen.clone(),
            error,
        })?;
    let address = listener.local_addr().ok();
    let app = App {
        metrics: Arc::new(Metrics::new(env!("CARGO_PKG_VERSION"))),
        ready: Arc::new(AtomicBool::new(false)),
        telemetry_path: config.telemetry_path,
    };
    let (close, closed) = oneshot::channel::<()>();
    let server = tokio::spawn(serve(listener, app.clone(), closed));

    let ended = watch(&app, address, &mut stop).await;

    notify(&[NotifyState::Stopping, NotifyState::Status("stopping")]);
    drop(close);
    if let Err(error) = server.await {
        warn!(%error, "the web server failed");
    }
    if ended.is_ok() {
        info!("stopped");
    }
    ended
}

async fn serve(listener: TcpListener, app: App, closed: oneshot::Receiver<()>) {
    let stop = async {
        // Nothing is ever sent: the sender's end is the signal.
        let _ = closed.await;
    };
    http::serve(listener, http::router(app), stop, DRAIN).await;
}

/// Owns the engine, from start to end.
async fn watch(
    app: &App,
    address: Option<SocketAddr>,
    stop: &mut StopSignals,
) -> Result<(), DaemonError> {
    let mut engine =
        block_in_place(|| Engine::start(&Options::default())).map_err(DaemonError::Start)?;
    let metrics = &app.metrics;
    metrics.hooks(engine.hooks());
    metrics.limits(engine.limits());
    metrics.census(engine.tracker().census());
    announce(&engine, address);
    app.ready.store(true, Ordering::Relaxed);

    let mut totals = interval(TOTALS_EVERY);
    totals.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut transitions, mut notices) = (Vec::new(), Vec::new());
    loop {
        tokio::select! {
            result = engine.next(&mut transitions, &mut notices) => {
                result.map_err(DaemonError::Engine)?;
            }
            _ = totals.tick() => {
                metrics.totals(&engine.totals().map_err(DaemonError::Engine)?);
                metrics.limits(engine.limits());
            }
            signal = stop.recv() => {
                info!(signal = signal.name(), "stopping");
                return Ok(());
            }
        }
        for transition in transitions.drain(..) {
            metrics.transition(&transition);
        }
        for notice in notices.drain(..) {
            log(&notice);
            metrics.notice(&notice);
        }
        metrics.census(engine.tracker().census());
    }
}

/// Says that the daemon is ready, and what it cannot see.
fn announce(engine: &Engine, address: Option<SocketAddr>) {
    for hook in engine.hooks() {
        match &hook.state {
            HookState::Attached { function, how } => {
                debug!(hook = hook.name, function, how, "attached");
            }
            HookState::NotNeeded { because } => debug!(hook = hook.name, because, "not needed"),
            HookState::Missing { because } => warn!(hook = hook.name, because, "missing"),
        }
    }
    for because in &engine.limits().because {
        warn!("not everything can be seen here: {because}");
    }
    let namespaces = engine.tracker().namespaces().count();
    let address = address.map(tracing::field::display);
    info!(address, namespaces, "ready");
    notify(&[
        NotifyState::Ready,
        NotifyState::Status("watching namespaces"),
    ]);
}

fn log(notice: &Notice) {
    match notice {
        Notice::Lost { cause, count } => warn!(cause, count, "records lost"),
        Notice::Resync { corrections } => info!(corrections, "walked again"),
    }
}

/// Tells systemd, if it is there.
fn notify(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        warn!(%error, "cannot notify the service manager");
    }
}
