//! The control socket: who answers there, and what those who ask make of it.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::Shutdown,
    os::unix::{
        fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _},
        net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use nslife::{
    control::{
        self, AskError, Audited, Beginning, BindError, ControlSocket, Following, Request, Snapshot,
        ask, ask_for_audit, follow,
    },
    engine::{Limits, Loss, Notice},
    feed::{BEHIND, Feed, Happening},
    model::{
        Actor, Comm, Contributors, Counts, Creator, Namespace, NsId, People, Person, Reaper, State,
        TaskState,
        audit::{Difference, Field, Findings, Value},
    },
};
use tempfile::TempDir;
use tokio::{
    sync::mpsc,
    task::{JoinHandle, spawn_blocking},
};
use tracer_common::kind::NsKind;

/// Far longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// Enough for one who is to be kept waiting.
const SOON: Duration = Duration::from_millis(200);

fn namespace(id: u64, kind: NsKind) -> Namespace {
    Namespace {
        zombies: Some(1),
        reaper: Some(Reaper::Dying { began: Some(7) }),
        id: NsId(id),
        ns_id: Some(id),
        kind,
        inum: 4_026_532_000,
        state: State::Inactive,
        since: Some(2_000_000_001),
        was_active: true,
        counts: Counts {
            refs: Some(1),
            active: Some(0),
            at: u64::MAX,
        },
        initial: false,
        owner: Some(NsId(3)),
        parent: None,
        owner_uid: None,
        level: None,
        tasks: Some(0),
        because: Contributors {
            nsproxies: 1,
            creds: 2,
            pids: 3,
            nsfs: 4,
            owned: 5,
        },
        procfs: None,
        created_at: Some(1_000_000_001),
        creator: Some(Creator {
            task: Actor {
                pid: 7,
                tgid: 6,
                // Not text.
                comm: Comm([0xff; 16]),
            },
            cgroup: u64::MAX,
        }),
        inactive_at: None,
        destroyed_at: None,
    }
}

fn actor() -> Actor {
    Actor {
        pid: 12,
        tgid: 11,
        comm: Comm(*b"sleep\0\0\0\0\0\0\0\0\0\0\0"),
    }
}

fn snapshot(count: u64) -> Snapshot {
    Snapshot {
        kernel: "7.3.4".into(),
        taken_at: 3_000_000_000,
        watching_since: Some(500_000_000),
        pid: 812,
        limits: Limits {
            took: Duration::from_nanos(1_234_567_891),
            complete: false,
            because: vec!["a reason".into()],
            partial_activity: true,
        },
        people: vec![(
            NsId(3),
            People {
                init: None,
                left: vec![Person {
                    task: actor(),
                    state: TaskState::Traced,
                    waits_for: Some(actor()),
                }],
                left_count: 20,
                zombies: Vec::new(),
            },
        )],
        namespaces: (0..count)
            .map(|id| namespace(id, NsKind::ALL[id as usize % NsKind::COUNT]))
            .collect(),
    }
}

/// What the daemon does, without a kernel.
struct Answering {
    folder: TempDir,
    ready: Arc<AtomicBool>,
    asked: Arc<AtomicUsize>,
    feed: Arc<Mutex<Feed>>,
    task: JoinHandle<()>,
}

