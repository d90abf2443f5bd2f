//! Letters as their readers get them: golden texts, equal content of both parts, nothing from the
//! network, nothing told to whom it is not meant for, and commands that are read back as printed.
//!
//! `UPDATE_GOLDEN=1 cargo test --test letters` writes the golden texts anew.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use postern::mail::Mail;
use postern::mail::decision::{Argument, Kind, Scope, Verb, decide};
use postern::model::{About, FaultCode, LineDecision, Outcome, Recipient, TransmissionKind};
use postern::template::example::{self, Example};
use postern::template::{Letter, Templates, Words, lint};

const LANGUAGES: [&str; 4] = ["en", "de", "sv", "fr"];

fn written(lang: &str) -> Vec<(Example, Words)> {
    let templates = Templates::builtin();
    let examples = example::all().into_iter().map(|example| example.in_language(lang));
    examples
        .map(|example| {
            let words = templates.write(&example.letter()).unwrap_or_else(|e| panic!("{lang} {}: {e}", example.name));
            (example, words)
        })
        .collect()
}

/// All letters by name, those of the sales side among them.
fn all_written(lang: &str) -> Vec<(String, Words)> {
    let mut all: Vec<(String, Words)> =
        written(lang).into_iter().map(|(example, words)| (example.name, words)).collect();
    let templates = Templates::builtin();
    for example in example::sales() {
        let example = example.in_language(lang);
        let words = templates.write_sale(&example.letter).unwrap_or_else(|e| panic!("{lang} {}: {e}", example.name));
        all.push((example.name, words));
    }
    all
}

/// A changed sentence must be seen by whoever changes it, before partners see it.
#[test]
fn letters_read_as_agreed() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/letters");
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let mut complaints = Vec::new();
    for lang in ["en", "de"] {
        for (name, words) in all_written(lang) {
            let path = folder.join(lang).join(format!("{}.txt", name));
            let now = format!("Subject: {}\n\n{}", words.subject, words.text);
            if update {
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(&path, &now).unwrap();
            } else if std::fs::read_to_string(&path).unwrap_or_default() != now {
                complaints.push(format!("{} differs; it is now:\n{now}", path.display()));
            }
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

/// Whoever reads only one of the two parts must not miss a number or a word of the other.
#[test]
fn both_parts_say_the_same() {
    for lang in LANGUAGES {
        for (name, words) in all_written(lang) {
            let body = words.html.split("<body").nth(1).unwrap();
            let page = visible(body);
            let html: BTreeSet<String> = tokens(&page);
            let text: BTreeSet<String> = tokens(&words.text);
            let missing: Vec<_> = html.symmetric_difference(&text).collect();
            assert!(missing.is_empty(), "{lang} {}: only in one part: {missing:?}", name);
        }
    }
}

/// HTML as words, entities undone.
fn visible(html: &str) -> String {
    let mut out = String::new();
    let mut inside = true; // behind `<body`
    for c in html.chars() {
        match c {
            '<' => {
                inside = true;
                out.push(' ');
            }
            '>' => inside = false,
            c if !inside => out.push(c),
            _ => {}
        }
    }
    undone(&out)
}

/// The references of an HTML text undone.
fn undone(html: &str) -> String {
    let mut parts = html.split("&#");
    let mut out = parts.next().unwrap_or("").to_string();
    for part in parts {
        let (number, rest) = part.split_once(';').expect("a reference ends");
        let number = match number.strip_prefix('x') {
            Some(hex) => u32::from_str_radix(hex, 16),
            None => number.parse(),
        };
        out.extend(char::from_u32(number.expect("a number")));
        out.push_str(rest);
    }
    let out = out.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"");
    out.replace("&amp;", "&")
}

fn tokens(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| c.is_whitespace() || c == '\u{202f}' || c == '\u{a0}');
    // `>` and `-` draw quotations and lists in text; they carry no words.
    words
        .map(|word| word.trim_matches(|c: char| !c.is_alphanumeric()).to_string())
        .filter(|word| !word.is_empty())
        .collect()
}

