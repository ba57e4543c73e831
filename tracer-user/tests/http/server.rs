//! A server for the tests to ask.

use std::{
    net::SocketAddr,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use nslife::{
    control::Request,
    http::{self, Api, App, BEHIND, Guard, ListenAddress, Listener, Places, Site, Told},
    view::metrics::Metrics,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::{broadcast, mpsc, oneshot},
    task::JoinHandle,
    time::timeout,
};

/// Far longer than anything here takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A server that is asked.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) ready: Arc<AtomicBool>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

pub(crate) async fn server(telemetry_path: &str, drain: Duration) -> Server {
    guarded(telemetry_path, drain, None, 512).await
}

/// The other ends of what an app has.
pub(crate) struct Ends {
    pub(crate) asked: mpsc::Receiver<Request>,
    pub(crate) events: broadcast::Sender<Arc<Told>>,
}

/// What is answered, `/api/v1` over the network, too, if there is a guard for it.
pub(crate) fn app(telemetry_path: &str, api_guard: Option<Arc<Guard>>) -> (App, Ends) {
    let ready = Arc::new(AtomicBool::new(false));
    let (pictures, asked) = mpsc::channel(8);
    let (events, _) = broadcast::channel(BEHIND);
    let app = App {
        metrics: Arc::new(Metrics::new("1.2.3")),
        ready: Arc::clone(&ready),
        telemetry_path: telemetry_path.parse().unwrap(),
        api: Api {
            pictures,
            events: events.downgrade(),
            ready,
            over_network: api_guard,
        },
    };
    (app, Ends { asked, events })
}

/// Serves an app at this address until the sender is gone.
pub(crate) async fn serve_at(
    address: &ListenAddress,
    app: App,
    guard: Option<Arc<Guard>>,
) -> (Listening, oneshot::Sender<()>) {
    let listener = address.bind().await.unwrap();
    let at = listener.address();
    let (stop, stopped) = oneshot::channel();
    let site = Site {
        router: http::router(app),
        guard,
        places: Places::new(16),
    };
    let task = tokio::spawn(async move {
        let stopped = async {
            let _ = stopped.await;
        };
        http::serve(listener, site, stopped, PATIENCE).await;
    });
    (Listening { at, task }, stop)
}

/// A server somewhere.
pub(crate) struct Listening {
    pub(crate) at: String,
    pub(crate) task: JoinHandle<()>,
}

/// One that lets in whom it is told to, so many at a time.
pub(crate) async fn guarded(
    telemetry_path: &str,
    drain: Duration,
    guard: Option<Arc<Guard>>,
    places: usize,
) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (app, _) = app(telemetry_path, None);
    let ready = Arc::clone(&app.ready);
    let (stop, stopped) = oneshot::channel();
    let task = tokio::spawn(async move {
        let stopped = async {
            let _ = stopped.await;
        };
        let site = Site {
            router: http::router(app),
            guard,
            places: Places::new(places),
        };
        http::serve(Listener::Tcp(listener), site, stopped, drain).await;
    });
    Server {
        address,
        ready,
        stop,
        task,
    }
}

impl Server {
    /// The whole answer to a request.
    pub(crate) async fn ask(&self, path: &str, headers: &str) -> String {
        String::from_utf8(self.ask_raw(path, headers).await).unwrap()
    }

    /// As it comes.
    pub(crate) async fn ask_raw(&self, path: &str, headers: &str) -> Vec<u8> {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: x\r\n{headers}Connection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let read = stream.read_to_end(&mut answer);
        timeout(PATIENCE, read).await.unwrap().unwrap();
        answer
    }

    /// Has it stop, and waits for that.
    pub(crate) async fn end(self) {
        drop(self.stop);
        timeout(PATIENCE, self.task).await.unwrap().unwrap();
    }
}
