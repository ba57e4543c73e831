//! Other readers of BTF give the same answers: `btf-rs`, and the one of the
//! loader.

use aya::{Btf as LoaderBtf, Endianness};
use aya_obj::btf::BtfKind;
use btf_rs::{Btf, Type};

use crate::stored::KERNELS;

/// The loader hands the kernel the number of a function, and nslife tells the
/// loader which one it is.
#[test]
fn functions_and_tracepoints_have_the_numbers_that_the_loader_finds() {
    for kernel in KERNELS {
        let ours = kernel.parse();
        let loader = LoaderBtf::parse(kernel.bytes, Endianness::default()).unwrap();
        let (mut functions, mut tracepoints) = (0, 0);
        let btf = Btf::from_bytes(kernel.bytes).unwrap();
        let (first, last) = btf.base().type_id_range();
        for number in first..=last {
            match btf.resolve_type_by_id(number).unwrap() {
                Type::Func(function) => {
                    let name = btf.resolve_name(&function).unwrap();
                    let theirs = loader.id_by_type_name_kind(&name, BtfKind::Func).unwrap();
                    assert_eq!(ours.function(&name), Some(theirs), "{name}");
                    functions += 1;
                }
                Type::Typedef(typedef) => {
                    let name = btf.resolve_name(&typedef).unwrap();
                    let Some(tracepoint) = name.strip_prefix("btf_trace_") else {
                        continue;
                    };
                    let theirs = loader.id_by_type_name_kind(&name, BtfKind::Typedef);
                    assert_eq!(ours.tracepoint(tracepoint), Some(theirs.unwrap()), "{name}");
                    tracepoints += 1;
                }
                _ => {}
            }
        }
        assert!(functions > 40 && tracepoints > 0, "{}", kernel.series);
        assert_eq!(ours.function("no_such_function"), None);
        assert_eq!(ours.function("task_struct"), None, "a structure");
    }
}

#[test]
fn members_are_where_btf_rs_finds_them() {
    for kernel in KERNELS {
        let ours = kernel.parse();
        let btf = Btf::from_bytes(kernel.bytes).unwrap();
        let (first, last) = btf.base().type_id_range();
        let mut compared = 0;
        for number in first..=last {
            let Type::Struct(found) = btf.resolve_type_by_id(number).unwrap() else {
                continue;
            };
            let name = btf.resolve_name(&found).unwrap();
            if name.is_empty() {
                continue;
            }
            assert_eq!(ours.size(&name), Some(found.size() as u32), "{name}");
            for member in &found.members {
                let field = btf.resolve_name(member).unwrap();
                if field.is_empty() {
                    continue;
                }
                let bits = member.bit_offset();
                let offset = bits.is_multiple_of(8).then_some(bits / 8);
                assert_eq!(ours.offset(&name, &[&field]), offset, "{name}.{field}");
                compared += 1;
            }
        }
        assert!(compared > 500, "{}: {compared} members", kernel.series);
    }
}
