//! What the kernel programs say, as they said it.

use crate::model::Walk;

/// Something that came from the kernel, in the order in which the engine
/// deals with it.
#[derive(Clone, Copy, Debug)]
pub enum Frame<'a> {
    /// Records of a walk that has begun, see [`tracer_common::walk`].
    Walk(&'a [u8]),
    /// A record of the ring buffer, see [`tracer_common::event`].
    Record(&'a [u8]),
    /// The walk is about to be merged: this is what has become of it.
    Merge(&'a Walk),
}

/// Hears every frame before the engine makes anything of it. Kernel addresses
/// are in them: whoever listens keeps those to itself.
pub type Tap = Box<dyn FnMut(Frame<'_>) + Send>;
