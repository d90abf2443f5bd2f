//! Sales within a decision: found or begun, stepped, and committed together with the mail that moved them and the
//! order that they register.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::SaleDone;
use super::letter::SaleLetterWriter;
use crate::gateway::decide::Decided;
use crate::gateway::envelope::{Fresh, Written};
use crate::gateway::numbers::Handout;
use crate::gateway::{Gateway, Live};
use crate::model::{CustomerId, MailId, OrderNumber, Sale, SaleId, TransmissionId};
use crate::process::sale::{SaleInput, SaleRefused, SaleWorld, step};
use crate::process::{AlarmChange, Input};
use crate::store::{Commit, StoreError};

/// An input and the sale that it is for.
#[derive(Clone)]
pub(in crate::gateway) struct SaleTask {
    pub key: SaleKey,
    pub input: SaleInput,
}

/// Which sale is meant.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::gateway) enum SaleKey {
    Id(SaleId),
    /// The customer's order of this number; it begins when there is none yet.
    Order {
        customer: CustomerId,
        number: String,
    },
}

impl SaleKey {
    /// For telling whether two tasks may meet.
    pub fn name(&self) -> String {
        match self {
            SaleKey::Id(id) => id.to_string(),
            SaleKey::Order { customer, number } => format!("{customer}/{number}"),
        }
    }
}

/// What the sales of one task came to, to be committed with the rest.
#[derive(Default)]
pub(in crate::gateway) struct SalesDecided {
    pub decided: Vec<Decided>,
    pub inputs: Vec<(OrderNumber, Input)>,
    pub written: Vec<Written>,
    pub canceled: BTreeSet<TransmissionId>,
    pub confirmed: BTreeSet<TransmissionId>,
    /// Alarms with the order that they are filed under.
    pub alarms: Vec<(OrderNumber, Vec<AlarmChange>)>,
    /// What the mail's record says of it: the order, and why nothing came of it.
    pub order: Option<OrderNumber>,
    pub duplicate: Option<String>,
    pub reason: Option<String>,
}

impl Gateway {
    /// Steps the sales of a task in memory; what they change goes into the commit.
    pub(in crate::gateway) fn decide_sales(
        &self,
        tasks: &[SaleTask],
        commit: &mut Commit,
        fresh: &BTreeMap<MailId, Fresh>,
        cause: Option<MailId>,
        live: &Live,
        now: Timestamp,
    ) -> Result<SalesDecided, StoreError> {
        let mut all = SalesDecided::default();
        let mut sales: BTreeMap<SaleId, (Sale, bool)> = BTreeMap::new();
        for task in tasks {
            let Some(id) = self.open_sale(&task.key, &mut sales, now)? else { continue };
            let Some((sale, changed)) = sales.get_mut(&id) else { continue };
            let settings = live.loaded.policies.sale_settings(&sale.customer);
            let mut numbers = Handout::new(&self.inner.numbers);
            let mut writer = SaleLetterWriter {
                gateway: self,
                live,
                now,
                fresh,
                cause,
                written: RefCell::default(),
                blobs: RefCell::default(),
            };
            let mut world = SaleWorld { now, settings: &settings, numbers: &mut numbers, writer: &mut writer };
            let mut input = task.input.clone();
            if let SaleInput::OrderReceived(order) = &mut input {
                order.called = self.called(sale, order.message.text(crate::model::Field::OrderNumber))?;
            }
            let outcome = step(sale, input, &mut world);
            commit.blobs.append(&mut writer.blobs.borrow_mut());
            all.written.append(&mut writer.written.borrow_mut());
            if let Some(error) = numbers.failed() {
                return Err(error);
            }
            *changed |= outcome.changed;
            commit.audit.extend(outcome.audit);
            all.canceled.extend(outcome.canceled_transmissions);
            all.confirmed.extend(outcome.confirmed_transmissions);
            all.alarms.push((sale.order.clone(), outcome.alarms));
            all.inputs
                .extend(outcome.register.map(|order| (order.order_number.clone(), Input::OrderRegistered(order))));
            all.order.get_or_insert_with(|| sale.order.clone());
            match &outcome.refused {
                Some(SaleRefused::Duplicate(why)) => all.duplicate = Some(why.clone()),
                Some(other) => all.reason = Some(other.to_string()),
                None => {}
            }
            let done = SaleDone {
                id,
                order: sale.order.clone(),
                changed: outcome.changed,
                steps: outcome.rows,
                refused: outcome.refused,
            };
            all.decided.push(Decided { changed: outcome.changed, sale: Some(done), ..Decided::default() });
        }
        commit.sales.extend(sales.into_values().filter(|(_, changed)| *changed).map(|(sale, _)| sale));
        Ok(all)
    }

