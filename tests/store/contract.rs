//! What every keeper promises. Each page takes an empty store.

use std::time::Duration;

use postern::model::*;
use postern::store::{
    Commit, Content, Counts, DossierChange, MailFilter, MailTaken, Receipt, ResponseFilter, Result, SaleFilter,
    Sequence, Store, StoreError, TokenRecord, TransmissionFilter,
};

use crate::make::*;

pub fn contract(make: impl Fn() -> Box<dyn Store>) {
    let pages: &[fn(&dyn Store)] = &[
        an_empty_store_answers_nothing,
        mails_are_found_by_everything_they_are_known_by,
        a_mail_is_taken_once,
        mails_are_paged_newest_first,
        dossiers_are_kept_whole_and_revisions_guard_them,
        only_touched_responses_are_rewritten,
        responses_are_found_newest_first,
        orders_and_what_is_due,
        supplier_numbers_find_one_order_or_none,
        sales_are_found_and_guarded,
        transmissions_are_found_and_guarded,
        transmissions_wait_for_their_moment,
        large_and_small_bytes_come_back,
        bytes_are_forgotten_and_records_stay,
        tokens_alarms_and_notes,
        the_audit_log_counts_and_chains,
        a_refused_commit_leaves_no_trace,
        many_commits_land_or_are_refused_alone,
        commits_that_wait_for_others_land_alone,
        senseless_commits_are_refused_for_good,
        numbers_are_given_once,
    ];
    for page in pages {
        page(make().as_ref());
    }
}

fn put(store: &dyn Store, fill: impl FnOnce(&mut Commit)) -> Receipt {
    try_to_put(store, fill).unwrap()
}

fn try_to_put(store: &dyn Store, fill: impl FnOnce(&mut Commit)) -> Result<Receipt> {
    let mut commit = Commit::default();
    fill(&mut commit);
    store.commit(commit)
}

fn an_empty_store_answers_nothing(store: &dyn Store) {
    assert_eq!(store.dossier(&number("4711")).unwrap(), None);
    assert_eq!(store.orders(None, 10).unwrap(), []);
    assert_eq!(store.due(at(0), 10).unwrap(), []);
    assert_eq!(store.response(ResponseId(1)).unwrap(), None);
    assert_eq!(store.responses(&ResponseFilter { limit: 10, ..Default::default() }).unwrap(), []);
    assert_eq!(store.mail(MailId(1)).unwrap(), None);
    assert_eq!(store.mails(&MailFilter { limit: 10, ..Default::default() }).unwrap(), []);
    assert_eq!(store.blob(&Digest::of(b"x")).unwrap(), None);
    assert_eq!(store.transmissions_due(at(0), 10).unwrap(), []);
    assert_eq!(store.next_transmission_due().unwrap(), None);
    assert_eq!(store.next_dossier_due().unwrap(), None);
    assert_eq!(store.audit_verify().unwrap(), 0);
    assert_eq!(store.note("cursor").unwrap(), None);
    assert_eq!(store.counts().unwrap(), Counts::default());
    assert_eq!(store.health().trouble, None);
}

fn mails_are_found_by_everything_they_are_known_by(store: &dyn Store) {
    let mut taken = mail(5, "Auftrag 4711", "response");
    taken.record.order = Some(number("4711"));
    taken.record.responses = vec![ResponseId(3)];
    let record = taken.record.clone();
    put(store, |commit| commit.mails.push(taken.clone()));
    assert_eq!(store.mail(MailId(5)).unwrap().as_ref(), Some(&record));
    assert_eq!(store.mail_by_digest(&record.digest).unwrap().as_ref(), Some(&record));
    let message_id = record.message_id.clone().unwrap();
    assert_eq!(store.mail_by_message_id(&message_id).unwrap(), vec![record.clone()]);
    assert_eq!(store.mail_by_message_id("other").unwrap(), []);
    assert_eq!(store.blob(&record.digest).unwrap().map(Content::of), taken.raw);
    // Another mail with the same Message-ID is another mail.
    let mut second = mail(6, "other words", "duplicate");
    second.record.message_id = Some(message_id.clone());
    put(store, |commit| commit.mails.push(second.clone()));
    assert_eq!(store.mail_by_message_id(&message_id).unwrap(), [record, second.record]);
}

