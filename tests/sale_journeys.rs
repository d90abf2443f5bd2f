//! The sales side as pages that a person can read: `<` is fed, `>` must come of it, all of it and nothing else.
//! Which rows of the table the pages walk is counted; a row that no page walks fails.
//! `UPDATE_JOURNEYS=1 cargo test --test sale_journeys` rewrites what follows each `<`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::PathBuf;

use postern::model::customer::OrderSystemPolicy;
use postern::model::*;
use postern::process::sale::{
    LineValue, Lines, ReceivedOrder, SaleAction, SaleCommand, SaleDecision, SaleInput, SalePerson, SaleWorld, TABLE,
    Tried, step,
};
use postern::process::{AlarmChange, DecisionKind};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/journeys/sale")
}

/// Every page tells the truth, and together they walk the whole table and come to every kind of end.
#[test]
fn every_page_comes_out_as_it_is_written_and_every_row_is_walked() {
    let entries = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let mut pages: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|e| e == "txt")).collect();
    pages.sort();
    assert!(pages.len() > 8, "the pages are gone");
    let update = std::env::var_os("UPDATE_JOURNEYS").is_some();
    let mut walked: BTreeMap<(Option<SaleStatus>, String), BTreeSet<String>> = BTreeMap::new();
    let mut ends = BTreeSet::new();
    let mut wrong = Vec::new();
    for path in pages {
        let name = path.file_stem().unwrap().to_string_lossy().to_string();
        let written = std::fs::read_to_string(&path).unwrap();
        let mut scene = Scene::new();
        let played = scene.play(&written).unwrap_or_else(|error| panic!("{name}: {error}"));
        for row in scene.walked {
            walked.entry(row).or_default().insert(name.clone());
        }
        ends.insert(if scene.sale.status.is_end() { scene.sale.status.name() } else { "held" });
        if played != written {
            if update {
                std::fs::write(&path, &played).unwrap();
            } else {
                let diff = similar::TextDiff::from_lines(&written, &played);
                wrong.push(format!("{name}:\n{}", diff.unified_diff().context_radius(2).header("written", "played")));
            }
        }
    }
    assert!(wrong.is_empty(), "pages that do not come out as written:\n{}", wrong.join("\n"));
    assert_eq!(ends.into_iter().collect::<Vec<_>>(), ["CANCELED", "CLOSED", "held"]);
    let unwalked: Vec<String> = TABLE
        .iter()
        .filter(|row| !walked.contains_key(&(row.from, row.answer.name().to_string())))
        .map(|row| format!("{} {:?}: {}", row.step, row.from, row.answer.name()))
        .collect();
    assert!(unwalked.is_empty(), "rows that no page walks:\n{}", unwalked.join("\n"));
    compare_index(&walked, update);
}

/// `tests/journeys/sale/rows.md`: which page walks which row.
fn compare_index(walked: &BTreeMap<(Option<SaleStatus>, String), BTreeSet<String>>, update: bool) {
    let mut index = String::from(
        "# Which page walks which row\n\nWritten by the journeys test.\n\n| step | in status | answer | pages |\n|---|---|---|---|\n",
    );
    for row in TABLE {
        let from = row.from.map_or("–", SaleStatus::name);
        let pages = &walked[&(row.from, row.answer.name().to_string())];
        let shown: Vec<&str> = pages.iter().take(4).map(String::as_str).collect();
        let more = if pages.len() > 4 { format!(" and {} more", pages.len() - 4) } else { String::new() };
        writeln!(index, "| {} | {from} | {} | {}{more} |", row.step, row.answer.name(), shown.join(", ")).unwrap();
    }
    let path = folder().join("rows.md");
    if update {
        std::fs::write(&path, &index).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap_or_default(), index, "rows.md is old: UPDATE_JOURNEYS=1");
}

struct Scene {
    sale: Sale,
    policies: Policies,
    desk: toml::Table,
    options: toml::Table,
    now: Timestamp,
    fails: BTreeSet<String>,
    transmissions: u64,
    mails: u64,
    answers: u64,
    last: Option<Message>,
    walked: BTreeSet<(Option<SaleStatus>, String)>,
}

struct Counting<'a>(&'a mut u64);

impl Numbers for Counting<'_> {
    fn response(&mut self) -> ResponseId {
        ResponseId(0)
    }
    fn transmission(&mut self) -> TransmissionId {
        *self.0 += 1;
        TransmissionId(*self.0)
    }
    fn alarm(&mut self) -> AlarmId {
        AlarmId(0)
    }
}

