//! EDIFACT: ORDRSP, ORDERS, ORDCHG and DESADV in D.96A, D.01B and EANCOM.
//!
//! Source: ISO 9735; UN/EDIFACT directories (UNECE); EANCOM's message guides.

mod interchange;
mod orders;
mod ordrsp;
mod tokens;
mod values;

use super::take::Take;
use super::{Family, Harvest, Standard, not_ours};
use crate::model::FaultCode;

pub fn recognise(text: &str) -> Option<Standard> {
    interchange::start(text)?;
    let (document, version) = interchange::first(text).unwrap_or_default();
    let document = if document.is_empty() { "interchange".to_string() } else { document };
    Some(Standard { family: Family::Edifact, version, document })
}

pub fn read(text: &str, take: &mut Take, harvest: &mut Harvest) {
    let messages = interchange::read(text, take);
    if messages.is_empty() {
        take.fault(FaultCode::Unreadable, "an interchange without a message", "UNB", 0..0);
    }
    for message in &messages {
        take.begin_source();
        match message.kind.as_str() {
            "ORDRSP" => {
                interchange::check_segments(take, message);
                harvest.heard.extend(ordrsp::read(message, take));
            }
            "ORDERS" | "ORDCHG" => {
                interchange::check_segments(take, message);
                harvest.heard.push(orders::read(message, take));
            }
            "DESADV" => {
                interchange::check_segments(take, message);
                harvest.dispatches.extend(orders::dispatches(message, take));
            }
            kind => {
                let standard = Standard { document: kind.to_string(), ..harvest.standard.clone() };
                harvest.not_ours = Some(not_ours(&standard));
            }
        }
        take.end_source();
    }
}
