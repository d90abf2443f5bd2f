//! SMTP: answers sorted by what to do, messages as they were, connections kept and replaced.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use postern::demo::sandbox::fault::{Fault, Rule};
use postern::demo::sandbox::{Sandbox, SandboxSettings};
use postern::wire::net::{Security, Server};
use postern::wire::smtp::{RelayServer, SmtpRelay, SmtpSettings};
use postern::wire::{Envelope, Refusal, Relay};

use super::{AT_MOST, PATIENCE, login, plain, sample, timeouts};

pub fn relay_at(sandbox: &Sandbox, server: Server) -> SmtpRelay {
    let login = Some(login(sandbox, "gateway"));
    let mut settings = SmtpSettings::new(vec![RelayServer { server, trust: Default::default(), login }]);
    settings.timeouts = timeouts();
    settings.timeouts.command = PATIENCE;
    SmtpRelay::new(settings)
}

fn relay(sandbox: &Sandbox) -> SmtpRelay {
    relay_at(sandbox, plain(sandbox.smtp_addr))
}

pub fn to_partner(sandbox: &Sandbox) -> Envelope {
    Envelope { from: sandbox.address("gateway"), to: vec![sandbox.address("partner")] }
}

fn features(features: &[&str]) -> SandboxSettings {
    SandboxSettings {
        smtp_features: features.iter().map(|feature| feature.to_string()).collect(),
        ..SandboxSettings::default()
    }
}

