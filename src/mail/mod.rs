//! What the bytes of a mail mean, without knowing what the gateway does with it.
//!
//! A raw mail is read as parts ([`decode`]), sorted by its own marks (sort), searched for the author's
//! new words ([`reply`]) and read as commands ([`decision`]) or as a filled-in form ([`fill_in`]); who
//! really said it is a verdict ([`trust`]) and a token ([`token`]); [`encode`] builds what goes out.
//! All of it is pure: no store, no sockets (but for the resolver in [`dns`]), time
//! passed in. It must never know orders, partners or processes.

pub mod decision;
pub mod decode;
pub mod dkim;
pub mod dns;
pub mod encode;
pub mod fill_in;
pub mod header;
pub mod html;
pub mod own_check;
pub mod p7m;
pub mod reply;
pub mod sort;
pub mod token;
pub mod transfer;
pub mod trust;

pub use decode::{Attachment, Limits, Mail, Seal, digest};
pub use header::{Address, Headers};

#[cfg(test)]
pub(crate) mod tests {
    use std::path::PathBuf;

    /// The folder of shared test material, when there is one; a test that needs it says that it was skipped.
    pub(crate) fn shared() -> Option<PathBuf> {
        let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared");
        let found = std::env::var_os("POSTERN_SHARED")
            .map(PathBuf::from)
            .or_else(|| Some(PathBuf::from(beside)))
            .filter(|path| path.join("corpora").is_dir());
        if found.is_none() {
            println!("skipped: no shared test material");
        }
        found
    }
}
