//! Sets of namespace types.

use std::fmt;

use tracer_common::kind::NsKind;

/// A set of namespace types.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Kinds(u8);

impl Kinds {
    pub(super) fn of(kinds: &[NsKind]) -> Self {
        kinds
            .iter()
            .fold(Self::default(), |set, &kind| set.with(kind))
    }

    pub(super) const fn with(self, kind: NsKind) -> Self {
        Self(self.0 | 1 << kind as u8)
    }

    pub(super) const fn without(self, kind: NsKind) -> Self {
        Self(self.0 & !(1 << kind as u8))
    }

    pub(super) const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) const fn minus(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// It, or this type alone if it is empty.
    pub(super) const fn or(self, kind: NsKind) -> Self {
        if self.is_empty() {
            self.with(kind)
        } else {
            self
        }
    }

    pub(super) const fn has(self, kind: NsKind) -> bool {
        self.0 & 1 << kind as u8 != 0
    }

    pub(super) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(super) const fn count(self) -> u32 {
        self.0.count_ones()
    }

    /// In the order of every table.
    pub(super) fn iter(self) -> impl Iterator<Item = NsKind> {
        NsKind::ALL.into_iter().filter(move |&kind| self.has(kind))
    }

    /// One of them.
    pub(super) fn choose(self, choice: u32) -> Option<NsKind> {
        let place = choice.checked_rem(self.count())?;
        self.iter().nth(place as usize)
    }

    pub(super) fn list(self) -> Vec<NsKind> {
        self.iter().collect()
    }
}

impl fmt::Display for Kinds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.iter().map(NsKind::name).collect();
        f.write_str(&names.join("+"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_sets() {
        let set = Kinds::of(&[NsKind::Net, NsKind::Uts, NsKind::Net]);
        assert_eq!((set.count(), set.to_string().as_str()), (2, "uts+net"));
        assert_eq!(set.without(NsKind::Net), Kinds::of(&[NsKind::Uts]));
        assert_eq!(set.minus(set).or(NsKind::Ipc).list(), [NsKind::Ipc]);
        assert_eq!(set.choose(3), Some(NsKind::Net));
        assert_eq!(Kinds::default().choose(3), None);
    }
}
