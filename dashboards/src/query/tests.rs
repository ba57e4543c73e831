use super::*;

fn catalogue() -> Catalogue {
    let one_of = |values: &[&str]| Values::OneOf(values.iter().map(|&v| v.to_owned()).collect());
    let ns_type = || ("ns_type".to_owned(), one_of(&["net", "pid"]));
    let state = ("state".to_owned(), one_of(&["active", "inactive"]));
    let mut catalogue = Catalogue::of_prometheus();
    catalogue.add("things", Moves::Freely, [ns_type(), state]);
    catalogue.add("room", Moves::Freely, [ns_type()]);
    catalogue.add("made_total", Moves::Up, [ns_type()]);
    let bound = ("le".to_owned(), Values::Any);
    catalogue.add("took_bucket", Moves::Up, [ns_type(), bound]);
    catalogue
}

fn labels(query: &str) -> Vec<String> {
    let labels = check(query, &catalogue()).unwrap().unwrap();
    labels.into_iter().collect()
}

fn problem(query: &str) -> String {
    let error = check(query, &catalogue()).unwrap_err();
    error.root_cause().to_string()
}

#[test]
fn what_is_left_of_the_labels() {
    let all = ["instance", "job", "ns_type"];
    assert_eq!(labels("rate(made_total[5m])"), all);
    assert_eq!(labels("sum by (instance) (things)"), ["instance"]);
    assert_eq!(
        labels("sum without (instance, job, state) (things)"),
        ["ns_type"]
    );
    assert_eq!(labels("topk(3, room)"), all);
    assert_eq!(labels("time() - (room > 0)"), all);
    assert_eq!(labels(r#"room{ns_type=~"net|pid"} / room"#), all);
    let quantile = "histogram_quantile(0.9, sum by (job, le) (rate(took_bucket[5m])))";
    assert_eq!(labels(quantile), ["job"]);
    assert_eq!(
        labels(r#"up{job="a"} == 0 or absent(up{job="a"})"#),
        ["instance", "job"]
    );
    let joined = "things / on (ns_type, instance) group_left () room";
    assert_eq!(labels(joined), ["instance", "job", "ns_type", "state"]);
    assert_eq!(
        labels("things - ignoring (state) group_left () room").len(),
        4
    );
    assert_eq!(labels("room unless on (ns_type) things"), all);
    assert_eq!(check("time()", &catalogue()).unwrap(), None);
}

#[test]
fn what_makes_no_sense_is_named() {
    for (query, expected) in [
        ("thing", "there is no thing"),
        (r#"things{kind="net"}"#, "things has no label kind"),
        (
            r#"things{ns_type="mnt"}"#,
            r#"ns_type of things is never "mnt""#,
        ),
        (
            r#"things{ns_type=~"net|mnt"}"#,
            r#"ns_type of things is never "mnt""#,
        ),
        ("sum by (kind) (room)", r#"{"kind"} is not among"#),
        ("things / room", "never matches"),
        ("room / on (state) things", r#"{"state"} is not among"#),
        ("rate(room[5m])", "rate is not for room"),
        ("delta(made_total[5m])", "delta is not for made_total"),
        (
            "histogram_quantile(0.9, room)",
            "histogram_quantile of no buckets",
        ),
        ("sgn(room)", "nobody has said what sgn does to labels"),
    ] {
        let problem = problem(query);
        assert!(problem.contains(expected), "{query}: {problem}");
    }
    assert!(check("sum(", &catalogue()).is_err());
}

#[test]
fn conditions_are_taken_apart() {
    let parts = |query| selections(query).unwrap();
    assert_eq!(parts("room > 5"), ["room"]);
    assert_eq!(parts("time() - room > 300"), ["time() - room"]);
    let both = ["up", r#"up{job="a"}"#];
    assert_eq!(parts(r#"up == 0 or absent(up{job="a"})"#), both);
    assert_eq!(
        parts("room > 0 unless on (job) things > 0"),
        ["room", "things"]
    );
}

#[test]
fn selectors_are_found_wherever_they_are() {
    let found = selectors(r#"sum(rate(made_total{ns_type=~"$ns_type"}[5m])) / up{job="a"}"#);
    let of = |name: &str, matcher: &str| Selector {
        name: name.to_owned(),
        matchers: vec![matcher.to_owned()],
    };
    let expected = [
        of("made_total", r#"ns_type=~"$ns_type""#),
        of("up", r#"job="a""#),
    ];
    assert_eq!(found.unwrap(), expected);
}
