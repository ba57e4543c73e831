//! What is said about containers and Kubernetes: that the API takes it, and
//! that it agrees with nslife and with the systemd unit.

use std::{collections::BTreeSet, fs, path::PathBuf};

use nslife::{cli, version};
use serde_json::{Value, json};

fn packaging(path: &str) -> String {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../packaging");
    fs::read_to_string(root.join(path)).unwrap()
}

fn manifest(name: &str) -> Value {
    serde_saphyr::from_str(&packaging(&format!("kubernetes/{name}"))).unwrap()
}

/// Everything that the kustomization lists.
fn resources() -> Vec<Value> {
    let kustomization = manifest("kustomization.yaml");
    let names = kustomization["resources"].as_array().unwrap();
    names
        .iter()
        .map(|name| manifest(name.as_str().unwrap()))
        .collect()
}

/// Whether the API takes this.
fn is_taken(object: &Value) -> Result<(), String> {
    let mut schema: Value = serde_json::from_str(&packaging("kubernetes/api.schema.json")).unwrap();
    let kind = object["kind"].as_str().unwrap();
    assert!(schema["$defs"][kind].is_object(), "no schema of {kind}");
    schema["$ref"] = json!(format!("#/$defs/{kind}"));
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<_> = validator
        .iter_errors(object)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    errors.is_empty().then_some(()).ok_or(errors.join("\n"))
}

#[test]
fn the_api_takes_every_resource() {
    let resources = resources();
    let kinds: BTreeSet<_> = resources
        .iter()
        .map(|resource| resource["kind"].as_str().unwrap())
        .collect();
    assert_eq!(
        kinds,
        BTreeSet::from(["DaemonSet", "PodMonitor", "ServiceAccount"])
    );
    for resource in &resources {
        assert_eq!(is_taken(resource), Ok(()), "{}", resource["kind"]);
    }
}

#[test]
fn the_api_takes_no_mistakes() {
    let daemon_set = manifest("daemonset.yaml");
    let container = "/spec/template/spec/containers/0";
    type Mistake = fn(&mut Value, &str);
    let mistakes: [(&str, Mistake); 4] = [
        ("a field of no such name", |object, container| {
            let container = object.pointer_mut(container).unwrap();
            container["securityContext"]["readOnlyRootFileSystem"] = json!(true);
        }),
        ("a value of another type", |object, container| {
            object.pointer_mut(container).unwrap()["ports"][0]["containerPort"] = json!("19619");
        }),
        ("no selector", |object, _| {
            object["spec"].as_object_mut().unwrap().remove("selector");
        }),
        ("a container without a name", |object, container| {
            let container = object.pointer_mut(container).unwrap();
            container.as_object_mut().unwrap().remove("name");
        }),
    ];
    for (name, mistake) in mistakes {
        let mut object = daemon_set.clone();
        mistake(&mut object, container);
        assert!(is_taken(&object).is_err(), "{name}");
    }
    let mut monitor = manifest("podmonitor.yaml");
    monitor["spec"]["podMetricsEndpoints"][0]["interval"] = json!("often");
    assert!(is_taken(&monitor).is_err());
}

#[test]
fn the_pod_has_what_the_unit_has_and_no_more() {
    let daemon_set = manifest("daemonset.yaml");
    let pod = &daemon_set["spec"]["template"]["spec"];
    assert_eq!(pod["hostPID"], true);
    for other in ["hostNetwork", "hostIPC", "volumes"] {
        assert!(pod[other].is_null(), "{other}");
    }
    let security = &pod["containers"][0]["securityContext"];
    assert_eq!(security["readOnlyRootFilesystem"], true);
    assert_eq!(security["allowPrivilegeEscalation"], false);
    assert_eq!(security["privileged"], false);
    let capabilities = &security["capabilities"];
    assert_eq!(capabilities["drop"], json!(["ALL"]));
    let unit = packaging("systemd/nslife.service");
    let ambient: BTreeSet<_> = unit
        .lines()
        .find_map(|line| line.strip_prefix("AmbientCapabilities="))
        .unwrap()
        .split(' ')
        .map(|name| name.strip_prefix("CAP_").unwrap())
        .collect();
    let added: BTreeSet<_> = capabilities["add"]
        .as_array()
        .unwrap()
        .iter()
        .map(|name| name.as_str().unwrap())
        .collect();
    assert_eq!(added, ambient);
}

/// Fails unless these words are a command line of the daemon that listens at
/// this port for everybody.
#[track_caller]
fn assert_listens(arguments: &[&str], port: u64) {
    let command = cli::command(version::NUMBER.to_owned());
    let words = ["nslife"].into_iter().chain(arguments.iter().copied());
    let matches = command.try_get_matches_from(words).unwrap();
    assert_eq!(matches.subcommand_name(), Some("daemon"));
    let address = format!("--web.listen-address=:{port}");
    assert!(arguments.contains(&address.as_str()), "{arguments:?}");
}

#[test]
fn what_is_run_scraped_and_probed_is_there() {
    let [daemon_set, monitor] = ["daemonset.yaml", "podmonitor.yaml"].map(manifest);
    let template = &daemon_set["spec"]["template"];
    let container = &template["spec"]["containers"][0];
    let port = &container["ports"][0];
    let number = port["containerPort"].as_u64().unwrap();
    let arguments: Vec<_> = container["args"]
        .as_array()
        .unwrap()
        .iter()
        .map(|word| word.as_str().unwrap())
        .collect();
    assert_listens(&arguments, number);

    let endpoint = &monitor["spec"]["podMetricsEndpoints"][0];
    assert_eq!(endpoint["port"], port["name"]);
    assert_eq!(endpoint["path"], "/metrics");
    let labels = &template["metadata"]["labels"];
    assert_eq!(monitor["spec"]["selector"]["matchLabels"], *labels);
    assert_eq!(daemon_set["spec"]["selector"]["matchLabels"], *labels);
    for (probe, path) in [
        ("startupProbe", "/readyz"),
        ("livenessProbe", "/healthz"),
        ("readinessProbe", "/readyz"),
    ] {
        assert_eq!(container[probe]["httpGet"]["path"], path, "{probe}");
        assert_eq!(container[probe]["httpGet"]["port"], port["name"], "{probe}");
    }
    let tag = &manifest("kustomization.yaml")["images"][0]["newTag"];
    assert_eq!(*tag, version::NUMBER);
}

#[test]
fn the_image_runs_the_daemon_and_has_nothing_else() {
    let file = packaging("container/Containerfile");
    let last = file.rsplit_once("\nFROM ").unwrap().1;
    let mut lines = last.lines();
    assert_eq!(lines.next(), Some("scratch"));
    let instructions: Vec<_> = lines
        .filter(|line| !line.is_empty())
        .map(|line| line.split_once(' ').unwrap())
        .collect();
    let words = |name| -> Vec<String> {
        let found = instructions.iter().find(|(other, _)| *other == name);
        serde_json::from_str(found.unwrap().1).unwrap()
    };
    assert_eq!(words("ENTRYPOINT"), ["/nslife"]);
    let arguments = words("CMD");
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    assert_listens(&arguments, 19619);
    let names: Vec<_> = instructions.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["COPY", "EXPOSE", "ENTRYPOINT", "CMD"]);
}
