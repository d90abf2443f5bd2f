//! An order system with an HTTP interface: orders are posted, answers come with the reply or by a signed webhook.
//!
//! Every post carries `Idempotency-Key`: a repeated try is the same request, and a system that keeps to the header makes
//! one order of it. Redirects are not followed: an order goes where the configuration says or nowhere.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use reqwest::StatusCode;

use super::webhook::Webhook;
use super::{ANSWER_BYTES_MAX, Answer, HandOver, HandOverError, Handed, OrderSystem, Verdict};
use crate::wire::WireError;
use crate::wire::login::Secret;
use crate::wire::net::{Trust, one_line};

pub use super::webhook::WebhookSettings;

#[derive(Clone, Debug)]
pub struct HttpSettings {
    /// `https://...`; `http://` towards loopback only, unless `plain_http` says otherwise.
    pub url: String,
    /// Allows `http://` to other hosts (an order system within one's own walls).
    pub plain_http: bool,
    /// `Authorization: Bearer ...`.
    pub bearer: Option<Secret>,
    /// Further headers, e.g. an API key.
    pub headers: Vec<(String, Secret)>,
    /// Until the whole reply is here.
    pub timeout: Duration,
    pub connect_timeout: Duration,
    pub trust: Trust,
    /// Where the order system sends answers.
    pub webhook: Option<WebhookSettings>,
}

impl HttpSettings {
    pub fn new(url: impl Into<String>) -> HttpSettings {
        HttpSettings {
            url: url.into(),
            plain_http: false,
            bearer: None,
            headers: Vec::new(),
            timeout: Duration::from_secs(60),
            connect_timeout: Duration::from_secs(15),
            trust: Trust::default(),
            webhook: None,
        }
    }
}

/// A longer `Retry-After` is cut: a mistaken clock must not stop orders for a year.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(6 * 3_600);
/// The reply's words that are kept.
const SAID_BYTES_MAX: usize = 300;

pub struct HttpOrderSystem {
    settings: HttpSettings,
    client: reqwest::Client,
    webhook: Option<Webhook>,
}

impl HttpOrderSystem {
    /// Checks the settings and opens the webhook's listener, where there is one.
    pub async fn start(settings: HttpSettings) -> Result<HttpOrderSystem, WireError> {
        let refused = |why: String| WireError::Refused(format!("order system: {why}"));
        let url = reqwest::Url::parse(&settings.url).map_err(|error| refused(format!("{}: {error}", settings.url)))?;
        let loopback = match url.host_str() {
            Some("localhost") => true,
            Some(host) => {
                host.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
            }
            None => false,
        };
        match url.scheme() {
            "https" => {}
            "http" if loopback || settings.plain_http => {}
            _ => return Err(refused("the URL must begin with https://".to_string())),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(refused("no user and password in the URL; a token goes into its own setting".to_string()));
        }
        let tls = settings.trust.client_config()?;
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls.as_ref().clone())
            .timeout(settings.timeout)
            .connect_timeout(settings.connect_timeout)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .user_agent("postern")
            .build()
            .map_err(|error| refused(error.to_string()))?;
        let webhook = match &settings.webhook {
            Some(webhook) => Some(Webhook::listen(webhook.clone()).await?),
            None => None,
        };
        Ok(HttpOrderSystem { settings, client, webhook })
    }

    /// Where the webhook listens, once it does.
    pub fn webhook_addr(&self) -> Option<std::net::SocketAddr> {
        self.webhook.as_ref().map(Webhook::addr)
    }

    async fn post(&self, order: &HandOver) -> Result<Handed, HandOverError> {
        let mut request = self
            .client
            .post(&self.settings.url)
            .header("content-type", &order.content_type)
            .header("idempotency-key", &order.key)
            .header("accept", "application/xml, application/json;q=0.5, */*;q=0.1")
            .body(order.body.clone());
        if let Some(token) = &self.settings.bearer {
            request = request.bearer_auth(token.reveal());
        }
        for (name, value) in &self.settings.headers {
            request = request.header(name, value.reveal());
        }
        let away = |error: reqwest::Error| HandOverError {
            // A request that cannot be built will never be built.
            retryable: !error.is_builder(),
            after: None,
            said: self.clean(&chain(&error.without_url())),
        };
        let mut response = request.send().await.map_err(away)?;
        let status = response.status();
        let header =
            |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_string);
        let (content_type, location) = (header("content-type").unwrap_or_default(), header("location"));
        let after = header("retry-after").and_then(|text| retry_after(&text, Timestamp::now()));
        let numbered = header("postern-order-reference");
        let mut body = Vec::new();
        let mut unread = None;
        while let Some(chunk) = response.chunk().await.map_err(away)? {
            if body.len().saturating_add(chunk.len()) > ANSWER_BYTES_MAX {
                unread = Some(format!("more than {ANSWER_BYTES_MAX} bytes are not read"));
                break;
            }
            body.extend_from_slice(&chunk);
        }
        let words = self.clean(&format!("{status} {}", words(&body)));
        if !status.is_success() {
            return Err(HandOverError { retryable: is_retryable(status), after, said: words });
        }
        let json: Option<serde_json::Value> = serde_json::from_slice(&body).ok();
        let reference = numbered.or_else(|| json.as_ref().and_then(reference_in)).or_else(|| location.and_then(tail));
        let is_xml = content_type.contains("xml") || body.trim_ascii_start().starts_with(b"<?xml");
        let answer = (is_xml && !body.trim_ascii().is_empty()).then(|| Answer {
            id: format!("reply#{}", order.key),
            name: format!("reply to {}", order.key),
            content_type,
            body,
            key: Some(order.key.clone()),
            reference: reference.clone(),
            unread,
        });
        Ok(Handed { reference, said: words, answer })
    }

    /// One line, without anything that is secret.
    fn clean(&self, text: &str) -> String {
        let secrets = self.settings.bearer.iter().chain(self.settings.headers.iter().map(|(_, value)| value));
        one_line(&secrets.fold(text.to_string(), |text, secret| secret.blot(&text)))
    }
}

