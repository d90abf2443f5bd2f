//! One TCP or TLS connection whose every wait ends.
//!
//! Must never know what protocol runs over it. Nagle's algorithm is off, what is written is gathered
//! until it is flushed, a read that hears nothing for a while fails, and a peer that sends more than it
//! was allowed to is cut off.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};
use tokio_rustls::client::TlsStream;
use tokio_rustls::{TlsConnector, rustls};

use super::WireError;

/// How a connection is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    /// No protection; only towards a loopback address.
    Plain,
    /// Begins in the clear and is refused unless the server upgrades it.
    StartTls,
    /// TLS from the first byte.
    Tls,
}

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    pub host: String,
    pub port: u16,
    pub security: Security,
}

impl Server {
    /// The server that a URL such as `imaps://mail.example.org` or `smtp://127.0.0.1:2525` names.
    ///
    /// `imaps`, `smtps`: TLS. `imap`, `smtp`: STARTTLS, but plain when the host is a loopback address or
    /// `localhost`. `imap+starttls`, `smtp+starttls`: STARTTLS everywhere. A path, a query and user
    /// information are not part of a server: they are refused.
    pub fn parse(url: &str) -> Result<Server, String> {
        let (scheme, rest) = url.split_once("://").ok_or_else(|| format!("`{url}` is no URL: no `://`"))?;
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        if authority.contains(['/', '?', '#', '@']) {
            return Err(format!("`{url}`: only scheme, host and port are expected here"));
        }
        let (host, port) = split_port(authority).ok_or_else(|| format!("`{url}`: the port is no number"))?;
        if host.is_empty() || host.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(format!("`{url}`: no host"));
        }
        let clear = if is_loopback_name(host) { Security::Plain } else { Security::StartTls };
        let (security, usual_port) = match scheme {
            "imaps" => (Security::Tls, 993),
            "imap" => (clear, 143),
            "imap+starttls" => (Security::StartTls, 143),
            "smtps" => (Security::Tls, 465),
            "smtp" => (clear, if clear == Security::Plain { 25 } else { 587 }),
            "smtp+starttls" => (Security::StartTls, 587),
            other => {
                return Err(format!("`{other}` is none of imaps, imap, imap+starttls, smtps, smtp, smtp+starttls"));
            }
        };
        Ok(Server { host: host.to_string(), port: port.unwrap_or(usual_port), security })
    }
}

impl fmt::Display for Server {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(out, "[{}]:{}", self.host, self.port)
        } else {
            write!(out, "{}:{}", self.host, self.port)
        }
    }
}

fn split_port(authority: &str) -> Option<(&str, Option<u16>)> {
    if let Some(rest) = authority.strip_prefix('[') {
        let (host, after) = rest.split_once(']')?;
        return match after.strip_prefix(':') {
            Some(port) => Some((host, Some(port.parse().ok()?))),
            None if after.is_empty() => Some((host, None)),
            None => None,
        };
    }
    match authority.split_once(':') {
        Some((host, port)) => Some((host, Some(port.parse().ok()?))),
        None => Some((authority, None)),
    }
}

fn is_loopback_name(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// The longest that one wait may take.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// Until the connection stands (one address).
    pub connect: Duration,
    /// Silence of the peer while it owes us bytes.
    pub read: Duration,
    /// A peer that takes nothing.
    pub write: Duration,
    /// One command with its whole answer, however the bytes trickle.
    pub command: Duration,
}

impl Default for Timeouts {
    fn default() -> Timeouts {
        Timeouts {
            connect: Duration::from_secs(30),
            read: Duration::from_secs(60),
            write: Duration::from_secs(60),
            command: Duration::from_secs(600),
        }
    }
}

/// Whose certificates are believed: the system's roots and, if named, those of one PEM file (a private CA).
#[derive(Clone, Debug, Default)]
pub struct Trust {
    pub ca_file: Option<PathBuf>,
}

