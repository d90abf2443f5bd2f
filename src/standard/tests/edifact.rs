//! EDIFACT: ORDRSP, ORDERS, ORDCHG, DESADV.

use super::{lines, show, table};

/// One message of this kind, its head and segments, with counts that are right.
pub fn interchange(kind: &str, segments: &str) -> String {
    let count = segments.matches('\'').count() - segments.matches("?'").count() + 2;
    format!("UNA:+.? 'UNB+UNOC:3+SUP+BUY+261120:1200+7'UNH+1+{kind}:D:96A:UN:EAN005'{segments}UNT+{count}+1'UNZ+1+7'")
}

/// An ORDRSP to order 4711 with this BGM 1225 and these lines.
pub fn ordrsp(function: &str, lines: &str) -> String {
    interchange("ORDRSP", &format!("BGM+231+AB-1+{function}'DTM+137:20261120:102'RFF+ON:4711'CUX+2:EUR:9'{lines}"))
}

/// Yes read as no is the worst a reader can do.
#[test]
fn head_codes() {
    let rows = [
        ("12", "state=AB", ""),
        ("29", "state=ACC", " [missing accepted]"),
        ("28", "state=AWC", " [missing accepted]"),
        ("30", "state=AWC", ""),
        ("34", "state=AWC", ""),
        ("4", "state=AWC", ""),
        ("27", "state=CAN", " [missing canceled]"),
        ("9", "", ""),
        ("", "", ""),
        ("+AB", "state=AB", ""),
        ("9+AP", "state=ACC", " [missing accepted]"),
        ("9+AC", "state=AWC", ""),
        ("+AD", "state=ACC", " [missing accepted]"),
        ("+AI", "state=AWC", ""),
        ("+CA", "state=AWC", ""),
        ("+RE", "state=CAN", " [missing canceled]"),
        ("+NA", "", ""),
    ];
    for (code, state, missing) in rows {
        let state = if state.is_empty() { String::new() } else { format!(" {state}") };
        let expected = format!(
            "response{missing} order_number=4711 response_number=AB-1 entry_date=2026-11-20{state} currency=EUR\n"
        );
        assert_eq!(show(&ordrsp(code, "")), expected, "{code}");
    }
    assert!(show(&ordrsp("1", "")).contains("! INVALID_VALUE `1` is no code for an order response, at BGM/1225"));
    assert!(show(&ordrsp("29+RE", "")).contains("! STATE_CONFLICT BGM says `ACC` and `CAN` of one order, at BGM/4343"));
}

