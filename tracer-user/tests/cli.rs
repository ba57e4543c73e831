//! The command itself, as far as it goes on a system that may refuse it.

use std::{
    collections::BTreeSet,
    io::{self, Read as _, Write as _},
    net::TcpListener,
    os::{
        fd::AsRawFd,
        unix::{
            fs::PermissionsExt as _,
            net::{UnixListener, UnixStream},
            process::CommandExt as _,
        },
    },
    process::{Child, Command, Output, Stdio},
};

#[path = "support/schemas.rs"]
mod schemas;

fn nslife(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_nslife"))
        .args(arguments)
        .output()
        .unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn the_environment_is_read_and_the_command_line_comes_first() {
    let with = |variable: &str, value: &str, arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_nslife"))
            .args(arguments)
            .env(variable, value)
            .output()
            .unwrap();
        assert_decent(&output);
        (output.status.code(), stderr(&output))
    };
    // Whoever has the port tells which address was taken.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = listener.local_addr().unwrap().to_string();
    let (status, text) = with("NSLIFE_WEB_LISTEN_ADDRESS", &taken, &["daemon"]);
    assert_eq!(status, Some(1), "{text}");
    assert!(
        text.contains("cannot listen on") && text.contains(&taken),
        "{text}"
    );
    let flag = ["daemon", "--web.listen-address", &taken];
    let (status, text) = with("NSLIFE_WEB_LISTEN_ADDRESS", "127.0.0.1:1", &flag);
    assert_eq!(status, Some(1), "{text}");
    assert!(text.contains(&taken), "{text}");

    let (status, text) = with("NSLIFE_RING_BUFFER", "much", &["daemon"]);
    assert_eq!(status, Some(2), "{text}");
    assert!(
        text.contains("--ring-buffer") && text.contains("much"),
        "{text}"
    );
    let (status, text) = with("NSLIFE_NO_CONTROL_SOCKET", "perhaps", &["daemon"]);
    assert_eq!(status, Some(2), "{text}");
    assert!(text.contains("--no-control-socket"), "{text}");
}

/// Fails if the output shows the inside of a program.
#[track_caller]
fn assert_decent(output: &Output) {
    let text = stderr(output);
    for word in ["panicked", "backtrace", "RUST_", ".rs:"] {
        assert!(!text.contains(word), "{text}");
    }
}

#[test]
fn usage_errors_name_the_possible_values_and_exit_with_2() {
    let cases: [(&[&str], &str); 20] = [
        (
            &["list", "--ns-type", "net,foo"],
            "mnt, uts, ipc, user, pid, net, cgroup, time",
        ),
        (&["list", "--state", "dead"], "active, inactive, destroyed"),
        (&["list", "--output", "yaml"], "table, json, tree"),
        (&["list", "--from", "kernel"], "auto, daemon, walk"),
        (
            &["daemon", "--control-socket", "x", "--no-control-socket"],
            "cannot be used with",
        ),
        (&["trace", "--event", "born"], "created, activated"),
        (&["trace", "--output", "xml"], "text, json"),
        (&["trace", "--duration", "10"], "10s or 2m"),
        (&["trace", "--linger=-1s"], "--linger"),
        (&["trace", "--ns", "eth0"], "/proc/PID/ns"),
        (
            &["trace", "--pid", "1", "--", "true"],
            "cannot be used with",
        ),
        (&["trace", "--daemon", "--pid", "1"], "cannot be used with"),
        (&["trace", "--daemon", "--", "true"], "cannot be used with"),
        (
            &["list", "--daemon", "--from", "walk"],
            "cannot be used with",
        ),
        (&["daemon", "--web.listen-address", "nowhere"], "HOST:PORT"),
        (&["daemon", "--ring-buffer", "much"], "256KiB or 4MiB"),
        (
            &["daemon", "--ring-buffer", "3MiB"],
            "power of two of pages",
        ),
        (&["daemon", "--max-namespaces", "0"], "1..=16777216"),
        (
            &["daemon", "--web.telemetry-path", "/"],
            "not a path for metrics",
        ),
        (&["doctor", "--output", "table"], "text, json"),
    ];
    for (arguments, expected) in cases {
        let output = nslife(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
        let text = stderr(&output);
        assert!(text.contains(expected), "{arguments:?}: {text}");
        assert_decent(&output);
    }
}

#[test]
fn a_trace_by_a_daemon_takes_a_daemon_and_what_that_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("control.sock");
    let at = ["--control-socket", path.to_str().unwrap()];
    let output = nslife(&[&["trace", "--daemon"][..], &at].concat());
    assert_eq!(output.status.code(), Some(1));
    let text = stderr(&output);
    assert!(text.contains("no daemon answers"), "{text}");
    assert!(text.contains(at[1]), "{text}");
    let output = nslife(&["trace", "--daemon", "--event", "created,reaped"]);
    assert_eq!(output.status.code(), Some(1));
    let text = stderr(&output);
    assert!(text.contains("--event reaped"), "{text}");
    assert_decent(&output);
}

