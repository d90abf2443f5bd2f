//! `postern demo`: the newcomer's first minute. Mail servers inside the program, three partners, an
//! approver, and the same gateway as in earnest, through real sockets.

#![expect(clippy::indexing_slicing, reason = "reading a JSON value by a key that is not there gives null")]

pub mod customers;
pub mod load;
pub mod order_system;
pub mod paper;
pub mod partners;
pub mod sandbox;
pub mod story;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use serde_json::{Value as Json, json};
use tokio_util::sync::CancellationToken;

use self::customers::{SALES, SaleStory};
use self::order_system::{AnswerBy, OrderSystemSimulator};
use self::sandbox::{Sandbox, SandboxSettings, StoredMail};
use self::story::{STORIES, Story};
use crate::config::{Loaded, MailboxConfig};
use crate::gateway::desk::Request;
use crate::gateway::{Gateway, Live, News, Reader, SystemClock};
use crate::mail::Mail;
use crate::model::{OrderNumber, Response, Sale};
use crate::store::redb::{Options, Redb};
use crate::store::{ResponseFilter, SaleFilter, Store};
use crate::wire::imap::{ImapMailbox, ImapSettings};
use crate::wire::login::{Login, Secret};
use crate::wire::net::Server;
use crate::wire::order_system::http::{HttpOrderSystem, HttpSettings};
use crate::wire::smtp::{RelayServer, SmtpRelay, SmtpSettings};
use crate::wire::{Envelope, Relay};

/// All stories have ended by then, or the demo says which did not.
const TIME_MAX: Duration = Duration::from_secs(120);

/// How the demo tells what happens.
pub struct Telling {
    /// One JSON summary at the end, nothing else.
    pub json: bool,
    /// End when all stories have ended; else go on until interrupted.
    pub once: bool,
}

/// Runs the demo; `Ok(true)` when every story came out as it should.
pub fn run(telling: &Telling, reader: fn(&Loaded) -> Reader) -> anyhow::Result<bool> {
    let folder = tempfile::tempdir()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(play(telling, folder.path(), reader))
}

async fn play(telling: &Telling, folder: &Path, reader: fn(&Loaded) -> Reader) -> anyhow::Result<bool> {
    let accounts =
        ["gateway", "approver", "channel", "operator", "nordwind", "suedtrade", "ostwerk", "sales", "customer"];
    let aliases = [partners::Writing::Text, partners::Writing::Html, partners::Writing::Pdf]
        .map(|writing| (writing.sender().to_string(), writing.partner().to_string()));
    let settings = SandboxSettings {
        accounts: accounts.map(String::from).to_vec(),
        aliases: aliases.to_vec(),
        ..SandboxSettings::default()
    };
    let sandbox = Arc::new(Sandbox::start_with(settings).await.context("starting the sandbox")?);
    partners::unpack_mappings(&folder.join("mappings"))?;
    let order_system = OrderSystemSimulator::new(customers::script());
    let orders_at = order_system.serve_http(AnswerBy::Reply).await.context("starting the order system")?;
    std::fs::write(folder.join("postern.toml"), configuration(&sandbox, &format!("http://{orders_at}/orders")))?;
    let loaded = Loaded::read(&folder.join("postern.toml"))?;
    let mailbox_config = loaded.config.mailboxes.first().cloned().context("the demo has a mailbox")?;
    let store: Arc<dyn Store> = Arc::new(Redb::open(&loaded.data_dir(), Options::default())?);
    let reader = reader(&loaded);
    let live =
        Live::from_loaded(loaded).map_err(|c| anyhow!("{}", c.iter().map(|c| c.draw(false)).collect::<String>()))?;
    let gateway = Gateway::new(live, store, Arc::new(SystemClock), reader, (0..32).map(|_| fastrand::u8(..)).collect());
    let relay = relay(&sandbox)?;
    let mut news = gateway.watch();
    let stop = CancellationToken::new();
    let mut rounds = start(&gateway, &sandbox, mailbox_config, Arc::clone(&relay), &stop)?;
    let system = HttpOrderSystem::start(HttpSettings::new(format!("http://{orders_at}/orders"))).await?;
    let (selling, stop_selling) = (gateway.clone(), stop.clone());
    rounds.push(tokio::spawn(async move { selling.sell(Arc::new(system), stop_selling).await }));
    if !telling.json {
        println!(
            "postern demo: IMAP on {}, SMTP on {}, an order system on {}, state in {}\n",
            sandbox.imap_addr,
            sandbox.smtp_addr,
            orders_at,
            folder.display()
        );
    }
    let teller = {
        let quiet = telling.json;
        tokio::spawn(async move {
            while let Ok(one) = news.recv().await {
                if !quiet {
                    tell(&one);
                }
            }
        })
    };
    for story in STORIES.iter().filter(|story| !story.order_late) {
        register(&gateway, story).await?;
    }
    let actors = Actors { sandbox: Arc::clone(&sandbox), relay: Arc::clone(&relay) };
    let acting = tokio::spawn(actors.clone().act());
    for story in STORIES {
        for raw in story.mails()? {
            actors.send(story.sender(), &sandbox.address("gateway"), &raw).await?;
        }
    }
    for story in SALES {
        let to = sandbox.address("gateway");
        actors.send(customers::SENDER, &to, &story.mail(&to)).await?;
    }
    for raw in story::asides(&sandbox.address("gateway"))? {
        actors.send("somebody@nowhere.example", &sandbox.address("gateway"), &raw).await?;
    }
    // The order of a story that begins with the answer comes when the answer is there.
    for story in STORIES.iter().filter(|story| story.order_late) {
        until(&gateway, |responses| responses.iter().any(|r| r.order.as_str() == story.order)).await;
        register(&gateway, story).await?;
    }
    let ended = until(&gateway, |responses| STORIES.iter().all(|story| story.came_out(responses))).await;
    let ended = ended && sold(&gateway).await;
    let quiet = settle(&gateway).await;
    let twice = !order_system.ledger().twice().is_empty();
    let summary = summary(&gateway, ended && quiet && !twice)?;
    teller.abort();
    if telling.json {
        println!("{}", serde_json::to_string_pretty(&summary)?);
    } else {
        print!("{}", closing(&summary));
    }
    if !telling.once {
        println!("\nThe gateway goes on; Ctrl-C ends it.");
        tokio::signal::ctrl_c().await?;
    }
    acting.abort();
    stop.cancel();
    for round in rounds {
        let _ = tokio::time::timeout(Duration::from_secs(10), round).await;
    }
    Ok(summary["ok"] == true)
}

