//! The Sui framework functions that transactions may call directly.
