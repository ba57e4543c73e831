//! Metrics: what is there from the start, what moves them, and their form.

use std::collections::{BTreeMap, BTreeSet};

use nslife::{
    engine::{KernelTotals, Limits, Loss, MapUse, Notice, ProgramRuns, Resources},
    model::{
        Census, InitStep, Lifecycle, NetCleanup, Rule, Share, Standing, State, Transition, Users,
        What,
        audit::{Difference, Field, Findings, Value},
    },
    version,
    view::{
        clock::Clock,
        metrics::{Format, Metrics},
    },
};
use tracer_common::{
    event::{Cause, Reason},
    kind::NsKind,
};

use crate::values::{
    at, below_zero, chain, every_transition, failed, foreign_switch, init, initial_nsproxy,
    namespace, net_cleanup, report, step,
};

/// Samples by name and labels.
fn samples(metrics: &Metrics, format: Format) -> BTreeMap<String, f64> {
    let text = metrics.encode(format).unwrap();
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let (name, value) = line.rsplit_once(' ').unwrap();
            (name.to_owned(), value.parse().unwrap())
        })
        .collect()
}

fn value(metrics: &Metrics, sample: &str) -> f64 {
    let samples = samples(metrics, Format::OpenMetrics);
    *samples
        .get(sample)
        .unwrap_or_else(|| panic!("{sample} in {samples:#?}"))
}

/// What can bring about a step of most types; of user namespaces; of pid
/// namespaces.
const CAUSES: &[&str] = &[
    "activated nsproxy_installed",
    "activated nsfs_opened",
    "activated unknown",
    "resurrected nsproxy_installed",
    "resurrected nsfs_opened",
    "resurrected unknown",
    "deactivated nsproxy_dropped",
    "deactivated nsfs_closed",
    "deactivated unknown",
    "destroyed reference_dropped",
    "destroyed unknown",
];
const USER_CAUSES: &[&str] = &[
    "activated cred_taken",
    "activated cred_changed",
    "activated nsfs_opened",
    "activated owned_came",
    "activated unknown",
    "resurrected cred_taken",
    "resurrected cred_changed",
    "resurrected nsfs_opened",
    "resurrected owned_came",
    "resurrected unknown",
    "deactivated cred_changed",
    "deactivated cred_reaped",
    "deactivated fork_failed",
    "deactivated nsfs_closed",
    "deactivated owned_went",
    "deactivated unknown",
    "destroyed reference_dropped",
    "destroyed unknown",
];
const PID_CAUSES: &[&str] = &[
    "activated nsproxy_installed",
    "activated pid_allocated",
    "activated nsfs_opened",
    "activated unknown",
    "resurrected nsproxy_installed",
    "resurrected pid_allocated",
    "resurrected nsfs_opened",
    "resurrected unknown",
    "deactivated nsproxy_dropped",
    "deactivated pid_freed",
    "deactivated nsfs_closed",
    "deactivated unknown",
    "destroyed reference_dropped",
    "destroyed unknown",
];