fn a_mail_is_taken_once(store: &dyn Store) {
    let taken = mail(5, "words", "response");
    put(store, |commit| commit.mails.push(taken.clone()));
    for id in [5, 6] {
        let mut again = taken.clone();
        again.record.id = MailId(id);
        match try_to_put(store, |commit| commit.mails.push(again)) {
            Err(StoreError::Known(MailId(5))) => {}
            other => panic!("{other:?}"),
        }
    }
    // A rerun moves the record to another drawer; the bytes stay.
    let mut moved = taken.clone();
    moved.raw = None;
    (moved.record.drawer, moved.record.reason) = ("unreadable".into(), "no mapping".into());
    put(store, |commit| commit.mails.push(moved.clone()));
    assert_eq!(store.mail(MailId(5)).unwrap(), Some(moved.record.clone()));
    assert_eq!(
        store.mails(&MailFilter { drawer: Some("response".into()), limit: 9, ..Default::default() }).unwrap(),
        []
    );
    let found = store.mails(&MailFilter { drawer: Some("unreadable".into()), limit: 9, ..Default::default() }).unwrap();
    assert_eq!(found, [moved.record.clone()]);
    assert_eq!(store.blob(&taken.record.digest).unwrap().map(Content::of), taken.raw);
    assert_eq!(store.counts().unwrap().mails, [("unreadable".to_string(), 1)].into());
    // A mail that was too large to be fetched is known all the same.
    let mut huge = mail(7, "huge", "too-large");
    huge.raw = None;
    put(store, |commit| commit.mails.push(huge.clone()));
    assert_eq!(store.blob(&huge.record.digest).unwrap(), None);
    huge.record.id = MailId(8);
    match try_to_put(store, |commit| commit.mails.push(huge)) {
        Err(StoreError::Known(MailId(7))) => {}
        other => panic!("{other:?}"),
    }
}

fn mails_are_paged_newest_first(store: &dyn Store) {
    for id in 1..=20 {
        let mut taken = mail(id, &format!("mail {id}"), if id % 3 == 0 { "bounce" } else { "response" });
        taken.record.order = (id % 4 == 0).then(|| number("4711"));
        // The clock was set back once.
        taken.record.received_at = at(if id == 10 { -50 } else { id as i64 });
        put(store, |commit| commit.mails.push(taken));
    }
    let page =
        |filter: MailFilter| -> Vec<u64> { store.mails(&filter).unwrap().iter().map(|mail| mail.id.0).collect() };
    let all = MailFilter { limit: 4, ..Default::default() };
    assert_eq!(page(all.clone()), [20, 19, 18, 17]);
    assert_eq!(page(MailFilter { before: Some(MailId(3)), ..all.clone() }), [2, 1]);
    let bounces = MailFilter { drawer: Some("bounce".into()), ..all.clone() };
    assert_eq!(page(bounces.clone()), [18, 15, 12, 9]);
    assert_eq!(page(MailFilter { before: Some(MailId(9)), ..bounces.clone() }), [6, 3]);
    assert_eq!(page(MailFilter { order: Some(number("4711")), ..all.clone() }), [20, 16, 12, 8]);
    assert_eq!(page(MailFilter { order: Some(number("4711")), ..bounces.clone() }), [12]);
    assert_eq!(page(MailFilter { since: Some(at(18)), ..all.clone() }), [20, 19, 18]);
    assert_eq!(
        page(MailFilter { since: Some(at(9)), limit: 30, ..all.clone() }),
        [20, 19, 18, 17, 16, 15, 14, 13, 12, 11, 9]
    );
    assert_eq!(page(MailFilter { since: Some(at(9)), before: Some(MailId(14)), ..bounces.clone() }), [12, 9]);
    assert_eq!(page(MailFilter { since: Some(at(9)), order: Some(number("4711")), ..all.clone() }), [20, 16, 12]);
    assert_eq!(page(MailFilter { limit: 0, since: Some(at(9)), ..all }), [] as [u64; 0]);
}

fn dossiers_are_kept_whole_and_revisions_guard_them(store: &dyn Store) {
    let mut change = registered("4711", "nordwind");
    let first = response(1, "4711", "nordwind", Status::Initial);
    change.dossier.responses.insert(first.id, first.clone());
    change.touched.insert(first.id);
    put(store, |commit| commit.dossiers.push(change.clone()));
    let stored = store.dossier(&number("4711")).unwrap().unwrap();
    assert_eq!(stored, Dossier { revision: 1, ..change.dossier.clone() });
    assert_eq!(store.response(ResponseId(1)).unwrap(), Some(first));
    // Whoever decided on the empty dossier must look again.
    match try_to_put(store, |commit| commit.dossiers.push(change.clone())) {
        Err(StoreError::Stale(what)) => assert_eq!(what, "order 4711"),
        other => panic!("{other:?}"),
    }
    change.dossier.revision = 2;
    assert!(matches!(try_to_put(store, |commit| commit.dossiers.push(change)), Err(StoreError::Stale(_))));
    let mut next = DossierChange { dossier: stored, touched: Default::default() };
    next.dossier.next_due = Some(at(9));
    put(store, |commit| commit.dossiers.push(next.clone()));
    let stored = store.dossier(&number("4711")).unwrap().unwrap();
    assert_eq!(stored, Dossier { revision: 2, ..next.dossier });
}

