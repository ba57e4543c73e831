//! A server for the tests to ask.

use std::{
    net::SocketAddr,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use nslife::{
    control::Request,
    feed::{BEHIND, Happening},
    http::{self, Api, App, Guard, ListenAddress, Places, Site},
    view::metrics::Metrics,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
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
    listening: Listening,
}

pub(crate) async fn server(telemetry_path: &str, drain: Duration) -> Server {
    guarded(telemetry_path, drain, None, 512).await
}

/// The other ends of what an app has.
pub(crate) struct Ends {
    pub(crate) asked: mpsc::Receiver<Request>,
    pub(crate) events: broadcast::Sender<Arc<Happening>>,
}

/// What is answered, `/api/v1` over the network, too, if there is a guard for it.
pub(crate) fn app(telemetry_path: &str, api_guard: Option<Arc<Guard>>) -> (App, Ends) {
    let (pictures, asked) = mpsc::channel(8);
    let (events, _) = broadcast::channel(BEHIND);
    let app = App {
        metrics: Arc::new(Metrics::new("1.2.3")),
        ready: Arc::new(AtomicBool::new(false)),
        telemetry_path: telemetry_path.parse().unwrap(),
        api: Api {
            pictures,
            events: events.downgrade(),
            over_network: api_guard,
        },
    };
    (app, Ends { asked, events })
}

/// A server somewhere, until it is ended.
pub(crate) struct Listening {
    pub(crate) at: String,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

/// Listens at an address, and lets in whom the guard lets in, so many at a time.
pub(crate) async fn listen(
    address: &str,
    app: App,
    guard: Option<Arc<Guard>>,
    places: usize,
    drain: Duration,
) -> Listening {
    let address: ListenAddress = address.parse().unwrap();
    let listener = address.bind().await.unwrap();
    let at = listener.address();
    let (stop, stopped) = oneshot::channel();
    let site = Site {
        router: http::router(app),
        guard,
        places: Places::new(places),
    };
    let task = tokio::spawn(async move {
        let stopped = async {
            let _ = stopped.await;
        };
        http::serve(listener, site, stopped, drain).await;
    });
    Listening { at, stop, task }
}

impl Listening {
    /// Has it stop, and waits for that.
    pub(crate) async fn end(self) {
        drop(self.stop);
        timeout(PATIENCE, self.task).await.unwrap().unwrap();
    }
}

/// One that lets in whom it is told to, so many at a time.
pub(crate) async fn guarded(
    telemetry_path: &str,
    drain: Duration,
    guard: Option<Arc<Guard>>,
    places: usize,
) -> Server {
    let (app, _) = app(telemetry_path, None);
    let ready = Arc::clone(&app.ready);
    let listening = listen("127.0.0.1:0", app, guard, places, drain).await;
    Server {
        address: listening.at.parse().unwrap(),
        ready,
        listening,
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
        self.listening.end().await;
    }
}
