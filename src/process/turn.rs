//! C3, C5: whose turn it is. Per order and partner: INITIAL before CONTINUOUS, then by the partner's own
//! date, then by arrival. It must never know what a response says.

use super::run::Run;
use super::table::Answer;
use crate::model::{Dossier, HeadState, PartnerId, Response, ResponseId, ResponseType, Status, Timestamp, Turn, Wait};

pub enum Standing {
    /// It is its turn.
    Free,
    Waits(Wait),
    /// A newer one was announced: it comes too late to matter.
    Outdated(ResponseId),
}

/// Its place among the partner's responses to the order, as things stand now.
pub fn place(dossier: &Dossier, response: &Response) -> (ResponseType, Turn) {
    (response_type(dossier, response), turn(response))
}

pub fn turn(response: &Response) -> Turn {
    response.course.turn.unwrap_or_else(|| Turn {
        date: response.entry_date.unwrap_or_else(|| day(response.arrived_at)),
        arrived_at: response.arrived_at,
        id: response.id,
    })
}

fn day(at: Timestamp) -> jiff::civil::Date {
    at.to_zoned(jiff::tz::TimeZone::UTC).date()
}

/// Whether its values reached the order; one that says nothing of any position has none.
pub fn was_announced(response: &Response) -> bool {
    response.history.iter().any(|step| step.to == Status::Announced)
        && response.lines.iter().any(|line| line.ignored.is_none())
}

/// INITIAL until an INITIAL of that order and partner was announced, unless the type was said.
pub fn response_type(dossier: &Dossier, response: &Response) -> ResponseType {
    type_given(response, initial_announced(dossier, &response.partner))
}

fn type_given(response: &Response, initial_announced: bool) -> ResponseType {
    if response.course.type_fixed || was_announced(response) {
        response.response_type
    } else if initial_announced {
        ResponseType::Continuous
    } else {
        ResponseType::Initial
    }
}

fn initial_announced(dossier: &Dossier, partner: &PartnerId) -> bool {
    let mut theirs = dossier.responses.values().filter(|r| r.partner == *partner);
    theirs.any(|response| response.response_type == ResponseType::Initial && was_announced(response))
}

pub fn standing(dossier: &Dossier, response: &Response) -> Standing {
    if super::prepare::head_state(response) == Some(HeadState::Received) {
        return Standing::Free;
    }
    let others = || dossier.responses.values().filter(|r| r.partner == response.partner && r.id != response.id);
    let order = dossier.order.as_ref();
    let newer = |other: &&Response| {
        was_announced(other)
            && !super::merge::are_apart(order, response, other)
            && other.entry_date.zip(response.entry_date).is_some_and(|(theirs, ours)| ours < theirs)
    };
    if let Some(newer) = others().find(newer) {
        return Standing::Outdated(newer.id);
    }
    if response.course.released {
        return Standing::Free;
    }
    if let Some(mapping) = &response.course.held {
        let reason = format!(
            "what {mapping} reads agrees with the orders much less than usual; it is held until the mapping was looked at"
        );
        return Standing::Waits(Wait { reason, behind: None, left: None, since: response.arrived_at });
    }
    let initial = initial_announced(dossier, &response.partner);
    let place = |response: &Response| (type_given(response, initial), turn(response));
    let own = place(response);
    let older = others().filter(|other| !other.status.is_end() && place(other) < own).min_by_key(|other| place(other));
    let waits =
        |reason: String, behind| Standing::Waits(Wait { reason, behind, left: None, since: response.arrived_at });
    match older {
        Some(older) => waits(format!("{} of {} stands in {}", older.id, older.partner, older.status), Some(older.id)),
        None if own.0 == ResponseType::Continuous && !initial => {
            waits("no INITIAL response of this partner was announced".into(), None)
        }
        None => Standing::Free,
    }
}

/// WAIT_PENDING: its turn came, or it comes too late.
pub fn end_wait(run: &mut Run<'_, '_>, id: ResponseId) {
    let Some(response) = run.response(id) else { return };
    match standing(run.dossier, response) {
        Standing::Waits(_) => {}
        Standing::Outdated(newer) => outdated(run, id, newer),
        Standing::Free => {
            run.walk(id, Answer::TurnCame, None);
        }
    }
}

pub fn outdated(run: &mut Run<'_, '_>, id: ResponseId, newer: ResponseId) {
    let note = format!("{newer} is of a later date and was announced");
    run.walk_owing(id, Answer::Outdated, Some(note), Vec::new(), |response| {
        response.failed_because = Some("OUTDATED".into());
    });
}

/// What a waiting response waits for changes while others come and go; it is always told as it is now.
pub fn refresh_waits(run: &mut Run<'_, '_>) {
    let waiting = run.dossier.responses.values().filter(|response| response.status == Status::WaitPending);
    let mut news = Vec::new();
    for response in waiting {
        let Standing::Waits(wait) = standing(run.dossier, response) else { continue };
        let known = response.waits_for.as_ref();
        if known.map(|known| (known.behind, &known.reason)) != Some((wait.behind, &wait.reason)) {
            let since = known.map_or(run.now(), |known| known.since);
            news.push((response.id, Wait { since, ..wait }));
        }
    }
    for (id, wait) in news {
        if let Some(response) = run.touch(id) {
            response.waits_for = Some(wait);
        }
    }
}
