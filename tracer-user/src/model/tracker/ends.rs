//! Putting the records about the end of a task together.

use super::super::{Actor, HandedOver, Origin, TaskEnd, TaskRecord};

/// How many tasks may have handed children over while the record of their exit
/// is still to come. It follows at once, unless it was lost.
const MOST_TASKS: usize = 64;

/// How many of its children are kept for each.
const MOST_CHILDREN: usize = tracer_common::event::CHILDREN;

/// Children that were handed over, by the thread that exits, until its exit is
/// said.
#[derive(Debug, Default)]
pub(super) struct Ends {
    handed_over: Vec<(u32, Vec<HandedOver>)>,
}

impl Ends {
    /// Takes in a record, and returns what is to be said, if that is complete.
    pub(super) fn take(&mut self, origin: &Origin, record: &TaskRecord) -> Option<TaskEnd> {
        let task = origin.task;
        match *record {
            TaskRecord::HandedOver(child) => {
                self.keep(task, child);
                None
            }
            TaskRecord::Exited {
                dropped_at,
                more_children,
            } => Some(TaskEnd::Exited {
                task,
                dropped_at,
                children: self.children_of(task),
                more_children,
            }),
            TaskRecord::Reaped(reaped) => Some(TaskEnd::Reaped { task, reaped }),
        }
    }

    fn keep(&mut self, task: Actor, child: HandedOver) {
        let known = self
            .handed_over
            .iter()
            .position(|(pid, _)| *pid == task.pid);
        let place = known.unwrap_or_else(|| {
            if self.handed_over.len() >= MOST_TASKS {
                self.handed_over.remove(0);
            }
            self.handed_over.push((task.pid, Vec::new()));
            self.handed_over.len() - 1
        });
        if let Some((_, children)) = self.handed_over.get_mut(place)
            && children.len() < MOST_CHILDREN
        {
            children.push(child);
        }
    }

    fn children_of(&mut self, task: Actor) -> Vec<HandedOver> {
        let known = self
            .handed_over
            .iter()
            .position(|(pid, _)| *pid == task.pid);
        known.map_or_else(Vec::new, |place| self.handed_over.remove(place).1)
    }
}

#[cfg(test)]
mod tests {
    use super::{super::super::Comm, *};

    fn actor(pid: u32) -> Actor {
        Actor {
            pid,
            tgid: pid,
            comm: Comm::default(),
        }
    }

    fn tell(ends: &mut Ends, pid: u32, record: TaskRecord) -> Option<TaskEnd> {
        let origin = Origin {
            time: 1,
            task: actor(pid),
            cgroup: 0,
            is_actor: false,
            selected: false,
        };
        ends.take(&origin, &record)
    }

    fn child(pid: u32) -> HandedOver {
        HandedOver {
            child: actor(pid),
            parent: actor(1),
        }
    }

    const EXITED: TaskRecord = TaskRecord::Exited {
        dropped_at: Some(1),
        more_children: 0,
    };

    fn children(end: Option<TaskEnd>) -> Vec<HandedOver> {
        match end {
            Some(TaskEnd::Exited { children, .. }) => children,
            other => panic!("expected an exit, saw {other:?}"),
        }
    }

    #[test]
    fn each_exit_has_its_own_children_once() {
        let mut ends = Ends::default();
        for (parent, number) in [(10, 11), (20, 21), (10, 12)] {
            assert_eq!(
                tell(&mut ends, parent, TaskRecord::HandedOver(child(number))),
                None
            );
        }
        assert_eq!(
            children(tell(&mut ends, 10, EXITED)),
            [child(11), child(12)]
        );
        assert_eq!(children(tell(&mut ends, 20, EXITED)), [child(21)]);
        assert_eq!(children(tell(&mut ends, 10, EXITED)), []);
    }

    #[test]
    fn exits_that_never_come_do_not_pile_up() {
        let mut ends = Ends::default();
        for parent in 1..1000 {
            for number in 0..100 {
                tell(&mut ends, parent, TaskRecord::HandedOver(child(number)));
            }
        }
        assert_eq!(ends.handed_over.len(), MOST_TASKS);
        let all = children(tell(&mut ends, 999, EXITED));
        assert_eq!(all.len(), MOST_CHILDREN);
    }
}
