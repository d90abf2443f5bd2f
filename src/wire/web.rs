//! Fetching a page that a mail links to: one GET, to an allowed host, at a public address, within caps.
//!
//! The mail's author chooses the link, so everything about it is hostile. The host must be on the list; its name is
//! resolved once, every address it has must be public, and the connection goes to those addresses and no other (a name
//! that answers differently a moment later gains nothing). Redirects are followed by hand, each checked like the first.
//! Nothing of ours is sent along: no cookies, no credentials, no referrer.

use std::io::Read as _;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use async_trait::async_trait;
use reqwest::header::{HeaderMap, LOCATION};
use url::{Host, Url};

use super::net::{Trust, one_line};
use super::public::is_public;

/// What may be fetched.
#[derive(Clone, Debug)]
pub struct WebRules {
    /// `portal.example.com`, `*.example.com` (its subdomains), with a port only where it is another than the usual.
    pub hosts: Vec<String>,
    /// A test switch: loopback addresses count as public.
    pub loopback: bool,
    pub trust: Trust,
    /// For everything, redirects included.
    pub timeout: Duration,
    /// As it comes, and unpacked.
    pub bytes_max: usize,
    pub redirects_max: usize,
}

impl WebRules {
    pub fn new(hosts: Vec<String>) -> WebRules {
        WebRules {
            hosts,
            loopback: false,
            trust: Trust::default(),
            timeout: Duration::from_secs(20),
            bytes_max: 10 << 20,
            redirects_max: 5,
        }
    }
}

/// A page as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebPage {
    /// Where it was found in the end.
    pub url: String,
    /// As the bytes show: `text/html` or `application/pdf`; HTML with the charset that the server stated.
    pub content_type: String,
    pub bytes: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WebError {
    /// It will not be different tomorrow, or must not be tried.
    #[error("{0}")]
    Refused(String),
    /// The server is away, slow or busy.
    #[error("{0}")]
    Later(String),
}

/// Names to addresses; the system's resolver, or a test's.
#[async_trait]
pub trait Resolve: Send + Sync {
    async fn addresses(&self, host: &str, port: u16) -> Result<Vec<IpAddr>, String>;
}

pub struct SystemResolver;

#[async_trait]
impl Resolve for SystemResolver {
    async fn addresses(&self, host: &str, port: u16) -> Result<Vec<IpAddr>, String> {
        let found = tokio::net::lookup_host((host, port)).await.map_err(|error| error.to_string())?;
        Ok(found.map(|address| address.ip()).take(32).collect())
    }
}

/// Whether a link may be followed at all, without asking anybody. `Err` says why not.
pub fn check(link: &str, rules: &WebRules) -> Result<Url, String> {
    if link.len() > 2_048 || link.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err("it is no link that can be followed".to_string());
    }
    let url = Url::parse(link).map_err(|error| format!("it is no link: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!("{}: links are not followed", url.scheme()));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("it names a user".to_string());
    }
    let host = match url.host() {
        Some(Host::Domain(domain)) => domain.trim_end_matches('.').to_ascii_lowercase(),
        // However it was written (decimal, octal, hexadecimal), here it is an address.
        Some(Host::Ipv4(address)) => address.to_string(),
        Some(Host::Ipv6(address)) => format!("[{address}]"),
        None => return Err("it names no host".to_string()),
    };
    let named = match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.clone(),
    };
    if !rules.hosts.iter().any(|allowed| allows(&allowed.to_ascii_lowercase(), &named)) {
        return Err(format!("`{}` is not on the list of hosts", one_line(&named)));
    }
    if let Some(address) = literal(&url)
        && !may_reach(address, rules)
    {
        return Err(format!("{address} is no public address"));
    }
    Ok(url)
}

fn allows(allowed: &str, host: &str) -> bool {
    match allowed.strip_prefix("*.") {
        Some(domain) => host.strip_suffix(domain).is_some_and(|sub| sub.len() > 1 && sub.ends_with('.')),
        None => allowed == host,
    }
}