/// Every line code, and which quantity counts with it.
#[test]
fn line_codes_and_quantities() {
    table(
        |snippet| ordrsp("30", snippet),
        lines,
        &[
            ("LIN+1+5'QTY+21:6:PCE'", "- position=1 quantity=6 quantity_confirmed=6 unit=PCE status=accepted"),
            ("LIN+1+5'", "- position=1 status=accepted"),
            ("LIN+1+3'QTY+113:4'QTY+21:6'", "- position=1 quantity=6 quantity_confirmed=4 status=changed"),
            ("LIN+1+6'QTY+12:4'", "- position=1 quantity_confirmed=4 status=changed"),
            ("LIN+1+24'QTY+21:4'", "- position=1 quantity=4 quantity_confirmed=4 status=changed"),
            ("LIN+1+4'QTY+21:4'", "- position=1 quantity=4 status=unchanged"),
            ("LIN+1+7'QTY+21:4'", "- position=1 quantity=4 quantity_confirmed=0 status=canceled"),
            ("LIN+1+2'", "- position=1 quantity_confirmed=0 status=canceled"),
            ("LIN+1+10'", "- position=1 quantity_confirmed=0 status=canceled reason=not found"),
            ("LIN+9+1'QTY+113:2'", "- quantity_confirmed=2 status=added"),
            ("LIN+1'QTY+12:2'", "- position=1 quantity_confirmed=2"),
            (
                "LIN+1+99'QTY+113:2'",
                "- position=1 quantity_confirmed=2\n! INVALID_VALUE `99` is no line code, at LIN[1]/1229",
            ),
            // Partial backorders: what 21 means depends on what stands beside it.
            (
                "LIN+1+3'QTY+21:6'QTY+83:2'",
                "- position=1 quantity=6 quantity_confirmed=4 quantity_backordered=2 status=changed",
            ),
            ("LIN+1+3'QTY+113:4'QTY+83:2'", "- position=1 quantity_confirmed=4 quantity_backordered=2 status=changed"),
            ("LIN+1+3'QTY+83:2'", "- position=1 quantity_backordered=2 status=changed"),
            (
                "LIN+1+3'QTY+21:6'QTY+182:1'QTY+83:2'",
                "- position=1 quantity=6 quantity_confirmed=3 quantity_backordered=2 quantity_canceled=1 status=changed",
            ),
            (
                "LIN+1+3'QTY+21:2'QTY+83:6'",
                "- position=1 quantity=2 quantity_backordered=6 status=changed\n! INVALID_VALUE more is backordered or canceled than the line's quantity, at LIN[1]/QTY[1]/6060",
            ),
            // All comes later: the line's date is the backorder's.
            (
                "LIN+1+24'QTY+21:2'QTY+83:2'DTM+44:20261220:102'",
                "- position=1 quantity=2 quantity_confirmed=0 quantity_backordered=2 backordered_date=2026-12-20 status=changed",
            ),
            ("LIN+1+5'QTY+21:1,5'", "- position=1 quantity=1.5 quantity_confirmed=1.5 status=accepted"),
            (
                "LIN+1+5'QTY+21:1.000,5'",
                "- position=1 status=accepted\n! INVALID_VALUE `1.000,5` is no decimal number, at LIN[1]/QTY[1]/6060",
            ),
            (
                "LIN+1+5'QTY+21:1:PCE'QTY+113:1:KGM'",
                "- position=1 quantity=1 quantity_confirmed=1 unit=PCE status=accepted\n! WRONG_UNIT quantities of one line in `PCE` and in `KGM`, at LIN[1]/QTY[2]/6411",
            ),
        ],
    );
    // A plain yes or no of the head is the word of a line without a code.
    assert_eq!(lines(&ordrsp("29", "LIN+1'QTY+21:3'")), "- position=1 quantity=3 quantity_confirmed=3 status=accepted");
    assert_eq!(lines(&ordrsp("27", "LIN+1'QTY+21:3'")), "- position=1 quantity=3 status=canceled");
}

/// A requested date taken for a promised one hides a delay.
#[test]
fn dates() {
    table(
        |snippet| ordrsp("30", &format!("LIN+1+3'QTY+113:5'{snippet}")),
        |text| lines(text).trim_start_matches("- position=1 ").to_string(),
        &[
            ("DTM+67:20261201:102'", "quantity_confirmed=5 confirmed_date=2026-12-01 status=changed"),
            (
                "DTM+2:20261201:102'DTM+69:20261205:102'",
                "quantity_confirmed=5 confirmed_date=2026-12-05 requested_date=2026-12-01 status=changed",
            ),
            (
                "DTM+2:20261201:102'",
                "quantity_confirmed=5 confirmed_date=2026-12-01 requested_date=2026-12-01 status=changed",
            ),
            ("DTM+11:20261201:102'", "quantity_confirmed=5 confirmed_date=2026-12-01 status=changed"),
            ("DTM+55:202649:616'", "quantity_confirmed=5 confirmed_date=2026-12-06 status=changed"),
            ("DTM+35:20261201:102'", "quantity_confirmed=5 status=changed"),
            (
                "DTM+67:20261301:102'",
                "quantity_confirmed=5 status=changed\n! INVALID_VALUE `20261301` is no date in format 102, at LIN[1]/DTM[1]/2380",
            ),
            ("RFF+ON:4711:1'DTM+4:20261101:102'", "quantity_confirmed=5 status=changed"),
        ],
    );
    // The head's date counts for lines without one.
    let text = interchange("ORDRSP", "BGM+231+AB-1+29'DTM+69:20261224:102'LIN+1+5'LIN+2+7'");
    assert_eq!(
        lines(&text),
        "- position=1 confirmed_date=2026-12-24 status=accepted\n- position=2 quantity_confirmed=0 status=canceled"
    );
}

