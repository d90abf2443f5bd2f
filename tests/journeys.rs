//! The process as pages that a person can read beside the reference: `<` is fed, `>` must come of it, all
//! of it and nothing else. Which rows of the table the pages walk is counted; a row that no page walks
//! fails. `UPDATE_JOURNEYS=1 cargo test --test journeys` rewrites what follows each `<`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use postern::model::message::FieldType;
use postern::model::*;
use postern::process::{
    AlarmChange, Command, Decision, DecisionKind, Input, Person, PersonAction, RecallAnswer, Received, Reread, Scope,
    TABLE, Verb, World, step,
};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/journeys")
}

/// Every page tells the truth, and together they walk the whole table and come to every kind of end.
#[test]
fn every_page_comes_out_as_it_is_written_and_every_row_is_walked() {
    let mut pages: Vec<PathBuf> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|p| p.extension().is_some_and(|e| e == "txt"))
        .collect();
    pages.sort();
    assert!(pages.len() > 10, "the pages are gone");
    let update = std::env::var_os("UPDATE_JOURNEYS").is_some();
    let mut walked: BTreeMap<(Option<Status>, String), BTreeSet<String>> = BTreeMap::new();
    let mut ends: BTreeSet<&str> = BTreeSet::new();
    let mut wrong = Vec::new();
    for path in pages {
        let name = path.file_stem().unwrap().to_string_lossy().to_string();
        let written = std::fs::read_to_string(&path).unwrap();
        let mut scene = Scene::new();
        let played = scene.play(&written).unwrap_or_else(|error| panic!("{name}: {error}"));
        for row in scene.walked {
            walked.entry(row).or_default().insert(name.clone());
        }
        for response in scene.dossier.responses.values() {
            ends.insert(match response.status {
                Status::Closed => "CLOSED",
                Status::Failed => "FAILED",
                Status::CopiedForManualEdit => "COPIED_FOR_MANUAL_EDIT",
                _ => "held",
            });
        }
        if played != written {
            if update {
                std::fs::write(&path, &played).unwrap();
            } else {
                wrong.push(format!("{name}:\n{}", difference(&written, &played)));
            }
        }
    }
    assert!(wrong.is_empty(), "pages that do not come out as written:\n{}", wrong.join("\n"));
    assert_eq!(ends.into_iter().collect::<Vec<_>>(), ["CLOSED", "COPIED_FOR_MANUAL_EDIT", "FAILED", "held"]);
    let unwalked: Vec<String> = TABLE
        .iter()
        .filter(|row| !walked.contains_key(&(row.from, row.answer.name().to_string())))
        .map(|row| format!("{} {:?}: {}", row.step, row.from, row.answer.name()))
        .collect();
    assert!(unwalked.is_empty(), "rows that no page walks:\n{}", unwalked.join("\n"));
    compare_index(&walked, update);
}

/// `tests/journeys/rows.md`: which page walks which row.
fn compare_index(walked: &BTreeMap<(Option<Status>, String), BTreeSet<String>>, update: bool) {
    let mut index = String::from(
        "# Which page walks which row\n\nWritten by the journeys test.\n\n| step | in status | answer | pages |\n|---|---|---|---|\n",
    );
    for row in TABLE {
        let from = row.from.map_or("–", Status::name);
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

fn difference(written: &str, played: &str) -> String {
    let diff = similar::TextDiff::from_lines(written, played);
    diff.unified_diff().context_radius(2).header("written", "played").to_string()
}

/// One dossier, its surroundings, and what came of the last input.
struct Scene {
    dossier: Dossier,
    /// Other orders, for pages on which orders are merged.
    others: BTreeMap<OrderNumber, Dossier>,
    policies: Policies,
    options: toml::Table,
    now: Timestamp,
    desk: Desk,
    walked: BTreeSet<(Option<Status>, String)>,
}

/// Gives out numbers and takes down what is owed; refuses the kinds it is told to.
#[derive(Default)]
struct Desk {
    responses: u64,
    transmissions: u64,
    alarms: u64,
    fails: BTreeSet<String>,
    owed: Vec<Owed>,
}

struct Counting<'a>(&'a mut u64, &'a mut u64, &'a mut u64);

impl Numbers for Counting<'_> {
    fn response(&mut self) -> ResponseId {
        *self.0 += 1;
        ResponseId(*self.0)
    }
    fn transmission(&mut self) -> TransmissionId {
        *self.1 += 1;
        TransmissionId(*self.1)
    }
    fn alarm(&mut self) -> AlarmId {
        *self.2 += 1;
        AlarmId(*self.2)
    }
}

