//! Small real PDFs with a text layer, for the demo's partner and the load command: words at places, in
//! Helvetica, on A4.

use lopdf::content::{Content, Operation};
use lopdf::{Document, Object, Stream, dictionary};

/// Words on a page; points from the left and from the top.
pub struct Words {
    pub x: f32,
    pub y: f32,
    pub size: f32,
    pub bold: bool,
    pub text: String,
}

const WIDTH: f32 = 595.0;
const HEIGHT: f32 = 842.0;

/// A page: its words, and its horizontal rules (x0, x1, y).
pub type Page = (Vec<Words>, Vec<(f32, f32, f32)>);

/// One PDF.
pub fn pdf(pages: &[Page]) -> Result<Vec<u8>, lopdf::Error> {
    let mut doc = Document::with_version("1.5");
    let tree = doc.new_object_id();
    let font = |doc: &mut Document, name: &str| {
        doc.add_object(
            dictionary! {"Type" => "Font", "Subtype" => "Type1", "BaseFont" => name, "Encoding" => "WinAnsiEncoding"},
        )
    };
    let (plain, bold) = (font(&mut doc, "Helvetica"), font(&mut doc, "Helvetica-Bold"));
    let resources = doc.add_object(dictionary! {"Font" => dictionary! {"F1" => plain, "F2" => bold}});
    let mut kids = Vec::new();
    for (words, rules) in pages {
        let mut operations = Vec::new();
        for (x0, x1, y) in rules {
            operations.push(Operation::new("m", vec![(*x0).into(), (HEIGHT - y).into()]));
            operations.push(Operation::new("l", vec![(*x1).into(), (HEIGHT - y).into()]));
            operations.push(Operation::new("S", vec![]));
        }
        for word in words {
            let (encoded, _, _) = encoding_rs::WINDOWS_1252.encode(&word.text);
            operations.push(Operation::new("BT", vec![]));
            operations.push(Operation::new("Tf", vec![if word.bold { "F2" } else { "F1" }.into(), word.size.into()]));
            operations.push(Operation::new("Td", vec![word.x.into(), (HEIGHT - word.y).into()]));
            operations.push(Operation::new("Tj", vec![Object::string_literal(encoded.into_owned())]));
            operations.push(Operation::new("ET", vec![]));
        }
        let content = doc.add_object(Stream::new(dictionary! {}, Content { operations }.encode()?));
        let page = doc.add_object(dictionary! {"Type" => "Page", "Parent" => tree, "Contents" => content});
        kids.push(page.into());
    }
    let count = i64::try_from(kids.len()).unwrap_or(0);
    let pages = dictionary! {
        "Type" => "Pages", "Kids" => kids, "Count" => count, "Resources" => resources,
        "MediaBox" => vec![0.into(), 0.into(), WIDTH.into(), HEIGHT.into()],
    };
    doc.objects.insert(tree, Object::Dictionary(pages));
    let catalog = doc.add_object(dictionary! {"Type" => "Catalog", "Pages" => tree});
    doc.trailer.set("Root", catalog);
    doc.compress();
    let mut bytes = Vec::new();
    doc.save_to(&mut bytes)?;
    Ok(bytes)
}

/// Words that end at `x`, as numbers do in columns; the width is estimated as Helvetica's digits are.
pub fn right(x: f32, y: f32, size: f32, text: &str) -> Words {
    let width: f32 = text
        .chars()
        .map(|c| {
            if c.is_ascii_digit() {
                0.556
            } else if matches!(c, '.' | ',' | ' ') {
                0.278
            } else {
                0.5
            }
        })
        .sum::<f32>()
        * size;
    Words { x: x - width, y, size, bold: false, text: text.to_string() }
}

pub fn left(x: f32, y: f32, size: f32, text: &str) -> Words {
    Words { x, y, size, bold: false, text: text.to_string() }
}

pub fn bold(x: f32, y: f32, size: f32, text: &str) -> Words {
    Words { x, y, size, bold: true, text: text.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A PDF of ours that our own reader could not read would make the demo prove nothing.
    #[test]
    fn our_paper_is_readable() {
        let words = vec![
            bold(50.0, 60.0, 14.0, "Auftragsbestätigung"),
            left(50.0, 100.0, 10.0, "Größe"),
            right(300.0, 100.0, 10.0, "1.768,40"),
        ];
        let bytes = pdf(&[(words, vec![(50.0, 300.0, 105.0)])]).unwrap();
        let input = crate::document::Input { name: "a.pdf", media_type: "application/pdf", bytes: &bytes };
        let parts = crate::document::read(&input, &crate::document::Limits::default());
        let text: Vec<String> = parts[0].pages[0]
            .lines
            .iter()
            .map(|line| line.words.iter().map(|w| w.text.as_str()).collect::<Vec<_>>().join(" "))
            .collect();
        assert_eq!(text, ["Auftragsbestätigung", "Größe 1.768,40"]);
    }
}
