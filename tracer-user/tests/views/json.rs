//! JSON: exactly the documented fields, and as the schemas say.

use nslife::{
    engine::{Loss, Notice, Report},
    model::{Contributors, Counts, Lifecycle, Namespace, Reaped, TaskEnd},
    view::{
        escape::is_unsafe,
        json::{self, ListJson, SCHEMA, Source, write_line, write_pretty},
    },
};
use serde::Serialize;
use serde_json::{Value, json};
use tracer_common::{event::Reason, kind::NsKind};

use crate::{
    schemas::{assert_valid, schema, validator},
    values::{
        actor, below_zero, chain, clock, end, every_transition, exited, foreign_switch, initial,
        initial_nsproxy, namespace, reaped, report, step, switch,
    },
};

/// What a reader of the output gets.
fn written(value: &impl Serialize) -> Value {
    let mut line = Vec::new();
    write_line(&mut line, value).unwrap();
    assert_eq!(line.iter().filter(|&&byte| byte == b'\n').count(), 1);
    serde_json::from_slice(&line).unwrap()
}

fn keys(value: &Value) -> Vec<&str> {
    let object = value.as_object().unwrap();
    object.keys().map(String::as_str).collect()
}

fn sorted<const N: usize>(mut names: [&str; N]) -> [&str; N] {
    names.sort_unstable();
    names
}

#[test]
fn the_schemas_are_schemas() {
    for name in ["namespace", "list", "trace", "doctor", "audit"] {
        let schema = schema(name);
        jsonschema::draft202012::meta::validate(&schema).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(schema["$id"], format!("urn:nslife:schema:1:{name}"));
    }
}

#[test]
fn a_namespace_has_its_fields() {
    let ns = Namespace {
        because: Contributors {
            nsproxies: 0,
            creds: 2,
            pids: 3,
            nsfs: 4,
            owned: 5,
        },
        ..namespace(57, NsKind::User)
    };
    let document = written(&json::namespace(&ns, &clock()));
    assert_eq!(
        document,
        json!({
            "id": 57,
            "ns_id": 57,
            "ns_type": "user",
            "inum": 4_026_532_057_u32,
            "state": "active",
            "since": "2026-11-22T01:00:01.000000500Z",
            "ref_count": 2,
            "active_count": 1,
            "counts_at": "2026-11-22T01:00:01.000000500Z",
            "active_because": { "nsproxies": 0, "creds": 2, "pids": 3, "nsfs": 4, "owned": 5 },
            "procfs_mounts": null,
            "initial": false,
            "owner": 3,
            "parent": 3,
            "owner_uid": 1000,
            "level": 1,
            "tasks": 1,
            "zombies": null,
            "init": null,
            "created_at": "2026-11-22T01:00:01.000000000Z",
            "creator": { "pid": 100, "tgid": 100, "comm": "unshare", "cgroup_id": 4242 },
        })
    );
    assert_valid(&validator("namespace"), &document);
}

#[test]
fn what_is_not_known_is_null() {
    let ns = Namespace {
        ns_id: None,
        counts: Counts {
            refs: None,
            active: None,
            at: 7,
        },
        owner: None,
        tasks: None,
        since: None,
        created_at: None,
        creator: None,
        ..namespace(57, NsKind::Net)
    };
    let document = written(&json::namespace(&ns, &clock()));
    assert_valid(&validator("namespace"), &document);
    for field in [
        "ns_id",
        "ref_count",
        "active_count",
        "counts_at",
        "owner",
        "parent",
        "owner_uid",
        "level",
        "tasks",
        "zombies",
        "init",
        "since",
        "created_at",
        "creator",
    ] {
        assert_eq!(document[field], Value::Null, "{field}");
    }
}

#[test]
fn an_initial_namespace_is_active_because_of_nothing() {
    let document = written(&json::namespace(&initial(3, NsKind::User), &clock()));
    assert_eq!(document["state"], "active");
    assert_eq!(document["active_because"], Value::Null);
    assert_valid(&validator("namespace"), &document);
}

