//! # Postern: the house
//!
//! Postern (a back gate in a castle wall) is a mail-driven integration gateway: mails in, canonical
//! responses through a durable business process, formatted mails out.
//!
//! **One mail, one table, one commit.**
//!
//! 1. A mail becomes 0..n messages (what the partner says, gaps allowed; two PDFs are two). Each
//!    opens a response.
//! 2. A response stands in one status. Every status asks one question; every answer is one row of
//!    one table ([`process::table`]); a row names the next status and the transmissions it owes.
//! 3. What an input changes (responses, order positions, history rows walked, transmissions owed
//!    with their finished MIME, the mail taken) lands in **one commit**, whole or not at all. There
//!    is no second way to write.
//! 4. Whatever complains about a text (mapping file, config, template, a partner's mail) is a
//!    [`diagnostic::Diagnostic`] with a place in that text, drawn the same way in shell and log.
//!
//! The whole program is rounds of one shape: **look, decide (pure), commit**. An input runs to rest
//! (until a question needs the outside world) in memory and commits once.
//!
//! The unit of deciding is the **dossier**: one order number with its order (once it is known) and
//! all responses to it. Everything about an order is decided together, by one worker, against one
//! revision. A response to an order that nobody knows yet lies in a dossier without an order, so
//! that registering the order later finds it.
//!
//! Imports point down; rooms on one floor do not know each other; only `main` names what stands
//! behind a trait. `tests/architecture.rs` reads the `use` lines and keeps this.

#[cfg(test)]
extern crate self as postern;

// The rooms, in the order a mail meets them.
pub mod cli;
pub mod config;
mod crew;
pub mod demo;
pub mod diagnostic;
pub mod document;
pub mod drill;
pub mod gateway;
pub mod mail;
pub mod mapping;
pub mod model;
pub mod process;
pub mod standard;
pub mod store;
pub mod template;
pub mod wire;
