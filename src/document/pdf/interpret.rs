//! The one file that knows hayro: PDF bytes to what is drawn on each page.

use std::collections::HashMap;

use hayro_interpret::font::{Glyph as Drawable, GlyphRun};
use hayro_interpret::hayro_cmap::{BfString, WritingMode};
use hayro_interpret::{
    BlendMode, ClipPath, Context, Device, DrawMode, DrawProps, Image, ImageDrawProps, InterpreterCache,
    InterpreterSettings, Paint, RectExt, SoftMask, TransformExt, interpret_page,
};
use hayro_syntax::object::{Array, Dict, Name, Object, Stream, String as PdfString, dict::keys};
use hayro_syntax::page::Page;
use hayro_syntax::{DecryptionError, Filter, LoadPdfError, Pdf};
use kurbo::{Affine, BezPath, PathEl, Point, Rect, Shape};

use super::source::{Drawn, Embedded, Glyph, Ink, Said, SourceError};
use crate::document::{Limits, grid, place::Area};

/// More glyphs than any page that a person reads.
const GLYPHS_MAX: usize = 200_000;
/// Strokes and boxes beyond this are drawings, not tables.
const RULES_MAX: usize = 20_000;
/// Filled boxes that are remembered as backgrounds.
const SURFACES_MAX: usize = 4_000;
/// Letters smaller than this cannot be read, in points.
const SIZE_MIN: f64 = 1.5;
const EMBEDDED_MAX: usize = 64;
const TREE_DEPTH_MAX: usize = 32;

/// Interprets all pages, up to the limits.
pub(super) fn read(bytes: Vec<u8>, limits: &Limits) -> Result<Drawn, SourceError> {
    let pdf = open(bytes)?;
    let cache = InterpreterCache::new();
    let pages = pdf.pages();
    let mut drawn = Drawn { count: pages.len(), embedded: embedded(&pdf, limits), ..Drawn::default() };
    for page in pages.iter().take(limits.pages_max) {
        drawn.pages.push(ink(page, &pdf, &cache));
    }
    Ok(drawn)
}

/// Opens a file with the empty password.
pub(super) fn open(bytes: Vec<u8>) -> Result<Pdf, SourceError> {
    Pdf::new(bytes).map_err(|error| match error {
        LoadPdfError::Decryption(DecryptionError::PasswordProtected) => SourceError::Password,
        LoadPdfError::Decryption(_) => SourceError::Encryption,
        LoadPdfError::Invalid => SourceError::Invalid,
    })
}

/// Draws a page as a PNG picture.
pub(super) fn picture(bytes: Vec<u8>, index: usize, scale: f32) -> Option<Vec<u8>> {
    let pdf = open(bytes).ok()?;
    let page = pdf.pages().get(index)?;
    let settings = hayro::PixmapSettings {
        x_scale: scale,
        y_scale: scale,
        bg_color: hayro::vello_cpu::color::palette::css::WHITE,
    };
    let cache = hayro::RenderCache::new();
    let pixels =
        hayro::render(page, &cache, &InterpreterSettings::default(), &hayro::RenderSettings::default(), &settings);
    pixels.into_png().ok()
}

fn ink<'a>(page: &Page<'a>, pdf: &'a Pdf, cache: &InterpreterCache<'a>) -> Ink {
    let (width, height) = page.render_dimensions();
    let (width, height) = (f64::from(width), f64::from(height));
    let displayed = page.initial_transform(true).to_kurbo();
    let bounds = Rect::new(0.0, 0.0, width, height);
    let mut context = Context::new(displayed, bounds, cache, pdf.xref(), InterpreterSettings::default());
    let mut recorder = Recorder::new(bounds);
    interpret_page(page, &mut context, &mut recorder);
    let mut ink = recorder.finish();
    (ink.width, ink.height) = (width, height);
    fields(page, displayed, &mut ink);
    ink
}

// --- drawing ---------------------------------------------------------------------------------

/// Something that may stand behind or before glyphs.
struct Surface {
    area: Rect,
    /// None: a picture or a pattern, of any colour.
    colour: Option<[u8; 4]>,
    /// A box that hides what is below it, drawn when there were so many glyphs.
    covers_from: Option<usize>,
}

struct Recorder {
    ink: Ink,
    page: Rect,
    clips: Vec<Rect>,
    /// How much of what is drawn shows through the groups that are open.
    opacities: Vec<f32>,
    surfaces: Vec<Surface>,
    /// The last run, to know the stroke that only makes it bold.
    last_run: Option<([f64; 6], usize)>,
    last_stretch: f64,
    characters: HashMap<u128, HashMap<u32, char>>,
}

