//! Where a mail's header ends. The one thing about a mail's inside that the wire looks at, to show what a mail is that
//! is too large to be fetched.

/// A header longer than this is cut.
pub(super) const HEADER_BYTES_MAX: usize = 256 << 10;

/// Up to and with the first empty line, at most [`HEADER_BYTES_MAX`].
pub(super) fn header_of(mail: &[u8]) -> Vec<u8> {
    let mail = mail.get(..HEADER_BYTES_MAX).unwrap_or(mail);
    let crlf = mail.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4);
    let lf = mail.windows(2).position(|two| two == b"\n\n").map(|at| at + 2);
    let end = crlf.into_iter().chain(lf).min().unwrap_or(mail.len());
    mail.get(..end).unwrap_or(mail).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A person finds a mail that is too large by its header, not by its first 256 KiB of attachment.
    #[test]
    fn ends_at_the_empty_line() {
        assert_eq!(header_of(b"a: b\r\n\r\nbody\n\nmore"), b"a: b\r\n\r\n");
        assert_eq!(header_of(b"a: b\n\nbody\r\n\r\nmore"), b"a: b\n\n");
        assert_eq!(header_of(b"a: b"), b"a: b");
        assert_eq!(header_of(&vec![b'x'; 300_000]).len(), HEADER_BYTES_MAX);
    }
}
