//! The way of a mail through the whole gateway, without sockets: what comes in, what is decided, what
//! goes out. A failure here is an order that stands still, a partner asked for nothing, or a decision
//! that nobody made.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod house;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use house::{House, Out, mapping};
use postern::gateway::News;
use postern::gateway::desk::{Act, Request, TransmissionAction};
use postern::model::{TransmissionKind as Kind, TransmissionStatus};
use postern::wire::{Batch, Drawer, Fetched, MailKey, Mailbox, WireError};

const CLEAN: &str = "10 B1 8 100.00 2026-12-21 ok\n20 B2 5 12.50 2026-12-21 ok";
const DEAR: &str = "10 B1 8 110.00 2026-12-21 ok\n20 B2 5 12.50 2026-12-28 ok";

/// The plain case: if this fails nothing works.
#[test]
fn a_clean_response_closes_and_the_channel_is_told() {
    let house = House::new();
    house.order("4711");
    let record = house.confirm("nord", "4711", CLEAN);
    assert_eq!((record.drawer.as_str(), record.responses.len()), ("response", 1), "{}", record.reason);
    assert_eq!(house.statuses("4711"), ["CLOSED"]);
    let out = house.out_to("responses@shop.example");
    assert!(out.mail.subject.contains("4711"), "{}", out.mail.subject);
    assert!(out.mail.attachments.iter().any(|a| a.name.as_deref().is_some_and(|n| n.ends_with(".json"))));
    let t = &house.transmissions("4711")[0];
    assert_eq!(
        (t.kind, t.status, t.attempts.len()),
        (Kind::SendResponseInitial, TransmissionStatus::Transmissioned, 1)
    );
    let order = house.ask(Request::OrderShow { number: "4711".into() }).value;
    assert_eq!(order["order"]["positions"][0]["announced"]["quantity_confirmed"], "8");
}

/// An approver's word must close it, and only the approver who was asked has a say.
#[test]
fn a_deviating_response_is_approved_by_reply() {
    let house = House::new();
    house.order("4711");
    house.confirm("nord", "4711", DEAR);
    assert_eq!(house.statuses("4711"), ["NOT_CHECKED_DO_APPROVE"]);
    let out = house.out();
    assert_eq!(out.len(), 2, "each approver gets a mail of their own");
    let anna = out.iter().find(|o| o.to == ["anna@shop.example"]).unwrap();
    let ben = out.iter().find(|o| o.to == ["ben@shop.example"]).unwrap();
    assert_ne!(anna.reply_to(), ben.reply_to(), "tokens are personal");

    let cases = [
        (
            "mallory@shop.example",
            "APPROVE",
            "Authentication-Results: mx.shop.example; dmarc=pass header.from=shop.example",
            "stranger",
        ),
        (
            "anna@shop.example",
            "APPROVE",
            "Authentication-Results: mx.shop.example; dmarc=fail header.from=shop.example",
            "stranger",
        ),
        (
            "anna@shop.example",
            "APPROVE",
            "Authentication-Results: mx.evil.example; dmarc=pass header.from=shop.example",
            "stranger",
        ),
        ("anna@shop.example", "APPROVE", "X-Nothing: here", "stranger"),
    ];
    for (from, words, proof, drawer) in cases {
        let record = house.reply_with(anna, from, words, proof);
        assert_eq!(record.drawer, drawer, "{from} {proof}: {}", record.reason);
        assert_eq!(house.statuses("4711"), ["NOT_CHECKED_DO_APPROVE"], "{from} {proof}");
    }
    assert!(house.out().iter().all(|o| !o.to.contains(&"mallory@shop.example".to_string())), "strangers get no answer");

    let record = house.reply(anna, "anna@shop.example", "APPROVE");
    assert_eq!(record.drawer, "decision", "{}", record.reason);
    assert_eq!(house.statuses("4711"), ["CLOSED"]);
    assert!(house.kinds("4711").contains(&Kind::SendResponseInitial));
    house.out();
    let late = house.reply(ben, "ben@shop.example", "DECLINE");
    assert_eq!(late.drawer, "decision");
    assert_eq!(house.statuses("4711"), ["CLOSED"], "the first decision won");
    let told = house.out_to("ben@shop.example");
    assert!(told.mail.text.unwrap().contains("anna@shop.example"), "ben hears who decided");
}

