//! An order system that does what a script says: for the demo and for tests.
//!
//! It takes UBL orders by HTTP or from a folder, makes orders of them under numbers of its own, and answers: as ordered,
//! with other prices or quantities, twice, for an order that nobody knows, in XML that is none, late, or not at all. It
//! keeps a ledger of everything it was given, by key and by the customer's order number, so that a test can show that
//! nothing was handed over twice. Nothing in it is left to chance.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use jiff::civil::Date;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::model::{Decimal, Field, Message, MessageKind, Place, Said, Value};
use crate::standard::{self, ubl_write};
use crate::wire::login::Secret;
use crate::wire::net::Trust;
use crate::wire::order_system::signature;

/// What becomes of one hand-over.
#[derive(Clone, Debug, PartialEq)]
pub enum Behaviour {
    /// As ordered.
    Accept,
    /// Another price of a line.
    Price { position: u32, price: Decimal },
    /// Another quantity of a line; zero leaves the line out.
    Quantity { position: u32, quantity: Decimal },
    /// Another date of a line.
    Date { position: u32, date: Date },
    /// A line that nobody ordered.
    Add { article: String, price: Decimal },
    /// An OrderResponse that refuses the whole order, with a reason.
    Reject { reason: String },
    /// Takes so long to say that it has the order.
    Slow(Duration),
    /// The first so many tries hear 503 (a folder is not looked into).
    DownFor { tries: u32 },
    /// The answer comes twice.
    AnswerTwice,
    /// Before the answer comes one for an order that nobody placed.
    UnknownOrder,
    /// The answer is no XML; the right one comes after it.
    Malformed,
    /// No answer at all.
    Silent,
}

/// What becomes of which hand-over: by the customer's order number and the how many-th hand-over of it. What the script
/// does not name is accepted.
#[derive(Clone, Debug, Default)]
pub struct Script {
    acts: BTreeMap<(String, usize), Vec<Behaviour>>,
}

impl Script {
    /// At the first hand-over of this order.
    pub fn on(self, order: &str, acts: impl IntoIterator<Item = Behaviour>) -> Script {
        self.on_nth(order, 1, acts)
    }

    /// At the `nth` hand-over of this order, counted from 1.
    pub fn on_nth(mut self, order: &str, nth: usize, acts: impl IntoIterator<Item = Behaviour>) -> Script {
        self.acts.insert((order.to_string(), nth), acts.into_iter().collect());
        self
    }

    fn of(&self, order: &str, nth: usize) -> Vec<Behaviour> {
        self.acts.get(&(order.to_string(), nth)).cloned().unwrap_or_default()
    }
}

/// What it was given.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ledger {
    /// Orders made, by key; each key must stand at 1.
    pub made: BTreeMap<String, u32>,
    /// Tries heard, by key, those that were put off or repeated among them.
    pub tries: BTreeMap<String, u32>,
    /// The keys under which an order of the customer was made, in their order.
    pub keys: BTreeMap<String, Vec<String>>,
    /// Keys under which an order was taken back (OrderCancellation).
    pub canceled: Vec<String>,
    /// What could not be read, with the reason.
    pub unreadable: Vec<String>,
    /// Answers given.
    pub answers: u32,
}

impl Ledger {
    /// Keys under which more than one order was made: there must be none.
    pub fn twice(&self) -> Vec<&str> {
        self.made.iter().filter(|(_, count)| **count > 1).map(|(key, _)| key.as_str()).collect()
    }
}

/// How answers come back over HTTP.
#[derive(Clone, Debug)]
pub enum AnswerBy {
    /// In the reply to the order.
    Reply,
    /// By a signed call, until it is answered 200 or 422.
    Webhook { url: String, secret: Secret },
}

/// The simulator. Its listeners end when it is dropped.
pub struct OrderSystemSimulator {
    desk: Arc<Desk>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

struct Desk {
    script: Script,
    down: AtomicBool,
    state: Mutex<DeskState>,
}

#[derive(Default)]
struct DeskState {
    ledger: Ledger,
    /// What each key was answered: a repeated key hears the same.
    done: BTreeMap<String, Outcome>,
    numbers: u32,
    /// Keys that came as a file, and keys that were called back for.
    filed: BTreeSet<String>,
    called: BTreeSet<String>,
}

/// What was made of a hand-over.
#[derive(Clone, Debug, Default)]
struct Outcome {
    reference: String,
    /// In the order they go out.
    answers: VecDeque<Vec<u8>>,
    slow: Duration,
}

impl Drop for OrderSystemSimulator {
    fn drop(&mut self) {
        for task in self.tasks.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            task.abort();
        }
    }
}

