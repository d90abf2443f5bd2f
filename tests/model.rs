//! Random histories of one order against two independent judges: laws that must hold whatever happens,
//! and a small model of the business, written from the reference and not from the code, that predicts
//! where every response stands. Seeds are fixed; a failing history is shrunk to its core.
//! `POSTERN_MODEL_CASES` sets how many histories each test tries, `POSTERN_MODEL_SEED` (a byte) which.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};

use postern::model::*;
use postern::process::Outcome;
use postern::process::*;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};

/// What a partner's mail says; line 10 is 10 pieces at 5.00, line 20 is 4 at 20.00.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Says {
    /// All as ordered.
    All,
    /// All, but line 10 at 6.00.
    AllDearer,
    /// All, but line 20 lacks its quantity.
    AllFaulty,
    /// Line 10 as ordered.
    One,
    OneDearer,
    OneFaulty,
    /// Nothing that can be read.
    Nothing,
    /// Only that the order was received.
    Received,
    /// Everything is canceled.
    Cancel,
    /// Line 10: 6 confirmed, 4 later.
    Later,
}

const SAYS: [Says; 10] = [
    Says::All,
    Says::AllDearer,
    Says::AllFaulty,
    Says::One,
    Says::OneDearer,
    Says::OneFaulty,
    Says::Nothing,
    Says::Received,
    Says::Cancel,
    Says::Later,
];

#[derive(Clone, Debug)]
enum Op {
    Receive {
        says: Says,
        day: i8,
        given: Option<ResponseType>,
        answers: Option<u8>,
        stranger: bool,
    },
    Again,
    Decide {
        which: u8,
        command: u8,
        mallory: bool,
    },
    Recall {
        too_late: bool,
    },
    Hours(u16),
    Person {
        which: u8,
        action: u8,
    },
    Dispatch {
        position: u32,
        quantity: u8,
    },
    Revise {
        quantity: u8,
    },
    CancelOrder,
    /// Another order is merged into this one.
    Join,
    Writer {
        fails: bool,
    },
    Bounce(u8),
    Crash,
}

fn any_op() -> impl Strategy<Value = Op> {
    let kind = prop::option::of(prop_oneof![Just(ResponseType::Initial), Just(ResponseType::Continuous)]);
    prop_oneof![
        8 => (prop::sample::select(&SAYS[..]), 0i8..6, prop_oneof![4 => Just(None), 1 => kind], prop::option::weighted(0.2, any::<u8>()), prop::bool::weighted(0.05))
            .prop_map(|(says, day, given, answers, stranger)| Op::Receive { says, day, given, answers, stranger }),
        1 => Just(Op::Again),
        5 => (any::<u8>(), 0u8..10, prop::bool::weighted(0.1)).prop_map(|(which, command, mallory)| Op::Decide { which, command, mallory }),
        2 => any::<bool>().prop_map(|too_late| Op::Recall { too_late }),
        3 => (1u16..400).prop_map(Op::Hours),
        4 => (any::<u8>(), 0u8..13).prop_map(|(which, action)| Op::Person { which, action }),
        1 => (prop_oneof![Just(10u32), Just(20), Just(30)], 1u8..5).prop_map(|(position, quantity)| Op::Dispatch { position, quantity }),
        1 => (8u8..12).prop_map(|quantity| Op::Revise { quantity }),
        1 => Just(Op::CancelOrder),
        1 => Just(Op::Join),
        1 => any::<bool>().prop_map(|fails| Op::Writer { fails }),
        1 => any::<u8>().prop_map(Op::Bounce),
        1 => Just(Op::Crash),
    ]
}

/// What the model test for statuses knows.
fn simple_op() -> impl Strategy<Value = Op> {
    let says = [
        Says::All,
        Says::AllDearer,
        Says::AllFaulty,
        Says::One,
        Says::OneDearer,
        Says::OneFaulty,
        Says::Nothing,
        Says::Received,
    ];
    let kind = prop::option::of(prop_oneof![Just(ResponseType::Initial), Just(ResponseType::Continuous)]);
    prop_oneof![
        6 => (prop::sample::select(says.to_vec()), 0i8..6, prop_oneof![3 => Just(None), 1 => kind])
            .prop_map(|(says, day, given)| Op::Receive { says, day, given, answers: None, stranger: false }),
        4 => (any::<u8>(), 0u8..4).prop_map(|(which, command)| Op::Decide { which, command, mallory: false }),
        1 => any::<bool>().prop_map(|too_late| Op::Recall { too_late }),
        2 => (1u16..400).prop_map(Op::Hours),
        4 => (any::<u8>(), 0u8..5).prop_map(|(which, action)| Op::Person { which, action }),
        // All that was ordered of a line leaves.
        1 => prop_oneof![Just((10u32, 10u8)), Just((20, 4)), Just((30, 1))].prop_map(|(position, quantity)| Op::Dispatch { position, quantity }),
        // The same once more: a copy, or a commit whose acknowledgement was lost.
        1 => Just(Op::Again),
        1 => Just(Op::Crash),
    ]
}

