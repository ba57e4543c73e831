//! Inits of pid namespaces: how they end, and who is left meanwhile.

use support::Walker;
use tracer_common::walk::PID_LEVELS;
use tracer_core::model::{People, Person, PidNumbers, Reaper, TaskState, Walk, WalkInit};

use super::*;

/// `exit_state` of a task that is not reaped (`EXIT_ZOMBIE`).
const EXIT_ZOMBIE: u32 = 0x20;

fn reaper(kernel: &World, ns: &Ns) -> Option<Reaper> {
    kernel.get(ns).unwrap().reaper
}

fn people(kernel: &World, ns: &Ns) -> Option<People> {
    let id = kernel.get(ns).unwrap().id;
    let mut all = kernel.tracker.people();
    all.find(|(of, _)| *of == id)
        .map(|(_, people)| people.clone())
}

/// How many are left, and how long it took, in the last thing that was said.
fn said(kernel: &World) -> (Option<u32>, Option<u64>) {
    match &kernel.transitions.last().unwrap().what {
        What::Init { left, took, .. } => (*left, *took),
        what => panic!("not about an init: {what:?}"),
    }
}

/// A pid namespace with so many pids, that gets no more of them.
fn disabled(ns: &Ns, pids: u32) -> Ns {
    let mut ns = ns.with_tasks(pids);
    ns.facts.pids_disabled = true;
    ns
}

/// Meets the leader of an init as that of this namespace.
fn init_of(walker: &mut Walker<'_>, ns: &Ns, pid: u32) {
    let mut numbers = [0; PID_LEVELS];
    numbers[..2].copy_from_slice(&[pid, 1]);
    walker.walk.inits.push(WalkInit {
        pid_ns: ns.facts.key,
        pid,
        numbers: PidNumbers::new(numbers, 1).unwrap(),
    });
}

/// How many are dying, and since when the first one.
fn dying(kernel: &World) -> (u64, Option<u64>) {
    let standing = kernel.tracker.standing();
    (standing.dying, standing.dying_oldest)
}

#[test]
fn it_dies_and_is_dead() {
    for config in [OLD, IDS, COUNTS] {
        let mut kernel = World::walked(config);
        let pid = kernel.ns("pid");
        kernel.created(&pid);
        assert_eq!(reaper(&kernel, &pid), None);

        let begins = Body::InitDying(disabled(&pid, 3).facts);
        assert_eq!(kernel.tell(begins), ["init_dying of pid"]);
        let began = kernel.now;
        assert_eq!(said(&kernel), (Some(2), None), "its own pid is one of them");
        let began = Some(began);
        assert_eq!(reaper(&kernel, &pid), Some(Reaper::Dying { began }));
        assert_eq!(dying(&kernel), (1, began));

        let dead = Body::InitDead(disabled(&pid, 1).facts);
        assert_eq!(kernel.tell(dead), ["init_dead of pid"]);
        assert_eq!(said(&kernel), (Some(0), Some(10_000_000)));
        assert_eq!(reaper(&kernel, &pid), Some(Reaper::Dead));
        assert_eq!(dying(&kernel), (0, None));

        kernel.tell(begins);
        assert_eq!(reaper(&kernel, &pid), Some(Reaper::Dead), "it died again");
        assert_eq!(dying(&kernel), (0, None));
    }
}

/// The pid of its leader is still there, too.
#[test]
fn another_thread_can_be_the_last() {
    let mut kernel = World::walked(OLD);
    let pid = kernel.ns("pid");
    kernel.created(&pid);
    kernel.thread = ACTOR.tgid + 1;
    kernel.tell(Body::InitDying(disabled(&pid, 3).facts));
    assert_eq!(said(&kernel), (Some(1), None));
}

#[test]
fn an_end_whose_beginning_was_missed_took_nobody_knows_how_long() {
    let mut kernel = World::walked(OLD);
    let pid = kernel.ns("pid");
    kernel.created(&pid);
    kernel.tell(Body::InitDead(disabled(&pid, 1).facts));
    assert_eq!(said(&kernel), (Some(0), None));
}