#[test]
fn superblocks_of_procfs_are_counted_for_a_pid_namespace() {
    let ns = Namespace {
        procfs: Some(2),
        ..namespace(57, NsKind::Pid)
    };
    let document = written(&json::namespace(&ns, &clock()));
    assert_eq!(document["procfs_mounts"], 2);
    assert_valid(&validator("namespace"), &document);
}

#[test]
fn a_list_is_as_its_schema_says() {
    let list = |source, watching: Option<&str>, complete, because: &[String]| {
        let namespaces = [initial(3, NsKind::User), namespace(57, NsKind::Net)];
        written(&ListJson {
            schema: SCHEMA,
            kernel: "7.3.4",
            source,
            watching_since: watching.map(str::to_owned),
            taken_at: "2026-11-22T01:00:09.000000000Z".into(),
            walk_seconds: 0.004,
            complete,
            incomplete_because: because,
            namespaces: namespaces
                .iter()
                .map(|ns| json::listed(ns, None, None, &clock()))
                .collect(),
        })
    };
    let validator = validator("list");
    let whole = list(Source::Walk, None, true, &[]);
    assert_valid(&validator, &whole);
    assert_eq!(
        keys(&whole),
        sorted([
            "schema",
            "kernel",
            "source",
            "watching_since",
            "taken_at",
            "walk_seconds",
            "complete",
            "incomplete_because",
            "namespaces"
        ])
    );
    let partly = list(Source::Walk, None, false, &["a reason".into()]);
    assert_valid(&validator, &partly);
    let no_reason = list(Source::Walk, None, false, &[]);
    assert!(!validator.is_valid(&no_reason), "no reason given");

    let start = "2026-11-22T01:00:02.000000000Z";
    let daemons = list(Source::Daemon, Some(start), true, &[]);
    assert_valid(&validator, &daemons);
    assert_eq!(daemons["source"], "daemon");
    assert_eq!(daemons["watching_since"], start);
    let timeless = list(Source::Daemon, None, true, &[]);
    assert!(!validator.is_valid(&timeless), "no start of watching");
}

#[test]
fn every_line_of_a_trace_is_as_its_schema_says() {
    let validator = validator("trace");
    let clock = clock();
    for transition in every_transition() {
        assert_valid(&validator, &written(&json::transition(&transition, &clock)));
    }
    let now = "2026-11-22T01:00:09Z".parse().unwrap();
    for cause in Loss::OF_THE_ENGINE.into_iter().chain([Loss::SlowReader]) {
        let lost = Notice::Lost { cause, count: 3 };
        assert_valid(&validator, &written(&json::notice(&lost, now)));
    }
    let resync = Notice::Resync { corrections: 0 };
    assert_eq!(
        written(&json::notice(&resync, now)),
        json!({
            "schema": 1,
            "ts": "2026-11-22T01:00:09.000000000Z",
            "event": "resync",
            "corrections": 0,
        })
    );
    assert_valid(&validator, &written(&json::notice(&resync, now)));
}

#[test]
fn a_step_names_its_actor_only_if_there_is_one() {
    let clock = clock();
    let net = namespace(57, NsKind::Net);
    let by = actor(100, b"unshare");
    let known = written(&json::transition(
        &step(Lifecycle::Created, net, Some(by)),
        &clock,
    ));
    assert_eq!(
        keys(&known),
        sorted([
            "schema",
            "ts",
            "event",
            "namespace",
            "cause",
            "actor",
            "creation_seconds",
            "teardown_seconds"
        ])
    );
    assert_eq!(known["creation_seconds"], 0.0034);
    assert_eq!(known["teardown_seconds"], Value::Null);
    assert_eq!(known["ts"], "2026-11-22T01:00:02.500000000Z");
    assert_eq!(
        known["actor"],
        json!({ "pid": 100, "tgid": 100, "comm": "unshare" })
    );
    let unknown = written(&json::transition(
        &step(Lifecycle::Freed, net, None),
        &clock,
    ));
    assert_eq!(unknown["actor"], Value::Null);
    assert_eq!(unknown["cause"], Value::Null);
    assert_eq!(unknown["creation_seconds"], Value::Null);
    assert_eq!(unknown["teardown_seconds"], 0.0123);
    let deactivated = written(&json::transition(
        &step(Lifecycle::Deactivated, net, None),
        &clock,
    ));
    assert_eq!(deactivated["cause"], "nsproxy_dropped");
}

