//! BTF, written. (aya-obj writes it as well, but no structure with members.)

use std::collections::HashMap;

/// Kinds of types, as in the kernel's `include/uapi/linux/btf.h`.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Int = 1,
    Struct = 4,
    Union = 5,
    Typedef = 8,
    Func = 12,
    FuncProto = 13,
}

/// A type, but for its name and what follows its header.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Header {
    pub(crate) kind: Kind,
    /// Whether bits 24 to 31 of a member's offset are the size of a bit field.
    pub(crate) has_bit_fields: bool,
    /// Number of members or parameters; linkage of a function.
    pub(crate) length: u32,
    /// Size in bytes, or the number of another type.
    pub(crate) size_or_type: u32,
}

/// BTF under construction. Types are numbered from 1 in the order of their
/// addition.
pub(crate) struct Writer {
    types: Vec<u32>,
    strings: Vec<u8>,
    names: HashMap<String, u32>,
}

impl Writer {
    pub(crate) fn new() -> Self {
        let mut writer = Self {
            types: Vec::new(),
            strings: Vec::new(),
            names: HashMap::new(),
        };
        // That of what has no name has to be at offset 0.
        writer.name("");
        writer
    }

    /// The number that stands for a name, wherever one is called for.
    pub(crate) fn name(&mut self, name: &str) -> u32 {
        if let Some(&offset) = self.names.get(name) {
            return offset;
        }
        let offset = length_of(&self.strings);
        self.strings.extend(name.bytes().chain([0]));
        self.names.insert(name.to_owned(), offset);
        offset
    }

    /// Adds a type; `rest` is what its kind has behind the header.
    pub(crate) fn add(&mut self, name: &str, header: Header, rest: &[u32]) {
        let name = self.name(name);
        let info =
            u32::from(header.has_bit_fields) << 31 | (header.kind as u32) << 24 | header.length;
        self.types.extend([name, info, header.size_or_type]);
        self.types.extend(rest);
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        const MAGIC_AND_VERSION: u32 = 0x0001_eb9f;
        const HEADER_LENGTH: u32 = 24;
        let types: Vec<u8> = self.types.into_iter().flat_map(u32::to_le_bytes).collect();
        let header = [
            MAGIC_AND_VERSION,
            HEADER_LENGTH,
            0,
            length_of(&types),
            length_of(&types),
            length_of(&self.strings),
        ];
        [
            header.into_iter().flat_map(u32::to_le_bytes).collect(),
            types,
            self.strings,
        ]
        .concat()
    }
}

/// In BTF, everything is shorter than 4 GiB.
fn length_of(bytes: &[u8]) -> u32 {
    bytes.len().try_into().unwrap_or(u32::MAX)
}