impl OrderSystemSimulator {
    pub fn new(script: Script) -> OrderSystemSimulator {
        let desk = Desk { script, down: AtomicBool::new(false), state: Mutex::default() };
        OrderSystemSimulator { desk: Arc::new(desk), tasks: Mutex::default() }
    }

    /// Answers nobody and takes nothing until it is set again.
    pub fn set_down(&self, down: bool) {
        self.desk.down.store(down, Ordering::SeqCst);
    }

    pub fn ledger(&self) -> Ledger {
        self.desk.state().ledger.clone()
    }

    /// Takes orders at `http://ADDRESS/orders`, on a free loopback port.
    pub async fn serve_http(&self, answer: AnswerBy) -> std::io::Result<SocketAddr> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let router = Router::new().route("/orders", post(ordered)).with_state((Arc::clone(&self.desk), answer));
        self.keep(tokio::spawn(async move {
            let _ = axum::serve(listener, router).await;
        }));
        Ok(address)
    }

    /// Takes orders from `FOLDER/orders` and puts answers into `FOLDER/answers`, as the file drop expects them.
    pub fn watch_folder(&self, folder: &Path) {
        let (desk, folder) = (Arc::clone(&self.desk), folder.to_path_buf());
        self.keep(tokio::spawn(async move {
            loop {
                let (desk, folder) = (Arc::clone(&desk), folder.clone());
                let looked = tokio::task::spawn_blocking(move || desk.look_into(&folder)).await;
                if let Ok(Err(error)) = looked {
                    tracing::debug!(%error, "the simulator cannot read its folder");
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }));
    }

    /// One look into the folder, for tests that keep the time themselves. Returns how many orders were taken.
    pub fn look_into(&self, folder: &Path) -> std::io::Result<usize> {
        self.desk.look_into(folder)
    }

    fn keep(&self, task: JoinHandle<()>) {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).push(task);
    }
}

impl Desk {
    fn state(&self) -> MutexGuard<'_, DeskState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes an order; the same key again is the same order. `Err(true)`: come again later.
    fn take(&self, key: &str, body: &[u8]) -> Result<Outcome, bool> {
        let mut state = self.state();
        let tries = state.ledger.tries.entry(key.to_string()).or_default();
        *tries += 1;
        let tries = *tries;
        if self.down.load(Ordering::SeqCst) {
            return Err(true);
        }
        if let Some(done) = state.done.get(key) {
            return Ok(done.clone());
        }
        let text = String::from_utf8_lossy(body);
        if text.contains("<OrderCancellation") {
            state.ledger.canceled.push(key.to_string());
            *state.ledger.made.entry(key.to_string()).or_default() += 1;
            state.done.insert(key.to_string(), Outcome::default());
            return Ok(Outcome::default());
        }
        let message = standard::read(&text, "order").and_then(|reading| reading.messages.into_iter().next());
        let Some(message) = message.filter(|message| message.kind == MessageKind::Order) else {
            state.ledger.unreadable.push(format!("{key}: no UBL order"));
            return Err(false);
        };
        let order = message.text(Field::OrderNumber).unwrap_or_default().to_string();
        let nth = state.ledger.keys.get(&order).map_or(0, Vec::len) + 1;
        let acts = self.script.of(&order, nth);
        if acts.iter().any(|act| matches!(act, Behaviour::DownFor { tries: down } if tries <= *down)) {
            return Err(true);
        }
        state.numbers += 1;
        // A changed order keeps its number.
        let known = state.ledger.keys.get(&order).and_then(|keys| keys.first()).and_then(|key| state.done.get(key));
        let reference = match known {
            Some(first) => first.reference.clone(),
            None => format!("SO-{}", 90_000 + state.numbers),
        };
        let outcome = made(&message, &reference, &acts);
        *state.ledger.made.entry(key.to_string()).or_default() += 1;
        state.ledger.keys.entry(order).or_default().push(key.to_string());
        state.done.insert(key.to_string(), outcome.clone());
        Ok(outcome)
    }