fn configuration(sandbox: &Sandbox, order_system: &str) -> String {
    let address = |name: &str| sandbox.address(name);
    format!(
        r#"# The demo's configuration. Decisions are trusted without proof of origin: the sandbox writes no
# Authentication-Results. In earnest leave decision_trust at "require".
operators = ["{operator}"]
[gateway]
address = "{gateway}"
name = "Order desk"
[[mailbox]]
name = "orders"
url = "imap://gateway@{imap}/INBOX"
poll = "5s"
[relay]
urls = ["smtp://{smtp}"]
[defaults]
decision_trust = "off"
response_trust = "off"
[defaults.waits]
recall_hold = "0"
[defaults.tolerances]
price_percent = "2"
days_late = 3
[channels.shop]
addresses = ["{channel}"]
approvers = ["{approver}"]
[partners.nordwind]
name = "Nordwind GmbH"
addresses = ["@nordwind.example"]
send_to = ["{nordwind}"]
options = {{ language = "de" }}
[partners.suedtrade]
name = "Südtrade AG"
addresses = ["@suedtrade.example"]
send_to = ["{suedtrade}"]
[partners.ostwerk]
name = "Ostwerk GmbH & Co. KG"
addresses = ["@ostwerk.example"]
send_to = ["{ostwerk}"]
options = {{ language = "de" }}
[sales]
addresses = ["{sales}"]
name = "Nordlicht Handel"
address = "Nordlicht Handel GmbH\nHafenstraße 9\n24103 Kiel"
register_as = "shop"
supplier = "nordwind"
decision_trust = "off"
[sales.options]
order_trust = "off"
[customers.ek]
name = "Ek & Söner AB"
addresses = ["@ek.example"]
send_to = ["{customer}"]
options = {{ language = "sv" }}
[order_system]
url = "{order_system}"
"#,
        operator = address("operator"),
        gateway = address("gateway"),
        imap = sandbox.imap_addr,
        smtp = sandbox.smtp_addr,
        channel = address("channel"),
        approver = address("approver"),
        nordwind = address("nordwind"),
        suedtrade = address("suedtrade"),
        ostwerk = address("ostwerk"),
        sales = address("sales"),
        customer = address("customer"),
    )
}

