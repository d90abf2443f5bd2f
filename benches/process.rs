//! How many responses the process decides a second, without store, mail or letters: a simple one from
//! arrival to CLOSED, a deviating one with its approval, and a simple one in an order that has had many.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use postern::model::{
    AlarmId, Channel, Dossier, Field, MailId, Message, MessageKind, Numbers, Order, Owed, Partner, Place, Policies,
    ResponseId, Said, Timestamp, TransmissionId, Value, Writer,
};
use postern::process::{Command, Decision, DecisionKind, Input, Received, Scope, Verb, World, step};

#[derive(Default)]
struct Count(u64);

impl Numbers for Count {
    fn response(&mut self) -> ResponseId {
        self.0 += 1;
        ResponseId(self.0)
    }
    fn transmission(&mut self) -> TransmissionId {
        self.0 += 1;
        TransmissionId(self.0)
    }
    fn alarm(&mut self) -> AlarmId {
        self.0 += 1;
        AlarmId(self.0)
    }
}

struct Silent;

impl Writer for Silent {
    fn write(&mut self, owed: &Owed, _: &Dossier) -> Result<(), String> {
        black_box(owed);
        Ok(())
    }
}

fn now() -> Timestamp {
    Timestamp::from_second(1_795_000_000).unwrap_or_default()
}

fn feed(dossier: &mut Dossier, policies: &Policies, numbers: &mut Count, input: Input) {
    let mut world = World { now: now(), policies, numbers, writer: &mut Silent };
    black_box(step(dossier, input, &mut world));
}

fn policies() -> Policies {
    let mut policies = Policies::default();
    policies.partners.insert("nordwind".into(), Partner::default());
    policies.channels.insert("shop".into(), Channel { approvers: vec!["a@shop.example".into()], ..Channel::default() });
    policies
}

fn dossier(policies: &Policies) -> Dossier {
    let json = r#"{"order_number":"1","channel":"shop","currency":"EUR","partner":"nordwind","positions":[
        {"position":10,"supplier_sku":"A","quantity":10,"price_net":5,"requested_date":"2026-12-01"},
        {"position":20,"supplier_sku":"B","quantity":4,"price_net":20,"requested_date":"2026-12-01"},
        {"position":30,"supplier_sku":"C","quantity":1,"price_net":9,"requested_date":"2026-12-01"}]}"#;
    let mut dossier = Dossier::new("1".into());
    for order in Order::read(json, now()).unwrap_or_default() {
        feed(&mut dossier, policies, &mut Count::default(), Input::OrderRegistered(order));
    }
    dossier
}

fn received(price: &str, number: u64) -> Input {
    let said = |field: Field, text: &str| {
        let value = Value::parse(field.field_type(), text).unwrap_or(Value::Text(String::new()));
        (field, Said::new(value, text, "bench", Place::text("text", 1, 1, 2)))
    };
    let mut message = Message::new(MessageKind::Response);
    message.fields.extend([said(Field::EntryDate, "2026-11-20"), said(Field::ResponseNumber, &number.to_string())]);
    for (position, quantity, price) in [("10", "10", price), ("20", "4", "20"), ("30", "1", "9")] {
        let line = [
            said(Field::Position, position),
            said(Field::Status, "accepted"),
            said(Field::QuantityConfirmed, quantity),
            said(Field::PriceNet, price),
            said(Field::ConfirmedDate, "2026-12-01"),
        ];
        message.lines.push(line.into());
    }
    Input::ResponseReceived(Box::new(Received {
        partner: "nordwind".into(),
        message: message.into(),
        mail: Some(MailId(number)),
        arrived_at: now(),
        answers: None,
        faults: Vec::new(),
        held: None,
    }))
}

fn decide(criterion: &mut Criterion) {
    let policies = policies();
    let fresh = dossier(&policies);
    let mut group = criterion.benchmark_group("process");
    group.throughput(Throughput::Elements(1));
    group.bench_function("simple response", |bencher| {
        let setup = || (fresh.clone(), received("5", 1));
        bencher.iter_batched(
            setup,
            |(mut dossier, input)| {
                feed(&mut dossier, &policies, &mut Count::default(), input);
                dossier
            },
            BatchSize::SmallInput,
        );
    });
    group.bench_function("deviating and approved", |bencher| {
        let approve = Input::Decision(Decision {
            response: ResponseId(1),
            version: 1,
            by: "a@shop.example".into(),
            kind: DecisionKind::Decision,
            commands: vec![Command { verb: Verb::Approve, scope: Scope::All }],
            lines: Vec::new(),
        });
        let setup = || (fresh.clone(), received("6", 1), approve.clone());
        bencher.iter_batched(
            setup,
            |(mut dossier, input, approve)| {
                let mut numbers = Count::default();
                feed(&mut dossier, &policies, &mut numbers, input);
                feed(&mut dossier, &policies, &mut numbers, approve);
                dossier
            },
            BatchSize::SmallInput,
        );
    });
    let mut long = fresh.clone();
    let mut numbers = Count::default();
    for number in 0..50 {
        feed(&mut long, &policies, &mut numbers, received(if number % 2 == 0 { "5" } else { "4.99" }, number));
    }
    group.bench_function("the 51st response of an order", |bencher| {
        let setup = || (long.clone(), received("5", 99));
        bencher.iter_batched(
            setup,
            |(mut dossier, input)| {
                feed(&mut dossier, &policies, &mut Count(10_000), input);
                dossier
            },
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

criterion_group!(benches, decide);
criterion_main!(benches);