    fn answered(&self) {
        self.state().ledger.answers += 1;
    }

    fn look_into(&self, folder: &Path) -> std::io::Result<usize> {
        if self.down.load(Ordering::SeqCst) {
            return Ok(0);
        }
        let orders = folder.join("orders");
        let mut files: Vec<PathBuf> =
            std::fs::read_dir(&orders)?.flatten().map(|entry| entry.path()).filter(|path| path.is_file()).collect();
        files.sort();
        let mut taken = 0;
        for path in files {
            let Some(key) = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()) else { continue };
            let body = std::fs::read(&path)?;
            let outcome = match self.take(&key, &body) {
                Ok(outcome) => outcome,
                Err(true) => continue,
                Err(false) => Outcome::default(),
            };
            // A file is a hand-over: a second file of one key is a second order, and the ledger must show it.
            {
                let mut state = self.state();
                if !state.filed.insert(key.clone()) && !outcome.reference.is_empty() {
                    *state.ledger.made.entry(key.clone()).or_default() += 1;
                }
            }
            taken += 1;
            let answers = folder.join("answers");
            for (n, answer) in outcome.answers.iter().enumerate() {
                let name = if n == 0 { format!("{key}.answer.xml") } else { format!("{key}.answer-{}.xml", n + 1) };
                let part = answers.join(format!("{name}.part"));
                std::fs::write(&part, answer)?;
                std::fs::rename(&part, answers.join(name))?;
                self.answered();
            }
            std::fs::remove_file(&path)?;
        }
        Ok(taken)
    }
}

async fn ordered(State((desk, answer_by)): State<(Arc<Desk>, AnswerBy)>, headers: HeaderMap, body: Bytes) -> Response {
    let key = headers.get("idempotency-key").and_then(|value| value.to_str().ok()).unwrap_or_default().to_string();
    if key.is_empty() {
        return (StatusCode::BAD_REQUEST, "no Idempotency-Key").into_response();
    }
    let outcome = match desk.take(&key, &body) {
        Ok(outcome) => outcome,
        Err(true) => return (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "1")], "down").into_response(),
        Err(false) => return (StatusCode::UNPROCESSABLE_ENTITY, "no UBL order").into_response(),
    };
    tokio::time::sleep(outcome.slow).await;
    match answer_by {
        AnswerBy::Reply => {
            let Some(first) = outcome.answers.front().cloned() else {
                return (StatusCode::ACCEPTED, [("postern-order-reference", outcome.reference)]).into_response();
            };
            desk.answered();
            let headers =
                [("content-type", "application/xml".to_string()), ("postern-order-reference", outcome.reference)];
            (StatusCode::OK, headers, first).into_response()
        }
        AnswerBy::Webhook { url, secret } => {
            let reference = outcome.reference.clone();
            // A repeated try hears the same, and is answered once.
            if desk.state().called.insert(key.clone()) {
                tokio::spawn(call_back(Arc::clone(&desk), url, secret, key, outcome));
            }
            (StatusCode::ACCEPTED, [("postern-order-reference", reference)]).into_response()
        }
    }
}

