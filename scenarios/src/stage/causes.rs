//! What brought steps about, and what they brought about in turn.

use anyhow::Result;

use super::{Stage, is_step_of};
use crate::{
    PATIENCE,
    expect::{Progress, progress, same},
    trace::{Line, Namespace, Step, What, brief},
};

impl Stage<'_> {
    /// Waits until these are the causes of a namespace's steps between active and inactive.
    pub(crate) fn because(&self, ns: &Namespace, expected: &[&str]) -> Result<()> {
        let is_flip = |line: &&Line| {
            is_step_of(line, ns.id)
                && matches!(
                    line.what,
                    What::Step(Step::Activated | Step::Deactivated | Step::Resurrected, ..)
                )
        };
        let causes = |lines: &[Line]| -> Vec<String> {
            let cause = |line: &Line| line.cause.clone().unwrap_or_else(|| "nothing known".into());
            lines.iter().filter(is_flip).map(cause).collect()
        };
        let log = &self.world.trace.log;
        log.wait(self.from, PATIENCE, |lines| {
            let seen = causes(lines);
            Ok((progress(expected, &seen) != Progress::Underway).then_some(()))
        })?;
        log.look(self.from, |lines| {
            let what = format!("why: {}", brief(lines.iter().filter(is_flip)));
            let expected = expected.iter().map(|&cause| cause.to_owned()).collect();
            same(&what, expected, causes(lines))
        })
    }

    /// Waits until it is said that the first of these namespaces pulled the others along, in this
    /// order, so many times.
    pub(crate) fn pulled_along(&self, chain: &[&Namespace], times: usize) -> Result<()> {
        let ids: Vec<_> = chain.iter().map(|ns| ns.id).collect();
        let starts = |line: &&Line| matches!(&line.what, What::Chain(ns, _) if ns.id == ids[0]);
        let seen = |lines: &[Line]| -> Vec<Vec<u64>> {
            let chains = lines.iter().filter_map(|line| match &line.what {
                What::Chain(ns, members) if ns.id == ids[0] => Some(members.clone()),
                _ => None,
            });
            chains.collect()
        };
        let log = &self.world.trace.log;
        log.wait(self.from, PATIENCE, |lines| {
            Ok((seen(lines).len() >= times).then_some(()))
        })?;
        log.look(self.from, |lines| {
            let what = format!("chains: {}", brief(lines.iter().filter(starts)));
            same(&what, vec![ids[1..].to_vec(); times], seen(lines))
        })
    }
}
