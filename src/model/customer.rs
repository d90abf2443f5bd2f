//! Who orders by mail, and what the sales desk wants done with it: configuration of the sales side.
//!
//! Everything has a stated default; a customer overrides the desk. The process of sales asks for the
//! [`SaleSettings`] of one customer and never sees the layers.

use std::collections::BTreeMap;
use std::path::PathBuf;

use rust_decimal::Decimal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ids::{ChannelId, CustomerId, PartnerId};
use super::message::Field;
use super::policy::{Pause, Policies, Trust};

/// Who orders by mail.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Customer {
    /// As people call it; the id when left out.
    pub name: String,
    /// Exact addresses (`purchase@acme.example`) or domains (`@acme.example`) that may order for the customer.
    pub addresses: Vec<String>,
    /// Where our mails to the customer go. Default: the address that the order came from.
    pub send_to: Vec<String>,
    /// Our number of the customer; goes to the order system when the order names none.
    pub customer_number: Option<String>,
    /// The channel that the confirmed order is registered for. Default: `sales.register_as`.
    pub channel: Option<String>,
    /// The partner that supplies what the price list does not say otherwise. Default: `sales.supplier`.
    pub supplier: Option<String>,
    /// A CSV file with a head and the columns `article`, `price` and, if wanted, `supplier`: prices that an order
    /// leaves out, and who supplies the article.
    pub price_list: Option<PathBuf>,
    /// What differs from the sales desk's options.
    pub options: SaleOptions,
}

/// The sales desk: who decides about orders, and what holds for all customers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SalesDesk {
    /// Addresses of the people who decide when the order system makes something else of an order. Required when there are customers.
    pub addresses: Vec<String>,
    /// The language of mails to them. Default `en`.
    pub language: Option<String>,
    /// The name that confirmations are signed with. Default: the gateway's name.
    pub name: Option<String>,
    /// Our address as it stands on confirmations, with line breaks.
    pub address: Option<String>,
    /// The channel that confirmed orders are registered for, so that partners' responses continue the story. Default: they are not registered.
    pub register_as: Option<String>,
    /// The partner that supplies what is registered.
    pub supplier: Option<String>,
    /// The currency of orders that name none (ISO 4217). Default: none is assumed.
    pub currency: Option<String>,
    /// Who must prove where a decision of the sales desk comes from: `require`, `prefer`, `off`. Default `require`.
    pub decision_trust: Option<Trust>,
    /// An order that stands in one status for longer raises ORDER_STANDS_STILL. Default `10m`; `0` = never.
    pub still_limit: Option<String>,
    /// Until the sales desk is reminded of a question. Default `2h`.
    pub reminder: Option<String>,
    /// How many reminders. Default 2.
    pub reminders: Option<u32>,
    /// What holds for every customer that says nothing else.
    pub options: SaleOptions,
}

/// What each layer may set; a value left out is inherited.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SaleOptions {
    /// The language of mails to the customer: a folder below `templates/`. Default `en`.
    pub language: Option<String>,
    /// IANA time zone for times in mails. Default `UTC`.
    pub time_zone: Option<String>,
    /// Who must prove where an order comes from: `require`, `prefer`, `off`. Default `prefer`.
    pub order_trust: Option<Trust>,
    /// Orders that cannot be taken as they are go back to the customer (REQUEST_NEW_ORDER). Default true; otherwise an alarm tells.
    pub tell_customer: Option<bool>,
    /// Line fields that every order must say: `price_net`, `requested_date`, `unit` ... Default: none besides article and quantity.
    pub required_fields: Option<Vec<Field>>,
    /// Until the customer is reminded of REQUEST_NEW_ORDER. Default `1d`.
    pub request_reminder: Option<String>,
    /// How many reminders. Default 1.
    pub request_reminders: Option<u32>,
    pub tolerances: SaleTolerances,
}

/// How far the order system's order may differ from the customer's without a question.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SaleTolerances {
    /// Percent of the ordered price. Within = the price differs by at most this **or** by at most `price_absolute`. Default 0.
    #[schemars(with = "Option<String>")]
    pub price_percent: Option<Decimal>,
    /// In the order's currency, per unit. Default 0.
    #[schemars(with = "Option<String>")]
    pub price_absolute: Option<Decimal>,
    /// A lower price needs no question. Default true.
    pub price_lower_ok: Option<bool>,
    /// Calendar days after the wished date. Default 0.
    pub days_late: Option<u32>,
    /// Calendar days before the wished date. Default 9999: early is welcome.
    pub days_early: Option<u32>,
    /// Units less than ordered, of one line. Default 0.
    #[schemars(with = "Option<String>")]
    pub quantity_less: Option<Decimal>,
    /// Units more than ordered, of one line (full packs). Default 0.
    #[schemars(with = "Option<String>")]
    pub quantity_more: Option<Decimal>,
}

