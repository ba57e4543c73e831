//! A running `nslife daemon`, and what it answers.

use std::{
    fs::{self, File, Permissions},
    os::unix::{fs::PermissionsExt as _, net::UnixDatagram},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::{
    PATIENCE,
    metrics::{Metrics, Series},
    nslife::{List, Nslife},
    process::{end_of, kill, poll_until, terminate},
    world::SCRATCH,
};

/// How long it may take to be ready.
const START: Duration = Duration::from_secs(120);

/// A daemon.
#[derive(Debug)]
pub(crate) struct Daemon {
    /// Where it listens.
    pub(crate) address: String,
    /// Where it answers who asks it, unless it was told otherwise.
    pub(crate) socket: String,
    /// Its log.
    pub(crate) log: PathBuf,
    /// Where it says how it is.
    notices: UnixDatagram,
    process: Child,
}

/// What it answers to a request.
#[derive(Clone, Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) content_type: String,
    pub(crate) body: String,
}

impl Daemon {
    /// Starts it on a port of the loopback device and waits until it says to be ready, in the way
    /// that systemd wants to hear it. Its log goes to a file in the folder.
    pub(crate) fn start(nslife: &Nslife, results: &Path, port: u16) -> Result<Self> {
        Self::launch(nslife, results, port)?.ready()
    }

    /// As [`Self::start`], with this for its control socket.
    pub(crate) fn start_with(
        nslife: &Nslife,
        results: &Path,
        port: u16,
        control: &[&str],
    ) -> Result<Self> {
        Self::launch_with(nslife, results, port, control)?.ready()
    }

    /// As [`Self::start`], with these options besides.
    pub(crate) fn start_tuned(
        nslife: &Nslife,
        results: &Path,
        port: u16,
        options: &[&str],
    ) -> Result<Self> {
        let socket = socket_of(port);
        let arguments = [&["--control-socket", &socket], options].concat();
        Self::launch_with(nslife, results, port, &arguments)?.ready()
    }

    fn ready(mut self) -> Result<Self> {
        self.wait_until_it_says("READY=1")
            .with_context(|| self.log().unwrap_or_default())?;
        Ok(self)
    }

    /// As [`Self::start`], but waits for nothing. Its control socket is its own: nobody who asks
    /// in the usual place gets an answer, so `nslife list` looks for itself.
    pub(crate) fn launch(nslife: &Nslife, results: &Path, port: u16) -> Result<Self> {
        Self::launch_with(
            nslife,
            results,
            port,
            &["--control-socket", &socket_of(port)],
        )
    }

    /// As [`Self::start`], with this program and its arguments to run it, and this for its control
    /// socket.
    pub(crate) fn start_through(
        nslife: &Nslife,
        results: &Path,
        port: u16,
        wrapper: &[&str],
        socket: &str,
    ) -> Result<Self> {
        let (program, arguments) = wrapper.split_first().context("nothing to run it with")?;
        let mut command = Command::new(program);
        command.args(arguments).arg(nslife.path()?);
        let mut daemon = Self::spawn(
            nslife,
            results,
            port,
            command,
            &["--control-socket", socket],
        )?
        .ready()?;
        socket.clone_into(&mut daemon.socket);
        Ok(daemon)
    }

    fn launch_with(nslife: &Nslife, results: &Path, port: u16, control: &[&str]) -> Result<Self> {
        Self::spawn(nslife, results, port, nslife.command(&[]), control)
    }

    /// As [`Self::start`], with a service manager that gives up after so long without a sign.
    pub(crate) fn start_watched(
        nslife: &Nslife,
        results: &Path,
        port: u16,
        patience: Duration,
    ) -> Result<Self> {
        let mut command = nslife.command(&[]);
        command.env("WATCHDOG_USEC", patience.as_micros().to_string());
        let socket = socket_of(port);
        Self::spawn(
            nslife,
            results,
            port,
            command,
            &["--control-socket", &socket],
        )?
        .ready()
    }

    /// How many signs of life it gives in this time from now on.
    pub(crate) fn signs_of_life(&self, time: Duration) -> Result<usize> {
        let mut message = [0; 4096];
        // What it said before says nothing.
        self.notices.set_nonblocking(true)?;
        while self.notices.recv(&mut message).is_ok() {}
        self.notices.set_nonblocking(false)?;
        let deadline = Instant::now() + time;
        let mut signs = 0;
        while Instant::now() < deadline {
            if let Ok(length) = self.notices.recv(&mut message) {
                let text = String::from_utf8_lossy(&message[..length]);
                signs += text.lines().filter(|line| *line == "WATCHDOG=1").count();
            }
        }
        Ok(signs)
    }

