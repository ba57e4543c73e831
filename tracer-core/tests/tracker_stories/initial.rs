use super::*;

#[test]
fn they_are_known_by_their_numbers() {
    for config in [IDS, COUNTS] {
        let mut kernel = World::new(config);
        let all = INITIAL.map(|kind| kernel.initial(kind));
        let (story, corrections) = kernel.merge(|walk| all.iter().for_each(|ns| walk.ns(ns)));
        assert_eq!((story.as_slice(), corrections.total()), (&[][..], 0));
        for (index, ns) in all.iter().enumerate() {
            let known = kernel.get(ns).unwrap();
            assert!(known.initial && known.state == State::Active);
            if config == COUNTS {
                assert_eq!(known.id, NsId(index as u64 + 1));
            }
        }
    }
}

#[test]
fn without_numbers_net_and_mnt_are_those_of_the_kernel_threads() {
    let mut kernel = World::new(OLD);
    let all = INITIAL.map(|kind| kernel.initial(kind));
    let [ipc, uts, user, pid, cgroup, time, net, mnt] = &all;
    let nsproxy = kernel.nsproxy(&[uts, ipc, mnt, pid, net, time, cgroup]);
    let other_net = kernel.ns("net2");
    let other = kernel.nsproxy(&[uts, ipc, mnt, pid, &other_net, time, cgroup]);
    // One of them is heard of before it can be recognized.
    kernel.opened(net, 1);
    kernel.evicted(net, 1);
    let (story, _) = kernel.merge(|walk| {
        walk.task(user, pid, &other);
        walk.task(user, pid, &nsproxy).kthread = true;
        walk.nsproxy(&other);
        walk.nsproxy(&nsproxy);
        all.iter().for_each(|ns| walk.ns(ns));
        walk.ns(&other_net);
    });
    assert_eq!(story, NOTHING);
    for (index, ns) in all.iter().enumerate() {
        let known = kernel.get(ns).unwrap();
        assert!(known.initial, "{known:?}");
        assert_eq!(known.id, NsId(index as u64 + 1));
        assert_eq!(kernel.tracker.get(known.id), Some(known));
    }
    let other = kernel.get(&other_net).unwrap();
    assert!(!other.initial && other.id.0 >= 9);
    assert_eq!(other.state, State::Active);
}

#[test]
fn they_have_no_contributors_and_no_end() {
    let mut kernel = World::new(OLD);
    let uts = kernel.initial(NsKind::Uts);
    kernel.merge(|walk| walk.ns(&uts));
    let nsproxy = kernel.nsproxy(&[&uts]);
    assert_eq!(kernel.installed(&nsproxy), NOTHING);
    assert_eq!(kernel.get(&uts).unwrap().because.nsproxies, 0);
    assert_eq!(kernel.nsproxy_freed(&nsproxy), ["nsproxy freed"]);
    assert_eq!(kernel.last_ref(&uts), NOTHING);
    assert_eq!(kernel.freed(&uts), NOTHING);
    let impostor = kernel.ns("uts2").in_place_of(&uts);
    assert_eq!(kernel.created(&impostor), NOTHING);
    assert_eq!(kernel.merge(|_| {}).0, NOTHING);
    assert_eq!(kernel.state(&uts), Some(State::Active));
    assert_eq!(kernel.tracker.census().count(NsKind::Uts, State::Active), 1);
}
