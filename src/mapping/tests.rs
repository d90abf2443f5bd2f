//! Reading by mappings, told as documents and what must come out of them.

use super::*;
use crate::document::{self, Part, text};

/// A reading as lines a person can compare: head fields, then one row a line, then faults.
pub(super) fn show(reading: &Reading) -> String {
    let mut out = String::new();
    let said = |fields: &std::collections::BTreeMap<crate::model::Field, crate::model::Said>| {
        fields.iter().map(|(field, said)| format!("{}={}", field.name(), said.value)).collect::<Vec<_>>().join(" | ")
    };
    out += &format!("{}\n", said(&reading.message.fields));
    for line in &reading.message.lines {
        out += &format!("- {}\n", said(line));
    }
    for fault in &reading.faults {
        out += &format!("! {} {} @ {}\n", fault.code, fault.message, fault.place.clone().unwrap_or_default());
    }
    out
}

pub(super) fn mapping(text: &str) -> Mapping {
    let (mapping, found) = check("p/l", "l.toml", text);
    mapping.unwrap_or_else(|| panic!("{}", found.iter().map(|d| d.draw(text, false)).collect::<Vec<_>>().join("\n")))
}

const HEAD: &str = r#"
partner = "p"
kind = "response"
[match]
from = "@p.example"
[source]
part = "SOURCE"
[formats]
decimal = ","
date = ["%d.%m.%Y", "%d. %B %Y"]
locale = "de"
currency = "EUR"
[codes.status]
"bestätigt" = "accepted"
"Rückstand" = "backordered"
"storniert" = "canceled"
[codes.reason]
"nicht mehr lieferbar" = "RCL020"
"#;

fn with(source: &str, rest: &str) -> Mapping {
    mapping(&(HEAD.replace("SOURCE", source) + rest))
}

fn read_text(mapping: &Mapping, content: &str) -> String {
    let shown = show(&read(mapping, &text::part("text", content), &Surroundings::default()));
    // As the gateway reads: no mapping needs the cells of text.
    let limits = document::Limits { cells_of_text: false, ..document::Limits::default() };
    let part = text::part_within("text", content, &limits);
    assert_eq!(shown, show(&read(mapping, &part, &Surroundings::default())));
    shown
}

fn read_html(mapping: &Mapping, content: &str) -> String {
    show(&read(mapping, &document::html::part("html", content, &document::Limits::default()), &Surroundings::default()))
}

const TABLE: &str = r#"
[fields]
order_number = { label = "Ihre Bestellung" }
supplier_order_number = { label = "Auftrag" }
entry_date = { label = "Datum" }
[table]
[table.columns]
position = "Pos"
supplier_sku = ["Artikel-Nr.", "Art.Nr."]
name = { column = "Bezeichnung", required = false }
quantity_confirmed = "Menge"
price_net = "E-Preis"
confirmed_date = "Termin"
status = "Status"
"#;

/// The commonest mail there is: fixed columns, a wrapped name, a sum below.
#[test]
fn a_table_in_text() {
    let mail = "\
Guten Tag,

Auftrag: AB-77 vom 20.11.2026
Ihre Bestellung 4711        Datum: 21. November 2026

Pos  Artikel-Nr.  Bezeichnung            Menge   E-Preis  Termin      Status
---  -----------  ---------------------  -----  --------  ----------  ------
10   B-100        Sechskantschraube         10     12,50  01.12.2026  bestätigt
                  M8 verzinkt
20   B-200        Mutter                 1.000  1.768,40  02.12.2026  bestätigt

30   B-300        Scheibe                    0      0,10  -           storniert (nicht mehr lieferbar)
Zwischensumme                                   1.800,00

Mit freundlichen Grüßen
Ihr Nordwind-Team
";
    assert_eq!(
        read_text(&with("text", TABLE), mail),
        "order_number=4711 | supplier_order_number=AB-77 | entry_date=2026-11-21 | currency=EUR\n\
         - position=10 | supplier_sku=B-100 | name=Sechskantschraube M8 verzinkt | quantity_confirmed=10 | price_net=12.5 | confirmed_date=2026-12-01 | status=accepted\n\
         - position=20 | supplier_sku=B-200 | name=Mutter | quantity_confirmed=1000 | price_net=1768.4 | confirmed_date=2026-12-02 | status=accepted\n\
         - position=30 | supplier_sku=B-300 | name=Scheibe | quantity_confirmed=0 | price_net=0.1 | status=canceled | reason=RCL020\n"
    );
}