    /// Runs it with this command line, which `daemon` and all else is added to.
    fn spawn(
        nslife: &Nslife,
        results: &Path,
        port: u16,
        mut command: Command,
        control: &[&str],
    ) -> Result<Self> {
        let socket_path = format!("{SCRATCH}/notify-{port}");
        // Nobody has it from an earlier one, most of the time.
        let _ = fs::remove_file(&socket_path);
        let notices = UnixDatagram::bind(&socket_path).context("cannot listen to the daemon")?;
        // It may run as anybody.
        fs::set_permissions(&socket_path, Permissions::from_mode(0o777))?;
        notices.set_read_timeout(Some(Duration::from_millis(500)))?;
        let address = format!("127.0.0.1:{port}");
        let log = results.join(format!("daemon-{port}.log"));
        let process = command
            .args(["daemon", "--web.listen-address", &address])
            .args(control)
            .stdin(Stdio::null())
            .env("NOTIFY_SOCKET", &socket_path)
            .stderr(File::create(&log).context("cannot create the daemon's log")?)
            .spawn()
            .context("cannot start nslife daemon")?;
        nslife.started(&process);
        Ok(Self {
            address,
            socket: socket_of(port),
            log,
            notices,
            process,
        })
    }

    /// What it answers to `nslife list`.
    pub(crate) fn list(&self, nslife: &Nslife, more: &[&str]) -> Result<List> {
        let whom = ["--from", "daemon", "--control-socket", &self.socket];
        nslife.list_from(&[&whom[..], more].concat())
    }

    /// What it has logged.
    pub(crate) fn log(&self) -> Result<String> {
        fs::read_to_string(&self.log).context("cannot read the daemon's log")
    }

    /// Whether it says to be ready to whoever asks.
    pub(crate) fn is_ready(&self) -> bool {
        self.get("/readyz").is_ok_and(|page| page.status == 200)
    }

    fn wait_until_it_says(&mut self, word: &str) -> Result<()> {
        let deadline = Instant::now() + START;
        let mut message = [0; 4096];
        while Instant::now() < deadline {
            if let Ok(length) = self.notices.recv(&mut message) {
                let text = String::from_utf8_lossy(&message[..length]);
                if text.lines().any(|line| line == word) {
                    return Ok(());
                }
            } else if let Some(status) = self.process.try_wait()? {
                bail!("nslife daemon ended with {status} and never said {word}");
            }
        }
        bail!(
            "nslife daemon has not said {word} after {} s",
            START.as_secs()
        )
    }

    /// Asks for a page.
    pub(crate) fn get(&self, path: &str) -> Result<Response> {
        get(&format!("http://{}{path}", self.address))
    }

    /// Scrapes it.
    pub(crate) fn scrape(&self) -> Result<Metrics> {
        Metrics::parse(&self.get("/metrics")?.body)
    }

    /// Scrapes it until the value of a series fits.
    pub(crate) fn wait_for(
        &self,
        series: &Series,
        expected: &str,
        fits: impl Fn(f64) -> bool,
    ) -> Result<Metrics> {
        let mut last = f64::NAN;
        let found = poll_until(PATIENCE, || {
            let metrics = self.scrape()?;
            last = metrics.get(series)?;
            Ok(fits(last).then_some(metrics))
        })?;
        found.with_context(|| format!("{series}: expected {expected}, saw {last} in the end"))
    }

    /// Ends it at once.
    pub(crate) fn kill(&self) -> Result<()> {
        kill(&self.process)
    }

    /// Holds it up, or lets it go on.
    pub(crate) fn signal(&self, signal: Signal) -> Result<()> {
        kill_process(Pid::from_child(&self.process), signal)
            .with_context(|| format!("cannot send {signal:?} to the daemon"))
    }

    /// Its number.
    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// How much memory it has that stands for no file, bytes: what it allocated.
    pub(crate) fn anonymous_memory(&self) -> Result<u64> {
        let path = format!("/proc/{}/status", self.pid());
        let status = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
        let field = status
            .lines()
            .find_map(|line| line.strip_prefix("RssAnon:")?.strip_suffix("kB"))
            .with_context(|| format!("{path} has no RssAnon in kB"))?;
        Ok(field.trim().parse::<u64>()? * 1024)
    }

    /// Asks it to stop, and waits until it has said so and has done so.
    pub(crate) fn stop(mut self) -> Result<ExitStatus> {
        terminate(&self.process)?;
        self.wait_until_it_says("STOPPING=1")?;
        end_of(&mut self.process, PATIENCE)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The control socket of a daemon at this port.
pub(crate) fn socket_of(port: u16) -> String {
    format!("{SCRATCH}/control-{port}.sock")
}

/// Asks for a page, whatever its status.
pub(crate) fn get(url: &str) -> Result<Response> {
    // Not one time limit for all of it: that takes a thread, which would be one more task to count.
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_connect(Some(PATIENCE))
        .timeout_recv_response(Some(PATIENCE))
        .timeout_recv_body(Some(PATIENCE))
        .http_status_as_error(false)
        .proxy(None)
        .build()
        .into();
    let mut response = agent.get(url).call().with_context(|| url.to_owned())?;
    let content_type = response.headers().get("content-type");
    Ok(Response {
        status: response.status().as_u16(),
        content_type: content_type
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
            .to_owned(),
        body: response.body_mut().read_to_string()?,
    })
}
