//! A second way in: mails handed over by SMTP or LMTP, as a [`Mailbox`].
//!
//! For a mail server that pushes instead of keeping an IMAP folder. The sender hears `250` only after the mail was filed,
//! which the gateway does after its commit; anything else (time-out, crash, full queue) makes the sender try again, so
//! that no mail is taken on and lost. Knows the dialogue and nothing of what mails say. It relays nothing. With a
//! certificate it offers STARTTLS (RFC 3207) or speaks TLS from the first byte.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader, BufWriter};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio_rustls::{TlsAcceptor, rustls};

use super::net::one_line;
use super::{Batch, Body, Drawer, Fetched, MailKey, Mailbox, WireError};

/// Which dialogue is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// RFC 5321: one answer to a message.
    Smtp,
    /// RFC 2033: one answer a recipient.
    Lmtp,
}

/// Where to listen and what to take.
#[derive(Clone, Debug)]
pub struct InletSettings {
    /// The mailbox's name in the configuration.
    pub name: String,
    pub listen: SocketAddr,
    pub dialect: Dialect,
    /// Addresses (`orders@example.org`, also with `+detail`) or domains (`example.org`) that are taken; empty for any.
    pub recipients: Vec<String>,
    pub mail_bytes_max: usize,
    /// How long a sender waits for the filing before it is told to try again.
    pub filing: Duration,
    /// How long a sender may be silent.
    pub silence: Duration,
    pub connections: usize,
    pub tls: Option<InletTls>,
}

/// TLS of the listener.
#[derive(Clone, Debug)]
pub struct InletTls {
    /// The chain and its key, both in PEM; read anew when the chain's file changes.
    pub cert_file: PathBuf,
    pub key_file: PathBuf,
    /// From the first byte, instead of STARTTLS.
    pub implicit: bool,
    /// Nothing is taken without.
    pub required: bool,
}

impl InletSettings {
    /// Everything else as it usually is.
    pub fn new(name: impl Into<String>, listen: SocketAddr, dialect: Dialect) -> InletSettings {
        InletSettings {
            name: name.into(),
            listen,
            dialect,
            recipients: Vec::new(),
            mail_bytes_max: 40 << 20,
            filing: Duration::from_secs(120),
            silence: Duration::from_secs(300),
            connections: 50,
            tls: None,
        }
    }
}

impl InletTls {
    /// Whether chain and key can be used.
    pub fn check(&self) -> Result<(), WireError> {
        acceptor(self).map(|_| ())
    }
}

const LINE_BYTES_MAX: u64 = 4096;
const RECIPIENTS_MAX: usize = 100;
const MISTAKES_MAX: usize = 20;
/// Mails that wait to be fetched; more senders wait with their last line.
const QUEUE_MAX: usize = 16;

/// See the module's head. Listens from the first use on.
pub struct Inlet {
    settings: Arc<InletSettings>,
    open: Option<Open>,
    last_key: u64,
    /// Who waits for the filing of which mail.
    pending: BTreeMap<u64, oneshot::Sender<()>>,
}

struct Open {
    address: SocketAddr,
    arrivals: mpsc::Receiver<Arrival>,
    next: Option<Arrival>,
    listener: tokio::task::JoinHandle<()>,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

struct Arrival {
    raw: Vec<u8>,
    filed: oneshot::Sender<()>,
}

impl Inlet {
    pub fn new(settings: InletSettings) -> Inlet {
        Inlet { settings: Arc::new(settings), open: None, last_key: 0, pending: BTreeMap::new() }
    }

    /// Begins to listen, if it does not yet; returns the address (a port of 0 is replaced by the one given).
    pub async fn listen(&mut self) -> Result<SocketAddr, WireError> {
        Ok(self.opened().await?.address)
    }