struct Writing<'a>(&'a BTreeSet<String>, Vec<String>);

impl SaleWriter for Writing<'_> {
    fn write(&mut self, owed: &SaleOwed, _: &Sale) -> Result<(), String> {
        if self.0.contains(owed.kind.name()) {
            return Err(format!("the template of {} does not render", owed.kind));
        }
        let about = match &owed.about {
            SaleAbout::Sale => String::new(),
            SaleAbout::Declined { reason } => format!(": declined ({reason})"),
            SaleAbout::Question { text, .. } => format!(": {text}"),
            SaleAbout::Receipt(receipt) => {
                format!(": {:?} {}", receipt.outcome, receipt.detail.as_deref().unwrap_or("")).trim_end().to_string()
            }
            SaleAbout::Reminder { of, of_kind, count } => format!(": {count} of {of} {of_kind}"),
            SaleAbout::Withdrawal { of, reason } => format!(": {of}, {reason}"),
        };
        let to = if owed.to.is_empty() { "the order system".to_string() } else { owed.to.join(", ") };
        self.1.push(format!("owes {} {} to {to}{about}", owed.id, owed.kind));
        Ok(())
    }

    fn document(&mut self, what: Handing, sale: &Sale) -> Result<Digest, String> {
        if self.0.contains("DOCUMENT") {
            return Err("the house's template does not render".into());
        }
        Ok(Digest::of(format!("{what:?} {} {:?}", sale.version, sale.wanted.lines).as_bytes()))
    }
}

impl Scene {
    fn new() -> Scene {
        let mut policies = Policies::default();
        let acme = Customer { addresses: vec!["jo@acme.example".into()], ..Customer::default() };
        policies.customers.insert("acme".into(), acme);
        policies.sales.addresses = vec!["sales@shop.example".into()];
        let now = "2026-11-23T09:00:00Z".parse().unwrap();
        Scene {
            sale: Sale::new(SaleId(1), "acme".into(), "4711", "4711".into(), now),
            policies,
            desk: toml::Table::new(),
            options: toml::Table::new(),
            now,
            fails: BTreeSet::new(),
            transmissions: 0,
            mails: 0,
            answers: 0,
            last: None,
            walked: BTreeSet::new(),
        }
    }

    /// The page with its `>` lines as they come out now.
    fn play(&mut self, page: &str) -> Result<String, String> {
        let mut out = String::new();
        let mut lines = page.lines().filter(|line| !line.starts_with('>')).peekable();
        while let Some(line) = lines.next() {
            writeln!(out, "{line}").unwrap();
            let Some(fed) = line.strip_prefix("< ") else { continue };
            let mut more = Vec::new();
            while let Some(next) = lines.next_if(|next| next.starts_with("<  ")) {
                writeln!(out, "{next}").unwrap();
                more.push(next[1..].trim().to_string());
            }
            let told = self.feed(fed.trim(), &more).map_err(|error| format!("`{fed}`: {error}"))?;
            for line in told {
                writeln!(out, "> {line}").unwrap();
            }
        }
        Ok(out)
    }

