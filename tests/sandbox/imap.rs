//! IMAP in calm weather, on richer and poorer servers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use postern::demo::sandbox::fault::{Fault, Rule};
use postern::demo::sandbox::{Sandbox, SandboxSettings};
use postern::wire::imap::{ImapMailbox, ImapSettings, Quirks};
use postern::wire::login::{Login, Secret, TokenSource};
use postern::wire::{Batch, Body, Drawer, Fetched, MailKey, Mailbox, WireError};

use super::{AT_MOST, filled, login, mailbox, number, plain, sample, timeouts, walk};

const POOR: &str = "IMAP4rev1";

fn with_capabilities(capabilities: &str) -> SandboxSettings {
    SandboxSettings { imap_capabilities: capabilities.to_string(), ..SandboxSettings::default() }
}

fn settings(sandbox: &Sandbox) -> ImapSettings {
    let mut settings = ImapSettings::new("orders", plain(sandbox.imap_addr), login(sandbox, "gateway"));
    settings.timeouts = timeouts();
    settings.poll = Duration::from_millis(20);
    settings
}

fn filings(mails: &[Fetched], drawer: Drawer) -> Vec<(MailKey, Drawer)> {
    mails.iter().map(|mail| (mail.key.clone(), drawer)).collect()
}

/// Servers without MOVE, UIDPLUS, IDLE and SASL-IR are old, not rare.
#[tokio::test]
async fn poorer_servers_file_too() {
    for capabilities in [
        POOR,
        "IMAP4rev1 UIDPLUS",
        "IMAP4rev1 MOVE",
        "IMAP4rev1 MOVE UIDPLUS AUTH=PLAIN",
        "IMAP4rev1 AUTH=PLAIN SASL-IR IDLE",
    ] {
        let sandbox = filled(with_capabilities(capabilities), 7).await;
        let walked = walk(&mut mailbox(&sandbox), &sandbox, Batch { count_max: 3, ..Batch::default() }).await;
        assert_eq!((walked.handed.len(), walked.errors.len()), (7, 0), "{capabilities}: {walked:?}");
        assert_eq!(sandbox.mails("gateway", "Processed").len(), 7, "{capabilities}");
        assert!(sandbox.mails("gateway", "INBOX").is_empty(), "{capabilities}");
    }
}

/// Without UIDPLUS an EXPUNGE would remove what a colleague marked as deleted.
#[tokio::test]
async fn others_deleted_mails_stay_without_uidplus() {
    let sandbox = filled(with_capabilities(POOR), 3).await;
    sandbox.flag("gateway", "INBOX", 2, "\\Deleted");
    let mut mailbox = mailbox(&sandbox);
    let mails = mailbox.fetch(Batch::default()).await.unwrap();
    assert_eq!(mails.len(), 2, "what somebody deleted is not fetched");
    mailbox.file(&filings(&mails, Drawer::Processed)).await.unwrap();
    assert_eq!(sandbox.mails("gateway", "INBOX").len(), 3, "nothing is expunged");
    assert_eq!(sandbox.mails("gateway", "Processed").len(), 2);
    assert!(mailbox.fetch(Batch::default()).await.unwrap().is_empty(), "and nothing is fetched twice");
}

/// The gateway commits a batch while it fetches the next: a mail must not come twice over one connection.
#[tokio::test]
async fn a_mail_is_handed_out_once_a_connection() {
    let sandbox = filled(SandboxSettings::default(), 10).await;
    let mut mailbox = mailbox(&sandbox);
    let batch = Batch { count_max: 4, ..Batch::default() };
    let mut seen = Vec::new();
    for expected in [4, 4, 2, 0, 0] {
        let mails = mailbox.fetch(batch).await.unwrap();
        assert_eq!(mails.len(), expected);
        seen.extend(mails.iter().map(|mail| mail.key.clone()));
    }
    sandbox.deliver("gateway", &sample(11));
    let late = mailbox.fetch(batch).await.unwrap();
    assert_eq!(late.len(), 1, "what arrives later comes");
    mailbox.close().await;
    let again = mailbox.fetch(Batch::default()).await.unwrap();
    assert_eq!(again.len(), 11, "what was not filed comes again over a new connection");
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 10);
}

