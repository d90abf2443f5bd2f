//! XML as a tree whose elements know their path. Guarded before it is parsed: what can explode is
//! refused by one cheap pass over the text.
//!
//! No DTD is ever read: a DOCTYPE that only names one (cXML has it) is allowed and ignored, one with a
//! subset of its own is refused. This file must never know what the elements mean.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use roxmltree::{Document, Node, ParsingOptions};

use super::take::Found;

/// 16 MiB hold some ten thousand order lines with all that UBL can say about them.
pub const BYTES_MAX: usize = 16 << 20;
const NODES_MAX: u32 = 1_500_000;
const DEPTH_MAX: usize = 100;
const ATTRIBUTES_MAX: usize = 64;
const PREFIXES_MAX: usize = 32;

/// Why a text is not taken as XML.
#[derive(Clone, Debug, PartialEq)]
pub struct Refused {
    pub message: String,
    pub span: Range<usize>,
}

fn refuse<T>(message: impl Into<String>, span: Range<usize>) -> Result<T, Refused> {
    Err(Refused { message: message.into(), span })
}

/// The root's local name and namespace, without reading more than its tag.
pub fn root(text: &str) -> Option<(&str, &str)> {
    let mut tags = Tags { text, at: 0 };
    loop {
        match tags.next()?.ok()? {
            Tag::Open { name, attributes, .. } => {
                let (prefix, local) = name.split_once(':').unwrap_or(("", name));
                let declares = if prefix.is_empty() { "xmlns".to_string() } else { format!("xmlns:{prefix}") };
                let namespace = pairs(attributes).find(|(key, _)| *key == declares).map_or("", |(_, value)| value);
                return Some((local, namespace));
            }
            Tag::Close => return None,
            Tag::Doctype { .. } => {}
        }
    }
}

pub struct Tree<'t> {
    document: Document<'t>,
    /// By node id: the how-maniest of its name under its parent, from 1; 0 = the only one.
    nth: Vec<u32>,
}

impl<'t> Tree<'t> {
    pub fn parse(text: &'t str) -> Result<Tree<'t>, Refused> {
        guard(text)?;
        let options = ParsingOptions { allow_dtd: true, nodes_limit: NODES_MAX, ..ParsingOptions::default() };
        let document = Document::parse_with_options(text, options).map_err(|error| {
            let position = error.pos();
            let at = offset(text, position.row, position.col);
            Refused { message: format!("the XML is broken: {error}"), span: at..at }
        })?;
        let mut nth = vec![0; document.descendants().next_back().map_or(0, |node| node.id().get_usize() + 1)];
        let mut seen: BTreeMap<&str, (u32, Vec<usize>)> = BTreeMap::new();
        for parent in document.descendants().filter(Node::has_children) {
            seen.clear();
            for child in parent.children().filter(Node::is_element) {
                let entry = seen.entry(child.tag_name().name()).or_default();
                entry.0 += 1;
                entry.1.push(child.id().get_usize());
            }
            for (_, children) in seen.values().filter(|(count, _)| *count > 1) {
                for (number, id) in (1..).zip(children) {
                    if let Some(slot) = nth.get_mut(*id) {
                        *slot = number;
                    }
                }
            }
        }
        Ok(Tree { document, nth })
    }

    pub fn root(&self) -> Element<'_, 't> {
        Element { node: self.document.root_element(), tree: self }
    }
}

/// An element; names are local names, for partners are free with prefixes.
#[derive(Clone, Copy)]
pub struct Element<'a, 't> {
    node: Node<'a, 't>,
    tree: &'a Tree<'t>,
}

impl<'a, 't> Element<'a, 't> {
    pub fn name(&self) -> &'a str {
        self.node.tag_name().name()
    }

    pub fn children(&self) -> impl Iterator<Item = Element<'a, 't>> + use<'a, 't> {
        let tree = self.tree;
        self.node.children().filter(Node::is_element).map(move |node| Element { node, tree })
    }