#[test]
fn every_label_set_is_there_from_the_start() {
    let found = samples(&Metrics::new("1.2.3"), Format::OpenMetrics);
    let mut expected: BTreeSet<String> = [
        "nslife_nsproxies",
        "nslife_nsproxy_lifetime_seconds_count",
        "nslife_nsproxy_lifetime_seconds_sum",
        "nslife_zombies{ns_type=\"user\"}",
        "nslife_zombies{ns_type=\"pid\"}",
        "nslife_zombies_oldest_timestamp_seconds",
        "nslife_ring_buffer_bytes",
        "nslife_ring_buffer_most_bytes",
        "nslife_map_entries{map=\"creds\"}",
        "nslife_map_entries{map=\"namespaces\"}",
        "nslife_map_capacity{map=\"creds\"}",
        "nslife_map_capacity{map=\"namespaces\"}",
        "nslife_walk_last_timestamp_seconds",
        "nslife_requests_waiting",
        "nslife_events_total",
        "nslife_resyncs_total",
        "nslife_resync_corrections_total",
        "nslife_audits_total",
        "nslife_audit_last_timestamp_seconds",
        "nslife_audit_moving",
        "nslife_cascade_length_count",
        "nslife_cascade_length_sum",
        "nslife_pid_namespaces_dying",
        "nslife_pid_namespaces_dying_oldest_timestamp_seconds",
        "nslife_pid_namespace_dying_seconds_count",
        "nslife_pid_namespace_dying_seconds_sum",
        "nslife_complete",
        "nslife_activity_partial",
        "nslife_scrape_duration_seconds",
    ]
    .map(String::from)
    .into();
    for rule in [
        "foreign_switch",
        "new_not_fresh",
        "count_below_zero",
        "null_while_alive",
        "freed_while_used",
    ] {
        expected.insert(format!("nslife_rule_violations_total{{rule=\"{rule}\"}}"));
        expected.insert(format!("nslife_rule_checks_total{{rule=\"{rule}\"}}"));
    }
    for kind in NsKind::ALL.map(NsKind::name) {
        for state in State::ALL.map(State::name) {
            expected.insert(format!(
                "nslife_namespaces{{ns_type=\"{kind}\",state=\"{state}\"}}"
            ));
        }
        for state in State::ALL.map(State::name) {
            expected.insert(format!(
                "nslife_namespace_oldest_timestamp_seconds{{ns_type=\"{kind}\",state=\"{state}\"}}"
            ));
        }
        for over in ["1m", "10m", "1h", "1d"] {
            expected.insert(format!(
                "nslife_namespaces_inactive_over{{ns_type=\"{kind}\",over=\"{over}\"}}"
            ));
        }
        expected.insert(format!(
            "nslife_namespaces_kept_by_files{{ns_type=\"{kind}\"}}"
        ));
        for step in Lifecycle::ALL.map(Lifecycle::name) {
            let own: &[&str] = match kind {
                "user" => USER_CAUSES,
                "pid" => PID_CAUSES,
                _ => CAUSES,
            };
            if ["created", "freed"].contains(&step) {
                expected.insert(format!(
                    "nslife_namespace_{step}_total{{ns_type=\"{kind}\"}}"
                ));
            }
            for cause in own.iter().filter_map(|cause| cause.strip_prefix(step)) {
                expected.insert(format!(
                    "nslife_namespace_{step}_total{{ns_type=\"{kind}\",cause=\"{}\"}}",
                    cause.trim_start()
                ));
            }
        }
    }
    for kind in NsKind::ALL.map(NsKind::name) {
        expected.extend(Field::ALL.map(|field| {
            let field = field.name();
            format!("nslife_drift_total{{ns_type=\"{kind}\",field=\"{field}\"}}")
        }));
        expected.insert(format!(
            "nslife_user_namespaces_limit{{ns_type=\"{kind}\"}}"
        ));
        for rank in 1..=3 {
            expected.insert(user_series("namespaces", kind, rank));
            let nobody = user_series("id", kind, rank);
            assert_eq!(found.get(&nobody), Some(&-1.0), "{nobody}");
        }
    }
    for reason in Reason::ALL.map(Reason::name) {
        expected.insert(format!(
            "nslife_nsproxy_switches_total{{reason=\"{reason}\"}}"
        ));
    }
    for cause in [
        "ring_full",
        "map_full",
        "read_failed",
        "recursion",
        "undecodable",
    ] {
        expected.insert(format!("nslife_events_lost_total{{cause=\"{cause}\"}}"));
    }
    for length in ["1.0", "2.0", "4.0", "8.0", "16.0", "32.0", "+Inf"] {
        expected.insert(format!("nslife_cascade_length_bucket{{le=\"{length}\"}}"));
    }
    for family in ["lifetime", "inactive", "teardown"] {
        expected.extend(spans(family));
    }
    expected.extend(creations());
    for kind in NsKind::ALL.map(NsKind::name) {
        for errno in [
            "EPERM",
            "EINTR",
            "EAGAIN",
            "ENOMEM",
            "EINVAL",
            "ENOSPC",
            "EUSERS",
            "ERESTARTSYS",
            "ERESTARTNOINTR",
            "other",
        ] {
            expected.insert(format!(
                "nslife_namespace_create_failed_total{{ns_type=\"{kind}\",errno=\"{errno}\"}}"
            ));
        }
    }
    expected.extend(net_cleanup_stages());
    for le in SPANS {
        expected.insert(format!(
            "nslife_nsproxy_lifetime_seconds_bucket{{le=\"{le}\"}}"
        ));
    }
    for time in [
        "0.001", "0.01", "0.1", "0.5", "1.0", "5.0", "15.0", "60.0", "300.0", "+Inf",
    ] {
        expected.insert(format!(
            "nslife_pid_namespace_dying_seconds_bucket{{le=\"{time}\"}}"
        ));
    }
    for state in ["attached", "not_needed", "missing"] {
        expected.insert(format!("nslife_hooks{{state=\"{state}\"}}"));
    }
    for name in &expected {
        assert_eq!(found.get(name), Some(&0.0), "{name}");
    }
    let build = format!(
        "nslife_build_info{{version=\"1.2.3\",revision=\"unknown\",ebpf_object=\"{}\"}}",
        version::EBPF_OBJECT
    );
    let others: BTreeSet<_> = found
        .keys()
        .filter(|name| !expected.contains(*name) && !name.starts_with("nslife_user_id"))
        .map(String::as_str)
        .collect();
    assert_eq!(
        others,
        BTreeSet::from([
            &*build,
            "process_cpu_seconds_total",
            "process_max_fds",
            "process_open_fds",
            "process_resident_memory_bytes",
            "process_start_time_seconds",
            "process_virtual_memory_bytes",
        ])
    );
    assert_eq!(found[&build], 1.0);
}

