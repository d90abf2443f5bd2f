//! N3-N6 and F1-F6: returns, the response for the channel, documents, the end. It must never know how
//! any of these is worded.

use rust_decimal::Decimal;

use super::announce::{cancel, newly_canceled};
use super::run::Run;
use super::table::Answer;
use crate::model::{
    About, Dossier, HeadState, Recipient, Response, ResponseId, ResponseType, Return, ReturnPosition, TransmissionKind,
};

/// The reference's reason when the partner gives none that maps to a code.
const RCL_DEFAULT: &str = "RCL020";

/// N3, N5: does it cancel positions, does the channel get a response?
pub fn after_announcing(run: &mut Run<'_, '_>, id: ResponseId) {
    if canceled(run.dossier, id).is_empty() {
        after_returning(run, id);
    } else {
        run.walk(id, Answer::CancelsPositions, None);
    }
}

/// Positions and quantities that the response cancels, with the reason's code.
fn canceled(dossier: &Dossier, id: ResponseId) -> Vec<ReturnPosition> {
    let (Some(order), Some(response)) = (&dossier.order, dossier.responses.get(&id)) else { return Vec::new() };
    let lines = response.lines.iter().filter(|line| line.ignored.is_none());
    let position = |line: &crate::model::Line| {
        let position = order.position(line.position?)?;
        let quantity = newly_canceled(line, position);
        (quantity > Decimal::ZERO).then(|| ReturnPosition {
            position: position.position,
            quantity,
            rcl: line.rcl.clone().unwrap_or_else(|| RCL_DEFAULT.to_string()),
            reason: line.reason.clone(),
        })
    };
    lines.filter_map(position).collect()
}

/// N4: one return per response.
pub fn create_return(run: &mut Run<'_, '_>, id: ResponseId) {
    let positions = canceled(run.dossier, id);
    let now = run.now();
    let made = Return { created_at: now, positions: positions.clone() };
    if run.walk_owing(id, Answer::ReturnCreated, None, Vec::new(), |response| response.returned = Some(made)) {
        for returned in positions {
            let order = run.dossier.order.as_mut();
            if let Some(position) = order.and_then(|order| order.position_mut(returned.position)) {
                cancel(position, returned.quantity);
            }
        }
    }
}

pub fn after_returning(run: &mut Run<'_, '_>, id: ResponseId) {
    let Some(response) = run.response(id) else { return };
    let tells = tells_something(response);
    let partner = response.partner.clone();
    let answer = if tells && run.settings(&partner).channel_gets_response {
        Answer::ChannelGetsResponse
    } else {
        Answer::NothingLeft
    };
    run.walk(id, answer, None);
}

/// A receipt ("order received") or an answer to a recall changes nothing that the channel must hear of.
fn tells_something(response: &Response) -> bool {
    response.state != Some(HeadState::Received) && response.lines.iter().any(|line| line.ignored.is_none())
}

/// N6: the response for the channel carries what was announced.
pub fn compose(run: &mut Run<'_, '_>, id: ResponseId) {
    run.walk_owing(id, Answer::Composed, None, Vec::new(), |response| {
        let lines = response.lines.iter().filter(|line| line.ignored.is_none());
        response.composed = Some(lines.cloned().collect());
    });
}

/// F1.
pub fn recreate_documents(run: &mut Run<'_, '_>, id: ResponseId) {
    let Some(response) = run.response(id) else { return };
    let tells = tells_something(response);
    let partner = response.partner.clone();
    let recreate = tells && run.settings(&partner).recreate_documents;
    run.walk(id, if recreate { Answer::DocumentsRecreated } else { Answer::NothingLeft }, None);
}

/// F2.
pub fn prepare_documents(run: &mut Run<'_, '_>, id: ResponseId) {
    let to = Recipient::Documents(run.channel());
    let owed = run.owed(TransmissionKind::CreateDocuments, to, Some(id), About::Response);
    run.walk_owing(id, Answer::Prepared, None, vec![owed], |_| {});
}

/// F3-F6.
pub fn close(run: &mut Run<'_, '_>, id: ResponseId) {
    let Some(response) = run.response(id) else { return };
    if response.composed.is_none() {
        run.walk(id, Answer::NothingToSend, None);
        return;
    }
    let (kind, answer) = match response.response_type {
        ResponseType::Initial => (TransmissionKind::SendResponseInitial, Answer::ChannelGetsInitial),
        ResponseType::Continuous => (TransmissionKind::SendResponseContinuous, Answer::ChannelGetsContinuous),
    };
    let to = Recipient::Channel(run.channel());
    let owed = run.owed(kind, to, Some(id), About::Response);
    run.walk_owing(id, answer, None, vec![owed], |_| {});
}
