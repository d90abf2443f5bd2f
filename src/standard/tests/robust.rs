//! Hostile input: whatever comes, an answer comes back, in time.

use proptest::prelude::*;

use super::super::{decode, read, recognise};
use super::{edifact, ubl};

fn seeds() -> Vec<String> {
    vec![
        ubl::response(
            "<cbc:OrderResponseCode>CA</cbc:OrderResponseCode>",
            "<cac:OrderLine><cac:LineItem><cbc:ID>1</cbc:ID><cbc:LineStatusCode>3</cbc:LineStatusCode><cbc:Quantity unitCode=\"PCE\">18</cbc:Quantity></cac:LineItem></cac:OrderLine>",
        ),
        edifact::ordrsp("30", "LIN+1+3++S:SA'QTY+21:10'QTY+83:2'DTM+67:20261201:102'PRI+AAA:9:::100'LOC+7+A'QTY+11:5'RFF+ON:1:2'UNS+S'CNT+2:1'"),
        "UNA|*,! ~UNB*UNOC|3*S*B*261120|1200*7~UNH*1*DESADV|D|96A|UN~LIN*1~QTY*12|5~UNT*4*1~UNZ*1*7~".into(),
        "<!DOCTYPE cXML SYSTEM \"x\"><cXML><Request><ConfirmationRequest><ConfirmationHeader type=\"detail\"/><OrderReference orderID=\"1\"/><ConfirmationItem lineNumber=\"1\" quantity=\"2\"><ConfirmationStatus type=\"accept\" quantity=\"2\"/></ConfirmationItem></ConfirmationRequest></Request></cXML>".into(),
        "<ORDERRESPONSE xmlns=\"http://www.opentrans.org/XMLSchema/2.1\"><ORDERRESPONSE_ITEM_LIST><ORDERRESPONSE_ITEM><QUANTITY>5</QUANTITY><DELIVERY_DATE><DELIVERY_END_DATE>2026-12-01</DELIVERY_END_DATE></DELIVERY_DATE></ORDERRESPONSE_ITEM></ORDERRESPONSE_ITEM_LIST></ORDERRESPONSE>".into(),
        "ISA*00*          *00*          *16*S              *14*R              *261120*1406*U*00401*000000263*1*T*>~GS*PR*S*R*20261120*1406*1*X*004010~ST*855*1~BAK*00*AC*1*20261120~PO1*1*10*EA*5*HP*VN*S~ACK*BP*6*EA*067*20261205~SCH*6*EA***067*20261205~SE*6*1~IEA*1*1~".into(),
    ]
}

/// What to do to a document: cut a piece out, repeat one, put bytes in.
fn mutations() -> impl Strategy<Value = Vec<(u16, u8, Vec<u8>)>> {
    let bytes = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..6),
        Just(b"'".to_vec()),
        Just(b"?".to_vec()),
        Just(b"+".to_vec()),
        Just(b"~".to_vec()),
        Just(b"<".to_vec()),
        Just(b"]]>".to_vec()),
        Just(b"<!ENTITY".to_vec()),
        Just("\u{2019}é\u{feff}".as_bytes().to_vec()),
        Just(b"99999999999999999999999999999".to_vec()),
        Just(b"0".to_vec()),
        Just(b"-1".to_vec()),
    ];
    proptest::collection::vec((any::<u16>(), any::<u8>(), bytes), 1..6)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, rng_seed: proptest::test_runner::RngSeed::Fixed(11), ..ProptestConfig::default() })]

    /// A mail that makes the reader panic would stop the gateway for everybody.
    #[test]
    fn mutated_documents_never_panic(seed in 0usize..6, changes in mutations()) {
        let mut bytes = seeds()[seed].clone().into_bytes();
        for (at, length, put) in changes {
            let at = usize::from(at) % (bytes.len() + 1);
            let end = (at + usize::from(length % 16)).min(bytes.len());
            bytes.splice(at..end, put);
        }
        let text = decode(&bytes, "");
        let _ = recognise(&text);
        if let Some(reading) = read(&text, "doc") {
            for fault in &reading.faults {
                let _ = fault.draw(&text, false);
            }
        }
    }

    /// Plain noise is no document.
    #[test]
    fn noise_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..400), start in 0usize..7) {
        let starts = ["", "UNA", "UNB+UNO", "ISA*", "<cXML>", "<Order xmlns='urn:oasis:names:specification:ubl:schema:xsd:Order-2'>", "UNH+1+ORDRSP:D:96A'"];
        let mut all = starts[start].as_bytes().to_vec();
        all.extend(bytes);
        let _ = read(&decode(&all, ""), "doc");
    }
}

/// A document of ten thousand lines must be read in seconds, and one line more must say so.
#[test]
fn large_documents() {
    let line = "<cac:OrderLine><cac:LineItem><cbc:ID>N</cbc:ID><cbc:LineStatusCode>5</cbc:LineStatusCode><cbc:Quantity unitCode=\"PCE\">1</cbc:Quantity></cac:LineItem></cac:OrderLine>";
    let lines: String = (1..=10_001).map(|n| line.replace('N', &n.to_string())).collect();
    let reading = read(&ubl::response("<cbc:OrderResponseCode>CA</cbc:OrderResponseCode>", &lines), "doc").unwrap();
    assert_eq!(reading.messages[0].lines.len(), 10_000);
    assert!(reading.faults.iter().any(|fault| fault.message.starts_with("more than 10000 lines")));
    let bad: String = (1..=5_000).map(|n| line.replace('N', &n.to_string()).replace(">5<", ">x<")).collect();
    let reading = read(&ubl::response("", &bad), "doc").unwrap();
    assert_eq!(reading.faults.len(), 201, "complaints are capped");
    let edi: String = (1..=10_000).map(|n| format!("LIN+{n}+5'QTY+21:3'")).collect();
    assert_eq!(read(&edifact::ordrsp("29", &edi), "doc").unwrap().messages[0].lines.len(), 10_000);
    // A long note and thousands of orders: heads are copied for each, so both have an end.
    let note = format!("<cbc:Note>{}</cbc:Note>", "n".repeat(1 << 20));
    let orders: String = (0..3_000).map(|n| format!("<cac:OrderLine><cac:LineItem><cbc:ID>{n}</cbc:ID></cac:LineItem><cac:OrderLineReference><cbc:LineID>1</cbc:LineID><cac:OrderReference><cbc:ID>{n}</cbc:ID></cac:OrderReference></cac:OrderLineReference></cac:OrderLine>")).collect();
    let reading = read(&ubl::response(&note, &orders), "doc").unwrap();
    assert_eq!(reading.messages.len(), 200);
    assert!(reading.messages[0].text(crate::model::Field::Note).unwrap().ends_with("… (cut)"));
    assert!(reading.faults.iter().any(|fault| fault.message.contains("more than 200 orders")));
    let pieces = format!("UNB+UNOC:3+S+B'{}'", "+".repeat(10_000));
    assert!(read(&pieces, "doc").unwrap().faults.iter().any(|fault| fault.message.contains("without an end")));
    let big = edifact::ordrsp("29", &"FTX+AAI+++x'".repeat(400_000));
    assert!(read(&big, "doc").unwrap().faults[0].message.contains("at most 4194304 are read"));
    let endless = format!("UNB+UNOC:3+S+B'{}", "x".repeat(200_000));
    assert!(read(&endless, "doc").unwrap().faults.iter().any(|fault| fault.message.contains("without an end")));
}
