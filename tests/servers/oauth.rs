//! Log-ins with access tokens, from `postern.toml` to Dovecot and Postfix: asked for, renewed, and kept over a restart.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use postern::demo::partners::Writing;

use crate::maillab::Lab;
use crate::site::{CLEAN, LAB, Site, answer, order};

/// A token endpoint (RFC 6749 section 6) that changes the refresh token each time and takes none twice. Its first access token
/// has expired already, as when a clock is wrong.
struct Endpoint {
    url: String,
    /// What was asked, form by form, and whether it was granted.
    asked: Arc<Mutex<Vec<(String, bool)>>>,
}

impl Endpoint {
    fn start(lab: Lab) -> Endpoint {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/token", listener.local_addr().unwrap());
        let asked: Arc<Mutex<Vec<(String, bool)>>> = Arc::default();
        let heard = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                let (mut length, mut line) = (0, String::new());
                while reader.read_line(&mut line).unwrap_or(0) > 2 {
                    if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                        length = value.trim().parse().unwrap();
                    }
                    line.clear();
                }
                let mut body = vec![0; length];
                if reader.read_exact(&mut body).is_err() {
                    continue;
                }
                let form = String::from_utf8(body).unwrap();
                let mut all = heard.lock().unwrap();
                let granted = all.iter().filter(|(_, granted)| *granted).count();
                let good = form.contains(&format!("refresh_token=refresh-{granted}"))
                    && form.contains("client_id=postern")
                    && form.contains("client_secret=quite-secret");
                let seconds = if granted == 0 { -60 } else { 600 };
                let (status, answer) = match good {
                    true => (
                        "200 OK",
                        // Used for one second, for tokens are renewed a minute before they end.
                        format!(
                            r#"{{"token_type":"Bearer","access_token":"{}","expires_in":61,"refresh_token":"refresh-{}"}}"#,
                            lab.access_token("gateway", seconds),
                            granted + 1
                        ),
                    ),
                    false => ("400 Bad Request", r#"{"error":"invalid_grant"}"#.to_string()),
                };
                all.push((form, good));
                drop(all);
                let _ = write!(
                    stream,
                    "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{answer}",
                    answer.len()
                );
            }
        });
        Endpoint { url, asked }
    }
}

/// Google and Microsoft take no passwords: the gateway must log in with tokens that it gets itself, mailbox and relay from one
/// refresh token that changes each time, and must not be locked out by a restart.
#[test]
fn tokens_are_refreshed_from_the_configuration_on() {
    let Some(lab) = Lab::find("tokens_are_refreshed_from_the_configuration_on") else { return };
    let _one = LAB.lock().unwrap_or_else(|e| e.into_inner());
    let mut site = Site::new(lab);
    let endpoint = Endpoint::start(site.lab.clone());
    let oauth = |of: &str| {
        format!(
            "[{of}.oauth]\nendpoint = \"{}\"\nclient_id = \"postern\"\nclient_secret_file = \"client\"\nrefresh_token_file = \"refresh\"\nscope = \"mail\"\n",
            endpoint.url
        )
    };
    let (user, ca) = (site.lab.address("gateway").replace('@', "%40"), site.lab.get("CA"));
    site.configure(&[
        ("password_file = \"password\"\n", ""),
        ("poll = \"2s\"\n", &format!("poll = \"2s\"\n{}", oauth("mailbox"))),
        (
            &format!("urls = [\"smtp://127.0.0.1:{}\"]\n", site.lab.get("SMTP_PORT")),
            &format!(
                "urls = [\"smtps://{user}@localhost:{}\"]\nca_file = \"{ca}\"\n{}",
                site.lab.get("SUBMISSIONS_PORT"),
                oauth("relay")
            ),
        ),
    ]);
    std::fs::remove_file(site.folder.path().join("password")).unwrap();
    std::fs::write(site.folder.path().join("client"), "quite-secret\n").unwrap();
    std::fs::write(site.folder.path().join("refresh"), "refresh-0\n").unwrap();
    assert!(site.ask(&["check"])["ok"] == true);
    site.register(&[order("O1", Writing::Text), order("O2", Writing::Text)]);
    let gateway = site.lab.address("gateway");
    for number in ["O1", "O2"] {
        site.start();
        site.send(Writing::Text.sender(), &gateway, &answer(number, "1", Writing::Text, CLEAN, None));
        site.await_statuses(number, &["CLOSED"]);
        site.await_mail("channel", number);
        site.stop();
    }
    let asked = endpoint.asked.lock().unwrap().clone();
    // Mailbox and relay, before and after the restart, and once more for the token that had expired.
    assert!(asked.len() >= 5, "{asked:?}");
    assert!(asked.iter().all(|(form, granted)| *granted && form.contains("scope=mail")), "{asked:?}");
    let kept = std::fs::read_to_string(site.folder.path().join("refresh")).unwrap();
    assert_eq!(kept.trim(), format!("refresh-{}", asked.len()));
    let log = std::fs::read_to_string(site.log_file()).unwrap();
    assert!(!log.contains("quite-secret") && !log.contains("refresh-") && !log.contains("eyJ"), "secrets in {log}");
}