/// Half a delivery taken for the whole one, or a price without its discount: of two values in one cell none is
/// taken silently.
#[test]
fn two_values_in_one_cell_are_a_fault() {
    let table = |quantity: &str, price: &str, date: &str| {
        format!(
            "<p>Ihre Bestellung: 4711</p><table><tr><th>Pos</th><th>Menge</th><th>Preis</th><th>Termin</th></tr>\
             <tr><td>10</td><td>{quantity}</td><td>{price}</td><td>{date}</td></tr></table>"
        )
    };
    let columns = "[fields]\norder_number = { label = \"Ihre Bestellung\" }\n[table]\n[table.columns]\nposition = \"Pos\"\n\
                   quantity_confirmed = \"Menge\"\nprice_net = \"Preis\"\nconfirmed_date = \"Termin\"\n";
    let usual = with("html", columns);
    for (quantity, price, date, fault) in [
        (
            "<p>5</p><p>4</p>",
            "89,95",
            "01.12.2026",
            "`5` cannot be read as quantity_confirmed: `4` stands in the cell, too",
        ),
        ("25<br>15", "89,95", "01.12.2026", "`25` cannot be read as quantity_confirmed: `15` stands in the cell, too"),
        ("5", "€ 89,95<br>-10%", "01.12.2026", "`€ 89,95` cannot be read as price_net: `-10%` stands in the cell, too"),
        (
            "5",
            "89,95",
            "01.12.2026<br>08.12.2026",
            "`01.12.2026` cannot be read as confirmed_date: `08.12.2026` stands in the cell, too",
        ),
        (
            "5</td><td>89,95</td><td></td></tr><tr><td></td><td>10",
            "",
            "",
            "`5` cannot be read as quantity_confirmed: `10` stands",
        ),
    ] {
        let read = read_html(&usual, &table(quantity, price, date));
        assert!(read.contains(fault), "{quantity} {price} {date}: {read}");
    }
    for (quantity, price, date) in [
        ("5<br>Stk", "89,95<br>EUR", "01.12.2026<br>fix"),
        ("5 Stk<br>5", "EUR<br>89,95", "01.12.2026<br>1. Dezember 2026"),
        ("5<br>-", "89,95<br>netto", "01.12.2026<br>"),
    ] {
        let read = read_html(&usual, &table(quantity, price, date));
        let line = "quantity_confirmed=5 | ";
        assert!(
            read.contains(line) && read.contains("price_net=89.95 | confirmed_date=2026-12-01") && !read.contains("! "),
            "{read}"
        );
    }
    let first = with("html", &columns.replace("= \"Menge\"", "= { column = \"Menge\", line = 1 }"));
    let read = read_html(&first, &table("5<br>4", "89,95", "01.12.2026"));
    assert!(read.contains("quantity_confirmed=5 ") && !read.contains("! "), "{read}");
}

/// A mail that answers two orders taken for the answer to the first leaves the second unanswered, and the first with
/// lines that are not its own.
#[test]
fn two_order_numbers_are_a_fault() {
    let mapping =
        with("html", "[fields]\norder_number = { label = \"Uw bestelnummer\" }\nentry_date = { label = \"Datum\" }\n");
    let read = |numbers: &str| {
        let row =
            format!("<tr><td>Uw bestelnummer:</td><td>{numbers}</td></tr><tr><td>Datum:</td><td>20.11.2026</td></tr>");
        read_html(&mapping, &format!("<table>{row}</table><p>Uw bestelnummer: 4500103</p>"))
    };
    for two in ["4500103, 4500104", "4500103 en 4500104", "4500103 / 4500104"] {
        let fault = format!("! INVALID_VALUE `{two}` cannot be read as order_number: it names more than one order");
        assert!(read(two).contains(&fault) && !read(two).contains("order_number=4500103"), "{}", read(two));
    }
    for one in ["4500103", "4500103 (20.11.2026)", "4500103, 20.11.2026"] {
        assert!(
            read(one).starts_with("order_number=4500103 | entry_date=2026-11-20") && !read(one).contains("! "),
            "{}",
            read(one)
        );
    }
}

