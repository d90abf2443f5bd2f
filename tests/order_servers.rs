//! Customers' orders through the program itself on real mail servers: Dovecot keeps the mailboxes, Postfix carries the
//! mails, an order system that does what a script says takes orders by HTTP and from a folder. What fails here fails at
//! a customer's.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "common/maillab.rs"]
mod maillab;
#[path = "common/program.rs"]
mod program;

use std::io::{Read as _, Write as _};
use std::ops::{Deref, DerefMut};
use std::time::{Duration, Instant};

use base64::Engine as _;
use maillab::Lab;
use postern::demo::order_system::{AnswerBy, Behaviour, OrderSystemSimulator, Script};
use postern::demo::{paper, story};
use postern::mail::Mail;
use postern::model::Decimal;
use postern::wire::login::Secret;
use program::{LAB, PATIENCE, Program};

const SENDER: &str = "purchase@acme.example";
const SECRET: &str = "a-secret-that-both-sides-know-of-32";

/// How the order system is reached.
#[derive(Clone, Copy, Debug, PartialEq)]
enum By {
    Reply,
    Webhook,
    Files,
}

struct Site {
    program: Program,
    simulator: OrderSystemSimulator,
}

const FIELDS: &str = "[formats]\ndecimal = \".\"\ndate = [\"%Y-%m-%d\"]\ncurrency = \"EUR\"\n";
const COLUMNS: &str = "[table.columns]\nposition = \"Line\"\nsupplier_sku = \"Article\"\nquantity = \"Quantity\"\nprice_net = \"Price\"\nrequested_date = \"Date\"\n";

fn mapping(subject: &str, source: &str, rest: &str) -> String {
    format!(
        "partner = \"acme\"\nkind = \"order\"\n[match]\nfrom = [\"@acme.example\"]\nsubject = '^{subject} '\n[source]\n{source}\n{FIELDS}{rest}"
    )
}

impl Site {
    fn new(lab: Lab, by: By, script: Script) -> Site {
        let program = Program::new(lab);
        let Program { lab, folder, runtime, .. } = &program;
        let simulator = OrderSystemSimulator::new(script);
        let portal = portal();
        let erp = folder.path().join("erp");
        std::fs::create_dir_all(&erp).unwrap();
        let order_system = match by {
            By::Files => {
                simulator_watch(runtime, &simulator, &erp);
                format!("url = \"file://{}\"\npoll = \"1s\"\n", erp.display())
            }
            By::Reply => {
                let at = runtime.block_on(simulator.serve_http(AnswerBy::Reply)).unwrap();
                format!("url = \"http://{at}/orders\"\n")
            }
            By::Webhook => {
                let listen = free_port();
                let url = format!("http://{listen}/order-system");
                let answer = AnswerBy::Webhook { url, secret: Secret::new(SECRET) };
                let at = runtime.block_on(simulator.serve_http(answer)).unwrap();
                std::fs::write(folder.path().join("webhook"), SECRET).unwrap();
                format!("url = \"http://{at}/orders\"\nlisten = \"{listen}\"\nwebhook_secret_file = \"webhook\"\n")
            }
        };
        let address = |name: &str| lab.address(name);
        let config = format!(
            r#"operators = ["{operators}"]
[gateway]
address = "{gateway}"
[[mailbox]]
name = "orders"
url = "imaps://{user}@localhost:{imaps}/INBOX"
password_file = "password"
ca_file = "{ca}"
poll = "2s"
[relay]
urls = ["smtp://127.0.0.1:{smtp}"]
[sales]
addresses = ["{sales}"]
name = "Shop"
decision_trust = "off"
[sales.options]
order_trust = "off"
[customers.acme]
name = "Acme Ltd"
addresses = ["@acme.example"]
send_to = ["{customer}"]
[order_system]
retry = "1s"
{order_system}
"#,
            gateway = address("gateway"),
            user = address("gateway").replace('@', "%40"),
            imaps = lab.get("IMAPS_PORT"),
            ca = lab.get("CA"),
            smtp = lab.get("SMTP_PORT"),
            sales = address("approver"),
            customer = address("partner"),
            operators = address("sales"),
        );
        std::fs::write(folder.path().join("postern.toml"), config).unwrap();
        let number = "[fields]\norder_number = { find = 'Our order: (\\S+)' }\n";
        let line = "[lines]\nstart = '^Line'\nline = '^(?<position>\\d+)\\s+(?<supplier_sku>\\S+)\\s+(?<quantity>[\\d.]+)\\s+(?<price_net>[\\d.]+)\\s+(?<requested_date>\\S+)$'\nend = '^Regards'\n";
        let linked = format!("part = \"link\"\nhosts = [\"{portal}\"]\nurl = '/orders/'");
        let mappings = folder.path().join("mappings/acme");
        std::fs::create_dir_all(&mappings).unwrap();
        for (name, subject, source, rest) in [
            ("text", "Text", "part = \"text\"", format!("{number}{line}")),
            ("html", "Html", "part = \"html\"", format!("{number}{COLUMNS}")),
            ("pdf", "Pdf", "part = \"pdf\"", format!("{number}{COLUMNS}")),
            (
                "csv",
                "Csv",
                "part = \"csv\"",
                format!("[fields]\norder_number = {{ find = 'Csv (\\S+)', from = \"subject\" }}\n{COLUMNS}"),
            ),
            ("link", "Link", linked.as_str(), format!("{number}{COLUMNS}")),
        ] {
            std::fs::write(mappings.join(format!("{name}.toml")), mapping(subject, source, &rest)).unwrap();
        }
        std::fs::write(folder.path().join("portal"), &portal).unwrap();
        let site = Site { program, simulator };
        for account in ["gateway", "partner", "approver", "sales"] {
            site.drain(account);
        }
        site
    }