fn only_touched_responses_are_rewritten(store: &dyn Store) {
    let two = [1, 2].map(|id| response(id, "4711", "nordwind", Status::Initial)).to_vec();
    put(store, |commit| commit.dossiers.push(dossier("4711", two)));
    let mut dossier = store.dossier(&number("4711")).unwrap().unwrap();
    for response in dossier.responses.values_mut() {
        response.reminders = 3;
    }
    let change = DossierChange { dossier, touched: [ResponseId(2)].into() };
    put(store, |commit| commit.dossiers.push(change));
    assert_eq!(store.response(ResponseId(1)).unwrap().unwrap().reminders, 0);
    assert_eq!(store.response(ResponseId(2)).unwrap().unwrap().reminders, 3);
}

fn responses_are_found_newest_first(store: &dyn Store) {
    for id in 1..=12 {
        let status = if id % 2 == 0 { Status::Closed } else { Status::Failed };
        let from = if id % 3 == 0 { "ostwerk" } else { "nordwind" };
        // Two names of which one begins like the other.
        let name = if id % 4 == 0 { "471" } else { "4711" };
        let mut change = dossier(name, vec![response(id, name, from, status)]);
        if let Some(stored) = store.dossier(&number(name)).unwrap() {
            change.dossier.revision = stored.revision;
            change.dossier.responses.extend(stored.responses);
        }
        put(store, |commit| commit.dossiers.push(change));
    }
    let page = |filter: ResponseFilter| -> Vec<u64> {
        store.responses(&filter).unwrap().iter().map(|response| response.id.0).collect()
    };
    let all = ResponseFilter { limit: 4, ..Default::default() };
    let closed = ResponseFilter { status: Some(Status::Closed), ..all.clone() };
    let ostwerk = ResponseFilter { partner: Some(partner("ostwerk")), ..all.clone() };
    assert_eq!(page(all.clone()), [12, 11, 10, 9]);
    assert_eq!(page(ResponseFilter { before: Some(ResponseId(9)), ..all.clone() }), [8, 7, 6, 5]);
    assert_eq!(page(closed.clone()), [12, 10, 8, 6]);
    assert_eq!(page(ResponseFilter { before: Some(ResponseId(6)), ..closed.clone() }), [4, 2]);
    assert_eq!(page(ostwerk.clone()), [12, 9, 6, 3]);
    assert_eq!(page(ResponseFilter { status: Some(Status::Closed), ..ostwerk.clone() }), [12, 6]);
    assert_eq!(page(ResponseFilter { order: Some(number("471")), ..all.clone() }), [12, 8, 4]);
    assert_eq!(page(ResponseFilter { order: Some(number("4711")), ..ostwerk.clone() }), [9, 6, 3]);
    let narrow = ResponseFilter { order: Some(number("4711")), before: Some(ResponseId(9)), ..ostwerk };
    assert_eq!(page(ResponseFilter { status: Some(Status::Closed), ..narrow }), [6]);
    assert_eq!(store.counts().unwrap().responses, [("CLOSED".to_string(), 6), ("FAILED".to_string(), 6)].into());
    // A status left is not found any more.
    let stored = store.dossier(&number("471")).unwrap().unwrap();
    let mut moved = DossierChange { dossier: stored, touched: [ResponseId(12)].into() };
    moved.dossier.responses.get_mut(&ResponseId(12)).unwrap().status = Status::DoClose;
    put(store, |commit| commit.dossiers.push(moved));
    assert_eq!(page(closed), [10, 8, 6, 4]);
    assert_eq!(page(ResponseFilter { status: Some(Status::DoClose), ..all }), [12]);
    let counts = [("CLOSED".to_string(), 5), ("DO_CLOSE".to_string(), 1), ("FAILED".to_string(), 6)];
    assert_eq!(store.counts().unwrap().responses, counts.into());
}

fn orders_and_what_is_due(store: &dyn Store) {
    let due = [("b", Some(at(5))), ("a", Some(at(5))), ("a\0b", Some(at(2))), ("c", None), ("ä", Some(at(9)))];
    for (name, next_due) in due {
        let mut change = registered(name, "nordwind");
        change.dossier.next_due = next_due;
        put(store, |commit| commit.dossiers.push(change));
    }
    // Nobody has registered this one.
    let mut unknown = dossier("aa", vec![response(1, "aa", "nordwind", Status::InExternalProcessing)]);
    unknown.dossier.next_due = Some(at(-100_000));
    put(store, |commit| commit.dossiers.push(unknown));
    let names = |numbers: Vec<OrderNumber>| numbers.into_iter().map(|number| number.0).collect::<Vec<_>>();
    assert_eq!(names(store.orders(None, 10).unwrap()), ["a", "a\0b", "b", "c", "ä"]);
    assert_eq!(names(store.orders(Some(&number("a")), 2).unwrap()), ["a\0b", "b"]);
    assert_eq!(names(store.orders(Some(&number("aa")), 1).unwrap()), ["b"]);
    assert_eq!(names(store.due(at(5), 10).unwrap()), ["aa", "a\0b", "a", "b"]);
    assert_eq!(names(store.due(at(4), 10).unwrap()), ["aa", "a\0b"]);
    assert_eq!(names(store.due(at(50), 1).unwrap()), ["aa"]);
    assert_eq!(store.due(at(50), 0).unwrap(), []);
    assert_eq!(store.next_dossier_due().unwrap(), Some(at(-100_000)));
    assert_eq!(store.counts().unwrap().orders, 5);
    // What is done is not due any more.
    let stored = store.dossier(&number("aa")).unwrap().unwrap();
    let mut change = DossierChange { dossier: stored, touched: Default::default() };
    change.dossier.next_due = None;
    put(store, |commit| commit.dossiers.push(change));
    assert_eq!(store.next_dossier_due().unwrap(), Some(at(2)));
}

