//! Deviations in the reader's language: ordered, confirmed, difference, tolerance, impact; worded from
//! the values themselves, and by the process's own words only where a value is not at hand.

use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::Serialize;

use super::language::Language;
use super::view::{Frame, Reader};
use crate::model::{Deviation, DeviationCode, Line, Position, Response, Schedule};

#[derive(Serialize)]
pub struct DeviationView {
    pub code: &'static str,
    /// The code in words: `Price`.
    pub what: String,
    pub position: Option<u32>,
    pub article: Option<String>,
    pub name: Option<String>,
    pub ordered: String,
    pub confirmed: String,
    pub difference: String,
    pub tolerance: String,
    /// With currency and sign.
    pub impact: Option<String>,
    pub impact_amount: Option<Decimal>,
    pub days: Option<i32>,
    pub within: bool,
}

impl DeviationView {
    /// A sales price is nothing that a partner may see.
    pub fn told_to_partner(&self) -> bool {
        self.code != DeviationCode::PriceAboveSales.name()
    }
}

pub fn deviations(response: &Response, frame: &Frame<'_>, language: &Language) -> Vec<DeviationView> {
    response.deviations.iter().map(|deviation| word(deviation, response, frame, language)).collect()
}

struct Cells {
    ordered: String,
    confirmed: String,
    difference: String,
    tolerance: String,
}

fn word(deviation: &Deviation, response: &Response, frame: &Frame<'_>, language: &Language) -> DeviationView {
    let position = frame.position(deviation.position);
    let line = response
        .lines
        .iter()
        .find(|line| line.ignored.is_none() && line.position.is_some() && line.position == deviation.position);
    let said = || Cells {
        ordered: deviation.ordered.clone(),
        confirmed: deviation.confirmed.clone(),
        difference: deviation.difference.clone(),
        tolerance: deviation.tolerance.clone(),
    };
    let cells = Facts { deviation, position, line, frame, language }.cells().unwrap_or_else(said);
    DeviationView {
        code: deviation.code.name(),
        what: language.text(&format!("deviation.{}", deviation.code.name())).to_string(),
        position: deviation.position,
        article: frame.article(position, line),
        name: position.and_then(|p| p.name.clone()).or_else(|| line.and_then(|line| line.name.clone())),
        ordered: cells.ordered,
        confirmed: cells.confirmed,
        difference: cells.difference,
        tolerance: if frame.reader == Reader::Partner { String::new() } else { cells.tolerance },
        impact: deviation.impact.map(|impact| language.signed_money(impact, frame.currency())),
        impact_amount: deviation.impact,
        days: deviation.days,
        within: deviation.within,
    }
}

struct Facts<'a> {
    deviation: &'a Deviation,
    position: Option<&'a Position>,
    line: Option<&'a Line>,
    frame: &'a Frame<'a>,
    language: &'a Language,
}