/// A mail that loads anything tells its sender when and where it was read, and is blocked by many readers.
#[test]
fn nothing_comes_from_the_network() {
    for lang in LANGUAGES {
        for (name, words) in all_written(lang) {
            // As it goes: no encoding makes a third of it longer, and no line is longer than mail allows (RFC 5322).
            assert!(words.html.is_ascii() && words.html.lines().all(|line| line.len() <= 998), "{lang} {name}");
            let html = words.html.to_lowercase();
            for sign in ["http://", "https://", "src=", "url(", "<img", "<script", "<link", "@import", "<iframe"] {
                assert!(!html.contains(sign), "{lang} {}: {sign}", name);
            }
            assert!(html.contains(&format!("<html lang=\"{lang}\"")), "{lang}");
            assert!(html.contains("prefers-color-scheme: dark") && html.contains("color-scheme: light dark"));
            assert!(!html.contains("<table class=\"grid\"") || html.contains("scope=\"col\""));
        }
    }
}

/// A line that runs over the edge is wrapped by the reader's program, and a table is no table any more.
#[test]
fn text_fits_a_terminal() {
    for lang in LANGUAGES {
        for (name, words) in all_written(lang) {
            for line in words.text.lines().filter(|line| !line.starts_with("line ")) {
                assert!(line.chars().count() <= 78, "{lang} {}: {line}", name);
            }
            assert!(!words.subject.contains(['\n', '\r']) && words.subject.chars().count() <= 180);
        }
    }
}

/// A command printed in a letter that our own reader did not understand would leave an order undecided.
#[test]
fn printed_commands_are_read_back() {
    let templates = Templates::builtin();
    for lang in LANGUAGES {
        let word = |key: &str| templates.word(lang, &format!("verb.{key}")).unwrap().to_string();
        let english = |key: &str| templates.word("en", &format!("verb.{key}")).unwrap().to_string();
        let read = |text: &str| {
            let reading = decide(text, lang);
            assert_eq!(reading.kind, Kind::Decision, "{lang}: `{text}` is read as {reading:?}");
            assert_eq!(reading.commands.len(), 1, "{lang}: {text}");
            reading.commands[0].clone()
        };
        let plain = [
            ("approve", Verb::Approve),
            ("decline", Verb::Decline),
            ("status", Verb::Status),
            ("help", Verb::Help),
            ("undo", Verb::Undo),
            ("recalled", Verb::Recalled),
            ("too_late", Verb::TooLate),
            ("release", Verb::Release),
        ];
        for (key, verb) in plain {
            assert_eq!(read(&word(key)).verb, verb, "{lang} {key}");
            assert_eq!(read(&english(key)).verb, verb, "{lang} {key}, in English");
        }
        let approve = word("approve");
        assert!(matches!(read(&format!("{approve} 20, 30")).scope, Scope::Lines(lines) if lines.len() == 2));
        assert_eq!(read(&format!("{approve} {}", word("rest"))).scope, Scope::Rest, "{lang}");
        let hold = read(&format!("{} 2d", word("hold")));
        assert!(hold.verb == Verb::Hold && matches!(hold.argument, Argument::For(_)), "{lang}: {hold:?}");
        let delegate = read(&format!("{} name@example.com", word("delegate")));
        assert!(delegate.verb == Verb::Delegate && delegate.argument == Argument::Address("name@example.com".into()));
        let change = read(&format!("{} 20 qty = 8 price = 12.50", word("change")));
        assert!(
            change.verb == Verb::Change && matches!(&change.argument, Argument::Changes(all) if all.len() == 2),
            "{lang}"
        );
        for (_, words) in all_written(lang) {
            for line in words.text.lines().filter(|line| line.starts_with(&word("ask"))) {
                let asked = line.split("  ").next().unwrap();
                assert_eq!(read(asked).verb, Verb::Ask, "{lang}: {asked}");
            }
            for answer in answers(&words.html) {
                read(&answer);
            }
        }
    }
}

/// The bodies of the ready answers.
fn answers(html: &str) -> Vec<String> {
    let links = html.split("href=\"mailto:").skip(1).map(|rest| rest.split('"').next().unwrap());
    links.map(|link| unpercent(link.split("body=").nth(1).unwrap())).collect()
}

