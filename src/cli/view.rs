//! How lists and stories look in a shell.

#![expect(clippy::indexing_slicing, reason = "reading a JSON value by a key that is not there gives null")]

use comfy_table::{ContentArrangement, Table, presets};
use serde_json::Value as Json;

/// A table with the given heads; `cells` picks each row's values.
pub fn table(heads: &[&str], rows: &[Json], cells: impl Fn(&Json) -> Vec<String>) -> String {
    if rows.is_empty() {
        return "nothing to show".to_string();
    }
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(heads.iter().map(|head| head.to_uppercase()));
    for row in rows {
        table.add_row(cells(row));
    }
    table.lines().map(|line| line.trim_end().to_string()).collect::<Vec<_>>().join("\n")
}

/// A value as a person reads it; nothing for null.
pub fn word(value: &Json) -> String {
    match value {
        Json::Null => String::new(),
        Json::String(text) => text.clone(),
        Json::Array(list) => list.iter().map(word).collect::<Vec<_>>().join(", "),
        Json::Object(_) => value.to_string(),
        other => other.to_string(),
    }
}

pub fn words(row: &Json, keys: &[&str]) -> Vec<String> {
    keys.iter().map(|key| word(&row[*key])).collect()
}

pub fn rows<'a>(value: &'a Json, key: &str) -> &'a [Json] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}

/// A list of maps, as a table with one column a key.
pub fn list(value: &Json, key: &str, columns: &[(&str, &str)]) -> String {
    let heads: Vec<&str> = columns.iter().map(|(head, _)| *head).collect();
    table(&heads, rows(value, key), |row| {
        columns
            .iter()
            .map(|(_, field)| word(row.pointer(&format!("/{}", field.replace('.', "/"))).unwrap_or(&Json::Null)))
            .collect()
    })
}

/// One response, told from its mail to where it stands.
pub fn response(value: &Json) -> String {
    let r = &value["response"];
    let mut out = format!(
        "{} {} of {} for order {}\nstatus   {} ({})\nreceived {} in mail {}\n",
        word(&r["id"]),
        word(&r["type"]),
        word(&r["partner"]),
        word(&r["order"]),
        word(&r["status"]),
        word(&r["status_id"]),
        word(&r["arrived_at"]),
        word(&r["mail"])
    );
    for (label, key) in [
        ("error", "error"),
        ("failed", "failed_because"),
        ("superseded by", "superseded_by"),
        ("copied to", "copied_to"),
        ("copied from", "copied_from"),
    ] {
        if !r[key].is_null() {
            out.push_str(&format!("{label}: {}\n", word(&r[key])));
        }
    }
    if !r["waits_for"].is_null() {
        out.push_str(&format!("waits: {}\n", word(&r["waits_for"]["reason"])));
    }
    if !r["forced"].is_null() {
        out.push_str(&format!("forced by {}: {}\n", word(&r["forced"]["by"]), word(&r["forced"]["reason"])));
    }
    out.push_str("\nPath\n");
    out.push_str(&table(&["at", "step", "from", "answer", "to", "by"], rows(r, "history"), |step| {
        words(step, &["at", "step", "from", "answer", "to", "by"])
    }));
    if !rows(r, "lines").is_empty() {
        out.push_str("\n\nLines\n");
        let columns = [
            "position",
            "supplier_sku",
            "status",
            "quantity_confirmed",
            "confirmed_date",
            "quantity_backordered",
            "backordered_date",
            "quantity_canceled",
            "price_net",
            "filled",
            "ignored",
        ];
        out.push_str(&table(
            &[
                "pos",
                "sku",
                "status",
                "confirmed",
                "date",
                "backordered",
                "date",
                "canceled",
                "price",
                "filled in",
                "ignored",
            ],
            rows(r, "lines"),
            |line| {
                columns
                    .iter()
                    .map(|key| {
                        if *key == "filled" {
                            line[*key]
                                .as_object()
                                .map_or(String::new(), |map| map.keys().cloned().collect::<Vec<_>>().join(", "))
                        } else {
                            word(&line[*key])
                        }
                    })
                    .collect()
            },
        ));
    }
    for (title, key, columns) in [
        ("Faults", "faults", &["code", "position", "message", "read", "place"][..]),
        (
            "Deviations",
            "deviations",
            &["code", "position", "ordered", "confirmed", "difference", "tolerance", "within"][..],
        ),
    ] {
        if !rows(r, key).is_empty() {
            out.push_str(&format!("\n\n{title}\n"));
            out.push_str(&table(columns, rows(r, key), |row| {
                columns
                    .iter()
                    .map(|column| if *column == "place" { place(&row["place"]) } else { word(&row[*column]) })
                    .collect()
            }));
        }
    }
    out.push_str("\n\nWhat the mail said\n");
    out.push_str(&said(&r["message"]));
    if !rows(value, "transmissions").is_empty() {
        out.push_str("\n\nTransmissions\n");
        out.push_str(&list(
            value,
            "transmissions",
            &[
                ("id", "id"),
                ("kind", "kind"),
                ("status", "status"),
                ("to", "to"),
                ("subject", "subject"),
                ("created", "created_at"),
            ],
        ));
    }
    out
}

