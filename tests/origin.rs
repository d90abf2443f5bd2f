//! Who really said it, checked by the gateway itself against a DNS server of this test: signed mails, SPF by the word of our
//! own server, and what happens while DNS is silent. A failure here is a decision that a stranger made, or an honest one
//! that is lost.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod house;

use std::collections::BTreeMap;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use house::{House, Out};
use postern::gateway::desk::Request;
use postern::mail::dkim::Signer;

const DEAR: &str = "10 B1 8 110.00 2026-12-21 ok\n20 B2 5 12.50 2026-12-28 ok";
const KEY: &str = include_str!("keys/dkim-rsa.pem");
const PUBLIC: &str = include_str!("keys/dkim-rsa.pub");

/// Answers TXT questions over UDP from a table; says nothing at all while it is silent.
struct Dns {
    address: SocketAddr,
    records: Arc<Mutex<BTreeMap<String, Vec<String>>>>,
    silent: Arc<AtomicBool>,
    asked: Arc<AtomicUsize>,
}

impl Dns {
    fn start() -> Dns {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let dns = Dns {
            address: socket.local_addr().unwrap(),
            records: Arc::default(),
            silent: Arc::default(),
            asked: Arc::default(),
        };
        let key = PUBLIC.lines().filter(|line| !line.starts_with('-')).collect::<String>();
        for domain in ["shop.example", "nord.example", "evil.example"] {
            dns.set(&format!("s1._domainkey.{domain}"), &[&format!("v=DKIM1; k=rsa; p={key}")]);
        }
        dns.set("_dmarc.shop.example", &["v=DMARC1; p=reject"]);
        dns.set("shop.example", &["v=spf1 ip4:203.0.113.5 -all", "another=1"]);
        let (records, silent, asked) = (dns.records.clone(), dns.silent.clone(), dns.asked.clone());
        std::thread::spawn(move || {
            let mut packet = [0_u8; 1500];
            while let Ok((length, from)) = socket.recv_from(&mut packet) {
                asked.fetch_add(1, Ordering::SeqCst);
                if !silent.load(Ordering::SeqCst) {
                    let _ = socket.send_to(&answer(&packet[..length], &records.lock().unwrap()), from);
                }
            }
        });
        dns
    }

    fn set(&self, name: &str, texts: &[&str]) {
        self.records.lock().unwrap().insert(name.to_string(), texts.iter().map(ToString::to_string).collect());
    }

    fn silence(&self, silent: bool) {
        self.silent.store(silent, Ordering::SeqCst);
    }

    fn house(&self, policies: &str) -> House {
        House::with(
            &house::CONFIG
                .replace(
                    "authserv_id = \"mx.shop.example\"\n",
                    &format!(
                        "[gateway.own_check]\nresolvers = [\"{}\"]\ntimeout = \"1s\"\nreceived_by = \"mx.shop.example\"\n",
                        self.address
                    ),
                )
                .replace("response_trust = \"off\"", policies),
        )
    }
}

/// A response to one question: the TXT records of its name, or that there is no such name (RFC 1035).
fn answer(question: &[u8], records: &BTreeMap<String, Vec<String>>) -> Vec<u8> {
    let mut labels = Vec::new();
    let mut at = 12;
    while question[at] != 0 {
        let length = usize::from(question[at]);
        labels.push(String::from_utf8_lossy(&question[at + 1..at + 1 + length]).to_lowercase());
        at += length + 1;
    }
    let kind = u16::from_be_bytes([question[at + 1], question[at + 2]]);
    let end = at + 5;
    let texts = records.get(&labels.join(".")).filter(|_| kind == 16).cloned().unwrap_or_default();
    let code = if records.contains_key(&labels.join(".")) { 0 } else { 3 };
    let mut out = question[..2].to_vec();
    out.extend([0x81, 0x80 | code, 0, 1, 0, texts.len() as u8, 0, 0, 0, 0]);
    out.extend(&question[12..end]);
    for text in texts {
        let data: Vec<u8> =
            text.as_bytes().chunks(255).flat_map(|piece| [&[piece.len() as u8][..], piece].concat()).collect();
        out.extend([0xc0, 12, 0, 16, 0, 1, 0, 0, 0, 60]);
        out.extend((data.len() as u16).to_be_bytes());
        out.extend(data);
    }
    out
}

