//! Conversations as they are: approvers who are away, bounces, robots that answer robots, several questions at once,
//! partners with a form to fill in, and people who try what is not theirs. A failure here is a loop, a decision of the wrong
//! person, or an order that waits for somebody who never heard of it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod house;

use house::{House, Out};
use postern::gateway::desk::Request;
use postern::model::{TransmissionKind as Kind, TransmissionStatus};

const DEAR: &str = "10 B1 8 110.00 2026-12-21 ok\n20 B2 5 14.50 2026-12-21 ok";
const FAULTY: &str = "10 B1 9 100.00 2026-12-21 ok\n20 B2 5 12.50 2026-12-21 ok";
const PROOF: &str = "Authentication-Results: mx.shop.example; dmarc=pass header.from=DOMAIN";

/// An order whose answer deviates; the mails to the first approvers.
fn asked(house: &House, number: &str) -> (Out, Out) {
    house.order(number);
    house.confirm("nord", number, DEAR);
    let mut out = house.out();
    let mut take = |address: &str| out.remove(out.iter().position(|one| one.to == [address]).unwrap());
    (take("anna@shop.example"), take("ben@shop.example"))
}

fn to<'a>(out: &'a [Out], address: &str) -> Vec<&'a Out> {
    out.iter().filter(|one| one.to == [address]).collect()
}

/// An approver on holiday must not hold the order up, and a forged notice must not name a new approver.
#[test]
fn absent_approvers_are_replaced() {
    let notices = [
        (
            "Ich bin bis 30.11. nicht im Büro. Bitte wenden Sie sich an carl@shop.example.",
            PROOF,
            Some("carl@shop.example"),
        ),
        (
            "I am out of the office until Monday. Please contact carl@shop.example in urgent cases.",
            PROOF,
            Some("carl@shop.example"),
        ),
        ("Je suis absente du bureau jusqu'au 30 novembre.", PROOF, Some("chief@shop.example")),
        // Somebody outside the house is nobody to decide, whoever says so.
        ("I am out of the office. Please contact eve@evil.example.", PROOF, Some("chief@shop.example")),
        // And a notice that is not proved changes nothing.
        ("I am out of the office. Please contact eve@evil.example.", "X-Nothing: here", None),
        (
            "I am out of the office. Please contact carl@shop.example.",
            "Authentication-Results: mx.evil.example; dmarc=pass header.from=shop.example",
            None,
        ),
    ];
    for (words, proof, wanted) in notices {
        let house = House::new();
        let (anna, _) = asked(&house, "4711");
        let head = format!("{proof}\nAuto-Submitted: auto-replied\nX-Auto-Response-Suppress: All");
        let record = house.reply_with(&anna, "anna@shop.example", words, &head);
        assert_eq!(record.drawer, "auto-reply", "{words}: {}", record.reason);
        let out = house.out();
        let asked: Vec<&str> = out.iter().map(|one| one.to[0].as_str()).collect();
        assert_eq!(asked, wanted.into_iter().collect::<Vec<_>>(), "{words}: {}", record.reason);
        assert_eq!(house.statuses("4711"), ["NOT_CHECKED_DO_APPROVE"], "{words}");
        if let Some(next) = wanted {
            let record = house.reply(&out[0], next, "APPROVE");
            assert_eq!(record.drawer, "decision", "{}", record.reason);
            assert_eq!(house.statuses("4711"), ["CLOSED"], "{next} decides");
        }
    }
}

fn bounce(of: &Out, to: &str, status: &str) -> String {
    let id = of.mail.message_id.as_deref().unwrap_or("");
    let action = if status.starts_with('5') { "failed" } else { "delayed" };
    format!(
        "Return-Path: <>\nFrom: MAILER-DAEMON@mx.shop.example\nTo: orders@shop.example\nSubject: Undelivered Mail\nAuto-Submitted: auto-replied\nMessage-ID: <b{status}{to}>\nMIME-Version: 1.0\nContent-Type: multipart/report; report-type=delivery-status; boundary=\"b\"\n\n--b\nContent-Type: text/plain\n\nIt could not be delivered.\n--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.shop.example\n\nFinal-Recipient: rfc822; {to}\nAction: {action}\nStatus: {status}\nDiagnostic-Code: smtp; 550 {status} no such user here\n\n--b\nContent-Type: text/rfc822-headers\n\nMessage-ID: <{id}>\nSubject: x\n\n--b--\n"
    )
}

/// A question to a closed mailbox must come back to whoever waits for it, with the code; a guessed one must not.
#[test]
fn bounces_come_back_to_their_transmission() {
    let house = House::new();
    let (anna, _) = asked(&house, "4711");
    let late = house.feed(&bounce(&anna, "anna@shop.example", "4.4.1"));
    assert_eq!(late.drawer, "bounce");
    let question =
        |house: &House| house.transmissions("4711").into_iter().find(|t| t.to == ["anna@shop.example"]).unwrap();
    assert_eq!(question(&house).status, TransmissionStatus::Transmissioned, "a delay is no failure");
    let record = house.feed(&bounce(&anna, "anna@shop.example", "5.1.1"));
    assert_eq!((record.drawer.as_str(), record.order.as_ref().map(|o| o.to_string())), ("bounce", Some("4711".into())));
    let stuck = question(&house);
    assert_eq!(stuck.status, TransmissionStatus::DoManualCheck);
    assert!(stuck.error.as_deref().unwrap().contains("5.1.1"), "{:?}", stuck.error);
    assert!(stuck.attempts.last().unwrap().answer.contains("no such user here"), "{:?}", stuck.attempts);
    assert_eq!(to(&house.out(), "chief@shop.example").len(), 1, "the next approver is asked at once");

    // Whoever never got the mail cannot name it.
    let house = House::new();
    let (mut anna, _) = asked(&house, "4711");
    let id = question(&house).id;
    anna.mail.message_id = Some(format!("{id}.postern@shop.example"));
    let record = house.feed(&bounce(&anna, "anna@shop.example", "5.1.1"));
    assert!(record.reason.contains("of no mail of ours"), "{}", record.reason);
    assert_eq!(question(&house).status, TransmissionStatus::Transmissioned);

    // A partner who cannot be asked again is a person's matter.
    let house = House::new();
    house.order("4711");
    house.confirm("nord", "4711", FAULTY);
    let request = house.out_to("ab@nord.example");
    house.feed(&bounce(&request, "ab@nord.example", "5.7.1"));
    let alarms = house.ask(Request::Alarms { open_only: true, limit: 10 }).value["alarms"].to_string();
    assert!(alarms.contains("REQUEST_UNANSWERED") && alarms.contains("5.7.1"), "{alarms}");
}

