//! The doctor's text.

use nslife::{
    engine::Report,
    view::text::{doctor::write_report, style::Palette},
};

use crate::values::report;

fn shown(report: &Report) -> String {
    let mut out = Vec::new();
    write_report(&mut out, Palette::PLAIN, report).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn a_report_reads_from_top_to_bottom() {
    assert_eq!(
        shown(&report()),
        "\
Kernel
  nslife 0.1.0 (commit 84a32443c2f1, eBPF object 0011aabbccdd)
  Linux 6.19.14+deb13-cloud-amd64 on x86_64
  ok BTF

Permissions
  ok BPF programs
  ok CAP_BPF: load BPF programs
  no CAP_PERFMON: read kernel memory
  ok initial pid namespace

Hooks
      HOOK             KERNEL FUNCTION                FOR
  ok  nsproxy_switch   fentry switch_task_namespaces  tasks change their namespaces
  --  ns_last_ref_pid  (__ns_tree_remove tells it)    a pid namespace loses its last reference
  no  nsproxy_free     -                              a set of namespaces ends
  nsproxy_free: none of its functions can be hooked
  nsproxy_free: not on nsproxy_free: Device or resource busy (os error 16)

What nslife can tell here
  - when a namespace is created, and by whom

What it cannot
  - when a set of namespaces ends

nslife can run here.
"
    );
}

#[test]
fn a_system_that_refuses_is_described_as_far_as_it_goes() {
    let refused = Report {
        btf_problem: Some("there is none".into()),
        bpf_problem: Some("Operation not permitted (os error 1)".into()),
        initial_pid_namespace: false,
        hooks: vec![],
        can: vec![],
        cannot: vec![],
        runs: false,
        ..report()
    };
    let text = shown(&refused);
    for expected in [
        "  no BTF: there is none\n",
        "  no BPF programs: Operation not permitted (os error 1)\n",
        "  no initial pid namespace: this is a nested one",
        "Hooks\n  not tried\n",
        "What nslife can tell here\n  nothing\n",
        "\nnslife cannot run here.\n",
    ] {
        assert!(text.contains(expected), "{expected:?} in {text}");
    }
}
