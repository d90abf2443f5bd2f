//! What is decided by configuration (PROCESS section 8): partners, channels and how they want things.
//!
//! Everything has a stated default; a partner overrides the channel, the channel the default. The
//! process asks for the [`Settings`] of one (channel, partner) pair and never sees the layers.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::customer::{Customer, OrderSystemPolicy, PriceList, SalesDesk};
use super::ids::{ChannelId, CustomerId, PartnerId};
use super::message::Field;

/// All partners and channels with the defaults beneath them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Policies {
    pub partners: BTreeMap<PartnerId, Partner>,
    pub channels: BTreeMap<ChannelId, Channel>,
    pub defaults: Options,
    /// Addresses of the people who run the gateway; they get the alarms.
    pub operators: Vec<String>,
    /// Who orders by mail, and what the sales desk wants done with it.
    pub customers: BTreeMap<CustomerId, Customer>,
    pub sales: SalesDesk,
    pub order_system: OrderSystemPolicy,
    /// Read from the customers' files when the configuration is loaded.
    pub price_lists: BTreeMap<CustomerId, PriceList>,
}

/// Who answers orders by mail.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Partner {
    /// As people call it; the id when left out.
    pub name: String,
    /// Exact addresses (`orders@nordwind.example`) or domains (`@nordwind.example`) that may speak for the
    /// partner. The first exact address gets our mails unless `send_to` is given.
    pub addresses: Vec<String>,
    /// Where our mails to the partner go.
    pub send_to: Vec<String>,
    /// The partner's own word for a reason -> an RCL code, e.g. `"kein Bestand" = "RCL021"`.
    pub reasons: BTreeMap<String, String>,
    /// What differs from the channel's and the general options.
    pub options: Options,
}

/// Who placed the orders and must approve deviations.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Channel {
    pub name: String,
    /// Where responses for the channel go (SEND_RESPONSE_*).
    pub addresses: Vec<String>,
    /// Approvers in their order: each entry is asked when the one before did not answer in time. An
    /// entry may name several addresses, separated by commas; the first valid decision wins.
    pub approvers: Vec<String>,
    /// Where recreated documents go (CREATE_DOCUMENTS).
    pub documents_to: Vec<String>,
    pub options: Options,
}

/// What each layer may set; a value left out is inherited.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// The language of mails to them: a folder below `templates/`. Default `en`.
    pub language: Option<String>,
    /// IANA time zone for dates in mails and the working calendar. Default `UTC`.
    pub time_zone: Option<String>,
    pub tolerances: Tolerances,
    /// Line fields that must be said by the partner and are never filled in: `confirmed_date`, `price_net` ...
    pub required_fields: Option<Vec<Field>>,
    /// Faulty responses are told to the partner (C8): REQUEST_NEW_RESPONSE. Default true.
    pub tell_partner: Option<bool>,
    /// Lines without a valid reference. Default `ignore`.
    pub additional_positions: Option<AdditionalPositions>,
    /// The partner cannot take one product on two lines; its answer is split over the positions. Default false.
    pub merges_positions: Option<bool>,
    /// Unit conversions: `"BOX" = { unit = "PCE", factor = "12" }`.
    pub units: BTreeMap<String, UnitConversion>,
    /// `full` = the process runs by itself; `approve_all` = every sound response is asked about too. Default `full`.
    pub automation: Option<Automation>,
    /// The channel gets responses (N5, F3). Default true.
    pub channel_gets_response: Option<bool>,
    /// Documents are recreated (F1). Default false.
    pub recreate_documents: Option<bool>,
    /// Who must prove where a response comes from: `require`, `prefer`, `off`. Default `prefer`. A channel's
    /// word counts for answers to our own questions only: else the order is not known before the mail is read.
    pub response_trust: Option<Trust>,
    /// Same for decisions. Default `require`.
    pub decision_trust: Option<Trust>,
    /// Times are durations like `30m`, `2h`, `3d`; with `w` in front of the unit (`8wh`, `2wd`) working time. See the reference.
    pub waits: Waits,
}