impl Recorder {
    fn new(page: Rect) -> Recorder {
        Recorder {
            ink: Ink::default(),
            page,
            clips: Vec::new(),
            opacities: Vec::new(),
            surfaces: Vec::new(),
            last_run: None,
            last_stretch: 1.0,
            characters: HashMap::new(),
        }
    }

    fn clip(&self) -> Rect {
        self.clips.last().copied().unwrap_or(self.page)
    }

    fn opacity(&self) -> f32 {
        self.opacities.last().copied().unwrap_or(1.0)
    }

    fn finish(mut self) -> Ink {
        // What was painted over later cannot be seen.
        let covers: Vec<(usize, Rect)> =
            self.surfaces.iter().filter_map(|s| Some((s.covers_from?, s.area))).filter(|cover| cover.0 > 0).collect();
        if covers.len().saturating_mul(self.ink.glyphs.len()) < 40_000_000 {
            for (index, glyph) in self.ink.glyphs.iter_mut().enumerate() {
                let (x, y) = glyph.middle();
                let later = covers.iter().rev().take_while(|cover| cover.0 > index);
                glyph.hidden |= later.into_iter().any(|cover| cover.1.contains(Point::new(x, y)));
            }
        }
        self.ink
    }

    /// The colour behind a point: the last surface there, else paper. None: not known.
    fn behind(&self, point: Point) -> Option<[u8; 4]> {
        match self.surfaces.iter().rev().find(|surface| surface.area.contains(point)) {
            Some(surface) => surface.colour,
            None => Some([255, 255, 255, 255]),
        }
    }

    /// Whether a glyph of this colour cannot be seen at a point.
    fn unseen(&self, colour: Option<[u8; 4]>, size: f64, point: Point) -> bool {
        if size < SIZE_MIN
            || self.opacity() < 0.04
            || !self.page.contains(point)
            || !self.clip().inflate(1.0, 1.0).contains(point)
        {
            return true;
        }
        let Some(colour) = colour else { return false };
        colour[3] < 10 || self.behind(point).is_some_and(|behind| alike(behind, colour))
    }

    fn path(&mut self, path: &BezPath, props: &DrawProps<'_>, mode: &DrawMode) {
        if self.ink.rules.len() >= RULES_MAX {
            return;
        }
        match mode {
            DrawMode::Fill(_) => self.fill(path, props),
            DrawMode::Stroke(_) => self.stroke(path, props.transform),
            DrawMode::FillAndStroke(..) => {
                self.fill(path, props);
                self.stroke(path, props.transform);
            }
            DrawMode::Invisible => {}
        }
    }

    /// Every straight piece of a filled path is a rule (when it is thin) or a surface.
    fn fill(&mut self, path: &BezPath, props: &DrawProps<'_>) {
        let colour = colour(&props.paint);
        let solid = colour.is_some_and(|colour| colour[3] > 250)
            && props.blend_mode == BlendMode::Normal
            && props.soft_mask.is_none()
            && self.opacity() > 0.99;
        let mut begin = 0;
        let elements = path.elements();
        let mut pieces = 0;
        while begin < elements.len() && pieces < 2_000 {
            let rest = elements.get(begin + 1..).unwrap_or_default();
            let length = rest
                .iter()
                .position(|element| matches!(element, PathEl::MoveTo(_)))
                .map_or(elements.len() - begin, |at| at + 1);
            let piece = elements.get(begin..begin + length).unwrap_or_default();
            begin += length;
            pieces += 1;
            let Some((area, is_box)) = bounds(piece, props.transform) else { continue };
            let shown = area.intersect(self.clip());
            let seen = shown.width() >= 0.0 && shown.height() >= 0.0 && area.overlaps(self.page);
            if !seen || colour.is_some_and(|colour| colour[3] < 10) {
                continue;
            }
            if is_box && colour.is_none_or(|colour| self.behind(area.center()) != Some(colour)) {
                self.ink.rules.push([area.x0, area.y0, area.x1, area.y1]);
            }
            if shown.width() >= 3.0 && shown.height() >= 3.0 && self.surfaces.len() < SURFACES_MAX {
                let covers_from = (is_box && solid).then_some(self.ink.glyphs.len());
                self.surfaces.push(Surface { area: shown, colour: if solid { colour } else { None }, covers_from });
            }
        }
    }