/// Receipts, lists and programs must neither decide nor be answered, whoever they come from.
#[test]
fn robots_get_no_answer() {
    let house = House::new();
    let (anna, _) = asked(&house, "4711");
    let marks = [
        "Auto-Submitted: auto-generated",
        "Precedence: bulk",
        "Precedence: list\nList-Id: <buyers.shop.example>",
        "Return-Path: <>",
        "X-Autoreply: yes",
        "X-Auto-Response-Suppress: All",
        "Content-Type: multipart/report; report-type=disposition-notification; boundary=x",
    ];
    for mark in marks {
        for words in ["APPROVE", "DECLINE", "HELP", "thank you"] {
            let record = house.reply_with(&anna, "anna@shop.example", words, &format!("{PROOF}\n{mark}"));
            assert_ne!(record.drawer, "decision", "{mark} {words}: {}", record.reason);
        }
    }
    assert_eq!(house.statuses("4711"), ["NOT_CHECKED_DO_APPROVE"]);
    assert!(house.out().is_empty());
}

/// A help desk that answers every mail, without saying that it is a program, would exchange mails with us for ever.
#[test]
fn unmarked_robots_come_to_rest() {
    for words in ["Thank you, we have received your mail.", "Ticket 4711: approve or decline?", "HELP", "STATUS"] {
        let house = House::new();
        let mut last = asked(&house, "4711").0;
        let mut ours = 0;
        for _ in 0..50 {
            house.reply(&last, "anna@shop.example", words);
            let mut out = house.out();
            out.retain(|one| one.to == ["anna@shop.example"]);
            match out.pop() {
                Some(next) => last = next,
                None => break,
            }
            ours += 1;
        }
        assert!((1..=3).contains(&ours), "{words}: {ours} mails of ours");
        assert_eq!(house.statuses("4711"), ["NOT_CHECKED_DO_APPROVE"], "{words}");
        let record = house.reply(&last, "anna@shop.example", "APPROVE");
        assert_eq!(record.drawer, "decision", "a decision still counts: {}", record.reason);
        assert_eq!(house.statuses("4711"), ["CLOSED"]);
    }
}

/// More than so many answers an hour go to nobody, and the next hour they may hear again (RFC 3834).
#[test]
fn answers_are_capped() {
    let config = house::CONFIG.replace("[gateway]\n", "[gateway]\nanswers_per_hour = 4\n");
    let house = House::with(&config);
    let questions: Vec<Out> = (0..8).map(|n| asked(&house, &format!("47{n}")).0).collect();
    for question in &questions {
        house.reply(question, "anna@shop.example", "I look at it tomorrow");
    }
    assert_eq!(to(&house.out(), "anna@shop.example").len(), 4);
    house.wait(2);
    house.out();
    house.reply(&questions[0], "anna@shop.example", "still thinking");
    assert_eq!(to(&house.out(), "anna@shop.example").len(), 1);
    let comments = house.responses("470")[0].approval.clone().unwrap().comments;
    assert_eq!(comments.len(), 2, "what got no answer is kept all the same: {comments:?}");
}

/// Two gateways that have each other as a partner or approver must fall silent, whatever they think of each other's mails.
#[test]
fn two_posterns_come_to_rest() {
    let both = "addresses = [\"ab@nord.example\", \"gateway@other.example\"]\nsend_to = [\"gateway@other.example\"]";
    let ours = house::CONFIG.replace("addresses = [\"ab@nord.example\"]", both).replace(
        "approvers = [\"anna@shop.example, ben@shop.example\", \"chief@shop.example\"]",
        "approvers = [\"gateway@other.example\"]",
    );
    let theirs = ours
        .replace("orders@shop.example", "GATEWAY")
        .replace("gateway@other.example", "orders@shop.example")
        .replace("GATEWAY", "gateway@other.example")
        .replace("mx.shop.example", "mx.other.example");
    for lines in [FAULTY, DEAR] {
        let (here, there) = (House::with(&ours), House::with(&theirs));
        here.order("4711");
        here.confirm("nord", "4711", lines);
        let mut crossed = 0;
        for round in 0..20 {
            let (from, into, server) =
                if round % 2 == 0 { (&here, &there, "mx.other.example") } else { (&there, &here, "mx.shop.example") };
            let mails: Vec<Out> = from
                .out()
                .into_iter()
                .filter(|one| !one.to[0].starts_with("responses@") && !one.to[0].starts_with("ops@"))
                .collect();
            for mail in &mails {
                let author = mail.mail.author().unwrap().domain().unwrap();
                let proof = format!("Authentication-Results: {server}; dmarc=pass header.from={author}\r\n");
                into.feed(&format!("{proof}{}", String::from_utf8_lossy(&mail.raw)));
            }
            crossed += mails.len();
            if mails.is_empty() && round > 1 {
                break;
            }
        }
        assert!((1..=3).contains(&crossed), "{crossed} mails between them");
        // Even days later, with reminders, no new loop begins.
        for _ in 0..20 {
            here.wait(24);
            for mail in here.out() {
                there.feed(&String::from_utf8_lossy(&mail.raw));
            }
            assert!(there.out().is_empty(), "the other gateway answers nothing");
        }
    }
}

