use std::os::unix::fs::PermissionsExt as _;

use rustix::{
    fs::{Mode, OFlags},
    process::{Pid, test_kill_process},
};

use super::*;

fn standard() -> Inherited {
    Inherited(BTreeSet::from([0, 1, 2]))
}

fn argv(words: &[&str]) -> Vec<OsString> {
    words.iter().map(OsString::from).collect()
}

fn is_alive(pid: u32) -> bool {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    test_kill_process(pid).is_ok()
}

#[test]
fn commands_are_found_as_the_system_finds_them() {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, mode| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    };
    let good = put("two/tool", 0o755);
    put("one/tool", 0o644);
    put("one/text", 0o644);
    fs::create_dir(folder.path().join("two/folder")).unwrap();
    let path = env::join_paths(["missing", "one", "two"].map(|f| folder.path().join(f))).unwrap();
    let find = |name: &OsStr| find(name, &path).map_err(|error| error.kind());

    assert_eq!(find("tool".as_ref()), Ok(()), "behind one that is not");
    assert_eq!(find(good.as_ref()), Ok(()));
    let denied = Err(io::ErrorKind::PermissionDenied);
    assert_eq!(find("text".as_ref()), denied);
    assert_eq!(find("folder".as_ref()), denied);
    let missing = Err(io::ErrorKind::NotFound);
    assert_eq!(find("nothing".as_ref()), missing);
    assert_eq!(find("".as_ref()), missing);
    assert_eq!(find("two/tool".as_ref()), missing, "a path is not searched");
}

#[test]
fn what_is_not_inherited_is_everything_else() {
    let others = |fds: &[u32]| Inherited(fds.iter().copied().collect()).others();
    assert_eq!(others(&[0, 1, 2]), [(3, u32::MAX)]);
    assert_eq!(others(&[0, 1, 2, 5, 6]), [(3, 4), (7, u32::MAX)]);
    assert_eq!(others(&[]), [(0, u32::MAX)]);
}

#[test]
fn what_is_open_at_the_start_is_inherited() {
    let file = tempfile::tempfile().unwrap();
    let inherited = Inherited::now().unwrap();
    let number = u32::try_from(file.as_raw_fd()).unwrap();
    assert!(inherited.0.is_superset(&BTreeSet::from([0, 1, 2, number])));
}

#[tokio::test]
async fn a_held_command_waits_and_then_runs() {
    let folder = tempfile::tempdir().unwrap();
    let mark = folder.path().join("mark");
    let script = "echo $$ > \"$0\"; exit 7";
    let held = Held::start(
        &argv(&["sh", "-c", script, mark.to_str().unwrap()]),
        &standard(),
    )
    .await
    .unwrap();
    assert!(is_alive(held.pid()));

    let name = fs::read_to_string(format!("/proc/{}/comm", held.pid())).unwrap();
    assert_ne!(name, "sh\n");
    assert!(!mark.exists());

    let pid = held.pid();
    let status = held.release().await.unwrap().wait().await.unwrap();
    assert_eq!(status.code(), Some(7));
    assert_eq!(fs::read_to_string(mark).unwrap(), format!("{pid}\n"));
}

#[tokio::test]
async fn a_command_has_no_descriptor_of_ours() {
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("list");
    // Open, and without the flag that would end it with exec.
    let leak = rustix::fs::open("/dev/null", OFlags::RDONLY, Mode::empty()).unwrap();
    let script = "ls /proc/$$/fd > \"$0\"";
    let held = Held::start(
        &argv(&["sh", "-c", script, list.to_str().unwrap()]),
        &standard(),
    )
    .await
    .unwrap();
    let status = held.release().await.unwrap().wait().await.unwrap();
    assert!(status.success());
    drop(leak);
    // What the shell itself has open is its own, such as the list.
    let list = fs::read_to_string(list).unwrap();
    let above: Vec<_> = list
        .lines()
        .filter(|fd| fd.len() < 2 && *fd > "2")
        .collect();
    assert!(above.is_empty(), "{list}");
}

#[tokio::test]
async fn a_held_command_ends_with_who_holds_it() {
    let held = Held::start(&argv(&["sleep", "1000"]), &standard())
        .await
        .unwrap();
    let pid = held.pid();
    let Held { go, child, .. } = held;
    drop(go);
    assert!(child.await.unwrap().is_err(), "it was never executed");
    assert!(!is_alive(pid));
}

#[tokio::test]
async fn what_cannot_be_executed_after_all_is_told() {
    let missing = Held::start(&argv(&["no-such-command"]), &standard())
        .await
        .unwrap();
    let error = missing.release().await.unwrap_err();
    let error = error.downcast::<CommandError>().unwrap();
    assert_eq!(error.status(), 127);
    assert_eq!(error.to_string(), "no-such-command: command not found");
}
