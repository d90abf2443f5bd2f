//! Who we say we are: passwords and tokens. Never shows them.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Write as _;
use std::path::{Path, PathBuf};
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
    pub refresh_token: RefreshToken,
    pub scope: Option<String>,
    pub trust: Trust,
}

/// Where the refresh token comes from.
#[derive(Clone, Debug)]
pub enum RefreshToken {
    Given(Secret),
    /// Read anew for each refresh, replaced when the endpoint hands out a new one.
    File(PathBuf),
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
    /// Endpoints may hand out a new refresh token with each answer; this one could not be written to its file, or has none.
    unsaved: Option<Secret>,
}

/// Mailboxes and relay may share one refresh token, which is good for one use: one refresh of a file at a time.
static REFRESHING: std::sync::Mutex<BTreeMap<PathBuf, Arc<Mutex<()>>>> = std::sync::Mutex::new(BTreeMap::new());

fn turn_of(file: &Path) -> Arc<Mutex<()>> {
    let mut all = REFRESHING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    Arc::clone(all.entry(file.to_path_buf()).or_default())
}

fn read_token(file: &Path) -> Result<Secret, WireError> {
    let refused = |why: String| WireError::Refused(format!("refresh token file {}: {why}", file.display()));
    match std::fs::read_to_string(file).map_err(|error| refused(error.to_string()))?.trim() {
        "" => Err(refused("is empty".to_string())),
        token => Ok(Secret::new(token)),
    }
}

/// Whole or not at all: half a refresh token is a mailbox that somebody must log in to by hand.
fn write_token(file: &Path, token: &Secret) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut fresh = file.as_os_str().to_owned();
    fresh.push(format!(".new-{}", std::process::id()));
    let fresh = PathBuf::from(fresh);
    let written = (|| {
        let mut out = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
        out.write_all(token.reveal().as_bytes())?;
        out.write_all(b"\n")?;
        out.sync_all()?;
        std::fs::rename(&fresh, file)?;
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        std::fs::File::open(folder)?.sync_all()
    })();
    if written.is_err() {
        let _ = std::fs::remove_file(&fresh);
    }
    written
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
        let turn = match &self.settings.refresh_token {
            RefreshToken::File(file) => Some(turn_of(file)),
            RefreshToken::Given(_) => None,
        };
        let _turn = match &turn {
            Some(turn) => Some(turn.lock().await),
            None => None,
        };
        let refresh_token = match (&state.unsaved, &self.settings.refresh_token) {
            (Some(unsaved), _) => unsaved.clone(),
            (None, RefreshToken::File(file)) => read_token(file)?,
            (None, RefreshToken::Given(token)) => token.clone(),
        };
        let answer = self.ask(&client, &refresh_token).await?;
        if let Some(next) = answer.refresh_token.map(Secret::new).filter(|next| *next != refresh_token) {
            state.unsaved = match &self.settings.refresh_token {
                RefreshToken::Given(_) => Some(next),
                RefreshToken::File(file) => match write_token(file, &next) {
                    Ok(()) => None,
                    Err(error) => {
                        tracing::error!(file = %file.display(), %error, "the new refresh token could not be written; it is lost when we stop");
                        Some(next)
                    }
                },
            };
        } else if let (Some(unsaved), RefreshToken::File(file)) = (&state.unsaved, &self.settings.refresh_token)
            && write_token(file, unsaved).is_ok()
        {
            state.unsaved = None;
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
            refresh_token: RefreshToken::Given(Secret::new("first+one")),
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

    /// A token endpoint that hands out `next-N` for `N`-th refreshes and remembers what it was asked.
    async fn endpoint(answers: usize) -> (String, tokio::task::JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let served = tokio::spawn(async move {
            let mut asked = Vec::new();
            for n in 1..=answers {
                let (mut socket, _) = listener.accept().await.unwrap();
                let mut request = String::new();
                while !request.contains("refresh_token=") {
                    let mut buffer = [0; 4096];
                    let count = socket.read(&mut buffer).await.unwrap();
                    request.push_str(&String::from_utf8_lossy(&buffer[..count]));
                }
                asked.push(request.rsplit("refresh_token=").next().unwrap_or_default().to_string());
                let body = format!(r#"{{"access_token":"token-{n}","expires_in":3600,"refresh_token":"next-{n}"}}"#);
                let answer =
                    format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len());
                socket.write_all(answer.as_bytes()).await.unwrap();
            }
            asked
        });
        (format!("http://{address}/token"), served)
    }

    fn by_file(endpoint: &str, file: &Path) -> TokenRefresh {
        TokenRefresh::new(RefreshSettings {
            endpoint: endpoint.into(),
            client_id: "me".into(),
            client_secret: None,
            refresh_token: RefreshToken::File(file.to_path_buf()),
            scope: None,
            trust: Trust::default(),
        })
    }

    /// Endpoints that change the refresh token each time lock out whoever comes back with the old one: after a restart, and
    /// for the relay that shares it with the mailbox.
    #[tokio::test]
    async fn a_changed_refresh_token_is_kept_and_shared() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("refresh");
        std::fs::write(&file, "first\n").unwrap();
        let (endpoint, served) = endpoint(3).await;
        let (mailbox, relay) = (by_file(&endpoint, &file), by_file(&endpoint, &file));
        let (one, two) = tokio::join!(mailbox.token(false), relay.token(false));
        assert_eq!((one.unwrap().reveal(), two.unwrap().reveal()), ("token-1", "token-2"));
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "next-2\n");
        let restarted = by_file(&endpoint, &file);
        assert_eq!(restarted.token(false).await.unwrap().reveal(), "token-3");
        assert_eq!(served.await.unwrap(), ["first", "next-1", "next-2"]);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }

    /// A folder that cannot be written must not cost the mailbox while we run.
    #[tokio::test]
    async fn a_refresh_token_that_cannot_be_written_is_remembered() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("refresh");
        std::fs::write(&file, "first").unwrap();
        let (endpoint, served) = endpoint(2).await;
        let source = by_file(&endpoint, &file);
        // A folder of that name stands in the way of the new file.
        let way = folder.path().join(format!("refresh.new-{}", std::process::id()));
        std::fs::create_dir(&way).unwrap();
        assert_eq!(source.token(false).await.unwrap().reveal(), "token-1");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "first");
        std::fs::remove_dir(&way).unwrap();
        assert_eq!(source.token(true).await.unwrap().reveal(), "token-2");
        assert_eq!(served.await.unwrap(), ["first", "next-1"]);
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "next-2\n");
        std::fs::write(&file, "").unwrap();
        assert!(matches!(source.token(true).await, Err(WireError::Refused(why)) if why.contains("is empty")));
    }

    /// A refresh token sent over http could be read by anybody between.
    #[tokio::test]
    async fn refresh_needs_https() {
        let source = TokenRefresh::new(RefreshSettings {
            endpoint: "http://login.example.org/token".into(),
            client_id: "me".into(),
            client_secret: None,
            refresh_token: RefreshToken::Given(Secret::new("x")),
            scope: None,
            trust: Trust::default(),
        });
        assert!(matches!(source.token(false).await, Err(WireError::Refused(_))));
    }
}
