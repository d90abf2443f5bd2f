//! IMAP scripts: whatever the server does once, every mail comes whole, is filed, and nothing is taken for absent.

use std::time::Duration;

use postern::demo::sandbox::SandboxSettings;
use postern::demo::sandbox::fault::{Fault, Rule};
use postern::wire::Batch;

use super::{filled, mailbox, walk};

const MAILS: usize = 5;

enum Expect {
    /// No error is seen at all.
    Calm,
    /// An error, then everything as in calm weather.
    Error,
    /// Whichever; everything comes.
    Either,
    /// The second mail goes to Review with a reason, the others come.
    SecondUnfetchable,
    /// All go to Review as too large.
    AllTooLarge,
    /// Nothing comes: the mails are gone.
    Gone,
}

fn answer(text: &str) -> Fault {
    Fault::Answer(text.to_string())
}

fn tell(text: &str) -> Fault {
    Fault::Tell(text.to_string())
}

fn scripts() -> Vec<(&'static str, Rule, Fault, Expect)> {
    let sizes = || Rule::on("UID FETCH").containing("SIZE");
    let bodies = || Rule::on("UID FETCH").containing("BODY.PEEK[]");
    let second = || bodies().about(2).always();
    let search = || Rule::on("UID SEARCH");
    let mv = || Rule::on("UID MOVE");
    use Expect::*;
    vec![
        ("greeting BYE", Rule::on("GREETING"), Fault::Say("* BYE full\r\n".into()), Error),
        ("greeting dropped", Rule::on("GREETING"), Fault::Drop, Error),
        ("greeting cut", Rule::on("GREETING"), Fault::Cut(10), Error),
        ("greeting PREAUTH", Rule::on("GREETING"), Fault::Say("* PREAUTH you are root\r\n".into()), Error),
        ("log-in: not now", Rule::on("AUTHENTICATE"), answer("NO [UNAVAILABLE] later"), Error),
        ("log-in dropped", Rule::on("AUTHENTICATE"), Fault::Drop, Error),
        ("log-in silent", Rule::on("AUTHENTICATE"), Fault::Silence, Error),
        ("ID refused", Rule::on("ID"), answer("BAD who asks"), Calm),
        ("NAMESPACE refused", Rule::on("NAMESPACE"), answer("NO not here"), Calm),
        ("SELECT NO", Rule::on("SELECT"), answer("NO [INUSE] locked"), Error),
        ("SELECT dropped", Rule::on("SELECT"), Fault::Drop, Error),
        ("SELECT cut before its end", Rule::on("SELECT"), Fault::Cut(90), Error),
        ("SELECT without UIDVALIDITY", Rule::on("SELECT"), Fault::Say("* 5 EXISTS\r\n{tag} OK done\r\n".into()), Error),
        ("SELECT with a warning", Rule::on("SELECT"), tell("* NO the disk is nearly full\r\n"), Calm),
        ("SELECT BYE", Rule::on("SELECT"), Fault::Bye, Error),
        ("SEARCH NO", search(), answer("NO not now"), Error),
        ("SEARCH BAD", search(), answer("BAD what"), Error),
        (
            "SEARCH throttled",
            search(),
            answer("BAD Request is throttled. Suggested Backoff Time: 50 milliseconds"),
            Error,
        ),
        ("SEARCH dropped", search(), Fault::Drop, Error),
        ("SEARCH cut", search(), Fault::Cut(9), Error),
        ("SEARCH cut before its end", search(), Fault::Cut(20), Error),
        ("SEARCH BYE", search(), Fault::Bye, Error),
        ("SEARCH silent", search(), Fault::Silence, Error),
        ("SEARCH says OK and nothing", search(), Fault::Pretend, Calm),
        ("SEARCH with another's tag", search(), Fault::Say("* SEARCH\r\nX9 OK done\r\n".into()), Error),
        (
            "SEARCH talks without end",
            search(),
            Fault::Say(format!("* OK {}\r\n", "x".repeat(1_000)).repeat(5_000) + "{tag} OK done\r\n"),
            Error,
        ),
        ("sizes NO", sizes(), answer("NO some are gone"), Calm),
        ("sizes dropped", sizes(), Fault::Drop, Error),
        ("sizes cut in a line", sizes(), Fault::Cut(40), Error),
        ("sizes leave one out", sizes(), Fault::Omit(2), Calm),
        ("sizes say OK and nothing", sizes(), Fault::Pretend, Calm),
        ("sizes far too small", sizes().always(), Fault::Size(1), Calm),
        ("sizes far too large", sizes().always(), Fault::Size(3_000_000_000), AllTooLarge),
        ("bodies NO", bodies(), answer("NO some could not be fetched"), Calm),
        ("bodies BAD", bodies(), answer("BAD internal error"), Calm),
        (
            "bodies throttled",
            bodies(),
            answer("BAD Request is throttled. Suggested Backoff Time: 50 milliseconds"),
            Error,
        ),
        ("bodies dropped", bodies(), Fault::Drop, Error),
        ("bodies BYE", bodies(), Fault::Bye, Error),
        ("bodies cut in a literal", bodies(), Fault::CutInLiteral, Either),
        ("bodies cut between mails", bodies(), Fault::Cut(200), Either),
        ("bodies silent", bodies(), Fault::Silence, Error),
        ("bodies leave one out", bodies(), Fault::Omit(2), Calm),
        ("bodies NIL", bodies(), Fault::Nil(2), Calm),
        ("literals a byte too long", bodies(), Fault::LongLiteral(1), Either),
        ("literals far too long", bodies(), Fault::LongLiteral(100_000), Either),
        ("expunged under us", bodies(), Fault::Vanish, Gone),
        ("new UIDVALIDITY under us", bodies(), Fault::NewValidity, Either),
        ("UIDVALIDITY told anew", bodies(), tell("* OK [UIDVALIDITY 77] changed\r\n"), Error),
        ("a response nobody knows", bodies(), tell("* XFOO bar\r\n"), Error),
        ("a response that trips the parser", bodies(), tell("* OK [UIDNEXT 5]\u{e9} next\r\n"), Error),
        ("flags within a FETCH", bodies(), tell("* 2 FETCH (FLAGS (\\Seen))\r\n* 1 FETCH (UID 99 FLAGS ())\r\n"), Calm),
        ("an unasked mail", bodies(), tell("* 1 FETCH (UID 99 BODY[] {3}\r\nabc)\r\n"), Calm),
        ("a flood of announcements", bodies(), Fault::Tell("* 5 EXISTS\r\n".repeat(301)), Calm),
        ("the second mail breaks every connection", second(), Fault::Drop, SecondUnfetchable),
        ("the second mail is always refused", second(), answer("NO corrupt"), SecondUnfetchable),
        ("the second mail is always NIL", bodies().always(), Fault::Nil(2), SecondUnfetchable),
        ("the second mail is always left out", bodies().always(), Fault::Omit(2), SecondUnfetchable),
        ("MOVE NO", mv(), answer("NO [EXPUNGEISSUED] some are gone"), Calm),
        ("MOVE says OK and does nothing", mv(), Fault::Pretend, Error),
        ("MOVE dropped before", mv().skip(1), Fault::Drop, Error),
        ("MOVE dropped after", mv().skip(1), Fault::DropAfter, Error),
        ("MOVE BYE", mv(), Fault::Bye, Error),
        ("MOVE silent", mv(), Fault::Silence, Error),
        ("CREATE refused", Rule::on("CREATE"), answer("NO quota"), Error),
        ("CREATE: is there", Rule::on("CREATE"), answer("NO [ALREADYEXISTS] is there"), Error),
        ("slow", Rule::on("*").always(), Fault::Delay(Duration::from_millis(5)), Calm),
    ]
}