fn supplier_numbers_find_one_order_or_none(store: &dyn Store) {
    let add = |name: &str, said: Option<&str>, revision| {
        let mut change = registered(name, "nordwind");
        change.dossier.revision = revision;
        change.dossier.order.as_mut().unwrap().supplier_order_number = said.map(String::from);
        put(store, |commit| commit.dossiers.push(change));
    };
    let find = |from: &str, said: &str| store.order_by_supplier_number(&partner(from), said).unwrap();
    add("4711", Some("NW-1"), 0);
    assert_eq!(find("nordwind", "NW-1"), Some(number("4711")));
    assert_eq!(find("nordwind", "NW-"), None);
    assert_eq!(find("ostwerk", "NW-1"), None);
    add("4712", Some("NW-1"), 0);
    assert_eq!(find("nordwind", "NW-1"), None, "two orders carry it");
    add("4712", Some("NW-2"), 1);
    assert_eq!(find("nordwind", "NW-1"), Some(number("4711")));
    assert_eq!(find("nordwind", "NW-2"), Some(number("4712")));
}

/// An order taken twice is delivered twice; one that nobody finds is never delivered.
fn sales_are_found_and_guarded(store: &dyn Store) {
    let filter = |customer: Option<&str>, status| SaleFilter {
        customer: customer.map(CustomerId::from),
        status,
        before: None,
        limit: 9,
    };
    let ids = |filter: &SaleFilter| store.sales(filter).unwrap().iter().map(|sale| sale.id.0).collect::<Vec<_>>();
    put(store, |commit| commit.sales = vec![sale(1, "acme", "A-1"), sale(2, "acme", "A-2"), sale(3, "nova", "A-1")]);
    let one = store.sale(SaleId(1)).unwrap().unwrap();
    assert_eq!(one, Sale { revision: 1, ..sale(1, "acme", "A-1") });
    assert_eq!(store.sale(SaleId(9)).unwrap(), None);
    let found = |customer: &str, number: &str| {
        store.sale_by_customer_order(&customer.into(), number).unwrap().map(|sale| sale.id.0)
    };
    assert_eq!([found("acme", "A-1"), found("nova", "A-1"), found("nova", "A-2")], [Some(1), Some(3), None]);
    assert_eq!(store.sale_by_order(&number("A-1-3")).unwrap().map(|sale| sale.id.0), Some(3));
    assert_eq!(store.sale_by_order(&number("A-1")).unwrap(), None);
    assert_eq!(ids(&filter(None, None)), [3, 2, 1]);
    assert_eq!(ids(&filter(Some("acme"), None)), [2, 1]);
    assert_eq!(ids(&SaleFilter { before: Some(SaleId(3)), limit: 1, ..filter(None, Some(SaleStatus::Initial)) }), [2]);
    assert_eq!(store.sales_due(at(2), 9).unwrap(), [SaleId(1), SaleId(2)]);
    assert_eq!(store.next_sale_due().unwrap(), Some(at(1)));
    // It moves, gets its right number, and is found by that alone.
    let moved = Sale { status: SaleStatus::Closed, number: "A-7".into(), due: None, ..one.clone() };
    put(store, |commit| commit.sales.push(moved.clone()));
    assert_eq!([found("acme", "A-1"), found("acme", "A-7")], [None, Some(1)]);
    assert_eq!(ids(&filter(Some("acme"), Some(SaleStatus::Initial))), [2]);
    assert_eq!(store.next_sale_due().unwrap(), Some(at(2)));
    let counts = store.counts().unwrap().sales;
    assert_eq!(counts.into_iter().collect::<Vec<_>>(), [("CLOSED".to_string(), 1), ("INITIAL".to_string(), 2)]);
    for (what, stale) in [
        ("an old revision", moved),
        ("the same order of the same customer", sale(4, "acme", "A-2")),
        ("a name that is taken", Sale { order: number("A-2-2"), ..sale(4, "nova", "B") }),
    ] {
        let result = try_to_put(store, |commit| commit.sales.push(stale));
        assert!(matches!(result, Err(StoreError::Stale(_))), "{what}: {result:?}");
    }
    let twice = try_to_put(store, |commit| commit.sales = vec![sale(5, "acme", "C"), sale(6, "acme", "C")]);
    assert!(matches!(twice, Err(StoreError::Invalid(_))), "{twice:?}");
    assert_eq!(store.reserve(Sequence::Sale, 1).unwrap(), 4);
}

