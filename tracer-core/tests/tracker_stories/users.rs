//! Who has how many namespaces, as the kernel counts them.

use tracer_core::model::{Config, Share};

use super::*;

const ALICE: u32 = 1000;
const BOB: u32 = 1001;

fn most(kernel: &World, kind: NsKind) -> Vec<(u32, u64)> {
    let most = kernel.tracker.users().most[kind as usize];
    let of = |Share { uid, namespaces }| (uid, namespaces);
    most.into_iter().flatten().map(of).collect()
}

/// A system, and its initial user namespace.
fn system(config: Config) -> (World, Ns) {
    let mut kernel = World::walked(config);
    let root = kernel.initial(NsKind::User);
    kernel.created(&root);
    (kernel, root)
}

/// A user namespace that this user has made.
fn made_by(kernel: &mut World, uid: u32, outer: &Ns) -> Ns {
    let mut user = kernel.ns("user").owned_by(outer);
    user.facts.owner_uid = Some(uid);
    kernel.created(&user);
    user
}

fn net(kernel: &mut World, owner: &Ns) -> Ns {
    let net = kernel.ns("net").owned_by(owner);
    kernel.created(&net);
    net
}

#[test]
fn who_made_the_uppermost_user_namespace_has_all_that_is_below() {
    for config in [OLD, IDS, COUNTS] {
        let (mut kernel, root) = system(config);
        assert_eq!(most(&kernel, NsKind::Net), []);
        let alices = made_by(&mut kernel, ALICE, &root);
        // In there she is somebody else, which nobody outside counts.
        let inner = made_by(&mut kernel, 100_000, &alices);
        let bobs = made_by(&mut kernel, BOB, &root);
        let nets = [&alices, &inner, &inner, &bobs].map(|user| net(&mut kernel, user));
        net(&mut kernel, &root);
        assert_eq!(most(&kernel, NsKind::User), [(ALICE, 2), (BOB, 1)]);
        assert_eq!(most(&kernel, NsKind::Net), [(ALICE, 3), (0, 1), (BOB, 1)]);
        // Until it is freed.
        kernel.last_ref(&nets[3]);
        assert_eq!(most(&kernel, NsKind::Net).len(), 3);
        kernel.freed(&nets[3]);
        assert_eq!(most(&kernel, NsKind::Net), [(ALICE, 3), (0, 1)]);
    }
}

#[test]
fn no_more_than_three_are_told() {
    let (mut kernel, root) = system(COUNTS);
    for uid in 1..=5 {
        let user = made_by(&mut kernel, uid, &root);
        for _ in 0..uid {
            net(&mut kernel, &user);
        }
    }
    assert_eq!(most(&kernel, NsKind::Net), [(5, 5), (4, 4), (3, 3)]);
}

#[test]
fn nobody_has_what_nobody_is_known_to_have_made() {
    let (mut kernel, root) = system(COUNTS);
    let user = kernel.ns("user").owned_by(&root);
    kernel.created(&user);
    net(&mut kernel, &user);
    assert_eq!(most(&kernel, NsKind::User), []);
    assert_eq!(most(&kernel, NsKind::Net), []);
}