/// A server's bad minute must cost time only: no mail is lost, none is taken for absent, none blocks the next.
#[tokio::test(flavor = "multi_thread")]
async fn every_script_ends_as_in_calm_weather() {
    // Brackets without end, apart: the text is long.
    let deep = tell(&format!("* 1 FETCH (BODYSTRUCTURE {}\r\n", "(".repeat(100_000)));
    let mut scripts = scripts();
    scripts.push(("brackets without end", Rule::on("UID FETCH"), deep, Expect::Error));
    assert!(scripts.len() >= 40, "{}", scripts.len());
    let mut running = tokio::task::JoinSet::new();
    for (name, rule, fault, expect) in scripts {
        running.spawn(async move {
            let sandbox = filled(SandboxSettings::default(), MAILS).await;
            sandbox.fault(rule, fault);
            let mut mailbox = mailbox(&sandbox);
            let walked = walk(&mut mailbox, &sandbox, Batch::default()).await;
            assert!(sandbox.faults_used() > 0, "{name}: the script was never played");
            assert_eq!(walked.lies, 0, "{name}: said that no mails were there: {walked:?}");
            let (came, review) = match expect {
                Expect::SecondUnfetchable => (vec![1, 3, 4, 5], 1),
                Expect::AllTooLarge => (vec![], MAILS),
                Expect::Gone => (vec![], 0),
                Expect::Calm | Expect::Error | Expect::Either => ((1..=MAILS).collect(), 0),
            };
            let spoilt = walked.handed.values().flatten().any(|word| word != "whole");
            assert!(!spoilt, "{name}: {walked:?}");
            assert_eq!(walked.handed.keys().copied().collect::<Vec<_>>(), came, "{name}: {walked:?}");
            let processed = sandbox.mails("gateway", "Processed").len();
            assert_eq!(
                (processed, sandbox.mails("gateway", "Review").len()),
                (came.len(), review),
                "{name}: {walked:?}"
            );
            assert!(sandbox.mails("gateway", "INBOX").is_empty(), "{name}");
            match expect {
                Expect::Calm => assert!(walked.errors.is_empty(), "{name}: {walked:?}"),
                Expect::Error => assert!(!walked.errors.is_empty(), "{name}: {walked:?}"),
                _ => {}
            }
        });
    }
    while let Some(done) = running.join_next().await {
        done.unwrap();
    }
}