    fn stroke(&mut self, path: &BezPath, transform: Affine) {
        let (mut start, mut here) = (Point::ZERO, Point::ZERO);
        for element in path.elements() {
            match *element {
                PathEl::MoveTo(to) => {
                    start = transform * to;
                    here = start;
                }
                PathEl::LineTo(to) => {
                    let to = transform * to;
                    self.segment(here, to);
                    here = to;
                }
                PathEl::ClosePath => {
                    self.segment(here, start);
                    here = start;
                }
                PathEl::QuadTo(_, to) | PathEl::CurveTo(_, _, to) => here = transform * to,
            }
        }
    }

    fn segment(&mut self, a: Point, b: Point) {
        let straight = (a.x - b.x).abs() < 0.7 || (a.y - b.y).abs() < 0.7;
        let area = Rect::from_points(a, b);
        if straight && self.ink.rules.len() < RULES_MAX {
            // What the clip cuts off cannot be seen and rules nothing.
            let clip = self.clip().inflate(1.0, 1.0);
            let shown =
                Rect::new(area.x0.max(clip.x0), area.y0.max(clip.y0), area.x1.min(clip.x1), area.y1.min(clip.y1));
            if shown.x0 <= shown.x1 && shown.y0 <= shown.y1 {
                self.ink.rules.push([shown.x0, shown.y0, shown.x1, shown.y1]);
            }
        }
    }

    /// The character of a glyph that the file gives none for: by the embedded font's own table, or
    /// by its code as Windows would read it.
    fn rescued(&mut self, glyph: &Drawable<'_>) -> Option<char> {
        match glyph {
            Drawable::Outline(outline) => {
                let font = outline.font_data()?;
                let table =
                    self.characters.entry(font.cache_key).or_insert_with(|| characters(font.data.as_ref().as_ref()));
                let found = *table.get(&outline.glyph_id().to_u32())?;
                match found {
                    // Symbol fonts keep their codes in a private area.
                    '\u{f020}'..='\u{f0ff}' => windows((u32::from(found) & 0xff) as u8),
                    _ => Some(found),
                }
            }
            Drawable::Type3(glyph) => match glyph.char_code() {
                code @ 0x21..=0xff => windows(code as u8),
                _ => None,
            },
        }
    }

    fn said(&mut self, glyph: &Drawable<'_>) -> Said {
        let unicode = match glyph.as_unicode() {
            Some(BfString::Char(c)) if !matches!(c, '\0' | '\u{fffd}') => return one(c),
            Some(BfString::String(text)) if !text.is_empty() && text != "\0" => Some(text),
            _ => None,
        };
        if let Some(text) = unicode {
            let text: String = text.chars().filter(|c| !grid::is_invisible(*c)).collect();
            return if text.trim().is_empty() { Said::Space } else { Said::Many(text.trim().into()) };
        }
        if let Some(c) = self.rescued(glyph) {
            return one(c);
        }
        let blank = match glyph {
            Drawable::Outline(outline) => outline.outline().elements().is_empty(),
            Drawable::Type3(_) => false,
        };
        if blank {
            return Said::Space;
        }
        self.ink.unmapped += 1;
        Said::One('\u{fffd}')
    }
}

fn one(c: char) -> Said {
    match c {
        // A hyphen at the end of a line is drawn, whatever it is called.
        '\u{ad}' => Said::One('-'),
        c if grid::is_space(c) || grid::is_invisible(c) => Said::Space,
        c => Said::One(c),
    }
}

fn windows(byte: u8) -> Option<char> {
    encoding_rs::WINDOWS_1252.decode_without_bom_handling(&[byte]).0.chars().next().filter(|c| !c.is_control())
}

/// Glyph numbers to characters, from an embedded font's own table.
fn characters(font: &[u8]) -> HashMap<u32, char> {
    use skrifa::MetadataProvider;
    let mut table = HashMap::new();
    let Ok(font) = skrifa::FontRef::new(font) else { return table };
    for (code, glyph) in font.charmap().mappings().take(70_000) {
        let Some(c) = char::from_u32(code) else { continue };
        let known = table.entry(glyph.to_u32()).or_insert(c);
        if u32::from(*known) >= 0xe000 && code < 0xe000 {
            *known = c;
        }
    }
    table
}