/// What arrived, without the two lines that delivery puts in front.
pub fn arrived(sandbox: &Sandbox) -> Vec<Vec<u8>> {
    let mails = sandbox.mails("partner", "INBOX");
    let bare = |raw: &[u8]| raw.splitn(3, |byte| *byte == b'\n').nth(2).unwrap_or_default().to_vec();
    mails.iter().map(|mail| bare(&mail.raw)).collect()
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Told {
    Taken,
    Temporary,
    Permanent,
    Unsure,
}

fn told<T>(result: &Result<T, Refusal>) -> Told {
    match result {
        Ok(_) => Told::Taken,
        Err(Refusal::Temporary { .. }) => Told::Temporary,
        Err(Refusal::Permanent { .. }) => Told::Permanent,
        Err(Refusal::Unsure { .. }) => Told::Unsure,
    }
}

fn scripts() -> Vec<(&'static str, Rule, Fault, Told)> {
    let say = |text: &str| Fault::Answer(text.to_string());
    let on = Rule::on;
    use Told::*;
    vec![
        ("greeting 554", on("SMTP GREETING"), say("554 no service"), Temporary),
        ("greeting 421", on("SMTP GREETING"), Fault::Bye, Temporary),
        ("greeting dropped", on("SMTP GREETING"), Fault::Drop, Temporary),
        ("greeting silent", on("SMTP GREETING"), Fault::Silence, Temporary),
        ("greeting of another protocol", on("SMTP GREETING"), say("+OK POP3 ready"), Temporary),
        ("EHLO not known", on("EHLO"), say("502 what"), Temporary),
        ("EHLO dropped", on("EHLO"), Fault::Drop, Temporary),
        ("AUTH refused", on("AUTH"), say("535 5.7.8 no"), Temporary),
        ("AUTH: later", on("AUTH"), say("454 4.7.0 later"), Temporary),
        ("AUTH dropped", on("AUTH"), Fault::Drop, Temporary),
        ("MAIL 451", on("MAIL"), say("451 4.3.0 later"), Temporary),
        ("MAIL 550", on("MAIL"), say("550 5.7.1 not you"), Permanent),
        ("MAIL 552", on("MAIL"), say("552 5.3.4 too big"), Permanent),
        ("MAIL 530", on("MAIL"), say("530 5.7.0 STARTTLS first"), Temporary),
        ("MAIL 421", on("MAIL"), Fault::Bye, Temporary),
        ("MAIL dropped", on("MAIL"), Fault::Drop, Temporary),
        ("MAIL silent", on("MAIL"), Fault::Silence, Temporary),
        ("MAIL in many lines", on("MAIL"), say("451-4.3.0 not\r\n451-4.3.0 just\r\n451 4.3.0 now"), Temporary),
        ("RCPT greylisted", on("RCPT"), say("450 4.2.0 greylisted"), Temporary),
        ("RCPT 550", on("RCPT"), say("550 5.1.1 nobody"), Permanent),
        ("RCPT 452", on("RCPT"), say("452 4.5.3 too many"), Temporary),
        ("RCPT dropped", on("RCPT"), Fault::Drop, Temporary),
        ("DATA 451", on("DATA"), say("451 4.3.0 later"), Temporary),
        ("DATA 554", on("DATA"), say("554 5.7.0 no"), Permanent),
        ("DATA dropped", on("DATA"), Fault::Drop, Temporary),
        ("DATA silent", on("DATA"), Fault::Silence, Temporary),
        ("message 451", on("MESSAGE"), say("451 4.3.0 later"), Temporary),
        ("message 421", on("MESSAGE"), Fault::Bye, Temporary),
        ("message 550", on("MESSAGE"), say("550 5.7.1 spam"), Permanent),
        ("cut after DATA, not taken", on("MESSAGE"), Fault::Drop, Unsure),
        ("cut after DATA, taken", on("MESSAGE"), Fault::DropAfter, Unsure),
        ("cut within the answer", on("MESSAGE"), Fault::Cut(2), Unsure),
        ("no answer to the message", on("MESSAGE"), Fault::Silence, Unsure),
        ("nonsense for an answer", on("MESSAGE"), Fault::Say("hm?\r\n".into()), Unsure),
        ("cut after 250", on("MESSAGE"), Fault::AnswerAndDrop, Taken),
        ("slow", on("*").always(), Fault::Delay(Duration::from_millis(5)), Taken),
    ]
}

/// A refusal sorted wrongly sends a mail twice, or never, or wakes a person for a passing cloud.
#[tokio::test(flavor = "multi_thread")]
async fn every_script_is_sorted_exactly() {
    let mut running = tokio::task::JoinSet::new();
    assert!(scripts().len() >= 30);
    for pipelining in [true, false] {
        for (name, rule, fault, expected) in scripts() {
            let with: &[&str] = if pipelining { &["PIPELINING", "SIZE"] } else { &["SIZE"] };
            let mut with = with.to_vec();
            with.push("AUTH PLAIN LOGIN");
            let settings = features(&with);
            running.spawn(async move {
                let sandbox = Sandbox::start_with(settings).await.unwrap();
                let relay = relay(&sandbox);
                sandbox.fault(rule, fault);
                let envelope = to_partner(&sandbox);
                let first = relay.send(&envelope, &sample(1)).await;
                assert_eq!(told(&first), expected, "{name}, pipelining {pipelining}: {first:?}");
                assert!(sandbox.faults_used() > 0, "{name}: the script was never played");
                let taken = arrived(&sandbox).len();
                let surely = expected == Told::Taken;
                assert!(taken == usize::from(surely) || expected == Told::Unsure, "{name}: {taken} arrived");
                // Whatever happened, the next message goes through, and the first arrives whole when it is sent again.
                let again = relay.send(&envelope, &sample(2)).await;
                assert_eq!(told(&again), Told::Taken, "{name}, pipelining {pipelining}, afterwards: {again:?}");
                let all: BTreeSet<Vec<u8>> = arrived(&sandbox).into_iter().collect();
                assert!(all.contains(&sample(2)), "{name}");
                assert_eq!(all.len(), 1 + taken, "{name}");
            });
        }
    }
    while let Some(done) = running.join_next().await {
        done.unwrap();
    }
}

/// The 30 scripts over 200 mails each: every mail arrives; twice only where no answer came, and then the same bytes.
#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_mails_through_each_script() {
    let mails = if std::env::var_os("POSTERN_LONG").is_some() { 200 } else { 25 };
    let mut running = tokio::task::JoinSet::new();
    for (name, rule, fault, expected) in scripts() {
        running.spawn(async move {
            let sandbox = Sandbox::start().await.unwrap();
            let relay = Arc::new(relay(&sandbox));
            let envelope = to_partner(&sandbox);
            // Every few times anew.
            sandbox.fault(rule.skip(1).times(mails / 5), fault);
            let mut sending = tokio::task::JoinSet::new();
            for n in 1..=mails {
                let (relay, envelope) = (relay.clone(), envelope.clone());
                sending.spawn(async move {
                    let message = sample(n % 7 + 10 * n);
                    let mut unsure = 0;
                    for _ in 0..200 {
                        match relay.send(&envelope, &message).await {
                            Ok(_) => return unsure,
                            Err(Refusal::Unsure { .. }) => unsure += 1,
                            Err(_) => {}
                        }
                    }
                    panic!("never taken");
                });
            }
            let unsure: usize = sending.join_all().await.into_iter().sum();
            let arrived = arrived(&sandbox);
            let distinct: BTreeSet<&Vec<u8>> = arrived.iter().collect();
            assert_eq!(distinct.len(), mails, "{name}");
            assert!(arrived.len() <= mails + unsure, "{name}: {} arrived, {unsure} unsure", arrived.len());
            // On a loaded machine an answer may come too late, too.
            if expected != Told::Unsure && unsure == 0 {
                assert_eq!(arrived.len(), mails, "{name}");
            }
        });
    }
    while let Some(done) = running.join_next().await {
        done.unwrap();
    }
}