    async fn opened(&mut self) -> Result<&mut Open, WireError> {
        let open = match self.open.take() {
            Some(open) => open,
            None => {
                let refused = |error: io::Error| {
                    WireError::Refused(format!("cannot listen on {}: {error}", self.settings.listen))
                };
                let certificate = match &self.settings.tls {
                    Some(tls) => Some(Arc::new(Certificate::read(tls)?)),
                    None => None,
                };
                let listener = TcpListener::bind(self.settings.listen).await.map_err(refused)?;
                let address = listener.local_addr().map_err(refused)?;
                let (sender, arrivals) = mpsc::channel(QUEUE_MAX);
                let listener = tokio::spawn(accept(listener, self.settings.clone(), certificate, sender));
                Open { address, arrivals, next: None, listener }
            }
        };
        Ok(self.open.insert(open))
    }
}

#[async_trait]
impl Mailbox for Inlet {
    fn name(&self) -> &str {
        &self.settings.name
    }

    fn is_prompt(&self) -> bool {
        true
    }

    async fn fetch(&mut self, batch: Batch) -> Result<Vec<Fetched>, WireError> {
        let mut arrived = Vec::new();
        let mut bytes = 0usize;
        let open = self.opened().await?;
        while arrived.len() < batch.count_max && bytes <= batch.bytes_max {
            match open.next.take().or_else(|| open.arrivals.try_recv().ok()) {
                Some(arrival) => {
                    bytes = bytes.saturating_add(arrival.raw.len());
                    arrived.push(arrival);
                }
                None => break,
            }
        }
        let mut fetched = Vec::new();
        for Arrival { raw, filed } in arrived {
            self.last_key += 1;
            self.pending.insert(self.last_key, filed);
            let size = u64::try_from(raw.len()).unwrap_or(u64::MAX);
            fetched.push(Fetched { key: MailKey::Inlet(self.last_key), size, body: Body::Whole(raw) });
        }
        // Senders that gave up wait for nothing.
        self.pending.retain(|_, filed| !filed.is_closed());
        Ok(fetched)
    }

    async fn file(&mut self, filings: &[(MailKey, Drawer)]) -> Result<(), WireError> {
        for (key, _) in filings {
            if let MailKey::Inlet(key) = key
                && let Some(filed) = self.pending.remove(key)
            {
                let _ = filed.send(());
            }
        }
        Ok(())
    }

    async fn wait(&mut self, at_most: Duration) -> Result<(), WireError> {
        let open = self.opened().await?;
        if open.next.is_none()
            && let Ok(next) = tokio::time::timeout(at_most, open.arrivals.recv()).await
        {
            match next {
                Some(arrival) => open.next = Some(arrival),
                None => {
                    self.open = None;
                    return Err(WireError::Away("the listener ended".to_string()));
                }
            }
        }
        Ok(())
    }

    async fn close(&mut self) {
        self.open = None;
        self.pending.clear();
    }
}

/// The certificate as it is now. A renewed one counts from the next connection on; one that cannot be read does not.
struct Certificate {
    tls: InletTls,
    current: std::sync::Mutex<(Option<SystemTime>, TlsAcceptor)>,
}

impl Certificate {
    fn read(tls: &InletTls) -> Result<Certificate, WireError> {
        let changed = changed_at(&tls.cert_file);
        let acceptor = acceptor(tls)?;
        Ok(Certificate { tls: tls.clone(), current: std::sync::Mutex::new((changed, acceptor)) })
    }

    fn acceptor(&self) -> TlsAcceptor {
        let mut current = self.current.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let changed = changed_at(&self.tls.cert_file);
        if changed != current.0 {
            match acceptor(&self.tls) {
                Ok(fresh) => *current = (changed, fresh),
                Err(error) => tracing::warn!(%error, "the renewed certificate cannot be used; the old one stays"),
            }
        }
        current.1.clone()
    }
}

fn changed_at(file: &Path) -> Option<SystemTime> {
    std::fs::metadata(file).and_then(|facts| facts.modified()).ok()
}

fn acceptor(tls: &InletTls) -> Result<TlsAcceptor, WireError> {
    let refused = |file: &Path, why: String| WireError::Refused(format!("{}: {why}", file.display()));
    let chain = CertificateDer::pem_file_iter(&tls.cert_file)
        .and_then(|certificates| certificates.collect::<Result<Vec<_>, _>>())
        .map_err(|error| refused(&tls.cert_file, error.to_string()))?;
    if chain.is_empty() {
        return Err(refused(&tls.cert_file, "no certificate in it".to_string()));
    }
    let key = PrivateKeyDer::from_pem_file(&tls.key_file).map_err(|error| refused(&tls.key_file, error.to_string()))?;
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| WireError::Refused(format!("TLS: {error}")))?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|error| refused(&tls.cert_file, error.to_string()))?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

