//! The rounds: take in, decide, send out, remind. What happens before and after a decision.
//!
//! Every round has one shape: look, decide (pure), commit. The gateway knows every room below it by
//! its public face and no adapter by name; sockets, disks and the clock come in as traits.

mod again;
mod answers;
mod asked;
pub mod control;
mod decide;
pub mod desk;
mod digest;
mod drift;
mod emptying;
mod envelope;
mod filled;
mod letter;
mod link;
mod look;
mod numbers;
pub mod origin;
mod outbox;
mod question;
pub mod remind;
mod robots;
pub mod sales;
pub mod send_out;
pub mod take_in;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;
use jiff::Timestamp;
use tokio::sync::{Notify, broadcast};

use crate::config::{Complaints, Loaded};
use crate::diagnostic::Diagnostic;
use crate::document::{Input, Part};
use crate::mail::dkim::Signer;
use crate::mail::trust::{Policy, TrustSettings};
use crate::mapping::Library;
use crate::model::{
    AlarmKind, CustomerId, MailId, OrderNumber, PartnerId, ResponseId, SaleId, SaleStep, Step, TransmissionId,
    TransmissionKind, TransmissionStatus,
};
use crate::store::Store;
use crate::template::Templates;

pub use decide::Decided;
pub use numbers::NumberBlocks;

/// Where time comes from.
pub trait Clock: Send + Sync {
    fn now(&self) -> Timestamp;
}