/// A partner who fills the form in by hand, quoted, rewrapped and with decimal commas, must not be asked a third time.
#[test]
fn the_fill_in_block_comes_back_as_people_send_it() {
    let fill = |text: &str| {
        let start = text.find("#---").unwrap();
        let end = text.find("#--- end").unwrap() + "#--- end".len();
        text[start..end].to_string()
    };
    type Mangle = fn(&str) -> String;
    let shapes: [(&str, Mangle); 5] = [
        ("as it is", |block| block.to_string()),
        ("quoted", |block| block.lines().map(|line| format!("> {line}\n")).collect()),
        ("quoted twice", |block| block.lines().map(|line| format!(">> {line}\n")).collect()),
        ("rewrapped", |block| block.replace("  price", "\n  price").replace("  date", "\n>  date")),
        ("with decimal commas and local dates", |block| {
            block.replace("100.00", "100,00").replace("12.50", "12,50").replace("2026-12-21", "21.12.2026")
        }),
    ];
    for (name, mangle) in shapes {
        let house = House::new();
        house.order("4711");
        house.confirm("nord", "4711", FAULTY);
        assert_eq!(house.statuses("4711"), ["IN_EXTERNAL_PROCESSING"]);
        let request = house.out_to("ab@nord.example");
        let block = fill(request.mail.text.as_deref().unwrap());
        assert!(block.contains("qty = ?") || block.contains("qty = 9"), "{block}");
        let filled =
            block.replace("qty = ?", "qty = 8").replace("qty = 9", "qty = 8").replace("date = ?", "date = 2026-12-21");
        let reply = format!(
            "From: nord <ab@nord.example>\nTo: {}\nSubject: AW: {}\nMessage-ID: <f@nord.example>\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n\nhere you are\n\n{}\n",
            request.reply_to(),
            request.mail.subject,
            mangle(&filled)
        );
        // Somebody else's partner with the same form gets nowhere.
        let stolen = house.feed(&reply.replace("ab@nord.example", "ab@ost.example").replace("<f@", "<g@"));
        assert_ne!(stolen.mapping.as_deref(), Some("fill-in"), "{name}");
        assert_eq!(house.statuses("4711")[0], "IN_EXTERNAL_PROCESSING", "{name}");
        let record = house.feed(&reply);
        assert_eq!(
            (record.drawer.as_str(), record.mapping.as_deref()),
            ("response", Some("fill-in")),
            "{name}: {}",
            record.reason
        );
        assert_eq!(house.statuses("4711"), ["FAILED", "CLOSED"], "{name}");
    }
}

/// Words in answer to a request must not wait behind it, unseen; the partner is asked again, but not for ever, and an
/// answer that can be read still counts.
#[test]
fn free_words_in_answer_to_a_request_are_no_dead_end() {
    let house = House::new();
    house.order("4711");
    house.confirm("nord", "4711", FAULTY);
    let first = house.out_to("ab@nord.example");
    let mut last = None;
    // In words; with the subject of a confirmation, so that the mapping looks for what is not there; and by the thread.
    type Mangle = fn(&str, &Out) -> String;
    let unread: [(&str, Mangle); 2] = [
        ("Position 10: 8 pieces, please.", |raw, _| raw.to_string()),
        ("I said 8 pieces!", |raw, request| {
            let raw = raw
                .replace("Subject: Re: ", "Subject: Confirmation ")
                .replace(&request.reply_to(), "orders@shop.example");
            raw.lines().filter(|line| !line.starts_with('>')).collect::<Vec<_>>().join("\r\n")
        }),
    ];
    for (words, mangle) in unread {
        let request = last.as_ref().unwrap_or(&first);
        let raw = house.reply_text(request, "ab@nord.example", words, "X-Nothing: here");
        let record = house.feed(&mangle(&raw, request));
        assert_eq!(record.drawer, "response", "{}", record.reason);
        let statuses = house.statuses("4711");
        let (newest, older) = statuses.split_last().unwrap();
        assert!(*newest == "IN_EXTERNAL_PROCESSING" && older.iter().all(|one| *one == "FAILED"), "{statuses:?}");
        let again = house.out_to("ab@nord.example");
        let text = again.mail.text.clone().unwrap();
        // What was wrong before is told again, with the form for it.
        assert!(text.contains("Line 10") && text.contains("B1") && text.contains("#--- end"), "{words}: {text}");
        assert!(text.contains("could not read") && !text.contains("order number"), "the order is known: {text}");
        last = Some(again);
    }
    // The third such answer is a person's matter: no mail, but an alarm.
    let record = house.reply(last.as_ref().unwrap(), "ab@nord.example", "What do you want?");
    assert_eq!(record.drawer, "response", "{}", record.reason);
    assert_eq!(house.statuses("4711"), ["FAILED", "FAILED", "FAILED", "NOT_CHECKED"]);
    let out = house.out();
    assert!(to(&out, "ab@nord.example").is_empty(), "no further request");
    assert_eq!(to(&out, "ops@shop.example").len(), 1, "a person is told");
    // Whatever request the form comes back from: it was asked for, and it says something.
    let text = first.mail.text.clone().unwrap();
    let block = &text[text.find("#---").unwrap()..text.find("#--- end").unwrap() + "#--- end".len()];
    let filled = block.replace("qty = ?", "qty = 8").replace("qty = 9", "qty = 8");
    let record = house.reply(&first, "ab@nord.example", &filled);
    assert_eq!(record.mapping.as_deref(), Some("fill-in"), "{}", record.reason);
    assert_eq!(house.statuses("4711").last(), Some(&"CLOSED"), "{:?}", house.statuses("4711"));
    assert!(house.statuses("4711").iter().all(|one| *one != "WAIT_PENDING"));
}

