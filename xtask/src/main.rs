//! Builds, boots, demonstrates and tests nslife: `cargo xtask VERB`.

mod apt;
mod bench;
mod bpftrace;
mod btf;
mod build;
mod cache;
mod churn;
mod demo;
mod docs;
mod ebpf;
mod fuzz;
mod initramfs;
mod install;
mod kernels;
mod linker;
mod manuals;
mod overview;
mod package;
mod packages;
mod process;
mod project;
mod prometheus;
mod qemu;
mod record;
mod scenario_program;
mod strip;
mod test;
mod toolchain;
mod vm;

use std::process::ExitCode;

use clap::Parser;

/// Builds, boots, demonstrates and tests nslife.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Verb {
    Build(build::Options),
    Vm(vm::Options),
    Test(test::Options),
    Demo(demo::Options),
    Btf(btf::Options),
    Docs(docs::Options),
    Manuals(manuals::Options),
    Overview(overview::Options),
    Fuzz(fuzz::Options),
    Record(record::Options),
    Package(package::Options),
    Churn(churn::Options),
    Bench(bench::Options),
}

fn main() -> ExitCode {
    let (result, failure) = match Verb::parse() {
        Verb::Build(options) => (build::run_verb(&options), ExitCode::FAILURE),
        Verb::Test(options) => (test::run_verb(options), ExitCode::FAILURE),
        Verb::Demo(options) => (demo::run_verb(options), ExitCode::FAILURE),
        Verb::Docs(options) => (docs::run_verb(&options), ExitCode::FAILURE),
        Verb::Manuals(options) => (manuals::run_verb(&options), ExitCode::FAILURE),
        Verb::Overview(options) => (overview::run_verb(options), ExitCode::FAILURE),
        Verb::Btf(options) => (btf::run_verb(options), ExitCode::FAILURE),
        Verb::Fuzz(options) => (fuzz::run_verb(&options), ExitCode::FAILURE),
        Verb::Package(options) => (package::run_verb(&options), ExitCode::FAILURE),
        Verb::Record(options) => (record::run_verb(options), ExitCode::FAILURE),
        Verb::Churn(options) => (churn::run_verb(options), ExitCode::FAILURE),
        Verb::Bench(options) => (bench::run_verb(&options), ExitCode::FAILURE),
        Verb::Vm(options) => (vm::run_verb(options), ExitCode::from(vm::NO_STATUS)),
    };
    result.unwrap_or_else(|error| {
        eprintln!("xtask: {error:#}");
        failure
    })
}
