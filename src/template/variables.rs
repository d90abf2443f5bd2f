//! The variables of letters, told to whoever edits one.

/// One variable: its path, what it is, and in which letters it is filled (empty = in all).
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Variable {
    pub name: &'static str,
    pub meaning: &'static str,
    #[serde(skip)]
    letters: &'static [&'static str],
}

const REQUEST: &[&str] = &["request_new_response", "reminder_request_new_response"];
const QUESTION: &[&str] = &["confirm_response", "reminder_confirm_response", "receipt"];
const DECIDE: &[&str] = &[
    "confirm_response",
    "reminder_confirm_response",
    "receipt",
    "confirm_order",
    "reminder_confirm_order",
    "sale_receipt",
];
const TOTAL: &[&str] = &[
    "confirm_response",
    "reminder_confirm_response",
    "send_response_initial",
    "send_response_continuous",
    "create_documents",
    "send_order_confirmation",
];
const RECALL: &[&str] = &["send_order_recall", "reminder_send_order_recall", "withdrawal"];
const REMINDER: &[&str] = &[
    "reminder_request_new_response",
    "reminder_confirm_response",
    "reminder_send_order_recall",
    "reminder_confirm_order",
    "reminder_request_new_order",
];
const FAULTS: &[&str] =
    &["request_new_response", "reminder_request_new_response", "request_new_order", "reminder_request_new_order"];
const RECEIPT: &[&str] = &["receipt", "sale_receipt"];
const LINES: &[&str] = &[
    "confirm_response",
    "reminder_confirm_response",
    "send_response_initial",
    "send_response_continuous",
    "create_documents",
];
const ALL: &[&str] = &[];
const SALE: &[&str] = &[
    "send_order",
    "confirm_order",
    "reminder_confirm_order",
    "send_order_confirmation",
    "request_new_order",
    "reminder_request_new_order",
    "sale_question",
    "sale_receipt",
    "sale_withdrawal",
];

