//! Whatever standard a partner speaks, the same answer must become the same response: documents are read
//! by `standard` and worked on by `process`, with nothing between.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::fmt::Write as _;

use postern::model::*;
use postern::process::{Input, Received, World, step};
use postern::standard;

const ORDER: &str = r#"{"order_number":"4711","channel":"shop","currency":"EUR","partner":"nordwind","positions":[
    {"position":10,"supplier_sku":"A","gtin":"4012345678901","quantity":"10","unit":"PCE","price_net":"2.50","requested_date":"2026-12-01"},
    {"position":20,"supplier_sku":"B","quantity":"5","unit":"PCE","price_net":"4","requested_date":"2026-12-01"},
    {"position":30,"supplier_sku":"C","quantity":"3","unit":"PCE","price_net":"7","requested_date":"2026-12-01"}]}"#;

struct Counting(u64);

impl Numbers for Counting {
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

struct Mute;

impl Writer for Mute {
    fn write(&mut self, _: &Owed, _: &Dossier) -> Result<(), String> {
        Ok(())
    }
}

/// The response that comes of a document, as a page: status, lines, faults.
fn play(document: &str) -> String {
    let reading = standard::read(document, "answer").expect("recognised");
    assert_eq!(reading.messages.len(), 1, "{reading:?}");
    let mut policies = Policies::default();
    let partner = Partner { addresses: vec!["orders@nordwind.example".into()], ..Partner::default() };
    policies.partners.insert("nordwind".into(), partner);
    let shop = Channel { approvers: vec!["anna@shop.example".into()], ..Channel::default() };
    policies.channels.insert("shop".into(), shop);
    let now: Timestamp = "2026-11-23T09:00:00Z".parse().unwrap();
    let mut dossier = Dossier::new("4711".into());
    let (mut numbers, mut writer) = (Counting(0), Mute);
    let mut world = World { now, policies: &policies, numbers: &mut numbers, writer: &mut writer };
    let order = Order::read(ORDER, now).unwrap().remove(0);
    step(&mut dossier, Input::OrderRegistered(order), &mut world);
    let received = Received {
        partner: "nordwind".into(),
        message: reading.messages[0].clone().into(),
        mail: None,
        arrived_at: now,
        answers: None,
        faults: reading.message_faults[0].clone(),
        held: None,
    };
    step(&mut dossier, Input::ResponseReceived(Box::new(received)), &mut world);
    let response = dossier.responses.values().next().expect("a response");
    let date = |date: Option<Date>| date.map_or("-".to_string(), |date| date.to_string());
    let mut page = format!("{}\n", response.status);
    for line in &response.lines {
        let position = line.position.unwrap_or_default();
        let (now, later, never) = (line.quantity_confirmed, line.quantity_backordered, line.quantity_canceled);
        let (now, later, never) = (now.normalize(), later.normalize(), never.normalize());
        let (on, by) = (date(line.confirmed_date), date(line.backordered_date));
        writeln!(page, "{position}: {now} on {on}, {later} on {by}, {never} never").unwrap();
    }
    for fault in &response.faults {
        writeln!(page, "! {} {}", fault.code, fault.message).unwrap();
    }
    page
}

/// 6 of 10 now and 4 later, 5 not at all, 3 as ordered.
const TOLD: &str = "NOT_CHECKED_DO_APPROVE
10: 6 on 2026-12-01, 4 on 2026-12-20, 0 never
20: 0 on -, 0 on -, 5 never
30: 3 on 2026-12-01, 0 on -, 0 never
";

fn ubl(lines: &str) -> String {
    format!(
        "<OrderResponse xmlns=\"urn:oasis:names:specification:ubl:schema:xsd:OrderResponse-2\"><ID>AB1</ID><IssueDate>2026-11-22</IssueDate><OrderResponseCode>CA</OrderResponseCode><DocumentCurrencyCode>EUR</DocumentCurrencyCode><OrderReference><ID>4711</ID></OrderReference>{lines}</OrderResponse>"
    )
}

fn ubl_line(id: u32, position: u32, code: &str, content: &str) -> String {
    format!(
        "<OrderLine><LineItem><ID>{id}</ID><LineStatusCode>{code}</LineStatusCode>{content}</LineItem><OrderLineReference><LineID>{position}</LineID></OrderLineReference></OrderLine>"
    )
}

fn ubl_delivery(quantity: &str, date: &str) -> String {
    format!(
        "<Quantity unitCode=\"PCE\">{quantity}</Quantity><Delivery><PromisedDeliveryPeriod><EndDate>{date}</EndDate></PromisedDeliveryPeriod></Delivery>"
    )
}

fn edifact(function: &str, lines: &str) -> String {
    let body = format!("BGM+231+AB1+{function}'DTM+137:20261122:102'RFF+ON:4711'CUX+2:EUR:9'{lines}");
    let count = body.matches('\'').count() + 2;
    format!("UNB+UNOC:3+S+B+261122:1200+7'UNH+1+ORDRSP:D:96A:UN'{body}UNT+{count}+1'UNZ+1+7'")
}

fn cxml(kind: &str, items: &str) -> String {
    format!(
        "<cXML><Request><ConfirmationRequest><ConfirmationHeader type=\"{kind}\" noticeDate=\"2026-11-22\"/><OrderReference orderID=\"4711\"/>{items}</ConfirmationRequest></Request></cXML>"
    )
}

fn x12(code: &str, lines: &str) -> String {
    let body = format!("BAK*00*{code}*4711*20261122~CUR*SE*EUR~{lines}");
    let count = body.matches('~').count() + 2;
    format!(
        "ISA*00*          *00*          *16*S              *14*R              *261122*1406*U*00401*000000263*1*T*>~GS*PR*S*R*20261122*1406*1*X*004010~ST*855*1~{body}SE*{count}*1~GE*1*1~IEA*1*000000263~"
    )
}

/// Two partners that mean the same must be treated the same, whatever they speak.
#[test]
fn one_answer_in_every_standard_is_one_response() {
    let split = ubl_line(1, 10, "3", &ubl_delivery("6", "2026-12-01"))
        + &ubl_line(2, 10, "1", &ubl_delivery("4", "2026-12-20"));
    let rest = ubl_line(3, 20, "7", "") + &ubl_line(4, 30, "5", "");
    let documents = [
        ("UBL", ubl(&(split + &rest))),
        (
            "EDIFACT, deliveries by place",
            edifact(
                "30",
                "LIN+10+3++A:SA'QTY+21:10:PCE'LOC+7+H'QTY+11:6:PCE'DTM+67:20261201:102'LOC+7+H'QTY+11:4:PCE'DTM+67:20261220:102'LIN+20+7++B:SA'LIN+30+5++C:SA'QTY+21:3:PCE'",
            ),
        ),
        (
            "EDIFACT, quantities with a date each",
            edifact(
                "30",
                "LIN+1+3++A:SA'QTY+113:6:PCE'DTM+67:20261201:102'QTY+83:4:PCE'DTM+67:20261220:102'RFF+ON:4711:10'LIN+2+2++B:SA'QTY+21:5:PCE'RFF+ON:4711:20'LIN+3+5++C:SA'RFF+ON:4711:30'",
            ),
        ),
        (
            "EDIFACT, the order line twice",
            edifact(
                "4",
                "LIN+1+3+4012345678901:EN'QTY+12:6'DTM+69:20261201:102'RFF+LI:10'LIN+2+1+4012345678901:EN'QTY+12:4'DTM+69:20261220:102'RFF+LI:10'LIN+3+7'RFF+LI:20'LIN+4+5'RFF+LI:30'",
            ),
        ),
        (
            "cXML",
            cxml(
                "except",
                "<ConfirmationItem lineNumber=\"10\" quantity=\"10\"><ConfirmationStatus type=\"accept\" quantity=\"6\"/><ConfirmationStatus type=\"backordered\" quantity=\"4\" deliveryDate=\"2026-12-20\"/></ConfirmationItem><ConfirmationItem lineNumber=\"20\" quantity=\"5\"><ConfirmationStatus type=\"reject\" quantity=\"5\"/></ConfirmationItem>",
            ),
        ),
        (
            "X12",
            x12(
                "AC",
                "PO1*10*10*PCE***VN*A~ACK*IA*6*PCE*067*20261201~ACK*IB*4*PCE*067*20261220~PO1*20*5*PCE***VN*B~ACK*IR*5*PCE~PO1*30*3*PCE***VN*C~ACK*IA*3*PCE~",
            ),
        ),
        (
            "X12, the backorder alone",
            x12("AC", "PO1*10*10*PCE***VN*A~ACK*IB*4*PCE*067*20261220~PO1*20*5*PCE~ACK*ID~PO1*30*3*PCE~ACK*IA~"),
        ),
    ];
    for (name, document) in documents {
        let page = play(&document);
        // Where a partner does not repeat the requested date for what it takes now, the page has it filled or not.
        let page = page.replace("10: 6 on -,", "10: 6 on 2026-12-01,").replace("30: 3 on -,", "30: 3 on 2026-12-01,");
        assert_eq!(page, TOLD, "{name}");
    }
}

/// "All confirmed", "nothing" and "we have it" without any line.
#[test]
fn answers_without_lines() {
    let head = |code: &str| ubl("").replace(">CA<", &format!(">{code}<"));
    let accepted = "CLOSED\n10: 10 on 2026-12-01, 0 on -, 0 never\n20: 5 on 2026-12-01, 0 on -, 0 never\n30: 3 on 2026-12-01, 0 on -, 0 never\n";
    for document in [head("AP"), head("29"), edifact("29", ""), cxml("accept", ""), x12("AK", "")] {
        assert_eq!(play(&document), accepted, "{document}");
    }
    let refused = "NOT_CHECKED_DO_APPROVE\n10: 0 on -, 0 on -, 10 never\n20: 0 on -, 0 on -, 5 never\n30: 0 on -, 0 on -, 3 never\n";
    for document in [head("RE"), head("27"), edifact("27", ""), cxml("reject", ""), x12("RJ", "")] {
        assert_eq!(play(&document), refused, "{document}");
    }
}

/// A line that could not be read must hold the response and say what and where.
#[test]
fn what_cannot_be_read_is_a_fault_of_its_line() {
    let page = play(&ubl(&(ubl_line(1, 10, "5", "<Quantity>ten</Quantity>")
        + &ubl_line(2, 20, "5", "")
        + &ubl_line(3, 30, "5", ""))));
    assert!(page.starts_with("IN_EXTERNAL_PROCESSING\n"), "{page}");
    assert_eq!(page.matches('!').count(), 1, "{page}");
    assert!(page.contains("! INVALID_VALUE `ten` is no decimal number"), "{page}");
}