/// The machine's own clock.
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// Reads a document's bytes; usually a pool of worker processes.
pub type Reader = Arc<dyn Fn(&Input<'_>) -> Vec<Part> + Send + Sync>;

/// Everything that an admin may change while the gateway runs. Replaced as a whole or not at all.
pub struct Live {
    pub loaded: Loaded,
    pub library: Library,
    pub templates: Templates,
    /// Signs outgoing mails, when DKIM is configured.
    pub signer: Option<Signer>,
    /// Writes the house's own XML for the order system, when a template is configured.
    pub house_document: Option<crate::template::house_xml::HouseXml>,
    /// Checks where mails come from, when we do that ourselves.
    pub origin: Option<origin::OriginCheck>,
}

impl Live {
    /// Configuration, mappings and templates from their files; any error refuses all of it.
    pub fn load(file: &Path) -> Result<Live, Vec<Complaints>> {
        let loaded = Loaded::read(file).map_err(|complaints| vec![complaints])?;
        Live::from_loaded(loaded)
    }

    pub fn from_loaded(loaded: Loaded) -> Result<Live, Vec<Complaints>> {
        let mut complaints = Vec::new();
        let (library, found) = Library::load(&loaded.mappings_dir());
        if found.iter().any(Diagnostic::is_error) {
            complaints.push(Complaints { text: String::new(), list: found });
        }
        let templates = match loaded.templates_dir() {
            None => Templates::builtin(),
            Some(dir) => Templates::load(&dir).unwrap_or_else(|list| {
                complaints.push(Complaints { text: String::new(), list });
                Templates::builtin()
            }),
        };
        let mut loaded = loaded;
        price_lists(&mut loaded, &mut complaints);
        let house_document = house_document(&loaded, &mut complaints);
        let signer = match signer(&loaded) {
            Ok(signer) => signer,
            Err(why) => {
                let name = loaded.file.display().to_string();
                complaints.push(Complaints {
                    text: String::new(),
                    list: vec![Diagnostic::error("CFG041", why).in_file(&name)],
                });
                None
            }
        };
        let origin = origin::OriginCheck::from_config(&loaded).unwrap_or_else(|why| {
            let name = loaded.file.display().to_string();
            let list = vec![Diagnostic::error("CFG042", format!("gateway.own_check: {why}")).in_file(&name)];
            complaints.push(Complaints { text: String::new(), list });
            None
        });
        if complaints.is_empty() {
            Ok(Live { loaded, library, templates, signer, house_document, origin })
        } else {
            Err(complaints)
        }
    }
}

impl Live {
    /// What is known of origins: our own server's name, and the domains that others might imitate.
    fn trust(&self, policy: Policy) -> TrustSettings {
        let config = &self.loaded.config;
        let policies = &self.loaded.policies;
        let partners = policies.partners.values().flat_map(|partner| &partner.addresses);
        let customers = policies.customers.values().flat_map(|customer| &customer.addresses);
        let approvers =
            policies.channels.values().flat_map(|channel| channel.approvers.iter().flat_map(|entry| entry.split(',')));
        let domains: std::collections::BTreeSet<String> = partners
            .chain(customers)
            .chain(&policies.sales.addresses)
            .map(String::as_str)
            .chain(approvers)
            .chain([config.gateway.address.as_str()])
            .filter_map(|address| address.trim().rsplit_once('@').map(|(_, domain)| domain.to_ascii_lowercase()))
            .collect();
        TrustSettings {
            policy,
            authserv_ids: config.gateway.authserv_id.iter().cloned().collect(),
            header_count: config.gateway.authserv_headers.unwrap_or(1),
            quirk_no_authserv_id: config
                .mailboxes
                .iter()
                .any(|mailbox| mailbox.quirks.iter().any(|quirk| quirk == "exchange")),
            guarded_domains: domains.into_iter().collect(),
            arc_sealers: config.gateway.arc_sealers.clone(),
        }
    }
}

/// Reads the customers' price lists into the policies.
fn price_lists(loaded: &mut Loaded, complaints: &mut Vec<Complaints>) {
    for (name, customer) in &loaded.config.customers {
        let Some(file) = customer.price_list.as_ref().map(|file| loaded.resolve(file)) else { continue };
        let shown = file.display().to_string();
        let read = std::fs::read_to_string(&file).map_err(|e| (0, format!("cannot be read: {e}")));
        match read.and_then(|text| crate::model::customer::read_price_list(&text)) {
            Ok(list) => {
                loaded.policies.price_lists.insert(CustomerId::new(name.as_str()), list);
            }
            Err((line, why)) => {
                let place = if line > 0 { format!("line {line}: {why}") } else { why };
                let found = Diagnostic::error("CFG064", format!("price list of {name}: {place}")).in_file(&shown);
                complaints.push(Complaints { text: String::new(), list: vec![found] });
            }
        }
    }
}

fn house_document(loaded: &Loaded, complaints: &mut Vec<Complaints>) -> Option<crate::template::house_xml::HouseXml> {
    let file = loaded.resolve(loaded.config.order_system.template.as_ref()?);
    let shown = file.display().to_string();
    let text = std::fs::read_to_string(&file)
        .map_err(|e| Diagnostic::error("CFG065", format!("cannot be read: {e}")).in_file(&shown));
    match text.and_then(|text| crate::template::house_xml::HouseXml::compile(&shown, &text)) {
        Ok(template) => Some(template),
        Err(found) => {
            complaints.push(Complaints { text: String::new(), list: vec![found] });
            None
        }
    }
}

fn signer(loaded: &Loaded) -> Result<Option<Signer>, String> {
    let Some(dkim) = &loaded.config.gateway.dkim else { return Ok(None) };
    let file = loaded.resolve(&dkim.key_file);
    let pem = std::fs::read_to_string(&file).map_err(|e| format!("gateway.dkim.key_file {}: {e}", file.display()))?;
    Signer::new(&dkim.domain, &dkim.selector, &pem).map(Some).map_err(|e| format!("gateway.dkim: {e}"))
}

/// What just happened, for whoever watches (the demo, logs, tests that wait for an event).
#[derive(Clone, Debug)]
pub enum News {
    MailTaken {
        mail: MailId,
        mailbox: String,
        from: String,
        subject: String,
        drawer: String,
        reason: String,
        partner: Option<PartnerId>,
    },
    Walked {
        order: OrderNumber,
        response: ResponseId,
        step: Step,
    },
    SaleWalked {
        sale: SaleId,
        order: OrderNumber,
        step: SaleStep,
    },
    Sent {
        transmission: TransmissionId,
        kind: TransmissionKind,
        to: Vec<String>,
        subject: String,
        status: TransmissionStatus,
        answer: String,
    },
    Alarm {
        kind: AlarmKind,
        subject: String,
        message: String,
        over: bool,
    },
    Mailbox {
        name: String,
        trouble: Option<String>,
    },
}

/// How a mailbox is doing.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Health {
    pub last_success: Option<Timestamp>,
    pub last_mail: Option<Timestamp>,
    /// Seconds between the arrival of the last mail ([`crate::mail::Mail::arrived`]) and its being taken in.
    pub lag_seconds: Option<i64>,
    pub trouble: Option<String>,
    pub trouble_since: Option<Timestamp>,
    pub taken: u64,
}

/// The gateway: the state that its rounds share. Cheap to clone.
#[derive(Clone)]
pub struct Gateway {
    inner: Arc<Inner>,
}

