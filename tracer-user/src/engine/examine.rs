//! What `nslife doctor` finds out.

use std::env::consts::ARCH;

use super::{
    HookReport, HookState, Options, Progress, Report, StartError, StartStep,
    addresses::without_addresses,
    capabilities,
    describe::{self, Described},
    in_initial_pid_namespace,
    kernel::Kernel,
};
use crate::version::{EBPF_OBJECT, Version};

/// What is told, and the hooks it rests on (by the start of their names).
const TELLS: [(&str, &str); 9] = [
    ("ns_created", "when a namespace is created, and by whom"),
    (
        "ns_last_ref",
        "when the last reference to a namespace is dropped",
    ),
    ("ns_freed", "when a namespace is freed"),
    (
        "nsproxy_",
        "which task switched namespaces (clone, unshare, setns, exec, exit)",
    ),
    (
        "active_",
        "the kernel's own active count of each namespace, and every change between active and inactive",
    ),
    (
        "cred_",
        "which user namespaces the credentials of tasks keep active",
    ),
    ("pid_", "which pid namespaces pids keep active"),
    (
        "nsfs_",
        "which namespaces open files and bind mounts keep active",
    ),
    (
        "procfs_",
        "which pid namespaces a mounted procfs keeps allocated",
    ),
];

/// Finds out whether nslife can run here and what it can tell, by trying:
/// loads everything, attaches, and takes it all away again.
pub fn examine(version: Version, progress: Progress<'_>) -> Report {
    let mut report = Report {
        schema: 1,
        version: version.number,
        commit: version.commit,
        ebpf_object: EBPF_OBJECT,
        kernel: rustix::system::uname()
            .release()
            .to_string_lossy()
            .into_owned(),
        architecture: ARCH.to_owned(),
        btf_problem: None,
        capabilities: capabilities::status(),
        bpf_problem: None,
        initial_pid_namespace: in_initial_pid_namespace(),
        hooks: Vec::new(),
        can: Vec::new(),
        cannot: Vec::new(),
        runs: false,
    };
    progress(StartStep::Reading);
    let (described, mut kernel) = match load() {
        Ok(loaded) => loaded,
        Err(error @ (StartError::NoBtf { .. } | StartError::Btf(_))) => {
            report.btf_problem = Some(said(&error));
            return report;
        }
        Err(error) => {
            report.bpf_problem = Some(said(&error));
            return report;
        }
    };
    // A policy can allow the walk and refuse the hooks.
    report
        .can
        .push("which namespaces there are at one moment (nslife list)".to_owned());
    match kernel.attach(&described, false, progress) {
        Ok(_) => {
            report.hooks = kernel.hooks().to_vec();
            report.runs = !report.hooks.iter().any(HookReport::is_fatal);
            judge(&mut report, kernel.layout().lists_all());
        }
        Err(error) => {
            report.bpf_problem = Some(said(&error));
            report
                .cannot
                .push("what happens to namespaces (nslife trace, nslife daemon)".to_owned());
        }
    }
    kernel.end();
    report
}

/// What an error says, all of it.
fn said(error: &StartError) -> String {
    without_addresses(&error.to_string()).into_owned()
}

/// Loads the maps and the walk programs.
fn load() -> Result<(Described, Kernel), StartError> {
    let described = describe::describe()?;
    let missing = capabilities::missing();
    if !missing.is_empty() {
        return Err(StartError::Capabilities { missing });
    }
    let mut kernel = Kernel::new(&described, &Options::default())?;
    kernel.load_walk(&described)?;
    Ok((described, kernel))
}

/// Says what the attached hooks add up to.
fn judge(report: &mut Report, lists_all: bool) {
    for (prefix, tells) in TELLS {
        let mut hooks = report
            .hooks
            .iter()
            .filter(|hook| hook.name.starts_with(prefix));
        let attached = hooks.clone().any(HookReport::is_attached);
        let complete = !hooks.clone().any(|hook| hook.problem().is_some());
        let needless = hooks.all(|hook| matches!(hook.state, HookState::NotNeeded { .. }));
        match (attached, complete) {
            (true, true) => report.can.push(tells.to_owned()),
            (true, false) => report.cannot.push(format!("fully: {tells}")),
            // Where the kernel counts pids are part of its count, and where it
            // does not its count is made up for.
            (false, _) if needless => {}
            (false, _) => report.cannot.push(tells.to_owned()),
        }
    }
    let counts = report
        .hooks
        .iter()
        .any(|hook| hook.name == "active_get" && hook.is_attached());
    if !counts {
        report.can.push(
            "every change between active and inactive, from what keeps each namespace so (this \
             kernel keeps no count)"
                .to_owned(),
        );
    }
    if lists_all {
        report.can.push(
            "namespaces that existed before nslife started and that no task is in".to_owned(),
        );
    } else {
        report.cannot.push(
            "all namespaces that existed before nslife started: one that no task is in, other \
             than a network or ipc namespace, and that only a descriptor in flight or the \
             kernel itself holds is not found"
                .to_owned(),
        );
    }
    if !report.initial_pid_namespace {
        report
            .cannot
            .push("tasks outside nslife's own pid namespace".to_owned());
    }
}