#[rustfmt::skip]
const VARIABLES: &[(&str, &str, &[&str])] = &[
    ("kind",                         "the transmission's type, e.g. CONFIRM_RESPONSE", ALL),
    ("transmission",                 "its number, e.g. T77", ALL),
    ("reader",                       "who reads it: partner, channel, operator", ALL),
    ("lang",                         "the language, e.g. en", ALL),
    ("now",                          "when it was written (| time)", ALL),
    ("zone",                         "the reader's time zone", ALL),
    ("words",                        "the words of words.toml: words.column.line, words.verb.approve ...", ALL),
    ("order",                        "the number of the order", ALL),
    ("ordered_at",                   "when it was ordered (| time)", ALL),
    ("currency",                     "ISO 4217, e.g. EUR", ALL),
    ("supplier_order_number",        "the partner's number of the order", ALL),
    ("partner.id",                   "the partner in the configuration", ALL),
    ("partner.name",                 "as people call it", ALL),
    ("channel.id",                   "the order channel in the configuration", ALL),
    ("channel.name",                 "as people call it", ALL),
    ("response.id",                  "the response, e.g. R18342", ALL),
    ("response.type",                "INITIAL or CONTINUOUS", ALL),
    ("response.number",              "the partner's number of it", ALL),
    ("response.entry_date",          "the partner's date of it (| date)", ALL),
    ("response.arrived_at",          "when it arrived (| time)", ALL),
    ("response.note",                "the partner's note on the whole", ALL),
    ("response.stands",              "where it stands, in words", ALL),
    ("token",                        "binds the answer to this question, e.g. 7Q2K-9MXT-4CHB", ALL),
    ("reply_to",                     "where answers go", ALL),
    ("partner_words[]",              "lines of the partner's mail (| quote)", ALL),
    ("due",                          "when we remind (| time)", ALL),
    ("ordered[]",                    "the partner's positions as ordered: position, article, name, quantity, unit, price, date", ALL),
    ("fill_in",                      "the block to fill in (| verbatim)", REQUEST),
    ("faults[].code",                "e.g. MISSING_DATE", FAULTS),
    ("faults[].position",            "the order's line number, where known", FAULTS),
    ("faults[].article",             "its article number", REQUEST),
    ("faults[].said",                "what is wrong, in words", FAULTS),
    ("faults[].read",                "what was read there", FAULTS),
    ("faults[].place",               "where in the mail, in words", FAULTS),
    ("faults[].needed",              "what is needed, in words", FAULTS),
    ("faults[].example",             "an example from the order", REQUEST),
    ("expires",                      "when the question ends (| time)", DECIDE),
    ("asked[]",                      "the addresses that are asked", DECIDE),
    ("next_asked[]",                 "the addresses that are asked next", DECIDE),
    ("deviations[].code",            "e.g. PRICE_CHANGED; deviations in question that are still open", QUESTION),
    ("deviations[].what",            "the code in words", QUESTION),
    ("deviations[].position",        "the line number; none for an added article", QUESTION),
    ("deviations[].article",         "the article number", QUESTION),
    ("deviations[].name",            "the article's name", QUESTION),
    ("deviations[].ordered",         "in words, as are the next three", QUESTION),
    ("deviations[].confirmed",       "", QUESTION),
    ("deviations[].difference",      "with its sign", QUESTION),
    ("deviations[].tolerance",       "what would have been accepted", QUESTION),
    ("deviations[].impact",          "what it costs, in words", QUESTION),
    ("deviations[].impact_amount",   "the same as a number", QUESTION),
    ("deviations[].days",            "days later (earlier below zero)", QUESTION),
    ("deviations[].within",          "false here; true in `within[]`", QUESTION),
    ("within[]",                     "deviations within tolerance, same fields", DECIDE),
    ("impact",                       "the sum of all impacts (| signed_money(currency))", DECIDE),
    ("days_late",                    "the latest delivery, in days after the wish (| days)", QUESTION),
    ("open[]",                       "line numbers still in question (| lines)", DECIDE),
    ("as_ordered[]",                 "line numbers confirmed as ordered", QUESTION),
    ("approved[]",                   "line numbers approved already", QUESTION),
    ("declined[]",                   "line numbers declined already", QUESTION),
    ("lines[].position",             "the line number", LINES),
    ("lines[].article",              "the article number", LINES),
    ("lines[].name",                 "the article's name", LINES),
    ("lines[].unit",                 "the unit", LINES),
    ("lines[].status",               "accepted, unchanged, changed, backordered, canceled, added (words.status[...])", LINES),
    ("lines[].ordered",              "the ordered quantity (| quantity)", LINES),
    ("lines[].confirmed",            "the confirmed quantity", LINES),
    ("lines[].confirmed_date",       "and when it comes (| date)", LINES),
    ("lines[].backordered",          "the quantity that comes later", LINES),
    ("lines[].backordered_date",     "and when", LINES),
    ("lines[].canceled",             "the quantity that does not come", LINES),
    ("lines[].price",                "the net price of one unit (| money(currency))", LINES),
    ("lines[].substitute",           "the article that comes instead", LINES),
    ("lines[].reason",               "the partner's reason", LINES),
    ("lines[].note",                 "the partner's note", LINES),
    ("lines[].schedule[]",           "several deliveries: quantity, date", LINES),
    ("lines[].filled[]",             "fields that were filled in from the order, in words", LINES),
    ("more_lines",                   "how many further lines stand in the attached data", LINES),
    ("total",                        "confirmed and later quantities at their prices; none where a price is missing", TOTAL),
    ("recall.reason",                "why, as the decision says", RECALL),
    ("recall.asked_at",              "when it was asked (| time); none at first", RECALL),
    ("recall.positions[].position",  "the line number", RECALL),
    ("recall.positions[].article",   "the article number", RECALL),
    ("recall.positions[].name",      "the article's name", RECALL),
    ("recall.positions[].quantity",  "how much is recalled (| quantity(unit))", RECALL),
    ("recall.positions[].unit",      "the unit", RECALL),
    ("recall.positions[].why[]",     "the deviations that were declined, in words", RECALL),
    ("receipt.outcome",              "decided, partly, already_decided, no_longer_asked, not_understood, comment, asked, on_hold, delegated, status, help, recall_answered, undone, partner_answered", RECEIPT),
    ("receipt.lines[].said",         "a line of the reply", RECEIPT),
    ("receipt.lines[].read_as",      "how it was read", RECEIPT),
    ("receipt.approved[]",           "line numbers approved", RECEIPT),
    ("receipt.declined[]",           "line numbers declined", RECEIPT),
    ("receipt.open[]",               "line numbers still open", RECEIPT),
    ("receipt.detail",               "until when it is held, who was asked, who decided before", RECEIPT),
    ("reminder.of",                  "the transmission that is unanswered, e.g. T5", REMINDER),
    ("reminder.of_kind",             "its type", REMINDER),
    ("reminder.count",               "the first, second ... reminder", REMINDER),
    ("reminder.asked_at",            "when it was asked (| time)", REMINDER),
    ("unanswered.positions[]",       "positions nobody answered, as `ordered[]`", &["unanswered"]),
    ("unanswered.count",             "the first, second ... reminder", &["unanswered"]),
    ("withdrawal.of",                "the question that was taken back, e.g. T5", &["withdrawal", "sale_withdrawal"]),
    ("withdrawal.reason",            "why", &["withdrawal", "sale_withdrawal"]),
    ("question.by",                  "the approver who asks; partners are not told by the builtin letter", &["question", "sale_question"]),
    ("question.text[]",              "lines of the question (| quote)", &["question", "sale_question"]),
    ("sale",                         "our number of an order by mail, e.g. S12; none in letters about responses", ALL),
    ("order_system_number",          "the number the order system gave the order", SALE),
    ("changed",                      "the customer changed an order that was known before", SALE),
    ("customer.id",                  "the customer in the configuration", SALE),
    ("customer.name",                "as people call it", SALE),
    ("customer_number",              "our number of the customer", SALE),
    ("seller",                       "who signs", SALE),
    ("seller_address[]",             "lines of our address", SALE),
    ("received_at",                  "when the customer's mail came (| time)", SALE),
    ("ordered_on",                   "the customer's date of the order (| date)", SALE),
    ("billing_address[]",            "lines of the invoice address", SALE),
    ("delivery_address[]",           "lines of the delivery address", SALE),
    ("contact",                      "the customer's contact", SALE),
    ("payment_terms",                "as they stand in the order", SALE),
    ("delivery_terms",               "as they stand in the order", SALE),
    ("comment[]",                    "lines of the customer's comment on the order (| quote)", SALE),
    ("answered",                     "the order system has answered", SALE),
    ("items[].position",             "the line number; none for an added line", SALE),
    ("items[].article",              "the article number", SALE),
    ("items[].name",                 "the article's name", SALE),
    ("items[].state",                "as_ordered, changed, canceled, added", SALE),
    ("items[].stands",               "the same in words", SALE),
    ("items[].quantity",             "as it will be delivered (| quantity(item.unit))", SALE),
    ("items[].unit",                 "the unit", SALE),
    ("items[].price",                "the net price of one unit (| money(currency))", SALE),
    ("items[].amount",               "quantity times price (| money(currency))", SALE),
    ("items[].date",                 "when it comes (| date)", SALE),
    ("items[].ordered",              "quantity, price and date as ordered, in words", SALE),
    ("items[].confirmed",            "and as the order system has it", SALE),
    ("items[].substitute",           "the article that comes instead", SALE),
    ("items[].changes[]",            "what is other than ordered, in words", SALE),
    ("items[].comment",              "the customer's comment on the line", SALE),
    ("items[].reason",               "what the order system or the sales desk says of the line", SALE),
    ("more_items",                   "how many further lines stand in the attached data", SALE),
    ("differences[].code",           "PRICE, QUANTITY, DATE, ARTICLE, MISSING, ADDED ...; differences beyond tolerance", SALE),
    ("differences[].what",           "the code in words", SALE),
    ("differences[].position",       "the line number; none for the order as a whole or an added line", SALE),
    ("differences[].article",        "the article number", SALE),
    ("differences[].ordered",        "in words, as are the next three", SALE),
    ("differences[].confirmed",      "", SALE),
    ("differences[].difference",     "with its sign", SALE),
    ("differences[].tolerance",      "what would have been accepted; empty for customers", SALE),
    ("differences[].impact",         "what it costs the customer; none for customers", SALE),
    ("differences[].within",         "false here; true in `within[]`", SALE),
    ("differences[].sentence",       "the difference as one sentence", SALE),
    ("changes[]",                    "ready CHANGE commands that bring lines back to the order", SALE),
    ("example",                      "the first of them", SALE),
    ("customer_words[]",             "lines of the customer's mail (| quote)", SALE),
    ("faults[].detail",              "more about a fault of an order", SALE),
    ("reason",                       "why an order is not accepted", SALE),
    ("digest.questions[].order",      "the number of the order", &["digest", "digest_receipt"]),
    ("digest.questions[].response",  "what answers name the question by, e.g. R18342", &["digest", "digest_receipt"]),
    ("digest.questions[].partner",   "the partner's name", &["digest", "digest_receipt"]),
    ("digest.questions[].asked_at",  "when it was asked (| time)", &["digest"]),
    ("digest.questions[].expires",   "when it ends (| time)", &["digest"]),
    ("digest.questions[].deviations[].article", "as `deviations[].article`", &["digest"]),
    ("digest.questions[].deviations[].code", "as `deviations[].code`", &["digest"]),
    ("digest.questions[].deviations[].confirmed", "as `deviations[].confirmed`", &["digest"]),
    ("digest.questions[].deviations[].days", "as `deviations[].days`", &["digest"]),
    ("digest.questions[].deviations[].difference", "as `deviations[].difference`", &["digest"]),
    ("digest.questions[].deviations[].impact", "as `deviations[].impact`", &["digest"]),
    ("digest.questions[].deviations[].impact_amount", "as `deviations[].impact_amount`", &["digest"]),
    ("digest.questions[].deviations[].name", "as `deviations[].name`", &["digest"]),
    ("digest.questions[].deviations[].ordered", "as `deviations[].ordered`", &["digest"]),
    ("digest.questions[].deviations[].position", "as `deviations[].position`", &["digest"]),
    ("digest.questions[].deviations[].tolerance", "as `deviations[].tolerance`", &["digest"]),
    ("digest.questions[].deviations[].what", "as `deviations[].what`", &["digest"]),
    ("digest.questions[].deviations[].within", "as `deviations[].within`", &["digest"]),
    ("digest.questions[].open[]",    "line numbers in question (| lines)", &["digest", "digest_receipt"]),
    ("digest.questions[].impact",    "the sum of all impacts (| signed_money(currency))", &["digest"]),
    ("digest.questions[].currency",  "ISO 4217", &["digest"]),
    ("digest.lines[].said",          "a line of a reply that was not clear", &["digest"]),
    ("digest.lines[].read_as",       "how it was read", &["digest"]),
    ("digest.answers[].order",       "the number of the order", &["digest_receipt"]),
    ("digest.answers[].response",    "which question was answered, e.g. R18342", &["digest_receipt"]),
    ("digest.answers[].partner",     "the partner's name", &["digest_receipt"]),
    ("digest.answers[].outcome",     "as `receipt.outcome`", &["digest_receipt"]),
    ("digest.answers[].understood",  "the outcome in words", &["digest_receipt"]),
    ("digest.answers[].stands",      "where the response stands now, in words", &["digest_receipt"]),
    ("digest.answers[].lines[].said", "a line of an answer that was not clear", &["digest_receipt"]),
    ("digest.answers[].lines[].read_as", "how it was read", &["digest_receipt"]),
    ("digest.answers[].approved[]",  "line numbers (| lines)", &["digest_receipt"]),
    ("digest.answers[].declined[]",  "line numbers (| lines)", &["digest_receipt"]),
    ("digest.answers[].open[]",      "line numbers (| lines)", &["digest_receipt"]),
    ("digest.answers[].detail",      "a remark: until when, to whom, by whom", &["digest_receipt"]),
    ("digest.nothing",               "true when no answer changed anything", &["digest_receipt"]),
    ("digest.undo",                  "a question whose decline may be undone, e.g. R18342", &["digest_receipt"]),
    ("alarm.id",                     "e.g. A3", &["alarm"]),
    ("alarm.kind",                   "e.g. FAULTY", &["alarm"]),
    ("alarm.title",                  "in words", &["alarm"]),
    ("alarm.todo",                   "what to do", &["alarm"]),
    ("alarm.news",                   "started, reminder, over", &["alarm"]),
    ("alarm.subject",                "what it is about, e.g. R12", &["alarm"]),
    ("alarm.message",                "what happened", &["alarm"]),
    ("alarm.started_at",             "(| time)", &["alarm"]),
    ("alarm.ended_at",               "(| time)", &["alarm"]),
];

