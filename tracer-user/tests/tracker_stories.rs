//! What the tracker says, one rule at a time.

mod support;

use std::num::NonZeroU64;

use nslife::model::{Body, NsId, NsproxyFacts, State, What};
use support::{ACTOR, COUNTS, IDS, INITIAL, Ns, OLD, World};
use tracer_common::event::Reason;
use tracer_common::kind::{NsKind, Slot};

const NOTHING: [&str; 0] = [];

mod lives {
    use super::*;

    #[test]
    fn a_whole_life_on_a_kernel_that_counts() {
        let mut kernel = World::walked(COUNTS);
        let net = kernel.ns("net");
        assert_eq!(kernel.created(&net), ["created net"]);
        assert_eq!(kernel.state(&net), Some(State::Inactive));
        assert_eq!(kernel.count(&net, 1), ["activated net"]);
        assert_eq!(kernel.count(&net, 0), ["deactivated net"]);
        assert_eq!(kernel.count(&net, 2), ["resurrected net"]);
        assert_eq!(kernel.count(&net, 0), ["deactivated net"]);
        assert_eq!(kernel.last_ref(&net), ["destroyed net"]);
        assert_eq!(kernel.state(&net), Some(State::Destroyed));
        assert_eq!(kernel.freed(&net), ["freed net"]);
        assert_eq!(kernel.get(&net), None);
    }

    #[test]
    fn a_whole_life_on_a_kernel_that_does_not() {
        let mut kernel = World::walked(OLD);
        let uts = kernel.ns("uts");
        let nsproxy = kernel.nsproxy(&[&uts]);
        assert_eq!(kernel.created(&uts), ["created uts"]);
        assert_eq!(kernel.installed(&nsproxy), ["activated uts"]);
        assert_eq!(
            kernel.nsproxy_freed(&nsproxy),
            ["nsproxy freed", "deactivated uts"]
        );
        assert_eq!(kernel.last_ref(&uts), ["destroyed uts"]);
        assert_eq!(kernel.freed(&uts), ["freed uts"]);
    }

    #[test]
    fn some_are_never_used() {
        for config in [OLD, IDS, COUNTS] {
            let mut kernel = World::walked(config);
            let net = kernel.ns("net");
            kernel.created(&net);
            assert_eq!(kernel.last_ref(&net), ["destroyed net"]);
            assert_eq!(kernel.freed(&net), ["freed net"]);
        }
    }

    #[test]
    fn the_last_reference_may_be_reported_twice() {
        let mut kernel = World::walked(COUNTS);
        let net = kernel.ns("net");
        kernel.created(&net);
        assert_eq!(kernel.last_ref(&net), ["destroyed net"]);
        let first = kernel.get(&net).unwrap().destroyed_at;
        assert_eq!(kernel.last_ref(&net), NOTHING);
        assert_eq!(kernel.get(&net).unwrap().destroyed_at, first);
    }

    #[test]
    fn an_active_one_is_deactivated_before_it_is_destroyed() {
        let mut kernel = World::walked(COUNTS);
        let net = kernel.ns("net");
        kernel.created(&net);
        kernel.count(&net, 1);
        assert_eq!(kernel.last_ref(&net), ["deactivated net", "destroyed net"]);
    }

    /// The only end that is seen of ipc and pid namespaces up to 6.17.
    #[test]
    fn freeing_includes_what_comes_before_it() {
        let mut kernel = World::walked(OLD);
        let ipc = kernel.ns("ipc");
        kernel.created(&ipc);
        assert_eq!(kernel.freed(&ipc), ["destroyed ipc", "freed ipc"]);

        let pid = kernel.ns("pid");
        let nsproxy = kernel.nsproxy(&[&pid]);
        kernel.created(&pid);
        kernel.installed(&nsproxy);
        assert_eq!(
            kernel.freed(&pid),
            ["deactivated pid", "destroyed pid", "freed pid"]
        );
        assert_eq!(kernel.nsproxy_freed(&nsproxy), ["nsproxy freed"]);
    }

    /// Mount namespaces give back their number first, from 6.18 on.
    #[test]
    fn a_last_reference_after_the_freeing_is_no_news() {
        for known in [true, false] {
            let mut kernel = World::walked(IDS);
            let mnt = kernel.ns("mnt");
            if known {
                kernel.created(&mnt);
            }
            kernel.freed(&mnt);
            let soon = kernel.now + 1_000;
            assert_eq!(kernel.tell_at(soon, Body::LastRef(mnt.facts)), NOTHING);
            assert_eq!(kernel.get(&mnt), None);
        }
    }

    #[test]
    fn nothing_revives_a_destroyed_one() {
        let mut kernel = World::walked(COUNTS);
        let net = kernel.ns("net");
        kernel.created(&net);
        kernel.last_ref(&net);
        assert_eq!(kernel.count(&net, 1), NOTHING);

        let mut kernel = World::walked(IDS);
        let net = kernel.ns("net");
        kernel.created(&net);
        kernel.last_ref(&net);
        assert_eq!(kernel.opened(&net, 1), NOTHING);
        assert_eq!(kernel.state(&net), Some(State::Destroyed));
    }

    #[test]
    fn the_end_of_an_unknown_one_is_ignored() {
        let mut kernel = World::walked(COUNTS);
        let net = kernel.ns("net");
        assert_eq!(kernel.freed(&net), NOTHING);
    }

