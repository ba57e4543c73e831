//! `cargo xtask vm`: one command, in a virtual machine of a chosen kernel.

mod child;
mod control;
mod interrupt;
pub(crate) mod machine;
mod share;

use std::{
    env,
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use vm_init::{Job, SCRATCH_FOLDERS, Share};

pub(crate) use self::machine::{Hardware, Outcome, Run};
use crate::{
    build::{self, Profile},
    initramfs::{build_vm_init, vm_init_path},
    kernels::{Kernel, Series},
    process::{Chatter, is_root},
    project::Project,
    qemu::Tools,
};

/// Exit status for a machine that was stopped because its time was up, as of `timeout`.
const TIMED_OUT: u8 = 124;
/// Exit status when there is none of the command: no machine, or one that died.
pub(crate) const NO_STATUS: u8 = 125;

/// Run a command as root in a virtual machine, with nslife on its PATH.
///
/// The command's output is passed through, and its exit status is that of this program: 124 if
/// the time was up, 125 if the machine died. The host's root is visible to it read-only; /run,
/// /tmp and /var/tmp are its own.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The kernel's series, such as 6.12.
    kernel: Series,
    /// A folder that is writable in the machine, at the same path.
    #[arg(long, value_name = "DIR")]
    share: Vec<PathBuf>,
    /// A variable of the command's environment.
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_variable)]
    env: Vec<(String, String)>,
    /// Seconds until the machine is stopped.
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    timeout: u64,
    /// More arguments for the kernel's command line.
    #[arg(
        long,
        value_name = "ARGUMENTS",
        default_value = "",
        allow_hyphen_values = true
    )]
    append: String,
    /// Build nothing: take nslife and the machine's init as they were built last.
    #[arg(long)]
    no_build: bool,
    #[command(flatten)]
    hardware: HardwareOptions,
    /// The command and its arguments.
    #[arg(last = true, required = true)]
    command: Vec<OsString>,
}

/// What the machine is made of.
#[derive(Clone, Debug, Args)]
pub(crate) struct HardwareOptions {
    /// Memory of the machine.
    #[arg(long, value_name = "SIZE", default_value = "1G")]
    memory: String,
    /// Processors of the machine.
    #[arg(long, value_name = "COUNT", default_value_t = 2)]
    cpus: u32,
    /// QEMU's accelerator [default: kvm where it works, else tcg].
    #[arg(long, value_name = "NAME")]
    accel: Option<String>,
}

impl HardwareOptions {
    /// Decides what was left open.
    pub(crate) fn resolve(self) -> Hardware {
        Hardware {
            memory: self.memory,
            cpus: self.cpus,
            accelerator: self.accel.unwrap_or_else(|| {
                let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
                let kvm_opens = fs::File::options()
                    .read(true)
                    .write(true)
                    .open("/dev/kvm")
                    .is_ok();
                default_accelerator(&cpuinfo, kvm_opens).to_owned()
            }),
        }
    }
}

/// Emulation, each processor of the machine by a thread of its own.
const EMULATION: &str = "tcg,thread=multi";

/// KVM on hardware; nested in another hypervisor, where it exists, it is not to be trusted.
fn default_accelerator(cpuinfo: &str, kvm_opens: bool) -> &'static str {
    let is_virtual = cpuinfo
        .lines()
        .filter(|line| line.starts_with("flags"))
        .any(|line| line.split_whitespace().any(|flag| flag == "hypervisor"));
    if kvm_opens && !is_virtual {
        "kvm"
    } else {
        EMULATION
    }
}

/// What every machine needs, whatever its kernel and its command.
pub(crate) struct Workshop {
    /// The checkout.
    pub(crate) project: Project,
    /// The emulator and the file server.
    pub(crate) tools: Tools,
    /// nslife, optimised.
    pub(crate) nslife: PathBuf,
    /// PID 1 of the machines.
    pub(crate) vm_init: PathBuf,
}

/// Where what runs in the machines comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Builds {
    /// Built now.
    Fresh,
    /// Built some time ago, where that has been done.
    Last,
}

impl Workshop {
    /// Builds and fetches whatever is not there.
    pub(crate) fn set_up(
        project: Project,
        accelerator: &str,
        builds: Builds,
        chatter: Chatter,
    ) -> Result<Self> {
        ensure!(
            is_root(),
            "virtual machines take root, to serve them this machine's files as they are"
        );
        let tools = Tools::find_or_fetch(&project.cache, accelerator)?;
        let nslife_path = match builds {
            Builds::Fresh => build::nslife(&project, Profile::Release, chatter)?,
            Builds::Last => build::nslife_path(&project, Profile::Release),
        };
        let vm_init = match builds {
            Builds::Last if vm_init_path(&project).exists() => vm_init_path(&project),
            _ => build_vm_init(&project, chatter)?,
        };
        Ok(Self {
            project,
            tools,
            nslife: nslife_path,
            vm_init,
        })
    }

    /// A job that runs `command` with nslife on its `PATH`.
    pub(crate) fn job(
        &self,
        kernel: Series,
        command: Vec<OsString>,
        environment: &[(String, String)],
        shares: &[PathBuf],
        working_folder: PathBuf,
    ) -> Result<Job> {
        let nslife_folder = self.nslife.parent().context("nslife is in no folder")?;
        let mut variables = vec![
            ("PATH".into(), path_variable(nslife_folder)),
            ("HOME".into(), "/root".into()),
            ("LANG".into(), "C.UTF-8".into()),
            ("USER".into(), "root".into()),
        ];
        let given = environment.iter();
        variables.extend(given.map(|(name, value)| (name.into(), value.into())));
        let wanted = [&self.project.root, &self.project.target, &working_folder];
        Ok(Job {
            host_name: format!("nslife-{kernel}"),
            visible: hidden_folders(wanted.map(PathBuf::as_path)),
            shares: resolve_shares(shares)?,
            command,
            environment: variables,
            working_folder,
        })
    }
}