fn relay(sandbox: &Sandbox) -> anyhow::Result<Arc<dyn Relay>> {
    let server = Server::parse(&sandbox.smtp_url()).map_err(|e| anyhow!(e))?;
    Ok(Arc::new(SmtpRelay::new(SmtpSettings::new(vec![RelayServer {
        server,
        trust: Default::default(),
        login: None,
    }]))))
}

fn start(
    gateway: &Gateway,
    sandbox: &Sandbox,
    config: MailboxConfig,
    relay: Arc<dyn Relay>,
    stop: &CancellationToken,
) -> anyhow::Result<Vec<tokio::task::JoinHandle<()>>> {
    let server = Server::parse(&sandbox.imap_url()).map_err(|e| anyhow!(e))?;
    let login = Login::Password { user: "gateway".into(), password: Secret::new(sandbox.password()) };
    let mailbox = ImapMailbox::new(ImapSettings::new("orders", server, login));
    let (one, two, three) = (gateway.clone(), gateway.clone(), gateway.clone());
    let (stop_one, stop_two, stop_three) = (stop.clone(), stop.clone(), stop.clone());
    Ok(vec![
        tokio::spawn(async move { one.take_in(Box::new(mailbox), config, stop_one).await }),
        tokio::spawn(async move { two.send_out(relay, 4, stop_two).await }),
        tokio::spawn(async move { three.remind(stop_three).await }),
    ])
}

async fn register(gateway: &Gateway, story: &Story) -> anyhow::Result<()> {
    let (gateway, text) = (gateway.clone(), story.order_json());
    let reply =
        tokio::task::spawn_blocking(move || gateway.handle(Request::OrderAdd { text, file: "demo".into() })).await?;
    if reply.ok { Ok(()) } else { Err(anyhow!("{}", reply.message)) }
}

/// The people of the demo: they read their mail and answer it.
#[derive(Clone)]
struct Actors {
    sandbox: Arc<Sandbox>,
    relay: Arc<dyn Relay>,
}

impl Actors {
    async fn act(self) {
        let mut read: BTreeMap<&str, usize> = BTreeMap::new();
        let mut changed = self.sandbox.watch();
        loop {
            changed.borrow_and_update();
            for account in ["approver", "nordwind", "suedtrade", "ostwerk", "sales", "customer"] {
                let mails = self.sandbox.mails(account, "INBOX");
                let seen = read.entry(account).or_default();
                for mail in mails.iter().skip(*seen) {
                    if let Err(error) = self.answer(account, mail).await {
                        eprintln!("{account} could not answer: {error}");
                    }
                }
                *seen = mails.len();
            }
            if changed.changed().await.is_err() {
                return;
            }
        }
    }

    async fn answer(&self, account: &str, stored: &StoredMail) -> anyhow::Result<()> {
        let mail = Mail::parse(&stored.raw);
        if let Some(story) = SALES.iter().find(|story| mail.subject.contains(story.order)) {
            return self.trade(account, &mail, story).await;
        }
        let Some(story) = STORIES.iter().find(|story| mail.subject.contains(story.order)) else { return Ok(()) };
        let reply_to = mail.reply_to.first().map(|a| a.address.clone());
        let (from, words) = if account == "approver" {
            // A receipt may be answered too, to undo what was decided: this approver never does.
            if mail.headers.get("Auto-Submitted") == Some("auto-replied") {
                return Ok(());
            }
            (self.sandbox.address("approver"), story.approver)
        } else if let Some(raw) = story.corrected(&mail)? {
            return self.send(story.sender(), &self.sandbox.address("gateway"), &raw).await;
        } else {
            (story.sender().to_string(), story.recall_answer)
        };
        let (Some(words), Some(reply_to)) = (words, reply_to) else { return Ok(()) };
        let raw = story::reply(&mail, &from, &reply_to, words);
        self.send(&from, &reply_to, raw.as_bytes()).await
    }

    /// The sales desk decides; when the customer has the confirmation, the supplier answers the order.
    async fn trade(&self, account: &str, mail: &Mail, story: &SaleStory) -> anyhow::Result<()> {
        let reply_to = mail.reply_to.first().map(|a| a.address.clone());
        match (account, story.desk, reply_to) {
            ("sales", Some(words), Some(to)) => {
                let from = self.sandbox.address("sales");
                self.send(&from, &to, story::reply(mail, &from, &to, words).as_bytes()).await
            }
            ("customer", ..) => {
                let raw = story.supplier_answer()?;
                self.send(partners::Writing::Text.sender(), &self.sandbox.address("gateway"), &raw).await
            }
            _ => Ok(()),
        }
    }

