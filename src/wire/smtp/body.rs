//! The message as it goes over the wire: every line ends in CRLF.

use std::borrow::Cow;
use std::fmt;

/// The message with every line ended by CRLF and without the last line's end, which belongs to the end of DATA.
///
/// A lone LF or CR is made a line end: a server that takes `LF . LF` for the end of the message would read what follows
/// as commands (SMTP smuggling), and dots are only doubled behind CRLF.
pub(super) fn canonical(message: &[u8]) -> Cow<'_, [u8]> {
    let message = message.strip_suffix(b"\r\n").unwrap_or(message);
    if !has_lone_line_end(message) {
        return Cow::Borrowed(message);
    }
    let mut out = Vec::with_capacity(message.len() + message.len() / 32);
    let mut bytes = message.iter().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\r' => {
                bytes.next_if_eq(&&b'\n');
                out.extend_from_slice(b"\r\n");
            }
            b'\n' => out.extend_from_slice(b"\r\n"),
            other => out.push(*other),
        }
    }
    if out.ends_with(b"\r\n") && message.ends_with(b"\n") {
        out.truncate(out.len() - 2);
    }
    Cow::Owned(out)
}

fn has_lone_line_end(message: &[u8]) -> bool {
    let mut ends = memchr::memchr2_iter(b'\r', b'\n', message);
    while let Some(at) = ends.next() {
        if message.get(at..at + 2) != Some(b"\r\n") {
            return true;
        }
        ends.next();
    }
    false
}

/// A message as DATA carries it: dots at the beginning of a line doubled, and the end (RFC 5321 section 4.5.2).
pub(super) struct Stuffed<'m>(pub &'m str);

impl fmt::Display for Stuffed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let message = self.0;
        if message.starts_with('.') {
            f.write_str(".")?;
        }
        let mut written = 0;
        for at in memchr::memmem::find_iter(message.as_bytes(), b"\r\n.") {
            // Up to and with the dot, which the rest begins with once more.
            f.write_str(message.get(written..at + 3).unwrap_or_default())?;
            written = at + 2;
        }
        f.write_str(message.get(written..).unwrap_or_default())?;
        f.write_str("\r\n.\r\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A mail whose text holds a line with a single dot must arrive whole, and must not smuggle commands.
    #[test]
    fn line_ends_are_crlf() {
        let table: [(&[u8], &[u8]); 10] = [
            (b"a: b\r\n\r\nhello\r\n", b"a: b\r\n\r\nhello"),
            (b"a: b\n\nhello\n", b"a: b\r\n\r\nhello"),
            (b"x\n.\ny", b"x\r\n.\r\ny"),
            (b"x\r.\ry", b"x\r\n.\r\ny"),
            (b"x\r\r\ny", b"x\r\n\r\ny"),
            (b"x\n\r\ny", b"x\r\n\r\ny"),
            (b"x\r\n\r\n", b"x\r\n"),
            (b"x\r", b"x\r\n"),
            (b"", b""),
            (b"\n", b""),
        ];
        for (message, expected) in table {
            assert_eq!(
                String::from_utf8_lossy(&canonical(message)),
                String::from_utf8_lossy(expected),
                "{:?}",
                String::from_utf8_lossy(message)
            );
        }
        assert!(matches!(canonical(b"x\r\ny\r\n"), Cow::Borrowed(_)), "nothing to mend, nothing to copy");
    }

    /// A line that begins with a dot would lose it, and one that is a dot alone would end the mail.
    #[test]
    fn dots_are_doubled_where_a_line_begins() {
        let table = [
            ("a", "a\r\n.\r\n"),
            (".", "..\r\n.\r\n"),
            ("a\r\n.\r\n..\r\n.b.", "a\r\n..\r\n...\r\n..b.\r\n.\r\n"),
            ("a.\r\n\r\n.", "a.\r\n\r\n..\r\n.\r\n"),
            ("", "\r\n.\r\n"),
        ];
        for (message, expected) in table {
            assert_eq!(Stuffed(message).to_string(), expected, "{message:?}");
        }
    }
}
