//! Bounds on requests in flight, reads and writes apart.
// upstream: apiserver/pkg/server/filters/maxinflight.go

use std::sync::Arc;

use registry::UserInfo;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::limits::Limits;
use crate::request_info::RequestInfo;

pub(super) struct InFlight {
    reads: Arc<Semaphore>,
    writes: Arc<Semaphore>,
}

/// The bound is reached.
pub(super) struct Full;

impl InFlight {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            reads: Arc::new(Semaphore::new(limits.reads_in_flight)),
            writes: Arc::new(Semaphore::new(limits.writes_in_flight)),
        }
    }

    /// A place, or none needed: long-running requests, health checks and administrators always get through.
    pub(super) fn enter(
        &self,
        info: &RequestInfo,
        user: &UserInfo,
        long_running: bool,
    ) -> Result<Option<OwnedSemaphorePermit>, Full> {
        if long_running || (!info.is_resource && !info.path.starts_with("/openapi")) {
            return Ok(None);
        }
        let bound = if info.is_read_only() {
            &self.reads
        } else {
            &self.writes
        };
        match bound.clone().try_acquire_owned() {
            Ok(permit) => Ok(Some(permit)),
            Err(_) if user.in_group("system:masters") => Ok(None),
            Err(_) => Err(Full),
        }
    }
}
