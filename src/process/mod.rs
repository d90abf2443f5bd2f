//! What happens next: the IOM Order Response Business Process as a pure state machine over one dossier
//! (an order and all its responses). [`step`] takes one input and runs it to rest: until every response
//! has ended or waits for the outside world. It knows no clock, file or socket, and no words of a letter.

mod input;
pub mod table;

pub use input::{
    AlarmChange, Command, Decision, DecisionKind, Input, Outcome, Person, PersonAction, RecallAnswer, Received,
    Refused, Reread, Scope, Verb, World,
};
pub use table::{Answer, Question, Row, TABLE};

use crate::model::Dossier;

/// Takes one input and runs to rest. The dossier holds the new state; what is owed went to the writer. A
/// refused input changes nothing and says why.
pub fn step(_dossier: &mut Dossier, _input: Input, _world: &mut World<'_>) -> Outcome {
    Outcome { refused: Some(Refused::NotPossible("the process is being furnished".into())), ..Outcome::default() }
}
