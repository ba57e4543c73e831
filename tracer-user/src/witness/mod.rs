//! Others who can say which namespaces are active: the system call `listns`,
//! and the links below `/proc`. nslife rests on neither; an audit that a person
//! asks for compares with both.

mod listns;
mod proc;

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
};

use tracer_common::kind::NsKind;

use crate::model::{
    Namespace, State,
    audit::{Difference, Field, Value},
};

/// One of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Witness {
    /// `listns` (6.19 and later): all active namespaces, by the kernel's ids.
    Listns,
    /// `/proc/PID/task/TID/ns`: those that tasks are in, by inode numbers.
    /// Links are read, and not followed.
    Proc,
}

/// Namespaces, by the number that the witness knows them by.
pub type Named = BTreeSet<(NsKind, u64)>;

/// What a witness has said before and after the picture was taken.
#[derive(Debug)]
pub struct Testimony {
    witness: Witness,
    before: Named,
    after: Named,
}

impl Witness {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Listns, Self::Proc];

    /// The word for it in every output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Listns => "listns",
            Self::Proc => "proc",
        }
    }

    /// The namespaces that are active now. Needs to be root: others are shown
    /// a part of them.
    pub fn ask(self) -> io::Result<Named> {
        match self {
            Self::Listns => listns::active(),
            Self::Proc => proc::of_tasks(),
        }
    }

    /// The number by which it knows this one.
    fn number(self, ns: &Namespace) -> Option<u64> {
        match self {
            Self::Listns => ns.ns_id,
            Self::Proc => Some(ns.inum.into()),
        }
    }
}

impl Testimony {
    /// What the witness said before and after.
    pub fn new(witness: Witness, before: Named, after: Named) -> Self {
        Self {
            witness,
            before,
            after,
        }
    }

    /// How many namespaces it is about.
    pub fn compared(&self) -> usize {
        self.after.len()
    }

    /// In what a picture that was taken in between contradicts it. What came
    /// or went meanwhile does not.
    pub fn against(&self, picture: &[Namespace]) -> Vec<Difference> {
        let all: BTreeMap<_, _> = picture
            .iter()
            .filter_map(|ns| Some(((ns.kind, self.witness.number(ns)?), ns)))
            .collect();
        let missed = self.before.intersection(&self.after).filter_map(|named| {
            let ns = all.get(named).copied();
            let is_active = ns.is_some_and(|ns| ns.state == State::Active);
            (!is_active).then(|| self.difference(*named, ns, Value::State(State::Active)))
        });
        // Only `listns` knows all.
        let too_many = all.iter().filter_map(|(&named, &ns)| {
            let contradicts = self.witness == Witness::Listns
                && ns.state == State::Active
                && !self.before.contains(&named)
                && !self.after.contains(&named);
            contradicts.then(|| self.difference(named, Some(ns), Value::Absent))
        });
        missed.chain(too_many).collect()
    }

    fn difference(
        &self,
        (kind, number): (NsKind, u64),
        ns: Option<&Namespace>,
        kernel: Value,
    ) -> Difference {
        let by_number = match self.witness {
            Witness::Listns => None,
            Witness::Proc => u32::try_from(number).ok(),
        };
        Difference {
            kind,
            inum: ns.map(|ns| ns.inum).or(by_number),
            id: ns.map(|ns| ns.id),
            field: Field::State,
            picture: Value::from(ns.map(|ns| ns.state)),
            kernel,
        }
    }
}

/// Those that were there the first time and are there again.
pub fn confirmed(first: &[Difference], second: &[Difference]) -> Vec<Difference> {
    let again = second
        .iter()
        .filter(|difference| first.contains(difference));
    again.copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Contributors, Counts, NsId};

    fn net(id: u64, state: State) -> Namespace {
        Namespace {
            id: NsId(id),
            ns_id: Some(id),
            kind: NsKind::Net,
            inum: 4_026_532_000 + u32::try_from(id).unwrap(),
            state,
            since: None,
            was_active: true,
            counts: Counts {
                refs: None,
                active: None,
                at: 0,
            },
            initial: false,
            owner: None,
            parent: None,
            owner_uid: None,
            level: None,
            tasks: None,
            zombies: None,
            reaper: None,
            because: Contributors::default(),
            procfs: None,
            created_at: None,
            creator: None,
            inactive_at: None,
            destroyed_at: None,
        }
    }

    fn of(witness: Witness, all: &[Namespace]) -> Named {
        let named = |ns: &Namespace| Some((ns.kind, witness.number(ns)?));
        all.iter().filter_map(named).collect()
    }

    /// What is said against a picture, by ids and by both sides.
    fn against(
        witness: Witness,
        (before, picture, after): (&[Namespace], &[Namespace], &[Namespace]),
    ) -> Vec<(Option<u64>, Value, Value)> {
        let testimony = Testimony::new(witness, of(witness, before), of(witness, after));
        let found = testimony.against(picture).into_iter();
        found
            .map(|d| (d.id.map(|id| id.0), d.picture, d.kernel))
            .collect()
    }

    #[test]
    fn those_that_agree_say_nothing() {
        let active = [net(20, State::Active), net(21, State::Active)];
        let with_others = [active[0], active[1], net(22, State::Inactive)];
        for witness in Witness::ALL {
            assert_eq!(against(witness, (&active, &with_others, &active)), []);
        }
    }

    #[test]
    fn what_comes_or_goes_meanwhile_contradicts_nobody() {
        let (one, two) = ([net(20, State::Active)], [net(21, State::Active)]);
        for witness in Witness::ALL {
            assert_eq!(against(witness, (&one, &two, &two)), []);
            assert_eq!(against(witness, (&one, &one, &two)), []);
            assert_eq!(against(witness, (&one, &[], &two)), []);
        }
    }

    #[test]
    fn what_is_active_all_the_while_must_be_so_in_the_picture() {
        let active = [net(20, State::Active)];
        let kernel = Value::State(State::Active);
        for witness in Witness::ALL {
            let inactive = [net(20, State::Inactive)];
            assert_eq!(
                against(witness, (&active, &inactive, &active)),
                [(Some(20), Value::State(State::Inactive), kernel)]
            );
            assert_eq!(
                against(witness, (&active, &[], &active)),
                [(None, Value::Absent, kernel)]
            );
        }
    }

    /// `/proc` shows those that tasks are in, and no others.
    #[test]
    fn only_listns_knows_all_that_are_active() {
        let active = [net(20, State::Active)];
        assert_eq!(against(Witness::Proc, (&[], &active, &[])), []);
        assert_eq!(
            against(Witness::Listns, (&[], &active, &[])),
            [(Some(20), Value::State(State::Active), Value::Absent)]
        );
    }

    #[test]
    fn a_difference_is_confirmed_by_the_same_again() {
        let first = Testimony::new(
            Witness::Proc,
            of(Witness::Proc, &[net(20, State::Active)]),
            of(Witness::Proc, &[net(20, State::Active)]),
        );
        let first = first.against(&[]);
        assert_eq!(confirmed(&first, &first), first);
        assert_eq!(confirmed(&first, &[]), []);
        assert_eq!(confirmed(&[], &first), []);
    }
}
