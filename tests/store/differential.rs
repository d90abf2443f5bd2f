//! Random work, done by redb and by the reference: the same commits must land or be refused for the same
//! reason, and every question must have the same answer, after reopening too.

use std::collections::BTreeSet;

use fastrand::Rng;
use postern::model::*;
use postern::store::memory::Memory;
use postern::store::redb::{Options, Redb};
use postern::store::{
    Commit, DossierChange, MailFilter, MailTaken, ResponseFilter, Result, SaleFilter, Sequence, Store,
    TransmissionFilter,
};

use crate::make::*;

/// An answer that depends on how it is stored would be a wrong answer on one of the two.
#[test]
fn redb_answers_like_the_reference() {
    let (seeds, steps) = if std::env::var_os("POSTERN_LONG").is_some() { (40, 2000) } else { (4, 600) };
    for seed in 0..seeds {
        run(seed, steps);
    }
}

const NAMES: [&str; 6] = ["4711", "471", "4711\0", "a order with blanks", "ä", "9"];
const PARTNERS: [&str; 3] = ["nordwind", "ostwerk", "nord"];
const DRAWERS: [&str; 4] = ["response", "bounce", "unreadable", "b"];

struct Pair {
    random: Rng,
    memory: Memory,
    redb: Option<Redb>,
    folder: tempfile::TempDir,
    /// What somebody looked at a while ago.
    old: Vec<DossierChange>,
    old_transmissions: Vec<Transmission>,
    ids: [u64; 5],
}

fn run(seed: u64, steps: usize) {
    // What is on a disk in memory is not synced for real, which this test does not need.
    let shm = std::path::Path::new("/dev/shm");
    let folder = if shm.is_dir() { tempfile::tempdir_in(shm) } else { tempfile::tempdir() }.unwrap();
    let redb = Some(Redb::open(folder.path(), options()).unwrap());
    let (random, memory) = (Rng::with_seed(seed), Memory::new());
    let mut pair = Pair { random, memory, redb, folder, old: Vec::new(), old_transmissions: Vec::new(), ids: [0; 5] };
    let mut landed = 0;
    for step in 0..steps {
        let context = format!("seed {seed}, step {step}");
        landed += pair.step(&context);
        (0..4).for_each(|_| pair.ask(&context));
        if step % 100 == 99 {
            pair.compare_all(&context);
        }
        if pair.random.u8(..) == 0 {
            pair.redb = None;
            pair.redb = Some(Redb::open(pair.folder.path(), options()).unwrap());
        }
    }
    assert!(landed > steps / 3, "only {landed} of {steps} landed");
    pair.compare_all(&format!("seed {seed}, at the end"));
}

fn options() -> Options {
    Options { inline_bytes_max: 3000, group_commits_max: 5, ..crate::options() }
}

impl Pair {
    fn redb(&self) -> &Redb {
        self.redb.as_ref().unwrap()
    }

    /// Does the same to both; how many commits landed.
    fn step(&mut self, context: &str) -> usize {
        match self.random.u8(..20) {
            0 => {
                let (drawer, before) = (*self.random.choice(&DRAWERS).unwrap(), at(self.random.i64(-10..80)));
                let limit = self.random.usize(..6);
                let [one, two] =
                    [&self.memory as &dyn Store, self.redb()].map(|store| store.forget_raw(drawer, before, limit));
                assert_eq!(one.unwrap(), two.unwrap(), "{context}: forget");
                0
            }
            1..5 => {
                let commits: Vec<Commit> = (0..self.random.usize(1..12)).map(|_| self.commit()).collect();
                let one = told(self.memory.commit_many(commits.clone()));
                let two = told(self.redb().commit_many(commits));
                assert_eq!(one, two, "{context}");
                one.iter().filter(|result| result.is_ok()).count()
            }
            _ => {
                let commit = self.commit();
                let one = told(vec![self.memory.commit(commit.clone())]);
                let two = told(vec![self.redb().commit(commit.clone())]);
                assert_eq!(one, two, "{context}: {commit:#?}");
                one.iter().filter(|result| result.is_ok()).count()
            }
        }
    }

    fn commit(&mut self) -> Commit {
        let mut commit = Commit::default();
        for _ in 0..self.random.usize(1..4) {
            match self.random.u8(..12) {
                0..3 => {
                    let taken = self.mail();
                    commit.mails.push(taken);
                }
                3..7 => {
                    let change = self.dossier();
                    commit.dossiers.push(change);
                }
                7..10 => {
                    let transmission = self.transmission();
                    commit.transmissions.push(transmission);
                }
                10 if self.random.bool() => {
                    let id = self.id(4);
                    let stored = self.memory.sale(SaleId(id)).unwrap();
                    let mut sale = stored.unwrap_or_else(|| {
                        sale(id, self.random.choice(PARTNERS).unwrap(), &self.random.u8(..20).to_string())
                    });
                    sale.status = self.random.choice(SaleStatus::ALL).unwrap().0;
                    sale.due = self.random.bool().then(|| at(self.random.i64(0..200)));
                    if self.random.u8(..9) == 0 {
                        sale.revision += 1;
                    }
                    commit.sales.push(sale);
                }
                10 => {
                    let id = self.id(3);
                    commit.alarms.push(alarm(id, self.random.bool()));
                    let size = self.random.usize(..9000);
                    commit
                        .blobs
                        .push(std::iter::repeat_with(|| self.random.u8(..64)).take(size).collect::<Vec<u8>>().into());
                }
                _ => {
                    let (words, of) = (self.random.u8(..9).to_string(), self.random.u64(1..4));
                    commit.tokens.push(token(&words, of));
                    commit.audit.extend((0..self.random.u8(..3)).map(|n| entry(&format!("did {n}"))));
                    commit.notes.push((self.random.u8(..4).to_string(), self.random.u32(..).to_string()));
                }
            }
        }
        commit
    }

