//! The JSON Schemas of `docs/schema/`.

use anyhow::{Context as _, Result, anyhow, ensure};
use jsonschema::{Registry, Validator};
use serde_json::Value;

/// The schemas, each by the name of its file.
const SCHEMAS: [(&str, &str); 5] = [
    (
        "namespace",
        include_str!("../../docs/schema/namespace.schema.json"),
    ),
    ("list", include_str!("../../docs/schema/list.schema.json")),
    ("audit", include_str!("../../docs/schema/audit.schema.json")),
    ("trace", include_str!("../../docs/schema/trace.schema.json")),
    (
        "doctor",
        include_str!("../../docs/schema/doctor.schema.json"),
    ),
];

/// What documents of one kind are checked against.
pub(crate) struct Schema {
    name: &'static str,
    validator: Validator,
}

impl Schema {
    /// `docs/schema/NAME.schema.json`, and what it refers to.
    pub(crate) fn named(name: &'static str) -> Result<Self> {
        let mut registry = Registry::new();
        let mut wanted = None;
        for (known, text) in SCHEMAS {
            let schema: Value = serde_json::from_str(text).context(known)?;
            if known == name {
                wanted = Some(schema.clone());
            }
            registry = registry.add(format!("urn:nslife:schema:1:{known}"), schema)?;
        }
        let wanted = wanted.with_context(|| format!("there is no schema {name}"))?;
        let registry = registry.prepare()?;
        let validator = jsonschema::draft202012::options()
            .with_registry(&registry)
            .build(&wanted)
            .map_err(|error| anyhow!("{name}.schema.json: {error}"))?;
        Ok(Self { name, validator })
    }

    /// Fails unless this is a document as it should be.
    pub(crate) fn check(&self, text: &str) -> Result<()> {
        let document: Value = serde_json::from_str(text).context("that is no JSON")?;
        let wrong: Vec<_> = self
            .validator
            .iter_errors(&document)
            .map(|error| format!("{error} at {}", error.instance_path()))
            .collect();
        ensure!(
            wrong.is_empty(),
            "expected what {}.schema.json says, saw {}: {text}",
            self.name,
            wrong.join("; ")
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_schema_can_be_used_and_can_fail() {
        for (name, _) in SCHEMAS {
            let schema = Schema::named(name).unwrap();
            assert!(schema.check("{}").is_err(), "{name}");
        }
        assert!(Schema::named("other").is_err());
    }
}
