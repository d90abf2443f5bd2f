//! EDIFACT: ORDRSP, ORDERS, ORDCHG and DESADV in D.96A, D.01B and EANCOM.
//!
//! Source: ISO 9735; UN/EDIFACT directories (UNECE); EANCOM's message guides.

mod interchange;
mod orders;
mod ordrsp;
mod tokens;
mod values;

use super::take::Take;
use super::{Family, Reading, Standard, not_ours};

pub fn recognise(text: &str) -> Option<Standard> {
    interchange::start(text)?;
    let (document, version) = interchange::first(text).unwrap_or_default();
    let document = if document.is_empty() { "interchange".to_string() } else { document };
    Some(Standard { family: Family::Edifact, version, document })
}

pub fn read(text: &str, take: &mut Take, reading: &mut Reading) {
    let messages = interchange::read(text, take);
    if messages.is_empty() {
        take.fault("UNREADABLE", "an interchange without a message", "UNB", 0..0);
    }
    for message in &messages {
        match message.kind.as_str() {
            "ORDRSP" => {
                interchange::check_segments(take, message);
                reading.messages.extend(ordrsp::read(message, take));
            }
            "ORDERS" | "ORDCHG" => {
                interchange::check_segments(take, message);
                reading.messages.push(orders::read(message, take));
            }
            "DESADV" => {
                interchange::check_segments(take, message);
                reading.dispatches.extend(orders::dispatches(message, take));
            }
            kind => {
                let standard = Standard { document: kind.to_string(), ..reading.standard.clone() };
                reading.not_ours = Some(not_ours(&standard));
            }
        }
    }
}