fn literal(url: &Url) -> Option<IpAddr> {
    match url.host()? {
        Host::Domain(_) => None,
        Host::Ipv4(address) => Some(address.into()),
        Host::Ipv6(address) => Some(address.into()),
    }
}

fn may_reach(address: IpAddr, rules: &WebRules) -> bool {
    is_public(address) || rules.loopback && address.is_loopback()
}

/// Fetches a page.
pub async fn fetch(link: &str, rules: &WebRules, resolver: &dyn Resolve) -> Result<WebPage, WebError> {
    match tokio::time::timeout(rules.timeout, follow(link, rules, resolver)).await {
        Ok(result) => result,
        Err(_) => Err(WebError::Later(format!("no page within {} seconds", rules.timeout.as_secs()))),
    }
}

async fn follow(link: &str, rules: &WebRules, resolver: &dyn Resolve) -> Result<WebPage, WebError> {
    let mut url = check(link, rules).map_err(WebError::Refused)?;
    for _ in 0..=rules.redirects_max {
        match get(&url, rules, resolver).await? {
            Got::Page(page) => return Ok(page),
            Got::Elsewhere(location) => {
                let next = url.join(&location).map_err(|_| WebError::Refused("it redirects to no link".to_string()))?;
                let whither = |why: String| WebError::Refused(format!("it redirects, but {why}"));
                if url.scheme() == "https" && next.scheme() == "http" {
                    return Err(whither("to an unprotected page".to_string()));
                }
                url = check(next.as_str(), rules).map_err(whither)?;
            }
        }
    }
    Err(WebError::Refused(format!("it redirects more than {} times", rules.redirects_max)))
}

enum Got {
    Page(WebPage),
    Elsewhere(String),
}

async fn get(url: &Url, rules: &WebRules, resolver: &dyn Resolve) -> Result<Got, WebError> {
    let later = |why: String| WebError::Later(one_line(&why));
    let port = url.port_or_known_default().unwrap_or(443);
    let host = url.host_str().unwrap_or_default().to_string();
    let addresses = match literal(url) {
        Some(address) => vec![address],
        None => resolver.addresses(&host, port).await.map_err(|why| later(format!("{host} is not found: {why}")))?,
    };
    if addresses.is_empty() {
        return Err(later(format!("{host} has no address")));
    }
    // One private address among public ones is an attack too: which one is taken would be luck.
    if let Some(closed) = addresses.iter().find(|address| !may_reach(**address, rules)) {
        return Err(WebError::Refused(format!("{host} is at {closed}, which is no public address")));
    }
    let pinned: Vec<SocketAddr> = addresses.iter().map(|address| SocketAddr::new(*address, port)).collect();
    let tls = rules.trust.client_config().map_err(|error| WebError::Later(error.to_string()))?;
    let client = reqwest::Client::builder()
        .tls_backend_preconfigured(tls.as_ref().clone())
        .resolve_to_addrs(&host, &pinned)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .referer(false)
        .timeout(rules.timeout)
        .user_agent("postern")
        .build()
        .map_err(|error| later(error.to_string()))?;
    let mut response = client
        .get(url.clone())
        .header("accept", "text/html, application/pdf, application/xhtml+xml;q=0.9")
        .header("accept-encoding", "gzip, deflate, identity;q=0.5")
        .send()
        .await
        .map_err(|error| later(causes(&error.without_url())))?;
    if response.remote_addr().is_some_and(|peer| !may_reach(peer.ip(), rules)) {
        return Err(WebError::Refused(format!("{host} led to an address that is not public")));
    }
    let status = response.status();
    if status.is_redirection()
        && let Some(location) = response.headers().get(LOCATION)
    {
        let location = location.to_str().map_err(|_| WebError::Refused("it redirects to no link".to_string()))?;
        return Ok(Got::Elsewhere(location.to_string()));
    }
    if !status.is_success() {
        let why = format!("the server answers {status}");
        let passing = matches!(status.as_u16(), 408 | 421 | 425 | 429 | 500 | 502 | 503 | 504 | 507 | 520..=599);
        return Err(if passing { WebError::Later(why) } else { WebError::Refused(why) });
    }
    let headers = response.headers().clone();
    let too_large = || WebError::Refused(format!("the page is larger than {} KiB", rules.bytes_max >> 10));
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| later(causes(&error.without_url())))? {
        if bytes.len().saturating_add(chunk.len()) > rules.bytes_max {
            return Err(too_large());
        }
        bytes.extend_from_slice(&chunk);
    }
    let bytes = unpack(&headers, bytes, rules.bytes_max)?.ok_or_else(too_large)?;
    let content_type =
        sniff(&headers, &bytes).ok_or_else(|| WebError::Refused("the page is neither HTML nor PDF".to_string()))?;
    Ok(Got::Page(WebPage { url: url.to_string(), content_type, bytes }))
}