    #[test]
    fn who_and_when() {
        let mut kernel = World::walked(COUNTS);
        let user = kernel.ns("user");
        let net = kernel.ns("net").owned_by(&user);
        kernel.created(&user);
        let born = kernel.now;
        kernel.created(&net);
        let ns = kernel.get(&user).unwrap();
        assert_eq!((ns.created_at, ns.since), (Some(born), Some(born)));
        let creator = ns.creator.unwrap();
        assert_eq!((creator.task, creator.cgroup), (ACTOR, 7));
        assert_eq!(kernel.get(&net).unwrap().owner, Some(ns.id));

        kernel.count(&user, 1);
        assert_eq!(kernel.get(&user).unwrap().since, Some(kernel.now));

        kernel.selected = true;
        kernel.is_actor = false;
        kernel.count(&user, 0);
        let [transition] = kernel.transitions[..] else {
            panic!("one transition");
        };
        assert_eq!((transition.at, transition.selected), (kernel.now, true));
        let What::Namespace { ns, actor, .. } = transition.what else {
            panic!("about a namespace");
        };
        assert_eq!((actor, ns.state), (None, State::Inactive));
    }
}

mod counts {
    use super::*;

    #[test]
    fn the_newest_reading_stands_in_whatever_order_they_come() {
        let mut kernel = World::walked(COUNTS);
        let net = kernel.ns("net");
        kernel.created(&net);
        assert_eq!(kernel.count_numbered(&net, 3, 1), ["activated net"]);
        assert_eq!(kernel.count_numbered(&net, 2, 0), NOTHING);
        assert_eq!(kernel.count_numbered(&net, 3, 1), NOTHING);
        assert_eq!(kernel.state(&net), Some(State::Active));
        assert_eq!(kernel.count_numbered(&net, 4, 0), ["deactivated net"]);
    }

    /// 7.0 and 7.1 can take it below zero.
    #[test]
    fn a_negative_count_is_not_active() {
        let mut kernel = World::walked(COUNTS);
        let net = kernel.ns("net");
        kernel.created(&net);
        assert_eq!(kernel.count(&net, (-2_i32).cast_unsigned()), NOTHING);
    }

    #[test]
    fn contributors_are_shown_but_do_not_decide() {
        let mut kernel = World::walked(COUNTS);
        let user = kernel.ns("user");
        let net = kernel.ns("net").owned_by(&user);
        let nsproxy = kernel.nsproxy(&[&net]);
        kernel.created(&user);
        kernel.created(&net);
        assert_eq!(kernel.installed(&nsproxy), NOTHING);
        kernel.opened(&net, 1);
        assert_eq!(kernel.state(&net), Some(State::Inactive));
        kernel.count(&net, 2);
        let because = kernel.get(&net).unwrap().because;
        assert_eq!((because.nsproxies, because.nsfs), (1, 1));
        let owner = kernel.get(&user).unwrap();
        assert_eq!((owner.because.owned, owner.state), (1, State::Inactive));
    }

    #[test]
    fn counts_are_the_newest_that_were_read() {
        let mut kernel = World::walked(COUNTS);
        let mut net = kernel.ns("net");
        kernel.created(&net);
        net.facts.refs = Some(9);
        kernel.count(&net, 3);
        let read = kernel.get(&net).unwrap().counts;
        assert_eq!(
            (read.refs, read.active, read.at),
            (Some(9), Some(3), kernel.now)
        );
        net.facts.refs = Some(4);
        kernel.tell_at(read.at - 1, Body::LastRef(net.facts));
        assert_eq!(kernel.get(&net).unwrap().counts, read);
    }
}

mod contributors {
    use super::*;

    #[test]
    fn an_nsproxy_counts_once_however_often_it_is_reported() {
        let mut kernel = World::walked(OLD);
        let net = kernel.ns("net");
        let old = kernel.nsproxy(&[]);
        let new = kernel.nsproxy(&[&net]);
        kernel.created(&net);
        assert_eq!(kernel.installed(&new), ["activated net"]);
        assert_eq!(kernel.installed(&new), NOTHING);
        assert_eq!(
            kernel.switched(Reason::Unshare, &old, Some(&new)),
            ["switched by unshare"]
        );
        assert_eq!(kernel.get(&net).unwrap().because.nsproxies, 1);
        assert_eq!(
            kernel.nsproxy_freed(&new),
            ["nsproxy freed", "deactivated net"]
        );
        assert_eq!(kernel.nsproxy_freed(&new), NOTHING);
    }

    #[test]
    fn both_time_slots_count() {
        let mut kernel = World::walked(OLD);
        let time = kernel.ns("time");
        let mut nsproxy = kernel.nsproxy(&[&time]);
        nsproxy.slots[Slot::TimeForChildren as usize] = nsproxy.slots[Slot::Time as usize];
        kernel.created(&time);
        kernel.installed(&nsproxy);
        assert_eq!(kernel.get(&time).unwrap().because.nsproxies, 2);
        assert_eq!(
            kernel.nsproxy_freed(&nsproxy),
            ["nsproxy freed", "deactivated time"]
        );
    }

    #[test]
    fn a_switch_is_said_before_what_it_causes() {
        let mut kernel = World::walked(OLD);
        let net = kernel.ns("net");
        let old = kernel.nsproxy(&[]);
        let new = kernel.nsproxy(&[&net]);
        kernel.created(&net);
        assert_eq!(
            kernel.switched(Reason::Setns, &old, Some(&new)),
            ["switched by setns", "activated net"]
        );
    }

