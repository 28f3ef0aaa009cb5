//! tagpost's Worker.
mod config;
mod directory;
mod log;
mod respond;
mod stub;