/// A help desk of the partner that answers each of our requests must come to rest, and words in answer to an old request
/// must not take a response from the approvers who look at it.
#[test]
fn words_that_were_not_asked_for_take_nobodys_place() {
    let house = House::new();
    house.order("4711");
    house.confirm("nord", "4711", FAULTY);
    let mut last = house.out_to("ab@nord.example");
    let mut requests = 1;
    for round in 0..30 {
        house.reply(&last, "ab@nord.example", &format!("Thank you, we have received your mail {round}."));
        match house.out().into_iter().find(|one| one.to == ["ab@nord.example"]) {
            Some(next) => (last, requests) = (next, requests + 1),
            None => continue,
        }
    }
    assert_eq!(requests, 3);
    // What approvers look at stands, though the partner answers an older request in words.
    let house = House::new();
    house.order("4711");
    house.confirm("nord", "4711", FAULTY);
    let request = house.out_to("ab@nord.example");
    house.confirm("nord", "4711", DEAR);
    house.out();
    house.reply(&request, "ab@nord.example", "Is that right now?");
    assert_eq!(house.statuses("4711")[..2], ["FAILED", "NOT_CHECKED_DO_APPROVE"]);
    assert!(to(&house.out(), "anna@shop.example").is_empty(), "the question is not taken back");
}

/// The usual answers are one click away: the mail that the link makes must be understood.
#[test]
fn mailto_choices_decide() {
    for (verb, ends) in [("APPROVE", "CLOSED"), ("DECLINE", "FAILED")] {
        let house = House::new();
        let (anna, _) = asked(&house, "4711");
        let html = anna.mail.html.clone().unwrap().replace("&amp;", "&");
        let link = html
            .split("href=\"mailto:")
            .skip(1)
            .map(|rest| rest.split('"').next().unwrap())
            .find(|link| link.contains(&format!("body={verb}%0D%0A")))
            .unwrap();
        let (address, rest) = link.split_once('?').unwrap();
        let decode = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8().unwrap().to_string();
        let field =
            |name: &str| decode(rest.split('&').find_map(|pair| pair.strip_prefix(&format!("{name}="))).unwrap());
        let raw = format!(
            "{}\nFrom: anna@shop.example\nTo: {}\nSubject: {}\nMessage-ID: <m@shop.example>\n\n{}\n",
            PROOF.replace("DOMAIN", "shop.example"),
            decode(address),
            field("subject"),
            field("body")
        );
        let record = house.feed(&raw);
        assert_eq!(record.drawer, "decision", "{}", record.reason);
        assert_eq!(house.statuses("4711"), [ends]);
    }
}

/// The mails to anna since the last look: one receipt.
fn only_receipt(house: &House) -> Out {
    let mut out: Vec<Out> = house.out().into_iter().filter(|one| one.to == ["anna@shop.example"]).collect();
    assert_eq!(out.len(), 1, "{:?}", out.iter().map(|one| &one.mail.subject).collect::<Vec<_>>());
    out.remove(0)
}

/// Whoever declines one question and approves the rest must not have to name each; the rest of a question's lines is
/// something else.
#[test]
fn the_rest_of_a_digest_is_what_was_not_named() {
    let house = House::with(&house::CONFIG.replace("[gateway]\n", "[gateway]\ndigest = \"4h\"\n"));
    house.wait(0);
    let numbers = ["4711", "4712", "4713", "4714"];
    for number in numbers {
        asked(&house, number);
    }
    let ids: Vec<String> = numbers.iter().map(|number| house.responses(number)[0].id.to_string()).collect();
    house.wait(5);
    let out = house.out();
    let digest =
        out.iter().find(|one| one.to == ["anna@shop.example"] && one.mail.subject.contains("questions")).unwrap();
    let unclear = house.reply(digest, "anna@shop.example", &format!("{} APPROVE 10\nDECLINE REST", ids[0]));
    assert!(unclear.reason.contains("names no question clearly"), "{}", unclear.reason);
    only_receipt(&house);
    for number in numbers {
        assert_eq!(house.statuses(number), ["NOT_CHECKED_DO_APPROVE"], "{number}");
    }
    // Ben was quicker with one of them.
    let ben = out.iter().find(|one| one.to == ["ben@shop.example"] && one.mail.subject.contains("questions")).unwrap();
    house.reply(ben, "ben@shop.example", &format!("{} DECLINE", ids[3]));
    house.out();
    house.reply(digest, "anna@shop.example", &format!("{} DECLINE\nAPPROVE REST", ids[0]));
    let ends: Vec<_> = numbers.iter().flat_map(|number| house.statuses(number)).collect();
    assert_eq!(ends, ["FAILED", "CLOSED", "CLOSED", "FAILED"]);
    let mails = house.out();
    let receipts = to(&mails, "anna@shop.example");
    assert_eq!(receipts.len(), 1);
    assert!(receipts[0].mail.text.as_deref().unwrap().contains("was decided before"), "{:?}", receipts[0].mail.text);
}

/// Whoever declined by mistake has a few minutes, and takes it back by reply to the receipt that says so.
#[test]
fn a_decline_is_undone_by_reply() {
    let held = house::CONFIG.replace("recall_hold = \"0\"", "recall_hold = \"30m\"");
    let minutes = jiff::SignedDuration::from_mins;
    for digest in [false, true] {
        let config = if digest { held.replace("[gateway]\n", "[gateway]\ndigest = \"4h\"\n") } else { held.clone() };
        let house = House::with(&config);
        house.wait(0);
        let (anna, _) = asked(&house, "4711");
        asked(&house, "4712");
        let id = house.responses("4711")[0].id;
        let (question, prefix) = match digest {
            false => (anna, String::new()),
            true => {
                house.wait(5);
                let mut out = house.out();
                let at = out
                    .iter()
                    .position(|one| one.to == ["anna@shop.example"] && one.mail.subject.contains("2 questions"));
                (out.remove(at.unwrap()), format!("{id} "))
            }
        };
        house.reply(&question, "anna@shop.example", &format!("{prefix}DECLINE"));
        assert_eq!(house.statuses("4711"), ["FAILED"]);
        let receipt = only_receipt(&house);
        assert!(receipt.mail.text.as_deref().unwrap().contains(&format!("{prefix}UNDO")), "{:?}", receipt.mail.text);
        // Nobody else takes it back, not even with the mail in hand.
        let stranger = house.reply(&receipt, "eve@shop.example", &format!("{prefix}UNDO"));
        assert_eq!(stranger.drawer, "stranger", "{}", stranger.reason);
        house.later(minutes(10));
        let record = house.reply(&receipt, "anna@shop.example", &format!("{prefix}UNDO"));
        assert_eq!(record.drawer, "decision", "{}", record.reason);
        assert_eq!(house.statuses("4711"), ["NOT_CHECKED_DO_APPROVE"]);
        house.later(minutes(60));
        let out = house.out();
        assert!(to(&out, "ab@nord.example").is_empty(), "no recall was sent");
        // Asked anew, declined anew, and thought better of it too late.
        let again = to(&out, "anna@shop.example").into_iter().find(|one| one.mail.subject.starts_with("Please decide"));
        house.reply(again.unwrap(), "anna@shop.example", "DECLINE");
        assert_eq!(house.statuses("4711"), ["FAILED"]);
        let receipt = only_receipt(&house);
        house.later(minutes(40));
        assert_eq!(to(&house.out(), "ab@nord.example").len(), 1, "the recall went out");
        house.reply(&receipt, "anna@shop.example", "UNDO");
        assert_eq!(house.statuses("4711"), ["FAILED"], "too late");
    }
}

