//! Inputs to begin with, for the decoder.

use std::{fs, path::Path};

use anyhow::Result;

/// First words of records, and more: what kind of record it is.
const KINDS: std::ops::RangeInclusive<u32> = 1..=24;
/// Lengths of records, and more, in bytes.
const LENGTHS: std::ops::RangeInclusive<usize> = 16..=320;
/// All records are a multiple of this long.
const ALIGNMENT: usize = 8;

/// Writes a record of every kind in every length, so that the right ones are among them whatever
/// records there are. All their fields are 1, which is a good value for each.
pub(super) fn write_records(folder: &Path) -> Result<()> {
    for kind in KINDS {
        for length in LENGTHS.step_by(ALIGNMENT) {
            let name = format!("{kind}-{length}");
            fs::write(folder.join(name), record(kind, length))?;
        }
    }
    Ok(())
}

fn record(kind: u32, length: usize) -> Vec<u8> {
    let fields = std::iter::repeat(1_u32);
    std::iter::once(kind)
        .chain(fields)
        .flat_map(u32::to_ne_bytes)
        .take(length)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_as_long_as_asked_and_of_its_kind() {
        let record = record(7, 128);
        assert_eq!(record.len(), 128);
        assert_eq!(record[..8], [7, 0, 0, 0, 1, 0, 0, 0]);
    }
}