/// Words that are no clear decision must never move goods.
#[test]
fn what_is_not_clearly_a_decision_changes_nothing() {
    for words in [
        "yes, but only if they come on Friday",
        "APPROVE\nDECLINE",
        "Could you call me?",
        "I approve of your shirt",
        "",
    ] {
        let house = House::new();
        house.order("4711");
        house.confirm("nord", "4711", DEAR);
        let out = house.out();
        let anna = out.iter().find(|o| o.to == ["anna@shop.example"]).unwrap();
        house.reply(anna, "anna@shop.example", words);
        assert_eq!(house.statuses("4711"), ["NOT_CHECKED_DO_APPROVE"], "{words}");
    }
}

/// A decline must reach the partner, and its answer must come back to the order.
#[test]
fn a_declined_response_is_recalled_and_the_partner_answers() {
    let house = House::new();
    house.order("4711");
    house.confirm("nord", "4711", DEAR);
    let out = house.out();
    let anna = out.iter().find(|o| o.to == ["anna@shop.example"]).unwrap();
    house.reply(anna, "anna@shop.example", "DECLINE");
    assert_eq!(house.statuses("4711"), ["FAILED"]);
    let recall = house.out().into_iter().find(|o| o.to == ["ab@nord.example"]).expect("a recall goes to the partner");
    let record = house.reply(&recall, "ab@nord.example", "RECALLED");
    assert_eq!(record.drawer, "recall-answer", "{}", record.reason);
    let order = house.ask(Request::OrderShow { number: "4711".into() }).value;
    assert_eq!(order["recalls"][0]["state"], "RECALLED", "{order:#}");
}

/// A partner's mistake must come back mended, and the mended one must take the place of the first.
#[test]
fn a_faulty_response_is_asked_for_again_and_superseded() {
    let house = House::new();
    house.order("4711");
    house.confirm("nord", "4711", "10 B1 9 100.00 2026-12-21 ok\n20 B2 5 12.50 2026-12-21 ok");
    assert_eq!(house.statuses("4711"), ["IN_EXTERNAL_PROCESSING"]);
    let request = house.out_to("ab@nord.example");
    let text = request.mail.text.clone().unwrap();
    assert!(text.contains('9') && text.contains('8'), "it says what was read and what is needed: {text}");
    assert_eq!(request.mail.in_reply_to.len(), 1, "on the partner's own thread");
    house.confirm("nord", "4711", CLEAN);
    assert_eq!(house.statuses("4711"), ["FAILED", "CLOSED"]);
    assert_eq!(house.responses("4711")[0].failed_because.as_deref().map(|w| w.contains("superseded")), Some(true));
}

/// A response that comes before its order must not be lost.
#[test]
fn an_unknown_order_is_checked_again_when_it_is_registered() {
    let house = House::new();
    house.confirm("nord", "4711", CLEAN);
    assert_eq!(house.responses("4711").len(), 1);
    assert_ne!(house.statuses("4711"), ["CLOSED"]);
    house.order("4711");
    assert_eq!(house.statuses("4711"), ["CLOSED"]);
}

/// A partner must neither touch another's order nor learn that it exists.
#[test]
fn another_partners_order_looks_like_none() {
    let house = House::new();
    house.order("4711");
    house.confirm("ost", "4711", CLEAN);
    house.confirm("ost", "9999", CLEAN);
    let out = house.out();
    let words: Vec<String> = out
        .iter()
        .filter(|o| o.to == ["ab@ost.example"])
        .map(|o| o.mail.text.clone().unwrap().replace("9999", "4711"))
        .collect();
    assert_eq!(words.len(), 2);
    let plain = |text: &str| {
        text.lines().filter(|line| !line.contains("#---") && !line.contains('-')).collect::<Vec<_>>().join("\n")
    };
    assert_eq!(plain(&words[0]), plain(&words[1]), "both answers say the same");
    house.confirm("nord", "4711", CLEAN);
    assert!(
        house.statuses("4711").contains(&"CLOSED"),
        "and the order's own partner is not held up: {:?}",
        house.statuses("4711")
    );
}