/// Calls until it is heard: 200 and 422 end a call, everything else is tried again.
async fn call_back(desk: Arc<Desk>, url: String, secret: Secret, key: String, outcome: Outcome) {
    let Ok(tls) = Trust::default().client_config() else { return };
    let built = reqwest::Client::builder()
        .tls_backend_preconfigured(tls.as_ref().clone())
        .no_proxy()
        .timeout(Duration::from_secs(60))
        .build();
    let Ok(client) = built else { return };
    for answer in outcome.answers {
        for pause in [50, 100, 200, 400, 800].into_iter().chain(std::iter::repeat_n(1_000, 300)) {
            let signed = signature::sign(&secret, jiff::Timestamp::now().as_second(), &answer);
            let call = client
                .post(&url)
                .header("content-type", "application/xml")
                .header(signature::HEADER, signed)
                .header("idempotency-key", &key)
                .header("postern-order-reference", &outcome.reference)
                .body(answer.clone());
            if let Ok(reply) = call.send().await
                && matches!(reply.status().as_u16(), 200 | 422)
            {
                desk.answered();
                break;
            }
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
    }
}

/// The order system's order, and what goes back of it.
fn made(message: &Message, reference: &str, acts: &[Behaviour]) -> Outcome {
    let mut order = message.clone();
    order.fields.insert(Field::SupplierOrderNumber, said(Value::Text(reference.to_string())));
    let mut slow = Duration::ZERO;
    for act in acts {
        match act {
            Behaviour::Price { position, price } => set(&mut order, *position, Field::PriceNet, Value::Number(*price)),
            Behaviour::Quantity { position, quantity } if quantity.is_zero() => {
                let at = place_of(&order, *position);
                if let Some(at) = at {
                    order.lines.remove(at);
                }
            }
            Behaviour::Quantity { position, quantity } => {
                set(&mut order, *position, Field::Quantity, Value::Number(*quantity));
            }
            Behaviour::Date { position, date } => {
                set(&mut order, *position, Field::RequestedDate, Value::Date(*date));
            }
            Behaviour::Add { article, price } => {
                let next = order.lines.len() as u32 * 10 + 1_000;
                order.lines.push(BTreeMap::from([
                    (Field::Position, said(Value::Number(Decimal::from(next)))),
                    (Field::SupplierSku, said(Value::Text(article.clone()))),
                    (Field::Name, said(Value::Text(article.clone()))),
                    (Field::Quantity, said(Value::Number(Decimal::ONE))),
                    (Field::PriceNet, said(Value::Number(*price))),
                ]));
            }
            Behaviour::Slow(pause) => slow = *pause,
            _ => {}
        }
    }
    // Sums of the customer's paper do not hold any more.
    order.fields.remove(&Field::Total);
    order.lines.iter_mut().for_each(|line| {
        line.remove(&Field::LineTotal);
    });
    let right = match acts
        .iter()
        .find_map(|act| if let Behaviour::Reject { reason } = act { Some(reason) } else { None })
    {
        Some(reason) => refused(message.text(Field::OrderNumber).unwrap_or_default(), reference, reason).into_bytes(),
        None => ubl_write::order(&order, "Nordlicht Handel").into_bytes(),
    };
    let has = |wanted: &Behaviour| acts.contains(wanted);
    let mut answers = VecDeque::new();
    if has(&Behaviour::UnknownOrder) {
        let mut other = order.clone();
        other.fields.insert(Field::OrderNumber, said(Value::Text("NOBODY-1".into())));
        answers.push_back(ubl_write::order(&other, "Nordlicht Handel").into_bytes());
    }
    if has(&Behaviour::Malformed) {
        let cut = right.len() / 2;
        answers.push_back(right.get(..cut).unwrap_or_default().to_vec());
    }
    if !has(&Behaviour::Silent) {
        answers.push_back(right.clone());
        if has(&Behaviour::AnswerTwice) {
            answers.push_back(right);
        }
    }
    Outcome { reference: reference.to_string(), answers, slow }
}

/// UBL OrderResponse, code RE.
fn refused(order: &str, reference: &str, reason: &str) -> String {
    let escape = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let ns = "urn:oasis:names:specification:ubl:schema:xsd:";
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<OrderResponse xmlns=\"{ns}OrderResponse-2\" xmlns:cac=\"{ns}CommonAggregateComponents-2\" \
         xmlns:cbc=\"{ns}CommonBasicComponents-2\">\n  <cbc:ID>{0}</cbc:ID>\n  <cbc:OrderResponseCode>RE</cbc:OrderResponseCode>\n  <cbc:Note>{1}</cbc:Note>\n  \
         <cac:OrderReference>\n    <cbc:ID>{2}</cbc:ID>\n    <cbc:SalesOrderID>{0}</cbc:SalesOrderID>\n  </cac:OrderReference>\n</OrderResponse>\n",
        escape(reference),
        escape(reason),
        escape(order)
    )
}

fn said(value: Value) -> Said {
    let raw = value.to_string();
    Said::new(value, raw, "simulator", Place::whole("order"))
}

