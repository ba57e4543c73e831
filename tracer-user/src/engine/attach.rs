//! Carries out the attach plan.

use std::sync::atomic::{AtomicUsize, Ordering};

use aya::{
    Btf,
    programs::{BtfTracePoint, FEntry, FExit, Program, ProgramError, links::FdLink},
};

use super::{
    Attempt, HookReport, HookState, Progress, StartError, StartStep,
    describe::Described,
    gate::Gate,
    kernel::{Kernel, Part},
    load::{load_hook, load_part, pick, programs_of},
    parallel::on_threads,
    refusals::Refusals,
    spent::{Clocks, Spent, thread_time},
};
use crate::plan::{Absence, Candidate, Decision, HOOKS, Hook, How, Step, TASK_HOOKS, settle};

/// Threads that load and attach. Verifying programs is work for as many
/// processors, but a start is not to take a whole host for itself. To attach one
/// hook the kernel keeps others waiting; up to 6.9 it also waits itself, for a
/// grace period, and those overlap.
const THREADS: usize = 8;

/// Programs that go together, on their way into the kernel.
enum Job<'e> {
    /// A part of the walk: to be loaded.
    Walk(Part, &'e mut Program),
    /// The programs of a hook: to be loaded, and to be attached once all hooks
    /// of earlier waves are.
    Hook {
        wave: u8,
        candidate: Candidate,
        programs: Vec<&'e mut Program>,
    },
}

/// What became of a job.
enum Done {
    Walk(Result<(), ProgramError>),
    Hook(Candidate, Result<Vec<Attached>, ProgramError>),
    /// A hook of an earlier wave was refused, and this one may be planned for
    /// another function now.
    PutOff(Candidate),
}

/// A program that is attached, and what holds it there.
pub(super) struct Attached {
    /// The hook that it is a program of.
    pub(super) candidate: Candidate,
    /// Detaches it when it is dropped.
    _link: FdLink,
}

impl Kernel {
    /// Loads the programs of the walk, then those of the hooks, which it attaches
    /// wave by wave. What the kernel refuses is planned around; a hook without a
    /// substitute is a named loss ([`HookState::Missing`]). Without `task_ends`,
    /// hooks that only those need are left out.
    ///
    /// # Errors
    ///
    /// [`StartError::Refused`] or [`StartError::Capabilities`] if the kernel
    /// refuses BPF to this process altogether, [`StartError::Program`] if the
    /// verifier rejects the walk.
    pub(super) fn attach(
        &mut self,
        described: &Described,
        task_ends: bool,
        progress: Progress<'_>,
    ) -> Result<Spent, StartError> {
        let asked_for = if task_ends { TASK_HOOKS } else { &[] };
        let hooks = || HOOKS.iter().chain(asked_for);
        let mut refusals = Refusals::default();
        let mut spent = Spent::default();
        let decisions = loop {
            let decisions = settle(hooks(), &described.offered, &refusals.refused);
            self.detach_all_but(&decisions);
            let planned = decisions
                .iter()
                .filter_map(|made| Some((made.hook.wave, made.candidate()?)));
            let accepted = self.carry_out(
                planned.collect(),
                &described.btf,
                &mut refusals,
                &mut spent,
                progress,
            )?;
            if accepted {
                break decisions;
            }
        };
        self.hooks = decisions
            .iter()
            .map(|decision| report(decision, &refusals))
            .collect();
        if !task_ends {
            self.hooks.extend(TASK_HOOKS.iter().map(not_asked_for));
        }
        Ok(spent)
    }

    /// Attaches these hooks, which the kernel has accepted before.
    #[cfg(feature = "faults")]
    pub(super) fn attach_again_to(
        &mut self,
        candidates: Vec<Candidate>,
        btf: &Btf,
    ) -> Result<(), StartError> {
        // One after the other.
        let planned = (0..).zip(candidates).collect();
        let (mut refusals, mut spent) = (Refusals::default(), Spent::default());
        self.carry_out(planned, btf, &mut refusals, &mut spent, &|_| {})?;
        match refusals.first() {
            None => Ok(()),
            Some((candidate, answer)) => Err(StartError::Hook {
                purpose: candidate.program,
                because: answer.clone(),
            }),
        }
    }