#[test]
fn help_and_version_are_no_errors() {
    for arguments in [
        &["--help"][..],
        &["trace", "--help"],
        &["--version"],
        &["list", "-V"],
    ] {
        let output = nslife(arguments);
        assert!(output.status.success(), "{arguments:?}");
        assert!(!output.stdout.is_empty(), "{arguments:?}");
    }
    let version = String::from_utf8(nslife(&["--version"]).stdout).unwrap();
    let this = format!("nslife {} (commit ", nslife::version::NUMBER);
    assert!(version.starts_with(&this), "{version}");
    let object = format!(", eBPF object {})\n", nslife::version::EBPF_OBJECT);
    assert!(version.ends_with(&object), "{version}");
    let help = String::from_utf8(nslife(&["--help"]).stdout).unwrap();
    assert!(help.contains("Exit status:"));
}

#[test]
fn a_command_that_cannot_be_run_is_told_before_anything_else() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("text");
    std::fs::write(&text, "not a program").unwrap();
    std::fs::set_permissions(&text, std::fs::Permissions::from_mode(0o644)).unwrap();
    let text = text.to_str().unwrap();
    for (command, status, expected) in [
        ("no-such-command", 127, "no-such-command: command not found"),
        (
            "/no/such/command",
            127,
            "/no/such/command: command not found",
        ),
        ("", 127, "command not found"),
        ("/", 126, "/: cannot be executed"),
        (text, 126, "cannot be executed: Permission denied"),
    ] {
        let output = nslife(&["trace", "--", command]);
        assert_eq!(output.status.code(), Some(status), "{command:?}");
        let text = stderr(&output);
        assert!(
            text.starts_with("nslife: ") && text.contains(expected),
            "{text}"
        );
        assert_eq!(text.lines().count(), 1, "{text}");
        assert_decent(&output);
    }
}

#[test]
fn a_process_that_is_not_there_is_told() {
    let output = nslife(&["trace", "--pid", "4194305"]);
    assert_eq!(output.status.code(), Some(1));
    let text = stderr(&output);
    assert!(text.starts_with("nslife: no process 4194305"), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
    assert_decent(&output);
}

#[test]
fn a_port_in_use_is_told_before_anything_is_loaded() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = nslife(&["daemon", "--web.listen-address", &address]);
    assert_eq!(output.status.code(), Some(1));
    let text = stderr(&output);
    let expected = format!("nslife: cannot listen on {address}: Address already in use");
    let complaint = text
        .lines()
        .find(|line| line.starts_with("nslife: "))
        .unwrap();
    assert!(complaint.starts_with(&expected), "{text}");
    assert!(complaint.contains("--web.listen-address"), "{text}");
    assert!(!text.contains("nslife doctor"), "{text}");
    assert_decent(&output);
}

#[test]
fn a_control_socket_that_cannot_be_is_told_before_anything_is_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let taken = folder.path().join("taken");
    let _listener = UnixListener::bind(&taken).unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "precious").unwrap();
    for (path, expected) in [(&taken, "in use"), (&file, "not a socket")] {
        let path = path.to_str().unwrap();
        let free = "127.0.0.1:0";
        let arguments = ["--web.listen-address", free, "--control-socket", path];
        let output = nslife(&[&["daemon"], &arguments[..]].concat());
        assert_eq!(output.status.code(), Some(1));
        let text = stderr(&output);
        let complaint = text
            .lines()
            .find(|line| line.starts_with("nslife: "))
            .unwrap();
        for word in [path, expected, "--no-control-socket"] {
            assert!(complaint.contains(word), "{text}");
        }
        assert_decent(&output);
    }
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "precious");
}