/// What the transfer packed, unpacked; `None` when that is too large. Never more than `most` in memory.
fn unpack(headers: &HeaderMap, bytes: Vec<u8>, most: usize) -> Result<Option<Vec<u8>>, WebError> {
    let encoding = headers.get("content-encoding").and_then(|value| value.to_str().ok()).unwrap_or("identity");
    let mut out = Vec::new();
    let limit = most as u64 + 1;
    let read = match encoding.trim().to_ascii_lowercase().as_str() {
        "" | "identity" => return Ok(Some(bytes)),
        "gzip" | "x-gzip" => flate2::read::MultiGzDecoder::new(bytes.as_slice()).take(limit).read_to_end(&mut out),
        // Servers mean either by it.
        "deflate" if bytes.first().is_some_and(|byte| byte & 0x0f == 8) => {
            flate2::read::ZlibDecoder::new(bytes.as_slice()).take(limit).read_to_end(&mut out)
        }
        "deflate" => flate2::read::DeflateDecoder::new(bytes.as_slice()).take(limit).read_to_end(&mut out),
        other => return Err(WebError::Refused(format!("the page is packed as {}, unasked", one_line(other)))),
    };
    if let Err(error) = read {
        return Err(WebError::Refused(format!("the page cannot be unpacked: {error}")));
    }
    Ok((out.len() <= most).then_some(out))
}

/// What it is by its bytes; what the server states counts only for the charset.
fn sniff(headers: &HeaderMap, bytes: &[u8]) -> Option<String> {
    let head = bytes.get(..8_192).unwrap_or(bytes);
    if head.get(..1_024).unwrap_or(head).windows(5).any(|five| five == b"%PDF-") {
        return Some("application/pdf".to_string());
    }
    let text = String::from_utf8_lossy(head).replace('\0', "").to_ascii_lowercase();
    let start = text.trim_start_matches(['\u{feff}', '\u{fffd}']).trim_start();
    let signs = ["<!doctype html", "<html", "<head", "<body", "<table", "<div", "<title", "<meta"];
    if !start.starts_with('<') || !signs.iter().any(|sign| text.contains(sign)) {
        return None;
    }
    let stated = headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let charset = stated.split(';').skip(1).find_map(|part| {
        let (name, value) = part.split_once('=')?;
        name.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches('"').to_string())
    });
    let charset = charset.filter(|name| name.len() <= 40 && name.bytes().all(|b| b.is_ascii_graphic() && b != b'"'));
    Some(match charset {
        Some(charset) => format!("text/html; charset={charset}"),
        None => "text/html".to_string(),
    })
}