impl Answering {
    fn start(snapshot: Snapshot, patience: Duration) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = ControlSocket::bind(&path_in(&folder)).unwrap();
        let ready = Arc::new(AtomicBool::new(true));
        let asked = Arc::new(AtomicUsize::new(0));
        let (requests, mut coming) = mpsc::channel::<Request>(8);
        let count = Arc::clone(&asked);
        let feed = Arc::new(Mutex::new(Feed::new()));
        let telling = Arc::clone(&feed);
        tokio::spawn(async move {
            let snapshot = Arc::new(snapshot);
            while let Some(request) = coming.recv().await {
                count.fetch_add(1, Ordering::Relaxed);
                match request {
                    Request::Snapshot(reply) => {
                        let _ = reply.send(Ok(Arc::clone(&snapshot)));
                    }
                    Request::Audit(reply) => {
                        let _ = reply.send(Ok(Arc::new(audited())));
                    }
                    Request::Follow(reply) => {
                        let (past, then) = telling.lock().unwrap().follow();
                        let beginning = Beginning {
                            past,
                            ..beginning()
                        };
                        let _ = reply.send(Ok(Following { beginning, then }));
                    }
                }
            }
        });
        let task = tokio::spawn(control::serve(
            socket,
            requests,
            Arc::clone(&ready),
            patience,
        ));
        Self {
            folder,
            ready,
            asked,
            feed,
            task,
        }
    }

    fn path(&self) -> PathBuf {
        path_in(&self.folder)
    }

    /// Tells that it walked, and what it put right.
    fn tell(&self, corrections: u64) {
        self.feed.lock().unwrap().tell(walked(corrections));
    }

    async fn ask(&self) -> Result<Snapshot, AskError> {
        let path = self.path();
        spawn_blocking(move || ask(&path, PATIENCE)).await.unwrap()
    }
}

