//! Descriptions that no kernel gives: the reader refuses them, or answers,
//! but neither breaks nor hangs.

use nslife::{
    btf::KernelBtf,
    plan::{self, How},
};

use crate::stored::KERNELS;

/// Asks everything that nslife asks of a kernel.
fn ask_everything(bytes: &[u8]) {
    let Ok(btf) = KernelBtf::parse(bytes) else {
        return;
    };
    let _ = btf.layout();
    for candidate in plan::wanted() {
        let _ = match candidate.how {
            How::Fentry | How::Fexit => btf.has_function(candidate.function),
            How::Tracepoint => btf.has_tracepoint(candidate.function),
        };
    }
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
    const STEP: usize = 97;
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

/// A structure `s` with a hundred members: the first called `named`, the
/// others nameless, all of the type of this number.
fn structure_of(member_type: u32) -> Vec<u8> {
    const MEMBERS: u32 = 100;
    const STRUCT: u32 = 4 << 24;
    const STRINGS: &[u8] = b"\0s\0named\0";
    let header = |types: u32| [0x0001_eb9f, 24, 0, types, types, STRINGS.len() as u32];
    let mut types = vec![1, STRUCT | MEMBERS, 8 * MEMBERS];
    for index in 0..MEMBERS {
        let name = if index == 0 { 3 } else { 0 };
        types.extend([name, member_type, 64 * index]);
    }
    let words = [header(4 * types.len() as u32).as_slice(), &types].concat();
    let bytes = words.into_iter().flat_map(u32::to_le_bytes);
    bytes.chain(STRINGS.iter().copied()).collect()
}

#[test]
fn a_structure_within_itself_does_not_hang_it() {
    let btf = KernelBtf::parse(&structure_of(1)).unwrap();
    assert_eq!(btf.offset("s", &["named"]), Some(0));
    assert_eq!(btf.offset("s", &["named", "named"]), Some(0));
    assert_eq!(btf.offset("s", &["missing"]), None);
}

#[test]
fn a_member_of_no_type_is_a_member() {
    for no_type in [0, 2, u32::MAX] {
        let btf = KernelBtf::parse(&structure_of(no_type)).unwrap();
        assert_eq!(btf.offset("s", &["named"]), Some(0));
        assert_eq!(btf.offset("s", &["named", "named"]), None);
        assert_eq!(btf.size("s"), Some(800));
    }
}