/// The values of a message with their places.
pub fn said(message: &Json) -> String {
    let mut rows: Vec<Json> = Vec::new();
    let mut add = |line: String, fields: Option<&serde_json::Map<String, Json>>| {
        for (name, said) in fields.into_iter().flatten() {
            let mut row = said.clone();
            row["line"] = Json::from(line.clone());
            row["field"] = Json::from(name.clone());
            row["where"] = Json::from(place(&said["place"]));
            rows.push(row);
        }
    };
    add(String::new(), message["fields"].as_object());
    for (index, line) in message["lines"].as_array().into_iter().flatten().enumerate() {
        add((index + 1).to_string(), line.as_object());
    }
    table(&["line", "field", "value", "read as", "where", "rule"], &rows, |row| {
        words(row, &["line", "field", "value", "raw", "where", "rule"])
    })
}

/// A place's JSON as people write it.
pub fn place(value: &Json) -> String {
    serde_json::from_value::<crate::model::Place>(value.clone()).map(|place| place.to_string()).unwrap_or_default()
}

/// One order with everything that happened to it.
pub fn order(value: &Json) -> String {
    let order = &value["order"];
    let mut out = format!("order {}", word(&value["order_number"]));
    if order.is_null() {
        out.push_str(" is not registered; responses wait for it\n");
    } else {
        out.push_str(&format!(
            " of channel {}, {}, revision {}{}\n\n",
            word(&order["channel"]),
            word(&order["currency"]),
            word(&order["revision"]),
            if order["canceled"] == true { ", CANCELED" } else { "" }
        ));
        let heads = [
            "pos",
            "partner",
            "sku",
            "ordered",
            "price",
            "requested",
            "confirmed",
            "date",
            "backordered",
            "date",
            "canceled",
            "dispatched",
            "announced price",
            "response",
        ];
        out.push_str(&table(&heads, rows(order, "positions"), |p| {
            let a = &p["announced"];
            vec![
                word(&p["position"]),
                word(&p["partner"]),
                word(&p["supplier_sku"]),
                word(&p["quantity"]),
                word(&p["price_net"]),
                word(&p["requested_date"]),
                word(&a["quantity_confirmed"]),
                word(&a["confirmed_delivery_date"]),
                word(&a["quantity_backordered"]),
                word(&a["backordered_delivery_date"]),
                word(&p["quantity_canceled"]),
                word(&p["quantity_dispatched"]),
                word(&a["supplier_confirmed_purchase_item_net"]),
                word(&a["response"]),
            ]
        }));
    }
    for (title, key, columns) in [
        (
            "Responses",
            "responses",
            &[
                ("id", "id"),
                ("partner", "partner"),
                ("type", "type"),
                ("status", "status"),
                ("received", "arrived_at"),
                ("mail", "mail"),
            ][..],
        ),
        (
            "Recalls",
            "recalls",
            &[
                ("transmission", "transmission"),
                ("response", "response"),
                ("state", "state"),
                ("positions", "positions"),
                ("reason", "reason"),
            ][..],
        ),
        (
            "Mails",
            "mails",
            &[
                ("id", "id"),
                ("received", "received_at"),
                ("from", "from"),
                ("drawer", "drawer"),
                ("subject", "subject"),
            ][..],
        ),
        (
            "Transmissions",
            "transmissions",
            &[
                ("id", "id"),
                ("kind", "kind"),
                ("status", "status"),
                ("to", "to"),
                ("subject", "subject"),
                ("created", "created_at"),
            ][..],
        ),
    ] {
        if !rows(value, key).is_empty() {
            out.push_str(&format!("\n\n{title}\n{}", list(value, key, columns)));
        }
    }
    out
}
