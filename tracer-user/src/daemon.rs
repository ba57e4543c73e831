//! The daemon: one task owns the engine and writes the metrics; everybody
//! who asks over HTTP reads those. Whoever asks at the control socket gets a
//! picture from that task.

mod audits;
mod headroom;
mod pictures;
mod watchdog;

use std::{
    io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use sd_notify::NotifyState;
use tokio::{
    sync::{mpsc, watch},
    task::{JoinHandle, block_in_place},
    time::{MissedTickBehavior, interval},
};
use tracing::{debug, info, warn};

use self::{audits::Audits, headroom::Headroom, pictures::Pictures, watchdog::Watchdog};
use crate::{
    control::{self, Beginning, BindError, ControlSocket, Following, Request},
    engine::{Engine, EngineError, HookState, Notice, Options, Progress, StartError, StartTimes},
    feed::{Feed, Happening},
    http::{
        self, Api, App, Guard, HandedOverError, ListenAddress, Listener, LiveConfig, NoRandomness,
        Places, Site, TelemetryPath, WebConfigError,
    },
    memory,
    model::{Violation, What},
    privileges::{self, PrivilegeError},
    signals::StopSignals,
    version::Version,
    view::{
        clock::{Clock, boottime},
        metrics::Metrics,
    },
};

pub use self::audits::AUDIT_GAP;

/// How often the counters of the kernel programs are taken over. A scrape
/// sees them at most this much late, and never causes a system call on them.
const TOTALS_EVERY: Duration = Duration::from_secs(1);

/// How long requests may still take once the daemon is to stop.
const DRAIN: Duration = Duration::from_secs(5);

/// How long whoever asks at the control socket may take to read the answer.
const READING: Duration = Duration::from_secs(10);

/// Connections over the network at a time.
const CONNECTIONS: usize = 512;

/// Requests at the control socket that may wait for the engine.
const REQUESTS: usize = 8;

/// Where the control socket is to be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Control {
    /// Nowhere.
    Off,
    /// There, if that is possible; otherwise nowhere.
    IfPossible(PathBuf),
    /// There, or nothing runs at all.
    At(PathBuf),
}

/// Where to answer over HTTP.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Listen {
    /// At this address.
    At(ListenAddress),
    /// At the sockets that the service manager hands over.
    HandedOver,
}

