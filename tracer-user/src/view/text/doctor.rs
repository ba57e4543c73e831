//! The doctor's report, as a person reads it and pastes it into a bug
//! report: no colours are needed to understand it.

use std::io::{self, Write};

use anstyle::Style;

use super::{
    style::{self, Palette},
    table::{Align, Cell, write_table},
};
use crate::engine::{CapabilityStatus, HookReport, HookState, Report};

/// Writes the report.
pub fn write_report(out: &mut impl Write, palette: Palette, report: &Report) -> io::Result<()> {
    let heading = |text| palette.paint(style::HEADING, text);
    writeln!(out, "{}", heading("Kernel"))?;
    let Report {
        version,
        commit,
        ebpf_object,
        ..
    } = report;
    writeln!(
        out,
        "  nslife {version} (commit {commit}, eBPF object {ebpf_object})"
    )?;
    writeln!(out, "  Linux {} on {}", report.kernel, report.architecture)?;
    verdict(out, palette, "BTF", report.btf_problem.as_deref())?;

    writeln!(out, "\n{}", heading("Permissions"))?;
    verdict(out, palette, "BPF programs", report.bpf_problem.as_deref())?;
    for capability in &report.capabilities {
        write_capability(out, palette, capability)?;
    }
    let nested = (!report.initial_pid_namespace)
        .then_some("this is a nested one, so tasks outside it cannot be seen");
    verdict(out, palette, "initial pid namespace", nested)?;

    writeln!(out, "\n{}", heading("Hooks"))?;
    if report.hooks.is_empty() {
        writeln!(out, "  not tried")?;
    } else {
        let rows: Vec<_> = report.hooks.iter().map(hook_row).collect();
        let columns = [
            ("", Align::Left),
            ("HOOK", Align::Left),
            ("KERNEL FUNCTION", Align::Left),
            ("FOR", Align::Left),
        ];
        write_table(out, palette, columns, &rows)?;
        write_failures(out, &report.hooks)?;
    }

    writeln!(out, "\n{}", heading("What nslife can tell here"))?;
    write_items(out, &report.can)?;
    writeln!(out, "\n{}", heading("What it cannot"))?;
    write_items(out, &report.cannot)?;

    let (style, text) = if report.runs {
        (style::GOOD, "nslife can run here.")
    } else {
        (style::BAD, "nslife cannot run here.")
    };
    writeln!(out, "\n{}", palette.paint(style, text))
}

fn mark(palette: Palette, good: bool) -> impl std::fmt::Display {
    if good {
        palette.paint(style::GOOD, "ok")
    } else {
        palette.paint(style::BAD, "no")
    }
}

fn verdict(
    out: &mut impl Write,
    palette: Palette,
    name: &str,
    problem: Option<&str>,
) -> io::Result<()> {
    write!(out, "  {} {name}", mark(palette, problem.is_none()))?;
    match problem {
        Some(problem) => writeln!(out, ": {problem}"),
        None => writeln!(out),
    }
}

fn write_capability(
    out: &mut impl Write,
    palette: Palette,
    capability: &CapabilityStatus,
) -> io::Result<()> {
    writeln!(
        out,
        "  {} {}: {}",
        mark(palette, capability.effective),
        capability.name,
        capability.purpose
    )
}

fn hook_row(hook: &HookReport) -> [Cell; 4] {
    let (mark, mark_style, function) = match &hook.state {
        HookState::Attached { function, how } => ("ok", style::GOOD, format!("{how} {function}")),
        HookState::NotNeeded { because } => ("--", style::FAINT, format!("({because})")),
        HookState::Missing { .. } if hook.required => ("NO", style::BAD, "(required)".into()),
        HookState::Missing { .. } => ("no", style::NOTABLE, "-".into()),
    };
    [
        (format!("  {mark}"), mark_style),
        (hook.name.into(), Style::new()),
        (function, Style::new()),
        (hook.purpose.into(), style::FAINT),
    ]
}

/// What went wrong, one line each: below the table, where there is room.
fn write_failures(out: &mut impl Write, hooks: &[HookReport]) -> io::Result<()> {
    for hook in hooks {
        if let HookState::Missing { because } = &hook.state {
            writeln!(out, "  {}: {because}", hook.name)?;
        }
        for attempt in &hook.attempts {
            writeln!(
                out,
                "  {}: not on {}: {}",
                hook.name, attempt.function, attempt.because
            )?;
        }
    }
    Ok(())
}

fn write_items(out: &mut impl Write, items: &[String]) -> io::Result<()> {
    if items.is_empty() {
        return writeln!(out, "  nothing");
    }
    items
        .iter()
        .try_for_each(|item| writeln!(out, "  - {item}"))
}
