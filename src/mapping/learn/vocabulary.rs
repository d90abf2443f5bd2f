//! Words that heads, labels and states are made of in the eleven languages: hints only. What an order
//! proves outweighs them.

use crate::model::{Field, LineStatus};

/// Words by which a column or label tells what it holds; matched as the beginning of a word.
#[rustfmt::skip]
const HEADS: &[(Field, &[&str])] = &[
    (Field::QuantityConfirmed, &["bestätigt", "confirm", "bevestig", "conferm", "bekräft", "bekreft", "bekræft", "vahvist", "potwierdz", "lieferbar", "zugesagt"]),
    (Field::Quantity, &["bestellt", "ordered", "command", "besteld", "ordinat", "pedid", "beställ", "bestilt", "tilattu", "zamówi", "bestellmenge"]),
    (Field::RequestedDate, &["wunsch", "request", "souhait", "gewenst", "richiest", "önsk", "ønsk", "toiv", "żądan", "solicit", "demand", "wanted"]),
    (Field::ConfirmedDate, &["liefer", "termin", "deliver", "ship", "livraison", "expédition", "lever", "consegna", "entrega", "toimitus", "dostaw", "versand", "eta", "date", "data", "fecha", "datum", "dato"]),
    (Field::Status, &["status", "état", "etat", "statut", "stato", "estado", "tila", "stan", "zustand", "state", "bemerkung", "remark", "note", "hinweis", "opmerking", "anmärkning", "bemærk", "merknad", "uwagi", "huom", "remarque", "nota"]),
    (Field::Unit, &["me", "einheit", "unit", "uom", "um", "unité", "eenheid", "unità", "enhet", "enhed", "unidad", "yks", "jm", "jedn", "ue"]),
    (Field::PriceBasis, &["pe", "preiseinheit", "per", "pro", "je", "basis", "price unit"]),
    (Field::QuantityBackordered, &["rückstand", "backorder", "rest", "reliquat", "nalever", "arretrat", "restnoter", "restordre", "pendiente", "jälkitoim", "zaległ"]),
    (Field::QuantityCanceled, &["storn", "cancel", "annul", "geannul", "annull", "avbe", "peru", "anulow"]),
];

/// Labels of head fields.
#[rustfmt::skip]
const LABELS: &[(Field, &[&str])] = &[
    (Field::SupplierOrderNumber, &[
        "auftragsbestätigung nr", "auftragsnummer", "auftrags-nr", "auftragsnr", "auftrag nr", "auftrag", "unsere auftragsnummer", "unsere referenz", "unser zeichen", "ab-nr", "beleg-nr", "belegnummer",
        "sales order", "our order", "our reference", "our ref", "confirmation no", "confirmation number", "order confirmation no", "acknowledgement no",
        "notre référence", "notre réf", "notre commande", "confirmation n°", "n° de confirmation", "accusé n°", "onze referentie", "ons ordernummer", "ordernummer", "onze order", "orderbevestiging nr",
        "nostro ordine", "nostro riferimento", "conferma n", "conferma ordine n", "nuestro pedido", "nuestra referencia", "confirmación n", "vår order", "vårt ordernr", "vår referens", "ordererkännande nr",
        "vår ordre", "vores ordre", "vores ordrenr", "ordrebekræftelse nr", "ordrebekreftelse nr", "tilausnumeromme", "tilausvahvistus nro", "vahvistus nro", "viitteemme", "nasz numer", "nasze zamówienie", "potwierdzenie nr"]),
    (Field::EntryDate, &["datum", "date", "data", "fecha", "dato", "päivämäärä", "pvm", "belegdatum", "document date", "orderdatum", "bestätigt am", "confirmed on"]),
    (Field::CustomerNumber, &["kundennummer", "kunden-nr", "kundennr", "customer no", "customer number", "n° client", "klantnummer", "codice cliente", "kundnummer", "kundenummer", "asiakasnumero", "nr klienta", "número de cliente"]),
];