/// One huge mail must neither fill the memory nor hold up the rest; a person gets to see what it is.
#[tokio::test]
async fn huge_mails_come_as_headers() {
    let sandbox = filled(SandboxSettings::default(), 3).await;
    let mut huge = b"From: a@b.test\r\nSubject: mail 4\r\n\r\n".to_vec();
    huge.extend(vec![b'x'; 300_000]);
    sandbox.deliver("gateway", &huge);
    sandbox.deliver("gateway", &sample(5));
    let mut mailbox = mailbox(&sandbox);
    let batch = Batch { mail_bytes_max: 100_000, ..Batch::default() };
    let mails = mailbox.fetch(batch).await.unwrap();
    assert_eq!(mails.len(), 5);
    let large: Vec<&Fetched> = mails.iter().filter(|mail| !matches!(mail.body, Body::Whole(_))).collect();
    let [large] = large.as_slice() else { panic!("{large:?}") };
    let Body::TooLarge { header } = &large.body else { panic!("{large:?}") };
    assert_eq!((header.as_slice(), large.size), (b"From: a@b.test\r\nSubject: mail 4\r\n\r\n".as_slice(), 300_035));
}

/// A batch ends with the mail that passes the bytes it may have, so that memory is bounded by the batch.
#[tokio::test]
async fn batches_end_by_bytes() {
    let sandbox = filled(SandboxSettings::default(), 6).await;
    let mut mailbox = mailbox(&sandbox);
    let batch = Batch { bytes_max: 5_000, ..Batch::default() };
    let mut order = Vec::new();
    loop {
        let mails = mailbox.fetch(batch).await.unwrap();
        if mails.is_empty() {
            break;
        }
        order.push(mails.iter().map(|mail| mail.size).map(|size| size > 5_000).collect::<Vec<_>>());
    }
    assert_eq!(order.concat().len(), 6);
    assert_eq!(order.first().map(Vec::as_slice), Some([false, true].as_slice()), "the long second mail ends the batch");
}

/// UIDs of a restored folder name other mails: filing by an old key must not touch them.
#[tokio::test]
async fn keys_of_another_validity_file_nothing() {
    let sandbox = filled(SandboxSettings::default(), 5).await;
    let mut mailbox = mailbox(&sandbox);
    let mails = mailbox.fetch(Batch::default()).await.unwrap();
    sandbox.renew_validity("gateway", "INBOX");
    mailbox.close().await;
    mailbox.file(&filings(&mails[..2], Drawer::Review)).await.unwrap();
    assert!(sandbox.mails("gateway", "Review").is_empty());
    let again = mailbox.fetch(Batch::default()).await.unwrap();
    assert_eq!(again.len(), 5);
    assert_ne!(again[0].key, mails[0].key);
    mailbox.file(&filings(&again, Drawer::Processed)).await.unwrap();
    assert!(sandbox.mails("gateway", "INBOX").is_empty());
}

/// Filing what is gone already (another node, a person) is no error.
#[tokio::test]
async fn gone_mails_file_quietly() {
    let sandbox = filled(SandboxSettings::default(), 3).await;
    let mut mailbox = mailbox(&sandbox);
    let mails = mailbox.fetch(Batch::default()).await.unwrap();
    sandbox.expunge("gateway", "INBOX", 2);
    mailbox.file(&filings(&mails, Drawer::Processed)).await.unwrap();
    mailbox.file(&filings(&mails, Drawer::Processed)).await.unwrap();
    assert_eq!(sandbox.mails("gateway", "Processed").len(), 2);
}

/// A folder where nothing can be filed would be read over and over.
#[tokio::test]
async fn read_only_folders_are_refused() {
    let sandbox = filled(SandboxSettings::default(), 1).await;
    sandbox.set_read_only("gateway", "INBOX", true);
    let error = mailbox(&sandbox).fetch(Batch::default()).await.unwrap_err();
    assert!(matches!(&error, WireError::Refused(text) if text.contains("read-only")), "{error}");
}

/// Folders are created when missing, under names that a person reads in any script.
#[tokio::test]
async fn folders_have_peoples_names() {
    let sandbox = filled(SandboxSettings::default(), 2).await;
    let mut settings = settings(&sandbox);
    settings.processed = "Erledigt/Bestätigt".into();
    settings.review = "確認 & \"more\"".into();
    let mut mailbox = ImapMailbox::new(settings);
    let mails = mailbox.fetch(Batch::default()).await.unwrap();
    mailbox.file(&[(mails[0].key.clone(), Drawer::Processed), (mails[1].key.clone(), Drawer::Review)]).await.unwrap();
    assert_eq!(sandbox.folders("gateway"), ["Erledigt/Bestätigt", "INBOX", "確認 & \"more\""]);
    assert_eq!(number(&sandbox.mails("gateway", "確認 & \"more\"")[0].raw), 2);
}