fn signed(domain: &str, raw: &str) -> String {
    let signer = Signer::new(domain, "s1", KEY).unwrap();
    String::from_utf8(signer.sign(raw.as_bytes(), "2026-11-23T09:00:00Z".parse().unwrap()).unwrap()).unwrap()
}

/// An order whose answer deviates, and the question to anna about it.
fn asked(house: &House) -> Out {
    house.order("4711");
    house.confirm("nord", "4711", DEAR);
    let out = house.out();
    out.into_iter().find(|out| out.to == ["anna@shop.example"]).unwrap()
}

const OURS: &str = "Return-Path: <anna@shop.example>\nReceived: from mail.shop.example (mail.shop.example [203.0.113.5])\n\tby mx.shop.example (Postfix) with ESMTPS id 1; Mon, 23 Nov 2026 09:00:00 +0000";

/// Without a server that states results, a decision counts when we can prove it ourselves, and only then.
#[test]
fn decisions_are_proved_by_our_own_check() {
    let dns = Dns::start();
    let house = dns.house("response_trust = \"off\"");
    let question = asked(&house);
    let reply = |proof: &str| house.reply_text(&question, "anna@shop.example", "APPROVE", proof);
    let fresh = signed("shop.example", &reply(""));
    let refused = [
        ("unsigned", reply("")),
        (
            "stated by a server nobody configured",
            reply("Authentication-Results: mx.shop.example; dmarc=pass header.from=shop.example"),
        ),
        ("signed by another domain", signed("evil.example", &reply(""))),
        (
            "its words changed on the way",
            signed("shop.example", &house.reply_text(&question, "anna@shop.example", "DECLINE", ""))
                .replace("DECLINE", "APPROVE"),
        ),
        (
            "its author changed on the way",
            signed("shop.example", &house.reply_text(&question, "ben@shop.example", "APPROVE", ""))
                .replace("From: <ben@", "From: <anna@"),
        ),
        (
            "a second author above",
            format!(
                "From: <anna@shop.example>\r\n{}",
                signed("evil.example", &reply("").replace("From: <anna@shop.example>", "From: <eve@evil.example>"))
            ),
        ),
        ("words added below a signature of part", fresh.replacen("c=relaxed", "l=10; c=relaxed", 1)),
        ("delivered by a stranger", reply(&OURS.replace("203.0.113.5", "198.51.100.7"))),
        (
            "our server's field forged below the true one",
            reply(&format!("{}\n{}", OURS.replace("203.0.113.5", "198.51.100.7"), OURS)),
        ),
    ];
    for (name, raw) in refused {
        let record = house.feed(&raw);
        assert_eq!(record.drawer, "stranger", "{name}: {}", record.reason);
        assert_eq!(house.statuses("4711"), ["NOT_CHECKED_DO_APPROVE"], "{name}");
    }
    assert!(house.out().is_empty(), "nobody who is refused gets an answer");
    let record = house.feed(&fresh);
    assert_eq!(record.drawer, "decision", "{}", record.reason);
    assert_eq!(house.statuses("4711"), ["CLOSED"]);
}

/// An approver whose domain does not sign must be believed when our own server took the mail from an address that may send it.
#[test]
fn spf_proves_by_our_own_servers_word() {
    let dns = Dns::start();
    let house = dns.house("response_trust = \"off\"");
    let question = asked(&house);
    let record = house.feed(&house.reply_text(&question, "anna@shop.example", "APPROVE", OURS));
    assert_eq!(record.drawer, "decision", "{}", record.reason);
    assert_eq!(house.statuses("4711"), ["CLOSED"]);
}

