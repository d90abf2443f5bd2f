//! Who really said it, checked by the gateway itself against a DNS server of this test: signed mails, SPF by the word of our
//! own server, and what happens while DNS is silent. A failure here is a decision that a stranger made, or an honest one
//! that is lost.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "common/dns.rs"]
mod dns;
mod house;

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use dns::Dns;
use house::{House, Out};
use postern::gateway::desk::Request;
use postern::mail::dkim::Signer;

const DEAR: &str = "10 B1 8 110.00 2026-12-21 ok\n20 B2 5 12.50 2026-12-28 ok";
const KEY: &str = include_str!("keys/dkim-rsa.pem");

/// A house that checks origins itself.
fn house_with(dns: &Dns, policies: &str) -> House {
    house_trusting(dns, "", policies)
}

fn house_trusting(dns: &Dns, sealers: &str, policies: &str) -> House {
    House::with(
        &house::CONFIG
            .replace(
                "authserv_id = \"mx.shop.example\"\n",
                &format!(
                    "{sealers}[gateway.own_check]\nresolvers = [\"{}\"]\ntimeout = \"1s\"\nreceived_by = \"mx.shop.example\"\n",
                    dns.address
                ),
            )
            .replace("response_trust = \"off\"", policies),
    )
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
    let house = house_with(&dns, "response_trust = \"off\"");
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
    let house = house_with(&dns, "response_trust = \"off\"");
    let question = asked(&house);
    let record = house.feed(&house.reply_text(&question, "anna@shop.example", "APPROVE", OURS));
    assert_eq!(record.drawer, "decision", "{}", record.reason);
    assert_eq!(house.statuses("4711"), ["CLOSED"]);
}

/// An approver whose forwarder adds a footer must be believed by the seal of a forwarder that is known, and by no other's.
#[test]
fn seals_of_known_forwarders_count() {
    use mail_auth::arc::ArcSealer;
    use mail_auth::common::crypto::{RsaKey, Sha256};
    use mail_auth::common::headers::HeaderWriter as _;
    use mail_auth::dmarc::Policy;
    use mail_auth::{ArcOutput, AuthenticatedMessage, AuthenticationResults, DmarcOutput, DmarcResult};
    use rustls_pki_types::PrivateKeyDer;
    use rustls_pki_types::pem::PemObject as _;

    // As a forwarder passes it on: its own words below, and what it found out above.
    let forwarded = |sealer: &str, raw: &str, found: DmarcResult| {
        let raw = format!("{}\r\n_______________\r\nof the list\r\n", raw.trim_end());
        let key = RsaKey::<Sha256>::from_key_der(PrivateKeyDer::from_pem_slice(KEY.as_bytes()).unwrap()).unwrap();
        let message = AuthenticatedMessage::parse(raw.as_bytes()).unwrap();
        let server = format!("mx.{sealer}");
        let dmarc = DmarcOutput::new("shop.example".into()).with_dkim_result(found);
        assert_eq!(dmarc.policy(), Policy::None);
        let results = AuthenticationResults::new(&server).with_dmarc_result(&dmarc);
        let seal = ArcSealer::from_key(key).domain(sealer).selector("s1").headers(["From", "Subject", "To"]);
        let set = seal.seal(&message, &results, &ArcOutput::default()).unwrap();
        format!("{}{raw}", set.to_header())
    };
    let dns = Dns::start();
    let house = house_trusting(&dns, "arc_sealers = [\"list.example\"]\n", "response_trust = \"off\"");
    let question = asked(&house);
    let reply = signed("shop.example", &house.reply_text(&question, "anna@shop.example", "APPROVE", ""));
    let pass = || DmarcResult::Pass;
    let good = forwarded("list.example", &reply, pass());
    let refused = [
        ("no seal, the signature is broken", format!("{}\r\nof the list\r\n", reply.trim_end())),
        ("sealed by somebody unknown", forwarded("evil.example", &reply, pass())),
        ("the forwarder found nothing that proves it", forwarded("list.example", &reply, DmarcResult::None)),
        ("changed behind the seal", good.replace("of the list", "APPROVE ALL")),
        (
            "results changed under the seal",
            forwarded("list.example", &reply, DmarcResult::None).replacen("dmarc=none", "dmarc=pass", 1),
        ),
        ("seal without its key", good.replace("s=s1", "s=s2")),
    ];
    for (name, raw) in refused {
        let record = house.feed(&raw);
        assert_eq!(record.drawer, "stranger", "{name}: {}", record.reason);
        assert_eq!(house.statuses("4711"), ["NOT_CHECKED_DO_APPROVE"], "{name}");
    }
    let record = house.feed(&good);
    assert_eq!(record.drawer, "decision", "{}", record.reason);
    assert_eq!(house.statuses("4711"), ["CLOSED"]);
}

/// While DNS is down nothing may be believed, nothing lost, and no mail held up; afterwards the decision counts.
#[test]
fn silent_dns_defers() {
    let dns = Dns::start();
    let house = house_with(&dns, "response_trust = \"off\"");
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
    let house = house_with(&dns, "response_trust = \"prefer\"");
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
    let house = house_with(&dns, "response_trust = \"prefer\"");
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