fn transmissions_are_found_and_guarded(store: &dyn Store) {
    let mut one = transmission(1, TransmissionStatus::Initial);
    (one.order, one.response) = (Some(number("4711")), Some(ResponseId(3)));
    let mut two = transmission(2, TransmissionStatus::DoPush);
    (two.kind, two.order) = (TransmissionKind::SendOrderRecall, Some(number("4711")));
    two.message_id = "T2.k7.postern@shop.example".into();
    put(store, |commit| commit.transmissions = vec![one.clone(), two.clone()]);
    let found = |message_id: &str| store.transmission_by_message_id(message_id).unwrap().map(|found| found.id);
    assert_eq!(found(&two.message_id), Some(two.id));
    // Whoever names a letter need not know its Message-ID.
    assert_eq!((found("T2.k8.postern@shop.example"), found("T9.k7.postern@shop.example")), (None, None));
    let stored = Transmission { revision: 1, ..one.clone() };
    assert_eq!(store.transmission(one.id).unwrap().as_ref(), Some(&stored));
    assert_eq!(store.transmission_by_message_id("t1@postern.example").unwrap(), Some(stored.clone()));
    assert_eq!(store.transmission_by_message_id("t3@postern.example").unwrap(), None);
    match try_to_put(store, |commit| commit.transmissions.push(one.clone())) {
        Err(StoreError::Stale(what)) => assert_eq!(what, "T1"),
        other => panic!("{other:?}"),
    }
    let sent = Transmission {
        status: TransmissionStatus::Transmissioned,
        attempts: vec![Attempt { at: at(3), answer: "250 ok".into(), ok: true }],
        ..stored
    };
    put(store, |commit| commit.transmissions.push(sent));
    let page = |filter: TransmissionFilter| -> Vec<u64> {
        store.transmissions(&filter).unwrap().iter().map(|transmission| transmission.id.0).collect()
    };
    let all = TransmissionFilter { limit: 9, ..Default::default() };
    assert_eq!(page(all.clone()), [2, 1]);
    assert_eq!(page(TransmissionFilter { limit: 1, ..all.clone() }), [2]);
    assert_eq!(page(TransmissionFilter { before: Some(TransmissionId(2)), ..all.clone() }), [1]);
    assert_eq!(page(TransmissionFilter { order: Some(number("4711")), ..all.clone() }), [2, 1]);
    assert_eq!(page(TransmissionFilter { response: Some(ResponseId(3)), ..all.clone() }), [1]);
    let of_status = |status| TransmissionFilter { status: Some(status), ..all.clone() };
    assert_eq!(page(of_status(TransmissionStatus::Initial)), [] as [u64; 0]);
    assert_eq!(page(of_status(TransmissionStatus::Transmissioned)), [1]);
    let both = TransmissionFilter { order: Some(number("4711")), ..of_status(TransmissionStatus::DoPush) };
    assert_eq!(page(both), [2]);
    let counted = |status: &str| [(status.to_string(), 1)].into();
    let expected = [
        ("CONFIRM_RESPONSE".to_string(), counted("TRANSMISSIONED")),
        ("SEND_ORDER_RECALL".to_string(), counted("DO_PUSH")),
    ];
    assert_eq!(store.counts().unwrap().transmissions, expected.into());
}

fn transmissions_wait_for_their_moment(store: &dyn Store) {
    assert_eq!(store.next_transmission_due().unwrap(), None);
    let waits = [(1, Some(at(20))), (2, None), (3, Some(at(10))), (4, Some(at(10)))];
    for (id, next_retry) in waits {
        let owed = Transmission { next_retry, ..transmission(id, TransmissionStatus::DoPush) };
        put(store, |commit| commit.transmissions.push(owed));
    }
    put(store, |commit| commit.transmissions.push(transmission(5, TransmissionStatus::DoManualCheck)));
    let due = |now, limit| -> Vec<u64> {
        store.transmissions_due(now, limit).unwrap().iter().map(|transmission| transmission.id.0).collect()
    };
    assert_eq!(due(at(-1), 9), [2]);
    assert_eq!(due(at(10), 9), [2, 3, 4]);
    assert_eq!(due(at(20), 9), [2, 3, 4, 1]);
    assert_eq!(due(at(20), 2), [2, 3]);
    assert_eq!(due(at(20), 0), [] as [u64; 0]);
    assert_eq!(store.next_transmission_due().unwrap(), Some(Timestamp::UNIX_EPOCH));
    let mut sent = store.transmission(TransmissionId(2)).unwrap().unwrap();
    sent.status = TransmissionStatus::Transmissioned;
    put(store, |commit| commit.transmissions.push(sent));
    assert_eq!(store.next_transmission_due().unwrap(), Some(at(10)));
    assert_eq!(due(at(-1), 9), [] as [u64; 0]);
}

