//! Who is let in, and what goes with every answer.

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse as _, Response},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};

use super::{
    listen::Peer,
    passwords::{Passwords, Verdict},
    web_config::LiveConfig,
};

/// What a browser is to ask for.
const CHALLENGE: HeaderValue = HeaderValue::from_static("Basic");

/// What the file of `--web.config.file` says, and what is known of passwords.
#[derive(Debug)]
pub struct Guard {
    pub(super) config: LiveConfig,
    passwords: Passwords,
}

/// The system has no random numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("cannot have random numbers from the system, without which no password is safe")]
pub struct NoRandomness;

impl Guard {
    /// One that does as this says.
    pub fn new(config: LiveConfig) -> Result<Self, NoRandomness> {
        let passwords = Passwords::new().ok_or(NoRandomness)?;
        Ok(Self { config, passwords })
    }

    /// Whether strangers are kept out, as things are now.
    pub fn authenticates(&self) -> bool {
        self.config.now().authenticates()
    }
}

/// Puts the guard in front of everything.
pub(super) fn guarded(router: Router, guard: Arc<Guard>) -> Router {
    router.layer(from_fn_with_state(guard, check))
}

async fn check(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    let config = guard.config.now();
    let mut response = if config.users.is_empty() {
        next.run(request).await
    } else {
        let peer = request.extensions().get().copied().unwrap_or(Peer::Unknown);
        let verdict = match credentials(request.headers()) {
            Some((user, password)) => {
                let credentials = (&*user, &*password);
                guard
                    .passwords
                    .check(&config.users, credentials, peer)
                    .await
            }
            None => Verdict::Wrong,
        };
        match verdict {
            Verdict::Right => next.run(request).await,
            Verdict::Wrong => unauthorized(),
            Verdict::Busy => busy(),
        }
    };
    let headers = config.headers.iter();
    let headers = headers.map(|(name, value)| (name.clone(), value.clone()));
    response.headers_mut().extend(headers);
    response
}

/// The name and the password that come with a request.
fn credentials(headers: &HeaderMap) -> Option<(String, String)> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = BASE64_STANDARD.decode(encoded.trim()).ok()?;
    let decoded = String::from_utf8(decoded).ok()?;
    let (user, password) = decoded.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}

fn unauthorized() -> Response<Body> {
    let challenge = [(header::WWW_AUTHENTICATE, CHALLENGE)];
    (StatusCode::UNAUTHORIZED, challenge, "unauthorized\n").into_response()
}

fn busy() -> Response<Body> {
    let later = [(header::RETRY_AFTER, HeaderValue::from_static("1"))];
    let text = "too many passwords wait to be looked at\n";
    (StatusCode::TOO_MANY_REQUESTS, later, text).into_response()
}
