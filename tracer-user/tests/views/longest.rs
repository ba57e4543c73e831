//! Namespaces one by one, for those who ask for that.

use nslife::{
    model::{Creator, Namespace, State},
    view::metrics::{Format, Metrics},
};
use tracer_common::kind::NsKind;

use crate::values::{actor, clock, namespace};

/// The series of these.
fn series(metrics: &Metrics, shown: &[(u64, Namespace)]) -> Vec<String> {
    metrics.longest(shown.iter().copied(), &clock());
    let text = metrics.encode(Format::Prometheus).unwrap();
    let own = |line: &&str| line.contains("nslife_namespace_longest");
    text.lines().filter(own).map(str::to_owned).collect()
}

fn made_by(name: &[u8]) -> Namespace {
    Namespace {
        inum: 4_026_532_001,
        state: State::Inactive,
        creator: Some(Creator {
            task: actor(7, name),
            cgroup: 0,
        }),
        ..namespace(9, NsKind::Net)
    }
}

#[test]
fn nobody_is_shown_who_was_not_asked_for() {
    assert!(series(&Metrics::new("0"), &[]).is_empty());
}

#[test]
fn each_is_a_series_that_goes_with_it() {
    let metrics = Metrics::new("0");
    let unknown = Namespace {
        creator: None,
        ..made_by(b"")
    };
    let moment = clock().unix_seconds(2_000_000_000);
    let shown = series(&metrics, &[(2_000_000_000, unknown)]);
    let labels = "ns_type=\"net\",state=\"inactive\",namespace=\"4026532001\",creator=\"\"";
    let last = shown.last().unwrap();
    let name = "nslife_namespace_longest_timestamp_seconds";
    let value = last.strip_prefix(&format!("{name}{{{labels}}} ")).unwrap();
    assert_eq!(value.parse(), Ok(moment));
    assert_eq!(shown.len(), 3, "help, type, one series");
    assert!(series(&metrics, &[]).is_empty());
}

/// Prometheus takes nothing of a scrape that it cannot read, or in which a
/// series is there twice.
#[test]
fn names_of_strangers_do_no_harm() {
    let metrics = Metrics::new("0");
    let hostile = made_by(b"a\"}\n\x1b\xff\\ 1");
    let shown = series(&metrics, &[(1, hostile), (2, hostile)]);
    let [_, _, one] = &shown[..] else {
        panic!("{shown:?}");
    };
    let expected = r#"creator="a\"}\\n\\x1b\\xff\\\\ 1"} "#;
    assert!(one.contains(expected), "{one}");
}
