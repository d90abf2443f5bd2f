//! The table of the Order Response Business Process: every status asks one question, every answer is one
//! row, a row names the next status and the transmissions it owes. Nothing moves a response except walking
//! a row of this table. It must never know how an answer is found.

use crate::model::{AlarmKind, Status, TransmissionKind};

/// One answer to the question that a status asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// The reference's step number (C = capture and validation, N = notification, F = finalize); `-` where it has none.
    pub step: &'static str,
    /// `None` = before the response exists.
    pub from: Option<Status>,
    pub answer: Answer,
    pub to: Status,
    /// What is owed in the same commit; the row is not walked when it cannot be written.
    pub owes: &'static [TransmissionKind],
    /// The alarm that starts with it; it is over when the response leaves the status.
    pub alarm: Option<AlarmKind>,
}

const fn row(
    step: &'static str,
    from: Status,
    answer: Answer,
    to: Status,
    owes: &'static [TransmissionKind],
    alarm: Option<AlarmKind>,
) -> Row {
    Row { step, from: Some(from), answer, to, owes, alarm }
}

#[rustfmt::skip]
pub const TABLE: &[Row] = {
    use {Answer::*, Status::*, TransmissionKind::{ConfirmResponse, CreateDocuments, Receipt, Reminder, RequestNewResponse, SendOrderRecall, SendResponseContinuous, SendResponseInitial, Withdrawal}};
    const UNKNOWN: Option<AlarmKind> = Some(AlarmKind::UnknownOrder);
    const FAULTY: Option<AlarmKind> = Some(AlarmKind::Faulty);
    const SILENT: Option<AlarmKind> = Some(AlarmKind::RequestUnanswered);
    const REFUSED: Option<AlarmKind> = Some(AlarmKind::NotAnnounced);
    &[
    //  step         in status            answer                 next                 owes                       alarm
    // Capture and validation: may this response be believed, is it its turn, does it say what was ordered?
    Row { step: "C1", from: None, answer: MessageStored, to: Initial, owes: &[], alarm: None },
    row("C2",        Initial,             UnknownOrder,          NotChecked,          &[],                       UNKNOWN),
    row("C2",        DoCheck,             UnknownOrder,          NotChecked,          &[],                       UNKNOWN),
    row("C2",        Initial,             UnknownOrderTold,      InExternalProcessing,&[RequestNewResponse],     None),
    row("C2",        DoCheck,             UnknownOrderTold,      InExternalProcessing,&[RequestNewResponse],     None),
    row("C2",        NotChecked,          OrderRegistered,       DoCheck,             &[],                       None),
    row("C2",        InExternalProcessing,OrderRegistered,       DoCheck,             &[],                       None),
    row("C3 C5",     Initial,             OutOfTurn,             WaitPending,         &[],                       None),
    row("C3 C5",     DoCheck,             OutOfTurn,             WaitPending,         &[],                       None),
    row("C3 C5",     WaitPending,         TurnCame,              Initial,             &[],                       None),
    row("-",         WaitPending,         GivenUp,               Failed,              &[],                       None),
    row("-",         NotCheckedDoApprove, GivenUp,               Failed,              &[Withdrawal],             None),
    row("-",         Initial,             Outdated,              Failed,              &[],                       None),
    row("-",         DoCheck,             Outdated,              Failed,              &[],                       None),
    row("-",         WaitPending,         Outdated,              Failed,              &[],                       None),
    row("-",         Initial,             OrderChanged,          DoCheck,             &[],                       None),
    row("-",         DoCheck,             OrderChanged,          DoCheck,             &[],                       None),
    row("-",         NotChecked,          OrderChanged,          DoCheck,             &[],                       None),
    row("-",         InExternalProcessing,OrderChanged,          DoCheck,             &[],                       None),
    row("-",         NotCheckedDoApprove, OrderChanged,          DoCheck,             &[Withdrawal],             None),
    row("-",         WaitPending,         OrderChanged,          DoCheck,             &[],                       None),
    row("C6.1 C7",   Initial,             Sound,                 Checked,             &[],                       None),
    row("C6.1 C7",   DoCheck,             Sound,                 Checked,             &[],                       None),
    row("C6.2 C9",   Initial,             Faulty,                NotChecked,          &[],                       FAULTY),
    row("C6.2 C9",   DoCheck,             Faulty,                NotChecked,          &[],                       FAULTY),
    row("C6.2 C10",  Initial,             FaultyTold,            InExternalProcessing,&[RequestNewResponse],     None),
    row("C6.2 C10",  DoCheck,             FaultyTold,            InExternalProcessing,&[RequestNewResponse],     None),
    row("C6.3 C12",  Initial,             Deviating,             NotCheckedDoApprove, &[ConfirmResponse],        None),
    row("C6.3 C12",  DoCheck,             Deviating,             NotCheckedDoApprove, &[ConfirmResponse],        None),
    row("C11",       NotChecked,          Corrected,             DoCheck,             &[],                       None),
    row("C11",       InExternalProcessing,Corrected,             DoCheck,             &[],                       None),
    row("C9 C10",    NotChecked,          Forced,                Checked,             &[],                       None),
    row("C9 C10",    InExternalProcessing,Forced,                Checked,             &[],                       None),
    row("C11",       NotChecked,          GivenUp,               Failed,              &[],                       None),
    row("C11",       InExternalProcessing,GivenUp,               Failed,              &[],                       None),
    row("C10",       InExternalProcessing,PartnerSilent,         InExternalProcessing,&[Reminder],               None),
    row("C10",       InExternalProcessing,PartnerStaysSilent,    InExternalProcessing,&[],                       SILENT),
    row("-",         NotChecked,          Superseded,            Failed,              &[],                       None),
    row("-",         InExternalProcessing,Superseded,            Failed,              &[],                       None),
    row("-",         NotCheckedDoApprove, Superseded,            Failed,              &[Withdrawal],             None),
    row("-",         WaitPending,         Superseded,            Failed,              &[],                       None),
    row("-",         Initial,             Edited,                CopiedForManualEdit, &[],                       None),
    row("-",         DoCheck,             Edited,                CopiedForManualEdit, &[],                       None),
    row("-",         NotChecked,          Edited,                CopiedForManualEdit, &[],                       None),
    row("-",         InExternalProcessing,Edited,                CopiedForManualEdit, &[],                       None),
    row("-",         NotCheckedDoApprove, Edited,                CopiedForManualEdit, &[Withdrawal],             None),
    row("-",         WaitPending,         Edited,                CopiedForManualEdit, &[],                       None),
    row("-",         CopiedForManualEdit, CopyGoesOn,            DoCheck,             &[],                       None),
    row("-",         NotChecked,          Dispatched,            Failed,              &[],                       None),
    row("-",         InExternalProcessing,Dispatched,            Failed,              &[],                       None),
    row("-",         NotCheckedDoApprove, Dispatched,            Failed,              &[Withdrawal],             None),
    row("C13.1",     NotCheckedDoApprove, Approved,              Checked,             &[],                       None),
    row("-",         NotCheckedDoApprove, PartlyDecided,         NotCheckedDoApprove, &[Receipt],                None),
    row("C13.2 C14", NotCheckedDoApprove, Declined,              Failed,              &[SendOrderRecall],        None),
    row("-",         Failed,              AcceptedAfterAll,      DoCheck,             &[],                       None),
    row("-",         Failed,              DeclineUndone,         DoCheck,             &[],                       None),
    row("-",         NotCheckedDoApprove, ApprovedInPart,        Checked,             &[SendOrderRecall],        None),

    // Notification: tell the order what the partner said.
    row("N",         Checked,             HandedOver,            DoProcess,           &[],                       None),
    row("N1",        DoProcess,           Ready,                 DoAnnounce,          &[],                       None),
    row("N1.1",      DoAnnounce,          OrderTookIt,           Announced,           &[],                       None),
    row("N1.2",      DoAnnounce,          OrderRefused,          NotAnnounced,        &[],                       REFUSED),
    row("N2.2",      NotAnnounced,        ErrorsHandled,         DoAnnounce,          &[],                       None),
    row("N2.1",      NotAnnounced,        HandlingFailed,        Failed,              &[],                       None),
    row("N2.1",      Failed,              SetToAnnounce,         DoAnnounce,          &[],                       None),
    row("N3.1",      Announced,           CancelsPositions,      DoReturn,            &[],                       None),
    row("N4",        DoReturn,            ReturnCreated,         Returned,            &[],                       None),
    row("N5.1",      Announced,           ChannelGetsResponse,   DoComposeResponse,   &[],                       None),
    row("N5.1",      Returned,            ChannelGetsResponse,   DoComposeResponse,   &[],                       None),
    row("N6",        DoComposeResponse,   Composed,              ComposedResponse,    &[],                       None),
    row("N5.2 N6",   Announced,           NothingLeft,           Processed,           &[],                       None),
    row("N5.2 N6",   Returned,            NothingLeft,           Processed,           &[],                       None),
    row("N5.2 N6",   ComposedResponse,    NothingLeft,           Processed,           &[],                       None),

    // Finalize: documents, the channel, the end.
    row("F1.1",      Processed,           DocumentsRecreated,    DoPrepareDocument,   &[],                       None),
    row("F2",        DoPrepareDocument,   Prepared,              PreparedDocument,    &[CreateDocuments],        None),
    row("F1.2 F2",   Processed,           NothingLeft,           DoClose,             &[],                       None),
    row("F1.2 F2",   PreparedDocument,    NothingLeft,           DoClose,             &[],                       None),
    row("F3-F6",     DoClose,             ChannelGetsInitial,    Closed,              &[SendResponseInitial],    None),
    row("F3-F6",     DoClose,             ChannelGetsContinuous, Closed,              &[SendResponseContinuous], None),
    row("F6",        DoClose,             NothingToSend,         Closed,              &[],                       None),

    // Orders are merged: whatever is open waits, and goes on from where it stood.
    row("-",         Initial,             OrdersMerged,          WaitMerge,           &[],                       None),
    row("-",         DoCheck,             OrdersMerged,          WaitMerge,           &[],                       None),
    row("-",         NotCheckedDoApprove, OrdersMerged,          WaitMerge,           &[],                       None),
    row("-",         NotChecked,          OrdersMerged,          WaitMerge,           &[],                       None),
    row("-",         Checked,             OrdersMerged,          WaitMerge,           &[],                       None),
    row("-",         DoProcess,           OrdersMerged,          WaitMerge,           &[],                       None),
    row("-",         DoAnnounce,          OrdersMerged,          WaitMerge,           &[],                       None),
    row("-",         NotAnnounced,        OrdersMerged,          WaitMerge,           &[],                       None),
    row("-",         Announced,           OrdersMerged,          WaitMerge,           &[],                       None),
    row("-",         DoReturn,            OrdersMerged,          WaitMerge,           &[],                       None),
    row("-",         Returned,            OrdersMerged,          WaitMerge,           &[],                       None),
    row("-",         DoComposeResponse,   OrdersMerged,          WaitMerge,           &[],                       None),
    row("-",         ComposedResponse,    OrdersMerged,          WaitMerge,           &[],                       None),
    row("-",         Processed,           OrdersMerged,          WaitMerge,           &[],                       None),
    row("-",         DoPrepareDocument,   OrdersMerged,          WaitMerge,           &[],                       None),
    row("-",         PreparedDocument,    OrdersMerged,          WaitMerge,           &[],                       None),
    row("-",         DoClose,             OrdersMerged,          WaitMerge,           &[],                       None),
    row("-",         InExternalProcessing,OrdersMerged,          WaitMerge,           &[],                       None),
    row("-",         WaitPending,         OrdersMerged,          WaitMerge,           &[],                       None),
    row("-",         WaitMerge,           ReleasedTo(Initial),             Initial,             &[], None),
    row("-",         WaitMerge,           ReleasedTo(DoCheck),             DoCheck,             &[], None),
    row("-",         WaitMerge,           ReleasedTo(NotCheckedDoApprove), NotCheckedDoApprove, &[], None),
    row("-",         WaitMerge,           ReleasedTo(NotChecked),          NotChecked,          &[], None),
    row("-",         WaitMerge,           ReleasedTo(Checked),             Checked,             &[], None),
    row("-",         WaitMerge,           ReleasedTo(DoProcess),           DoProcess,           &[], None),
    row("-",         WaitMerge,           ReleasedTo(DoAnnounce),          DoAnnounce,          &[], None),
    row("-",         WaitMerge,           ReleasedTo(NotAnnounced),        NotAnnounced,        &[], None),
    row("-",         WaitMerge,           ReleasedTo(Announced),           Announced,           &[], None),
    row("-",         WaitMerge,           ReleasedTo(DoReturn),            DoReturn,            &[], None),
    row("-",         WaitMerge,           ReleasedTo(Returned),            Returned,            &[], None),
    row("-",         WaitMerge,           ReleasedTo(DoComposeResponse),   DoComposeResponse,   &[], None),
    row("-",         WaitMerge,           ReleasedTo(ComposedResponse),    ComposedResponse,    &[], None),
    row("-",         WaitMerge,           ReleasedTo(Processed),           Processed,           &[], None),
    row("-",         WaitMerge,           ReleasedTo(DoPrepareDocument),   DoPrepareDocument,   &[], None),
    row("-",         WaitMerge,           ReleasedTo(PreparedDocument),    PreparedDocument,    &[], None),
    row("-",         WaitMerge,           ReleasedTo(DoClose),             DoClose,             &[], None),
    row("-",         WaitMerge,           ReleasedTo(InExternalProcessing),InExternalProcessing,&[], None),
    row("-",         WaitMerge,           ReleasedTo(WaitPending),         WaitPending,         &[], None),
    row("-",         WaitMerge,           WentOver,                        Failed,              &[Withdrawal], None),
    ]
};