/// A line of a price list.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ListPrice {
    pub price: Option<Decimal>,
    pub supplier: Option<PartnerId>,
}

/// By article number, lower case.
pub type PriceList = BTreeMap<String, ListPrice>;

/// The options of one customer, every value decided.
#[derive(Clone, Debug, PartialEq)]
pub struct SaleSettings {
    pub language: String,
    pub time_zone: String,
    pub order_trust: Trust,
    pub decision_trust: Trust,
    pub tell_customer: bool,
    pub required_fields: Vec<Field>,
    pub price_percent: Decimal,
    pub price_absolute: Decimal,
    pub price_lower_ok: bool,
    pub days_late: u32,
    pub days_early: u32,
    pub quantity_less: Decimal,
    pub quantity_more: Decimal,
    /// Our number of the customer.
    pub customer_number: Option<String>,
    /// Where our mails to the customer go; empty = the address that the order came from.
    pub send_to: Vec<String>,
    pub sales: Vec<String>,
    pub sales_language: String,
    pub still_limit: Pause,
    pub reminder: Pause,
    pub reminders: u32,
    pub request_reminder: Pause,
    pub request_reminders: u32,
    /// The channel and supplier that a confirmed order is registered with; `None` = it is not registered.
    pub register: Option<(ChannelId, PartnerId)>,
    pub currency: Option<String>,
    pub prices: PriceList,
    /// The order system is reached by mail: a hand-over is a transmission.
    pub by_mail: bool,
    /// The pauses between tries to reach the order system: the first and the longest.
    pub retry: (Pause, Pause),
}

impl Policies {
    /// The settings of a customer; one that is not configured has the defaults.
    pub fn sale_settings(&self, customer: &CustomerId) -> SaleSettings {
        let own = self.customers.get(customer);
        let desk = &self.sales;
        let layers = [own.map(|customer| &customer.options), Some(&desk.options)];
        fn first<T>(layers: &[Option<&SaleOptions>; 2], get: impl Fn(&SaleOptions) -> Option<T>) -> Option<T> {
            layers.iter().flatten().find_map(|options| get(options))
        }
        // A pause that cannot be read was refused when the configuration was checked.
        let pause = |text: Option<String>, default: &str| {
            Pause::parse(text.as_deref().unwrap_or(default)).unwrap_or(Pause::NONE)
        };
        let channel = own.and_then(|customer| customer.channel.clone()).or_else(|| desk.register_as.clone());
        let supplier = own.and_then(|customer| customer.supplier.clone()).or_else(|| desk.supplier.clone());
        let english = || "en".to_string();
        let general = self.defaults.language.clone();
        SaleSettings {
            language: first(&layers, |o| o.language.clone()).or_else(|| general.clone()).unwrap_or_else(english),
            time_zone: first(&layers, |o| o.time_zone.clone())
                .or_else(|| self.defaults.time_zone.clone())
                .unwrap_or_else(|| "UTC".into()),
            order_trust: first(&layers, |o| o.order_trust).unwrap_or(Trust::Prefer),
            decision_trust: desk.decision_trust.or(self.defaults.decision_trust).unwrap_or(Trust::Require),
            tell_customer: first(&layers, |o| o.tell_customer).unwrap_or(true),
            required_fields: first(&layers, |o| o.required_fields.clone()).unwrap_or_default(),
            price_percent: first(&layers, |o| o.tolerances.price_percent).unwrap_or_default(),
            price_absolute: first(&layers, |o| o.tolerances.price_absolute).unwrap_or_default(),
            price_lower_ok: first(&layers, |o| o.tolerances.price_lower_ok).unwrap_or(true),
            days_late: first(&layers, |o| o.tolerances.days_late).unwrap_or(0),
            days_early: first(&layers, |o| o.tolerances.days_early).unwrap_or(9_999),
            quantity_less: first(&layers, |o| o.tolerances.quantity_less).unwrap_or_default(),
            quantity_more: first(&layers, |o| o.tolerances.quantity_more).unwrap_or_default(),
            customer_number: own.and_then(|customer| customer.customer_number.clone()),
            send_to: own.map(|customer| customer.send_to.clone()).unwrap_or_default(),
            sales: desk.addresses.clone(),
            sales_language: desk.language.clone().or(general).unwrap_or_else(english),
            still_limit: pause(desk.still_limit.clone(), "10m"),
            reminder: pause(desk.reminder.clone(), "2h"),
            reminders: desk.reminders.unwrap_or(2),
            request_reminder: pause(first(&layers, |o| o.request_reminder.clone()), "1d"),
            request_reminders: first(&layers, |o| o.request_reminders).unwrap_or(1),
            register: channel
                .zip(supplier)
                .map(|(channel, supplier)| (ChannelId::new(channel), PartnerId::new(supplier))),
            currency: desk.currency.clone(),
            prices: self.price_lists.get(customer).cloned().unwrap_or_default(),
            by_mail: self.order_system.by_mail,
            retry: (self.order_system.retry, self.order_system.retry_max),
        }
    }

