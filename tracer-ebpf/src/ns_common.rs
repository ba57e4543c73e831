//! `struct ns_common`: where it is in the structure of each type, what it says of
//! the type, and who owns the namespace.

use core::hint::black_box;

use tracer_common::{
    kind::NsKind,
    layout::{ABSENT, KindLayout},
};

use crate::mem::{constant, kind_layout, offset, peek, read};

/// The first inode number that a namespace can have; it and the next ones are
/// set aside for initial namespaces.
pub const FIRST_INUM: u32 = 0xEFFF_FFF8;

/// [`NsKind`] by the number of the bit that is its `CLONE_NEW*` flag; 255 for
/// the others. A table, since the verifier would follow each arm of a `match`
/// to the end of the program.
#[unsafe(no_mangle)]
static KIND_OF_BIT: [u8; 32] = {
    let mut table = [u8::MAX; 32];
    let mut index = 0;
    while index < NsKind::COUNT {
        let kind = NsKind::ALL[index];
        table[kind.clone_flag().trailing_zeros() as usize] = kind as u8;
        index += 1;
    }
    table
};

/// The type of the namespace whose `ns_common` is at `key`.
#[inline(always)]
pub fn kind_of(key: u64) -> Option<NsKind> {
    let flag: u32 = match offset!(ns_type) {
        ABSENT => read(read(key, offset!(ns_ops)), offset!(ops_type)),
        ns_type => read(key, ns_type),
    };
    let bit = (flag.trailing_zeros() & 31) as usize;
    NsKind::from_u32(u32::from(constant(&KIND_OF_BIT[bit])))
}

/// The `CLONE_NEW*` flags by [`NsKind`].
#[unsafe(no_mangle)]
static FLAG_OF_KIND: [u32; NsKind::COUNT] = {
    let mut table = [0; NsKind::COUNT];
    let mut index = 0;
    while index < NsKind::COUNT {
        table[index] = NsKind::ALL[index].clone_flag();
        index += 1;
    }
    table
};

/// The `CLONE_NEW*` flag of a type.
#[inline(always)]
pub fn flag_of(kind: NsKind) -> u32 {
    constant(&FLAG_OF_KIND[black_box(kind as usize) & (NsKind::COUNT - 1)])
}

/// Whether there is a namespace of this type at `key`, which may be anything.
#[inline(always)]
pub fn is_namespace(key: u64, kind: NsKind) -> bool {
    let flag: u32 = match offset!(ns_type) {
        ABSENT => peek(peek(key, offset!(ns_ops)), offset!(ops_type)),
        ns_type => peek(key, ns_type),
    };
    flag == flag_of(kind) && peek::<u32>(key, offset!(ns_inum)) >= FIRST_INUM
}

/// The `ns_common` of the user namespace that owns the one at `key`; 0 if
/// none.
#[inline(always)]
pub fn owner_of(key: u64, kind: NsKind) -> u64 {
    let layout = kind_layout(kind);
    let base = key - u64::from(constant(&layout.common));
    common_of(read(base, constant(&layout.owner)), NsKind::User)
}

/// The address of the `ns_common` in the structure of this kind at `base`; 0
/// for none. Without a branch: the verifier would follow both ways from there
/// on. It has to be a number, see [`number`](crate::mem::number).
#[inline(always)]
pub fn common_of(base: u64, kind: NsKind) -> u64 {
    common_in(base, kind_layout(kind))
}

/// As [`common_of`], where this is known of the kind.
#[inline(always)]
pub fn common_in(base: u64, layout: &'static KindLayout) -> u64 {
    let is_some = black_box((base | base.wrapping_neg()) >> 63);
    let common = base.wrapping_add(u64::from(constant(&layout.common)));
    common & is_some.wrapping_neg()
}
