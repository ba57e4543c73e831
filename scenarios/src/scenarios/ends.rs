//! The ends of tasks, for a trace that asks for them.

use std::{
    fs, io,
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tracer_common::kind::NsKind::Pid;

use crate::{
    expect::same,
    puppet::Puppet,
    trace::{
        Task,
        ends::{End, Ends, Exited, HandedOver, Reaped},
    },
    world::World,
};

/// How long a zombie is left alone.
const LEFT_ALONE: Duration = Duration::from_millis(400);

/// Within a pid namespace whose parent is gone belongs to the init of that.
pub(super) fn orphan_goes_to_init(world: &World) -> Result<()> {
    let ends = world.ends()?;
    let outside = Puppet::start("outside")?;
    let init = outside.clone_into("init-inside", &[Pid])?;
    adoption(&ends, &init)?;

    // Init takes everybody with it, and hands nobody over. The kernel has it ignore its children
    // meanwhile, so that they need nobody to reap them.
    let left = init.clone_into("left", &[])?;
    init.exit()?;
    let (exited, reaped) = ends.whole(&left.task())?;
    hands_over(&exited, &[])?;
    by(&reaped, None, &init.task(), None)?;
    outside.reap_child(&init)?;
    let (exited, reaped) = ends.whole(&init.task())?;
    hands_over(&exited, &[])?;
    by(&reaped, Some(&outside.task()), &outside.task(), None)?;
    outside.end()
}

/// Elsewhere it belongs to the nearest subreaper.
pub(super) fn orphan_goes_to_subreaper(world: &World) -> Result<()> {
    let ends = world.ends()?;
    let subreaper = Puppet::start("subreaper")?;
    subreaper.be_subreaper()?;
    adoption(&ends, &subreaper)?;
    subreaper.end()
}

/// A child's child becomes this one's, and is reaped by it.
fn adoption(ends: &Ends, adopter: &Puppet) -> Result<()> {
    let parent = adopter.clone_into("parent", &[])?;
    let orphans = [
        parent.clone_into("orphan", &[])?,
        parent.clone_into("brother", &[])?,
    ];
    parent.exit()?;
    adopter.reap_child(&parent)?;
    let (exited, reaped) = ends.whole(&parent.task())?;
    let own = |orphan: &Puppet| HandedOver {
        task: orphan.task(),
        parent: adopter.task(),
    };
    hands_over(&exited, &[own(&orphans[0]), own(&orphans[1])])?;
    by(&reaped, Some(&adopter.task()), &adopter.task(), None)?;

    for orphan in &orphans {
        orphan.exit()?;
        adopter.reap_child(orphan)?;
        let (exited, reaped) = ends.whole(&orphan.task())?;
        hands_over(&exited, &[])?;
        let (now, before) = (adopter.task(), parent.task());
        by(&reaped, Some(&now), &now, Some(&before))?;
    }
    Ok(())
}

/// Between exit and reaping there is as much time as the parent takes; and none if nobody waits.
pub(super) fn exit_and_reaping(world: &World) -> Result<()> {
    let ends = world.ends()?;
    let parent = Puppet::start("parent")?;

    let zombie = parent.clone_into("zombie", &[])?;
    zombie.exit()?;
    thread::sleep(LEFT_ALONE);
    parent.reap_child(&zombie)?;
    let (exited, reaped) = ends.whole(&zombie.task())?;
    by(&reaped, Some(&parent.task()), &parent.task(), None)?;
    let waited = reaped.ts.duration_since(exited.handed_over_at);
    // The exit may have taken a part of the time.
    ensure!(
        waited.unsigned_abs() >= LEFT_ALONE / 2,
        "expected that it waits for {LEFT_ALONE:?}, saw {exited:?}, {reaped:?}"
    );

    let thread = parent.thread("thread")?;
    thread.exit_thread()?;
    let (_, reaped) = ends.whole(&thread.task())?;
    same("who reaped a thread", None, reaped.by.as_ref())?;
    ensure!(reaped.itself, "expected itself, saw {reaped:?}");

    parent.ignore_children()?;
    let ignored = parent.clone_into("ignored", &[])?;
    ignored.exit()?;
    let (_, reaped) = ends.whole(&ignored.task())?;
    by(&reaped, None, &parent.task(), None)?;
    parent.end()
}

/// Fails unless a task handed these over, and none else, after it had dropped its nsproxy.
fn hands_over(exited: &Exited, expected: &[HandedOver]) -> Result<()> {
    let sorted = |children: &[HandedOver]| {
        let mut children = children.to_vec();
        children.sort_by_key(|child| child.task.pid);
        children
    };
    let (expected, seen) = (sorted(expected), sorted(&exited.children));
    ensure!(
        seen == expected,
        "expected that {} hands {expected:?} over, saw {exited:?}",
        exited.task
    );
    same("children beyond these", 0, exited.children_more)?;
    let dropped_at = exited.nsproxy_dropped_at.context("it dropped no nsproxy")?;
    ensure!(
        dropped_at <= exited.handed_over_at,
        "expected the nsproxy to go first, saw {exited:?}"
    );
    Ok(())
}

/// Fails unless a task was reaped like that, after it had dropped its nsproxy.
fn by(reaped: &Reaped, by: Option<&Task>, parent: &Task, original: Option<&Task>) -> Result<()> {
    let task = &reaped.task;
    same(&format!("who reaped {task}"), by, reaped.by.as_ref())?;
    same(
        &format!("whether {task} did so itself"),
        by.is_none(),
        reaped.itself,
    )?;
    same(
        &format!("the parent of {task}"),
        Some(parent),
        reaped.parent.as_ref(),
    )?;
    same(
        &format!("the original parent of {task}"),
        original,
        reaped.original_parent.as_ref(),
    )?;
    let dropped_at = reaped.nsproxy_dropped_at.context("it dropped no nsproxy")?;
    ensure!(
        dropped_at <= reaped.ts,
        "expected it to exit first, saw {reaped:?}"
    );
    Ok(())
}

/// Of a command and its descendants all ends are told, of nobody else any.
pub(super) fn ends_of_a_command(world: &World) -> Result<()> {
    let arguments = [
        &["trace", "--output", "json", "--linger", "30s"][..],
        &["--event", "exited,reaped", "--"],
        &["unshare", "--uts", "--fork", "true"],
    ];
    let ran = beside_others(|| world.nslife.run(&arguments.concat()))?;
    ensure!(ran.code == Some(0), "{ran}");
    let mut seen = Vec::new();
    for line in ran.stdout.lines() {
        world.nslife.remember("trace", line);
        seen.push(match End::parse(line)? {
            End::Exited(exited) => format!("{} exited", exited.task.comm),
            End::Reaped(reaped) => {
                let by = reaped.by.map_or("itself".to_owned(), |by| by.comm);
                format!("{} reaped by {by}", reaped.task.comm)
            }
        });
    }
    let expected = [
        "true exited",
        "true reaped by unshare",
        "unshare exited",
        "unshare reaped by nslife",
    ];
    same(
        "lines",
        expected.to_vec(),
        seen.iter().map(String::as_str).collect(),
    )
}

/// Does something while others come and go.
fn beside_others<T>(act: impl FnOnce() -> Result<T>) -> Result<T> {
    let enough = AtomicBool::new(false);
    thread::scope(|scope| {
        let others = scope.spawn(|| -> io::Result<()> {
            while !enough.load(Ordering::Relaxed) {
                Command::new("true").status()?;
            }
            Ok(())
        });
        let result = act();
        enough.store(true, Ordering::Relaxed);
        match others.join() {
            Ok(others) => others?,
            Err(panic) => std::panic::resume_unwind(panic),
        }
        result
    })
}

/// Who does not ask for them has no programs loaded or attached that see them, no maps worth
/// mentioning, and is told nothing.
pub(super) fn task_events_are_free_of_cost(world: &World) -> Result<()> {
    let doctor = world.doctor()?;
    let hooks = doctor["hooks"].as_array().context("no hooks")?;
    let attached = hooks.iter().filter(|hook| hook["state"] == "attached");
    let own = |hook: &&Value| {
        hook["name"]
            .as_str()
            .is_some_and(|name| name.starts_with("exit_"))
    };
    same("hooks of this kind", 3, hooks.iter().filter(own).count())?;

    // Each is attached twice, but for those that the picture does not rest on.
    let links = attached
        .map(|hook| match hook["name"].as_str() {
            Some("task_new" | "task_exit") => 1,
            Some(name) if name.starts_with("making_") => 1,
            _ => 2,
        })
        .sum();
    let plain = Held::by(world.trace.pid())?;
    same("links of a trace that does not ask", links, plain.links)?;
    same("large maps of its own", 0, plain.large_lru_maps)?;
    let ends = world.ends()?;
    let asking = Held::by(ends.pid())?;
    same("links of one that asks", plain.links + 6, asking.links)?;
    same("programs", plain.programs + 6, asking.programs)?;
    same("large maps", 3, asking.large_lru_maps)?;
    drop(ends);
    world.close_ends()?;

    let told = world.trace.log.look(0, |lines| {
        let is_end = |line: &str| End::parse(line).is_ok();
        lines.iter().filter(|line| is_end(&line.text)).count()
    });
    same("ends of tasks that were told all the same", 0, told)
}

/// What a process holds in the kernel.
#[derive(Debug, Default)]
struct Held {
    programs: usize,
    links: usize,
    /// Maps that forget what was least recently used, of a size that is worth mentioning and that
    /// no other map of nslife's has.
    large_lru_maps: usize,
}

impl Held {
    /// As the kernel shows it beside each descriptor.
    fn by(pid: u32) -> Result<Self> {
        /// `BPF_MAP_TYPE_LRU_HASH`
        const LRU_HASH: &str = "9";
        /// What the ends of tasks need.
        const SIZES: [&str; 3] = ["4096", "65536", "16384"];

        let mut held = Self::default();
        for entry in fs::read_dir(format!("/proc/{pid}/fdinfo"))? {
            let text = match fs::read_to_string(entry?.path()) {
                Ok(text) => text,
                // Closed meanwhile: something to read, and no program, map or link.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error.into()),
            };
            let field = |name: &str| {
                let value = |line: &str| Some(line.strip_prefix(name)?.trim().to_owned());
                text.lines().find_map(value)
            };
            if field("link_id:").is_some() {
                held.links += 1;
            } else if field("prog_id:").is_some() {
                held.programs += 1;
            } else if field("map_type:").as_deref() == Some(LRU_HASH) {
                let size = field("max_entries:").context("a map without a size")?;
                let key = field("key_size:").context("a map without a key")?;
                let value = field("value_size:").context("a map without a value")?;
                // The map of what a walk has written is as large, and has two words for a value.
                let walked = key == "8" && value == "16";
                held.large_lru_maps += usize::from(SIZES.contains(&size.as_str()) && !walked);
            }
        }
        Ok(held)
    }
}