#[test]
fn a_chain_has_its_members_in_order() {
    let written = written(&json::transition(&chain(), &clock()));
    assert_valid(&validator("trace"), &written);
    assert_eq!(written["event"], "chain");
    assert_eq!(written["namespace"]["id"], 57);
    let members: Vec<_> = written["members"].as_array().unwrap().iter().collect();
    let member = |id: u64| {
        let member = members
            .iter()
            .find(|member| member["namespace"]["id"] == id);
        (
            member.unwrap()["event"].clone(),
            member.unwrap()["cause"].clone(),
        )
    };
    assert_eq!(members.len(), 3);
    for (index, id) in [1058, 1059, 1060].into_iter().enumerate() {
        assert_eq!(members[index]["namespace"]["id"], id);
        assert_eq!(member(id), ("deactivated".into(), "owned_went".into()));
    }
}

#[test]
fn a_violation_has_the_rule_and_the_evidence() {
    let value = written(&json::transition(&below_zero(), &clock()));
    assert_eq!(value["event"], "violation");
    assert_eq!(value["rule"], "count_below_zero");
    assert_eq!(value["namespace"]["id"], 57);
    assert_eq!(
        value["counts"],
        json!({ "holders": null, "references": 2, "active": -1 })
    );
    assert_eq!(
        (&value["task"], &value["nsproxy"]),
        (&Value::Null, &Value::Null)
    );
    let value = written(&json::transition(&foreign_switch(), &clock()));
    assert_eq!(value["rule"], "foreign_switch");
    assert_eq!(value["task"]["pid"], 100);
    assert_eq!(value["nsproxy"]["nsproxy"], 12);
    assert_eq!(value["counts"]["holders"], 1);
    assert_eq!(value["namespace"], Value::Null);
}

#[test]
fn the_end_of_a_task_has_its_children_and_its_reaper() {
    let (sh, sleep, init) = (
        json!({ "pid": 123, "tgid": 123, "comm": "sh" }),
        json!({ "pid": 125, "tgid": 125, "comm": "sleep" }),
        json!({ "pid": 1, "tgid": 1, "comm": "init" }),
    );
    let mut handed_over = sleep.clone();
    handed_over["parent"] = init.clone();
    assert_eq!(
        written(&json::transition(&exited(), &clock())),
        json!({
            "schema": 1,
            "ts": "2026-11-22T01:00:02.500000000Z",
            "event": "exited",
            "pid": sh["pid"], "tgid": sh["tgid"], "comm": sh["comm"],
            "nsproxy_dropped_at": "2026-11-22T01:00:02.499800000Z",
            "handed_over_at": "2026-11-22T01:00:02.500000000Z",
            "children": [handed_over],
            "children_more": 0,
        })
    );
    assert_eq!(
        written(&json::transition(&reaped(), &clock())),
        json!({
            "schema": 1,
            "ts": "2026-11-22T01:00:02.500000000Z",
            "event": "reaped",
            "pid": sleep["pid"], "tgid": sleep["tgid"], "comm": sleep["comm"],
            "by": init,
            "itself": false,
            "parent": init,
            "original_parent": sh,
            "nsproxy_dropped_at": "2026-11-22T01:00:01.300000000Z",
        })
    );
}

