//! Turns the host's root, read-only and shared, into a system that programs can live in.

use std::{
    fs::{self, File},
    os::{fd::OwnedFd, unix::fs::symlink},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use rustix::{
    fs::{Mode, OFlags, openat, renameat},
    mount::{
        MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_bind, mount_change,
        mount_move, unmount,
    },
    process::{chdir, chroot},
};
use vm_init::{CONTROL_TAG, JOB_FILE, Job, ROOT_TAG, SCRATCH_FOLDERS};

/// Where the initramfs mounts the host's root as it is, to bind parts of it from.
const HOST: &str = "/host";
/// Where the new root is put together.
const ROOT: &str = "/root";
/// Where the control folder is mounted while it is opened.
const CONTROL: &str = "/control";

/// Mounts of every Linux system: type, place, options, and whether the guest can do without.
const SYSTEM_MOUNTS: [(&str, &str, &str, Need); 11] = [
    ("proc", "proc", "", Need::Always),
    ("sysfs", "sys", "", Need::Always),
    ("devtmpfs", "dev", "mode=0755", Need::Always),
    (
        "devpts",
        "dev/pts",
        "gid=5,mode=620,ptmxmode=666",
        Need::Always,
    ),
    ("tmpfs", "dev/shm", "mode=1777", Need::Always),
    ("mqueue", "dev/mqueue", "", Need::IfThere),
    ("cgroup2", "sys/fs/cgroup", "", Need::Always),
    ("bpf", "sys/fs/bpf", "mode=0700", Need::Always),
    ("tracefs", "sys/kernel/tracing", "", Need::IfThere),
    ("debugfs", "sys/kernel/debug", "", Need::IfThere),
    ("securityfs", "sys/kernel/security", "", Need::IfThere),
];

/// Whether a kernel that lacks a file system is good enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Need {
    Always,
    IfThere,
}

/// The folder shared with the host, in which the job came and the results go.
pub(crate) struct ControlFolder {
    folder: OwnedFd,
}

/// Mounts what loading modules takes.
pub(crate) fn mount_devices() -> Result<()> {
    fs::create_dir_all("/dev")?;
    mount_new("devtmpfs", "devtmpfs", Path::new("/dev"), "")
}

/// Opens the control folder. It stays open, but is mounted nowhere that the command can see.
pub(crate) fn open_control_folder() -> Result<ControlFolder> {
    fs::create_dir_all(CONTROL)?;
    mount_new(CONTROL_TAG, "virtiofs", Path::new(CONTROL), "")?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let folder = rustix::fs::open(CONTROL, flags, Mode::empty())?;
    unmount(CONTROL, UnmountFlags::DETACH).context("cannot detach the control folder")?;
    Ok(ControlFolder { folder })
}

impl ControlFolder {
    /// Reads what is to be done.
    pub(crate) fn job(&self) -> Result<Job> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let file = openat(&self.folder, JOB_FILE, flags, Mode::empty())
            .with_context(|| format!("cannot open {JOB_FILE}"))?;
        serde_json::from_reader(File::from(file)).with_context(|| format!("cannot read {JOB_FILE}"))
    }

    /// Opens a file of the control folder to add to its end.
    pub(crate) fn append(&self, name: &str) -> Result<File> {
        let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE | OFlags::CLOEXEC;
        let file = openat(&self.folder, name, flags, Mode::from_raw_mode(0o644))
            .with_context(|| format!("cannot open {name}"))?;
        Ok(file.into())
    }

    /// Makes a file with this content appear, all of it at once.
    pub(crate) fn publish(&self, name: &str, content: &str) -> Result<()> {
        let unfinished = format!("{name}.unfinished");
        std::io::Write::write_all(&mut self.append(&unfinished)?, content.as_bytes())?;
        renameat(&self.folder, &unfinished, &self.folder, name)
            .with_context(|| format!("cannot publish {name}"))
    }
}

