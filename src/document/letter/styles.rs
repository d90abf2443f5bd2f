//! What the styles of a document (`styles.xml`) say of paragraphs and runs: numbers, and what hides text.

use std::collections::HashMap;

use roxmltree::Document;

use super::{element, style, value};

/// Styles are based on others; no chain is longer than this.
const CHAIN_MAX: usize = 20;
const STYLES_MAX: usize = 10_000;

#[derive(Default)]
pub(super) struct Styles {
    by_name: HashMap<String, Style>,
    /// The style of paragraphs that name none.
    usual: Option<String>,
}

#[derive(Default)]
struct Style {
    based_on: Option<String>,
    list: Option<u32>,
    level: Option<usize>,
    look: String,
}

impl Styles {
    pub(super) fn of(document: &Document<'_>) -> Styles {
        let mut styles = Styles::default();
        let all = document.root_element().children().filter(|node| node.tag_name().name() == "style");
        for node in all.take(STYLES_MAX) {
            let named = |name: &str| {
                node.attributes().find(|attribute| attribute.name() == name).map(|attribute| attribute.value())
            };
            let Some(name) = named("styleId") else { continue };
            let numbered = element(node, "pPr").and_then(|properties| element(properties, "numPr"));
            let number = |property| numbered.and_then(|node| value(element(node, property)?)?.parse().ok());
            if named("type") == Some("paragraph") && matches!(named("default"), Some("1" | "true" | "on")) {
                styles.usual = Some(name.to_owned());
            }
            let style = Style {
                based_on: element(node, "basedOn").and_then(value).map(str::to_owned),
                list: number("numId"),
                level: number("ilvl").map(|level| level as usize),
                look: element(node, "rPr").map(style).unwrap_or_default(),
            };
            styles.by_name.insert(name.to_owned(), style);
        }
        styles
    }

    /// A style and those it is based on.
    fn chain<'a>(&'a self, name: Option<&'a str>) -> impl Iterator<Item = (&'a str, &'a Style)> {
        let named = |name: &'a str| self.by_name.get(name).map(|style| (name, style));
        let next = move |(_, style): &(&'a str, &'a Style)| named(style.based_on.as_deref()?);
        std::iter::successors(name.and_then(named), next).take(CHAIN_MAX)
    }

    /// The list that paragraphs of a style are numbered in, at which level (where it says), and the style that says so.
    pub(super) fn list<'a>(&'a self, name: Option<&'a str>) -> Option<(u32, Option<usize>, &'a str)> {
        let name = name.or(self.usual.as_deref());
        let level = self.chain(name).find_map(|(_, style)| style.level);
        self.chain(name).find_map(|(name, style)| Some((style.list?, level, name)))
    }

    /// What a style hides or colours, as CSS; what is said last counts.
    pub(super) fn look(&self, name: Option<&str>) -> String {
        let mut looks: Vec<&str> = self.chain(name).map(|(_, style)| style.look.as_str()).collect();
        looks.reverse();
        looks.concat()
    }

    /// The look of paragraphs.
    pub(super) fn paragraph(&self, name: Option<&str>) -> String {
        self.look(name.or(self.usual.as_deref()))
    }
}
