//! How long namespaces have been what they are.

use tracer_core::model::Standing;

use super::*;

const SECOND: u64 = 1_000_000_000;
const MINUTE: u64 = 60 * SECOND;

fn standing(kernel: &mut World, now: u64) -> Standing {
    kernel.tracker.advance(now);
    kernel.tracker.standing()
}

fn oldest(kernel: &World, state: State) -> Option<u64> {
    kernel.tracker.standing().oldest[NsKind::Net as usize][state as usize]
}

#[test]
fn the_oldest_in_each_state_is_known_whoever_goes() {
    let mut kernel = World::walked(COUNTS);
    let nets: Vec<_> = (0..3).map(|_| kernel.ns("net")).collect();
    assert_eq!(oldest(&kernel, State::Active), None);
    let times: Vec<_> = nets
        .iter()
        .map(|net| {
            kernel.created(net);
            kernel.count(net, 1);
            kernel.now
        })
        .collect();
    assert_eq!(oldest(&kernel, State::Active), Some(times[0]));
    // From the middle, then from the front.
    kernel.count(&nets[1], 0);
    let inactive = kernel.now;
    assert_eq!(oldest(&kernel, State::Active), Some(times[0]));
    assert_eq!(oldest(&kernel, State::Inactive), Some(inactive));
    kernel.count(&nets[0], 0);
    assert_eq!(oldest(&kernel, State::Active), Some(times[2]));
    assert_eq!(oldest(&kernel, State::Inactive), Some(inactive));
    // What comes back begins anew.
    kernel.count(&nets[1], 1);
    assert_eq!(oldest(&kernel, State::Active), Some(times[2]));
    kernel.last_ref(&nets[0]);
    assert_eq!(oldest(&kernel, State::Inactive), None);
    assert_eq!(oldest(&kernel, State::Destroyed), Some(kernel.now));
    for net in &nets {
        kernel.freed(net);
    }
    for state in State::ALL {
        assert_eq!(oldest(&kernel, state), None, "{state:?}");
    }
}

#[test]
fn those_that_have_been_so_for_longest_come_first() {
    let mut kernel = World::walked(COUNTS);
    let nets: Vec<_> = (0..5).map(|_| kernel.ns("net")).collect();
    for net in &nets {
        kernel.created(net);
        kernel.count(net, 1);
    }
    // The last one has been inactive for longest, and is in another line than
    // the others once it has been so for a minute.
    kernel.count(&nets[4], 0);
    let first = kernel.now;
    kernel.tracker.advance(first + MINUTE);
    for net in &nets[..3] {
        kernel.count(net, 0);
    }
    let longest = |kernel: &World, count| -> Vec<_> {
        let all = kernel.tracker.longest(count);
        all.map(|(since, ns)| (ns.state, ns.inum, since)).collect()
    };
    let inums = |all: &[(State, u32, u64)], state| -> Vec<u32> {
        let fits = all.iter().filter(|found| found.0 == state);
        fits.map(|found| found.1).collect()
    };
    let shown = longest(&kernel, 2);
    let inum = |number: usize| nets[number].facts.inum.get();
    assert_eq!(inums(&shown, State::Inactive), [inum(4), inum(0)]);
    assert_eq!(inums(&shown, State::Active), [inum(3)]);
    assert!(shown.contains(&(State::Inactive, inum(4), first)));
    assert_eq!(longest(&kernel, 99).len(), nets.len());
    assert!(longest(&kernel, 0).is_empty());
}

#[test]
fn what_was_there_before_has_been_so_since_it_is_known() {
    let mut kernel = World::new(COUNTS);
    let net = kernel.ns("net");
    let walk = kernel.walk(|walk| walk.counted(&net, 0));
    kernel.merge_walk(&walk);
    assert_eq!(kernel.get(&net).unwrap().since, None);
    let since = oldest(&kernel, State::Inactive).unwrap();
    assert!((walk.started_at..=walk.ended_at).contains(&since));
}