fn large_and_small_bytes_come_back(store: &dyn Store) {
    let mut random = fastrand::Rng::with_seed(7);
    let noise: Vec<u8> = std::iter::repeat_with(|| random.u8(..)).take(700_000).collect();
    let blobs = [Vec::new(), b"x".to_vec(), vec![b'a'; 5000], noise.clone()].map(Content::of);
    put(store, |commit| commit.blobs = blobs.to_vec());
    // The same bytes again are the same bytes.
    put(store, |commit| commit.blobs = blobs.to_vec());
    for blob in blobs {
        assert_eq!(store.blob(&blob.digest()).unwrap().as_deref(), Some(blob.bytes()));
    }
    let mut taken = mail(1, "x", "response");
    taken.record.digest = Digest::of(&noise);
    taken.raw = Some(noise.clone().into());
    let digest = taken.record.digest;
    put(store, |commit| commit.mails.push(taken));
    assert_eq!(store.blob(&digest).unwrap(), Some(noise));
}

fn bytes_are_forgotten_and_records_stay(store: &dyn Store) {
    let mut random = fastrand::Rng::with_seed(8);
    let mut digests = Vec::new();
    for id in 1..=6 {
        let noise: String =
            std::iter::repeat_with(|| random.alphanumeric()).take(if id % 2 == 0 { 9000 } else { 30 }).collect();
        let taken = mail(id, &noise, if id == 4 { "response" } else { "bounce" });
        digests.push(taken.record.digest);
        put(store, |commit| commit.mails.push(taken));
    }
    let kept = || -> Vec<u64> {
        (1..).zip(&digests).filter(|(_, digest)| store.blob(digest).unwrap().is_some()).map(|(id, _)| id).collect()
    };
    assert_eq!(store.forget_raw("bounce", at(5), 2).unwrap(), 2);
    assert_eq!(kept(), [3, 4, 5, 6]);
    assert_eq!(store.forget_raw("bounce", at(5), 9).unwrap(), 1);
    assert_eq!(kept(), [4, 5, 6]);
    assert_eq!(store.forget_raw("bounce", at(5), 9).unwrap(), 0);
    assert_eq!(store.forget_raw("nothing", at(5), 9).unwrap(), 0);
    assert_eq!(store.mails(&MailFilter { limit: 9, ..Default::default() }).unwrap().len(), 6);
    // It moves to another drawer and is still forgotten; it comes again and is still known.
    let mut moved = store.mail(MailId(1)).unwrap().unwrap();
    moved.drawer = "stranger".into();
    put(store, |commit| commit.mails.push(MailTaken { record: moved.clone(), raw: None }));
    assert_eq!(store.forget_raw("stranger", at(50), 9).unwrap(), 0);
    let mut moved = store.mail(MailId(6)).unwrap().unwrap();
    moved.drawer = "stranger".into();
    put(store, |commit| commit.mails.push(MailTaken { record: moved, raw: None }));
    assert_eq!(store.forget_raw("bounce", at(50), 9).unwrap(), 1);
    assert_eq!(store.forget_raw("stranger", at(50), 9).unwrap(), 1);
    assert_eq!(kept(), [4]);
}

fn tokens_alarms_and_notes(store: &dyn Store) {
    let [one, two] = [token("one", 7), token("two", 7)];
    put(store, |commit| {
        commit.tokens = vec![one.clone(), two.clone(), token("three", 8)];
        commit.alarms = vec![alarm(1, false), alarm(2, false)];
        commit.notes = vec![("cursor".into(), "17".into()), ("drift".into(), "x".repeat(5000))];
    });
    assert_eq!(store.token(&one.hash).unwrap(), Some(one.clone()));
    assert_eq!(store.token(&Digest::of(b"four")).unwrap(), None);
    let mut of_seven = vec![one.clone(), two];
    of_seven.sort_by_key(|token| token.hash);
    assert_eq!(store.tokens_of(TransmissionId(7)).unwrap(), of_seven);
    assert_eq!(store.alarms(true, 9).unwrap(), [alarm(2, false), alarm(1, false)]);
    let used = TokenRecord { used_at: Some(at(4)), transmission: TransmissionId(9), ..one.clone() };
    put(store, |commit| {
        commit.tokens.push(used.clone());
        commit.alarms.push(alarm(2, true));
        commit.notes.push(("cursor".into(), "18".into()));
    });
    assert_eq!(store.token(&one.hash).unwrap(), Some(used));
    assert_eq!(store.tokens_of(TransmissionId(7)).unwrap().len(), 1);
    assert_eq!(store.tokens_of(TransmissionId(9)).unwrap().len(), 1);
    assert_eq!(store.alarms(true, 9).unwrap(), [alarm(1, false)]);
    assert_eq!(store.alarms(false, 9).unwrap(), [alarm(2, true), alarm(1, false)]);
    assert_eq!(store.alarms(false, 1).unwrap(), [alarm(2, true)]);
    assert_eq!(store.counts().unwrap().alarms_open, 1);
    assert_eq!(store.note("cursor").unwrap().as_deref(), Some("18"));
    assert_eq!(store.note("drift").unwrap(), Some("x".repeat(5000)));
}