    fn order(&self, raw: &[u8]) {
        self.send(SENDER, &self.lab.address("gateway"), raw);
    }

    /// Everything that helps to see why.
    fn told(&self) -> String {
        format!("{:#}\n{:#}\n{}", self.ask(&["sale", "list"]), self.ask(&["mail", "list"]), self.log())
    }

    fn status(&self, order: &str) -> String {
        let told = self.ask(&["sale", "list"]);
        let rows = told["sales"].as_array().cloned().unwrap_or_default();
        let own = rows.iter().find(|row| row["number"] == order);
        own.and_then(|row| row["status"].as_str()).unwrap_or("none").to_string()
    }

    fn await_status(&self, order: &str, wanted: &str) {
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            if self.status(order) == wanted {
                return;
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        panic!("order {order} stands in {}, not {wanted}\n{}", self.status(order), self.told());
    }

    /// The sales desk replies to its question about an order.
    fn decide(&self, order: &str, words: &str) {
        let question = self.await_mail("approver", order);
        let (from, to) = (self.lab.address("approver"), question.reply_to[0].address.clone());
        self.send(&from, &to, story::reply(&question, &from, &to, words).as_bytes());
    }

    /// The customer has exactly one confirmation of the order, with its PDF.
    fn confirmed(&self, order: &str) -> Mail {
        let mail = self.await_mail("partner", order);
        let pdf = mail.attachments.iter().find(|file| file.media_type == "application/pdf");
        assert!(pdf.is_some_and(|file| file.bytes.starts_with(b"%PDF-")), "{}: no PDF", mail.subject);
        mail
    }
}

impl Deref for Site {
    type Target = Program;

    fn deref(&self) -> &Program {
        &self.program
    }
}

impl DerefMut for Site {
    fn deref_mut(&mut self) -> &mut Program {
        &mut self.program
    }
}

fn simulator_watch(runtime: &tokio::runtime::Runtime, simulator: &OrderSystemSimulator, folder: &std::path::Path) {
    let _guard = runtime.enter();
    simulator.watch_folder(folder);
}

fn free_port() -> String {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

/// A customer's portal: `/orders/NUMBER` shows the order as a page.
fn portal() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let Ok(mut socket) = socket else { return };
            let mut buffer = [0; 4096];
            let count = socket.read(&mut buffer).unwrap_or(0);
            let request = String::from_utf8_lossy(&buffer[..count]).into_owned();
            let number = request.split(' ').nth(1).unwrap_or("").rsplit('/').next().unwrap_or("").to_string();
            let page = html(&number);
            let _ = write!(
                socket,
                "HTTP/1.1 200 OK\r\ncontent-type: text/html; charset=utf-8\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{page}",
                page.len()
            );
        }
    });
    at
}

