//! The words everybody speaks: order, response, message, transmission, approval, partner, channel.
//!
//! No input or output, no clock, no opinions: data and the few facts that hold for it everywhere.
//! Names are those of the reference process ("IOM Order Response Business Process").

pub mod alarm;
pub mod ids;
pub mod message;
pub mod order;
pub mod owed;
pub mod place;
pub mod policy;
pub mod response;
pub mod transmission;

pub use alarm::{Alarm, AlarmKind, AuditEntry};
pub use ids::{AlarmId, ChannelId, Digest, MailId, OrderNumber, PartnerId, ResponseId, TransmissionId};
pub use jiff::{Timestamp, civil::Date};
pub use message::{
    BackorderEncoding, Field, Habits, HeadState, LineStatus, Message, MessageKind, MissingPolicy, Said, Schedule, Value,
};
pub use order::{Announced, Dossier, Order, OrderError, Position, Unanswered, Unwritten};
pub use owed::{About, AlarmNews, Numbers, Outcome, Owed, Receipt, Writer};
pub use place::{Place, Spot};
pub use policy::{Channel, Partner, Pause, Policies, Settings};
pub use response::{
    Approval, Course, Deviation, DeviationCode, Edit, EditTarget, Fault, FaultCode, Line, LineDecision, Override,
    Recall, RecallState, Response, ResponseType, Return, ReturnPosition, Status, Step, Turn, Wait,
};
pub use rust_decimal::Decimal;
pub use transmission::{Attempt, Recipient, Transmission, TransmissionKind, TransmissionStatus};