impl Trust {
    /// The rustls configuration, with ring as its only cryptography.
    ///
    /// `Refused` when the CA file cannot be read or holds no certificate.
    pub fn client_config(&self) -> Result<Arc<rustls::ClientConfig>, WireError> {
        let mut roots = rustls::RootCertStore::empty();
        let (_, _) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if let Some(path) = &self.ca_file {
            for certificate in read_certificates(path)? {
                roots
                    .add(certificate)
                    .map_err(|error| WireError::Refused(format!("CA file {}: {error}", path.display())))?;
            }
        }
        let config = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| WireError::Refused(format!("TLS: {error}")))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Arc::new(config))
    }
}

fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, WireError> {
    let refused = |why: String| WireError::Refused(format!("CA file {}: {why}", path.display()));
    let certificates = CertificateDer::pem_file_iter(path)
        .map_err(|error| refused(error.to_string()))?
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| refused(error.to_string()))?;
    if certificates.is_empty() {
        return Err(refused("no certificate in it".to_string()));
    }
    Ok(certificates)
}

enum Carrier {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    /// While a plain carrier is being upgraded.
    Gone,
}

/// A connection with time-outs, gathered writes and a ceiling on what the peer may send.
pub struct Stream {
    carrier: Carrier,
    peer: SocketAddr,
    /// Kept at its full length, so that it is cleared once and not for every read.
    input: Vec<u8>,
    /// How much of `input` the peer sent, and how much of that has been read.
    filled: usize,
    taken: usize,
    output: Vec<u8>,
    read_timeout: Duration,
    write_timeout: Duration,
    read_timer: Timer,
    write_timer: Timer,
    /// Bytes that the peer may still send.
    allowance: u64,
    /// A flush waits until something is read, so that a command and its body leave in one piece.
    lazy: bool,
    /// Set while something written has not been handed to the operating system.
    unsent: Arc<AtomicBool>,
}

const CHUNK: usize = 64 << 10;

impl Stream {
    /// Connects to the first address of `server` that answers; TLS from the start for [`Security::Tls`].
    ///
    /// `Away` when nobody answers, `Refused` when the certificate is not believed or an unprotected
    /// connection would leave this machine.
    pub async fn connect(server: &Server, trust: &Trust, timeouts: &Timeouts) -> Result<Stream, WireError> {
        let away = |why: String| WireError::Away(format!("{server}: {why}"));
        let addresses =
            tokio::time::timeout(timeouts.connect, tokio::net::lookup_host((server.host.as_str(), server.port)))
                .await
                .map_err(|_| away("the name was not resolved in time".to_string()))?
                .map_err(|error| away(format!("name not resolved: {error}")))?;
        let mut last = away("the name has no address".to_string());
        for address in addresses.take(8) {
            if server.security == Security::Plain && !address.ip().is_loopback() {
                return Err(WireError::Refused(format!(
                    "{server}: an unprotected connection is made to a loopback address only; use TLS"
                )));
            }
            match tokio::time::timeout(timeouts.connect, TcpStream::connect(address)).await {
                Ok(Ok(tcp)) => {
                    let stream = Stream::over(tcp, address, timeouts).map_err(|error| away(error.to_string()))?;
                    return match server.security {
                        Security::Tls => stream.upgrade(server, trust, timeouts).await,
                        Security::Plain | Security::StartTls => Ok(stream),
                    };
                }
                Ok(Err(error)) => last = away(format!("{address} does not answer: {error}")),
                Err(_) => last = away(format!("{address} does not answer in time")),
            }
        }
        Err(last)
    }

    fn over(tcp: TcpStream, peer: SocketAddr, timeouts: &Timeouts) -> io::Result<Stream> {
        tcp.set_nodelay(true)?;
        Ok(Stream {
            carrier: Carrier::Plain(tcp),
            peer,
            input: Vec::new(),
            filled: 0,
            taken: 0,
            output: Vec::new(),
            read_timeout: timeouts.read,
            write_timeout: timeouts.write,
            read_timer: Timer::default(),
            write_timer: Timer::default(),
            allowance: 1 << 20,
            lazy: false,
            unsent: Arc::default(),
        })
    }