/// One of the series about users.
fn user_series(what: &str, kind: &str, rank: usize) -> String {
    format!("nslife_user_{what}{{ns_type=\"{kind}\",rank=\"{rank}\"}}")
}

#[test]
fn users_are_told_by_rank() {
    let metrics = Metrics::new("1.2.3");
    let mut users = Users::default();
    let share = |uid, namespaces| Some(Share { uid, namespaces });
    users.most[NsKind::Net as usize] = [share(1000, 70), share(u32::MAX - 1, 5), None];
    let mut limits = [0; NsKind::COUNT];
    limits[NsKind::Net as usize] = 100;
    metrics.headroom(&users, &limits);
    let found = samples(&metrics, Format::OpenMetrics);
    let told = [(1, 70.0, 1000.0), (2, 5.0, 4_294_967_294.0), (3, 0.0, -1.0)];
    for (rank, namespaces, uid) in told {
        assert_eq!(found[&user_series("namespaces", "net", rank)], namespaces);
        assert_eq!(found[&user_series("id", "net", rank)], uid);
    }
    assert_eq!(
        found["nslife_user_namespaces_limit{ns_type=\"net\"}"],
        100.0
    );
    // Who goes is not told any more.
    metrics.headroom(&Users::default(), &limits);
    let found = samples(&metrics, Format::OpenMetrics);
    assert_eq!(found[&user_series("namespaces", "net", 1)], 0.0);
    assert_eq!(found[&user_series("id", "net", 1)], -1.0);
}

/// Bounds from a moment to a month.
const SPANS: [&str; 17] = [
    "0.001",
    "0.003",
    "0.01",
    "0.03",
    "0.1",
    "0.3",
    "1.0",
    "3.0",
    "10.0",
    "60.0",
    "600.0",
    "3600.0",
    "21600.0",
    "86400.0",
    "604800.0",
    "2592000.0",
    "+Inf",
];

/// All samples of a histogram of what may take as long.
fn spans(family: &str) -> Vec<String> {
    let name = format!("nslife_namespace_{family}_seconds");
    let labels = NsKind::ALL.map(|kind| format!("ns_type=\"{}\"", kind.name()));
    histograms(&name, &labels, &SPANS)
}

