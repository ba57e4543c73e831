//! A whole picture (`docs/schema/list.schema.json`).

use std::collections::HashMap;

use super::{ListJson, SCHEMA, Source, listed};
use crate::{
    control::Snapshot,
    model::Namespace,
    view::{
        clock::{Clock, rfc3339},
        waiting,
    },
};

/// These namespaces of a picture.
pub fn list<'a>(snapshot: &'a Snapshot, shown: &[Namespace], source: Source) -> ListJson<'a> {
    let clock = Clock::sample();
    let time = |boottime| rfc3339(clock.wall(boottime));
    let limits = &snapshot.limits;
    let before = waiting::before(&snapshot.namespaces);
    let people: HashMap<_, _> = snapshot
        .people
        .iter()
        .map(|(id, people)| (*id, people))
        .collect();
    ListJson {
        schema: SCHEMA,
        kernel: &snapshot.kernel,
        source,
        watching_since: snapshot.watching_since.map(time),
        taken_at: time(snapshot.taken_at),
        walk_seconds: limits.took.as_secs_f64(),
        complete: limits.complete,
        incomplete_because: &limits.because,
        namespaces: shown
            .iter()
            .map(|ns| {
                let people = people.get(&ns.id).copied();
                listed(ns, people, before.get(&ns.id).copied(), &clock)
            })
            .collect(),
    }
}
