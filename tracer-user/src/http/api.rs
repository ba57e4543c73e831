//! `/api/v1`: what exists, and what happens, with everybody's names in it.
//!
//! That is nobody's business who merely reaches a port. So it is answered on
//! sockets of this system, whose mode says who may open them, and over the
//! network only if that was asked for, and then only while the file of
//! `--web.config.file` keeps strangers out.

use std::{
    convert::Infallible,
    sync::{Arc, atomic::Ordering},
};

use axum::{
    Extension, Router,
    extract::{Request, State},
    http::{StatusCode, header},
    middleware::{Next, from_fn_with_state},
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
    routing::get,
};
use tokio::sync::{broadcast, mpsc};
use tokio_stream::{
    Stream, StreamExt as _,
    wrappers::{BroadcastStream, errors::BroadcastStreamRecvError},
};

use super::{App, guard::Guard, listen::Peer};
use crate::{
    control::{self, Snapshot},
    feed::Happening,
    view::{
        clock::Clock,
        json::{self, Source},
    },
};

/// Where the answers come from.
#[derive(Clone, Debug)]
pub struct Api {
    /// Takes requests for pictures.
    pub pictures: mpsc::Sender<control::Request>,
    /// What happens. Whoever tells has the other end, and all streams end with
    /// it.
    pub events: broadcast::WeakSender<Arc<Happening>>,
    /// Who keeps strangers out, if it is answered over the network, too.
    pub over_network: Option<Arc<Guard>>,
}

/// The routes, for [`router`](super::router) to add to.
pub(super) fn routes(app: &App) -> Router<App> {
    Router::new()
        .route("/api/v1/namespaces", get(namespaces))
        .route("/api/v1/events", get(events))
        .route_layer(from_fn_with_state(app.clone(), check))
}

/// Sends those away who are not to know.
async fn check(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    request: Request,
    next: Next,
) -> Response {
    let is_known = match peer {
        Peer::User(_) => true,
        Peer::Address(_) | Peer::Unknown => app
            .api
            .over_network
            .as_ref()
            .is_some_and(|guard| guard.authenticates()),
    };
    if !is_known {
        let why = "answered on a Unix socket only (--web.listen-address unix:///PATH), or with \
                   --web.api and a --web.config.file that keeps strangers out\n";
        return (StatusCode::FORBIDDEN, why).into_response();
    }
    if !app.ready.load(Ordering::Relaxed) {
        return unavailable("it is still starting");
    }
    next.run(request).await
}

fn unavailable(why: &str) -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")).into_response()
}

/// Everything there is: `docs/schema/list.schema.json`.
async fn namespaces(State(app): State<App>) -> Response {
    let picture: Arc<Snapshot> =
        match control::given(&app.api.pictures, control::Request::Snapshot).await {
            Ok(picture) => picture,
            Err(why) => return unavailable(&why),
        };
    let shown = picture.in_order();
    match serde_json::to_string(&json::list(&picture, &shown, Source::Daemon)) {
        Ok(text) => ([(header::CONTENT_TYPE, "application/json")], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

/// What happens from now on, each a server-sent event of its name:
/// `docs/schema/trace.schema.json`.
async fn events(State(app): State<App>) -> Response {
    match app.api.events.upgrade() {
        Some(events) => Sse::new(told(events.subscribe()))
            .keep_alive(KeepAlive::default())
            .into_response(),
        None => unavailable("it is stopping"),
    }
}

fn told(
    events: broadcast::Receiver<Arc<Happening>>,
) -> impl Stream<Item = Result<Event, Infallible>> {
    let mut clock = Clock::sample();
    BroadcastStream::new(events).map(move |told| {
        clock.refresh();
        Ok(match told {
            Ok(happening) => event(&happening, &clock),
            Err(BroadcastStreamRecvError::Lagged(count)) => {
                event(&Happening::missed(count), &clock)
            }
        })
    })
}

fn event(happening: &Happening, clock: &Clock) -> Event {
    let event = Event::default().event(happening.name().name());
    match serde_json::to_string(&happening.json(clock)) {
        Ok(line) => event.data(line),
        Err(error) => event.comment(error.to_string()),
    }
}
