//! X12 855 and 850.

use super::{lines, show, table};

fn interchange(set: &str, segments: &str) -> String {
    let count = segments.matches('~').count() + 2;
    format!(
        "ISA*00*          *00*          *16*SENDER1        *14*RECEIVER1      *261120*1406*U*00401*000000263*1*T*>~GS*PR*S*R*20261120*1406*1*X*004010~ST*{set}*0005~{segments}SE*{count}*0005~GE*1*1~IEA*1*000000263~"
    )
}

fn ack(code: &str, lines: &str) -> String {
    interchange("855", &format!("BAK*00*{code}*4711*20261120~CUR*SE*USD~{lines}"))
}

/// Every acknowledgement type of the head.
#[test]
fn head_codes() {
    for (code, state) in [
        ("AD", " [missing accepted]|state=ACC "),
        ("AK", " [missing accepted]|state=ACC "),
        ("AP", " [missing accepted]|state=ACC "),
        ("AT", " [missing accepted]|state=ACC "),
        ("AC", "|state=AWC "),
        ("AE", " [missing accepted]|state=AWC "),
        ("RF", " [missing canceled]|state=AWC "),
        ("RJ", " [missing canceled]|state=CAN "),
        ("RD", " [missing canceled]|state=CAN "),
        ("AH", "|state=AB "),
        ("NA", "|"),
    ] {
        let (missing, state) = state.split_once('|').unwrap();
        assert_eq!(
            show(&ack(code, "")),
            format!("response{missing} order_number=4711 entry_date=2026-11-20 {state}currency=USD\n"),
            "{code}"
        );
    }
    assert!(show(&ack("XX", "")).contains("! INVALID_VALUE `XX` is no acknowledgement type, at BAK[1]/02"));
}

/// Every line status, and the four ways to say a partial backorder.
#[test]
fn line_codes() {
    table(
        |snippet| ack("AC", &format!("PO1*3*10*EA*2.50**VN*S1~{snippet}")),
        |text| lines(text).trim_start_matches("- position=3 supplier_sku=S1 quantity=10 ").to_string(),
        &[
            (
                "ACK*IA*10*EA*067*20261205~",
                "quantity_confirmed=10 unit=EA price_net=2.50 confirmed_date=2026-12-05 status=accepted",
            ),
            (
                "ACK*IA*10*EA*068*20261205~",
                "quantity_confirmed=10 unit=EA price_net=2.50 confirmed_date=2026-12-05 status=accepted",
            ),
            ("ACK*DR**EA*067*20261205~", "unit=EA price_net=2.50 confirmed_date=2026-12-05 status=changed"),
            ("ACK*IQ*8*EA~", "quantity_confirmed=8 unit=EA price_net=2.50 status=changed"),
            (
                "ACK*IR*10*EA~",
                "quantity_confirmed=0 quantity_canceled=10 unit=EA price_net=2.50 status=canceled reason=IR",
            ),
            ("ACK*ID~", "quantity_confirmed=0 unit=EA price_net=2.50 status=canceled reason=ID"),
            ("ACK*IS*10*EA****VN*S2~", "quantity_confirmed=10 unit=EA price_net=2.50 status=changed substitute_sku=S2"),
            (
                "ACK*IH*10*EA~",
                "unit=EA price_net=2.50 reason=IH\n? INVALID_VALUE `IH` says neither yes nor no, at PO1[1]/ACK[1]/01",
            ),
            (
                "ACK*QQ*10*EA~",
                "unit=EA price_net=2.50\n! INVALID_VALUE `QQ` is no line item status, at PO1[1]/ACK[1]/01",
            ),
            // (1) one acknowledgement with what comes now; (2) one with what comes later; (3) and (4) both.
            ("ACK*BP*6*EA~", "quantity_confirmed=6 quantity_backordered=4 unit=EA price_net=2.50 status=changed"),
            (
                "ACK*IB*4*EA*067*20261220~",
                "quantity_confirmed=6 quantity_backordered=4 unit=EA price_net=2.50 backordered_date=2026-12-20 status=backordered",
            ),
            (
                "ACK*IA*6*EA*067*20261205~ACK*IB*4*EA*067*20261220~",
                "quantity_confirmed=6 unit=EA price_net=2.50 confirmed_date=2026-12-05 status=changed schedule=6 on 2026-12-05; 4 on 2026-12-20",
            ),
            (
                "ACK*IB*4*EA~ACK*BP*6*EA~",
                "quantity_confirmed=6 quantity_backordered=4 unit=EA price_net=2.50 status=changed schedule=6; 4",
            ),
            ("ACK*IB*10*EA~", "quantity_confirmed=0 quantity_backordered=10 unit=EA price_net=2.50 status=backordered"),
            (
                "ACK*IA*x*EA~",
                "unit=EA price_net=2.50 status=accepted\n! INVALID_VALUE `x` is no decimal number, at PO1[1]/ACK[1]/02",
            ),
        ],
    );
    assert_eq!(
        lines(&ack("AP", "PO1*000001*3*EA***UP*123456789012*VA*BLU~CTT*1~")),
        "- position=1 supplier_sku=BLU gtin=123456789012 quantity=3 quantity_confirmed=3 unit=EA status=accepted"
    );
    assert!(lines(&ack("AC", "PO1*1*3*EA*450*HP*VN*S~")).contains("price_net=4.5"));
    assert!(lines(&ack("AC", "PO1*1*3*EA~CTT*2~")).contains("! UNREADABLE the set says 2 lines, 1 are there"));
}

/// Interchanges cut short, other separators, and orders.
#[test]
fn interchanges_and_orders() {
    let whole = ack("AD", "");
    assert!(show(whole.split_once("SE*").unwrap().0).contains("! UNREADABLE the text ends within a transaction set"));
    assert!(show(whole.split_once("IEA").unwrap().0).contains("! UNREADABLE the interchange has no end (IEA)"));
    assert!(show(&whole.replace("SE*4*0005", "SE*4*0006")).contains("! UNREADABLE ST and SE name different sets"));
    assert_eq!(show(&whole.replace('*', "|").replace('~', "\n")), show(&whole));
    assert_eq!(super::read(&whole, "x").unwrap().standard.to_string(), "x12-004010 855");
    let order = interchange(
        "850",
        "BEG*00*NE*PO-9**20261120~N1*BY*Shop*92*K100~N3*Ring 5~N4*Jena*TH*07743*DE~N1*ST*Dock~N3*Kai 1~PO1*1*10*EA*4.5**VN*N1~PID*F****Nail~DTM*002*20261205~CTT*1~",
    );
    assert_eq!(
        show(&order).trim_end(),
        "order order_number=PO-9 entry_date=2026-11-20 customer_number=K100 customer_name=Shop billing_address=Shop / Ring 5 / 07743 Jena / TH / DE delivery_address=Dock / Kai 1\n- position=1 supplier_sku=N1 name=Nail quantity=10 unit=EA price_net=4.5 requested_date=2026-12-05"
    );
}
