//! Small PDF files, made by the tests themselves.

use lopdf::{Dictionary, Document, Object, ObjectId, Stream, dictionary};

/// A file in the making; every page shows one content stream in Helvetica (`/F`).
pub struct Maker {
    pub document: Document,
    pages: ObjectId,
    font: ObjectId,
    kids: Vec<Object>,
}

impl Default for Maker {
    fn default() -> Maker {
        let mut document = Document::with_version("1.5");
        let pages = document.new_object_id();
        let font = document.add_object(dictionary! {
            "Type" => "Font", "Subtype" => "Type1", "BaseFont" => "Helvetica", "Encoding" => "WinAnsiEncoding",
        });
        Maker { document, pages, font, kids: Vec::new() }
    }
}

impl Maker {
    /// Adds a page of 595 x 842 points.
    pub fn page(&mut self, content: impl Into<Vec<u8>>) -> &mut Maker {
        self.page_with(content, Dictionary::new())
    }

    /// Adds a page with further entries.
    pub fn page_with(&mut self, content: impl Into<Vec<u8>>, more: Dictionary) -> &mut Maker {
        let content = self.document.add_object(Stream::new(Dictionary::new(), content.into()));
        let mut page = dictionary! {
            "Type" => "Page", "Parent" => self.pages, "Contents" => content,
            "MediaBox" => vec![0.into(), 0.into(), 595.into(), 842.into()],
            "Resources" => dictionary! { "Font" => dictionary! { "F" => self.font } },
        };
        page.extend(&more);
        let page = self.document.add_object(page);
        self.kids.push(page.into());
        self
    }

    /// The bytes of the file; `catalog` holds further entries.
    pub fn finish(mut self, catalog: Dictionary) -> Vec<u8> {
        let count = self.kids.len() as i64;
        self.document.objects.insert(
            self.pages,
            Object::Dictionary(dictionary! { "Type" => "Pages", "Kids" => self.kids, "Count" => count }),
        );
        let mut root = dictionary! { "Type" => "Catalog", "Pages" => self.pages };
        root.extend(&catalog);
        let root = self.document.add_object(root);
        self.document.trailer.set("Root", root);
        let mut bytes = Vec::new();
        self.document.save_to(&mut bytes).expect("a vector takes everything");
        bytes
    }
}

/// Content that shows texts: x and y from the top left corner, size, text.
pub fn texts(texts: &[(f64, f64, f64, &str)]) -> String {
    let show = |(x, y, size, text): &(f64, f64, f64, &str)| {
        let escaped = text.replace('\\', "\\\\").replace('(', "\\(").replace(')', "\\)");
        format!("BT /F {size} Tf 1 0 0 1 {x} {} Tm ({escaped}) Tj ET\n", 842.0 - y)
    };
    texts.iter().map(show).collect()
}

/// An order confirmation of one page with so many order lines.
pub fn confirmation(lines: usize) -> Vec<u8> {
    let mut rows: Vec<(f64, f64, f64, String)> = vec![
        (60.0, 60.0, 16.0, "Order confirmation 90123".into()),
        (60.0, 90.0, 9.0, "Your order:".into()),
        (160.0, 90.0, 9.0, "4500012345".into()),
    ];
    for (x, head) in
        [(60.0, "Pos"), (95.0, "Article"), (160.0, "Description"), (360.0, "Qty"), (410.0, "Price"), (480.0, "Total")]
    {
        rows.push((x, 130.0, 9.0, head.into()));
    }
    let mut y = 146.0;
    for line in 0..lines {
        let quantity = line * 7 % 90 + 1;
        rows.push((60.0, y, 9.0, format!("{}", (line + 1) * 10)));
        rows.push((95.0, y, 9.0, format!("A-{}", 4711 + line)));
        rows.push((160.0, y, 9.0, "Hexagon screw galvanised".into()));
        rows.push((160.0, y + 10.0, 9.0, "with nut".into()));
        rows.push((360.0, y, 9.0, format!("{quantity}")));
        rows.push((410.0, y, 9.0, "2.50".into()));
        rows.push((480.0, y, 9.0, format!("{:.2}", quantity as f64 * 2.5)));
        y += 26.0;
    }
    let rows: Vec<(f64, f64, f64, &str)> =
        rows.iter().map(|(x, y, size, text)| (*x, *y, *size, text.as_str())).collect();
    let mut maker = Maker::default();
    maker.page(texts(&rows));
    maker.finish(Dictionary::new())
}