/// Several deliveries of one line: SG35 with LOC, pairs of QTY and DTM, and lines that repeat the order line.
#[test]
fn split_deliveries() {
    table(
        |snippet| ordrsp("30", snippet),
        lines,
        &[
            (
                "LIN+1+3'QTY+21:10'LOC+7+HH'QTY+11:6'DTM+67:20261201:102'LOC+7+HH'QTY+11:4'DTM+67:20261220:102'",
                "- position=1 quantity=10 quantity_confirmed=6 confirmed_date=2026-12-01 status=changed schedule=6 on 2026-12-01; 4 on 2026-12-20",
            ),
            (
                "LIN+1+3'QTY+21:10'LOC+7+HH'QTY+11:6'DTM+67:20261201:102'LOC+7+HH'QTY+83:4'DTM+67:20261220:102'",
                "- position=1 quantity=10 quantity_confirmed=6 confirmed_date=2026-12-01 status=changed schedule=6 on 2026-12-01; 4 on 2026-12-20",
            ),
            (
                "LIN+1+3'QTY+21:10'LOC+7+HH'QTY+11:6'LOC+7+B'QTY+11:4'DTM+67:20261220:102'",
                "- position=1 quantity=10 quantity_confirmed=6 quantity_backordered=4 backordered_date=2026-12-20 status=changed schedule=6; 4 on 2026-12-20",
            ),
            // Two places on one day are one delivery.
            (
                "LIN+1+5'QTY+21:4'DTM+67:20261201:102'LOC+7+A'QTY+11:2'LOC+7+B'QTY+11:2'",
                "- position=1 quantity=4 quantity_confirmed=4 confirmed_date=2026-12-01 status=accepted",
            ),
            (
                "LIN+1+3'QTY+21:10'LOC+7+A'QTY+11:6'DTM+67:20261201:102'LOC+7+A'QTY+11:3'DTM+67:20261220:102'",
                "- position=1 quantity=10 status=changed\n! INVALID_VALUE the deliveries add up to 9, the line says 10, at LIN[1]/QTY[2]/6060",
            ),
            (
                "LIN+1+3'QTY+113:6'DTM+67:20261201:102'QTY+83:4'DTM+67:20261220:102'",
                "- position=1 quantity_confirmed=6 confirmed_date=2026-12-01 status=changed schedule=6 on 2026-12-01; 4 on 2026-12-20",
            ),
            (
                "LIN+1+3'QTY+113:6'DTM+67:20261201:102'RFF+ON:4711:20'LIN+2+1'QTY+113:4'DTM+67:20261220:102'RFF+ON:4711:20'",
                "- position=20 quantity_confirmed=6 confirmed_date=2026-12-01 status=changed\n- position=20 quantity_backordered=4 backordered_date=2026-12-20 status=backordered",
            ),
        ],
    );
}

