//! `nslife daemon`

use std::{path::PathBuf, process::ExitCode, time::Duration};

use anyhow::Context as _;
use clap::{ValueEnum, builder::BoolishValueParser, value_parser};
use tracing::level_filters::LevelFilter;

use super::waiting::Waiting;
use crate::{
    control,
    daemon::{self, Config, Control, Listen},
    engine::{MAX_NAMESPACES, Options, RingSize},
    http::{ListenAddress, TelemetryPath},
    logging, memory, privileges,
    signals::LevelSignals,
    version::Version,
};

/// The range that Prometheus exporters share out among themselves, 9100 to
/// 9999 (the wiki page "Default port allocations"), is taken to the last
/// number. This one is outside of it, below the ports that kernels give out to
/// clients, and easy to keep in mind: 6.19 is the kernel that first counted
/// activity.
const LISTEN: &str = "127.0.0.1:19619";

/// More than any system has: each takes some hundred bytes, here and in the
/// kernel.
const MOST_NAMESPACES: i64 = 1 << 24;

/// More series than a scrape should be asked for: 24,000.
const MOST_SHOWN: i64 = 1000;

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Where to listen; :PORT listens on all addresses, unix:///PATH on a socket
    /// of this system
    #[arg(
        long = "web.listen-address",
        env = "NSLIFE_WEB_LISTEN_ADDRESS",
        value_name = "HOST:PORT",
        default_value = LISTEN
    )]
    listen_address: ListenAddress,

    /// Listen at the sockets that systemd hands over (nslife.socket) instead
    #[arg(
        long = "web.systemd-socket",
        env = "NSLIFE_WEB_SYSTEMD_SOCKET",
        value_parser = BoolishValueParser::new(),
        conflicts_with = "listen_address"
    )]
    systemd_socket: bool,

    /// Path of the metrics
    #[arg(
        long = "web.telemetry-path",
        env = "NSLIFE_WEB_TELEMETRY_PATH",
        value_name = "PATH",
        default_value = "/metrics"
    )]
    telemetry_path: TelemetryPath,

    /// Who is answered over the network, and how that is encrypted: a file in
    /// the format that Prometheus's own exporters take (docs/exporter.md)
    #[arg(
        long = "web.config.file",
        env = "NSLIFE_WEB_CONFIG_FILE",
        value_name = "FILE"
    )]
    web_config: Option<PathBuf>,

    /// Answer /api/v1 over the network, too, to those whom --web.config.file lets
    /// in; otherwise on sockets of this system only
    #[arg(
        long = "web.api",
        env = "NSLIFE_WEB_API",
        value_parser = BoolishValueParser::new()
    )]
    api: bool,

    /// Also show namespaces one by one: of each type and state the N that have
    /// been in it for longest
    #[arg(
        long = "collector.namespace.top",
        env = "NSLIFE_COLLECTOR_NAMESPACE_TOP",
        value_name = "N",
        default_value_t = 0,
        value_parser = value_parser!(u32).range(..=MOST_SHOWN)
    )]
    top: u32,

    #[arg(
        long,
        env = control::VARIABLE,
        value_name = "PATH",
        help = format!(
            "Where `nslife list`, `nslife trace --daemon` and `nslife audit` ask what this daemon knows [default: {}]",
            control::DEFAULT_PATH
        )
    )]
    control_socket: Option<PathBuf>,

    /// Answer none of those who ask there
    #[arg(
        long,
        env = "NSLIFE_NO_CONTROL_SOCKET",
        value_parser = BoolishValueParser::new(),
        conflicts_with = "control_socket"
    )]
    no_control_socket: bool,

    /// Seconds between audits: whether the picture is the kernel's. 0 for none
    /// but those that are asked for
    #[arg(
        long = "audit.interval",
        env = "NSLIFE_AUDIT_INTERVAL",
        value_name = "SECONDS",
        default_value_t = 300
    )]
    audit_interval: u32,

    /// Room for what the kernel says until it is heard: a power of two of pages
    #[arg(long, env = "NSLIFE_RING_BUFFER", value_name = "SIZE", default_value_t)]
    ring_buffer: RingSize,

    /// How many namespaces the kernel programs can keep track of
    #[arg(
        long,
        env = "NSLIFE_MAX_NAMESPACES",
        value_name = "N",
        default_value_t = MAX_NAMESPACES,
        value_parser = value_parser!(u32).range(1..=MOST_NAMESPACES)
    )]
    max_namespaces: u32,

    /// What to log, on standard error or in the journal; SIGUSR1 has everything
    /// logged from then on, SIGUSR2 this again
    #[arg(
        long = "log.level",
        env = "NSLIFE_LOG_LEVEL",
        value_enum,
        value_name = "LEVEL",
        default_value_t = Level::Info
    )]
    log_level: Level,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Level {
    Error,
    Warn,
    Info,
    Debug,
}

impl From<Level> for LevelFilter {
    fn from(level: Level) -> Self {
        match level {
            Level::Error => Self::ERROR,
            Level::Warn => Self::WARN,
            Level::Info => Self::INFO,
            Level::Debug => Self::DEBUG,
        }
    }
}

pub(super) fn run(args: Args, version: Version) -> anyhow::Result<ExitCode> {
    let mut log = logging::start(args.log_level.into());
    memory::one_heap();
    privileges::keep_for_start()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        // One for the engine, one for those who ask.
        .worker_threads(2)
        // What is left for the start is for this thread, which the engine is
        // on, and for those that load and attach for it. Whether it worked is
        // looked at when the engine has started.
        .on_thread_start(|| {
            if let Err(error) = privileges::give_up_here() {
                tracing::error!("{error}");
            }
        })
        .enable_all()
        .build()?;
    let config = Config {
        version,
        listen: if args.systemd_socket {
            Listen::HandedOver
        } else {
            Listen::At(args.listen_address)
        },
        telemetry_path: args.telemetry_path,
        web_config: args.web_config,
        api: args.api,
        top: args.top as usize,
        control: match args.control_socket {
            _ if args.no_control_socket => Control::Off,
            Some(path) => Control::At(path),
            None => Control::IfPossible(control::DEFAULT_PATH.into()),
        },
        audit_every: (args.audit_interval > 0)
            .then(|| Duration::from_secs(args.audit_interval.into())),
        options: Options {
            ring: args.ring_buffer,
            max_namespaces: args.max_namespaces,
            ..Options::default()
        },
    };
    let waiting = Waiting::begin(false);
    let progress = |step| waiting.at(step);
    runtime.block_on(async {
        let asked = LevelSignals::new().context("cannot handle signals")?;
        tokio::select! {
            ended = daemon::run(config, &progress) => Ok::<_, anyhow::Error>(ended?),
            never = log.follow(asked) => match never {},
        }
    })?;
    Ok(ExitCode::SUCCESS)
}
