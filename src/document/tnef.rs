//! `winmail.dat`: what Outlook wraps a mail's body and attachments into ([MS-OXTNEF]).
//!
//! What was read before a break is kept.

use super::rtf;

/// The first four bytes of every TNEF stream.
const SIGNATURE: u32 = 0x223e_9f78;
const FILES_MAX: usize = 500;
/// Mails within mails; each is a stream of its own.
const DEPTH_MAX: usize = 3;

/// What such a file holds.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Contents {
    pub subject: Option<String>,
    pub text: Option<String>,
    pub html: Option<String>,
    pub files: Vec<File>,
    /// It ended before its end.
    pub broken: bool,
}

#[derive(Debug, Default, PartialEq)]
pub(super) struct File {
    pub name: String,
    pub media_type: String,
    pub bytes: Vec<u8>,
}

pub(super) fn is_tnef(bytes: &[u8]) -> bool {
    bytes.starts_with(&SIGNATURE.to_le_bytes())
}

/// Reads a stream; what is found within attached mails stands behind what is attached here.
pub(super) fn read(bytes: &[u8]) -> Contents {
    let mut contents = Contents::default();
    stream(bytes, &mut contents, 0);
    // The mail around it has the subject.
    contents.subject = None;
    contents
}

/// Bytes taken from the front.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn u16(&mut self) -> Option<u16> {
        Some(u16::from_le_bytes(self.take(2)?.try_into().ok()?))
    }

    fn u32(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.take(4)?.try_into().ok()?))
    }

    /// So many bytes, and those that fill up to a multiple of four.
    fn padded(&mut self, count: usize) -> Option<&'a [u8]> {
        let taken = self.take(count)?;
        let rest = count.wrapping_neg() % 4;
        self.take(rest.min(self.0.len()))?;
        Some(taken)
    }
}

/// The body in the forms a stream may carry it.
#[derive(Default)]
pub(super) struct Bodies {
    subject: Option<String>,
    text: Option<String>,
    html: Option<Vec<u8>>,
    rtf: Option<Vec<u8>>,
}

fn stream(bytes: &[u8], contents: &mut Contents, depth: usize) {
    let mut rest = Bytes(bytes);
    let mut code_page: u32 = 1252;
    let mut bodies = Bodies::default();
    if rest.u32() != Some(SIGNATURE) || rest.u16().is_none() {
        contents.broken = true;
        return;
    }
    while !rest.0.is_empty() {
        let Some((id, data)) = attribute(&mut rest) else {
            contents.broken = true;
            break;
        };
        let file = contents.files.last_mut();
        match id & 0xffff {
            0x9007 => code_page = Bytes(data).u32().unwrap_or(code_page),
            0x800c => bodies.text = Some(decoded(data, code_page)),
            0x9003 => properties(data, code_page, &mut Target::Message(&mut bodies)),
            0x9002 => {
                if contents.files.len() >= FILES_MAX {
                    contents.broken = true;
                    break;
                }
                contents.files.push(File::default());
            }
            0x8010 => file
                .into_iter()
                .filter(|file| file.name.is_empty())
                .for_each(|file| file.name = decoded(data, code_page)),
            0x800f => file.into_iter().filter(|file| file.bytes.is_empty()).for_each(|file| file.bytes = data.to_vec()),
            0x9005 => {
                if let Some(file) = file {
                    properties(data, code_page, &mut Target::File(file));
                }
            }
            _ => {}
        }
    }
    if depth == 0 {
        settle(bodies, code_page, contents);
    } else if let Some(text) = bodies.text {
        contents.files.push(File {
            name: "message.txt".into(),
            media_type: "text/plain; charset=utf-8".into(),
            bytes: text.into_bytes(),
        });
    }
    // An attached mail is a stream of its own, behind the number of its interface.
    let nested: Vec<Vec<u8>> =
        contents.files.iter().filter_map(|file| embedded(&file.bytes)).map(<[u8]>::to_vec).collect();
    contents.files.retain(|file| embedded(&file.bytes).is_none() && !file.bytes.is_empty());
    for inner in nested {
        if depth < DEPTH_MAX {
            stream(&inner, contents, depth + 1);
        }
    }
}

fn embedded(bytes: &[u8]) -> Option<&[u8]> {
    [bytes, bytes.get(16..).unwrap_or_default()].into_iter().find(|bytes| is_tnef(bytes))
}

fn attribute<'a>(rest: &mut Bytes<'a>) -> Option<(u32, &'a [u8])> {
    let level = rest.u8()?;
    let id = rest.u32()?;
    let length = rest.u32()? as usize;
    let data = rest.take(length)?;
    // The checksum is not looked at; some programs write none at the very end.
    rest.take(2.min(rest.0.len()))?;
    matches!(level, 1 | 2).then_some((id, data))
}

/// Chooses the body: HTML, else HTML or text within RTF, else text.
pub(super) fn settle(bodies: Bodies, code_page: u32, contents: &mut Contents) {
    contents.subject = bodies.subject.filter(|subject| !subject.trim().is_empty());
    contents.text =
        bodies.text.map(|text| text.trim_end_matches('\0').to_owned()).filter(|text| !text.trim().is_empty());
    if let Some(html) = bodies.html {
        contents.html = Some(decoded(&html, code_page));
    } else if let Some(source) = bodies.rtf.as_deref().and_then(rtf::decompressed) {
        match rtf::read(&source) {
            rtf::Content::Html(html) => contents.html = Some(html),
            rtf::Content::Text(text) if contents.text.is_none() => {
                contents.text = Some(text).filter(|text| !text.trim().is_empty())
            }
            rtf::Content::Text(_) => {}
        }
    }
}