/// A restart in the middle of a loop between two programs must not let it go on as if nothing had been said.
#[test]
fn a_restart_does_not_feed_a_loop() {
    let mut house = House::new();
    let (anna, _) = asked(&house, "4711");
    house.out();
    let mut answered = 0;
    for round in 0..30 {
        house.reply(&anna, "anna@shop.example", &format!("your mail number {round} has been received"));
        answered += to(&house.out(), "anna@shop.example").len();
        house.restart();
    }
    assert_eq!(answered, 3, "explanations within an hour");
    // Plain receipts have the limit of the address, which holds over restarts, too.
    let mut receipts = 0;
    for number in 0..30 {
        let number = format!("48{number:02}");
        let (anna, _) = asked(&house, &number);
        house.out();
        house.reply(&anna, "anna@shop.example", "APPROVE");
        receipts += to(&house.out(), "anna@shop.example").len();
        house.restart();
    }
    assert_eq!(answered + receipts, 20);
    house.wait(2);
    house.reply(&anna, "anna@shop.example", "are you there?");
    assert_eq!(to(&house.out(), "anna@shop.example").len(), 1, "an hour later it answers again");
}

/// One mail with all open questions, answered line by line; what names no question must decide none.
#[test]
fn a_digest_is_answered_line_by_line() {
    let config = house::CONFIG.replace("[gateway]\n", "[gateway]\ndigest = \"4h\"\n");
    let house = House::with(&config);
    house.wait(0);
    for number in ["4711", "4712", "4713"] {
        asked(&house, number);
    }
    let ids: Vec<String> =
        ["4711", "4712", "4713"].iter().map(|number| house.responses(number)[0].id.to_string()).collect();
    house.wait(5);
    let out = house.out();
    let digests = |out: &[Out], address: &str| -> Vec<usize> {
        out.iter()
            .enumerate()
            .filter(|(_, one)| {
                one.to == [address] && ids.iter().all(|id| one.mail.text.as_deref().unwrap().contains(id.as_str()))
            })
            .map(|(at, _)| at)
            .collect()
    };
    assert_eq!((digests(&out, "anna@shop.example").len(), digests(&out, "ben@shop.example").len()), (1, 1));
    assert!(digests(&out, "chief@shop.example").is_empty(), "who was not asked gets none");
    let digest = &out[digests(&out, "anna@shop.example")[0]];
    let text = digest.mail.text.clone().unwrap();
    assert!(text.contains("3 questions") && text.contains("110.00"), "{text}");
    assert!(
        digest.mail.html.as_deref().unwrap().contains(&format!("body={}%20APPROVE", ids[1])),
        "ready answers name their question"
    );

    // Nobody but who got it, and nothing that names no question.
    let forwarded = house.reply(digest, "ben@shop.example", &format!("{} APPROVE", ids[0]));
    assert_eq!(forwarded.drawer, "stranger", "{}", forwarded.reason);
    let unproved = house.reply_with(digest, "anna@shop.example", &format!("{} APPROVE", ids[0]), "X-Nothing: here");
    assert_eq!(unproved.drawer, "stranger", "{}", unproved.reason);
    let unclear = house.reply(digest, "anna@shop.example", "APPROVE");
    assert_eq!(unclear.drawer, "decision", "{}", unclear.reason);
    for number in ["4711", "4712", "4713"] {
        assert_eq!(house.statuses(number), ["NOT_CHECKED_DO_APPROVE"]);
    }
    let explained = house.out_to("anna@shop.example");
    assert!(explained.mail.text.as_deref().unwrap().contains("names no question"), "{:?}", explained.mail.text);

    assert_eq!(
        explained.mail.in_reply_to,
        [unclear.message_id.clone().unwrap()],
        "it answers the mail that it explains"
    );

    let record = house.reply(&explained, "anna@shop.example", &format!("{} APPROVE\n{}: DECLINE", ids[0], ids[1]));
    assert_eq!(record.drawer, "decision", "{}", record.reason);
    assert_eq!(
        (house.statuses("4711"), house.statuses("4712"), house.statuses("4713")),
        (vec!["CLOSED"], vec!["FAILED"], vec!["NOT_CHECKED_DO_APPROVE"])
    );
    // One receipt for all of it, whose reply goes on with what is open.
    let receipt = only_receipt(&house);
    let text = receipt.mail.text.clone().unwrap();
    for words in [&ids[0], &ids[1], "decided; approved 10 and 20", "decided; declined 10 and 20", "Still open"] {
        assert!(text.contains(words), "{words} in {text}");
    }
    assert!(text.contains(&format!("Still open: {}", ids[2])), "{text}");
    // The first digest is still good for what is open, and for nothing that is decided.
    house.reply(digest, "anna@shop.example", &format!("{} DECLINE\n{} what is this?", ids[0], ids[2]));
    assert_eq!((house.statuses("4711"), house.statuses("4713")), (vec!["CLOSED"], vec!["NOT_CHECKED_DO_APPROVE"]));
    let nothing = only_receipt(&house);
    assert!(nothing.mail.subject.contains("Nothing was decided"), "{}", nothing.mail.subject);
    let text = nothing.mail.text.clone().unwrap();
    assert!(text.contains("was decided before") && text.contains("what is this?"), "{text}");
    house.reply(&nothing, "anna@shop.example", "APPROVE REST");
    assert_eq!(house.statuses("4713"), ["CLOSED"]);
    let last = only_receipt(&house);
    assert!(!last.mail.text.as_deref().unwrap().contains("Still open"), "{:?}", last.mail.text);
    assert!(house.ask(Request::AuditVerify).ok);
    // Nothing is open: no further digest.
    house.out();
    house.wait(10);
    assert!(house.out().iter().all(|one| !one.mail.subject.contains("questions")));
}

