//! Whether nslife gets the same answers from two descriptions of a kernel.

use anyhow::{Result, ensure};
use btf_rs::{Btf, Type};
use tracer_core::btf::KernelBtf;

use crate::keep;

/// Fails on the first question that the two answer differently, out of all
/// that nslife asks and may ask.
pub(crate) fn same_answers(full: &[u8], minimal: &[u8]) -> Result<()> {
    let (left, right) = (KernelBtf::parse(full)?, KernelBtf::parse(minimal)?);
    ensure!(
        left.layout()? == right.layout()?,
        "the layouts differ: {:?} and {:?}",
        left.layout()?,
        right.layout()?
    );
    for name in keep::functions() {
        let has = |btf: &KernelBtf| btf.has_function(name);
        ensure!(has(&left) == has(&right), "the function {name} differs");
    }
    for name in keep::tracepoints() {
        let has = |btf: &KernelBtf| btf.has_tracepoint(name);
        ensure!(has(&left) == has(&right), "the tracepoint {name} differs");
    }
    same_members(full, &left, &right)
}

/// Compares the places of all members of all structures that are kept.
fn same_members(full: &[u8], left: &KernelBtf, right: &KernelBtf) -> Result<()> {
    let btf = Btf::from_bytes(full)?;
    let (first, last) = btf.base().type_id_range();
    for id in first..=last {
        let (Type::Struct(found) | Type::Union(found)) = btf.resolve_type_by_id(id)? else {
            continue;
        };
        let name = btf.resolve_name(&found)?;
        if !keep::is_structure(&name) {
            continue;
        }
        ensure!(
            left.size(&name) == right.size(&name),
            "the size of {name} differs"
        );
        for member in &found.members {
            let member = btf.resolve_name(member)?;
            ensure!(
                left.offset(&name, &[&member]) == right.offset(&name, &[&member]),
                "the offset of {name}.{member} differs"
            );
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stored;

    #[test]
    fn two_kernels_answer_differently_but_one_does_not() {
        let kernels = stored::all();
        for (one, left) in &kernels {
            for (other, right) in &kernels {
                let same = same_answers(left, right);
                assert_eq!(same.is_ok(), one == other, "{one}, {other}: {same:?}");
            }
        }
    }
}
