//! How far a message agrees with its order: how much a mapping is to be believed, and whether a
//! partner's layout changed overnight (see [`super::drift`]).
//!
//! Partners may answer otherwise than ordered; so agreement is a share, never a must.

use std::collections::BTreeMap;

use crate::model::{Field, LineStatus, Message, Order, PartnerId, Position, Said, Value};

/// Of so many values compared, so many were as ordered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    pub agreed: usize,
    pub of: usize,
}

/// Agreement of one message (or several) with the order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Agreement {
    /// Lines that stand for a position of the order.
    pub lines: Count,
    /// Positions of the order that are answered.
    pub positions: Count,
    pub fields: BTreeMap<Field, Count>,
}

impl Count {
    pub fn note(&mut self, agreed: bool) {
        self.of += 1;
        self.agreed += usize::from(agreed);
    }

    /// 0 to 1; 1 for nothing compared.
    pub fn share(self) -> f64 {
        if self.of == 0 { 1.0 } else { self.agreed as f64 / self.of as f64 }
    }

    fn add(&mut self, other: Count) {
        self.agreed += other.agreed;
        self.of += other.of;
    }
}

impl Agreement {
    /// Compares a message with the positions that `partner` delivers (all, when none is its).
    pub fn of(message: &Message, order: &Order, partner: &PartnerId) -> Agreement {
        let mut agreement = Agreement::default();
        let mut positions: Vec<&Position> = order.positions_of(partner).collect();
        if positions.is_empty() {
            positions = order.positions.iter().collect();
        }
        if let Some(number) = message.text(Field::OrderNumber) {
            agreement.field(Field::OrderNumber).note(same_words(number, order.order_number.as_str()));
        }
        if let Some(currency) = message.text(Field::Currency) {
            agreement.field(Field::Currency).note(currency == order.currency);
        }
        let mut answered = vec![false; positions.len()];
        for line in &message.lines {
            let index = position_of(line, &positions);
            agreement.lines.note(index.is_some());
            let Some((index, position)) = index.and_then(|index| Some((index, *positions.get(index)?))) else {
                continue;
            };
            if let Some(slot) = answered.get_mut(index) {
                *slot = true;
            }
            agreement.line(line, position);
        }
        for answered in answered {
            agreement.positions.note(answered);
        }
        agreement
    }

    fn field(&mut self, field: Field) -> &mut Count {
        self.fields.entry(field).or_default()
    }

    fn line(&mut self, line: &BTreeMap<Field, Said>, position: &Position) {
        let canceled =
            matches!(line.get(&Field::Status).map(|said| &said.value), Some(Value::Status(LineStatus::Canceled)));
        for (field, said) in line {
            let agreed = match (field, &said.value) {
                (Field::Position, Value::Number(n)) => Some(*n == position.position.into()),
                (Field::SupplierSku, Value::Text(t)) => position.supplier_sku.as_ref().map(|sku| same_words(t, sku)),
                (Field::ShopSku, Value::Text(t)) => position.shop_sku.as_ref().map(|sku| same_words(t, sku)),
                (Field::Gtin, Value::Text(t)) => position.gtin.as_ref().map(|gtin| same_words(t, gtin)),
                (Field::ProductId, Value::Text(t)) => position.product_id.as_ref().map(|id| same_words(t, id)),
                (Field::Name, Value::Text(t)) => position.name.as_ref().map(|name| similar(t, name)),
                (Field::QuantityConfirmed | Field::Quantity, Value::Number(n)) if !canceled => {
                    Some(*n == position.quantity)
                }
                (Field::PriceNet, Value::Number(n)) if !canceled => position.price_net.map(|price| price == *n),
                (Field::ConfirmedDate | Field::RequestedDate, Value::Date(d)) if !canceled => {
                    position.requested_date.map(|date| date == *d)
                }
                (Field::Unit, Value::Text(t)) => position.unit.as_ref().map(|unit| same_words(t, unit)),
                _ => None,
            };
            if let Some(agreed) = agreed {
                self.field(*field).note(agreed);
            }
        }
    }

    pub fn add(&mut self, other: &Agreement) {
        self.lines.add(other.lines);
        self.positions.add(other.positions);
        for (field, count) in &other.fields {
            self.field(*field).add(*count);
        }
    }

    /// How far a reading is to be believed, from 0 to 1: the lines are known, and what they say is as ordered.
    /// What finds a line counts for nothing here: a mapping that reads the wrong columns still finds it.
    pub fn believed(&self) -> f64 {
        let finds = [
            Field::OrderNumber,
            Field::Currency,
            Field::Position,
            Field::SupplierSku,
            Field::ShopSku,
            Field::Gtin,
            Field::ProductId,
        ];
        let mut values = Count::default();
        self.fields.iter().filter(|(field, _)| !finds.contains(field)).for_each(|(_, count)| values.add(*count));
        self.lines.share() * (0.3 + 0.7 * values.share())
    }

    /// One figure from 0 to 1: positions answered, lines known, values as ordered.
    pub fn share(&self) -> f64 {
        let mut values = Count::default();
        self.fields.values().for_each(|count| values.add(*count));
        0.4 * self.positions.share() + 0.2 * self.lines.share() + 0.4 * values.share()
    }
}

/// The position a line speaks of: by its number where products do not contradict, else by product.
fn position_of(line: &BTreeMap<Field, Said>, positions: &[&Position]) -> Option<usize> {
    let text = |field: Field| line.get(&field).and_then(|said| said.value.as_text());
    let by_product = |position: &Position| {
        let pairs = [
            (Field::SupplierSku, &position.supplier_sku),
            (Field::ShopSku, &position.shop_sku),
            (Field::Gtin, &position.gtin),
            (Field::ProductId, &position.product_id),
        ];
        pairs
            .into_iter()
            .any(|(field, own)| text(field).zip(own.as_deref()).is_some_and(|(said, own)| same_words(said, own)))
    };
    let number = line.get(&Field::Position).and_then(|said| said.value.as_number());
    let numbered = number.and_then(|number| positions.iter().position(|position| number == position.position.into()));
    let products = positions.iter().position(|position| by_product(position));
    match (numbered, products) {
        (Some(index), Some(_)) if positions.get(index).is_some_and(|position| by_product(position)) => Some(index),
        (_, Some(index)) => Some(index),
        (Some(index), None) => Some(index),
        (None, None) => None,
    }
}

fn same_words(a: &str, b: &str) -> bool {
    super::words::plain(a) == super::words::plain(b)
}

/// Whether a name holds most words of another.
pub(super) fn similar(said: &str, name: &str) -> bool {
    let said = said.to_lowercase();
    let words: Vec<String> = name.split_whitespace().map(str::to_lowercase).collect();
    let hits = words.iter().filter(|word| said.contains(word.as_str())).count();
    !words.is_empty() && hits * 2 > words.len()
}