/// What cannot be read must be said with its place, all of it at once, and nothing guessed.
#[test]
fn faults_name_their_places() {
    let mail = "\
Ihre Bestellung 4711   Datum: 31.02.2026

Pos  Art.Nr.  Menge   E-Preis  Termin      Status
10   B-100    zehn      12.50  01.12.2026  vielleicht
";
    assert_eq!(
        read_text(&with("text", TABLE), mail),
        "order_number=4711 | currency=EUR\n\
         - position=10 | supplier_sku=B-100 | confirmed_date=2026-12-01\n\
         ! MISSING_FIELD supplier_order_number was not found: nothing fits fields.supplier_order_number label \"Auftrag\" @ text\n\
         ! INVALID_VALUE `31.02.2026` cannot be read as entry_date: there is no day 31 in month 2 of 2026 (rule fields.entry_date label \"Datum\") @ text:1:31\n\
         ! INVALID_VALUE `zehn` cannot be read as quantity_confirmed: there is no digit in it (rule table.columns.quantity_confirmed \"Menge\") @ text:4:15\n\
         ! INVALID_VALUE `12.50` cannot be read as price_net: `50` is no group of three digits; the decimal sign is `,` (rule table.columns.price_net \"E-Preis\") @ text:4:25\n\
         ! INVALID_VALUE `vielleicht` cannot be read as status: `vielleicht` is not among [codes.status] (rule table.columns.status \"Status\") @ text:4:44\n"
    );
    let other = "Ihre Bestellung 4711  Auftrag 5 Datum 1.2.2026\n\nPos  Artikel  Anzahl\n10   B-100    5\n";
    let read = read_text(&with("text", TABLE), other);
    assert!(read.contains("the column head `Artikel-Nr.` or `Art.Nr.`, `Menge`, `E-Preis`, `Termin`, `Status` was not found (`Pos` were)") || read.contains("was not found"), "{read}");
    assert!(!read.contains("\n- "), "{read}");
}

/// Heads over two lines, values right of their head, units beside quantities, prices per 100.
#[test]
fn crooked_tables_in_text() {
    let rest = r#"
[fields]
order_number = { label = "Bestell-Nr." }
[table]
end = '^Summe'
[table.columns]
supplier_sku = "Artikel"
quantity_confirmed = "Bestätigte Menge"
price_net = "Preis EUR"
price_basis = "PE"
status = "Status"
"#;
    let mail = "\
Bestell-Nr.   Datum
4711          1.2.2026

Artikel               Bestätigte       Preis   PE   Status
                           Menge         EUR
B-100 Schraube            10 Stk    1.250,00  100   bestätigt
B-200 Mutter           1.000 Stk       12,50    1   Rückstand
Summe                              13.750,00
";
    assert_eq!(
        read_text(&with("text", rest), mail),
        "order_number=4711 | currency=EUR\n\
         - supplier_sku=B-100 Schraube | quantity_confirmed=10 | unit=Stk | price_net=12.5 | price_basis=100 | status=accepted\n\
         - supplier_sku=B-200 Mutter | quantity_confirmed=1000 | unit=Stk | price_net=12.5 | price_basis=1 | status=backordered\n"
    );
}

/// A price for a hundred that was read as a price for one would be a deviation of 99 %, or none where the order's price is
/// wrong in the same way.
#[test]
fn a_labelled_price_for_many_is_not_cut_down_to_one() {
    let read = |formats: &str, price: &str| {
        let rest = r#"
[fields]
order_number = { label = "Bestellung" }
[table]
[table.columns]
supplier_sku = "Artikel"
quantity_confirmed = "Menge"
price_net = { label = "Preis" }
"#;
        let text = (HEAD.replace("SOURCE", "text") + rest).replace("currency = \"EUR\"", formats);
        let mail = format!(
            "Bestellung 4711\n\nArtikel   Menge\nB-100        50\n  Preis: {price}\nB-200         7\n  Preis: 3,00 EUR\n"
        );
        read_text(&mapping(&text), &mail)
    };
    for price in ["12,50 EUR", "12,50 EUR je Stück", "12,50 / Stk", "12,50 EUR netto"] {
        assert!(read("", price).contains("price_net=12.5"), "{price}: {}", read("", price));
    }
    for price in ["12,50 EUR/100", "12,50 EUR / 100 Stk", "12,50 je 100", "12,50 € per 1000", "12,50 / Hundert"] {
        let refused = read("", price);
        assert!(refused.contains(price) && !refused.contains("price_net=12.5"), "{price}: {refused}");
        // Whoever says what prices are for knows what is cut.
        assert!(
            read("price_per = 100", price).contains("price_net=0.125"),
            "{price}: {}",
            read("price_per = 100", price)
        );
    }
}