/// The walk of an init, its leader in this state, with another thread of this
/// one, and with a child that waits to be reaped by somebody outside.
fn met(kernel: &mut World, pid: &Ns, leader: u32, thread: Option<u32>) -> Walk {
    let (user, outside) = (kernel.initial(NsKind::User), kernel.initial(NsKind::Pid));
    let nsproxy = kernel.nsproxy(&[]);
    kernel.walk(|walk| {
        walk.ns(&outside);
        walk.ns(&disabled(pid, 2));
        let tracer = walk.task(&user, &outside, &nsproxy).tgid;
        let init = walk.task(&user, pid, &nsproxy);
        init.exit_state = leader;
        let init = init.tgid;
        if let Some(state) = thread {
            let thread = walk.task(&user, pid, &nsproxy);
            thread.tgid = init;
            thread.leader = false;
            thread.exit_state = state;
        }
        let child = walk.task(&user, pid, &nsproxy);
        child.exit_state = EXIT_ZOMBIE;
        child.parent = tracer;
        init_of(walk, pid, init);
    })
}

#[test]
fn a_walk_tells_who_is_left_and_whom_they_wait_for() {
    for config in [OLD, IDS, COUNTS] {
        let mut kernel = World::walked(config);
        let pid = kernel.ns("pid");
        kernel.created(&pid);
        let walk = met(&mut kernel, &pid, 0, None);
        kernel.merge_walk(&walk);
        let still = Some(Reaper::Dying { began: None });
        assert_eq!(reaper(&kernel, &pid), still);
        // Nobody saw it begin: since the walk, for all that is known.
        assert_eq!(dying(&kernel), (1, Some(walk.ended_at)));
        let people = people(&kernel, &pid).unwrap();
        assert_eq!(people.init.unwrap().numbers, [2, 1]);
        assert_eq!(people.left_count, 1);
        let left = people.left[0];
        assert_eq!((left.task.pid, left.state.letter()), (3, 'Z'));
        assert_eq!(left.waits_for.map(|tracer| tracer.pid), Some(1));
    }
}

#[test]
fn a_walk_does_not_forget_when_it_began() {
    let mut kernel = World::walked(OLD);
    let pid = kernel.ns("pid");
    kernel.created(&pid);
    kernel.tell(Body::InitDying(disabled(&pid, 2).facts));
    let began = Some(kernel.now);
    let walk = met(&mut kernel, &pid, 0, None);
    kernel.merge_walk(&walk);
    assert_eq!(reaper(&kernel, &pid), Some(Reaper::Dying { began }));
}

/// The thread that waits need not be the leader, which may have exited.
#[test]
fn an_init_without_its_leader_is_dying_still() {
    let mut kernel = World::walked(OLD);
    let pid = kernel.ns("pid");
    kernel.created(&pid);
    kernel.tell(Body::InitDying(disabled(&pid, 3).facts));
    let began = Some(kernel.now);
    let walk = met(&mut kernel, &pid, EXIT_ZOMBIE, Some(0));
    kernel.merge_walk(&walk);
    assert_eq!(reaper(&kernel, &pid), Some(Reaper::Dying { began }));
    assert_eq!(people(&kernel, &pid).unwrap().left_count, 1);

    let walk = met(&mut kernel, &pid, EXIT_ZOMBIE, Some(EXIT_ZOMBIE));
    kernel.merge_walk(&walk);
    assert_eq!(reaper(&kernel, &pid), Some(Reaper::Dead));
}

#[test]
fn an_init_that_no_walk_meets_is_dead_if_it_met_all_tasks() {
    let mut kernel = World::walked(OLD);
    let pid = kernel.ns("pid");
    kernel.created(&pid);
    let dying = Body::InitDying(disabled(&pid, 2).facts);
    kernel.tell(dying);
    let began = Some(kernel.now);
    let mut walk = kernel.walk(|walk| walk.ns(&disabled(&pid, 1)));
    walk.all_tasks = false;
    kernel.merge_walk(&walk);
    assert_eq!(reaper(&kernel, &pid), Some(Reaper::Dying { began }));
    walk.all_tasks = true;
    kernel.merge_walk(&walk);
    assert_eq!(reaper(&kernel, &pid), Some(Reaper::Dead));
}