/// How to run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Config {
    /// Where to listen.
    pub listen: Listen,
    /// Where the metrics are.
    pub telemetry_path: TelemetryPath,
    /// The file that says whom to answer; everybody is answered without.
    pub web_config: Option<PathBuf>,
    /// Whether `/api/v1` is answered over the network, too, to those whom
    /// `web_config` lets in.
    pub api: bool,
    /// How many namespaces of each type and state have a series of their own.
    pub top: usize,
    /// Where to answer `nslife list`.
    pub control: Control,
    /// How often to compare the picture with the kernel; `None` for only when
    /// there is a reason.
    pub audit_every: Option<Duration>,
    /// How to watch.
    pub options: Options,
    /// What it says of itself.
    pub version: Version,
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
    /// Nothing to listen at was handed over.
    #[error(transparent)]
    HandedOver(#[from] HandedOverError),
    /// The file of `--web.config.file` does not do.
    #[error(transparent)]
    WebConfig(#[from] WebConfigError),
    /// Passwords cannot be checked.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
    /// Everybody on the network would be told everybody's names.
    #[error(
        "--web.api takes a --web.config.file with basic_auth_users, or with client_auth_type \
         RequireAndVerifyClientCert: names of processes are not for everybody"
    )]
    ApiForEverybody,
    /// The control socket is not to be had.
    #[error(transparent)]
    Control(BindError),
    /// Signals cannot be handled.
    #[error("cannot handle signals: {0}")]
    Signals(io::Error),
    /// The tracer cannot start.
    #[error("{0}")]
    Start(#[source] StartError),
    /// The daemon would run with more than it needs.
    #[error(transparent)]
    Privileges(PrivilegeError),
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
/// blocks while the tracer starts, and `/healthz` answers all the while. Then
/// the calling thread gives up its capabilities, and it is an error if another
/// one has not.
pub async fn run(config: Config, progress: Progress<'_>) -> Result<(), DaemonError> {
    let mut stop = StopSignals::new().map_err(DaemonError::Signals)?;
    // First of all: what is wrong or in use is told before anything is loaded.
    let guard = match &config.web_config {
        Some(path) => Some(Arc::new(Guard::new(LiveConfig::open(path)?)?)),
        None => None,
    };
    if config.api && !guard.as_ref().is_some_and(|guard| guard.authenticates()) {
        return Err(DaemonError::ApiForEverybody);
    }
    let listeners = listen(&config.listen).await?;
    let control = open(&config.control).map_err(DaemonError::Control)?;
    let addresses: Vec<_> = listeners.iter().map(Listener::address).collect();
    let (requests, asked) = mpsc::channel(REQUESTS);
    let feed = Feed::new();
    let app = App {
        metrics: Arc::new(Metrics::new(config.version)),
        ready: Arc::new(AtomicBool::new(false)),
        telemetry_path: config.telemetry_path,
        api: Api {
            pictures: requests.clone(),
            events: feed.listeners(),
            over_network: guard.clone().filter(|_| config.api),
        },
    };
    let (close, closed) = watch::channel(());
    let site = Site {
        router: http::router(app.clone()),
        guard,
        places: Places::new(CONNECTIONS),
    };
    let servers: Vec<_> = listeners
        .into_iter()
        .map(|listener| tokio::spawn(serve(listener, site.clone(), closed.clone())))
        .collect();

    let (control, without) = control;
    let answering = control.map(|socket| {
        let ready = Arc::clone(&app.ready);
        tokio::spawn(control::serve(socket, requests, ready, READING))
    });

    let audits = Audits::new(config.audit_every);
    let watched = Watched {
        options: &config.options,
        progress,
        top: config.top,
    };
    let ends = Ends { asked, feed };
    let ended = watch_over(&app, &watched, &addresses, without, ends, audits, &mut stop).await;

    notify(&[NotifyState::Stopping, NotifyState::Status("stopping")]);
    if let Some(answering) = answering {
        end(answering).await;
    }
    drop(close);
    for server in servers {
        if let Err(error) = server.await {
            warn!(%error, "the web server failed");
        }
    }
    if ended.is_ok() {
        info!("stopped");
    }
    ended
}

/// Listens where connections are to come in.
async fn listen(listen: &Listen) -> Result<Vec<Listener>, DaemonError> {
    match listen {
        Listen::HandedOver => Ok(http::handed_over()?),
        Listen::At(address) => match address.bind().await {
            Ok(listener) => Ok(vec![listener]),
            Err(error) => Err(DaemonError::Listen {
                address: address.clone(),
                error,
            }),
        },
    }
}

/// The control socket, or why there is none although it was wanted.
fn open(control: &Control) -> Result<(Option<ControlSocket>, Option<BindError>), BindError> {
    match control {
        Control::Off => Ok((None, None)),
        Control::At(path) => Ok((Some(ControlSocket::bind(path)?), None)),
        Control::IfPossible(path) => Ok(match ControlSocket::bind(path) {
            Ok(socket) => (Some(socket), None),
            Err(error) => (None, Some(error)),
        }),
    }
}

/// Ends a task that has no end, and waits until all that it had is dropped.
async fn end(task: JoinHandle<()>) {
    task.abort();
    match task.await {
        Err(error) if !error.is_cancelled() => warn!(%error, "the control socket failed"),
        _ => {}
    }
}

async fn serve(listener: Listener, site: Site, mut closed: watch::Receiver<()>) {
    let stop = async {
        // Nothing is ever sent: the sender's end is the signal.
        let _ = closed.changed().await;
    };
    http::serve(listener, site, stop, DRAIN).await;
}

/// Where those who ask and those who follow are met.
struct Ends {
    asked: mpsc::Receiver<Request>,
    feed: Feed,
}

/// How to watch, and how closely to show it.
struct Watched<'c> {
    options: &'c Options,
    /// Who is shown how the start goes.
    progress: Progress<'c>,
    top: usize,
}