/// A partner who sells one thing a line never writes the quantity: it is known all the same.
#[test]
fn lines_mean_what_they_need_not_say() {
    let mapping = with(
        "text",
        "[fields]\norder_number = { find = 'Nr (\\S+)' }\n\
         [lines]\nstart = '^Ihre Verträge'\nend = '^Summe'\nline = '^(?<product_id>\\S.*?)\\s{2,}(?:(?<quantity_confirmed>\\d+) Stk\\s+)?(?<line_total>[\\d.,]+) €$'\n\
         [lines.values]\nquantity_confirmed = \"1\"\nstatus = \"accepted\"\n",
    );
    assert_eq!(
        read_text(
            &mapping,
            "Nr 4711\nIhre Verträge\nHaftpflicht         50,00 €\nGlas   2 Stk    1.000,00 €\nSumme  1.050,00 €\n"
        ),
        "order_number=4711 | currency=EUR\n\
         - product_id=Haftpflicht | quantity_confirmed=1 | line_total=50 | status=accepted\n\
         - product_id=Glas | quantity_confirmed=2 | line_total=1000 | status=accepted\n"
    );
    let wrong = HEAD.replace("SOURCE", "text")
        + "[lines]\nline = '^(?<position>\\d+)$'\n[lines.values]\nquantity_confirmed = \"one\"\norder_number = \"1\"\n";
    let (_, complaints) = check("p/l", "l.toml", &wrong);
    let codes: Vec<&str> = complaints.iter().map(|complaint| complaint.code.as_str()).collect();
    assert!(codes.contains(&"MAP012") && codes.contains(&"MAP007"), "{codes:?}");
}

/// Two-line rows by patterns; a row that no pattern reads must not vanish.
#[test]
fn lines_by_patterns() {
    let rest = r#"
[fields]
order_number = { find = 'Bestellung\s+(\S+)' }
delivery_date = { between = ["Lieferung:", ""], required = false }
[lines]
start = '^Pos\s'
line = '^\s*(?<position>\d+)\s+(?<supplier_sku>\S+)\s+(?<quantity_confirmed>[\d.]+)\s+\S+\s+(?<price_net>[\d.,]+)$'
more = ['^\s+Liefertermin:\s*(?<confirmed_date>\S+)', '^\s+Status:\s*(?<status>.+)']
end = '^Gesamt'
"#;
    let mail = "\
Ihre Bestellung 4711
Lieferung: 5. Dezember 2026

Pos Artikel  Menge Einheit Preis
 10 B-100       10 Stk     12,50
    Liefertermin: 01.12.2026
    Status: bestätigt
 20 B-200        5 Stk     3,00
    Liefertermin: 02.12.2026
    Status: Rückstand
 30 B-300        ?
Gesamt 140,00
";
    assert_eq!(
        read_text(&with("text", rest), mail),
        "order_number=4711 | currency=EUR | delivery_date=2026-12-05\n\
         - position=10 | supplier_sku=B-100 | quantity_confirmed=10 | price_net=12.5 | confirmed_date=2026-12-01 | status=accepted\n\
         - position=20 | supplier_sku=B-200 | quantity_confirmed=5 | price_net=3 | confirmed_date=2026-12-02 | status=backordered\n\
         ! UNREADABLE the row `30 B-300        ?` looks like a line, but no pattern of [lines] reads it @ text:11:2\n"
    );
}

