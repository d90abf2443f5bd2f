//! Six layouts of other shapes: rows without labels, columns set right, no table at all.

use super::*;

/// German text, the second row of a line holds the name and the date, without words that say so.
fn bare_second_row(l: &Letter) -> Vec<u8> {
    let mut t = format!(
        "Bauer & Söhne KG\nIndustriestraße 4\n\nAuftragsbestätigung {}\n\nIhre Bestellnummer     {}\nvom                    {}\n\n",
        l.confirmation,
        l.number,
        date(l.day, "%d.%m.%Y")
    );
    t += "Pos.  Artikel           Menge        Preis\n      Bezeichnung                   Lieferung\n";
    t += "-----------------------------------------\n";
    for a in &l.answers {
        writeln!(
            t,
            "{:>4}  {:<14}  {:>7}  {:>11}\n      {:<24}     {}",
            a.position,
            a.sku,
            number(a.quantity, 0, ',', "."),
            number(a.price, 2, ',', "."),
            a.name,
            date(a.date, "%d.%m.%Y")
        )
        .unwrap();
    }
    t += "-----------------------------------------\nSumme              10,00\n\nMit freundlichen Grüßen\n";
    eml(&format!("Auftragsbestätigung {}", l.confirmation), l.day, "plain", &t, None)
}

/// English text, every column set right, no rulings.
fn right_aligned(l: &Letter) -> Vec<u8> {
    let mut t = format!(
        "Hello,\n\nwe acknowledge the following order.\n\n  Purchase order: {}\n  Our reference:  {}\n  Date:           {}\n\n",
        l.number,
        l.confirmation,
        date(l.day, "%d %b %Y")
    );
    writeln!(
        t,
        "{:>6}{:>14}{:>12}{:>14}{:>16}{:>14}",
        "Item", "Part no.", "Quantity", "Unit price", "Delivery", "Status"
    )
    .unwrap();
    for a in &l.answers {
        writeln!(
            t,
            "{:>6}{:>14}{:>12}{:>14}{:>16}{:>14}",
            a.position,
            a.sku,
            number(a.quantity, 0, '.', ","),
            number(a.price, 2, '.', ","),
            date(a.date, "%d %b %Y"),
            word(a.status, ["confirmed", "backordered", "cancelled"])
        )
        .unwrap();
    }
    writeln!(t, "\n{:>46}", "1,234.00").unwrap();
    t += "\nKind regards\n";
    eml(&format!("Acknowledgement {}", l.confirmation), l.day, "plain", &t, None)
}

/// HTML of blocks instead of a table: a card a line.
fn cards(l: &Letter) -> Vec<u8> {
    let mut cards = String::new();
    for a in &l.answers {
        write!(
            cards,
            "<div class=\"item\"><div class=\"head\"><span>Pos. {}</span> <b>{}</b></div><div>Artikelnummer: {}</div><div>Menge: {} Stk</div><div>Preis: {} EUR</div><div>Lieferdatum: {}</div><div>Status: {}</div></div>",
            a.position,
            a.name,
            a.sku,
            number(a.quantity, 0, ',', "."),
            number(a.price, 2, ',', "."),
            date(a.date, "%d.%m.%Y"),
            word(a.status, ["bestätigt", "im Rückstand", "storniert"])
        )
        .unwrap();
    }
    let html = format!(
        "<html><body><div style=\"max-width:600px\"><h2>Vielen Dank für Ihre Bestellung</h2><div>Bestellnummer: {}</div><div>Auftragsnummer: {}</div><div>Datum: {}</div><div class=\"items\">{cards}</div><div>Gesamtbetrag: 1.234,00 EUR</div><div>Mit freundlichen Grüßen, Ihr Team vom Kundendienst</div></div></body></html>",
        l.number,
        l.confirmation,
        date(l.day, "%d.%m.%Y")
    );
    eml(&format!("Ihre Bestellung {} ist bestätigt", l.number), l.day, "html", &html, None)
}