    pub fn all<'n>(&self, name: &'n str) -> impl Iterator<Item = Element<'a, 't>> + use<'a, 'n, 't> {
        self.children().filter(move |child| child.name() == name)
    }

    /// The first element down a path of names: `Item/SellersItemIdentification/ID`.
    pub fn at(&self, path: &str) -> Option<Element<'a, 't>> {
        path.split('/').try_fold(*self, |element, name| element.all(name).next())
    }

    /// The words of the first element down a path that has any.
    pub fn find(&self, path: &str) -> Option<Found> {
        match path.split_once('/') {
            Some((first, rest)) => {
                let below = self.all(first).find_map(|child| child.find(rest))?;
                Some(Found { rule: path.to_string(), ..below })
            }
            None => self.all(path).find_map(|child| child.own(path)),
        }
    }

    /// The element's own words; `None` when there are none.
    pub fn own(&self, rule: &str) -> Option<Found> {
        let words: String = self.node.children().filter(Node::is_text).filter_map(|text| text.text()).collect();
        let raw = words.trim();
        (!raw.is_empty()).then(|| Found {
            raw: raw.to_string(),
            rule: rule.to_string(),
            path: self.path(),
            span: self.node.range(),
        })
    }

    pub fn attribute(&self, name: &str, rule: &str) -> Option<Found> {
        let attribute = self.node.attributes().find(|attribute| attribute.name() == name)?;
        let raw = attribute.value().trim();
        (!raw.is_empty()).then(|| Found {
            raw: raw.to_string(),
            rule: rule.to_string(),
            path: format!("{}/@{name}", self.path()),
            span: attribute.range(),
        })
    }

    /// An attribute's bare value, for switches that never become a field.
    pub fn flag(&self, name: &str) -> &'a str {
        let found = self.node.attributes().find(|attribute| attribute.name() == name);
        found.map_or("", |attribute| attribute.value().trim())
    }

    /// Every element below, itself included, in document order.
    pub fn descendants(&self) -> impl Iterator<Item = Element<'a, 't>> + use<'a, 't> {
        let tree = self.tree;
        self.node.descendants().filter(Node::is_element).map(move |node| Element { node, tree })
    }

    pub fn span(&self) -> Range<usize> {
        let range = self.node.range();
        range.start..range.end.min(range.start + self.name().len() + 1)
    }

    /// `/OrderResponse/OrderLine[2]/LineItem/Quantity`.
    pub fn path(&self) -> String {
        let mut steps: Vec<String> = Vec::new();
        for node in self.node.ancestors().filter(Node::is_element) {
            let nth = self.tree.nth.get(node.id().get_usize()).copied().unwrap_or(0);
            let name = node.tag_name().name();
            steps.push(if nth > 0 { format!("/{name}[{nth}]") } else { format!("/{name}") });
        }
        steps.reverse();
        steps.concat()
    }
}

/// Byte offset of a row and column, both from 1, columns in characters.
fn offset(text: &str, row: u32, column: u32) -> usize {
    let row = usize::try_from(row).unwrap_or(1).saturating_sub(1);
    let column = usize::try_from(column).unwrap_or(1).saturating_sub(1);
    let start: usize = text.split_inclusive('\n').take(row).map(str::len).sum();
    let line = text.get(start..).unwrap_or_default();
    start + line.char_indices().nth(column).map_or(line.len(), |(at, _)| at)
}

