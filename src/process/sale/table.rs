//! The table of sales: every status asks one question, every answer is one row, a row names the next status and
//! the transmissions it owes. Nothing moves a sale except walking a row of this table. It must never know how an
//! answer is found.

use crate::model::{AlarmKind, SaleStatus, TransmissionKind};

/// One answer to the question that a status asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Steps are ours (S = sale), since the reference draws no picture of this side.
    pub step: &'static str,
    /// `None` = before the sale exists.
    pub from: Option<SaleStatus>,
    pub answer: Answer,
    pub to: SaleStatus,
    /// What is owed in the same commit; the row is not walked when it cannot be written.
    pub owes: &'static [TransmissionKind],
    /// The alarm that starts with it; it is over when the sale leaves the status.
    pub alarm: Option<AlarmKind>,
}

const fn row(
    step: &'static str,
    from: SaleStatus,
    answer: Answer,
    to: SaleStatus,
    owes: &'static [TransmissionKind],
    alarm: Option<AlarmKind>,
) -> Row {
    Row { step, from: Some(from), answer, to, owes, alarm }
}

#[rustfmt::skip]
pub const TABLE: &[Row] = {
    use {Answer::*, SaleStatus::*, TransmissionKind::{ConfirmOrder, Question, Reminder, RequestNewOrder, SendOrder, SendOrderConfirmation, Withdrawal}};
    const FAULTY: Option<AlarmKind> = Some(AlarmKind::Faulty);
    const SILENT: Option<AlarmKind> = Some(AlarmKind::CustomerSilent);
    const STILL: Option<AlarmKind> = Some(AlarmKind::OrderStandsStill);
    const UNDECIDED: Option<AlarmKind> = Some(AlarmKind::ApprovalOverdue);
    const REFUSED: Option<AlarmKind> = Some(AlarmKind::CancellationRefused);
    &[
    //  step   in status             answer                  next                  owes                       alarm
    // Capture: can the order be taken as the customer wrote it?
    Row { step: "S1", from: None, answer: OrderStored, to: Initial, owes: &[], alarm: None },
    row("S2", Initial,              Sound,                  Checked,              &[],                       None),
    row("S2", DoCheck,              Sound,                  Checked,              &[],                       None),
    row("S2", Initial,              FaultyTold,             NotChecked,           &[RequestNewOrder],        None),
    row("S2", DoCheck,              FaultyTold,             NotChecked,           &[RequestNewOrder],        None),
    row("S2", Initial,              Faulty,                 NotChecked,           &[],                       FAULTY),
    row("S2", DoCheck,              Faulty,                 NotChecked,           &[],                       FAULTY),
    row("S3", NotChecked,           OrderChanged,           DoCheck,              &[],                       None),
    row("S3", NotChecked,           Corrected,              DoCheck,              &[],                       None),
    row("S3", NotChecked,           Forced,                 Checked,              &[],                       None),
    row("S3", NotChecked,           GivenUp,                Canceled,             &[],                       None),
    row("S3", NotChecked,           CustomerSilent,         NotChecked,           &[Reminder],               None),
    row("S3", NotChecked,           CustomerStaysSilent,    NotChecked,           &[],                       SILENT),
    row("-",  NotChecked,           StandsStill,            NotChecked,           &[],                       STILL),

    // Hand over: the order system gets the document, once, however often it is tried.
    row("S4", Checked,              ToBeHandedOver,         DoCreateTransmission, &[],                       None),
    row("S4", Checked,              HandedOverByMail,       CreatedTransmission,  &[SendOrder],              None),
    row("S5", DoCreateTransmission, HandedOver,             CreatedTransmission,  &[],                       None),
    row("S5", WaitForTransmit,      HandedOver,             CreatedTransmission,  &[],                       None),
    row("S5", DoCreateTransmission, SystemAway,             WaitForTransmit,      &[],                       None),
    row("S5", WaitForTransmit,      SystemAway,             WaitForTransmit,      &[],                       None),
    row("S5", DoCreateTransmission, HandOverRefused,        NotAnnounced,         &[ConfirmOrder],           None),
    row("S5", WaitForTransmit,      HandOverRefused,        NotAnnounced,         &[ConfirmOrder],           None),
    row("S5", DoCreateTransmission, Answered,               DoAnnounce,           &[],                       None),
    row("S5", WaitForTransmit,      Answered,               DoAnnounce,           &[],                       None),
    row("-",  DoCreateTransmission, OrderChanged,           DoCheck,              &[],                       None),
    row("-",  WaitForTransmit,      OrderChanged,           DoCheck,              &[],                       None),
    row("-",  DoCreateTransmission, GivenUp,                NotAnnouncedDoCancel, &[],                       None),
    row("-",  WaitForTransmit,      GivenUp,                NotAnnouncedDoCancel, &[],                       None),
    row("-",  DoCreateTransmission, StandsStill,            DoCreateTransmission, &[],                       STILL),
    row("-",  WaitForTransmit,      StandsStill,            WaitForTransmit,      &[],                       STILL),
    row("S6", CreatedTransmission,  Answered,               DoAnnounce,           &[],                       None),
    row("-",  CreatedTransmission,  HandedOverAgain,        DoCreateTransmission, &[],                       None),
    row("-",  CreatedTransmission,  OrderChanged,           DoCheck,              &[],                       None),
    row("-",  CreatedTransmission,  GivenUp,                NotAnnouncedDoCancel, &[],                       None),
    row("-",  CreatedTransmission,  HandOverBounced,        NotAnnounced,         &[ConfirmOrder],           None),
    row("-",  CreatedTransmission,  StandsStill,            CreatedTransmission,  &[],                       STILL),

    // Compare: did the order system make of it what the customer ordered?
    row("S7", DoAnnounce,           Matches,                Announced,            &[],                       None),
    row("S7", DoAnnounce,           Differs,                CheckAnnounced,       &[ConfirmOrder],           None),
    row("S7", DoAnnounce,           Rejected,               NotAnnounced,         &[ConfirmOrder],           None),

    // The sales desk decides.
    row("S8", CheckAnnounced,       Released,               Announced,            &[],                       None),
    row("S8", CheckAnnounced,       ChangedByDesk,          Checked,              &[],                       None),
    row("S8", CheckAnnounced,       Declined,               NotAnnouncedDoCancel, &[],                       None),
    row("S8", CheckAnnounced,       CustomerAsked,          CheckAnnounced,       &[Question],               None),
    row("S8", CheckAnnounced,       AskedAgain,             CheckAnnounced,       &[ConfirmOrder],           None),
    row("S8", CheckAnnounced,       DeskSilent,             CheckAnnounced,       &[Reminder],               None),
    row("S8", CheckAnnounced,       DeskStaysSilent,        CheckAnnounced,       &[],                       UNDECIDED),
    row("-",  CheckAnnounced,       Answered,               DoAnnounce,           &[Withdrawal],             None),
    row("-",  CheckAnnounced,       OrderChanged,           DoCheck,              &[Withdrawal],             None),
    row("-",  CheckAnnounced,       StandsStill,            CheckAnnounced,       &[],                       STILL),
    row("S8", NotAnnounced,         ChangedByDesk,          Checked,              &[],                       None),
    row("S8", NotAnnounced,         Declined,               Canceled,             &[RequestNewOrder],        None),
    row("S8", NotAnnounced,         HandedOverAgain,        Checked,              &[],                       None),
    row("S8", NotAnnounced,         CustomerAsked,          NotAnnounced,         &[Question],               None),
    row("S8", NotAnnounced,         AskedAgain,             NotAnnounced,         &[ConfirmOrder],           None),
    row("S8", NotAnnounced,         DeskSilent,             NotAnnounced,         &[Reminder],               None),
    row("S8", NotAnnounced,         DeskStaysSilent,        NotAnnounced,         &[],                       UNDECIDED),
    row("-",  NotAnnounced,         Answered,               DoAnnounce,           &[Withdrawal],             None),
    row("-",  NotAnnounced,         OrderChanged,           DoCheck,              &[Withdrawal],             None),
    row("-",  NotAnnounced,         StandsStill,            NotAnnounced,         &[],                       STILL),

    // Confirm: the customer is told, the response process goes on from here.
    row("S9", Announced,            ToBeConfirmed,          DoPrepareDocument,    &[],                       None),
    row("S9", DoPrepareDocument,    Confirmed,              PreparedDocument,     &[SendOrderConfirmation],  None),
    row("S10",PreparedDocument,     Registered,             Closed,               &[],                       None),
    row("S10",PreparedDocument,     NothingToRegister,      Closed,               &[],                       None),
    row("-",  Closed,               OrderChanged,           DoCheck,              &[],                       None),
    row("-",  Closed,               Answered,               DoAnnounce,           &[],                       None),

    // Cancel: what the order system may have is taken back before the customer is told.
    row("S11",NotAnnouncedDoCancel, CancellationHanded,     Canceled,             &[RequestNewOrder],        None),
    row("S11",NotAnnouncedDoCancel, CanceledByMail,         Canceled,             &[SendOrder, RequestNewOrder], None),
    row("S11",NotAnnouncedDoCancel, SystemAway,             NotAnnouncedDoCancel, &[],                       None),
    row("S11",NotAnnouncedDoCancel, CancellationRefused,    Canceled,             &[RequestNewOrder],        REFUSED),
    row("-",  NotAnnouncedDoCancel, OrderChanged,           DoCheck,              &[],                       None),
    row("-",  NotAnnouncedDoCancel, StandsStill,            NotAnnouncedDoCancel, &[],                       STILL),
    row("-",  Canceled,             OrderChanged,           DoCheck,              &[],                       None),
    ]
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Answer {
    OrderStored,
    Sound,
    FaultyTold,
    Faulty,
    OrderChanged,
    Corrected,
    Forced,
    GivenUp,
    CustomerSilent,
    CustomerStaysSilent,
    StandsStill,
    ToBeHandedOver,
    HandedOverByMail,
    HandedOver,
    SystemAway,
    HandOverRefused,
    HandedOverAgain,
    HandOverBounced,
    Answered,
    Matches,
    Differs,
    Rejected,
    Released,
    ChangedByDesk,
    Declined,
    CustomerAsked,
    AskedAgain,
    DeskSilent,
    DeskStaysSilent,
    ToBeConfirmed,
    Confirmed,
    Registered,
    NothingToRegister,
    CancellationHanded,
    CanceledByMail,
    CancellationRefused,
}

/// The one question a status asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Question {
    /// INITIAL, DO_CHECK: can it be taken as it is?
    Check,
    /// NOT_CHECKED: what does the customer (or a person) do about it?
    AwaitCustomer,
    /// CHECKED: how is it handed over?
    Prepare,
    /// DO_CREATE_TRANSMISSION, WAIT_FOR_TRANSMIT: did the order system take it?
    HandOver,
    /// CREATED_TRANSMISSION: what does the order system make of it?
    AwaitAnswer,
    /// DO_ANNOUNCE: is it what was ordered?
    Compare,
    /// CHECK_ANNOUNCED: what does the sales desk say of the differences?
    AwaitDesk,
    /// NOT_ANNOUNCED: what does the sales desk do about a refusal?
    AwaitRepair,
    /// ANNOUNCED: is the customer told?
    BeginConfirmation,
    /// DO_PREPARE_DOCUMENT: is the confirmation written?
    Confirm,
    /// PREPARED_DOCUMENT: does the response process go on with it?
    Register,
    /// NOT_ANNOUNCED_DO_CANCEL: did the order system take it back?
    Cancel,
    /// CLOSED: does somebody change it after all?
    Over,
    /// CANCELED: does the customer order it anew?
    GivenUp,
}