fn path_in(folder: &TempDir) -> PathBuf {
    folder.path().join("new/folder/control.sock")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_picture_arrives_as_it_was_sent() {
    let sent = snapshot(20);
    let daemon = Answering::start(sent.clone(), PATIENCE);
    assert_eq!(daemon.ask().await.unwrap(), sent);
    assert_eq!(daemon.ask().await.unwrap(), sent);
    assert_eq!(daemon.asked.load(Ordering::Relaxed), 2);
}

fn audited() -> Audited {
    Audited {
        kernel: "7.3.4".into(),
        pid: 812,
        findings: Findings {
            compared: 17,
            drift: vec![Difference {
                kind: NsKind::Net,
                inum: Some(4_026_532_000),
                id: None,
                field: Field::Existence,
                picture: Value::Absent,
                kernel: Value::State(State::Inactive),
            }],
            moving: 3,
            creds: 4,
        },
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_audit_arrives_as_it_was_sent() {
    let daemon = Answering::start(snapshot(1), PATIENCE);
    let path = daemon.path();
    let answer = spawn_blocking(move || ask_for_audit(&path, PATIENCE));
    assert_eq!(answer.await.unwrap().unwrap(), audited());
}

fn beginning() -> Beginning {
    Beginning {
        pid: 812,
        watching_since: 500_000_000,
        limits: Limits::default(),
        initial: vec![NsId(1), NsId(8)],
        past: Vec::new(),
    }
}

/// The same each time, but for its number.
fn walked(corrections: u64) -> Happening {
    Happening::Notice {
        notice: Notice::Resync { corrections },
        at: 7,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_follows_is_told_the_past_and_then_what_happens() {
    let daemon = Answering::start(snapshot(1), PATIENCE);
    daemon.tell(1);
    daemon.tell(2);
    let (told, mut followed) = follow(&daemon.path(), PATIENCE).await.unwrap();
    let expected = Beginning {
        past: vec![walked(1), walked(2)],
        ..beginning()
    };
    assert_eq!(told, expected);
    for number in 3..10 {
        daemon.tell(number);
        assert_eq!(followed.next().await.unwrap(), Some(walked(number)));
    }
    daemon.task.abort();
    assert_eq!(followed.next().await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_follows_too_slowly_is_told_what_it_missed() {
    let daemon = Answering::start(snapshot(1), PATIENCE);
    let (_, mut followed) = follow(&daemon.path(), PATIENCE).await.unwrap();
    // Far more than a socket takes and the daemon keeps.
    let count = 100 * BEHIND as u64;
    {
        let mut feed = daemon.feed.lock().unwrap();
        (0..count).for_each(|number| feed.tell(walked(number)));
    }
    let (mut heard, mut missed) = (0, 0);
    while heard + missed < count {
        match followed.next().await.unwrap() {
            Some(Happening::Notice {
                notice: Notice::Lost { cause, count },
                ..
            }) => {
                assert_eq!(cause, Loss::SlowReader);
                missed += count;
            }
            Some(happening) => {
                assert_eq!(happening, walked(heard + missed), "out of order");
                heard += 1;
            }
            None => panic!("the daemon ended"),
        }
    }
    assert!(missed > 0, "nothing was missed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_who_follow_are_few_and_in_nobodys_way() {
    let daemon = Answering::start(snapshot(1), PATIENCE);
    let mut following = Vec::new();
    let refused = loop {
        match follow(&daemon.path(), PATIENCE).await {
            Ok(followed) => following.push(followed),
            Err(refused) => break refused,
        }
        assert!(following.len() < 100, "nobody is refused");
    };
    assert!(
        refused.to_string().contains("follow it already"),
        "{refused}"
    );
    assert!(daemon.ask().await.is_ok());
    // A place is free again though nothing happens that could not be told.
    following.pop();
    let again = async {
        while follow(&daemon.path(), PATIENCE).await.is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, again).await.unwrap();
}

/// Also one that is too long, and none at all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_question_that_makes_no_sense_is_refused() {
    let daemon = Answering::start(snapshot(1), PATIENCE);
    for question in ["", "hello", "{\"snapshot\":1}", &"\"".repeat(100_000)] {
        let mut stream = UnixStream::connect(daemon.path()).unwrap();
        // It need not listen to the end.
        let _ = stream.write_all(question.as_bytes());
        let _ = stream.shutdown(Shutdown::Write);
        let answer = spawn_blocking(move || {
            let mut answer = String::new();
            stream.read_to_string(&mut answer).map(|_| answer)
        });
        let answer = answer.await.unwrap();
        if question.len() < 1000 {
            assert!(
                answer.unwrap().contains("does not understand"),
                "{question}"
            );
        }
    }
    assert_eq!(daemon.asked.load(Ordering::Relaxed), 0);
    assert!(daemon.ask().await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_waits_for_a_daemon_that_starts() {
    let daemon = Answering::start(snapshot(1), PATIENCE);
    daemon.ready.store(false, Ordering::Relaxed);
    let error = daemon.ask().await.unwrap_err();
    assert!(matches!(&error, AskError::Refused { because, .. } if because.contains("starting")));
    assert_eq!(daemon.asked.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn only_the_owner_may_ask_and_nothing_is_left_behind() {
    let folder = tempfile::tempdir().unwrap();
    let path = path_in(&folder);
    let socket = ControlSocket::bind(&path).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(&path), 0o600);
    // Nobody may change it but its owner, whatever this process's umask is.
    assert_eq!(mode(path.parent().unwrap()) & 0o022, 0);
    drop(socket);
    assert!(!path.exists());
}

#[tokio::test]
async fn a_socket_left_behind_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("control.sock");
    drop(UnixListener::bind(&path).unwrap());
    let stale = fs::metadata(&path).unwrap();
    assert!(stale.file_type().is_socket());
    let error = ask(&path, PATIENCE).unwrap_err();
    assert!(matches!(error, AskError::Nobody { .. }), "{error}");
    assert!(!error.is_absence(), "something is there");

    let socket = ControlSocket::bind(&path).unwrap();
    let mode = fs::metadata(&path).unwrap().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(UnixStream::connect(&path).is_ok());
    drop(socket);
}

#[tokio::test]
async fn what_is_in_use_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("control.sock");
    let first = ControlSocket::bind(&path).unwrap();
    let second = ControlSocket::bind(&path).unwrap_err();
    assert!(matches!(second, BindError::InUse(_)), "{second}");
    let text = second.to_string();
    for word in [
        path.to_str().unwrap(),
        "--control-socket",
        "--no-control-socket",
    ] {
        assert!(text.contains(word), "{text}");
    }
    // Nobody takes the next ones off the queue: a full one is in use, too.
    let _waiting: Vec<_> = (0..)
        .map(|_| {
            let stream = UnixStream::connect(&path).unwrap();
            (stream, ControlSocket::bind(&path).unwrap_err())
        })
        .take(8)
        .inspect(|(_, error)| assert!(matches!(error, BindError::InUse(_)), "{error}"))
        .collect();
    drop(first);

    // Nor is what another has put there since.
    let socket = ControlSocket::bind(&path).unwrap();
    fs::remove_file(&path).unwrap();
    fs::write(&path, "precious").unwrap();
    drop(socket);
    let error = ControlSocket::bind(&path).unwrap_err();
    assert!(matches!(error, BindError::NotASocket(_)), "{error}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
}

#[tokio::test]
async fn a_path_that_cannot_be_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let long = folder.path().join("x".repeat(120));
    for path in [file.join("control.sock"), long] {
        let error = ControlSocket::bind(&path).unwrap_err().to_string();
        assert!(error.contains(path.to_str().unwrap()), "{error}");
    }
}

/// More than a socket's buffer takes, so that the writer has to wait.
const LARGE: u64 = 20_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_readers_hold_up_nobody_for_long() {
    let daemon = Answering::start(snapshot(LARGE), SOON);
    // As many as are served at a time, and more, none of which reads.
    let slow: Vec<_> = (0..12)
        .map(|_| UnixStream::connect(daemon.path()).unwrap())
        .collect();
    let start = Instant::now();
    let answer = daemon.ask().await.unwrap();
    assert_eq!(answer.namespaces.len(), LARGE as usize);
    assert!(start.elapsed() < PATIENCE);
    drop(slow);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_asks_may_go_away_at_any_time() {
    let daemon = Answering::start(snapshot(LARGE), PATIENCE);
    for _ in 0..20 {
        drop(UnixStream::connect(daemon.path()).unwrap());
    }
    assert!(daemon.ask().await.is_ok());
    // The end of the daemon is the end of the socket.
    let path = daemon.path();
    daemon.task.abort();
    assert!(daemon.task.await.unwrap_err().is_cancelled());
    assert!(!path.exists());
}

/// Somebody else who answers with these bytes, or with nothing.
fn impostor(answer: Option<Vec<u8>>) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("control.sock");
    let listener = UnixListener::bind(&path).unwrap();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        match answer {
            Some(answer) => {
                stream.read_to_end(&mut Vec::new()).unwrap();
                stream.write_all(&answer).unwrap();
            }
            None => thread::sleep(PATIENCE),
        }
    });
    (folder, path)
}

#[test]
fn an_answer_that_makes_no_sense_is_told_apart() {
    let version = env!("CARGO_PKG_VERSION");
    let cases = [
        (String::new(), "makes no sense"),
        ("hello".into(), "makes no sense"),
        ("{}".into(), "makes no sense"),
        ("\0\0\0\0".into(), "makes no sense"),
        (
            format!(r#"{{"protocol":3,"version":"{version}","answer":{{"given":{{"ker"#),
            "makes no sense",
        ),
        (
            format!(r#"{{"protocol":3,"version":"{version}","answer":{{"given":{{}}}}}}"#),
            "makes no sense",
        ),
        (
            format!(r#"{{"protocol":3,"version":"{version}","answer":{{"refused":"a cold"}}}}"#),
            "a cold",
        ),
        (
            r#"{"protocol":3,"version":"99.1","answer":[1]}"#.into(),
            "99.1",
        ),
        (
            format!(r#"{{"protocol":4,"version":"{version}","answer":null}}"#),
            "is nslife",
        ),
    ];
    for (answer, expected) in cases {
        let (_folder, path) = impostor(Some(answer.clone().into_bytes()));
        let error = ask(&path, PATIENCE).unwrap_err().to_string();
        assert!(error.contains(expected), "{answer}: {error}");
        assert!(error.contains(path.to_str().unwrap()), "{error}");
    }
}

#[test]
fn nobody_waits_for_ever() {
    let (_folder, path) = impostor(None);
    let error = ask(&path, SOON).unwrap_err();
    assert!(matches!(error, AskError::Silent { .. }), "{error}");
}

#[test]
fn a_daemon_that_is_not_there_is_absent() {
    let folder = tempfile::tempdir().unwrap();
    let error = ask(&folder.path().join("control.sock"), PATIENCE).unwrap_err();
    assert!(error.is_absence(), "{error}");
}
