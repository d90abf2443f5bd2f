//! UBL 2.1 and Peppol BIS 3.

use super::{lines, show, table};

const NAMESPACES: &str = "xmlns:cac=\"urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2\"
 xmlns:cbc=\"urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2\"";

pub fn document(name: &str, content: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?>\n<{name} xmlns=\"urn:oasis:names:specification:ubl:schema:xsd:{name}-2\" {NAMESPACES}>{content}</{name}>"
    )
}

/// An OrderResponse to order 4711 with this head and these lines.
pub fn response(head: &str, lines: &str) -> String {
    document(
        "OrderResponse",
        &format!(
            "<cbc:ID>AB-1</cbc:ID><cbc:IssueDate>2026-11-20</cbc:IssueDate>{head}<cbc:DocumentCurrencyCode>EUR</cbc:DocumentCurrencyCode>
            <cac:OrderReference><cbc:ID>4711</cbc:ID></cac:OrderReference>{lines}"
        ),
    )
}

fn code(code: &str) -> String {
    format!("<cbc:OrderResponseCode>{code}</cbc:OrderResponseCode>")
}

/// One line answering order line `reference`.
fn line(id: &str, reference: &str, content: &str) -> String {
    let reference = match reference {
        "" => String::new(),
        reference => format!("<cac:OrderLineReference><cbc:LineID>{reference}</cbc:LineID></cac:OrderLineReference>"),
    };
    format!("<cac:OrderLine><cac:LineItem><cbc:ID>{id}</cbc:ID>{content}</cac:LineItem>{reference}</cac:OrderLine>")
}

fn status(code: &str) -> String {
    format!("<cbc:LineStatusCode>{code}</cbc:LineStatusCode>")
}

fn promised(end: &str) -> String {
    format!(
        "<cac:Delivery><cac:PromisedDeliveryPeriod><cbc:StartDate>2026-12-01</cbc:StartDate><cbc:EndDate>{end}</cbc:EndDate></cac:PromisedDeliveryPeriod></cac:Delivery>"
    )
}

/// Yes read as no, or "we have your order" read as yes, is the worst a reader can do.
#[test]
fn head_codes_of_both_lists() {
    let head = |state: &str, missing: &str| {
        format!(
            "response{missing} order_number=4711 response_number=AB-1 entry_date=2026-11-20 state={state} currency=EUR"
        )
    };
    let some_line = line("1", "1", &status("5"));
    for (codes, state, missing) in [
        (["AB", "12"], "AB", ""),
        (["AP", "29"], "ACC", " [missing accepted]"),
        (["RE", "27"], "CAN", " [missing canceled]"),
        (["CA", "30"], "AWC", ""),
    ] {
        for said in codes {
            let page = show(&response(&code(said), if state == "AWC" { &some_line } else { "" }));
            assert_eq!(page.lines().next(), Some(head(state, missing).as_str()), "{said}");
            assert!(!page.contains('!'), "{page}");
        }
    }
    let page = show(&response(&code("OK"), ""));
    assert!(
        page.contains("! INVALID_VALUE `OK` is no order response code, at /OrderResponse/OrderResponseCode"),
        "{page}"
    );
    let page = show(&response(&code("CA"), ""));
    assert!(page.contains("! STATE_CONFLICT"), "{page}");
}

