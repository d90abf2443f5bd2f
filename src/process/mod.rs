//! What happens next: the IOM Order Response Business Process as a pure state machine over one dossier
//! (an order and all its responses). [`step`] takes one input and runs it to rest: until every response
//! has ended or waits for the outside world. It knows no clock, file or socket, and no words of a letter.
//!
//! The way of a response: [`table`] says what may follow what; `receive` stores it, `turn` says when it is
//! its turn, `prepare`, `validate` and `deviate` read it against the order (`examine` leads them),
//! `approve` and `recall` hold the talk with the channel and the partner, `announce` and `finish` bring it
//! to its end; `wait` is what time does, `person` what people do, `merge` what becomes of two orders made one.

mod announce;
mod approve;
mod deviate;
mod examine;
mod finish;
mod input;
mod merge;
mod person;
mod picture;
mod prepare;
pub mod print;
mod recall;
mod receive;
mod run;
mod said;
pub mod sale;
pub mod split;
pub mod table;
mod take;
mod turn;
mod validate;
mod wait;

pub use input::{
    AlarmChange, Command, Decision, DecisionKind, Input, Outcome, Person, PersonAction, QuestionAnswered, RecallAnswer,
    Received, Refused, Reread, Scope, Verb, World,
};
pub use merge::Joined;
pub use said::NUMBER_MAX;
pub use table::{Answer, Question, Row, TABLE};

use crate::model::Dossier;

/// Takes one input and runs to rest. The dossier holds the new state; what is owed went to the writer. A
/// refused input changes nothing but what was told to whoever sent it, and says why.
pub fn step(dossier: &mut Dossier, input: Input, world: &mut World<'_>) -> Outcome {
    let mut run = run::Run::new(dossier, world);
    take::take(&mut run, input);
    run.come_to_rest();
    run.finish()
}
