//! Reading fixed-width fields, one after the other.

use std::num::NonZeroU32;

use super::DecodeError;
use crate::model::Key;

/// Bytes not read yet, and where they start.
#[derive(Clone, Debug)]
pub(super) struct Cursor<'a> {
    rest: &'a [u8],
    offset: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self {
            rest: bytes,
            offset: 0,
        }
    }

    /// Bytes read so far, counted from the start of the whole input.
    pub(super) fn offset(&self) -> usize {
        self.offset
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Drops what is left.
    pub(super) fn finish(&mut self) {
        self.offset += self.rest.len();
        self.rest = &[];
    }

    /// Fails unless `expected` bytes or more are left.
    pub(super) fn expect_at_least(
        &self,
        record: &'static str,
        expected: usize,
    ) -> Result<(), DecodeError> {
        if self.rest.len() < expected {
            return Err(self.length(record, expected));
        }
        Ok(())
    }

    /// Fails unless the whole record, of which the first word has been read,
    /// is `expected` bytes long.
    pub(super) fn expect_exactly(
        &self,
        record: &'static str,
        expected: usize,
    ) -> Result<(), DecodeError> {
        if self.offset + self.rest.len() != expected {
            return Err(DecodeError::Length {
                record,
                offset: 0,
                expected,
                actual: self.offset + self.rest.len(),
            });
        }
        Ok(())
    }

    /// Takes `size` bytes as a record of their own.
    pub(super) fn split(&mut self, record: &'static str, size: usize) -> Result<Self, DecodeError> {
        let Some((head, rest)) = self.rest.split_at_checked(size) else {
            return Err(self.length(record, size));
        };
        let head = Self {
            rest: head,
            offset: self.offset,
        };
        self.rest = rest;
        self.offset += size;
        Ok(head)
    }

    /// Passes over padding, or over a field that this record does not use.
    pub(super) fn skip(&mut self, size: usize) -> Result<(), DecodeError> {
        self.split("field", size).map(drop)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let Some((head, rest)) = self.rest.split_first_chunk::<N>() else {
            return Err(self.length("field", N));
        };
        self.rest = rest;
        self.offset += N;
        Ok(*head)
    }

    pub(super) fn u32(&mut self) -> Result<u32, DecodeError> {
        self.array().map(u32::from_ne_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, DecodeError> {
        self.array().map(u64::from_ne_bytes)
    }

    pub(super) fn nonzero_u32(&mut self, field: &'static str) -> Result<NonZeroU32, DecodeError> {
        let offset = self.offset;
        NonZeroU32::new(self.u32()?).ok_or(DecodeError::Zero { field, offset })
    }

    pub(super) fn key(&mut self, field: &'static str) -> Result<Key, DecodeError> {
        let offset = self.offset;
        Key::new(self.u64()?).ok_or(DecodeError::Zero { field, offset })
    }

    /// A time that must be known.
    pub(super) fn moment(&mut self, field: &'static str) -> Result<u64, DecodeError> {
        let offset = self.offset;
        match self.u64()? {
            0 => Err(DecodeError::Zero { field, offset }),
            time => Ok(time),
        }
    }

    fn length(&self, record: &'static str, expected: usize) -> DecodeError {
        DecodeError::Length {
            record,
            offset: self.offset,
            expected,
            actual: self.rest.len(),
        }
    }
}
