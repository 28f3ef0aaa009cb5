//! tagpost's Worker.
