//! What all scenarios share: the kernel, and nslife watching it.

use std::{
    cell::Cell,
    env, fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use tracer_common::kind::NsKind;

use crate::{
    PATIENCE,
    kernel::Version,
    nslife::Nslife,
    puppet::Puppet,
    trace::{Step, Trace, What},
};

/// Where files are left for people to look at, if they asked for them.
const RESULTS_VARIABLE: &str = "NSLIFE_RESULTS";

/// Where everything else goes, empty at the start.
pub(crate) const SCRATCH: &str = "/run/nslife-scenarios";

/// How long it may take until the trace sees something.
const START: Duration = Duration::from_secs(120);

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
    canary: Puppet,
    chirps: Cell<usize>,
}

impl World {
    /// Starts what is to watch, and waits until it does.
    pub(crate) fn set_up() -> Result<Self> {
        fs::create_dir_all(SCRATCH).with_context(|| format!("cannot create {SCRATCH}"))?;
        let results = env::var_os(RESULTS_VARIABLE).map_or_else(|| SCRATCH.into(), PathBuf::from);
        let nslife = Nslife::find()?;
        let initial_user = nslife.list()?.initial("user")?;
        let trace = Trace::start(&nslife, &results)?;
        let world = Self {
            kernel: Version::running()?,
            nslife,
            trace,
            results,
            initial_user,
            canary: Puppet::start("canary")?,
            chirps: Cell::new(0),
        };
        world.wait_for_trace()?;
        Ok(world)
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

    /// Something that the trace is bound to show, by a task whose name nobody else has.
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
            What::Step(Step::Created, ns, _) => ns
                .creator
                .as_ref()
                .is_some_and(|creator| creator.comm == name),
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