struct Writing<'a>(&'a BTreeSet<String>, &'a mut Vec<Owed>);

impl Writer for Writing<'_> {
    fn write(&mut self, owed: &Owed, _: &Dossier) -> Result<(), String> {
        if self.0.contains(owed.kind.name()) {
            return Err(format!("the template of {} does not render", owed.kind));
        }
        self.1.push(owed.clone());
        Ok(())
    }
}

impl Scene {
    fn new() -> Scene {
        let mut policies = Policies::default();
        for name in ["nordwind", "ostwerk"] {
            let partner = Partner { addresses: vec![format!("orders@{name}.example")], ..Partner::default() };
            policies.partners.insert(name.into(), partner);
        }
        let shop = Channel { approvers: vec!["anna@shop.example".into()], ..Channel::default() };
        policies.channels.insert("shop".into(), shop);
        Scene {
            dossier: Dossier::new("4711".into()),
            others: BTreeMap::new(),
            policies,
            options: toml::Table::new(),
            now: "2026-11-23T09:00:00Z".parse().unwrap(),
            desk: Desk::default(),
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

    fn step(&mut self, input: Input) -> Vec<String> {
        let before = self.dossier.clone();
        let desk = &mut self.desk;
        let mut numbers = Counting(&mut desk.responses, &mut desk.transmissions, &mut desk.alarms);
        let mut writer = Writing(&desk.fails, &mut desk.owed);
        let mut world = World { now: self.now, policies: &self.policies, numbers: &mut numbers, writer: &mut writer };
        let outcome = step(&mut self.dossier, input, &mut world);
        let mut told = Vec::new();
        for (id, step) in &outcome.rows {
            self.walked.insert((step.from, step.answer.clone()));
            let note = step.note.as_ref().map(|note| format!(" ({note})")).unwrap_or_default();
            told.push(format!("{id} {:10} {:22} {}{note}", step.step, step.to.name(), step.answer));
        }
        for owed in std::mem::take(&mut self.desk.owed) {
            told.push(owed_words(&owed));
        }
        for alarm in &outcome.alarms {
            told.push(match alarm {
                AlarmChange::Raise { kind, message, .. } => format!("alarm {}: {message}", kind.name()),
                AlarmChange::Remind { kind, subject } => format!("alarm again {}: {subject}", kind.name()),
                AlarmChange::End { kind, subject } => format!("alarm over {}: {subject}", kind.name()),
            });
        }
        told.extend(outcome.confirmed_transmissions.iter().map(|id| format!("{id} is answered")));
        told.extend(outcome.canceled_transmissions.iter().map(|id| format!("{id} is no longer wanted")));
        told.extend(outcome.refused.iter().map(|why| format!("refused: {why}")));
        self.tell_changes(&before, &mut told);
        let nothing = before == self.dossier && !told.iter().any(|line| line.starts_with("owes"));
        assert!(outcome.changed || nothing, "something changed that would not be committed");
        self.check();
        // What follows for another order is told there.
        for (number, input) in outcome.passed_on {
            let here = self.dossier.number.clone();
            told.push(format!("to order {number}:"));
            self.turn_to(&number);
            told.extend(self.step(input));
            self.turn_to(&here);
        }
        told
    }

    fn turn_to(&mut self, number: &OrderNumber) {
        let there = self.others.remove(number).unwrap_or_else(|| Dossier::new(number.clone()));
        let here = std::mem::replace(&mut self.dossier, there);
        self.others.insert(here.number.clone(), here);
    }

    fn tell_changes(&self, before: &Dossier, told: &mut Vec<String>) {
        for (id, response) in &self.dossier.responses {
            let old = before.responses.get(id);
            if old.map(|o| &o.faults) != Some(&response.faults) {
                for fault in &response.faults {
                    let place = fault.place.as_ref().map(|place| format!(" [{place}]")).unwrap_or_default();
                    told.push(format!("{id} {}: {}{place}", fault.code, fault.message));
                }
            }
            if old.map(|o| &o.deviations) != Some(&response.deviations) {
                for d in &response.deviations {
                    let (position, within) =
                        (d.position.unwrap_or(0), if d.within { ", within tolerance" } else { "" });
                    let impact = d.impact.map(|impact| format!(", impact {impact}")).unwrap_or_default();
                    told.push(format!(
                        "{id} {position} {}: {} -> {}, {} (tolerance {}{within}{impact})",
                        d.code, d.ordered, d.confirmed, d.difference, d.tolerance
                    ));
                }
            }
            if old.map(|o| &o.lines) != Some(&response.lines) {
                told.extend(response.lines.iter().filter_map(|line| line_words(*id, line)));
            }
            if old.and_then(|o| o.waits_for.as_ref()).map(|w| &w.reason)
                != response.waits_for.as_ref().map(|w| &w.reason)
                && let Some(wait) = &response.waits_for
            {
                told.push(format!("{id} waits: {}", wait.reason));
            }
            if old.is_none_or(|o| o.error != response.error)
                && let Some(error) = &response.error
            {
                told.push(format!("{id} cannot go on: {error}"));
            }
            if let Some(returned) = response.returned.as_ref().filter(|_| old.is_none_or(|o| o.returned.is_none())) {
                let positions: Vec<_> =
                    returned.positions.iter().map(|p| format!("{} x {} {}", p.position, p.quantity, p.rcl)).collect();
                told.push(format!("{id} returns {}", positions.join(", ")));
            }
        }
        let announced = |dossier: &Dossier| {
            let order = dossier.order.clone();
            order.map(|order| order.positions.iter().map(position_words).collect::<Vec<_>>()).unwrap_or_default()
        };
        let (old, new) = (announced(before), announced(&self.dossier));
        told.extend(new.iter().filter(|line| !old.contains(line)).filter(|_| before.order.is_some()).cloned());
        for recall in &self.dossier.recalls {
            let old = before.recalls.iter().find(|old| old.transmission == recall.transmission);
            if old.is_some_and(|old| old.state != recall.state) {
                told.push(format!("recall {} is {:?}", recall.transmission, recall.state));
            }
        }
    }

    /// What must hold after every input.
    fn check(&self) {
        let d = &self.dossier;
        let dues = d.responses.values().filter_map(|r| r.due);
        let dues =
            dues.chain(d.recalls.iter().filter_map(|r| r.due)).chain(d.unanswered.values().filter_map(|u| u.due));
        assert_eq!(d.next_due, dues.chain(d.unwritten.iter().map(|u| u.due)).min(), "next_due");
        for response in d.responses.values() {
            let last = response.history.last().unwrap();
            assert_eq!(last.to, response.status, "{} moved without a row", response.id);
        }
    }

    fn feed(&mut self, fed: &str, more: &[String]) -> Result<Vec<String>, String> {
        let words: Vec<&str> = fed.split_whitespace().collect();
        if let Some(rest) = fed.strip_prefix("settings ") {
            self.settings(rest)?;
            return Ok(Vec::new());
        }
        if let Some(rest) = fed.strip_prefix("approvers ") {
            let shop = self.policies.channels.get_mut(&"shop".into()).unwrap();
            shop.approvers = rest
                .split('|')
                .map(|entry| entry.trim().to_string())
                .filter(|e| !e.is_empty() && e != "nobody")
                .collect();
            return Ok(Vec::new());
        }
        if let Some(rest) = fed.strip_prefix("the writer fails: ") {
            self.desk.fails = rest.split(", ").map(str::to_string).collect();
            return Ok(Vec::new());
        }
        if fed == "the writer works" {
            self.desk.fails.clear();
            return Ok(Vec::new());
        }
        if let Some(rest) = fed.strip_prefix("the reason ") {
            let (words, code) = rest.split_once(" means ").ok_or("the reason WORDS means CODE")?;
            self.policies.partners.get_mut(&"nordwind".into()).unwrap().reasons.insert(words.into(), code.into());
            return Ok(Vec::new());
        }
        if let Some(number) = fed.strip_prefix("turn to order ") {
            self.turn_to(&number.into());
            return Ok(Vec::new());
        }
        if words.len() == 2 && words[1] == "pass" {
            return self.pass(Pause::parse(words[0])?);
        }
        if words.len() == 4 && words[1] == "stands" {
            // As if the gateway had been stopped half-way, or an older version had left it there.
            let (id, status) = (id(words[0])?, Status::from_name(words[3]).ok_or("no status")?);
            let response = self.dossier.responses.get_mut(&id).ok_or("no such response")?;
            response.status = status;
            response.history.last_mut().unwrap().to = status;
            return Ok(Vec::new());
        }
        Ok(self.step(self.input(fed, more)?))
    }

    fn pass(&mut self, pause: Pause) -> Result<Vec<String>, String> {
        let until = pause.after(self.now, "UTC");
        let mut told = Vec::new();
        for _ in 0..1_000 {
            let Some(due) = self.dossier.next_due.filter(|due| *due <= until) else {
                self.now = until;
                return Ok(told);
            };
            self.now = due.max(self.now);
            let what = self.step(Input::Timer);
            if !what.is_empty() {
                told.push(format!("at {}", self.now));
                told.extend(what);
            }
        }
        Err("time never ends".into())
    }

    fn settings(&mut self, text: &str) -> Result<(), String> {
        let table: toml::Table = text.parse().map_err(|e: toml::de::Error| e.to_string())?;
        merge(&mut self.options, table);
        self.policies.defaults = self.options.clone().try_into().map_err(|e: toml::de::Error| e.to_string())?;
        Ok(())
    }

    fn input(&self, fed: &str, more: &[String]) -> Result<Input, String> {
        let words: Vec<&str> = fed.split_whitespace().collect();
        match words.as_slice() {
            ["order"] | ["order", "revised"] => {
                Ok(Input::OrderRegistered(order(&self.dossier.number, more, self.now)?))
            }
            ["the", "mapping", name, ..] => {
                Ok(Input::HoldOver { mapping: (*name).into(), rereads: BTreeMap::new(), by: "mapping mended".into() })
            }
            [by, "closes", "the", "alarm", kind, "of", subject] => {
                let kind = AlarmKind::ALL.iter().find(|row| row.1 == *kind).ok_or("no kind of alarm")?.0;
                Ok(Input::AlarmClosed { kind, subject: (*subject).into(), by: (*by).into() })
            }
            ["order", "canceled"] => Ok(Input::OrderCanceled { by: "shop".into() }),
            ["dispatched", ..] => {
                let rest = fed.trim_start_matches("dispatched ");
                let pair = |pair: &str| {
                    let (position, quantity) = pair.split_once(':').ok_or("dispatched 10: 4, 20: 2")?;
                    Ok::<_, String>((number(position)?, decimal(quantity)?))
                };
                let positions = rest.split(',').map(pair).collect::<Result<_, _>>()?;
                Ok(Input::Dispatched { positions, by: "warehouse".into() })
            }
            [partner, "says", ..] => self.received(partner, &quoted_words(fed)[2..], more),
            [by, "replies", "to", response, ..] => {
                let text = fed.split_once(": ").ok_or("ADDRESS replies to R1: TEXT")?.1;
                self.decision(by, response.trim_end_matches(':'), &words, text)
            }
            [partner, "answers", "the", ..] => {
                let (head, answer) = fed.split_once(": ").ok_or("PARTNER answers the recall T2: RECALLED")?;
                let answer = match answer {
                    "RECALLED" => RecallAnswer::Recalled,
                    "TOO LATE" => RecallAnswer::TooLate,
                    other => return Err(format!("`{other}` answers no recall")),
                };
                let recall = head.split_whitespace().nth(4).map(transmission).transpose()?;
                let by = format!("orders@{partner}.example");
                Ok(Input::RecallAnswer { recall, partner: (*partner).into(), answer, by })
            }
            [letter, "bounces:", ..] => {
                let reason = fed.split_once(": ").ok_or("T1 bounces: REASON")?.1.to_string();
                Ok(Input::Bounced { transmission: transmission(letter)?, reason })
            }
            [by, "is", "away", "from", letter, rest @ ..] => {
                let delegate = rest.last().map(|address| (*address).to_string());
                Ok(Input::Absent { transmission: transmission(letter)?, by: (*by).into(), delegate })
            }
            [by, what @ ..] if by.ends_with(':') => self.person(by.trim_end_matches(':'), what, fed, more),
            _ => Err("not understood".into()),
        }
    }

    fn received(&self, partner: &str, head: &[String], more: &[String]) -> Result<Input, String> {
        let mut received = Received {
            partner: partner.into(),
            message: Message::new(MessageKind::Response).into(),
            mail: Some(MailId(self.desk.responses + 1)),
            arrived_at: self.now,
            answers: None,
            faults: Vec::new(),
            held: None,
        };
        read_head(head, &mut received)?;
        for (index, line) in more.iter().enumerate() {
            read_line(line, index, &mut received)?;
        }
        Ok(Input::ResponseReceived(Box::new(received)))
    }

    fn decision(&self, by: &str, response: &str, words: &[&str], text: &str) -> Result<Input, String> {
        let response = id(response)?;
        let current = self.dossier.responses.get(&response).and_then(|r| r.approval.as_ref()).map_or(1, |a| a.version);
        let version = match words.iter().position(|word| *word == "(version") {
            Some(at) => number(words[at + 1].trim_end_matches([')', ':']))?,
            None => current,
        };
        let mut decision = Decision {
            response,
            version,
            by: by.into(),
            kind: DecisionKind::Decision,
            commands: Vec::new(),
            lines: Vec::new(),
        };
        if let Some(unclear) = text.strip_prefix("unclear ") {
            decision.kind = DecisionKind::Ambiguous;
            decision.lines.push((unclear.to_string(), "?".to_string()));
        } else if let Some(comment) = text.strip_prefix("comment ") {
            decision.kind = DecisionKind::Comment;
            decision.lines.push((comment.to_string(), "comment".to_string()));
        } else {
            for part in text.split(" / ") {
                decision.commands.push(command(part)?);
                decision.lines.push((part.to_string(), "command".to_string()));
            }
        }
        Ok(Input::Decision(decision))
    }

    fn person(&self, by: &str, what: &[&str], fed: &str, more: &[String]) -> Result<Input, String> {
        let reason = fed.split_once(" because ").map(|(_, reason)| reason.to_string()).unwrap_or_default();
        let about = |at: usize| what.get(at).ok_or("which response?".to_string()).and_then(|word| id(word)).map(Some);
        let (response, action) = match what {
            ["rechecks", ..] => (about(1)?, PersonAction::Correct(None)),
            ["has", _, "read", "again", head @ ..] => {
                let head: Vec<String> = head.iter().map(|word| (*word).to_string()).collect();
                let Input::ResponseReceived(read) = self.received("nordwind", &head, more)? else {
                    return Err("?".into());
                };
                (
                    about(1)?,
                    PersonAction::Correct(Some(Box::new(Reread { message: read.message, faults: read.faults }))),
                )
            }
            ["forces", ..] => (about(1)?, PersonAction::Force),
            ["gives", "up", ..] => (about(2)?, PersonAction::Fail),
            ["releases", "the", "merge"] => (None, PersonAction::ReleaseMerge),
            ["releases", ..] => (about(1)?, PersonAction::Release),
            ["promotes", ..] => (about(1)?, PersonAction::Promote),
            ["asks", "again", "about", ..] => (about(3)?, PersonAction::AskAgain),
            ["handled", "the", "errors", "of", ..] => (about(4)?, PersonAction::ErrorsHandled),
            ["sets", _, "to", "DO_ANNOUNCE", ..] => (about(1)?, PersonAction::SetToAnnounce),
            ["undoes", "the", "decline", "of", ..] => (about(4)?, PersonAction::UndoDecline),
            ["accepts", _, "after", "all", ..] => (about(1)?, PersonAction::AcceptAfterTooLate),
            ["merges", "into", order, ..] => (None, PersonAction::MergeInto { into: (*order).into() }),
            ["merges", "with", order] => (None, PersonAction::Merge { with: (*order).into() }),
            ["corrects", _, sets @ ..] => {
                let sets = sets.iter().take_while(|word| **word != "because");
                let set = |set: &&str| {
                    let (name, value) = set.split_once('=').ok_or("20.quantity_confirmed=8")?;
                    let (target, field) = match name.split_once('.') {
                        Some((line, field)) if line.starts_with('L') => {
                            (EditTarget::Line(number(&line[1..])? as usize - 1), field)
                        }
                        Some((position, field)) => (EditTarget::Position(number(position)?), field),
                        None => (EditTarget::Head, name),
                    };
                    Ok::<_, String>((
                        target,
                        Field::from_name(field).ok_or(format!("no field {field}"))?,
                        value.to_string(),
                    ))
                };
                (about(1)?, PersonAction::Edit(sets.map(set).collect::<Result<_, _>>()?))
            }
            _ => return Err("not understood".into()),
        };
        Ok(Input::Person(Person { by: by.into(), reason, response, action }))
    }
}

fn merge(into: &mut toml::Table, from: toml::Table) {
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (Some(toml::Value::Table(old)), toml::Value::Table(new)) => merge(old, new),
            (_, value) => {
                into.insert(key, value);
            }
        }
    }
}