fn html(order: &str) -> String {
    format!(
        "<!doctype html><html><body><p>Our order: {order}</p><table><tr><th>Line</th><th>Article</th><th>Quantity</th><th>Price</th><th>Date</th></tr>\
         <tr><td>10</td><td>NW-1001</td><td>8</td><td>176.80</td><td>2026-12-21</td></tr>\
         <tr><td>20</td><td>NW-2040</td><td>25</td><td>3.45</td><td>2026-12-21</td></tr></table></body></html>"
    )
}

/// A mail with this head and body; `file` is an attachment: its name, type and bytes.
fn mail(subject: &str, kind: &str, body: &str, file: Option<(&str, &str, &[u8])>) -> Vec<u8> {
    let id = postern::model::Digest::of(format!("{subject}{body}").as_bytes()).to_string();
    let head = format!(
        "From: Acme <{SENDER}>\r\nTo: <orders@shop.example>\r\nSubject: {subject}\r\nMessage-ID: <{}@acme.example>\r\nDate: Sun, 22 Nov 2026 08:00:00 +0000\r\nMIME-Version: 1.0\r\n",
        &id[..24]
    );
    let text = format!("Content-Type: {kind}; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n{body}\r\n");
    let Some((name, media_type, bytes)) = file else { return format!("{head}{text}").into_bytes() };
    let packed = base64::engine::general_purpose::STANDARD.encode(bytes);
    let packed: Vec<&str> = packed.as_bytes().chunks(76).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!(
        "{head}Content-Type: multipart/mixed; boundary=\"=b=\"\r\n\r\n--=b=\r\n{text}\r\n--=b=\r\nContent-Type: {media_type}; name=\"{name}\"\r\n\
         Content-Disposition: attachment; filename=\"{name}\"\r\nContent-Transfer-Encoding: base64\r\n\r\n{}\r\n--=b=--\r\n",
        packed.join("\r\n")
    )
    .into_bytes()
}

fn text_order(order: &str) -> Vec<u8> {
    let body = format!(
        "Please deliver:\r\n\r\nOur order: {order}\r\n\r\nLine Article Quantity Price Date\r\n10 NW-1001 8 176.80 2026-12-21\r\n20 NW-2040 25 3.45 2026-12-21\r\nRegards\r\nAnna"
    );
    mail(&format!("Text {order}"), "text/plain", &body, None)
}

fn pdf_order(order: &str) -> Vec<u8> {
    let mut words = vec![
        paper::bold(50.0, 60.0, 14.0, "Purchase order"),
        paper::left(50.0, 90.0, 10.0, &format!("Our order: {order}")),
    ];
    let columns = [50.0, 120.0, 260.0, 340.0, 420.0];
    for (x, head) in columns.into_iter().zip(["Line", "Article", "Quantity", "Price", "Date"]) {
        words.push(paper::bold(x, 130.0, 10.0, head));
    }
    for (y, row) in [
        (150.0, ["10", "NW-1001", "8", "176.80", "2026-12-21"]),
        (168.0, ["20", "NW-2040", "25", "3.45", "2026-12-21"]),
    ] {
        for (x, cell) in columns.into_iter().zip(row) {
            words.push(paper::left(x, y, 10.0, cell));
        }
    }
    paper::pdf(&[(words, Vec::new())]).unwrap()
}

fn ubl(order: &str) -> String {
    let ns = "urn:oasis:names:specification:ubl:schema:xsd:";
    let line = |id: u32, sku: &str, quantity: &str, price: &str| {
        format!(
            "<cac:OrderLine><cac:LineItem><cbc:ID>{id}</cbc:ID><cbc:Quantity unitCode=\"C62\">{quantity}</cbc:Quantity><cac:Delivery><cac:RequestedDeliveryPeriod><cbc:EndDate>2026-12-21</cbc:EndDate></cac:RequestedDeliveryPeriod></cac:Delivery>\
             <cac:Price><cbc:PriceAmount currencyID=\"EUR\">{price}</cbc:PriceAmount></cac:Price><cac:Item><cbc:Name>{sku}</cbc:Name><cac:SellersItemIdentification><cbc:ID>{sku}</cbc:ID></cac:SellersItemIdentification></cac:Item></cac:LineItem></cac:OrderLine>"
        )
    };
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Order xmlns=\"{ns}Order-2\" xmlns:cac=\"{ns}CommonAggregateComponents-2\" xmlns:cbc=\"{ns}CommonBasicComponents-2\"><cbc:ID>{order}</cbc:ID><cbc:IssueDate>2026-11-22</cbc:IssueDate><cbc:DocumentCurrencyCode>EUR</cbc:DocumentCurrencyCode>{}{}</Order>",
        line(10, "NW-1001", "8", "176.80"),
        line(20, "NW-2040", "25", "3.45")
    )
}