#[test]
fn nothing_is_made_up_about_the_end_of_a_task() {
    let task = actor(125, b"sleep");
    let reaped = Reaped {
        by: None,
        parent: None,
        original_parent: None,
        dropped_at: None,
    };
    let missed = TaskEnd::Exited {
        task,
        dropped_at: None,
        children: vec![],
        more_children: 0,
    };
    let validator = validator("trace");
    for (what, unknown) in [
        (
            TaskEnd::Reaped { task, reaped },
            &["by", "parent", "original_parent", "nsproxy_dropped_at"][..],
        ),
        (missed, &["nsproxy_dropped_at"]),
    ] {
        let mut line = written(&json::transition(&end(what), &clock()));
        assert_valid(&validator, &line);
        for field in unknown {
            assert_eq!(line[field], Value::Null, "{field}");
        }
        line["itself"] = json!(false);
        line["children"] = json!([{ "pid": 1 }]);
        assert!(
            !validator.is_valid(&line),
            "nobody reaped it, or a child without a parent"
        );
    }
}

#[test]
fn a_switch_has_both_sides_and_what_changed() {
    let clock = clock();
    let transitions = every_transition();
    let find = |wanted: Reason| {
        let line = transitions
            .iter()
            .map(|transition| written(&json::transition(transition, &clock)))
            .find(|line| line["reason"] == wanted.name());
        line.unwrap()
    };
    let unshare = find(Reason::Unshare);
    assert_eq!(
        unshare,
        json!({
            "schema": 1,
            "ts": "2026-11-22T01:00:02.500000000Z",
            "event": "switched",
            "pid": 100,
            "tgid": 100,
            "comm": "unshare",
            "reason": "unshare",
            "from": {
                "nsproxy": 1,
                "count": 90,
                "namespaces": {
                    "uts": 2, "ipc": 1, "mnt": 8, "pid_for_children": 4, "net": 7,
                    "time": 6, "time_for_children": 6, "cgroup": 5,
                },
            },
            "to": {
                "nsproxy": 12,
                "count": 1,
                "namespaces": {
                    "uts": 2, "ipc": 1, "mnt": 8, "pid_for_children": 4, "net": 57,
                    "time": 6, "time_for_children": 6, "cgroup": 5,
                },
            },
            "changed": ["net"],
        })
    );
    let exit = find(Reason::Exit);
    assert_eq!(exit["to"], Value::Null);
    assert_eq!(exit["changed"], json!([]));
}

#[test]
fn hostile_names_make_valid_and_harmless_json() {
    let names: [&[u8]; 5] = [
        b"\"}\n{\"x\":\"",
        b"\x1b[31m\x00hidden",
        b"\xff\xfe\xc3",
        "\u{202e}\u{9b}2J".as_bytes(),
        &[0xff; 16],
    ];
    let validator = validator("trace");
    for name in names {
        let exit = switch(actor(5, name), Reason::Exit, initial_nsproxy(), None);
        let mut line = Vec::new();
        write_line(&mut line, &json::transition(&exit, &clock())).unwrap();
        let text = String::from_utf8(line).unwrap();
        let rest = text.strip_suffix('\n').unwrap();
        assert!(!rest.chars().any(is_unsafe), "{rest}");
        let document = serde_json::from_str(rest).unwrap();
        assert_valid(&validator, &document);
    }
}

#[test]
fn a_report_is_as_its_schema_says() {
    let validator = validator("doctor");
    let document = written(&report());
    assert_valid(&validator, &document);
    assert_eq!(
        document["hooks"][0],
        json!({
            "name": "nsproxy_switch",
            "purpose": "tasks change their namespaces",
            "required": true,
            "state": "attached",
            "function": "switch_task_namespaces",
            "how": "fentry",
            "attempts": [],
        })
    );
    let mut pretty = Vec::new();
    write_pretty(&mut pretty, &report()).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&pretty).unwrap(), document);

    let refused = Report {
        bpf_problem: Some("Operation not permitted".into()),
        hooks: vec![],
        can: vec![],
        cannot: vec![],
        runs: false,
        ..report()
    };
    assert_valid(&validator, &written(&refused));
}