fn id(text: &str) -> Result<ResponseId, String> {
    text.trim_end_matches(':').parse()
}

fn transmission(text: &str) -> Result<TransmissionId, String> {
    text.trim_end_matches(':').parse()
}

fn number(text: &str) -> Result<u32, String> {
    text.trim().parse().map_err(|_| format!("`{text}` is no number"))
}

fn decimal(text: &str) -> Result<Decimal, String> {
    text.trim().parse().map_err(|_| format!("`{text}` is no number"))
}

/// Words, with "quoted ones" kept together.
fn quoted_words(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for c in text.chars() {
        match c {
            '"' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            c => words.last_mut().unwrap().push(c),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// `10 A-1 x 10 PCE at 5.00 sales 8.00 on 2026-12-01 by nordwind gtin 4006381333931`
fn order(number_of: &OrderNumber, lines: &[String], now: Timestamp) -> Result<Order, String> {
    let mut positions = Vec::new();
    for line in lines {
        let words: Vec<&str> = line.split_whitespace().collect();
        let value = |name: &str| words.iter().position(|word| *word == name).and_then(|at| words.get(at + 1)).copied();
        let quantity = words.iter().position(|word| *word == "x").ok_or("x QUANTITY is missing")?;
        let unit = words.get(quantity + 2).filter(|word| word.chars().all(|c| c.is_ascii_uppercase()));
        positions.push(serde_json::json!({
            "position": number(words[0])?, "supplier_sku": words[1], "quantity": words[quantity + 1], "unit": unit,
            "price_net": value("at"), "price_sales_net": value("sales"), "requested_date": value("on"),
            "partner": value("by").unwrap_or("nordwind"), "gtin": value("gtin"), "shop_sku": value("ours"),
        }));
    }
    let json =
        serde_json::json!({ "order_number": number_of, "channel": "shop", "currency": "EUR", "positions": positions });
    Order::read(&json.to_string(), now).map_err(|e| e.to_string()).map(|mut orders| orders.remove(0))
}

fn said(field: Field, text: &str, place: Place) -> Result<Said, String> {
    Ok(Said::new(Value::parse(field.field_type(), text)?, text, "journey", place))
}

/// `ACC dated 2026-11-20 type=CONTINUOUS answering R1 missing=accepted backorder=two-lines currency=USD`
fn read_head(words: &[String], received: &mut Received) -> Result<(), String> {
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let message = Arc::make_mut(&mut received.message);
        let mut next = || words.next().cloned().unwrap_or_default();
        let field = match word.as_str() {
            "dated" => Some((Field::EntryDate, next())),
            "answering" => {
                received.answers = Some(id(&next())?);
                None
            }
            "unreadable" => {
                let (code, text) = (FaultCode::Unreadable, next());
                received.faults.push(Fault {
                    code,
                    message: text,
                    position: None,
                    line: None,
                    field: None,
                    read: None,
                    needed: None,
                    place: Some(Place::whole("text")),
                });
                None
            }
            word => match word.split_once('=') {
                Some(("type", name)) => {
                    message.response_type = Some(ResponseType::from_name(name).ok_or("no type")?);
                    None
                }
                Some(("held", mapping)) => {
                    received.held = Some(mapping.into());
                    None
                }
                Some(("missing", policy)) => {
                    message.habits.missing = serde_json::from_value(policy.into()).map_err(|e| e.to_string())?;
                    None
                }
                Some(("backorder", habit)) => {
                    message.habits.backorder = serde_json::from_value(habit.into()).map_err(|e| e.to_string())?;
                    None
                }
                Some((name, value)) => {
                    Some((Field::from_name(name).ok_or(format!("no field {name}"))?, value.to_string()))
                }
                None => Some((Field::State, word.to_string())),
            },
        };
        if let Some((field, text)) = field {
            message.fields.insert(field, said(field, &text, Place::text("text", 1, 1, 1 + text.len()))?);
        }
    }
    Ok(())
}

/// `10 accepted confirmed=6 on=2026-12-01 backordered=4 later=2026-12-08 at=5.10 reason="kein Bestand"`
fn read_line(line: &str, index: usize, received: &mut Received) -> Result<(), String> {
    let mut values = BTreeMap::new();
    let row = index + 3;
    for (column, word) in quoted_words(line).iter().enumerate() {
        let (name, text) = match word.split_once('=') {
            Some((name, text)) => (name, text),
            None if column == 0 && word.chars().all(|c| c.is_ascii_digit()) => ("position", word.as_str()),
            None if LineStatus::from_name(word).is_some() => ("status", word.as_str()),
            None if column == 0 => ("supplier_sku", word.as_str()),
            None => return Err(format!("`{word}`?")),
        };
        let name = match name {
            "confirmed" | "backordered" | "canceled" => format!("quantity_{name}"),
            "on" => "confirmed_date".into(),
            "later" => "backordered_date".into(),
            "at" => "price_net".into(),
            "sku" => "supplier_sku".into(),
            "substitute" => "substitute_sku".into(),
            other => other.to_string(),
        };
        let field = Field::from_name(&name).ok_or(format!("no field {name}"))?;
        let place = Place::text("text", row, 1 + line.find(word.as_str()).unwrap_or(0), 1 + line.len());
        match said(field, text, place.clone()) {
            Ok(said) => {
                values.insert(field, said);
            }
            // As a reader does it: a value that cannot be read is a fault with its place.
            Err(why) if field.field_type() != FieldType::Text => received.faults.push(Fault {
                code: FaultCode::InvalidValue,
                message: why,
                position: None,
                line: Some(index),
                field: Some(field),
                read: Some(text.to_string()),
                needed: None,
                place: Some(place),
            }),
            Err(why) => return Err(why),
        }
    }
    Arc::make_mut(&mut received.message).lines.push(values);
    Ok(())
}

fn command(text: &str) -> Result<Command, String> {
    let (verb, rest) = text.split_once(' ').unwrap_or((text, ""));
    let scope = |rest: &str| -> Result<Scope, String> {
        match rest.trim() {
            "" | "ALL" => Ok(Scope::All),
            "REST" => Ok(Scope::Rest),
            list => {
                let (mut ranges, mut products) = (Vec::new(), Vec::new());
                for part in list.split(',').map(str::trim) {
                    let ends: Vec<Option<u32>> = part.split('-').map(|n| n.trim().parse().ok()).collect();
                    match ends.as_slice() {
                        [Some(one)] => ranges.push((*one, *one)),
                        [Some(from), Some(to)] => ranges.push((*from, *to)),
                        _ => products.push(part.to_string()),
                    }
                }
                Ok(Scope::Lines { ranges, products })
            }
        }
    };
    let (verb, scope) = match verb {
        "APPROVE" => (Verb::Approve, scope(rest)?),
        "DECLINE" => (Verb::Decline, scope(rest)?),
        "ASK" => (Verb::Ask(rest.to_string()), Scope::All),
        "DELEGATE" => (Verb::Delegate(rest.to_string()), Scope::All),
        "HOLD" => (Verb::Hold(Pause::parse(rest)?), Scope::All),
        "STATUS" => (Verb::Status, Scope::All),
        "HELP" => (Verb::Help, Scope::All),
        "UNDO" => (Verb::Undo, Scope::All),
        other => return Err(format!("no verb {other}")),
    };
    Ok(Command { verb, scope })
}

fn owed_words(owed: &Owed) -> String {
    let to = match &owed.recipient {
        Recipient::Partner(partner) => partner.to_string(),
        Recipient::Approvers { addresses, .. } => addresses.join(", "),
        Recipient::Channel(channel) => format!("channel {channel}"),
        Recipient::Documents(channel) => format!("documents of {channel}"),
        Recipient::Operators => "operators".into(),
        Recipient::Address(address) => address.clone(),
    };
    let about = match &owed.about {
        About::Response => String::new(),
        About::Recall { positions, .. } => {
            let positions: Vec<_> =
                positions.iter().map(|(position, quantity)| format!("{position} x {quantity}")).collect();
            format!(": {}", positions.join(", "))
        }
        About::Receipt(receipt) => {
            let lines =
                |name: &str, lines: &[u32]| if lines.is_empty() { String::new() } else { format!(" {name} {lines:?}") };
            let detail = receipt.detail.as_ref().map(|detail| format!(" ({detail})")).unwrap_or_default();
            format!(
                ": {:?}{}{}{}{detail}",
                receipt.outcome,
                lines("approved", &receipt.approved),
                lines("declined", &receipt.declined),
                lines("open", &receipt.open)
            )
        }
        About::Reminder { of, of_kind, count } => format!(": {of} {of_kind}, the {count}."),
        About::Unanswered { positions, count, .. } => {
            format!(": positions {positions:?} are not answered, the {count}.")
        }
        About::Digest { questions, .. } => format!(": {} questions", questions.len()),
        About::Withdrawal { of, reason } => format!(": {of} ({reason})"),
        About::Alarm { .. } => String::new(),
        About::Question { by, text } => format!(": {by} asks: {text}"),
    };
    let held = owed.not_before.map(|at| format!(", not before {at}")).unwrap_or_default();
    let response = owed.response.map(|id| format!(" for {id}")).unwrap_or_default();
    format!("owes {} {} to {to}{response}{about}{held}", owed.id, owed.kind)
}

fn line_words(id: ResponseId, line: &Line) -> Option<String> {
    let position = line.position.map_or("?".to_string(), |position| position.to_string());
    if let Some(why) = &line.ignored {
        return Some(format!("{id} line {position} is not processed: {why}"));
    }
    let filled: Vec<String> = line
        .filled
        .iter()
        .filter(|(field, _)| {
            !matches!(field, Field::SupplierSku | Field::ShopSku | Field::Gtin | Field::ProductId | Field::Name)
        })
        .map(|(field, by)| format!("{} from {by}", field.name()))
        .collect();
    (!filled.is_empty()).then(|| format!("{id} line {position} is filled in: {}", filled.join(", ")))
}

fn position_words(position: &Position) -> String {
    let mut words = format!("order {}: ordered {}", position.position, position.quantity);
    if let Some(a) = &position.announced {
        let on = |date: Option<Date>| date.map(|date| format!(" on {date}")).unwrap_or_default();
        write!(words, ", confirmed {}{}", a.quantity_confirmed, on(a.confirmed_delivery_date)).unwrap();
        if !a.quantity_backordered.is_zero() {
            write!(words, ", backordered {}{}", a.quantity_backordered, on(a.backordered_delivery_date)).unwrap();
        }
        if let Some(price) = a.supplier_confirmed_purchase_item_net {
            write!(words, ", at {price}").unwrap();
        }
        write!(words, " ({})", a.response).unwrap();
    }
    for (name, quantity) in [("canceled", position.quantity_canceled), ("dispatched", position.quantity_dispatched)] {
        if !quantity.is_zero() {
            write!(words, ", {name} {quantity}").unwrap();
        }
    }
    words
}
