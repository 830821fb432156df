//! What is recorded of requests, and what of the record is served.

use std::path::PathBuf;
use std::sync::Arc;

use ::audit::{Backend, Cipher, Metrics, Policy};
use http::StatusCode;
use http::header::HeaderValue;
use machinery::Status;
use machinery::options::Query;
use serde_json::json;

use crate::respond::{self, Handled};

/// Lines of one answer unless the client says otherwise, and the most.
const LINES: usize = 1_000;
const MOST_LINES: usize = 100_000;
/// Bytes of one answer.
const MOST_BYTES: usize = 32 * 1024 * 1024;

/// The audit of a server: a policy, and where events go.
#[derive(Clone)]
pub struct Audit {
    /// Which requests are recorded, and how much of them.
    pub policy: Arc<Policy>,
    /// Takes the events.
    pub backend: Arc<dyn Backend>,
    /// Counters.
    pub metrics: Metrics,
    /// Where `/audit/log` reads what was written, and with what it opens sealed lines. Without it there is no such path.
    pub log: Option<(PathBuf, Option<Cipher>)>,
}

impl Audit {
    /// `/audit/head`: the chain's last link, to be kept where whoever has the log cannot reach.
    pub(crate) fn head(&self) -> Handled {
        let head = self.backend.head().ok_or_else(Status::unknown_resource)?;
        Ok(respond::json(
            StatusCode::OK,
            &json!({"sequence": head.sequence, "hash": hex::encode(head.hash), "head": head.to_string()}),
        ))
    }

    /// `/audit/log?after=N&limit=M`: the lines after number N, oldest first, in clear. `X-Audit-Last` is the last one's
    /// number, to go on from.
    pub(crate) async fn lines(&self, query: &Query) -> Handled {
        let Some((path, cipher)) = self.log.clone() else {
            return Err(Status::unknown_resource().into());
        };
        let number = |name: &str| -> Result<Option<u64>, Status> {
            let Some(text) = query.get(name).filter(|t| !t.is_empty()) else {
                return Ok(None);
            };
            text.parse().map(Some).map_err(|_| {
                Status::bad_request(format!(
                    "invalid {name}: {} is not a number",
                    machinery::go::quote(text)
                ))
            })
        };
        let after = number("after")?.unwrap_or(0);
        let limit = number("limit")?
            .and_then(|n| usize::try_from(n).ok())
            .unwrap_or(LINES)
            .clamp(1, MOST_LINES);
        let read = tokio::task::spawn_blocking(move || {
            let (mut out, mut count, mut last) = (Vec::new(), 0, after);
            ::audit::read(&path, cipher.as_ref(), after, |sequence, line| {
                out.extend_from_slice(line);
                out.push(b'\n');
                (count, last) = (count + 1, sequence);
                count < limit && out.len() < MOST_BYTES
            })
            .map(|()| (out, last))
        });
        let (out, last) = read
            .await
            .map_err(Status::internal)?
            .map_err(Status::internal)?;
        let mut reply = respond::reply(StatusCode::OK, "application/x-ndjson", out);
        reply
            .headers_mut()
            .insert("x-audit-last", HeaderValue::from(last));
        Ok(reply)
    }
}
