pub mod place;
pub use place::{Place, Spot};
