//! The words everybody speaks: order, response, message, transmission, approval, partner, channel.
//!
//! No input or output, no clock, no opinions: data and the few facts that hold for it everywhere.
//! Names are those of the reference process ("IOM Order Response Business Process").

pub mod alarm;
pub mod customer;
pub mod ids;
pub mod message;
pub mod order;
pub mod owed;
pub mod place;
pub mod policy;
pub mod response;
pub mod sale;
pub mod transmission;

pub use alarm::{Alarm, AlarmKind, AuditEntry};
pub use customer::{Customer, SaleSettings, SalesDesk};
pub use ids::{
    AlarmId, ChannelId, CustomerId, Digest, MailId, OrderNumber, PartnerId, ResponseId, SaleId, TransmissionId,
};
pub use jiff::{Timestamp, civil::Date};
pub use message::{
    BackorderEncoding, Field, Habits, HeadState, LineStatus, Message, MessageKind, MissingPolicy, Said, Schedule, Value,
};
pub use order::{Announced, Dossier, Merged, Order, OrderError, Origin, Position, Unanswered, Unwritten};
pub use owed::{About, AlarmNews, Numbers, Outcome, Owed, Receipt, Writer};
pub use place::{Place, Spot};
pub use policy::{Channel, Partner, Pause, Policies, Settings};
pub use response::{
    Approval, Course, Deviation, DeviationCode, Edit, EditTarget, Fault, FaultCode, Line, LineDecision, Override,
    Recall, RecallState, Response, ResponseType, Return, ReturnPosition, Status, Step, Turn, Wait,
};
pub use rust_decimal::Decimal;
pub use sale::{
    Confirmation, Difference, DifferenceCode, HandOver, Handing, OrderVersion, Sale, SaleAbout, SaleComment, SaleOwed,
    SaleStatus, SaleStep, SaleWriter, SalesQuestion, Shown, SystemAnswer, Tolerated,
};
pub use transmission::{Attempt, Recipient, Transmission, TransmissionKind, TransmissionStatus};
