//! The document for the order system: UBL, or the house's own XML through an admin's template.

use crate::gateway::Live;
use crate::model::{Handing, Sale};
use crate::standard::ubl_write;
use crate::template::house_xml::Envelope;

/// The bytes that are handed over.
pub(super) fn document(what: Handing, sale: &Sale, live: &Live) -> Result<Vec<u8>, String> {
    let cancels = match what {
        Handing::Order => None,
        Handing::Cancellation => {
            Some(sale.canceled_because.as_deref().filter(|reason| !reason.is_empty()).unwrap_or("declined"))
        }
    };
    let version = format!("{}-{}", sale.id, sale.version);
    if let Some(template) = &live.house_document {
        let customer = live.loaded.policies.customers.get(&sale.customer);
        let name = customer.map(|customer| customer.name.as_str()).filter(|name| !name.is_empty());
        let id = sale.id.to_string();
        let customer = (sale.customer.as_str(), name.unwrap_or_else(|| sale.customer.as_str()));
        let envelope = Envelope { key: &version, sale: &id, customer, cancels };
        let xml = template.write(&sale.wanted, envelope).map_err(|diagnostic| diagnostic.to_string())?;
        return Ok(xml.into_bytes());
    }
    let seller = live.loaded.config.sales.name.clone().or_else(|| live.loaded.config.gateway.name.clone());
    let seller = seller.unwrap_or_else(|| "Postern".into());
    Ok(match cancels {
        None => ubl_write::order(&sale.wanted, &seller),
        Some(reason) => ubl_write::order_cancellation(&sale.wanted, &version, &seller, reason),
    }
    .into_bytes())
}
