//! The scenarios, one subject a file.

pub(crate) mod address;
pub(crate) mod cold;
pub(crate) mod connect;
pub(crate) mod crowd;
pub(crate) mod load;
pub(crate) mod push;
pub(crate) mod queue;