#[async_trait]
impl OrderSystem for HttpOrderSystem {
    fn name(&self) -> &str {
        &self.settings.url
    }

    async fn hand_over(&self, order: &HandOver) -> Result<Handed, HandOverError> {
        self.post(order).await
    }

    async fn answers(&self, count_max: usize) -> Result<Vec<Answer>, WireError> {
        Ok(self.webhook.as_ref().map(|webhook| webhook.waiting(count_max)).unwrap_or_default())
    }

    async fn settle(&self, answer: &str, verdict: &Verdict) -> Result<(), WireError> {
        if let Some(webhook) = &self.webhook {
            webhook.settle(answer, verdict);
        }
        Ok(())
    }

    async fn wait(&self, at_most: Duration) {
        match &self.webhook {
            Some(webhook) => webhook.wait(at_most).await,
            None => tokio::time::sleep(at_most).await,
        }
    }
}

/// Whether the same request may succeed later. 409: a request with this key is being worked on. What a person must mend
/// (rights, address, content) is not tried again by itself.
fn is_retryable(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 409 | 421 | 423 | 425 | 429 | 500 | 502 | 503 | 504 | 507 | 520..=599)
}

/// Seconds, or a date (RFC 9110 section 10.2.3).
fn retry_after(text: &str, now: Timestamp) -> Option<Duration> {
    let text = text.trim();
    let seconds = match text.parse::<u64>() {
        Ok(seconds) => seconds,
        Err(_) => {
            let at = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
            u64::try_from(at.as_second().saturating_sub(now.as_second())).ok()?
        }
    };
    Some(Duration::from_secs(seconds).min(RETRY_AFTER_MAX))
}

/// The number of the order in a JSON reply.
fn reference_in(json: &serde_json::Value) -> Option<String> {
    let names = ["reference", "order_reference", "order_number", "orderNumber", "number", "id"];
    let found = names.iter().find_map(|name| json.get(*name))?;
    let text = found.as_str().map(str::to_string).or_else(|| found.as_u64().map(|number| number.to_string()))?;
    Some(one_line(&text)).filter(|text| !text.is_empty())
}

/// The last part of a `Location`.
fn tail(location: String) -> Option<String> {
    let path = location.split(['?', '#']).next()?.trim_end_matches('/');
    path.rsplit('/').next().map(one_line).filter(|last| !last.is_empty())
}

/// The beginning of a reply as words.
fn words(body: &[u8]) -> String {
    String::from_utf8_lossy(body.get(..SAID_BYTES_MAX).unwrap_or(body)).into_owned()
}

