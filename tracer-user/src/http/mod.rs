//! What the daemon says over HTTP.

mod accept;
mod address;
mod api;
mod guard;
mod handed_over;
mod listen;
mod passwords;
mod places;
mod serve;
mod web_config;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{Html, IntoResponse},
    routing::get,
};

use tower_http::{CompressionLevel, compression::CompressionLayer};

use crate::{version, view::metrics::Metrics};

pub use address::{BadListenAddress, BadTelemetryPath, ListenAddress, TelemetryPath};
pub use api::Api;
pub use guard::{Guard, NoRandomness};
pub use handed_over::{HandedOverError, handed_over};
pub use listen::Listener;
pub use places::Places;
pub use serve::{Site, serve};
pub use web_config::{LiveConfig, Users, WebConfig, WebConfigError};

/// What the handlers read. None of them waits for anything.
#[derive(Clone, Debug)]
pub struct App {
    /// All metrics.
    pub metrics: Arc<Metrics>,
    /// Whether all hooks that are required are attached, and the first walk
    /// has been merged.
    pub ready: Arc<AtomicBool>,
    /// Where the metrics are.
    pub telemetry_path: TelemetryPath,
    /// Where `/api/v1` has its answers from.
    pub api: Api,
}

/// All routes.
pub fn router(app: App) -> Router {
    Router::new()
        .route("/", get(landing))
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(readyz))
        .route(app.telemetry_path.as_str(), get(metrics))
        .merge(api::routes(&app))
        .layer(CompressionLayer::new().quality(CompressionLevel::Fastest))
        .with_state(app)
}

async fn readyz(State(app): State<App>) -> (StatusCode, &'static str) {
    if app.ready.load(Ordering::Relaxed) {
        (StatusCode::OK, "ready\n")
    } else {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            "not ready: the hooks are not attached yet, or the first walk has not ended\n",
        )
    }
}

async fn metrics(State(app): State<App>, headers: HeaderMap) -> impl IntoResponse {
    let format = accept::format(&headers);
    // Caches between here and the client are to keep the formats apart.
    let about = [
        (header::CONTENT_TYPE, format.content_type()),
        (header::VARY, "accept"),
    ];
    app.metrics
        .encode(format)
        .map(|text| (about, text))
        .map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
}

async fn landing(State(app): State<App>) -> Html<String> {
    let version = version::NUMBER;
    let path = app.telemetry_path.as_str();
    Html(format!(
        "<!DOCTYPE html>
<html lang=\"en\">
<head><meta charset=\"utf-8\"><title>nslife</title></head>
<body>
<h1>nslife</h1>
<p>What happens to the Linux namespaces of this system. Version {version}.</p>
<ul>
<li><a href=\"{path}\">Metrics</a></li>
<li><a href=\"/healthz\">Health</a>: the daemon answers</li>
<li><a href=\"/readyz\">Readiness</a>: the namespaces that were there before it are known</li>
<li><a href=\"/api/v1/namespaces\">Namespaces</a> and <a href=\"/api/v1/events\">events</a>, for those
who may know them</li>
</ul>
</body>
</html>
"
    ))
}