fn unpercent(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        if byte == b'%' {
            bytes.push(u8::from_str_radix(std::str::from_utf8(&after[..2]).unwrap(), 16).unwrap());
            rest = &after[2..];
        } else {
            bytes.push(byte);
            rest = after;
        }
    }
    String::from_utf8(bytes).unwrap()
}

/// A partner that guesses order numbers must not learn which of them exist, whatever the house knows of them.
#[test]
fn an_order_of_others_looks_like_no_order() {
    let templates = Templates::builtin();
    let all = example::all();
    let order = all.iter().find_map(|one| one.dossier.order.clone()).unwrap();
    for lang in ["", "de"] {
        for kind in ["request_new_response-unknown_order", "reminder_request_new_response"] {
            let mut unknown = find(kind);
            unknown.dossier.order = None;
            let response = unknown.dossier.responses.values_mut().next().unwrap();
            response.faults.truncate(1);
            response.faults[0].code = FaultCode::UnknownOrder;
            let mut others = find(kind);
            let mut theirs = order.clone();
            theirs.positions.iter_mut().for_each(|position| position.partner = "ostwerk".into());
            theirs.currency = "CHF".into();
            others.dossier.order = Some(theirs);
            let response = others.dossier.responses.values_mut().next().unwrap();
            response.faults[0].code = FaultCode::NotPartnerOfOrder;
            response.faults[0].read = Some("2026-4711 of ostwerk".into());
            // The channel's own language and time zone must not shine through either.
            let channel = others.policies.channels.values_mut().next().unwrap();
            channel.options.language = Some("sv".into());
            if !lang.is_empty() {
                unknown = unknown.in_language(lang);
                others = others.in_language(lang);
            }
            let unknown = templates.write(&unknown.letter()).unwrap();
            let others = templates.write(&others.letter()).unwrap();
            assert_eq!(unknown, others, "{kind}");
            assert!(!unknown.text.contains("Nordlicht") && !unknown.text.contains("line 20"), "{}", unknown.text);
        }
    }
}

fn of_kind(is: fn(&About) -> bool) -> Example {
    example::all().into_iter().find(|one| is(&one.owed.about)).unwrap()
}

fn find(name: &str) -> Example {
    example::all().into_iter().find(|one| one.name == name).unwrap()
}

/// What a partner reads must not hold our margins, our tolerances, our people, or another partner's lines.
#[test]
fn partners_see_nothing_of_the_house() {
    for lang in LANGUAGES {
        for (mut example, _) in written(lang) {
            if !matches!(example.owed.recipient, Recipient::Partner(_)) {
                continue;
            }
            if let Some(order) = &mut example.dossier.order {
                let mut other = order.positions[0].clone();
                (other.position, other.partner) = (60, "ostwerk".into());
                other.supplier_sku = Some("SECRET-SKU".into());
                order.positions.push(other);
                for position in &mut order.positions {
                    position.price_sales_net = Some("7777.77".parse().unwrap());
                }
            }
            // Nor when the partner itself speaks of that line.
            for response in example.dossier.responses.values_mut() {
                if let Some(mut fault) = response.faults.first().cloned() {
                    (fault.position, fault.code, fault.read) = (Some(60), FaultCode::MissingQuantity, None);
                    response.faults.push(fault);
                }
                if let Some(mut line) = response.lines.first().cloned() {
                    (line.position, line.supplier_sku, line.shop_sku) = (Some(60), None, None);
                    response.lines.push(line);
                }
            }
            match &mut example.owed.about {
                About::Unanswered { positions, .. } => positions.push(60),
                About::Recall { positions, .. } => drop(positions.insert(60, "1".parse().unwrap())),
                _ => {}
            }
            let words = Templates::builtin().write(&example.letter()).unwrap();
            let all = format!("{}\n{}\n{}", words.subject, words.text, undone(&words.html));
            for secret in ["SECRET-SKU", "7777", "7.777", "7,777", "anna@", "ben@"] {
                assert!(!all.contains(secret), "{lang} {}: {secret} in\n{}", example.name, words.text);
            }
        }
    }
}