    #[test]
    fn an_open_file_keeps_it() {
        let mut kernel = World::walked(OLD);
        let net = kernel.ns("net");
        let nsproxy = kernel.nsproxy(&[&net]);
        kernel.created(&net);
        kernel.installed(&nsproxy);
        assert_eq!(kernel.opened(&net, 1), NOTHING);
        assert_eq!(kernel.nsproxy_freed(&nsproxy), ["nsproxy freed"]);
        assert_eq!(kernel.evicted(&net, 2), NOTHING, "never heard of");
        assert_eq!(kernel.evicted(&net, 1), ["deactivated net"]);
        assert_eq!(kernel.opened(&net, 3), ["resurrected net"]);
    }

    #[test]
    fn the_loss_cascades_level_by_level() {
        let mut kernel = World::walked(OLD);
        let user1 = kernel.ns("user1");
        let user2 = kernel.ns("user2").owned_by(&user1);
        let net = kernel.ns("net").owned_by(&user2);
        let nsproxy = kernel.nsproxy(&[&net]);
        for ns in [&user1, &user2, &net] {
            kernel.created(ns);
        }
        assert_eq!(
            kernel.installed(&nsproxy),
            ["activated net", "activated user2", "activated user1"]
        );
        assert_eq!(
            kernel.nsproxy_freed(&nsproxy),
            [
                "nsproxy freed",
                "deactivated net",
                "deactivated user2",
                "deactivated user1"
            ]
        );
        assert_eq!(
            kernel.opened(&net, 1),
            ["resurrected net", "resurrected user2", "resurrected user1"]
        );
        kernel.opened(&user2, 2);
        assert_eq!(kernel.evicted(&net, 1), ["deactivated net"]);
        assert_eq!(
            kernel.evicted(&user2, 2),
            ["deactivated user2", "deactivated user1"]
        );
    }

    #[test]
    fn an_owner_with_other_active_ones_stays() {
        let mut kernel = World::walked(OLD);
        let user = kernel.ns("user");
        let net = kernel.ns("net").owned_by(&user);
        let uts = kernel.ns("uts").owned_by(&user);
        for ns in [&user, &net, &uts] {
            kernel.created(ns);
        }
        assert_eq!(kernel.opened(&net, 1), ["activated net", "activated user"]);
        assert_eq!(kernel.opened(&uts, 2), ["activated uts"]);
        assert_eq!(kernel.evicted(&net, 1), ["deactivated net"]);
        assert_eq!(
            kernel.evicted(&uts, 2),
            ["deactivated uts", "deactivated user"]
        );
    }

    /// Nothing in between: the owner never was without an active namespace.
    #[test]
    fn an_owner_that_loses_one_and_gains_one_stays() {
        let mut kernel = World::walked(OLD);
        let user = kernel.ns("user");
        let net1 = kernel.ns("net1").owned_by(&user);
        let net2 = kernel.ns("net2").owned_by(&user);
        let first = kernel.nsproxy(&[&net1]);
        let mut second = kernel.nsproxy(&[&net2]);
        second.key = first.key;
        for ns in [&user, &net1, &net2] {
            kernel.created(ns);
        }
        kernel.installed(&first);
        assert_eq!(
            kernel.installed(&second),
            ["nsproxy freed", "activated net2", "deactivated net1"],
            "another nsproxy at the same address"
        );
    }

    #[test]
    fn a_destroyed_one_no_longer_keeps_its_owner() {
        let mut kernel = World::walked(OLD);
        let user = kernel.ns("user");
        let net = kernel.ns("net").owned_by(&user);
        kernel.created(&user);
        kernel.created(&net);
        kernel.opened(&net, 1);
        assert_eq!(
            kernel.last_ref(&net),
            ["deactivated net", "destroyed net", "deactivated user"]
        );
    }
}

mod initial {
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
}

mod identity {
    use super::*;

    #[test]
    fn another_one_at_the_same_address_ends_the_first() {
        for config in [OLD, IDS, COUNTS] {
            let mut kernel = World::walked(config);
            let net1 = kernel.ns("net1");
            let net2 = kernel.ns("net2").in_place_of(&net1);
            kernel.created(&net1);
            let first = kernel.get(&net1).unwrap().id;
            assert_eq!(
                kernel.created(&net2),
                ["destroyed net1", "freed net1", "created net2"]
            );
            assert_ne!(kernel.get(&net2).unwrap().id, first);
            assert_eq!(kernel.tracker.get(first), None);
        }
    }

    #[test]
    fn the_number_tells_them_apart_where_address_and_inode_do_not() {
        let mut kernel = World::walked(OLD);
        let net1 = kernel.ns("net");
        let net2 = kernel
            .ns("net")
            .in_place_of(&net1)
            .numbered(net1.facts.inum.get());
        kernel.created(&net1);
        kernel.freed(&net1);
        assert_eq!(kernel.created(&net2), ["created net"]);
        assert_eq!(kernel.last_ref(&net1), NOTHING, "stale");
    }

    #[test]
    fn a_creation_at_a_known_address_and_inode_is_a_new_one() {
        let mut kernel = World::walked(OLD);
        let uts = kernel.ns("uts");
        kernel.created(&uts);
        assert_eq!(
            kernel.created(&uts),
            ["destroyed uts", "freed uts", "created uts"]
        );
    }

