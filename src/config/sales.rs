//! The sales side of `postern.toml`: customers, the sales desk and the order system.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Checker, Config};
use crate::model::customer::{OrderSystemPolicy, SaleOptions};
use crate::model::policy::{Pause, Trust};

/// Where customers' orders are handed to, and where its answers come from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OrderSystemConfig {
    /// `https://erp.example/orders` (POST with an Idempotency-Key), `file:///var/spool/erp` (folders `orders`,
    /// `answers`, `done`, `error`) or `mailto:orders@erp.example`. Required when there are customers.
    pub url: String,
    /// `ubl` = UBL 2.1 Order and OrderCancellation. Default `ubl`, unless there is a `template`.
    pub format: Option<String>,
    /// A minijinja file that writes the house's own XML; see `postern config reference`. Default: none.
    pub template: Option<PathBuf>,
    /// A file whose first line is the bearer token for `https://`.
    pub token_file: Option<PathBuf>,
    /// An environment variable that holds the bearer token.
    pub token_env: Option<String>,
    /// One try takes at most so long. Default `30s`.
    pub timeout: Option<String>,
    /// The first pause between tries; it doubles each time. Default `30s`.
    pub retry: Option<String>,
    /// The longest pause between tries. An order system that is away is never given up. Default `10m`.
    pub retry_max: Option<String>,
    /// `file://`: answers are looked for so often. Default `5s`.
    pub poll: Option<String>,
    /// `file://`: how a complete answer is told from one that is still written: `stable` (its size does not change) or
    /// `marker` (a file NAME.ok beside it). Default `stable`.
    pub ripe: Option<String>,
    /// `https://`: where its signed webhook is listened for, e.g. `127.0.0.1:8090`. Default: answers come with the reply only.
    pub listen: Option<String>,
    /// The secret (at least 32 bytes) that signs the webhook (HMAC-SHA256).
    pub webhook_secret_file: Option<PathBuf>,
    /// A PEM file with the certificate authority of the order system, besides the system's.
    pub ca_file: Option<PathBuf>,
    /// `mailto:`: the addresses its answers come from.
    pub addresses: Vec<String>,
    /// `mailto:`: who must prove where an answer comes from: `require`, `prefer`, `off`. Default `require`.
    pub trust: Option<Trust>,
}

impl OrderSystemConfig {
    pub fn is_configured(&self) -> bool {
        !self.url.is_empty()
    }

    /// The address it is reached at, where that is by mail.
    pub fn mail_address(&self) -> Option<&str> {
        self.url.strip_prefix("mailto:").filter(|address| !address.is_empty())
    }

    /// What the process must know of it.
    pub fn policy(&self) -> OrderSystemPolicy {
        let pause = |text: &Option<String>, default: Pause| {
            text.as_deref().and_then(|text| Pause::parse(text).ok()).unwrap_or(default)
        };
        let default = OrderSystemPolicy::default();
        OrderSystemPolicy {
            by_mail: self.mail_address().is_some(),
            retry: pause(&self.retry, default.retry),
            retry_max: pause(&self.retry_max, default.retry_max),
        }
    }

    /// A length of time from the configuration, in seconds; what cannot be read was refused when it was checked.
    pub fn seconds(text: &Option<String>, default: u64) -> u64 {
        match text.as_deref().map(Pause::parse) {
            Some(Ok(Pause::Calendar { seconds } | Pause::Working { seconds })) => {
                u64::try_from(seconds).unwrap_or(default).max(1)
            }
            _ => default,
        }
    }
}

/// Complaints about the sales side.
pub(super) fn check(config: &Config, checker: &mut Checker<'_>) {
    check_customers(config, checker);
    check_desk(config, checker);
    check_system(config, checker);
}

fn check_customers(config: &Config, checker: &mut Checker<'_>) {
    let mut seen = std::collections::BTreeMap::new();
    for (name, partner) in &config.partners {
        for address in &partner.addresses {
            seen.insert(address.to_lowercase(), format!("partner `{name}`"));
        }
    }
    for (name, customer) in &config.customers {
        options(&customer.options, &["customers", name, "options"], checker);
        if customer.addresses.is_empty() {
            let help = "addresses = [\"purchase@customer.example\"]";
            checker.error("CFG050", &["customers", name], "a customer needs at least one address", help);
        }
        for address in &customer.addresses {
            checker.address(address, true, &["customers", name, "addresses"]);
            if let Some(other) = seen.insert(address.to_lowercase(), format!("customer `{name}`")) {
                let message = format!("`{address}` belongs to {other} too");
                checker.error("CFG051", &["customers", name, "addresses"], &message, "an address speaks for one");
            }
        }
        for address in &customer.send_to {
            checker.address(address, false, &["customers", name, "send_to"]);
        }
        register(config, customer.channel.as_ref(), customer.supplier.as_ref(), &["customers", name], checker);
    }
}

/// A channel and a supplier that are not configured would make orders that nobody can answer.
fn register(
    config: &Config,
    channel: Option<&String>,
    supplier: Option<&String>,
    path: &[&str],
    checker: &mut Checker<'_>,
) {
    let at =
        |key: &'static str| [path, &[if path == ["sales"] && key == "channel" { "register_as" } else { key }]].concat();
    if let Some(channel) = channel.filter(|channel| !config.channels.contains_key(*channel)) {
        let near = crate::diagnostic::nearest(channel, config.channels.keys().map(String::as_str));
        let help = near.map_or_else(|| "[channels.NAME]".to_string(), |near| format!("did you mean `{near}`?"));
        checker.error("CFG052", &at("channel"), &format!("there is no channel `{channel}`"), &help);
    }
    if let Some(supplier) = supplier.filter(|supplier| !config.partners.contains_key(*supplier)) {
        let near = crate::diagnostic::nearest(supplier, config.partners.keys().map(String::as_str));
        let help = near.map_or_else(|| "[partners.NAME]".to_string(), |near| format!("did you mean `{near}`?"));
        checker.error("CFG053", &at("supplier"), &format!("there is no partner `{supplier}`"), &help);
    }
}