/// What was found out about a response; the words are PROCESS.md's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Answer {
    MessageStored,
    UnknownOrder,
    UnknownOrderTold,
    OrderRegistered,
    OutOfTurn,
    TurnCame,
    GivenUp,
    Outdated,
    OrderChanged,
    Sound,
    Faulty,
    FaultyTold,
    Deviating,
    Corrected,
    Forced,
    PartnerSilent,
    PartnerStaysSilent,
    Superseded,
    Edited,
    CopyGoesOn,
    Dispatched,
    Approved,
    PartlyDecided,
    Declined,
    AcceptedAfterAll,
    DeclineUndone,
    ApprovedInPart,
    HandedOver,
    Ready,
    OrderTookIt,
    OrderRefused,
    ErrorsHandled,
    HandlingFailed,
    SetToAnnounce,
    CancelsPositions,
    ReturnCreated,
    ChannelGetsResponse,
    Composed,
    NothingLeft,
    DocumentsRecreated,
    Prepared,
    ChannelGetsInitial,
    ChannelGetsContinuous,
    NothingToSend,
    OrdersMerged,
    /// Its order went into another one, where the same message goes on as a response of that order.
    WentOver,
    ReleasedTo(Status),
}

/// The one question a status asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Question {
    /// INITIAL, DO_CHECK: is there an order, is it its turn, is it sound?
    Examine,
    /// WAIT_PENDING: has its turn come?
    AwaitTurn,
    /// NOT_CHECKED: what does a person do about it?
    AwaitPerson,
    /// IN_EXTERNAL_PROCESSING: what does the partner (or a person) do about it?
    AwaitPartner,
    /// NOT_CHECKED_DO_APPROVE: what does the channel decide?
    AwaitApproval,
    /// CHECKED: can it be handed over?
    HandOver,
    /// DO_PROCESS: is it ready to be announced?
    BeginNotification,
    /// DO_ANNOUNCE: does the order take it?
    Announce,
    /// NOT_ANNOUNCED: was the error handled?
    AwaitErrorHandling,
    /// ANNOUNCED: does it cancel positions, does the channel get a response?
    AfterAnnouncing,
    /// DO_RETURN: is the return created?
    CreateReturn,
    /// RETURNED: does the channel get a response?
    AfterReturning,
    /// DO_COMPOSE_RESPONSE: is it composed?
    Compose,
    /// COMPOSED_RESPONSE: what is left?
    AfterComposing,
    /// PROCESSED: must documents be recreated?
    RecreateDocuments,
    /// DO_PREPARE_DOCUMENT: are they prepared?
    PrepareDocuments,
    /// PREPARED_DOCUMENT: what is left?
    AfterPreparing,
    /// DO_CLOSE: is there something to send to the channel?
    Close,
    /// CLOSED: nothing.
    Over,
    /// FAILED: is it taken up again?
    TakenUpAgain,
    /// COPIED_FOR_MANUAL_EDIT: does the copy go on?
    Copied,
    /// WAIT_MERGE: does a person release it?
    AwaitRelease,
}