/// The gross price taken for the net one raises a false alarm on every line.
#[test]
fn prices_articles_and_texts() {
    table(
        |snippet| ordrsp("30", &format!("LIN+1++4711:SA'{snippet}")),
        |text| lines(text).trim_start_matches("- ").to_string(),
        &[
            (
                "PRI+AAB:120:::1:PCE'PRI+AAA:99.90:::100:PCE'",
                "position=1 supplier_sku=4711 price_net=0.999 price_basis=100",
            ),
            ("PRI+AAB:120'", "position=1 supplier_sku=4711"),
            ("PRI+AAE:15.99:CA:SRP'", "position=1 supplier_sku=4711"),
            ("PRI+CAL:8.50:CA:NTP'", "position=1 supplier_sku=4711 price_net=8.50"),
            ("PRI+INV:7'PRI+AAA:6'", "position=1 supplier_sku=4711 price_net=6"),
            (
                "PRI+AAA:6:::0'",
                "position=1 supplier_sku=4711\n! INVALID_VALUE a price for `0` units cannot be brought to one unit, at LIN[1]/PRI[1]/5284",
            ),
            (
                "PIA+1+B7:BP'PIA+5+4012345678901:EN+0316907235:IB'",
                "position=1 supplier_sku=4711 shop_sku=B7 gtin=4012345678901 product_id=0316907235",
            ),
            ("PIA+3+NEW:SA'", "position=1 supplier_sku=4711 substitute_sku=NEW"),
            ("PIA+4+OLD:SA'", "position=1 supplier_sku=OLD substitute_sku=4711"),
            ("PIA+2+MAYBE:SA'", "position=1 supplier_sku=4711"),
            (
                "IMD+F++:::Saw ?'L?':5?+5 mm'MOA+203:12.50'",
                "position=1 supplier_sku=4711 name=Saw 'L' 5+5 mm line_total=12.50",
            ),
            ("FTX+LIN++NP:8B:28+Not yet:published'", "note=Not yet published position=1 supplier_sku=4711 reason=NP"),
            ("RFF+ON:4711:000030'", "position=30 supplier_sku=4711"),
            ("RFF+LI:30'", "position=30 supplier_sku=4711"),
            (
                "RFF+LI:P28837'",
                "note=line reference P28837 supplier_sku=4711\n? INVALID_VALUE the line reference `P28837` is no position number; the product decides, at LIN[1]/RFF[1]/1154",
            ),
        ],
    );
    assert_eq!(lines(&ordrsp("30", "LIN+1+5+4012345678901:EN'")), "- position=1 gtin=4012345678901 status=accepted");
    assert_eq!(lines(&ordrsp("30", "LIN+1+5+4012345678901'")), "- position=1 gtin=4012345678901 status=accepted");
}

/// Lost segments must not pass as a shorter answer.
#[test]
fn damage_is_told() {
    let good = ordrsp("30", "LIN+1+5'QTY+21:3'UNS+S'CNT+2:1'");
    assert!(!show(&good).contains(['!', '?']), "{}", show(&good));
    let rows = [
        (good.replace("CNT+2:1'", "CNT+2:2'"), "! UNREADABLE the message says 2 lines, 1 are there, at CNT[1]"),
        (
            good.split_once("UNS").unwrap().0.to_string(),
            "! UNREADABLE the text ends within a message: its end (UNT) is missing, at UNH",
        ),
        (good.split_once("3'UNS").unwrap().0.to_string(), "! UNREADABLE the text ends within the segment QTY"),
        (
            good.split_once("UNZ").unwrap().0.to_string(),
            "! UNREADABLE the interchange has no end (UNZ): something may be missing, at UNB",
        ),
        (good.replace("UNZ+1", "UNZ+2"), "! UNREADABLE the interchange says 2 messages, 1 are there, at UNZ/0036"),
        (
            good.replace("UNT+10+1", "UNT+11+1"),
            "? INVALID_VALUE the message says 11 segments, 10 are there, at UNT/0074",
        ),
        (
            good.replace("UNT+10+1", "UNT+10+2"),
            "! UNREADABLE UNH and UNT name different messages, `1` and `2`: the file is damaged, at UNT/0062",
        ),
        // A typographic quote where a terminator was: two segments grow together.
        (good.replace("RFF+ON:4711'", "RFF+ON:4711’"), "! UNREADABLE RFF has 2 data elements, at most 1 are possible"),
        (good.replace("LIN+1", "’LIN+1"), "! UNREADABLE `’LIN` is no segment tag: the file is damaged"),
        (good.replace("UNA:+.? '", "UNA::.? '"), "! UNREADABLE UNA does not name four service characters"),
    ];
    for (text, expected) in rows {
        let page = show(&text);
        assert!(page.contains(expected), "{expected}\n{page}");
    }
}