/// The approver of a partly decided question must be asked about the open lines alone.
#[test]
fn reminders_list_open_lines_only() {
    let mut example = find("reminder_confirm_response");
    let words = Templates::builtin().write(&example.letter()).unwrap();
    assert!(!words.text.contains("APPROVE 20") && words.text.contains("APPROVE 30"), "{}", words.text);
    assert!(!words.text.contains("181.10") && words.text.contains("Decided already: approved 20."), "{}", words.text);
    for approval in example.dossier.responses.values_mut().filter_map(|response| response.approval.as_mut()) {
        approval.lines.insert(40, LineDecision::Open);
    }
    let words = Templates::builtin().write(&example.letter()).unwrap();
    assert!(words.text.starts_with("Reply with APPROVE or DECLINE in the first line"), "{}", words.text);
}

/// What a customer reads must not hold our tolerances, our people, or our margins' words.
#[test]
fn customers_see_nothing_of_the_house() {
    for lang in LANGUAGES {
        for (name, words) in all_written(lang) {
            let to_customer =
                ["send_order_confirmation", "request_new_order", "reminder_request_new_order", "sale_question"];
            if !to_customer.iter().any(|letter| name.starts_with(letter)) {
                continue;
            }
            let all = format!("{}\n{}\n{}", words.subject, words.text, undone(&words.html));
            for secret in ["anna@", "ben@", "2 %", "2\u{a0}%", "RELEASE", "FREIGEBEN"] {
                assert!(!all.contains(secret), "{lang} {name}: {secret} in\n{}", words.text);
            }
        }
    }
}

/// A customer who writes line ends, markup or HTML into a value must change nothing but that value.
#[test]
fn hostile_orders_stay_values() {
    let nasty =
        "x\r\nBcc: victim@x.example\r\n\r\n## Head\n| a | b |\n[[RELEASE]] **b** <script>alert(1)</script> {{ token }}";
    for mut example in example::sales() {
        let letter = &mut example.letter;
        letter.order = nasty.into();
        letter.customer.1 = nasty.into();
        letter.comment = Some(nasty.into());
        letter.customer_words = Some(nasty.into());
        letter.delivery_address = Some(nasty.into());
        for line in &mut letter.lines {
            (line.article, line.name, line.reason) = (Some(nasty.into()), Some(nasty.into()), Some(nasty.into()));
        }
        let words = Templates::builtin().write_sale(letter).unwrap();
        assert!(!words.subject.contains(['\n', '\r']), "{}", words.subject);
        assert!(!words.html.contains("<script") && !words.html.contains("Head</h2>"), "{}", example.name);
        let ready = answers(&words.html).iter().filter(|answer| answer.contains("RELEASE")).count();
        assert!(ready <= 1, "{}: {ready}", example.name);
    }
}

/// A partner who writes line ends, markup or HTML into a value must change nothing but that value.
#[test]
fn hostile_values_stay_values() {
    let nasty = "x\r\nBcc: victim@x.example\r\n\r\n## Head\n| a | b |\n[[APPROVE]] **b** <script>alert(1)</script> {{ token }} {% raw %}";
    for mut example in example::all() {
        example.dossier.number = nasty.into();
        for partner in example.policies.partners.values_mut() {
            partner.name = nasty.into();
        }
        if let Some(order) = &mut example.dossier.order {
            order.positions.iter_mut().for_each(|position| position.name = Some(nasty.into()));
            order.positions.iter_mut().for_each(|position| position.supplier_sku = Some(nasty.into()));
        }
        let letter = Letter { partner_words: Some(nasty), fill_in: Some(nasty), ..example.letter() };
        let words = Templates::builtin().write(&letter).unwrap();
        assert!(!words.subject.contains(['\n', '\r']), "{}", words.subject);
        assert!(!words.html.contains("<script") && !words.html.contains("<h2 style=\"\">Head"), "{}", example.name);
        let token = "{{ token }}";
        assert!(words.text.contains(token) || !words.text.contains("Bcc"), "values are not templates");
    }
}