    async fn send(&self, from: &str, to: &str, raw: &[u8]) -> anyhow::Result<()> {
        let envelope = Envelope { from: from.to_string(), to: vec![to.to_string()] };
        self.relay.send(&envelope, raw).await.map(|_| ()).map_err(|refusal| anyhow!("{refusal}"))
    }
}

async fn responses(gateway: &Gateway) -> Vec<Response> {
    let gateway = gateway.clone();
    let filter = ResponseFilter { limit: 1_000, ..ResponseFilter::default() };
    tokio::task::spawn_blocking(move || gateway.store().responses(&filter))
        .await
        .ok()
        .and_then(Result::ok)
        .unwrap_or_default()
}

/// Waits for a state of affairs; false when it did not come in time. Looks again at each event.
async fn until(gateway: &Gateway, state: impl Fn(&[Response]) -> bool) -> bool {
    let mut news = gateway.watch();
    let look = async {
        while !state(&responses(gateway).await) {
            // A lagging watcher only looks once more.
            let _ = tokio::time::timeout(Duration::from_secs(1), news.recv()).await;
        }
    };
    tokio::time::timeout(TIME_MAX, look).await.is_ok()
}

async fn sales(gateway: &Gateway) -> Vec<Sale> {
    let gateway = gateway.clone();
    let filter = SaleFilter { limit: 1_000, ..SaleFilter::default() };
    tokio::task::spawn_blocking(move || gateway.store().sales(&filter))
        .await
        .ok()
        .and_then(Result::ok)
        .unwrap_or_default()
}

/// Waits until the customers' orders are confirmed and their supplier's answers stand in them.
async fn sold(gateway: &Gateway) -> bool {
    let mut news = gateway.watch();
    let look = async {
        loop {
            let (sales, responses) = (sales(gateway).await, responses(gateway).await);
            if SALES.iter().all(|story| story.came_out(&sales, &responses)) {
                break;
            }
            let _ = tokio::time::timeout(Duration::from_secs(1), news.recv()).await;
        }
    };
    tokio::time::timeout(TIME_MAX, look).await.is_ok()
}

/// Waits until every mail of the stories was taken in and nothing is owed any more.
async fn settle(gateway: &Gateway) -> bool {
    let mut news = gateway.watch();
    let look = async {
        loop {
            let gateway = gateway.clone();
            let counts = tokio::task::spawn_blocking(move || gateway.store().counts())
                .await
                .ok()
                .and_then(Result::ok)
                .unwrap_or_default();
            let owed: u64 = counts.transmissions.values().filter_map(|statuses| statuses.get("DO_PUSH")).sum();
            if owed == 0 && story::mails_came_out(&counts.mails) {
                break;
            }
            let _ = tokio::time::timeout(Duration::from_secs(1), news.recv()).await;
        }
    };
    tokio::time::timeout(TIME_MAX, look).await.is_ok()
}

fn summary(gateway: &Gateway, in_time: bool) -> anyhow::Result<Json> {
    let counts = gateway.store().counts()?;
    let mut all = gateway.store().responses(&ResponseFilter { limit: 1_000, ..ResponseFilter::default() })?;
    all.sort_by_key(|response| (response.order.clone(), response.id));
    let stories: Vec<Json> = all
        .iter()
        .map(|response| {
            let path: Vec<Json> = response.history.iter().map(|s| json!({"step": s.step, "from": s.from, "answer": s.answer, "to": s.to, "at": s.at})).collect();
            json!({"order": response.order, "partner": response.partner, "response": response.id, "status": response.status, "path": path})
        })
        .collect();
    let sales = gateway.store().sales(&SaleFilter { limit: 1_000, ..SaleFilter::default() })?;
    let sold: Vec<Json> = sales
        .iter()
        .map(|sale| {
            let path: Vec<Json> = sale.history.iter().map(|s| json!({"step": s.step, "answer": s.answer, "to": s.to, "at": s.at})).collect();
            json!({"order": sale.order, "customer": sale.customer, "sale": sale.id, "status": sale.status, "path": path})
        })
        .collect();
    let mut wrong: Vec<&str> = STORIES.iter().filter(|story| !story.came_out(&all)).map(|story| story.order).collect();
    wrong.extend(SALES.iter().filter(|story| !story.came_out(&sales, &all)).map(|story| story.order));
    let mails_right = story::mails_came_out(&counts.mails);
    let audit = gateway.store().audit_verify().is_ok();
    let arrived = counts
        .transmissions
        .values()
        .flat_map(BTreeMap::keys)
        .all(|status| ["TRANSMISSIONED", "CONFIRMED", "CANCELED"].contains(&status.as_str()));
    Ok(json!({
        "v": 1, "ok": in_time && wrong.is_empty() && mails_right && audit && arrived, "mails": counts.mails, "responses": counts.responses,
        "transmissions": counts.transmissions, "stories": stories, "sales": sold, "wrong": wrong,
    }))
}

