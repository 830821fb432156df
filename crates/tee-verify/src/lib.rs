//! tee-verify
