//! What `nslife doctor` knows: everything that decides whether nslife can run
//! here and what it can tell.

use serde::Serialize;

/// The state of this system, for a bug report.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Report {
    /// Version of this format.
    pub schema: u32,
    /// `nslife` version.
    pub version: &'static str,
    /// The git commit that it was built from, or `unknown`.
    pub commit: &'static str,
    /// The start of the SHA-256 of the kernel programs in it.
    pub ebpf_object: &'static str,
    /// Kernel release (`uname -r`).
    pub kernel: String,
    /// Machine architecture.
    pub architecture: String,
    /// Why the kernel's BTF cannot be used; `None` if it can.
    pub btf_problem: Option<String>,
    /// Capabilities that nslife needs, and whether this process has them.
    pub capabilities: Vec<CapabilityStatus>,
    /// Why the kernel refuses BPF programs to this process; `None` if it
    /// does not.
    pub bpf_problem: Option<String>,
    /// Whether this process is in the initial pid namespace.
    pub initial_pid_namespace: bool,
    /// Each hook and how it attached, or why not.
    pub hooks: Vec<HookReport>,
    /// What nslife can tell here.
    pub can: Vec<String>,
    /// What it cannot, and why.
    pub cannot: Vec<String>,
    /// Whether it can run at all.
    pub runs: bool,
}

/// One capability.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct CapabilityStatus {
    /// `CAP_BPF` and so on.
    pub name: &'static str,
    /// What nslife needs it for.
    pub purpose: &'static str,
    /// Whether it is in the effective set.
    pub effective: bool,
}

/// One row of the attach plan, carried out.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct HookReport {
    /// Stable name of the hook, also its metric label: `task_exit`,
    /// `ns_created_uts`, …
    pub name: &'static str,
    /// What it is for, in a few words.
    pub purpose: &'static str,
    /// Whether nslife refuses to run without it.
    pub required: bool,
    /// What became of it.
    #[serde(flatten)]
    pub state: HookState,
    /// Kernel functions that were tried first, in vain.
    pub attempts: Vec<Attempt>,
}

impl HookReport {
    /// Why it is missing, if it is.
    pub fn problem(&self) -> Option<&str> {
        match &self.state {
            HookState::Missing { because } => Some(because),
            HookState::Attached { .. } | HookState::NotNeeded { .. } => None,
        }
    }

    /// Whether nslife cannot run because of it.
    pub fn is_fatal(&self) -> bool {
        self.required && self.problem().is_some()
    }

    /// Whether it was attached.
    pub fn is_attached(&self) -> bool {
        matches!(self.state, HookState::Attached { .. })
    }
}

/// What became of a hook.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum HookState {
    /// Attached.
    Attached {
        /// Kernel function.
        function: &'static str,
        /// `fentry`, `fexit`, `tp_btf` or `iter`.
        how: &'static str,
    },
    /// This kernel has another hook that does the same.
    NotNeeded {
        /// Which, or why.
        because: &'static str,
    },
    /// It should be there and is not: a loss of sight.
    Missing {
        /// Why.
        because: String,
    },
}

/// A kernel function that could not be hooked.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Attempt {
    /// Kernel function.
    pub function: &'static str,
    /// The kernel's answer.
    pub because: String,
}
