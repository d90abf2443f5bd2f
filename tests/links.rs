//! Mails that only link to what they say: the page is fetched, kept, and read. A failure here is a partner's answer
//! that nobody sees, or a gateway that asks where it must not.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod house;

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use house::House;
use postern::gateway::desk::Request;

const PAGE: &str = "<!doctype html><html><body><h1>Order confirmation</h1><p>Your order: 4711</p>\
    <table><tr><th>Pos</th><th>Article</th><th>Qty</th><th>Price</th><th>Date</th><th>State</th></tr>\
    <tr><td>10</td><td>B1</td><td>8</td><td>100.00</td><td>2026-12-21</td><td>ok</td></tr>\
    <tr><td>20</td><td>B2</td><td>5</td><td>12.50</td><td>2026-12-21</td><td>ok</td></tr></table></body></html>";

/// A portal that says what it is told to, and counts.
struct Portal {
    port: u16,
    reply: Arc<Mutex<String>>,
    asked: Arc<AtomicUsize>,
}

impl Portal {
    fn open() -> Portal {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (reply, asked) = (Arc::new(Mutex::new(ok(PAGE))), Arc::new(AtomicUsize::new(0)));
        let (said, counted) = (Arc::clone(&reply), Arc::clone(&asked));
        std::thread::spawn(move || {
            for socket in listener.incoming() {
                let mut socket = socket.unwrap();
                let mut buffer = [0; 4096];
                let _ = socket.read(&mut buffer);
                counted.fetch_add(1, Ordering::SeqCst);
                let _ = socket.write_all(said.lock().unwrap().as_bytes());
            }
        });
        Portal { port, reply, asked }
    }

    fn says(&self, reply: &str) {
        *self.reply.lock().unwrap() = reply.to_string();
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

fn ok(body: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}

fn house(port: u16) -> House {
    let house = House::new();
    let mapping = format!(
        r#"
partner = "nord"
kind = "response"
[match]
from = ["@nord.example"]
subject = 'ready for you'
[source]
part = "link"
hosts = ["127.0.0.1:{port}"]
url = '/ab/'
[formats]
decimal = "."
date = ["%Y-%m-%d"]
currency = "EUR"
[fields]
order_number = {{ label = "Your order" }}
[table.columns]
position = "Pos"
supplier_sku = "Article"
quantity_confirmed = "Qty"
price_net = "Price"
confirmed_date = "Date"
status = "State"
[codes.status]
"ok" = "accepted"
"#
    );
    std::fs::write(house.path().join("mappings/nord/portal.toml"), mapping).unwrap();
    house.gateway.reload().unwrap_or_else(|c| panic!("{}", c.iter().map(|c| c.draw(false)).collect::<String>()));
    house.order("4711");
    house
}

fn mail(port: u16, path: &str, n: u32) -> String {
    format!(
        "From: nord <ab@nord.example>\nTo: orders@shop.example\nSubject: Your confirmation is ready for you\nMessage-ID: <l{n}@nord.example>\n\
         Date: Mon, 23 Nov 2026 08:00:00 +0000\nMIME-Version: 1.0\nContent-Type: text/html; charset=utf-8\n\n\
         <p>Please see <a href=\"http://127.0.0.1:{port}{path}?key=s3cret&amp;n={n}\">your confirmation</a> or \
         <a href=\"http://127.0.0.1:{port}/unsubscribe\">unsubscribe</a>.</p>\n"
    )
}

/// The answer of a partner with a portal must count like any other, and be readable again when the portal forgot it.
#[test]
fn a_linked_page_is_read_and_kept() {
    let portal = Portal::open();
    let house = house(portal.port);
    house.gateway.allow_loopback_links();
    let record = house.feed(&mail(portal.port, "/ab/1", 1));
    assert_eq!(
        (record.drawer.as_str(), record.mapping.as_deref()),
        ("response", Some("nord/portal")),
        "{}",
        record.reason
    );
    assert_eq!(house.statuses("4711"), ["CLOSED"]);
    assert_eq!((portal.asked(), record.linked.len()), (1, 1), "the other link is not followed");
    let kept = house.store.blob(&record.linked[0].digest).unwrap().unwrap();
    assert_eq!(kept, PAGE.as_bytes());
    // Read again when the page says something else: the same comes out, and nobody is asked.
    portal.says(&ok("<html><body>expired</body></html>"));
    let since = "2026-01-01T00:00:00Z".parse().unwrap();
    let replay = house.ask(Request::MailReplay { since, partner: None, before: None, limit: 10 }).value;
    assert_eq!((replay["same"].as_u64(), replay["changed"].as_array().map(Vec::len)), (Some(1), Some(0)), "{replay}");
    assert_eq!(portal.asked(), 1);
}

/// A portal that is away for an hour must not cost the answer.
#[test]
fn a_page_that_is_away_is_asked_for_again() {
    let portal = Portal::open();
    let house = house(portal.port);
    house.gateway.allow_loopback_links();
    portal.says("HTTP/1.1 503 Busy\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    let record = house.feed(&mail(portal.port, "/ab/1", 1));
    assert_eq!(record.drawer, "waits-for-link", "{}", record.reason);
    assert!(record.reason.contains("503") && !record.reason.contains("s3cret"), "{}", record.reason);
    house.gateway.follow_links_again().unwrap();
    assert_eq!(portal.asked(), 1, "not at once");
    house.wait(1);
    assert_eq!(portal.asked(), 2);
    portal.says(&ok(PAGE));
    house.wait(1);
    assert_eq!(house.statuses("4711"), ["CLOSED"]);
    let mails = house.mails();
    assert_eq!((mails.len(), mails[0].drawer.as_str(), mails[0].linked.len()), (1, "response", 1));
    // One that never comes ends where a person sees it.
    portal.says("HTTP/1.1 503 Busy\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    house.feed(&mail(portal.port, "/ab/2", 2));
    house.wait(25);
    let mails = house.mails();
    assert!(mails.iter().any(|mail| mail.drawer == "unreadable" && mail.reason.contains("503")), "{mails:?}");
}

/// The author of a mail must not send us into our own network, whatever the mapping's list says.
#[test]
fn links_inwards_are_a_clear_fault() {
    let portal = Portal::open();
    let house = house(portal.port);
    let record = house.feed(&mail(portal.port, "/ab/1", 1));
    assert_eq!((record.drawer.as_str(), portal.asked()), ("unreadable", 0));
    assert!(record.reason.contains("no public address") && !record.reason.contains("s3cret"), "{}", record.reason);
    house.gateway.allow_loopback_links();
    for (n, reply) in [
        "HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254/latest/meta-data/\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
        "HTTP/1.1 302 Found\r\nlocation: http://2130706433:1/ab/\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
        "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
    ]
    .iter()
    .enumerate()
    {
        portal.says(reply);
        let record = house.feed(&mail(portal.port, "/ab/1", n as u32 + 2));
        assert_eq!(record.drawer, "unreadable", "{}", record.reason);
        assert!(record.reason.contains("is not read"), "{}", record.reason);
    }
    assert!(house.statuses("4711").is_empty());
}