impl SaleStatus {
    /// The one question it asks.
    pub fn asks(self) -> Question {
        match self {
            SaleStatus::Initial | SaleStatus::DoCheck => Question::Check,
            SaleStatus::NotChecked => Question::AwaitCustomer,
            SaleStatus::Checked => Question::Prepare,
            SaleStatus::DoCreateTransmission | SaleStatus::WaitForTransmit => Question::HandOver,
            SaleStatus::CreatedTransmission => Question::AwaitAnswer,
            SaleStatus::DoAnnounce => Question::Compare,
            SaleStatus::CheckAnnounced => Question::AwaitDesk,
            SaleStatus::NotAnnounced => Question::AwaitRepair,
            SaleStatus::Announced => Question::BeginConfirmation,
            SaleStatus::DoPrepareDocument => Question::Confirm,
            SaleStatus::PreparedDocument => Question::Register,
            SaleStatus::NotAnnouncedDoCancel => Question::Cancel,
            SaleStatus::Closed => Question::Over,
            SaleStatus::Canceled => Question::GivenUp,
        }
    }
}

impl Question {
    /// Every answer it can get, in the order in which they count.
    #[rustfmt::skip]
    pub fn answers(self) -> &'static [Answer] {
        use Answer::*;
        match self {
            Question::Check => &[FaultyTold, Faulty, Sound],
            Question::AwaitCustomer => &[OrderChanged, Corrected, Forced, GivenUp, CustomerSilent, CustomerStaysSilent, StandsStill],
            Question::Prepare => &[ToBeHandedOver, HandedOverByMail],
            Question::HandOver => &[Answered, HandedOver, SystemAway, HandOverRefused, OrderChanged, GivenUp, StandsStill],
            Question::AwaitAnswer => &[Answered, HandedOverAgain, OrderChanged, GivenUp, HandOverBounced, StandsStill],
            Question::Compare => &[Rejected, Differs, Matches],
            Question::AwaitDesk => &[Released, ChangedByDesk, Declined, CustomerAsked, AskedAgain, DeskSilent, DeskStaysSilent, Answered, OrderChanged, StandsStill],
            Question::AwaitRepair => &[ChangedByDesk, Declined, HandedOverAgain, CustomerAsked, AskedAgain, DeskSilent, DeskStaysSilent, Answered, OrderChanged, StandsStill],
            Question::BeginConfirmation => &[ToBeConfirmed],
            Question::Confirm => &[Confirmed],
            Question::Register => &[Registered, NothingToRegister],
            Question::Cancel => &[CancellationHanded, CanceledByMail, SystemAway, CancellationRefused, OrderChanged, StandsStill],
            Question::Over => &[OrderChanged, Answered],
            Question::GivenUp => &[OrderChanged],
        }
    }

    /// Nothing happens to it without the world outside.
    pub fn waits(self) -> bool {
        match self {
            Question::AwaitCustomer
            | Question::HandOver
            | Question::AwaitAnswer
            | Question::AwaitDesk
            | Question::AwaitRepair
            | Question::Over
            | Question::GivenUp => true,
            // A cancellation by mail needs nobody, so it is asked at once.
            Question::Cancel => true,
            Question::Check
            | Question::Prepare
            | Question::Compare
            | Question::BeginConfirmation
            | Question::Confirm
            | Question::Register => false,
        }
    }
}

