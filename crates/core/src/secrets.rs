//! The names of the service's secrets.
//!
//! Whoever has to keep them from somebody does so by this list. Not here: what each is for, and how long it has to be,
//! which the Worker's configuration knows.

/// The environment variables that are secrets of the service.
pub const SECRETS: [&str; 8] = [
    "ADMIN_KEY",
    "ADMIN_KEY_OLD",
    "VIEWER_KEY",
    "TOKEN_KEY",
    "TOKEN_KEY_OLD",
    "PUSH_KEY",
    "PUSH_KEY_OLD",
    "VAPID_KEY",
];