fn cxml(order: &str) -> String {
    let item = |n: u32, sku: &str, quantity: &str, price: &str| {
        format!(
            "<ItemOut quantity=\"{quantity}\" lineNumber=\"{n}\" requestedDeliveryDate=\"2026-12-21T00:00:00+00:00\"><ItemID><SupplierPartID>{sku}</SupplierPartID></ItemID><ItemDetail><UnitPrice><Money currency=\"EUR\">{price}</Money></UnitPrice><Description>{sku}</Description><UnitOfMeasure>EA</UnitOfMeasure></ItemDetail></ItemOut>"
        )
    };
    format!(
        "<?xml version=\"1.0\"?>\n<cXML payloadID=\"1\" timestamp=\"2026-11-22T09:00:00\"><Header/><Request><OrderRequest><OrderRequestHeader orderID=\"{order}\" orderDate=\"2026-11-22T08:00:00+00:00\" type=\"new\"><Total><Money currency=\"EUR\">1500.65</Money></Total></OrderRequestHeader>{}{}</OrderRequest></Request></cXML>",
        item(10, "NW-1001", "8", "176.80"),
        item(20, "NW-2040", "25", "3.45")
    )
}

fn opentrans(order: &str) -> String {
    let item = |id: u32, sku: &str, quantity: &str, price: &str| {
        format!(
            "<ORDER_ITEM><LINE_ITEM_ID>{id}</LINE_ITEM_ID><PRODUCT_ID><bme:SUPPLIER_PID>{sku}</bme:SUPPLIER_PID></PRODUCT_ID><QUANTITY>{quantity}</QUANTITY><PRODUCT_PRICE_FIX><bme:PRICE_AMOUNT>{price}</bme:PRICE_AMOUNT></PRODUCT_PRICE_FIX></ORDER_ITEM>"
        )
    };
    format!(
        "<ORDER xmlns=\"http://www.opentrans.org/XMLSchema/2.1\" xmlns:bme=\"http://www.bmecat.org/bmecat/2005\"><ORDER_HEADER><ORDER_INFO><ORDER_ID>{order}</ORDER_ID><ORDER_DATE>2026-11-22T08:00:00</ORDER_DATE><bme:CURRENCY>EUR</bme:CURRENCY></ORDER_INFO></ORDER_HEADER><ORDER_ITEM_LIST>{}{}</ORDER_ITEM_LIST></ORDER>",
        item(10, "NW-1001", "8", "176.80"),
        item(20, "NW-2040", "25", "3.45")
    )
}

fn edifact(order: &str) -> String {
    let line = |n: u32, sku: &str, quantity: &str, price: &str| {
        format!("LIN+{n}'PIA+5+{sku}:SA'QTY+21:{quantity}:PCE'DTM+2:20261221:102'PRI+AAA:{price}'")
    };
    format!(
        "UNB+UNOC:3+4000001000005:14+4000002000002:14+261122:0800+77'UNH+1+ORDERS:D:96A:UN:EAN008'BGM+220+{order}+9'DTM+137:20261122:102'NAD+BY+4000001000005::9'NAD+SU+4000002000002::9'CUX+2:EUR:9'{}{}UNS+S'UNT+17+1'UNZ+1+77'",
        line(10, "NW-1001", "8", "176.80"),
        line(20, "NW-2040", "25", "3.45")
    )
}