    #[test]
    fn the_same_creation_twice_is_one() {
        for config in [OLD, COUNTS] {
            let mut kernel = World::walked(config);
            let uts = kernel.ns("uts");
            kernel.created(&uts);
            let (now, body) = (kernel.now, Body::Created(uts.facts));
            assert_eq!(kernel.tell_at(now, body), NOTHING);
        }
    }

    #[test]
    fn news_from_before_the_address_was_reused_is_stale() {
        let mut kernel = World::walked(OLD);
        let net1 = kernel.ns("net1");
        let net2 = kernel.ns("net2").in_place_of(&net1);
        let before = kernel.tick();
        kernel.created(&net2);
        let opened = Body::NsfsOpened {
            ns: net1.facts,
            inode: support::key(1),
        };
        assert_eq!(kernel.tell_at(before, opened), NOTHING);
        assert_eq!(
            kernel.tell_at(before, Body::Freed(net1.facts.as_ref())),
            NOTHING
        );
        assert_eq!(kernel.state(&net2), Some(State::Inactive));
        assert_eq!(kernel.get(&net1), None);
    }

    /// Only the time can tell, where address and inode number are the same.
    #[test]
    fn what_was_said_before_the_end_is_stale() {
        let mut kernel = World::walked(OLD);
        let uts = kernel.ns("uts");
        kernel.created(&uts);
        let before = kernel.tick();
        kernel.freed(&uts);
        let opened = Body::NsfsOpened {
            ns: uts.facts,
            inode: support::key(1),
        };
        assert_eq!(kernel.tell_at(before, opened), NOTHING);
        assert_eq!(kernel.get(&uts), None);
        assert_eq!(kernel.opened(&uts, 1), NOTHING);
        assert!(kernel.get(&uts).is_some(), "another one");
        let freed = Body::Freed(uts.facts.as_ref());
        assert_eq!(kernel.tell_at(before, freed), NOTHING);
        assert!(kernel.get(&uts).is_some());
    }

    #[test]
    fn life_in_the_place_of_a_destroyed_one_is_another_ones() {
        let mut kernel = World::walked(OLD);
        let uts = kernel.ns("uts");
        kernel.created(&uts);
        kernel.last_ref(&uts);
        assert_eq!(kernel.opened(&uts, 1), ["freed uts"]);
        assert_eq!(kernel.state(&uts), Some(State::Active));
    }

    #[test]
    fn a_grave_is_for_one_type() {
        let mut kernel = World::walked(OLD);
        let uts = kernel.ns("uts");
        let ipc = kernel
            .ns("ipc")
            .in_place_of(&uts)
            .numbered(uts.facts.inum.get());
        kernel.created(&uts);
        kernel.freed(&uts);
        let soon = kernel.now + 1_000;
        kernel.tell_at(soon, Body::LastRef(ipc.facts));
        assert_eq!(kernel.state(&ipc), Some(State::Destroyed));
    }

    #[test]
    fn the_same_kernel_id_at_another_address_moves() {
        let mut kernel = World::walked(COUNTS);
        let net1 = kernel.ns("net1");
        let mut net2 = kernel.ns("net2");
        net2.facts.ns_id = net1.facts.ns_id;
        kernel.created(&net1);
        assert_eq!(
            kernel.created(&net2),
            ["destroyed net1", "freed net1", "created net2"]
        );
    }

    #[test]
    fn what_a_person_types() {
        let mut kernel = World::walked(COUNTS);
        let mut net = kernel.ns("net");
        net.facts.ns_id = NonZeroU64::new(1234);
        kernel.created(&net);
        let known = kernel.tracker.get(NsId(1234)).unwrap();
        assert_eq!(known.ns_id, Some(1234));
        assert_eq!(kernel.tracker.find(1234), Some(known));
        assert_eq!(kernel.tracker.find(known.inum.into()), Some(known));
        assert_eq!(kernel.tracker.find(1235), None);
        assert_eq!(kernel.tracker.find(0xF000_0000), None);
    }

    #[test]
    fn own_numbers_start_after_those_of_the_initial_ones() {
        let mut kernel = World::walked(OLD);
        let (net, uts) = (kernel.ns("net"), kernel.ns("uts"));
        kernel.created(&net);
        kernel.created(&uts);
        assert_eq!(kernel.get(&net).unwrap().id, NsId(9));
        assert_eq!(kernel.get(&uts).unwrap().id, NsId(10));
        assert_eq!(kernel.get(&uts).unwrap().ns_id, None);
    }
}

mod discovery {
    use super::*;

    #[test]
    fn what_was_there_before_is_found_silently() {
        let mut kernel = World::new(OLD);
        let net = kernel.ns("net");
        assert_eq!(kernel.opened(&net, 1), NOTHING);
        assert_eq!(kernel.state(&net), Some(State::Active));
        assert_eq!(kernel.get(&net).unwrap().since, None);
        assert_eq!(kernel.evicted(&net, 1), ["deactivated net"]);
        assert_eq!(kernel.opened(&net, 2), ["resurrected net"]);

        let mut kernel = World::new(COUNTS);
        let net = kernel.ns("net");
        assert_eq!(kernel.count(&net, 1), NOTHING);
        assert_eq!(kernel.count(&net, 0), ["deactivated net"]);
    }