fn run(name: &str, ops: impl Strategy<Value = Vec<Op>>, test: impl Fn(Vec<Op>) -> Result<(), TestCaseError>) {
    let cases = std::env::var("POSTERN_MODEL_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(10_000);
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 4_000, ..Config::default() };
    let seed = std::env::var("POSTERN_MODEL_SEED").ok().and_then(|n| n.parse().ok()).unwrap_or(7_u8);
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]);
    if let Err(error) = TestRunner::new_with_rng(config, rng).run(&ops, test) {
        panic!("{name}: {error}");
    }
}

/// Whatever partners, approvers, people, time and crashes do, the laws hold and everything can end.
#[test]
fn whatever_happens_the_laws_hold() {
    run("laws", prop::collection::vec(any_op(), 1..14), |ops| {
        let mut house = House::new();
        for op in ops {
            house.act(&op)?;
        }
        house.everything_can_end()
    });
}

/// The process comes to the same statuses as a model of it that somebody wrote from the reference alone.
#[test]
fn statuses_are_those_that_the_reference_predicts() {
    run("prediction", prop::collection::vec(simple_op(), 1..12), |ops| {
        let mut house = House::new();
        let mut predicted = Prediction::default();
        for op in ops {
            predicted.act(&op, &house);
            house.act(&op)?;
            let stands: Vec<(u64, Rest)> =
                house.dossier.responses.values().map(|r| (r.id.0, Rest::of(r.status))).collect();
            let expected: Vec<(u64, Rest)> = predicted.responses.iter().map(|r| (r.id, r.rest)).collect();
            prop_assert_eq!(stands, expected, "after {:?}", op);
        }
        Ok(())
    });
}

/// The dossier in its surroundings, and the laws.
struct House {
    dossier: Dossier,
    policies: Policies,
    now: Timestamp,
    next: [u64; 3],
    writer_fails: bool,
    owed: Vec<Owed>,
    revised: bool,
    last: Option<Input>,
    mails: u64,
    joined: usize,
}

struct Counter<'a>(&'a mut [u64; 3]);

impl Numbers for Counter<'_> {
    fn response(&mut self) -> ResponseId {
        self.0[0] += 1;
        ResponseId(self.0[0])
    }
    fn transmission(&mut self) -> TransmissionId {
        self.0[1] += 1;
        TransmissionId(self.0[1])
    }
    fn alarm(&mut self) -> AlarmId {
        self.0[2] += 1;
        AlarmId(self.0[2])
    }
}

struct Desk<'a>(bool, &'a mut Vec<Owed>);

impl Writer for Desk<'_> {
    fn write(&mut self, owed: &Owed, _: &Dossier) -> Result<(), String> {
        if self.0 {
            return Err("no ink".into());
        }
        self.1.push(owed.clone());
        Ok(())
    }
}

fn order(quantity: u8, now: Timestamp) -> Order {
    let json = format!(
        r#"{{"order_number":"1","channel":"shop","currency":"EUR","partner":"nordwind","positions":[
        {{"position":10,"supplier_sku":"A","quantity":{quantity},"price_net":5,"requested_date":"2026-12-01"}},
        {{"position":20,"supplier_sku":"B","quantity":4,"price_net":20,"requested_date":"2026-12-01"}}]}}"#
    );
    Order::read(&json, now).unwrap().remove(0)
}

const APPROVERS: [&str; 2] = ["anna@shop.example", "carla@shop.example"];

impl House {
    fn new() -> House {
        let now = "2026-11-23T09:00:00Z".parse().unwrap();
        let mut policies = Policies::default();
        policies
            .partners
            .insert("nordwind".into(), Partner { addresses: vec!["o@nordwind.example".into()], ..Partner::default() });
        policies
            .partners
            .insert("ostwerk".into(), Partner { addresses: vec!["o@ostwerk.example".into()], ..Partner::default() });
        let approvers = APPROVERS.map(str::to_string).to_vec();
        policies.channels.insert("shop".into(), Channel { approvers, ..Channel::default() });
        let mut house = House {
            dossier: Dossier::new("1".into()),
            policies,
            now,
            next: [0; 3],
            writer_fails: false,
            owed: Vec::new(),
            revised: false,
            last: None,
            mails: 0,
            joined: 0,
        };
        house.step(Input::OrderRegistered(order(10, now))).unwrap();
        house
    }

    fn pick(&self, which: u8) -> Option<&Response> {
        let count = self.dossier.responses.len();
        (count > 0).then(|| self.dossier.responses.values().nth(usize::from(which) % count)).flatten()
    }