/// Builds the guest's root out of the host's and makes it this process's own.
pub(crate) fn enter_host_root(job: &Job) -> Result<()> {
    for folder in [HOST, ROOT] {
        fs::create_dir_all(folder)?;
    }
    mount(ROOT_TAG, HOST, "virtiofs", MountFlags::RDONLY, None)
        .context("cannot mount the host's root")?;
    bind(Path::new(HOST), Path::new(ROOT))?;
    for (kind, place, options, need) in SYSTEM_MOUNTS {
        match mount_new(kind, kind, &Path::new(ROOT).join(place), options) {
            Err(error) if need == Need::IfThere => eprintln!("vm-init: going without: {error:#}"),
            result => result?,
        }
    }
    for folder in SCRATCH_FOLDERS {
        let options = if folder == "/run" {
            "mode=0755"
        } else {
            "mode=1777"
        };
        mount_new("tmpfs", "tmpfs", &below(ROOT, Path::new(folder)), options)?;
    }
    populate_devices()?;
    for path in &job.visible {
        let place = below(ROOT, path);
        fs::create_dir_all(&place)?;
        bind(&below(HOST, path), &place)?;
    }
    for share in &job.shares {
        let place = below(ROOT, &share.path);
        fs::create_dir_all(&place)
            .with_context(|| format!("cannot create {}", share.path.display()))?;
        mount_new(&share.tag, "virtiofs", &place, "")?;
    }
    switch_root()
}

/// Makes a system that the host serves this process's root, as it is.
pub(crate) fn enter_system() -> Result<()> {
    fs::create_dir_all(ROOT)?;
    mount(ROOT_TAG, ROOT, "virtiofs", MountFlags::empty(), None)
        .context("cannot mount the system")?;
    unmount("/dev", UnmountFlags::DETACH)?;
    move_root()
}

/// The links in `/dev` that udev would make.
fn populate_devices() -> Result<()> {
    for (link, target) in [
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
    ] {
        let link = Path::new(ROOT).join("dev").join(link);
        if !link.is_symlink() {
            symlink(target, &link)?;
        }
    }
    Ok(())
}

/// Makes the new root the root of the whole mount namespace.
///
/// An initramfs cannot be left with pivot_root. Moving the mount over it does the same as far as
/// the kernel is concerned: this is not a chroot to it, so processes may create user namespaces.
fn switch_root() -> Result<()> {
    unmount(HOST, UnmountFlags::DETACH)?;
    unmount("/dev", UnmountFlags::DETACH)?;
    move_root()?;
    // As on any machine that systemd runs.
    mount_change(
        "/",
        MountPropagationFlags::SHARED | MountPropagationFlags::REC,
    )
    .context("cannot share the mounts")
}

fn move_root() -> Result<()> {
    chdir(ROOT)?;
    mount_move(".", "/").context("cannot move the new root into place")?;
    chroot(".")?;
    Ok(chdir("/")?)
}

fn mount_new(source: &str, kind: &str, place: &Path, options: &str) -> Result<()> {
    // Some places exist on the host already, some in the file system just mounted above.
    if !place.is_dir() {
        fs::create_dir_all(place).with_context(|| format!("cannot create {}", place.display()))?;
    }
    let options = std::ffi::CString::new(options)?;
    mount(source, place, kind, MountFlags::empty(), &*options)
        .with_context(|| format!("cannot mount {source} ({kind}) at {}", place.display()))
}

fn bind(from: &Path, to: &Path) -> Result<()> {
    mount_bind(from, to)
        .with_context(|| format!("cannot bind {} to {}", from.display(), to.display()))
}

/// The absolute path `path`, taken as one below `folder`.
fn below(folder: &str, path: &Path) -> PathBuf {
    Path::new(folder).join(path.strip_prefix("/").unwrap_or(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absolute_paths_are_moved_below() {
        assert_eq!(
            below("/root", Path::new("/var/tmp")),
            Path::new("/root/var/tmp")
        );
        assert_eq!(below("/root", Path::new("/")), Path::new("/root"));
    }
}
