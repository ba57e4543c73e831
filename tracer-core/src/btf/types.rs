//! The types of a BTF section, read in place: nothing is copied, and nothing
//! is allocated for a type.
//!
//! A kernel has some 150,000 of them, of which nslife needs a few dozen. The
//! format is that of the kernel's `Documentation/bpf/btf.rst`.

use std::ffi::CStr;

use super::BtfError;

/// `struct btf_header` up to its last field that every version has.
const HEADER: usize = 24;

/// `struct btf_type`: name, information, size or type.
const TYPE: usize = 12;

/// `struct btf_member`: name, type, offset.
const MEMBER: usize = 12;

/// Names have at most so many bytes with their end (`KSYM_NAME_LEN`). Longer
/// ones are none: a forged description would have them gone through again and
/// again.
const MAX_NAME: usize = 512;

/// The first two bytes, in the byte order of the machine.
const MAGIC: u16 = 0xeb9f;

/// The only version there is.
const VERSION: u8 = 1;

/// What a type is: the kinds that nslife asks for, and all others.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Struct,
    Union,
    Typedef,
    /// `const`, `volatile`, `restrict` or a type tag: another type, qualified.
    Qualifier,
    Func,
    Other,
}

/// A type: its header, and where the rest of it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Type<'b> {
    pub(super) kind: Kind,
    /// Offset of its name among the strings; 0 if it has none.
    name: u32,
    /// For a structure its size in bytes; for others mostly the number of the
    /// type that it refers to.
    pub(super) size_or_type: u32,
    /// Whether offsets of members share their word with the width of a bit
    /// field.
    has_bit_fields: bool,
    /// What follows the header.
    rest: &'b [u8],
}

/// A member of a structure or union.
#[derive(Clone, Copy, Debug)]
pub(super) struct Member {
    /// Offset of its name among the strings; 0 if it has none.
    name: u32,
    /// The number of its type.
    pub(super) ty: u32,
    /// Its offset in bits.
    pub(super) bits: u32,
}

/// All types of a section, by number.
pub(super) struct Types<'b> {
    types: &'b [u8],
    strings: &'b [u8],
    /// Where each type begins. The first one has the number 1: 0 is `void`.
    starts: Vec<u32>,
    /// How many of them can be asked for by name.
    named: usize,
}

impl<'b> Types<'b> {
    /// Finds out where each type begins, and checks that all of them are
    /// there.
    pub(super) fn parse(bytes: &'b [u8]) -> Result<Self, BtfError> {
        let header = bytes.get(..HEADER).ok_or(BtfError::Truncated)?;
        if u16::from_ne_bytes([header[0], header[1]]) != MAGIC || header[2] != VERSION {
            return Err(BtfError::NotBtf);
        }
        let length = word(header, 4)?;
        let body = usize::try_from(length)
            .ok()
            .filter(|&length| length >= HEADER)
            .and_then(|length| bytes.get(length..))
            .ok_or(BtfError::Truncated)?;
        let section = |offset, length| {
            let (offset, length) = (word(header, offset)?, word(header, length)?);
            let start = usize::try_from(offset).map_err(|_| BtfError::Truncated)?;
            let length = usize::try_from(length).map_err(|_| BtfError::Truncated)?;
            let end = start.checked_add(length).ok_or(BtfError::Truncated)?;
            body.get(start..end).ok_or(BtfError::Truncated)
        };
        let types = section(8, 12)?;
        let strings = section(16, 20)?;
        // So that each name has an end.
        if strings.last() != Some(&0) {
            return Err(BtfError::Truncated);
        }
        let mut all = Self {
            types,
            strings,
            // A type takes some 20 bytes on average.
            starts: Vec::with_capacity(types.len() / 16),
            named: 0,
        };
        let mut start = 0;
        while start < types.len() {
            let ty = all.at(start)?;
            all.starts
                .push(u32::try_from(start).map_err(|_| BtfError::Truncated)?);
            all.named += usize::from(ty.is_asked_for());
            start += TYPE + ty.rest.len();
        }
        Ok(all)
    }

    /// The number of the last type.
    fn last(&self) -> u32 {
        // Each takes twelve bytes of a section whose length is 32 bits wide.
        u32::try_from(self.starts.len()).unwrap_or(u32::MAX)
    }

    /// How many types can be asked for by name.
    pub(super) fn named_count(&self) -> usize {
        self.named
    }