#[test]
fn a_crowd_is_counted_but_not_named() {
    let mut kernel = World::walked(OLD);
    let pid = kernel.ns("pid");
    kernel.created(&pid);
    let mut walk = met(&mut kernel, &pid, 0, None);
    let child = *walk.tasks.last().unwrap();
    for number in 100..200 {
        let (pid, tgid) = (number, number);
        walk.tasks
            .push(tracer_core::model::WalkTask { pid, tgid, ..child });
    }
    kernel.merge_walk(&walk);
    let shown = people(&kernel, &pid).unwrap();
    assert_eq!((shown.left_count, shown.left.len()), (101, People::NAMED));
    assert_eq!(shown.zombies.len(), People::NAMED);
    assert_eq!(kernel.get(&pid).unwrap().zombies, Some(101));
}

#[test]
fn who_is_in_a_namespace_below_is_left_too() {
    let mut kernel = World::walked(COUNTS);
    let user = kernel.ns("user");
    let outer = kernel.ns("pid");
    let mut inner = kernel.ns("pid");
    inner.facts.parent = Some(outer.facts.key);
    let nsproxy = kernel.nsproxy(&[&outer]);
    kernel.merge(|walk| {
        walk.counted(&user, 1);
        walk.counted(&disabled(&outer, 3), 3);
        walk.counted(&inner, 1);
        walk.nsproxy(&nsproxy);
        walk.task(&user, &outer, &nsproxy).exiting = true;
        init_of(walk, &outer, 1);
        walk.task(&user, &inner, &nsproxy).state = 2;
        let tracer = 1;
        let zombie = walk.task(&user, &outer, &nsproxy);
        zombie.exit_state = EXIT_ZOMBIE;
        zombie.parent = tracer;
    });
    let shown = kernel.get(&outer).unwrap();
    assert_eq!(shown.reaper, Some(Reaper::Dying { began: None }));
    assert_eq!(dying(&kernel).0, 1);
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
fn what_is_inactive_or_gone_is_not_dying() {
    let mut kernel = World::walked(COUNTS);
    let pid = kernel.ns("pid");
    kernel.created(&pid);
    kernel.count(&pid, 2);
    kernel.tell(Body::InitDying(disabled(&pid, 2).facts));
    kernel.count(&pid, 0);
    assert_eq!(kernel.get(&pid).unwrap().reaper, Some(Reaper::Dead));
    assert_eq!(dying(&kernel), (0, None));

    let other = kernel.ns("pid");
    kernel.created(&other);
    kernel.tell(Body::InitDying(disabled(&other, 2).facts));
    kernel.freed(&other);
    assert_eq!(dying(&kernel), (0, None));
}

/// Since the walk that first met it, until none meets it; those in the initial namespaces hold
/// nothing.
#[test]
fn who_waits_to_be_reaped_is_counted() {
    let mut kernel = World::walked(COUNTS);
    let (root_user, root_pid) = (kernel.initial(NsKind::User), kernel.initial(NsKind::Pid));
    let (user, pid) = (kernel.ns_of(NsKind::User), kernel.ns_of(NsKind::Pid));
    let nsproxy = kernel.nsproxy(&[]);
    let look = |kernel: &mut World, zombies: &[(&Ns, &Ns)]| {
        let walk = kernel.walk(|walk| {
            for ns in [&root_user, &root_pid, &user, &pid] {
                walk.ns(ns);
            }
            for (user, pid) in zombies {
                walk.task(user, pid, &nsproxy).exit_state = EXIT_ZOMBIE;
            }
            walk.task(&user, &pid, &nsproxy);
        });
        kernel.merge_walk(&walk);
        let standing = kernel.tracker.standing();
        assert_eq!(standing.walked_at, Some(walk.started_at));
        (
            [standing.zombies_in_user, standing.zombies_in_pid],
            standing
                .zombies_oldest
                .map(|since| since == walk.started_at),
        )
    };
    assert_eq!(
        look(&mut kernel, &[(&root_user, &root_pid)]),
        ([0, 0], None)
    );
    let first = [(&user, &pid)];
    assert_eq!(look(&mut kernel, &first), ([1, 1], Some(true)));
    let both = [(&user, &pid), (&user, &root_pid)];
    assert_eq!(look(&mut kernel, &both), ([2, 1], Some(false)));
    assert_eq!(look(&mut kernel, &[]), ([0, 0], None));
}