    fn act(&mut self, op: &Op) -> Result<(), TestCaseError> {
        match op {
            Op::Receive { says, day, given, answers, stranger } => {
                self.mails += 1;
                let answers = answers.and_then(|which| self.pick(which)).map(|r| r.id);
                let received = received(*says, *day, *given, answers, *stranger, self.mails, self.now);
                self.step(Input::ResponseReceived(Box::new(received)))
            }
            Op::Again | Op::Crash => {
                let Some(last) = self.last.clone() else { return Ok(()) };
                if matches!(op, Op::Crash) {
                    // The commit was lost: the same input, decided again, comes to the same.
                    let (dossier, next, owed) = (self.dossier.clone(), self.next, self.owed.len());
                    self.step(last.clone())?;
                    let first = std::mem::replace(&mut self.dossier, dossier);
                    self.next = next;
                    self.owed.truncate(owed);
                    self.step(last)?;
                    prop_assert_eq!(&first, &self.dossier, "deciding is not the same twice");
                    return Ok(());
                }
                self.step(last)
            }
            Op::Decide { which, command, mallory } => {
                let Some(response) = self.pick(*which) else { return Ok(()) };
                let by = if *mallory { "mallory@evil.example" } else { APPROVERS[0] };
                let decision = decision(response, *command, by);
                self.step(Input::Decision(decision))
            }
            Op::Recall { too_late } => {
                let answer = if *too_late { RecallAnswer::TooLate } else { RecallAnswer::Recalled };
                let (partner, by) = ("nordwind".into(), "o@nordwind.example".into());
                self.step(Input::RecallAnswer { recall: None, partner, answer, by })
            }
            Op::Hours(hours) => {
                let until = self.now + jiff::SignedDuration::from_hours(i64::from(*hours));
                for _ in 0..500 {
                    let Some(due) = self.dossier.next_due.filter(|due| *due <= until) else { break };
                    self.now = due.max(self.now);
                    self.step(Input::Timer)?;
                    prop_assert!(self.dossier.next_due.is_none_or(|next| next > self.now), "time stands still");
                }
                self.now = until;
                Ok(())
            }
            Op::Person { which, action } => {
                let response = self.pick(*which).map(|r| r.id);
                self.step(Input::Person(person(response, *action)))
            }
            Op::Dispatch { position, quantity } => {
                let positions = BTreeMap::from([(*position, Decimal::from(*quantity))]);
                self.step(Input::Dispatched { positions, by: "warehouse".into() })
            }
            Op::Revise { quantity } => {
                self.revised = true;
                self.step(Input::OrderRegistered(order(*quantity, self.now)))
            }
            Op::Join => self.join(),
            Op::CancelOrder => self.step(Input::OrderCanceled { by: "shop".into() }),
            Op::Writer { fails } => {
                self.writer_fails = *fails;
                Ok(())
            }
            Op::Bounce(which) => {
                let transmission = TransmissionId(u64::from(*which) % (self.next[1] + 1));
                self.step(Input::Bounced { transmission, reason: "550".into() })
            }
        }
    }

    /// Another order of the same goods, with an answer on the way, comes into this one. It is numbered by its own.
    fn join(&mut self) -> Result<(), TestCaseError> {
        self.joined += 1;
        let number = format!("{}", self.joined + 1);
        let mut theirs = order(10, self.now);
        theirs.order_number = number.as_str().into();
        self.mails += 1;
        let says = SAYS[self.joined % SAYS.len()];
        let said = received(says, 3, None, None, false, self.mails, self.now);
        self.next[0] += 1;
        let id = ResponseId(self.next[0]);
        let mut response = Response::new(id, "1".into(), said.partner, said.message, said.arrived_at);
        response.course.read_faults = said.faults;
        let date = response.entry_date.unwrap();
        response.course.turn = Some(Turn { date, arrived_at: self.now, id });
        response.course.type_fixed = true;
        let stood = if self.joined.is_multiple_of(2) { Status::Initial } else { Status::InExternalProcessing };
        let joined = Joined { order: theirs, responses: vec![(response, stood)], by: "operator".into() };
        self.step(Input::Join(Box::new(joined)))
    }

    fn step(&mut self, input: Input) -> Result<(), TestCaseError> {
        let before = self.dossier.clone();
        let owed_before = self.owed.len();
        let mut numbers = Counter(&mut self.next);
        let mut writer = Desk(self.writer_fails, &mut self.owed);
        let mut world = World { now: self.now, policies: &self.policies, numbers: &mut numbers, writer: &mut writer };
        let outcome = step(&mut self.dossier, input.clone(), &mut world);
        self.last = Some(input);
        self.laws(&before, &outcome, owed_before)
    }