/// Every line code with and without the values that may come with it.
#[test]
fn line_codes() {
    let quantity = |number: &str| format!("<cbc:Quantity unitCode=\"PCE\">{number}</cbc:Quantity>");
    let make = |content: &str| response(&code("CA"), &line("1", "20", content));
    let rows = [
        (status("5"), "- position=20 status=accepted"),
        (status("5") + &quantity("6"), "- position=20 quantity_confirmed=6 unit=PCE status=accepted"),
        (status("7"), "- position=20 quantity_confirmed=0 status=canceled"),
        (
            "<cbc:Note>out of stock</cbc:Note>".to_string() + &status("7") + &quantity("6"),
            "- note=out of stock position=20 quantity=6 quantity_confirmed=0 unit=PCE status=canceled reason=out of stock",
        ),
        (status("3") + &quantity("4.5"), "- position=20 quantity_confirmed=4.5 unit=PCE status=changed"),
        (status("1") + &quantity("4"), "- position=20 quantity_confirmed=4 unit=PCE status=added"),
        (status("42"), "- position=20 status=unchanged reason=already delivered"),
        (status("Cancelled"), "- position=20 quantity_confirmed=0 status=canceled"),
        (status("Revised") + &quantity("4"), "- position=20 quantity_confirmed=4 unit=PCE status=changed"),
        (status("NoStatus"), "- position=20"),
        (
            status("Disputed"),
            "- position=20 reason=Disputed\n? INVALID_VALUE `Disputed` says neither yes nor no, at /OrderResponse/OrderLine/LineItem/LineStatusCode",
        ),
        (
            status("6"),
            "- position=20\n! INVALID_VALUE `6` is no line status code, at /OrderResponse/OrderLine/LineItem/LineStatusCode",
        ),
        (
            status("5") + &quantity("-6"),
            "- position=20 unit=PCE status=accepted\n! INVALID_VALUE `-6` is below zero, at /OrderResponse/OrderLine/LineItem/Quantity",
        ),
        (
            status("5") + &quantity("six"),
            "- position=20 unit=PCE status=accepted\n! INVALID_VALUE `six` is no decimal number, at /OrderResponse/OrderLine/LineItem/Quantity",
        ),
        // Ordered 6: 2 now, 3 later, 1 lost; and the difference between "nothing more" and nothing said.
        (
            status("3") + &quantity("2") + "<cbc:MaximumBackorderQuantity>3</cbc:MaximumBackorderQuantity>",
            "- position=20 quantity_confirmed=2 quantity_backordered=3 unit=PCE status=changed",
        ),
        (
            status("3") + &quantity("2") + "<cbc:MaximumBackorderQuantity>0</cbc:MaximumBackorderQuantity>",
            "- position=20 quantity_confirmed=2 quantity_backordered=0 unit=PCE status=changed",
        ),
        (
            status("3") + &quantity("2") + &promised("2026-12-03"),
            "- position=20 quantity_confirmed=2 unit=PCE confirmed_date=2026-12-03 status=changed",
        ),
        (
            status("3") + &promised("2026-11-30"),
            "- position=20 status=changed\n! INVALID_VALUE the period ends on 2026-11-30, before it starts on 2026-12-01, at /OrderResponse/OrderLine/LineItem/Delivery/PromisedDeliveryPeriod/EndDate",
        ),
        (status("7") + &promised("2026-12-03"), "- position=20 quantity_confirmed=0 status=canceled"),
    ];
    let rows: Vec<(&str, &str)> = rows.iter().map(|(snippet, expected)| (snippet.as_str(), *expected)).collect();
    table(make, lines, &rows);
}

/// A price per ten taken as a price per one is off by a factor of ten.
#[test]
fn prices_articles_and_substitutes() {
    let price = |amount: &str, basis: &str| {
        let basis =
            if basis.is_empty() { String::new() } else { format!("<cbc:BaseQuantity>{basis}</cbc:BaseQuantity>") };
        format!("<cac:Price><cbc:PriceAmount currencyID=\"EUR\">{amount}</cbc:PriceAmount>{basis}</cac:Price>")
    };
    let rows = [
        (price("0.90", ""), "- position=1 price_net=0.90"),
        (price("0.9", "1"), "- position=1 price_net=0.9"),
        (price("0.9", "10"), "- position=1 price_net=0.09 price_basis=10"),
        (price("10", "3"), "- position=1 price_net=3.3333333333 price_basis=3"),
        (price("9", "0"), "- position=1\n! INVALID_VALUE a price for `0` units cannot be brought to one unit, at /OrderResponse/OrderLine/LineItem/Price/BaseQuantity"),
        (price("9", "ten"), "- position=1\n! INVALID_VALUE `ten` is no decimal number, at /OrderResponse/OrderLine/LineItem/Price/BaseQuantity"),
        (price("9,50", ""), "- position=1 price_net=9.50"),
        (price("1.009,50", ""), "- position=1\n! INVALID_VALUE `1.009,50` is no decimal number, at /OrderResponse/OrderLine/LineItem/Price/PriceAmount"),
        (
            "<cac:Item><cbc:Name>Saw</cbc:Name><cac:BuyersItemIdentification><cbc:ID>B1</cbc:ID></cac:BuyersItemIdentification>
             <cac:SellersItemIdentification><cbc:ID>S1</cbc:ID></cac:SellersItemIdentification>
             <cac:StandardItemIdentification><cbc:ID>4012345678901</cbc:ID></cac:StandardItemIdentification></cac:Item>".to_string(),
            "- position=1 supplier_sku=S1 shop_sku=B1 gtin=4012345678901 name=Saw",
        ),
    ];
    let rows: Vec<(&str, &str)> = rows.iter().map(|(snippet, expected)| (snippet.as_str(), *expected)).collect();
    table(|content| response("", &line("1", "1", content)), lines, &rows);
    let substituted = "<cac:OrderLine><cac:LineItem><cbc:ID>1</cbc:ID><cbc:LineStatusCode>3</cbc:LineStatusCode></cac:LineItem>
        <cac:SellerSubstitutedLineItem><cbc:ID>1</cbc:ID><cac:Item><cac:SellersItemIdentification><cbc:ID>S2</cbc:ID></cac:SellersItemIdentification></cac:Item></cac:SellerSubstitutedLineItem>
        <cac:OrderLineReference><cbc:LineID>3</cbc:LineID></cac:OrderLineReference></cac:OrderLine>";
    assert_eq!(lines(&response("", substituted)), "- position=3 status=changed substitute_sku=S2");
    let page = show(&response(
        "",
        &line("1", "1", "<cac:Price><cbc:PriceAmount currencyID=\"SEK\">1</cbc:PriceAmount></cac:Price>"),
    ));
    assert!(page.contains("! WRONG_CURRENCY an amount in `SEK` in a document in `EUR`"), "{page}");
}

