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
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
    sync::{Semaphore, mpsc, oneshot},
    task::JoinSet,
    time::{sleep, timeout},
};
use tracing::{debug, warn};

use super::{Answer, Audited, ControlSocket, Document, Question, Snapshot};

/// Connections at a time. Further ones wait in the kernel's queue.
const CONNECTIONS: usize = 8;

/// How long to leave the listener alone when the system is out of something.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// The longest question that is listened to, bytes.
const LONGEST: u64 = 4096;

/// Why there is no answer, in words.
pub type Refusal = String;

/// Where to send an answer.
pub type Reply<T> = oneshot::Sender<Result<Arc<T>, Refusal>>;

/// What somebody asks for.
#[derive(Debug)]
pub enum Request {
    /// A picture.
    Snapshot(Reply<Snapshot>),
    /// An audit.
    Audit(Reply<Audited>),
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
    let mut connections = JoinSet::new();
    loop {
        let place = Arc::clone(&places).acquire_owned().await;
        let stream = accept(&socket).await;
        // Those that have ended.
        while connections.try_join_next().is_some() {}
        let (requests, ready) = (requests.clone(), Arc::clone(&ready));
        connections.spawn(async move {
            if let Err(error) = answer(stream, &requests, &ready, patience).await {
                debug!(%error, "a request at the control socket ended early");
            }
            drop(place);
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

async fn answer(
    mut stream: UnixStream,
    requests: &mpsc::Sender<Request>,
    ready: &AtomicBool,
    patience: Duration,
) -> io::Result<()> {
    let mut text = Vec::new();
    let mut question = (&mut stream).take(LONGEST);
    timeout(patience, question.read_to_end(&mut text)).await??;
    let text = match serde_json::from_slice(&text) {
        _ if !ready.load(Ordering::Relaxed) => refuse("it is still starting"),
        Err(_) => refuse("it does not understand the question"),
        Ok(Question::Snapshot) => document(given(requests, Request::Snapshot).await),
        Ok(Question::Audit) => document(given(requests, Request::Audit).await),
    }?;
    timeout(patience, async {
        stream.write_all(&text).await?;
        stream.shutdown().await
    })
    .await?
}

/// Asks whoever answers for something, and waits for it.
pub(crate) async fn given<T>(
    requests: &mpsc::Sender<Request>,
    request: impl FnOnce(Reply<T>) -> Request,
) -> Result<Arc<T>, Refusal> {
    let stopping = || "it is stopping".to_owned();
    let (reply, answer) = oneshot::channel();
    requests
        .send(request(reply))
        .await
        .map_err(|_| stopping())?;
    answer.await.map_err(|_| stopping())?
}

fn refuse(because: &str) -> serde_json::Result<Vec<u8>> {
    document(Err::<Arc<()>, _>(because.to_owned()))
}

fn document<T: Serialize>(answer: Result<Arc<T>, Refusal>) -> serde_json::Result<Vec<u8>> {
    let answer = match &answer {
        Ok(given) => Answer::Given(given.as_ref()),
        Err(refusal) => Answer::Refused(refusal.clone()),
    };
    serde_json::to_vec(&Document::new(answer))
}