    fn laws(&self, before: &Dossier, outcome: &Outcome, owed_before: usize) -> Result<(), TestCaseError> {
        let d = &self.dossier;
        prop_assert!(
            outcome.changed || (*before == *d && self.owed.len() == owed_before),
            "a change that is not committed"
        );
        if let Some(Refused::Duplicate(_) | Refused::Unknown(_) | Refused::NotAllowed(_)) = outcome.refused {
            prop_assert!(
                before.responses == d.responses && self.owed.len() == owed_before,
                "refused, but not without effect"
            );
        }

        let dues = d.responses.values().filter_map(|r| r.due).chain(d.recalls.iter().filter_map(|r| r.due));
        let dues = dues.chain(d.unanswered.values().filter_map(|u| u.due)).chain(d.unwritten.iter().map(|u| u.due));
        prop_assert_eq!(d.next_due, dues.min());
        for response in d.responses.values().filter(|r| before.responses.get(&r.id) != Some(r)) {
            self.law_of_response(before, response)?;
        }
        for (id, step) in &outcome.rows {
            if matches!(
                step.to,
                Status::Checked | Status::NotCheckedDoApprove | Status::NotChecked | Status::InExternalProcessing
            ) && matches!(step.from, Some(Status::Initial | Status::DoCheck))
            {
                self.law_of_turns(*id)?;
            }
        }
        self.law_of_order()
    }

    fn law_of_response(&self, before: &Dossier, r: &Response) -> Result<(), TestCaseError> {
        let id = r.id;
        prop_assert_eq!(r.history.last().unwrap().to, r.status, "{} moved without a row", id);
        let known = before.responses.get(&id).map_or(0, |old| old.history.len());
        for (at, step) in r.history.iter().enumerate().skip(known) {
            let rows = TABLE
                .iter()
                .filter(|row| row.from == step.from && row.answer.name() == step.answer && row.to == step.to);
            prop_assert_eq!(rows.count(), 1, "{} walked no row: {:?}", id, step);
            if at > 0 {
                prop_assert_eq!(step.from, Some(r.history[at - 1].to), "{} jumped", id);
            }
        }
        let waits = !r.status.is_end();
        prop_assert_eq!(r.due.is_some(), waits, "{} in {} has due {:?}", id, r.status, r.due);
        let rests = matches!(
            r.status,
            Status::NotChecked
                | Status::InExternalProcessing
                | Status::NotCheckedDoApprove
                | Status::WaitPending
                | Status::WaitMerge
                | Status::NotAnnounced
                | Status::Closed
                | Status::Failed
                | Status::CopiedForManualEdit
        );
        prop_assert!(rests || r.error.is_some(), "{} stands in {} without a reason", id, r.status);
        prop_assert_eq!(r.status == Status::WaitPending || r.status == Status::WaitMerge, r.waits_for.is_some());
        prop_assert_eq!(
            r.status == Status::Failed && r.failed_because.is_none(),
            false,
            "{} failed without a reason",
            id
        );
        let letters = |kinds: &[TransmissionKind]| {
            self.owed.iter().filter(|o| o.response == Some(id) && kinds.contains(&o.kind)).count()
        };
        let closed = usize::from(r.status == Status::Closed && r.composed.is_some());
        prop_assert_eq!(
            letters(&[TransmissionKind::SendResponseInitial, TransmissionKind::SendResponseContinuous]),
            closed
        );
        if let Some(old) = before.responses.get(&id) {
            prop_assert!(r.history.len() >= old.history.len() && r.history[..old.history.len()] == old.history[..]);
            prop_assert_eq!(&old.message, &r.message, "what the partner said was changed");
        }
        Ok(())
    }

    /// Whoever was looked at had no older unfinished response before it, unless a person let it go ahead.
    fn law_of_turns(&self, id: ResponseId) -> Result<(), TestCaseError> {
        let d = &self.dossier;
        let Some(r) = d.responses.get(&id) else { return Ok(()) };
        let turn = |r: &Response| r.course.turn.unwrap();
        let only_received = r.message.state() == Some(HeadState::Received);
        let stranger = r.partner.as_str() != "nordwind";
        if r.course.released || only_received || stranger || d.order.is_none() {
            return Ok(());
        }
        // What was not said to be INITIAL is CONTINUOUS as soon as an INITIAL was announced.
        let announced = |r: &Response| {
            r.history.iter().any(|s| s.to == Status::Announced) && r.lines.iter().any(|l| l.ignored.is_none())
        };
        let theirs = || d.responses.values().filter(|o| o.partner == r.partner);
        let told = theirs().any(|o| o.response_type == ResponseType::Initial && announced(o));
        let kind = |r: &Response| {
            if told && !r.course.type_fixed && !announced(r) { ResponseType::Continuous } else { r.response_type }
        };
        for other in theirs().filter(|o| o.id != id) {
            let older = (kind(other), turn(other)) < (kind(r), turn(r));
            let live = !other.status.is_end() && !matches!(other.status, Status::WaitPending);
            prop_assert!(
                !(older && live),
                "{} was looked at while the older {} stands in {}",
                id,
                other.id,
                other.status
            );
        }
        Ok(())
    }