fn colour(paint: &Paint<'_>) -> Option<[u8; 4]> {
    match paint {
        Paint::Color(colour) => Some(colour.to_rgba().to_rgba8()),
        Paint::Pattern(_) => None,
    }
}

fn alike(a: [u8; 4], b: [u8; 4]) -> bool {
    let far: u32 = a.iter().zip(&b).take(3).map(|(a, b)| u32::from(a.abs_diff(*b))).sum();
    far <= 24
}

/// The box around a piece of a path, and whether it is that box (four straight, upright sides).
fn bounds(piece: &[PathEl], transform: Affine) -> Option<(Rect, bool)> {
    let mut area: Option<Rect> = None;
    let mut last: Option<Point> = None;
    let mut is_box = piece.len() <= 6;
    for element in piece {
        let to = match *element {
            PathEl::MoveTo(to) | PathEl::LineTo(to) => transform * to,
            PathEl::QuadTo(_, to) | PathEl::CurveTo(_, _, to) => {
                is_box = false;
                transform * to
            }
            PathEl::ClosePath => continue,
        };
        if let Some(last) = last {
            is_box &= (last.x - to.x).abs() < 0.7 || (last.y - to.y).abs() < 0.7;
        }
        last = Some(to);
        let point = Rect::from_points(to, to);
        area = Some(area.map_or(point, |area| area.union(point)));
    }
    area.filter(|area| area.is_finite()).map(|area| (area, is_box))
}

/// How a glyph's transform stretches x and y.
fn scale(transform: Affine) -> (f64, f64) {
    let [a, b, c, d, ..] = transform.as_coeffs();
    (a.hypot(b), c.hypot(d))
}

fn advance(glyph: &Drawable<'_>) -> f64 {
    let width = match glyph {
        Drawable::Outline(glyph) => glyph.advance_width(),
        Drawable::Type3(glyph) => glyph.advance_width(),
    };
    f64::from(width.unwrap_or(0.0))
}

impl Recorder {
    /// Glyph transforms hold both horizontal scaling, which widens advances, and the stretch of a
    /// substitute font, which does not: take the one that fits where the next glyphs begin.
    fn stretch(&mut self, run: &GlyphRun<'_, '_>, outer: Affine) -> f64 {
        let placed: Vec<(Point, f64, f64)> = run
            .glyphs()
            .iter()
            .filter_map(|glyph| {
                let transform = outer * glyph.transform();
                let (sx, sy) = scale(transform);
                (sy > 1e-9).then(|| (transform * Point::ZERO, advance(glyph) * sy, sx / sy))
            })
            .collect();
        let mut ratios: Vec<f64> = placed.iter().map(|glyph| glyph.2).collect();
        let ratio = median(&mut ratios).unwrap_or(1.0);
        if (ratio - 1.0).abs() <= 0.01 {
            self.last_stretch = ratio;
            return ratio;
        }
        let misfit = |stretch: f64| {
            let mut misfits: Vec<f64> = placed
                .windows(2)
                .filter_map(|pair| match pair {
                    [a, b] => Some((a.0.distance(b.0) - a.1 * stretch).abs()),
                    _ => None,
                })
                .collect();
            median(&mut misfits)
        };
        self.last_stretch = match (misfit(1.0), misfit(ratio)) {
            (Some(plain), Some(stretched)) if plain <= stretched => 1.0,
            (Some(_), Some(_)) => ratio,
            _ => self.last_stretch,
        };
        self.last_stretch
    }
}

fn median(values: &mut [f64]) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

impl<'a> Device<'a> for Recorder {
    fn draw_path(&mut self, path: &BezPath, props: DrawProps<'a>, mode: &DrawMode) {
        self.path(path, &props, mode);
    }

    fn draw_rect(&mut self, rect: &Rect, props: DrawProps<'a>, mode: &DrawMode) {
        self.path(&rect.to_path(0.1), &props, mode);
    }

    fn push_clip_path(&mut self, clip: &ClipPath) {
        let area = clip.path.bounding_box();
        self.clips.push(self.clip().intersect(area));
    }

    fn push_clip_rect(&mut self, rect: &Rect) {
        self.clips.push(self.clip().intersect(*rect));
    }

    fn pop_clip(&mut self) {
        self.clips.pop();
    }

    fn push_transparency_group(&mut self, opacity: f32, _: Option<SoftMask<'a>>, _: BlendMode) {
        self.opacities.push(self.opacity() * opacity);
    }