/// The same mail twice must do nothing twice.
#[test]
fn copies_do_nothing_twice() {
    let house = House::new();
    house.order("4711");
    let raw = house.confirmation("nord", "4711", CLEAN, "");
    house.feed(&raw);
    house.feed(&raw);
    let other_way = house.feed(&format!("Received: by another mailbox\n{raw}"));
    assert_eq!(other_way.drawer, "duplicate");
    assert_eq!(house.responses("4711").len(), 1);
    assert_eq!(house.out().len(), 1);
}

/// A mailbox that hands out what it is given, batch by batch.
#[derive(Default)]
struct Batches {
    next: VecDeque<Result<Vec<Fetched>, WireError>>,
    filed: Arc<Mutex<Vec<(MailKey, Drawer)>>>,
    /// The first filing takes until more mails than it files were taken in.
    slow: Option<tokio::sync::broadcast::Receiver<News>>,
    /// Nothing can be filed.
    full: bool,
    /// Ends the work when the last batch is fetched.
    stop: tokio_util::sync::CancellationToken,
}

fn stranger(number: usize) -> String {
    format!("From: <x{number}@stranger.example>\nTo: orders@shop.example\nSubject: Hello\n\nHello {number}\n")
}

#[async_trait::async_trait]
impl Mailbox for Batches {
    fn name(&self) -> &str {
        "batches"
    }
    async fn fetch(&mut self, _: Batch) -> Result<Vec<Fetched>, WireError> {
        let next = self.next.pop_front();
        if self.next.is_empty() {
            self.stop.cancel();
        }
        next.unwrap_or_else(|| Ok(Vec::new()))
    }
    async fn file(&mut self, filings: &[(MailKey, Drawer)]) -> Result<(), WireError> {
        if self.full {
            return Err(WireError::Refused("quota".into()));
        }
        if let Some(mut news) = self.slow.take() {
            let mut taken = 0;
            while taken <= filings.len() {
                let next = tokio::time::timeout(std::time::Duration::from_secs(20), news.recv()).await;
                let next = next.expect("nothing was taken in while the server filed").unwrap();
                taken += usize::from(matches!(next, News::MailTaken { .. }));
            }
        }
        self.filed.lock().unwrap().extend_from_slice(filings);
        Ok(())
    }
    async fn wait(&mut self, _: std::time::Duration) -> Result<(), WireError> {
        Ok(())
    }
    async fn close(&mut self) {}
}

/// A copy right behind its original is a copy, in the same batch and in the next one; what came before the line broke
/// is committed and filed; and a mail that is found again goes where it was to go.
#[test]
fn batches_are_filed_as_they_were_taken() {
    let house = House::new();
    let mut mailbox = Batches::default();
    let mut digests = Vec::new();
    for order in ["4711", "4712", "4713"] {
        house.order(order);
        let raw = house.confirmation("nord", order, CLEAN, "");
        let (first, _) = house.fetched(&raw);
        let (copy, in_its_batch) = house.fetched(&format!("Received: by another mailbox\n{raw}"));
        let (other, in_the_next) = house.fetched(&format!("Received: by a third mailbox\n{raw}"));
        mailbox.next.extend([Ok(vec![first, copy]), Ok(vec![other])]);
        digests.extend([in_its_batch, in_the_next]);
    }
    let stranger = "From: <x@stranger.example>\nTo: orders@shop.example\nSubject: Hello\n\nHello\n";
    mailbox.next.push_back(Ok(vec![house.fetched(stranger).0]));
    mailbox.next.push_back(Err(WireError::Away("the line broke".into())));
    let filed = Arc::clone(&mailbox.filed);
    let mut mailbox: Box<dyn Mailbox> = Box::new(mailbox);
    assert!(house.runtime.block_on(house.gateway.empty(&mut mailbox)).is_err());
    for digest in &digests {
        assert_eq!(house.store.mail_by_digest(digest).unwrap().unwrap().drawer, "duplicate");
    }
    for order in ["4711", "4712", "4713"] {
        assert_eq!(house.responses(order).len(), 1, "{order}");
    }
    let review = |filed: &[(MailKey, Drawer)]| filed.iter().filter(|(_, drawer)| *drawer == Drawer::Review).count();
    let first = std::mem::take(&mut *filed.lock().unwrap());
    assert_eq!((first.len(), review(&first)), (10, 1));
    let mut again = Batches { filed: Arc::clone(&filed), ..Batches::default() };
    again.next.push_back(Ok(vec![house.fetched(stranger).0]));
    let mut again: Box<dyn Mailbox> = Box::new(again);
    assert_eq!(house.runtime.block_on(house.gateway.empty(&mut again)).unwrap(), 1);
    assert_eq!(review(&filed.lock().unwrap()), 1, "a crash before it was filed");
}