    fn law_of_order(&self) -> Result<(), TestCaseError> {
        let Some(order) = &self.dossier.order else { return Ok(()) };
        for p in &order.positions {
            prop_assert!(p.quantity_canceled <= p.quantity && p.quantity_canceled >= Decimal::ZERO);
            let Some(a) = &p.announced else { continue };
            if !self.revised {
                prop_assert!(
                    a.quantity_confirmed + a.quantity_backordered + p.quantity_canceled <= p.quantity,
                    "{:?}",
                    p
                );
            }
            let from = &self.dossier.responses[&a.response];
            let walked = |status| from.history.iter().any(|step| step.to == status);
            prop_assert!(walked(Status::Checked) && walked(Status::Announced), "announced without being checked");
            if a.supplier_confirmed_purchase_item_net == Some(Decimal::new(600, 2)) {
                // Somebody approved that price: for this response, or for one before that it agrees with.
                let approved = |r: &Response| r.approved;
                prop_assert!(self.dossier.responses.values().any(approved), "a price nobody approved");
            }
        }
        Ok(())
    }

    /// From wherever it came to, people can bring every response to an end.
    fn everything_can_end(&mut self) -> Result<(), TestCaseError> {
        let written = serde_json::to_string(&self.dossier).unwrap();
        prop_assert_eq!(
            &serde_json::from_str::<Dossier>(&written).unwrap(),
            &self.dossier,
            "the written form loses something"
        );
        self.writer_fails = false;
        self.step(Input::Person(person(None, 11)))?;
        for _ in 0..6 {
            if self.dossier.unwritten.is_empty() && self.dossier.responses.values().all(|r| r.status.is_end()) {
                break;
            }
            self.now += jiff::SignedDuration::from_hours(2);
            self.step(Input::Timer)?;
            let open: Vec<ResponseId> =
                self.dossier.responses.values().filter(|r| !r.status.is_end()).map(|r| r.id).collect();
            for id in open {
                self.step(Input::Person(person(Some(id), 0)))?;
            }
        }
        let open: Vec<_> =
            self.dossier.responses.values().filter(|r| !r.status.is_end()).map(|r| (r.id, r.status)).collect();
        prop_assert!(open.is_empty(), "no way out: {:?}", open);
        prop_assert!(self.dossier.unwritten.is_empty(), "a courtesy was never written");
        Ok(())
    }
}

fn received(
    says: Says,
    day: i8,
    given: Option<ResponseType>,
    answers: Option<ResponseId>,
    stranger: bool,
    mail: u64,
    now: Timestamp,
) -> Received {
    let said = |field: Field, text: &str| {
        (field, Said::new(Value::parse(field.field_type(), text).unwrap(), text, "test", Place::default()))
    };
    let mut message = Message::new(MessageKind::Response);
    message.response_type = given;
    message
        .fields
        .extend([said(Field::EntryDate, &format!("2026-11-2{day}")), said(Field::ResponseNumber, &mail.to_string())]);
    let line = |position: &str, status: &str, quantity: Option<&str>, price: &str| {
        let mut line = BTreeMap::from([
            said(Field::Position, position),
            said(Field::Status, status),
            said(Field::PriceNet, price),
            said(Field::ConfirmedDate, "2026-12-01"),
        ]);
        line.extend(quantity.map(|quantity| said(Field::QuantityConfirmed, quantity)));
        line
    };
    let ten = |price: &str| line("10", "accepted", Some("10"), price);
    let twenty = || line("20", "accepted", Some("4"), "20.00");
    let mut faults = Vec::new();
    match says {
        Says::All => message.lines = vec![ten("5.00"), twenty()],
        Says::AllDearer => message.lines = vec![ten("6.00"), twenty()],
        Says::AllFaulty => message.lines = vec![ten("5.00"), line("20", "changed", None, "20.00")],
        Says::One => message.lines = vec![ten("5.00")],
        Says::OneDearer => message.lines = vec![ten("6.00")],
        Says::OneFaulty => message.lines = vec![line("10", "changed", None, "5.00")],
        Says::Nothing => faults.push(Fault {
            code: FaultCode::Unreadable,
            message: "a picture".into(),
            position: None,
            line: None,
            field: None,
            read: None,
            needed: None,
            place: None,
        }),
        Says::Received => message.fields.extend([said(Field::State, "AB")]),
        Says::Cancel => message.fields.extend([said(Field::State, "CAN")]),
        Says::Later => {
            let mut later = line("10", "changed", Some("6"), "5.00");
            later.extend([said(Field::QuantityBackordered, "4"), said(Field::BackorderedDate, "2026-12-09")]);
            message.lines = vec![later];
        }
    }
    let partner = if stranger { "ostwerk" } else { "nordwind" };
    Received {
        partner: partner.into(),
        message: message.into(),
        mail: Some(MailId(mail)),
        arrived_at: now,
        answers,
        faults,
        held: None,
    }
}