async fn accept(
    listener: TcpListener,
    settings: Arc<InletSettings>,
    certificate: Option<Arc<Certificate>>,
    arrivals: mpsc::Sender<Arrival>,
) {
    let room = Arc::new(Semaphore::new(settings.connections.clamp(1, 10_000)));
    let mut conversations = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((socket, peer)) = accepted else {
                    // Out of file handles: others must end first.
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                };
                let Ok(permit) = room.clone().try_acquire_owned() else {
                    let _ = socket.try_write(b"421 4.3.2 too many connections\r\n");
                    continue;
                };
                let _ = socket.set_nodelay(true);
                let (settings, arrivals) = (settings.clone(), arrivals.clone());
                let tls = certificate.as_ref().map(|certificate| certificate.acceptor());
                conversations.spawn(async move {
                    let _permit = permit;
                    let ended = async {
                        let implicit = settings.tls.as_ref().is_some_and(|tls| tls.implicit);
                        let plain: Box<dyn Io> = Box::new(socket);
                        let (io, tls) = match tls {
                            Some(tls) if implicit => (secured(&tls, plain, settings.silence).await?, None),
                            other => (plain, other),
                        };
                        Conversation::new(io, settings, tls, implicit, arrivals).run().await
                    }
                    .await;
                    if let Err(error) = ended {
                        tracing::debug!(%peer, %error, "sender lost");
                    }
                });
            }
            Some(_) = conversations.join_next() => {}
        }
    }
}

trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

type Buffered = BufReader<BufWriter<Box<dyn Io>>>;

fn buffered(io: Box<dyn Io>) -> Buffered {
    BufReader::new(BufWriter::new(io))
}

async fn secured(tls: &TlsAcceptor, io: Box<dyn Io>, at_most: Duration) -> io::Result<Box<dyn Io>> {
    let stream = tokio::time::timeout(at_most, tls.accept(io)).await.map_err(|_| late())??;
    Ok(Box::new(stream))
}

struct Conversation {
    stream: Buffered,
    settings: Arc<InletSettings>,
    /// What STARTTLS is done with, while it can be.
    tls: Option<TlsAcceptor>,
    secured: bool,
    arrivals: mpsc::Sender<Arrival>,
    greeted: bool,
    from: Option<String>,
    to: Vec<String>,
    mistakes: usize,
}

impl Conversation {
    fn new(
        io: Box<dyn Io>,
        settings: Arc<InletSettings>,
        tls: Option<TlsAcceptor>,
        secured: bool,
        arrivals: mpsc::Sender<Arrival>,
    ) -> Conversation {
        let stream = buffered(io);
        Conversation {
            stream,
            settings,
            tls,
            secured,
            arrivals,
            greeted: false,
            from: None,
            to: Vec::new(),
            mistakes: 0,
        }
    }

    async fn run(&mut self) -> io::Result<()> {
        self.say("220 postern ready").await?;
        while let Some(line) = self.line().await? {
            let upper = line.to_ascii_uppercase();
            let word = upper.split([' ', ':']).next().unwrap_or_default();
            let answer = match word {
                "QUIT" => return self.say("221 2.0.0 farewell").await,
                "STARTTLS" if self.tls.is_some() => {
                    self.secure().await?;
                    continue;
                }
                "DATA" if !self.to.is_empty() => {
                    self.data().await?;
                    continue;
                }
                word => self.command(word, &line),
            };
            if answer.starts_with('5') {
                self.mistakes += 1;
            }
            if self.mistakes > MISTAKES_MAX {
                return self.say("421 4.7.0 too many mistakes").await;
            }
            self.say(&answer).await?;
        }
        Ok(())
    }

