//! `/api/v1` of a daemon that listens on a socket of this system.

use std::{
    collections::BTreeSet,
    fs::File,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    os::unix::net::UnixStream,
    process::Stdio,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tracer_common::kind::NsKind::Uts;

use crate::{
    PATIENCE,
    expect::same,
    nslife::List,
    process::{end_of, poll_until, terminate},
    puppet::Puppet,
    schema::Schema,
    world::{SCRATCH, World},
};

/// How long it may take to be ready.
const START: Duration = Duration::from_secs(120);

/// Who may open the socket is told what `nslife list` and `nslife trace` say, in their words.
pub(super) fn api_on_a_socket(world: &World) -> Result<()> {
    let socket = format!("{SCRATCH}/web.sock");
    let address = format!("unix://{socket}");
    let log = world.results.join("api_on_a_socket.log");
    let mut process = world
        .nslife
        .command(&[
            "daemon",
            "--no-control-socket",
            "--web.listen-address",
            &address,
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(File::create(&log).with_context(|| log.display().to_string())?)
        .spawn()?;
    world.nslife.started(&process);
    let ready = poll_until(START, || Ok(ask(&socket, "/readyz").ok()))?;
    ready.context("the daemon did not get ready")?;

    let mut text = String::new();
    ask(&socket, "/api/v1/namespaces")?.read_to_string(&mut text)?;
    Schema::named("list")?.check(&text)?;
    let told: List = serde_json::from_str(&text)?;
    let seen = world.nslife.list_from(&["--from", "walk"])?;
    let inums =
        |list: &List| -> BTreeSet<u32> { list.namespaces.iter().map(|ns| ns.inum).collect() };
    same("the namespaces", inums(&seen), inums(&told))?;

    let mut events = ask(&socket, "/api/v1/events")?;
    let talked_about = Puppet::start("talked-about")?;
    talked_about.unshare(&[Uts])?;
    let schema = Schema::named("trace")?;
    let mut name = String::new();
    loop {
        let mut line = String::new();
        ensure!(events.read_line(&mut line)? > 0, "the events ended");
        if let Some(event) = line.strip_prefix("event: ") {
            event.trim_end().clone_into(&mut name);
        } else if let Some(data) = line.strip_prefix("data: ") {
            schema.check(data)?;
            let said: Value = serde_json::from_str(data)?;
            same(
                "the name of an event",
                Some(name.as_str()),
                said["event"].as_str(),
            )?;
            if said["event"] == "created" && said["actor"]["pid"] == talked_about.pid {
                break;
            }
        }
    }
    talked_about.end()?;

    terminate(&process)?;
    let status = end_of(&mut process, PATIENCE)?;
    same("the exit status after SIGTERM", Some(0), status.code())?;
    events
        .read_to_string(&mut text)
        .context("the events do not end")?;
    Ok(())
}

/// Asks for a page; what comes after the head is still to be read.
fn ask(socket: &str, path: &str) -> Result<BufReader<UnixStream>> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    // Whoever speaks 1.0 is sent no chunks.
    write!(stream, "GET {path} HTTP/1.0\r\n\r\n")?;
    let mut answer = BufReader::new(stream);
    let mut status = String::new();
    answer.read_line(&mut status)?;
    ensure!(status.contains(" 200 "), "{path}: {status}");
    let mut line = String::new();
    while line != "\r\n" {
        line.clear();
        ensure!(
            answer.read_line(&mut line)? > 0,
            "{path}: the head has no end"
        );
    }
    Ok(answer)
}
