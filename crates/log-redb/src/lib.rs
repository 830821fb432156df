//! The store's log in one file, on redb: the embedded default.
//!
//! A batch is one row, written by one transaction that returns when the file is synced. Everything runs on Tokio's
//! blocking threads. What a file holds is verified twice: redb's checksums of every page when it is opened, which
//! tell damage, and the store's seals, which tell tampering.
//! A file whose last commit was torn by a crash goes back to the commit before, which is right, because that commit was
//! not acknowledged; that somebody did this to a commit that was, shows against an anchor only.
//!
//! The file is made under another name and renamed, so a crash leaves a whole one or none. It is readable by its
//! owner only, and locked (by a file beside it) for as long as the log is open.

mod error;
mod file;
mod log;

pub use log::RedbLog;
