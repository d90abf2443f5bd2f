//! Who we say we are: passwords and tokens. Never shows them.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tokio::sync::Mutex;

use super::WireError;
use super::net::{Trust, one_line};

/// A password or token. `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn new(value: impl Into<String>) -> Secret {
        Secret(value.into())
    }

    /// The secret itself; only for the bytes that go to the server.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// `text` with every occurrence of the secret blotted out: servers echo what they were sent.
    pub fn blot(&self, text: &str) -> String {
        if self.0.is_empty() { text.to_string() } else { text.replace(&self.0, "***") }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("***")
    }
}

/// How to log in.
#[derive(Clone)]
pub enum Login {
    Password {
        user: String,
        password: Secret,
    },
    /// SASL XOAUTH2, as Gmail and Exchange Online ask for it.
    OAuth {
        user: String,
        tokens: Arc<dyn TokenSource>,
    },
}

impl fmt::Debug for Login {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Login::Password { user, .. } => out.debug_struct("Password").field("user", user).finish_non_exhaustive(),
            Login::OAuth { user, .. } => out.debug_struct("OAuth").field("user", user).finish_non_exhaustive(),
        }
    }
}

/// Gives OAuth access tokens.
#[async_trait]
pub trait TokenSource: Send + Sync {
    /// A token; with `renew` one that is not the last one given, because the server refused that.
    async fn token(&self, renew: bool) -> Result<Secret, WireError>;
}

/// A token that something else keeps fresh in a file; read anew for each log-in.
pub struct TokenFile(pub PathBuf);

#[async_trait]
impl TokenSource for TokenFile {
    async fn token(&self, _renew: bool) -> Result<Secret, WireError> {
        let refused = |why: String| WireError::Refused(format!("token file {}: {why}", self.0.display()));
        let text = tokio::fs::read_to_string(&self.0).await.map_err(|error| refused(error.to_string()))?;
        match text.trim() {
            "" => Err(refused("is empty".to_string())),
            token => Ok(Secret::new(token)),
        }
    }
}

/// Where and with what a new access token is asked for (RFC 6749 section 6).
#[derive(Clone, Debug)]
pub struct RefreshSettings {
    /// `https://`, or `http://` on loopback.
    pub endpoint: String,
    pub client_id: String,
    pub client_secret: Option<Secret>,
    pub refresh_token: Secret,
    pub scope: Option<String>,
    pub trust: Trust,
}

/// Asks a token endpoint and remembers the answer until it expires.
pub struct TokenRefresh {
    settings: RefreshSettings,
    state: Mutex<Remembered>,
}

#[derive(Default)]
struct Remembered {
    client: Option<reqwest::Client>,
    token: Option<(Secret, Instant)>,
    /// Endpoints may hand out a new refresh token with each answer.
    refresh_token: Option<Secret>,
}

const ANSWER_BYTES_MAX: usize = 64 << 10;

impl TokenRefresh {
    pub fn new(settings: RefreshSettings) -> TokenRefresh {
        TokenRefresh { settings, state: Mutex::default() }
    }

    fn client(&self) -> Result<reqwest::Client, WireError> {
        let tls = self.settings.trust.client_config()?;
        reqwest::Client::builder()
            .tls_backend_preconfigured(tls.as_ref().clone())
            .timeout(Duration::from_secs(30))
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .map_err(|error| WireError::Refused(format!("token endpoint: {error}")))
    }

    async fn ask(&self, client: &reqwest::Client, refresh_token: &Secret) -> Result<Answer, WireError> {
        let settings = &self.settings;
        let endpoint = &settings.endpoint;
        let loopback = ["http://127.0.0.1:", "http://localhost:", "http://[::1]:"];
        if !endpoint.starts_with("https://") && !loopback.iter().any(|start| endpoint.starts_with(start)) {
            return Err(WireError::Refused(format!("token endpoint {endpoint}: must be https")));
        }
        let mut form = vec![
            ("grant_type", "refresh_token"),
            ("client_id", settings.client_id.as_str()),
            ("refresh_token", refresh_token.reveal()),
        ];
        form.extend(settings.client_secret.as_ref().map(|secret| ("client_secret", secret.reveal())));
        form.extend(settings.scope.as_deref().map(|scope| ("scope", scope)));
        let away =
            |error: reqwest::Error| WireError::Away(format!("token endpoint {endpoint}: {}", error.without_url()));
        let mut response = client
            .post(endpoint)
            .header("content-type", "application/x-www-form-urlencoded")
            .header("accept", "application/json")
            .body(form_encode(&form))
            .send()
            .await
            .map_err(away)?;
        let status = response.status();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(away)? {
            body.extend_from_slice(&chunk);
            if body.len() > ANSWER_BYTES_MAX {
                return Err(WireError::Away(format!("token endpoint {endpoint}: answers with too much")));
            }
        }
        let answer: Answer = serde_json::from_slice(&body).unwrap_or_default();
        if status.is_success() && !answer.access_token.is_empty() {
            return Ok(answer);
        }
        let why = format!("token endpoint {endpoint}: {status} {}", one_line(&answer.error));
        Err(if status.is_client_error() && status.as_u16() != 429 {
            WireError::Refused(why)
        } else {
            WireError::Away(why)
        })
    }
}