/// Two deliveries of one order line must not become a cancellation, an addition or a duplicate.
#[test]
fn one_order_line_in_several_response_lines() {
    let part = |id: &str, code: &str, quantity: &str, date: &str| {
        let date = if date.is_empty() { String::new() } else { promised(date) };
        line(id, "1", &(status(code) + &format!("<cbc:Quantity>{quantity}</cbc:Quantity>") + &date))
    };
    let split = response(&code("CA"), &(part("1", "3", "18", "2026-12-01") + &part("2", "1", "12", "2026-12-20")));
    assert_eq!(
        lines(&split),
        "- position=1 quantity_confirmed=18 confirmed_date=2026-12-01 status=changed\n\
         - position=1 quantity_backordered=12 backordered_date=2026-12-20 status=backordered"
    );
    let message = &super::read(&split, "doc").unwrap().messages[0];
    assert_eq!(message.habits.backorder, crate::model::BackorderEncoding::TwoLines);
    let canceled = response(&code("CA"), &(part("1", "3", "18", "2026-12-01") + &part("2", "7", "12", "")));
    assert_eq!(
        lines(&canceled),
        "- position=1 quantity_confirmed=18 confirmed_date=2026-12-01 status=changed\n\
         - position=1 quantity_confirmed=0 quantity_canceled=12 status=canceled"
    );
    // Within one line: deliveries with quantities, which must add up.
    let delivery = |quantity: &str, date: &str| {
        format!(
            "<cac:Delivery><cbc:Quantity>{quantity}</cbc:Quantity><cac:PromisedDeliveryPeriod><cbc:EndDate>{date}</cbc:EndDate></cac:PromisedDeliveryPeriod></cac:Delivery>"
        )
    };
    let three = delivery("5", "2026-12-20") + &delivery("3", "2026-12-01") + &delivery("2", "2027-01-10");
    let within = |total: &str| {
        response(
            &code("CA"),
            &line("1", "1", &(status("3") + &format!("<cbc:Quantity>{total}</cbc:Quantity>") + &three)),
        )
    };
    assert_eq!(
        lines(&within("10")),
        "- position=1 quantity_confirmed=3 confirmed_date=2026-12-01 status=changed schedule=3 on 2026-12-01; 5 on 2026-12-20; 2 on 2027-01-10"
    );
    assert!(lines(&within("11")).contains("! INVALID_VALUE the deliveries add up to 10, the line says 11"));
}

