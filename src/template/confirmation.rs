//! The order confirmation on paper: what a customer files, pays by, and checks the delivery against.
//!
//! Heads of letter and table, both addresses, the lines with what was changed marked and named, the total; on as many
//! pages as it takes, the table's heads on each.

use super::language::Language;
use super::paper::{self, About, HEIGHT, Ink, Sheet, Side, Style, WIDTH, width, wrap};
use super::sale::SaleLetter;
use super::sale_view::{ItemView, SaleView};

const LEFT: f32 = 56.0;
const RIGHT: f32 = WIDTH - 48.0;
const BOTTOM: f32 = HEIGHT - 64.0;
/// More lines are for the data, not for paper.
const LINES_MAX: usize = 1_000;
const CELL_CHARS_MAX: usize = 400;

const PLAIN: Style = Style { size: 9.0, bold: false, ink: Ink::Black };
const STRONG: Style = Style { size: 9.0, bold: true, ink: Ink::Black };
const SMALL: Style = Style { size: 7.5, bold: false, ink: Ink::Grey };
const TITLE: Style = Style { size: 16.0, bold: true, ink: Ink::Black };
const HOUSE: Style = Style { size: 14.0, bold: true, ink: Ink::Black };
const GAP: f32 = 12.0;

/// The columns: from where to where, and to which side.
const COLUMNS: [(f32, f32, Side); 6] = [
    (LEFT + 6.0, 30.0, Side::Left),
    (LEFT + 38.0, 178.0, Side::Left),
    (RIGHT - 214.0, 54.0, Side::Right),
    (RIGHT - 146.0, 62.0, Side::Right),
    (RIGHT - 72.0, 68.0, Side::Right),
    (RIGHT - 4.0, 62.0, Side::Right),
];

/// The confirmation as a PDF.
pub fn pdf(letter: &SaleLetter, language: &Language) -> Result<Vec<u8>, String> {
    let view = SaleView::of(letter, language);
    let title = title(&view, language);
    let mut writer = Writer { view: &view, language, sheets: Vec::new(), sheet: Sheet::default(), y: 0.0 };
    writer.head(&title);
    writer.lines();
    writer.foot();
    let sheets = writer.numbered(&title);
    let id = format!("{} {}", view.transmission, view.sale);
    let about = About { title: &title, author: &view.seller, language: &language.code, id: &id, made_at: letter.now };
    paper::pdf(&sheets, &about)
}

fn title(view: &SaleView, language: &Language) -> String {
    let name = language.text("sale_head.title");
    match &view.order_system_number {
        Some(number) => format!("{name} {number}"),
        None => name.to_string(),
    }
}

struct Writer<'a> {
    view: &'a SaleView,
    language: &'a Language,
    sheets: Vec<Sheet>,
    sheet: Sheet,
    /// The next baseline.
    y: f32,
}

