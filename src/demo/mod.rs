//! The demo and the sandbox it runs in.

pub mod chain;
pub mod sandbox;
