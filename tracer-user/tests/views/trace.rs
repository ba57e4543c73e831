//! The text of a trace.

use jiff::tz::TimeZone;
use nslife::{
    engine::{Loss, Notice},
    model::{InitStep, Lifecycle, Namespace, Transition, What},
    view::{
        escape::is_unsafe,
        text::{style::Palette, trace::TraceText},
    },
};
use tracer_common::{
    event::Reason,
    kind::{NsKind, Slot},
};

use crate::values::{
    actor, at, below_zero, chain, clock, every_transition, failed, foreign_switch, init,
    initial_ids, initial_nsproxy, namespace, net_cleanup, nsproxy_with, step, switch,
};

fn text(palette: Palette) -> TraceText {
    TraceText {
        palette,
        zone: TimeZone::fixed(jiff::tz::offset(2)),
        initial: initial_ids(),
    }
}

pub(crate) fn shown(transitions: &[Transition]) -> String {
    let text = text(Palette::PLAIN);
    let mut lines = vec![text.header()];
    let clock = clock();
    lines.extend(transitions.iter().map(|t| text.transition(t, &clock)));
    lines.join("\n")
}

#[test]
fn lines_are_aligned_and_say_who_and_why() {
    let by = Some(actor(100, b"unshare"));
    let net = namespace(57, NsKind::Net);
    let user = namespace(1058, NsKind::User);
    let never_used = Namespace {
        was_active: false,
        ..namespace(59, NsKind::Mnt)
    };
    let own = nsproxy_with(12, Slot::Net, &net);
    let task = actor(100, b"unshare");
    let destroyed_unused = match step(Lifecycle::Destroyed, never_used, None).what {
        What::Namespace {
            step,
            ns,
            cause,
            actor,
            took,
        } => at(What::Namespace {
            step,
            cause,
            ns: Namespace {
                was_active: false,
                ..ns
            },
            actor,
            took,
        }),
        other => at(other),
    };
    let expected = "\
TIME             EVENT          TYPE          INUM      ID  WHAT
03:00:02.500000  created        user    4026533058    1058  owner 3, level 1, uid 1000, by unshare[100], made in 3.4 ms
03:00:02.500000  created        net     4026532057      57  owner 3, by unshare[100], made in 3.4 ms
03:00:02.500000  switched       -                -       -  unshare[100] unshare: net 4026531838→4026532057
03:00:02.500000  activated      net     4026532057      57  nsproxy installed, held by 1 nsproxy, by unshare[100]
03:00:02.500000  switched       -                -       -  unshare[100] exit: left net 4026532057 (the last in it)
03:00:02.500000  switched       -                -       -  unshare[100] exit: left initial namespaces only
03:00:02.500000  nsproxy_freed  -                -       -  nsproxy 12: net 4026532057
03:00:02.500000  deactivated    net     4026532057      57  nsproxy dropped, references left: 2
03:00:02.500000  resurrected    net     4026532057      57  file or mount opened, held by 1 nsproxy
03:00:02.500000  destroyed      net     4026532057      57  after 1.5 s
03:00:02.500000  destroyed      mnt     4026532059      59  after 1.5 s, never active
03:00:02.500000  freed          net     4026532057      57  12.3 ms after the last reference
03:00:02.500000  create_failed  net              -       -  ENOSPC: a limit in /proc/sys/user, or of nesting, is reached, wanted by unshare[100]
03:00:02.500000  create_failed  net              -       -  error 99, wanted by unshare[100]
03:00:02.500000  net_cleanup    -                -       -  3 network namespaces, waited up to 2.0 ms, unlisting 12.0 ms, exits 48.5 ms, end 90 µs";
    assert_eq!(
        shown(&[
            step(Lifecycle::Created, user, by),
            step(Lifecycle::Created, net, by),
            switch(task, Reason::Unshare, initial_nsproxy(), Some(own)),
            step(Lifecycle::Activated, net, by),
            switch(task, Reason::Exit, own, None),
            switch(task, Reason::Exit, initial_nsproxy(), None),
            at(What::NsproxyFreed(own)),
            step(Lifecycle::Deactivated, net, None),
            step(Lifecycle::Resurrected, net, None),
            step(Lifecycle::Destroyed, net, None),
            destroyed_unused,
            step(Lifecycle::Freed, net, None),
            failed(28),
            failed(99),
            net_cleanup(),
        ]),
        expected
    );
}

