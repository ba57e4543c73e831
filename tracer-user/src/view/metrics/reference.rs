//! The catalogue as a page: `docs/metrics.md`.

use super::catalogue::{CHAPTERS, Metric};
use crate::plan;

const INTRODUCTION: &str = "\
# Metrics

Generated from the code by `cargo xtask docs`; a test compares both.

What `nslife daemon` exposes. All label values are there from the start, at 0, unless something else is said: rates and
alerts need no special case. How many series there are does not depend on how many namespaces there are.
Where a time is a moment, 0 stands for none: `time() - (x > 0)` is how long ago it was.
A metric rests on the [hooks](#hooks) whose names begin so. Each is attached to the first of its functions that the
running kernel has, or is not needed there; `nslife doctor` says which. Where one is missing, what rests on it stays
behind the truth until the next [audit](proof.md#audit), and `nslife_hook_attached` says so.
";

/// The page.
pub fn reference() -> String {
    let mut page = String::from(INTRODUCTION);
    for chapter in CHAPTERS {
        page.push_str(&format!("\n## {}\n", chapter.title));
        for metric in chapter.families {
            page.push('\n');
            page.push_str(&entry(metric));
        }
    }
    page.push_str("\n## Hooks\n\n");
    page.push_str(&hooks());
    page
}

/// A family's entry.
fn entry(metric: &Metric) -> String {
    let mut lines = vec![
        format!("### {}", metric.series()),
        String::new(),
        format!("{}.", metric.help),
        String::new(),
        format!(
            "- type: {}; unit: {}",
            metric.kind.name(),
            metric.unit.name()
        ),
    ];
    if let Some(only) = metric.only {
        lines.push(format!("- only there {only}"));
    }
    for label in metric.labels {
        let values: Vec<_> = (label.values)()
            .into_iter()
            .map(|value| format!("`{value}`"))
            .collect();
        let said = match (values.join(", "), label.meaning) {
            (values, "") => values,
            (none, meaning) if none.is_empty() => meaning.to_owned(),
            (values, meaning) => format!("{values} ({meaning})"),
        };
        lines.push(format!("- label `{}`: {said}", label.name));
    }
    lines.push(format!("- rests on: {}", basis(metric)));
    lines.push(format!("- when it is high: {}", metric.remedy));
    lines.push(String::new());
    lines.join("\n")
}

/// Its hooks, and what else there is.
fn basis(metric: &Metric) -> String {
    let hooks = metric.hooks.iter().map(|prefix| format!("`{prefix}*`"));
    let hooks = match metric.hooks {
        [] => None,
        _ => Some(format!("hooks {}", hooks.collect::<Vec<_>>().join(", "))),
    };
    let others = (!metric.basis.is_empty()).then(|| metric.basis.to_owned());
    let all: Vec<_> = hooks.into_iter().chain(others).collect();
    all.join("; ")
}

/// What each hook is attached to.
fn hooks() -> String {
    let mut table = String::from("| hook | tells of | kernel functions |\n|---|---|---|\n");
    for hook in plan::HOOKS {
        let functions: Vec<_> = hook
            .candidates
            .iter()
            .map(|candidate| format!("`{}` ({})", candidate.function, candidate.how.name()))
            .collect();
        table.push_str(&format!(
            "| `{}` | {} | {} |\n",
            hook.name,
            hook.purpose,
            functions.join(", ")
        ));
    }
    table
}