/// Bounds from a tenth of a millisecond to 100 seconds.
const MOMENTS: [&str; 14] = [
    "0.0001", "0.0003", "0.001", "0.003", "0.01", "0.03", "0.1", "0.3", "1.0", "3.0", "10.0",
    "30.0", "100.0", "+Inf",
];

/// All samples of the histogram of how long it takes to make namespaces.
fn creations() -> Vec<String> {
    let labels = NsKind::ALL.map(|kind| format!("ns_type=\"{}\"", kind.name()));
    histograms("nslife_namespace_creation_seconds", &labels, &MOMENTS)
}

/// All samples of the histogram of the stages of the clean-up of network namespaces.
fn net_cleanup_stages() -> Vec<String> {
    let labels = ["queue", "unlist", "exits", "end"].map(|stage| format!("stage=\"{stage}\""));
    histograms("nslife_net_cleanup_seconds", &labels, &MOMENTS)
}

fn histograms(name: &str, labels: &[String], bounds: &[&str]) -> Vec<String> {
    let samples = |label: &String| {
        let buckets = bounds
            .iter()
            .map(|le| format!("{name}_bucket{{le=\"{le}\",{label}}}"));
        let sums = ["count", "sum"].map(|of| format!("{name}_{of}{{{label}}}"));
        buckets.chain(sums).collect::<Vec<_>>()
    };
    labels.iter().flat_map(samples).collect()
}

/// From creation to the last reference, and from the last use to it; neither where the end was
/// missed.
#[test]
fn a_life_is_measured_where_both_ends_were_seen() {
    let metrics = Metrics::new("0");
    let mut ended = step(Lifecycle::Destroyed, namespace(57, NsKind::Net), None);
    ended.at = 5_000_000_000;
    let what = |ended: &mut Transition, created, inactive, by| {
        if let What::Namespace { ns, cause, .. } = &mut ended.what {
            (ns.created_at, ns.inactive_at, *cause) = (created, inactive, by);
        }
    };
    let dropped = Some(Cause::ReferenceDropped);
    what(
        &mut ended,
        Some(1_000_000_000),
        Some(4_500_000_000),
        dropped,
    );
    metrics.transition(&ended);
    what(&mut ended, None, None, dropped);
    metrics.transition(&ended);
    what(&mut ended, Some(1_000_000_000), Some(4_500_000_000), None);
    metrics.transition(&ended);
    for (family, sum) in [("lifetime", 4.0), ("inactive", 0.5)] {
        let measured = |of: &str| {
            let sample = format!("nslife_namespace_{family}_seconds_{of}{{ns_type=\"net\"}}");
            value(&metrics, &sample)
        };
        assert_eq!((measured("count"), measured("sum")), (1.0, sum), "{family}");
    }
}

#[test]
fn standing_is_by_type() {
    let metrics = Metrics::new("0");
    let mut standing = Standing::default();
    let (net, pid) = (NsKind::Net as usize, NsKind::Pid as usize);
    standing.oldest[net][State::Inactive as usize] = Some(2_250_000_000);
    standing.inactive_over[net] = [4, 3, 2, 1];
    standing.kept_by_files[pid] = 7;
    let clock = Clock::booted_at("1970-01-01T00:01:40Z".parse().unwrap());
    metrics.standing(&standing, &clock);
    let value = |sample: &str| value(&metrics, sample);
    let oldest = |ns_type, state| {
        value(&format!(
            "nslife_namespace_oldest_timestamp_seconds{{ns_type=\"{ns_type}\",state=\"{state}\"}}"
        ))
    };
    assert_eq!(oldest("net", "inactive"), 102.25);
    assert_eq!(
        (oldest("net", "active"), oldest("pid", "inactive")),
        (0.0, 0.0)
    );
    let over = |over| {
        value(&format!(
            "nslife_namespaces_inactive_over{{ns_type=\"net\",over=\"{over}\"}}"
        ))
    };
    assert_eq!(Standing::AGES.map(over), [4.0, 3.0, 2.0, 1.0]);
    assert_eq!(
        value("nslife_namespaces_kept_by_files{ns_type=\"pid\"}"),
        7.0
    );
    assert_eq!(
        value("nslife_namespaces_kept_by_files{ns_type=\"net\"}"),
        0.0
    );
}

