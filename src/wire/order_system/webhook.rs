//! Where the order system calls back: one path on one address, signed, sized and timed.
//!
//! `POST PATH` with `Postern-Signature` (see [`super::signature`]) and the answer as its body; `Idempotency-Key` (ours, of
//! the order) and `Postern-Order-Reference` (its number of the order) where it knows them. It is answered 200 only when
//! the answer is committed, 422 with the reason when nobody can make anything of it, 503 when that takes too long: then
//! it calls again, and the same body is the same answer. TLS is the business of the proxy before it.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Request, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use tokio::net::TcpListener;
use tokio::sync::{Notify, Semaphore, watch};
use tokio::task::JoinHandle;

use super::{ANSWER_BYTES_MAX, Answer, Verdict, signature};
use crate::wire::WireError;
use crate::wire::login::Secret;
use crate::wire::net::one_line;

#[derive(Clone, Debug)]
pub struct WebhookSettings {
    /// `127.0.0.1:8089`.
    pub listen: String,
    /// `/order-system`.
    pub path: String,
    pub secret: Secret,
    /// How far the signature's time may be off, in seconds.
    pub window: i64,
    /// How long a call waits for the commit.
    pub patience: Duration,
}

impl WebhookSettings {
    pub fn new(listen: impl Into<String>, secret: Secret) -> WebhookSettings {
        WebhookSettings {
            listen: listen.into(),
            path: "/order-system".into(),
            secret,
            window: 300,
            patience: Duration::from_secs(30),
        }
    }
}

const CONNECTIONS_MAX: usize = 64;
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
const BODY_TIMEOUT: Duration = Duration::from_secs(30);
const CONNECTION_MAX: Duration = Duration::from_secs(120);
/// Answers that wait for the gateway, in number and bytes; more are asked to come later.
const WAITING_MAX: usize = 1_000;
const WAITING_BYTES_MAX: usize = 64 << 20;
/// Verdicts that are remembered, so that a repeated call hears the same.
const SETTLED_MAX: usize = 10_000;

/// The running listener. It ends when it is dropped.
pub struct Webhook {
    addr: SocketAddr,
    desk: Arc<Desk>,
    task: JoinHandle<()>,
}

struct Desk {
    settings: WebhookSettings,
    state: Mutex<DeskState>,
    arrived: Notify,
}

#[derive(Default)]
struct DeskState {
    waiting: VecDeque<(Answer, watch::Sender<Option<Verdict>>)>,
    bytes: usize,
    settled: BTreeMap<String, Verdict>,
    settled_order: VecDeque<String>,
}

impl Drop for Webhook {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Webhook {
    pub async fn listen(settings: WebhookSettings) -> Result<Webhook, WireError> {
        let refused = |why: String| WireError::Refused(format!("the order system's webhook: {why}"));
        if settings.secret.reveal().len() < 16 {
            return Err(refused("its secret must have at least 16 characters".to_string()));
        }
        if !settings.path.starts_with('/') || settings.path.contains(['{', '}', '*']) {
            return Err(refused(format!("`{}` is no path like /order-system", settings.path)));
        }
        let listener =
            TcpListener::bind(&settings.listen).await.map_err(|e| refused(format!("{}: {e}", settings.listen)))?;
        let addr = listener.local_addr().map_err(|error| refused(error.to_string()))?;
        let path = settings.path.clone();
        let desk = Arc::new(Desk { settings, state: Mutex::default(), arrived: Notify::new() });
        let router = Router::new().route(&path, post(called)).with_state(Arc::clone(&desk));
        let task = tokio::spawn(serve(listener, router));
        Ok(Webhook { addr, desk, task })
    }

    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    pub fn waiting(&self, count_max: usize) -> Vec<Answer> {
        self.desk.state().waiting.iter().take(count_max).map(|(answer, _)| answer.clone()).collect()
    }

    pub fn settle(&self, id: &str, verdict: &Verdict) {
        let mut state = self.desk.state();
        let Some(at) = state.waiting.iter().position(|(answer, _)| answer.id == id) else { return };
        let Some((answer, teller)) = state.waiting.remove(at) else { return };
        state.bytes = state.bytes.saturating_sub(answer.body.len());
        if state.settled.insert(answer.id.clone(), verdict.clone()).is_none() {
            state.settled_order.push_back(answer.id);
        }
        if state.settled_order.len() > SETTLED_MAX
            && let Some(oldest) = state.settled_order.pop_front()
        {
            state.settled.remove(&oldest);
        }
        teller.send_replace(Some(verdict.clone()));
    }

