//! The order confirmation on paper, read back as its reader would: by our own PDF reader.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use postern::document::{Input, Limits, Part, read};
use postern::model::Decimal;
use postern::template::Templates;
use postern::template::example::{self, SaleExample};
use postern::template::sale::SaleLine;

fn example(name: &str, lang: &str) -> SaleExample {
    example::sales().into_iter().find(|one| one.name == name).unwrap().in_language(lang)
}

fn paper(example: &SaleExample) -> Part {
    let bytes = Templates::builtin().confirmation_pdf(&example.letter).unwrap();
    if let Some(dir) = std::env::var_os("KEEP_PDF") {
        let name = format!("{}-{}.pdf", example.name, example.letter.language);
        std::fs::write(std::path::Path::new(&dir).join(name), &bytes).unwrap();
    }
    let mut parts = read(&Input { name: "c.pdf", media_type: "application/pdf", bytes: &bytes }, &Limits::default());
    assert_eq!(parts.len(), 1);
    let part = parts.remove(0);
    assert!(part.faults.is_empty(), "{:?}", part.faults);
    part
}

/// Rows of words, page by page.
fn rows(part: &Part) -> Vec<Vec<String>> {
    let page_rows = |page: &postern::document::Page| -> Vec<String> {
        let words = |line: &postern::document::Line| {
            line.words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ")
        };
        page.lines.iter().map(words).collect()
    };
    part.pages.iter().map(page_rows).collect()
}

/// A customer whose program reads our confirmation must find each line on one row, and what was changed.
#[test]
fn lines_stand_on_one_row() {
    let all = rows(&paper(&example("send_order_confirmation", "en")));
    assert_eq!(all.len(), 1);
    let page = &all[0];
    let has = |text: &str| page.iter().any(|row| row.contains(text));
    for row in [
        "10 B12001 Desk 160 x 80 4 PCE 349.50 EUR 1,398.00 EUR 15 Dec 2026",
        "20 B63905-BL Swivel chair, blue 8 PCE 181.10 EUR 1,448.80 EUR 21 Dec 2026",
        "30 B70011 Cable tray 60 PCE 4.35 EUR 261.00 EUR 15 Dec 2026",
        "Quantity 8 PCE instead of 10 PCE",
        "Price 181.10 EUR instead of 176.80 EUR",
        "two chairs are discontinued",
        "not delivered",
        "additional line, not ordered",
        "Total, net 3,132.80 EUR",
        "Order confirmation SO-90417",
        "Page 1 of 1",
        "Nordlicht Handel",
        "Hafenstraße 9",
        "Ek & Söner AB",
        "K-2044",
        "4500112233, 21 Nov 2026",
        "Changes to the order",
        "The chairs must be there before Christmas.",
    ] {
        assert!(has(row), "{row:?} is not on a row of\n{}", page.join("\n"));
    }
    let sound = rows(&paper(&example("send_order_confirmation-sound", "en")));
    assert!(sound[0].iter().any(|row| row.contains("We confirm your order as follows.")));
    assert!(!sound[0].iter().any(|row| row.contains("instead of")));
}

/// Every language must be set with its own letters and numbers; other scripts must not become boxes.
#[test]
fn every_language_is_set() {
    for (lang, words) in [
        ("de", ["Auftragsbestätigung SO-90417", "Menge 8 PCE statt 10 PCE", "Summe netto 3.132,80 €", "Einzelpreis"]),
        ("sv", ["Orderbekräftelse SO-90417", "Antal 8 PCE i stället för 10 PCE", "Summa netto 3 132,80 €", "À-pris"]),
        (
            "fr",
            [
                "Confirmation de commande SO-90417",
                "Quantité 8 PCE au lieu de 10 PCE",
                "Total net 3 132,80 €",
                "Prix unitaire",
            ],
        ),
    ] {
        let all = rows(&paper(&example("send_order_confirmation", lang)));
        for wanted in words {
            assert!(all[0].iter().any(|row| row.contains(wanted)), "{lang}: {wanted:?}\n{}", all[0].join("\n"));
        }
    }
    let mut other = example("send_order_confirmation", "en");
    for (line, name) in
        other.letter.lines.iter_mut().zip(["Стул офисный", "Καρέκλα γραφείου", "Křeslo židle žluť", "Ghế văn phòng"])
    {
        line.name = Some(name.into());
    }
    let all = rows(&paper(&other));
    for name in ["Стул офисный", "Καρέκλα γραφείου", "Křeslo židle žluť", "Ghế văn phòng"]
    {
        assert!(all[0].iter().any(|row| row.contains(name)), "{name}\n{}", all[0].join("\n"));
    }
}

/// An order of many lines needs many pages, the table's heads on each, and no line twice or lost.
#[test]
fn long_orders_go_over_pages() {
    let mut long = example("send_order_confirmation", "en");
    let pattern = long.letter.lines[0].clone();
    long.letter.lines = (1..=120)
        .map(|n| SaleLine { position: Some(n * 10), article: Some(format!("ART-{n:04}")), ..pattern.clone() })
        .collect();
    long.letter.lines[50].name = Some("A very long name of an article that goes on and on ".repeat(12));
    let all = rows(&paper(&long));
    assert!((4..12).contains(&all.len()), "{} pages", all.len());
    for (n, page) in all.iter().enumerate() {
        let heads = page.iter().filter(|row| row.contains("Unit price") && row.contains("Quantity")).count();
        assert_eq!(heads, 1, "page {}", n + 1);
        assert!(page.iter().any(|row| row.contains(&format!("Page {} of {}", n + 1, all.len()))));
    }
    for n in 1..=120 {
        let found: usize = all.iter().flatten().filter(|row| row.contains(&format!("ART-{n:04}"))).count();
        assert_eq!(found, 1, "line {n}");
    }
    let total = all.last().unwrap().iter().any(|row| row.contains("Total, net"));
    assert!(total);
}

/// Nothing a customer or the order system writes may break the page or end outside of it.
#[test]
fn hostile_values_stay_on_the_page() {
    let nasty = "x\u{0}\u{202e}\r\n".to_string() + &"W".repeat(3_000);
    let mut hostile = example("send_order_confirmation", "en");
    let letter = &mut hostile.letter;
    letter.customer.1 = nasty.clone();
    letter.contact = Some(nasty.clone());
    letter.delivery_address = Some(nasty.clone());
    letter.comment = Some(nasty.clone());
    letter.order = "9".repeat(500);
    letter.payment_terms = Some("😀 汉字 ".repeat(200));
    letter.total = Some(Decimal::MAX);
    for line in &mut letter.lines {
        line.name = Some(nasty.clone());
        line.reason = Some(nasty.clone());
        if let Some(amount) = &mut line.confirmed {
            amount.quantity = Some(Decimal::MAX);
            amount.price = Some(Decimal::MAX);
        }
    }
    letter.lines = letter.lines.iter().cycle().take(3_000).cloned().collect();
    letter.total = None;
    let bytes = Templates::builtin().confirmation_pdf(letter).unwrap();
    assert!(bytes.len() < 20 << 20);
}
