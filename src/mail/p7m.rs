//! The content of an opaque S/MIME signature (RFC 8551 section 3.5.2; CMS, RFC 5652 section 5).
//!
//! Unwraps only: no certificate is looked at, nothing is verified. It must never claim that it did.

const SEQUENCE: u8 = 0x30;
const OCTET_STRING: u8 = 0x04;
const OBJECT_IDENTIFIER: u8 = 0x06;
const EXPLICIT_0: u8 = 0xa0;
const CONSTRUCTED_OCTET_STRING: u8 = 0x24;
/// 1.2.840.113549.1.7.2
const SIGNED_DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02];

/// The bytes that were signed; `None` when it is not signed data or not DER/BER that can be walked.
pub fn signed_content(der: &[u8]) -> Option<Vec<u8>> {
    let info = Element::read(der)?.expect(SEQUENCE)?;
    let mut fields = Elements(info.content);
    if fields.next()?.expect(OBJECT_IDENTIFIER)?.content != SIGNED_DATA {
        return None;
    }
    let wrapped = fields.next()?.expect(EXPLICIT_0)?;
    let signed = Element::read(wrapped.content)?.expect(SEQUENCE)?;
    // version, digestAlgorithms, encapContentInfo
    let encapsulated = Elements(signed.content).nth(2)?.expect(SEQUENCE)?;
    let content = Elements(encapsulated.content).nth(1)?.expect(EXPLICIT_0)?;
    let octets = Element::read(content.content)?;
    match octets.tag {
        OCTET_STRING => Some(octets.content.to_vec()),
        CONSTRUCTED_OCTET_STRING => {
            let chunks = Elements(octets.content).filter(|chunk| chunk.tag == OCTET_STRING);
            Some(chunks.flat_map(|chunk| chunk.content.iter().copied()).collect())
        }
        _ => None,
    }
}

struct Element<'a> {
    tag: u8,
    content: &'a [u8],
    length: usize,
}

impl<'a> Element<'a> {
    fn read(bytes: &'a [u8]) -> Option<Element<'a>> {
        let (&tag, rest) = bytes.split_first()?;
        let (&first, rest) = rest.split_first()?;
        if first == 0x80 {
            let length = indefinite(rest)?;
            return Some(Element { tag, content: rest.get(..length)?, length: 2 + length + 2 });
        }
        let extra = if first < 0x80 { 0 } else { usize::from(first & 0x7f) };
        if extra > 4 {
            return None;
        }
        let size = match extra {
            0 => usize::from(first),
            _ => rest.get(..extra)?.iter().fold(0usize, |size, &byte| size << 8 | usize::from(byte)),
        };
        let content = rest.get(extra..)?.get(..size)?;
        Some(Element { tag, content, length: 2 + extra + size })
    }

    fn expect(self, tag: u8) -> Option<Element<'a>> {
        (self.tag == tag).then_some(self)
    }
}

/// The length of indefinite content up to its end-of-contents mark, without recursion.
fn indefinite(bytes: &[u8]) -> Option<usize> {
    let (mut at, mut open) = (0usize, 1usize);
    loop {
        let rest = bytes.get(at..)?;
        match rest {
            [0, 0, ..] => {
                open -= 1;
                if open == 0 {
                    return Some(at);
                }
                at += 2;
            }
            [_, 0x80, ..] => {
                open += 1;
                at += 2;
            }
            _ => at += Element::read(rest)?.length,
        }
    }
}

struct Elements<'a>(&'a [u8]);

impl<'a> Iterator for Elements<'a> {
    type Item = Element<'a>;

    fn next(&mut self) -> Option<Element<'a>> {
        let element = Element::read(self.0)?;
        self.0 = self.0.get(element.length..).unwrap_or_default();
        Some(element)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrap(tag: u8, content: &[u8]) -> Vec<u8> {
        [&[tag, 0x82, (content.len() >> 8) as u8, content.len() as u8], content].concat()
    }

    fn signed(octets: &[u8]) -> Vec<u8> {
        let data = wrap(OBJECT_IDENTIFIER, &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x01]);
        let encapsulated = wrap(SEQUENCE, &[data, wrap(EXPLICIT_0, octets)].concat());
        let signed = wrap(SEQUENCE, &[wrap(0x02, &[1]), wrap(0x31, &[]), encapsulated].concat());
        wrap(SEQUENCE, &[wrap(OBJECT_IDENTIFIER, SIGNED_DATA), wrap(EXPLICIT_0, &signed)].concat())
    }

    /// A response that was signed by the partner's mail client would be unreadable.
    #[test]
    fn signed_content_is_unwrapped() {
        assert_eq!(signed_content(&signed(&wrap(OCTET_STRING, b"Subject: x"))).as_deref(), Some(&b"Subject: x"[..]));
        let chunks =
            [vec![CONSTRUCTED_OCTET_STRING, 0x80], wrap(OCTET_STRING, b"Sub"), wrap(OCTET_STRING, b"ject"), vec![0, 0]]
                .concat();
        assert_eq!(signed_content(&signed(&chunks)).as_deref(), Some(&b"Subject"[..]));
        assert_eq!(signed_content(b""), None);
        assert_eq!(signed_content(&wrap(SEQUENCE, &wrap(OBJECT_IDENTIFIER, &[1, 2]))), None);
        let whole = signed(&wrap(OCTET_STRING, b"Subject: x"));
        for cut in 0..whole.len() {
            let _ = signed_content(&whole[..cut]);
        }
    }
}
