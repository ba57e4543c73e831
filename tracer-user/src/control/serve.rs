//! The daemon's side: who asks is told, without holding anything up.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::AsyncWriteExt as _,
    net::UnixStream,
    sync::{Semaphore, mpsc, oneshot},
    task::JoinSet,
    time::{sleep, timeout},
};
use tracing::{debug, warn};

use super::{Answer, ControlSocket, Document, Snapshot};

/// Connections at a time. Further ones wait in the kernel's queue.
const CONNECTIONS: usize = 8;

/// How long to leave the listener alone when the system is out of something.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Why there is no picture, in words.
pub type Refusal = String;

/// The wish for a picture, and where to send it.
pub type Request = oneshot::Sender<Result<Arc<Snapshot>, Refusal>>;

/// Answers until the future is dropped, and with it all connections. Pictures
/// come from whoever reads `requests`, once it is `ready`. A reader has
/// `patience` to take the answer.
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
    let picture = if ready.load(Ordering::Relaxed) {
        picture(requests).await
    } else {
        Err("it is still starting".to_owned())
    };
    let document = Document::new(match &picture {
        Ok(snapshot) => Answer::Snapshot(snapshot.as_ref()),
        Err(refusal) => Answer::Refused(refusal.clone()),
    });
    let text = serde_json::to_vec(&document)?;
    timeout(patience, async {
        stream.write_all(&text).await?;
        stream.shutdown().await
    })
    .await?
}

/// Asks for the picture, and waits for it.
async fn picture(requests: &mpsc::Sender<Request>) -> Result<Arc<Snapshot>, Refusal> {
    let stopping = || "it is stopping".to_owned();
    let (reply, answer) = oneshot::channel();
    requests.send(reply).await.map_err(|_| stopping())?;
    answer.await.map_err(|_| stopping())?
}