/// How far a response may differ from the order without a question.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Tolerances {
    /// Percent of the ordered price. Within = the price differs by at most this **or** by at most `price_absolute`. Default 0.
    #[schemars(with = "Option<String>")]
    pub price_percent: Option<Decimal>,
    /// In the order's currency, per unit. Default 0.
    #[schemars(with = "Option<String>")]
    pub price_absolute: Option<Decimal>,
    /// A lower price is no deviation. Default true.
    pub price_lower_ok: Option<bool>,
    /// A price above the sales price is a deviation. Default true.
    pub price_above_sales: Option<bool>,
    /// Calendar days after the requested date. Default 0.
    pub days_late: Option<u32>,
    /// Calendar days before the requested date. Default 9999: early is welcome.
    pub days_early: Option<u32>,
    /// Units less than ordered, of one position. Default 0.
    #[schemars(with = "Option<String>")]
    pub quantity_less: Option<Decimal>,
    /// A backorder is no deviation when its date is within `days_late`. Default false.
    pub backorder_ok: Option<bool>,
    /// Canceled positions are no deviation (a return is made without a question). Default false.
    pub cancel_ok: Option<bool>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Waits {
    /// Until the partner is reminded of REQUEST_NEW_RESPONSE. Default `2d`.
    pub request_reminder: Option<String>,
    /// How many reminders before an alarm; an answer in words that cannot be read is asked about again as often. Default 2.
    pub request_reminders: Option<u32>,
    /// Until an approver is reminded. Default `1d`.
    pub approval_reminder: Option<String>,
    /// Reminders to one approver before the next one in order is asked. Default 1.
    pub approval_reminders: Option<u32>,
    /// The question expires (= hold, never a decision) so long after it was first asked. Default `14d`.
    pub approval_expiry: Option<String>,
    /// Until the partner is reminded of a recall. Default `1d`.
    pub recall_reminder: Option<String>,
    pub recall_reminders: Option<u32>,
    /// A recall is not sent before this has passed, so that a mistaken DECLINE can be undone. Default `5m`.
    pub recall_hold: Option<String>,
    /// WAIT_PENDING longer than this raises an alarm. Default `2d`.
    pub pending_limit: Option<String>,
    /// An order that its partner does not answer is asked about after this. Default `3d`; `0` = never.
    pub unanswered_reminder: Option<String>,
    pub unanswered_reminders: Option<u32>,
    /// An open alarm is repeated after this. Default `1d`.
    pub alarm_reminder: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AdditionalPositions {
    Ignore,
    Deviation,
    Error,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Automation {
    Full,
    ApproveAll,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Trust {
    Require,
    Prefer,
    Off,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UnitConversion {
    /// The order's unit.
    pub unit: String,
    /// How many of the order's unit are in one of the partner's.
    #[schemars(with = "String")]
    pub factor: Decimal,
}

/// The options of one (channel, partner) pair, every value decided.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    pub language: String,
    pub channel_language: String,
    pub time_zone: String,
    pub price_percent: Decimal,
    pub price_absolute: Decimal,
    pub price_lower_ok: bool,
    pub price_above_sales: bool,
    pub days_late: u32,
    pub days_early: u32,
    pub quantity_less: Decimal,
    pub backorder_ok: bool,
    pub cancel_ok: bool,
    pub required_fields: Vec<Field>,
    pub tell_partner: bool,
    pub additional_positions: AdditionalPositions,
    pub merges_positions: bool,
    pub units: BTreeMap<String, UnitConversion>,
    pub automation: Automation,
    pub channel_gets_response: bool,
    pub recreate_documents: bool,
    pub response_trust: Trust,
    pub decision_trust: Trust,
    pub reasons: BTreeMap<String, String>,
    /// Approvers in their order, each entry its addresses.
    pub approvers: Vec<Vec<String>>,
    pub request_reminder: Pause,
    pub request_reminders: u32,
    pub approval_reminder: Pause,
    pub approval_reminders: u32,
    pub approval_expiry: Pause,
    pub recall_reminder: Pause,
    pub recall_reminders: u32,
    pub recall_hold: Pause,
    pub pending_limit: Pause,
    pub unanswered_reminder: Pause,
    pub unanswered_reminders: u32,
    pub alarm_reminder: Pause,
}

/// A length of time: calendar seconds, or working time (Monday to Friday, 9 to 17 in the time zone).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pause {
    Calendar { seconds: i64 },
    Working { seconds: i64 },
}

/// A working day, for pauses like `2wd`.
pub const WORKING_DAY_SECONDS: i64 = 8 * 3600;

impl Pause {
    pub const NONE: Pause = Pause::Calendar { seconds: 0 };

    /// `90s`, `30m`, `2h`, `3d`, working time `4wh`, `2wd`; `0` = none.
    pub fn parse(text: &str) -> Result<Pause, String> {
        let wrong = || format!("`{text}` is no length of time like 30m, 2h, 3d or (working days) 2wd");
        let text = text.trim();
        if text == "0" {
            return Ok(Pause::NONE);
        }
        let split = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let (digits, unit) = text.split_at(split);
        let count: i64 = digits.parse().map_err(|_| wrong())?;
        let (seconds, working) = match unit {
            "s" => (1, false),
            "m" => (60, false),
            "h" => (3600, false),
            "d" => (86_400, false),
            "wh" => (3600, true),
            "wd" => (WORKING_DAY_SECONDS, true),
            _ => return Err(wrong()),
        };
        let seconds = count.checked_mul(seconds).filter(|s| *s <= 3_650 * 86_400).ok_or_else(wrong)?;
        Ok(if working { Pause::Working { seconds } } else { Pause::Calendar { seconds } })
    }

    pub fn is_none(self) -> bool {
        matches!(self, Pause::Calendar { seconds: 0 } | Pause::Working { seconds: 0 })
    }

    /// The moment so long after `from`; working time counts in `time_zone` (UTC when unknown).
    pub fn after(self, from: jiff::Timestamp, time_zone: &str) -> jiff::Timestamp {
        match self {
            Pause::Calendar { seconds } => {
                from.saturating_add(jiff::SignedDuration::from_secs(seconds)).unwrap_or(jiff::Timestamp::MAX)
            }
            Pause::Working { seconds } => after_working(from, seconds, time_zone),
        }
    }
}

fn after_working(from: jiff::Timestamp, seconds: i64, time_zone: &str) -> jiff::Timestamp {
    let zone = jiff::tz::TimeZone::get(time_zone).unwrap_or(jiff::tz::TimeZone::UTC);
    let mut left = seconds;
    let start = from.to_zoned(zone.clone());
    let mut day = start.date();
    // 10,000 days is longer than any pause that `parse` lets through.
    for _ in 0..10_000 {
        let at = |hour| day.at(hour, 0, 0, 0).to_zoned(zone.clone()).map(|zoned| zoned.timestamp()).ok();
        let weekday = !matches!(day.weekday(), jiff::civil::Weekday::Saturday | jiff::civil::Weekday::Sunday);
        if weekday && let (Some(open), Some(close)) = (at(9), at(17)) {
            let begin = open.max(from);
            let room = close.as_second() - begin.as_second();
            if room > 0 {
                if left <= room {
                    return jiff::Timestamp::from_second(begin.as_second() + left).unwrap_or(begin);
                }
                left -= room;
            }
        }
        match day.tomorrow() {
            Ok(next) => day = next,
            Err(_) => break,
        }
    }
    from
}

impl Policies {
    /// The settings of a pair; a channel or partner that is not configured has the defaults.
    pub fn settings(&self, channel: &ChannelId, partner: &PartnerId) -> Settings {
        let channel = self.channels.get(channel);
        let partner = self.partners.get(partner);
        let layers = Layers([partner.map(|p| &p.options), channel.map(|c| &c.options), Some(&self.defaults)]);
        let pause = |get: fn(&Waits) -> &Option<String>, default: &str| {
            let text = layers.first(|o| get(&o.waits).clone());
            // A pause that cannot be read was refused when the configuration was checked.
            Pause::parse(text.as_deref().unwrap_or(default)).unwrap_or(Pause::NONE)
        };
        let count = |get: fn(&Waits) -> Option<u32>, default: u32| layers.first(|o| get(&o.waits)).unwrap_or(default);
        let channel_layers = Layers([None, channel.map(|c| &c.options), Some(&self.defaults)]);
        let mut units = BTreeMap::new();
        for layer in layers.0.iter().rev().flatten() {
            units.extend(layer.units.clone());
        }
        let english = || "en".to_string();
        Settings {
            language: layers.first(|o| o.language.clone()).unwrap_or_else(english),
            channel_language: channel_layers.first(|o| o.language.clone()).unwrap_or_else(english),
            time_zone: layers.first(|o| o.time_zone.clone()).unwrap_or_else(|| "UTC".into()),
            price_percent: layers.first(|o| o.tolerances.price_percent).unwrap_or_default(),
            price_absolute: layers.first(|o| o.tolerances.price_absolute).unwrap_or_default(),
            price_lower_ok: layers.first(|o| o.tolerances.price_lower_ok).unwrap_or(true),
            price_above_sales: layers.first(|o| o.tolerances.price_above_sales).unwrap_or(true),
            days_late: layers.first(|o| o.tolerances.days_late).unwrap_or(0),
            days_early: layers.first(|o| o.tolerances.days_early).unwrap_or(9_999),
            quantity_less: layers.first(|o| o.tolerances.quantity_less).unwrap_or_default(),
            backorder_ok: layers.first(|o| o.tolerances.backorder_ok).unwrap_or(false),
            cancel_ok: layers.first(|o| o.tolerances.cancel_ok).unwrap_or(false),
            required_fields: layers.first(|o| o.required_fields.clone()).unwrap_or_default(),
            tell_partner: layers.first(|o| o.tell_partner).unwrap_or(true),
            additional_positions: layers.first(|o| o.additional_positions).unwrap_or(AdditionalPositions::Ignore),
            merges_positions: layers.first(|o| o.merges_positions).unwrap_or(false),
            units,
            automation: layers.first(|o| o.automation).unwrap_or(Automation::Full),
            channel_gets_response: layers.first(|o| o.channel_gets_response).unwrap_or(true),
            recreate_documents: layers.first(|o| o.recreate_documents).unwrap_or(false),
            response_trust: layers.first(|o| o.response_trust).unwrap_or(Trust::Prefer),
            decision_trust: layers.first(|o| o.decision_trust).unwrap_or(Trust::Require),
            reasons: partner.map(|p| p.reasons.clone()).unwrap_or_default(),
            approvers: channel.map(Channel::approvers_in_order).unwrap_or_default(),
            request_reminder: pause(|w| &w.request_reminder, "2d"),
            request_reminders: count(|w| w.request_reminders, 2),
            approval_reminder: pause(|w| &w.approval_reminder, "1d"),
            approval_reminders: count(|w| w.approval_reminders, 1),
            approval_expiry: pause(|w| &w.approval_expiry, "14d"),
            recall_reminder: pause(|w| &w.recall_reminder, "1d"),
            recall_reminders: count(|w| w.recall_reminders, 2),
            recall_hold: pause(|w| &w.recall_hold, "5m"),
            pending_limit: pause(|w| &w.pending_limit, "2d"),
            unanswered_reminder: pause(|w| &w.unanswered_reminder, "3d"),
            unanswered_reminders: count(|w| w.unanswered_reminders, 1),
            alarm_reminder: pause(|w| &w.alarm_reminder, "1d"),
        }
    }

    /// The partner that may speak from this bare address: an exact entry before a domain.
    pub fn partner_of_address(&self, address: &str) -> Option<&PartnerId> {
        let address = address.to_ascii_lowercase();
        let exact = self.partners.iter().find(|(_, p)| p.addresses.iter().any(|a| a.eq_ignore_ascii_case(&address)));
        let domain = || {
            let domain = address.rsplit_once('@').map(|(_, domain)| format!("@{domain}"))?;
            self.partners.iter().find(|(_, p)| p.addresses.iter().any(|a| a.eq_ignore_ascii_case(&domain)))
        };
        exact.or_else(domain).map(|(id, _)| id)
    }
}

impl Channel {
    pub fn approvers_in_order(&self) -> Vec<Vec<String>> {
        let split = |entry: &String| entry.split(',').map(|a| a.trim().to_string()).filter(|a| !a.is_empty()).collect();
        self.approvers.iter().map(split).collect()
    }
}

impl Partner {
    /// Where our mails to the partner go.
    pub fn recipients(&self) -> Vec<String> {
        if !self.send_to.is_empty() {
            return self.send_to.clone();
        }
        self.addresses.iter().find(|a| !a.starts_with('@')).cloned().into_iter().collect()
    }
}

struct Layers<'a>([Option<&'a Options>; 3]);