/// HTML of blocks: the values of a line stand side by side in one block, parted by bars.
fn bars(l: &Letter) -> Vec<u8> {
    let mut rows = String::new();
    for a in &l.answers {
        write!(
            rows,
            "<div><span>{}</span> | <span>{}</span> | <span>{}</span> | <span>{}</span> | <span>{}</span> | <span>{}</span></div>",
            a.position,
            a.sku,
            a.name,
            number(a.quantity, 0, '.', ","),
            number(a.price, 2, '.', ","),
            date(a.date, "%Y-%m-%d")
        )
        .unwrap();
    }
    let html = format!(
        "<html><body><p>Thank you for your order {}, we confirm it as {} on {}.</p><div><b>Line | Article | Description | Quantity | Price | Delivery</b></div>{rows}<p>Total | 12.00</p><p>Kind regards from all of us</p></body></html>",
        l.number,
        l.confirmation,
        date(l.day, "%Y-%m-%d")
    );
    eml(&format!("Order {} confirmed", l.number), l.day, "html", &html, None)
}

/// PDF with descriptions that wrap over up to three rows, and remarks between the lines.
fn wrapped_pdf(l: &Letter) -> Vec<u8> {
    let put = |x: f64, y: f64, t: &str| (x, y, false, t.to_string());
    let right = |x: f64, y: f64, t: String| (x, y, true, t);
    let mut p = vec![
        put(50.0, 50.0, "Hansen Armaturen GmbH"),
        put(50.0, 80.0, "AUFTRAGSBESTÄTIGUNG"),
        put(350.0, 80.0, &format!("Nummer: {}", l.confirmation)),
        put(350.0, 92.0, &format!("Datum: {}", date(l.day, "%d.%m.%Y"))),
        put(350.0, 104.0, &format!("Ihre Bestellung: {}", l.number)),
    ];
    for (x, head) in [
        (50.0, "Pos"),
        (80.0, "Artikel-Nr."),
        (160.0, "Bezeichnung"),
        (310.0, "Menge"),
        (370.0, "Einzelpreis"),
        (450.0, "Liefertermin"),
    ] {
        p.push(put(x, 140.0, head));
    }
    let mut y = 156.0;
    for (index, a) in l.answers.iter().enumerate() {
        p.extend([
            put(50.0, y, &a.position.to_string()),
            put(80.0, y, &a.sku),
            put(160.0, y, a.name),
            right(335.0, y, number(a.quantity, 0, ',', ".")),
            right(415.0, y, number(a.price, 2, ',', ".")),
            put(450.0, y, &date(a.date, "%d.%m.%Y")),
        ]);
        let wraps = ["", "verzinkt, im Karton", "nach Zeichnung 17 und mit\u{a0}Zeugnis"];
        for words in wraps.iter().take(index % 3 + 1).filter(|words| !words.is_empty()) {
            y += 11.0;
            p.push(put(160.0, y, words));
        }
        y += 18.0;
    }
    p.push(put(310.0, y + 6.0, "Summe netto"));
    p.push(right(415.0, y + 6.0, "1.234,00".into()));
    eml(
        &format!("Auftragsbestätigung {}", l.confirmation),
        l.day,
        "plain",
        "Guten Tag,\n\nim Anhang finden Sie unsere Bestätigung.\n",
        Some((&format!("{}.pdf", l.confirmation), pdf(&[p]))),
    )
}

/// American text: the month first, columns parted by tabs, a price for each.
fn american_tabs(l: &Letter) -> Vec<u8> {
    let mut t = format!(
        "Thank you for your business!\n\nPO Number:\t{}\nSales Order:\t{}\nOrder Date:\t{}\n\nLn\tItem Number\tDescription\tQty\tUOM\tPrice\tPromise Date\n",
        l.number,
        l.confirmation,
        date(l.day, "%m/%d/%Y")
    );
    for a in &l.answers {
        writeln!(
            t,
            "{}\t{}\t{}\t{}\tEA\t{}\t{}",
            a.position,
            a.sku,
            a.name,
            number(a.quantity, 0, '.', ","),
            number(a.price, 2, '.', ","),
            date(a.date, "%m/%d/%Y")
        )
        .unwrap();
    }
    t += "\nOrder Total\t\t\t\t\t12.00\n\nSincerely,\nInside Sales\n";
    eml(&format!("Sales Order {} for PO {}", l.confirmation, l.number), l.day, "plain", &t, None)
}

pub(super) const LAYOUTS: [Layout; 6] = [
    ("bare second row", false, bare_second_row),
    ("right aligned", true, right_aligned),
    ("cards", true, cards),
    ("bars", false, bars),
    ("wrapped pdf", false, wrapped_pdf),
    ("american tabs", false, american_tabs),
];