/// A mail that breaks the connection after 2,000 bytes, always, is still fetched: in pieces, over several connections.
#[tokio::test]
async fn a_mail_that_breaks_connections_comes_in_pieces() {
    let sandbox = filled(SandboxSettings::default(), MAILS).await;
    sandbox.fault(Rule::on("UID FETCH").containing("BODY.PEEK[]").about(2).always(), Fault::Cut(2000));
    let walked = walk(&mut mailbox(&sandbox), &sandbox, Batch::default()).await;
    assert_eq!(walked.handed.len(), MAILS, "{walked:?}");
    assert!(walked.handed.values().flatten().all(|word| word == "whole"), "{walked:?}");
    assert!(walked.errors.len() >= 3, "{walked:?}");
}

/// The others do not wait for the mail that nobody can fetch.
#[tokio::test]
async fn a_poisoned_mail_comes_last() {
    let sandbox = filled(SandboxSettings::default(), 20).await;
    sandbox.fault(Rule::on("UID FETCH").containing("BODY.PEEK[]").about(1).always(), Fault::Drop);
    let mut mailbox = mailbox(&sandbox);
    let mut whole = 0;
    let mut rounds = 0;
    while whole < 19 {
        rounds += 1;
        if let Ok(mails) = postern::wire::Mailbox::fetch(&mut mailbox, Batch::default()).await {
            let keys: Vec<_> = mails.into_iter().map(|mail| (mail.key, postern::wire::Drawer::Processed)).collect();
            whole += keys.len();
            let _ = postern::wire::Mailbox::file(&mut mailbox, &keys).await;
        }
        assert!(rounds < 20, "the poisoned mail holds up the others: {whole} of 19 came");
    }
}
