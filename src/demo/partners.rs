//! The demo's partners and how each of them writes: plain text, an HTML table, a PDF. The load command
//! writes its mails with the same pens.

use std::path::Path;

use base64::Engine as _;
use jiff::civil::Date;
use rust_decimal::Decimal;

use super::paper::{bold, left, pdf, right};

/// How a partner writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writing {
    Text,
    Html,
    Pdf,
}

/// What an answer says.
pub struct Answer<'a> {
    pub order: &'a str,
    /// The partner's own number of it.
    pub number: &'a str,
    pub date: &'a str,
    pub lines: &'a [AnswerLine],
    pub in_reply_to: Option<&'a str>,
}

/// A line of an answer, in plain decimals and ISO dates.
#[derive(Clone, Copy, Debug)]
pub struct AnswerLine {
    pub position: u32,
    pub sku: &'static str,
    pub quantity: &'static str,
    pub price: &'static str,
    pub date: &'static str,
    pub canceled: bool,
}

/// The mappings of partners and customers, as an admin would have written them.
const MAPPINGS: &[(&str, &str)] = &[
    ("nordwind/auftragsbestaetigung.toml", include_str!("mappings/nordwind/auftragsbestaetigung.toml")),
    ("suedtrade/order-confirmation.toml", include_str!("mappings/suedtrade/order-confirmation.toml")),
    ("ostwerk/ab.toml", include_str!("mappings/ostwerk/ab.toml")),
    ("ek/bestallning.toml", include_str!("mappings/ek/bestallning.toml")),
];

/// Writes the partners' mappings into a folder.
pub fn unpack_mappings(to: &Path) -> std::io::Result<()> {
    for (name, text) in MAPPINGS {
        let file = to.join(name);
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(file, text)?;
    }
    Ok(())
}

impl Writing {
    pub fn partner(self) -> &'static str {
        match self {
            Writing::Text => "nordwind",
            Writing::Html => "suedtrade",
            Writing::Pdf => "ostwerk",
        }
    }

    pub fn sender(self) -> &'static str {
        match self {
            Writing::Text => "auftrag@nordwind.example",
            Writing::Html => "sales@suedtrade.example",
            Writing::Pdf => "ab@ostwerk.example",
        }
    }

    pub fn currency(self) -> &'static str {
        match self {
            Writing::Html => "CHF",
            Writing::Text | Writing::Pdf => "EUR",
        }
    }

    /// The whole mail.
    pub fn mail(self, answer: &Answer<'_>) -> anyhow::Result<Vec<u8>> {
        let (subject, body) = match self {
            Writing::Text => (format!("=?utf-8?Q?Auftragsbest=C3=A4tigung?= {}", answer.order), text(answer)?),
            Writing::Html => (format!("Order confirmation {}", answer.order), html(answer)?),
            Writing::Pdf => (format!("Ihre Bestellung {}", answer.order), paper(answer)?),
        };
        let sender = self.sender();
        let domain = sender.split('@').nth(1).unwrap_or("partner.example");
        let thread =
            answer.in_reply_to.map(|id| format!("In-Reply-To: <{id}>\r\nReferences: <{id}>\r\n")).unwrap_or_default();
        let head = format!(
            "From: <{sender}>\r\nTo: <orders@shop.example>\r\nSubject: {subject}\r\nMessage-ID: <{}.{}@{domain}>\r\n{thread}Date: Sun, 22 Nov 2026 08:00:00 +0000\r\nMIME-Version: 1.0\r\n",
            answer.order, answer.number
        );
        Ok([head.into_bytes(), body].concat())
    }
}

fn text(answer: &Answer<'_>) -> anyhow::Result<Vec<u8>> {
    let mut out = format!(
        "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nSehr geehrte Damen und Herren,\r\n\r\nwir bestätigen Ihren Auftrag wie folgt:\r\n\r\nIhre Bestellung: {}\r\nUnser Auftrag:   NW{}\r\nDatum:           {}\r\n\r\nPos  Artikel        Menge  Einheit     Preis  Termin      Status\r\n",
        answer.order,
        answer.number,
        german_date(answer.date)?
    );
    let mut total = Decimal::ZERO;
    for line in answer.lines {
        let status = if line.canceled { "storniert" } else { "bestätigt" };
        total += decimal(line.quantity)? * decimal(line.price)?;
        out.push_str(&format!(
            "{:>3}  {:<12}  {:>6}  Stk      {:>8}  {}  {status}\r\n",
            line.position,
            line.sku,
            line.quantity,
            german(line.price)?,
            german_date(line.date)?
        ));
    }
    out.push_str(&format!(
        "Zwischensumme {} EUR\r\n\r\nMit freundlichen Grüßen\r\nNordwind GmbH, Hamburg\r\n",
        german(&total.to_string())?
    ));
    Ok(out.into_bytes())
}