/// While DNS is down nothing may be believed, nothing lost, and no mail held up; afterwards the decision counts.
#[test]
fn silent_dns_defers() {
    let dns = Dns::start();
    let house = dns.house("response_trust = \"off\"");
    let question = asked(&house);
    dns.silence(true);
    let raw = signed("shop.example", &house.reply_text(&question, "anna@shop.example", "APPROVE", ""));
    let record = house.feed(&raw);
    assert_eq!(record.drawer, "deferred", "{}", record.reason);
    assert!(record.reason.contains("DNS") && record.reason.contains("looked at again"), "{}", record.reason);
    assert_eq!(house.statuses("4711"), ["NOT_CHECKED_DO_APPROVE"]);
    // Others are served meanwhile.
    house.order("4712");
    assert_eq!(
        house.confirm("nord", "4712", "10 B1 8 100.00 2026-12-21 ok\n20 B2 5 12.50 2026-12-21 ok").drawer,
        "response"
    );
    house.wait(1);
    assert_eq!(house.statuses("4711"), ["NOT_CHECKED_DO_APPROVE"]);
    dns.silence(false);
    // The resolver remembers for a moment that nobody answered.
    let began = Instant::now();
    while house.statuses("4711") != ["CLOSED"] {
        assert!(began.elapsed() < Duration::from_secs(30), "{:?}", house.mails());
        std::thread::sleep(Duration::from_millis(100));
        house.wait(1);
    }
    let record = house.store.mail(record.id).unwrap().unwrap();
    assert_eq!(record.drawer, "decision", "{}", record.reason);
    let again = house.feed(&raw);
    assert_eq!(again.drawer, "decision", "the same bytes are known");
    assert!(house.ask(Request::AuditVerify).ok);
}

/// A domain whose DNS never answers must not make its mails wait for ever, nor be believed in the end.
#[test]
fn what_cannot_be_checked_for_a_day_is_not_proved() {
    let dns = Dns::start();
    let house = dns.house("response_trust = \"prefer\"");
    dns.silence(true);
    house.order("4711");
    let record = house.confirm("nord", "4711", DEAR);
    assert_eq!(record.drawer, "deferred", "{}", record.reason);
    house.wait(2);
    assert_eq!(house.store.mail(record.id).unwrap().unwrap().drawer, "deferred");
    assert!(house.responses("4711").is_empty());
    house.wait(24);
    let record = house.store.mail(record.id).unwrap().unwrap();
    assert_eq!(record.drawer, "stranger", "{}", record.reason);
    assert!(record.reason.contains("could not be checked"), "{}", record.reason);
    assert!(house.responses("4711").is_empty() && house.out().is_empty());
    assert_eq!(house.store.blob(&record.digest).unwrap().map(|raw| raw.is_empty()), Some(false), "its bytes are kept");
}

/// With `prefer`, a partner without signatures passes and one whose domain says what it does is held to it.
#[test]
fn responses_are_held_to_what_their_domain_says() {
    let dns = Dns::start();
    let house = dns.house("response_trust = \"prefer\"");
    house.order("4711");
    assert_eq!(house.confirm("nord", "4711", DEAR).drawer, "response");
    dns.set("_dmarc.ost.example", &["v=DMARC1; p=none"]);
    let record = house.confirm("ost", "4711", DEAR);
    assert_eq!(record.drawer, "stranger", "{}", record.reason);
    assert!(record.reason.contains("publishes DMARC"), "{}", record.reason);
    let before = dns.asked.load(Ordering::SeqCst);
    house.feed("From: x@nowhere.example\nTo: orders@shop.example\nSubject: hello\nMessage-ID: <s@x>\n\nhello\n");
    assert_eq!(dns.asked.load(Ordering::SeqCst), before, "nobody asks about strangers");
}

/// A mail server that lets forged results pass must be told of before somebody uses it.
#[test]
fn results_that_our_server_did_not_strip_are_told() {
    let house = House::new();
    house.order("4711");
    assert_eq!(house.ask(Request::Status).value["warnings"], serde_json::json!([]));
    let ours = "Authentication-Results: mx.shop.example; dmarc=pass header.from=nord.example";
    house.feed(&format!("{ours}\n{}", house.confirmation("nord", "4711", DEAR, "")));
    assert_eq!(house.ask(Request::Status).value["warnings"], serde_json::json!([]));
    house.feed(&format!("{ours}\nReceived: from evil\n{ours}\n{}", house.confirmation("nord", "4712", DEAR, "")));
    let warnings = house.ask(Request::Status).value["warnings"].to_string();
    assert!(warnings.contains("ab@nord.example") && warnings.contains("2 Authentication-Results"), "{warnings}");
}