    fn pop_transparency_group(&mut self) {
        self.opacities.pop();
    }

    fn draw_glyph_run(&mut self, run: &GlyphRun<'_, 'a>, props: DrawProps<'a>, mode: &DrawMode) {
        if self.ink.glyphs.len() + run.glyphs().len() > GLYPHS_MAX {
            self.ink.cut = true;
            return;
        }
        // Text that is filled and stroked arrives twice.
        if let Some(first) = run.glyphs().first() {
            let key = ((props.transform * first.transform()).as_coeffs(), run.glyphs().len());
            if matches!(mode, DrawMode::Stroke(_)) && self.last_run.as_ref() == Some(&key) {
                return;
            }
            self.last_run = Some(key);
        }
        let invisible = matches!(mode, DrawMode::Invisible);
        let vertical = matches!(run.writing_mode(), WritingMode::Vertical);
        let colour = colour(&props.paint);
        let stretch = self.stretch(run, props.transform);
        for glyph in run.glyphs() {
            let transform = props.transform * glyph.transform();
            let origin = transform * Point::ZERO;
            let (sx, sy) = scale(transform);
            if sx < 1e-9 || sy < 1e-9 || !origin.is_finite() {
                continue;
            }
            let [a, b, c, d, ..] = transform.as_coeffs();
            let size = sy * 1000.0;
            let (dx, dy) = if vertical {
                (-c / sy * size, -d / sy * size)
            } else {
                let length = advance(glyph) * sy * stretch;
                (a / sx * length, b / sx * length)
            };
            let said = self.said(glyph);
            let mut glyph = Glyph { said, x: origin.x, y: origin.y, dx, dy, size, hidden: invisible };
            if glyph.said != Said::Space && !invisible {
                let (x, y) = glyph.middle();
                glyph.hidden = self.unseen(colour, size, Point::new(x, y));
            }
            self.ink.glyphs.push(glyph);
        }
    }

    fn draw_image(&mut self, image: Image<'a, '_>, props: ImageDrawProps<'a>) {
        let (width, height) = (f64::from(image.width()), f64::from(image.height()));
        let area = props.transform.transform_rect_bbox(Rect::new(0.0, 0.0, width, height)).intersect(self.clip());
        let shown = area.width() > 2.0 && area.height() > 2.0 && area.is_finite();
        if !shown {
            return;
        }
        if self.ink.pictures.len() < SURFACES_MAX {
            self.ink.pictures.push(Area { x0: area.x0, y0: area.y0, x1: area.x1, y1: area.y1 });
        }
        let opaque = match &image {
            Image::Raster(raster) => {
                let dict = raster.stream().dict();
                let plain = !dict.contains_key(keys::SMASK) && !dict.contains_key(keys::MASK);
                plain && !raster.stream().filters().contains(&Filter::JpxDecode) && self.opacity() > 0.99
            }
            Image::Stencil(_) => false,
        };
        // A scan laid over its recognised text hides it; a small picture may have clear corners.
        let covers = opaque && area.area() > 0.5 * self.page.area();
        if self.surfaces.len() < SURFACES_MAX {
            let covers_from = covers.then_some(self.ink.glyphs.len());
            self.surfaces.push(Surface { area, colour: None, covers_from });
        }
    }
}

// --- structure -------------------------------------------------------------------------------

/// Files inside: the tree of names, and those associated with the document.
fn embedded(pdf: &Pdf, limits: &Limits) -> Vec<Embedded> {
    let mut specs = Vec::new();
    if let Some(catalog) = pdf.xref().get::<Dict<'_>>(pdf.xref().root_id()) {
        if let Some(tree) =
            catalog.get::<Dict<'_>>(keys::NAMES).and_then(|names| names.get::<Dict<'_>>(b"EmbeddedFiles"))
        {
            walk(&tree, &mut specs, 0);
        }
        if let Some(associated) = catalog.get::<Array<'_>>(b"AF") {
            specs.extend(associated.iter::<Dict<'_>>().take(EMBEDDED_MAX));
        }
    }
    let mut found: Vec<Embedded> = Vec::new();
    let mut left = limits.bytes_max;
    for spec in specs.iter().take(EMBEDDED_MAX) {
        let Some(name) = spec.get::<PdfString<'_>>(b"UF").or_else(|| spec.get(b"F")).map(|name| text(name.as_bytes()))
        else {
            continue;
        };
        if found.iter().any(|other| other.name == name) {
            continue;
        }
        let Some(files) = spec.get::<Dict<'_>>(b"EF") else { continue };
        let Some(stream) = files.get::<Stream<'_>>(b"F").or_else(|| files.get(b"UF")) else { continue };
        let bytes = stream.decoded().map(|bytes| bytes.into_owned()).unwrap_or_default();
        if bytes.len() > left {
            break;
        }
        left -= bytes.len();
        found.push(Embedded { name, bytes });
    }
    found
}