/// A folder that is not there, or a name that smuggles a command, is a clear refusal.
#[tokio::test]
async fn odd_folders_are_refused() {
    let sandbox = filled(SandboxSettings::default(), 1).await;
    for folder in ["Orders", "INBOX\"\r\nX1 DELETE INBOX\r\n", "a\nb"] {
        let mut settings = settings(&sandbox);
        settings.folder = folder.into();
        let error = ImapMailbox::new(settings).fetch(Batch::default()).await.unwrap_err();
        assert!(matches!(error, WireError::Refused(_)), "{error}");
    }
    assert_eq!(sandbox.mails("gateway", "INBOX").len(), 1);
    assert!(!sandbox.heard().iter().any(|line| line.contains("DELETE INBOX") && !line.starts_with("SELECT")));
}

/// A gateway that sleeps through an announcement answers an order a day late.
#[tokio::test]
async fn idle_wakes_at_once_and_polling_soon() {
    for capabilities in [SandboxSettings::default().imap_capabilities, POOR.to_string()] {
        let sandbox = filled(with_capabilities(&capabilities), 1).await;
        let mut mailbox = mailbox(&sandbox);
        assert_eq!(mailbox.fetch(Batch::default()).await.unwrap().len(), 1);
        assert!(mailbox.fetch(Batch::default()).await.unwrap().is_empty());
        let begun = Instant::now();
        let (waited, ()) = tokio::join!(mailbox.wait(AT_MOST), async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            sandbox.deliver("gateway", &sample(2));
        });
        waited.unwrap();
        assert!(begun.elapsed() < Duration::from_secs(5), "{capabilities}");
        // A poll may have come before the mail; the next one brings it.
        let mut mails = Vec::new();
        while mails.is_empty() && begun.elapsed() < AT_MOST {
            mails = mailbox.fetch(Batch::default()).await.unwrap();
        }
        assert_eq!(mails.len(), 1, "{capabilities}");
    }
}

/// What arrived before IDLE began must not wait for the next mail.
#[tokio::test]
async fn mail_before_idle_is_not_slept_over() {
    let sandbox = filled(SandboxSettings::default(), 1).await;
    let mut mailbox = mailbox(&sandbox);
    assert_eq!(mailbox.fetch(Batch::default()).await.unwrap().len(), 1);
    sandbox.deliver("gateway", &sample(2));
    sandbox.fault(Rule::on("IDLE"), Fault::Tell("* 2 EXISTS\r\n".into()));
    let begun = Instant::now();
    mailbox.wait(AT_MOST).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(5), "announced before the `+`");
    assert_eq!(mailbox.fetch(Batch::default()).await.unwrap().len(), 1);
    sandbox.deliver("gateway", &sample(3));
    let begun = Instant::now();
    mailbox.wait(AT_MOST).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(5), "arrived between fetch and IDLE");
    assert_eq!(mailbox.fetch(Batch::default()).await.unwrap().len(), 1);
}

/// A wait ends in time, as it should or with an error, whatever the server does to IDLE.
#[tokio::test(flavor = "multi_thread")]
async fn waits_end_on_broken_idles() {
    let table = [
        ("refused", Fault::Answer("NO not now".into()), true),
        ("not understood", Fault::Answer("BAD what".into()), true),
        ("dropped", Fault::Drop, false),
        ("BYE", Fault::Bye, false),
        ("never begun", Fault::Silence, false),
        ("keeps alive", Fault::Tell("* OK Still here\r\n".into()), true),
    ];
    for (name, fault, fine) in table {
        let sandbox = filled(SandboxSettings::default(), 0).await;
        let mut mailbox = mailbox(&sandbox);
        mailbox.fetch(Batch::default()).await.unwrap();
        sandbox.fault(Rule::on("IDLE"), fault);
        let begun = Instant::now();
        let result = mailbox.wait(Duration::from_millis(300)).await;
        assert_eq!(result.is_ok(), fine, "{name}: {result:?}");
        assert!(begun.elapsed() < AT_MOST, "{name}");
        sandbox.deliver("gateway", &sample(1));
        let mut mails = Vec::new();
        while mails.is_empty() {
            mails = mailbox.fetch(Batch::default()).await.unwrap();
        }
        assert_eq!(mails.len(), 1, "{name}: works on afterwards");
    }
}

/// The gateway drops a wait when there is something to file; the connection must stay good.
#[tokio::test]
async fn a_dropped_wait_leaves_the_connection_good() {
    let sandbox = filled(SandboxSettings::default(), 3).await;
    let mut mailbox = mailbox(&sandbox);
    let mails = mailbox.fetch(Batch::default()).await.unwrap();
    for n in [0, 5, 20] {
        let _ = tokio::time::timeout(Duration::from_millis(n), mailbox.wait(AT_MOST)).await;
    }
    mailbox.file(&filings(&mails, Drawer::Processed)).await.unwrap();
    assert_eq!(sandbox.mails("gateway", "Processed").len(), 3);
}

