//! What arrives at the reader's server: signatures that verify, the original mail, the data for machines.

use std::time::Duration;

use postern::demo::partners::Writing;
use postern::mail::dns::Dns as Resolver;
use postern::mail::{Mail, own_check};
use postern::model::Field;
use postern::standard;

use crate::dns::Dns;
use crate::maillab::Lab;
use crate::site::{CLEAN, DEAR, LAB, Site, answer, order};

/// Mail that does not verify lands in the junk folder, and decisions made without the original, or data that says otherwise
/// than the letter, are made blindly.
#[test]
fn what_arrives_is_signed_and_complete() {
    let Some(lab) = Lab::find("what_arrives_is_signed_and_complete") else { return };
    let _one = LAB.lock().unwrap_or_else(|e| e.into_inner());
    let mut site = Site::new(lab);
    site.configure(&[(
        "[[mailbox]]\n",
        "[gateway.dkim]\ndomain = \"lab.test\"\nselector = \"s1\"\nkey_file = \"key.pem\"\n[[mailbox]]\n",
    )]);
    std::fs::write(site.folder.path().join("key.pem"), include_str!("../keys/dkim-rsa.pem")).unwrap();
    site.start();
    site.register(&[order("D1", Writing::Html), order("D2", Writing::Text)]);
    let gateway = site.lab.address("gateway");
    let asked_about = answer("D2", "1", Writing::Text, DEAR, None);
    site.send(Writing::Html.sender(), &gateway, &answer("D1", "1", Writing::Html, CLEAN, None));
    site.send(Writing::Text.sender(), &gateway, &asked_about);
    let (announced, question) = (site.await_raw("channel", "D1"), site.await_raw("approver", "D2"));

    // By mail-auth, with the key from DNS.
    let dns = Dns::start();
    dns.set("_dmarc.lab.test", &["v=DMARC1; p=reject; adkim=s"]);
    let verified = |raw: &[u8]| {
        site.runtime.block_on(async {
            let resolver = Resolver::servers(&[dns.address], Duration::from_secs(30)).unwrap();
            own_check::check(raw, &Mail::parse(raw), &resolver, None).await
        })
    };
    for raw in [&announced, &question] {
        let good = verified(raw);
        assert_eq!((good.dkim.as_slice(), good.dmarc_pass), (&["lab.test".to_string()][..], true), "{good:?}");
        let text = String::from_utf8_lossy(raw).into_owned();
        for (name, changed) in [
            ("subject", text.replacen("Subject: ", "Subject: Re ", 1)),
            ("reply address", text.replacen("\r\nTo: ", "\r\nReply-To: eve@evil.example\r\nTo: ", 1)),
            ("a second author", text.replacen("From: ", "From: eve@lab.test\r\nFrom: ", 1)),
            ("an addition", format!("{text}more\r\n")),
        ] {
            let bad = verified(changed.as_bytes());
            assert!(bad.dkim.is_empty() && !bad.dmarc_pass, "{name}: {bad:?}");
        }
    }

    // The question has the partner's mail with it, to the last byte behind what servers put above it.
    let question = Mail::parse(&question);
    let original = question.attachments.iter().find(|one| one.name.as_deref() == Some("original.eml")).unwrap();
    assert!(original.bytes.ends_with(&asked_about), "{}", String::from_utf8_lossy(&original.bytes));
    // The announcement has its data, as JSON and as UBL, and both say what was confirmed.
    let announced = Mail::parse(&announced);
    let file = |ending: &str| {
        let named = |name: &Option<String>| name.as_deref().is_some_and(|name| name.ends_with(ending));
        announced.attachments.iter().find(|one| named(&one.name)).unwrap()
    };
    let data: serde_json::Value = serde_json::from_slice(&file(".json").bytes).unwrap();
    assert_eq!((data["order_number"].as_str(), data["currency"].as_str()), (Some("D1"), Some("CHF")));
    let positions = data["positions"].as_array().unwrap();
    let said: Vec<_> = positions
        .iter()
        .map(|one| (one["position"].as_u64(), one["quantity_confirmed"].as_str(), one["price_net"].as_str()))
        .collect();
    assert_eq!(said, [(Some(10), Some("8"), Some("176.8")), (Some(20), Some("25"), Some("3.45"))]);
    let read = standard::read(&file(".xml").text(), "response.xml").unwrap();
    assert!(read.faults.iter().all(|fault| !fault.is_error()), "{:?}", read.faults);
    let message = &read.messages[0];
    assert_eq!(message.text(Field::OrderNumber), Some("D1"));
    let quantities: Vec<String> =
        message.lines.iter().map(|line| line[&Field::QuantityConfirmed].value.to_string()).collect();
    assert_eq!(quantities, ["8", "25"]);
}
