//! Servers that are upgraded to TLS: what was said before, and whoever stands in between, must not count behind it.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use postern::wire::imap::{ImapMailbox, ImapSettings};
use postern::wire::login::{Login, Secret};
use postern::wire::net::{Security, Server, Trust};
use postern::wire::smtp::{RelayServer, SmtpRelay, SmtpSettings};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufStream};
use tokio::net::{TcpListener, TcpStream};

fn keys(file: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/keys")).join(file)
}

fn acceptor() -> tokio_rustls::TlsAcceptor {
    let chain: Vec<_> = CertificateDer::pem_file_iter(keys("inlet.pem")).unwrap().map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_file(keys("inlet.key")).unwrap();
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let config = tokio_rustls::rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap();
    Arc::new(config.with_no_client_auth().with_single_cert(chain, key).unwrap()).into()
}

#[derive(Clone, Copy, PartialEq)]
enum Protocol {
    Imap,
    Smtp,
}

/// What a server heard: whether TLS was on, and the line.
type Heard = Arc<Mutex<Vec<(bool, String)>>>;

/// Hears and answers until STARTTLS, at the end, or a log-in; `true` = it was STARTTLS.
async fn talk<S>(io: &mut BufStream<S>, protocol: Protocol, protected: bool, slipped: &str, heard: &Heard) -> bool
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let mut line = String::new();
    while io.read_line(&mut line).await.unwrap_or(0) > 0 {
        heard.lock().unwrap().push((protected, line.trim_end().to_string()));
        let tag = line.split(' ').next().unwrap_or_default().to_string();
        let word = line.to_ascii_uppercase();
        let begins = word.contains("STARTTLS");
        let answer = match protocol {
            Protocol::Imap if begins => format!("{tag} OK go\r\n{slipped}"),
            Protocol::Imap if word.contains(" CAPABILITY") && protected => {
                format!("* CAPABILITY IMAP4rev1 LOGINDISABLED\r\n{tag} OK\r\n")
            }
            Protocol::Imap if word.contains(" CAPABILITY") => {
                format!("* CAPABILITY IMAP4rev1 STARTTLS AUTH=PLAIN\r\n{tag} OK\r\n")
            }
            Protocol::Smtp if begins => format!("220 go\r\n{slipped}"),
            Protocol::Smtp if word.starts_with("EHLO") && protected => "250 mx.test\r\n".to_string(),
            Protocol::Smtp if word.starts_with("EHLO") => {
                "250-mx.test\r\n250-AUTH PLAIN\r\n250 STARTTLS\r\n".to_string()
            }
            _ => return false,
        };
        io.write_all(answer.as_bytes()).await.unwrap();
        io.flush().await.unwrap();
        if begins {
            return true;
        }
        line.clear();
    }
    false
}

async fn serve(protocol: Protocol, socket: TcpStream, slipped: &str, heard: &Heard) {
    let mut io = BufStream::new(socket);
    let greeting = match protocol {
        Protocol::Imap => "* OK [CAPABILITY IMAP4rev1 STARTTLS AUTH=PLAIN] hello\r\n",
        Protocol::Smtp => "220 mx.test\r\n",
    };
    io.write_all(greeting.as_bytes()).await.unwrap();
    io.flush().await.unwrap();
    if talk(&mut io, protocol, false, slipped, heard).await
        && let Ok(protected) = acceptor().accept(io.into_inner()).await
    {
        talk(&mut BufStream::new(protected), protocol, true, "", heard).await;
    }
}

/// What the client makes of such a server: its error, and what the server heard.
async fn meet(protocol: Protocol, slipped: &'static str) -> (String, Vec<(bool, String)>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server =
        Server { host: "localhost".into(), port: listener.local_addr().unwrap().port(), security: Security::StartTls };
    let heard = Heard::default();
    let own = Arc::clone(&heard);
    let serving = tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            serve(protocol, socket, slipped, &own).await;
        }
    });
    let login = Login::Password { user: "gateway".into(), password: Secret::new("hunter2") };
    let trust = Trust { ca_file: Some(keys("inlet-ca.pem")) };
    let error = match protocol {
        Protocol::Imap => {
            let mut settings = ImapSettings::new("x", server, login);
            settings.trust = trust;
            ImapMailbox::new(settings).probe().await.unwrap_err().to_string()
        }
        Protocol::Smtp => {
            let relay = RelayServer { server, trust, login: Some(login) };
            SmtpRelay::new(SmtpSettings::new(vec![relay])).probe().await.unwrap_err().to_string()
        }
    };
    serving.abort();
    let heard = heard.lock().unwrap().clone();
    (error, heard)
}

/// Whoever stands between us and a server could slip answers in before TLS begins, which would count as protected.
#[tokio::test]
async fn nothing_slips_in_before_tls() {
    for (protocol, slipped) in
        [(Protocol::Imap, "* CAPABILITY IMAP4rev1\r\n"), (Protocol::Smtp, "250-mx.test\r\n250 AUTH PLAIN\r\n")]
    {
        let (error, heard) = meet(protocol, slipped).await;
        assert!(error.contains("in the clear"), "{error}");
        assert!(heard.iter().all(|(protected, _)| !protected), "{heard:?}");
    }
}

/// Whoever stands in between could tell us before TLS how to log in: only what the server says within it counts.
#[tokio::test]
async fn what_was_said_before_tls_is_forgotten() {
    for (protocol, asked) in [(Protocol::Imap, "CAPABILITY"), (Protocol::Smtp, "EHLO")] {
        let (error, heard) = meet(protocol, "").await;
        let within: Vec<&str> =
            heard.iter().filter(|(protected, _)| *protected).map(|(_, line)| line.as_str()).collect();
        assert!(within.first().is_some_and(|line| line.to_ascii_uppercase().contains(asked)), "{error}: {heard:?}");
        let logs_in = |line: &str| ["AUTH", "LOGIN"].iter().any(|word| line.to_ascii_uppercase().contains(word));
        assert!(!heard.iter().any(|(protected, line)| !protected && logs_in(line)), "{heard:?}");
        assert!(!within.iter().any(|line| line.contains("PLAIN")), "it was not offered within TLS: {heard:?}");
    }
}
