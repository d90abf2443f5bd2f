//! The lines of a message as the process reads them: with what was taken over from an older response and
//! what a person set, each found to mean an order position. It must never know what the quantities mean.

use std::collections::BTreeMap;

use jiff::civil::Date;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

use super::merge::{self, Whose};
use crate::model::{
    Edit, EditTarget, Fault, FaultCode, Field, LineStatus, Order, PartnerId, Position, Response, Said, Settings, Value,
};

/// Beyond this no quantity or price of a real order lies; sums of such numbers cannot overflow.
pub const NUMBER_MAX: Decimal = Decimal::from_parts(0xd4a5_1000, 0xe8, 0, false, 0);

/// One line of a message, with its number (from 0) and what a person set in it.
#[derive(Clone, Copy)]
pub struct SaidLine<'a> {
    pub index: usize,
    said: &'a BTreeMap<Field, Said>,
    edits: &'a [Edit],
}

/// All lines: the message's own, then those taken over.
pub fn said_lines(response: &Response) -> impl Iterator<Item = SaidLine<'_>> {
    let all = response.message.lines.iter().chain(&response.course.taken_over).enumerate();
    all.map(|(index, said)| SaidLine { index, said, edits: &response.course.edits })
}

impl<'a> SaidLine<'a> {
    pub fn value(&self, field: Field) -> Option<&'a Value> {
        let set = self.edits.iter().rev().find(|e| e.field == field && e.target == EditTarget::Line(self.index));
        set.map(|edit| &edit.value).or_else(|| self.said.get(&field).map(|said| &said.value))
    }

    pub fn text(&self, field: Field) -> Option<&'a str> {
        self.value(field)?.as_text().map(str::trim).filter(|text| !text.is_empty())
    }

    pub fn number(&self, field: Field) -> Option<Decimal> {
        self.value(field)?.as_number()
    }

    pub fn date(&self, field: Field) -> Option<Date> {
        self.value(field)?.as_date()
    }

    pub fn status(&self) -> Option<LineStatus> {
        self.value(Field::Status)?.as_status()
    }

    pub fn position(&self) -> Option<u32> {
        let number = self.number(Field::Position)?;
        number.fract().is_zero().then(|| number.to_u32()).flatten()
    }

    /// All that it speaks of, however it is divided.
    pub fn amount(&self) -> Decimal {
        let fields = [Field::QuantityConfirmed, Field::QuantityBackordered, Field::QuantityCanceled];
        let sum = fields.iter().filter_map(|field| self.number(*field)).fold(Decimal::ZERO, Decimal::saturating_add);
        sum.max(self.number(Field::Quantity).unwrap_or_default())
    }

    /// A fault of this line; shown where the field stands, else where the line stands.
    pub fn fault(&self, code: FaultCode, field: Option<Field>, message: String) -> Fault {
        let here = field.and_then(|field| self.said.get(&field));
        let line = self.said.get(&Field::Position).or_else(|| self.said.values().next());
        Fault {
            code,
            message,
            position: self.position(),
            line: Some(self.index),
            field,
            read: here.map(|said| said.raw.clone()),
            needed: None,
            place: here.or(line).map(|said| said.place.clone()),
        }
    }

    /// How a person would name it: `line 2 (A-17)`.
    pub fn words(&self) -> String {
        let product = PRODUCT.iter().find_map(|(field, _)| self.text(*field));
        match (self.position(), product) {
            (Some(position), Some(product)) => format!("line {position} ({product})"),
            (Some(position), None) => format!("line {position}"),
            (None, Some(product)) => format!("the line of {product}"),
            (None, None) => format!("line {} of the message", self.index + 1),
        }
    }

    /// What it can be compared by while its order is unknown.
    pub fn key(&self) -> String {
        let product = || PRODUCT.iter().find_map(|(field, _)| self.text(*field)).map(str::to_lowercase);
        self.position().map(|position| position.to_string()).or_else(product).unwrap_or_default()
    }
}

type Of = fn(&Position) -> Option<&str>;

/// What names a product, in the order in which it is believed.
const PRODUCT: [(Field, Of); 4] = [
    (Field::SupplierSku, |p| p.supplier_sku.as_deref()),
    (Field::ShopSku, |p| p.shop_sku.as_deref()),
    (Field::Gtin, |p| p.gtin.as_deref()),
    (Field::ProductId, |p| p.product_id.as_deref()),
];

/// The order position that a line means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    Position(u32),
    /// By its product, which stands on this position only.
    ByProduct(u32),
    /// A merged line: the product's positions.
    Merged(Vec<u32>),
    /// No valid reference; with the reason.
    Nowhere(String),
    /// The product stands on several positions.
    Ambiguous(Vec<u32>),
    /// The reference and the product mean different positions.
    Conflict(String),
}

/// Position by the reference, else by a product that stands on one position only.
pub fn resolve(line: &SaidLine<'_>, order: &Order, response: &Response, settings: &Settings) -> Target {
    let whose = Whose::of(order, response);
    let by_product = positions_of_product(line, order, &response.partner, &whose);
    let meant = |n: &u32| order.position(*n).is_some_and(|p| p.partner == response.partner && whose.takes(p));
    let referred = line.position().filter(meant);
    let merged = settings.merges_positions || merge::is_joined(order, &by_product);
    if merged && by_product.len() > 1 {
        return Target::Merged(by_product);
    }
    match (referred, by_product.as_slice()) {
        (Some(position), []) => Target::Position(position),
        (Some(position), products) if products.contains(&position) => Target::Position(position),
        (Some(position), [other, ..]) => Target::Conflict(format!(
            "position {position} is another product; what the line names stands on position {other}"
        )),
        (None, [position]) => Target::ByProduct(*position),
        (None, []) => Target::Nowhere(match (line.position(), PRODUCT.iter().find_map(|(f, _)| line.text(*f))) {
            (Some(position), _) => format!("the order has no position {position} for this partner"),
            (None, Some(product)) => format!("the order has no product {product} for this partner"),
            (None, None) => "the line names neither a position nor a product".into(),
        }),
        (None, several) => Target::Ambiguous(several.to_vec()),
    }
}

/// Partner SKU, shop SKU, GTIN, product id; the first that stands in the order decides.
fn positions_of_product(line: &SaidLine<'_>, order: &Order, partner: &PartnerId, whose: &Whose) -> Vec<u32> {
    for (field, of) in PRODUCT {
        let Some(said) = line.text(field) else { continue };
        let same = |p: &&Position| whose.takes(p) && of(p).is_some_and(|ordered| same_product(ordered, said));
        let found: Vec<u32> = order.positions_of(partner).filter(same).map(|p| p.position).collect();
        if !found.is_empty() {
            return found;
        }
    }
    Vec::new()
}

/// Case and spaces do not make another product.
pub fn same_product(one: &str, other: &str) -> bool {
    fn plain(text: &str) -> impl Iterator<Item = char> {
        text.chars().filter(|c| !c.is_whitespace()).flat_map(char::to_lowercase)
    }
    one.eq_ignore_ascii_case(other) || plain(one).eq(plain(other))
}