/// Each format that customers write in, with the number it orders under.
fn every_format(site: &Site) -> Vec<(String, Vec<u8>)> {
    let portal = std::fs::read_to_string(site.folder.path().join("portal")).unwrap();
    let csv = "Line;Article;Quantity;Price;Date\r\n10;NW-1001;8;176.80;2026-12-21\r\n20;NW-2040;25;3.45;2026-12-21\r\n";
    let link = format!("<p>Your order: <a href=\"http://{portal}/orders/A-LINK\">A-LINK</a></p>");
    let attached = |subject: &str, name: &str, media_type: &str, bytes: &[u8]| {
        mail(subject, "text/plain", "Please see the attachment.", Some((name, media_type, bytes)))
    };
    let mails = [
        ("A-TEXT", text_order("A-TEXT")),
        ("A-HTML", mail("Html A-HTML", "text/html", &html("A-HTML"), None)),
        ("A-PDF", attached("Pdf A-PDF", "order.pdf", "application/pdf", &pdf_order("A-PDF"))),
        ("A-CSV", attached("Csv A-CSV", "order.csv", "text/csv", csv.as_bytes())),
        ("A-LINK", mail("Link A-LINK", "text/html", &link, None)),
        ("A-UBL", attached("Ubl", "order.xml", "application/xml", ubl("A-UBL").as_bytes())),
        ("A-CXML", attached("Cxml", "order.xml", "application/xml", cxml("A-CXML").as_bytes())),
        ("A-OT", attached("openTRANS", "order.xml", "application/xml", opentrans("A-OT").as_bytes())),
        ("A-EDI", attached("Edifact", "order.edi", "application/edifact", edifact("A-EDI").as_bytes())),
    ];
    mails.into_iter().map(|(number, raw)| (number.to_string(), raw)).collect()
}

fn script() -> Script {
    Script::default()
        .on("B-1", [Behaviour::Price { position: 20, price: Decimal::new(395, 2) }])
        .on("B-2", [Behaviour::Quantity { position: 10, quantity: Decimal::from(6) }, Behaviour::AnswerTwice])
        .on("B-3", [Behaviour::Price { position: 10, price: Decimal::new(19900, 2) }])
        .on("C-1", [Behaviour::UnknownOrder])
        .on("C-2", [Behaviour::Malformed])
        .on("C-3", [Behaviour::DownFor { tries: 2 }])
        .on("C-4", [Behaviour::Slow(Duration::from_millis(700))])
}

/// A customer's first day with us: every format is confirmed, differences are settled by the desk, faults harm nobody.
fn a_day(name: &str, by: By) {
    let Some(lab) = Lab::find(name) else { return };
    let _one = LAB.lock().unwrap_or_else(|e| e.into_inner());
    let mut site = Site::new(lab, by, script());
    site.start();
    let formats = if by == By::Reply { every_format(&site) } else { vec![("A-TEXT".into(), text_order("A-TEXT"))] };
    for (_, raw) in &formats {
        site.order(raw);
    }
    for (number, _) in &formats {
        let mail = site.confirmed(number);
        let text = mail.text.unwrap_or_default();
        assert!(text.contains("NW-1001") && text.contains("176.80"), "{number}: {text}");
        site.await_status(number, "CLOSED");
    }
    // The desk lets a difference stand, changes a line back, declines.
    for (number, words) in [("B-1", "RELEASE"), ("B-2", "CHANGE 10 qty = 8"), ("B-3", "DECLINE")] {
        site.order(&text_order(number));
        site.decide(number, words);
    }
    let released = site.confirmed("B-1");
    assert!(released.text.unwrap_or_default().contains("3.95"), "what was changed is named");
    let declined = site.await_mail("partner", "B-3");
    assert!(declined.attachments.iter().all(|file| file.media_type != "application/pdf"), "{}", declined.subject);
    site.await_status("B-1", "CLOSED");
    site.await_status("B-3", "CANCELED");
    // What was changed went to the order system under a key of its own, and its new answer counts.
    site.confirmed("B-2");
    site.await_status("B-2", "CLOSED");
    let ledger = site.simulator.ledger();
    assert_eq!(ledger.keys["B-2"].len(), 2, "{ledger:?}");
    // Answers for nobody, no XML, down and slow; in a reply there is one answer only, the right one.
    let faults: &[&str] = if by == By::Reply { &["C-3", "C-4"] } else { &["C-1", "C-2", "C-3", "C-4"] };
    for number in faults {
        site.order(&text_order(number));
    }
    for number in faults {
        site.confirmed(number);
        site.await_status(number, "CLOSED");
    }
    let ledger = site.simulator.ledger();
    assert!(ledger.twice().is_empty() && ledger.unreadable.is_empty(), "{ledger:?}");
    // The same order again is a duplicate and goes nowhere.
    let before = ledger.keys["A-TEXT"].len();
    let mut again = String::from_utf8(text_order("A-TEXT")).unwrap();
    again = again.replace("Message-ID: <", "Message-ID: <again-");
    site.order(again.as_bytes());
    let began = Instant::now();
    while site.ask(&["status"])["mails"]["duplicate"].as_u64().unwrap_or(0) == 0 {
        assert!(began.elapsed() < PATIENCE, "{}", site.told());
        std::thread::sleep(Duration::from_millis(200));
    }
    assert_eq!(site.simulator.ledger().keys["A-TEXT"].len(), before);
    assert!(site.ask(&["audit", "verify"])["ok"] == true);
    site.await_empty("gateway");
    site.kill();
}

