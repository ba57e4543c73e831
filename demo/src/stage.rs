//! The trace and the daemon that watch, and the page that both appear on.

use std::{
    ffi::OsStr,
    io::{BufRead as _, BufReader, IsTerminal as _},
    net::TcpListener,
    process::{Child, ChildStderr, ChildStdout, Command, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use anstyle::{AnsiColor, Style};
use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

/// The trace is taken to have said everything after this much silence.
const SILENCE: Duration = Duration::from_millis(1200);
/// It is not waited for longer than this.
const PATIENCE: Duration = Duration::from_secs(15);
/// Loading the kernel programs takes a while on a slow machine.
const START: Duration = Duration::from_secs(90);

const HEADING: Style = AnsiColor::Cyan.on_default().bold();
const REMARK: Style = AnsiColor::Yellow.on_default();

/// What is running, and how to hear from it.
pub(crate) struct Stage {
    nslife: std::ffi::OsString,
    daemon: Child,
    address: String,
    trace: Child,
    lines: Receiver<String>,
}

impl Stage {
    /// Starts a daemon and a trace of the whole system.
    pub(crate) fn open(nslife: &OsStr) -> Result<Self> {
        let address = free_address()?;
        banner(&format!("$ nslife daemon --web.listen-address {address} &"));
        let daemon = Command::new(nslife)
            .args(["daemon", "--log.level", "warn"])
            .args(["--web.listen-address", &address])
            .spawn()?;
        banner("$ nslife trace &");
        let mut trace = Command::new(nslife);
        trace
            .args(["trace", "--event"])
            .arg("created,activated,deactivated,resurrected,destroyed,freed,switched,lost")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if std::io::stdout().is_terminal() {
            // It writes to a pipe, but a terminal shows it.
            trace.env("CLICOLOR_FORCE", "1");
        }
        let mut trace = trace.spawn()?;
        let stdout = trace.stdout.take().context("its output is piped")?;
        let stderr = trace.stderr.take().context("its errors are piped")?;
        let mut stage = Self {
            nslife: nslife.to_owned(),
            daemon,
            address,
            trace,
            lines: listen(stdout, stderr),
        };
        stage.wait_until_ready()?;
        Ok(stage)
    }

    /// Waits for the daemon's word, then for a namespace to show up in the
    /// trace.
    fn wait_until_ready(&mut self) -> Result<()> {
        let deadline = Instant::now() + START;
        while ureq::get(format!("http://{}/readyz", self.address))
            .call()
            .is_err()
        {
            self.check_alive()?;
            if Instant::now() > deadline {
                bail!("the daemon was not ready after {} s", START.as_secs());
            }
            thread::sleep(Duration::from_millis(100));
        }
        // The trace has no readiness to ask for: knock until it answers.
        loop {
            let status = Command::new("unshare").args(["--ipc", "true"]).status();
            status.context("cannot run unshare")?;
            match self.lines.recv_timeout(SILENCE) {
                Ok(_) => break,
                Err(RecvTimeoutError::Timeout) if Instant::now() < deadline => {
                    self.check_alive()?;
                }
                Err(_) => bail!("the trace showed nothing after {} s", START.as_secs()),
            }
        }
        while self.lines.recv_timeout(SILENCE).is_ok() {}
        Ok(())
    }

    fn check_alive(&mut self) -> Result<()> {
        for (name, child) in [("daemon", &mut self.daemon), ("trace", &mut self.trace)] {
            if let Some(status) = child.try_wait()? {
                bail!("nslife {name} ended: {status}");
            }
        }
        Ok(())
    }

    /// Tells the audience what comes.
    pub(crate) fn heading(&self, title: &str) {
        anstream::println!("\n{HEADING}# {title}{HEADING:#}");
    }

    /// Tells the audience what was seen.
    pub(crate) fn remark(&self, text: &str) {
        anstream::println!("{REMARK}  {text}{REMARK:#}");
    }

    /// Shows what the trace says until it falls silent.
    pub(crate) fn settle(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            match self.lines.recv_timeout(SILENCE) {
                Ok(line) => anstream::println!("{line}"),
                Err(_) => break,
            }
        }
    }

    /// Runs `nslife list`.
    pub(crate) fn show_list(&self) -> Result<()> {
        banner("$ nslife list");
        let status = Command::new(&self.nslife).arg("list").status()?;
        if !status.success() {
            bail!("nslife list failed: {status}");
        }
        Ok(())
    }

    /// Scrapes the daemon and shows what has moved.
    pub(crate) fn show_metrics(&self) -> Result<()> {
        let url = format!("http://{}/metrics", self.address);
        banner(&format!("$ curl -s {url} | grep ^nslife_ | grep -v ' 0$'"));
        let text = ureq::get(&url)
            .call()
            .with_context(|| format!("cannot scrape {url}"))?
            .body_mut()
            .read_to_string()?;
        for line in text.lines() {
            if line.starts_with("nslife_")
                && !line.ends_with(" 0")
                && !line.starts_with("nslife_hook")
            {
                anstream::println!("{line}");
            }
        }
        Ok(())
    }

    /// Ends the trace and the daemon as an operator would.
    pub(crate) fn close(mut self) -> Result<()> {
        for (name, child, signal) in [
            ("trace", &mut self.trace, Signal::INT),
            ("daemon", &mut self.daemon, Signal::TERM),
        ] {
            kill_process(Pid::from_child(child), signal)?;
            let status = child.wait()?;
            if !status.success() {
                bail!("nslife {name} did not end well: {status}");
            }
        }
        Ok(())
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        for child in [&mut self.trace, &mut self.daemon] {
            // Already gone, if all went well.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn banner(text: &str) {
    anstream::println!("{REMARK}{text}{REMARK:#}");
}

/// An address that nobody listens on.
fn free_address() -> Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").context("cannot listen on 127.0.0.1")?;
    Ok(listener.local_addr()?.to_string())
}

/// Reads both outputs of the trace as lines; its complaints go on to ours.
fn listen(stdout: ChildStdout, stderr: ChildStderr) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            anstream::eprintln!("{line}");
        }
    });
    receiver
}