    /// Finds the sale, or begins it; `None` when there is none and none may begin.
    fn open_sale(
        &self,
        key: &SaleKey,
        open: &mut BTreeMap<SaleId, (Sale, bool)>,
        now: Timestamp,
    ) -> Result<Option<SaleId>, StoreError> {
        let found = match key {
            SaleKey::Id(id) if open.contains_key(id) => return Ok(Some(*id)),
            SaleKey::Id(id) => self.store().sale(*id)?,
            SaleKey::Order { customer, number } => {
                let same = |sale: &Sale| sale.customer == *customer && sale.number == *number;
                if let Some((id, _)) = open.iter().find(|(_, (sale, _))| same(sale)) {
                    return Ok(Some(*id));
                }
                match self.store().sale_by_customer_order(customer, number)? {
                    Some(sale) => Some(sale),
                    None => {
                        let order = self.free_name(customer, number, None)?;
                        Some(Sale::new(self.inner.numbers.sale()?, customer.clone(), number, order, now))
                    }
                }
            }
        };
        let Some(sale) = found else { return Ok(None) };
        let id = sale.id;
        open.entry(id).or_insert((sale, false));
        Ok(Some(id))
    }

    /// What an order is called towards the order system and partners: the customer's number, unless another order is
    /// called so already.
    fn free_name(&self, customer: &CustomerId, number: &str, own: Option<SaleId>) -> Result<OrderNumber, StoreError> {
        let wanted = OrderNumber::new(number);
        let other = self.store().sale_by_order(&wanted)?.is_some_and(|sale| Some(sale.id) != own);
        let dossier = own.is_none() && self.store().dossier(&wanted)?.is_some();
        if other || dossier { Ok(OrderNumber::new(format!("{number}-{customer}"))) } else { Ok(wanted) }
    }

    /// The name of a sale whose number only its latest mail says.
    fn called(&self, sale: &Sale, number: Option<&str>) -> Result<Option<OrderNumber>, StoreError> {
        match number.map(str::trim).filter(|number| !number.is_empty() && *number != sale.number) {
            Some(number) if sale.hand_overs.is_empty() && !sale.history.is_empty() => {
                self.free_name(&sale.customer, number, Some(sale.id)).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// Whatever is due for sales happens; returns how many were looked at.
    pub(in crate::gateway) fn sales_time_passes(&self, limit: usize) -> Result<usize, StoreError> {
        let due = self.store().sales_due(self.now(), limit)?;
        let count = due.len();
        let tasks = due.into_iter().map(|id| crate::gateway::decide::Task {
            sales: vec![SaleTask { key: SaleKey::Id(id), input: SaleInput::Timer }],
            ..Default::default()
        });
        for decided in self.settle(tasks.collect()) {
            if let Err(error) = decided {
                tracing::error!(%error, "what is due for an order could not be decided");
            }
        }
        Ok(count)
    }

    /// One input to one sale, decided and committed.
    pub(in crate::gateway) fn decide_sale(
        &self,
        key: SaleKey,
        input: SaleInput,
    ) -> Result<Option<SaleDone>, StoreError> {
        let task = crate::gateway::decide::Task { sales: vec![SaleTask { key, input }], ..Default::default() };
        let mut all = self.settle(vec![task]);
        let decided = all.pop().unwrap_or_else(|| Ok(Vec::new()))?;
        Ok(decided.into_iter().find_map(|decided| decided.sale))
    }
}
