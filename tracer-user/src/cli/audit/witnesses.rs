//! What others than the walk say of a picture.

use std::{collections::BTreeMap, io, thread};

use rustix::process::geteuid;

use crate::{
    control::Snapshot,
    daemon::AUDIT_GAP,
    engine::in_initial_pid_namespace,
    model::audit::Difference,
    view::audit::{Check, Outcome},
    witness::{Named, Testimony, Witness, confirmed},
};

/// Compares a picture with what each witness says, twice if they differ. The
/// picture is taken anew each time.
pub(super) fn ask(
    mut picture: impl FnMut() -> anyhow::Result<Snapshot>,
) -> anyhow::Result<Vec<Check>> {
    if let Some(because) = partial_sight() {
        let check = |witness: Witness| unavailable(witness, because.to_owned());
        return Ok(Witness::ALL.map(check).into());
    }
    let (first, mut checks) = sample(&mut picture)?;
    if first.values().all(Vec::is_empty) {
        return Ok(checks);
    }
    thread::sleep(AUDIT_GAP);
    let second;
    (second, checks) = sample(&mut picture)?;
    for check in &mut checks {
        let of = |sample: &BTreeMap<_, Vec<_>>| sample.get(check.against).cloned();
        if let Ok(outcome) = &mut check.outcome
            && let (Some(first), Some(second)) = (of(&first), of(&second))
        {
            outcome.drift = confirmed(&first, &second);
            outcome.moving = second.len() - outcome.drift.len();
        }
    }
    Ok(checks)
}

/// Why they would show a part only.
fn partial_sight() -> Option<&'static str> {
    if !geteuid().is_root() {
        return Some("only root is shown everything");
    }
    (!in_initial_pid_namespace()).then_some("nslife is not in the initial pid namespace")
}

type Sample = BTreeMap<&'static str, Vec<Difference>>;

/// One comparison with all of them. What differs is in the sample, and proves
/// nothing yet.
fn sample(
    picture: &mut impl FnMut() -> anyhow::Result<Snapshot>,
) -> anyhow::Result<(Sample, Vec<Check>)> {
    let before = Witness::ALL.map(|witness| (witness, witness.ask()));
    let snapshot = picture()?;
    let mut sample = Sample::new();
    let mut checks = Vec::new();
    for (witness, before) in before {
        match heard(witness, before) {
            Ok(testimony) => {
                let differences = testimony.against(&snapshot.namespaces);
                checks.push(Check {
                    against: witness.name(),
                    outcome: Ok(Outcome {
                        compared: testimony.compared(),
                        ..Outcome::default()
                    }),
                });
                sample.insert(witness.name(), differences);
            }
            Err(error) => checks.push(unavailable(witness, because(&error))),
        }
    }
    Ok((sample, checks))
}

fn heard(witness: Witness, before: io::Result<Named>) -> io::Result<Testimony> {
    Ok(Testimony::new(witness, before?, witness.ask()?))
}

fn because(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(libc::ENOSYS) => "this kernel does not have it (before 6.19)".to_owned(),
        _ => error.to_string(),
    }
}

fn unavailable(witness: Witness, because: String) -> Check {
    Check {
        against: witness.name(),
        outcome: Err(because),
    }
}