fn check_desk(config: &Config, checker: &mut Checker<'_>) {
    let desk = &config.sales;
    options(&desk.options, &["sales", "options"], checker);
    for address in &desk.addresses {
        checker.address(address, false, &["sales", "addresses"]);
    }
    for (key, pause) in [("still_limit", &desk.still_limit), ("reminder", &desk.reminder)] {
        if let Some(pause) = pause {
            checker.pause(pause, &["sales", key]);
        }
    }
    if let Some(currency) = &desk.currency
        && !(currency.len() == 3 && currency.chars().all(|c| c.is_ascii_uppercase()))
    {
        checker.error("CFG054", &["sales", "currency"], &format!("`{currency}` is no ISO 4217 code"), "EUR");
    }
    register(config, desk.register_as.as_ref(), desk.supplier.as_ref(), &["sales"], checker);
    if desk.register_as.is_some() && desk.supplier.is_none() && config.customers.values().any(|c| c.supplier.is_none())
    {
        let help = "supplier = \"NAME\" of [partners.NAME]";
        checker.error("CFG055", &["sales", "register_as"], "orders are registered, but nobody supplies them", help);
    }
    if !config.customers.is_empty() && desk.addresses.is_empty() {
        let message = "customers order by mail, but there is no sales desk to decide about differences";
        checker.error("CFG056", &["customers"], message, "[sales] addresses = [\"sales@shop.example\"]");
    }
    if desk.decision_trust == Some(Trust::Off) {
        let message = "decisions of the sales desk are taken without proof of their origin";
        checker.warning("CFG030", &["sales", "decision_trust"], message, "decision_trust = \"require\"");
    }
}

fn check_system(config: &Config, checker: &mut Checker<'_>) {
    let system = &config.order_system;
    if !system.is_configured() {
        if !config.customers.is_empty() {
            let help = "[order_system] url = \"https://erp.example/orders\"";
            checker.error("CFG057", &["customers"], "customers order by mail, but there is no order system", help);
        }
        return;
    }
    let known = ["https://", "http://", "file:///", "mailto:"];
    if !known.iter().any(|scheme| system.url.starts_with(scheme) && system.url.len() > scheme.len()) {
        let message = format!("`{}` is no place to hand orders to", system.url);
        let help = "https://erp.example/orders, file:///var/spool/erp, mailto:orders@erp.example";
        checker.error("CFG058", &["order_system", "url"], &message, help);
    }
    if let Some(address) = system.mail_address() {
        checker.address(address, false, &["order_system", "url"]);
        if system.addresses.is_empty() {
            let help = "addresses = [\"orders@erp.example\"]";
            let message = "nobody's mails are taken as answers of the order system";
            checker.warning("CFG059", &["order_system"], message, help);
        }
    }
    for address in &system.addresses {
        checker.address(address, true, &["order_system", "addresses"]);
    }
    match (system.format.as_deref(), &system.template) {
        (Some("ubl") | None, None) | (None, Some(_)) => {}
        (Some(format), None) => {
            checker.error("CFG060", &["order_system", "format"], &format!("`{format}` is no format"), "ubl");
        }
        (Some(_), Some(_)) => {
            let message = "a document is written by a format or by a template, not both";
            checker.error("CFG060", &["order_system", "template"], message, "");
        }
    }
    if let Some(ripe) = system.ripe.as_deref().filter(|ripe| !["stable", "marker"].contains(ripe)) {
        checker.error("CFG061", &["order_system", "ripe"], &format!("`{ripe}` is neither stable nor marker"), "");
    }
    if let Some(listen) = &system.listen {
        if listen.parse::<std::net::SocketAddr>().is_err() {
            let message = format!("`{listen}` is no address to listen on");
            checker.error("CFG062", &["order_system", "listen"], &message, "127.0.0.1:8090");
        }
        if system.webhook_secret_file.is_none() {
            let message = "a webhook that nobody signs is anybody's: webhook_secret_file is missing";
            checker.error("CFG063", &["order_system", "listen"], message, "webhook_secret_file = \"...\"");
        }
    }
    for (key, pause) in [
        ("timeout", &system.timeout),
        ("retry", &system.retry),
        ("retry_max", &system.retry_max),
        ("poll", &system.poll),
    ] {
        if let Some(pause) = pause {
            checker.pause(pause, &["order_system", key]);
        }
    }
}

fn options(options: &SaleOptions, path: &[&str], checker: &mut Checker<'_>) {
    if let Some(pause) = &options.request_reminder {
        checker.pause(pause, &[path, &["request_reminder"]].concat());
    }
    if let Some(zone) = &options.time_zone
        && jiff::tz::TimeZone::get(zone).is_err()
    {
        let message = format!("`{zone}` is no IANA time zone");
        checker.error("CFG016", &[path, &["time_zone"]].concat(), &message, "Europe/Berlin, Europe/Stockholm, UTC");
    }
}
