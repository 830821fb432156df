//! Objects as table rows.
