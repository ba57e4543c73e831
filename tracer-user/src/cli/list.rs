//! `nslife list`

use std::{
    io::{self, BufWriter, Write},
    process::ExitCode,
};

use clap::ValueEnum;
use tracer_common::kind::NsKind;

use super::{
    from_the_daemon::{self, PATIENCE, Place, SHORT_PATIENCE},
    output::{palette, show},
    say, values,
    waiting::{while_asking, while_starting},
};
use crate::{
    control::{self, Snapshot},
    engine::{Engine, Options},
    model::{Namespace, State},
    view::{
        json::{self, Source},
        text::{
            Picture, table,
            tree::{self, Above},
        },
        waiting,
    },
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

    /// Who looks: a running daemon, which also knows since when and by whom,
    /// or nslife itself
    #[arg(long, value_enum, default_value_t = Origin::Auto)]
    from: Origin,

    /// The same as --from daemon
    #[arg(long, conflicts_with = "from")]
    daemon: bool,

    #[command(flatten)]
    place: Place,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Origin {
    /// The daemon if one answers, otherwise nslife itself
    Auto,
    /// The daemon
    Daemon,
    /// nslife itself
    Walk,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Output {
    /// A line for each
    Table,
    /// As docs/schema/list.schema.json describes it
    Json,
    /// Below the user namespaces that own them; pid namespaces, if no others
    /// are asked for, below their parents
    Tree,
}

impl Args {
    fn wants(&self, ns: &Namespace) -> bool {
        (self.ns_type.is_empty() || self.ns_type.contains(&ns.kind))
            && (self.state.is_empty() || self.state.contains(&ns.state))
    }
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let (snapshot, source) = look(args)?;
    let all = snapshot.in_order();
    show(|| {
        let mut out = BufWriter::new(io::stdout().lock());
        write(&mut out, args, &all, &snapshot, source)?;
        out.flush()
    })?;
    if args.output != Output::Json {
        remark(&snapshot, source);
    }
    Ok(ExitCode::SUCCESS)
}

/// The picture, and whose it is.
fn look(args: &Args) -> anyhow::Result<(Snapshot, Source)> {
    let from = if args.daemon {
        Origin::Daemon
    } else {
        args.from
    };
    let for_programs = args.output == Output::Json;
    if from != Origin::Walk {
        let socket = &args.place.control_socket;
        let patience = match from {
            Origin::Daemon => PATIENCE,
            Origin::Auto | Origin::Walk => SHORT_PATIENCE,
        };
        match while_asking(for_programs, || control::ask(socket, patience)) {
            Ok(snapshot) => return Ok((snapshot, Source::Daemon)),
            Err(error) if from == Origin::Daemon => {
                anyhow::bail!("{error} (--from walk does without it)")
            }
            // Nobody said that there would be one.
            Err(error) if error.is_absence() => {}
            Err(error) => say(&format!("{error}; this is what nslife sees itself")),
        }
    }
    let options = Options {
        walk_only: true,
        ..Options::default()
    };
    let engine = while_starting(for_programs, |progress| Engine::start(&options, progress))?;
    Ok((Snapshot::take(&engine, None), Source::Walk))
}

/// Says on standard error what a reader should know of the picture.
fn remark(snapshot: &Snapshot, source: Source) {
    if let (Source::Daemon, Some(since)) = (source, snapshot.watching_since) {
        from_the_daemon::remark(snapshot.pid, since);
    }
    from_the_daemon::admit(&snapshot.limits);
}

fn write(
    out: &mut impl Write,
    args: &Args,
    all: &[Namespace],
    snapshot: &Snapshot,
    source: Source,
) -> io::Result<()> {
    let shown: Vec<_> = all.iter().filter(|ns| args.wants(ns)).copied().collect();
    let people = snapshot.people.iter().map(|(id, people)| (*id, people));
    let picture = Picture {
        before: &waiting::before(all),
        all,
        people: &people.collect(),
        now: snapshot.taken_at,
    };
    match args.output {
        Output::Table => table::write_namespaces(out, palette(), &shown, &picture),
        Output::Tree => {
            let above = match args.ns_type[..] {
                [NsKind::Pid] => Above::Parent,
                _ => Above::Owner,
            };
            tree::write_tree(out, palette(), &shown, &picture, above)
        }
        Output::Json => json::write_pretty(out, &json::list(snapshot, &shown, source)),
    }
}