/// References, heads, several orders: whatever tells lines apart.
#[test]
fn references_and_orders() {
    // Without a reference the response line's own number stands in, except for an added line.
    assert_eq!(lines(&response("", &line("4", "", &status("5")))), "- position=4 status=accepted");
    assert_eq!(lines(&response("", &line("4", "", &status("1")))), "- status=added");
    let page = lines(&response("", &line("1", "P-77", &status("5"))));
    assert_eq!(
        page,
        "- note=line reference P-77 status=accepted\n? INVALID_VALUE the line reference `P-77` is no position number; the product decides, at /OrderResponse/OrderLine/OrderLineReference/LineID"
    );
    // The head's delivery counts for lines without one of their own, not for canceled ones.
    let head = code("CA") + &promised("2026-12-24");
    let both = line("1", "1", &status("5")) + &line("2", "2", &status("7"));
    assert_eq!(
        lines(&response(&head, &both)),
        "- position=1 confirmed_date=2026-12-24 status=accepted\n- position=2 quantity_confirmed=0 status=canceled"
    );
    // A line id twice (T76-R003).
    let twice = line("6", "1", &status("5")) + &line("6", "2", &status("5"));
    assert!(
        lines(&response(&code("CA"), &twice))
            .contains("! INVALID_VALUE the line id `6` stands twice, first at /OrderResponse/OrderLine[1]/LineItem/ID")
    );
    // Lines of two orders are two messages.
    let of_order = |id: &str, order: &str| {
        format!(
            "<cac:OrderLine><cac:LineItem><cbc:ID>{id}</cbc:ID></cac:LineItem><cac:OrderLineReference><cbc:LineID>1</cbc:LineID><cac:OrderReference><cbc:ID>{order}</cbc:ID></cac:OrderReference></cac:OrderLineReference></cac:OrderLine>"
        )
    };
    let page = show(&response("", &(of_order("1", "4711") + &of_order("2", "4712"))));
    assert_eq!(page.matches("response order_number=").count(), 2, "{page}");
    let simple = super::ubl::document(
        "OrderResponseSimple",
        "<cbc:ID>1</cbc:ID><cbc:AcceptedIndicator>false</cbc:AcceptedIndicator><cbc:RejectionNote>closed</cbc:RejectionNote><cac:OrderReference><cbc:ID>4711</cbc:ID></cac:OrderReference>",
    );
    assert_eq!(
        show(&simple).trim_end(),
        "response [missing canceled] order_number=4711 response_number=1 state=CAN note=closed"
    );
}

/// What a customer orders as UBL must reach the order system whole.
#[test]
fn orders_and_changes() {
    let order = document(
        "Order",
        "<cbc:ID>PO-9</cbc:ID><cbc:IssueDate>2026-11-20</cbc:IssueDate><cbc:Note>Ring twice</cbc:Note><cbc:DocumentCurrencyCode>EUR</cbc:DocumentCurrencyCode>
        <cac:BuyerCustomerParty><cbc:SupplierAssignedAccountID>K100</cbc:SupplierAssignedAccountID><cac:Party><cac:PartyName><cbc:Name>Shop</cbc:Name></cac:PartyName>
        <cac:PostalAddress><cbc:StreetName>Ring</cbc:StreetName><cbc:BuildingNumber>5</cbc:BuildingNumber><cbc:CityName>Jena</cbc:CityName><cbc:PostalZone>07743</cbc:PostalZone><cac:Country><cbc:IdentificationCode>DE</cbc:IdentificationCode></cac:Country></cac:PostalAddress>
        <cac:Contact><cbc:Name>Anna</cbc:Name><cbc:ElectronicMail>anna@shop.example</cbc:ElectronicMail></cac:Contact></cac:Party></cac:BuyerCustomerParty>
        <cac:Delivery><cac:DeliveryLocation><cac:Address><cbc:StreetName>Dock 2</cbc:StreetName><cbc:CityName>Kiel</cbc:CityName></cac:Address></cac:DeliveryLocation><cac:RequestedDeliveryPeriod><cbc:EndDate>2026-12-05</cbc:EndDate></cac:RequestedDeliveryPeriod></cac:Delivery>
        <cac:PaymentTerms><cbc:Note>30 days</cbc:Note></cac:PaymentTerms>
        <cac:AnticipatedMonetaryTotal><cbc:PayableAmount currencyID=\"EUR\">45.00</cbc:PayableAmount></cac:AnticipatedMonetaryTotal>
        <cac:OrderLine><cac:LineItem><cbc:ID>1</cbc:ID><cbc:Quantity unitCode=\"EA\">10</cbc:Quantity><cbc:LineExtensionAmount currencyID=\"EUR\">45.00</cbc:LineExtensionAmount>
        <cac:Price><cbc:PriceAmount currencyID=\"EUR\">450</cbc:PriceAmount><cbc:BaseQuantity>100</cbc:BaseQuantity></cac:Price><cac:Item><cbc:Name>Nail</cbc:Name><cac:SellersItemIdentification><cbc:ID>N1</cbc:ID></cac:SellersItemIdentification></cac:Item></cac:LineItem></cac:OrderLine>",
    );
    assert_eq!(
        show(&order).trim_end(),
        "order order_number=PO-9 entry_date=2026-11-20 currency=EUR note=Ring twice total=45.00 customer_number=K100 customer_name=Shop customer_email=anna@shop.example \
         billing_address=Shop / Ring 5 / 07743 Jena / DE delivery_address=Dock 2 / Kiel contact=Anna payment_terms=30 days requested_date=2026-12-05\n\
         - position=1 supplier_sku=N1 name=Nail quantity=10 unit=EA price_net=4.5 price_basis=100 line_total=45.00"
    );
    let change = document(
        "OrderChange",
        "<cbc:ID>C1</cbc:ID><cac:OrderReference><cbc:ID>PO-9</cbc:ID></cac:OrderReference><cac:OrderLine><cac:LineItem><cbc:ID>1</cbc:ID><cbc:LineStatusCode>2</cbc:LineStatusCode></cac:LineItem></cac:OrderLine>",
    );
    assert_eq!(show(&change).trim_end(), "order order_number=PO-9 response_number=C1\n- position=1 status=canceled");
}