impl Answer {
    /// The answer in words, as it stands in histories, diagrams and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Answer::OrderStored => "order stored",
            Answer::Sound => "sound",
            Answer::FaultyTold => "faulty, customer told",
            Answer::Faulty => "faulty, customer not told",
            Answer::OrderChanged => "customer sent a changed order",
            Answer::Corrected => "corrected",
            Answer::Forced => "forced",
            Answer::GivenUp => "given up",
            Answer::CustomerSilent => "customer does not answer",
            Answer::CustomerStaysSilent => "customer still does not answer",
            Answer::StandsStill => "stands still",
            Answer::ToBeHandedOver => "to be handed over",
            Answer::HandedOverByMail => "handed over by mail",
            Answer::HandedOver => "handed over",
            Answer::SystemAway => "order system cannot be reached",
            Answer::HandOverRefused => "order system refuses the document",
            Answer::HandedOverAgain => "to be handed over again",
            Answer::HandOverBounced => "the mail to the order system came back",
            Answer::Answered => "order system answered",
            Answer::Matches => "as ordered",
            Answer::Differs => "differs beyond tolerance",
            Answer::Rejected => "order system rejects it",
            Answer::Released => "released",
            Answer::ChangedByDesk => "changed by the sales desk",
            Answer::Declined => "declined",
            Answer::CustomerAsked => "customer asked",
            Answer::AskedAgain => "asked again",
            Answer::DeskSilent => "sales desk does not answer",
            Answer::DeskStaysSilent => "sales desk still does not answer",
            Answer::ToBeConfirmed => "to be confirmed",
            Answer::Confirmed => "confirmed to the customer",
            Answer::Registered => "registered for the response process",
            Answer::NothingToRegister => "nothing to register",
            Answer::CancellationHanded => "cancellation handed over",
            Answer::CanceledByMail => "cancellation handed over by mail",
            Answer::CancellationRefused => "order system refuses the cancellation",
        }
    }
}