pub(super) enum Target<'a> {
    Message(&'a mut Bodies),
    File(&'a mut File),
}

impl Target<'_> {
    /// Whether a property of this identifier is looked at.
    pub(super) fn wants(&self, id: u16) -> bool {
        match self {
            Target::Message(_) => matches!(id, 0x0037 | 0x1000 | 0x1009 | 0x1013),
            Target::File(_) => matches!(id, 0x3001 | 0x3701 | 0x3704 | 0x3707 | 0x370e),
        }
    }

    pub(super) fn take(&mut self, id: u16, kind: u16, value: &[u8], code_page: u32) {
        let text = || if kind & 0xfff == 0x1f { wide(value) } else { decoded(value, code_page) };
        match self {
            Target::Message(bodies) => match id {
                0x0037 => bodies.subject = Some(text()),
                0x1000 => bodies.text = Some(text()),
                0x1013 => {
                    bodies.html = Some(if kind & 0xfff == 0x1f { wide(value).into_bytes() } else { value.to_vec() })
                }
                0x1009 => bodies.rtf = Some(value.to_vec()),
                _ => {}
            },
            Target::File(file) => match id {
                // The long name beats the short one, which beats the title.
                0x3707 => file.name = text(),
                0x3704 | 0x3001 if file.name.is_empty() => file.name = text(),
                0x370e => file.media_type = text(),
                // An object begins with 16 bytes that say of which class it is.
                0x3701 if file.bytes.is_empty() || embedded(value).is_some() => {
                    let object = value.get(16..).filter(|_| kind & 0xfff == 0x0d && embedded(value).is_none());
                    file.bytes = object.unwrap_or(value).to_vec();
                }
                _ => {}
            },
        }
    }
}

/// Goes through MAPI properties; stops where they cannot be followed.
fn properties(data: &[u8], code_page: u32, target: &mut Target<'_>) {
    let mut rest = Bytes(data);
    let count = rest.u32().unwrap_or(0).min(10_000);
    for _ in 0..count {
        if property(&mut rest, code_page, target).is_none() {
            return;
        }
    }
}

fn property(rest: &mut Bytes<'_>, code_page: u32, target: &mut Target<'_>) -> Option<()> {
    let kind = rest.u16()?;
    let id = rest.u16()?;
    if id >= 0x8000 {
        rest.take(16)?;
        if rest.u32()? == 0 {
            rest.u32()?;
        } else {
            let length = rest.u32()? as usize;
            rest.padded(length)?;
        }
    }
    let variable = matches!(kind & 0xfff, 0x1e | 0x1f | 0x102 | 0x0d);
    let values = if variable || kind & 0x1000 != 0 { rest.u32()?.min(10_000) } else { 1 };
    for index in 0..values {
        let value = match kind & 0xfff {
            0x02 | 0x03 | 0x04 | 0x0a | 0x0b => rest.take(4)?,
            0x05 | 0x06 | 0x07 | 0x14 | 0x40 => rest.take(8)?,
            0x48 => rest.take(16)?,
            0x1e | 0x1f | 0x102 | 0x0d => {
                let length = rest.u32()? as usize;
                rest.padded(length)?
            }
            _ => return None,
        };
        if index == 0 {
            target.take(id, kind, value, code_page);
        }
    }
    Some(())
}

fn wide(bytes: &[u8]) -> String {
    let text = encoding_rs::UTF_16LE.decode_without_bom_handling(bytes).0;
    text.trim_end_matches('\0').to_owned()
}

fn decoded(bytes: &[u8], code_page: u32) -> String {
    let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1);
    super::charset::decode_bytes(bytes.get(..end).unwrap_or_default(), Some(&rtf::label(code_page)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attribute(level: u8, id: u32, data: &[u8]) -> Vec<u8> {
        let mut out = vec![level];
        out.extend(id.to_le_bytes());
        out.extend((data.len() as u32).to_le_bytes());
        out.extend(data);
        let sum: u16 = data.iter().fold(0, |sum: u16, byte| sum.wrapping_add(u16::from(*byte)));
        out.extend(sum.to_le_bytes());
        out
    }

    fn sample() -> Vec<u8> {
        let mut out = SIGNATURE.to_le_bytes().to_vec();
        out.extend([1, 0]);
        out.extend(attribute(1, 0x0002_800c, b"Best\xe4tigung\0"));
        out.extend(attribute(2, 0x0006_9002, &[0; 14]));
        out.extend(attribute(2, 0x0001_8010, b"AB_123~1.PDF\0"));
        out.extend(attribute(2, 0x0006_800f, b"%PDF-1.4"));
        let name: Vec<u8> = "AB_12345.pdf\0".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let mut properties = 1u32.to_le_bytes().to_vec();
        properties.extend([0x1f, 0, 0x07, 0x37, 1, 0, 0, 0]);
        properties.extend((name.len() as u32).to_le_bytes());
        properties.extend(&name);
        properties.extend([0; 2]);
        out.extend(attribute(2, 0x0006_9005, &properties));
        out
    }

    /// Customers on Exchange see an attachment `winmail.dat` instead of the confirmation; we must not.
    #[test]
    fn body_and_attachments_come_out() {
        let contents = read(&sample());
        assert_eq!(contents.text.as_deref(), Some("Bestätigung"));
        assert_eq!(
            contents.files,
            [File { name: "AB_12345.pdf".into(), media_type: String::new(), bytes: b"%PDF-1.4".to_vec() }]
        );
        assert!(!contents.broken);
    }

    /// A truncated file still gives what stands before the break, whatever the break.
    #[test]
    fn any_truncation_is_survived() {
        let sample = sample();
        for end in 0..sample.len() {
            let contents = read(&sample[..end]);
            assert!(contents.files.len() <= 1);
        }
        assert!(read(&sample[..100]).broken);
    }
}
