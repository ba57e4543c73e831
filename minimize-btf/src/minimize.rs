//! The reduction: structures keep their members, but a member's type is
//! opaque unless nslife looks into it.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, ensure};
use btf_rs::{Btf, BtfType, Func, Member, Struct, Type};

use crate::{
    keep,
    writer::{Header, Kind, Writer},
};

/// The type of everything that nobody looks into; it comes first.
const OPAQUE: u32 = 1;

/// Reduces BTF to what [`keep`] names.
pub(crate) fn minimize(full: &[u8]) -> Result<Vec<u8>> {
    let btf = Btf::from_bytes(full).context("this is not BTF")?;
    let mut writer = Writer::new();
    add_opaque(&mut writer);

    let kept = aggregates(&btf)?;
    let numbers: BTreeMap<u32, u32> = kept.into_iter().zip(OPAQUE + 1..).collect();
    for &id in numbers.keys() {
        match btf.resolve_type_by_id(id)? {
            Type::Struct(found) => add_aggregate(&mut writer, &btf, Kind::Struct, &found, &numbers),
            Type::Union(found) => add_aggregate(&mut writer, &btf, Kind::Union, &found, &numbers),
            _ => Ok(()),
        }?;
    }

    let mut next = OPAQUE + 1 + u32::try_from(numbers.len())?;
    for name in BTreeSet::from_iter(keep::functions()) {
        for ty in btf.resolve_types_by_name(name)? {
            if let Type::Func(function) = ty {
                add_function(&mut writer, &btf, name, &function, next)?;
                next += 2;
            }
        }
    }
    for name in BTreeSet::from_iter(keep::tracepoints()) {
        let name = format!("btf_trace_{name}");
        for ty in btf.resolve_types_by_name(&name)? {
            if let Type::Typedef(_) = ty {
                add_typedef(&mut writer, &name);
            }
        }
    }
    Ok(writer.finish())
}

/// The structures and unions that are kept: those with a name that is, and
/// what they contain that has no name.
fn aggregates(btf: &Btf) -> Result<BTreeSet<u32>> {
    let mut kept = BTreeSet::new();
    let (first, last) = btf.base().type_id_range();
    for id in first..=last {
        if let Type::Struct(found) | Type::Union(found) = btf.resolve_type_by_id(id)?
            && keep::is_structure(&btf.resolve_name(&found)?)
        {
            keep_with_nameless(btf, id, &mut kept)?;
        }
    }
    Ok(kept)
}

fn keep_with_nameless(btf: &Btf, id: u32, kept: &mut BTreeSet<u32>) -> Result<()> {
    let (Type::Struct(found) | Type::Union(found)) = btf.resolve_type_by_id(id)? else {
        return Ok(());
    };
    if !kept.insert(id) {
        return Ok(());
    }
    for member in &found.members {
        if let Some((inner_id, inner)) = aggregate(btf, member)?
            && (btf.resolve_name(member)?.is_empty() || btf.resolve_name(&inner)?.is_empty())
        {
            keep_with_nameless(btf, inner_id, kept)?;
        }
    }
    Ok(())
}

/// The structure or union that a member is, behind typedefs and qualifiers.
fn aggregate(btf: &Btf, member: &Member) -> Result<Option<(u32, Struct)>> {
    let mut id = member.get_type_id();
    while let Some(current) = id {
        id = match btf.resolve_type_by_id(current)? {
            Type::Struct(found) | Type::Union(found) => return Ok(Some((current, found))),
            Type::Typedef(typedef) => typedef.get_type_id(),
            Type::Const(qualified) | Type::Volatile(qualified) | Type::Restrict(qualified) => {
                qualified.get_type_id()
            }
            Type::TypeTag(tagged) => tagged.get_type_id(),
            _ => None,
        };
    }
    Ok(None)
}

fn add_opaque(writer: &mut Writer) {
    let header = Header {
        kind: Kind::Int,
        has_bit_fields: false,
        length: 0,
        size_or_type: 1,
    };
    const BITS: u32 = 8;
    writer.add("opaque", header, &[BITS]);
}

fn add_aggregate(
    writer: &mut Writer,
    btf: &Btf,
    kind: Kind,
    found: &Struct,
    numbers: &BTreeMap<u32, u32>,
) -> Result<()> {
    let mut members = Vec::new();
    let mut has_bit_fields = false;
    for member in &found.members {
        let number = aggregate(btf, member)?.and_then(|(id, _)| numbers.get(&id));
        let bits = member.bitfield_size();
        has_bit_fields |= bits.is_some();
        members.extend([
            writer.name(&btf.resolve_name(member)?),
            number.copied().unwrap_or(OPAQUE),
            bits.unwrap_or(0) << 24 | member.bit_offset(),
        ]);
    }
    let header = Header {
        kind,
        has_bit_fields,
        length: found.members.len().try_into()?,
        size_or_type: found.size().try_into()?,
    };
    writer.add(&btf.resolve_name(found)?, header, &members);
    Ok(())
}

/// Adds a function's prototype, as the type `number`, and the function.
fn add_function(
    writer: &mut Writer,
    btf: &Btf,
    name: &str,
    function: &Func,
    number: u32,
) -> Result<()> {
    let Type::FuncProto(prototype) = btf.resolve_chained_type(function)? else {
        anyhow::bail!("{name} has no prototype");
    };
    let mut parameters = Vec::new();
    for parameter in &prototype.parameters {
        ensure!(!parameter.is_variadic(), "{name} takes any arguments");
        parameters.extend([writer.name(&btf.resolve_name(parameter)?), OPAQUE]);
    }
    let header = Header {
        kind: Kind::FuncProto,
        has_bit_fields: false,
        length: prototype.parameters.len().try_into()?,
        size_or_type: OPAQUE,
    };
    writer.add("", header, &parameters);
    let header = Header {
        kind: Kind::Func,
        has_bit_fields: false,
        length: u32::from(function.is_global()),
        size_or_type: number,
    };
    writer.add(name, header, &[]);
    Ok(())
}

fn add_typedef(writer: &mut Writer, name: &str) {
    let header = Header {
        kind: Kind::Typedef,
        has_bit_fields: false,
        length: 0,
        size_or_type: OPAQUE,
    };
    writer.add(name, header, &[]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stored;

    #[test]
    fn what_is_minimal_stays_as_it_is() {
        for (kernel, btf) in stored::all() {
            assert!(minimize(&btf).unwrap() == btf, "{kernel}");
        }
    }

    #[test]
    fn what_is_not_btf_is_refused() {
        assert!(minimize(b"BTF").is_err());
    }
}