/// An HTML table with a detail row below each line, inside a layout table.
#[test]
fn a_table_in_html() {
    let rest = r#"
[fields]
order_number = { label = "Ihre Bestellung" }
response_number = { css = "td.no" }
[table]
[table.columns]
position = "Pos"
supplier_sku = "Artikel"
quantity_confirmed = "Menge"
confirmed_date = { label = "Liefertermin" }
status = "Status"
note = { find = 'Hinweis: (.+)' }
"#;
    let html = "<table><tr><td><p>Ihre Bestellung: <b>4711</b></p><table><tr><td class=no>AB 5</td></tr></table>\
        <table border=1><tr><th>Pos</th><th>Artikel</th><th>Menge</th><th>Status</th></tr>\
        <tr><td>10</td><td>B-100<br>Schraube</td><td align=right>1.000</td><td>bestätigt</td></tr>\
        <tr><td></td><td colspan=3>Liefertermin: 01.12.2026</td></tr>\
        <tr><td>20</td><td>B-200</td><td>5</td><td>storniert (Werkzeug defekt)</td></tr>\
        <tr><td></td><td colspan=3>Hinweis: Ersatz folgt</td></tr>\
        <tr><td colspan=4>Gesamt 100,00 EUR</td></tr></table></td></tr></table>";
    assert_eq!(
        read_html(&with("html", rest), html),
        "order_number=4711 | response_number=AB 5 | currency=EUR\n\
         - position=10 | supplier_sku=B-100 | quantity_confirmed=1000 | confirmed_date=2026-12-01 | status=accepted\n\
         - note=Ersatz folgt | position=20 | supplier_sku=B-200 | quantity_confirmed=5 | status=canceled | reason=Werkzeug defekt\n"
    );
}

/// Words at points of a page: (x, y, text) with ten points a line and five a character.
fn page(words: &[(f64, f64, &str)]) -> document::Page {
    let mut rows: Vec<f64> = words.iter().map(|word| word.1).collect();
    rows.dedup();
    let mut page = document::Page { width: 600.0, height: 800.0, ..document::Page::default() };
    for y in rows {
        let mut line = document::Line::default();
        for (x, _, text) in words.iter().filter(|word| (word.1 - y).abs() < 0.1) {
            let mut at = *x;
            for word in text.split(' ') {
                let width = 5.0 * word.chars().count() as f64;
                line.words.push(document::Word {
                    text: word.into(),
                    x0: at,
                    y0: y,
                    x1: at + width,
                    y1: y + 8.0,
                    hidden: false,
                });
                at += width + 2.0;
            }
        }
        page.lines.push(line);
    }
    page
}

/// A PDF over two pages, heads repeated, carry-over rows and page furniture between.
#[test]
fn a_pdf_over_two_pages() {
    let rest = r#"
[fields]
order_number = { label = "Bestellung" }
[table]
[table.columns]
position = "Pos."
supplier_sku = "Artikel-Nr."
name = "Bezeichnung"
quantity_confirmed = "Menge"
price_net = "Einzelpreis"
"#;
    let mut part = Part::new(document::Kind::Pdf, "ab.pdf");
    let heads = |y: f64| {
        [
            (20.0, y, "Pos."),
            (60.0, y, "Artikel-Nr."),
            (150.0, y, "Bezeichnung"),
            (350.0, y, "Menge"),
            (420.0, y, "Einzelpreis"),
            (500.0, y, "Betrag"),
        ]
    };
    let mut first = vec![(20.0, 20.0, "Bestellung: 4711")];
    first.extend(heads(100.0));
    first.extend([
        (20.0, 115.0, "10"),
        (60.0, 115.0, "B-100"),
        (150.0, 115.0, "Schraube mit langem Namen und Zusatz"),
        (365.0, 115.0, "10"),
        (440.0, 115.0, "12,50"),
        (510.0, 115.0, "125,00"),
        (150.0, 125.0, "zweite Zeile des Namens"),
        (20.0, 140.0, "20"),
        (60.0, 140.0, "B-200"),
        (150.0, 140.0, "Mutter"),
        (360.0, 140.0, "200"),
        (445.0, 140.0, "0,10"),
        (515.0, 140.0, "20,00"),
        (150.0, 160.0, "Übertrag"),
        (510.0, 160.0, "145,00"),
        (20.0, 780.0, "Amtsgericht Hamburg HRB 12345"),
        (400.0, 780.0, "Seite 1 von 2"),
    ]);
    let mut second = vec![(20.0, 20.0, "Nordwind GmbH")];
    second.extend(heads(60.0));
    second.extend([
        (150.0, 75.0, "Übertrag"),
        (510.0, 75.0, "145,00"),
        (20.0, 90.0, "30"),
        (60.0, 90.0, "B-300"),
        (150.0, 90.0, "Scheibe"),
        (370.0, 90.0, "5"),
        (445.0, 90.0, "1,00"),
        (515.0, 90.0, "5,00"),
        (150.0, 110.0, "Gesamtsumme"),
        (510.0, 110.0, "150,00"),
        (20.0, 130.0, "10 Tage 2 % Skonto"),
    ]);
    part.pages = vec![page(&first), page(&second)];
    let mapping = with("pdf", rest);
    assert_eq!(
        show(&read(&mapping, &part, &Surroundings::default())),
        "order_number=4711 | currency=EUR\n\
         - position=10 | supplier_sku=B-100 | name=Schraube mit langem Namen und Zusatz zweite Zeile des Namens | quantity_confirmed=10 | price_net=12.5\n\
         - position=20 | supplier_sku=B-200 | name=Mutter | quantity_confirmed=200 | price_net=0.1\n\
         - position=30 | supplier_sku=B-300 | name=Scheibe | quantity_confirmed=5 | price_net=1\n"
    );
}

