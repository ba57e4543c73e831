//! Takes out of the kernel programs' object what a start of nslife does not need but would have to
//! read.

use anyhow::{Context as _, Result, ensure};
use object::{
    build::{
        ByteString,
        elf::{Builder, SectionData},
    },
    elf::SHT_STRTAB,
};

/// The sections of programs that only hooks need: `nslife list` walks, and hooks nothing.
const OF_HOOKS: [&str; 3] = ["fentry", "fexit", "tp_btf/"];

/// What is to be in an object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Programs {
    /// All.
    All,
    /// Those of the walk.
    Walk,
}

/// The object with these programs, and without debugging information.
///
/// DWARF is five sixths of what the compiler writes. BTF stays, with the names and types of functions,
/// but without the lines of the source: the loader copies those of a whole section for each of its
/// programs.
pub(crate) fn strip(object: &[u8], programs: Programs) -> Result<Vec<u8>> {
    let mut builder = Builder::read(object).context("the object cannot be read")?;
    for section in &mut builder.sections {
        let name = String::from_utf8_lossy(&section.name).into_owned();
        let name = name.strip_prefix(".rel").unwrap_or(&name);
        section.delete = name.starts_with(".debug_")
            || programs == Programs::Walk && OF_HOOKS.iter().any(|hooks| name.starts_with(hooks));
        if name == ".BTF.ext"
            && let SectionData::Data(data) = &mut section.data
        {
            *data = without_lines(data)?.into();
        }
    }
    builder.delete_orphans();
    // The compiler has one table for the names of sections and those of symbols; what writes here has
    // two.
    let names = builder.sections.add();
    names.name = ByteString::from(".shstrtab");
    names.sh_type = SHT_STRTAB;
    names.data = SectionData::SectionString;
    let mut stripped = Vec::new();
    builder
        .write(&mut stripped)
        .context("the object cannot be written")?;
    Ok(stripped)
}

/// `struct btf_ext_header` of libbpf: the offsets of its words. The lines of the source are last,
/// before relocations, of which there are none.
const HEADER_LENGTH: usize = 4;
const LINES: usize = 16;
const LINES_LENGTH: usize = 20;
const RELOCATIONS: usize = 24;
const RELOCATIONS_LENGTH: usize = 28;

/// `.BTF.ext` without the lines of the source.
fn without_lines(bytes: &[u8]) -> Result<Vec<u8>> {
    let word = |at: usize| -> Result<u32> {
        let word = bytes.get(at..).and_then(|rest| rest.first_chunk());
        let word = word.context("the .BTF.ext of the object is too short")?;
        Ok(u32::from_le_bytes(*word))
    };
    let lines = word(LINES)?;
    let begin = usize::try_from(word(HEADER_LENGTH)? + lines)?;
    let length = usize::try_from(word(LINES_LENGTH)?)?;
    ensure!(
        begin + length == bytes.len() && word(RELOCATIONS_LENGTH)? == 0,
        "something follows the lines of the source in .BTF.ext"
    );
    let mut stripped = bytes[..begin].to_vec();
    stripped[LINES_LENGTH..RELOCATIONS].fill(0);
    stripped[RELOCATIONS..RELOCATIONS_LENGTH].copy_from_slice(&lines.to_le_bytes());
    Ok(stripped)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(words: &[u32]) -> Vec<u8> {
        words.iter().copied().flat_map(u32::to_le_bytes).collect()
    }

    #[test]
    fn lines_are_taken_away_and_nothing_else() {
        let whole = bytes(&[0x0001_eb9f, 32, 0, 8, 8, 8, 16, 0, 100, 101, 102, 103]);
        let expected = bytes(&[0x0001_eb9f, 32, 0, 8, 8, 0, 8, 0, 100, 101]);
        assert_eq!(without_lines(&whole).unwrap(), expected);
        assert!(
            without_lines(&whole[..44]).is_err(),
            "some lines are missing"
        );
        assert!(without_lines(&whole[..10]).is_err());
    }

    #[test]
    fn relocations_are_not_thrown_away() {
        let words = [0x0001_eb9f, 32, 0, 8, 8, 8, 16, 4, 100, 101, 102, 103, 104];
        assert!(without_lines(&bytes(&words)).is_err());
    }
}
