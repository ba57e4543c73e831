//! The package in a system of its own, in a virtual machine: it is installed, started, upgraded,
//! removed and purged under systemd.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use vm_init::{CONTROL_TAG, Job, STATUS_FILE, STDERR_FILE, STDOUT_FILE};

use crate::{
    apt::Archive,
    initramfs::build_vm_init,
    kernels::Kernel,
    package::Stage,
    process::{Chatter, run, stdout_of},
    project::Project,
    qemu::Tools,
    vm::{Hardware, Outcome, Run},
};

/// The kernel of the machine.
const KERNEL: &str = "7.3";

/// How long all of it may take.
const TIMEOUT: Duration = Duration::from_secs(1800);

/// Nobody is to log in, and emulated programs take their time to be loaded.
const SYSTEMD: &str = "systemd.unit=multi-user.target systemd.default_timeout_start_sec=600 \
                       systemd.mask=serial-getty@ttyS0.service";

/// What happens.
const SCRIPT: &str = include_str!("life_of_a_package.sh");

/// The unit that has it happen.
const UNIT: &str = "\
[Unit]
Description=The life of a package
[Service]
Type=oneshot
StandardOutput=null
ExecStart=/bin/bash /life/begin.sh
";

/// The static program needs nothing: it says its version where there is nothing else.
pub(super) fn static_program(stage: &Stage) -> Result<()> {
    let empty = tempfile::tempdir()?;
    fs::copy(&stage.program, empty.path().join("nslife"))?;
    let mut chroot = Command::new("chroot");
    chroot.arg(empty.path()).args(["/nslife", "--version"]);
    let said = stdout_of(&mut chroot)?;
    let version = env!("CARGO_PKG_VERSION");
    ensure!(
        said.starts_with(&format!("nslife {version} (commit ")),
        "it says {said}"
    );
    Ok(())
}

/// Has the package live and die.
pub(super) fn life(project: &Project, stage: &Stage, hardware: &Hardware) -> Result<()> {
    let folder = tempfile::Builder::new()
        .prefix("nslife-system-")
        .tempdir()?;
    let packages = [1, 2]
        .map(|revision| stage.deb(project, revision, folder.path(), Chatter::OnFailure))
        .into_iter()
        .collect::<Result<Vec<_>>>()?;
    let installed = project.cache.entry("debian-system", |folder| {
        eprintln!("xtask: installing a small Debian, to be copied");
        Archive::discover(&project.cache)?.install_system(folder, &["systemd-sysv"])
    })?;
    let system = folder.path().join("system");
    copy(&installed, &system)?;
    prepare(&system, &packages)?;

    let kernel = Kernel::get(&project.cache, KERNEL.parse()?)?;
    let job = Job {
        host_name: "nslife-package".to_owned(),
        system: Some(system),
        visible: Vec::new(),
        shares: Vec::new(),
        command: vec!["/sbin/init".into()],
        environment: Vec::new(),
        working_folder: "/".into(),
    };
    let run = Run {
        tools: &Tools::find_or_fetch(&project.cache, &hardware.accelerator)?,
        kernel: &kernel,
        vm_init: &build_vm_init(project, Chatter::OnFailure)?,
        job: &job,
        hardware,
        kernel_arguments: SYSTEMD,
        timeout: TIMEOUT,
    };
    let mut said = Vec::new();
    let mut complained = Vec::new();
    let outcome = run.run(&mut said, &mut complained)?;
    let said = [said, complained].concat();
    let said = String::from_utf8_lossy(&said);
    match outcome {
        Outcome::Exited(0) => Ok(()),
        Outcome::Exited(status) => bail!("it ended with {status}\n{said}"),
        Outcome::TimedOut(logs) => bail!("not done after {} s\n{said}{logs}", TIMEOUT.as_secs()),
        Outcome::Died(logs) => bail!("the machine died\n{said}{logs}"),
        Outcome::Interrupted(signal) => bail!("interrupted by signal {signal}"),
    }
}

/// Copies a system with all owners, modes and links.
fn copy(from: &Path, to: &Path) -> Result<()> {
    let mut cp = Command::new("cp");
    cp.args(["--archive", "--reflink=auto"]).arg(from).arg(to);
    run(&mut cp, Chatter::OnFailure)
}

/// Puts in what is to happen when the system has started.
fn prepare(system: &Path, packages: &[PathBuf]) -> Result<()> {
    let life = system.join("life");
    fs::create_dir(&life)?;
    let mut names = Vec::new();
    for package in packages {
        let name = package.file_name().context("a package has no name")?;
        fs::copy(package, life.join(name))?;
        names.push(format!("/life/{}", name.to_string_lossy()));
    }
    fs::write(life.join("life_of_a_package.sh"), SCRIPT)?;
    fs::write(life.join("begin.sh"), begin(&names.join(" ")))?;
    let units = system.join("etc/systemd/system");
    fs::write(units.join("life.service"), UNIT)?;
    let wanted = units.join("multi-user.target.wants");
    fs::create_dir_all(&wanted)?;
    std::os::unix::fs::symlink("../life.service", wanted.join("life.service"))?;
    Ok(())
}

/// Runs the script, and tells the host what came of it.
fn begin(packages: &str) -> String {
    format!(
        "mkdir -p /run/control\n\
         mount -t virtiofs {CONTROL_TAG} /run/control\n\
         cd /run/control\n\
         bash /life/life_of_a_package.sh {packages} >> {STDOUT_FILE} 2>> {STDERR_FILE}\n\
         echo -n $? > {STATUS_FILE}.unfinished\n\
         mv {STATUS_FILE}.unfinished {STATUS_FILE}\n"
    )
}
