//! openTRANS 2.1 and 1.0.

use super::{lines, show, table};

fn response(info: &str, items: &str, count: usize) -> String {
    format!(
        "<ORDERRESPONSE xmlns=\"http://www.opentrans.org/XMLSchema/2.1\" xmlns:bme=\"http://www.bmecat.org/bmecat/2005\" version=\"2.1\"><ORDERRESPONSE_HEADER><ORDERRESPONSE_INFO><ORDER_ID>4711</ORDER_ID><ORDERRESPONSE_DATE>2026-11-20</ORDERRESPONSE_DATE><SUPPLIER_ORDER_ID>S-9</SUPPLIER_ORDER_ID>{info}</ORDERRESPONSE_INFO></ORDERRESPONSE_HEADER><ORDERRESPONSE_ITEM_LIST>{items}</ORDERRESPONSE_ITEM_LIST><ORDERRESPONSE_SUMMARY><TOTAL_ITEM_NUM>{count}</TOTAL_ITEM_NUM><TOTAL_AMOUNT>9.50</TOTAL_AMOUNT></ORDERRESPONSE_SUMMARY></ORDERRESPONSE>"
    )
}

fn item(content: &str) -> String {
    format!(
        "<ORDERRESPONSE_ITEM><LINE_ITEM_ID>00001</LINE_ITEM_ID><PRODUCT_ID><bme:SUPPLIER_PID>P1</bme:SUPPLIER_PID><bme:INTERNATIONAL_PID type=\"itscope\">77</bme:INTERNATIONAL_PID><bme:INTERNATIONAL_PID type=\"ean\">4012345678901</bme:INTERNATIONAL_PID></PRODUCT_ID><QUANTITY>5.0</QUANTITY><bme:ORDER_UNIT>C62</bme:ORDER_UNIT>{content}</ORDERRESPONSE_ITEM>"
    )
}

/// There is no code for yes or no: what is said is numbers and dates, and nothing is made up.
#[test]
fn responses() {
    let head = "response order_number=4711 supplier_order_number=S-9 entry_date=2026-11-20 currency=EUR total=9.50";
    let whole = response("<bme:CURRENCY>EUR</bme:CURRENCY>", &item(""), 1);
    let line = "- position=1 supplier_sku=P1 gtin=4012345678901 quantity_confirmed=5.0 unit=C62";
    assert_eq!(show(&whole), format!("{head}\n{line}\n"));
    let window = |start: &str, end: &str| {
        format!(
            "<DELIVERY_DATE><DELIVERY_START_DATE>{start}</DELIVERY_START_DATE><DELIVERY_END_DATE>{end}</DELIVERY_END_DATE></DELIVERY_DATE>"
        )
    };
    let partial = |quantity: &str, date: &str| {
        format!("<PARTIAL_DELIVERY><QUANTITY>{quantity}</QUANTITY>{}</PARTIAL_DELIVERY>", window(date, date))
    };
    let price =
        |rest: &str| format!("<PRODUCT_PRICE_FIX><bme:PRICE_AMOUNT>190</bme:PRICE_AMOUNT>{rest}</PRODUCT_PRICE_FIX>");
    let start = "position=1 supplier_sku=P1 gtin=4012345678901 ";
    let rows = [
        (
            window("2026-12-01", "2026-12-03T10:00:00+01:00"),
            "quantity_confirmed=5.0 unit=C62 confirmed_date=2026-12-03",
        ),
        (
            format!(
                "<PARTIAL_DELIVERY_LIST>{}{}</PARTIAL_DELIVERY_LIST>",
                partial("2", "2026-12-20"),
                partial("3", "2026-12-01")
            ),
            "quantity_confirmed=3 unit=C62 confirmed_date=2026-12-01 schedule=3 on 2026-12-01; 2 on 2026-12-20",
        ),
        (
            price("<bme:PRICE_QUANTITY>100</bme:PRICE_QUANTITY>"),
            "quantity_confirmed=5.0 unit=C62 price_net=1.9 price_basis=100",
        ),
        (
            price("") + "<PRICE_LINE_AMOUNT>950</PRICE_LINE_AMOUNT><REMARKS type=\"general\">soon</REMARKS>",
            "quantity_confirmed=5.0 unit=C62 price_net=190 line_total=950",
        ),
    ];
    for (content, expected) in &rows {
        let page = lines(&response("", &item(content), 1)).replace("note=soon ", "");
        assert_eq!(page, format!("- {start}{expected}"));
    }
    table(
        |content| response("", &item(content), 1),
        |text| lines(text).lines().last().unwrap_or_default().split(", at ").next().unwrap_or_default().to_string(),
        &[
            (
                &format!("<PARTIAL_DELIVERY_LIST>{}</PARTIAL_DELIVERY_LIST>", partial("2", "2026-12-20")),
                "! INVALID_VALUE the deliveries add up to 2, the line says 5",
            ),
            (
                &window("2026-12-05", "2026-12-03"),
                "! INVALID_VALUE the delivery window ends on 2026-12-03, before it starts on 2026-12-05",
            ),
            (
                &price("<PRICE_FLAG type=\"incl_vat\">true</PRICE_FLAG>"),
                "? INVALID_VALUE this price includes tax: no net price is taken from it",
            ),
        ],
    );
    // Two items are announced, one is there: the rest was lost on the way.
    assert!(show(&response("", &item(""), 2)).contains("! UNREADABLE the document says 2 lines, 1 are there"));
    // The head's date counts for the lines.
    assert!(lines(&response(&window("2026-12-01", "2026-12-24"), &item(""), 1)).contains("confirmed_date=2026-12-24"));
}

