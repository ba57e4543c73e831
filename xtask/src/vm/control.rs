//! The host's end of the control folder that it shares with vm-init.

use std::{
    fs::{self, File},
    io::{self, Read as _, Write},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use rustix::fs::inotify;
use vm_init::{JOB_FILE, Job, STATUS_FILE, STDERR_FILE, STDOUT_FILE};

/// Where the guest's results arrive, and a descriptor that becomes readable when some do.
pub(super) struct ControlFolder {
    path: PathBuf,
    stdout: File,
    stderr: File,
    changes: OwnedFd,
}

impl ControlFolder {
    /// Makes the folder at `path` and puts the job into it.
    pub(super) fn create(path: &Path, job: &Job) -> Result<Self> {
        fs::create_dir(path).with_context(|| format!("cannot create {}", path.display()))?;
        fs::write(path.join(JOB_FILE), serde_json::to_vec(job)?)?;
        let create = |name| {
            let mut options = File::options();
            options.read(true).write(true).create_new(true);
            options.open(path.join(name))
        };
        let (stdout, stderr) = (create(STDOUT_FILE)?, create(STDERR_FILE)?);
        let changes =
            inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK)?;
        let wanted = inotify::WatchFlags::MODIFY | inotify::WatchFlags::MOVED_TO;
        inotify::add_watch(&changes, path, wanted)?;
        Ok(Self {
            path: path.to_owned(),
            stdout,
            stderr,
            changes,
        })
    }

    /// Passes on what the command has written since the last time.
    pub(super) fn forward(
        &mut self,
        stdout: &mut dyn Write,
        stderr: &mut dyn Write,
    ) -> io::Result<()> {
        self.forget_changes()?;
        copy_rest(&mut self.stdout, stdout)?;
        copy_rest(&mut self.stderr, stderr)
    }

    /// The command's exit status, once it has ended; everything that it wrote is there then.
    pub(super) fn status(&self) -> Result<Option<u8>> {
        match fs::read_to_string(self.path.join(STATUS_FILE)) {
            Ok(text) => Ok(Some(text.parse().with_context(|| {
                format!("the guest reported the exit status {text:?}")
            })?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Makes the descriptor unreadable until something changes again.
    fn forget_changes(&self) -> io::Result<()> {
        let mut buffer = [0; 4096];
        loop {
            match rustix::io::read(&self.changes, &mut buffer) {
                Ok(_) => {}
                Err(rustix::io::Errno::AGAIN) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl AsFd for ControlFolder {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.changes.as_fd()
    }
}

/// Copies from where the last call stopped to the present end.
fn copy_rest(from: &mut File, to: &mut dyn Write) -> io::Result<()> {
    let mut buffer = [0; 64 * 1024];
    let mut copied = false;
    loop {
        let count = from.read(&mut buffer)?;
        if count == 0 {
            break;
        }
        to.write_all(&buffer[..count])?;
        copied = true;
    }
    if copied { to.flush() } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_is_passed_on_as_it_comes() {
        let job = Job {
            system: None,
            host_name: "vm".to_owned(),
            visible: Vec::new(),
            shares: Vec::new(),
            command: vec!["true".into()],
            environment: Vec::new(),
            working_folder: "/".into(),
        };
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("control");
        let mut control = ControlFolder::create(&path, &job).unwrap();
        let guest = |name, bytes: &[u8]| {
            let mut file = File::options().append(true).open(path.join(name)).unwrap();
            file.write_all(bytes).unwrap();
        };
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());

        guest(STDOUT_FILE, b"one\0");
        guest(STDERR_FILE, &[0xff]);
        control.forward(&mut stdout, &mut stderr).unwrap();
        assert_eq!((&stdout[..], &stderr[..]), (&b"one\0"[..], &[0xff][..]));

        guest(STDOUT_FILE, b"two");
        control.forward(&mut stdout, &mut stderr).unwrap();
        assert_eq!((&stdout[..], &stderr[..]), (&b"one\0two"[..], &[0xff][..]));

        assert_eq!(control.status().unwrap(), None);
        fs::write(path.join(STATUS_FILE), "17").unwrap();
        assert_eq!(control.status().unwrap(), Some(17));
    }
}
