//! Stands between the server's bytes and the response parser, which descends one call per bracket: a
//! response of brackets without end would overflow the stack and take the whole process with it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::wire::net::Stream;

/// Real BODYSTRUCTUREs, the deepest responses there are, stay below half of it.
const DEPTH_MAX: u32 = 64;

/// A stream whose responses nest at most [`DEPTH_MAX`] brackets deep.
#[derive(Debug)]
pub(super) struct Guard {
    pub stream: Stream,
    scan: Scan,
}

impl Guard {
    pub fn new(stream: Stream) -> Guard {
        Guard { stream, scan: Scan::default() }
    }
}

#[derive(Debug, Default)]
struct Scan {
    /// Bytes of a literal still to come.
    literal: u64,
    depth: u32,
    quoted: bool,
    escaped: bool,
    /// The number in `{...}` at the end of what was read so far.
    braces: Braces,
}

#[derive(Clone, Copy, Debug, Default)]
enum Braces {
    #[default]
    No,
    Open(u64),
    Closed(u64),
}

impl Scan {
    /// `false` when the brackets get too deep.
    fn see(&mut self, mut bytes: &[u8]) -> bool {
        loop {
            if self.literal > 0 {
                let skipped = usize::try_from(self.literal).unwrap_or(usize::MAX).min(bytes.len());
                self.literal -= u64::try_from(skipped).unwrap_or(self.literal);
                bytes = bytes.get(skipped..).unwrap_or_default();
            }
            let Some((byte, rest)) = bytes.split_first() else {
                return true;
            };
            bytes = rest;
            if !self.see_byte(*byte) {
                return false;
            }
        }
    }

    fn see_byte(&mut self, byte: u8) -> bool {
        if byte == b'\n' {
            match self.braces {
                Braces::Closed(length) => self.literal = length,
                Braces::No | Braces::Open(_) => self.depth = 0,
            }
            (self.quoted, self.escaped, self.braces) = (false, false, Braces::No);
            return true;
        }
        self.braces = match (self.braces, byte) {
            (_, b'{') => Braces::Open(0),
            (Braces::Open(length), b'0'..=b'9') => {
                Braces::Open(length.saturating_mul(10).saturating_add(u64::from(byte - b'0')))
            }
            (Braces::Open(length), b'}') => Braces::Closed(length),
            (closed @ Braces::Closed(_), b'\r') => closed,
            _ => Braces::No,
        };
        if self.quoted {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => self.quoted = false,
                _ => {}
            }
            return true;
        }
        match byte {
            b'"' => self.quoted = true,
            b'(' => self.depth += 1,
            b')' => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
        self.depth <= DEPTH_MAX
    }
}

impl AsyncRead for Guard {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = out.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(cx, out))?;
        let fresh = out.filled().get(before..).unwrap_or_default();
        if this.scan.see(fresh) {
            return Poll::Ready(Ok(()));
        }
        Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, "the server nests brackets without end")))
    }
}

impl AsyncWrite for Guard {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A response of a million brackets must not end the process; the same bytes inside a mail are just a mail.
    #[test]
    fn depth_counts_outside_literals_and_quotes() {
        let deep = "(".repeat(1000);
        let table = [
            (format!("* 1 FETCH (BODYSTRUCTURE {deep}\r\n"), false),
            (format!("* 1 FETCH (UID 1 BODY[] {{1000}}\r\n{deep})\r\nP1 OK done\r\n"), true),
            (format!("* 1 FETCH (UID 1 BODY[] {{999}}\r\n{deep})\r\n* 2 FETCH {deep}"), false),
            (format!("* LIST () \"/\" \"{deep}\"\r\n"), true),
            (format!("* LIST () \"/\" \"a\\\"{deep}\"\r\n"), true),
            ("* OK (((\r\n".repeat(100), true),
        ];
        for (bytes, fine) in table {
            assert_eq!(Scan::default().see(bytes.as_bytes()), fine, "{}", &bytes[..40]);
            let mut slow = Scan::default();
            assert_eq!(bytes.bytes().all(|byte| slow.see(&[byte])), fine, "byte by byte");
        }
    }
}