    /// Loads and attaches what is planned and has not been yet, several programs
    /// at a time. False if the kernel refused any of it.
    fn carry_out(
        &mut self,
        planned: Vec<(u8, Candidate)>,
        btf: &Btf,
        refusals: &mut Refusals,
        spent: &mut Spent,
        progress: Progress<'_>,
    ) -> Result<bool, StartError> {
        let mut missing = planned;
        missing.retain(|&(_, candidate)| !self.is_attached(candidate));
        // The gate deadlocks unless earlier waves are taken from the queue first.
        missing.sort_by_key(|&(wave, _)| wave);
        let gate = Gate::before(missing.iter().map(|&(wave, _)| wave));
        let of = missing.len();
        let finished = AtomicUsize::new(0);
        let clocks = Clocks::default();
        let jobs = self.jobs(&missing)?;
        progress(StartStep::Attaching { done: 0, of });
        let all_done = on_threads(jobs, THREADS, |job| match job {
            Job::Walk(part, program) => {
                let begun = thread_time();
                let loaded = load_part(program, part, btf);
                clocks.loaded(begun);
                Done::Walk(loaded)
            }
            Job::Hook {
                wave,
                candidate,
                mut programs,
            } => {
                // Also if it is refused: others wait for it.
                let _passing = gate.passes(wave);
                let begun = thread_time();
                let loaded = programs
                    .iter_mut()
                    .try_for_each(|program| load_hook(program, candidate, btf));
                clocks.loaded(begun);
                if !gate.wait_for_turn(wave) {
                    return Done::PutOff(candidate);
                }
                let begun = thread_time();
                let links = loaded.and_then(|()| attach_all(programs, candidate));
                clocks.attached(begun);
                if links.is_err() {
                    gate.refuse(wave);
                }
                let done = finished.fetch_add(1, Ordering::Relaxed) + 1;
                progress(StartStep::Attaching { done, of });
                Done::Hook(candidate, links)
            }
        });
        *spent += clocks.into_spent();
        self.take_over(all_done, refusals)
    }

    /// Keeps what was attached. False if the kernel refused any hook.
    fn take_over(
        &mut self,
        all_done: Vec<Done>,
        refusals: &mut Refusals,
    ) -> Result<bool, StartError> {
        let (mut walks, mut refused, mut put_off) = (Vec::new(), Vec::new(), Vec::new());
        for done in all_done {
            match done {
                Done::Walk(loaded) => walks.push(loaded),
                Done::Hook(_, Ok(attached)) => self.links.extend(attached),
                Done::Hook(candidate, Err(error)) => refused.push((candidate, error)),
                Done::PutOff(candidate) => put_off.push(candidate),
            }
        }
        // Errors after that: what is attached by then is detached on several
        // threads.
        for loaded in walks {
            loaded.map_err(|error| StartError::program("the walk", error))?;
        }
        let accepted = refused.is_empty();
        for (candidate, error) in refused {
            refusals.add(candidate, &error)?;
            put_off.push(candidate);
        }
        for candidate in put_off {
            self.unload(candidate);
        }
        Ok(accepted)
    }