    #[test]
    fn contributions_to_an_unknown_one_are_not_lost() {
        let mut kernel = World::new(OLD);
        let user = kernel.ns("user");
        let net = kernel.ns("net").owned_by(&user);
        let (first, second) = (kernel.nsproxy(&[&net]), kernel.nsproxy(&[&net]));
        kernel.installed(&first);
        kernel.installed(&second);
        kernel.nsproxy_freed(&first);
        assert_eq!(kernel.get(&net), None);
        let id = |kernel: &World, ns: &Ns| kernel.get(ns).map(|ns| ns.id);

        // The child first, then its owner.
        kernel.opened(&net, 1);
        let known = kernel.get(&net).unwrap();
        assert_eq!((known.because.nsproxies, known.owner), (1, None));
        kernel.opened(&user, 2);
        let owner = kernel.get(&user).unwrap();
        assert_eq!(owner.because.owned, 1);
        assert_eq!(kernel.get(&net).unwrap().owner, id(&kernel, &user));
        let shown = kernel.tracker.nsproxies().next().unwrap();
        assert_eq!(shown.namespaces[Slot::Net as usize], id(&kernel, &net));
    }

    #[test]
    fn an_owner_is_remembered_after_its_end() {
        let mut kernel = World::new(COUNTS);
        let user = kernel.ns("user");
        let net = kernel.ns("net").owned_by(&user);
        kernel.count(&net, 1);
        kernel.count(&user, 1);
        kernel.count(&net, 0);
        let owner = kernel.get(&user).unwrap().id;
        kernel.freed(&user);
        assert_eq!(kernel.get(&net).unwrap().owner, Some(owner));
    }

    #[test]
    fn a_creation_heard_of_late_tells_who_and_when() {
        let mut kernel = World::new(COUNTS);
        let net = kernel.ns("net");
        let born = kernel.tick();
        kernel.merge(|walk| walk.counted(&net, 0));
        assert_eq!(kernel.tell_at(born, Body::Created(net.facts)), NOTHING);
        let known = kernel.get(&net).unwrap();
        assert_eq!(known.created_at, Some(born));
        assert!(known.creator.is_some());
        assert_eq!(kernel.count(&net, 1), ["activated net"]);
    }
}

mod nsproxies {
    use super::*;

    #[test]
    fn a_switch_shows_both_sides() {
        let mut kernel = World::walked(OLD);
        let (net1, net2) = (kernel.ns("net1"), kernel.ns("net2"));
        let (old, new) = (kernel.nsproxy(&[&net1]), kernel.nsproxy(&[&net2]));
        kernel.created(&net1);
        kernel.created(&net2);
        kernel.installed(&old);
        kernel.selected = true;
        kernel.switched(Reason::Unshare, &old, Some(&new));
        assert!(kernel.transitions[0].selected);
        let What::Switched(switch) = kernel.transitions[0].what else {
            panic!("a switch");
        };
        let (from, to) = (switch.from, switch.to.unwrap());
        assert_eq!(switch.task, ACTOR);
        assert_ne!(from.id, to.id);
        let net = Slot::Net as usize;
        assert_eq!(from.namespaces[net], kernel.get(&net1).map(|ns| ns.id));
        assert_eq!(to.namespaces[net], kernel.get(&net2).map(|ns| ns.id));
        assert_eq!(from.inums[net], Some(net1.facts.inum.get()));
        assert_eq!(from.namespaces[Slot::Uts as usize], None);
    }

    #[test]
    fn an_exit_has_no_other_side() {
        let mut kernel = World::walked(OLD);
        let net = kernel.ns("net");
        let nsproxy = kernel.nsproxy(&[&net]);
        kernel.created(&net);
        kernel.installed(&nsproxy);
        assert_eq!(
            kernel.switched(Reason::Exit, &nsproxy, None),
            ["switched by exit"]
        );
        assert_eq!(
            kernel.nsproxy_freed(&nsproxy),
            ["nsproxy freed", "deactivated net"]
        );
    }

    #[test]
    fn one_that_was_freed_keeps_its_name_in_a_late_switch() {
        let mut kernel = World::walked(OLD);
        let uts = kernel.ns("uts");
        let (old, new) = (kernel.nsproxy(&[&uts]), kernel.nsproxy(&[]));
        kernel.created(&uts);
        kernel.installed(&old);
        let id = kernel.tracker.nsproxies().next().unwrap().id;
        let uts_id = kernel.get(&uts).unwrap().id;
        let switched_at = kernel.tick();
        kernel.nsproxy_freed(&old);
        kernel.freed(&uts);
        let late = Body::Switched {
            reason: Reason::Setns,
            from: old,
            to: Some(new),
        };
        assert_eq!(kernel.tell_at(switched_at, late), ["switched by setns"]);
        let What::Switched(switch) = kernel.transitions[0].what else {
            panic!("a switch");
        };
        assert_eq!(switch.from.id, id);
        assert_eq!(switch.from.namespaces[Slot::Uts as usize], Some(uts_id));
        assert_eq!(kernel.tracker.nsproxies().count(), 1, "only the new one");
    }

    #[test]
    fn what_a_task_left_is_still_in_use_unless_its_count_is_gone() {
        let mut kernel = World::walked(OLD);
        let shared = kernel.nsproxy(&[]);
        let mut dying = kernel.nsproxy(&[]);
        dying.count = 0;
        kernel.switched(Reason::Exit, &shared, None);
        kernel.switched(Reason::Exit, &dying, None);
        assert_eq!(kernel.tracker.census().nsproxies, 1);
    }

