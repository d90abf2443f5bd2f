//! cXML: ConfirmationRequest and OrderRequest.

use super::{lines, show, table};

fn document(request: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?>\n<!DOCTYPE cXML SYSTEM \"http://xml.cxml.org/schemas/cXML/1.2.014/Fulfill.dtd\">\n<cXML payloadID=\"1\" timestamp=\"2026-11-20T09:00:00\"><Header/><Request>{request}</Request></cXML>"
    )
}

fn confirmation(kind: &str, items: &str) -> String {
    document(&format!(
        "<ConfirmationRequest><ConfirmationHeader type=\"{kind}\" noticeDate=\"2026-11-20T09:15:50-06:00\" confirmID=\"C1\"><Total><Money currency=\"USD\">1.22</Money></Total><Comments>as agreed</Comments></ConfirmationHeader><OrderReference orderID=\"4711\"><DocumentReference payloadID=\"x\"/></OrderReference>{items}</ConfirmationRequest>"
    ))
}

/// The head's type decides what happens to every line it does not name.
#[test]
fn header_types() {
    let head = |rest: &str| format!("response{rest} currency=USD note=as agreed total=1.22\n");
    for (kind, expected) in [
        ("accept", head(" [missing accepted] order_number=4711 response_number=C1 entry_date=2026-11-20 state=ACC")),
        ("except", head(" [missing accepted] order_number=4711 response_number=C1 entry_date=2026-11-20 state=AWC")),
        ("detail", head(" order_number=4711 response_number=C1 entry_date=2026-11-20 state=AWC")),
        ("allDetail", head(" order_number=4711 response_number=C1 entry_date=2026-11-20 state=AWC")),
        ("reject", head(" [missing canceled] order_number=4711 response_number=C1 entry_date=2026-11-20 state=CAN")),
    ] {
        assert_eq!(show(&confirmation(kind, "")), expected, "{kind}");
    }
    assert!(
        show(&confirmation("replace", "")).contains("! INVALID_VALUE a confirmation of type `replace` cannot be read")
    );
    assert!(show(&confirmation("backordered", "")).contains("! MISSING_DATE all is backordered"));
}

/// Statuses of one item are the whole answer to it: they must add up, and each part has its slot.
#[test]
fn statuses_of_an_item() {
    let status = |kind: &str, quantity: &str, rest: &str| {
        format!(
            "<ConfirmationStatus type=\"{kind}\" quantity=\"{quantity}\" {rest}><UnitOfMeasure>EA</UnitOfMeasure></ConfirmationStatus>"
        )
    };
    let rows = [
        (status("accept", "10", ""), "- position=3 quantity=10 quantity_confirmed=10 unit=EA status=accepted"),
        (
            status("detail", "10", "deliveryDate=\"2026-12-05\""),
            "- position=3 quantity=10 quantity_confirmed=10 unit=EA confirmed_date=2026-12-05 status=changed",
        ),
        (
            status("reject", "10", ""),
            "- position=3 quantity=10 quantity_confirmed=0 quantity_canceled=10 unit=EA status=canceled",
        ),
        (
            status("backordered", "10", "deliveryDate=\"2026-12-20\""),
            "- position=3 quantity=10 quantity_confirmed=0 quantity_backordered=10 unit=EA backordered_date=2026-12-20 status=backordered",
        ),
        (
            status("accept", "6", "")
                + &status("backordered", "3", "deliveryDate=\"2026-12-20\"")
                + &status("reject", "1", ""),
            "- position=3 quantity=10 quantity_confirmed=6 quantity_backordered=3 quantity_canceled=1 unit=EA backordered_date=2026-12-20 status=changed schedule=6; 3 on 2026-12-20",
        ),
        (
            status("detail", "4", "deliveryDate=\"2026-12-20\"")
                + &status("detail", "6", "deliveryDate=\"2026-12-05\""),
            "- position=3 quantity=10 quantity_confirmed=6 unit=EA confirmed_date=2026-12-05 status=changed schedule=6 on 2026-12-05; 4 on 2026-12-20",
        ),
        (status("unknown", "10", ""), "- position=3 quantity=10 unit=EA"),
        (
            status("accept", "6", ""),
            "- position=3 quantity=10 unit=EA\n! INVALID_VALUE the statuses add up to 6, the item says 10, at /cXML/Request/ConfirmationRequest/ConfirmationItem/@quantity",
        ),
        (
            status("maybe", "10", ""),
            "- position=3 quantity=10 unit=EA\n! INVALID_VALUE `maybe` is no status of an item, at /cXML/Request/ConfirmationRequest/ConfirmationItem/ConfirmationStatus/@type",
        ),
        (
            status("accept", "", ""),
            "- position=3 quantity=10 unit=EA\n! MISSING_QUANTITY a status without its quantity, at /cXML/Request/ConfirmationRequest/ConfirmationItem/ConfirmationStatus",
        ),
    ];
    let rows: Vec<(&str, &str)> = rows.iter().map(|(snippet, expected)| (snippet.as_str(), *expected)).collect();
    let make = |statuses: &str| {
        confirmation(
            "detail",
            &format!(
                "<ConfirmationItem lineNumber=\"3\" quantity=\"10\"><UnitOfMeasure>EA</UnitOfMeasure>{statuses}</ConfirmationItem>"
            ),
        )
    };
    table(make, lines, &rows);
}