/// As systemd starts it: with the socket as descriptor 3, and its own pid.
fn handed_over(descriptors: u32, socket: Option<&UnixListener>) -> Child {
    let script = r#"LISTEN_PID=$$ exec "$0" daemon --web.systemd-socket --no-control-socket"#;
    let mut command = Command::new("sh");
    command
        .args(["-c", script, env!("CARGO_BIN_EXE_nslife")])
        .env("LISTEN_FDS", descriptors.to_string())
        .stderr(Stdio::piped());
    let socket = socket.map(AsRawFd::as_raw_fd);
    // SAFETY: between fork and exec this makes one system call.
    unsafe {
        command.pre_exec(move || match socket {
            Some(socket) if libc::dup2(socket, 3) != 3 => Err(io::Error::last_os_error()),
            _ => Ok(()),
        });
    }
    command.spawn().unwrap()
}

/// It answers there before it knows whether the system lets it start.
#[test]
fn a_socket_that_is_handed_over_is_listened_at() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("web.sock");
    let socket = UnixListener::bind(&path).unwrap();
    // Who connected before it listened is answered, too.
    let mut client = UnixStream::connect(&path).unwrap();
    client
        .write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut daemon = handed_over(1, Some(&socket));
    drop(socket);
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    daemon.kill().unwrap();
    daemon.wait().unwrap();
    assert!(path.exists(), "the socket is systemd's");
}

#[test]
fn a_socket_that_is_not_handed_over_is_missed() {
    let output = handed_over(0, None).wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = stderr(&output);
    assert!(text.contains("is nslife.socket active?"), "{text}");
    assert_decent(&output);
}

#[test]
fn what_is_no_socket_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "precious").unwrap();
    let address = format!("unix://{}", file.display());
    let output = nslife(&["daemon", "--web.listen-address", &address]);
    assert_eq!(output.status.code(), Some(1));
    let text = stderr(&output);
    for word in [&*address, "not a socket"] {
        assert!(text.contains(word), "{text}");
    }
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "precious");
}

/// Whoever answers at a socket may be anybody, and say anything.
#[test]
fn what_an_answer_says_does_nothing_to_a_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("control.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let version = r"1\u001b]0;pwned\u0007\nnslife: all is well\u202e ffff888100a3b000";
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            stream.read_to_end(&mut Vec::new()).unwrap();
            let answer = format!(r#"{{"protocol":2,"version":"{version}","answer":null}}"#);
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    let path = path.to_str().unwrap();
    for verb in ["list", "audit"] {
        let output = nslife(&[verb, "--from", "daemon", "--control-socket", path]);
        assert_eq!(output.status.code(), Some(1));
        let text = stderr(&output);
        // Of a message of several lines the first one is shown.
        assert!(text.contains(r"is nslife 1\x1b]0;pwned\x07"), "{text}");
        assert!(!text.trim_end().contains(char::is_control), "{text}");
    }
    let output = nslife(&["list", "--control-socket", path]);
    let text = stderr(&output);
    let note = text.lines().next().unwrap();
    assert!(
        note.contains(r"\nnslife: all is well\u{202e} ADDRESS"),
        "{text}"
    );
}

/// Whoever insists on a daemon is told; whoever does not gets a list, or hears
/// why there is none, besides.
#[test]
fn a_daemon_that_makes_no_sense_is_no_daemon() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("control.sock");
    let listener = UnixListener::bind(&path).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            stream.read_to_end(&mut Vec::new()).unwrap();
            stream.write_all(b"{\"protocol\":").unwrap();
        }
    });
    let path = path.to_str().unwrap();
    let list = |from| nslife(&["list", "--from", from, "--control-socket", path]);

    let insisting = list("daemon");
    assert_eq!(insisting.status.code(), Some(1));
    assert!(insisting.stdout.is_empty());
    let text = stderr(&insisting);
    assert_eq!(text.lines().count(), 1, "{text}");
    for word in [path, "makes no sense", "--from walk"] {
        assert!(text.contains(word), "{text}");
    }

    let own = list("walk");
    assert!(!stderr(&own).contains(path));
    let falling_back = list("auto");
    assert_eq!(falling_back.status, own.status);
    let text = stderr(&falling_back);
    let (note, rest) = text.split_once('\n').unwrap();
    assert!(note.contains("makes no sense"), "{text}");
    assert_eq!(rest, stderr(&own));
}