    /// RFC 3207. What was sent along with STARTTLS came unprotected, and somebody may have slipped it in: such a sender is
    /// left. All that was said before is forgotten.
    async fn secure(&mut self) -> io::Result<()> {
        if !self.stream.buffer().is_empty() {
            self.say("501 5.5.4 nothing may follow STARTTLS").await?;
            return Err(io::Error::new(io::ErrorKind::InvalidData, "commands behind STARTTLS"));
        }
        let Some(tls) = self.tls.take() else { return Ok(()) };
        self.say("220 2.0.0 go ahead").await?;
        let (nothing, _) = tokio::io::duplex(1);
        let plain = std::mem::replace(&mut self.stream, buffered(Box::new(nothing)));
        let io = plain.into_inner().into_inner();
        self.stream = buffered(secured(&tls, io, self.settings.silence).await?);
        self.reset();
        (self.greeted, self.secured) = (false, true);
        Ok(())
    }

    fn command(&mut self, word: &str, line: &str) -> String {
        let lmtp = self.settings.dialect == Dialect::Lmtp;
        match word {
            "EHLO" | "HELO" if lmtp => "500 5.5.1 this is LMTP: LHLO".to_string(),
            "LHLO" if !lmtp => "500 5.5.1 this is SMTP: EHLO".to_string(),
            "EHLO" | "LHLO" => {
                self.reset();
                self.greeted = true;
                let size = self.settings.mail_bytes_max;
                let starttls = if self.tls.is_some() { "250-STARTTLS\r\n" } else { "" };
                format!(
                    "250-postern\r\n{starttls}250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-ENHANCEDSTATUSCODES\r\n250 SIZE {size}"
                )
            }
            "HELO" => {
                self.reset();
                self.greeted = true;
                "250 postern".to_string()
            }
            "MAIL" if !self.greeted => "503 5.5.1 greet first".to_string(),
            "MAIL" if !self.secured && self.settings.tls.as_ref().is_some_and(|tls| tls.required) => {
                "530 5.7.0 STARTTLS first".to_string()
            }
            "MAIL" if self.from.is_some() => "503 5.5.1 one mail at a time".to_string(),
            "MAIL" => match address(line) {
                None => "501 5.1.7 no address".to_string(),
                Some(_) if stated_size(line) > self.settings.mail_bytes_max => "552 5.3.4 too large".to_string(),
                Some(from) => {
                    self.from = Some(from);
                    "250 2.1.0 ok".to_string()
                }
            },
            "RCPT" if self.from.is_none() => "503 5.5.1 MAIL first".to_string(),
            "RCPT" if self.to.len() >= RECIPIENTS_MAX => "452 4.5.3 too many recipients".to_string(),
            "RCPT" => match address(line).filter(|to| !to.is_empty()) {
                None => "501 5.1.3 no address".to_string(),
                Some(to) if self.takes(&to) => {
                    self.to.push(to);
                    "250 2.1.5 ok".to_string()
                }
                Some(to) => format!("550 5.1.1 <{}>: not taken here", one_line(&to)),
            },
            "DATA" => "503 5.5.1 RCPT first".to_string(),
            "RSET" => {
                self.reset();
                "250 2.0.0 ok".to_string()
            }
            "NOOP" => "250 2.0.0 ok".to_string(),
            "VRFY" => "252 2.5.0 cannot say".to_string(),
            _ => "502 5.5.2 not known here".to_string(),
        }
    }

    fn reset(&mut self) {
        self.from = None;
        self.to.clear();
    }

    fn takes(&self, to: &str) -> bool {
        let (local, domain) = to.rsplit_once('@').unwrap_or((to, ""));
        let plain = local.split('+').next().unwrap_or(local);
        let meant = |entry: &String| match entry.rsplit_once('@') {
            Some((wanted, wanted_domain)) => {
                (wanted.eq_ignore_ascii_case(local) || wanted.eq_ignore_ascii_case(plain))
                    && wanted_domain.eq_ignore_ascii_case(domain)
            }
            None => entry.eq_ignore_ascii_case(domain),
        };
        self.settings.recipients.is_empty() || self.settings.recipients.iter().any(meant)
    }

    async fn data(&mut self) -> io::Result<()> {
        self.say("354 go ahead").await?;
        let message = self.message().await?;
        let answer = match message {
            None => "552 5.3.4 too large".to_string(),
            Some(message) => self.hand_over(message).await,
        };
        let answers = if self.settings.dialect == Dialect::Lmtp { self.to.len() } else { 1 };
        self.reset();
        self.say(&vec![answer; answers].join("\r\n")).await
    }