fn decision(response: &Response, command: u8, by: &str) -> Decision {
    let version = response.approval.as_ref().map_or(1, |approval| approval.version);
    let line = || Scope::Lines { ranges: vec![(10, 10)], products: Vec::new() };
    let one = |verb, scope| vec![Command { verb, scope }];
    let (kind, commands) = match command {
        0 => (DecisionKind::Decision, one(Verb::Approve, Scope::All)),
        1 => (DecisionKind::Decision, one(Verb::Decline, Scope::All)),
        2 => (DecisionKind::Decision, one(Verb::Approve, line())),
        3 => (DecisionKind::Decision, one(Verb::Decline, line())),
        4 => (DecisionKind::Ambiguous, Vec::new()),
        5 => (DecisionKind::Decision, one(Verb::Undo, Scope::All)),
        6 => (DecisionKind::Decision, one(Verb::Hold(Pause::parse("3d").unwrap()), Scope::All)),
        7 => (DecisionKind::Decision, one(Verb::Delegate("dora@shop.example".into()), Scope::All)),
        8 => (DecisionKind::Decision, one(Verb::Ask("why?".into()), Scope::All)),
        _ => (DecisionKind::Comment, Vec::new()),
    };
    Decision { response: response.id, version, by: by.into(), kind, commands, lines: Vec::new() }
}

fn person(response: Option<ResponseId>, action: u8) -> Person {
    let edit = || vec![(EditTarget::Position(10), Field::QuantityConfirmed, "9".to_string())];
    let (response, action) = match action {
        0 => (response, PersonAction::Fail),
        1 => (response, PersonAction::Force),
        2 => (response, PersonAction::Release),
        3 => (response, PersonAction::Correct(None)),
        4 => (response, PersonAction::Promote),
        5 => (response, PersonAction::Edit(edit())),
        6 => (response, PersonAction::ErrorsHandled),
        7 => (response, PersonAction::SetToAnnounce),
        8 => (response, PersonAction::UndoDecline),
        9 => (response, PersonAction::AcceptAfterTooLate),
        10 => (None, PersonAction::Merge { with: "2".into() }),
        11 => (None, PersonAction::ReleaseMerge),
        _ => (response, PersonAction::AskAgain),
    };
    Person { by: "operator".into(), reason: "because".into(), response, action }
}

/// Where a response comes to rest, in the words of the reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rest {
    Closed,
    Failed,
    Waits,
    Asked,
    Faulty,
    Refused,
    Other,
}

impl Rest {
    fn of(status: Status) -> Rest {
        match status {
            Status::Closed => Rest::Closed,
            Status::Failed => Rest::Failed,
            Status::WaitPending => Rest::Waits,
            Status::NotCheckedDoApprove => Rest::Asked,
            Status::NotChecked | Status::InExternalProcessing => Rest::Faulty,
            Status::NotAnnounced => Rest::Refused,
            _ => Rest::Other,
        }
    }
}

/// The model: what the reference says becomes of the mails of [`simple_op`], told again from scratch.
#[derive(Default)]
struct Prediction {
    responses: Vec<Predicted>,
    /// Who announced line 10 and 20 last, and whether line 10 stands at the higher price.
    announced: [Option<usize>; 2],
    dearer: bool,
    /// Recalled lines, lines that left, and recalls that are open (each: which lines).
    canceled: [bool; 2],
    left: [bool; 2],
    recalls: Vec<[bool; 2]>,
    clock: u64,
    /// What the partner said last.
    last: Option<(Says, i8, Option<ResponseType>)>,
}

struct Predicted {
    id: u64,
    says: Says,
    day: i8,
    /// Day and arrival that count for its turn.
    turn: (i8, u64),
    kind: Option<ResponseType>,
    initial: bool,
    rest: Rest,
    told: bool,
    ahead: bool,
    /// Line 10 was declined and taken out of it.
    without_ten: bool,
}

impl Predicted {
    fn speaks_of(&self) -> [bool; 2] {
        match self.says {
            Says::All | Says::AllDearer | Says::AllFaulty => [true, true],
            Says::One | Says::OneDearer | Says::OneFaulty => [true, false],
            _ => [false, false],
        }
    }
    fn open(&self) -> bool {
        !matches!(self.rest, Rest::Closed | Rest::Failed)
    }
}

impl Prediction {
    fn act(&mut self, op: &Op, house: &House) {
        self.clock += 1;
        let picked = |which: u8| {
            let count = house.dossier.responses.len();
            (count > 0).then(|| usize::from(which) % count)
        };
        match op {
            Op::Receive { says, day, given, .. } => {
                self.last = Some((*says, *day, *given));
                self.receive(*says, *day, *given);
            }
            Op::Decide { which, command, .. } => {
                if let Some(at) = picked(*which).filter(|at| self.responses[*at].rest == Rest::Asked)
                    && !house
                        .dossier
                        .responses
                        .values()
                        .nth(at)
                        .is_some_and(|r| r.approval.as_ref().is_some_and(|a| a.on_hold))
                {
                    self.decide(at, *command);
                }
            }
            Op::Dispatch { position, .. } => self.dispatch(*position),
            Op::Again | Op::Crash => self.again(house),
            Op::Recall { too_late } => self.recall(*too_late),
            Op::Person { which, action } => {
                if let Some(at) = picked(*which) {
                    self.person(at, *action);
                }
            }
            _ => {}
        }
        self.go_on();
    }

