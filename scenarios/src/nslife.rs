//! Running the real `nslife`, and remembering what it printed and under which numbers it ran.

use std::{
    cell::RefCell,
    collections::BTreeSet,
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;

use crate::{process::run, puppet::Ran, trace::Namespace};

/// The program.
#[derive(Debug)]
pub(crate) struct Nslife {
    program: PathBuf,
    pids: RefCell<BTreeSet<u32>>,
    documents: RefCell<Vec<Document>>,
}

/// A JSON document that nslife printed.
#[derive(Clone, Debug)]
pub(crate) struct Document {
    /// The name of its schema.
    pub(crate) schema: &'static str,
    /// The document.
    pub(crate) text: String,
}

/// What `nslife list --output json` says.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct List {
    pub(crate) kernel: String,
    pub(crate) source: String,
    pub(crate) watching_since: Option<String>,
    pub(crate) taken_at: String,
    pub(crate) walk_seconds: f64,
    pub(crate) complete: bool,
    pub(crate) incomplete_because: Vec<String>,
    pub(crate) namespaces: Vec<Namespace>,
}

impl Nslife {
    /// The program of that name on `PATH`.
    pub(crate) fn find() -> Result<Self> {
        let path = std::env::var_os("PATH").context("PATH is not set")?;
        let program = std::env::split_paths(&path)
            .map(|folder| folder.join("nslife"))
            .find(|program| program.is_file())
            .context("nslife is not on PATH")?;
        Ok(Self {
            program,
            pids: RefCell::default(),
            documents: RefCell::default(),
        })
    }

    /// Where it is, as an argument.
    pub(crate) fn path(&self) -> Result<&str> {
        self.program
            .to_str()
            .context("the path of nslife is not text")
    }

    /// A command line, with nothing to read.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(arguments).stdin(Stdio::null());
        command
    }

    /// Remembers the number of a process that runs it.
    pub(crate) fn started(&self, process: &Child) {
        self.pids.borrow_mut().insert(process.id());
    }

    /// The numbers of all processes that have run it.
    pub(crate) fn pids(&self) -> BTreeSet<u32> {
        self.pids.borrow().clone()
    }

    /// Runs a command line to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Result<Ran> {
        self.finish(&mut self.command(arguments))
    }

    /// Runs a command line that was made by [`Self::command`] to its end.
    pub(crate) fn finish(&self, command: &mut Command) -> Result<Ran> {
        run(command, |process| {
            self.started(process);
            Ok(())
        })
    }

    /// Runs a command line that prints one JSON document, whose schema has that name.
    pub(crate) fn document(&self, schema: &'static str) -> Result<String> {
        let ran = self.run(&[schema, "--output", "json"])?;
        ensure!(ran.code == Some(0), "nslife {schema}: {ran}");
        self.remember(schema, &ran.stdout);
        Ok(ran.stdout)
    }

    /// Keeps a document, to be compared with its schema.
    pub(crate) fn remember(&self, schema: &'static str, text: &str) {
        self.documents.borrow_mut().push(Document {
            schema,
            text: text.to_owned(),
        });
    }

    /// All documents that it printed.
    pub(crate) fn documents(&self) -> Vec<Document> {
        self.documents.borrow().clone()
    }

    /// All namespaces now, as nslife sees them by itself.
    pub(crate) fn list(&self) -> Result<List> {
        self.list_from(&["--from", "walk"])
    }

    /// All namespaces now, as somebody sees them.
    pub(crate) fn list_from(&self, whom: &[&str]) -> Result<List> {
        let text = self.list_text(whom)?;
        self.remember("list", &text);
        List::parse(&text)
    }

    /// As [`Self::list_from`], for those who look too often to keep all that they see.
    pub(crate) fn look(&self, whom: &[&str]) -> Result<List> {
        List::parse(&self.list_text(whom)?)
    }

    fn list_text(&self, whom: &[&str]) -> Result<String> {
        let mut command = self.command(&["list", "--output", "json"]);
        let ran = self.finish(command.args(whom))?;
        ensure!(ran.code == Some(0), "nslife list {}: {ran}", whom.join(" "));
        Ok(ran.stdout)
    }
}

impl List {
    fn parse(text: &str) -> Result<Self> {
        serde_json::from_str(text).context("nslife list said something else than its schema")
    }

    /// The same namespace, as this list has it.
    pub(crate) fn find(&self, wanted: &Namespace) -> Option<&Namespace> {
        self.namespaces.iter().find(|ns| ns.is_seen_as(wanted))
    }

    /// The id of the initial namespace of this type.
    pub(crate) fn initial(&self, ns_type: &str) -> Result<u64> {
        self.namespaces
            .iter()
            .find(|ns| ns.initial && ns.ns_type == ns_type)
            .map(|ns| ns.id)
            .with_context(|| format!("nslife list shows no initial {ns_type} namespace"))
    }
}