    fn feed(&mut self, fed: &str, more: &[String]) -> Result<Vec<String>, String> {
        if let Some(setting) = fed.strip_prefix("settings ") {
            let (key, value) = setting.split_once('=').ok_or("settings KEY = VALUE")?;
            let table = if key.starts_with("desk.") { &mut self.desk } else { &mut self.options };
            let mut path: Vec<&str> = key.trim().trim_start_matches("desk.").split('.').collect();
            let last = path.pop().unwrap();
            let mut at = table;
            for part in path {
                at = at.entry(part).or_insert_with(|| toml::Table::new().into()).as_table_mut().unwrap();
            }
            let value: toml::Table = format!("v = {}", value.trim()).parse().map_err(|e| format!("{e}"))?;
            at.insert(last.into(), value["v"].clone());
            let addresses = self.policies.sales.addresses.clone();
            self.policies.sales = self.desk.clone().try_into().map_err(|e| format!("{e}"))?;
            if self.policies.sales.addresses.is_empty() && !self.desk.contains_key("addresses") {
                self.policies.sales.addresses = addresses;
            }
            self.policies.sales.options = self.options.clone().try_into().map_err(|e| format!("{e}"))?;
            return Ok(Vec::new());
        }
        match fed.split_whitespace().collect::<Vec<_>>()[..] {
            ["by", "mail"] => {
                self.policies.order_system = OrderSystemPolicy { by_mail: true, ..OrderSystemPolicy::default() };
                Ok(Vec::new())
            }
            ["fails", kind] => {
                self.fails.insert(kind.to_string());
                Ok(Vec::new())
            }
            ["works"] => {
                self.fails.clear();
                Ok(Vec::new())
            }
            [count, "later"] => {
                let pause = Pause::parse(count)?;
                self.now = pause.after(self.now, "UTC");
                Ok(self.step(SaleInput::Timer))
            }
            ["order", ..] => {
                let mut message = message(MessageKind::Order, more)?;
                if !fed.contains("without number") {
                    message.fields.insert(Field::OrderNumber, said(Value::Text("4711".into())));
                }
                self.last = Some(message.clone());
                Ok(self.order(message))
            }
            ["the", "same", "again"] => {
                let message = self.last.clone().ok_or("nothing was ordered")?;
                Ok(self.order(message))
            }
            ["customer", "writes"] => {
                self.mails += 1;
                let mail = MailId(self.mails);
                Ok(self.step(SaleInput::CustomerWrote { mail, by: "jo@acme.example".into() }))
            }
            [transmission, "bounces"] => {
                let transmission = transmission.parse()?;
                Ok(self.step(SaleInput::Bounced { transmission, reason: "550 no such user".into() }))
            }
            ["handed", ref words @ ..] => {
                let answer = (!more.is_empty()).then(|| self.answer(MessageKind::Response, "", more)).transpose()?;
                let result = Tried::Handed { said: words.join(" "), reference: None, answer: answer.map(Box::new) };
                Ok(self.tried(result))
            }
            ["away", ref words @ ..] => Ok(self.tried(Tried::Away { why: words.join(" "), after: None })),
            ["refused", ref words @ ..] => Ok(self.tried(Tried::Refused { why: words.join(" ") })),
            ["answer", ref words @ ..] => {
                let answer = self.answer(MessageKind::Response, &words.join(" "), more)?;
                Ok(self.step(SaleInput::Answered(Box::new(answer))))
            }
            ["has", "order", ref words @ ..] => {
                let answer = self.answer(MessageKind::Order, &words.join(" "), more)?;
                Ok(self.step(SaleInput::Answered(Box::new(answer))))
            }
            ["same", "answer", "again"] => {
                let answer = self.sale.answers.last().cloned().ok_or("nothing was answered")?;
                Ok(self.step(SaleInput::Answered(Box::new(SystemAnswer { ignored: None, ..answer }))))
            }
            ["sales", "replies:", ..] | ["sales", "replies", "late:", ..] => {
                let late = fed.starts_with("sales replies late:");
                let words = fed.split_once(':').map_or("", |(_, words)| words).trim();
                let version = self.sale.question.as_ref().map_or(0, |question| question.version);
                let commands = words.split(" / ").filter_map(command).collect::<Vec<_>>();
                let kind = match () {
                    () if words == "perhaps" => DecisionKind::Ambiguous,
                    () if commands.is_empty() => DecisionKind::Comment,
                    () => DecisionKind::Decision,
                };
                let lines = vec![(words.to_string(), if commands.is_empty() { "comment" } else { "command" }.into())];
                let version = if late { version.saturating_sub(1) } else { version };
                let by = "sales@shop.example".to_string();
                Ok(self.step(SaleInput::Decision(SaleDecision { version, by, kind, commands, lines })))
            }
            ["person:", action, ref reason @ ..] => {
                let reason = reason.join(" ");
                let action = match action {
                    "recheck" => SaleAction::Recheck(None),
                    "mended" => {
                        let mut message = message(MessageKind::Order, more)?;
                        message.fields.insert(Field::OrderNumber, said(Value::Text("4711".into())));
                        SaleAction::Recheck(Some(Box::new(received(message, self.mails))))
                    }
                    "force" => SaleAction::Force,
                    "decline" => SaleAction::Decline,
                    "release" => SaleAction::Release,
                    "ask" => SaleAction::Ask(reason.clone()),
                    "ask-again" => SaleAction::AskAgain,
                    "hand-over" => SaleAction::HandOver,
                    "change" => match command(&format!("CHANGE {reason}")) {
                        Some(SaleCommand::Change { lines, values }) => SaleAction::Change { lines, values },
                        _ => return Err("no change".into()),
                    },
                    other => return Err(format!("nobody can {other}")),
                };
                Ok(self.step(SaleInput::Person(SalePerson { by: "anna".into(), reason, action })))
            }
            _ => Err("not understood".into()),
        }
    }

    fn order(&mut self, message: Message) -> Vec<String> {
        self.mails += 1;
        self.step(SaleInput::OrderReceived(Box::new(received(message, self.mails))))
    }