fn walk<'a>(node: &Dict<'a>, specs: &mut Vec<Dict<'a>>, depth: usize) {
    if depth > TREE_DEPTH_MAX || specs.len() > EMBEDDED_MAX {
        return;
    }
    if let Some(names) = node.get::<Array<'a>>(keys::NAMES) {
        specs.extend(names.iter::<Object<'a>>().filter_map(Object::into_dict).take(EMBEDDED_MAX));
    }
    if let Some(kids) = node.get::<Array<'a>>(keys::KIDS) {
        for kid in kids.iter::<Dict<'a>>().take(EMBEDDED_MAX) {
            walk(&kid, specs, depth + 1);
        }
    }
}

/// A text string: UTF-16 or UTF-8 with a mark, else (nearly) Latin 1.
fn text(bytes: &[u8]) -> String {
    let text = match bytes {
        [0xfe, 0xff, rest @ ..] => encoding_rs::UTF_16BE.decode_without_bom_handling(rest).0.into_owned(),
        [0xff, 0xfe, rest @ ..] => encoding_rs::UTF_16LE.decode_without_bom_handling(rest).0.into_owned(),
        [0xef, 0xbb, 0xbf, rest @ ..] => String::from_utf8_lossy(rest).into_owned(),
        _ => encoding_rs::WINDOWS_1252.decode_without_bom_handling(bytes).0.into_owned(),
    };
    text.chars().filter(|c| *c == '\n' || *c == '\r' || !grid::is_invisible(*c)).collect()
}

/// Form fields that carry a value but no picture of it: the viewer would draw it, so do we.
fn fields(page: &Page<'_>, displayed: Affine, ink: &mut Ink) {
    const HIDDEN: u32 = 1 << 1 | 1 << 5;
    let Some(annotations) = page.raw().get::<Array<'_>>(keys::ANNOTS) else { return };
    for widget in annotations.iter::<Dict<'_>>().take(5_000) {
        let is_widget = widget.get::<Name<'_>>(keys::SUBTYPE).is_some_and(|kind| kind.as_ref() == b"Widget");
        if !is_widget || widget.get::<u32>(keys::F).unwrap_or(0) & HIDDEN != 0 || has_picture(&widget) {
            continue;
        }
        let Some(value) = value(&widget) else { continue };
        let Some(area) = widget.get::<hayro_syntax::object::Rect>(keys::RECT).map(|rect| rect.to_kurbo()) else {
            continue;
        };
        let area = displayed.transform_rect_bbox(area);
        let lines: Vec<&str> = value.lines().take(50).collect();
        let size = (area.height() / lines.len().max(1) as f64 * 0.7).clamp(4.0, 10.0);
        for (index, line) in lines.iter().enumerate() {
            let y = area.y0 + area.height() * (index as f64 + 0.5) / lines.len() as f64 + 0.3 * size;
            let mut x = area.x0 + 2.0;
            for c in line.chars().take(1_000) {
                ink.glyphs.push(Glyph { said: one(c), x, y, dx: 0.5 * size, dy: 0.0, size, hidden: false });
                x += 0.5 * size;
            }
        }
    }
}

fn has_picture(widget: &Dict<'_>) -> bool {
    widget.get::<Dict<'_>>(keys::AP).is_some_and(|states| states.contains_key(keys::N))
}

/// The value of a text or choice field, from the widget or from the field above it.
fn value(widget: &Dict<'_>) -> Option<String> {
    let mut field = widget.clone();
    for _ in 0..TREE_DEPTH_MAX {
        match field.get::<Object<'_>>(keys::V) {
            Some(Object::String(value)) => return Some(text(value.as_bytes())),
            Some(Object::Array(values)) => {
                let all: Vec<String> =
                    values.iter::<PdfString<'_>>().take(50).map(|value| text(value.as_bytes())).collect();
                return Some(all.join("\n"));
            }
            Some(_) => return None,
            None => field = field.get::<Dict<'_>>(keys::PARENT)?,
        }
    }
    None
}