/// Interchanges as mails carry them: wrapped, greeted, several messages, other service characters, several orders.
#[test]
fn interchanges() {
    let wrapped = ordrsp("29", "").replace("RFF+", "R\r\nFF+").replace("UNB", "\r\nUNB");
    assert!(show(&wrapped).starts_with("response [missing accepted] order_number=4711"), "{}", show(&wrapped));
    let greeted = format!("Dear all,\nplease find our answer:\n\n{}\n\nKind regards\nNordwind\n", ordrsp("29", ""));
    assert_eq!(show(&greeted), show(&ordrsp("29", "")));
    let two = "UNB+UNOC:3+S+B+261120:1200+7'UNH+1+ORDRSP:D:01B:UN'BGM+231+A1+29'RFF+ON:1'UNT+4+1'UNH+2+ORDRSP:D:01B:UN'BGM+231+A2+27'RFF+ON:2'UNT+4+2'UNZ+2+7'";
    assert_eq!(
        show(two),
        "response [missing accepted] order_number=1 response_number=A1 state=ACC\nresponse [missing canceled] order_number=2 response_number=A2 state=CAN\n"
    );
    let reading = super::read(two, "m").unwrap();
    assert_eq!(reading.standard.to_string(), "edifact-D01B ORDRSP");
    let place = reading.messages[1].fields[&crate::model::Field::OrderNumber].place.to_string();
    assert_eq!(place, "m, UNH[2]/RFF[1]/1154");
    let other = "UNA|*,! ~UNB*UNOC|3*S*B*261120|1200*7~UNH*1*ORDRSP|D|96A|UN~BGM*231*A!*1*29~RFF*ON|1~UNT*4*1~UNZ*1*7~";
    assert_eq!(show(other), "response [missing accepted] order_number=1 response_number=A*1 state=ACC\n");
    let orders = interchange("ORDRSP", "BGM+231+AB-1+30'LIN+1+5'RFF+ON:1:10'LIN+2+7'RFF+ON:2:10'");
    assert_eq!(
        show(&orders),
        "response order_number=1 response_number=AB-1 state=AWC\n- position=10 status=accepted\nresponse order_number=2 response_number=AB-1 state=AWC\n- position=10 quantity_confirmed=0 status=canceled\n"
    );
}

/// What a customer orders as EDIFACT must reach the order system whole.
#[test]
fn orders_changes_and_dispatches() {
    let order = interchange(
        "ORDERS",
        "BGM+220+PO-9+9'DTM+137:20261120:102'DTM+2:20261205:102'FTX+AAI+++Ring twice'NAD+BY+K100::91++Shop+Ring 5+Jena++07743+DE'CTA+OC+:Anna'COM+anna@shop.example:EM'NAD+DP+++Shop:Dock 2+Kai 1+Kiel++24103+DE'CUX+2:EUR:9'LIN+1++N1:SA'IMD+F++:::Nail'QTY+21:10:PCE'DTM+2:20261210:102'MOA+203:45'PRI+AAA:450:::100'UNS+S'MOA+86:45'CNT+2:1'",
    );
    assert_eq!(
        show(&order).trim_end(),
        "order order_number=PO-9 entry_date=2026-11-20 currency=EUR note=Ring twice total=45 customer_number=K100 customer_name=Shop customer_email=anna@shop.example billing_address=Shop / Ring 5 / 07743 Jena / DE delivery_address=Shop / Dock 2 / Kai 1 / 24103 Kiel / DE contact=Anna requested_date=2026-12-05\n\
         - position=1 supplier_sku=N1 name=Nail quantity=10 unit=PCE price_net=4.5 price_basis=100 line_total=45 requested_date=2026-12-10"
    );
    let change = interchange("ORDCHG", "BGM+230+C1+4'RFF+ON:PO-9'LIN+1+3'QTY+21:8'LIN+2+2'");
    assert_eq!(
        show(&change).trim_end(),
        "order order_number=PO-9 response_number=C1\n- position=1 quantity=8 status=changed\n- position=2 status=canceled"
    );
    let notice = interchange(
        "DESADV",
        "BGM+351+LS-1+9'DTM+11:20261201:102'RFF+ON:4711'CPS+1'PAC+1'CPS+2+1'LIN+1++S1:SA'QTY+12:3:PCE'QTY+12:2:PCE'RFF+ON:4711:10'CPS+3+1'LIN+2++S2:SA'QTY+12:1'",
    );
    assert_eq!(
        show(&notice).trim_end(),
        "dispatch order_number=4711 response_number=LS-1 entry_date=2026-12-01\n- position=10 supplier_sku=S1 quantity=5 unit=PCE\n- position=2 supplier_sku=S2 quantity=1"
    );
}