    /// Mostly a new id, sometimes one that is used.
    fn id(&mut self, kind: usize) -> u64 {
        if self.ids[kind] == 0 || self.random.u8(..4) > 0 {
            self.ids[kind] += self.random.u64(1..3);
            return self.ids[kind];
        }
        self.random.u64(1..=self.ids[kind])
    }

    fn mail(&mut self) -> MailTaken {
        let id = self.id(0);
        let drawer = *self.random.choice(&DRAWERS).unwrap();
        if let Some(mut record) = self.memory.mail(MailId(id)).unwrap() {
            record.drawer = drawer.into();
            record.order = Some(number(self.random.choice(NAMES).unwrap()));
            record.received_at = if self.random.u8(..4) == 0 { at(3) } else { record.received_at };
            return MailTaken { record, raw: None };
        }
        let words = format!("words {}", self.random.u16(..300)).repeat(self.random.usize(1..200));
        let mut taken = mail(id, &words, drawer);
        taken.record.message_id = (self.random.u8(..5) > 0).then(|| format!("m{}", self.random.u8(..30)));
        taken.record.order = self.random.bool().then(|| number(self.random.choice(NAMES).unwrap()));
        taken.record.received_at = at(id as i64 + self.random.i64(-5..5));
        if self.random.u8(..10) == 0 {
            taken.raw = None;
        }
        taken
    }

    fn dossier(&mut self) -> DossierChange {
        if !self.old.is_empty() && self.random.u8(..8) == 0 {
            return self.old[self.random.usize(..self.old.len())].clone();
        }
        let name = *self.random.choice(&NAMES).unwrap();
        let dossier = self.memory.dossier(&number(name)).unwrap().unwrap_or_else(|| Dossier::new(number(name)));
        let mut change = DossierChange { dossier, touched: BTreeSet::new() };
        for _ in 0..self.random.usize(..3) {
            let id = self.id(1);
            let from = *self.random.choice(&PARTNERS).unwrap();
            change.dossier.responses.entry(ResponseId(id)).or_insert_with(|| response(id, name, from, Status::Initial));
            change.touched.insert(ResponseId(id));
        }
        let known: Vec<ResponseId> = change.dossier.responses.keys().copied().collect();
        if let Some(id) = self.random.choice(&known) {
            let response = change.dossier.responses.get_mut(id).unwrap();
            response.status = self.random.choice(Status::ALL).unwrap().0;
            response.error = self.random.bool().then(|| "x".repeat(self.random.usize(..3000)));
            // Now and then somebody forgets to say so.
            if self.random.u8(..12) > 0 {
                change.touched.insert(*id);
            }
        }
        change.dossier.next_due = self.random.bool().then(|| at(self.random.i64(-20..200)));
        if self.random.bool() {
            let mut order = order(name, self.random.choice(PARTNERS).unwrap(), self.random.u32(1..30));
            order.supplier_order_number = self.random.bool().then(|| format!("NW-{}", self.random.u8(..3)));
            change.dossier.order = (self.random.u8(..9) > 0).then_some(order);
        }
        if self.random.u8(..4) == 0 {
            self.old.push(change.clone());
        }
        change
    }

    fn transmission(&mut self) -> Transmission {
        if !self.old_transmissions.is_empty() && self.random.u8(..8) == 0 {
            return self.old_transmissions[self.random.usize(..self.old_transmissions.len())].clone();
        }
        let id = self.id(2);
        let stored = self.memory.transmission(TransmissionId(id)).unwrap();
        let mut sent = stored.unwrap_or_else(|| transmission(id, TransmissionStatus::Initial));
        sent.status = *self.random.choice(TransmissionStatus::ALL).unwrap();
        sent.next_retry = self.random.bool().then(|| at(self.random.i64(-20..200)));
        sent.order = self.random.bool().then(|| number(self.random.choice(NAMES).unwrap()));
        sent.response = self.random.bool().then(|| ResponseId(self.random.u64(1..9)));
        if self.random.u8(..4) == 0 {
            self.old_transmissions.push(sent.clone());
        }
        sent
    }