#[test]
fn what_programs_cost_is_there_while_it_is_measured() {
    let metrics = Metrics::new("0");
    let measured = |runs, took| Resources {
        ring: 4096,
        ring_most: 160,
        maps: vec![MapUse {
            name: "creds",
            entries: 5,
            capacity: 9,
        }],
        programs: vec![ProgramRuns {
            program: "switched".to_owned(),
            runs,
            took,
        }],
    };
    metrics.resources(&measured(3, 500_000_000), 2);
    metrics.resources(&measured(7, 1_500_000_000), 2);
    let get = |sample: &str| value(&metrics, sample);
    assert_eq!(get("nslife_bpf_runs_total{program=\"switched\"}"), 7.0);
    assert_eq!(
        get("nslife_bpf_run_seconds_total{program=\"switched\"}"),
        1.5
    );
    assert_eq!(get("nslife_ring_buffer_most_bytes"), 160.0);
    assert_eq!(get("nslife_map_entries{map=\"creds\"}"), 5.0);
    assert_eq!(get("nslife_map_capacity{map=\"creds\"}"), 9.0);
    assert_eq!(get("nslife_requests_waiting"), 2.0);
    metrics.resources(&Resources::default(), 0);
    let text = metrics.encode(Format::OpenMetrics).unwrap();
    assert!(!text.contains("nslife_bpf_"), "absent, not zero: {text}");
}

#[test]
fn a_set_of_namespaces_is_measured_where_both_ends_were_seen() {
    let metrics = Metrics::new("0");
    for lived in [None, Some(250_000_000)] {
        let nsproxy = nslife::model::Nsproxy {
            lived,
            ..initial_nsproxy()
        };
        metrics.transition(&at(What::NsproxyFreed(nsproxy)));
    }
    let name = "nslife_nsproxy_lifetime_seconds";
    assert_eq!(value(&metrics, &format!("{name}_count")), 1.0);
    assert_eq!(value(&metrics, &format!("{name}_sum")), 0.25);
}

#[test]
fn drift_is_counted_by_type_and_field() {
    let metrics = Metrics::new("0");
    let wrong = |kind, field| Difference {
        kind,
        inum: None,
        id: None,
        field,
        picture: Value::Absent,
        kernel: Value::Present,
    };
    metrics.audit(&Findings {
        compared: 9,
        drift: vec![
            wrong(NsKind::Net, Field::State),
            wrong(NsKind::Net, Field::State),
            wrong(NsKind::Pid, Field::Init),
        ],
        moving: 4,
        creds: 5,
    });
    let drift = |kind: &str, field: &str| {
        let sample = format!("nslife_drift_total{{ns_type=\"{kind}\",field=\"{field}\"}}");
        value(&metrics, &sample)
    };
    assert_eq!(drift("net", "state"), 2.0);
    assert_eq!(drift("pid", "init"), 1.0);
    assert_eq!(drift("user", "creds"), 5.0);
    assert_eq!(drift("mnt", "state"), 0.0);
    assert_eq!(value(&metrics, "nslife_audits_total"), 1.0);
    assert_eq!(value(&metrics, "nslife_audit_moving"), 4.0);
    assert!(value(&metrics, "nslife_audit_last_timestamp_seconds") > 1.7e9);
    metrics.audit(&Findings::default());
    assert_eq!(drift("net", "state"), 2.0);
    assert_eq!(value(&metrics, "nslife_audit_moving"), 0.0);
}