impl Status {
    /// The one question it asks.
    pub fn asks(self) -> Question {
        match self {
            Status::Initial | Status::DoCheck => Question::Examine,
            Status::NotCheckedDoApprove => Question::AwaitApproval,
            Status::NotChecked => Question::AwaitPerson,
            Status::Checked => Question::HandOver,
            Status::DoProcess => Question::BeginNotification,
            Status::DoAnnounce => Question::Announce,
            Status::NotAnnounced => Question::AwaitErrorHandling,
            Status::Announced => Question::AfterAnnouncing,
            Status::DoReturn => Question::CreateReturn,
            Status::Returned => Question::AfterReturning,
            Status::DoComposeResponse => Question::Compose,
            Status::ComposedResponse => Question::AfterComposing,
            Status::Processed => Question::RecreateDocuments,
            Status::DoPrepareDocument => Question::PrepareDocuments,
            Status::PreparedDocument => Question::AfterPreparing,
            Status::DoClose => Question::Close,
            Status::Closed => Question::Over,
            Status::InExternalProcessing => Question::AwaitPartner,
            Status::Failed => Question::TakenUpAgain,
            Status::CopiedForManualEdit => Question::Copied,
            Status::WaitMerge => Question::AwaitRelease,
            Status::WaitPending => Question::AwaitTurn,
        }
    }