/// Prices come in price units, which need not be the ordered ones.
#[test]
fn prices_and_articles() {
    let item = |detail: &str| {
        confirmation(
            "detail",
            &format!(
                "<ConfirmationItem lineNumber=\"1\" quantity=\"2\"><ConfirmationStatus type=\"detail\" quantity=\"2\"><ItemIn quantity=\"2\"><ItemID><SupplierPartID>S1</SupplierPartID></ItemID><ItemDetail>{detail}<Description>Nut</Description></ItemDetail></ItemIn></ConfirmationStatus></ConfirmationItem>"
            ),
        )
    };
    table(
        item,
        |text| {
            lines(text)
                .trim_start_matches("- position=1 supplier_sku=S1 name=Nut quantity=2 quantity_confirmed=2 ")
                .to_string()
        },
        &[
            ("<UnitPrice><Money currency=\"USD\">0.5</Money></UnitPrice>", "price_net=0.5 status=changed"),
            (
                "<UnitPrice><Money>50</Money></UnitPrice><PriceBasisQuantity quantity=\"100\" conversionFactor=\"1\"/>",
                "price_net=0.5 price_basis=100 status=changed",
            ),
            (
                "<UnitPrice><Money>50</Money></UnitPrice><PriceBasisQuantity quantity=\"100\" conversionFactor=\"20\"/>",
                "price_net=10 price_basis=100 status=changed",
            ),
            (
                "<UnitPrice><Money>50</Money></UnitPrice><PriceBasisQuantity quantity=\"100\" conversionFactor=\"0\"/>",
                "status=changed\n! INVALID_VALUE `0` is no conversion factor, at /cXML/Request/ConfirmationRequest/ConfirmationItem/ConfirmationStatus/ItemIn/ItemDetail/PriceBasisQuantity/@conversionFactor",
            ),
        ],
    );
}

/// A dispatch notice ends open questions about its positions, so it must name them.
#[test]
fn ship_notices() {
    let notice = document(
        "<ShipNoticeRequest><ShipNoticeHeader shipmentID=\"LS-1\" shipmentDate=\"2026-12-01T08:00:00\"/><ShipNoticePortion><OrderReference orderID=\"4711\"/><ShipNoticeItem lineNumber=\"10\" quantity=\"5\"><ItemID><SupplierPartID>S1</SupplierPartID><IdReference domain=\"EAN-13\" identifier=\"4012345678901\"/></ItemID><UnitOfMeasure>EA</UnitOfMeasure></ShipNoticeItem></ShipNoticePortion></ShipNoticeRequest>",
    );
    assert_eq!(
        show(&notice).trim_end(),
        "dispatch order_number=4711 response_number=LS-1 entry_date=2026-12-01\n- position=10 supplier_sku=S1 gtin=4012345678901 quantity=5 unit=EA"
    );
}

/// What a customer orders as cXML must reach the order system whole.
#[test]
fn order_requests() {
    let order = document(
        "<OrderRequest><OrderRequestHeader orderID=\"DO1\" orderDate=\"2026-11-20T18:41:29-08:00\" type=\"new\"><Total><Money currency=\"EUR\">21.00</Money></Total>
        <ShipTo><Address><Name>Shop</Name><PostalAddress><DeliverTo>Joe</DeliverTo><Street>Dock 2</Street><City>Kiel</City><PostalCode>24103</PostalCode><Country isoCountryCode=\"DE\">Germany</Country></PostalAddress></Address></ShipTo>
        <BillTo><Address addressID=\"K100\"><Name>Shop AG</Name><PostalAddress><Street>Ring 5</Street><City>Jena</City></PostalAddress><Email>anna@shop.example</Email></Address></BillTo><PaymentTerm payInNumberOfDays=\"30\"/></OrderRequestHeader>
        <ItemOut quantity=\"10\" lineNumber=\"1\" requestedDeliveryDate=\"2026-12-05T00:00:00+00:00\"><ItemID><SupplierPartID>N1</SupplierPartID></ItemID><ItemDetail><UnitPrice><Money currency=\"EUR\">2.10</Money></UnitPrice><Description>Nail</Description><UnitOfMeasure>EA</UnitOfMeasure></ItemDetail></ItemOut></OrderRequest>",
    );
    assert_eq!(
        show(&order).trim_end(),
        "order order_number=DO1 entry_date=2026-11-20 currency=EUR total=21.00 customer_number=K100 customer_name=Shop AG customer_email=anna@shop.example billing_address=Shop AG / Ring 5 / Jena delivery_address=Shop / Joe / Dock 2 / 24103 Kiel / DE payment_terms=30 days\n\
         - position=1 supplier_sku=N1 name=Nail quantity=10 unit=EA price_net=2.10 requested_date=2026-12-05"
    );
    assert!(show(&order.replace("type=\"new\"", "type=\"delete\"")).contains(" state=CAN "));
    assert_eq!(super::read(&order, "x").unwrap().standard.to_string(), "cxml-1.2.014 OrderRequest");
}
