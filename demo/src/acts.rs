//! What happens in the demonstration, one thing after the other.

use std::{
    fs::File,
    net::UdpSocket,
    os::fd::AsFd as _,
    process::{Child, Command, Stdio},
    thread,
};

use anyhow::{Context as _, Result, anyhow, ensure};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::stage::Stage;

/// One thing that happens.
pub(crate) struct Act {
    /// What the audience is told.
    pub(crate) title: &'static str,
    /// Makes it happen.
    pub(crate) play: fn(&mut Stage) -> Result<()>,
}

/// The programme.
pub(crate) const ALL: &[Act] = &[
    Act {
        title: "A process in a UTS namespace of its own: unshare --uts true",
        play: |_| run("unshare", &["--uts", "true"]),
    },
    Act {
        title: "A named network namespace, entered and deleted: ip netns add, exec, delete",
        play: |stage| {
            run("ip", &["netns", "add", "blue"])?;
            stage.settle();
            run("nsenter", &["--net=/run/netns/blue", "true"])?;
            stage.settle();
            run("ip", &["netns", "delete", "blue"])
        },
    },
    Act {
        title: "User namespaces, one in the other, a network namespace at the bottom: when the \
                process exits, activity goes level by level",
        play: |_| {
            let nest = ["unshare", "--user", "--map-root-user"];
            let mut words = [nest, nest, nest].concat();
            words.extend(["unshare", "--net", "true"]);
            run(words[0], &words[1..])
        },
    },
    Act {
        title: "A network namespace that no process is in, kept by an open file; then by nothing \
                but a socket; then by nothing",
        play: kept_by_a_socket,
    },
];

fn run(program: &str, arguments: &[&str]) -> Result<()> {
    let status = Command::new(program)
        .args(arguments)
        .status()
        .with_context(|| format!("cannot run {program}"))?;
    ensure!(status.success(), "{program} failed: {status}");
    Ok(())
}

/// A process that is killed when it is not needed any more.
struct Sleeper(Child);

impl Drop for Sleeper {
    fn drop(&mut self) {
        // It may be gone already; then there is nothing to do.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Opens the network namespace of a process that has one of its own.
fn open_foreign_net() -> Result<(Sleeper, File)> {
    let mut child = Command::new("unshare")
        .args(["--net", "sh", "-c", "echo ready; exec sleep 1000"])
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot run unshare")?;
    let mut ready = [0; 6];
    let stdout = child.stdout.as_mut().context("its output is piped")?;
    std::io::Read::read_exact(stdout, &mut ready).context("unshare --net failed")?;
    let path = format!("/proc/{}/ns/net", child.id());
    let sleeper = Sleeper(child);
    let file = File::open(&path).with_context(|| format!("cannot open {path}"))?;
    Ok((sleeper, file))
}

fn kept_by_a_socket(stage: &mut Stage) -> Result<()> {
    let (sleeper, file) = open_foreign_net()?;
    drop(sleeper);
    stage.settle();
    stage.remark("The process is dead, its namespace is not: this program holds a file.");

    // Only the thread that asks is moved, and the socket outlives it.
    let socket = thread::scope(|scope| {
        scope
            .spawn(|| -> Result<UdpSocket> {
                move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))
                    .context("cannot enter the namespace")?;
                UdpSocket::bind("0.0.0.0:0").context("cannot make a socket in it")
            })
            .join()
            .map_err(|_| anyhow!("the thread panicked"))?
    })?;
    stage.settle();
    drop(file);
    stage.settle();
    stage.remark("The file is closed. Nothing that lsns or /proc could show is left, but:");
    stage.show_list()?;
    drop(socket);
    stage.settle();
    stage.remark("The socket is closed.");
    Ok(())
}
