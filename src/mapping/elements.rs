//! `[table]` over XML: every element that `rows` names is a line, its columns are paths below it. Whatever
//! namespaces and prefixes a partner uses, a step without a prefix takes any.
//!
//! Which values belong to one line is decided here; what they mean is not.

use roxmltree::{Document, Node};

use super::heads::{self, Wanted};
use super::record::{BodyRow, Fragment, Origin, Record};
use super::rule::TableRule;
use super::table::RECORDS_MAX;
use super::view::View;
use super::xpath::path_of;
use crate::model::Place;

/// Values of one line that patterns (`find`, `schedule`, `skip`) see.
const VALUES_MAX: usize = 1_000;

/// The lines of an XML part; none when it is no XML (which its reader has said already).
pub fn records(rule: &TableRule, view: &View<'_>) -> (Vec<Wanted>, Vec<Record>) {
    let wanted = heads::wanted(&rule.columns);
    let (Some(rows), Some(source)) = (&rule.rows, view.part.source.as_deref()) else { return (wanted, Vec::new()) };
    let Ok(document) = Document::parse(source) else { return (wanted, Vec::new()) };
    let mut records = Vec::new();
    for element in rows.elements(&document, RECORDS_MAX) {
        let (text, origins) = text_of(element, &view.part.name);
        if rule.skip.as_ref().is_some_and(|skip| skip.is_match(&text)) {
            continue;
        }
        let cells = wanted.iter().map(|wanted| cell(rule, wanted, element, &view.part.name)).collect();
        let mut record = Record::new(wanted.len());
        record.push(BodyRow { cells, text, origins, page: 0, y0: 0.0, y1: 0.0, parted: false }, true);
        records.push(record);
    }
    (wanted, records)
}

/// The first value that one of the column's paths finds.
fn cell(rule: &TableRule, wanted: &Wanted, element: Node<'_, '_>, part: &str) -> Option<Fragment> {
    let column = wanted.columns.first().and_then(|index| rule.columns.get(*index))?;
    let found = column
        .paths
        .iter()
        .find_map(|path| path.find_below(element, 1).into_iter().find(|found| !found.text.is_empty()))?;
    let text = found.text.split_whitespace().collect::<Vec<_>>().join(" ");
    Some(Fragment { text, place: Place::path(part, found.path) })
}

/// A line as patterns see it: each value with its path below the line, one a row.
fn text_of(element: Node<'_, '_>, part: &str) -> (String, Vec<(usize, Origin)>) {
    let own = path_of(element);
    let (mut text, mut origins) = (String::new(), Vec::new());
    let mut add = |path: String, value: &str| {
        let value = value.split_whitespace().collect::<Vec<_>>().join(" ");
        if value.is_empty() || origins.len() >= VALUES_MAX {
            return;
        }
        let below = path.strip_prefix(&own).unwrap_or(&path).trim_start_matches('/').to_string();
        if !text.is_empty() {
            text.push('\n');
        }
        origins.push((text.len(), Origin::Place(Place::path(part, path))));
        text.push_str(&format!("{below}  {value}"));
    };
    for node in element.descendants().filter(Node::is_element).take(VALUES_MAX) {
        for attribute in node.attributes() {
            add(format!("{}@{}", path_of(node), attribute.name()), attribute.value());
        }
        let said: String = node.children().filter(Node::is_text).filter_map(|text| text.text()).collect();
        add(path_of(node), &said);
    }
    (text, origins)
}
