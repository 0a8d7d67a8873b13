//! Microsoft Graph and XPhone Connect over real HTTP, for the demo and the tests; they share no code with the gateway.

pub mod clock;
pub mod graph;
pub mod wcf;
pub mod xphone;