    /// Whether nothing was announced yet and a recheck starts all over.
    pub fn is_before_checked(self) -> bool {
        matches!(
            self,
            Status::Initial
                | Status::DoCheck
                | Status::NotCheckedDoApprove
                | Status::NotChecked
                | Status::InExternalProcessing
                | Status::WaitPending
        )
    }
}

impl Question {
    /// Every answer it can get, in the order in which they count.
    #[rustfmt::skip]
    pub fn answers(self) -> &'static [Answer] {
        use {Answer::*, Status as S};
        match self {
            Question::Examine => &[UnknownOrder, UnknownOrderTold, Outdated, OutOfTurn, Faulty, FaultyTold, Deviating, Sound, OrderChanged, Edited, OrdersMerged],
            Question::AwaitTurn => &[Outdated, TurnCame, GivenUp, OrderChanged, Superseded, Edited, OrdersMerged],
            Question::AwaitPerson => &[OrderRegistered, Corrected, Forced, GivenUp, OrderChanged, Superseded, Edited, Dispatched, OrdersMerged],
            Question::AwaitPartner => &[OrderRegistered, Corrected, Forced, GivenUp, PartnerSilent, PartnerStaysSilent, OrderChanged, Superseded, Edited, Dispatched, OrdersMerged],
            Question::AwaitApproval => &[Approved, PartlyDecided, Declined, ApprovedInPart, GivenUp, OrderChanged, Superseded, Edited, Dispatched, OrdersMerged],
            Question::HandOver => &[HandedOver, OrdersMerged],
            Question::BeginNotification => &[Ready, OrdersMerged],
            Question::Announce => &[OrderTookIt, OrderRefused, OrdersMerged],
            Question::AwaitErrorHandling => &[ErrorsHandled, HandlingFailed, OrdersMerged],
            Question::AfterAnnouncing => &[CancelsPositions, ChannelGetsResponse, NothingLeft, OrdersMerged],
            Question::CreateReturn => &[ReturnCreated, OrdersMerged],
            Question::AfterReturning => &[ChannelGetsResponse, NothingLeft, OrdersMerged],
            Question::Compose => &[Composed, OrdersMerged],
            Question::AfterComposing => &[NothingLeft, OrdersMerged],
            Question::RecreateDocuments => &[DocumentsRecreated, NothingLeft, OrdersMerged],
            Question::PrepareDocuments => &[Prepared, OrdersMerged],
            Question::AfterPreparing => &[NothingLeft, OrdersMerged],
            Question::Close => &[ChannelGetsInitial, ChannelGetsContinuous, NothingToSend, OrdersMerged],
            Question::Over => &[],
            Question::TakenUpAgain => &[AcceptedAfterAll, DeclineUndone, SetToAnnounce],
            Question::Copied => &[CopyGoesOn],
            Question::AwaitRelease => &[
                WentOver, ReleasedTo(S::Initial), ReleasedTo(S::DoCheck), ReleasedTo(S::NotCheckedDoApprove), ReleasedTo(S::NotChecked),
                ReleasedTo(S::Checked), ReleasedTo(S::DoProcess), ReleasedTo(S::DoAnnounce), ReleasedTo(S::NotAnnounced),
                ReleasedTo(S::Announced), ReleasedTo(S::DoReturn), ReleasedTo(S::Returned), ReleasedTo(S::DoComposeResponse),
                ReleasedTo(S::ComposedResponse), ReleasedTo(S::Processed), ReleasedTo(S::DoPrepareDocument),
                ReleasedTo(S::PreparedDocument), ReleasedTo(S::DoClose), ReleasedTo(S::InExternalProcessing), ReleasedTo(S::WaitPending),
            ],
        }
    }
}

