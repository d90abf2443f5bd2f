//! The admin's language: TOML files that say where a partner's documents keep which value.
//!
//! A mapping is data: no expressions, no scripting; a quirk that needs more gets a named switch.
//! [`check`] reads files and complains with places, [`read`] reads mails with what came out.
//! It must never know what happens to a message afterwards.

pub mod agreement;
mod bands;
mod check;
mod columns;
pub mod compare;
pub mod drift;
mod elements;
pub mod explain;
mod file;
mod heads;
mod interpret;
pub mod json;
pub mod learn;
pub mod library;
mod lines;
pub mod link;
pub mod mails;
pub mod material;
pub mod read;
mod record;
pub mod rule;
pub mod samples;
pub mod schema;
mod select;
mod structured;
mod table;
pub mod value;
pub mod view;
pub mod words;
pub mod xpath;

#[cfg(test)]
mod tests;

pub use check::check;
pub use library::{Choice, Library};
pub use mails::{MailReading, read_mail};
pub use material::Material;
pub use read::{Reading, Surroundings, read};
pub use rule::{Kind, Mapping, Status};
pub use schema::schema;

/// Every complaint about a mapping file, by its code, and what to do about it.
#[rustfmt::skip]
pub const CODES: &[(&str, &str)] = &[
    ("MAP001", "The file is no TOML: a quote, bracket or equals sign is missing or doubled. Regular expressions stand best in single quotes."),
    ("MAP002", "A key that mappings do not have; mostly a typing error."),
    ("MAP003", "The value is of the wrong kind or out of range for its key."),
    ("MAP004", "A key or table is missing, or a list is empty."),
    ("MAP005", "A word that is not in the closed list of its key (kind, status, part, locale ...)."),
    ("MAP006", "No field of a message has this name. The names are the same in all mappings."),
    ("MAP007", "A field of the head stands among the lines, or the other way round."),
    ("MAP008", "Two ways to find one value exclude one another, or there is none."),
    ("MAP009", "Not a regular expression; the caret shows where it breaks."),
    ("MAP010", "A regular expression takes exactly one group: the value; patterns of lines take named groups."),
    ("MAP011", "A named group is no field of a line."),
    ("MAP012", "A code or constant is not what its field can hold."),
    ("MAP013", "A date pattern lacks day, month or year, or holds an unknown sign."),
    ("MAP014", "The same word, head or address stands twice."),
    ("MAP015", "Not a CSS selector."),
    ("MAP016", "Not a path of the subset that mappings know."),
    ("MAP017", "Not the name of a cell."),
    ("MAP018", "The selector cannot be used on this source."),
    ("MAP019", "The file or a list in it is too large."),
    ("MAP020", "The file lies in another partner's folder, or two mappings can match one mail."),
    ("MAP021", "A sample is missing, cannot be read, or is read differently than expected."),
    ("MAP022", "Nothing finds the order number, or the position or product of a line."),
    ("MAP023", "Numbers, dates or names are read, but [formats] does not say how they are written."),
];
