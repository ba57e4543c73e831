//! `nslife list`

use std::{
    io::{self, BufWriter, Write},
    process::ExitCode,
};

use clap::ValueEnum;
use jiff::Timestamp;
use nslife::{
    engine::{Engine, Limits, Options},
    model::{Namespace, State},
    view::{
        clock::{Clock, rfc3339},
        json::{self, ListJson, SCHEMA},
        text::{table, tree},
    },
};
use tracer_common::kind::NsKind;

use super::{
    output::{palette, show},
    values,
};

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
    let mut namespaces: Vec<_> = engine.tracker().namespaces().collect();
    namespaces.sort_by_key(|ns| (ns.kind, !ns.initial, ns.inum, ns.id));
    show(|| {
        let mut out = BufWriter::new(io::stdout().lock());
        write(&mut out, args, &namespaces, engine.limits(), taken_at)?;
        out.flush()
    })?;
    let because = &engine.limits().because;
    if args.output != Output::Json && !because.is_empty() {
        eprintln!("nslife: not the whole picture: {}", because.join("; "));
    }
    Ok(ExitCode::SUCCESS)
}

fn write(
    out: &mut impl Write,
    args: &Args,
    all: &[Namespace],
    limits: &Limits,
    taken_at: Timestamp,
) -> io::Result<()> {
    let shown: Vec<_> = all.iter().filter(|ns| args.wants(ns)).copied().collect();
    match args.output {
        Output::Table => table::write_namespaces(out, palette(), &shown, all),
        Output::Tree => tree::write_tree(out, palette(), &shown, all),
        Output::Json => {
            let clock = Clock::sample();
            let system = rustix::system::uname();
            let list = ListJson {
                schema: SCHEMA,
                kernel: &system.release().to_string_lossy(),
                taken_at: rfc3339(taken_at),
                walk_seconds: limits.took.as_secs_f64(),
                complete: limits.complete,
                incomplete_because: &limits.because,
                namespaces: shown.iter().map(|ns| json::namespace(ns, &clock)).collect(),
            };
            json::write_pretty(out, &list)
        }
    }
}
