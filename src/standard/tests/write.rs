//! What we write must be read as it was meant.

use super::super::ubl_write::{self, Issue};
use super::{lines, show, ubl};
use crate::model::{Line, LineStatus, Order, Schedule};

fn order() -> Order {
    let json = r#"{"order_number":"4711 & <Co>","channel":"shop","currency":"EUR","partner":"nordwind","supplier_order_number":"S-9","positions":[
        {"position":10,"supplier_sku":"A","name":"Saw \"L\"","quantity":"10","unit":"PCE","price_net":"2.50","requested_date":"2026-12-01"},
        {"position":20,"supplier_sku":"B","quantity":"5","price_net":"1"}]}"#;
    Order::read(json, "2026-11-22T08:00:00Z".parse().unwrap()).unwrap().remove(0)
}

fn line(position: u32, confirmed: i64, backordered: i64) -> Line {
    Line {
        position: Some(position),
        quantity_confirmed: confirmed.into(),
        quantity_backordered: backordered.into(),
        ..Line::default()
    }
}

fn written(lines: &[Line]) -> String {
    let issue = Issue {
        id: "R7".into(),
        date: Some("2026-11-22".parse().unwrap()),
        seller: "Nordwind".into(),
        buyer: "Shop".into(),
        note: None,
    };
    ubl_write::lines(&order(), lines, &issue)
}

/// The channel's machine must read from the attachment what the mail tells its people.
#[test]
fn responses_come_back() {
    let date = |text: &str| Some(text.parse().unwrap());
    let head = show(&written(&[line(10, 10, 0)]));
    assert!(head.starts_with("response order_number=4711 & <Co> supplier_order_number=S-9 response_number=R7 entry_date=2026-11-22 state=AWC currency=EUR\n"), "{head}");
    assert!(show(&written(&[])).starts_with("response [missing accepted]"));
    assert!(show(&written(&[line(10, 0, 0), line(20, 0, 0)])).starts_with("response [missing canceled]"));
    let rows: Vec<(Line, &str)> = vec![
        (
            Line { confirmed_date: date("2026-12-01"), price_net: Some("2.50".parse().unwrap()), ..line(10, 10, 0) },
            "- position=10 name=Saw \"L\" quantity_confirmed=10 unit=PCE price_net=2.50 confirmed_date=2026-12-01 status=accepted",
        ),
        (
            Line { confirmed_date: date("2026-12-08"), supplier_sku: Some("A".into()), ..line(10, 10, 0) },
            "- position=10 supplier_sku=A name=Saw \"L\" quantity_confirmed=10 unit=PCE confirmed_date=2026-12-08 status=changed",
        ),
        (
            Line { confirmed_date: date("2026-12-01"), backordered_date: date("2026-12-20"), ..line(10, 6, 4) },
            "- position=10 name=Saw \"L\" quantity_confirmed=6 unit=PCE confirmed_date=2026-12-01 status=changed\n\
             - position=10 name=Saw \"L\" quantity_backordered=4 unit=PCE backordered_date=2026-12-20 status=backordered",
        ),
        (
            line(10, 6, 4),
            "- position=10 name=Saw \"L\" quantity_confirmed=6 quantity_backordered=4 unit=PCE status=changed",
        ),
        (
            Line { quantity_canceled: 4.into(), ..line(10, 6, 0) },
            "- position=10 name=Saw \"L\" quantity_confirmed=6 quantity_backordered=0 unit=PCE status=changed",
        ),
        (
            Line { reason: Some("kein Bestand".into()), ..line(10, 0, 0) },
            "- note=kein Bestand position=10 name=Saw \"L\" quantity_confirmed=0 status=canceled reason=kein Bestand",
        ),
        (
            Line { substitute_sku: Some("A2".into()), ..line(10, 10, 0) },
            "- position=10 name=Saw \"L\" quantity_confirmed=10 unit=PCE status=changed substitute_sku=A2",
        ),
        (
            Line {
                status: Some(LineStatus::Changed),
                schedule: vec![
                    Schedule { quantity: 6.into(), date: date("2026-12-01") },
                    Schedule { quantity: 3.into(), date: date("2026-12-20") },
                    Schedule { quantity: 1.into(), date: date("2027-01-05") },
                ],
                ..line(10, 6, 4)
            },
            "- position=10 name=Saw \"L\" quantity_confirmed=6 unit=PCE confirmed_date=2026-12-01 status=changed\n\
             - position=10 name=Saw \"L\" quantity_backordered=3 unit=PCE backordered_date=2026-12-20 status=backordered\n\
             - position=10 name=Saw \"L\" quantity_backordered=1 unit=PCE backordered_date=2027-01-05 status=backordered",
        ),
    ];
    for (said, expected) in rows {
        // A second line keeps the answer from being a plain refusal.
        let page = lines(&written(&[said, Line { position: Some(20), ..line(20, 5, 0) }]));
        let own: Vec<&str> = page.lines().filter(|row| row.contains("position=10")).collect();
        assert_eq!(own.join("\n"), expected);
        assert!(!page.contains('!'), "{page}");
    }
}