    fn tried(&mut self, result: Tried) -> Vec<String> {
        let key = self.sale.hand_over().map(|handing| handing.key.clone()).unwrap_or_default();
        self.step(SaleInput::Tried { key, result })
    }

    fn answer(&mut self, kind: MessageKind, words: &str, lines: &[String]) -> Result<SystemAnswer, String> {
        let mut message = message(kind, lines)?;
        let state = |word: &str| words.split_whitespace().next().unwrap_or("").trim_end_matches(':') == word;
        let head = match () {
            () if state("accepted") => Some(HeadState::Accepted),
            () if state("rejected") => Some(HeadState::Canceled),
            () if state("received") => Some(HeadState::Received),
            () => None,
        };
        if let Some(head) = head {
            message.fields.insert(Field::State, said(Value::State(head)));
        }
        if let Some((_, note)) = words.split_once(": ") {
            message.fields.insert(Field::Note, said(Value::Text(note.into())));
        }
        self.answers += 1;
        let version = words.split_once("to version ").and_then(|(_, version)| version.parse().ok());
        Ok(SystemAnswer {
            digest: Digest::of(&self.answers.to_be_bytes()),
            at: self.now,
            version,
            reference: Some("E-77".into()),
            message,
            by: format!("answer-{}.xml", self.answers),
            ignored: None,
        })
    }

    fn step(&mut self, input: SaleInput) -> Vec<String> {
        let before = self.sale.clone();
        let settings = self.policies.sale_settings(&self.sale.customer);
        let mut numbers = Counting(&mut self.transmissions);
        let mut writer = Writing(&self.fails, Vec::new());
        let mut world = SaleWorld { now: self.now, settings: &settings, numbers: &mut numbers, writer: &mut writer };
        let outcome = step(&mut self.sale, input, &mut world);
        let mut told = Vec::new();
        for step in &outcome.rows {
            self.walked.insert((step.from, step.answer.clone()));
            let note = step.note.as_ref().map(|note| format!(" ({note})")).unwrap_or_default();
            told.push(format!("{:4} {:23} {}{note}", step.step, step.to.name(), step.answer));
        }
        told.append(&mut writer.1);
        for alarm in &outcome.alarms {
            told.push(match alarm {
                AlarmChange::Raise { kind, message, .. } => format!("alarm {}: {message}", kind.name()),
                AlarmChange::Remind { kind, .. } => format!("alarm {} again", kind.name()),
                AlarmChange::End { kind, .. } => format!("alarm {} is over", kind.name()),
            });
        }
        told.extend(outcome.confirmed_transmissions.iter().map(|id| format!("{id} is answered")));
        told.extend(outcome.canceled_transmissions.iter().map(|id| format!("{id} is not wanted any more")));
        if before.differences != self.sale.differences {
            told.extend(self.sale.differences.iter().map(|difference| difference_words("", difference)));
        }
        if before.faults != self.sale.faults {
            told.extend(self.sale.faults.iter().map(|fault| format!("fault {}: {}", fault.code, fault.message)));
        }
        let key = |sale: &Sale| sale.hand_over().map(|handing| handing.key.clone());
        if key(&before) != key(&self.sale) {
            told.push(format!("document {}", key(&self.sale).unwrap_or_default()));
        }
        for answer in self.sale.answers.iter().skip(before.answers.len()) {
            if let Some(why) = &answer.ignored {
                told.push(format!("{} is kept, not taken into account: {why}", answer.by));
            }
        }
        if before.confirmation != self.sale.confirmation
            && let Some(confirmation) = &self.sale.confirmation
        {
            told.extend(confirmation.changes.iter().map(|difference| difference_words("told: ", difference)));
        }
        if let Some(order) = &outcome.register {
            for position in &order.positions {
                let article = position.supplier_sku.as_deref().unwrap_or("?");
                let date = position.requested_date.map(|date| format!(" on {date}")).unwrap_or_default();
                told.push(format!(
                    "registered for {}: {} {article} x {} of {}{date}",
                    order.channel, position.position, position.quantity, position.partner
                ));
            }
        }
        if let Some(error) = self.sale.error.as_ref().filter(|_| self.sale.error != before.error) {
            told.push(format!("stays in {}: {error}", self.sale.status));
        }
        if let Some(refused) = &outcome.refused {
            told.push(format!("refused: {refused}"));
        }
        assert!(outcome.changed || self.sale == before, "a change that nobody would commit");
        told
    }
}