    /// The types that can be asked for by name, with their numbers.
    pub(super) fn named(&self) -> impl Iterator<Item = (u32, Type<'b>)> {
        (1..=self.last())
            .filter_map(|number| Some((number, self.get(number)?)))
            .filter(|(_, ty)| ty.is_asked_for())
    }

    /// The type of this number; `None` for `void` and where there is none.
    pub(super) fn get(&self, number: u32) -> Option<Type<'b>> {
        let index = usize::try_from(number.checked_sub(1)?).ok()?;
        let start = usize::try_from(*self.starts.get(index)?).ok()?;
        self.at(start).ok()
    }

    /// The name of a type.
    pub(super) fn name(&self, ty: &Type<'_>) -> &'b [u8] {
        self.string(ty.name)
    }

    /// The name of a member.
    pub(super) fn member_name(&self, member: &Member) -> &'b [u8] {
        self.string(member.name)
    }

    /// The string at this offset, up to its end; empty where there is none.
    fn string(&self, offset: u32) -> &'b [u8] {
        let from = usize::try_from(offset)
            .ok()
            .and_then(|offset| self.strings.get(offset..))
            .unwrap_or_default();
        let from = &from[..from.len().min(MAX_NAME)];
        CStr::from_bytes_until_nul(from).map_or(&[], CStr::to_bytes)
    }

    /// The type that begins here.
    fn at(&self, start: usize) -> Result<Type<'b>, BtfError> {
        let bytes = self.types.get(start..).ok_or(BtfError::Truncated)?;
        let information = word(bytes, 4)?;
        let number = information >> 24 & 0x1f;
        let length = (information & 0xffff) as usize;
        let (kind, rest) = match number {
            // Integers, variables, declaration tags: a word more.
            1 | 14 | 17 => (Kind::Other, 4),
            // Pointers, forward declarations and floating-point numbers.
            2 | 7 | 16 => (Kind::Other, 0),
            // Arrays: element, index, length.
            3 => (Kind::Other, 12),
            4 => (Kind::Struct, length * MEMBER),
            5 => (Kind::Union, length * MEMBER),
            // Enumerations and prototypes: name and value, name and type.
            6 | 13 => (Kind::Other, length * 8),
            8 => (Kind::Typedef, 0),
            9..=11 | 18 => (Kind::Qualifier, 0),
            12 => (Kind::Func, 0),
            // Sections of data, enumerations of 64 bits.
            15 | 19 => (Kind::Other, length * 12),
            _ => return Err(BtfError::UnknownKind { kind: number }),
        };
        let rest = bytes.get(TYPE..TYPE + rest).ok_or(BtfError::Truncated)?;
        Ok(Type {
            kind,
            name: word(bytes, 0)?,
            size_or_type: word(bytes, 8)?,
            has_bit_fields: information >> 31 == 1,
            rest,
        })
    }
}

impl Type<'_> {
    /// Whether it has a name, and is of a kind that nslife asks for.
    fn is_asked_for(&self) -> bool {
        self.name != 0 && !matches!(self.kind, Kind::Other | Kind::Qualifier)
    }

    /// Whether this is a structure or a union.
    pub(super) fn is_aggregate(&self) -> bool {
        matches!(self.kind, Kind::Struct | Kind::Union)
    }

    /// The members of a structure or union; of anything else there are none.
    pub(super) fn members(&self) -> impl Iterator<Item = Member> {
        /// The width of a bit field is in the highest byte.
        const OFFSET: u32 = 0x00ff_ffff;
        let rest = if self.is_aggregate() { self.rest } else { &[] };
        rest.chunks_exact(MEMBER).filter_map(|bytes| {
            let offset = word(bytes, 8).ok()?;
            Some(Member {
                name: word(bytes, 0).ok()?,
                ty: word(bytes, 4).ok()?,
                bits: if self.has_bit_fields {
                    offset & OFFSET
                } else {
                    offset
                },
            })
        })
    }
}

/// The word at this offset, in the byte order of the machine.
fn word(bytes: &[u8], offset: usize) -> Result<u32, BtfError> {
    let bytes = bytes.get(offset..).and_then(|rest| rest.first_chunk());
    bytes
        .map(|&bytes| u32::from_ne_bytes(bytes))
        .ok_or(BtfError::Truncated)
}