/// Runs the command and returns its status.
pub(crate) fn run_verb(options: Options) -> Result<ExitCode> {
    let project = Project::open()?;
    let hardware = options.hardware.resolve();
    let builds = if options.no_build {
        Builds::Last
    } else {
        Builds::Fresh
    };
    let workshop = Workshop::set_up(project, &hardware.accelerator, builds, Chatter::OnFailure)?;
    let kernel = Kernel::get(&workshop.project.cache, options.kernel)?;
    let job = workshop.job(
        options.kernel,
        options.command,
        &options.env,
        &options.share,
        env::current_dir()?,
    )?;
    let run = Run {
        tools: &workshop.tools,
        kernel: &kernel,
        vm_init: &workshop.vm_init,
        job: &job,
        hardware: &hardware,
        kernel_arguments: &options.append,
        timeout: Duration::from_secs(options.timeout),
    };
    let status = match run.run(&mut io::stdout(), &mut io::stderr())? {
        Outcome::Exited(status) => status,
        Outcome::Interrupted(signal) => 128 + signal,
        Outcome::TimedOut(logs) => {
            eprintln!("xtask: not done after {} seconds{logs}", options.timeout);
            TIMED_OUT
        }
        Outcome::Died(logs) => {
            let package = &kernel.package;
            eprintln!("xtask: the machine died before the command ended ({package}){logs}");
            NO_STATUS
        }
    };
    Ok(ExitCode::from(status))
}

fn parse_variable(text: &str) -> Result<(String, String)> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => bail!("a variable is given as NAME=VALUE"),
    }
}

fn path_variable(first: &Path) -> OsString {
    let mut path = first.as_os_str().to_owned();
    path.push(":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    path
}

/// Those folders that the guest would not see because it has an empty one above them.
fn hidden_folders<'a>(wanted: impl IntoIterator<Item = &'a Path>) -> Vec<PathBuf> {
    let mut hidden: Vec<PathBuf> = Vec::new();
    for path in wanted {
        let is_hidden = SCRATCH_FOLDERS
            .iter()
            .any(|scratch| path.starts_with(scratch) && path != Path::new(scratch));
        if is_hidden && !hidden.iter().any(|known| path.starts_with(known)) {
            hidden.push(path.to_owned());
        }
    }
    hidden
}

/// Absolute paths of existing folders, outer ones before inner ones.
fn resolve_shares(folders: &[PathBuf]) -> Result<Vec<Share>> {
    let mut paths = folders
        .iter()
        .map(|folder| {
            let path = fs::canonicalize(folder)
                .with_context(|| format!("cannot share {}", folder.display()))?;
            if !path.is_dir() || path == Path::new("/") {
                bail!(
                    "cannot share {}: it is not a folder below the root",
                    path.display()
                );
            }
            Ok(path)
        })
        .collect::<Result<Vec<_>>>()?;
    paths.sort();
    paths.dedup();
    let numbered = paths.into_iter().enumerate();
    Ok(numbered
        .map(|(number, path)| Share {
            tag: format!("nslife-share{number}"),
            path,
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kvm_only_on_hardware() {
        let hardware = "model name : x\nflags\t\t: fpu vmx lahf_lm\n";
        let virtual_machine = "flags\t\t: fpu hypervisor lahf_lm\n";
        assert_eq!(default_accelerator(hardware, true), "kvm");
        assert_eq!(default_accelerator(hardware, false), EMULATION);
        assert_eq!(default_accelerator(virtual_machine, true), EMULATION);
    }

    #[test]
    fn variables_are_split_at_the_first_sign() {
        assert_eq!(
            parse_variable("A=b=c").unwrap(),
            ("A".to_owned(), "b=c".to_owned())
        );
        assert_eq!(
            parse_variable("A=").unwrap(),
            ("A".to_owned(), String::new())
        );
        assert!(parse_variable("=b").is_err());
        assert!(parse_variable("A").is_err());
    }

    #[test]
    fn what_scratch_folders_hide_is_shown_once() {
        let hidden = |paths: &[&str]| hidden_folders(paths.iter().map(Path::new));
        assert_eq!(
            hidden(&["/srv/a", "/tmp", "/tmpfs/a"]),
            Vec::<PathBuf>::new()
        );
        assert_eq!(
            hidden(&["/tmp/a", "/tmp/a/target", "/var/tmp/b"]),
            [PathBuf::from("/tmp/a"), PathBuf::from("/var/tmp/b")]
        );
    }

    #[test]
    fn shares_are_existing_folders_in_order() {
        let parent = tempfile::tempdir().unwrap();
        let inner = parent.path().join("inner");
        fs::create_dir(&inner).unwrap();
        let outer = parent.path().to_owned();
        let shares = resolve_shares(&[inner.clone(), outer.clone(), inner.clone()]).unwrap();
        let paths: Vec<_> = shares.iter().map(|share| share.path.clone()).collect();
        assert_eq!(paths, [outer, inner.clone()]);
        assert_ne!(shares[0].tag, shares[1].tag);

        assert!(resolve_shares(&[inner.join("missing")]).is_err());
        assert!(resolve_shares(&["/".into()]).is_err());
    }
}