/// Yesterday's yes, another's token, another's question: none of them may count, and none gets an answer.
#[test]
fn tokens_and_replies_cannot_be_used_again_or_by_others() {
    let house = House::new();
    let (anna, ben) = asked(&house, "4711");
    let (other, _) = asked(&house, "4712");
    // Ben answers with anna's mail; nord, whose response it is, with anna's address in the text.
    for (from, words) in
        [("ben@shop.example", "APPROVE"), ("ab@nord.example", "APPROVE"), ("ab@ost.example", "APPROVE")]
    {
        let record = house.reply(&anna, from, words);
        assert_eq!(record.drawer, "stranger", "{from}: {}", record.reason);
    }
    // A decision without its token, on the thread alone.
    let bare =
        house.reply_text(&anna, "anna@shop.example", "APPROVE", PROOF).replace(&anna.reply_to(), "orders@shop.example");
    let bare = bare.lines().filter(|line| !line.starts_with('>')).collect::<Vec<_>>().join("\r\n");
    let record = house.feed(&bare);
    assert_eq!(record.drawer, "stranger", "{}", record.reason);
    assert_eq!(
        (house.statuses("4711"), house.statuses("4712")),
        (vec!["NOT_CHECKED_DO_APPROVE"], vec!["NOT_CHECKED_DO_APPROVE"])
    );
    assert!(house.out().is_empty(), "none of them learns anything");

    // Decided; then the same words again, in other bytes and under another Message-ID.
    let raw =
        house.reply_text(&anna, "anna@shop.example", "DECLINE 10\nAPPROVE 20", PROOF).replace("DOMAIN", "shop.example");
    assert_eq!(house.feed(&raw).drawer, "decision");
    let statuses = house.statuses("4711");
    let kinds = house.kinds("4711");
    assert_ne!(statuses, ["NOT_CHECKED_DO_APPROVE"]);
    for replay in
        [raw.clone(), format!("Received: from replay\r\n{raw}"), raw.replace("Message-ID: <r", "Message-ID: <z")]
    {
        house.feed(&replay);
    }
    assert_eq!(house.statuses("4711"), statuses);
    let recalls = |kinds: &[Kind]| kinds.iter().filter(|kind| **kind == Kind::SendOrderRecall).count();
    assert_eq!(recalls(&house.kinds("4711")), recalls(&kinds), "nothing is recalled twice");
    house.out();
    // The question changed: the old token is good for nothing.
    house.confirm("nord", "4712", "10 B1 8 120.00 2026-12-21 ok\n20 B2 5 14.50 2026-12-21 ok");
    house.out();
    house.reply(&other, "anna@shop.example", "APPROVE");
    let waiting = house.statuses("4712");
    assert!(waiting.contains(&"NOT_CHECKED_DO_APPROVE") && !waiting.contains(&"CLOSED"), "{waiting:?}");
    // Ben's own token is his for the open question alone.
    house.reply(&ben, "ben@shop.example", "APPROVE");
    assert_eq!(house.statuses("4712"), waiting);
}

/// Partner B must not answer a recall, a request or an order of partner A, with whatever it got hold of.
#[test]
fn partners_cannot_answer_for_each_other() {
    let house = House::new();
    let (anna, _) = asked(&house, "4711");
    house.reply(&anna, "anna@shop.example", "DECLINE");
    let recall = house.out().into_iter().find(|one| one.to == ["ab@nord.example"]).unwrap();
    let before = house.ask(Request::OrderShow { number: "4711".into() }).value;
    for words in
        ["RECALLED", "TOO LATE", "Your order 4711\nDate 2026-11-23\n\nLines\n10 B1 8 100.00 2026-12-21 ok\nEnd"]
    {
        for proof in [PROOF, ""] {
            let record = house.reply_with(&recall, "ab@ost.example", words, proof);
            assert_ne!(record.drawer, "recall-answer", "{words}: {}", record.reason);
        }
    }
    let after = house.ask(Request::OrderShow { number: "4711".into() }).value;
    assert_eq!(before["recalls"], after["recalls"]);
    assert_eq!(before["order"], after["order"]);
    let told = house.out();
    for mail in told.iter().filter(|one| one.to[0].contains("ost")) {
        let text = mail.mail.text.clone().unwrap();
        assert!(!text.contains("B1") || !text.contains("100"), "ost learns nothing: {text}");
    }
    assert_eq!(house.reply(&recall, "ab@nord.example", "TOO LATE").drawer, "recall-answer");
}

/// Whoever finds yesterday's mail must not go on deciding with it: what is still open is decided with the mail that says so.
#[test]
fn a_token_is_good_for_one_decision() {
    let house = House::new();
    let (anna, _) = asked(&house, "4711");
    house.reply(&anna, "anna@shop.example", "APPROVE 10");
    let partly = house.out_to("anna@shop.example");
    let again = house.reply(&anna, "anna@shop.example", "APPROVE 20");
    assert_eq!(again.drawer, "decision", "{}", again.reason);
    assert_eq!(house.statuses("4711"), ["NOT_CHECKED_DO_APPROVE"], "the first token is used up");
    let told = house.out_to("anna@shop.example").mail.text.unwrap();
    assert!(told.contains("nothing was changed"), "{told}");
    house.reply(&partly, "anna@shop.example", "APPROVE 20");
    assert_eq!(house.statuses("4711"), ["CLOSED"]);
}

