//! contract-model
