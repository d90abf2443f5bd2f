//! The sales side: what happens to a customer's order between its mail and its confirmation, as a pure state
//! machine over one [`Sale`]. [`step`] takes one input and runs it to rest. It knows no clock, file or socket, and
//! no words of a letter.
//!
//! [`table`] says what may follow what; `check` looks at the customer's order, `compare` at what the order system
//! made of it, `desk` holds the talk with the sales desk, `confirm` brings it to its end; `wait` is what time does.

mod check;
pub mod compare;
mod confirm;
mod desk;
mod input;
pub mod print;
mod run;
pub mod table;
mod take;
mod wait;

pub use check::wanted;
pub use input::{
    LineValue, Lines, ReceivedOrder, SaleAction, SaleCommand, SaleDecision, SaleInput, SaleOutcome, SalePerson,
    SaleRefused, SaleWorld, Tried, key_of,
};
pub use table::{Answer, Question, Row, TABLE};

use crate::model::Sale;

/// Takes one input and runs to rest. The sale holds the new state; what is owed went to the writer. A refused
/// input changes nothing but what was told to whoever sent it, and says why.
pub fn step(sale: &mut Sale, input: SaleInput, world: &mut SaleWorld<'_>) -> SaleOutcome {
    let mut run = run::Run::new(sale, world);
    take::take(&mut run, input);
    run.come_to_rest();
    run.finish()
}