/// An error with its causes: reqwest's own words say only that something went wrong.
fn chain(error: &dyn std::error::Error) -> String {
    let mut out = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        out.push_str(&format!(": {next}"));
        cause = next.source();
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    fn order() -> HandOver {
        HandOver {
            key: "S12-1".into(),
            name: "S12-1.xml".into(),
            content_type: "application/xml".into(),
            body: b"<Order/>".to_vec(),
        }
    }

    /// A server that says the same to everybody and keeps what it was sent.
    async fn server(reply: &'static str) -> (String, Arc<Mutex<Vec<String>>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/orders", listener.local_addr().unwrap());
        let heard = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&heard);
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let mut request = Vec::new();
                let mut buffer = [0; 4096];
                while !request.ends_with(b"<Order/>") {
                    let count = socket.read(&mut buffer).await.unwrap_or(0);
                    if count == 0 {
                        break;
                    }
                    request.extend_from_slice(&buffer[..count]);
                }
                kept.lock().unwrap().push(String::from_utf8_lossy(&request).into_owned());
                let _ = socket.write_all(reply.as_bytes()).await;
            }
        });
        (url, heard)
    }

    async fn handed(reply: &'static str) -> (Result<Handed, HandOverError>, String) {
        let (url, heard) = server(reply).await;
        let mut settings = HttpSettings::new(url);
        settings.bearer = Some(Secret::new("geheim"));
        settings.headers = vec![("x-api-key".into(), Secret::new("auch-geheim"))];
        let system = HttpOrderSystem::start(settings).await.unwrap();
        let result = system.hand_over(&order()).await;
        (result, heard.lock().unwrap().join("\n"))
    }

    /// An order that is tried again for ever although nobody can take it, or given up although the system is only busy,
    /// waits until the customer calls.
    #[tokio::test]
    async fn replies_are_told_apart() {
        let cases: [(&'static str, Option<bool>, &str); 12] = [
            ("HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n", None, ""),
            ("HTTP/1.1 201 Created\r\nlocation: /orders/SO-7\r\ncontent-length: 0\r\n\r\n", None, "SO-7"),
            ("HTTP/1.1 200 OK\r\ncontent-length: 22\r\n\r\n{\"reference\": \"SO-90\"} ", None, "SO-90"),
            ("HTTP/1.1 503 Busy\r\nretry-after: 120\r\ncontent-length: 0\r\n\r\n", Some(true), ""),
            ("HTTP/1.1 429 Slow\r\ncontent-length: 0\r\n\r\n", Some(true), ""),
            ("HTTP/1.1 409 Conflict\r\ncontent-length: 0\r\n\r\n", Some(true), ""),
            ("HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n", Some(true), ""),
            ("HTTP/1.1 401 No\r\ncontent-length: 0\r\n\r\n", Some(false), ""),
            ("HTTP/1.1 422 No\r\ncontent-length: 7\r\n\r\nno line", Some(false), ""),
            ("HTTP/1.1 302 There\r\nlocation: http://127.0.0.1:1/x\r\ncontent-length: 0\r\n\r\n", Some(false), ""),
            ("HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\ncut", Some(true), ""),
            ("no http at all\r\n\r\n", Some(true), ""),
        ];
        for (reply, refused, reference) in cases {
            let (result, heard) = handed(reply).await;
            match (&result, refused) {
                (Ok(handed), None) => assert_eq!(handed.reference.as_deref().unwrap_or_default(), reference, "{reply}"),
                (Err(error), Some(retryable)) => assert_eq!(error.retryable, retryable, "{reply}: {error}"),
                _ => panic!("{reply}: {result:?}"),
            }
            let heard = heard.to_lowercase();
            assert!(
                heard.contains("idempotency-key: s12-1") && heard.contains("authorization: bearer geheim"),
                "{heard}"
            );
        }
        let (busy, _) = handed("HTTP/1.1 503 Busy\r\nretry-after: 120\r\ncontent-length: 0\r\n\r\n").await;
        assert_eq!(busy.unwrap_err().after, Some(Duration::from_secs(120)));
    }

    /// A system that answers at once must be heard at once, and one that echoes our secrets must not spread them.
    #[tokio::test]
    async fn a_reply_may_be_the_answer() {
        let (result, _) =
            handed("HTTP/1.1 200 OK\r\ncontent-type: application/xml\r\ncontent-length: 16\r\n\r\n<OrderResponse/>")
                .await;
        let answer = result.unwrap().answer.unwrap();
        assert_eq!((answer.key.as_deref(), answer.body.as_slice()), (Some("S12-1"), b"<OrderResponse/>".as_slice()));
        let (echo, _) = handed("HTTP/1.1 400 Bad\r\ncontent-length: 18\r\n\r\ngeheim auch-geheim").await;
        let said = echo.unwrap_err().said;
        assert!(!said.contains("geheim"), "{said}");
    }

    /// Orders and tokens in the clear can be read and changed by anybody on the way.
    #[tokio::test]
    async fn only_protected_ways_are_used() {
        for url in ["http://erp.example/orders", "ftp://x/", "https://user:pass@erp.example/", "nonsense", "file:///x"]
        {
            assert!(HttpOrderSystem::start(HttpSettings::new(url)).await.is_err(), "{url}");
        }
        let inside = HttpSettings { plain_http: true, ..HttpSettings::new("http://erp.example/orders") };
        assert!(HttpOrderSystem::start(inside).await.is_ok());
        let nobody = HttpOrderSystem::start(HttpSettings::new("http://127.0.0.1:1/")).await.unwrap();
        assert!(nobody.hand_over(&order()).await.unwrap_err().retryable);
    }

    /// A wrong reading of the header would stop orders for a year, or hammer a busy system.
    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now: Timestamp = "2026-11-22T08:00:00Z".parse().unwrap();
        let seconds = |text| retry_after(text, now).map(|pause| pause.as_secs());
        assert_eq!(seconds("30"), Some(30));
        assert_eq!(seconds("Sun, 22 Nov 2026 08:01:00 GMT"), Some(60));
        assert_eq!(seconds("Sun, 22 Nov 2026 07:00:00 GMT"), None);
        assert_eq!(seconds("99999999999"), Some(RETRY_AFTER_MAX.as_secs()));
        assert_eq!(seconds("soon"), None);
    }
}