impl Answer {
    /// The answer in words, as it stands in histories, diagrams and the contract's JSON.
    pub fn name(self) -> &'static str {
        match self {
            Answer::MessageStored => "response message stored",
            Answer::UnknownOrder => "no order found, partner not told",
            Answer::UnknownOrderTold => "no order found, partner told",
            Answer::OrderRegistered => "order registered later",
            Answer::OutOfTurn => "out of turn",
            Answer::TurnCame => "its turn came",
            Answer::GivenUp => "given up",
            Answer::Outdated => "outdated",
            Answer::OrderChanged => "order revised or canceled",
            Answer::Sound => "sound",
            Answer::Faulty => "faulty, partner not told",
            Answer::FaultyTold => "faulty, partner told",
            Answer::Deviating => "deviating beyond tolerance",
            Answer::Corrected => "corrected",
            Answer::Forced => "forced",
            Answer::PartnerSilent => "partner does not answer",
            Answer::PartnerStaysSilent => "partner still does not answer",
            Answer::Superseded => "superseded",
            Answer::Edited => "values edited",
            Answer::CopyGoesOn => "edited copy goes on",
            Answer::Dispatched => "positions dispatched",
            Answer::Approved => "approved",
            Answer::PartlyDecided => "some lines decided, others open",
            Answer::Declined => "declined",
            Answer::AcceptedAfterAll => "recall too late, accepted after all",
            Answer::DeclineUndone => "decline undone",
            Answer::ApprovedInPart => "approved in part",
            Answer::HandedOver => "handed over",
            Answer::Ready => "ready",
            Answer::OrderTookIt => "the order took it",
            Answer::OrderRefused => "the order refused it",
            Answer::ErrorsHandled => "errors handled",
            Answer::HandlingFailed => "handling failed",
            Answer::SetToAnnounce => "set to DO_ANNOUNCE",
            Answer::CancelsPositions => "cancels positions",
            Answer::ReturnCreated => "return created",
            Answer::ChannelGetsResponse => "the channel gets a response",
            Answer::Composed => "composed",
            Answer::NothingLeft => "nothing left",
            Answer::DocumentsRecreated => "documents must be recreated",
            Answer::Prepared => "prepared",
            Answer::ChannelGetsInitial => "the channel gets the composed initial response",
            Answer::ChannelGetsContinuous => "the channel gets the composed continuous response",
            Answer::NothingToSend => "nothing to send",
            Answer::OrdersMerged => "orders merged",
            Answer::WentOver => "its order went into another",
            Answer::ReleasedTo(status) => released_to(status),
        }
    }
}