/// Words for the state of a line, by language.
#[rustfmt::skip]
const STATES: &[(&str, LineStatus, &[&str])] = &[
    ("da", LineStatus::Accepted, &["bekræftet", "accepteret"]),
    ("da", LineStatus::Backordered, &["restordre", "i restordre"]),
    ("da", LineStatus::Canceled, &["annulleret", "udgået"]),
    ("da", LineStatus::Changed, &["ændret"]),
    ("de", LineStatus::Accepted, &["bestätigt", "wie bestellt", "lieferbar"]),
    ("de", LineStatus::Backordered, &["Rückstand", "im Rückstand", "Nachlieferung", "Teillieferung"]),
    ("de", LineStatus::Canceled, &["storniert", "gestrichen", "entfällt", "nicht lieferbar"]),
    ("de", LineStatus::Changed, &["geändert"]),
    ("en", LineStatus::Accepted, &["confirmed", "accepted", "as ordered", "in stock", "ok"]),
    ("en", LineStatus::Backordered, &["backordered", "backorder", "partial", "partial delivery"]),
    ("en", LineStatus::Canceled, &["cancelled", "canceled", "rejected", "discontinued"]),
    ("en", LineStatus::Changed, &["changed"]),
    ("es", LineStatus::Accepted, &["confirmado", "confirmada", "aceptado"]),
    ("es", LineStatus::Backordered, &["pendiente", "parcial", "entrega parcial"]),
    ("es", LineStatus::Canceled, &["cancelado", "cancelada", "anulado", "anulada"]),
    ("es", LineStatus::Changed, &["modificado"]),
    ("fi", LineStatus::Accepted, &["vahvistettu"]),
    ("fi", LineStatus::Backordered, &["jälkitoimitus"]),
    ("fi", LineStatus::Canceled, &["peruttu"]),
    ("fi", LineStatus::Changed, &["muutettu"]),
    ("fr", LineStatus::Accepted, &["confirmé", "confirmée", "accepté"]),
    ("fr", LineStatus::Backordered, &["en reliquat", "reliquat", "retardé", "livraison partielle"]),
    ("fr", LineStatus::Canceled, &["annulé", "annulée", "supprimé"]),
    ("fr", LineStatus::Changed, &["modifié"]),
    ("it", LineStatus::Accepted, &["confermato", "confermata"]),
    ("it", LineStatus::Backordered, &["in arretrato", "arretrato", "parziale", "consegna parziale"]),
    ("it", LineStatus::Canceled, &["annullato", "annullata"]),
    ("it", LineStatus::Changed, &["modificato"]),
    ("nb", LineStatus::Accepted, &["bekreftet"]),
    ("nb", LineStatus::Backordered, &["restordre", "i restordre"]),
    ("nb", LineStatus::Canceled, &["kansellert", "utgått"]),
    ("nb", LineStatus::Changed, &["endret"]),
    ("nl", LineStatus::Accepted, &["bevestigd", "akkoord"]),
    ("nl", LineStatus::Backordered, &["nalevering", "deellevering", "in nabestelling", "in backorder"]),
    ("nl", LineStatus::Canceled, &["geannuleerd", "vervallen"]),
    ("nl", LineStatus::Changed, &["gewijzigd"]),
    ("pl", LineStatus::Accepted, &["potwierdzono", "potwierdzone", "potwierdzony"]),
    ("pl", LineStatus::Backordered, &["opóźnione", "zaległość", "częściowo"]),
    ("pl", LineStatus::Canceled, &["anulowano", "anulowane", "wycofany"]),
    ("pl", LineStatus::Changed, &["zmienione"]),
    ("sv", LineStatus::Accepted, &["bekräftad", "bekräftat"]),
    ("sv", LineStatus::Backordered, &["restnoterad", "restnoterat", "restorder"]),
    ("sv", LineStatus::Canceled, &["annullerad", "annullerat", "utgått", "utgången"]),
    ("sv", LineStatus::Changed, &["ändrad", "ändrat"]),
];

/// The usual state words of a language.
pub fn states_of(language: &str) -> Vec<(LineStatus, &'static str)> {
    STATES.iter().filter(|row| row.0 == language).flat_map(|row| row.2.iter().map(|word| (row.1, *word))).collect()
}

/// Whether a head or label speaks of a field.
pub fn speaks_of(field: Field, head: &str) -> bool {
    let head = head.to_lowercase();
    let words = || head.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    let known = HEADS.iter().find(|row| row.0 == field).map_or(&[][..], |row| row.1);
    known.iter().any(|known| {
        if known.chars().count() <= 3 {
            words().any(|word| word == *known)
        } else {
            words().any(|word| word.starts_with(known) || word.contains(known))
        }
    })
}

/// The labels of a head field, the longest first.
pub fn labels(field: Field) -> Vec<&'static str> {
    let mut labels: Vec<&str> = LABELS.iter().find(|row| row.0 == field).map_or(Vec::new(), |row| row.1.to_vec());
    labels.sort_by_key(|label| std::cmp::Reverse(label.chars().count()));
    labels
}

/// What a state word means, when it is one that everybody knows; the longest one in the text counts.
pub fn state(text: &str) -> Option<(LineStatus, &'static str)> {
    let text = text.to_lowercase();
    let bounded = |word: &str| {
        text.find(word).is_some_and(|at| {
            let before = text.get(..at).and_then(|t| t.chars().next_back());
            let after = text.get(at + word.len()..).and_then(|t| t.chars().next());
            !before.is_some_and(char::is_alphanumeric) && !after.is_some_and(char::is_alphanumeric)
        })
    };
    let all = STATES.iter().flat_map(|(_, status, words)| words.iter().map(move |word| (*status, *word)));
    all.filter(|(_, word)| bounded(&word.to_lowercase())).max_by_key(|(_, word)| word.chars().count())
}
