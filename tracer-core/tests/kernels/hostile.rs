//! Descriptions that no kernel gives: the reader refuses them, or answers,
//! but neither breaks nor hangs.

use tracer_core::{btf::KernelBtf, plan};

use crate::stored::KERNELS;

/// Asks everything that nslife asks of a kernel.
fn ask_everything(bytes: &[u8]) {
    let Ok(btf) = KernelBtf::parse(bytes) else {
        return;
    };
    let _ = btf.layout();
    let _ = plan::offered(&btf);
}

/// The strings come last, so what ends early has lost some of them.
#[test]
fn what_is_cut_off_anywhere_is_refused() {
    let bytes = KERNELS[KERNELS.len() - 1].bytes;
    for length in 0..bytes.len() {
        let cut = KernelBtf::parse(&bytes[..length]);
        assert!(cut.is_err(), "{length} bytes");
    }
}

#[test]
fn no_changed_byte_breaks_it() {
    /// Odd, so that each byte of a word has its turn.
    const STEP: usize = 251;
    for kernel in KERNELS {
        let mut bytes = kernel.bytes.to_vec();
        for index in (0..bytes.len()).step_by(STEP) {
            for change in [0x01, 0x80, 0xff] {
                bytes[index] ^= change;
                ask_everything(&bytes);
                bytes[index] ^= change;
            }
        }
    }
}

/// Strings of a description made here, and where they start.
const STRINGS: &[u8] = b"\0s\0named\0";
const NOTHING: u32 = 0;
const S: u32 = 1;
const NAMED: u32 = 3;

/// A member: its name, the number of its type, its offset in bits.
type Member = [u32; 3];

/// A description of these structures alone, with their names; they are
/// numbered from 1.
fn describe(structures: &[(u32, Vec<Member>)]) -> Vec<u8> {
    const STRUCT: u32 = 4 << 24;
    const SIZE: u32 = 8;
    let mut types = Vec::new();
    for (name, members) in structures {
        types.extend([*name, STRUCT | members.len() as u32, SIZE]);
        types.extend(members.as_flattened());
    }
    let length = 4 * types.len() as u32;
    let header = [0x0001_eb9f, 24, 0, length, length, STRINGS.len() as u32];
    let words = [header.as_slice(), &types].concat();
    let bytes: Vec<u8> = words.into_iter().flat_map(u32::to_le_bytes).collect();
    [bytes.as_slice(), STRINGS].concat()
}

#[test]
fn a_structure_within_itself_does_not_hang_it() {
    let mut members = vec![[NAMED, 1, 0]];
    members.extend([[NOTHING, 1, 0]; 100]);
    let bytes = describe(&[(S, members)]);
    let btf = KernelBtf::parse(&bytes).unwrap();
    assert_eq!(btf.offset("s", &["named"]), Some(0));
    assert_eq!(btf.offset("s", &["named", "named"]), Some(0));
    assert_eq!(btf.offset("s", &["missing"]), None);
}

#[test]
fn nesting_has_an_end() {
    let nested = |levels: u32| {
        let mut structures: Vec<_> = (2..=levels)
            .map(|inner| (NOTHING, vec![[NOTHING, inner, 8]]))
            .collect();
        structures.push((NOTHING, vec![[NAMED, 0, 8]]));
        structures[0].0 = S;
        let bytes = describe(&structures);
        KernelBtf::parse(&bytes).unwrap().offset("s", &["named"])
    };
    for levels in 1..=16 {
        assert_eq!(nested(levels), Some(levels));
    }
    assert_eq!(nested(17), None);
    assert_eq!(nested(1000), None);
}

#[test]
fn offsets_that_add_up_to_too_much_are_none() {
    const LAST: u32 = u32::MAX - 7;
    let bytes = describe(&[
        (S, vec![[NAMED, 1, LAST], [NOTHING, 2, LAST]]),
        (NOTHING, vec![[S, 0, 8]]),
    ]);
    let btf = KernelBtf::parse(&bytes).unwrap();
    assert_eq!(btf.offset("s", &["named"]), Some(LAST / 8));
    assert_eq!(btf.offset("s", &["named", "named"]), None);
    assert_eq!(btf.offset("s", &["s"]), None);
}

#[test]
fn a_part_of_a_byte_has_no_offset() {
    let bytes = describe(&[(S, vec![[NAMED, 0, 9]])]);
    let btf = KernelBtf::parse(&bytes).unwrap();
    assert_eq!(btf.offset("s", &["named"]), None);
}

#[test]
fn a_member_of_no_type_is_a_member() {
    for no_type in [0, 2, u32::MAX] {
        let bytes = describe(&[(S, vec![[NAMED, no_type, 64]])]);
        let btf = KernelBtf::parse(&bytes).unwrap();
        assert_eq!(btf.offset("s", &["named"]), Some(8));
        assert_eq!(btf.offset("s", &["named", "named"]), None);
        assert_eq!(btf.size("s"), Some(8));
    }
}
