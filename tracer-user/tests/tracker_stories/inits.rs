//! Inits of pid namespaces: alive, dying, dead; who is left, who is not reaped.

use nslife::model::{Person, PidNumbers, Reaper, TaskState, WalkInit, WalkRecord};
use tracer_common::walk::PID_LEVELS;

use super::support::Walker;
use super::*;

/// `EXIT_ZOMBIE`
const ZOMBIE: u32 = 0x20;

/// With so many pids, and no more to come.
fn closed(ns: &Ns, pids: u32) -> Ns {
    let mut ns = ns.with_tasks(pids);
    ns.facts.pids_disabled = true;
    ns
}

/// Lets a walk meet an init; the last task that it met is that.
fn meet_init(walk: &mut Walker<'_>, ns: &Ns) {
    let pid = walk.walk.tasks.last().expect("a task").pid;
    let mut numbers = [0; PID_LEVELS];
    numbers[..2].copy_from_slice(&[pid, 1]);
    walk.walk.extend([WalkRecord::Init(WalkInit {
        pid_ns: ns.facts.key,
        pid,
        numbers: PidNumbers::new(numbers, 1).expect("a level"),
    })]);
}

#[test]
fn it_is_dying_from_then_until_nobody_is_left() {
    let mut kernel = World::walked(COUNTS);
    let pid = kernel.ns("pid");
    kernel.created(&pid);
    kernel.count(&pid, 3);
    assert_eq!(kernel.get(&pid).unwrap().reaper, None);
    assert_eq!(
        kernel.tell(Body::InitDying(closed(&pid, 3).facts)),
        ["init_dying of pid"]
    );
    let began = Some(kernel.now);
    let What::Init { left, took, .. } = kernel.transitions[0].what else {
        panic!("about an init");
    };
    assert_eq!((left, took), (Some(2), None), "without its own pid");
    assert_eq!(
        kernel.get(&pid).unwrap().reaper,
        Some(Reaper::Dying { began })
    );
    assert_eq!(kernel.tracker.dying(), (1, began));

    assert_eq!(
        kernel.tell(Body::InitDead(closed(&pid, 1).facts)),
        ["init_dead of pid"]
    );
    let What::Init { left, took, .. } = kernel.transitions[0].what else {
        panic!("about an init");
    };
    assert_eq!((left, took), (Some(0), Some(10_000_000)));
    assert_eq!(kernel.get(&pid).unwrap().reaper, Some(Reaper::Dead));
    assert_eq!(kernel.tracker.dying(), (0, None));
}

/// The last thread of an init need not be its leader, whose pid is there, too.
#[test]
fn two_pids_are_its_own_if_another_thread_is_the_last() {
    let mut kernel = World::walked(COUNTS);
    let pid = kernel.ns("pid");
    kernel.created(&pid);
    kernel.thread = ACTOR.tgid + 1;
    kernel.tell(Body::InitDying(closed(&pid, 3).facts));
    let What::Init { left, .. } = kernel.transitions[0].what else {
        panic!("about an init");
    };
    assert_eq!(left, Some(1));
}