/// A dispatch notice ends open questions about its positions, so it must name them.
#[test]
fn despatch_advice() {
    let advice = document(
        "DespatchAdvice",
        "<cbc:ID>LS-1</cbc:ID><cbc:IssueDate>2026-12-01</cbc:IssueDate><cac:OrderReference><cbc:ID>4711</cbc:ID></cac:OrderReference>
        <cac:DespatchLine><cbc:ID>1</cbc:ID><cbc:DeliveredQuantity unitCode=\"PCE\">5</cbc:DeliveredQuantity><cac:OrderLineReference><cbc:LineID>10</cbc:LineID></cac:OrderLineReference>
        <cac:Item><cac:SellersItemIdentification><cbc:ID>S1</cbc:ID></cac:SellersItemIdentification></cac:Item></cac:DespatchLine>",
    );
    assert_eq!(
        show(&advice).trim_end(),
        "dispatch order_number=4711 response_number=LS-1 entry_date=2026-12-01\n- position=10 supplier_sku=S1 quantity=5 unit=PCE"
    );
}

/// An entity bomb or a hidden declaration must not be parsed at all; a truncated file must say so.
#[test]
fn hostile_and_broken_xml() {
    let bomb = format!(
        "<?xml version=\"1.0\"?><!DOCTYPE a [<!ENTITY b \"bbbb\">]>{}",
        response("", "").replace("<?xml version=\"1.0\"?>", "")
    );
    assert!(show(&bomb).contains("! UNREADABLE the DOCTYPE brings declarations of its own"), "{}", show(&bomb));
    let whole = response(&code("AP"), "");
    let cut = whole.get(..whole.len() - 20).unwrap();
    assert!(show(cut).starts_with("! UNREADABLE a tag that never ends"), "{}", show(cut));
    let cut = whole.split_once("</cac:OrderReference>").unwrap().0;
    assert!(show(cut).starts_with("! UNREADABLE the XML is broken"), "{}", show(cut));
    let deep = response("", &"<a>".repeat(5000));
    assert!(show(&deep).contains("! UNREADABLE elements nested deeper than 100"), "{}", show(&deep));
    let attributes: String = (0..5000).map(|n| format!(" a{n}=\"\"")).collect();
    assert!(
        show(&response("", &format!("<a{attributes}/>")))
            .contains("! UNREADABLE an element with more than 64 attributes")
    );
    let prefixes: String = (0..500).map(|n| format!("<a xmlns:p{n}=\"u\"/>")).collect();
    assert!(show(&response("", &prefixes)).contains("! UNREADABLE more than 32 namespace prefixes"));
}
