//! An audit, as a person reads it.

use std::io::{self, Write};

use super::style::{self, Palette};
use crate::{model::audit::Difference, view::audit::Report};

/// Writes the report.
pub fn write_audit(out: &mut impl Write, palette: Palette, report: &Report) -> io::Result<()> {
    for check in &report.checks {
        let against = check.against;
        match &check.outcome {
            Ok(outcome) => {
                let wrong = outcome.drift.len();
                let verdict = match wrong {
                    0 => palette.paint(style::GOOD, "ok").to_string(),
                    _ => palette.paint(style::BAD, "no").to_string(),
                };
                writeln!(
                    out,
                    "{verdict} {against}: {} namespaces compared, {wrong} differences, {} moving",
                    outcome.compared, outcome.moving
                )?;
                for difference in &outcome.drift {
                    writeln!(out, "   {}", sentence(difference))?;
                }
            }
            Err(because) => writeln!(
                out,
                "{} {against}: not compared: {because}",
                palette.paint(style::FAINT, "--")
            )?,
        }
    }
    if report.creds > 0 {
        writeln!(
            out,
            "{} credentials of {} tasks were not counted, or too long",
            palette.paint(style::BAD, "no"),
            report.creds
        )?;
    }
    let (style, text) = if report.is_clean() {
        (style::GOOD, "The picture is the kernel's.")
    } else {
        (style::BAD, "The picture was wrong, and has been put right.")
    };
    writeln!(out, "\n{}", palette.paint(style, text))
}

fn sentence(difference: &Difference) -> String {
    let number = |number: Option<u64>| number.map_or("-".to_owned(), |number| number.to_string());
    format!(
        "{} {} (id {}) {}: nslife {}, kernel {}",
        difference.kind.name(),
        number(difference.inum.map(u64::from)),
        number(difference.id.map(|id| id.0)),
        difference.field.name(),
        difference.picture,
        difference.kernel
    )
}
