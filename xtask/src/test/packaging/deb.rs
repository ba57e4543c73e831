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

/// What people are told to do.
const README: &str = include_str!("../../../../README.md");

/// How the paragraphs begin that say how to install it: the package, and the program by itself.
const WAYS: [&str; 2] = ["**Debian and what comes from it.**", "**Anywhere else**"];

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
    let installed = project.cache.entry("debian-with-curl", |folder| {
        eprintln!("xtask: installing a small Debian, to be copied");
        Archive::discover(&project.cache)?.install_system(folder, &["systemd-sysv", "curl"])
    })?;
    let system = folder.path().join("system");
    copy(&installed, &system)?;
    prepare(&system, &packages, project, stage)?;

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

/// Puts in what is to happen when the system has started, and what it needs, where the README has it.
fn prepare(system: &Path, packages: &[PathBuf], project: &Project, stage: &Stage) -> Result<()> {
    let life = system.join("life");
    let [built, units] = ["target/package", "packaging/systemd"].map(|folder| life.join(folder));
    for folder in [&built, &units] {
        fs::create_dir_all(folder)?;
    }
    let put = |file: &Path, folder: &Path| -> Result<PathBuf> {
        let place = folder.join(file.file_name().context("a file has no name")?);
        fs::copy(file, &place).with_context(|| format!("cannot copy {}", file.display()))?;
        Ok(Path::new("/").join(place.strip_prefix(system)?))
    };
    let mut arguments = Vec::new();
    for package in packages {
        arguments.push(put(package, &built)?.display().to_string());
    }
    stage.publish(&built)?;
    put(
        &project.root.join("packaging/systemd/nslife.service"),
        &units,
    )?;
    for (way, name) in WAYS.into_iter().zip(["package.sh", "program.sh"]) {
        fs::write(life.join(name), commands(README, way)?)?;
        arguments.push(format!("/life/{name}"));
    }
    fs::write(life.join("life_of_a_package.sh"), SCRIPT)?;
    fs::write(life.join("begin.sh"), begin(&arguments.join(" ")))?;
    let installed = system.join("etc/systemd/system");
    fs::write(installed.join("life.service"), UNIT)?;
    let wanted = installed.join("multi-user.target.wants");
    fs::create_dir_all(&wanted)?;
    std::os::unix::fs::symlink("../life.service", wanted.join("life.service"))?;
    Ok(())
}

/// The commands below the paragraph of a page that begins like this.
fn commands(page: &str, way: &str) -> Result<String> {
    let (_, rest) = page
        .split_once(way)
        .with_context(|| format!("the README has no paragraph that begins with {way}"))?;
    let below = rest.lines().skip_while(|line| !line.starts_with("    "));
    let commands: Vec<_> = below.map_while(|line| line.strip_prefix("    ")).collect();
    ensure!(!commands.is_empty(), "there are no commands below {way}");
    Ok(commands.join("\n") + "\n")
}

/// Runs the script, and tells the host what came of it.
fn begin(arguments: &str) -> String {
    format!(
        "mkdir -p /run/control\n\
         mount -t virtiofs {CONTROL_TAG} /run/control\n\
         cd /run/control\n\
         bash /life/life_of_a_package.sh {arguments} >> {STDOUT_FILE} 2>> {STDERR_FILE}\n\
         echo -n $? > {STATUS_FILE}.unfinished\n\
         mv {STATUS_FILE}.unfinished {STATUS_FILE}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_readme_says_is_found() {
        let page = "**One** way:\n\n    first\n    second\n\n**Two**\n";
        assert_eq!(commands(page, "**One**").unwrap(), "first\nsecond\n");
        assert!(commands(page, "**Two**").is_err());
        assert!(commands(page, "**Three**").is_err());
        for way in WAYS {
            assert!(commands(README, way).unwrap().contains("nslife"));
        }
    }
}