    /// 0 approves all, 1 declines all, 2 approves line 10, 3 declines it; only line 10 is ever in question.
    fn decide(&mut self, at: usize, command: u8) {
        let speaks_of = self.responses[at].speaks_of();
        match command {
            0 | 2 => self.announce(at, true),
            // The rest of it goes on.
            3 if speaks_of[1] => {
                self.recalls.push([true, false]);
                self.responses[at].without_ten = true;
                self.announce(at, true);
            }
            _ => {
                self.responses[at].rest = Rest::Failed;
                self.recalls.push(speaks_of);
            }
        }
    }

    /// An answer that does not say which of several recalls it means decides nothing.
    fn recall(&mut self, too_late: bool) {
        if self.recalls.len() == 1 {
            let lines = self.recalls.remove(0);
            if !too_late {
                (0..2).filter(|line| lines[*line]).for_each(|line| self.canceled[line] = true);
            }
        }
    }

    /// Goods that left cannot be recalled, and questions about them are pointless.
    fn dispatch(&mut self, position: u32) {
        let line = match position {
            10 => 0,
            20 => 1,
            _ => return,
        };
        self.left[line] = true;
        self.recalls.iter_mut().for_each(|recall| recall[line] = false);
        self.recalls.retain(|recall| recall[0] || recall[1]);
        for response in &mut self.responses {
            if response.speaks_of()[line] && matches!(response.rest, Rest::Asked | Rest::Faulty) {
                response.rest = Rest::Failed;
            }
        }
    }

    /// What was fed last is fed once more.
    fn again(&mut self, house: &House) {
        let at = |id: ResponseId| self.responses.iter().position(|r| r.id == id.0);
        match &house.last {
            Some(Input::ResponseReceived(_)) => {
                let Some((says, day, given)) = self.last else { return };
                // The partner's latest says so and stands: a copy. What could not be read is never one.
                let stands = self.responses.last().is_some_and(|latest| latest.rest != Rest::Failed);
                if !stands || says == Says::Nothing {
                    self.receive(says, day, given);
                }
            }
            Some(Input::RecallAnswer { answer, .. }) => self.recall(*answer == RecallAnswer::TooLate),
            Some(Input::Dispatched { positions, .. }) => {
                positions.keys().for_each(|position| self.dispatch(*position));
            }
            Some(Input::Person(person)) => {
                let action = match person.action {
                    PersonAction::Fail => 0,
                    PersonAction::Force => 1,
                    PersonAction::Release => 2,
                    PersonAction::Correct(_) => 3,
                    PersonAction::Promote => 4,
                    _ => return,
                };
                if let Some(at) = person.response.and_then(at) {
                    self.person(at, action);
                }
            }
            // A decision is good for one version of one question: a second one finds nothing to decide.
            _ => {}
        }
    }

    fn receive(&mut self, says: Says, day: i8, given: Option<ResponseType>) {
        let id = self.responses.len() as u64 + 1;
        let mut new = Predicted {
            id,
            says,
            day,
            turn: (day, id),
            kind: given,
            initial: true,
            rest: Rest::Other,
            told: false,
            ahead: false,
            without_ten: false,
        };
        let [one, all] = new.speaks_of();
        // It takes the place of older ones that stand in question and that it covers.
        let covers = |old: &Predicted| {
            let lines = old.speaks_of();
            (all || one && !lines[1]) && old.says != Says::Received && old.turn < new.turn
        };
        let stuck = |old: &Predicted| matches!(old.rest, Rest::Asked | Rest::Faulty);
        if self.responses.iter().any(|old| stuck(old) && covers(old)) {
            let initial_told = self.initial_told();
            let gone: Vec<usize> = (0..self.responses.len())
                .filter(|at| {
                    covers(&self.responses[*at])
                        && (stuck(&self.responses[*at]) || self.responses[*at].rest == Rest::Waits)
                })
                .collect();
            let place = |at: &usize| (!self.is_initial(*at, initial_told), self.responses[*at].turn);
            let first = *gone.iter().min_by_key(|at| place(at)).unwrap();
            let initial = self.is_initial(first, initial_told);
            new.kind = Some(if initial { ResponseType::Initial } else { ResponseType::Continuous });
            new.turn = self.responses[first].turn;
            for at in gone {
                self.responses[at].rest = Rest::Failed;
            }
        }
        self.responses.push(new);
    }