/// Subject, file name and constants are sources, too.
#[test]
fn fields_from_elsewhere() {
    let rest = r#"
[fields]
order_number = { from = "subject", find = 'Order (\S+)' }
response_number = { from = "filename", find = '^AB_(\d+)' }
currency = { value = "CHF" }
state = { find = '(alles bestätigt)' }
note = { label = "Anmerkung", required = false }
[codes.state]
"alles bestätigt" = "ACC"
"#;
    let part = text::part("AB_99.txt", "Wir haben alles bestätigt.\nAnmerkung: Lieferung ab Lager, frei Haus\n");
    let around = Surroundings { subject: "Re: Order 4711", filename: "AB_99.txt", body: None };
    assert_eq!(
        show(&read(&with("text", rest), &part, &around)),
        "order_number=4711 | response_number=99 | state=ACC | currency=CHF | note=Lieferung ab Lager, frei Haus\n"
    );
}

/// Hidden words must not reach a rule: they are how an automatic reader is deceived.
#[test]
fn hidden_words_say_nothing() {
    let mut part = text::part("text", "Ihre Bestellung 4711\n");
    part.pages[0].lines[0].words[2].hidden = true;
    let mapping = with("text", "[fields]\norder_number = { label = \"Ihre Bestellung\" }\n");
    let reading = read(&mapping, &part, &Surroundings::default());
    assert!(!reading.message.fields.contains_key(&crate::model::Field::OrderNumber));
    assert_eq!(reading.faults.len(), 1);
}

/// Cartons of twelve answered for pieces ordered: quantity and price follow the unit.
#[test]
fn units_with_a_factor_and_schedules() {
    let rest = r#"
[fields]
order_number = { label = "Bestellung" }
[table]
schedule = 'davon (?<quantity>[\d.]+) am (?<date>[\d.]+)'
[table.columns]
position = "Pos"
quantity_confirmed = "Menge"
unit = "Einheit"
price_net = "Preis"
[codes.unit]
"Karton" = { unit = "PCE", factor = 12 }
"#;
    let mail = "Bestellung 4711\n\nPos  Menge  Einheit  Preis\n1        2  Karton   24,00\n     davon 1 am 01.12.2026, davon 1 am 05.12.2026\n2        5  Stk       1,00\n";
    assert_eq!(
        read_text(&with("text", rest), mail),
        "order_number=4711 | currency=EUR\n\
         - position=1 | quantity_confirmed=24 | unit=PCE | price_net=2 | schedule=1 on 2026-12-01; 1 on 2026-12-05\n\
         - position=2 | quantity_confirmed=5 | unit=Stk | price_net=1\n"
    );
}

const XML: &str = r#"
partner = "p"
kind = "response"
[match]
from = "@p.example"
[source]
part = "xml"
[formats]
decimal = "."
date = ["%Y-%m-%d"]
[fields]
order_number = { xpath = "/Bestaetigung/Kopf/BestellNr" }
currency     = { xpath = "//Kopf/@waehrung" }
[table]
rows = "//p:Zeile"
skip = 'art@  Fracht|@art  Fracht'
schedule = '(?m)^Lieferung(?:\[\d+\])?/Menge  (?<quantity>\S+)\n.*Tag  (?<date>\S+)$'
[table.columns]
position           = "@nr"
supplier_sku       = ["Artikel/Nummer", "Artikel"]
quantity_confirmed = "Menge"
unit               = "Menge/@einheit"
price_net          = { column = "Preis", find = '([\d.]+)' }
status             = "Zustand[@art='voll']"
reason             = { column = "Grund", required = false }
[codes.status]
"ja" = "accepted"
"nein" = "canceled"
[codes.reason]
"aus" = "RCL020"
"#;