/// A slip of the pen (a line that nobody asked about) would close the question to the right answer.
#[test]
fn a_reply_that_decides_nothing_leaves_the_question_open() {
    let house = House::new();
    let (anna, _) = asked(&house, "4711");
    for slip in ["APPROVE 30", "APPROVE 10, 30", "APPROVE 10\nDECLINE 10"] {
        house.reply(&anna, "anna@shop.example", slip);
        assert_eq!(house.statuses("4711"), ["NOT_CHECKED_DO_APPROVE"], "{slip}");
        let told = house.out_to("anna@shop.example").mail;
        assert!(told.subject.contains("Nothing was decided"), "{slip}: {}", told.subject);
    }
    house.reply(&anna, "anna@shop.example", "APPROVE");
    assert_eq!(house.statuses("4711"), ["CLOSED"]);
}

/// The receipt of a decision in part carries the token for the rest: capped, it would leave the approver without any.
#[test]
fn a_decision_in_part_is_told_beyond_the_cap() {
    let config = house::CONFIG.replace("[gateway]\n", "[gateway]\nanswers_per_hour = 1\n");
    let house = House::with(&config);
    let (anna, _) = asked(&house, "4711");
    house.reply(&anna, "anna@shop.example", "STATUS");
    house.reply(&anna, "anna@shop.example", "STATUS");
    assert_eq!(to(&house.out(), "anna@shop.example").len(), 1, "the cap stands");
    house.reply(&anna, "anna@shop.example", "DECLINE 10");
    let partly = house.out_to("anna@shop.example");
    let words = partly.mail.text.clone().unwrap();
    assert!(!words.contains("UNDO"), "nothing is recalled before all is decided: {words}");
    house.reply(&partly, "anna@shop.example", "APPROVE 20");
    assert!(house.responses("4711")[0].approval.as_ref().unwrap().decided_by.is_some());
}

/// Whoever knows a partner's address must not answer recalls and requests in the partner's name.
#[test]
fn answers_of_partners_are_held_to_their_origin() {
    let strict = house::CONFIG.replace("response_trust = \"off\"", "response_trust = \"require\"");
    let house = House::with(&strict);
    house.order("4711");
    let proof = PROOF.replace("DOMAIN", "nord.example") + "\n";
    let unproved = house.confirm("nord", "4711", DEAR);
    assert_eq!(unproved.drawer, "stranger", "{}", unproved.reason);
    house.feed(&format!("{proof}{}", house.confirmation("nord", "4711", DEAR, "")));
    let anna = house.out().into_iter().find(|one| one.to == ["anna@shop.example"]).unwrap();
    house.reply(&anna, "anna@shop.example", "DECLINE");
    let recall = house.out().into_iter().find(|one| one.to == ["ab@nord.example"]).unwrap();
    let state = |house: &House| house.ask(Request::OrderShow { number: "4711".into() }).value["recalls"].clone();
    let before = state(&house);
    for proof in ["", "Authentication-Results: mx.evil.example; dmarc=pass header.from=nord.example"] {
        let record = house.reply_with(&recall, "ab@nord.example", "RECALLED", proof);
        assert_eq!(record.drawer, "stranger", "{}", record.reason);
    }
    assert_eq!(state(&house), before);
    assert_eq!(house.reply(&recall, "ab@nord.example", "RECALLED").drawer, "recall-answer");
    assert_ne!(state(&house), before);
}

/// An approver who asked must read the answer and decide with it; a partner who answered must not be told to correct it.
#[test]
fn the_partners_answer_reaches_who_asked() {
    let house = House::new();
    let (anna, ben) = asked(&house, "4711");
    house.reply(&ben, "ben@shop.example", "ASK when exactly does line 10 come?");
    let question = house.out().into_iter().find(|one| one.to == ["ab@nord.example"]).unwrap();
    let answer = "Position 10 comes on 21 December, as written.\n\nKind regards\nOlaf";
    // As most people answer; without what names the question but the thread; and with a confirmation's subject.
    let whole = house.reply_text(&question, "ab@nord.example", answer, "X-Nothing: here");
    let thread = house.reply_text(&question, "ab@nord.example", "It comes by lorry.", "X-Nothing: here");
    let thread = thread.replace(&question.reply_to(), "orders@shop.example");
    let thread = thread.lines().filter(|line| !line.starts_with('>')).collect::<Vec<_>>().join("\r\n");
    let subject = house.reply_text(&question, "ab@nord.example", "On Monday, I hope.", "X-Nothing: here");
    let subject = subject.replace("Subject: Re: ", "Subject: Confirmation ");
    for (raw, words) in [(whole, "as written"), (thread, "by lorry"), (subject, "On Monday")] {
        let record = house.feed(&raw);
        assert_eq!(record.drawer, "acknowledgement", "{}", record.reason);
        assert!(record.reason.starts_with("answers the question of T"), "{}", record.reason);
        assert_eq!(record.order.as_ref().map(|order| order.as_str()), Some("4711"));
        assert_eq!(house.statuses("4711"), ["NOT_CHECKED_DO_APPROVE"], "no response is made of it");
        let out = house.out();
        assert_eq!(out.len(), 1, "{:?}", out.iter().map(|one| (&one.to, &one.mail.subject)).collect::<Vec<_>>());
        assert_eq!(out[0].to, ["ben@shop.example"], "who asked");
        let text = out[0].mail.text.clone().unwrap();
        assert!(text.contains(words) && text.contains("APPROVE") && text.contains("110.00"), "{text}");
        assert!(!text.contains("when exactly does line 10"), "what was quoted is not the answer: {text}");
        house.reply(&out[0], "ben@shop.example", "APPROVE 10 and also");
        house.out();
    }
    let question = house.transmissions("4711").into_iter().find(|one| one.kind == Kind::Question).unwrap();
    assert_eq!(question.status, TransmissionStatus::Confirmed, "it was answered");
    // The question is still anna's, too, and the last answer's mail is good for a decision.
    house.reply(&anna, "anna@shop.example", "APPROVE 10");
    let partly = house.out_to("anna@shop.example");
    house.reply(&partly, "anna@shop.example", "ASK and line 20?");
    let question = house.out().into_iter().find(|one| one.to == ["ab@nord.example"]).unwrap();
    house.reply(&question, "ab@nord.example", "That one, too.");
    let told = house.out_to("anna@shop.example");
    house.reply(&told, "anna@shop.example", "APPROVE REST");
    assert_eq!(house.statuses("4711"), ["CLOSED"]);
    house.out();
    // Late words are still read by who asked, and ask for nothing.
    house.reply(&question, "ab@nord.example", "By the way, thank you.");
    let late = house.out_to("anna@shop.example");
    let text = late.mail.text.clone().unwrap();
    assert!(text.contains("By the way") && !text.contains("APPROVE"), "{text}");
    assert!(late.mail.reply_to.is_empty(), "nothing is asked");
}