    fn initial_told(&self) -> bool {
        self.responses.iter().any(|r| r.told && r.initial)
    }

    fn is_initial(&self, at: usize, initial_told: bool) -> bool {
        let r = &self.responses[at];
        match r.kind {
            _ if r.told => r.initial,
            Some(kind) => kind == ResponseType::Initial,
            None => !initial_told,
        }
    }

    fn person(&mut self, at: usize, action: u8) {
        let rest = self.responses[at].rest;
        match (action, rest) {
            (0, Rest::Waits | Rest::Asked | Rest::Faulty | Rest::Refused) => self.responses[at].rest = Rest::Failed,
            (1, Rest::Faulty) => self.announce(at, false),
            (2, Rest::Waits) => {
                self.responses[at].ahead = true;
                self.responses[at].rest = Rest::Other;
            }
            (3, Rest::Faulty) => self.responses[at].rest = Rest::Other,
            (4, Rest::Waits) => {
                (self.responses[at].ahead, self.responses[at].kind) = (true, Some(ResponseType::Initial));
                self.responses[at].rest = Rest::Other;
            }
            _ => {}
        }
    }

    /// Looks at whatever can go on, oldest first, until nothing can.
    fn go_on(&mut self) {
        loop {
            let ready = |at: &usize| match self.responses[*at].rest {
                Rest::Other => true,
                Rest::Waits => self.is_outdated(*at) || !self.must_wait(*at),
                _ => false,
            };
            let Some(at) = (0..self.responses.len()).filter(ready).min_by_key(|at| self.responses[*at].turn) else {
                return;
            };
            self.look(at);
        }
    }

    fn is_outdated(&self, at: usize) -> bool {
        self.responses[at].says != Says::Received
            && self.responses.iter().any(|r| r.told && r.day > self.responses[at].day)
    }

    fn must_wait(&self, at: usize) -> bool {
        let r = &self.responses[at];
        if r.ahead || r.says == Says::Received {
            return false;
        }
        let told = self.initial_told();
        let place = |at: usize| (!self.is_initial(at, told), self.responses[at].turn);
        let older = (0..self.responses.len())
            .any(|other| other != at && self.responses[other].open() && place(other) < place(at));
        older || (!self.is_initial(at, told) && !told)
    }

    fn look(&mut self, at: usize) {
        let initial = self.is_initial(at, self.initial_told());
        self.responses[at].initial = initial;
        let says = self.responses[at].says;
        self.responses[at].rest = if self.is_outdated(at) {
            Rest::Failed
        } else if self.must_wait(at) {
            Rest::Waits
        } else if says == Says::Received {
            Rest::Closed
        } else {
            // A first response must answer every line that is still open.
            let incomplete = initial && !self.responses[at].speaks_of()[1] && !self.canceled[1] && !self.left[1];
            let incomplete = incomplete || (initial && says == Says::Nothing);
            match says {
                Says::AllFaulty | Says::OneFaulty | Says::Nothing => Rest::Faulty,
                _ if incomplete => Rest::Faulty,
                Says::AllDearer | Says::OneDearer if !self.dearer => Rest::Asked,
                _ => return self.announce(at, false),
            }
        };
    }

    /// The order takes it, all or nothing.
    fn announce(&mut self, at: usize, approved: bool) {
        let r = &self.responses[at];
        let [ten, twenty] = r.speaks_of();
        let lines = [ten && !r.without_ten, twenty];
        // A line without a quantity promises nothing.
        let coming = match r.says {
            Says::AllFaulty => [true, false],
            Says::OneFaulty => [false, false],
            _ => lines,
        };
        let newer =
            |line: usize| self.announced[line].is_some_and(|other| other != at && self.responses[other].turn > r.turn);
        let refused = (0..2).any(|line| {
            // Nothing more comes of what was taken back or has left; and of what left nothing is taken back.
            let gone = coming[line] && (self.canceled[line] || self.left[line]);
            lines[line] && (gone || (self.canceled[line] && self.left[line]) || newer(line))
        });
        if refused {
            self.responses[at].rest = Rest::Refused;
            return;
        }
        let dearer = matches!(r.says, Says::AllDearer | Says::OneDearer);
        for line in (0..2).filter(|line| lines[*line]) {
            self.announced[line] = Some(at);
        }
        if lines[0] {
            match (coming[0], dearer) {
                (true, true) => self.dearer = self.dearer || approved,
                (true, false) => self.dearer = false,
                (false, _) => {}
            }
        }
        let r = &mut self.responses[at];
        r.told = lines[0] || lines[1];
        r.rest = Rest::Closed;
    }
}

/// All of a message's possible sayings are tried.
#[test]
fn the_sayings_are_all_different() {
    let unique: BTreeSet<String> = SAYS.iter().map(|says| format!("{says:?}")).collect();
    assert_eq!(unique.len(), SAYS.len());
}
