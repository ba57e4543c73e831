//! How much room the kernel programs get.

use std::{fmt, str::FromStr};

/// Bytes that the ring buffer can have: the kernel takes a power of two that
/// is a multiple of the page size, which is 64 KiB at most.
const SMALLEST_PAGE: u32 = 4096;

/// The largest ring buffer, bytes: as much again is mapped by this process.
const LARGEST: u32 = 1 << 30;

/// Units of sizes, the largest first.
const UNITS: [(&str, u32); 3] = [("GiB", 30), ("MiB", 20), ("KiB", 10)];

/// The size of the ring buffer, bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RingSize(u32);

/// Why this is no size of a ring buffer.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RingSizeError {
    /// It is not written as one.
    #[error("not a size: give a number of bytes, or one with a unit, such as 256KiB or 4MiB")]
    NotASize,
    /// The kernel takes no such size.
    #[error(
        "a ring buffer has a power of two of pages: {} to {}, such as 256KiB or 4MiB",
        RingSize(*smallest),
        RingSize(LARGEST)
    )]
    Impossible {
        /// The smallest there can be here, bytes.
        smallest: u32,
    },
}

impl RingSize {
    /// A size that the kernel takes.
    pub fn new(bytes: u64) -> Result<Self, RingSizeError> {
        let page = u32::try_from(rustix::param::page_size()).unwrap_or(SMALLEST_PAGE);
        u32::try_from(bytes)
            .ok()
            .filter(|bytes| bytes.is_power_of_two() && (page..=LARGEST).contains(bytes))
            .map(Self)
            .ok_or(RingSizeError::Impossible { smallest: page })
    }

    /// In bytes.
    pub fn bytes(self) -> u32 {
        self.0
    }
}

impl Default for RingSize {
    /// A megabyte, some thousands of records.
    fn default() -> Self {
        Self(1 << 20)
    }
}

impl FromStr for RingSize {
    type Err = RingSizeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let in_units = UNITS
            .iter()
            .find_map(|&(unit, shift)| Some((text.strip_suffix(unit)?, shift)));
        let (number, shift) = in_units.unwrap_or((text, 0));
        let number: u32 = number.parse().map_err(|_| RingSizeError::NotASize)?;
        Self::new(u64::from(number) << shift)
    }
}

impl fmt::Display for RingSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = |&&(_, shift): &&(&str, u32)| self.0.trailing_zeros() >= shift;
        match UNITS.iter().find(whole) {
            Some((unit, shift)) => write!(f, "{}{unit}", self.0 >> shift),
            None => write!(f, "{}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_and_written_in_the_same_way() {
        let size = |text: &str| text.parse::<RingSize>().map(RingSize::bytes);
        assert_eq!(size("65536"), Ok(1 << 16));
        assert_eq!(size("64KiB"), Ok(1 << 16));
        assert_eq!(size("4MiB"), Ok(1 << 22));
        assert_eq!(size("1GiB"), Ok(1 << 30));
        for text in ["64KiB", "1MiB", "1GiB"] {
            assert_eq!(text.parse::<RingSize>().unwrap().to_string(), text);
        }
        assert_eq!(RingSize::default().to_string(), "1MiB");
    }

    #[test]
    fn what_the_kernel_would_not_take_is_refused() {
        let error = |text: &str| text.parse::<RingSize>().unwrap_err();
        for text in ["", "KiB", "-1", "1.5MiB", "much", "1MB", "99999999999"] {
            assert_eq!(error(text), RingSizeError::NotASize, "{text:?}");
        }
        for text in ["0", "1", "2048", "3MiB", "2GiB", "4294967295GiB"] {
            let RingSizeError::Impossible { smallest } = error(text) else {
                panic!("{text:?} is not a size");
            };
            assert!(smallest >= SMALLEST_PAGE);
        }
        let text = error("3MiB").to_string();
        assert!(text.contains("KiB to 1GiB"), "{text}");
    }
}
