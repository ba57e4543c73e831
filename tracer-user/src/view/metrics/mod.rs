//! What Prometheus sees.
//!
//! Every family and every label set is there from the first scrape on, with
//! zero where nothing happened yet, so that rates and alerts need no special
//! case. Labels have a handful of values each, none of them chosen by
//! somebody else, so the cost of a scrape does not grow with the number of
//! namespaces. The one exception, [`longest`], is there if somebody asks for it.

mod catalogue;
mod coverage;
mod exposition;
mod headroom;
mod health;
mod labels;
mod lives;
mod longest;
mod nsproxies;
mod pids;
mod process;
mod reference;
mod room;
mod times;
mod values;

use std::{fmt, sync::Arc, time::Instant};

use prometheus_client::registry::Registry;
use tracer_common::{event::Reason, kind::NsKind};

use self::{
    coverage::Coverage, headroom::Headroom, health::Health, lives::Lives, longest::Longest,
    nsproxies::Nsproxies, pids::Pids, room::Room, times::Times,
};
use crate::{
    engine::{HookReport, KernelTotals, Limits, Loss, Notice, Resources},
    model::{Census, Namespace, Rule, Standing, Transition, Users, What, audit::Findings},
    version::Version,
    view::clock::{Clock, seconds},
};

pub use catalogue::{CHAPTERS, Chapter, Kind, Metric, Unit, all};
pub use exposition::Format;
pub use labels::Label;
pub use reference::reference;

/// All metrics of the daemon. They are atomics: whoever owns the engine
/// writes them, and a scrape reads them without asking anybody.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    lives: Lives,
    times: Times,
    pids: Pids,
    nsproxies: Nsproxies,
    headroom: Headroom,
    health: Health,
    room: Room,
    coverage: Coverage,
    longest: Arc<Longest>,
}

impl Metrics {
    /// All metrics, at zero.
    pub fn new(version: impl Into<Version>) -> Self {
        let mut metrics = Self {
            registry: Registry::default(),
            lives: Lives::default(),
            times: Times::default(),
            pids: Pids::default(),
            nsproxies: Nsproxies::default(),
            headroom: Headroom::default(),
            health: Health::default(),
            room: Room::default(),
            coverage: Coverage::new(version.into()),
            longest: Arc::default(),
        };
        let registry = &mut metrics.registry;
        metrics.lives.register(registry);
        metrics.times.register(registry);
        metrics.pids.register(registry);
        metrics.nsproxies.register(registry);
        metrics.headroom.register(registry);
        metrics.health.register(registry);
        metrics.room.register(registry);
        metrics.coverage.register(registry);
        let longest = longest::Collector(Arc::clone(&metrics.longest));
        registry.register_collector(Box::new(longest));
        registry.register_collector(Box::new(process::Collector));
        metrics
    }

    /// Counts a transition.
    pub fn transition(&self, transition: &Transition) {
        match &transition.what {
            What::Namespace {
                step,
                ns,
                cause,
                took,
                ..
            } => {
                self.lives.step(*step, ns.kind, *cause).inc();
                self.times.step(*step, ns, *cause, *took, transition.at);
            }
            What::Failed(failure) => {
                self.lives.failed(failure).inc();
            }
            What::Chain(chain) => {
                for link in &chain.links {
                    self.lives
                        .step(link.step, link.ns.kind, Some(link.cause))
                        .inc();
                }
                let length = u32::try_from(chain.links.len()).unwrap_or(u32::MAX);
                self.times.cascades.observe(length.into());
            }
            What::Init { took, .. } => {
                if let Some(took) = took {
                    self.pids.dead(*took);
                }
            }
            // Exits are counted by the kernel programs, most of them without
            // a record.
            What::Switched(switch) if switch.reason != Reason::Exit => {
                self.nsproxies.switches(switch.reason).inc();
            }
            What::NetCleanup(cleanup) => self.times.net_cleanup(cleanup),
            What::Violation(violation) => {
                self.nsproxies.violations(violation.rule).inc();
            }
            What::NsproxyFreed(nsproxy) => {
                if let Some(lived) = nsproxy.lived {
                    self.nsproxies.lifetimes.observe(seconds(lived));
                }
            }
            What::Switched(_) | What::TaskEnd(_) => {}
        }
    }

    /// Counts a notice.
    pub fn notice(&self, notice: &Notice) {
        match *notice {
            Notice::Lost {
                cause: cause @ Loss::Undecodable,
                count,
            } => {
                self.health.lost(cause).inc_by(count);
            }
            // In the kernel's totals.
            Notice::Lost { .. } => {}
            Notice::Resync { corrections } => {
                self.health.resyncs.inc();
                self.health.corrections.inc_by(corrections);
            }
        }
    }

    /// Takes over what an audit that ends now has found.
    pub fn audit(&self, findings: &Findings) {
        self.health.audit(findings);
    }

    /// Takes over how many of everything there are.
    pub fn census(&self, census: &Census) {
        self.lives.census(census);
        self.nsproxies.set(census.nsproxies);
    }

    /// Takes over how often each rule was judged.
    pub fn checks(&self, checks: &[u64; Rule::COUNT]) {
        self.nsproxies.checks(checks);
    }

    /// Takes over how long what there is has been what it is. The clock says
    /// when that was.
    pub fn standing(&self, standing: &Standing, clock: &Clock) {
        let wall = |at| clock.unix_seconds(at);
        self.lives.standing(standing, wall);
        self.pids.standing(standing, wall);
        self.room.walked(standing, wall);
    }

    /// Takes over which namespaces have been what they are for longest, and since
    /// when, `CLOCK_BOOTTIME` nanoseconds: each becomes a series.
    pub fn longest(&self, namespaces: impl Iterator<Item = (u64, Namespace)>, clock: &Clock) {
        self.longest.set(namespaces, clock);
    }

    /// Takes over which users have the most, and by [`NsKind`] how many each may
    /// have.
    pub fn headroom(&self, users: &Users, limits: &[u64; NsKind::COUNT]) {
        self.headroom.users(users);
        self.headroom.limits(limits);
    }

    /// Takes over the counters of the kernel programs.
    pub fn totals(&self, totals: &KernelTotals) {
        self.health.totals(totals);
        values::raise(&self.nsproxies.switches(Reason::Exit), totals.exits);
    }

    /// Takes over what the kernel programs use, and how many requests wait for
    /// the one who owns them.
    pub fn resources(&self, resources: &Resources, waiting: usize) {
        self.room.resources(resources, waiting);
    }

    /// Takes over what became of the hooks.
    pub fn hooks(&self, hooks: &[HookReport]) {
        self.coverage.hooks(hooks);
    }

    /// Takes over what cannot be seen.
    pub fn limits(&self, limits: &Limits) {
        self.coverage.limits(limits);
    }

    /// Everything as text.
    pub fn encode(&self, format: Format) -> Result<String, fmt::Error> {
        let start = Instant::now();
        let text = exposition::encode(&self.registry, format);
        self.health.scrape.set(start.elapsed().as_secs_f64());
        text
    }
}
