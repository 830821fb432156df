//! log-redb