    /// What is to be done for these hooks, and for those parts of the walk that
    /// have not been loaded yet: those first, since they take the verifier
    /// longest.
    fn jobs(&mut self, hooks: &[(u8, Candidate)]) -> Result<Vec<Job<'_>>, StartError> {
        let parts = self.parts_to_load();
        let of_hooks: Vec<Vec<String>> = hooks
            .iter()
            .map(|&(_, candidate)| programs_of(candidate).collect())
            .collect();
        let parts_names = parts.iter().map(|part| part.program);
        let hook_names = of_hooks.iter().flatten().map(String::as_str);
        let names: Vec<_> = parts_names.chain(hook_names).collect();
        let mut programs = pick(&mut self.ebpf, &names)?.into_iter();
        let walks: Vec<_> = parts.into_iter().zip(programs.by_ref()).collect();
        let walks = walks
            .into_iter()
            .map(|(part, program)| Job::Walk(part, program));
        let of_hook = |(&(wave, candidate), names): (&(u8, Candidate), Vec<String>)| Job::Hook {
            wave,
            candidate,
            programs: programs.by_ref().take(names.len()).collect(),
        };
        let hooks: Vec<_> = hooks.iter().zip(of_hooks).map(of_hook).collect();
        Ok(walks.chain(hooks).collect())
    }

    /// Detaches hooks that are no longer planned, or planned for another
    /// function.
    fn detach_all_but(&mut self, decisions: &[Decision]) {
        let planned: Vec<Candidate> = decisions.iter().filter_map(Decision::candidate).collect();
        let attached: Vec<Candidate> = self.links.iter().map(|link| link.candidate).collect();
        for candidate in attached {
            if !planned.contains(&candidate) {
                self.unload(candidate);
            }
        }
    }

    /// Detaches the programs of this hook and unloads them: a program stays with
    /// the function that it was loaded for.
    pub(super) fn unload(&mut self, candidate: Candidate) {
        self.links
            .retain(|attached| attached.candidate != candidate);
        for name in programs_of(candidate) {
            let Some(program) = self.ebpf.program_mut(&name) else {
                continue;
            };
            // It fails if it is not loaded.
            let _ = match program {
                Program::FEntry(program) => program.unload(),
                Program::FExit(program) => program.unload(),
                Program::BtfTracePoint(program) => program.unload(),
                _ => Ok(()),
            };
        }
    }

    fn is_attached(&self, candidate: Candidate) -> bool {
        self.links
            .iter()
            .any(|attached| attached.candidate == candidate)
    }
}

/// Attaches the programs of a hook, in their order.
fn attach_all(
    programs: Vec<&mut Program>,
    candidate: Candidate,
) -> Result<Vec<Attached>, ProgramError> {
    let attach = |program| {
        Ok(Attached {
            candidate,
            _link: attach_one(program, candidate.how)?,
        })
    };
    programs.into_iter().map(attach).collect()
}

/// Attaches a program, and returns what keeps it attached.
fn attach_one(program: &mut Program, how: How) -> Result<FdLink, ProgramError> {
    Ok(match how {
        How::Fentry => {
            let program: &mut FEntry = program.try_into()?;
            let link = program.attach()?;
            program.take_link(link)?.into()
        }
        How::Fexit => {
            let program: &mut FExit = program.try_into()?;
            let link = program.attach()?;
            program.take_link(link)?.into()
        }
        How::Tracepoint => {
            let program: &mut BtfTracePoint = program.try_into()?;
            let link = program.attach()?;
            program.take_link(link)?.into()
        }
    })
}

/// What became of a hook.
fn report(decision: &Decision, refusals: &Refusals) -> HookReport {
    let refused = decision.refused.iter();
    let attempts: Vec<_> = refused.map(|&refused| refusals.attempt(refused)).collect();
    let hook = decision.hook;
    HookReport {
        name: hook.name,
        purpose: hook.purpose,
        required: hook.absence == Absence::Fatal,
        state: match decision.step {
            Step::Attach(candidate) => HookState::Attached {
                function: candidate.function,
                how: candidate.how.name(),
            },
            Step::NotNeeded(because) => HookState::NotNeeded { because },
            Step::Absent => missing(hook, &attempts),
        },
        attempts,
    }
}

fn not_asked_for(hook: &Hook) -> HookReport {
    HookReport {
        name: hook.name,
        purpose: hook.purpose,
        required: false,
        state: HookState::NotNeeded {
            because: "only `nslife trace --event exited,reaped` asks for it",
        },
        attempts: Vec::new(),
    }
}

fn missing(hook: &Hook, attempts: &[Attempt]) -> HookState {
    let because = match attempts.last() {
        Some(attempt) => format!("{}: {}", attempt.function, attempt.because),
        None => {
            let functions: Vec<_> = hook.candidates.iter().map(|c| c.function).collect();
            format!("this kernel has no {}", functions.join(", no "))
        }
    };
    HookState::Missing { because }
}
