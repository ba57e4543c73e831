//! What is answered, over real connections.

use std::{io::Read as _, sync::atomic::Ordering, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::Instant,
};

use crate::server::{PATIENCE, server};

#[tokio::test]
async fn readiness_follows_the_first_walk_and_health_does_not() {
    let server = server("/metrics", PATIENCE).await;
    let status = async |path| {
        let answer = server.ask(path, "").await;
        answer.lines().next().unwrap().to_owned()
    };
    assert_eq!(status("/healthz").await, "HTTP/1.1 200 OK");
    assert_eq!(status("/readyz").await, "HTTP/1.1 503 Service Unavailable");
    server.ready.store(true, Ordering::Relaxed);
    assert_eq!(status("/readyz").await, "HTTP/1.1 200 OK");
    assert_eq!(status("/nothing").await, "HTTP/1.1 404 Not Found");
    server.end().await;
}

#[tokio::test]
async fn metrics_come_in_the_format_asked_for() {
    let server = server("/metrics", PATIENCE).await;
    let open = server
        .ask(
            "/metrics",
            "Accept: application/openmetrics-text;version=1.0.0,text/plain;q=0.5\r\n",
        )
        .await;
    assert!(open.contains("content-type: application/openmetrics-text; version=1.0.0"));
    assert!(open.trim_end().ends_with("# EOF"));
    let plain = server.ask("/metrics", "").await;
    assert!(plain.contains("content-type: text/plain; version=0.0.4"));
    assert!(plain.contains("# TYPE nslife_namespace_created_total counter"));
    for answer in [open, plain] {
        assert!(answer.contains("nslife_build_info{version=\"1.2.3\","));
    }
    server.end().await;
}

#[tokio::test]
async fn metrics_are_compressed_for_those_who_take_it() {
    let server = server("/metrics", PATIENCE).await;
    let plain = server.ask("/metrics", "").await;
    let refused = server
        .ask("/metrics", "Accept-Encoding: gzip;q=0\r\n")
        .await;
    for answer in [&plain, &refused] {
        assert!(!answer.contains("content-encoding"), "{answer}");
    }
    let packed = server
        .ask_raw("/metrics", "Accept-Encoding: gzip\r\n")
        .await;
    let (head, body) = halves(&packed);
    assert!(head.contains("content-encoding: gzip"), "{head}");
    assert!(
        head.contains("content-type: text/plain; version=0.0.4"),
        "{head}"
    );
    let vary = head.lines().filter(|line| line.starts_with("vary: "));
    let vary: Vec<_> = vary.collect();
    assert_eq!(vary, ["vary: accept", "vary: accept-encoding"]);
    let mut text = String::new();
    let body = unchunked(body);
    flate2::read::GzDecoder::new(&*body)
        .read_to_string(&mut text)
        .unwrap();
    assert!(plain.contains("nslife_build_info{version=\"1.2.3\","));
    assert!(text.contains("nslife_build_info{version=\"1.2.3\","));
    assert!(
        body.len() * 4 < text.len(),
        "{} of {}",
        body.len(),
        text.len()
    );
    server.end().await;
}

/// What is above and below the empty line.
fn halves(answer: &[u8]) -> (&str, &[u8]) {
    let at = answer
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .unwrap();
    (str::from_utf8(&answer[..at]).unwrap(), &answer[at + 4..])
}

/// A body that came in pieces, each with its length in front.
fn unchunked(mut body: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    loop {
        let at = body.windows(2).position(|two| two == b"\r\n").unwrap();
        let length = str::from_utf8(&body[..at]).unwrap();
        let length = usize::from_str_radix(length, 16).unwrap();
        if length == 0 {
            return whole;
        }
        whole.extend_from_slice(&body[at + 2..][..length]);
        body = &body[at + 2 + length + 2..];
    }
}

#[tokio::test]
async fn the_landing_page_leads_to_the_metrics_wherever_they_are() {
    let server = server("/else/where", PATIENCE).await;
    let page = server.ask("/", "").await;
    assert!(page.contains("content-type: text/html"));
    assert!(page.contains("<a href=\"/else/where\">Metrics</a>"));
    let metrics = server.ask("/else/where", "").await;
    assert!(metrics.starts_with("HTTP/1.1 200 OK"));
    let nothing = server.ask("/metrics", "").await;
    assert!(nothing.starts_with("HTTP/1.1 404"));
    server.end().await;
}

#[tokio::test]
async fn idle_connections_end_at_once_and_slow_ones_after_the_drain() {
    let idle = server("/metrics", PATIENCE).await;
    let mut connection = TcpStream::connect(idle.address).await.unwrap();
    // A first answer, so that the connection is known to be served.
    connection
        .write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    let mut byte = [0];
    connection.read_exact(&mut byte).await.unwrap();
    let start = Instant::now();
    idle.end().await;
    assert!(start.elapsed() < PATIENCE);

    let slow = server("/metrics", Duration::from_millis(100)).await;
    let mut connection = TcpStream::connect(slow.address).await.unwrap();
    connection
        .write_all(b"GET /healthz HTTP/1.1\r\n")
        .await
        .unwrap();
    slow.end().await;
}