/// Owns the engine, from start to end.
async fn watch_over(
    app: &App,
    watched: &Watched<'_>,
    addresses: &[String],
    without: Option<BindError>,
    mut ends: Ends,
    mut audits: Audits,
    stop: &mut StopSignals,
) -> Result<(), DaemonError> {
    let mut engine = block_in_place(|| Engine::start(watched.options, watched.progress))
        .map_err(DaemonError::Start)?;
    // All that is left to do is done with descriptors that are open by now.
    privileges::give_up_in_all_threads()
        .and_then(|()| privileges::confine())
        .map_err(DaemonError::Privileges)?;
    memory::give_back();
    let metrics = &app.metrics;
    metrics.hooks(engine.hooks());
    metrics.limits(engine.limits());
    metrics.census(engine.tracker().census());
    announce(&engine, addresses, without);
    let watching_since = boottime();
    let mut pictures = Pictures::new(watching_since);
    let mut clock = Clock::sample();
    app.ready.store(true, Ordering::Relaxed);

    let mut totals = interval(TOTALS_EVERY);
    totals.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut watchdog = Watchdog::wanted();
    let mut headroom = Headroom::new();
    let (mut transitions, mut notices) = (Vec::new(), Vec::new());
    loop {
        tokio::select! {
            result = engine.next(&mut transitions, &mut notices) => {
                result.map_err(DaemonError::Engine)?;
            }
            _ = totals.tick() => {
                metrics.totals(&engine.totals().map_err(DaemonError::Engine)?);
                metrics.limits(engine.limits());
                clock.refresh();
                metrics.standing(&engine.standing(boottime()), &clock);
                if watched.top > 0 {
                    metrics.longest(engine.tracker().longest(watched.top), &clock);
                }
                let resources = engine.resources().map_err(DaemonError::Engine)?;
                metrics.resources(&resources, ends.asked.len());
            }
            () = audits.due() => {
                let findings = audits.go_on(&mut engine, &mut transitions);
                if let Some(findings) = findings.map_err(DaemonError::Engine)? {
                    metrics.audit(&findings);
                    memory::give_back();
                }
            }
            Some(request) = ends.asked.recv(), if !audits.is_under_way() => match request {
                Request::Snapshot(reply) => {
                    pictures.answer(reply, &mut engine, &mut transitions);
                }
                Request::Audit(reply) => audits.ask(reply),
                // Whoever asked may have gone.
                Request::Follow(reply) => drop(reply.send(Ok(following(
                    &ends.feed,
                    &engine,
                    watching_since,
                )))),
            },
            () = headroom.is_due() => headroom.look(engine.tracker(), metrics),
            () = watchdog.is_due() => watchdog.sign(),
            signal = stop.recv() => {
                info!(signal = signal.name(), "stopping");
                return Ok(());
            }
        }
        for transition in transitions.drain(..) {
            if let What::Violation(violation) = &transition.what {
                complain(violation);
            }
            metrics.transition(&transition);
            ends.feed.tell(Happening::Transition(transition));
        }
        for notice in notices.drain(..) {
            log(&notice);
            metrics.notice(&notice);
            ends.feed.tell(Happening::noticed(notice));
            if let Notice::Resync { .. } = notice {
                audits.after_resync();
            }
        }
        metrics.census(engine.tracker().census());
        metrics.checks(&engine.tracker().checks());
    }
}

/// What somebody is given who asks what happens.
fn following(feed: &Feed, engine: &Engine, watching_since: u64) -> Following {
    let (past, then) = feed.follow();
    Following {
        beginning: Beginning {
            pid: std::process::id(),
            watching_since,
            limits: engine.limits().clone(),
            initial: engine.tracker().initial().collect(),
            past,
        },
        then,
    }
}

/// Says which rule the kernel broke, with the evidence.
fn complain(violation: &Violation) {
    warn!(
        rule = violation.rule.name(),
        pid = violation.task.map(|task| task.pid),
        nsproxy = violation.nsproxy.map(|nsproxy| nsproxy.id.0),
        namespace = violation.namespace.map(|ns| ns.id.0),
        holders = violation.counts.nsproxy,
        references = violation.counts.refs,
        active = violation.counts.active,
        "the kernel broke a rule of its own"
    );
}

/// Says that the daemon is ready, and what it cannot see.
fn announce(engine: &Engine, addresses: &[String], without: Option<BindError>) {
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
    if let Some(error) = without {
        warn!("nslife list cannot ask this daemon: {error}");
    }
    let namespaces = engine.tracker().namespaces().count();
    let address = addresses.join(" and ");
    let StartTimes {
        btf,
        maps,
        programs,
        loading,
        attaching,
        walk,
    } = engine.start_times();
    debug!(
        ?btf,
        ?maps,
        ?programs,
        ?loading,
        ?attaching,
        ?walk,
        "what the start took"
    );
    info!(%address, namespaces, "ready");
    notify(&[
        NotifyState::Ready,
        NotifyState::Status("watching namespaces"),
    ]);
}

fn log(notice: &Notice) {
    match notice {
        Notice::Lost { cause, count } => warn!(cause = cause.name(), count, "records lost"),
        Notice::Resync { corrections } => info!(corrections, "walked again"),
    }
}

/// Tells systemd, if it is there.
fn notify(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        warn!(%error, "cannot notify the service manager");
    }
}