/// The row that answers what this status asks; `None` = it never asks that.
pub fn row_of(from: Option<SaleStatus>, answer: Answer) -> Option<&'static Row> {
    TABLE.iter().find(|row| row.from == from && row.answer == answer)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// A status with two rows for one answer, or none, would be decided by chance or stand for ever.
    #[test]
    fn the_table_is_total_and_deterministic() {
        for (status, ..) in SaleStatus::ALL {
            for answer in status.asks().answers() {
                let rows = TABLE.iter().filter(|row| row.from == Some(status) && row.answer == *answer).count();
                assert_eq!(rows, 1, "{status} on {} has {rows} rows", answer.name());
            }
        }
        for row in TABLE {
            let Some(from) = row.from else {
                assert_eq!(row.answer, Answer::OrderStored);
                continue;
            };
            assert!(from.asks().answers().contains(&row.answer), "{}: {from} never asks {:?}", row.step, row.answer);
        }
        let pairs: BTreeSet<_> = TABLE.iter().map(|row| (row.from, row.answer.name())).collect();
        assert_eq!(pairs.len(), TABLE.len(), "the words of two answers of one status are the same");
    }

    /// A status that cannot be reached is dead text; one without a way to an end keeps an order open for ever.
    #[test]
    fn every_status_is_reached_and_every_sale_can_end() {
        let mut reached = BTreeSet::new();
        let mut ending: BTreeSet<SaleStatus> =
            SaleStatus::ALL.iter().map(|row| row.0).filter(|status| status.is_end()).collect();
        for _ in SaleStatus::ALL {
            let begun = TABLE.iter().filter(|r| r.from.is_none_or(|from| reached.contains(&from)));
            reached.extend(begun.map(|r| r.to).collect::<Vec<_>>());
            ending.extend(TABLE.iter().filter(|r| ending.contains(&r.to)).filter_map(|r| r.from).collect::<Vec<_>>());
        }
        assert_eq!(reached.len(), SaleStatus::ALL.len());
        assert_eq!(ending.len(), SaleStatus::ALL.len());
    }

    /// Only waits may stand still: rows that are walked by themselves must never lead in a circle.
    #[test]
    fn what_goes_on_by_itself_comes_to_rest() {
        let by_itself = |row: &&Row| row.from.is_some_and(|from| !from.asks().waits());
        let mut resting: BTreeSet<SaleStatus> =
            SaleStatus::ALL.iter().map(|row| row.0).filter(|status| status.asks().waits()).collect();
        for _ in SaleStatus::ALL {
            for (status, ..) in SaleStatus::ALL {
                let mut onward = TABLE.iter().filter(by_itself).filter(|row| row.from == Some(status));
                if onward.all(|row| resting.contains(&row.to)) {
                    resting.insert(status);
                }
            }
        }
        assert_eq!(resting.len(), SaleStatus::ALL.len());
    }
}