/// A partner that confirms and then changes its mind, by its own number alone, before we looked once: the second mail is
/// about the order that the first one named.
#[test]
fn a_number_that_the_mail_before_brings_is_known() {
    let house = House::new();
    let loose = mapping("nord").replace("'Your order (\\S+)'", "'Your order (\\S+)', required = false");
    assert!(loose.contains("required = false }\nsupplier"), "{loose}");
    std::fs::write(house.path().join("mappings/nord/text.toml"), loose).unwrap();
    assert!(house.ask(Request::Reload).ok);
    house.order("4711");
    let confirmed = |own: &str, lines: &str| {
        let raw = house.confirmation("nord", "4711", lines, "");
        house
            .fetched(
                &raw.replace("Your order 4711\n", own).replace("Subject: Confirmation 4711", "Subject: Confirmation"),
            )
            .0
    };
    let first = confirmed("Your order 4711\nOur order N-77\n", CLEAN);
    let second = confirmed("Our order N-77\n", DEAR);
    let unknown = confirmed("Our order N-78\n", CLEAN);
    let taken = house.gateway.take(vec![first, second, unknown], "test");
    assert!(taken.trouble.is_none());
    assert_eq!(house.responses("4711").len(), 2);
    let drawers: Vec<Drawer> = taken.filings.iter().map(|(_, drawer)| *drawer).collect();
    assert_eq!(drawers, [Drawer::Processed, Drawer::Processed, Drawer::Review]);
}

/// A server that files slowly would hold up every order behind it.
#[test]
fn mails_are_read_while_the_server_files() {
    let house = House::new();
    let mut mailbox = Batches { slow: Some(house.gateway.watch()), ..Batches::default() };
    for batch in 0..12 {
        mailbox.next.push_back(Ok((0..50).map(|mail| house.fetched(&stranger(batch * 50 + mail)).0).collect()));
    }
    let filed = Arc::clone(&mailbox.filed);
    let mut mailbox: Box<dyn Mailbox> = Box::new(mailbox);
    assert_eq!(house.runtime.block_on(house.gateway.empty(&mut mailbox)).unwrap(), 600);
    let mut keys: Vec<MailKey> = filed.lock().unwrap().iter().map(|(key, _)| key.clone()).collect();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 600, "each is filed once");
}

