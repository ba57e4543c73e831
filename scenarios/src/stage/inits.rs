//! How inits of pid namespaces end.

use anyhow::{Context as _, Result};

use super::Stage;
use crate::{
    PATIENCE,
    expect::same,
    puppet::Puppet,
    trace::{Init, Line, Namespace, What},
};

impl Stage<'_> {
    /// Waits until it is said that this init of a pid namespace has come so far.
    pub(crate) fn init_is(&self, event: &str, ns: &Namespace, init: &Puppet) -> Result<Init> {
        let of_it = |line: &Line| match &line.what {
            What::Init(said) if said.event == event && said.namespace.id == ns.id => {
                Some(said.as_ref().clone())
            }
            _ => None,
        };
        let log = &self.world.trace.log;
        let said = log.wait(self.from, PATIENCE, |lines| {
            Ok(lines.iter().find_map(of_it))
        })?;
        let said = said.with_context(|| format!("time is up: {event} of {ns}"))?;
        same("whose it is", Some(init.task()), said.init.clone())?;
        Ok(said)
    }

    /// Whether that has been said.
    pub(crate) fn init_was(&self, event: &str, ns: &Namespace) -> bool {
        self.world.trace.log.look(self.from, |lines| {
            lines.iter().any(|line| {
                matches!(&line.what, What::Init(said)
                    if said.event == event && said.namespace.id == ns.id)
            })
        })
    }
}
