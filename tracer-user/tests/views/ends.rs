//! The ends of tasks in the text of a trace.

use nslife::model::{HandedOver, Reaped, TaskEnd};

use crate::{
    trace::shown,
    values::{NOW, actor, end, exited, reaped},
};

#[test]
fn the_end_of_a_task_says_who_gets_its_children_and_who_reaps_it() {
    let init = actor(1, b"init");
    let sleep = actor(125, b"sleep");
    let bare = |by| Reaped {
        by,
        parent: None,
        original_parent: None,
        dropped_at: None,
    };
    let gone = |reaped| {
        end(TaskEnd::Reaped {
            task: sleep,
            reaped,
        })
    };
    let taken = |number| HandedOver {
        child: actor(number, b"sleep"),
        parent: init,
    };
    let exit = |children, dropped_at, more_children| {
        end(TaskEnd::Exited {
            task: sleep,
            dropped_at,
            children,
            more_children,
        })
    };
    let expected = "\
TIME             EVENT          TYPE          INUM      ID  WHAT
03:00:02.500000  exited         -                -       -  sh[123] left its namespaces, handed 1 child over after 200 µs: sleep[125] to init[1]
03:00:02.500000  exited         -                -       -  sleep[125] left its namespaces, no child to hand over after 500 µs
03:00:02.500000  exited         -                -       -  sleep[125] left its namespaces, handed 2 children over: sleep[8] to init[1], sleep[9] to init[1] (of 3 more children nothing is known)
03:00:02.500000  reaped         -                -       -  sleep[125] after 1.2 s by init[1], whose it became when sh[123] exited
03:00:02.500000  reaped         -                -       -  sleep[125] by init[1]
03:00:02.500000  reaped         -                -       -  sleep[125] by itself: nobody waits for it
03:00:02.500000  reaped         -                -       -  sleep[125] by itself: nobody waits for it, init[1]'s since sh[123] exited";
    let nobody_waits = Reaped {
        parent: Some(init),
        original_parent: Some(actor(123, b"sh")),
        ..bare(None)
    };
    assert_eq!(
        shown(&[
            exited(),
            exit(vec![], Some(NOW - 500_000), 0),
            exit(vec![taken(8), taken(9)], None, 3),
            reaped(),
            gone(bare(Some(init))),
            gone(bare(None)),
            gone(nobody_waits),
        ]),
        expected
    );
}