/// A full folder, or a gateway that is stopped: what was fetched and not filed is neither lost nor taken twice.
#[test]
fn what_could_not_be_filed_comes_again() {
    let house = House::new();
    house.order("4711");
    let raws: Vec<String> =
        std::iter::once(house.confirmation("nord", "4711", CLEAN, "")).chain((0..199).map(stranger)).collect();
    let batches = || raws.chunks(20).map(|lot| Ok(lot.iter().map(|raw| house.fetched(raw).0).collect())).collect();
    let count = || house.store.counts().unwrap().mails.values().sum::<u64>();
    let mut full: Box<dyn Mailbox> = Box::new(Batches { next: batches(), full: true, ..Batches::default() });
    let refused = house.runtime.block_on(house.gateway.empty(&mut full)).unwrap_err().to_string();
    assert!(refused.contains("quota"), "{refused}");
    assert_eq!(count(), 200, "what was fetched was committed before the filing failed");

    // Stopped while batches are fetched ahead: what is committed is filed, the rest stays where it is.
    let strangers: Vec<String> = (200..400).map(stranger).collect();
    let next = strangers.chunks(20).map(|lot| Ok(lot.iter().map(|raw| house.fetched(raw).0).collect())).collect();
    let mailbox = Batches { next, ..Batches::default() };
    let (stop, filed) = (mailbox.stop.clone(), Arc::clone(&mailbox.filed));
    let config = postern::config::MailboxConfig::default();
    house.runtime.block_on(house.gateway.take_in(Box::new(mailbox), config, stop));
    let filed = filed.lock().unwrap().len() as u64;
    assert_eq!(count(), 200 + filed);

    let mut next: VecDeque<_> = batches();
    next.extend(strangers.chunks(20).map(|lot| Ok(lot.iter().map(|raw| house.fetched(raw).0).collect())));
    let mut again: Box<dyn Mailbox> = Box::new(Batches { next, ..Batches::default() });
    assert_eq!(house.runtime.block_on(house.gateway.empty(&mut again)).unwrap(), 400);
    assert_eq!(count(), 400);
    assert_eq!(house.responses("4711").len(), 1);
}

/// A mail that ends a reader badly would come again for ever, and hold up those behind it.
#[test]
fn a_mail_that_kills_its_reader_is_kept_for_a_person() {
    let house = House::new();
    house.order("4711");
    let poison = house.feed(
        "From: nord <ab@nord.example>\nTo: orders@shop.example\nSubject: Confirmation 4711\nMIME-Version: 1.0\n\
         Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain\n\nsee the file\n\
         --b\nContent-Type: text/csv; name=a.csv\nContent-Disposition: attachment; filename=a.csv\n\n\
         KILL-READER;1\n--b--\n",
    );
    assert_eq!((poison.drawer.as_str(), poison.review), ("unreadable", true), "{}", poison.reason);
    house.confirm("nord", "4711", CLEAN);
    assert_eq!(house.responses("4711").len(), 1);
}

/// Robots must never decide, and never get an answer.
#[test]
fn robots_and_strangers_are_kept_and_not_answered() {
    let house = House::new();
    house.order("4711");
    house.confirm("nord", "4711", DEAR);
    let anna = house.out().remove(0);
    let auto = house.reply_with(
        &anna,
        "anna@shop.example",
        "APPROVE",
        "Auto-Submitted: auto-replied\nAuthentication-Results: mx.shop.example; dmarc=pass header.from=shop.example",
    );
    assert_eq!(auto.drawer, "auto-reply");
    let stranger = house.feed(
        "From: x@nowhere.example\nTo: orders@shop.example\nSubject: hello\nMessage-ID: <s@x>\n\nYour order 4711\n",
    );
    assert_eq!(stranger.drawer, "stranger");
    let unreadable =
        house.feed("From: ab@nord.example\nTo: orders@shop.example\nSubject: Newsletter\nMessage-ID: <n@x>\n\nBuy!\n");
    assert_eq!(unreadable.drawer, "unreadable");
    assert_eq!(house.statuses("4711"), ["NOT_CHECKED_DO_APPROVE"]);
    assert!(house.out().iter().all(|o| !o.to[0].contains("nowhere") && !o.to[0].contains("nord")));
}