/// Refuses what would make a parser slow or big: the parser compares every attribute of an element with
/// every other and copies the namespaces in scope.
fn guard(text: &str) -> Result<(), Refused> {
    if text.len() > BYTES_MAX {
        return refuse(format!("{} bytes of XML, more than {BYTES_MAX}", text.len()), 0..0);
    }
    let mut depth = 0usize;
    let mut prefixes: BTreeSet<&str> = BTreeSet::new();
    for tag in (Tags { text, at: 0 }) {
        match tag? {
            Tag::Open { attributes, empty, span, .. } => {
                depth += usize::from(!empty);
                if depth > DEPTH_MAX {
                    return refuse(format!("elements nested deeper than {DEPTH_MAX}"), span);
                }
                for (count, (key, _)) in pairs(attributes).enumerate() {
                    if count >= ATTRIBUTES_MAX {
                        return refuse(format!("an element with more than {ATTRIBUTES_MAX} attributes"), span);
                    }
                    if key.starts_with("xmlns") {
                        prefixes.insert(key);
                    }
                }
                if prefixes.len() > PREFIXES_MAX {
                    return refuse(format!("more than {PREFIXES_MAX} namespace prefixes"), span);
                }
            }
            Tag::Close => depth = depth.saturating_sub(1),
            Tag::Doctype { subset: true, span } => {
                return refuse("the DOCTYPE brings declarations of its own, which are never read", span);
            }
            Tag::Doctype { .. } => {}
        }
    }
    Ok(())
}

enum Tag<'t> {
    Open { name: &'t str, attributes: &'t str, empty: bool, span: Range<usize> },
    Close,
    Doctype { subset: bool, span: Range<usize> },
}

/// The tags of a text one after the other; comments, CDATA and processing instructions are passed over.
struct Tags<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Iterator for Tags<'t> {
    type Item = Result<Tag<'t>, Refused>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let start = self.at + self.text.get(self.at..)?.find('<')?;
            let rest = self.text.get(start..)?;
            let (opening, closing) = match rest {
                _ if rest.starts_with("<!--") => (4, "-->"),
                _ if rest.starts_with("<![CDATA[") => (9, "]]>"),
                _ if rest.starts_with("<?") => (2, "?>"),
                _ => {
                    let Some((end, stop)) = end_of_tag(rest) else {
                        self.at = self.text.len();
                        return Some(refuse("a tag that never ends", start..start + 1));
                    };
                    self.at = start + end + 1;
                    return Some(Ok(tag(rest.get(1..end)?, stop, start..start + end + 1)));
                }
            };
            let Some(end) = rest.get(opening..).and_then(|inner| inner.find(closing)) else {
                self.at = self.text.len();
                return Some(refuse(format!("a `{}` that never ends", rest.get(..opening)?), start..start + opening));
            };
            self.at = start + opening + end + closing.len();
        }
    }
}

/// Where the `>` stands that ends the tag at the start of `rest`; one in quotes does not. A DOCTYPE's
/// subset is not followed: its `[` counts as the end.
fn end_of_tag(rest: &str) -> Option<(usize, u8)> {
    let doctype = rest.starts_with("<!");
    let mut quote = None;
    for (at, byte) in rest.bytes().enumerate() {
        match (quote, byte) {
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(open), _) if open == byte => quote = None,
            (None, b'>') => return Some((at, byte)),
            (None, b'[') if doctype => return Some((at, byte)),
            _ => {}
        }
    }
    None
}

fn tag(inner: &str, stop: u8, span: Range<usize>) -> Tag<'_> {
    if inner.starts_with('/') {
        return Tag::Close;
    }
    if let Some(declaration) = inner.strip_prefix('!') {
        // Anything but a bare DOCTYPE is a declaration that is never read.
        let bare = stop == b'>' && declaration.starts_with("DOCTYPE");
        return Tag::Doctype { subset: !bare, span };
    }
    let empty = inner.ends_with('/');
    let inner = inner.trim_end_matches('/');
    let end = inner.find(|c: char| c.is_ascii_whitespace()).unwrap_or(inner.len());
    let (name, attributes) = inner.split_at_checked(end).unwrap_or((inner, ""));
    Tag::Open { name, attributes, empty, span }
}

/// `key="value"` pairs of a tag, as far as they are well formed.
fn pairs(attributes: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut rest = attributes;
    std::iter::from_fn(move || {
        let (key, after) = rest.split_once('=')?;
        let after = after.trim_start();
        let quote = after.chars().next().filter(|c| matches!(c, '"' | '\''))?;
        let (value, tail) = after.get(1..)?.split_once(quote)?;
        rest = tail;
        Some((key.trim(), value))
    })
}