    /// Puts TLS over the plain connection. Bytes that came in the clear after the server's consent are an
    /// attack (command injection before the handshake) and end it.
    pub async fn upgrade(mut self, server: &Server, trust: &Trust, timeouts: &Timeouts) -> Result<Stream, WireError> {
        let away = |why: String| WireError::Away(format!("{server}: {why}"));
        if self.taken < self.filled {
            return Err(WireError::Refused(format!("{server}: sent bytes in the clear that belong inside TLS")));
        }
        let Carrier::Plain(tcp) = std::mem::replace(&mut self.carrier, Carrier::Gone) else {
            return Err(away("TLS was begun twice".to_string()));
        };
        let name = ServerName::try_from(server.host.clone()).map_err(|_| {
            WireError::Refused(format!("{server}: `{}` is no name a certificate can bear", server.host))
        })?;
        let connector = TlsConnector::from(trust.client_config()?);
        let tls = tokio::time::timeout(timeouts.connect, connector.connect(name, tcp))
            .await
            .map_err(|_| away("no TLS handshake in time".to_string()))?
            .map_err(|error| match is_mistrust(&error) {
                true => WireError::Refused(format!("{server}: certificate not trusted: {error}")),
                false => away(format!("TLS: {error}")),
            })?;
        self.carrier = Carrier::Tls(Box::new(tls));
        Ok(self)
    }

    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// Silence allowed from now on.
    pub fn set_read_timeout(&mut self, timeout: Duration) {
        self.read_timeout = timeout;
        self.read_timer.disarm();
    }

    /// How many bytes the peer may send from now on.
    pub fn allow(&mut self, bytes: u64) {
        self.allowance = bytes.saturating_add(usize_to_u64(self.filled.saturating_sub(self.taken)));
    }

    /// Whether a flush waits for the next read.
    pub fn set_lazy(&mut self, lazy: bool) {
        self.lazy = lazy;
    }

    /// True while something written has not been handed to the operating system; readable when the stream itself is
    /// in somebody else's hands.
    pub fn unsent(&self) -> Arc<AtomicBool> {
        self.unsent.clone()
    }

    /// Puts bytes back in front of what the peer sends next.
    pub fn unread(&mut self, bytes: &[u8]) {
        let rest = self.input.get(self.taken..self.filled).unwrap_or_default();
        self.input = [bytes, rest].concat();
        (self.filled, self.taken) = (self.input.len(), 0);
    }

