//! Reaches the real mail servers that `scripts/maillab` starts.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use postern::wire::imap::ImapSettings;
use postern::wire::login::{Login, Secret};
use postern::wire::net::{Security, Server, Trust};
use postern::wire::smtp::RelayServer;

/// A running lab.
#[derive(Clone, Debug)]
pub struct Lab(BTreeMap<String, String>);

static OWN: OnceLock<String> = OnceLock::new();

/// Starts a lab that ends with this process; returns its env file.
fn start() -> String {
    let process = std::process::id().to_string();
    let started = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/maillab"))
        .args(["start", "--cyrus", "--sink", "--until", &process])
        .env("MAILLAB_DIR", format!("/tmp/postern-maillab-{process}"))
        .output()
        .unwrap_or_else(|error| panic!("scripts/maillab: {error}"));
    let (said, complaint) = (String::from_utf8_lossy(&started.stdout), String::from_utf8_lossy(&started.stderr));
    assert!(started.status.success(), "scripts/maillab start: {complaint}");
    said.into_owned()
}

#[allow(dead_code, reason = "each test file uses its share")]
impl Lab {
    /// With `POSTERN_MAILLAB=1` a lab of this test process's own, which ends with it; otherwise the lab whose `env` file
    /// `POSTERN_MAILLAB` names; without it says aloud that the test is skipped.
    pub fn find(test: &str) -> Option<Lab> {
        let Some(lab) = std::env::var_os("POSTERN_MAILLAB") else {
            eprintln!("SKIPPED {test}: POSTERN_MAILLAB is not set (1, or the env file of a running scripts/maillab)");
            return None;
        };
        let text = match lab.to_str() {
            Some("1") => OWN.get_or_init(start).clone(),
            _ => std::fs::read_to_string(&lab).unwrap_or_else(|error| panic!("POSTERN_MAILLAB {lab:?}: {error}")),
        };
        let pairs = text.lines().filter_map(|line| line.split_once('='));
        Some(Lab(pairs.map(|(key, value)| (key.to_string(), value.to_string())).collect()))
    }

    pub fn get(&self, key: &str) -> &str {
        self.0
            .get(&format!("MAILLAB_{key}"))
            .unwrap_or_else(|| panic!("the lab has no {key}: start it with --cyrus --sink"))
    }

    pub fn has(&self, key: &str) -> bool {
        self.0.contains_key(&format!("MAILLAB_{key}"))
    }

    pub fn address(&self, account: &str) -> String {
        format!("{account}@{}", self.get("DOMAIN"))
    }

    pub fn login(&self, account: &str) -> Login {
        Login::Password { user: self.address(account), password: Secret::new(self.get("PASSWORD")) }
    }

    /// An OAuth access token for an account, as Dovecot checks it (RFC 7519), good for so many seconds from now.
    pub fn access_token(&self, account: &str, seconds: i64) -> String {
        let key = STANDARD.decode(std::fs::read_to_string(self.get("TOKEN_KEY")).unwrap().trim()).unwrap();
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        let now = i64::try_from(now).unwrap();
        let address = self.address(account);
        let claims = format!(r#"{{"sub":"{address}","email":"{address}","iat":{},"exp":{}}}"#, now - 5, now + seconds);
        let head = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","typ":"JWT"}"#);
        let signed = format!("{head}.{}", URL_SAFE_NO_PAD.encode(claims));
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(&key).unwrap();
        mac.update(signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
    }

    pub fn trust(&self) -> Trust {
        Trust { ca_file: Some(PathBuf::from(self.get("CA"))) }
    }

    /// `port` is e.g. `IMAPS`, `SMTP`, `SUBMISSION`, `CYRUS_IMAP`, `SINK`.
    pub fn server(&self, port: &str, security: Security) -> Server {
        let host = if security == Security::Plain { self.get("HOST") } else { "localhost" };
        let port = self.get(&format!("{port}_PORT")).parse().unwrap();
        Server { host: host.to_string(), port, security }
    }

    pub fn addr(&self, port: &str) -> std::net::SocketAddr {
        format!("{}:{}", self.get("HOST"), self.get(&format!("{port}_PORT"))).parse().unwrap()
    }

    /// Dovecot over TLS.
    pub fn imap(&self, account: &str) -> ImapSettings {
        let mut settings = ImapSettings::new(account, self.server("IMAPS", Security::Tls), self.login(account));
        settings.trust = self.trust();
        settings
    }

    /// Cyrus, in the clear: it takes any password and makes accounts as they are named.
    pub fn cyrus(&self, account: &str) -> ImapSettings {
        let login = Login::Password { user: account.to_string(), password: Secret::new("any") };
        ImapSettings::new(account, self.server("CYRUS_IMAP", Security::Plain), login)
    }

    /// Postfix without a log-in.
    pub fn smtp(&self) -> RelayServer {
        RelayServer { server: self.server("SMTP", Security::Plain), trust: Trust::default(), login: None }
    }
}
