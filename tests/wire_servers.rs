//! The wire against real servers: Dovecot, Postfix and Cyrus, straight and through a proxy that cuts.
//!
//! Needs a running lab (`scripts/maillab start --cyrus --sink`); without one every test says that it is skipped.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test's helpers end the test")]

#[path = "common/maillab.rs"]
mod maillab;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use maillab::Lab;
use postern::demo::sandbox::proxy::{Proxy, Weather};
use postern::wire::imap::{ImapMailbox, ImapSettings};
use postern::wire::login::{Login, Secret, TokenFile};
use postern::wire::net::{Security, Trust};
use postern::wire::smtp::{RelayServer, SmtpRelay, SmtpSettings};
use postern::wire::{Batch, Body, Drawer, Envelope, Fetched, MailKey, Mailbox, Refusal, Relay, WireError};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufStream};

const AT_MOST: Duration = Duration::from_secs(60);

fn relay(server: RelayServer) -> SmtpRelay {
    SmtpRelay::new(SmtpSettings::new(vec![server]))
}

fn envelope(lab: &Lab, from: &str, to: &str) -> Envelope {
    Envelope { from: lab.address(from), to: vec![lab.address(to)] }
}

fn mail(n: usize, text: &str) -> Vec<u8> {
    format!("From: partner@lab.test\r\nTo: gateway@lab.test\r\nSubject: mail {n}\r\nMessage-ID: <{n}@lab.test>\r\n\r\n{text}\r\n").into_bytes()
}

fn body(mail: &Fetched) -> &[u8] {
    match &mail.body {
        Body::Whole(raw) => raw,
        other => panic!("{other:?}"),
    }
}

/// The text behind the header.
fn text(mail: &Fetched) -> String {
    let raw = String::from_utf8_lossy(body(mail)).into_owned();
    raw.split_once("\r\n\r\n").map(|(_, text)| text.to_string()).unwrap_or_default()
}

fn number(mail: &Fetched) -> usize {
    let raw = String::from_utf8_lossy(body(mail)).into_owned();
    let after = raw.split("Subject: mail ").nth(1).unwrap_or_default().to_string();
    after.lines().next().and_then(|digits| digits.trim().parse().ok()).unwrap_or_else(|| panic!("{raw}"))
}

fn filings(mails: &[Fetched], drawer: Drawer) -> Vec<(MailKey, Drawer)> {
    mails.iter().map(|mail| (mail.key.clone(), drawer)).collect()
}

/// Fetches and files until `count` mails came, waiting for those on their way. Errors are counted and borne.
async fn take(mailbox: &mut ImapMailbox, count: usize) -> (BTreeMap<usize, Vec<String>>, usize) {
    let begun = Instant::now();
    let mut came: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    let mut errors = 0;
    let mut filed = BTreeSet::new();
    while filed.len() < count {
        assert!(begun.elapsed() < AT_MOST, "{} of {count} filed, {} came, {errors} errors", filed.len(), came.len());
        let mails = match mailbox.fetch(Batch { count_max: 8, ..Batch::default() }).await {
            Ok(mails) if mails.is_empty() => {
                errors += usize::from(mailbox.wait(Duration::from_millis(200)).await.is_err());
                continue;
            }
            Ok(mails) => mails,
            Err(_) => {
                errors += 1;
                continue;
            }
        };
        for mail in &mails {
            came.entry(number(mail)).or_default().push(text(mail));
        }
        match mailbox.file(&filings(&mails, Drawer::Processed)).await {
            Ok(()) => filed.extend(mails.iter().map(number)),
            Err(_) => errors += 1,
        }
    }
    (came, errors)
}

/// Files what an earlier run left behind.
async fn empty(settings: &ImapSettings) {
    let mut mailbox = ImapMailbox::new(settings.clone());
    loop {
        let mails = mailbox.fetch(Batch::default()).await.unwrap();
        if mails.is_empty() {
            break;
        }
        mailbox.file(&filings(&mails, Drawer::Review)).await.unwrap();
    }
    mailbox.close().await;
}

/// How many mails lie in a folder, asked over a connection of its own.
async fn count(settings: &ImapSettings, folder: &str) -> usize {
    let mut settings = settings.clone();
    settings.folder = folder.to_string();
    let mut mailbox = ImapMailbox::new(settings);
    let mut all = 0;
    loop {
        match mailbox.fetch(Batch::default()).await.unwrap().len() {
            0 => return all,
            some => all += some,
        }
    }
}

