//! A table with columns as wide as they need to be.

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use anstyle::Style;

use super::{
    Picture,
    style::{self, Palette},
    words::{self, history, list, why},
};
use crate::model::{Namespace, NsId};

/// A cell: its text, and how it looks.
pub type Cell = (String, Style);

/// Which edge the texts of a column share.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Align {
    /// The left one: words.
    Left,
    /// The right one: numbers.
    Right,
}

/// Writes rows under a heading, each column as wide as its widest cell.
pub fn write_table<const N: usize>(
    out: &mut impl Write,
    palette: Palette,
    heading: [(&str, Align); N],
    rows: &[[Cell; N]],
) -> io::Result<()> {
    let widths: [usize; N] = std::array::from_fn(|column| {
        rows.iter()
            .map(|row| row[column].0.chars().count())
            .chain([heading[column].0.len()])
            .max()
            .unwrap_or(0)
    });
    let mut line = |cells: [(&str, Style); N]| {
        // Only what has something to its right is padded.
        let last = cells.iter().rposition(|cell| !cell.0.is_empty());
        for (column, (text, style)) in cells
            .into_iter()
            .enumerate()
            .take(last.map_or(0, |l| l + 1))
        {
            let gap = if column == 0 { "" } else { "  " };
            let width = widths[column];
            let padded = match heading[column].1 {
                Align::Left if Some(column) == last => text.to_owned(),
                Align::Left => format!("{text:<width$}"),
                Align::Right => format!("{text:>width$}"),
            };
            write!(out, "{gap}{}", palette.paint(style, padded))?;
        }
        writeln!(out)
    };
    line(heading.map(|(name, _)| (name, style::HEADING)))?;
    rows.iter()
        .try_for_each(|row| line(row.each_ref().map(|(text, style)| (text.as_str(), *style))))
}

/// What stands where nothing is known.
const UNKNOWN: &str = "-";

/// Writes namespaces as a table.
pub fn write_namespaces(
    out: &mut impl Write,
    palette: Palette,
    shown: &[Namespace],
    picture: &Picture<'_>,
) -> io::Result<()> {
    let Picture {
        all,
        before,
        people,
        now,
    } = *picture;
    let inums: BTreeMap<NsId, u32> = all.iter().map(|ns| (ns.id, ns.inum)).collect();
    let heading = [
        ("TYPE", Align::Left),
        ("INUM", Align::Right),
        ("ID", Align::Right),
        ("STATE", Align::Left),
        ("REFS", Align::Right),
        ("ACTIVE", Align::Right),
        ("TASKS", Align::Right),
        ("OWNER", Align::Right),
        ("HELD BY", Align::Left),
    ];
    let rows: Vec<_> = shown
        .iter()
        .map(|ns| {
            let plain = |text: String| (text, Style::new());
            let number = |number: Option<u32>| {
                plain(number.map_or_else(|| UNKNOWN.into(), |number| number.to_string()))
            };
            [
                plain(ns.kind.name().into()),
                number(Some(ns.inum)),
                plain(ns.id.0.to_string()),
                (ns.state.name().into(), style::state(ns.state)),
                number(ns.counts.refs),
                number(ns.counts.active),
                number(ns.tasks),
                number(ns.owner.and_then(|owner| inums.get(&owner).copied())),
                (
                    list(
                        [
                            why(ns),
                            words::people(ns, people.get(&ns.id).copied(), now),
                            history(ns, now, before.get(&ns.id).copied()),
                        ]
                        .into_iter()
                        .flatten(),
                    )
                    .unwrap_or_else(|| UNKNOWN.into()),
                    style::FAINT,
                ),
            ]
        })
        .collect();
    write_table(out, palette, heading, &rows)
}