    /// Waits until the gateway has filed the mail.
    async fn hand_over(&mut self, message: Vec<u8>) -> String {
        let (filed, done) = oneshot::channel();
        // What final delivery states (RFC 5321 section 4.4). Nothing that differs when the sender tries again: the gateway
        // knows a mail by its bytes.
        let mut raw = format!("Return-Path: <{}>\r\n", self.from.as_deref().unwrap_or_default()).into_bytes();
        for to in &self.to {
            raw.extend_from_slice(format!("Delivered-To: {to}\r\n").as_bytes());
        }
        raw.extend(message);
        let wait = async {
            self.arrivals.send(Arrival { raw, filed }).await.ok()?;
            done.await.ok()
        };
        match tokio::time::timeout(self.settings.filing, wait).await {
            Ok(Some(())) => "250 2.0.0 filed".to_string(),
            _ => "451 4.3.0 not filed: try again".to_string(),
        }
    }

    /// The message behind DATA with its dots undone; `None` when it is too large. Only CRLF `.` CRLF ends it.
    async fn message(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut message = Vec::new();
        let mut too_large = false;
        let mut begins_line = true;
        loop {
            let mut piece = Vec::new();
            let mut stream = (&mut self.stream).take(64 << 10);
            let read = stream.read_until(b'\n', &mut piece);
            if tokio::time::timeout(self.settings.silence, read).await.map_err(|_| late())?? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if begins_line && piece == b".\r\n" {
                return Ok((!too_large).then_some(message));
            }
            let text = match piece.strip_prefix(b".") {
                Some(rest) if begins_line => rest,
                _ => &piece,
            };
            // CR LF may be torn over two pieces.
            begins_line = piece.ends_with(b"\r\n") || (piece == b"\n" && message.ends_with(b"\r"));
            too_large |= message.len() + text.len() > self.settings.mail_bytes_max;
            if too_large {
                // Read to its end, so that the sender hears why.
                message = message.split_off(message.len().saturating_sub(1));
            }
            message.extend_from_slice(text);
        }
    }

    async fn line(&mut self) -> io::Result<Option<String>> {
        let mut line = Vec::new();
        let mut stream = (&mut self.stream).take(LINE_BYTES_MAX);
        let read = stream.read_until(b'\n', &mut line);
        let count = tokio::time::timeout(self.settings.silence, read).await.map_err(|_| late())??;
        if count > 0 && line.last() != Some(&b'\n') {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the line is too long"));
        }
        Ok((count > 0).then(|| String::from_utf8_lossy(&line).trim_end().to_string()))
    }

    async fn say(&mut self, text: &str) -> io::Result<()> {
        let say = async {
            self.stream.write_all(format!("{text}\r\n").as_bytes()).await?;
            self.stream.flush().await
        };
        tokio::time::timeout(self.settings.silence, say).await.map_err(|_| late())?
    }
}

fn late() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "silent for too long")
}

/// What stands between `<` and `>`; nothing that could end a header line.
fn address(line: &str) -> Option<String> {
    let (_, rest) = line.split_once('<')?;
    let (address, _) = rest.split_once('>')?;
    (!address.chars().any(|c| c.is_control() || c.is_whitespace())).then(|| address.to_string())
}