/// Hands a mail to an LMTP server.
async fn lmtp(lab: &Lab, port: &str, to: &str, mails: &[Vec<u8>]) {
    let mut stream = BufStream::new(tokio::net::TcpStream::connect(lab.addr(port)).await.unwrap());
    let mut hear = String::new();
    stream.read_line(&mut hear).await.unwrap();
    let mut script = vec![(b"LHLO test\r\n".to_vec(), "250 ")];
    for mail in mails {
        script.push((b"MAIL FROM:<partner@lab.test>\r\n".to_vec(), "250 "));
        script.push((format!("RCPT TO:<{to}>\r\n").into_bytes(), "250 "));
        script.push((b"DATA\r\n".to_vec(), "354 "));
        script.push(([mail.as_slice(), b".\r\n"].concat(), "250 "));
    }
    for (said, expected) in script {
        stream.write_all(&said).await.unwrap();
        stream.flush().await.unwrap();
        loop {
            hear.clear();
            stream.read_line(&mut hear).await.unwrap();
            if hear.get(3..4) != Some("-") {
                break;
            }
        }
        assert!(hear.starts_with(expected), "{hear}");
    }
}

/// Each way in reads the same mailbox; a stranger's certificate, a wrong password and a plain connection to a name are refused.
#[tokio::test]
async fn dovecot_doors() {
    let Some(lab) = Lab::find("dovecot_doors") else { return };
    let login = lab.login("approver");
    for (port, security) in [("IMAP", Security::Plain), ("IMAP", Security::StartTls), ("IMAPS", Security::Tls)] {
        let mut settings = ImapSettings::new("x", lab.server(port, security), login.clone());
        settings.trust = lab.trust();
        let mut mailbox = ImapMailbox::new(settings.clone());
        mailbox.probe().await.unwrap();
        mailbox.fetch(Batch::default()).await.unwrap();
        mailbox.close().await;
        if security != Security::Plain {
            settings.trust = Trust::default();
            let error = ImapMailbox::new(settings.clone()).probe().await.unwrap_err();
            assert!(matches!(&error, WireError::Refused(text) if text.contains("certificate")), "{error}");
            settings.trust = lab.trust();
            settings.server.host = "127.0.0.2".into();
            let error = ImapMailbox::new(settings.clone()).probe().await.unwrap_err();
            assert!(error.to_string().contains("127.0.0.2"), "{error}");
            settings.server.host = "localhost".into();
        }
        settings.login = Login::Password { user: lab.address("approver"), password: Secret::new("wrong-one") };
        let error = ImapMailbox::new(settings).probe().await.unwrap_err();
        assert!(
            matches!(&error, WireError::Refused(text) if text.contains("log-in") && !text.contains("wrong-one")),
            "{error}"
        );
    }
}

/// XOAUTH2 with a token from a file, in IMAP and SMTP; an expired one is refused without hanging.
#[tokio::test]
async fn tokens_log_in() {
    let Some(lab) = Lab::find("tokens_log_in") else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    for (seconds, fine) in [(600, true), (-60, false)] {
        std::fs::write(&path, lab.access_token("tokens", seconds)).unwrap();
        let login = Login::OAuth { user: lab.address("tokens"), tokens: Arc::new(TokenFile(path.clone())) };
        let mut settings = lab.imap("tokens");
        settings.login = login.clone();
        let probed = ImapMailbox::new(settings).probe().await;
        assert_eq!(probed.is_ok(), fine, "{probed:?}");
        assert!(fine || matches!(probed, Err(WireError::Refused(_))));
        let server = RelayServer {
            server: lab.server("SUBMISSION", Security::StartTls),
            trust: lab.trust(),
            login: Some(login),
        };
        let sent = relay(server).send(&envelope(&lab, "tokens", "tokens"), &mail(1, "x")).await;
        assert_eq!(sent.is_ok(), fine, "{sent:?}");
        assert!(fine || matches!(sent, Err(Refusal::Temporary { .. })));
    }
}