fn released_to(status: Status) -> &'static str {
    match status {
        Status::Initial => "released to INITIAL",
        Status::DoCheck => "released to DO_CHECK",
        Status::NotCheckedDoApprove => "released to NOT_CHECKED_DO_APPROVE",
        Status::NotChecked => "released to NOT_CHECKED",
        Status::Checked => "released to CHECKED",
        Status::DoProcess => "released to DO_PROCESS",
        Status::DoAnnounce => "released to DO_ANNOUNCE",
        Status::NotAnnounced => "released to NOT_ANNOUNCED",
        Status::Announced => "released to ANNOUNCED",
        Status::DoReturn => "released to DO_RETURN",
        Status::Returned => "released to RETURNED",
        Status::DoComposeResponse => "released to DO_COMPOSE_RESPONSE",
        Status::ComposedResponse => "released to COMPOSED_RESPONSE",
        Status::Processed => "released to PROCESSED",
        Status::DoPrepareDocument => "released to DO_PREPARE_DOCUMENT",
        Status::PreparedDocument => "released to PREPARED_DOCUMENT",
        Status::DoClose => "released to DO_CLOSE",
        Status::InExternalProcessing => "released to IN_EXTERNAL_PROCESSING",
        Status::WaitPending => "released to WAIT_PENDING",
        // Ends and WAIT_MERGE itself are never merged, so nothing is released to them.
        Status::Closed | Status::Failed | Status::CopiedForManualEdit | Status::WaitMerge => "released",
    }
}