fn stated_size(line: &str) -> usize {
    let upper = line.to_ascii_uppercase();
    let size = upper.split_whitespace().find_map(|word| word.strip_prefix("SIZE=")?.parse().ok());
    size.unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    use tokio::net::TcpStream;

    struct Sender(Buffered);

    impl Sender {
        async fn to(inlet: &mut Inlet) -> Sender {
            let address = inlet.listen().await.unwrap();
            let mut sender = Sender(buffered(Box::new(TcpStream::connect(address).await.unwrap())));
            assert_eq!(sender.hear().await, "220 postern ready");
            sender
        }

        async fn hear(&mut self) -> String {
            let mut line = String::new();
            self.0.read_line(&mut line).await.unwrap();
            line.trim_end().to_string()
        }

        async fn say(&mut self, text: &str) {
            self.0.write_all(text.as_bytes()).await.unwrap();
            self.0.flush().await.unwrap();
        }

        async fn ask(&mut self, text: &str) -> String {
            self.say(&format!("{text}\r\n")).await;
            loop {
                let line = self.hear().await;
                if line.get(3..4) != Some("-") {
                    return line;
                }
            }
        }

        async fn begin(&mut self, hello: &str, to: &[&str]) {
            assert!(self.ask(hello).await.starts_with("250"));
            assert_eq!(self.ask("MAIL FROM:<partner@b.test> SIZE=100").await, "250 2.1.0 ok");
            for to in to {
                assert_eq!(self.ask(&format!("RCPT TO:<{to}>")).await, "250 2.1.5 ok");
            }
            assert_eq!(self.ask("DATA").await, "354 go ahead");
        }
    }

    fn inlet(dialect: Dialect, change: impl FnOnce(&mut InletSettings)) -> Inlet {
        let mut settings = InletSettings::new("push", "127.0.0.1:0".parse().unwrap(), dialect);
        settings.recipients = vec!["orders@a.test".into(), "b.test".into()];
        change(&mut settings);
        Inlet::new(settings)
    }

    async fn next(inlet: &mut Inlet) -> Fetched {
        inlet.wait(Duration::from_secs(20)).await.unwrap();
        let mut mails = inlet.fetch(Batch::default()).await.unwrap();
        assert_eq!(mails.len(), 1);
        mails.remove(0)
    }

    /// A sender that heard 250 forgets the mail: it must not hear it before the mail is filed.
    #[tokio::test]
    async fn taken_only_when_filed() {
        let mut inlet = inlet(Dialect::Smtp, |_| {});
        let mut sender = Sender::to(&mut inlet).await;
        sender.begin("EHLO mx.test", &["orders+r18342.x@a.test"]).await;
        // Only CRLF `.` CRLF ends a message; other line ends around a dot are text.
        sender.say("Subject: x\r\n\r\n..dot\r\ny\n.\nz\n.\r\n").await;
        sender.say("end\r\n.\r\n").await;
        let mail = next(&mut inlet).await;
        let Body::Whole(raw) = &mail.body else { panic!() };
        assert_eq!(
            String::from_utf8_lossy(raw),
            "Return-Path: <partner@b.test>\r\nDelivered-To: orders+r18342.x@a.test\r\nSubject: x\r\n\r\n.dot\r\ny\n.\nz\n.\r\nend\r\n"
        );
        drop(sender);
        let mut sender = Sender::to(&mut inlet).await;
        sender.begin("EHLO mx.test", &["x@b.test"]).await;
        sender.say("Subject: y\r\n\r\n.\r\n").await;
        let mail = next(&mut inlet).await;
        let heard = tokio::time::timeout(Duration::from_millis(30), sender.hear()).await;
        assert!(heard.is_err(), "nothing is said before the filing: {heard:?}");
        inlet.file(&[(mail.key, Drawer::Processed)]).await.unwrap();
        assert_eq!(sender.hear().await, "250 2.0.0 filed");
        assert_eq!(sender.ask("QUIT").await, "221 2.0.0 farewell");
    }

    /// LMTP answers once a recipient, for the same one mail.
    #[tokio::test]
    async fn lmtp_answers_each_recipient() {
        let mut inlet = inlet(Dialect::Lmtp, |_| {});
        let mut sender = Sender::to(&mut inlet).await;
        assert!(sender.ask("EHLO mx.test").await.starts_with("500"));
        sender.begin("LHLO mx.test", &["orders@a.test", "y@b.test"]).await;
        sender.say("Subject: x\r\n\r\nx\r\n.\r\n").await;
        let mail = next(&mut inlet).await;
        inlet.file(&[(mail.key, Drawer::Review)]).await.unwrap();
        assert_eq!([sender.hear().await, sender.hear().await], ["250 2.0.0 filed", "250 2.0.0 filed"]);
    }

    /// A gateway that cannot commit, or goes down, leaves the mail with its sender.
    #[tokio::test]
    async fn not_filed_is_try_again() {
        let mut inlet = inlet(Dialect::Smtp, |settings| settings.filing = Duration::from_millis(30));
        let mut sender = Sender::to(&mut inlet).await;
        sender.begin("EHLO mx.test", &["orders@a.test"]).await;
        sender.say("Subject: x\r\n\r\nx\r\n.\r\n").await;
        assert_eq!(sender.hear().await, "451 4.3.0 not filed: try again");
        let mail = next(&mut inlet).await;
        inlet.file(&[(mail.key, Drawer::Processed)]).await.unwrap();
        assert_eq!(sender.ask("NOOP").await, "250 2.0.0 ok");
        inlet.close().await;
    }

    /// Strangers' recipients, too large mails and wrong orders of commands are refused with a reason, and nothing arrives.
    #[tokio::test]
    async fn refusals() {
        let mut inlet = inlet(Dialect::Smtp, |settings| settings.mail_bytes_max = 200);
        let mut sender = Sender::to(&mut inlet).await;
        let table = [
            ("MAIL FROM:<>", "503"),
            ("EHLO x", "250"),
            ("RCPT TO:<orders@a.test>", "503"),
            ("DATA", "503"),
            ("MAIL FROM:<> SIZE=5000", "552"),
            ("MAIL FROM:partner", "501"),
            ("MAIL FROM:<>", "250"),
            ("MAIL FROM:<>", "503"),
            ("RCPT TO:<other@a.test>", "550"),
            ("RCPT TO:<x@c.test>", "550"),
            ("RCPT TO:<>", "501"),
            ("EXPN all", "502"),
            ("RCPT TO:<Orders@A.test>", "250"),
            ("DATA", "354"),
        ];
        for (line, expected) in table {
            let answer = sender.ask(line).await;
            assert!(answer.starts_with(expected), "{line}: {answer}");
        }
        sender.say(&format!("{}.\r\n", "too much\r\n".repeat(100))).await;
        assert_eq!(sender.hear().await, "552 5.3.4 too large");
        assert!(inlet.fetch(Batch::default()).await.unwrap().is_empty());
        for _ in 0..MISTAKES_MAX {
            sender.say("NONSENSE\r\n").await;
        }
        let mut last = String::new();
        loop {
            let line = sender.hear().await;
            if line.is_empty() {
                break;
            }
            last = line;
        }
        assert!(last.starts_with("421"), "{last}");
    }

    fn with_certificate(implicit: bool) -> impl FnOnce(&mut InletSettings) {
        let keys = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/keys");
        move |settings| {
            settings.tls = Some(InletTls {
                cert_file: keys.join("inlet.pem"),
                key_file: keys.join("inlet.key"),
                implicit,
                required: true,
            });
        }
    }

    /// As a mail server that verifies whom it talks to.
    async fn verified(io: Box<dyn Io>) -> Box<dyn Io> {
        let ca = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/keys/inlet-ca.pem");
        let config = super::super::net::Trust { ca_file: Some(ca) }.client_config().unwrap();
        let name = rustls_pki_types::ServerName::try_from("localhost").unwrap();
        Box::new(tokio_rustls::TlsConnector::from(config).connect(name, io).await.unwrap())
    }

    /// Partners' prices would cross the network in the open, or a mail be taken that somebody in between wrote.
    #[tokio::test]
    async fn starttls_protects_and_forgets() {
        let mut inlet = inlet(Dialect::Smtp, with_certificate(false));
        let mut sender = Sender::to(&mut inlet).await;
        assert!(sender.ask("EHLO mx.test").await.starts_with("250"));
        assert_eq!(sender.ask("MAIL FROM:<eve@b.test>").await, "530 5.7.0 STARTTLS first");
        assert_eq!(sender.ask("STARTTLS").await, "220 2.0.0 go ahead");
        let mut sender = Sender(buffered(verified(sender.0.into_inner().into_inner()).await));
        assert_eq!(sender.ask("MAIL FROM:<partner@b.test>").await, "503 5.5.1 greet first");
        sender.say("EHLO mx.test\r\n").await;
        let mut offers = Vec::new();
        while offers.last().is_none_or(|line: &String| line.get(3..4) == Some("-")) {
            offers.push(sender.hear().await);
        }
        assert!(!offers.iter().any(|line| line.contains("STARTTLS")), "{offers:?}");
        sender.begin("EHLO mx.test", &["orders@a.test"]).await;
        sender.say("Subject: x\r\n\r\nx\r\n.\r\n").await;
        let mail = next(&mut inlet).await;
        inlet.file(&[(mail.key, Drawer::Processed)]).await.unwrap();
        assert_eq!(sender.hear().await, "250 2.0.0 filed");

        // What is slipped in behind STARTTLS counts for nothing.
        let mut sender = Sender::to(&mut inlet).await;
        assert!(sender.ask("EHLO mx.test").await.starts_with("250"));
        sender.say("STARTTLS\r\nMAIL FROM:<eve@b.test>\r\n").await;
        assert_eq!(sender.hear().await, "501 5.5.4 nothing may follow STARTTLS");
        assert_eq!(sender.hear().await, "", "and the connection ends");
    }

    /// TLS from the first byte, also for LMTP; and a certificate that is not there is said at once.
    #[tokio::test]
    async fn implicit_tls() {
        let mut inlet = inlet(Dialect::Lmtp, with_certificate(true));
        let address = inlet.listen().await.unwrap();
        let socket: Box<dyn Io> = Box::new(TcpStream::connect(address).await.unwrap());
        let mut sender = Sender(buffered(verified(socket).await));
        assert_eq!(sender.hear().await, "220 postern ready");
        sender.begin("LHLO mx.test", &["orders@a.test"]).await;
        sender.say("Subject: x\r\n\r\nx\r\n.\r\n").await;
        let mail = next(&mut inlet).await;
        inlet.file(&[(mail.key, Drawer::Processed)]).await.unwrap();
        assert_eq!(sender.hear().await, "250 2.0.0 filed");
        let mut broken = self::inlet(Dialect::Smtp, |settings| {
            settings.tls = Some(InletTls {
                cert_file: "/nowhere/chain.pem".into(),
                key_file: "/nowhere/key.pem".into(),
                implicit: false,
                required: false,
            });
        });
        let refused = broken.listen().await.unwrap_err().to_string();
        assert!(refused.contains("/nowhere/chain.pem"), "{refused}");
    }

    /// A certificate is renewed every few weeks: whoever needs a restart for it is deaf one night.
    #[tokio::test]
    async fn a_renewed_certificate_counts_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let keys = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/keys");
        let (cert_file, key_file) = (folder.path().join("chain.pem"), folder.path().join("key.pem"));
        std::fs::copy(keys.join("inlet.pem"), &cert_file).unwrap();
        std::fs::copy(keys.join("inlet.key"), &key_file).unwrap();
        let tls = InletTls { cert_file: cert_file.clone(), key_file, implicit: true, required: true };
        let certificate = Certificate::read(&tls).unwrap();
        let first = certificate.acceptor();
        assert!(Arc::ptr_eq(first.config(), certificate.acceptor().config()));
        let later = SystemTime::now() + Duration::from_secs(60);
        std::fs::write(&cert_file, "half a certificate").unwrap();
        std::fs::File::options().write(true).open(&cert_file).unwrap().set_modified(later).unwrap();
        assert!(Arc::ptr_eq(first.config(), certificate.acceptor().config()), "what cannot be read is not taken");
        std::fs::copy(keys.join("inlet.pem"), &cert_file).unwrap();
        std::fs::File::options()
            .write(true)
            .open(&cert_file)
            .unwrap()
            .set_modified(later + later.duration_since(SystemTime::UNIX_EPOCH).unwrap() / 1_000_000)
            .unwrap();
        assert!(!Arc::ptr_eq(first.config(), certificate.acceptor().config()));
    }

    /// Two gateways on one port, or a privileged port: said clearly.
    #[tokio::test]
    async fn a_taken_port_is_refused() {
        let mut one = inlet(Dialect::Smtp, |_| {});
        let address = one.listen().await.unwrap();
        let mut two = inlet(Dialect::Smtp, |settings| settings.listen = address);
        assert!(matches!(two.fetch(Batch::default()).await, Err(WireError::Refused(_))));
    }
}