/// An admin changes one block for one partner; everybody else keeps the letter, and mistakes are shown where they are.
#[test]
fn blocks_can_be_overridden() {
    let dir = tempfile::tempdir().unwrap();
    let file = |path: &str, text: &str| {
        let path = dir.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    file("partner/nordwind/send_order_recall.j2", "{% block subject %}STOP {{ order }}{% endblock %}\n");
    file(
        "channel/nordlicht/letter.j2",
        "{% block footer %}\nYour purchasing team, {{ channel.name }}\n{% endblock %}\n",
    );
    file("partner/nordwind/de/question.j2", "{% block lead %}\nHallo! {{ super() }}\n{% endblock %}\n");
    let templates = Templates::load(dir.path()).unwrap();
    let recall = templates.write(&find("send_order_recall").letter()).unwrap();
    let builtin = Templates::builtin().write(&find("send_order_recall").letter()).unwrap();
    assert_eq!(recall.subject, "STOP 2026-4711");
    assert!(recall.text.ends_with("Your purchasing team, Nordlicht Handel\n"), "{}", recall.text);
    assert!(recall.text.contains("do not deliver these lines"), "the other blocks stay: {}", recall.text);
    assert!(builtin.subject.starts_with("Recall:"));
    let german = templates.write(&find("question").in_language("de").letter()).unwrap();
    assert!(german.text.starts_with("Hallo! Nordlicht Handel hat eine Frage"), "{}", german.text);
    let english = templates.write(&find("question").letter()).unwrap();
    assert!(!english.text.contains("Hallo"), "{}", english.text);
    assert!(lint(Some(dir.path())).unwrap().1.is_empty());

    file(
        "partner/nordwind/send_order_recall.j2",
        "{% block subject %}\nSTOP {{ ordr }}\n{% endblock %}{% block boddy %}{% endblock %}\n",
    );
    let (_, complaints) = lint(Some(dir.path())).unwrap();
    let shown: Vec<String> = complaints.iter().map(ToString::to_string).collect();
    let expected = [
        "partner/nordwind/send_order_recall.j2:2:9: TPL005 there is no variable `ordr` (did you mean `order`?)",
        "partner/nordwind/send_order_recall.j2:3:24: TPL016 no letter shows the block `boddy` (did you mean `body`?)",
    ];
    assert_eq!(shown, expected);
    // It compiles, so it loads; writing it says where it fails, and nothing half is written.
    let complaint = Templates::load(dir.path()).unwrap().write(&find("send_order_recall").letter()).unwrap_err();
    assert_eq!((complaint.file.as_str(), complaint.line), ("partner/nordwind/send_order_recall.j2", 2), "{complaint}");

    file("sv/alarm.j2", "{% extends \"letter.j2\" %}\n{% block lead %}\n{% if %}\n{% endblock %}\n");
    let complaints = Templates::load(dir.path()).err().unwrap();
    assert_eq!(
        (complaints[0].file.as_str(), complaints[0].line, complaints[0].code.as_str()),
        ("sv/alarm.j2", 3, "TPL004")
    );
}

/// A language that somebody has begun must work from the first file on.
#[test]
fn a_new_language_is_a_folder() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("nl")).unwrap();
    let words = "[format]\ndate = \"%d-%m-%Y\"\ntime = \"%d-%m-%Y %H:%M\"\n[column]\nline = \"Regel\"\n";
    std::fs::write(dir.path().join("nl/words.toml"), words).unwrap();
    let letter = "{% extends \"letter.j2\" %}\n{% block subject %}Vraag over {{ order }}{% endblock %}\n{% block lead %}\n{{ question.text | quote }}\n{% endblock %}\n";
    std::fs::write(dir.path().join("nl/question.j2"), letter).unwrap();
    let templates = Templates::load(dir.path()).unwrap();
    let dutch = templates.write(&find("question").in_language("nl").letter()).unwrap();
    assert_eq!(dutch.subject, "Vraag over 2026-4711");
    let fallback = templates.write(&find("confirm_response").in_language("nl").letter()).unwrap();
    assert!(fallback.text.contains("15 Dec 2026"), "a letter it lacks is English as a whole: {}", fallback.text);
    let (_, complaints) = lint(Some(dir.path())).unwrap();
    assert!(complaints.iter().any(|one| one.code == "TPL014" && one.file == "nl/confirm_response.j2"));
    assert!(complaints.iter().any(|one| one.code == "TPL013" && one.message.contains("verb.approve")));
    assert!(complaints.iter().all(|one| !one.is_error()), "{complaints:?}");
}

