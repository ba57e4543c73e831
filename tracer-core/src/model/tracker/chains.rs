//! Owners that are pulled along: one line for all of them.
//!
//! Where the kernel counts it climbs from owner to owner, and reports those
//! that flip one by one, the last one followed by [`Body::ClimbEnded`]; other
//! records may come in between. Elsewhere the climb is the model's own
//! (`settle`), and is over before it looks at anything else.
//!
//! [`Body::ClimbEnded`]: super::super::Body::ClimbEnded

use tracer_common::event::Cause;

use super::super::{Chain, ChainLink, Lifecycle, Namespace, Transition, What};
use super::entry::NsHandle;
use super::sink::Sink;

/// Chains that are kept open: as many threads can climb at one time and be
/// heard of. One whose end was lost is closed when its place is needed.
const LIMIT: usize = 64;

/// Owners in a chain: the kernel nests user namespaces 33 deep.
const LONGEST: usize = 64;

/// A chain to which something may still be added.
#[derive(Debug)]
struct Open {
    /// The thread that climbs.
    thread: u32,
    /// The one that was pulled along last.
    last: NsHandle,
    at: u64,
    selected: bool,
    chain: Box<Chain>,
}

/// What was pulled along, and by which namespace.
pub(super) struct Pulled {
    pub(super) by: NsHandle,
    pub(super) handle: NsHandle,
    pub(super) step: Lifecycle,
    pub(super) ns: Namespace,
}

impl Pulled {
    fn link(&self) -> ChainLink {
        ChainLink {
            step: self.step,
            cause: match self.step {
                Lifecycle::Deactivated => Cause::OwnedWent,
                _ => Cause::OwnedCame,
            },
            ns: self.ns,
        }
    }
}

/// The open chains, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Chains {
    open: Vec<Open>,
}

impl Chains {
    /// Adds an owner to the chain of the namespace that pulled it along. False
    /// if there is none.
    pub(super) fn go_on(&mut self, pulled: &Pulled, sink: &Sink<'_>) -> bool {
        let thread = sink.thread();
        let continues = |open: &&mut Open| {
            open.thread == thread
                && open.last == pulled.by
                && open.chain.links.len() < LONGEST
                // Whose end was lost and which went the other way is over.
                && open.chain.namespace.state == pulled.ns.state
        };
        let Some(open) = self.open.iter_mut().find(continues) else {
            return false;
        };
        open.last = pulled.handle;
        // It may not have been known when the one below was pulled along.
        if let Some(below) = open.chain.links.last_mut() {
            below.ns.owner = Some(pulled.ns.id);
        }
        open.chain.links.push(pulled.link());
        true
    }

    /// Opens a chain with the namespace that pulled its owner along.
    pub(super) fn begin(&mut self, namespace: Namespace, pulled: &Pulled, sink: &mut Sink<'_>) {
        if self.open.len() >= LIMIT {
            self.open.remove(0).close(sink);
        }
        self.open.push(Open {
            thread: sink.thread(),
            last: pulled.handle,
            at: sink.at(),
            selected: sink.selected(),
            chain: Box::new(Chain {
                namespace,
                actor: sink.actor(),
                links: vec![pulled.link()],
            }),
        });
    }

    /// The thread at hand has climbed to the end.
    pub(super) fn end(&mut self, sink: &mut Sink<'_>) {
        let thread = sink.thread();
        self.close(sink, |open| open.thread == thread);
    }

    /// Nothing will be added to any of them.
    pub(super) fn end_all(&mut self, sink: &mut Sink<'_>) {
        if !self.open.is_empty() {
            self.close(sink, |_| true);
        }
    }

    fn close(&mut self, sink: &mut Sink<'_>, is_over: impl Fn(&Open) -> bool) {
        for open in self.open.extract_if(.., |open| is_over(open)) {
            open.close(sink);
        }
    }
}

impl Open {
    fn close(self, sink: &mut Sink<'_>) {
        sink.push(Transition {
            at: self.at,
            selected: self.selected,
            what: What::Chain(self.chain),
        });
    }
}