/// What is signed and decided must arrive byte for byte; a lone dot must neither end nor smuggle anything.
#[tokio::test]
async fn messages_arrive_as_they_were() {
    let head = "Subject: x\r\n\r\n";
    let table = [
        (format!("{head}one\r\n.\r\ntwo\r\n"), format!("{head}one\r\n.\r\ntwo\r\n")),
        (format!("{head}..two dots\r\n...\r\n."), format!("{head}..two dots\r\n...\r\n.\r\n")),
        (format!("{head}x\n.\nMAIL FROM:<evil@x.test>\n"), format!("{head}x\r\n.\r\nMAIL FROM:<evil@x.test>\r\n")),
        (format!("{head}x\r.\rQUIT\r"), format!("{head}x\r\n.\r\nQUIT\r\n\r\n")),
        (format!("{head}x\r\n.\nQUIT\r\n"), format!("{head}x\r\n.\r\nQUIT\r\n")),
        (format!("{head}ends with empty lines\r\n\r\n\r\n"), format!("{head}ends with empty lines\r\n\r\n\r\n")),
        (format!("{head}grün 確認\r\n"), format!("{head}grün 確認\r\n")),
        (format!("{head}{}", "long\r\n".repeat(50_000)), format!("{head}{}", "long\r\n".repeat(50_000))),
    ];
    for pipelining in ["PIPELINING", "NOTHING"] {
        let sandbox = Sandbox::start_with(features(&[pipelining, "8BITMIME", "AUTH PLAIN"])).await.unwrap();
        let relay = relay(&sandbox);
        for (message, _) in &table {
            relay.send(&to_partner(&sandbox), message.as_bytes()).await.unwrap();
        }
        let arrived = arrived(&sandbox);
        assert_eq!(arrived.len(), table.len());
        for (arrived, (_, expected)) in arrived.iter().zip(&table) {
            assert_eq!(String::from_utf8_lossy(arrived), *expected);
        }
    }
}

/// What cannot be sent to a server is said before it is tried, and says why.
#[tokio::test]
async fn unfit_messages_are_refused_here() {
    let sandbox = Sandbox::start_with(features(&["SIZE 1000", "AUTH PLAIN"])).await.unwrap();
    let relay = relay(&sandbox);
    let partner = || vec![sandbox.address("partner")];
    let small = b"Subject: x\r\n\r\nx\r\n".to_vec();
    let table = [
        ("", partner(), vec![b'x'; 2000], "1000 bytes"),
        ("", partner(), "Subject: x\r\n\r\ngrün\r\n".into(), "8BITMIME"),
        ("grün@sandbox.test", partner(), small.clone(), "SMTPUTF8"),
        ("a@b.test>\r\nRCPT TO:<c@d.test", partner(), small.clone(), "no mail address"),
        ("", vec!["x@y.test\r\nDATA".to_string()], small.clone(), "no mail address"),
        ("", vec![], small.clone(), "no recipient"),
        ("", vec!["nobody@sandbox.test".to_string()], small.clone(), "550 5.1.1"),
    ];
    for (from, to, message, expected) in table {
        let refused = relay.send(&Envelope { from: from.into(), to }, &message).await.unwrap_err();
        assert!(
            matches!(&refused, Refusal::Permanent { answer } if answer.contains(expected)),
            "{expected}: {refused:?}"
        );
    }
    let ok = relay.send(&Envelope { from: String::new(), to: partner() }, &small).await.unwrap();
    assert_eq!(ok.answer, "250 2.0.0 ok: queued");
    assert!(sandbox.mails("partner", "INBOX")[0].text().starts_with("Return-Path: <>\r\n"));
}

/// Of several recipients all are served or none, so that a second try does not double the first.
#[tokio::test]
async fn all_recipients_or_none() {
    for pipelining in ["PIPELINING", "NOTHING"] {
        let sandbox = Sandbox::start_with(features(&[pipelining, "AUTH PLAIN"])).await.unwrap();
        let relay = relay(&sandbox);
        let mut envelope = to_partner(&sandbox);
        envelope.to.push("nobody@sandbox.test".into());
        assert_eq!(told(&relay.send(&envelope, &sample(1)).await), Told::Permanent);
        assert!(arrived(&sandbox).is_empty());
        envelope.to.pop();
        envelope.to.push(sandbox.address("sales"));
        assert_eq!(told(&relay.send(&envelope, &sample(1)).await), Told::Taken);
        assert_eq!((arrived(&sandbox).len(), sandbox.mails("sales", "INBOX").len()), (1, 1));
    }
}

