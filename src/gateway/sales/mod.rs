//! The sales side of the gateway: customers' mails become sales, documents go to the order system, its answers come
//! back, the sales desk decides by reply. Every round is look, decide (pure), commit, like everywhere in the house.

mod answers;
mod decide;
mod desk;
mod document;
mod hand_over;
mod letter;
mod look;
mod times;
mod view;

pub use desk::SaleAct;
pub use times::{Times, times};

pub(super) use decide::{SaleKey, SaleTask};

use crate::model::{SaleId, SaleStep};
use crate::process::sale::SaleRefused;

/// What one input did to a sale.
#[derive(Clone, Debug)]
pub struct SaleDone {
    pub id: SaleId,
    pub order: crate::model::OrderNumber,
    pub changed: bool,
    pub steps: Vec<SaleStep>,
    pub refused: Option<SaleRefused>,
}

/// How the order system is doing, for deciding when to try again and when to call a person.
#[derive(Clone, Debug, Default)]
pub struct SystemHealth {
    /// In a row.
    pub failures: u32,
    pub trouble: Option<String>,
    pub trouble_since: Option<jiff::Timestamp>,
    pub last_success: Option<jiff::Timestamp>,
    /// Nothing is handed over before.
    pub not_before: Option<jiff::Timestamp>,
}
