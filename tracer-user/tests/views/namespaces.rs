//! Tables and trees of namespaces.

use std::collections::BTreeMap;

use nslife::{
    model::{
        Contributors, Counts, Init, Namespace, NsId, People, Person, Reaper, State, TaskState,
    },
    view::text::{
        Picture,
        style::Palette,
        table::write_namespaces,
        tree::{Above, write_tree},
    },
};
use tracer_common::kind::NsKind;

use crate::values::{NOW, actor, initial, namespace};

fn system() -> Vec<Namespace> {
    let inactive = Namespace {
        state: State::Inactive,
        counts: Counts {
            refs: Some(1),
            active: Some(0),
            at: 5,
        },
        tasks: Some(0),
        owner: Some(NsId(58)),
        because: Contributors::default(),
        ..namespace(60, NsKind::Net)
    };
    let orphan = Namespace {
        owner: None,
        counts: Counts {
            refs: None,
            active: None,
            at: 0,
        },
        tasks: None,
        because: Contributors::default(),
        ..namespace(61, NsKind::Uts)
    };
    let mut nested = namespace(58, NsKind::User);
    nested.tasks = Some(3);
    nested.because.owned = 1;
    vec![
        orphan,
        initial(3, NsKind::User),
        nested,
        initial(7, NsKind::Net),
        inactive,
    ]
}

/// Nothing is being destroyed.
static NOBODY: BTreeMap<NsId, u32> = BTreeMap::new();

fn picture<'a>(all: &'a [Namespace], people: &'a BTreeMap<NsId, &'a People>) -> Picture<'a> {
    Picture {
        all,
        before: &NOBODY,
        people,
        now: NOW,
    }
}

fn table(shown: &[Namespace], all: &[Namespace]) -> String {
    let mut out = Vec::new();
    write_namespaces(
        &mut out,
        Palette::PLAIN,
        shown,
        &picture(all, &BTreeMap::new()),
    )
    .unwrap();
    String::from_utf8(out).unwrap()
}

fn tree(shown: &[Namespace], all: &[Namespace]) -> String {
    let mut out = Vec::new();
    let people = BTreeMap::new();
    let picture = picture(all, &people);
    write_tree(&mut out, Palette::PLAIN, shown, &picture, Above::Owner).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn a_table_is_as_wide_as_it_needs_to_be() {
    let all = system();
    assert_eq!(
        table(&all, &all),
        "\
TYPE        INUM  ID  STATE     REFS  ACTIVE  TASKS       OWNER  HELD BY
uts   4026532061  61  active       -       -      -           -  -
user  4026531834   3  active       2       1     90           -  initial
user  4026532058  58  active       2       1      3  4026531834  1 nsproxy, 1 owned namespace
net   4026531838   7  active       2       1     90  4026531834  initial
net   4026532060  60  inactive     1       0      0  4026532058  references alone, for 1.5 s, made by unshare[100]
"
    );
    assert_eq!(
        table(&[], &all),
        "TYPE  INUM  ID  STATE  REFS  ACTIVE  TASKS  OWNER  HELD BY\n"
    );
}

/// What keeps it allocated, when nothing keeps it active.
#[test]
fn an_inactive_pid_namespace_says_which_procfs_holds_it() {
    let held_by = |state, procfs| {
        let ns = Namespace {
            state,
            procfs: Some(procfs),
            because: Contributors {
                pids: u32::from(state == State::Active),
                ..Contributors::default()
            },
            // As a single look finds it.
            since: None,
            creator: None,
            ..namespace(57, NsKind::Pid)
        };
        let text = table(&[ns], &[ns]);
        let line = text.lines().last().unwrap().to_owned();
        line.rsplit("  ").next().unwrap().to_owned()
    };
    assert_eq!(held_by(State::Inactive, 0), "references alone");
    assert_eq!(held_by(State::Inactive, 1), "1 procfs mount");
    assert_eq!(held_by(State::Inactive, 2), "2 procfs mounts");
    assert_eq!(held_by(State::Active, 2), "1 pid");
}

#[test]
fn owners_stand_above_what_they_own() {
    let all = system();
    assert_eq!(
        tree(&all, &all),
        "\
user 4026531834 (id 3) active: initial, 90 tasks
├── user 4026532058 (id 58) active: 1 nsproxy, 1 owned namespace, 3 tasks, uid 1000
│   └── net 4026532060 (id 60) inactive: references alone, references 1, for 1.5 s, made by unshare[100]
└── net 4026531838 (id 7) active: initial, 90 tasks
(owner not known)
└── uts 4026532061 (id 61) active
"
    );
}

#[test]
fn owners_of_what_was_asked_for_are_shown_too() {
    let all = system();
    let asked: Vec<_> = all
        .iter()
        .filter(|ns| ns.state == State::Inactive)
        .copied()
        .collect();
    let lines: Vec<_> = tree(&asked, &all).lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), 3, "{lines:#?}");
    assert!(lines[2].starts_with("    └── net 4026532060"));
    assert_eq!(tree(&[], &all), "");
}

#[test]
fn a_picture_that_makes_no_sense_still_ends() {
    let owned_by = |id, owner| Namespace {
        owner: Some(NsId(owner)),
        ..namespace(id, NsKind::User)
    };
    let circle = [owned_by(70, 71), owned_by(71, 70), owned_by(72, 72)];
    tree(&circle, &circle);
    let missing = [owned_by(73, 999)];
    assert!(tree(&missing, &missing).starts_with("(owner not known)\n└── user"));
}

/// A pid namespace in another one; the init of the inner one is dying.
fn dying() -> (Vec<Namespace>, People) {
    let outer = Namespace {
        level: Some(1),
        parent: Some(NsId(4)),
        ..namespace(62, NsKind::Pid)
    };
    let inner = Namespace {
        level: Some(2),
        parent: Some(outer.id),
        zombies: Some(1),
        reaper: Some(Reaper::Dying {
            began: Some(NOW - 1_200_000_000),
        }),
        ..namespace(63, NsKind::Pid)
    };
    let people = People {
        init: Some(Init {
            task: actor(1234, b"sh"),
            numbers: vec![1234, 7, 1],
        }),
        left: vec![Person {
            task: actor(1240, b"sleep"),
            state: TaskState::Zombie,
            waits_for: Some(actor(99, b"gdb")),
        }],
        left_count: 6,
        zombies: vec![Person {
            task: actor(1240, b"sleep"),
            state: TaskState::Zombie,
            waits_for: Some(actor(99, b"gdb")),
        }],
    };
    (vec![initial(4, NsKind::Pid), outer, inner], people)
}

#[test]
fn pid_namespaces_are_drawn_below_their_parents() {
    let (all, people) = dying();
    let people = BTreeMap::from([(NsId(63), &people)]);
    let mut out = Vec::new();
    write_tree(
        &mut out,
        Palette::PLAIN,
        &all,
        &picture(&all, &people),
        Above::Parent,
    )
    .unwrap();
    let expected = "\
pid 4026531835 (id 4) active: initial, 90 tasks
└── pid 4026532062 (id 62) active: 1 nsproxy, 1 task, level 1
    └── pid 4026532063 (id 63) active: 1 nsproxy, 1 task, level 2, init sh[1234→7→1], \
        dying for 1.2 s, 6 left: sleep[1240] Z waiting for gdb[99] and 5 more
";
    assert_eq!(String::from_utf8(out).unwrap(), expected);
}