#[test]
fn a_teardown_is_measured_where_both_ends_were_seen() {
    let metrics = Metrics::new("0");
    let freed = step(Lifecycle::Freed, namespace(57, NsKind::Net), None);
    metrics.transition(&freed);
    let mut blind = freed;
    if let What::Namespace { took, .. } = &mut blind.what {
        *took = None;
    }
    metrics.transition(&blind);
    let value = |sample: &str| value(&metrics, sample);
    assert_eq!(value("nslife_namespace_freed_total{ns_type=\"net\"}"), 2.0);
    let measured = |rest: &str| value(&format!("nslife_namespace_teardown_seconds_{rest}"));
    assert_eq!(measured("count{ns_type=\"net\"}"), 1.0);
    assert_eq!(measured("sum{ns_type=\"net\"}"), 0.0123);
    assert_eq!(measured("count{ns_type=\"uts\"}"), 0.0);
}

#[test]
fn creations_are_measured_and_failures_counted_by_error() {
    let metrics = Metrics::new("0");
    metrics.transition(&step(Lifecycle::Created, namespace(57, NsKind::Net), None));
    for errno in [28, 28, 99] {
        metrics.transition(&failed(errno));
    }
    let value = |sample: &str| value(&metrics, sample);
    let took = "nslife_namespace_creation_seconds_sum{ns_type=\"net\"}";
    assert_eq!(value(took), 0.0034);
    let failures = |ns_type: &str, errno: &str| {
        let labels = format!("ns_type=\"{ns_type}\",errno=\"{errno}\"");
        value(&format!("nslife_namespace_create_failed_total{{{labels}}}"))
    };
    assert_eq!(failures("net", "ENOSPC"), 2.0);
    assert_eq!(failures("net", "other"), 1.0);
    assert_eq!(failures("uts", "ENOSPC"), 0.0);
}

#[test]
fn each_namespace_of_a_round_goes_through_each_stage() {
    let metrics = Metrics::new("0");
    metrics.transition(&net_cleanup());
    let stage = |of: &str, stage: &str| {
        let sample = format!("nslife_net_cleanup_seconds_{of}{{stage=\"{stage}\"}}");
        value(&metrics, &sample)
    };
    let sums = [
        ("queue", 0.00225),
        ("unlist", 0.036),
        ("exits", 0.1455),
        ("end", 0.00027),
    ];
    for (name, sum) in sums {
        // How long one of them waited is not known.
        let seen = if name == "queue" { 2.0 } else { 3.0 };
        assert_eq!(stage("count", name), seen, "{name}");
        let off = stage("sum", name) - sum;
        assert!(off.abs() < 1e-9, "{name} by {off}");
    }
    let unseen = NetCleanup {
        namespaces: 1,
        waits: vec![5],
        unlist: None,
        exits: None,
        end: None,
    };
    metrics.transition(&at(What::NetCleanup(Box::new(unseen))));
    assert_eq!(stage("count", "queue"), 3.0);
    for name in ["unlist", "exits", "end"] {
        assert_eq!(stage("count", name), 3.0, "{name}");
    }
}

#[test]
fn every_step_counts_once() {
    let metrics = Metrics::new("0");
    for kind in Lifecycle::ALL {
        metrics.transition(&step(kind, namespace(57, NsKind::Net), None));
    }
    let samples = samples(&metrics, Format::OpenMetrics);
    for (step, cause) in [
        ("created", ""),
        ("activated", ",cause=\"nsproxy_installed\""),
        ("deactivated", ",cause=\"nsproxy_dropped\""),
        ("resurrected", ",cause=\"nsfs_opened\""),
        ("destroyed", ",cause=\"reference_dropped\""),
        ("freed", ""),
    ] {
        let family = format!("nslife_namespace_{step}_total");
        let counted: Vec<_> = samples
            .iter()
            .filter(|(name, value)| name.starts_with(&family) && **value > 0.0)
            .collect();
        let expected = format!("{family}{{ns_type=\"net\"{cause}}}");
        assert_eq!(counted, [(&expected, &1.0)]);
    }
}

