//! Two whole gateways with stores of their own that have each other as partner and approver.

use postern::demo::partners::Writing;

use crate::maillab::Lab;
use crate::site::{DEAR, LAB, Site, WRONG, answer, order};

/// How many mails a gateway sent to an address, when none is on its way any more.
fn sent(site: &Site, to: &str) -> Option<u64> {
    let told = site.ask(&["transmission", "list", "--limit", "1000"]);
    let all = told["transmissions"].as_array().unwrap();
    let done = |status: &str| ["TRANSMISSIONED", "CONFIRMED", "CANCELED"].contains(&status);
    all.iter()
        .all(|one| done(one["status"].as_str().unwrap()))
        .then(|| all.iter().filter(|one| one["to"].as_array().unwrap().iter().any(|known| *known == to)).count() as u64)
}

fn taken(site: &Site) -> u64 {
    site.ask(&["status"])["mails"].as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum()
}

/// Machines that ask and answer each other must fall silent, whatever they think of each other's mails.
#[test]
fn two_gateways_that_write_to_each_other_come_to_rest() {
    let Some(lab) = Lab::find("two_gateways_that_write_to_each_other_come_to_rest") else { return };
    let _one = LAB.lock().unwrap_or_else(|e| e.into_inner());
    let mut one = Site::at(lab.clone(), "gateway", "supplier", "supplier");
    let mut two = Site::at(lab.clone(), "supplier", "gateway", "gateway");
    let (first, second) = (lab.address("gateway"), lab.address("supplier"));
    for (site, address, letter) in [(&mut one, &first, "A"), (&mut two, &second, "B")] {
        site.start();
        let (faulty, dear) = (format!("{letter}1"), format!("{letter}2"));
        site.register(&[order(&faulty, Writing::Text), order(&dear, Writing::Text)]);
        site.send(Writing::Text.sender(), address, &answer(&faulty, "1", Writing::Text, WRONG, None));
        site.send(Writing::Text.sender(), address, &answer(&dear, "1", Writing::Text, DEAR, None));
        site.await_statuses(&faulty, &["IN_EXTERNAL_PROCESSING"]);
        site.await_statuses(&dear, &["NOT_CHECKED_DO_APPROVE"]);
    }
    // At rest: nothing is on its way, and each has taken all that the other sent, besides the two mails of ours.
    let crossed = one.until("they do not come to rest", || {
        let seen = (sent(&one, &second), taken(&two), sent(&two, &first), taken(&one));
        let rest =
            matches!(seen, (Some(there), at_two, Some(back), at_one) if at_two == there + 2 && at_one == back + 2);
        (rest, seen)
    });
    let mails = crossed.0.unwrap_or_default() + crossed.2.unwrap_or_default();
    println!("{mails} mails between two gateways with four questions to each other");
    assert!((4..=12).contains(&mails), "{crossed:?}");
    for (site, letter) in [(&one, "A"), (&two, "B")] {
        site.await_statuses(&format!("{letter}1"), &["IN_EXTERNAL_PROCESSING"]);
        site.await_statuses(&format!("{letter}2"), &["NOT_CHECKED_DO_APPROVE"]);
        assert!(site.ask(&["audit", "verify"])["ok"] == true);
    }
}