#[test]
fn a_count_that_was_read_earlier_is_not_shown() {
    let net = namespace(57, NsKind::Net);
    let mut transition = step(Lifecycle::Deactivated, net, None);
    transition.at += 1;
    let line = text(Palette::PLAIN).transition(&transition, &clock());
    assert!(
        line.ends_with("4026532057      57  nsproxy dropped"),
        "{line}"
    );
}

#[test]
fn a_chain_is_a_tree() {
    let expected = "\
TIME             EVENT          TYPE          INUM      ID  WHAT
03:00:02.500000  deactivated    user    4026533058    1058  └ with net 4026532057, references left: 2
03:00:02.500000  deactivated    user    4026533059    1059    └ with user 4026533058, references left: 2
03:00:02.500000  deactivated    user    4026533060    1060      └ with user 4026533059, references left: 2";
    assert_eq!(shown(&[chain()]), expected);
}

#[test]
fn an_init_says_who_is_left_and_how_long_it_took() {
    let expected = "\
TIME             EVENT          TYPE          INUM      ID  WHAT
03:00:02.500000  init_dying     pid     4026532062      62  5 left, its init sh[1234]
03:00:02.500000  init_dead      pid     4026532062      62  nobody left after 20.0 ms, its init sh[1234]";
    let both = [
        init(InitStep::Dying, None),
        init(InitStep::Dead, Some(20_000_000)),
    ];
    assert_eq!(shown(&both), expected);
}

#[test]
fn a_violation_names_the_rule_and_the_evidence() {
    let expected = "\
TIME             EVENT          TYPE          INUM      ID  WHAT
03:00:02.500000  violation      net     4026532057      57  count_below_zero: active -1, references 2
03:00:02.500000  violation      -                -       -  foreign_switch: victim[100], holders 1, nsproxy 12: net 4026532057";
    assert_eq!(shown(&[below_zero(), foreign_switch()]), expected);
}

#[test]
fn notices_are_lines_too() {
    let text = text(Palette::PLAIN);
    let now = "2026-11-22T01:00:09.123456789Z".parse().unwrap();
    assert_eq!(
        text.notice(
            &Notice::Lost {
                cause: Loss::RingFull,
                count: 3
            },
            now
        ),
        "03:00:09.123456  lost           -                -       -  3 by ring_full"
    );
    assert_eq!(
        text.notice(&Notice::Resync { corrections: 2 }, now),
        "03:00:09.123456  resync         -                -       -  walked again, corrections: 2"
    );
}

#[test]
fn colours_change_nothing_else() {
    let (plain, coloured) = (text(Palette::PLAIN), text(Palette { on: true }));
    for transition in every_transition() {
        let line = coloured.transition(&transition, &clock());
        assert!(line.contains("\u{1b}["));
        let stripped = anstream::adapter::strip_str(&line).to_string();
        assert_eq!(stripped, plain.transition(&transition, &clock()));
    }
}

#[test]
fn strangers_cannot_write_to_the_terminal() {
    let names: [&[u8]; 4] = [
        b"\x1b]0;title\x07",
        b"a\nfreed net 1",
        "\u{202e}\u{9b}2J".as_bytes(),
        &[0xff; 16],
    ];
    for name in names {
        let exit = switch(actor(5, name), Reason::Exit, initial_nsproxy(), None);
        let by = step(
            Lifecycle::Created,
            namespace(57, NsKind::Net),
            Some(actor(5, name)),
        );
        for transition in [exit, by] {
            let line = text(Palette::PLAIN).transition(&transition, &clock());
            assert!(!line.chars().any(is_unsafe), "{line:?}");
        }
    }
}
