//! The whole gateway, as a program of its own, on real mail servers: Dovecot keeps the mailboxes, Postfix
//! carries the mails. What fails here fails at a customer's.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../common/dns.rs"]
mod dns;
#[path = "../common/maillab.rs"]
mod maillab;
mod oauth;
#[path = "../common/program.rs"]
mod program;
mod signed;
mod site;
mod two;
mod weather;

use std::time::Duration;

use maillab::Lab;
use postern::demo::partners::{AnswerLine, Writing};
use postern::demo::{load, story};
use site::{CLEAN, DEAR, LAB, Site, WRONG, answer, order};

/// A user's first day: every format closes, a question is answered both ways, a mistake is mended.
#[test]
fn the_main_job_on_real_servers() {
    let Some(lab) = Lab::find("the_main_job_on_real_servers") else { return };
    let _one = LAB.lock().unwrap_or_else(|e| e.into_inner());
    let mut site = Site::new(lab);
    site.start();
    let gateway = site.lab.address("gateway");
    let cases = [
        ("S1", Writing::Text, CLEAN),
        ("S2", Writing::Html, CLEAN),
        ("S3", Writing::Pdf, CLEAN),
        ("S4", Writing::Text, DEAR),
        ("S5", Writing::Html, DEAR),
        ("S6", Writing::Pdf, WRONG),
    ];
    site.register(&cases.iter().map(|(number, writing, _)| order(number, *writing)).collect::<Vec<_>>());
    let say = |number: &str, version: &str, writing: Writing, lines: &[AnswerLine], in_reply_to: Option<&str>| {
        site.send(writing.sender(), &gateway, &answer(number, version, writing, lines, in_reply_to));
    };
    for (number, writing, lines) in cases {
        say(number, "1", writing, lines, None);
    }
    for number in ["S1", "S2", "S3"] {
        site.await_statuses(number, &["CLOSED"]);
        site.await_mail("channel", number);
    }
    let approver = site.lab.address("approver");
    for (number, words, ends) in [("S4", "APPROVE", "CLOSED"), ("S5", "DECLINE", "FAILED")] {
        let question = site.await_mail("approver", number);
        let reply_to = question.reply_to[0].address.clone();
        assert!(reply_to.starts_with("gateway+"), "the token travels in the reply address: {reply_to}");
        site.send(&approver, &reply_to, story::reply(&question, &approver, &reply_to, words).as_bytes());
        site.await_statuses(number, &[ends]);
    }
    let recall = site.await_mail("partner", "S5");
    assert!(recall.text.unwrap_or_default().contains("RECALLED"), "it says how to answer");
    let request = site.await_mail("partner", "S6");
    say("S6", "2", Writing::Pdf, CLEAN, request.message_id.as_deref());
    site.await_statuses("S6", &["FAILED", "CLOSED"]);
    let counts = site.ask(&["status"]);
    assert_eq!(counts["mails"]["response"], 7, "{counts:#}");
    assert!(site.ask(&["audit", "verify"])["ok"] == true);
    // Nothing is left in the inbox.
    site.kill();
    assert_eq!(site.drain("gateway").len(), 0);
}

/// A power cut at any moment: every mail is processed once, no transmission is missing, and a doubled
/// one is the same to the last byte.
#[test]
fn kills_lose_and_double_nothing() {
    let Some(lab) = Lab::find("kills_lose_and_double_nothing") else { return };
    let _one = LAB.lock().unwrap_or_else(|e| e.into_inner());
    let long = std::env::var_os("POSTERN_LONG").is_some();
    let (count, kills) = if long { (3_000, 500) } else { (300, 40) };
    let mut site = Site::new(lab);
    let gateway = site.lab.address("gateway");
    site.register(&(0..count).map(load::order).collect::<Vec<_>>());
    let mut random = fastrand::Rng::with_seed(20_261_122);
    let mut sent = 0;
    for _ in 0..kills {
        // Mails arrive while the gateway lives and dies.
        let until = (sent + count / kills + 1).min(count);
        for number in sent..until {
            let (writing, raw) = load::mail(number).unwrap();
            site.send(writing.sender(), &gateway, &raw);
        }
        sent = until;
        site.start();
        std::thread::sleep(Duration::from_millis(random.u64(30..700)));
        site.kill();
    }
    site.start();
    let doubled = site.all_came_once(count);
    println!("{count} mails, {kills} kills: 0 lost, 0 processed twice, {doubled} sent again identically");
}
