//! `/api/v1`.

use std::{
    fs,
    path::PathBuf,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use nslife::{
    control::{Request, Snapshot},
    engine::{Limits, Notice},
    feed::{BEHIND, Happening},
    http::{App, Guard, LiveConfig},
};
use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpStream, UnixStream},
    time::timeout,
};

use crate::server::{Ends, Listening, PATIENCE, app, listen};

/// `user:secret`
const PASSWORD: &str = "Authorization: Basic dXNlcjpzZWNyZXQ=\r\n";

fn snapshot() -> Arc<Snapshot> {
    Arc::new(Snapshot {
        kernel: "7.3".into(),
        taken_at: 1,
        watching_since: Some(1),
        pid: 1,
        limits: Limits::default(),
        namespaces: Vec::new(),
        people: Vec::new(),
    })
}

/// Answers everybody with the same picture, and returns who tells of events.
fn answering(ends: Ends) -> tokio::sync::broadcast::Sender<Arc<Happening>> {
    let Ends { mut asked, events } = ends;
    tokio::spawn(async move {
        while let Some(request) = asked.recv().await {
            if let Request::Snapshot(reply) = request {
                let _ = reply.send(Ok(snapshot()));
            }
        }
    });
    events
}

/// Asks, and reads until the answer has this in it, or ends.
async fn ask(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    path: &str,
    headers: &str,
    until: &str,
) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\n{headers}Connection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let read = async {
        let mut some = [0; 4096];
        while let Ok(length @ 1..) = stream.read(&mut some).await {
            answer += &String::from_utf8_lossy(&some[..length]);
            if answer.contains(until) {
                break;
            }
        }
    };
    timeout(PATIENCE, read).await.unwrap();
    answer
}

const END: &str = "what is never said";

/// Serves an app at this address.
async fn serve(address: &str, app: App, guard: Option<Arc<Guard>>) -> Listening {
    listen(address, app, guard, 16, PATIENCE).await
}

/// A folder, a socket in it, and the address of that.
fn socket() -> (TempDir, PathBuf, String) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("web.sock");
    let address = format!("unix://{}", path.display());
    (folder, path, address)
}

#[tokio::test]
async fn pictures_are_for_those_of_this_system() {
    let (_folder, path, address) = socket();
    let (app, ends) = app("/metrics", None);
    let _events = answering(ends);
    let unix = serve(&address, app.clone(), None).await;
    let tcp = serve("127.0.0.1:0", app.clone(), None).await;
    let over_unix = async |path_of: &str| {
        ask(UnixStream::connect(&path).await.unwrap(), path_of, "", END).await
    };
    let early = over_unix("/api/v1/namespaces").await;
    assert!(early.starts_with("HTTP/1.1 503"), "{early}");
    app.ready.store(true, Ordering::Relaxed);
    let answer = over_unix("/api/v1/namespaces").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let body = answer.split_once("\r\n\r\n").unwrap().1;
    let list: Value = serde_json::from_str(body).unwrap();
    assert_eq!(list["source"], "daemon");
    assert_eq!(list["kernel"], "7.3");
    for page in ["namespaces", "events"] {
        let stream = TcpStream::connect(&tcp.at).await.unwrap();
        let answer = ask(stream, &format!("/api/v1/{page}"), "", END).await;
        assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
        assert!(answer.contains("--web.api"), "{answer}");
    }
    unix.end().await;
    tcp.end().await;
}

#[tokio::test]
async fn over_the_network_they_take_a_password_as_long_as_there_is_one() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("web.yml");
    let hash = bcrypt::hash("secret", 4).unwrap();
    fs::write(&file, format!("basic_auth_users:\n  user: {hash}\n")).unwrap();
    let guard = Arc::new(Guard::new(LiveConfig::open(&file).unwrap()).unwrap());
    let (app, ends) = app("/metrics", Some(Arc::clone(&guard)));
    let _events = answering(ends);
    app.ready.store(true, Ordering::Relaxed);
    let tcp = serve("127.0.0.1:0", app, Some(guard)).await;
    let status = async |headers: &str| {
        let stream = TcpStream::connect(&tcp.at).await.unwrap();
        let answer = ask(stream, "/api/v1/namespaces", headers, END).await;
        answer.lines().next().unwrap_or_default().to_owned()
    };
    assert_eq!(status("").await, "HTTP/1.1 401 Unauthorized");
    assert_eq!(status(PASSWORD).await, "HTTP/1.1 200 OK");
    fs::write(&file, "# nobody in particular\n").unwrap();
    let open = async {
        while status("").await != "HTTP/1.1 403 Forbidden" {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    timeout(PATIENCE, open).await.unwrap();
    tcp.end().await;
}

#[tokio::test]
async fn events_come_as_they_happen_and_end_with_whoever_tells() {
    let (_folder, path, address) = socket();
    let (app, ends) = app("/metrics", None);
    app.ready.store(true, Ordering::Relaxed);
    let events = answering(ends);
    let unix = serve(&address, app, None).await;
    let tell = |number: u64| {
        let notice = Notice::Resync {
            corrections: number,
        };
        events.send(Arc::new(Happening::noticed(notice))).is_ok()
    };
    assert!(!tell(0), "nobody listens");
    let stream = UnixStream::connect(&path).await.unwrap();
    let reader = tokio::spawn(ask(stream, "/api/v1/events", "", END));
    let listening = async {
        while events.receiver_count() == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, listening).await.unwrap();
    // In one go: nobody has had the time to read any of it.
    let count = BEHIND as u64 + 7;
    for number in 0..count {
        assert!(tell(number));
    }
    drop(events);
    let answer = timeout(PATIENCE, reader).await.unwrap().unwrap();
    assert!(
        answer.contains("content-type: text/event-stream"),
        "{answer}"
    );
    let told = |number| answer.contains(&format!("\"corrections\":{number}}}\n"));
    assert!(answer.contains("event: resync\ndata: {"), "{answer}");
    assert!(told(count - 1), "the last one is missing");
    assert!(answer.contains("event: lost\n"), "{}", &answer[..400]);
    assert!(answer.contains("\"cause\":\"slow_reader\",\"count\":7"));
    assert!(!told(6), "what was missed is told");
    assert!(told(7));
    unix.end().await;
}