impl Facts<'_> {
    /// `None` where a value is not at hand.
    fn cells(&self) -> Option<Cells> {
        let (language, settings) = (self.language, &self.frame.settings);
        let currency = self.frame.currency();
        let line = self.line?;
        match self.deviation.code {
            DeviationCode::PriceChanged => {
                let (ordered, confirmed) = (self.position?.price_net?, line.price_net?);
                Some(Cells {
                    ordered: language.money(ordered, currency),
                    confirmed: language.money(confirmed, currency),
                    difference: self.price_difference(ordered, confirmed)?,
                    tolerance: self.price_tolerance(),
                })
            }
            DeviationCode::PriceAboveSales => {
                let (sales, confirmed) = (self.position?.price_sales_net?, line.price_net?);
                let sales_words = language.money(sales, currency);
                Some(Cells {
                    ordered: language.fill("deviating.sales_price", &[("price", &sales_words)]),
                    confirmed: language.money(confirmed, currency),
                    difference: self.price_difference(sales, confirmed)?,
                    tolerance: self.none(),
                })
            }
            DeviationCode::DateLater | DeviationCode::DateEarlier => {
                let requested = self.position?.requested_date?;
                let confirmed = self.meant_date(requested)?;
                let days = self.deviation.days?;
                let late = self.deviation.code == DeviationCode::DateLater;
                let allowed = if late { settings.days_late } else { settings.days_early };
                Some(Cells {
                    ordered: language.date(requested),
                    confirmed: language.date(confirmed),
                    difference: signed_days(language, days),
                    tolerance: if allowed == 0 { self.none() } else { language.days(i64::from(allowed)) },
                })
            }
            DeviationCode::Backordered => {
                let first = self.delivery(line.quantity_confirmed, line.confirmed_date);
                let second = self.delivery(line.quantity_backordered, line.backordered_date);
                let confirmed = if line.quantity_confirmed.is_zero() {
                    second
                } else {
                    language.fill("deviating.then", &[("first", &first), ("second", &second)])
                };
                Some(Cells {
                    ordered: self.ordered_delivery()?,
                    confirmed,
                    difference: match self.deviation.days {
                        Some(days) => signed_days(language, days),
                        None => String::new(),
                    },
                    tolerance: self.none(),
                })
            }
            DeviationCode::QuantityLess => {
                let ordered = self.position?.quantity;
                let confirmed = line.quantity_confirmed.checked_add(line.quantity_backordered)?;
                Some(Cells {
                    ordered: language.quantity(ordered),
                    confirmed: language.quantity(confirmed),
                    difference: language.quantity(confirmed.checked_sub(ordered)?),
                    tolerance: if settings.quantity_less.is_zero() {
                        self.none()
                    } else {
                        language.quantity(settings.quantity_less)
                    },
                })
            }
            DeviationCode::PositionCanceled => {
                let ordered = self.position?.quantity;
                let kept = line.quantity_confirmed.checked_add(line.quantity_backordered)?;
                let nothing = || language.text("deviating.nothing").to_string();
                Some(Cells {
                    ordered: language.quantity(ordered),
                    confirmed: if kept.is_zero() { nothing() } else { language.quantity(kept) },
                    difference: language.quantity(-line.quantity_canceled),
                    tolerance: self.none(),
                })
            }
            DeviationCode::PositionAdded => {
                let quantity = language.quantity(line.quantity_confirmed);
                let confirmed = match line.price_net {
                    Some(price) => {
                        let price = language.money(price, currency);
                        language.fill("deviating.priced", &[("quantity", &quantity), ("price", &price)])
                    }
                    None => quantity.clone(),
                };
                Some(Cells {
                    ordered: language.text("deviating.nothing").to_string(),
                    confirmed,
                    difference: format!("+{quantity}"),
                    tolerance: self.none(),
                })
            }
            DeviationCode::ProductSubstituted => Some(Cells {
                ordered: self.frame.article(self.position, None)?,
                confirmed: line.substitute_sku.clone()?,
                difference: String::new(),
                tolerance: self.none(),
            }),
            DeviationCode::ScheduleSplit => {
                if line.schedule.is_empty() {
                    return None;
                }
                let deliveries: Vec<String> = line.schedule.iter().map(|one| self.scheduled(one)).collect();
                Some(Cells {
                    ordered: self.ordered_delivery()?,
                    confirmed: language.list(&deliveries),
                    difference: match self.deviation.days {
                        Some(days) => signed_days(language, days),
                        None => String::new(),
                    },
                    tolerance: self.none(),
                })
            }
        }
    }

    fn none(&self) -> String {
        self.language.text("tolerance.none").to_string()
    }

    fn price_difference(&self, from: Decimal, to: Decimal) -> Option<String> {
        let difference = to.checked_sub(from)?;
        let money = self.language.signed_money(difference, self.frame.currency());
        let percent = difference.checked_mul(Decimal::ONE_HUNDRED)?.checked_div(from);
        Some(match percent {
            Some(percent) => format!("{money} ({})", self.language.signed_percent(percent)),
            None => money,
        })
    }

    fn price_tolerance(&self) -> String {
        let settings = &self.frame.settings;
        let percent = (!settings.price_percent.is_zero()).then(|| self.language.percent(settings.price_percent));
        let absolute = (!settings.price_absolute.is_zero())
            .then(|| self.language.money(settings.price_absolute, self.frame.currency()));
        match (percent, absolute) {
            (Some(percent), Some(absolute)) => {
                self.language.fill("tolerance.either", &[("one", &percent), ("other", &absolute)])
            }
            (Some(one), None) | (None, Some(one)) => one,
            (None, None) => self.none(),
        }
    }

    /// The date that is so many days off; the confirmed one where that does not tell.
    fn meant_date(&self, requested: Date) -> Option<Date> {
        let line = self.line?;
        let days = self.deviation.days?;
        let scheduled = line.schedule.iter().map(|one| one.date);
        let mut dates = [line.confirmed_date, line.backordered_date].into_iter().chain(scheduled).flatten();
        dates.find(|date| requested.until(*date).is_ok_and(|span| span.get_days() == days))
    }

    fn ordered_delivery(&self) -> Option<String> {
        let position = self.position?;
        Some(self.delivery(position.quantity, position.requested_date))
    }

    fn scheduled(&self, one: &Schedule) -> String {
        self.delivery(one.quantity, one.date)
    }

    fn delivery(&self, quantity: Decimal, date: Option<Date>) -> String {
        let quantity = self.language.quantity(quantity);
        match date {
            Some(date) => {
                let date = self.language.date(date);
                self.language.fill("deviating.delivery", &[("quantity", &quantity), ("date", &date)])
            }
            None => quantity,
        }
    }
}

fn signed_days(language: &Language, days: i32) -> String {
    format!("{}{}", if days > 0 { "+" } else { "" }, language.days(i64::from(days)))
}
