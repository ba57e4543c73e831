//! The series that there are to ask for.

use std::collections::{BTreeMap, BTreeSet};

/// The labels that Prometheus gives to all that it scrapes.
pub const TARGET: [&str; 2] = ["instance", "job"];

/// The label of the buckets of a histogram.
pub const BOUND: &str = "le";

/// What a label can say.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Values {
    /// Anything.
    Any,
    /// One of these.
    OneOf(BTreeSet<String>),
}

/// How a series moves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Moves {
    /// Upwards, until whoever counts starts anew.
    Up,
    /// Up and down.
    Freely,
}

/// All series of one name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Series {
    /// How they move.
    pub moves: Moves,
    /// By what they are told apart, those of [`TARGET`] included.
    pub labels: BTreeMap<String, Values>,
}

/// All series by name.
#[derive(Clone, Debug, Default)]
pub struct Catalogue(BTreeMap<String, Series>);

impl Catalogue {
    /// Those that are there whatever is scraped.
    pub fn of_prometheus() -> Self {
        let mut catalogue = Self::default();
        catalogue.add("up", Moves::Freely, []);
        catalogue
    }

    /// Adds those of one name, with these labels besides those of [`TARGET`].
    pub fn add(
        &mut self,
        name: &str,
        moves: Moves,
        labels: impl IntoIterator<Item = (String, Values)>,
    ) {
        let target = TARGET.map(|label| (label.to_owned(), Values::Any));
        let labels = labels.into_iter().chain(target).collect();
        self.0.insert(name.to_owned(), Series { moves, labels });
    }

    /// Those of this name.
    pub fn get(&self, name: &str) -> Option<&Series> {
        self.0.get(name)
    }
}