/// Version 1.0 had no namespace and called products articles.
#[test]
fn version_one() {
    let text = "<?xml version=\"1.0\"?><!DOCTYPE ORDERRESPONSE SYSTEM \"openTRANS_ORDERRESPONSE_1_0.dtd\"><ORDERRESPONSE version=\"1.0\"><ORDERRESPONSE_HEADER><ORDERRESPONSE_INFO><ORDER_ID>4711</ORDER_ID><ORDERRESPONSE_DATE>2026-11-20T10:00:00</ORDERRESPONSE_DATE><PRICE_CURRENCY>EUR</PRICE_CURRENCY></ORDERRESPONSE_INFO></ORDERRESPONSE_HEADER><ORDERRESPONSE_ITEM_LIST><ORDERRESPONSE_ITEM><LINE_ITEM_ID>2</LINE_ITEM_ID><ARTICLE_ID><SUPPLIER_AID>P2</SUPPLIER_AID><DESCRIPTION_SHORT>Saw</DESCRIPTION_SHORT></ARTICLE_ID><QUANTITY>4</QUANTITY><ORDER_UNIT>PCE</ORDER_UNIT><ARTICLE_PRICE type=\"net_customer\"><PRICE_AMOUNT>8</PRICE_AMOUNT><PRICE_LINE_AMOUNT>32</PRICE_LINE_AMOUNT></ARTICLE_PRICE></ORDERRESPONSE_ITEM></ORDERRESPONSE_ITEM_LIST></ORDERRESPONSE>";
    assert_eq!(super::read(text, "x").unwrap().standard.to_string(), "opentrans-1.0 ORDERRESPONSE");
    assert_eq!(
        show(text),
        "response order_number=4711 entry_date=2026-11-20 currency=EUR\n- position=2 supplier_sku=P2 name=Saw quantity_confirmed=4 unit=PCE price_net=8 line_total=32\n"
    );
    let gross = text.replace("net_customer", "gros_list");
    assert!(show(&gross).contains("? INVALID_VALUE this price includes tax"), "{}", show(&gross));
}

/// What a customer orders as openTRANS must reach the order system whole.
#[test]
fn orders() {
    let party = |role: &str, name: &str| {
        format!(
            "<PARTY><bme:PARTY_ID>K100</bme:PARTY_ID><PARTY_ROLE>{role}</PARTY_ROLE><ADDRESS><bme:NAME>{name}</bme:NAME><CONTACT_DETAILS><bme:CONTACT_NAME>Berg</bme:CONTACT_NAME><bme:FIRST_NAME>Anna</bme:FIRST_NAME><bme:EMAILS><bme:EMAIL>anna@shop.example</bme:EMAIL></bme:EMAILS></CONTACT_DETAILS><bme:STREET>Ring 5</bme:STREET><bme:ZIP>07743</bme:ZIP><bme:CITY>Jena</bme:CITY><bme:COUNTRY_CODED>DE</bme:COUNTRY_CODED></ADDRESS></PARTY>"
        )
    };
    let text = format!(
        "<ORDER xmlns=\"http://www.opentrans.org/XMLSchema/2.1\" xmlns:bme=\"http://www.bmecat.org/bmecat/2005\"><ORDER_HEADER><ORDER_INFO><ORDER_ID>PO-9</ORDER_ID><ORDER_DATE>2026-11-20T18:54:55</ORDER_DATE><PARTIES>{}{}</PARTIES><bme:CURRENCY>EUR</bme:CURRENCY></ORDER_INFO></ORDER_HEADER><ORDER_ITEM_LIST><ORDER_ITEM><LINE_ITEM_ID>1</LINE_ITEM_ID><PRODUCT_ID><bme:SUPPLIER_PID>N1</bme:SUPPLIER_PID></PRODUCT_ID><QUANTITY>10</QUANTITY></ORDER_ITEM></ORDER_ITEM_LIST></ORDER>",
        party("buyer", "Shop"),
        party("delivery", "Dock")
    );
    assert_eq!(
        show(&text).trim_end(),
        "order order_number=PO-9 entry_date=2026-11-20 currency=EUR customer_number=K100 customer_name=Shop customer_email=anna@shop.example billing_address=Shop / Ring 5 / 07743 Jena / DE delivery_address=Dock / Ring 5 / 07743 Jena / DE contact=Anna Berg\n- position=1 supplier_sku=N1 quantity=10"
    );
}