/// Each way out hands mails over; answers are sorted.
#[tokio::test]
async fn postfix_doors() {
    let Some(lab) = Lab::find("postfix_doors") else { return };
    let login = Some(lab.login("doors"));
    let doors = [
        lab.smtp(),
        RelayServer { server: lab.server("SUBMISSION", Security::StartTls), trust: lab.trust(), login: login.clone() },
        RelayServer { server: lab.server("SUBMISSIONS", Security::Tls), trust: lab.trust(), login: login.clone() },
    ];
    for door in doors {
        let secured = door.login.is_some();
        let relay = relay(door.clone());
        relay.probe().await.unwrap();
        for n in 1..=3 {
            let accepted = relay.send(&envelope(&lab, "doors", "doors"), &mail(n, "x")).await.unwrap();
            assert!(accepted.answer.starts_with("250 2.0.0 Ok: queued as"), "{accepted:?}");
        }
        for (to, permanent, words) in
            [("reject", true, "550 5.7.1"), ("later", false, "451 4.3.0"), ("nobody", true, "550 5.1.1")]
        {
            let refused = relay.send(&envelope(&lab, "doors", to), &mail(4, "x")).await.unwrap_err();
            assert_eq!(matches!(refused, Refusal::Permanent { .. }), permanent, "{refused:?}");
            assert!(refused.to_string().contains(words), "{refused}");
        }
        let huge = vec![b'x'; 53 << 20];
        let refused = relay.send(&envelope(&lab, "doors", "doors"), &huge).await.unwrap_err();
        assert!(matches!(&refused, Refusal::Permanent { answer } if answer.contains("52428800")), "{refused:?}");
        relay.send(&envelope(&lab, "doors", "doors"), &mail(5, "after all that")).await.unwrap();
        relay.close().await;
        if secured {
            let wrong = Login::Password { user: lab.address("doors"), password: Secret::new("wrong-one") };
            let refused = self::relay(RelayServer { login: Some(wrong), ..door.clone() }).probe().await.unwrap_err();
            assert!(matches!(&refused, Refusal::Temporary { answer } if answer.contains("535")), "{refused:?}");
            let none = self::relay(RelayServer { login: None, ..door.clone() });
            assert!(
                none.send(&envelope(&lab, "doors", "doors"), &mail(6, "x")).await.is_err(),
                "no relay without a log-in"
            );
            let refused = self::relay(RelayServer { trust: Trust::default(), ..door }).probe().await.unwrap_err();
            assert!(refused.to_string().contains("certificate"), "{refused}");
        }
    }
}

/// What goes in at Postfix comes out at Dovecot byte for byte, dots and all, and lies once in its drawer.
#[tokio::test]
async fn through_postfix_and_dovecot() {
    let Some(lab) = Lab::find("through_postfix_and_dovecot") else { return };
    let mut settings = lab.imap("gateway");
    settings.processed = "Erledigt/Bestätigt".to_string();
    empty(&settings).await;
    let before = count(&settings, "INBOX").await;
    assert_eq!(before, 0);
    let texts = [
        "plain",
        "one\r\n.\r\n..\r\n.two",
        "grün 確認 €",
        &"long line of an order\r\n".repeat(20_000),
        "ends\r\n\r\n\r\n",
    ];
    let relay = relay(lab.smtp());
    for (n, text) in texts.iter().enumerate() {
        relay.send(&envelope(&lab, "partner", "gateway+r18342.7q2k"), &mail(n, text)).await.unwrap();
    }
    let mut mailbox = ImapMailbox::new(settings.clone());
    let already = count_of_folder(&settings).await;
    let (came, errors) = take(&mut mailbox, texts.len()).await;
    assert_eq!(errors, 0);
    for (n, text) in texts.iter().enumerate() {
        assert_eq!(came[&n], [format!("{text}\r\n")], "mail {n}");
    }
    assert_eq!(count(&settings, "INBOX").await, 0);
    assert_eq!(count(&settings, "Erledigt/Bestätigt").await, already + texts.len());
}

async fn count_of_folder(settings: &ImapSettings) -> usize {
    let mut there = settings.clone();
    there.folder.clone_from(&settings.processed);
    match ImapMailbox::new(there).probe().await {
        Ok(()) => count(settings, &settings.processed).await,
        Err(_) => 0,
    }
}