    #[test]
    fn what_an_exec_left_is_not_revived_by_the_report_that_follows() {
        let mut kernel = World::walked(OLD);
        let time = kernel.ns("time");
        let (old, new) = (kernel.nsproxy(&[&time]), kernel.nsproxy(&[&time]));
        kernel.created(&time);
        kernel.installed(&old);
        let id = kernel.tracker.nsproxies().next().unwrap().id;
        kernel.installed(&new);
        kernel.nsproxy_freed(&old);
        assert_eq!(
            kernel.switched(Reason::Exec, &old, Some(&new)),
            ["switched by exec"]
        );
        let What::Switched(switch) = kernel.transitions[0].what else {
            panic!("a switch");
        };
        assert_eq!(switch.from.id, id);
        assert_eq!(kernel.tracker.census().nsproxies, 1);
        assert_eq!(
            kernel.nsproxy_freed(&new),
            ["nsproxy freed", "deactivated time"]
        );
    }

    #[test]
    fn one_that_was_freed_unheard_of_has_one_name() {
        let mut kernel = World::walked(OLD);
        let (old, new) = (kernel.nsproxy(&[]), kernel.nsproxy(&[]));
        let before = kernel.tick();
        kernel.nsproxy_freed(&old);
        let names = [1, 2].map(|_| {
            let late = Body::Switched {
                reason: Reason::Setns,
                from: old,
                to: Some(new),
            };
            kernel.tell_at(before, late);
            let What::Switched(switch) = kernel.transitions[0].what else {
                panic!("a switch");
            };
            switch.from.id
        });
        assert_eq!(names[0], names[1]);
    }

    #[test]
    fn one_that_was_never_put_to_use_ends_unnoticed() {
        let mut kernel = World::walked(OLD);
        let nsproxy = kernel.nsproxy(&[]);
        assert_eq!(kernel.nsproxy_freed(&nsproxy), NOTHING);
    }

    #[test]
    fn news_from_before_its_end_or_its_beginning_is_stale() {
        let mut kernel = World::walked(OLD);
        let (old, new) = (kernel.nsproxy(&[]), kernel.nsproxy(&[]));
        let before = kernel.tick();
        kernel.installed(&new);
        let freed = Body::NsproxyFreed(new);
        assert_eq!(kernel.tell_at(before, freed), NOTHING);
        assert_eq!(kernel.tracker.census().nsproxies, 1);

        let switched_at = kernel.tick();
        kernel.nsproxy_freed(&new);
        let late = Body::Switched {
            reason: Reason::Setns,
            from: NsproxyFacts { count: 0, ..old },
            to: Some(new),
        };
        kernel.tell_at(switched_at, late);
        assert_eq!(kernel.tracker.census().nsproxies, 0);
    }

    #[test]
    fn an_address_can_be_used_again() {
        let mut kernel = World::walked(OLD);
        let net = kernel.ns("net");
        let first = kernel.nsproxy(&[&net]);
        kernel.created(&net);
        kernel.installed(&first);
        kernel.nsproxy_freed(&first);
        assert_eq!(kernel.installed(&first), ["resurrected net"]);
    }
}

mod walks {
    use super::*;

    #[test]
    fn the_first_merge_is_silent() {
        let mut kernel = World::new(COUNTS);
        let (net1, net2) = (kernel.ns("net1"), kernel.ns("net2"));
        let (story, corrections) = kernel.merge(|walk| {
            walk.counted(&net1, 1);
            walk.counted(&net2, 0);
        });
        assert_eq!((story.as_slice(), corrections.total()), (&[][..], 0));
        assert_eq!(kernel.state(&net1), Some(State::Active));
        assert_eq!(kernel.state(&net2), Some(State::Inactive));
        assert_eq!(kernel.count(&net2, 1), ["resurrected net2"]);
    }

    #[test]
    fn records_come_in_any_order_and_more_than_once() {
        let mut kernel = World::new(OLD);
        let user1 = kernel.ns("user1");
        let user2 = kernel.ns("user2").owned_by(&user1).child_of(&user1);
        let net = kernel.ns("net").owned_by(&user2);
        let nsproxy = kernel.nsproxy(&[&net]);
        kernel.merge(|walk| {
            walk.task(&user2, &user2, &nsproxy);
            walk.nsproxy(&nsproxy);
            for ns in [&net, &user2, &net, &user1] {
                walk.ns(ns);
            }
            walk.nsproxy(&nsproxy);
        });
        let [user1, user2, net] = [&user1, &user2, &net].map(|ns| kernel.get(ns).unwrap());
        assert_eq!(net.owner, Some(user2.id));
        assert_eq!(
            (user2.owner, user2.parent),
            (Some(user1.id), Some(user1.id))
        );
        assert_eq!((net.because.nsproxies, user2.because.owned), (1, 1));
        assert_eq!(user1.state, State::Active);
    }

    #[test]
    fn it_does_not_revive_what_was_freed_meanwhile() {
        for config in [OLD, COUNTS] {
            for known in [true, false] {
                let mut kernel = World::new(config);
                let net = kernel.ns("net");
                let nsproxy = kernel.nsproxy(&[&net]);
                if known {
                    kernel.created(&net);
                    kernel.installed(&nsproxy);
                }
                let walk = kernel.walk(|walk| {
                    walk.ns(&net);
                    walk.nsproxy(&nsproxy);
                });
                kernel.nsproxy_freed(&nsproxy);
                kernel.freed(&net);
                let (story, _) = kernel.merge_walk(&walk);
                assert_eq!(story, NOTHING);
                assert_eq!(kernel.get(&net), None);
                assert_eq!(kernel.tracker.census().nsproxies, 0);
            }
        }
    }

