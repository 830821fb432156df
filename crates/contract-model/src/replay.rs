//! Turns a transaction log into a Move test that replays it.