fn difference_words(what: &str, difference: &Difference) -> String {
    let at = difference.position.map_or("order".to_string(), |position| position.to_string());
    let within = if difference.within { " (within tolerance)" } else { "" };
    let impact = difference.impact.map(|impact| format!(", impact {impact}")).unwrap_or_default();
    format!("{what}{at} {}: {} -> {}{impact}{within}", difference.code.name(), difference.wanted, difference.confirmed)
}

fn received(message: Message, mail: u64) -> ReceivedOrder {
    ReceivedOrder {
        message,
        mail: Some(MailId(mail)),
        from: "jo@acme.example".into(),
        faults: Vec::new(),
        called: None,
    }
}

fn said(value: Value) -> Said {
    let raw = value.to_string();
    Said::new(value, raw, "page", Place::default())
}

/// `10 A-1 x 10 PCE at 5.00 on 2026-12-01 later 2 on 2026-12-08 canceled`, each part where it is said.
fn message(kind: MessageKind, lines: &[String]) -> Result<Message, String> {
    let mut message = Message::new(kind);
    for line in lines {
        let mut fields = BTreeMap::new();
        let words: Vec<&str> = line.split_whitespace().collect();
        if let [field, "=", value @ ..] = &words[..] {
            let field = Field::from_name(field).ok_or(format!("no field {field}"))?;
            message.fields.insert(field, said(Value::parse(field.field_type(), &value.join(" "))?));
            continue;
        }
        let number = |text: &str| Decimal::from_str_exact(text).map(Value::Number).map_err(|e| format!("{text}: {e}"));
        let date = |text: &str| Value::parse(postern::model::message::FieldType::Date, text);
        let mut rest = words.iter();
        let mut later = false;
        while let Some(word) = rest.next() {
            let (field, value) = match *word {
                "x" => {
                    let next = rest.next().ok_or("x what?")?;
                    let response = kind == MessageKind::Response;
                    (if response { Field::QuantityConfirmed } else { Field::Quantity }, number(next)?)
                }
                "at" => (Field::PriceNet, number(rest.next().ok_or("at what?")?)?),
                "later" => {
                    later = true;
                    (Field::QuantityBackordered, number(rest.next().ok_or("how much later?")?)?)
                }
                "on" => {
                    let field = match (kind, later) {
                        (_, true) => Field::BackorderedDate,
                        (MessageKind::Response, _) => Field::ConfirmedDate,
                        _ => Field::RequestedDate,
                    };
                    (field, date(rest.next().ok_or("when?")?)?)
                }
                "canceled" => (Field::Status, Value::Status(LineStatus::Canceled)),
                "PCE" | "BOX" => (Field::Unit, Value::Text(word.to_string())),
                word if word.chars().all(|c| c.is_ascii_digit()) => (Field::Position, number(word)?),
                word => (Field::SupplierSku, Value::Text(word.to_string())),
            };
            fields.insert(field, said(value));
        }
        message.lines.push(fields);
    }
    Ok(message)
}

/// `RELEASE`, `DECLINE`, `CHANGE 10 qty = 8 price = 12.50`, `ASK words`, `STATUS`, `HELP`.
fn command(text: &str) -> Option<SaleCommand> {
    let words: Vec<&str> = text.split_whitespace().collect();
    Some(match words[..] {
        ["RELEASE"] => SaleCommand::Release,
        ["DECLINE"] => SaleCommand::Decline,
        ["STATUS"] => SaleCommand::Status,
        ["HELP"] => SaleCommand::Help,
        ["APPROVE"] => SaleCommand::OutOfPlace("APPROVE is no word of the sales desk".into()),
        ["ASK", ref words @ ..] => SaleCommand::Ask(words.join(" ")),
        ["CHANGE", line, ref values @ ..] => {
            let lines = match line.parse() {
                Ok(number) => Lines::Some { ranges: vec![(number, number)], articles: Vec::new() },
                Err(_) if line == "ALL" => Lines::All,
                Err(_) => Lines::Some { ranges: Vec::new(), articles: vec![line.to_string()] },
            };
            let values = values.chunks(3).filter_map(|value| match value {
                ["qty", "=", value] => Some(LineValue::Quantity(value.parse().unwrap())),
                ["price", "=", value] => Some(LineValue::Price(value.parse().unwrap())),
                ["date", "=", value] => Some(LineValue::Date(value.parse().unwrap())),
                ["sku", "=", value] => Some(LineValue::Article(value.to_string())),
                _ => None,
            });
            SaleCommand::Change { lines, values: values.collect() }
        }
        _ => return None,
    })
}