struct Inner {
    live: ArcSwap<Live>,
    /// What connections were made from.
    started: Loaded,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    reader: Reader,
    numbers: NumberBlocks,
    /// The key that tokens are made with.
    secret: Vec<u8>,
    /// What was committed just now and is sent next.
    outbox: outbox::Outbox,
    news: broadcast::Sender<News>,
    /// Something is due to be sent.
    wake_sender: Notify,
    /// A dossier got a new time.
    wake_timer: Notify,
    /// Something is to be handed to the order system.
    wake_sales: Notify,
    health: Mutex<BTreeMap<String, Health>>,
    order_system: Mutex<sales::SystemHealth>,
    /// Answers sent to an address within the last hour (RFC 3834).
    answers: answers::Answers,
    /// How far each mapping agrees with the orders.
    watched: Mutex<drift::WatchedAll>,
    /// Times from mail to commit in the last while, in milliseconds.
    times: Mutex<Vec<u64>>,
    /// Mails whose origin could not be checked yet.
    deferred: origin::Deferred,
    /// A test switch: links may lead to loopback addresses.
    loopback_links: std::sync::atomic::AtomicBool,
    /// When mails that wait for a page were looked at last.
    links_tried: Mutex<link::Tried>,
}

impl Gateway {
    pub fn new(live: Live, store: Arc<dyn Store>, clock: Arc<dyn Clock>, reader: Reader, secret: Vec<u8>) -> Gateway {
        let numbers = NumberBlocks::new(Arc::clone(&store));
        let answers = answers::Answers::remembered(&*store, clock.now()).unwrap_or_else(|error| {
            tracing::error!(%error, "which answers were sent within the last hour cannot be read; they are not counted");
            answers::Answers::default()
        });
        let (news, _) = broadcast::channel(4_096);
        Gateway {
            inner: Arc::new(Inner {
                started: live.loaded.clone(),
                live: ArcSwap::from_pointee(live),
                store,
                clock,
                reader,
                numbers,
                secret,
                outbox: outbox::Outbox::default(),
                news,
                wake_sender: Notify::new(),
                wake_timer: Notify::new(),
                wake_sales: Notify::new(),
                order_system: Mutex::default(),
                health: Mutex::default(),
                answers,
                watched: Mutex::default(),
                times: Mutex::default(),
                deferred: origin::Deferred::default(),
                loopback_links: std::sync::atomic::AtomicBool::new(false),
                links_tried: Mutex::default(),
            }),
        }
    }

    pub fn live(&self) -> Arc<Live> {
        self.inner.live.load_full()
    }

    pub fn store(&self) -> &Arc<dyn Store> {
        &self.inner.store
    }

    pub fn now(&self) -> Timestamp {
        self.inner.clock.now()
    }

    /// What happens from now on.
    pub fn watch(&self) -> broadcast::Receiver<News> {
        self.inner.news.subscribe()
    }

    /// Replaces configuration, mappings and templates, or says why not and keeps the old ones.
    ///
    /// Says what changed since the start and is read there only: connections hold it.
    pub fn reload(&self) -> Result<Vec<String>, Vec<Complaints>> {
        let file = self.live().loaded.file.clone();
        let live = Live::load(&file)?;
        let restart = live.loaded.needs_restart(&self.inner.started);
        self.inner.live.store(Arc::new(live));
        // Steps that could not be done may be possible now.
        self.inner.wake_timer.notify_one();
        self.inner.wake_sender.notify_one();
        if let Err(error) = self.review_drift() {
            tracing::error!(%error, "what was held could not be read anew; it is tried again");
        }
        tracing::info!(file = %file.display(), "configuration, mappings and templates reloaded");
        for what in &restart {
            tracing::warn!("{what} changed: that counts from the next start on");
        }
        Ok(restart)
    }

    /// Whether somebody watches: news of every mail cost something to write.
    fn is_watched(&self) -> bool {
        self.inner.news.receiver_count() > 0
    }

    fn tell(&self, news: News) {
        // Nobody watching is no error.
        let _ = self.inner.news.send(news);
    }

    pub fn health(&self) -> BTreeMap<String, Health> {
        self.inner.health.lock().map(|health| health.clone()).unwrap_or_default()
    }

    fn health_of(&self, mailbox: &str, change: impl FnOnce(&mut Health)) {
        if let Ok(mut all) = self.inner.health.lock() {
            change(all.entry(mailbox.to_string()).or_default());
        }
    }

    /// Milliseconds from a mail's being fetched to its commit, the latest few thousand.
    pub fn times(&self) -> Vec<u64> {
        self.inner.times.lock().map(|times| times.clone()).unwrap_or_default()
    }

    fn note_time(&self, millis: u64) {
        if let Ok(mut times) = self.inner.times.lock() {
            if times.len() >= 4_096 {
                times.drain(..2_048);
            }
            times.push(millis);
        }
    }
}