fn html(answer: &Answer<'_>) -> anyhow::Result<Vec<u8>> {
    let mut out = format!(
        "Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n<html><body style=\"font-family:sans-serif\">\r\n<div style=\"display:none\">Your confirmation is here</div>\r\n<p>Dear customer,<br>thank you for your order.</p>\r\n<table><tr><td>Your order</td><td>{}</td></tr>\r\n<tr><td>Our reference</td><td>ST-{}</td></tr>\r\n<tr><td>Date</td><td>{}</td></tr></table>\r\n<table border=\"1\"><tr><th>Pos</th><th>Article</th><th>Qty confirmed</th><th>Unit price</th><th>Ship date</th><th>Status</th></tr>\r\n",
        answer.order, answer.number, answer.date
    );
    for line in answer.lines {
        let status = if line.canceled { "canceled" } else { "confirmed" };
        out.push_str(&format!(
            "<tr><td>{}</td><td>{}</td><td align=\"right\">{}</td><td align=\"right\">CHF {}</td><td>{}</td><td>{status}</td></tr>\r\n",
            line.position, line.sku, line.quantity, line.price, line.date
        ));
    }
    out.push_str("</table>\r\n<p>Kind regards<br>Südtrade AG, Zürich</p></body></html>\r\n");
    Ok(out.into_bytes())
}

fn paper(answer: &Answer<'_>) -> anyhow::Result<Vec<u8>> {
    let mut words = vec![
        bold(50.0, 60.0, 16.0, "Ostwerk GmbH & Co. KG"),
        left(50.0, 76.0, 9.0, "Werkstraße 5, 01067 Dresden"),
        bold(50.0, 120.0, 13.0, "Auftragsbestätigung"),
        left(50.0, 150.0, 10.0, "Bestellnummer"),
        left(150.0, 150.0, 10.0, answer.order),
        left(50.0, 165.0, 10.0, "Auftragsnummer"),
        left(150.0, 165.0, 10.0, &format!("OW{}", answer.number)),
        left(50.0, 180.0, 10.0, "Datum"),
        left(150.0, 180.0, 10.0, &german_date(answer.date)?),
        bold(50.0, 220.0, 9.0, "Pos."),
        bold(90.0, 220.0, 9.0, "Artikel-Nr."),
        bold(218.0, 220.0, 9.0, "Menge"),
        bold(285.0, 220.0, 9.0, "E-Preis"),
        bold(335.0, 220.0, 9.0, "PE"),
        bold(380.0, 220.0, 9.0, "Termin"),
        bold(460.0, 220.0, 9.0, "Status"),
    ];
    let rules = vec![(50.0, 545.0, 224.0)];
    let mut y = 238.0;
    let mut total = Decimal::ZERO;
    for line in answer.lines {
        let per_hundred = decimal(line.price)? * Decimal::ONE_HUNDRED;
        total += decimal(line.quantity)? * decimal(line.price)?;
        words.extend([
            left(50.0, y, 9.0, &line.position.to_string()),
            left(90.0, y, 9.0, line.sku),
            right(246.0, y, 9.0, line.quantity),
            right(318.0, y, 9.0, &german(&per_hundred.normalize().to_string())?),
            right(350.0, y, 9.0, "100"),
            left(380.0, y, 9.0, &german_date(line.date)?),
            left(460.0, y, 9.0, if line.canceled { "storniert" } else { "bestätigt" }),
        ]);
        y += 15.0;
    }
    words.extend([left(50.0, y + 10.0, 9.0, "Gesamtwert"), right(318.0, y + 10.0, 9.0, &german(&total.to_string())?)]);
    let file = base64::engine::general_purpose::STANDARD.encode(pdf(&[(words, rules)])?);
    let folded: Vec<String> =
        file.as_bytes().chunks(76).map(|chunk| String::from_utf8_lossy(chunk).into_owned()).collect();
    Ok(format!(
        "Content-Type: multipart/mixed; boundary=\"=_ostwerk\"\r\n\r\n--=_ostwerk\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nGuten Tag,\r\n\r\nanbei erhalten Sie unsere Auftragsbestätigung.\r\n\r\n--=_ostwerk\r\nContent-Type: application/pdf; name=\"AB_{0}.pdf\"\r\nContent-Disposition: attachment; filename=\"AB_{0}.pdf\"\r\nContent-Transfer-Encoding: base64\r\n\r\n{1}\r\n--=_ostwerk--\r\n",
        answer.number,
        folded.join("\r\n")
    )
    .into_bytes())
}

fn decimal(text: &str) -> anyhow::Result<Decimal> {
    Ok(Decimal::from_str_exact(text)?)
}

/// `1768.4` as Germans write it: `1.768,40`.
fn german(text: &str) -> anyhow::Result<String> {
    let plain = format!("{:.2}", decimal(text)?);
    let (whole, cents) = plain.split_once('.').unwrap_or((&plain, "00"));
    let mut grouped = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index) % 3 == 0 {
            grouped.push('.');
        }
        grouped.push(digit);
    }
    Ok(format!("{grouped},{cents}"))
}

fn german_date(text: &str) -> anyhow::Result<String> {
    let date: Date = text.parse()?;
    Ok(format!("{:02}.{:02}.{}", date.day(), date.month(), date.year()))
}