/// The variables of a letter (`confirm_response`); of all letters without one. Variables of other
/// letters are there too, but empty or none.
pub fn variables(letter: Option<&str>) -> Vec<Variable> {
    let wanted = |letters: &[&str]| letters.is_empty() || letter.is_none_or(|letter| letters.contains(&letter));
    VARIABLES
        .iter()
        .filter(|(_, _, letters)| wanted(letters))
        .map(|&(name, meaning, letters)| Variable { name, meaning, letters })
        .collect()
}

/// The top names, for the lint.
pub fn top_names() -> impl Iterator<Item = &'static str> {
    VARIABLES.iter().map(|(name, ..)| name.split(['.', '[']).next().unwrap_or(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::sale_view::SaleView;
    use crate::template::view::{Frame, View};
    use crate::template::{example, language::Language, sources::builtin};
    use std::collections::BTreeSet;

    /// A variable that is not told of cannot be used; one that is told of and missing breaks the letter.
    #[test]
    fn the_list_says_what_letters_get() {
        let text = &builtin()["en/words.toml"];
        let (language, _) = Language::read("en", "en/words.toml", text, None).unwrap();
        let mut seen = BTreeSet::new();
        for example in example::all() {
            let letter = example.letter();
            let view = View::of(&letter, &Frame::of(&letter), &language);
            collect("", &serde_json::to_value(&view).unwrap(), &mut seen);
        }
        for example in example::sales() {
            let view = SaleView::of(&example.letter, &language);
            collect("", &serde_json::to_value(&view).unwrap(), &mut seen);
        }
        // Lists of the same shape as another one are told of once.
        let same = ["ordered[].", "within[].", "unanswered.positions[].", "lines[].schedule[]."];
        let told: BTreeSet<&str> = VARIABLES.iter().map(|(name, ..)| *name).collect();
        let is_told = |name: &str| {
            told.contains(name)
                || told.contains(format!("{name}[]").as_str())
                || told.iter().any(|one| one.starts_with(&format!("{name}.")))
                || same.iter().any(|list| name.starts_with(list))
        };
        let untold: Vec<_> = seen.iter().filter(|name| !is_told(name)).collect();
        assert!(untold.is_empty(), "not told of: {untold:?}");
        let missing: Vec<_> =
            told.iter().filter(|name| !seen.contains(**name) && !["words", "zone"].contains(*name)).collect();
        assert!(missing.is_empty(), "told of, never seen: {missing:?}");
    }

    fn collect(path: &str, value: &serde_json::Value, out: &mut BTreeSet<String>) {
        match value {
            serde_json::Value::Object(map) => {
                for (key, value) in map {
                    collect(&if path.is_empty() { key.clone() } else { format!("{path}.{key}") }, value, out);
                }
            }
            serde_json::Value::Array(items) => {
                out.insert(format!("{path}[]"));
                items.iter().filter(|item| item.is_object()).for_each(|item| collect(&format!("{path}[]"), item, out));
            }
            _ => {
                out.insert(path.to_string());
            }
        }
    }
}
