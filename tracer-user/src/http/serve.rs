//! Connections: how many, for how long, and how they end.

use std::{
    io,
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::Router;
use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::{GracefulShutdown, Watcher},
};
use rustls::ServerConfig;
use tokio::time::{sleep, timeout};
use tokio_io_timeout::TimeoutStream;
use tokio_rustls::TlsAcceptor;
use tower_service::Service as _;
use tracing::{debug, warn};

use super::{
    guard::{Guard, guarded},
    listen::{Listener, Peer, Stream},
    places::{Place, Places},
};

/// How long a client may take to send its next request, including the time
/// that it keeps a connection open for nothing, and how long to agree on how to
/// encrypt.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a client may leave what is sent to it unread.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// How long to leave the listener alone when the system is out of something.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// How often to look for a place when there is none.
const PLACE_PAUSE: Duration = Duration::from_millis(20);

/// Room for a request without its body, bytes: a scrape takes less than one
/// thousand.
const LONGEST_HEAD: usize = 16 << 10;

/// Headers in it.
const MOST_HEADERS: usize = 64;

/// What is answered at a listener, and to whom.
#[derive(Clone, Debug)]
pub struct Site {
    /// The pages.
    pub router: Router,
    /// Who is let in; `None` for everybody.
    pub guard: Option<Arc<Guard>>,
    /// Places for connections, which several listeners may share.
    pub places: Arc<Places>,
}

/// Answers until `stop` ends, then lets the requests under way finish, for at
/// most `drain`.
pub async fn serve(
    listener: Listener,
    site: Site,
    stop: impl Future<Output = ()>,
    drain: Duration,
) {
    let Site {
        router,
        guard,
        places,
    } = site;
    let router = match &guard {
        Some(guard) => guarded(router, Arc::clone(guard)),
        None => router,
    };
    let graceful = GracefulShutdown::new();
    let mut stop = pin!(stop);
    loop {
        let accepted = async {
            let (stream, peer) = accept(&listener).await;
            (stream, peer, place(&places, peer).await)
        };
        let (stream, peer, place) = tokio::select! {
            accepted = accepted => accepted,
            () = &mut stop => break,
        };
        let tls = guard
            .as_ref()
            .and_then(|guard| guard.config.now().tls.clone());
        let (router, watcher) = (router.clone(), graceful.watcher());
        tokio::spawn(async move {
            let place = Arc::new(place);
            let talk = talk(stream, tls, (peer, Arc::clone(&place)), router, watcher);
            tokio::select! {
                ended = talk => if let Err(error) = ended {
                    debug!(?peer, %error, "connection ended");
                },
                () = place.lost() => debug!(?peer, "connection ended for another one"),
            }
        });
    }
    drop(listener);
    if timeout(drain, graceful.shutdown()).await.is_err() {
        warn!("gave up on requests that did not end");
    }
}

/// The next connection. Failures to accept are the system's and pass.
async fn accept(listener: &Listener) -> (Box<dyn Stream>, Peer) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) => {
                warn!(%error, "cannot accept a connection");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// A place for a connection. Those that come later wait in the kernel's queue
/// meanwhile.
async fn place(places: &Arc<Places>, peer: Peer) -> Place {
    loop {
        match places.take(peer, Instant::now()) {
            Some(place) => return place,
            None => sleep(PLACE_PAUSE).await,
        }
    }
}

/// Answers at one connection, until that ends.
async fn talk(
    stream: Box<dyn Stream>,
    tls: Option<Arc<ServerConfig>>,
    (peer, place): (Peer, Arc<Place>),
    router: Router,
    watcher: Watcher,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let mut stream = TimeoutStream::new(encrypted(stream, tls).await?);
    stream.set_write_timeout(Some(WRITE_TIMEOUT));
    let service = service_fn(|mut request: Request<Incoming>| {
        place.asks(Instant::now());
        request.extensions_mut().insert(peer);
        router.clone().call(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(REQUEST_TIMEOUT)
        .max_buf_size(LONGEST_HEAD)
        .max_headers(MOST_HEADERS)
        .serve_connection(TokioIo::new(Box::pin(stream)), service);
    Ok(watcher.watch(connection).await?)
}

/// Agrees with the client on how to encrypt, if that is wanted.
async fn encrypted(
    stream: Box<dyn Stream>,
    tls: Option<Arc<ServerConfig>>,
) -> io::Result<Box<dyn Stream>> {
    let Some(tls) = tls else {
        return Ok(stream);
    };
    let handshake = TlsAcceptor::from(tls).accept(stream);
    Ok(Box::new(timeout(REQUEST_TIMEOUT, handshake).await??))
}
