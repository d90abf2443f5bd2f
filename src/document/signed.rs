//! Signatures: the document within an opaque one (`.p7m`), not checked, only unwrapped (RFC 5652); one that stands
//! beside what it signs (`.p7s`, OpenPGP) says nothing to a reader.

/// What a p7m holds.
#[derive(Debug, PartialEq)]
pub(super) enum Content {
    Document(Vec<u8>),
    /// Enveloped: nobody without the key reads it.
    Encrypted(&'static str),
    /// Of something that stands elsewhere.
    Signature,
}

const SIGNED: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02];
const ENVELOPED: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x03];
const DEPTH_MAX: usize = 16;

/// The content of signed data in DER, BER, PEM or bare base64; none when it is not such a thing.
pub(super) fn read(bytes: &[u8]) -> Option<Content> {
    if bytes.first() == Some(&0x30) {
        return unwrapped(bytes);
    }
    use base64::Engine as _;
    let text = std::str::from_utf8(bytes.get(..bytes.len().min(48 << 20))?).ok()?;
    match text.trim_start() {
        text if text.starts_with("-----BEGIN PGP SIGNATURE-----") => return Some(Content::Signature),
        text if text.starts_with("-----BEGIN PGP MESSAGE-----") => return Some(Content::Encrypted("OpenPGP")),
        _ => {}
    }
    if !text.starts_with("-----BEGIN") && !text.starts_with("MI") {
        return None;
    }
    let body: String = text
        .lines()
        .filter(|line| !line.starts_with("-----"))
        .flat_map(str::chars)
        .filter(|c| !c.is_whitespace())
        .collect();
    unwrapped(&base64::engine::general_purpose::STANDARD.decode(body).ok()?)
}

fn unwrapped(bytes: &[u8]) -> Option<Content> {
    let (info, _) = element(bytes, 0)?;
    let mut fields = Fields(info.content(bytes)?);
    let kind = fields.next(0x06)?;
    if kind == ENVELOPED {
        return Some(Content::Encrypted("S/MIME"));
    }
    if kind != SIGNED {
        return None;
    }
    let mut data = Fields(Fields(fields.next(0xa0)?).next(0x30)?);
    data.next(0x02)?;
    data.next(0x31)?;
    let mut inner = Fields(data.next(0x30)?);
    inner.next(0x06)?;
    if inner.0.is_empty() {
        return Some(Content::Signature);
    }
    let wrapped = inner.next(0xa0)?;
    let mut out = Vec::new();
    octets(wrapped, &mut out, 0)?;
    Some(Content::Document(out))
}

/// The bytes of an octet string, which BER may have cut into pieces.
fn octets(bytes: &[u8], out: &mut Vec<u8>, depth: usize) -> Option<()> {
    let mut rest = bytes;
    while !rest.is_empty() && depth < DEPTH_MAX {
        let (found, length) = element(rest, 0)?;
        let content = found.content(rest)?;
        match found.tag {
            0x04 => out.extend_from_slice(content),
            0x24 => octets(content, out, depth + 1)?,
            _ => return Some(()),
        }
        rest = rest.get(length..)?;
    }
    Some(())
}

/// The elements of a constructed one, in order.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    /// The content of the next element, which must have this tag.
    fn next(&mut self, tag: u8) -> Option<&'a [u8]> {
        let (found, length) = element(self.0, 0)?;
        let content = found.content(self.0)?;
        self.0 = self.0.get(length..)?;
        (found.tag == tag).then_some(content)
    }
}

struct Element {
    tag: u8,
    begin: usize,
    end: usize,
}

impl Element {
    fn content<'a>(&self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        bytes.get(self.begin..self.end)
    }
}

/// The first element and its whole length; indefinite lengths are followed to their end marks.
fn element(bytes: &[u8], depth: usize) -> Option<(Element, usize)> {
    let tag = *bytes.first()?;
    let first = *bytes.get(1)?;
    if first == 0x80 {
        if depth > DEPTH_MAX {
            return None;
        }
        let mut at = 2;
        while bytes.get(at..at + 2)? != [0, 0] {
            at += element(bytes.get(at..)?, depth + 1)?.1;
        }
        return Some((Element { tag, begin: 2, end: at }, at + 2));
    }
    let (length, begin) = if first < 0x80 {
        (usize::from(first), 2)
    } else {
        let count = usize::from(first & 0x7f);
        let digits = bytes.get(2..2 + count).filter(|_| count <= 4)?;
        (digits.iter().fold(0usize, |length, byte| length << 8 | usize::from(*byte)), 2 + count)
    };
    let end = begin.checked_add(length)?;
    // A cut file gives what is there.
    Some((Element { tag, begin, end: end.min(bytes.len()) }, end.min(bytes.len())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrap(tag: u8, content: &[u8]) -> Vec<u8> {
        let mut out = vec![tag];
        if content.len() < 128 {
            out.push(content.len() as u8);
        } else {
            out.extend([0x82, (content.len() >> 8) as u8, content.len() as u8]);
        }
        out.extend(content);
        out
    }

    fn p7m(kind: &[u8], octets: &[u8]) -> Vec<u8> {
        let data = wrap(0x06, &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x01]);
        let inner = wrap(0x30, &[data, wrap(0xa0, octets)].concat());
        let signed = wrap(0x30, &[wrap(0x02, &[1]), wrap(0x31, &[]), inner].concat());
        wrap(0x30, &[wrap(0x06, kind), wrap(0xa0, &signed)].concat())
    }

    /// Italian invoices come as `invoice.xml.p7m`; the XML within must be read.
    #[test]
    fn the_document_comes_out() {
        let plain = p7m(SIGNED, &wrap(0x04, b"<Order/>"));
        assert_eq!(read(&plain), Some(Content::Document(b"<Order/>".to_vec())));
        // Cut into pieces with lengths that only end marks tell.
        let pieces = [&[0x24, 0x80][..], &wrap(0x04, b"<Or"), &wrap(0x04, b"der/>"), &[0, 0]].concat();
        assert_eq!(read(&p7m(SIGNED, &pieces)), Some(Content::Document(b"<Order/>".to_vec())));
        assert_eq!(read(&p7m(ENVELOPED, b"")), Some(Content::Encrypted("S/MIME")));
        let alone = wrap(0x30, &wrap(0x06, &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x01]));
        let detached = wrap(0x30, &[wrap(0x02, &[1]), wrap(0x31, &[]), alone].concat());
        let detached = wrap(0x30, &[wrap(0x06, SIGNED), wrap(0xa0, &detached)].concat());
        assert_eq!(read(&detached), Some(Content::Signature));
        assert_eq!(read(b"-----BEGIN PGP SIGNATURE-----\n\niQEz\n"), Some(Content::Signature));
        for end in 0..plain.len() {
            let _ = read(&plain[..end]);
        }
        assert_eq!(read(&[0x30, 0x80].repeat(100_000)), None);
    }
}
