//! C6.3: how a sound response differs from the order, and whether that is within tolerance. It must never
//! know who is asked about it.

use jiff::civil::Date;
use rust_decimal::Decimal;

use super::announce::newly_canceled;
use super::prepare::open;
use super::said::same_product;
use crate::model::{Deviation, DeviationCode, Line, LineStatus, Order, Position, Settings};

/// Every difference, those within tolerance marked so.
pub fn deviations(order: &Order, lines: &[Line], settings: &Settings) -> Vec<Deviation> {
    let mut found = Vec::new();
    for line in lines.iter().filter(|line| line.ignored.is_none()) {
        let Some(number) = line.position else { continue };
        match order.position(number) {
            Some(position) => Compare { order, position, line, settings, found: &mut found }.all(),
            None if line.status == Some(LineStatus::Added) => found.push(added(order, number, line)),
            None => {}
        }
    }
    found
}

/// Whether the price may be written to the order without anybody's word: it is the ordered one, within
/// tolerance, or what was accepted before.
pub fn price_is_fine(order: &Order, position: &Position, line: &Line, settings: &Settings) -> bool {
    let mut found = Vec::new();
    Compare { order, position, line, settings, found: &mut found }.price();
    found.iter().all(|deviation| deviation.within)
}

fn added(order: &Order, number: u32, line: &Line) -> Deviation {
    let amount = line.quantity_confirmed.saturating_add(line.quantity_backordered);
    let product = [&line.supplier_sku, &line.shop_sku, &line.gtin, &line.product_id].into_iter().flatten().next();
    let price = line.price_net.map(|price| format!(" at {price} {}", order.currency)).unwrap_or_default();
    Deviation {
        code: DeviationCode::PositionAdded,
        position: Some(number),
        ordered: "nothing".into(),
        confirmed: format!("{} {}{price}", amount.normalize(), product.map_or("", String::as_str))
            .trim_end()
            .to_string(),
        difference: format!("+{}", amount.normalize()),
        tolerance: "none".into(),
        impact: line.price_net.map(|price| price.saturating_mul(amount)),
        days: None,
        within: false,
    }
}

struct Compare<'a> {
    order: &'a Order,
    position: &'a Position,
    line: &'a Line,
    settings: &'a Settings,
    found: &'a mut Vec<Deviation>,
}