/// What is built in must be sound, or every operator would see our mistakes.
#[test]
fn the_builtin_letters_are_sound() {
    let (templates, complaints) = lint(None).unwrap();
    assert!(complaints.is_empty(), "{complaints:?}");
    for code in FaultCode::ALL.iter().map(|row| row.1).filter(|code| *code != "NOT_PARTNER_OF_ORDER") {
        assert!(templates.word("en", &format!("fault.{code}.said")).is_some(), "{code}");
    }
    for (_, kind, _) in postern::model::AlarmKind::ALL {
        assert!(templates.word("en", &format!("alarm.{kind}.todo")).is_some(), "{kind}");
    }
    for (_, code, _) in postern::model::DeviationCode::ALL {
        assert!(templates.word("en", &format!("deviation.{code}")).is_some(), "{code}");
    }
    for (_, field, ..) in postern::model::Field::ALL.iter().filter(|row| !row.1.starts_with("customer")) {
        let head_of_order = ["billing_address", "delivery_address", "contact", "payment_terms", "delivery_terms"];
        assert!(head_of_order.contains(field) || templates.word("en", &format!("field.{field}")).is_some(), "{field}");
    }
}

/// An operator or approver who reads no English would be told in English what to do about it.
#[test]
fn sentences_of_other_rooms_are_translated() {
    let alarms = [
        "R1 of nord names order 4711, which is not registered",
        "R1 of nord to order 4711 has waited for long: R2 of nord stands in NOT_CHECKED",
        "R1 of nord to order 4711 has waited for long: no INITIAL response of this partner was announced",
        "order 4711 refused the values of R1 of nord: x",
        "nord does not answer the request for a new response to order 4711 (R1)",
        "nord could not be asked for a new response (R1): 550 no",
        "nobody could be asked about R1: 550 no",
        "nobody decided R1 of nord to order 4711",
        "nobody decided R1 of nord to order 4711; the question has expired and is on hold",
        "nord has not answered order 4711",
        "nord delivers positions 10, 20 of order 4711, declined with R1",
        "nord does not answer the recall T4 to order 4711",
        "nord did not get the recall (550 no) T4 to order 4711",
        "no mail since 2026-11-22T08:00:00Z",
        "CONFIRM_RESPONSE T4 to anna@shop.example: 550 no",
        "polling stopped: only 12 MiB are free on the disk, 256 MiB are kept in reserve",
        "R1: no approver is configured for channel shop",
    ];
    // Every way in which a line can be read.
    let replies = [
        "Hello Anna,\nAPPROVE\nKind regards\nBert\nBuyer",
        "Thanks",
        "yes, but only if it comes earlier",
        "APPROVE or DECLINE",
        "DELEGATE to my boss",
        "HOLD for some time",
        "ASK",
        "CHANGE something",
        "APPROVE the new chairs in the hall",
        "APPROVE?",
        "we talk about it tomorrow",
        "APPROVE 20\nDECLINE 20",
    ];
    let mut readings = BTreeSet::from(["automatic mail".to_string()]);
    for reply in replies {
        readings.extend(decide(reply, "en").lines.into_iter().map(|line| line.read_as));
    }
    // Commands are the language of all.
    readings.retain(|reading| reading.contains(char::is_lowercase));
    assert!(readings.len() >= 14, "{readings:?}");
    for lang in ["de", "sv", "fr"] {
        for sentence in alarms {
            let mut example = of_kind(|about| matches!(about, About::Alarm { .. })).in_language(lang);
            let About::Alarm { alarm, .. } = &mut example.owed.about else { panic!() };
            alarm.message = sentence.to_string();
            let words = Templates::builtin().write(&example.letter()).unwrap();
            assert!(!words.text.contains(sentence), "{lang}: {sentence}\n{}", words.text);
        }
        for reading in &readings {
            let mut example =
                of_kind(|about| matches!(about, About::Receipt(receipt) if receipt.outcome == Outcome::NotUnderstood))
                    .in_language(lang);
            let About::Receipt(receipt) = &mut example.owed.about else { panic!() };
            receipt.lines = vec![("xyz".to_string(), reading.clone())];
            let words = Templates::builtin().write(&example.letter()).unwrap();
            let row = words.text.lines().find(|line| line.contains("xyz")).unwrap_or_default();
            let told = row.trim().trim_start_matches("xyz").trim();
            let same = reading == "signature" && lang == "fr";
            assert!(!told.is_empty() && (told != reading || same), "{lang}: {reading}\n{row}");
        }
    }
}