fn the_audit_log_counts_and_chains(store: &dyn Store) {
    put(store, |commit| commit.audit = vec![entry("forced"), entry("approved")]);
    put(store, |commit| {
        // Numbers and chains are given by the keeper alone.
        commit.audit = vec![AuditEntry { number: 77, chain: Some(Digest::of(b"")), ..entry("declined") }];
    });
    assert_eq!(store.audit_verify().unwrap(), 3);
    let log = store.audit(0, 9).unwrap();
    let told: Vec<_> = log.iter().map(|entry| (entry.number, entry.what.as_str())).collect();
    assert_eq!(told, [(1, "forced"), (2, "approved"), (3, "declined")]);
    assert!(log.iter().all(|entry| entry.chain.is_some()));
    assert_eq!(store.audit(1, 1).unwrap(), [log[1].clone()]);
    assert_eq!(store.audit(3, 9).unwrap(), []);
    // Anybody can check the chain from outside: SHA-256 of the chain before and the entry's JSON without its own.
    let mut previous = [0; 32];
    for entry in log {
        let bare = serde_json::to_vec(&AuditEntry { chain: None, ..entry.clone() }).unwrap();
        let chain = Digest::of(&[previous.as_slice(), &bare].concat());
        assert_eq!(entry.chain, Some(chain));
        previous = chain.0;
    }
}

fn a_refused_commit_leaves_no_trace(store: &dyn Store) {
    put(store, |commit| {
        commit.mails.push(mail(1, "known", "response"));
        commit.dossiers.push(registered("4711", "nordwind"));
        commit.transmissions.push(transmission(1, TransmissionStatus::DoPush));
    });
    let before = store.counts().unwrap();
    let full = || Commit {
        mails: vec![mail(2, "new", "response")],
        dossiers: vec![registered("4712", "nordwind")],
        sales: vec![sale(9, "acme", "A-9")],
        transmissions: vec![transmission(2, TransmissionStatus::DoPush)],
        blobs: vec![b"mime".to_vec().into()],
        tokens: vec![token("one", 2)],
        alarms: vec![alarm(1, false)],
        audit: vec![entry("forced")],
        notes: vec![("cursor".into(), "17".into())],
    };
    let mut known = full();
    known.mails.push(mail(3, "known", "response"));
    assert!(matches!(store.commit(known), Err(StoreError::Known(MailId(1)))));
    let mut stale = full();
    stale.dossiers.push(registered("4711", "nordwind"));
    assert!(matches!(store.commit(stale), Err(StoreError::Stale(_))));
    let mut stale = full();
    stale.transmissions.push(transmission(1, TransmissionStatus::DoPush));
    assert!(matches!(store.commit(stale), Err(StoreError::Stale(_))));
    assert_eq!(store.counts().unwrap(), before);
    assert_eq!(store.mail(MailId(2)).unwrap(), None);
    assert_eq!(store.dossier(&number("4712")).unwrap(), None);
    assert_eq!(store.blob(&Digest::of(b"mime")).unwrap(), None);
    assert_eq!(store.token(&Digest::of(b"one")).unwrap(), None);
    assert_eq!(store.audit_verify().unwrap(), 0);
    assert_eq!(store.note("cursor").unwrap(), None);
    // And does not stand in the way of the same thing, decided again.
    let landed = store.commit(full()).unwrap();
    assert_eq!(landed.sequence, 2);
    assert_eq!(store.mail(MailId(2)).unwrap().map(|mail| mail.id), Some(MailId(2)));
}

fn many_commits_land_or_are_refused_alone(store: &dyn Store) {
    many(store, |commits| store.commit_many(commits));
}

/// What may wait for company is not lost and not mixed up when none comes.
fn commits_that_wait_for_others_land_alone(store: &dyn Store) {
    many(store, |commits| store.commit_with_others(commits, Duration::from_millis(3)));
}