    /// A random question to both.
    fn ask(&mut self, context: &str) {
        let random = &mut self.random;
        let limit = random.usize(..12);
        let name = number(random.choice(NAMES).unwrap());
        let order = random.bool().then(|| name.clone());
        let from = partner(random.choice(PARTNERS).unwrap());
        let id = random.u64(1..60);
        let now = at(random.i64(-30..220));
        let some = |random: &mut Rng, value: u64| random.bool().then_some(value);
        let responses = ResponseFilter {
            status: random.bool().then(|| random.choice(Status::ALL).unwrap().0),
            order: order.clone(),
            partner: random.bool().then(|| from.clone()),
            before: some(random, id).map(ResponseId),
            limit,
        };
        let sent = TransmissionFilter {
            status: random.bool().then(|| *random.choice(TransmissionStatus::ALL).unwrap()),
            order: order.clone(),
            response: some(random, id % 9).map(ResponseId),
            before: some(random, id).map(TransmissionId),
            limit,
        };
        let mails = MailFilter {
            drawer: random.bool().then(|| random.choice(DRAWERS).unwrap().to_string()),
            order: order.clone(),
            since: random.bool().then_some(now),
            before: some(random, id).map(MailId),
            limit,
        };
        let sales = SaleFilter {
            status: random.bool().then(|| random.choice(SaleStatus::ALL).unwrap().0),
            customer: random.bool().then(|| CustomerId::new(from.as_str())),
            before: some(random, id).map(SaleId),
            limit,
        };
        let question = random.u8(..27);
        let [one, two] = [&self.memory as &dyn Store, self.redb()].map(|store| match question {
            0 => show(store.dossier(&name)),
            1 => show(store.due(now, limit)),
            2 => show(store.orders(order.as_ref(), limit)),
            3 => show(store.order_by_supplier_number(&from, &format!("NW-{}", id % 3))),
            4 => show(store.response(ResponseId(id))),
            5 | 6 => show(store.responses(&responses)),
            7 => show(store.mail(MailId(id))),
            8 | 9 => show(store.mails(&mails)),
            10 => show(store.mail_by_message_id(&format!("m{}", id % 30))),
            11 => show(store.transmission(TransmissionId(id))),
            12 | 13 => show(store.transmissions(&sent)),
            14 => show(store.transmissions_due(now, limit)),
            15 => show(store.next_transmission_due()),
            16 => show(store.next_dossier_due()),
            17 => show(store.tokens_of(TransmissionId(id % 4))),
            18 => show(store.alarms(id.is_multiple_of(2), limit)),
            19 => show(store.audit(id, limit)),
            21 | 22 => show(store.sales(&sales)),
            23 => show(store.sales_due(now, limit)),
            24 => show(store.next_sale_due()),
            25 => show(store.sale_by_customer_order(&CustomerId::new(from.as_str()), &(id % 20).to_string())),
            26 => show(store.sale(SaleId(id % 20))),
            20 => show(store.note(&(id % 4).to_string())),
            _ => show(store.counts()),
        });
        assert_eq!(one, two, "{context}: question {question} of {name} {responses:?} {sent:?} {mails:?}");
    }

    /// Everything there is, and redb's own rows among themselves.
    fn compare_all(&self, context: &str) {
        let stores = [&self.memory as &dyn Store, self.redb()];
        let all = MailFilter { limit: usize::MAX, ..Default::default() };
        for mail in self.memory.mails(&all).unwrap() {
            let [one, two] =
                stores.map(|store| (show(store.mail_by_digest(&mail.digest)), store.blob(&mail.digest).unwrap()));
            assert_eq!(one, two, "{context}: {}", mail.id);
        }
        for sent in self.memory.transmissions(&TransmissionFilter { limit: usize::MAX, ..Default::default() }).unwrap()
        {
            let [one, two] = stores.map(|store| show(store.transmission_by_message_id(&sent.message_id)));
            assert_eq!(one, two, "{context}: {}", sent.id);
        }
        let [one, two] = stores.map(|store| {
            let responses = store.responses(&ResponseFilter { limit: usize::MAX, ..Default::default() });
            let dossiers = NAMES.map(|name| store.dossier(&number(name)).unwrap());
            let log = (show(store.audit(0, usize::MAX)), show(store.audit_verify()), show(store.counts()));
            (show(store.mails(&all)), show(responses), dossiers, log)
        });
        assert_eq!(one, two, "{context}");
        self.redb().verify().unwrap_or_else(|e| panic!("{context}: {e}"));
        // Numbers in memory may be ahead of each other, never behind what is used.
        for sequence in [Sequence::Mail, Sequence::Response, Sequence::Transmission, Sequence::Alarm, Sequence::Sale] {
            let [one, two] = stores.map(|store| store.reserve(sequence, 1).unwrap());
            let highest = one.min(two);
            assert!(self.memory.mail(MailId(highest)).unwrap().is_none() || sequence != Sequence::Mail, "{context}");
        }
    }
}

fn show<T: std::fmt::Debug>(answer: Result<T>) -> String {
    format!("{answer:?}")
}

fn told<T: PartialEq>(results: Vec<Result<T>>) -> Vec<std::result::Result<T, String>> {
    results.into_iter().map(|result| result.map_err(|e| e.to_string())).collect()
}