/// A person does not wait for a daemon that hangs if nslife can look for itself.
#[test]
fn a_daemon_that_is_silent_is_not_waited_for_long() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("control.sock");
    // Connections succeed, and that is all.
    let _silent = UnixListener::bind(&path).unwrap();
    let path = path.to_str().unwrap();
    let list = |from| nslife(&["list", "--from", from, "--control-socket", path]);

    let own = list("walk");
    let falling_back = list("auto");
    assert_eq!(falling_back.status, own.status);
    let text = stderr(&falling_back);
    let (note, rest) = text.split_once('\n').unwrap();
    for word in [path, "does not answer within 2 s", "nslife sees itself"] {
        assert!(note.contains(word), "{text}");
    }
    assert_eq!(rest, stderr(&own));
}

#[test]
fn a_daemon_that_is_not_there_is_missed_by_those_who_insist() {
    let path = "/no/such/control.sock";
    let list = |from| nslife(&["list", "--from", from, "--control-socket", path]);
    let output = list("daemon");
    assert_eq!(output.status.code(), Some(1));
    let text = stderr(&output);
    assert!(
        text.starts_with("nslife: no daemon answers at /no/such/control.sock"),
        "{text}"
    );
    assert!(!stderr(&list("auto")).contains(path));
}

#[test]
fn the_doctor_says_whether_nslife_runs_and_its_exit_status_agrees() {
    let output = nslife(&["doctor", "--output", "json"]);
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    schemas::assert_valid(&schemas::validator("doctor"), &document);
    let runs = document["runs"].as_bool().unwrap();
    assert_eq!(output.status.code(), Some(i32::from(!runs)));

    let output = nslife(&["doctor"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(i32::from(!runs)));
    assert!(text.starts_with("Kernel\n"), "{text}");
    assert!(!text.contains('\u{1b}'), "no colours without a terminal");
}

/// On a system that refuses: what it is, where to look, and nothing else. On
/// one that does not, these verbs work, which other tests look at.
#[test]
fn what_cannot_start_says_so_in_two_lines() {
    if nslife(&["doctor"]).status.success() {
        return;
    }
    let free = "127.0.0.1:0";
    for arguments in [
        &["trace", "--duration", "1s"][..],
        &["trace", "--", "true"],
        &[
            "daemon",
            "--log.level",
            "error",
            "--web.listen-address",
            free,
        ],
    ] {
        assert_refused(&nslife(arguments));
    }
}

/// Fails unless this says in two lines why nslife cannot start.
#[track_caller]
fn assert_refused(output: &Output) {
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    let text = stderr(output);
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert!(
        lines.iter().all(|line| line.starts_with("nslife: ")),
        "{text}"
    );
    assert!(lines[1].contains("`nslife doctor`"), "{text}");
    assert_decent(output);
}

/// A list needs less than a trace: some systems refuse only the latter.
#[test]
fn a_list_is_whole_or_refused() {
    let output = nslife(&["list", "--output", "json"]);
    if !output.status.success() {
        return assert_refused(&output);
    }
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    schemas::assert_valid(&schemas::validator("list"), &document);
    let types: BTreeSet<_> = document["namespaces"]
        .as_array()
        .unwrap()
        .iter()
        .map(|ns| ns["ns_type"].as_str().unwrap())
        .collect();
    assert!(types.contains("user") && types.contains("net"), "{types:?}");

    let table = nslife(&["list", "--ns-type", "net,uts", "--state", "active"]);
    let table = String::from_utf8(table.stdout).unwrap();
    let types: BTreeSet<_> = table
        .lines()
        .skip(1)
        .filter_map(|line| line.split(' ').next())
        .collect();
    assert_eq!(types, BTreeSet::from(["net", "uts"]), "{table}");
}

#[test]
fn a_reader_that_has_gone_away_changes_nothing() {
    let status = nslife(&["doctor"]).status;
    // Gone before the first byte is written.
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = Command::new(env!("CARGO_BIN_EXE_nslife"))
        .arg("doctor")
        .stdout(writer)
        .output()
        .unwrap();
    assert_eq!(output.status, status);
    assert_eq!(stderr(&output), "");
}
