//! The JSON Schemas of `docs/schema/`, ready to check documents against.

use jsonschema::{Registry, Validator};
use serde_json::Value;

/// The schemas, each by the name of its file.
const SCHEMAS: [(&str, &str); 5] = [
    (
        "namespace",
        include_str!("../../../docs/schema/namespace.schema.json"),
    ),
    (
        "list",
        include_str!("../../../docs/schema/list.schema.json"),
    ),
    (
        "trace",
        include_str!("../../../docs/schema/trace.schema.json"),
    ),
    (
        "audit",
        include_str!("../../../docs/schema/audit.schema.json"),
    ),
    (
        "doctor",
        include_str!("../../../docs/schema/doctor.schema.json"),
    ),
];

/// The schema `docs/schema/NAME.schema.json`.
pub(crate) fn schema(name: &str) -> Value {
    let (_, text) = SCHEMAS
        .into_iter()
        .find(|(known, _)| *known == name)
        .unwrap_or_else(|| panic!("there is no schema {name}"));
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{name}.schema.json: {error}"))
}

/// A validator for `docs/schema/NAME.schema.json`.
pub(crate) fn validator(name: &str) -> Validator {
    let registry = SCHEMAS
        .into_iter()
        .map(|(name, _)| (format!("urn:nslife:schema:1:{name}"), schema(name)))
        .fold(Registry::new(), |registry, (uri, schema)| {
            registry.add(uri, schema).expect("an absolute URI")
        })
        .prepare()
        .expect("schemas that refer to each other");
    jsonschema::draft202012::options()
        .with_registry(&registry)
        .build(&schema(name))
        .unwrap_or_else(|error| panic!("{name}.schema.json: {error}"))
}

/// Fails unless the document is as its schema says; shows all that is wrong.
#[track_caller]
pub(crate) fn assert_valid(validator: &Validator, document: &Value) {
    let wrong: Vec<_> = validator
        .iter_errors(document)
        .map(|error| format!("{} at {}", error, error.instance_path()))
        .collect();
    assert!(
        wrong.is_empty(),
        "{document:#}\nis not as its schema says:\n{}",
        wrong.join("\n")
    );
}