/// The order system must get every word of the customer's order.
#[test]
fn orders_come_back() {
    let text = ubl::document(
        "Order",
        "<cbc:ID>PO&amp;9</cbc:ID><cbc:IssueDate>2026-11-20</cbc:IssueDate><cbc:Note>Ring\ntwice</cbc:Note><cbc:DocumentCurrencyCode>EUR</cbc:DocumentCurrencyCode>
        <cac:BuyerCustomerParty><cbc:SupplierAssignedAccountID>K100</cbc:SupplierAssignedAccountID><cac:Party><cac:PartyName><cbc:Name>Shop</cbc:Name></cac:PartyName><cac:PostalAddress><cbc:StreetName>Ring 5</cbc:StreetName><cbc:CityName>Jena</cbc:CityName></cac:PostalAddress><cac:Contact><cbc:Name>Anna</cbc:Name><cbc:ElectronicMail>anna@shop.example</cbc:ElectronicMail></cac:Contact></cac:Party></cac:BuyerCustomerParty>
        <cac:Delivery><cac:DeliveryLocation><cac:Address><cbc:StreetName>Dock 2</cbc:StreetName><cbc:CityName>Kiel</cbc:CityName></cac:Address></cac:DeliveryLocation><cac:RequestedDeliveryPeriod><cbc:EndDate>2026-12-05</cbc:EndDate></cac:RequestedDeliveryPeriod></cac:Delivery>
        <cac:DeliveryTerms><cbc:ID>FOB</cbc:ID></cac:DeliveryTerms><cac:PaymentTerms><cbc:Note>30 days</cbc:Note></cac:PaymentTerms><cac:AnticipatedMonetaryTotal><cbc:PayableAmount>45.00</cbc:PayableAmount></cac:AnticipatedMonetaryTotal>
        <cac:OrderLine><cbc:Note>blue</cbc:Note><cac:LineItem><cbc:ID>7</cbc:ID><cbc:Quantity unitCode=\"EA\">10</cbc:Quantity><cbc:LineExtensionAmount>45.00</cbc:LineExtensionAmount><cac:Delivery><cac:RequestedDeliveryPeriod><cbc:EndDate>2026-12-06</cbc:EndDate></cac:RequestedDeliveryPeriod></cac:Delivery><cac:Price><cbc:PriceAmount>4.50</cbc:PriceAmount></cac:Price><cac:Item><cbc:Name>Nail &lt;5&gt;</cbc:Name><cac:SellersItemIdentification><cbc:ID>N1</cbc:ID></cac:SellersItemIdentification></cac:Item></cac:LineItem></cac:OrderLine>",
    );
    let message = super::read(&text, "doc").unwrap().messages.remove(0);
    let again = ubl_write::order(&message, "Our House");
    assert_eq!(show(&again), show(&text));
    assert!(show(&again).contains("name=Nail <5>"), "{again}");
}