fn causes(error: &dyn std::error::Error) -> String {
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
    use std::io::Write as _;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    const PAGE: &str = "<!doctype html><html><body><table><tr><td>20</td></tr></table></body></html>";

    /// Answers every name with these, in turn, the last for ever.
    struct Names(Vec<Vec<&'static str>>, AtomicUsize);

    #[async_trait]
    impl Resolve for Names {
        async fn addresses(&self, _: &str, _: u16) -> Result<Vec<IpAddr>, String> {
            let asked = self.1.fetch_add(1, Ordering::SeqCst);
            let answer = self.0.get(asked).or_else(|| self.0.last()).ok_or("no such name")?;
            Ok(answer.iter().map(|text| text.parse().unwrap()).collect())
        }
    }

    fn names(answers: &[&[&'static str]]) -> Names {
        Names(answers.iter().map(|answer| answer.to_vec()).collect(), AtomicUsize::new(0))
    }

    /// A server that answers each path with what `reply` makes of it; `None` keeps silent.
    async fn server(reply: impl Fn(&str, u16) -> Option<Vec<u8>> + Send + Sync + 'static) -> (u16, Arc<AtomicUsize>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (asked, count) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let counted = Arc::clone(&asked);
        let reply = Arc::new(reply);
        let _ = count;
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let (reply, counted) = (Arc::clone(&reply), Arc::clone(&counted));
                tokio::spawn(async move {
                    let mut buffer = vec![0; 8_192];
                    let count = socket.read(&mut buffer).await.unwrap_or(0);
                    let request = String::from_utf8_lossy(&buffer[..count]).into_owned();
                    assert!(!request.to_lowercase().contains("cookie") && !request.to_lowercase().contains("referer"));
                    counted.fetch_add(1, Ordering::SeqCst);
                    let path = request.split(' ').nth(1).unwrap_or("/").to_string();
                    match reply(&path, port) {
                        Some(bytes) => {
                            let _ = socket.write_all(&bytes).await;
                        }
                        None => std::future::pending().await,
                    }
                });
            }
        });
        (port, asked)
    }

    fn http(status: &str, headers: &str, body: &[u8]) -> Option<Vec<u8>> {
        let head = format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n", body.len());
        Some([head.as_bytes(), body].concat())
    }

    fn rules(port: u16) -> WebRules {
        WebRules {
            loopback: true,
            timeout: Duration::from_secs(10),
            ..WebRules::new(vec![format!("portal.test:{port}"), format!("127.0.0.1:{port}")])
        }
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        packer.write_all(bytes).unwrap();
        packer.finish().unwrap()
    }

    /// What an honest portal shows must be read.
    #[tokio::test]
    async fn pages_are_fetched() {
        let (port, _) = server(|path, port| match path {
            "/pdf" => http("200 OK", "content-type: text/plain\r\n", b"%PDF-1.7 ..."),
            "/gzip" => http("200 OK", "content-encoding: gzip\r\n", &gzip(PAGE.as_bytes())),
            "/latin" => http("200 OK", "content-type: text/html; charset=\"iso-8859-1\"\r\n", PAGE.as_bytes()),
            "/moved" => http("302 Found", &format!("location: http://portal.test:{port}/page\r\n"), b""),
            "/relative" => http("301 Moved", "location: page?x=1\r\n", b""),
            _ => http("200 OK", "", PAGE.as_bytes()),
        })
        .await;
        let at = names(&[&["127.0.0.1"]]);
        for (path, content_type) in [
            ("page", "text/html"),
            ("pdf", "application/pdf"),
            ("gzip", "text/html"),
            ("latin", "text/html; charset=iso-8859-1"),
            ("moved", "text/html"),
            ("relative", "text/html"),
        ] {
            let page = fetch(&format!("http://portal.test:{port}/{path}"), &rules(port), &at).await.unwrap();
            assert_eq!(page.content_type, content_type, "{path}");
        }
    }

    /// Every way to make us ask where we must not: refused before anything is asked.
    #[tokio::test]
    async fn links_that_lead_inwards_are_not_followed() {
        let (port, asked) = server(|_, _| http("200 OK", "", PAGE.as_bytes())).await;
        let public = |hosts: &[&str]| WebRules {
            loopback: false,
            ..WebRules::new(hosts.iter().map(ToString::to_string).collect())
        };
        let p = port;
        let all = [
            format!("portal.test:{p}"),
            format!("127.0.0.1:{p}"),
            format!("[::1]:{p}"),
            format!("[::ffff:7f00:1]:{p}"),
        ];
        let hosts: Vec<&str> = all.iter().map(String::as_str).collect();
        let forms = [
            // The name answers with an address inside, alone or beside a public one.
            (format!("http://portal.test:{p}/"), vec!["127.0.0.1"]),
            (format!("http://portal.test:{p}/"), vec!["10.1.2.3"]),
            (format!("http://portal.test:{p}/"), vec!["169.254.169.254"]),
            (format!("http://portal.test:{p}/"), vec!["100.100.100.200"]),
            (format!("http://portal.test:{p}/"), vec!["::ffff:127.0.0.1"]),
            (format!("http://portal.test:{p}/"), vec!["fd00:ec2::254"]),
            (format!("http://portal.test:{p}/"), vec!["1.1.1.1", "127.0.0.1"]),
            // Addresses in all their spellings, even where a careless list allows them.
            (format!("http://127.0.0.1:{p}/"), vec![]),
            (format!("http://2130706433:{p}/"), vec![]),
            (format!("http://0x7f000001:{p}/"), vec![]),
            (format!("http://0177.0.0.1:{p}/"), vec![]),
            (format!("http://127.1:{p}/"), vec![]),
            (format!("http://[::1]:{p}/"), vec![]),
            (format!("http://[::ffff:127.0.0.1]:{p}/"), vec![]),
            ("http://169.254.169.254/latest/meta-data/".to_string(), vec![]),
            // Another host than it seems.
            (format!("http://portal.test:{p}@127.0.0.1:{p}/"), vec![]),
            (format!("http://portal.test@evil.test:{p}/"), vec!["1.1.1.1"]),
            (format!("http://127.0.0.1:{p}#@portal.test/"), vec![]),
            (format!("http://portal.test.evil.test:{p}/"), vec!["1.1.1.1"]),
            ("http://portal.test:22/".to_string(), vec!["1.1.1.1"]),
            (format!("http://portal.test\\@127.0.0.1:{p}/"), vec!["127.0.0.1"]),
            ("file:///etc/passwd".to_string(), vec![]),
            ("ftp://portal.test/".to_string(), vec![]),
            (format!("http://portal.test:{p}/\r\nHost: evil"), vec!["127.0.0.1"]),
        ];
        for (link, addresses) in forms {
            let at = names(&[&addresses]);
            let refused = fetch(&link, &public(&hosts), &at).await.unwrap_err();
            assert!(matches!(refused, WebError::Refused(_)), "{link}: {refused:?}");
        }
        assert_eq!(asked.load(Ordering::SeqCst), 0);
    }

    /// A redirect is a link that the mail did not show: it is held to the same rules.
    #[tokio::test]
    async fn redirects_are_held_to_the_same_rules() {
        let (inside, inside_asked) = server(|_, _| http("200 OK", "", PAGE.as_bytes())).await;
        let (port, _) = server(move |path, port| {
            let to = match path {
                "/loopback" => format!("http://127.0.0.1:{inside}/"),
                "/decimal" => format!("http://2130706433:{inside}/"),
                "/metadata" => "http://169.254.169.254/latest/meta-data/".to_string(),
                "/file" => "file:///etc/passwd".to_string(),
                "/user" => format!("http://user@portal.test:{port}/"),
                _ => format!("http://portal.test:{port}/round"),
            };
            http("302 Found", &format!("location: {to}\r\n"), b"")
        })
        .await;
        let at = names(&[&["127.0.0.1"]]);
        for path in ["loopback", "decimal", "metadata", "file", "user", "round"] {
            let refused = fetch(&format!("http://portal.test:{port}/{path}"), &rules(port), &at).await.unwrap_err();
            assert!(matches!(&refused, WebError::Refused(why) if why.contains("redirects")), "{path}: {refused:?}");
        }
        assert_eq!(inside_asked.load(Ordering::SeqCst), 0);
    }

    /// A name that answers publicly when it is checked and privately when it is used must gain nothing: it is asked once.
    #[tokio::test]
    async fn a_name_is_resolved_once_for_each_hop() {
        let (port, _) = server(|_, _| http("200 OK", "", PAGE.as_bytes())).await;
        let at = names(&[&["127.0.0.1"], &["10.0.0.1"]]);
        fetch(&format!("http://portal.test:{port}/"), &rules(port), &at).await.unwrap();
        assert_eq!(at.1.load(Ordering::SeqCst), 1);
        let second = fetch(&format!("http://portal.test:{port}/"), &rules(port), &at).await.unwrap_err();
        assert!(matches!(second, WebError::Refused(_)), "{second:?}");
    }

    /// One link must not fill the memory or hold the gateway for ever.
    #[tokio::test]
    async fn floods_and_trickles_are_cut_off() {
        let (port, _) = server(|path, _| match path {
            "/bomb" => http("200 OK", "content-encoding: gzip\r\n", &gzip(&vec![b' '; 64 << 20])),
            "/twice" => http("200 OK", "content-encoding: gzip, gzip\r\n", &gzip(&gzip(PAGE.as_bytes()))),
            "/large" => http("200 OK", "", &vec![b'x'; 2 << 20]),
            "/broken" => http("200 OK", "content-encoding: gzip\r\n", b"\x1f\x8b\x08nonsense"),
            "/text" => http("200 OK", "content-type: text/html\r\n", b"just words"),
            "/gone" => http("404 Not Found", "", b""),
            "/busy" => http("503 Busy", "", b""),
            // Given up at the limit, not at an end that may never come.
            "/flood" => {
                Some([&b"HTTP/1.1 200 OK\r\ncontent-length: 900000000\r\n\r\n"[..], &vec![b'x'; 2 << 20]].concat())
            }
            "/cut" => Some(b"HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n<html>".to_vec()),
            _ => None,
        })
        .await;
        let at = names(&[&["127.0.0.1"]]);
        let mut own = WebRules { bytes_max: 1 << 20, ..rules(port) };
        for (path, refused) in [
            ("bomb", true),
            ("twice", true),
            ("large", true),
            ("flood", true),
            ("broken", true),
            ("text", true),
            ("gone", true),
            ("busy", false),
            ("cut", false),
        ] {
            let error = fetch(&format!("http://portal.test:{port}/{path}"), &own, &at).await.unwrap_err();
            assert_eq!(matches!(error, WebError::Refused(_)), refused, "{path}: {error:?}");
        }
        own.timeout = Duration::from_millis(200);
        let silent = fetch(&format!("http://portal.test:{port}/silent"), &own, &at).await.unwrap_err();
        assert!(matches!(silent, WebError::Later(_)), "{silent:?}");
        let nobody = fetch(
            "http://portal.test:1/",
            &WebRules { loopback: true, ..WebRules::new(vec!["portal.test:1".into()]) },
            &at,
        )
        .await;
        assert!(matches!(nobody, Err(WebError::Later(_))), "{nobody:?}");
    }

    /// A list that says a domain must not mean its look-alikes.
    #[test]
    fn hosts_are_compared_whole() {
        let own = WebRules::new(vec!["portal.example.com".into(), "*.shop.example".into(), "Umläut.example".into()]);
        let allowed = |link: &str| check(link, &own).is_ok();
        assert!(allowed("https://portal.example.com/x") && allowed("https://PORTAL.example.com./x"));
        assert!(allowed("https://a.shop.example/") && allowed("https://b.a.shop.example/"));
        for link in [
            "https://shop.example/",
            "https://evilshop.example/",
            "https://portal.example.com.evil.test/",
            "https://xportal.example.com/",
            "https://portal.example.com:8443/",
            "https:///nowhere",
        ] {
            assert!(!allowed(link), "{link}");
        }
    }
}
