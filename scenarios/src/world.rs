//! What all scenarios share: the kernel, and nslife watching it.

use std::{
    cell::{Cell, OnceCell, RefCell},
    collections::BTreeSet,
    env, fs,
    path::PathBuf,
    rc::Rc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use jiff::Timestamp;
use serde_json::Value;
use tracer_common::kind::NsKind;

use crate::{
    PATIENCE,
    daemon::Daemon,
    kernel::Version,
    nslife::{List, Nslife},
    process::poll_until,
    puppet::Puppet,
    trace::{Line, Step, Trace, What, ends::Ends},
};

/// Where files are left for people to look at, if they asked for them.
pub(crate) const RESULTS_VARIABLE: &str = "NSLIFE_RESULTS";

/// Where everything else goes, empty at the start.
pub(crate) const SCRATCH: &str = "/run/nslife-scenarios";

/// Where the daemon listens.
const PORT: u16 = 19619;

/// How long it may take until a trace sees something.
pub(crate) const START: Duration = Duration::from_secs(120);

/// How often something is made to happen until then.
const TRY_EVERY: Duration = Duration::from_millis(500);

/// What all scenarios share.
pub(crate) struct World {
    /// The running kernel.
    pub(crate) kernel: Version,
    /// The program under test.
    pub(crate) nslife: Nslife,
    /// It, watching the whole system from before the first scenario to after the last.
    pub(crate) trace: Trace,
    /// Where to leave files for people to look at.
    pub(crate) results: PathBuf,
    /// Id of the initial user namespace.
    pub(crate) initial_user: u64,
    /// Ids of what was there before the trace.
    pub(crate) there_before: BTreeSet<u64>,
    daemon: Daemon,
    ends: RefCell<Option<Rc<Ends>>>,
    doctor: OnceCell<Value>,
    canary: Puppet,
    chirps: Cell<usize>,
    resyncs: Cell<usize>,
}

impl World {
    /// Starts what is to watch, and waits until it does.
    pub(crate) fn set_up() -> Result<Self> {
        fs::create_dir_all(SCRATCH).with_context(|| format!("cannot create {SCRATCH}"))?;
        let results = env::var_os(RESULTS_VARIABLE).map_or_else(|| SCRATCH.into(), PathBuf::from);
        let nslife = Nslife::find()?;
        let list = nslife.list()?;
        let trace = Trace::start(&nslife, &results, "trace")?;
        let daemon = Daemon::start(&nslife, &results, PORT)?;
        let world = Self {
            kernel: Version::running()?,
            nslife,
            trace,
            results,
            initial_user: list.initial("user")?,
            there_before: list.namespaces.iter().map(|ns| ns.id).collect(),
            daemon,
            ends: RefCell::default(),
            doctor: OnceCell::new(),
            canary: Puppet::start("canary")?,
            chirps: Cell::new(0),
            resyncs: Cell::new(0),
        };
        world.wait_for_trace()?;
        Ok(world)
    }

    /// It, as a daemon, likewise.
    pub(crate) fn daemon(&self) -> &Daemon {
        &self.daemon
    }

    /// All namespaces, as that daemon has them after a walk that begins now.
    pub(crate) fn list(&self) -> Result<List> {
        let asked_at = Timestamp::now();
        // Whoever asks again within a second gets the same picture again.
        let list = poll_until(PATIENCE, || {
            let list = self.daemon.list(&self.nslife, &[])?;
            let taken_at: Timestamp = list.taken_at.parse()?;
            Ok((taken_at >= asked_at).then_some(list))
        })?;
        list.context("the daemon has no picture of now")
    }

    /// What `nslife doctor` says, once.
    pub(crate) fn doctor(&self) -> Result<&Value> {
        if let Some(report) = self.doctor.get() {
            return Ok(report);
        }
        let report = serde_json::from_str(&self.nslife.document("doctor")?)?;
        Ok(self.doctor.get_or_init(|| report))
    }

    /// Who watches the ends of tasks, from when it is first asked for.
    pub(crate) fn ends(&self) -> Result<Rc<Ends>> {
        let ends = self.ends.borrow().clone();
        if let Some(ends) = ends {
            return Ok(ends);
        }
        let ends = Rc::new(Ends::watch(self)?);
        *self.ends.borrow_mut() = Some(Rc::clone(&ends));
        Ok(ends)
    }

    /// Has nobody watch the ends of tasks any more. Nobody else may have them by then.
    pub(crate) fn close_ends(&self) -> Result<()> {
        let ends = self.ends.borrow_mut().take().and_then(Rc::into_inner);
        ends.context("somebody watches still")?.close(&self.nslife)
    }

    /// Ends what watches.
    pub(crate) fn retire(&self) -> Result<()> {
        self.trace.kill()?;
        self.daemon.kill()
    }

    /// How much nslife says to have lost, up to now.
    pub(crate) fn losses(&self) -> usize {
        let traced = self.trace.log.look(0, |lines| {
            let is_loss = |line: &&Line| matches!(line.what, What::Trouble(_));
            lines.iter().filter(is_loss).count()
        });
        let scraped = self.daemon.scrape();
        let resyncs = scraped.and_then(|metrics| metrics.plain("nslife_resyncs_total"));
        // A daemon that is no more has lost nothing since.
        if let Ok(resyncs) = resyncs {
            self.resyncs.set(resyncs as usize);
        }
        traced + self.resyncs.get()
    }

    /// Waits until everything that happened up to now, as far as the kernel was done with it, has
    /// been said by the trace.
    pub(crate) fn barrier(&self) -> Result<()> {
        let name = self.chirp()?;
        if self.hears(&name, PATIENCE)? {
            Ok(())
        } else {
            bail!("nslife trace does not show {name}, a new UTS namespace")
        }
    }

    fn wait_for_trace(&self) -> Result<()> {
        let deadline = Instant::now() + START;
        while Instant::now() < deadline {
            let name = self.chirp()?;
            if self.hears(&name, TRY_EVERY)? {
                return Ok(());
            }
        }
        bail!("nslife trace shows nothing after {} s", START.as_secs())
    }

    /// Something that the trace is bound to show, by a task whose name nobody else has, and that is
    /// over when this returns: a UTS namespace is freed by whoever leaves it last.
    fn chirp(&self) -> Result<String> {
        let number = self.chirps.get();
        self.chirps.set(number + 1);
        let name = format!("chirp-{number}");
        self.canary.rename(&name)?;
        let chick = self.canary.clone_into("chick", &[NsKind::Uts])?;
        chick.exit()?;
        self.canary.reap_child(&chick)?;
        Ok(name)
    }

    fn hears(&self, name: &str, patience: Duration) -> Result<bool> {
        let is_it = |what: &What| match what {
            What::Step(Step::Freed, ns, _) => {
                ns.made_by().is_some_and(|creator| creator.comm == name)
            }
            _ => false,
        };
        let seen = self.trace.log.wait(0, patience, |lines| {
            Ok(lines
                .iter()
                .rev()
                .any(|line| is_it(&line.what))
                .then_some(()))
        })?;
        Ok(seen.is_some())
    }
}