    /// One line without its line end, at most `max` bytes long.
    pub async fn read_line(&mut self, max: usize) -> io::Result<Vec<u8>> {
        let mut line = Vec::new();
        loop {
            let byte = match self.input.get(self.taken) {
                Some(byte) if self.taken < self.filled => {
                    self.taken += 1;
                    *byte
                }
                _ => self.read_u8().await?,
            };
            if byte == b'\n' {
                if line.last() == Some(&b'\r') {
                    line.pop();
                }
                return Ok(line);
            }
            if line.len() >= max {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "the line is too long"));
            }
            line.push(byte);
        }
    }

    /// Writes and flushes.
    pub async fn say(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes).await?;
        self.flush().await
    }

    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut sent = 0;
        let result = loop {
            let rest = self.output.get(sent..).unwrap_or_default();
            if rest.is_empty() {
                break Poll::Ready(Ok(()));
            }
            match self.carrier.poll_write(cx, rest) {
                Poll::Ready(Ok(0)) => break Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(count)) => {
                    sent += count;
                    self.write_timer.disarm();
                }
                Poll::Ready(Err(error)) => break Poll::Ready(Err(error)),
                Poll::Pending => break self.write_timer.poll(cx, self.write_timeout, "the server takes nothing"),
            }
        };
        self.output.drain(..sent);
        result
    }

    fn poll_push(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_drain(cx))?;
        match self.carrier.poll_flush(cx) {
            Poll::Ready(result) => {
                self.write_timer.disarm();
                self.unsent.store(result.is_err(), Ordering::Release);
                Poll::Ready(result)
            }
            Poll::Pending => self.write_timer.poll(cx, self.write_timeout, "the server takes nothing"),
        }
    }

    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.allowance == 0 {
            return Poll::Ready(Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the server sends more than is allowed",
            )));
        }
        let most = usize::try_from(self.allowance).unwrap_or(CHUNK).min(CHUNK);
        if self.input.len() != CHUNK {
            self.input.resize(CHUNK, 0);
        }
        let mut buffer = ReadBuf::new(self.input.get_mut(..most).unwrap_or_default());
        let result = self.carrier.poll_read(cx, &mut buffer);
        let count = buffer.filled().len();
        (self.filled, self.taken) = (count, 0);
        match result {
            Poll::Ready(result) => {
                self.read_timer.disarm();
                self.allowance = self.allowance.saturating_sub(usize_to_u64(count));
                Poll::Ready(result)
            }
            Poll::Pending => self.read_timer.poll(cx, self.read_timeout, "the server says nothing"),
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.unsent.load(Ordering::Acquire) {
            ready!(this.poll_push(cx))?;
        }
        if this.taken >= this.filled {
            ready!(this.poll_fill(cx))?;
        }
        let rest = this.input.get(this.taken..this.filled).unwrap_or_default();
        let count = rest.len().min(out.remaining());
        out.put_slice(rest.get(..count).unwrap_or_default());
        this.taken += count;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.output.len() >= CHUNK {
            ready!(this.poll_drain(cx))?;
        }
        this.unsent.store(true, Ordering::Release);
        let count = bytes.len().min(CHUNK);
        this.output.extend_from_slice(bytes.get(..count).unwrap_or_default());
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.lazy { Poll::Ready(Ok(())) } else { this.poll_push(cx) }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_push(cx))?;
        this.carrier.poll_shutdown(cx)
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tls = matches!(self.carrier, Carrier::Tls(_));
        out.debug_struct("Stream").field("peer", &self.peer).field("tls", &tls).finish_non_exhaustive()
    }
}

impl lettre::transport::smtp::client::AsyncTokioStream for Stream {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.peer)
    }
}

impl Carrier {
    fn poll_read(&mut self, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self {
            Carrier::Plain(tcp) => Pin::new(tcp).poll_read(cx, out),
            Carrier::Tls(tls) => Pin::new(tls.as_mut()).poll_read(cx, out),
            Carrier::Gone => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Carrier::Plain(tcp) => Pin::new(tcp).poll_write(cx, bytes),
            Carrier::Tls(tls) => Pin::new(tls.as_mut()).poll_write(cx, bytes),
            Carrier::Gone => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Carrier::Plain(tcp) => Pin::new(tcp).poll_flush(cx),
            Carrier::Tls(tls) => Pin::new(tls.as_mut()).poll_flush(cx),
            Carrier::Gone => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Carrier::Plain(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Carrier::Tls(tls) => Pin::new(tls.as_mut()).poll_shutdown(cx),
            Carrier::Gone => Poll::Ready(Ok(())),
        }
    }
}

/// Measures one wait; it starts when the wait starts.
#[derive(Default)]
struct Timer {
    sleep: Option<Pin<Box<Sleep>>>,
    armed: bool,
}

impl Timer {
    fn disarm(&mut self) {
        self.armed = false;
    }

    fn poll<T>(&mut self, cx: &mut Context<'_>, after: Duration, complaint: &'static str) -> Poll<io::Result<T>> {
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep(after)));
        if !self.armed {
            sleep.as_mut().reset(Instant::now() + after);
            self.armed = true;
        }
        ready!(sleep.as_mut().poll(cx));
        self.armed = false;
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, complaint)))
    }
}

fn is_mistrust(error: &io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    matches!(inner, Some(rustls::Error::InvalidCertificate(_)))
}