fn many(store: &dyn Store, commit_many: impl Fn(Vec<Commit>) -> Vec<Result<Receipt>>) {
    let mut commits = Vec::new();
    for id in 1..=10 {
        // Every third comes a second time; one makes no sense.
        for _ in 0..if id % 3 == 0 { 2 } else { 1 } {
            let mut taken = mail(id, &format!("mail {id}"), "response");
            if id == 5 {
                taken.raw = Some(b"other bytes".to_vec().into());
            }
            commits.push(Commit {
                mails: vec![taken],
                audit: vec![entry(&format!("took {id}"))],
                ..Default::default()
            });
        }
    }
    let results: Vec<String> = commit_many(commits)
        .into_iter()
        .map(|result| match result {
            Ok(Receipt { sequence }) => sequence.to_string(),
            Err(StoreError::Known(id)) => format!("known {id}"),
            Err(StoreError::Invalid(_)) => "invalid".to_string(),
            Err(other) => other.to_string(),
        })
        .collect();
    let expected = ["1", "2", "3", "known M3", "4", "invalid", "5", "known M6", "6", "7", "8", "known M9", "9"];
    assert_eq!(results, expected);
    assert_eq!(store.audit_verify().unwrap(), 9);
    assert_eq!(commit_many(Vec::new()).len(), 0);
}

fn senseless_commits_are_refused_for_good(store: &dyn Store) {
    put(store, |commit| {
        commit.mails.push(mail(1, "one", "response"));
        commit.dossiers.push(dossier("4711", vec![response(1, "4711", "nordwind", Status::Initial)]));
    });
    let stored = store.dossier(&number("4711")).unwrap().unwrap();
    let unchanged = DossierChange { dossier: stored, touched: Default::default() };
    let changed = |change: &dyn Fn(&mut DossierChange)| {
        let mut changed = unchanged.clone();
        change(&mut changed);
        Commit { dossiers: vec![changed], ..Default::default() }
    };
    let mail_again = MailTaken { raw: None, ..mail(1, "two", "response") };
    let cases = [
        ("the bytes of a mail are others", Commit { mails: vec![mail_again], ..Default::default() }),
        ("an id is used again", Commit { mails: vec![mail(1, "two", "response")], ..Default::default() }),
        ("a mail stands twice", Commit { mails: vec![mail(2, "two", "a"), mail(3, "two", "a")], ..Default::default() }),
        (
            "a dossier stands twice",
            Commit { dossiers: vec![registered("1", "a"), registered("1", "a")], ..Default::default() },
        ),
        ("a response is gone", changed(&|change| change.dossier.responses.clear())),
        ("touched and not there", changed(&|change| change.touched.extend([ResponseId(9)]))),
        (
            "moved and not touched",
            changed(&|change| {
                change.dossier.responses.get_mut(&ResponseId(1)).unwrap().status = Status::Closed;
            }),
        ),
        (
            "new and not touched",
            changed(&|change| {
                change.dossier.responses.insert(ResponseId(2), response(2, "4711", "nordwind", Status::Initial));
            }),
        ),
        (
            "of another order",
            changed(&|change| {
                change.dossier.responses.insert(ResponseId(2), response(2, "4712", "nordwind", Status::Initial));
                change.touched.insert(ResponseId(2));
            }),
        ),
        (
            "in another dossier",
            Commit {
                dossiers: vec![dossier("4712", vec![response(1, "4712", "nordwind", Status::Initial)])],
                ..Default::default()
            },
        ),
        (
            "a name without end",
            Commit {
                dossiers: vec![registered(&"1".repeat(150), "a")]
                    .into_iter()
                    .map(|mut change| {
                        change.dossier.number = number(&"1".repeat(5000));
                        change.dossier.order = None;
                        change
                    })
                    .collect(),
                ..Default::default()
            },
        ),
    ];
    for (what, commit) in cases {
        let result = store.commit(commit);
        assert!(matches!(result, Err(StoreError::Invalid(_))), "{what}: {result:?}");
    }
    put(store, |commit| commit.dossiers.push(unchanged.clone()));
}

fn numbers_are_given_once(store: &dyn Store) {
    assert_eq!(store.reserve(Sequence::Mail, 5).unwrap(), 1);
    assert_eq!(store.reserve(Sequence::Mail, 1).unwrap(), 6);
    assert_eq!(store.reserve(Sequence::Response, 1).unwrap(), 1);
    // Numbers that came from elsewhere (a restored mailbox) are not given again.
    put(store, |commit| {
        commit.mails.push(mail(40, "forty", "response"));
        commit.transmissions.push(transmission(9, TransmissionStatus::Initial));
        commit.alarms.push(alarm(3, false));
    });
    assert_eq!(store.reserve(Sequence::Mail, 1).unwrap(), 41);
    assert_eq!(store.reserve(Sequence::Transmission, 2).unwrap(), 10);
    assert_eq!(store.reserve(Sequence::Transmission, 1).unwrap(), 12);
    assert_eq!(store.reserve(Sequence::Alarm, 1).unwrap(), 4);
}