/// A push by IDLE arrives within seconds; a huge mail comes as its header.
#[tokio::test]
async fn dovecot_idles() {
    let Some(lab) = Lab::find("dovecot_idles") else { return };
    let settings = lab.imap("sales");
    empty(&settings).await;
    idles(&lab, settings, "LMTP", &lab.address("sales")).await;
}

/// The same from Cyrus.
#[tokio::test]
async fn cyrus_idles() {
    let Some(lab) = Lab::find("cyrus_idles") else { return };
    let settings = lab.cyrus("idler");
    empty(&settings).await;
    idles(&lab, settings, "CYRUS_LMTP", "idler").await;
}

async fn idles(lab: &Lab, settings: ImapSettings, port: &str, to: &str) {
    let mut mailbox = ImapMailbox::new(settings);
    assert!(mailbox.fetch(Batch::default()).await.unwrap().is_empty());
    let begun = Instant::now();
    let mails = [mail(1, "x")];
    let (waited, ()) = tokio::join!(mailbox.wait(AT_MOST), lmtp(lab, port, to, &mails));
    waited.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    let mails = mailbox.fetch(Batch::default()).await.unwrap();
    assert_eq!(mails.len(), 1);
    mailbox.file(&filings(&mails, Drawer::Processed)).await.unwrap();
    lmtp(lab, port, to, &[mail(2, &"x\r\n".repeat(100_000))]).await;
    let mut mails = Vec::new();
    while mails.is_empty() {
        mailbox.wait(Duration::from_secs(1)).await.unwrap();
        mails = mailbox.fetch(Batch { mail_bytes_max: 100_000, ..Batch::default() }).await.unwrap();
    }
    assert!(matches!(&mails[0].body, Body::TooLarge { header } if header.ends_with(b"\r\n\r\n")), "{:?}", mails[0].key);
    mailbox.file(&filings(&mails, Drawer::Review)).await.unwrap();
    mailbox.close().await;
}

/// A second server, unrelated to the first: several hundred mails come once each and are filed, in folders by name.
#[tokio::test]
async fn cyrus_drains() {
    let Some(lab) = Lab::find("cyrus_drains") else { return };
    let mut settings = lab.cyrus("drainer");
    settings.review = "Prüfen & mehr".to_string();
    empty(&settings).await;
    let mails: Vec<Vec<u8>> = (0..300).map(|n| mail(n, &"line\r\n".repeat(n))).collect();
    lmtp(&lab, "CYRUS_LMTP", "drainer", &mails).await;
    let before = count_of_folder(&settings).await;
    let mut mailbox = ImapMailbox::new(settings.clone());
    let (came, errors) = take(&mut mailbox, 300).await;
    assert_eq!((came.len(), errors), (300, 0));
    assert!(came.iter().all(|(n, texts)| *texts == [format!("{}\r\n", "line\r\n".repeat(*n))]));
    assert_eq!(count(&settings, "INBOX").await, 0);
    assert_eq!(count(&settings, &settings.processed).await, before + 300);
    // A folder that vanished while the connection stands is made again.
    lmtp(&lab, "CYRUS_LMTP", "drainer", &mails[..2]).await;
    let mails = mailbox.fetch(Batch::default()).await.unwrap();
    mailbox.file(&filings(&mails, Drawer::Review)).await.unwrap();
    assert!(count(&settings, "Prüfen & mehr").await >= 2);
}