    /// The customer that may order from this bare address: an exact entry before a domain.
    pub fn customer_of_address(&self, address: &str) -> Option<&CustomerId> {
        let address = address.to_ascii_lowercase();
        let of = |wanted: &str| {
            self.customers.iter().find(|(_, c)| c.addresses.iter().any(|a| a.eq_ignore_ascii_case(wanted)))
        };
        let domain = address.rsplit_once('@').map(|(_, domain)| format!("@{domain}"));
        of(&address).or_else(|| of(&domain?)).map(|(id, _)| id)
    }
}

/// What the process must know of the order system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderSystemPolicy {
    pub by_mail: bool,
    pub retry: Pause,
    pub retry_max: Pause,
}

impl Default for OrderSystemPolicy {
    fn default() -> OrderSystemPolicy {
        let (retry, retry_max) = (Pause::Calendar { seconds: 30 }, Pause::Calendar { seconds: 600 });
        OrderSystemPolicy { by_mail: false, retry, retry_max }
    }
}

/// Reads a price list: CSV with a head; separator `;`, `,` or tab, whichever the head has. The error names the line.
pub fn read_price_list(text: &str) -> Result<PriceList, (usize, String)> {
    let mut lines = text.trim_start_matches('\u{feff}').lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let Some((_, head)) = lines.next() else { return Err((1, "the price list is empty".into())) };
    let separator = [';', '\t', ','].into_iter().find(|c| head.contains(*c)).unwrap_or(';');
    let cells = |line: &str| -> Vec<String> {
        line.split(separator).map(|cell| cell.trim().trim_matches('"').trim().to_string()).collect()
    };
    let head: Vec<String> = cells(head).into_iter().map(|cell| cell.to_lowercase()).collect();
    let column = |name: &str| head.iter().position(|cell| cell == name);
    let article = column("article").ok_or((1, "the head has no column `article`".to_string()))?;
    let (price, supplier) = (column("price"), column("supplier"));
    if price.is_none() && supplier.is_none() {
        return Err((1, "the head has neither a column `price` nor `supplier`".into()));
    }
    let mut list = PriceList::new();
    for (number, line) in lines {
        let row = cells(line);
        let cell = |at: Option<usize>| at.and_then(|at| row.get(at)).filter(|cell| !cell.is_empty());
        let Some(name) = cell(Some(article)) else { return Err((number + 1, "there is no article".into())) };
        let amount = match cell(price) {
            None => None,
            Some(text) => match Decimal::from_str_exact(text) {
                Ok(amount) if !amount.is_sign_negative() => Some(amount),
                _ => return Err((number + 1, format!("`{text}` is no price like 12.50"))),
            },
        };
        let entry = ListPrice { price: amount, supplier: cell(supplier).map(|name| PartnerId::new(name.as_str())) };
        if list.insert(name.to_lowercase(), entry).is_some() {
            return Err((number + 1, format!("article `{name}` stands twice")));
        }
    }
    Ok(list)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tolerance meant for one customer must not leak to others, and an address must find its customer only.
    #[test]
    fn a_customer_overrides_the_desk() {
        let mut policies = Policies::default();
        policies.sales.options.tolerances.days_late = Some(1);
        let mut acme = Customer { addresses: vec!["@acme.example".into()], ..Customer::default() };
        acme.options.tolerances.days_late = Some(3);
        policies.customers.insert("acme".into(), acme);
        let late = |customer: &str| policies.sale_settings(&customer.into()).days_late;
        assert_eq!((late("acme"), late("other")), (3, 1));
        assert_eq!(policies.customer_of_address("Jo@ACME.example"), Some(&"acme".into()));
        assert_eq!(policies.customer_of_address("jo@evil-acme.example"), None);
        assert_eq!(policies.sale_settings(&"acme".into()).register, None, "nothing is registered unless it is said");
    }

    /// A price read wrongly would be asked of the order system as the customer's own.
    #[test]
    fn price_lists_are_read_or_refused_with_the_line() {
        let list = read_price_list("Article;Price;Supplier\nA-1;12.50;nord\n\"B-2\";;\n").unwrap();
        assert_eq!(list["a-1"].price, Some(Decimal::new(1250, 2)));
        assert_eq!(list["a-1"].supplier, Some("nord".into()));
        assert_eq!(list["b-2"], ListPrice::default());
        for (text, line, words) in [
            ("", 1, "empty"),
            ("sku;price\n", 1, "no column `article`"),
            ("article;price\nA;12,50\n", 2, "`12,50` is no price"),
            ("article;price\nA;1\n\na;2\n", 4, "stands twice"),
            ("article;price\n;2\n", 2, "no article"),
        ] {
            let (at, message) = read_price_list(text).unwrap_err();
            assert!(at == line && message.contains(words), "{text}: {at} {message}");
        }
    }
}