fn place_of(order: &Message, position: u32) -> Option<usize> {
    let wanted = Decimal::from(position);
    let stated = order.lines.iter().position(|line| {
        line.get(&Field::Position).and_then(|said| said.value.as_number()).is_some_and(|number| number == wanted)
    });
    // Lines without numbers are counted.
    stated.or_else(|| {
        let index = (position as usize).checked_sub(1)?;
        order.lines.get(index).filter(|line| !line.contains_key(&Field::Position)).map(|_| index)
    })
}

fn set(order: &mut Message, position: u32, field: Field, value: Value) {
    if let Some(at) = place_of(order, position)
        && let Some(line) = order.lines.get_mut(at)
    {
        line.insert(field, said(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::order_system::file_drop::{FileDrop, FileDropSettings, Ripe};
    use crate::wire::order_system::http::{HttpOrderSystem, HttpSettings, WebhookSettings};
    use crate::wire::order_system::{Answer, HandOver, OrderSystem, Verdict};

    fn hand_over(order: &str, key: &str) -> HandOver {
        let mut message = Message::new(MessageKind::Order);
        message.fields.insert(Field::OrderNumber, said(Value::Text(order.into())));
        message.fields.insert(Field::Currency, said(Value::Text("EUR".into())));
        for position in [10, 20] {
            message.lines.push(BTreeMap::from([
                (Field::Position, said(Value::Number(Decimal::from(position)))),
                (Field::SupplierSku, said(Value::Text(format!("B{position}")))),
                (Field::Quantity, said(Value::Number(Decimal::from(5)))),
                (Field::PriceNet, said(Value::Number(Decimal::new(1250, 2)))),
            ]));
        }
        HandOver {
            key: key.into(),
            name: format!("{key}.xml"),
            content_type: "application/xml".into(),
            body: ubl_write::order(&message, "us").into_bytes(),
        }
    }

    fn read(answer: &Answer) -> Message {
        let text = String::from_utf8(answer.body.clone()).unwrap();
        standard::read(&text, "answer").unwrap().messages.remove(0)
    }

    fn line(message: &Message, index: usize, field: Field) -> String {
        message.lines[index].get(&field).map(|said| said.value.to_string()).unwrap_or_default()
    }

    fn script() -> Script {
        Script::default()
            .on("A1", [Behaviour::Price { position: 20, price: Decimal::new(1300, 2) }])
            .on("A2", [Behaviour::Quantity { position: 10, quantity: Decimal::from(4) }, Behaviour::AnswerTwice])
            .on("A3", [Behaviour::Reject { reason: "credit < limit".into() }])
            .on("A4", [Behaviour::UnknownOrder, Behaviour::Malformed])
            .on("A5", [Behaviour::DownFor { tries: 2 }])
            .on("A6", [Behaviour::Silent])
    }

    /// Tests and the demo show nothing when the order system answers otherwise than its script says.
    #[tokio::test]
    async fn the_script_is_played_over_http() {
        let simulator = OrderSystemSimulator::new(script());
        let address = simulator.serve_http(AnswerBy::Reply).await.unwrap();
        let system = HttpOrderSystem::start(HttpSettings::new(format!("http://{address}/orders"))).await.unwrap();
        let clean = system.hand_over(&hand_over("A0", "S0-1")).await.unwrap();
        let answer = read(&clean.answer.unwrap());
        assert_eq!((clean.reference.as_deref(), answer.lines.len()), (Some("SO-90001"), 2));
        assert_eq!(answer.text(Field::SupplierOrderNumber), Some("SO-90001"));
        let dear = system.hand_over(&hand_over("A1", "S1-1")).await.unwrap().answer.unwrap();
        assert_eq!(line(&read(&dear), 1, Field::PriceNet), "13.00");
        let again = system.hand_over(&hand_over("A1", "S1-1")).await.unwrap().answer.unwrap();
        assert_eq!(again, dear, "a repeated key is the same order");
        let changed = system.hand_over(&hand_over("A1", "S1-2")).await.unwrap();
        assert_eq!(
            line(&read(&changed.answer.unwrap()), 1, Field::PriceNet),
            "12.50",
            "the script names the first only"
        );
        assert_eq!(changed.reference, Some("SO-90002".into()));
        let no = system.hand_over(&hand_over("A3", "S3-1")).await.unwrap().answer.unwrap();
        assert!(String::from_utf8_lossy(&no.body).contains("credit &lt; limit"));
        for _ in 0..2 {
            assert!(system.hand_over(&hand_over("A5", "S5-1")).await.unwrap_err().retryable);
        }
        system.hand_over(&hand_over("A5", "S5-1")).await.unwrap();
        assert!(system.hand_over(&hand_over("A6", "S6-1")).await.unwrap().answer.is_none());
        simulator.set_down(true);
        assert!(system.hand_over(&hand_over("A7", "S7-1")).await.unwrap_err().retryable);
        let ledger = simulator.ledger();
        assert!(ledger.twice().is_empty(), "{ledger:?}");
        assert_eq!((ledger.made["S1-1"], ledger.tries["S1-1"], ledger.tries["S5-1"]), (1, 2, 3));
        assert_eq!(ledger.keys["A1"], ["S1-1", "S1-2"]);
    }

    /// The webhook is how most order systems answer: signed, and called again until the commit.
    #[tokio::test]
    async fn the_script_is_played_by_webhook() {
        let mut settings = HttpSettings::new("http://127.0.0.1:1/");
        let secret = Secret::new("a-shared-secret-of-both");
        settings.webhook = Some(WebhookSettings::new("127.0.0.1:0", secret.clone()));
        let listening = HttpOrderSystem::start(settings).await.unwrap();
        let url = format!("http://{}/order-system", listening.webhook_addr().unwrap());
        let simulator = OrderSystemSimulator::new(script());
        let address = simulator.serve_http(AnswerBy::Webhook { url, secret }).await.unwrap();
        let sending = HttpOrderSystem::start(HttpSettings::new(format!("http://{address}/orders"))).await.unwrap();
        let handed = sending.hand_over(&hand_over("A4", "S4-1")).await.unwrap();
        assert!(handed.answer.is_none());
        let mut heard = Vec::new();
        while heard.len() < 3 {
            listening.wait(Duration::from_secs(20)).await;
            for answer in listening.answers(9).await.unwrap() {
                let refused = Verdict::Refused { reason: "not ours".into() };
                let verdict = if heard.len() < 2 { refused } else { Verdict::Taken };
                listening.settle(&answer.id, &verdict).await.unwrap();
                heard.push(answer);
            }
        }
        assert_eq!(read(&heard[0]).text(Field::OrderNumber), Some("NOBODY-1"));
        assert!(standard::read(&String::from_utf8_lossy(&heard[1].body), "x").is_none_or(|r| !r.faults.is_empty()));
        assert_eq!(read(&heard[2]).text(Field::OrderNumber), Some("A4"));
        assert!(heard.iter().all(|answer| answer.key.as_deref() == Some("S4-1")));
    }

    /// The same over files, with the second file of one key shown as what it is: a second order.
    #[tokio::test]
    async fn the_script_is_played_over_files() {
        let dir = tempfile::tempdir().unwrap();
        let settings =
            FileDropSettings { ripe: Ripe::Stable(Duration::ZERO), ..FileDropSettings::in_folder(dir.path()) };
        let system = FileDrop::open(settings).unwrap();
        let simulator = OrderSystemSimulator::new(script());
        system.hand_over(&hand_over("A2", "S2-1")).await.unwrap();
        simulator.set_down(true);
        assert_eq!(simulator.look_into(dir.path()).unwrap(), 0);
        simulator.set_down(false);
        assert_eq!(simulator.look_into(dir.path()).unwrap(), 1);
        let answers = system.answers(9).await.unwrap();
        assert_eq!(answers.len(), 2, "twice");
        assert!(answers.iter().all(|answer| answer.key.as_deref() == Some("S2-1")), "{answers:?}");
        assert_eq!(line(&read(&answers[0]), 0, Field::Quantity), "4");
        system.hand_over(&hand_over("A2", "S2-1")).await.unwrap();
        assert_eq!(simulator.look_into(dir.path()).unwrap(), 0, "a repeated key puts no second file");
        assert!(simulator.ledger().twice().is_empty());
        std::fs::write(dir.path().join("orders/S2-1.xml"), hand_over("A2", "S2-1").body).unwrap();
        simulator.look_into(dir.path()).unwrap();
        assert_eq!(simulator.ledger().twice(), ["S2-1"], "the ledger sees a double");
    }
}
