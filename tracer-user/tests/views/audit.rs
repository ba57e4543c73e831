//! Audits, for people and programs.

use nslife::{
    model::{
        NsId, State,
        audit::{Difference, Field, InitState, Value as Side},
    },
    view::{
        audit::{Check, Outcome, Report, WALK},
        json::{self, Source, write_line},
        text::{audit::write_audit, style::Palette},
    },
    witness::Witness,
};
use serde_json::{Value, json};
use tracer_common::kind::NsKind;

use crate::schemas::{assert_valid, validator};

fn difference(field: Field, picture: Side, kernel: Side) -> Difference {
    Difference {
        kind: NsKind::Pid,
        inum: Some(4_026_532_200),
        id: Some(NsId(57)),
        field,
        picture,
        kernel,
    }
}

/// With one of everything that can be wrong.
fn wrong() -> Vec<Difference> {
    let absent = Side::Absent;
    let mut all = vec![
        difference(
            Field::State,
            Side::State(State::Active),
            Side::State(State::Inactive),
        ),
        difference(
            Field::Init,
            Side::Init(InitState::Dying),
            Side::Init(InitState::Dead),
        ),
        difference(Field::Parent, Side::Inum(4_026_531_836), absent),
    ];
    all.extend(Field::ALL.map(|field| difference(field, Side::Count(1), Side::Present)));
    all.push(Difference {
        inum: None,
        id: None,
        ..difference(Field::Existence, absent, Side::State(State::Active))
    });
    all
}

fn report(drift: Vec<Difference>, creds: u64) -> Report {
    Report {
        kernel: "7.3.4".into(),
        source: Source::Daemon,
        pid: 812,
        creds,
        checks: vec![
            Check {
                against: WALK,
                outcome: Ok(Outcome {
                    compared: 17,
                    moving: 2,
                    drift,
                }),
            },
            Check {
                against: Witness::Listns.name(),
                outcome: Err("this kernel does not have it".into()),
            },
        ],
    }
}

fn written(report: &Report) -> Value {
    let mut line = Vec::new();
    write_line(&mut line, &json::audit(report)).unwrap();
    serde_json::from_slice(&line).unwrap()
}

fn shown(report: &Report) -> String {
    let mut text = Vec::new();
    write_audit(&mut text, Palette { on: false }, report).unwrap();
    String::from_utf8(text).unwrap()
}

#[test]
fn json_is_as_its_schema_says() {
    let validator = validator("audit");
    for report in [report(vec![], 0), report(vec![], 3), report(wrong(), 0)] {
        let written = written(&report);
        assert_valid(&validator, &written);
        assert_eq!(written["clean"], report.is_clean());
    }
    let document = written(&report(wrong(), 0));
    assert_eq!(
        document["drift"][0],
        json!({
            "against": "walk", "ns_type": "pid", "inum": 4_026_532_200_u32, "id": 57,
            "field": "state", "nslife": "active", "kernel": "inactive",
        })
    );
    assert_eq!(document["checks"][1]["compared"], Value::Null);
}

#[test]
fn a_field_that_the_schema_lacks_is_noticed() {
    let mut document = written(&report(wrong(), 0));
    document["drift"][0]["field"] = json!("colour");
    assert!(!validator("audit").is_valid(&document));
}

#[test]
fn any_difference_is_not_clean() {
    assert!(report(vec![], 0).is_clean());
    assert!(!report(vec![], 1).is_clean());
    assert!(!report(wrong(), 0).is_clean());
}

#[test]
fn a_person_reads_what_was_wrong() {
    let clean = "\
ok walk: 17 namespaces compared, 0 differences, 2 moving
-- listns: not compared: this kernel does not have it

The picture is the kernel's.
";
    assert_eq!(shown(&report(vec![], 0)), clean);
    let drifted = "\
no walk: 17 namespaces compared, 2 differences, 2 moving
   pid 4026532200 (id 57) state: nslife active, kernel inactive
   pid 4026532200 (id 57) init: nslife dying, kernel dead
-- listns: not compared: this kernel does not have it
no credentials of 1 tasks were not counted, or too long

The picture was wrong, and has been put right.
";
    let drift = wrong().into_iter().take(2).collect();
    assert_eq!(shown(&report(drift, 1)), drifted);
}
