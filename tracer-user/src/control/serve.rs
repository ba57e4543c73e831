//! The daemon's side: who asks is told, without holding anything up.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use serde::Serialize;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::UnixStream,
    sync::{Semaphore, mpsc, oneshot},
    task::JoinSet,
    time::{sleep, timeout},
};
use tracing::{debug, warn};

use super::{
    Answer, Audited, ControlSocket, Document, Following, Question, Snapshot, follow::tell,
};

/// Connections at a time. Further ones wait in the kernel's queue.
const CONNECTIONS: usize = 8;

/// Connections that follow what happens, beside those.
const FOLLOWERS: usize = 16;

/// How long to leave the listener alone when the system is out of something.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// The longest question that is listened to, bytes.
const LONGEST: u64 = 4096;

/// Why there is no answer, in words.
pub type Refusal = String;

/// Where to send an answer.
pub type Reply<T> = oneshot::Sender<Result<T, Refusal>>;

/// What somebody asks for.
#[derive(Debug)]
pub enum Request {
    /// A picture.
    Snapshot(Reply<Arc<Snapshot>>),
    /// An audit.
    Audit(Reply<Arc<Audited>>),
    /// All that happens.
    Follow(Reply<Following>),
}

/// Answers until the future is dropped, and with it all connections. What is
/// answered comes from whoever reads `requests`, once it is `ready`. Who asks
/// has `patience` to say what, and as much to take the answer.
pub async fn serve(
    socket: ControlSocket,
    requests: mpsc::Sender<Request>,
    ready: Arc<AtomicBool>,
    patience: Duration,
) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let followers = Arc::new(Semaphore::new(FOLLOWERS));
    let mut connections = JoinSet::new();
    loop {
        let place = Arc::clone(&places).acquire_owned().await;
        let stream = accept(&socket).await;
        // Those that have ended.
        while connections.try_join_next().is_some() {}
        let desk = Desk {
            requests: requests.clone(),
            ready: Arc::clone(&ready),
            followers: Arc::clone(&followers),
            patience,
        };
        connections.spawn(async move {
            if let Err(error) = desk.answer(stream, place).await {
                debug!(%error, "a request at the control socket ended early");
            }
        });
    }
}

/// The next connection. Failures to accept are the system's and pass.
async fn accept(socket: &ControlSocket) -> UnixStream {
    loop {
        match socket.listener().accept().await {
            Ok((stream, _)) => return stream,
            Err(error) => {
                warn!(%error, "cannot accept a connection at the control socket");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Where a connection is answered.
struct Desk {
    requests: mpsc::Sender<Request>,
    ready: Arc<AtomicBool>,
    followers: Arc<Semaphore>,
    patience: Duration,
}

impl Desk {
    /// Answers one. Its place is free again when it is done, or follows.
    async fn answer<P>(self, stream: UnixStream, place: P) -> io::Result<()> {
        let patience = self.patience;
        let (mut reader, mut writer) = stream.into_split();
        let mut text = Vec::new();
        let mut question = BufReader::new((&mut reader).take(LONGEST));
        timeout(patience, question.read_until(b'\n', &mut text)).await??;
        let mut follower = None;
        let text = match serde_json::from_slice(&text) {
            _ if !self.ready.load(Ordering::Relaxed) => refuse("it is still starting"),
            Err(_) => refuse("it does not understand the question"),
            Ok(Question::Snapshot) => document(given(&self.requests, Request::Snapshot).await),
            Ok(Question::Audit) => document(given(&self.requests, Request::Audit).await),
            Ok(Question::Follow) => match Arc::clone(&self.followers).try_acquire_owned() {
                Err(_) => refuse(&format!("{FOLLOWERS} follow it already")),
                Ok(seat) => match given(&self.requests, Request::Follow).await {
                    Err(because) => refuse(&because),
                    Ok(Following { beginning, then }) => {
                        follower = Some((seat, then));
                        document(Ok(beginning))
                    }
                },
            },
        }?;
        timeout(patience, writer.write_all(&text)).await??;
        let Some((_seat, then)) = follower else {
            return timeout(patience, writer.shutdown()).await?;
        };
        drop(place);
        writer.write_all(b"\n").await?;
        tell((reader, writer), then, patience).await
    }
}

/// Asks whoever answers for something, and waits for it.
pub(crate) async fn given<T>(
    requests: &mpsc::Sender<Request>,
    request: impl FnOnce(Reply<T>) -> Request,
) -> Result<T, Refusal> {
    let stopping = || "it is stopping".to_owned();
    let (reply, answer) = oneshot::channel();
    requests
        .send(request(reply))
        .await
        .map_err(|_| stopping())?;
    answer.await.map_err(|_| stopping())?
}

fn refuse(because: &str) -> serde_json::Result<Vec<u8>> {
    document(Err::<(), _>(because.to_owned()))
}

fn document<T: Serialize>(answer: Result<T, Refusal>) -> serde_json::Result<Vec<u8>> {
    let answer = match answer {
        Ok(given) => Answer::Given(given),
        Err(refusal) => Answer::Refused(refusal),
    };
    serde_json::to_vec(&Document::new(answer))
}