#[test]
fn orders_on_real_servers_answered_in_the_reply() {
    a_day("orders_on_real_servers_answered_in_the_reply", By::Reply);
}

#[test]
fn orders_on_real_servers_answered_by_webhook() {
    a_day("orders_on_real_servers_answered_by_webhook", By::Webhook);
}

#[test]
fn orders_on_real_servers_answered_by_files() {
    a_day("orders_on_real_servers_answered_by_files", By::Files);
}

/// A power cut at any moment: no order is lost, none is handed over twice, each customer hears once.
fn kills(name: &str, by: By) {
    let Some(lab) = Lab::find(name) else { return };
    let _one = LAB.lock().unwrap_or_else(|e| e.into_inner());
    let long = std::env::var_os("POSTERN_LONG").is_some();
    let (count, kills) = if long { (1_000, 300) } else { (60, 25) };
    let mut site = Site::new(lab, by, Script::default());
    let mut random = fastrand::Rng::with_seed(20_261_122);
    let mut sent = 0;
    for _ in 0..kills {
        let until = (sent + count / kills + 1).min(count);
        for n in sent..until {
            site.order(&text_order(&format!("K-{n:04}")));
        }
        sent = until;
        site.start();
        std::thread::sleep(Duration::from_millis(random.u64(50..900)));
        site.kill();
    }
    site.start();
    let began = Instant::now();
    loop {
        let counts = site.ask(&["status"]);
        let told = counts["transmissions"]["SEND_ORDER_CONFIRMATION"]["TRANSMISSIONED"].as_u64().unwrap_or(0);
        if told == count as u64 {
            assert_eq!(counts["mails"]["order"], count, "{counts:#}");
            break;
        }
        assert!(began.elapsed() < PATIENCE * 3, "{told} of {count}\n{}", site.told());
        std::thread::sleep(Duration::from_millis(500));
    }
    let ledger = site.simulator.ledger();
    assert!(ledger.twice().is_empty(), "handed over twice: {:?}", ledger.twice());
    assert_eq!(ledger.keys.len(), count, "every order once");
    assert!(ledger.keys.values().all(|keys| keys.len() == 1), "{ledger:?}");
    site.kill();
    // Between the relay's 250 and our commit a mail may go out again: the same to its Message-ID.
    let mut heard: std::collections::BTreeMap<String, std::collections::BTreeSet<String>> = Default::default();
    for mail in site.drain("partner").iter().map(|raw| Mail::parse(raw)) {
        let order = mail.subject.split_whitespace().find(|word| word.starts_with("K-")).unwrap_or("").to_string();
        heard.entry(order).or_default().insert(mail.message_id.unwrap_or_default());
    }
    assert_eq!(heard.len(), count);
    assert!(heard.values().all(|ids| ids.len() == 1), "{heard:?}");
}

#[test]
fn kills_hand_nothing_over_twice_by_http() {
    kills("kills_hand_nothing_over_twice_by_http", By::Reply);
}

#[test]
fn kills_hand_nothing_over_twice_by_files() {
    kills("kills_hand_nothing_over_twice_by_files", By::Files);
}