#[test]
fn a_chain_counts_each_of_its_steps() {
    let metrics = Metrics::new("0");
    metrics.transition(&chain());
    let went = "nslife_namespace_deactivated_total{ns_type=\"user\",cause=\"owned_went\"}";
    assert_eq!(value(&metrics, went), 3.0);
    let length = |le| {
        value(
            &metrics,
            &format!("nslife_cascade_length_bucket{{le=\"{le}\"}}"),
        )
    };
    assert_eq!((length("2.0"), length("4.0")), (0.0, 1.0));
    assert_eq!(value(&metrics, "nslife_cascade_length_sum"), 3.0);
}

#[test]
fn violations_and_checks_are_counted_by_rule() {
    let metrics = Metrics::new("1.2.3");
    for transition in [below_zero(), below_zero(), foreign_switch()] {
        metrics.transition(&transition);
    }
    for (rule, count) in Rule::ALL.into_iter().zip([1.0, 0.0, 2.0, 0.0, 0.0]) {
        let sample = format!("nslife_rule_violations_total{{rule=\"{}\"}}", rule.name());
        assert_eq!(value(&metrics, &sample), count, "{sample}");
    }
    metrics.checks(&[1, 2, 3, 4, 5]);
    metrics.checks(&[1, 2, 3, 4, 6]);
    for (rule, count) in Rule::ALL.into_iter().zip([1.0, 2.0, 3.0, 4.0, 6.0]) {
        let sample = format!("nslife_rule_checks_total{{rule=\"{}\"}}", rule.name());
        assert_eq!(value(&metrics, &sample), count, "{sample}");
    }
}

#[test]
fn exits_are_those_that_the_kernel_counted() {
    let metrics = Metrics::new("0");
    for transition in every_transition() {
        metrics.transition(&transition);
    }
    metrics.totals(&KernelTotals {
        exits: 1000,
        records: 20,
        ..KernelTotals::default()
    });
    let switches = |reason| {
        value(
            &metrics,
            &format!("nslife_nsproxy_switches_total{{reason=\"{reason}\"}}"),
        )
    };
    assert_eq!(switches("exit"), 1000.0);
    for reason in ["clone", "unshare", "setns", "exec"] {
        assert_eq!(switches(reason), 1.0, "{reason}");
    }
    assert_eq!(value(&metrics, "nslife_events_total"), 20.0);
}

#[test]
fn losses_are_counted_by_cause_and_only_once() {
    let metrics = Metrics::new("0");
    let lost = |cause, count| metrics.notice(&Notice::Lost { cause, count });
    lost(Loss::Undecodable, 2);
    // Comes again with the kernel's totals.
    lost(Loss::RingFull, 7);
    let totals = KernelTotals {
        lost_ring_full: 7,
        lost_recursion: 1,
        ..KernelTotals::default()
    };
    metrics.totals(&totals);
    metrics.totals(&totals);
    metrics.notice(&Notice::Resync { corrections: 4 });
    let value = |sample: &str| value(&metrics, sample);
    assert_eq!(
        value("nslife_events_lost_total{cause=\"undecodable\"}"),
        2.0
    );
    assert_eq!(value("nslife_events_lost_total{cause=\"ring_full\"}"), 7.0);
    assert_eq!(value("nslife_events_lost_total{cause=\"recursion\"}"), 1.0);
    assert_eq!(value("nslife_resyncs_total"), 1.0);
    assert_eq!(value("nslife_resync_corrections_total"), 4.0);
}