#[test]
fn a_walk_finds_one_that_is_dying_and_says_who_is_left() {
    let mut kernel = World::walked(COUNTS);
    let user = kernel.ns("user");
    let outer = kernel.ns("pid");
    let mut inner = kernel.ns("pid");
    inner.facts.parent = Some(outer.facts.key);
    let nsproxy = kernel.nsproxy(&[&outer]);
    kernel.merge(|walk| {
        walk.counted(&user, 1);
        walk.counted(&closed(&outer, 3), 3);
        walk.counted(&inner, 1);
        walk.nsproxy(&nsproxy);
        walk.task(&user, &outer, &nsproxy).exiting = true;
        meet_init(walk, &outer);
        walk.task(&user, &inner, &nsproxy).state = 2;
        let tracer = 1;
        let zombie = walk.task(&user, &outer, &nsproxy);
        zombie.exit_state = ZOMBIE;
        zombie.parent = tracer;
    });
    let shown = kernel.get(&outer).unwrap();
    assert_eq!(shown.reaper, Some(Reaper::Dying { began: None }));
    assert_eq!(kernel.tracker.dying(), (1, None));
    assert_eq!(shown.zombies, Some(1));
    let people: Vec<_> = kernel.tracker.people().collect();
    let (_, people) = people.iter().find(|(id, _)| *id == shown.id).unwrap();
    assert_eq!(people.init.as_ref().unwrap().numbers, [1, 1]);
    assert_eq!(people.left_count, 2);
    let states: Vec<_> = people
        .left
        .iter()
        .map(|person: &Person| {
            (
                person.task.pid,
                person.state,
                person.waits_for.map(|t| t.pid),
            )
        })
        .collect();
    assert_eq!(
        states,
        [
            (2, TaskState::Uninterruptible, None),
            (3, TaskState::Zombie, Some(1))
        ]
    );
    assert_eq!(people.zombies.len(), 1);
}

#[test]
fn a_zombie_init_is_dead() {
    let mut kernel = World::walked(COUNTS);
    let user = kernel.ns("user");
    let pid = kernel.ns("pid");
    let nsproxy = kernel.nsproxy(&[]);
    kernel.merge(|walk| {
        walk.counted(&user, 1);
        walk.counted(&closed(&pid, 1), 1);
        walk.nsproxy(&nsproxy);
        walk.task(&user, &pid, &nsproxy).exit_state = ZOMBIE;
        meet_init(walk, &pid);
    });
    assert_eq!(kernel.get(&pid).unwrap().reaper, Some(Reaper::Dead));
}

/// Only its number is there still, as somebody's process group.
#[test]
fn an_init_that_a_walk_of_all_tasks_does_not_meet_is_dead() {
    let mut kernel = World::walked(COUNTS);
    let pid = kernel.ns("pid");
    kernel.merge(|walk| walk.counted(&closed(&pid, 1), 1));
    assert_eq!(kernel.get(&pid).unwrap().reaper, Some(Reaper::Dead));
}

#[test]
fn a_walk_keeps_when_it_began() {
    let mut kernel = World::walked(COUNTS);
    let user = kernel.ns("user");
    let pid = kernel.ns("pid");
    let nsproxy = kernel.nsproxy(&[]);
    kernel.created(&pid);
    kernel.count(&pid, 2);
    kernel.tell(Body::InitDying(closed(&pid, 2).facts));
    let began = Some(kernel.now);
    kernel.merge(|walk| {
        walk.counted(&user, 1);
        walk.counted(&closed(&pid, 2), 2);
        walk.nsproxy(&nsproxy);
        walk.task(&user, &pid, &nsproxy);
        meet_init(walk, &pid);
    });
    assert_eq!(kernel.tracker.dying(), (1, began));
}

#[test]
fn what_is_inactive_or_gone_is_not_dying() {
    let mut kernel = World::walked(COUNTS);
    let pid = kernel.ns("pid");
    kernel.created(&pid);
    kernel.count(&pid, 2);
    kernel.tell(Body::InitDying(closed(&pid, 2).facts));
    kernel.count(&pid, 0);
    assert_eq!(kernel.get(&pid).unwrap().reaper, Some(Reaper::Dead));
    assert_eq!(kernel.tracker.dying(), (0, None));

    let other = kernel.ns("pid");
    kernel.created(&other);
    kernel.tell(Body::InitDying(closed(&other, 2).facts));
    kernel.freed(&other);
    assert_eq!(kernel.tracker.dying(), (0, None));
}

#[test]
fn the_dead_do_not_die_again() {
    let mut kernel = World::walked(COUNTS);
    let pid = kernel.ns("pid");
    kernel.created(&pid);
    kernel.tell(Body::InitDying(closed(&pid, 2).facts));
    kernel.tell(Body::InitDead(closed(&pid, 1).facts));
    kernel.tell(Body::InitDying(closed(&pid, 2).facts));
    assert_eq!(kernel.tracker.dying(), (0, None));
}