/// Whoever answers a question with a new response must be heard as such, and nobody may speak for the partner.
#[test]
fn an_answer_to_a_question_may_be_a_response_and_is_the_partners_alone() {
    let strict = house::CONFIG.replace("response_trust = \"off\"", "response_trust = \"require\"");
    let house = House::with(&strict);
    let proof = PROOF.replace("DOMAIN", "nord.example");
    house.order("4711");
    house.feed(&format!("{proof}\n{}", house.confirmation("nord", "4711", DEAR, "")));
    let anna = house.out().into_iter().find(|one| one.to == ["anna@shop.example"]).unwrap();
    house.reply(&anna, "anna@shop.example", "ASK why?");
    let question = house.out().into_iter().find(|one| one.to == ["ab@nord.example"]).unwrap();
    let kinds = house.kinds("4711");
    let words = "It is dear this year.";
    let cases = [
        ("ab@nord.example", "X-Nothing: here", "stranger"),
        ("eve@evil.example", PROOF, "stranger"),
        ("anna@shop.example", PROOF, "stranger"),
        ("ab@nord.example", &format!("{PROOF}\nAuto-Submitted: auto-generated"), "auto-reply"),
        ("ab@nord.example", &format!("{PROOF}\nAuto-Submitted: auto-replied"), "auto-reply"),
    ];
    for (from, proof, drawer) in cases {
        let record = house.reply_with(&question, from, words, proof);
        assert_eq!(record.drawer, drawer, "{from} {proof}: {}", record.reason);
        assert!(house.out().is_empty(), "{from} {proof}: nobody hears of it");
    }
    // Another partner's mail is never the answer.
    let record = house.reply(&question, "ab@ost.example", words);
    assert_ne!(record.drawer, "acknowledgement", "{}", record.reason);
    assert!(to(&house.out(), "anna@shop.example").is_empty());
    assert_eq!((house.kinds("4711"), house.statuses("4711").len()), (kinds, 1));
    // The old confirmation below says nothing new; a new one counts.
    let response = |price: &str| {
        format!(
            "Your order 4711\nDate 2026-11-23\n\nLines\n10 B1 8 {price} 2026-12-21 ok\n20 B2 5 {} 2026-12-21 ok\nEnd",
            if price == "100.00" { "12.50" } else { "14.50" }
        )
    };
    let of_a_confirmation = |words: &str| {
        let raw = house.reply_text(&question, "ab@nord.example", words, PROOF);
        let raw = raw.replace("Subject: Re: ", "Subject: Confirmation ").replace("DOMAIN", "nord.example");
        house.feed(&raw)
    };
    let same = of_a_confirmation(&format!("As we wrote:\n\n{}", response("110.00")));
    assert_eq!(same.drawer, "acknowledgement", "{}", same.reason);
    assert!(house.out_to("anna@shop.example").mail.text.unwrap().contains("As we wrote"));
    assert_eq!(house.statuses("4711"), ["NOT_CHECKED_DO_APPROVE"]);
    let new = of_a_confirmation(&response("100.00"));
    assert_eq!(new.drawer, "response", "{}", new.reason);
    assert_eq!(house.statuses("4711"), ["FAILED", "CLOSED"]);
}

/// What an approver can ask for besides yes and no must happen and be confirmed.
#[test]
fn ask_hold_delegate_status_and_help() {
    let house = House::new();
    let (anna, _) = asked(&house, "4711");
    house.reply(&anna, "anna@shop.example", "ASK Can line 10 come earlier?");
    let out = house.out();
    assert!(to(&out, "ab@nord.example")[0].mail.text.as_deref().unwrap().contains("Can line 10 come earlier?"));
    assert_eq!(to(&out, "anna@shop.example").len(), 1, "a receipt");
    house.reply(&anna, "anna@shop.example", "STATUS");
    assert!(house.out_to("anna@shop.example").mail.text.as_deref().unwrap().contains("waits for a decision"));
    house.reply(&anna, "anna@shop.example", "HELP");
    assert!(house.out_to("anna@shop.example").mail.text.as_deref().unwrap().contains("DELEGATE"));
    house.reply(&anna, "anna@shop.example", "HOLD 3d");
    house.out();
    house.wait(48);
    assert!(to(&house.out(), "anna@shop.example").is_empty(), "no reminder while it is held");
    house.reply(&anna, "anna@shop.example", "DELEGATE carl@shop.example");
    let out = house.out();
    let carl = to(&out, "carl@shop.example");
    assert_eq!(carl.len(), 1);
    let record = house.reply(carl[0], "carl@shop.example", "APPROVE 10");
    assert_eq!(record.drawer, "decision", "{}", record.reason);
    let partly = house.out_to("carl@shop.example");
    assert!(partly.mail.text.as_deref().unwrap().contains("20"), "what is open is told");
    house.reply(&partly, "carl@shop.example", "APPROVE REST");
    assert_eq!(house.statuses("4711"), ["CLOSED"]);
}
