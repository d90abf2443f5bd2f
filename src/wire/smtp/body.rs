//! The message as it goes over the wire: every line ends in CRLF.

use std::borrow::Cow;

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
    let mut before = 0u8;
    for byte in message {
        if (*byte == b'\n') != (before == b'\r') {
            return true;
        }
        before = *byte;
    }
    before == b'\r'
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
}