fn usize_to_u64(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

/// A foreign text made fit for a log line: one line, no control characters, at most 300 characters.
pub fn one_line(text: &str) -> String {
    let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(300).collect();
    clean.trim().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    async fn pair() -> (Stream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = Server { host: "127.0.0.1".into(), port: address.port(), security: Security::Plain };
        let timeouts = Timeouts { read: Duration::from_millis(50), ..Timeouts::default() };
        let stream = Stream::connect(&server, &Trust::default(), &timeouts).await.unwrap();
        (stream, listener.accept().await.unwrap().0)
    }

    /// A wrong scheme would send a password over the wire in the clear.
    #[test]
    fn urls_name_servers() {
        let table = [
            ("imaps://mail.example.org", "mail.example.org:993 Tls"),
            ("imap://mail.example.org", "mail.example.org:143 StartTls"),
            ("imap://127.0.0.1:2143", "127.0.0.1:2143 Plain"),
            ("imap://[::1]:2143/", "[::1]:2143 Plain"),
            ("imap+starttls://localhost", "localhost:143 StartTls"),
            ("smtps://mail.example.org", "mail.example.org:465 Tls"),
            ("smtp://mail.example.org", "mail.example.org:587 StartTls"),
            ("smtp://localhost", "localhost:25 Plain"),
        ];
        for (url, expected) in table {
            let server = Server::parse(url).unwrap();
            assert_eq!(format!("{server} {:?}", server.security), expected, "{url}");
        }
        for bad in ["mail.example.org", "http://x", "imaps://", "imaps://u:p@x", "imaps://x:99999", "imaps://x/INBOX"] {
            assert!(Server::parse(bad).is_err(), "{bad}");
        }
    }

    /// A server that falls silent must not hold a mailbox for ever.
    #[tokio::test]
    async fn silence_ends_a_read() {
        let (mut stream, _peer) = pair().await;
        let error = stream.read_line(100).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    /// A server that sends without end must not fill the memory.
    #[tokio::test]
    async fn a_peer_cannot_send_more_than_allowed() {
        let (mut stream, mut peer) = pair().await;
        stream.allow(10);
        peer.write_all(b"0123456789abcdef").await.unwrap();
        let mut got = Vec::new();
        let error = stream.read_to_end(&mut got).await.unwrap_err();
        assert_eq!((got.as_slice(), error.kind()), (b"0123456789".as_slice(), io::ErrorKind::InvalidData));
    }

    /// Lines end at LF with or without CR; bytes put back come first again.
    #[tokio::test]
    async fn lines_and_bytes_put_back() {
        let (mut stream, mut peer) = pair().await;
        peer.write_all(b"one\r\ntwo\nthree").await.unwrap();
        assert_eq!(stream.read_line(100).await.unwrap(), b"one");
        stream.unread(b"zero\r\n");
        assert_eq!(stream.read_line(100).await.unwrap(), b"zero");
        assert_eq!(stream.read_line(100).await.unwrap(), b"two");
        assert!(stream.read_line(3).await.is_err());
    }

    /// What is written lazily leaves with the next read, in one piece.
    #[tokio::test]
    async fn lazy_flush_waits_for_a_read() {
        let (mut stream, mut peer) = pair().await;
        stream.set_lazy(true);
        stream.say(b"MAIL\r\n").await.unwrap();
        assert!(stream.unsent().load(Ordering::Acquire));
        stream.say(b"RCPT\r\n").await.unwrap();
        assert!(stream.read_line(100).await.is_err(), "nobody answers");
        let mut got = [0u8; 12];
        peer.read_exact(&mut got).await.unwrap();
        assert_eq!(&got, b"MAIL\r\nRCPT\r\n");
    }

    /// A connection in the clear to another machine would show the password to everybody between.
    #[tokio::test]
    async fn plain_stays_on_this_machine() {
        let server = Server { host: "192.0.2.1".into(), port: 143, security: Security::Plain };
        let result = Stream::connect(&server, &Trust::default(), &Timeouts::default()).await;
        assert!(matches!(result, Err(WireError::Refused(_))), "{result:?}");
    }
}