#[test]
fn gauges_follow_what_there_is() {
    let metrics = Metrics::new("0");
    let mut census = Census {
        nsproxies: 5,
        ..Census::default()
    };
    census.namespaces[NsKind::Net as usize][State::Inactive as usize] = 3;
    metrics.census(&census);
    metrics.hooks(&report().hooks);
    metrics.limits(&Limits {
        complete: true,
        partial_activity: true,
        ..Limits::default()
    });
    let value = |sample: &str| value(&metrics, sample);
    assert_eq!(
        value("nslife_namespaces{ns_type=\"net\",state=\"inactive\"}"),
        3.0
    );
    assert_eq!(value("nslife_nsproxies"), 5.0);
    assert_eq!(value("nslife_hooks{state=\"attached\"}"), 1.0);
    assert_eq!(value("nslife_hooks{state=\"not_needed\"}"), 1.0);
    assert_eq!(value("nslife_hooks{state=\"missing\"}"), 1.0);
    assert_eq!(value("nslife_hook_attached{hook=\"nsproxy_switch\"}"), 1.0);
    assert_eq!(value("nslife_hook_attached{hook=\"nsproxy_free\"}"), 0.0);
    assert_eq!(value("nslife_complete"), 1.0);
    assert_eq!(value("nslife_activity_partial"), 1.0);
    assert!(
        !samples(&metrics, Format::OpenMetrics)
            .contains_key("nslife_hook_attached{hook=\"ns_last_ref_pid\"}"),
        "what this kernel does not need is not missing"
    );
}

#[test]
fn both_formats_have_the_same_samples_and_are_well_formed() {
    let metrics = Metrics::new("0");
    metrics.hooks(&report().hooks);
    let names = |format| -> BTreeSet<_> { samples(&metrics, format).into_keys().collect() };
    assert_eq!(names(Format::OpenMetrics), names(Format::Prometheus));

    let open = metrics.encode(Format::OpenMetrics).unwrap();
    assert!(open.ends_with("\n# EOF\n"));
    let plain = metrics.encode(Format::Prometheus).unwrap();
    assert!(!plain.contains("# EOF") && !plain.contains("# UNIT"));
    for (text, suffixes) in [
        (&open, &["_total", "_info", "_bucket", "_count", "_sum"][..]),
        (&plain, &["_bucket", "_count", "_sum"]),
    ] {
        check_structure(text, suffixes);
    }
}

/// Each family is announced once, with a meaning and a type, directly above
/// its samples, and no sample is without a family.
fn check_structure(text: &str, suffixes: &[&str]) {
    let (mut seen, mut help, mut family) = (BTreeSet::new(), None, None);
    for line in text.lines().filter(|line| *line != "# EOF") {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, meaning) = rest.split_once(' ').unwrap();
            assert!(meaning.ends_with('.') && !meaning.ends_with(".."), "{line}");
            assert!(seen.insert(name), "{name} twice");
            help = Some(name);
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert_eq!(help, Some(name), "{line}");
            assert!(
                ["counter", "gauge", "histogram", "info"].contains(&kind),
                "{line}"
            );
            family = Some(name);
        } else {
            let name = line.split(['{', ' ']).next().unwrap();
            let family = family.unwrap();
            let fits = name == family
                || suffixes
                    .iter()
                    .any(|suffix| name.strip_suffix(suffix) == Some(family));
            assert!(fits, "{line} below {family}");
        }
    }
}

#[test]
fn a_dying_init_is_counted_while_and_when_it_is_over() {
    let metrics = Metrics::new("0");
    let clock = Clock::booted_at("1970-01-01T00:01:40Z".parse().unwrap());
    metrics.standing(
        &Standing {
            dying: 2,
            dying_oldest: Some(1_500_000_000),
            ..Standing::default()
        },
        &clock,
    );
    assert_eq!(value(&metrics, "nslife_pid_namespaces_dying"), 2.0);
    let oldest = "nslife_pid_namespaces_dying_oldest_timestamp_seconds";
    assert_eq!(value(&metrics, oldest), 101.5);
    metrics.standing(&Standing::default(), &clock);
    assert_eq!(value(&metrics, oldest), 0.0, "there is none");
    for took in [None, Some(20_000_000)] {
        metrics.transition(&init(InitStep::Dead, took));
    }
    let seconds = "nslife_pid_namespace_dying_seconds";
    assert_eq!(value(&metrics, &format!("{seconds}_count")), 1.0);
    assert_eq!(
        value(&metrics, &format!("{seconds}_bucket{{le=\"0.01\"}}")),
        0.0
    );
    assert_eq!(
        value(&metrics, &format!("{seconds}_bucket{{le=\"0.1\"}}")),
        1.0
    );
}