    #[test]
    fn it_does_not_undo_what_happened_since() {
        let mut kernel = World::new(COUNTS);
        let net = kernel.ns("net");
        kernel.created(&net);
        kernel.count(&net, 1);
        let walk = kernel.walk(|walk| walk.counted(&net, 1));
        kernel.count(&net, 0);
        kernel.merge_walk(&walk);
        assert_eq!(kernel.state(&net), Some(State::Inactive));

        let mut kernel = World::new(OLD);
        let net = kernel.ns("net").stashed();
        kernel.opened(&net, 1);
        let walk = kernel.walk(|walk| walk.ns(&net));
        kernel.evicted(&net, 1);
        kernel.merge_walk(&walk);
        assert_eq!(kernel.state(&net), Some(State::Inactive));
    }

    #[test]
    fn a_later_merge_says_what_was_missed() {
        let mut kernel = World::walked(COUNTS);
        let (net1, net2) = (kernel.ns("net1"), kernel.ns("net2"));
        let user = kernel.ns("user");
        kernel.created(&user);
        kernel.created(&net1);
        kernel.count(&net1, 1);
        let (story, corrections) = kernel.merge(|walk| {
            walk.counted(&net2, 1);
            walk.counted(&user, 2);
        });
        assert_eq!(
            story,
            [
                "created net2",
                "activated net2",
                "activated user",
                "deactivated net1",
                "destroyed net1",
                "freed net1"
            ]
        );
        assert_eq!(
            (corrections.namespaces_found, corrections.namespaces_gone),
            (1, 1)
        );
        assert_eq!(corrections.states, 3);
        let found = kernel.get(&net2).unwrap();
        assert_eq!(
            (found.created_at, found.creator, found.since),
            (None, None, None)
        );
    }

    #[test]
    fn what_is_gone_goes_before_its_owner() {
        let mut kernel = World::walked(COUNTS);
        let user = kernel.ns("user");
        let net = kernel.ns("net").owned_by(&user);
        kernel.created(&user);
        kernel.created(&net);
        let (story, _) = kernel.merge(|_| {});
        assert_eq!(
            story,
            ["destroyed net", "freed net", "destroyed user", "freed user"]
        );
    }

    #[test]
    fn another_owner_tells_another_one() {
        let mut kernel = World::walked(OLD);
        let (user1, user2) = (kernel.ns("user1"), kernel.ns("user2"));
        let uts = kernel.ns("uts").owned_by(&user1);
        for ns in [&user1, &user2, &uts] {
            kernel.created(ns);
        }
        let uts = uts.owned_by(&user2);
        let (story, _) = kernel.merge(|walk| {
            for ns in [&user1, &user2, &uts] {
                walk.ns(ns);
            }
        });
        assert_eq!(story, ["destroyed uts", "freed uts", "created uts"]);
    }

    #[test]
    fn what_pointed_to_a_predecessor_points_to_what_is_there() {
        let mut kernel = World::walked(IDS);
        let uts1 = kernel.ns("uts");
        let uts2 = kernel
            .ns("uts")
            .in_place_of(&uts1)
            .numbered(uts1.facts.inum.get());
        let nsproxy = kernel.nsproxy(&[&uts2]);
        kernel.created(&uts1);
        // The end of the first and the creation of the second are missed.
        kernel.installed(&nsproxy);
        kernel.merge(|walk| {
            walk.ns(&uts2);
            walk.nsproxy(&nsproxy);
        });
        let ns = kernel.get(&uts2).unwrap();
        assert_eq!(
            (ns.ns_id, ns.because.nsproxies),
            (uts2.facts.ns_id.map(u64::from), 1)
        );
    }

    #[test]
    fn what_came_during_the_walk_is_not_missing_from_it() {
        let mut kernel = World::walked(COUNTS);
        let (net, uts) = (kernel.ns("net"), kernel.ns("uts"));
        let nsproxy = kernel.nsproxy(&[]);
        kernel.created(&uts);
        let walk = kernel.walk(|_| {});
        kernel.created(&net);
        kernel.count(&uts, 1);
        kernel.installed(&nsproxy);
        let (story, corrections) = kernel.merge_walk(&walk);
        assert_eq!((story.as_slice(), corrections.total()), (&[][..], 0));
        assert_eq!(kernel.tracker.census().nsproxies, 1);
    }

    #[test]
    fn an_incomplete_one_proves_no_absence() {
        let mut kernel = World::walked(OLD);
        let net = kernel.ns("net");
        let nsproxy = kernel.nsproxy(&[&net]);
        kernel.created(&net);
        kernel.installed(&nsproxy);
        let mut walk = kernel.walk(|_| {});
        walk.all_namespaces = false;
        walk.all_tasks = false;
        assert_eq!(kernel.merge_walk(&walk).0, NOTHING);
        // All tasks are all nsproxies.
        let mut walk = kernel.walk(|_| {});
        walk.all_namespaces = false;
        let (story, corrections) = kernel.merge_walk(&walk);
        assert_eq!(story, ["nsproxy freed", "deactivated net"]);
        assert_eq!((corrections.nsproxies_gone, corrections.states), (1, 1));
        // Two namespaces never have one inode number.
        let uts = kernel.ns("uts").numbered(net.facts.inum.get());
        let mut walk = kernel.walk(|walk| walk.ns(&uts));
        walk.all_namespaces = false;
        let (story, _) = kernel.merge_walk(&walk);
        assert_eq!(story, ["destroyed net", "freed net"]);
    }