impl Layers<'_> {
    fn first<T>(&self, get: impl Fn(&Options) -> Option<T>) -> Option<T> {
        self.0.iter().flatten().find_map(|options| get(options))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tolerance set for one partner must not leak to others, and must win over the channel's.
    #[test]
    fn partner_overrides_channel_overrides_default() {
        let mut policies = Policies::default();
        policies.defaults.tolerances.days_late = Some(1);
        let mut channel = Channel::default();
        channel.options.tolerances.days_late = Some(2);
        policies.channels.insert("shop".into(), channel);
        let mut partner = Partner { addresses: vec!["@nord.example".into()], ..Partner::default() };
        partner.options.tolerances.days_late = Some(3);
        policies.partners.insert("nord".into(), partner);
        let late = |channel: &str, partner: &str| policies.settings(&channel.into(), &partner.into()).days_late;
        assert_eq!((late("shop", "nord"), late("shop", "ost"), late("other", "ost")), (3, 2, 1));
        assert_eq!(policies.partner_of_address("Anna@Nord.example"), Some(&"nord".into()));
        assert_eq!(policies.partner_of_address("anna@evil-nord.example"), None);
    }

    /// A reminder on a Saturday night annoys; one that never comes loses the order.
    #[test]
    fn working_time_skips_nights_and_weekends() {
        let friday = "2026-11-20T16:00:00Z".parse().unwrap();
        let after = |text: &str| Pause::parse(text).unwrap().after(friday, "UTC").to_string();
        assert_eq!(after("30m"), "2026-11-20T16:30:00Z");
        assert_eq!(after("30wh"), "2026-11-26T14:00:00Z");
        assert_eq!(after("1wd"), "2026-11-23T16:00:00Z");
        assert_eq!(after("3d"), "2026-11-23T16:00:00Z");
        assert!(
            Pause::parse("2 weeks").is_err() && Pause::parse("d").is_err() && Pause::parse("99999999999d").is_err()
        );
    }
}