/// Through a proxy whose connections break anywhere: all mails come whole and are filed once.
#[tokio::test(flavor = "multi_thread")]
async fn cut_connections_to_both() {
    let Some(lab) = Lab::find("cut_connections_to_both") else { return };
    let mails: Vec<Vec<u8>> = (0..60).map(|n| mail(n, &format!("line {n}\r\n").repeat(n * 10))).collect();
    let dovecot = {
        let mut settings = lab.imap("customer");
        settings.server = lab.server("IMAP", Security::Plain);
        (settings, "IMAP", "LMTP", lab.address("customer"))
    };
    let cyrus = (lab.cyrus("cutter"), "CYRUS_IMAP", "CYRUS_LMTP", "cutter".to_string());
    for (settings, imap, port, to) in [dovecot, cyrus] {
        empty(&settings).await;
        let before = count_of_folder(&settings).await;
        lmtp(&lab, port, &to, &mails).await;
        let mut random = fastrand::Rng::with_seed(18342);
        // Three of four connections break within the first 40 KB; the folder holds about 180 KB.
        let proxy = Proxy::start(lab.addr(imap), move |number| match number % 4 {
            3 => Weather { delay: Duration::from_millis(1), ..Weather::default() },
            0 => Weather { cut_up: Some(random.u64(0..400)), ..Weather::default() },
            _ => Weather { cut_down: Some(random.u64(0..40_000)), ..Weather::default() },
        })
        .await
        .unwrap();
        let mut through = settings.clone();
        through.server.port = proxy.addr.port();
        through.timeouts.read = Duration::from_secs(2);
        let (came, _) = take(&mut ImapMailbox::new(through), 60).await;
        assert!(proxy.connections() > 1, "{imap}: nothing broke");
        for (n, texts) in came {
            assert!(
                texts.iter().all(|text| *text == format!("{}\r\n", format!("line {n}\r\n").repeat(n * 10))),
                "{imap}: mail {n}"
            );
        }
        assert_eq!(count(&settings, "INBOX").await, 0, "{imap}");
        assert_eq!(count(&settings, &settings.processed).await, before + 60, "{imap}");
    }
}

/// Over TLS a flipped bit breaks the connection and never a mail.
#[tokio::test(flavor = "multi_thread")]
async fn spoilt_bytes_under_tls() {
    let Some(lab) = Lab::find("spoilt_bytes_under_tls") else { return };
    let settings = lab.imap("approver");
    empty(&settings).await;
    let mails: Vec<Vec<u8>> = (0..30).map(|n| mail(n, &format!("line {n}\r\n").repeat(n * 20))).collect();
    lmtp(&lab, "LMTP", &lab.address("approver"), &mails).await;
    let mut random = fastrand::Rng::with_seed(99);
    let proxy = Proxy::start(lab.addr("IMAPS"), move |number| match number % 3 {
        2 => Weather::default(),
        _ => Weather { corrupt_down: Some(random.u64(0..30_000)), ..Weather::default() },
    })
    .await
    .unwrap();
    let mut through = settings.clone();
    through.server.port = proxy.addr.port();
    through.timeouts.read = Duration::from_secs(2);
    let (came, _) = take(&mut ImapMailbox::new(through), 30).await;
    assert!(proxy.connections() > 1, "nothing broke");
    assert!(
        came.iter().all(|(n, texts)| texts
            .iter()
            .all(|text| *text == format!("{}\r\n", format!("line {n}\r\n").repeat(n * 20))))
    );
    assert_eq!(count(&settings, "INBOX").await, 0);
}

/// A folder whose UIDs were given anew (a restore): old keys touch nothing, and every mail is still filed once.
#[tokio::test]
async fn dovecot_restored() {
    let Some(lab) = Lab::find("dovecot_restored") else { return };
    let mut settings = lab.imap("channel");
    settings.processed = "Restored".to_string();
    empty(&settings).await;
    let before = count_of_folder(&settings).await;
    let mails: Vec<Vec<u8>> = (0..12).map(|n| mail(n, "x")).collect();
    lmtp(&lab, "LMTP", &lab.address("channel"), &mails).await;
    let mut mailbox = ImapMailbox::new(settings.clone());
    let old = mailbox.fetch(Batch::default()).await.unwrap();
    assert_eq!(old.len(), 12);
    mailbox.close().await;
    let home = format!("{}/mail/channel/Maildir", lab.get("DIR"));
    for entry in std::fs::read_dir(&home).unwrap() {
        let entry = entry.unwrap();
        if entry.file_name().into_string().unwrap().starts_with("dovecot.index") {
            let _ = std::fs::remove_file(entry.path());
        }
    }
    // UIDs live in this file; its first line says `V` and the validity, made from the clock.
    let list = format!("{home}/dovecot-uidlist");
    let text = std::fs::read_to_string(&list).unwrap();
    let validity: u32 = text.split(" V").nth(1).and_then(|rest| rest.split(' ').next()?.parse().ok()).unwrap();
    let text = text.replacen(&format!(" V{validity} "), &format!(" V{} ", validity + 1000), 1);
    std::fs::write(&list, text).unwrap();
    mailbox.file(&filings(&old[..6], Drawer::Processed)).await.unwrap();
    let new = mailbox.fetch(Batch::default()).await.unwrap();
    assert_eq!(new.len(), 12, "nothing was filed by an old key");
    assert_ne!(old[0].key, new[0].key);
    mailbox.file(&filings(&new, Drawer::Processed)).await.unwrap();
    assert_eq!((count(&settings, "INBOX").await, count(&settings, "Restored").await), (0, before + 12));
}