/// The row that answers what this status asks; `None` = it never asks that.
pub fn row_of(from: Option<Status>, answer: Answer) -> Option<&'static Row> {
    TABLE.iter().find(|row| row.from == from && row.answer == answer)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// A status with two rows for one answer, or none, would be decided by chance or stand for ever.
    #[test]
    fn the_table_is_total_and_deterministic() {
        for (status, ..) in Status::ALL {
            for answer in status.asks().answers() {
                let rows = TABLE.iter().filter(|row| row.from == Some(status) && row.answer == *answer).count();
                assert_eq!(rows, 1, "{status} on {} has {rows} rows", answer.name());
            }
        }
        for row in TABLE {
            let Some(from) = row.from else {
                assert_eq!(row.answer, Answer::MessageStored);
                continue;
            };
            assert!(from.asks().answers().contains(&row.answer), "{}: {from} never asks {:?}", row.step, row.answer);
        }
        let pairs: BTreeSet<_> = TABLE.iter().map(|row| (row.from, row.answer.name())).collect();
        assert_eq!(pairs.len(), TABLE.len(), "the words of two answers of one status are the same");
    }

    /// A status that cannot be reached is dead text; one without a way to an end keeps an order open for ever.
    #[test]
    fn every_status_is_reached_and_every_response_can_end() {
        let mut reached = BTreeSet::new();
        let mut ending: BTreeSet<Status> =
            Status::ALL.iter().map(|row| row.0).filter(|status| status.is_end()).collect();
        for _ in Status::ALL {
            reached.extend(
                TABLE
                    .iter()
                    .filter(|r| r.from.is_none_or(|from| reached.contains(&from)))
                    .map(|r| r.to)
                    .collect::<Vec<_>>(),
            );
            ending.extend(TABLE.iter().filter(|r| ending.contains(&r.to)).filter_map(|r| r.from).collect::<Vec<_>>());
        }
        assert_eq!(reached.len(), Status::ALL.len());
        assert_eq!(ending.len(), Status::ALL.len());
    }

    /// Only waits may stand still: rows that are walked by themselves must never lead in a circle.
    #[test]
    fn what_goes_on_by_itself_comes_to_rest() {
        let by_itself = |row: &&Row| {
            let Some(from) = row.from else { return false };
            let waits = matches!(
                from.asks(),
                Question::AwaitTurn
                    | Question::AwaitPerson
                    | Question::AwaitPartner
                    | Question::AwaitApproval
                    | Question::AwaitErrorHandling
                    | Question::AwaitRelease
                    | Question::TakenUpAgain
                    | Question::Copied
            );
            let asked_for = matches!(row.answer, Answer::OrderChanged | Answer::Edited | Answer::OrdersMerged);
            !waits && !asked_for
        };
        let mut resting: BTreeSet<Status> = Status::ALL
            .iter()
            .map(|row| row.0)
            .filter(|status| !TABLE.iter().filter(by_itself).any(|row| row.from == Some(*status)))
            .collect();
        for _ in Status::ALL {
            for (status, ..) in Status::ALL {
                let mut onward = TABLE.iter().filter(by_itself).filter(|row| row.from == Some(status));
                if onward.all(|row| resting.contains(&row.to)) {
                    resting.insert(status);
                }
            }
        }
        assert_eq!(resting.len(), Status::ALL.len());
    }
}
