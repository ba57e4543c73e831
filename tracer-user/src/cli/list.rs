//! `nslife list`

use std::{
    io::{self, BufWriter, Write as _},
    process::ExitCode,
};

use clap::ValueEnum;
use jiff::Timestamp;
use nslife::{
    engine::{Engine, Options},
    model::{Namespace, State},
    view::{
        clock::{Clock, rfc3339},
        json::{self, ListJson, SCHEMA},
        text::{table, tree},
    },
};
use tracer_common::kind::NsKind;

use super::{output::palette, values};

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Only namespaces of these types
    #[arg(long, value_name = "T,…", value_delimiter = ',', value_parser = values::ns_type())]
    ns_type: Vec<NsKind>,

    /// Only namespaces in these states
    #[arg(long, value_name = "S,…", value_delimiter = ',', value_parser = values::state())]
    state: Vec<State>,

    /// How to show them
    #[arg(long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Output {
    /// A line for each
    Table,
    /// As docs/schema/list.schema.json describes it
    Json,
    /// Below the user namespaces that own them
    Tree,
}

impl Args {
    fn wants(&self, ns: &Namespace) -> bool {
        (self.ns_type.is_empty() || self.ns_type.contains(&ns.kind))
            && (self.state.is_empty() || self.state.contains(&ns.state))
    }
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let engine = Engine::start(&Options {
        walk_only: true,
        ..Options::default()
    })?;
    let taken_at = Timestamp::now();
    let mut all: Vec<_> = engine.tracker().namespaces().collect();
    all.sort_by_key(|ns| (ns.kind, !ns.initial, ns.inum, ns.id));
    let shown: Vec<_> = all.iter().filter(|ns| args.wants(ns)).copied().collect();
    let limits = engine.limits();

    let mut out = BufWriter::new(io::stdout().lock());
    match args.output {
        Output::Table => table::write_namespaces(&mut out, palette(), &shown, &all)?,
        Output::Tree => tree::write_tree(&mut out, palette(), &shown, &all)?,
        Output::Json => {
            let clock = Clock::sample();
            let system = rustix::system::uname();
            let list = ListJson {
                schema: SCHEMA,
                kernel: &system.release().to_string_lossy(),
                taken_at: rfc3339(taken_at),
                complete: limits.complete,
                incomplete_because: &limits.because,
                namespaces: shown.iter().map(|ns| json::namespace(ns, &clock)).collect(),
            };
            json::write_pretty(&mut out, &list)?;
        }
    }
    out.flush()?;
    if args.output != Output::Json && !limits.because.is_empty() {
        eprintln!(
            "nslife: not the whole picture: {}",
            limits.because.join("; ")
        );
    }
    Ok(ExitCode::SUCCESS)
}