impl Compare<'_> {
    fn all(mut self) {
        self.product();
        self.price();
        self.date();
        self.quantities();
    }

    fn differs(&self, code: DeviationCode, ordered: String, confirmed: String, difference: String) -> Deviation {
        Deviation {
            code,
            position: Some(self.position.position),
            ordered,
            confirmed,
            difference,
            tolerance: "none".into(),
            impact: None,
            days: None,
            within: false,
        }
    }

    /// The value stands on the order already, from a response that was accepted.
    fn accepted_before(&self) -> String {
        self.position.announced.as_ref().map_or_else(String::new, |a| format!("accepted before ({})", a.response))
    }

    fn coming(&self) -> Decimal {
        self.line.quantity_confirmed.saturating_add(self.line.quantity_backordered)
    }

    fn product(&mut self) {
        let ordered = self.position.supplier_sku.as_deref();
        let said = self.line.supplier_sku.as_deref().filter(|_| !self.line.said_in.is_empty());
        let other = match (self.line.substitute_sku.as_deref(), ordered, said) {
            (Some(substitute), ordered, _) if ordered.is_none_or(|o| !same_product(o, substitute)) => Some(substitute),
            (None, Some(ordered), Some(said)) if !same_product(ordered, said) => {
                // Another number for the same thing is no substitution.
                let same = |one: &Option<String>, other: &Option<String>| {
                    one.as_deref().zip(other.as_deref()).is_some_and(|(one, other)| same_product(one, other))
                };
                let known =
                    same(&self.line.gtin, &self.position.gtin) || same(&self.line.shop_sku, &self.position.shop_sku);
                let ours = self.position.shop_sku.as_deref().is_some_and(|sku| same_product(sku, said));
                (!known && !ours).then_some(said)
            }
            _ => None,
        };
        if let Some(other) = other.filter(|_| self.coming() > Decimal::ZERO) {
            let (ordered, other) = (ordered.unwrap_or("").to_string(), other.to_string());
            let deviation = self.differs(DeviationCode::ProductSubstituted, ordered, other, "another product".into());
            self.found.push(deviation);
        }
    }

    fn price(&mut self) {
        let coming = self.coming();
        let Some(price) = self.line.price_net.filter(|_| coming > Decimal::ZERO) else { return };
        let currency = self.order.currency.clone();
        let before =
            self.position.announced.as_ref().is_some_and(|a| a.supplier_confirmed_purchase_item_net == Some(price));
        let settings = self.settings;
        if let Some(ordered) = self.position.price_net.filter(|ordered| *ordered != price) {
            let difference = price.saturating_sub(ordered);
            let percent = difference.saturating_mul(Decimal::ONE_HUNDRED).checked_div(ordered);
            let limit =
                ordered.saturating_mul(settings.price_percent).checked_div(Decimal::ONE_HUNDRED).unwrap_or_default();
            let small = difference.abs() <= limit || difference.abs() <= settings.price_absolute;
            let welcome = difference < Decimal::ZERO && settings.price_lower_ok;
            let share = percent.map(|p| format!(" ({:+} %)", p.round_dp(2).normalize())).unwrap_or_default();
            let tolerance = if before { self.accepted_before() } else { price_tolerance(settings, &currency) };
            let mut deviation = self.differs(
                DeviationCode::PriceChanged,
                format!("{ordered} {currency}"),
                format!("{price} {currency}"),
                format!("{difference:+} {currency}{share}"),
            );
            deviation.tolerance = tolerance;
            deviation.impact = Some(difference.saturating_mul(coming).normalize());
            deviation.within = small || welcome || before;
            self.found.push(deviation);
        }
        if let Some(sales) = self.position.price_sales_net.filter(|sales| price > *sales && settings.price_above_sales)
        {
            let tolerance = self.accepted_before();
            let above = price.saturating_sub(sales);
            let mut deviation = self.differs(
                DeviationCode::PriceAboveSales,
                format!("sales price {sales} {currency}"),
                format!("{price} {currency}"),
                format!("{above:+} {currency}"),
            );
            deviation.impact = Some(above.saturating_mul(coming).normalize());
            deviation.within = before;
            if before {
                deviation.tolerance = tolerance;
            }
            self.found.push(deviation);
        }
    }

    fn date(&mut self) {
        let confirmed = self.line.confirmed_date.filter(|_| self.line.quantity_confirmed > Decimal::ZERO);
        let (Some(date), Some(wished)) = (confirmed, self.position.requested_date) else { return };
        let days = days_between(wished, date);
        if days == 0 {
            return;
        }
        let before = self.position.announced.as_ref().is_some_and(|a| a.confirmed_delivery_date == Some(date));
        let (code, limit) = if days > 0 {
            (DeviationCode::DateLater, self.settings.days_late)
        } else {
            (DeviationCode::DateEarlier, self.settings.days_early)
        };
        let accepted = self.accepted_before();
        let mut deviation = self.differs(code, wished.to_string(), date.to_string(), said_days(days));
        deviation.days = Some(days);
        deviation.within = days.unsigned_abs() <= limit || before;
        deviation.tolerance = if before { accepted } else { format!("{limit} days") };
        self.found.push(deviation);
    }

    fn quantities(&mut self) {
        let (line, position) = (self.line, self.position);
        let announced = position.announced.as_ref();
        let unit = position.unit.clone().map(|unit| format!(" {unit}")).unwrap_or_default();
        if line.quantity_backordered > Decimal::ZERO {
            let days =
                line.backordered_date.zip(position.requested_date).map(|(date, wished)| days_between(wished, date));
            let in_time = days.is_some_and(|days| days <= i32::try_from(self.settings.days_late).unwrap_or(i32::MAX));
            let before = announced.is_some_and(|a| {
                a.quantity_backordered == line.quantity_backordered
                    && a.backordered_delivery_date == line.backordered_date
            });
            let date = line.backordered_date.map(|date| format!(" on {date}")).unwrap_or_default();
            let accepted = self.accepted_before();
            let within = before || (self.settings.backorder_ok && in_time);
            let difference = days.map_or_else(|| "date unknown".to_string(), said_days);
            let mut deviation = self.differs(
                DeviationCode::Backordered,
                format!("{}{unit}", position.quantity.normalize()),
                format!("{}{unit} later{date}", line.quantity_backordered.normalize()),
                difference,
            );
            deviation.days = days;
            deviation.within = within;
            if before {
                deviation.tolerance = accepted;
            }
            self.found.push(deviation);
        }
        let canceled = newly_canceled(line, position);
        let less = open(position).saturating_sub(canceled).saturating_sub(self.coming());
        if less > Decimal::ZERO {
            let before = announced.is_some_and(|a| {
                a.quantity_confirmed.saturating_add(a.quantity_backordered) == self.coming() && canceled.is_zero()
            });
            let accepted = self.accepted_before();
            let limit = self.settings.quantity_less;
            let (ordered, coming) = (open(position), self.coming());
            let mut deviation = self.differs(
                DeviationCode::QuantityLess,
                format!("{}{unit}", ordered.normalize()),
                format!("{}{unit}", coming.normalize()),
                format!("-{}", less.normalize()),
            );
            deviation.within = before || less <= limit;
            deviation.tolerance = if before { accepted } else { format!("{}{unit}", limit.normalize()) };
            self.found.push(deviation);
        }
        if canceled > Decimal::ZERO {
            let within = self.settings.cancel_ok;
            let reason = line.reason.clone().map(|reason| format!(" ({reason})")).unwrap_or_default();
            let mut deviation = self.differs(
                DeviationCode::PositionCanceled,
                format!("{}{unit}", open(position).normalize()),
                format!("{}{unit} canceled{reason}", canceled.normalize()),
                format!("-{}", canceled.normalize()),
            );
            deviation.impact = position.price_net.map(|price| -price.saturating_mul(canceled).normalize());
            deviation.within = within;
            self.found.push(deviation);
        }
        if line.schedule.len() > 2 {
            let deliveries = line.schedule.len();
            let deviation = self.differs(
                DeviationCode::ScheduleSplit,
                "one delivery".into(),
                format!("{deliveries} deliveries"),
                format!("+{}", deliveries - 1),
            );
            self.found.push(deviation);
        }
    }
}

fn days_between(from: Date, to: Date) -> i32 {
    (to - from).get_days()
}

fn said_days(days: i32) -> String {
    format!("{days:+} day{}", if days.abs() == 1 { "" } else { "s" })
}

fn price_tolerance(settings: &Settings, currency: &str) -> String {
    match (settings.price_percent.is_zero(), settings.price_absolute.is_zero()) {
        (true, true) => "none".into(),
        (false, true) => format!("{} %", settings.price_percent.normalize()),
        (true, false) => format!("{} {currency}", settings.price_absolute),
        (false, false) => format!("{} % or {} {currency}", settings.price_percent.normalize(), settings.price_absolute),
    }
}