/// Servers close idle connections without a word; that must not cost a retry minutes later.
#[tokio::test]
async fn a_stale_connection_is_replaced() {
    let sandbox = Sandbox::start().await.unwrap();
    let relay = relay(&sandbox);
    sandbox.fault(Rule::on("MESSAGE").times(3), Fault::AnswerAndDrop);
    for n in 1..=5 {
        relay.send(&to_partner(&sandbox), &sample(n)).await.unwrap();
    }
    assert_eq!(arrived(&sandbox).len(), 5);
    let hellos = sandbox.heard().iter().filter(|line| line.starts_with("AUTH")).count();
    assert_eq!(hellos, 4, "three were closed, the fourth is kept");
}

/// With the first server down the second takes the mails, at once and without knocking at the first each time.
#[tokio::test]
async fn the_next_relay_takes_over() {
    let (one, two) = (Sandbox::start().await.unwrap(), Sandbox::start().await.unwrap());
    let server = |sandbox: &Sandbox| RelayServer {
        server: plain(sandbox.smtp_addr),
        trust: Default::default(),
        login: Some(login(sandbox, "gateway")),
    };
    let mut settings = SmtpSettings::new(vec![server(&one), server(&two)]);
    settings.timeouts = timeouts();
    settings.timeouts.command = PATIENCE;
    settings.shun = Duration::from_millis(300);
    let relay = SmtpRelay::new(settings);
    one.fault(Rule::on("SMTP GREETING").always(), Fault::Silence);
    let begun = Instant::now();
    for n in 1..=5 {
        relay.send(&to_partner(&one), &sample(n)).await.unwrap();
    }
    assert_eq!((arrived(&one).len(), arrived(&two).len()), (0, 5));
    assert!(begun.elapsed() < PATIENCE * 3, "the first was waited for once: {:?}", begun.elapsed());
    // Back again after a while.
    one.calm();
    tokio::time::sleep(Duration::from_millis(400)).await;
    relay.send(&to_partner(&one), &sample(6)).await.unwrap();
    assert_eq!(arrived(&one).len(), 1);
    // A message that may have been taken is not handed to the next.
    one.fault(Rule::on("MESSAGE"), Fault::DropAfter);
    assert_eq!(told(&relay.send(&to_partner(&one), &sample(7)).await), Told::Unsure);
    assert_eq!((arrived(&one).len(), arrived(&two).len()), (2, 5));
}

/// Nobody listening, an unknown name: try again later.
#[tokio::test]
async fn unreachable_is_temporary() {
    let sandbox = Sandbox::start().await.unwrap();
    for (host, port) in [("127.0.0.1", 1), ("no-such-host.invalid", 25)] {
        let relay = relay_at(&sandbox, Server { host: host.into(), port, security: Security::Plain });
        assert_eq!(told(&relay.send(&to_partner(&sandbox), &sample(1)).await), Told::Temporary);
    }
}

/// A server that lets nobody in without a log-in, and a wrong password: a matter for the configuration, not for the mail.
#[tokio::test]
async fn log_in_is_ours_to_mend() {
    let sandbox =
        Sandbox::start_with(SandboxSettings { smtp_login: true, ..SandboxSettings::default() }).await.unwrap();
    let server = RelayServer { server: plain(sandbox.smtp_addr), trust: Default::default(), login: None };
    let bare = SmtpRelay::new(SmtpSettings::new(vec![server]));
    let refused = bare.send(&to_partner(&sandbox), &sample(1)).await;
    assert_eq!(told(&refused), Told::Temporary, "{refused:?}");
    relay(&sandbox).send(&to_partner(&sandbox), &sample(1)).await.unwrap();
}

/// Several callers share the connections; each message arrives once.
#[tokio::test(flavor = "multi_thread")]
async fn many_callers_share_few_connections() {
    let sandbox = Sandbox::start().await.unwrap();
    let relay = Arc::new(relay(&sandbox));
    let envelope = to_partner(&sandbox);
    let mut sending = tokio::task::JoinSet::new();
    for n in 1..=300 {
        let (relay, envelope) = (relay.clone(), envelope.clone());
        sending.spawn(async move { relay.send(&envelope, &sample(n)).await });
    }
    assert!(sending.join_all().await.iter().all(Result::is_ok));
    let distinct: BTreeSet<Vec<u8>> = arrived(&sandbox).into_iter().collect();
    assert_eq!((distinct.len(), arrived(&sandbox).len()), (300, 300));
    let connections = sandbox.heard().iter().filter(|line| *line == "AUTH").count();
    assert!(connections <= 4, "{connections} connections");
    tokio::time::timeout(AT_MOST, relay.close()).await.unwrap();
    assert!(sandbox.heard().iter().any(|line| line == "QUIT"));
}