#[derive(serde::Deserialize, Default)]
#[serde(default)]
struct Answer {
    access_token: String,
    expires_in: Option<u64>,
    refresh_token: Option<String>,
    error: String,
}

#[async_trait]
impl TokenSource for TokenRefresh {
    async fn token(&self, renew: bool) -> Result<Secret, WireError> {
        let mut state = self.state.lock().await;
        if let (false, Some((token, until))) = (renew, &state.token)
            && Instant::now() < *until
        {
            return Ok(token.clone());
        }
        let client = match &state.client {
            Some(client) => client.clone(),
            None => self.client()?,
        };
        state.client = Some(client.clone());
        let refresh_token = state.refresh_token.clone().unwrap_or_else(|| self.settings.refresh_token.clone());
        let answer = self.ask(&client, &refresh_token).await?;
        if let Some(next) = answer.refresh_token {
            state.refresh_token = Some(Secret::new(next));
        }
        // A minute early, so that a token does not expire on its way.
        let lifetime = Duration::from_secs(answer.expires_in.unwrap_or(300).saturating_sub(60).min(86_400));
        let token = Secret::new(answer.access_token);
        state.token = Some((token.clone(), Instant::now() + lifetime));
        Ok(token)
    }
}

fn form_encode(pairs: &[(&str, &str)]) -> String {
    let encode = |text: &str| {
        text.bytes().fold(String::new(), |mut out, byte| {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                out.push(char::from(byte));
            } else {
                out.push_str(&format!("%{byte:02X}"));
            }
            out
        })
    };
    let pairs: Vec<String> = pairs.iter().map(|(key, value)| format!("{}={}", encode(key), encode(value))).collect();
    pairs.join("&")
}

/// The initial response of SASL XOAUTH2, before base64.
pub fn xoauth2(user: &str, token: &Secret) -> String {
    format!("user={user}\x01auth=Bearer {}\x01\x01", token.reveal())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    /// A password in a log is a password for everybody who reads logs.
    #[test]
    fn secrets_do_not_show() {
        let login = Login::Password { user: "gateway".into(), password: Secret::new("hunter2") };
        let shown = format!("{login:?} {:?} {}", Secret::new("hunter2"), Secret::new("hunter2").blot("bad: hunter2"));
        assert!(!shown.contains("hunter2"), "{shown}");
    }

    /// An access token lives an hour; without refresh the gateway is deaf after that hour.
    #[tokio::test]
    async fn tokens_are_refreshed_and_remembered() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let served = tokio::spawn(async move {
            let mut bodies = Vec::new();
            for n in 1..=2 {
                let (mut socket, _) = listener.accept().await.unwrap();
                let mut request = Vec::new();
                while !String::from_utf8_lossy(&request).contains("scope=") {
                    let mut buffer = [0; 4096];
                    let count = socket.read(&mut buffer).await.unwrap();
                    request.extend_from_slice(&buffer[..count]);
                }
                let body = format!(r#"{{"access_token":"token-{n}","expires_in":3600,"refresh_token":"next-{n}"}}"#);
                let answer =
                    format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len());
                socket.write_all(answer.as_bytes()).await.unwrap();
                bodies
                    .push(String::from_utf8_lossy(&request).rsplit("\r\n\r\n").next().unwrap_or_default().to_string());
            }
            bodies
        });
        let source = TokenRefresh::new(RefreshSettings {
            endpoint: format!("http://{address}/token"),
            client_id: "me".into(),
            client_secret: None,
            refresh_token: Secret::new("first+one"),
            scope: Some("imap smtp".into()),
            trust: Trust::default(),
        });
        assert_eq!(source.token(false).await.unwrap().reveal(), "token-1");
        assert_eq!(source.token(false).await.unwrap().reveal(), "token-1", "remembered");
        assert_eq!(source.token(true).await.unwrap().reveal(), "token-2", "the server refused the first");
        assert_eq!(
            served.await.unwrap(),
            [
                "grant_type=refresh_token&client_id=me&refresh_token=first%2Bone&scope=imap%20smtp",
                "grant_type=refresh_token&client_id=me&refresh_token=next-1&scope=imap%20smtp",
            ]
        );
    }

    /// A refresh token sent over http could be read by anybody between.
    #[tokio::test]
    async fn refresh_needs_https() {
        let source = TokenRefresh::new(RefreshSettings {
            endpoint: "http://login.example.org/token".into(),
            client_id: "me".into(),
            client_secret: None,
            refresh_token: Secret::new("x"),
            scope: None,
            trust: Trust::default(),
        });
        assert!(matches!(source.token(false).await, Err(WireError::Refused(_))));
    }
}
