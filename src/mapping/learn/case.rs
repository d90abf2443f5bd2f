//! One sample mail with its order: the question and the answer key.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use super::super::agreement::similar;
use super::super::material::Material;
use super::super::rule::Source;
use super::super::value::Formats;
use super::super::words;
use crate::document::{Kind, Part};
use crate::model::{Date, Field, Order, Position};

pub struct Case<'a> {
    pub material: Material<'a>,
    pub order: Option<&'a Order>,
    /// The day the mail was written.
    pub day: Option<Date>,
}

impl<'a> Case<'a> {
    pub fn positions(&self) -> &[Position] {
        self.order.map_or(&[], |order| order.positions.as_slice())
    }

    /// The parts that could be the source, with the name of their file.
    pub fn parts(&self) -> Vec<(Source, &str, &Part)> {
        let mut all = Vec::new();
        all.extend(self.material.text.as_ref().map(|part| (Source::Text, "", part)));
        all.extend(self.material.html.as_ref().map(|part| (Source::Html, "", part)));
        for file in &self.material.files {
            for part in self.material.parts(file) {
                let source = match part.kind {
                    Kind::Pdf => Source::Pdf,
                    Kind::Csv => Source::Csv,
                    Kind::Xlsx => Source::Xlsx,
                    _ => continue,
                };
                all.push((source, file.name.as_str(), part));
            }
        }
        all
    }

    pub fn part(&self, source: Source) -> Option<(&str, &Part)> {
        let of_source = self.parts().into_iter().filter(|entry| entry.0 == source);
        of_source.max_by_key(|entry| self.hits(entry.2)).map(|entry| (entry.1, entry.2))
    }

    /// How many of the order's products (and its number) a part names.
    pub fn hits(&self, part: &Part) -> usize {
        let Some(order) = self.order else { return 0 };
        let words = word_set(part);
        let number = usize::from(words.contains_key(&words::plain(order.order_number.as_str())));
        number
            + order
                .positions
                .iter()
                .filter(|position| ids(position).iter().any(|id| words.contains_key(&words::plain(id))))
                .count()
                * 2
    }
}

/// The words of a part, without case, with how often each stands there.
pub fn word_set(part: &Part) -> BTreeMap<String, usize> {
    let mut set = BTreeMap::new();
    for word in part.pages.iter().flat_map(|page| &page.lines).flat_map(|line| line.visible()).take(100_000) {
        for piece in [words::plain(&word.text), bare(&word.text)] {
            *set.entry(piece).or_insert(0) += 1;
        }
    }
    set
}

/// A word without the punctuation around it.
pub fn bare(word: &str) -> String {
    words::plain(word.trim_matches(|c: char| !c.is_alphanumeric()))
}

/// What names a position's product.
pub fn ids(position: &Position) -> Vec<&str> {
    let all = [&position.supplier_sku, &position.gtin, &position.shop_sku, &position.product_id];
    all.into_iter().filter_map(|id| id.as_deref()).filter(|id| !id.trim().is_empty()).collect()
}

/// The order that a mail answers: named by number (`true`), else the one most of whose products it names, and
/// half of them at least.
pub fn order_of<'a>(material: &Material<'_>, orders: &'a [Order]) -> Option<(&'a Order, bool)> {
    let mut words: BTreeMap<String, usize> = BTreeMap::new();
    let bodies = material.text.iter().chain(material.html.iter());
    let attached = material.files.iter().flat_map(|file| material.parts(file));
    for part in bodies.chain(attached) {
        words.extend(word_set(part));
    }
    let subject = material.subject.split(|c: char| c.is_whitespace() || matches!(c, '/' | '(' | ')' | ','));
    words.extend(subject.map(|word| (bare(word), 1)));
    let has = |word: &str| words.contains_key(&words::plain(word));
    let named =
        |order: &Order| order.positions.iter().filter(|position| ids(position).iter().any(|id| has(id))).count();
    let scored = orders.iter().map(|order| (has(order.order_number.as_str()), named(order), order));
    let (number, products, order) = scored.max_by_key(|(number, products, _)| (*number, *products))?;
    (number || products > 0 && products * 2 >= order.positions.len()).then_some((order, number))
}

/// Whether words say what the order says of a field; `None`: the order does not know.
pub fn says(formats: &Formats, field: Field, text: &str, position: &Position, basis: Decimal) -> Option<bool> {
    let same = |own: &Option<String>| own.as_ref().map(|own| words::plain(own) == words::plain(text));
    let number = || formats.number(text).ok().map(|number| number.value);
    match field {
        Field::Position => {
            Some(text.trim_end_matches(['.', ')', ':']).trim_start_matches('0') == position.position.to_string())
        }
        Field::SupplierSku => same(&position.supplier_sku),
        Field::ShopSku => same(&position.shop_sku),
        Field::Gtin => same(&position.gtin),
        Field::ProductId => same(&position.product_id),
        Field::Name => position.name.as_ref().map(|name| similar(text, name)),
        Field::Quantity | Field::QuantityConfirmed => Some(number() == Some(position.quantity)),
        Field::PriceNet => position.price_net.map(|price| number() == Some((price * basis).normalize())),
        Field::LineTotal => position
            .price_net
            .map(|price| number().is_some_and(|n| n == (price * position.quantity).round_dp(2).normalize())),
        Field::ConfirmedDate | Field::RequestedDate => {
            position.requested_date.map(|date| !formats.dates.is_empty() && formats.date(text) == Ok(date))
        }
        _ => None,
    }
}