/// What the relay refuses must not be forgotten, and a person's word must count.
#[test]
fn refused_transmissions_wait_for_a_person() {
    let house = House::new();
    house.order("4711");
    house.confirm("nord", "4711", CLEAN);
    *house.relay.refuse.lock().unwrap() = Some(postern::wire::Refusal::Temporary { answer: "451 later".into() });
    house.out();
    let t = house.transmissions("4711").remove(0);
    assert_eq!((t.status, t.retry_count), (TransmissionStatus::DoPush, 1));
    assert!(t.next_retry.is_some());
    *house.relay.refuse.lock().unwrap() = Some(postern::wire::Refusal::Permanent { answer: "550 no".into() });
    house.wait(1);
    house.out();
    let t = house.transmissions("4711").remove(0);
    assert_eq!(t.status, TransmissionStatus::DoManualCheck);
    assert_eq!(
        house.ask(Request::Alarms { open_only: true, limit: 10 }).value["alarms"][0]["kind"],
        "TRANSMISSION_STUCK"
    );
    *house.relay.refuse.lock().unwrap() = None;
    // The operators hear of it as long as it stands, and that it is over.
    let told = || house.out().into_iter().filter(|o| o.to == ["ops@shop.example"]).collect::<Vec<_>>();
    let about = |mails: &[Out]| mails.iter().filter(|o| o.mail.readable().contains(&t.id.to_string())).count();
    told();
    house.wait(25);
    assert_eq!(about(&told()), 1, "a reminder");
    let reply = house.ask(Request::TransmissionAct { id: t.id, action: TransmissionAction::Resend, by: "test".into() });
    assert!(reply.ok, "{reply:?}");
    let out = house.out();
    assert!(
        out.iter().any(|o| o.to == ["responses@shop.example"] && o.mail.message_id.as_deref() == Some(&t.message_id))
    );
    let ops: Vec<Out> = out.into_iter().filter(|o| o.to == ["ops@shop.example"]).collect();
    assert_eq!(about(&ops), 1, "it is over");
    let t = house.transmissions("4711").remove(0);
    assert_eq!((t.status, t.attempts.len()), (TransmissionStatus::Transmissioned, 4));
    assert_eq!(house.ask(Request::Alarms { open_only: true, limit: 10 }).value["alarms"].as_array().unwrap().len(), 0);
    house.wait(25);
    assert!(told().is_empty(), "nobody is reminded of what is over");
}

/// What a person does must work, be audited and be refused with a reason where it cannot be.
#[test]
fn people_correct_force_and_give_up() {
    let house = House::new();
    house.order("4711");
    house.confirm("nord", "4711", "10 B1 9 100.00 2026-12-21 ok\n20 B2 5 12.50 2026-12-21 ok");
    let id = house.responses("4711")[0].id;
    let act = |action: Act, id| {
        house.ask(Request::ResponseAct { id, action, by: "otto".into(), reason: "the partner phoned".into() })
    };
    assert!(
        act(Act::Edit(vec!["20.quantity_confirmd=8".into()]), id).message.contains("did you mean `quantity_confirmed`")
    );
    let reply = act(Act::Edit(vec!["10.quantity_confirmed=8".into()]), id);
    assert!(reply.ok, "{reply:?}");
    assert_eq!(house.statuses("4711"), ["COPIED_FOR_MANUAL_EDIT", "CLOSED"]);
    assert!(!act(Act::Force, id).ok, "what has ended cannot be forced");
    let audit = house.ask(Request::Audit { after: 0, limit: 100 }).value;
    assert!(audit["entries"].to_string().contains("otto"), "{audit:#}");
    assert!(house.ask(Request::AuditVerify).ok);
}

/// Bad mails must be kept, say why, and not hold up the next.
#[test]
fn broken_mails_do_not_stop_the_next() {
    let house = House::new();
    house.order("4711");
    let parts: String = (0..1_100).map(|i| format!("--b\nContent-Type: text/plain\n\npart {i}\n")).collect();
    let bad = [
        "garbage without any header".to_string(),
        "From: ab@nord.example\nSubject: Confirmation\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain\n\nYour ord".to_string(),
        format!("From: ab@nord.example\nSubject: Confirmation 1\nContent-Type: multipart/mixed; boundary=b\n\n{parts}--b--\n"),
        "From: ab@nord.example\nSubject: Confirmation 2\nContent-Type: application/pdf; name=a.pdf\nContent-Transfer-Encoding: base64\n\nbm8gcGRm\n".to_string(),
    ];
    for raw in &bad {
        let record = house.feed(raw);
        assert!(!record.reason.is_empty(), "{} has no reason", record.drawer);
    }
    house.confirm("nord", "4711", CLEAN);
    assert_eq!(house.statuses("4711"), ["CLOSED"]);
}
