//! nautilus
