//! What each family of metrics is: declared once, beside what holds its
//! values. Registering takes name and meaning from here, and so does
//! `docs/metrics.md`.

use super::{
    coverage::Coverage, headroom::Headroom, health::Health, labels::Label, lives::Lives, longest,
    nsproxies::Nsproxies, pids::Pids, process, room::Room, times::Times,
};

/// The type of a family, in the words of the text formats.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Only grows, until nslife starts anew.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts what it measured in buckets.
    Histogram,
    /// Always 1; the labels are what it says.
    Info,
}

impl Kind {
    /// The word for it in both formats (the older one has no `info`).
    pub const fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::Info => "info",
        }
    }

    /// What the name of a series has behind that of the family.
    pub(super) const fn suffix(self) -> &'static str {
        match self {
            Self::Counter => "_total",
            Self::Info => "_info",
            Self::Gauge | Self::Histogram => "",
        }
    }
}

/// What a value counts or measures.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unit {
    /// A length of time.
    Seconds,
    /// A moment: seconds since 1970; 0 for none.
    Timestamp,
    /// Memory.
    Bytes,
    /// So many of these.
    Of(&'static str),
    /// 1 for yes, 0 for no.
    YesNo,
    /// Nothing.
    None,
}

impl Unit {
    /// How it is called in words.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Seconds => "seconds",
            Self::Timestamp => "seconds since 1970, 0 for none",
            Self::Bytes => "bytes",
            Self::Of(things) => things,
            Self::YesNo => "1 for yes, 0 for no",
            Self::None => "none",
        }
    }

    /// How the names of its families end.
    pub const fn suffix(self) -> &'static str {
        match self {
            Self::Seconds => "_seconds",
            Self::Timestamp => "_timestamp_seconds",
            Self::Bytes => "_bytes",
            Self::Of(_) | Self::YesNo | Self::None => "",
        }
    }
}

/// A family of metrics.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// Its name, without what the type adds to that of its series.
    pub name: &'static str,
    /// Its type.
    pub kind: Kind,
    /// What its values are.
    pub unit: Unit,
    /// What its series are told apart by.
    pub labels: &'static [Label],
    /// What it means, in one sentence without the full stop.
    pub help: &'static str,
    /// The hooks that it rests on, by the beginnings of their names in
    /// [`crate::plan`]; none if it rests on something else.
    pub hooks: &'static [&'static str],
    /// What else it rests on, and what is approximated; may be empty.
    pub basis: &'static str,
    /// What to do when it is high, or not what it should be.
    pub remedy: &'static str,
    /// Where it is there at all; `None` for everywhere.
    pub only: Option<&'static str>,
}

impl Metric {
    /// The name of its series, of a histogram that of the family.
    pub fn series(&self) -> String {
        format!("{}{}", self.name, self.kind.suffix())
    }
}

/// A part of the catalogue: families about one subject.
#[derive(Clone, Copy, Debug)]
pub struct Chapter {
    /// The subject.
    pub title: &'static str,
    /// The families, in the order in which they are exposed.
    pub families: &'static [Metric],
}

/// The whole catalogue.
pub const CHAPTERS: &[Chapter] = &[
    Lives::CHAPTER,
    longest::CHAPTER,
    Times::CHAPTER,
    Pids::CHAPTER,
    Nsproxies::CHAPTER,
    Headroom::CHAPTER,
    Health::CHAPTER,
    Room::CHAPTER,
    Coverage::CHAPTER,
    process::CHAPTER,
];

/// Every family.
pub fn all() -> impl Iterator<Item = &'static Metric> {
    CHAPTERS.iter().flat_map(|chapter| chapter.families)
}

/// Declares the families of one subject: for each what holds its values, how
/// that is made, and its row of the catalogue. What the registry gets is a
/// clone, which shares the values.
macro_rules! families {
    (
        $(#[$about:meta])*
        $group:ident, $title:literal {
            $($field:ident: $holds:ty = $make:expr, $metric:expr;)+
        }
    ) => {
        $(#[$about])*
        #[derive(Debug)]
        pub(super) struct $group {
            $(pub(super) $field: $holds,)+
        }

        impl $group {
            pub(super) const CHAPTER: $crate::view::metrics::catalogue::Chapter =
                $crate::view::metrics::catalogue::Chapter {
                    title: $title,
                    families: &[$($metric),+],
                };

            /// All at zero, as far as their labels are known without values.
            fn empty() -> Self {
                Self {
                    $($field: $make,)+
                }
            }

            /// Tells the registry what there is.
            pub(super) fn register(&self, registry: &mut prometheus_client::registry::Registry) {
                $({
                    let metric: $crate::view::metrics::catalogue::Metric = $metric;
                    registry.register(metric.name, metric.help, self.$field.clone());
                })+
            }
        }
    };
}
pub(super) use families;