#[test]
fn initial_namespaces_stand_in_no_line() {
    let mut kernel = World::new(OLD);
    let uts = kernel.initial(NsKind::Uts);
    kernel.merge(|walk| walk.ns(&uts));
    assert!(kernel.get(&uts).unwrap().initial);
    let standing = kernel.tracker.standing();
    let nothing = Standing {
        walked_at: standing.walked_at,
        ..Standing::default()
    };
    assert_eq!(standing, nothing);
}

#[test]
fn they_grow_older() {
    let mut kernel = World::walked(COUNTS);
    let (old, young) = (kernel.ns("net"), kernel.ns("net"));
    let leave = |kernel: &mut World, net: &Ns| {
        kernel.created(net);
        kernel.count(net, 1);
        kernel.count(net, 0);
        kernel.now
    };
    let first = leave(&mut kernel, &old);
    let over = |kernel: &mut World, now| standing(kernel, now).inactive_over[NsKind::Net as usize];
    assert_eq!(over(&mut kernel, first + MINUTE - 1), [0, 0, 0, 0]);
    assert_eq!(over(&mut kernel, first + MINUTE), [1, 0, 0, 0]);
    let second = leave(&mut kernel, &young);
    assert_eq!(over(&mut kernel, second + 10 * MINUTE), [2, 2, 0, 0]);
    assert_eq!(over(&mut kernel, first + 60 * MINUTE), [2, 2, 1, 0]);
    let day = 24 * 60 * MINUTE;
    assert_eq!(over(&mut kernel, second + day), [2, 2, 2, 2]);
    let others = standing(&mut kernel, second + day).inactive_over[NsKind::Uts as usize];
    assert_eq!(others, [0, 0, 0, 0]);
    // Whatever its age, it can be used again, and go.
    kernel.count(&old, 1);
    assert_eq!(over(&mut kernel, second + day), [1, 1, 1, 1]);
    assert_eq!(oldest(&kernel, State::Inactive), Some(second));
    kernel.freed(&young);
    assert_eq!(over(&mut kernel, second + day), [0, 0, 0, 0]);
}

#[test]
fn all_grow_older_at_once_and_late_news_stay_in_line() {
    let mut kernel = World::walked(COUNTS);
    let nets: Vec<_> = (0..200).map(|_| kernel.ns("net")).collect();
    for net in &nets {
        kernel.created(net);
    }
    let at = kernel.now;
    let read = |kernel: &mut World, net: &Ns, time, sequence, active| {
        let ns = NsFacts {
            active: Some(active),
            ..net.facts
        };
        let body = Body::Activity {
            ns,
            sequence,
            cause: None,
            below: None,
        };
        kernel.tell_at(time, body);
    };
    for (step, net) in nets.iter().enumerate() {
        let time = at + 1000 - step as u64;
        read(&mut kernel, net, time, 1000, 1);
        read(&mut kernel, net, time, 1001, 0);
    }
    let net = NsKind::Net as usize;
    assert_eq!(
        standing(&mut kernel, at + MINUTE + 2000).inactive_over[net][0],
        200
    );
    for (index, ns) in nets.iter().enumerate() {
        kernel.freed(ns);
        let left = standing(&mut kernel, at + MINUTE + 2000).inactive_over[net][0];
        assert_eq!(left, 199 - index as u64);
    }
}

#[test]
fn a_file_without_a_task_keeps_it() {
    for config in [OLD, IDS] {
        let mut kernel = World::walked(config);
        let net = kernel.ns("net");
        let nsproxy = kernel.nsproxy(&[&net]);
        let kept = |kernel: &World| kernel.tracker.standing().kept_by_files[NsKind::Net as usize];
        kernel.created(&net);
        kernel.installed(&nsproxy);
        kernel.opened(&net, 1);
        assert_eq!(kept(&kernel), 0, "a task is in it");
        kernel.nsproxy_freed(&nsproxy);
        assert_eq!(kept(&kernel), 1);
        kernel.installed(&nsproxy);
        assert_eq!(kept(&kernel), 0);
        kernel.later();
        kernel.nsproxy_freed(&nsproxy);
        assert_eq!(kept(&kernel), 1);
        kernel.evicted(&net, 1);
        assert_eq!(kept(&kernel), 0, "nothing keeps it");
        kernel.freed(&net);
        assert_eq!(kept(&kernel), 0);
    }
}