    pub async fn wait(&self, at_most: Duration) {
        if self.desk.state().waiting.is_empty() {
            let _ = tokio::time::timeout(at_most, self.desk.arrived.notified()).await;
        }
    }
}

impl Desk {
    /// A panic elsewhere leaves the lists whole: every change of them is one step.
    fn state(&self) -> MutexGuard<'_, DeskState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues an answer, or finds it queued or settled.
    fn take(&self, answer: Answer) -> Result<watch::Receiver<Option<Verdict>>, ()> {
        let mut state = self.state();
        if let Some(verdict) = state.settled.get(&answer.id) {
            return Ok(watch::channel(Some(verdict.clone())).1);
        }
        if let Some((_, teller)) = state.waiting.iter().find(|(waiting, _)| waiting.id == answer.id) {
            return Ok(teller.subscribe());
        }
        let bytes = state.bytes.saturating_add(answer.body.len());
        if state.waiting.len() >= WAITING_MAX || bytes > WAITING_BYTES_MAX {
            return Err(());
        }
        state.bytes = bytes;
        let (teller, listener) = watch::channel(None);
        state.waiting.push_back((answer, teller));
        drop(state);
        self.arrived.notify_one();
        Ok(listener)
    }
}

async fn serve(listener: TcpListener, router: Router) {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return };
        let socket = match listener.accept().await {
            Ok((socket, _)) => socket,
            Err(error) => {
                tracing::warn!(%error, "the order system's webhook cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(200)).await;
                continue;
            }
        };
        let service = TowerToHyperService::new(router.clone());
        tokio::spawn(async move {
            let mut builder = hyper::server::conn::http1::Builder::new();
            builder.timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT).max_buf_size(64 << 10);
            let conversation = builder.serve_connection(TokioIo::new(socket), service);
            let _ = tokio::time::timeout(CONNECTION_MAX, conversation).await;
            drop(permit);
        });
    }
}

async fn called(State(desk): State<Arc<Desk>>, request: Request<Body>) -> Response {
    let (parts, body) = request.into_parts();
    let say = |status: StatusCode, words: &str| (status, words.to_string()).into_response();
    let read = tokio::time::timeout(BODY_TIMEOUT, axum::body::to_bytes(body, ANSWER_BYTES_MAX)).await;
    let body = match read {
        Ok(Ok(body)) => body,
        Ok(Err(_)) => return say(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large or was cut off"),
        Err(_) => return say(StatusCode::REQUEST_TIMEOUT, "the body came too slowly"),
    };
    let signed = header(&parts.headers, signature::HEADER).unwrap_or_default();
    let now = Timestamp::now().as_second();
    if let Err(error) = signature::verify(&desk.settings.secret, &signed, &body, now, desk.settings.window) {
        tracing::warn!(%error, "a call of the order system's webhook does not count");
        return say(StatusCode::UNAUTHORIZED, &error.to_string());
    }
    if body.is_empty() {
        return say(StatusCode::BAD_REQUEST, "there is no answer in the body");
    }
    let key = header(&parts.headers, "idempotency-key");
    let mut hash = Sha256::new();
    hash.update(key.as_deref().unwrap_or_default());
    hash.update([0]);
    hash.update(&body);
    let answer = Answer {
        id: format!("webhook#{}", hex::encode(hash.finalize())),
        name: "webhook".to_string(),
        content_type: header(&parts.headers, "content-type").unwrap_or_default(),
        body: body.to_vec(),
        key,
        reference: header(&parts.headers, "postern-order-reference"),
        unread: None,
    };
    let later = || {
        let words = "not committed yet; please call again";
        (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "30")], words).into_response()
    };
    let Ok(mut verdict) = desk.take(answer) else { return later() };
    let settled = tokio::time::timeout(desk.settings.patience, verdict.wait_for(Option::is_some)).await;
    match settled {
        Ok(Ok(verdict)) => match verdict.as_ref() {
            Some(Verdict::Refused { reason }) => say(StatusCode::UNPROCESSABLE_ENTITY, reason),
            _ => say(StatusCode::OK, "taken"),
        },
        _ => later(),
    }
}

fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(one_line).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "a-shared-secret-of-both";

    async fn webhook(patience: Duration) -> Webhook {
        let mut settings = WebhookSettings::new("127.0.0.1:0", Secret::new(SECRET));
        settings.patience = patience;
        Webhook::listen(settings).await.unwrap()
    }

    async fn call(addr: SocketAddr, body: &[u8], signature: &str) -> (u16, String) {
        let tls = crate::wire::net::Trust::default().client_config().unwrap();
        let client =
            reqwest::Client::builder().tls_backend_preconfigured(tls.as_ref().clone()).no_proxy().build().unwrap();
        let reply = client
            .post(format!("http://{addr}/order-system"))
            .header("postern-signature", signature)
            .header("idempotency-key", "S12-1")
            .body(body.to_vec())
            .send()
            .await
            .unwrap();
        (reply.status().as_u16(), reply.text().await.unwrap())
    }

    fn signed(body: &[u8]) -> String {
        signature::sign(&Secret::new(SECRET), Timestamp::now().as_second(), body)
    }

    /// 200 before the commit loses the answer with the next crash.
    #[tokio::test]
    async fn a_call_is_answered_after_the_commit() {
        let hook = webhook(Duration::from_secs(20)).await;
        for (verdict, status) in [(Verdict::Taken, 200), (Verdict::Refused { reason: "no order 77".into() }, 422)] {
            let body = format!("<OrderResponse n=\"{status}\"/>").into_bytes();
            let (addr, sent, signature) = (hook.addr(), body.clone(), signed(&body));
            let calling = tokio::spawn(async move { call(addr, &sent, &signature).await });
            hook.wait(Duration::from_secs(20)).await;
            let answer = hook.waiting(9).remove(0);
            assert_eq!((answer.key.as_deref(), &answer.body), (Some("S12-1"), &body));
            assert!(!calling.is_finished());
            hook.settle(&answer.id, &verdict);
            assert_eq!(calling.await.unwrap().0, status);
            // The same call again hears the same and is no second answer.
            assert_eq!(call(hook.addr(), &body, &signed(&body)).await.0, status);
            assert!(hook.waiting(9).is_empty());
        }
    }

    /// A gateway that is busy or down must be called again, and then one answer is one answer.
    #[tokio::test]
    async fn what_is_not_committed_comes_again() {
        let hook = webhook(Duration::from_millis(20)).await;
        let body = b"<OrderResponse/>";
        assert_eq!(call(hook.addr(), body, &signed(body)).await.0, 503);
        assert_eq!(call(hook.addr(), body, &signed(body)).await.0, 503);
        assert_eq!(hook.waiting(9).len(), 1);
        hook.settle(&hook.waiting(9).remove(0).id, &Verdict::Taken);
        assert_eq!(call(hook.addr(), body, &signed(body)).await.0, 200);
    }

    /// Anybody who finds the address could confirm orders at prices of their own.
    #[tokio::test]
    async fn unsigned_calls_do_not_count() {
        let hook = webhook(Duration::from_millis(20)).await;
        let body = b"<OrderResponse/>";
        let old = signature::sign(&Secret::new(SECRET), Timestamp::now().as_second() - 301, body);
        let other = signature::sign(&Secret::new("another secret of theirs"), Timestamp::now().as_second(), body);
        for signature in ["", "t=1,v1=00", &old, &other] {
            assert_eq!(call(hook.addr(), body, signature).await.0, 401, "{signature}");
        }
        assert!(hook.waiting(9).is_empty());
        let empty = call(hook.addr(), b"", &signed(b"")).await;
        assert_eq!(empty.0, 400);
        let huge = vec![b' '; ANSWER_BYTES_MAX + 1];
        assert_eq!(call(hook.addr(), &huge, &signed(&huge)).await.0, 413);
    }

    /// A short secret can be guessed, a path with wildcards answers everywhere.
    #[tokio::test]
    async fn careless_settings_are_refused() {
        assert!(Webhook::listen(WebhookSettings::new("127.0.0.1:0", Secret::new("short"))).await.is_err());
        let mut wild = WebhookSettings::new("127.0.0.1:0", Secret::new(SECRET));
        wild.path = "/{anything}".into();
        assert!(Webhook::listen(wild).await.is_err());
    }
}