/// A kind without a letter is said, not sent as something else.
#[test]
fn a_kind_without_a_letter_is_an_error() {
    let mut example = find("confirm_response");
    example.owed.kind = TransmissionKind::SendOrder;
    assert_eq!(Templates::builtin().write(&example.letter()).unwrap_err().code, "TPL003");
}

/// Rendered by a real browser, light and dark, wide and narrow: nothing overflows and everything can be read.
#[test]
fn chromium_shows_every_letter() {
    let Some(chromium) = ["chromium", "chromium-browser", "google-chrome"].into_iter().find_map(installed) else {
        println!("skipped: no Chromium is installed");
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    for lang in LANGUAGES {
        let frames: String = all_written(lang)
            .iter()
            .map(|(name, words)| {
                let page = words.html.replace('&', "&amp;").replace('"', "&quot;");
                format!("<iframe title=\"{}\" srcdoc=\"{page}\"></iframe>\n", name)
            })
            .collect();
        let page = dir.path().join(format!("{lang}.html"));
        std::fs::write(
            &page,
            format!("<!doctype html><meta charset=utf-8><body>{frames}<pre id=out></pre><script>{CHECK}</script>"),
        )
        .unwrap();
        for (name, dark) in [("light", 1), ("dark", 0)] {
            let output = Command::new(&chromium)
                .args(["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-component-update"])
                .args([
                    "--disable-background-networking",
                    "--disable-sync",
                    "--virtual-time-budget=20000",
                    "--dump-dom",
                ])
                .arg(format!("--blink-settings=preferredColorScheme={dark}"))
                .arg(format!("--user-data-dir={}", dir.path().join("profile").display()))
                .arg(format!("file://{}", page.display()))
                .output()
                .unwrap();
            let dom = String::from_utf8_lossy(&output.stdout);
            let report =
                dom.split("<pre id=\"out\">").nth(1).and_then(|rest| rest.split("</pre>").next()).unwrap_or("");
            assert!(report.contains("checked"), "{lang} {name}: the page did not come to an end: {report}");
            assert!(!report.contains("BAD"), "{lang} {name}:\n{report}");
            let count = format!("checked {} letters", example::all().len() + example::sales().len());
            assert!(report.contains(&count), "{lang} {name}: {report}");
        }
    }
}

fn installed(name: &str) -> Option<PathBuf> {
    let folders = std::env::var_os("PATH")?;
    std::env::split_paths(&folders).map(|folder| folder.join(name)).find(|path| path.is_file())
}

/// Runs in the browser: each letter at two widths; the page itself must not scroll sideways, and every text must stand out
/// from what is behind it by 4.5 to 1 (WCAG 2.2, 1.4.3).
const CHECK: &str = r#"
const numbers = text => (text.match(/[\d.]+/g) || []).map(Number);
const light = ([r, g, b]) => [r, g, b].map(v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
  .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
function behind(element, view) {
  for (let e = element; e; e = e.parentElement) {
    const colour = numbers(view.getComputedStyle(e).backgroundColor);
    if (colour.length === 3 || colour[3] > 0) return colour;
  }
  return [255, 255, 255];
}
window.addEventListener('load', () => {
  const out = [];
  const frames = [...document.querySelectorAll('iframe')];
  for (const frame of frames) {
    for (const width of [360, 900]) {
      frame.style.cssText = `width:${width}px;height:600px;border:0`;
      const page = frame.contentDocument, view = frame.contentWindow;
      const wide = page.documentElement.scrollWidth;
      if (wide > width) out.push(`BAD ${frame.title}: ${wide} wide at ${width}`);
      // What stands in a table must be seen without moving it sideways, the names of its columns, too.
      for (const cell of page.querySelectorAll('.grid td, .grid th')) {
        const box = cell.getBoundingClientRect();
        if (box.right > wide + 0.5 || box.right > cell.closest('div').getBoundingClientRect().right + 1.5)
          out.push(`BAD ${frame.title}: ${cell.textContent.slice(0, 30)} ends at ${box.right} at ${width}`);
        const label = view.getComputedStyle(cell, '::before').content;
        if (width === 360 && cell.dataset.label && cell.textContent && !label.includes(cell.dataset.label))
          out.push(`BAD ${frame.title}: ${cell.textContent.slice(0, 30)} has no name at ${width}`);
      }
      if (width === 360) continue;
      const walker = page.createTreeWalker(page.body, NodeFilter.SHOW_TEXT);
      while (walker.nextNode()) {
        if (!walker.currentNode.textContent.trim()) continue;
        const element = walker.currentNode.parentElement;
        const front = light(numbers(view.getComputedStyle(element).color)), back = light(behind(element, view));
        const ratio = (Math.max(front, back) + 0.05) / (Math.min(front, back) + 0.05);
        if (ratio < 4.5) out.push(`BAD ${frame.title}: contrast ${ratio.toFixed(1)} of ${walker.currentNode.textContent.slice(0, 30)}`);
      }
    }
  }
  out.push(`checked ${frames.length} letters`);
  document.getElementById('out').textContent = out.join('\n');
});
"#;

/// Whoever changes a letter looks at it first: all parts, as the mail, the text, the page and the paper.
#[test]
fn the_preview_is_what_goes_out() {
    let dir = tempfile::tempdir().unwrap();
    let preview = |arguments: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_postern")).args(["template", "preview"]).args(arguments).output().unwrap()
    };
    let out = dir.path().to_str().unwrap();
    assert!(preview(&["all", "--lang", "de", "--out", out]).status.success());
    let read = |name: &str| std::fs::read(dir.path().join(name));
    for (name, words) in all_written("de") {
        let mail = Mail::parse(&read(&format!("{name}.eml")).unwrap());
        assert_eq!(mail.subject, words.subject, "{name}");
        assert_eq!(mail.text.unwrap().trim_end(), words.text.trim_end(), "{name}");
        assert_eq!(mail.html.unwrap().trim_end(), words.html.trim_end(), "{name}");
        assert_eq!(read(&format!("{name}.html")).unwrap(), words.html.into_bytes(), "{name}");
        assert!(String::from_utf8(read(&format!("{name}.txt")).unwrap()).unwrap().contains(&words.text), "{name}");
        let paper = name.starts_with("send_order_confirmation");
        assert_eq!(read(&format!("{name}.pdf")).is_ok_and(|bytes| bytes.starts_with(b"%PDF")), paper, "{name}");
    }
    let one = preview(&["CONFIRM_RESPONSE", "--lang", "sv", "--json"]);
    let listed: serde_json::Value = serde_json::from_slice(&one.stdout).unwrap();
    assert!(
        listed["letters"].as_array().unwrap().iter().all(|one| one["html"].as_str().unwrap().contains("lang=\"sv\""))
    );
    for (arguments, words) in
        [(["confirm_respons", "--lang", "en"], "confirm_response"), (["all", "--lang", "tlh"], "sv")]
    {
        let refused = preview(&arguments);
        assert_eq!(refused.status.code(), Some(2));
        assert!(String::from_utf8_lossy(&refused.stderr).contains(words), "{refused:?}");
    }
}

/// Every mail that goes out waits for its letter: writing one must stay far below the mail's own cost.
#[test]
fn writing_is_quick() {
    let templates = Templates::builtin();
    let example = find("confirm_response");
    templates.write(&example.letter()).unwrap();
    let start = std::time::Instant::now();
    for _ in 0..200 {
        templates.write(&example.letter()).unwrap();
    }
    let each = start.elapsed() / 200;
    println!("a CONFIRM_RESPONSE is written in {each:?} (unoptimised build)");
    assert!(each < std::time::Duration::from_millis(100), "{each:?}");
}
