//! What the kernel itself has miscounted, from its events to what people and Prometheus are told.

#[path = "../../tracer-core/tests/support/mod.rs"]
mod support;

use nslife::view::{
    clock::Clock,
    metrics::{Format, Metrics},
    text::{style::Palette, trace::TraceText},
};
use support::{COUNTS, Ns, World};
use tracer_common::event::Cause;

const NOTHING: [&str; 0] = [];

/// Below zero, as the kernel's memory has it.
fn negative(count: i32) -> u32 {
    count.cast_unsigned()
}

/// 7.0 and 7.1: an `unshare` that fails after it has made a new nsproxy, since
/// the limit of its user is reached, drops active counts that it never took.
/// New namespaces go below zero; those that the task keeps lose what its own
/// nsproxy holds, which shows when the task exits.
#[test]
fn the_underflow_of_a_failed_unshare() {
    let mut kernel = World::walked(COUNTS);
    let (uts, net) = (kernel.ns("uts"), kernel.ns("net"));
    let own = kernel.nsproxy(&[&uts]);
    kernel.created(&uts);
    assert_eq!(kernel.count(&uts, 1), ["activated uts"]);
    kernel.installed(&own);

    let metrics = Metrics::new("1.2.3");
    let mut lines = String::new();
    let text = TraceText {
        palette: Palette::PLAIN,
        zone: jiff::tz::TimeZone::UTC,
        initial: Default::default(),
    };
    let mut note = |kernel: &World| {
        let clock = Clock::booted_at(jiff::Timestamp::UNIX_EPOCH);
        for transition in &kernel.transitions {
            metrics.transition(transition);
            lines += &text.transition(transition, &clock);
            lines.push('\n');
        }
    };

    let dropped = Some(Cause::NsproxyDropped);
    let made = kernel.nsproxy(&[&uts, &net]);
    assert_eq!(kernel.created(&net), ["created net"]);
    kernel.is_actor = false;
    assert_eq!(kernel.nsproxy_freed(&made), NOTHING, "it was never in use");
    // The task is in it, and yet:
    assert_eq!(kernel.flip(&uts, 0, dropped, None), ["deactivated uts"]);
    note(&kernel);
    let said = kernel.flip(&net, negative(-1), dropped, None);
    assert_eq!(said, ["count_below_zero broken"]);
    note(&kernel);
    let mut gone = net;
    (gone.facts.refs, gone.facts.active) = (Some(0), Some(negative(-1)));
    assert_eq!(kernel.last_ref(&gone), ["destroyed net"]);
    note(&kernel);
    assert_eq!(kernel.freed(&net), ["freed net"]);

    // The task exits. No flip is left to report; the end shows the count.
    assert_eq!(kernel.nsproxy_freed(&own), ["nsproxy freed"]);
    let mut gone = uts;
    (gone.facts.refs, gone.facts.active) = (Some(0), Some(negative(-1)));
    let said = kernel.last_ref(&gone);
    assert_eq!(said, ["destroyed uts", "count_below_zero broken"]);
    note(&kernel);

    let said: Vec<_> = lines
        .lines()
        .filter(|line| line.contains("violation"))
        .map(|line| line.split_once("violation").unwrap().1)
        .collect();
    let inum = |ns: &Ns| ns.facts.inum;
    assert_eq!(
        said,
        [
            format!(
                "      net     {:>10}      {:>2}  count_below_zero: active -1, references 1",
                inum(&net),
                net.facts.ns_id.unwrap()
            ),
            format!(
                "      uts     {:>10}      {:>2}  count_below_zero: active -1, references 0",
                inum(&uts),
                uts.facts.ns_id.unwrap()
            ),
        ],
        "{lines}"
    );
    let scrape = metrics.encode(Format::OpenMetrics).unwrap();
    let counted = "nslife_rule_violations_total{rule=\"count_below_zero\"} 2\n";
    assert!(scrape.contains(counted), "{scrape}");
}
