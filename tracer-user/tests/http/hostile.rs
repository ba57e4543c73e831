//! Clients that mean no good, and what an honest one notices of them.

use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

use crate::server::{PATIENCE, Server, guarded, server};

/// Places that are there in these tests.
const PLACES: usize = 64;

/// What an honest client may have to wait, on a machine that is shared: far less than any of the
/// server's own time limits.
const PROMPTLY: Duration = Duration::from_secs(5);

/// Somewhat less than the time that the server gives a request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(8);

async fn scraped_promptly(server: &Server) {
    for _ in 0..5 {
        let began = Instant::now();
        let answer = server.ask("/metrics", "").await;
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
        assert!(answer.contains("nslife_build_info"), "{answer}");
        assert!(began.elapsed() < PROMPTLY, "{:?}", began.elapsed());
    }
}

async fn small() -> Server {
    guarded("/metrics", Duration::from_millis(100), None, PLACES).await
}

/// Whether the other side is through with this connection.
async fn is_closed(stream: &mut TcpStream) -> bool {
    let mut answer = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut answer))
        .await
        .is_ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_connections_that_say_nothing() {
    // Both ends are here.
    let files = getrlimit(Resource::Nofile);
    let more = Rlimit {
        current: files.maximum,
        ..files
    };
    setrlimit(Resource::Nofile, more).unwrap();
    let server = server("/metrics", Duration::from_millis(100)).await;
    let began = Instant::now();
    let mut idle = Vec::new();
    for _ in 0..1000 {
        idle.push(TcpStream::connect(server.address).await.unwrap());
    }
    scraped_promptly(&server).await;
    // The first ones had to go, before their time was up.
    for stream in &mut idle[..400] {
        assert!(is_closed(stream).await);
    }
    assert!(began.elapsed() < REQUEST_TIMEOUT, "{:?}", began.elapsed());
    server.end().await;
}

/// Slowloris: requests that never end, a byte at a time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_that_never_end() {
    let server = small().await;
    let address = server.address;
    let mut slow = JoinSet::new();
    for _ in 0..4 * PLACES {
        slow.spawn(async move {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let _ = stream.write_all(b"GET /metrics HTTP/1.1\r\nX-Slow: ").await;
            while stream.write_all(b"x").await.is_ok() {
                sleep(Duration::from_millis(50)).await;
            }
        });
    }
    scraped_promptly(&server).await;
    slow.shutdown().await;
    server.end().await;
}

#[tokio::test]
async fn a_request_has_its_time() {
    let server = server("/metrics", PATIENCE).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream
        .write_all(b"GET /metrics HTTP/1.1\r\n")
        .await
        .unwrap();
    let began = Instant::now();
    assert!(is_closed(&mut stream).await, "a request may take for ever");
    assert!(began.elapsed() > Duration::from_secs(5));
    server.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn headers_of_ten_megabytes() {
    let server = small().await;
    let mut huge = JoinSet::new();
    for _ in 0..8 {
        let address = server.address;
        huge.spawn(async move {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let (mut reader, mut writer) = stream.split();
            let write = async {
                let mut sent = 0;
                let _ = writer
                    .write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nX: ")
                    .await;
                while sent < 10 << 20 && writer.write_all(&[b'x'; 4096]).await.is_ok() {
                    sent += 4096;
                }
                sent
            };
            let read = async {
                let mut answer = Vec::new();
                let _ = reader.read_to_end(&mut answer).await;
                answer
            };
            tokio::join!(write, read)
        });
    }
    scraped_promptly(&server).await;
    while let Some(ended) = timeout(PATIENCE, huge.join_next()).await.unwrap() {
        let (sent, answer) = ended.unwrap();
        let answer = String::from_utf8(answer).unwrap();
        // What is in flight when it is refused may make the system drop the refusal.
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 431"),
            "{answer}"
        );
        assert!(sent < 10 << 20, "all of it was taken");
    }
    let many = "X-Header: x\r\n".repeat(1000);
    let answer = server.ask("/metrics", &many).await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    server.end().await;
}

/// They ask for as much as they can and never read it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_nobody_reads() {
    let server = small().await;
    let request = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n".repeat(50);
    let mut deaf = Vec::new();
    for _ in 0..PLACES / 2 {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let _ = timeout(Duration::from_millis(20), stream.write_all(&request)).await;
        deaf.push(stream);
    }
    scraped_promptly(&server).await;
    drop(deaf);
    server.end().await;
}