/// Two gateways at one folder disturb each other with no error, and every mail is filed.
#[tokio::test(flavor = "multi_thread")]
async fn two_at_one_folder() {
    let Some(lab) = Lab::find("two_at_one_folder") else { return };
    for (settings, port, to) in
        [(lab.imap("supplier"), "LMTP", lab.address("supplier")), (lab.cyrus("both"), "CYRUS_LMTP", "both".into())]
    {
        let mut settings = settings;
        settings.processed = "Both".to_string();
        empty(&settings).await;
        let mails: Vec<Vec<u8>> = (1000..1080).map(|n| mail(n, "x")).collect();
        lmtp(&lab, port, &to, &mails).await;
        let work = || {
            let settings = settings.clone();
            async move {
                let mut mailbox = ImapMailbox::new(settings);
                let mut idle = 0;
                while idle < 3 {
                    let mails = mailbox.fetch(Batch { count_max: 7, ..Batch::default() }).await.unwrap();
                    idle = if mails.is_empty() { idle + 1 } else { 0 };
                    let of_ours: Vec<Fetched> = mails.into_iter().filter(|mail| number(mail) >= 1000).collect();
                    mailbox.file(&filings(&of_ours, Drawer::Processed)).await.unwrap();
                }
            }
        };
        tokio::join!(work(), work());
        // Dovecot copies a mail for each of two MOVEs that come at once: at least once is what can be had.
        let mut there = settings.clone();
        there.folder.clone_from(&settings.processed);
        let filed = ImapMailbox::new(there).fetch(Batch { count_max: 10_000, ..Batch::default() }).await.unwrap();
        let distinct: BTreeSet<usize> = filed.iter().map(number).collect();
        assert_eq!(
            distinct.into_iter().filter(|n| *n >= 1000).collect::<Vec<_>>(),
            (1000..1080).collect::<Vec<_>>(),
            "{port}"
        );
        assert_eq!(count(&settings, "INBOX").await, 0, "{port}");
    }
}

/// The same towards Postfix: every mail is taken, twice only where no answer came.
#[tokio::test(flavor = "multi_thread")]
async fn cut_connections_to_postfix() {
    let Some(lab) = Lab::find("cut_connections_to_postfix") else { return };
    let settings = lab.imap("partner");
    empty(&settings).await;
    let mut random = fastrand::Rng::with_seed(4711);
    let proxy = Proxy::start(lab.addr("SMTP"), move |number| match number % 3 {
        2 => Weather::default(),
        0 => Weather { cut_up: Some(random.u64(0..3_000)), ..Weather::default() },
        _ => Weather { cut_down: Some(random.u64(0..900)), ..Weather::default() },
    })
    .await
    .unwrap();
    let mut server = lab.smtp();
    server.server.port = proxy.addr.port();
    let mut smtp = SmtpSettings::new(vec![server]);
    smtp.connections = 1;
    smtp.idle = Duration::ZERO;
    let relay = SmtpRelay::new(smtp);
    let mut unsure = 0;
    for n in 0..60 {
        let message = mail(n, &format!("line {n}\r\n").repeat(n + 1));
        let mut taken = false;
        for _ in 0..20 {
            match relay.send(&envelope(&lab, "partner", "partner"), &message).await {
                Ok(_) => {
                    taken = true;
                    break;
                }
                Err(Refusal::Unsure { .. }) => unsure += 1,
                Err(Refusal::Temporary { .. }) => {}
                Err(refused) => panic!("{refused}"),
            }
        }
        assert!(taken, "mail {n}");
    }
    assert!(proxy.connections() > 60);
    let (came, _) = take(&mut ImapMailbox::new(settings), 60).await;
    let all: usize = came.values().map(Vec::len).sum();
    assert!(
        came.iter().all(|(n, texts)| texts
            .iter()
            .all(|text| *text == format!("{}\r\n", format!("line {n}\r\n").repeat(n + 1))))
    );
    assert!(all <= 60 + unsure, "{all} came, {unsure} unsure");
}