/// What happens, as it happens.
fn tell(news: &News) {
    match news {
        News::MailTaken { mail, from, subject, drawer, reason, .. } => {
            let reason = if reason.is_empty() { String::new() } else { format!("  ({reason})") };
            println!("mail in   {mail:<5} {from:<28} {subject:<44} -> {drawer}{reason}");
        }
        News::Walked { order, response, step } => {
            let from = step.from.map_or("-", |from| from.name());
            println!("          {response:<5} order {order}  {:<8} {from} -> {}", step.step, step.to);
        }
        News::SaleWalked { sale, order, step } => {
            println!("{sale:<9} {} order {order}: {} -> {}", step.step, step.answer, step.to);
        }
        News::Sent { transmission, kind, to, subject, .. } => {
            println!("mail out  {transmission:<5} {kind:<26} {} \"{subject}\"", to.join(", "))
        }
        News::Alarm { kind, message, over, .. } => {
            println!("{}  {} {message}", if *over { "alarm over" } else { "ALARM     " }, kind.name())
        }
        News::Mailbox { name, trouble } => println!("mailbox   {name}: {}", trouble.as_deref().unwrap_or("well again")),
    }
}

fn closing(summary: &Json) -> String {
    let mut out = String::from("\nThe stories\n");
    for story in STORIES {
        out.push_str(&format!("\norder {}: {}\n", story.order, story.title));
        for response in summary["stories"].as_array().into_iter().flatten().filter(|r| r["order"] == story.order) {
            let path: Vec<&str> =
                response["path"].as_array().into_iter().flatten().filter_map(|step| step["to"].as_str()).collect();
            let words = |key: &str| response[key].as_str().unwrap_or("").to_string();
            out.push_str(&format!("  {} of {}: {}\n", words("response"), words("partner"), path.join(" -> ")));
        }
    }
    for story in SALES {
        out.push_str(&format!("\norder {}: {}\n", story.order, story.title));
        for sale in summary["sales"].as_array().into_iter().flatten().filter(|s| s["order"] == story.order) {
            let path: Vec<&str> =
                sale["path"].as_array().into_iter().flatten().filter_map(|step| step["to"].as_str()).collect();
            let words = |key: &str| sale[key].as_str().unwrap_or("").to_string();
            out.push_str(&format!("  {} of {}: {}\n", words("sale"), words("customer"), path.join(" -> ")));
        }
        for response in summary["stories"].as_array().into_iter().flatten().filter(|r| r["order"] == story.order) {
            let path: Vec<&str> =
                response["path"].as_array().into_iter().flatten().filter_map(|step| step["to"].as_str()).collect();
            let words = |key: &str| response[key].as_str().unwrap_or("").to_string();
            out.push_str(&format!("  {} of {}: {}\n", words("response"), words("partner"), path.join(" -> ")));
        }
    }
    out.push_str("\nMails by drawer\n");
    for (drawer, count) in summary["mails"].as_object().into_iter().flatten() {
        out.push_str(&format!("  {drawer:<18} {count}\n"));
    }
    out.push_str("\nTransmissions\n");
    for (kind, statuses) in summary["transmissions"].as_object().into_iter().flatten() {
        for (status, count) in statuses.as_object().into_iter().flatten() {
            out.push_str(&format!("  {kind:<26} {status:<16} {count}\n"));
        }
    }
    let wrong: Vec<&str> = summary["wrong"].as_array().into_iter().flatten().filter_map(Json::as_str).collect();
    out.push_str(&match (summary["ok"] == true, wrong.is_empty()) {
        (true, _) => "\nEvery story came out as it should.\n".to_string(),
        (false, true) => "\nNot everything came out as it should.\n".to_string(),
        (false, false) => format!("\nThese stories did not come out as they should: {}\n", wrong.join(", ")),
    });
    out
}

/// The numbers of the orders in the demo, for tests.
pub fn orders() -> Vec<OrderNumber> {
    STORIES.iter().map(|story| OrderNumber::new(story.order)).collect()
}