/// A fetch given up half-way must not leave its answers to the next command.
#[tokio::test]
async fn a_dropped_fetch_spoils_nothing() {
    let sandbox = filled(SandboxSettings::default(), 5).await;
    let mut mailbox = mailbox(&sandbox);
    for n in 0..30 {
        sandbox.fault(Rule::on("*").skip(n % 7), Fault::Delay(Duration::from_millis(60)));
        let _ = tokio::time::timeout(Duration::from_millis(30), mailbox.fetch(Batch::default())).await;
    }
    sandbox.calm();
    mailbox.close().await;
    let walked = walk(&mut mailbox, &sandbox, Batch::default()).await;
    assert_eq!((walked.handed.len(), walked.lies), (5, 0), "{walked:?}");
    assert!(walked.handed.values().flatten().all(|word| word == "whole"), "{walked:?}");
}

/// A server that asks for a pause gets it, without being knocked at.
#[tokio::test]
async fn a_throttling_server_is_left_alone() {
    let sandbox = filled(SandboxSettings::default(), 1).await;
    let text = "BAD Request is throttled. Suggested Backoff Time: 60000 milliseconds";
    sandbox.fault(Rule::on("UID SEARCH"), Fault::Answer(text.into()));
    let mut mailbox = mailbox(&sandbox);
    mailbox.fetch(Batch::default()).await.unwrap_err();
    let heard = sandbox.heard().len();
    for _ in 0..3 {
        let error = mailbox.fetch(Batch::default()).await.unwrap_err();
        assert!(matches!(&error, WireError::Away(text) if text.contains("left alone")), "{error}");
    }
    assert_eq!(sandbox.heard().len(), heard);
}

struct Tokens(std::sync::Mutex<Vec<&'static str>>);

#[async_trait::async_trait]
impl TokenSource for Tokens {
    async fn token(&self, renew: bool) -> Result<Secret, WireError> {
        let mut tokens = self.0.lock().unwrap();
        if renew {
            tokens.remove(0);
        }
        Ok(Secret::new(*tokens.first().unwrap()))
    }
}

/// A token that expired gets one successor; a second refusal is said.
#[tokio::test]
async fn tokens_are_renewed_once() {
    let sandbox = filled(SandboxSettings::default(), 1).await;
    for (tokens, fine) in
        [(vec!["expired", "sandbox-secret"], true), (vec!["expired", "expired-too", "sandbox-secret"], false)]
    {
        let mut settings = settings(&sandbox);
        let tokens = Arc::new(Tokens(std::sync::Mutex::new(tokens)));
        settings.login = Login::OAuth { user: sandbox.address("gateway"), tokens };
        let result = ImapMailbox::new(settings).fetch(Batch::default()).await;
        assert_eq!(result.is_ok(), fine, "{result:?}");
        assert!(fine || matches!(result, Err(WireError::Refused(_))));
    }
}

/// The quirks of big providers keep commands small.
#[tokio::test]
async fn quirks_limit_batches() {
    let sandbox = filled(SandboxSettings::default(), 120).await;
    let mut settings = settings(&sandbox);
    settings.quirks = Quirks { no_move: true, no_idle: true, no_id: true, ..Quirks::named("exchange").unwrap() };
    let mut mailbox = ImapMailbox::new(settings);
    let mails = mailbox.fetch(Batch::default()).await.unwrap();
    assert_eq!(mails.len(), 50);
    mailbox.file(&filings(&mails, Drawer::Processed)).await.unwrap();
    mailbox.wait(Duration::from_millis(1)).await.unwrap();
    let heard = sandbox.heard();
    for word in ["UID MOVE", "IDLE", "ID "] {
        assert!(!heard.iter().any(|line| line.starts_with(word)), "{word}");
    }
}

/// Ten thousand mails waiting are drained in batches, each once.
#[tokio::test]
async fn many_mails() {
    let sandbox = Sandbox::start().await.unwrap();
    for n in 1..=2_000 {
        sandbox.deliver("gateway", format!("Subject: mail {n}\r\n\r\nx\r\n").as_bytes());
    }
    let mut mailbox = mailbox(&sandbox);
    let mut seen = std::collections::BTreeSet::new();
    loop {
        let mails = mailbox.fetch(Batch::default()).await.unwrap();
        if mails.is_empty() {
            break;
        }
        for mail in &mails {
            let Body::Whole(raw) = &mail.body else { panic!("{mail:?}") };
            assert!(seen.insert(number(raw)));
        }
        mailbox.file(&filings(&mails, Drawer::Processed)).await.unwrap();
    }
    assert_eq!((seen.len(), sandbox.mails("gateway", "Processed").len()), (2_000, 2_000));
}
