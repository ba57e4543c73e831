//! `nslife daemon`, as it runs on a system that is watched.

use std::{
    fs::{self, File},
    os::unix::net::UnixDatagram,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};

const ADDRESS: &str = "127.0.0.1:19619";
const SOCKET: &str = "/tmp/nslife-bench.sock";
const NOTICES: &str = "/tmp/nslife-bench.notices";
const LOG: &str = "/tmp/nslife-bench.log";

/// How often a daemon takes over the counters of its kernel programs, and some more.
const TOTALS: Duration = Duration::from_millis(2500);

/// How long it remembers what is gone, and a little.
const FORGETTING: Duration = Duration::from_secs(65);

/// A daemon that is ready.
pub(crate) struct Daemon {
    nslife: PathBuf,
    process: Child,
    /// Where it says how it is, until its end.
    _notices: UnixDatagram,
}

impl Daemon {
    /// Starts it and waits until it says to be ready.
    pub(crate) fn start(nslife: &Path) -> Result<Self> {
        Self::start_with(nslife, "warn", Stdio::inherit())
    }

    /// As [`Self::start`], with all that it logs in a file.
    pub(crate) fn start_logged(nslife: &Path) -> Result<Self> {
        Self::start_with(nslife, "debug", File::create(LOG)?.into())
    }

    fn start_with(nslife: &Path, level: &str, log: Stdio) -> Result<Self> {
        // Of an earlier one, if there was any.
        let _ = fs::remove_file(NOTICES);
        let notices = UnixDatagram::bind(NOTICES)?;
        notices.set_read_timeout(Some(Duration::from_secs(1)))?;
        let mut process = Command::new(nslife)
            .args(["daemon", "--log.level", level])
            .stderr(log)
            .args(["--web.listen-address", ADDRESS])
            .args(["--control-socket", SOCKET])
            .env("NOTIFY_SOCKET", NOTICES)
            .spawn()
            .with_context(|| format!("cannot run {}", nslife.display()))?;
        let mut message = [0; 4096];
        loop {
            // No limit: the clock runs ahead while files are read. Whoever started the machine
            // has one.
            if let Ok(length) = notices.recv(&mut message) {
                let text = String::from_utf8_lossy(&message[..length]);
                if text.lines().any(|line| line == "READY=1") {
                    return Ok(Self {
                        nslife: nslife.to_owned(),
                        process,
                        _notices: notices,
                    });
                }
            } else if let Some(status) = process.try_wait()? {
                bail!("nslife daemon ended with {status} and was never ready");
            }
        }
    }

    /// What [`Self::start_logged`] has it log.
    pub(crate) fn log(&self) -> Result<String> {
        fs::read_to_string(LOG).context("cannot read the daemon's log")
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Instructions that it has executed, the kernel's on its behalf included.
    pub(crate) fn spent(&self) -> Result<u64> {
        crate::process::spent(self.pid())
    }

    /// Lets it forget what is gone, and has it audit, as it does by itself every five minutes: then
    /// it gives back the memory that it does not use.
    pub(crate) fn calm_down(&self) -> Result<()> {
        crate::clock::pause(FORGETTING);
        let output = Command::new(&self.nslife)
            .args(["audit", "--from", "daemon", "--control-socket", SOCKET])
            .output()
            .context("cannot run nslife audit")?;
        ensure!(
            output.status.success(),
            "nslife audit ended with {}: {}",
            output.status,
            String::from_utf8_lossy(&output.stdout)
        );
        Ok(())
    }

    /// The value of a metric without labels, with all that has happened up to now.
    pub(crate) fn metric(&self, name: &str) -> Result<f64> {
        crate::clock::pause(TOTALS);
        let text = self.scrape()?;
        let value = text.lines().find_map(|line| {
            let (key, value) = line.rsplit_once(' ')?;
            (key == name).then(|| value.parse().ok())?
        });
        value.with_context(|| format!("nslife has no metric {name}"))
    }

    /// What it answers to a scrape.
    pub(crate) fn scrape(&self) -> Result<String> {
        ureq::get(format!("http://{ADDRESS}/metrics"))
            .call()
            .context("cannot scrape nslife")?
            .body_mut()
            .read_to_string()
            .context("cannot read what nslife answers")
    }

    /// Ends it.
    pub(crate) fn stop(mut self) -> Result<()> {
        kill_process(Pid::from_child(&self.process), Signal::TERM)?;
        let status = self.process.wait()?;
        ensure!(status.success(), "nslife daemon ended with {status}");
        Ok(())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Already gone, if all went well.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