    #[test]
    fn a_find_after_an_incomplete_one_need_not_be_new() {
        let mut kernel = World::new(OLD);
        let net = kernel.ns("net");
        let mut walk = kernel.walk(|_| {});
        walk.all_namespaces = false;
        kernel.merge_walk(&walk);
        let (story, corrections) = kernel.merge(|walk| walk.ns(&net));
        assert_eq!(
            (story.as_slice(), corrections.namespaces_found),
            (&[][..], 1)
        );
    }

    #[test]
    fn destroyed_ones_have_time_to_be_freed() {
        let mut kernel = World::walked(COUNTS);
        let net = kernel.ns("net");
        kernel.created(&net);
        kernel.last_ref(&net);
        assert_eq!(kernel.merge(|_| {}).0, NOTHING);
        kernel.now += 301_000_000_000;
        assert_eq!(kernel.merge(|_| {}).0, ["freed net"]);
    }

    #[test]
    fn one_without_references_is_not_there_any_more() {
        let mut kernel = World::walked(COUNTS);
        let mut net = kernel.ns("net");
        net.facts.refs = Some(0);
        assert_eq!(kernel.merge(|walk| walk.ns(&net)).0, NOTHING);
        assert_eq!(kernel.get(&net), None);
    }

    #[test]
    fn tasks_are_counted_where_they_are() {
        let mut kernel = World::new(COUNTS);
        let (user, pid, net) = (kernel.ns("user"), kernel.ns("pid"), kernel.ns("net"));
        let (time1, time2) = (kernel.ns("time1"), kernel.ns("time2"));
        let (pid2, uts) = (kernel.ns("pid2"), kernel.ns("uts"));
        let mut nsproxy = kernel.nsproxy(&[&net, &pid2, &time1]);
        nsproxy.slots[Slot::TimeForChildren as usize] = Some(support::slot_of(&time2));
        kernel.merge(|walk| {
            for ns in [&user, &pid, &pid2, &net, &time1, &time2, &uts] {
                walk.counted(ns, 1);
            }
            walk.nsproxy(&nsproxy);
            walk.task(&user, &pid, &nsproxy);
            walk.task(&user, &pid, &nsproxy).nsproxy = None;
        });
        let tasks = |ns: &Ns| kernel.get(ns).unwrap().tasks;
        assert_eq!([tasks(&user), tasks(&pid)], [Some(2), Some(2)]);
        assert_eq!([tasks(&net), tasks(&time1)], [Some(1), Some(1)]);
        assert_eq!([tasks(&pid2), tasks(&time2), tasks(&uts)], [Some(0); 3]);
    }

    #[test]
    fn without_counts_tasks_keep_user_and_pid_namespaces_until_the_next_walk() {
        let mut kernel = World::new(OLD);
        let (user, pid) = (kernel.ns("user"), kernel.ns("pid"));
        let nsproxy = kernel.nsproxy(&[]);
        kernel.merge(|walk| {
            walk.ns(&user);
            walk.ns(&pid);
            walk.nsproxy(&nsproxy);
            walk.task(&user, &pid, &nsproxy);
        });
        assert_eq!(kernel.state(&user), Some(State::Active));
        assert_eq!(kernel.state(&pid), Some(State::Active));
        let (story, corrections) = kernel.merge(|walk| {
            walk.ns(&user);
            walk.ns(&pid);
            walk.nsproxy(&nsproxy);
        });
        assert_eq!(story, ["deactivated user", "deactivated pid"]);
        assert_eq!(corrections.states, 2);
    }

    #[test]
    fn a_stashed_dentry_is_one_inode_whose_address_comes_later() {
        let mut kernel = World::new(OLD);
        let net = kernel.ns("net").stashed();
        kernel.merge(|walk| walk.ns(&net));
        assert_eq!(kernel.get(&net).unwrap().because.nsfs, 1);
        assert_eq!(kernel.opened(&net, 1), NOTHING, "now it has a name");
        assert_eq!(kernel.get(&net).unwrap().because.nsfs, 1);
        assert_eq!(kernel.evicted(&net, 1), ["deactivated net"]);

        let mut kernel = World::new(OLD);
        let mnt = kernel.ns("mnt").stashed();
        kernel.merge(|walk| walk.ns(&mnt));
        assert_eq!(kernel.evicted(&mnt, 2), ["deactivated mnt"]);
    }

    #[test]
    fn a_missed_eviction_is_put_right() {
        let mut kernel = World::walked(OLD);
        let net = kernel.ns("net");
        kernel.created(&net);
        kernel.opened(&net, 1);
        let (story, _) = kernel.merge(|walk| walk.ns(&net));
        assert_eq!(story, ["deactivated net"]);
    }

    #[test]
    fn a_new_one_at_the_address_of_a_destroyed_one_is_told_by_the_time() {
        let mut kernel = World::walked(OLD);
        let uts = kernel.ns("uts");
        kernel.created(&uts);
        kernel.last_ref(&uts);
        let (story, _) = kernel.merge(|walk| walk.ns(&uts));
        assert_eq!(story, ["freed uts", "created uts"]);
    }
}