/// A partner whose program writes an XML of its own is read by paths: repeated elements are lines, attributes
/// and children their columns, whatever prefix its program chose today.
#[test]
fn xml_of_a_partners_own_making() {
    let source = "<?xml version='1.0'?><a:Bestaetigung xmlns:a='urn:p' xmlns:p='urn:p'><a:Kopf waehrung='EUR'><a:BestellNr> 4711 </a:BestellNr></a:Kopf>\
        <a:Zeilen><a:Zeile nr='10'><a:Artikel><a:Nummer>B1</a:Nummer></a:Artikel><a:Menge einheit='PCE'>8</a:Menge><a:Preis>EUR 100.50</a:Preis><a:Zustand art='x'>nein</a:Zustand><a:Zustand art='voll'>ja</a:Zustand>\
        <a:Lieferung><a:Menge>5</a:Menge><a:Tag>2026-12-01</a:Tag></a:Lieferung><a:Lieferung><a:Menge>3</a:Menge><a:Tag>2026-12-08</a:Tag></a:Lieferung></a:Zeile>\
        <a:Zeile nr='20'><a:Artikel>B2</a:Artikel><a:Menge>fünf</a:Menge><a:Zustand art='voll'>nein</a:Zustand><a:Grund>aus</a:Grund></a:Zeile>\
        <a:Zeile nr='99' art='Fracht'><a:Preis>9.00</a:Preis></a:Zeile></a:Zeilen></a:Bestaetigung>";
    let parts = document::read(
        &document::Input { name: "ab.xml", media_type: "application/xml", bytes: source.as_bytes() },
        &document::Limits::default(),
    );
    let reading = read(&mapping(XML), &parts[0], &Surroundings::default());
    assert_eq!(
        show(&reading),
        "order_number=4711 | currency=EUR\n\
         - position=10 | supplier_sku=B1 | quantity_confirmed=8 | unit=PCE | price_net=100.5 | status=accepted | schedule=5 on 2026-12-01; 3 on 2026-12-08\n\
         - position=20 | supplier_sku=B2 | status=canceled | reason=RCL020\n\
         ! INVALID_VALUE `fünf` cannot be read as quantity_confirmed: there is no digit in it (rule table.columns.quantity_confirmed \"Menge\") @ ab.xml, /Bestaetigung/Zeilen/Zeile[2]/Menge\n"
    );
    let place = |field: crate::model::Field| reading.message.lines[0][&field].place.to_string();
    assert_eq!(place(crate::model::Field::Unit), "ab.xml, /Bestaetigung/Zeilen/Zeile[1]/Menge@einheit");
    let drawn = explain::draw(&reading, &parts[0]);
    assert!(drawn.contains("^^^^ order_number = 4711") && drawn.contains("^^ 1.supplier_sku = B1"), "{drawn}");
    // Lines by patterns over the paths work, too.
    let lines = XML.split("[table]").next().unwrap().to_string()
        + "[lines]\nline = '^\\S+/Zeile\\[\\d+\\]@nr\\s+(?<position>\\d+)$'\nmore = ['/Menge\\s+(?<quantity_confirmed>\\d+)$', '/(?:Nummer|Artikel)\\s+(?<supplier_sku>\\S+)$']\n";
    let reading = read(&mapping(&lines), &parts[0], &Surroundings::default());
    assert_eq!(reading.message.lines.len(), 3, "{}", show(&reading));
    assert!(show(&reading).contains("- position=10 | supplier_sku=B1 | quantity_confirmed=8"), "{}", show(&reading));
}

/// What cannot work on XML is said when the mapping is written, at its place.
#[test]
fn mistakes_in_mappings_of_xml() {
    for (from, to, code) in [
        ("rows = \"//p:Zeile\"\n", "", "MAP004"),
        ("rows = \"//p:Zeile\"", "rows = \"//Zeile/@nr\"", "MAP016"),
        ("rows = \"//p:Zeile\"", "rows = \"//Zeile[\"", "MAP016"),
        ("skip = ", "first = 'x'\nskip = ", "MAP018"),
        ("= \"Menge\"\n", "= \"Menge(\"\n", "MAP016"),
        ("part = \"xml\"", "part = \"text\"", "MAP018"),
    ] {
        let text = XML.replacen(from, to, 1);
        assert_ne!(text, XML, "{from}");
        let (made, found) = check("p/l", "l.toml", &text);
        assert!(made.is_none() && found.iter().any(|d| d.code == code), "{to}: {found:#?}");
    }
}