impl Writer<'_> {
    fn word(&self, key: &str) -> String {
        self.language.text(key).to_string()
    }

    fn line(&mut self, x: f32, style: Style, text: &str) {
        self.sheet.text(x, self.y, Side::Left, style, text);
        self.y += style.size * 1.35;
    }

    /// Everything above the table.
    fn head(&mut self, title: &str) {
        let view = self.view;
        self.sheet.text(LEFT, 60.0, Side::Left, HOUSE, &view.seller);
        let mut y = 50.0;
        for line in view.seller_address.iter().filter(|line| **line != view.seller) {
            self.sheet.text(RIGHT, y, Side::Right, SMALL, line);
            y += 10.0;
        }
        self.sheet.rule(LEFT, 92.0, RIGHT - LEFT);
        // The window of the envelope.
        self.y = 130.0;
        let to = if view.billing_address.is_empty() { &view.delivery_address } else { &view.billing_address };
        let own = vec![view.customer.name.clone()];
        for line in if to.is_empty() { &own } else { to } {
            self.line(LEFT, Style { size: 10.0, ..PLAIN }, line);
        }
        let zone = self.view.zone.clone();
        let today = self.language.date(view.now.to_zoned(zone).date());
        let ordered = match view.ordered_on {
            Some(date) => format!("{}, {}", view.order, self.language.date(date)),
            None => view.order.clone(),
        };
        let mut facts = vec![(self.word("sale_head.date"), today), (self.word("sale_head.order"), ordered)];
        let more = [
            ("sale_head.number", &view.order_system_number),
            ("sale_head.customer_number", &view.customer_number),
            ("sale_head.contact", &view.contact),
            ("sale_head.delivery_terms", &view.delivery_terms),
            ("sale_head.payment_terms", &view.payment_terms),
        ];
        facts.extend(more.into_iter().filter_map(|(key, value)| Some((self.word(key), value.clone()?))));
        let mut y = 130.0;
        for (label, value) in facts {
            self.sheet.text(LEFT + 270.0, y, Side::Left, SMALL, &label);
            for line in wrap(&cut(&value), PLAIN, RIGHT - LEFT - 370.0) {
                self.sheet.text(LEFT + 370.0, y, Side::Left, PLAIN, &line);
                y += GAP;
            }
        }
        self.y = self.y.max(y).max(210.0) + 24.0;
        for line in wrap(title, TITLE, RIGHT - LEFT) {
            self.line(LEFT, TITLE, &line);
        }
        self.y += 4.0;
        let changed = !view.differences.is_empty() || !view.within.is_empty();
        let intro = self.word(if changed { "sale_paper.changed" } else { "sale_paper.as_ordered" });
        for line in wrap(&intro, PLAIN, RIGHT - LEFT) {
            self.line(LEFT, PLAIN, &line);
        }
        self.y += 6.0;
        if !view.delivery_address.is_empty() {
            let label = self.word("sale_head.delivery");
            let address = view.delivery_address.join(", ");
            self.labelled(&label, &address);
        }
        // What concerns no single line is named here, where it is seen first.
        let whole: Vec<String> = view
            .differences
            .iter()
            .chain(&view.within)
            .filter(|one| one.position.is_none() && one.code != "ADDED")
            .map(|one| one.sentence.clone())
            .collect();
        if !whole.is_empty() {
            let label = self.word("sale_paper.whole");
            let from = self.y;
            let mut marked = Vec::new();
            for sentence in &whole {
                marked.extend(wrap(&cut(sentence), PLAIN, RIGHT - LEFT - 112.0));
            }
            let label = wrap(&label, SMALL, 98.0);
            let height = (marked.len() as f32 * GAP).max(label.len() as f32 * 9.0) + 4.0;
            self.sheet.fill(LEFT, from - 9.5, RIGHT - LEFT, height, Ink::Mark);
            self.sheet.fill(LEFT, from - 9.5, 2.5, height, Ink::Bar);
            for (n, line) in label.iter().enumerate() {
                self.sheet.text(LEFT + 6.0, from + n as f32 * 9.0, Side::Left, SMALL, line);
            }
            for (n, line) in marked.iter().enumerate() {
                self.sheet.text(LEFT + 108.0, from + n as f32 * GAP, Side::Left, PLAIN, line);
            }
            self.y = from + height + 4.0;
        }
        self.y += 6.0;
    }

    fn labelled(&mut self, label: &str, text: &str) {
        self.sheet.text(LEFT, self.y, Side::Left, SMALL, label);
        for line in wrap(&cut(text), PLAIN, RIGHT - LEFT - 108.0) {
            self.sheet.text(LEFT + 108.0, self.y, Side::Left, PLAIN, &line);
            self.y += GAP;
        }
        self.y += 2.0;
    }

    /// The heads of the table, on each page.
    fn heads(&mut self) {
        let keys = ["line", "article", "quantity", "unit_price", "amount", "date"];
        self.sheet.fill(LEFT, self.y - 10.0, RIGHT - LEFT, 15.0, Ink::Head);
        for (key, (x, _, side)) in keys.into_iter().zip(COLUMNS) {
            let head = self.word(&format!("column.{key}"));
            self.sheet.text(x, self.y, side, Style { size: 8.0, ..STRONG }, &head);
        }
        self.y += 18.0;
    }

    fn new_page(&mut self) {
        self.sheets.push(std::mem::take(&mut self.sheet));
        self.y = 70.0;
    }

    fn lines(&mut self) {
        self.heads();
        let items = &self.view.items;
        for item in items.iter().take(LINES_MAX) {
            self.row(item);
        }
        self.sheet.rule(LEFT, self.y - 8.0, RIGHT - LEFT);
        self.y += 8.0;
        if let Some(total) = self.view.total {
            self.room(24.0);
            let label = self.word("sale_head.total");
            let total = self.language.money(total, self.view.currency.as_deref().unwrap_or_default());
            let bold = Style { size: 10.5, ..STRONG };
            self.sheet.text(RIGHT - 4.0, self.y, Side::Right, bold, &total);
            self.sheet.text(RIGHT - 16.0 - width(&total, bold), self.y, Side::Right, bold, &label);
            self.y += 20.0;
        }
    }

    fn row(&mut self, item: &ItemView) {
        let language = self.language;
        let currency = self.view.currency.as_deref().unwrap_or_default();
        let article = [item.article.as_deref(), item.name.as_deref()];
        let article = cut(&article.into_iter().flatten().collect::<Vec<_>>().join("  "));
        let quantity = item.quantity.map(|quantity| match &item.unit {
            Some(unit) => format!("{} {unit}", language.quantity(quantity)),
            None => language.quantity(quantity),
        });
        let cells = [
            item.position.map_or_else(|| "–".to_string(), |position| position.to_string()),
            article,
            quantity.unwrap_or_default(),
            item.price.map(|price| language.money(price, currency)).unwrap_or_default(),
            item.amount.map(|amount| language.money(amount, currency)).unwrap_or_default(),
            item.date.map(|date| language.date(date)).unwrap_or_default(),
        ];
        let gone = item.state == "canceled";
        let style = if gone { Style { ink: Ink::Grey, ..PLAIN } } else { PLAIN };
        let cells = cells.map(|cell| cell.replace(['\u{a0}', '\u{202f}'], " "));
        let wrapped: Vec<Vec<String>> =
            cells.iter().zip(COLUMNS).map(|(cell, (_, most, _))| wrap(cell, style, most)).collect();
        let small = Style { size: 8.0, ..PLAIN };
        let words: Vec<String> = item.changes.iter().chain(&item.reason).map(|words| cut(words)).collect();
        let more: Vec<String> = words.iter().flat_map(|words| wrap(words, small, RIGHT - LEFT - 60.0)).collect();
        let rows = wrapped.iter().map(Vec::len).max().unwrap_or(1).max(1);
        let height = rows as f32 * GAP + more.len() as f32 * 10.5 + 6.0;
        self.room_with_heads(height);
        if item.state != "as_ordered" {
            self.sheet.fill(LEFT, self.y - 10.0, RIGHT - LEFT, height - 2.0, Ink::Mark);
            self.sheet.fill(LEFT, self.y - 10.0, 2.5, height - 2.0, Ink::Bar);
        }
        for (lines, (x, _, side)) in wrapped.iter().zip(COLUMNS) {
            for (n, line) in lines.iter().enumerate() {
                self.sheet.text(x, self.y + n as f32 * GAP, side, style, line);
            }
        }
        let below = self.y + rows as f32 * GAP;
        for (n, line) in more.iter().enumerate() {
            self.sheet.text(LEFT + 38.0, below + n as f32 * 10.5, Side::Left, small, line);
        }
        self.y += height;
    }

    fn room(&mut self, height: f32) {
        if self.y + height > BOTTOM {
            self.new_page();
        }
    }

    fn room_with_heads(&mut self, height: f32) {
        if self.y + height > BOTTOM {
            self.new_page();
            self.heads();
        }
    }

    /// Below the table: the customer's comment.
    fn foot(&mut self) {
        if self.view.more_items > 0 {
            self.room(GAP);
            self.line(LEFT, PLAIN, &format!("+ {}", self.view.more_items));
        }
        if self.view.comment.is_empty() {
            return;
        }
        let label = self.word("sale_paper.comment");
        self.room(2.0 * GAP);
        self.line(LEFT, SMALL, &label);
        for line in self.view.comment.iter().flat_map(|line| wrap(line, PLAIN, RIGHT - LEFT)).collect::<Vec<_>>() {
            self.room(GAP);
            self.line(LEFT, PLAIN, &line);
        }
    }

    /// The foot of each page, when it is known how many there are.
    fn numbered(mut self, title: &str) -> Vec<Sheet> {
        self.sheets.push(std::mem::take(&mut self.sheet));
        let pages = self.sheets.len();
        for (n, sheet) in self.sheets.iter_mut().enumerate() {
            let values = [("page", &*(n + 1).to_string()), ("pages", &*pages.to_string())];
            let number = self.language.fill("sale_head.page", &values);
            sheet.rule(LEFT, HEIGHT - 44.0, RIGHT - LEFT);
            sheet.text(LEFT, HEIGHT - 32.0, Side::Left, SMALL, &format!("{}  ·  {title}", self.view.seller));
            sheet.text(RIGHT, HEIGHT - 32.0, Side::Right, SMALL, &number);
        }
        self.sheets
    }
}

fn cut(text: &str) -> String {
    let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(CELL_CHARS_MAX).collect();
    clean
}

#[cfg(test)]
mod tests {
    use crate::template::{Templates, example};

    /// The same confirmation in other bytes would be another attachment at every retry.
    #[test]
    fn the_same_letter_gives_the_same_bytes() {
        let templates = Templates::builtin();
        for example in example::sales().into_iter().filter(|one| one.name.starts_with("send_order_confirmation")) {
            let one = templates.confirmation_pdf(&example.letter).unwrap();
            assert_eq!(one, templates.confirmation_pdf(&example.letter).unwrap());
            assert!(one.starts_with(b"%PDF-") && one.len() < 120_000, "{} bytes", one.len());
        }
    }
}
