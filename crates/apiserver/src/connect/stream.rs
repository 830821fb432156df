//! `exec`, `attach` and `portforward`: upgrades passed through to the node byte for byte, or translated to what nodes speak.
// upstream: pkg/registry/core/pod/rest/subresources.go, strategy.go#{Exec,Attach,PortForward}Location

use http::Request;
use http_body_util::Empty;
use machinery::Status;
use machinery::options::Query;
use registry::Target;

use super::translate::{self, Streams, Wanted};
use super::{backend, pod};
use crate::chain::ApiRequest;
use crate::respond::Handled;

pub(crate) async fn serve(request: ApiRequest, target: &Target) -> Handled {
    let pod = pod::read(&request, target, &target.name).await?;
    let (namespace, name) = (target.namespace(), &target.name);
    let path = match target.subresource.as_str() {
        "portforward" => {
            pod.node()?;
            format!(
                "/portForward/{namespace}/{name}{}",
                port_query(&request.query)?
            )
        }
        verb => {
            let container = pod.container(&request.query.text("container"))?;
            pod.node()?;
            format!(
                "/{verb}/{namespace}/{name}/{container}{}",
                stream_query(&request.query, verb)?
            )
        }
    };
    if !backend::wants_upgrade(request.headers()) {
        // upstream: apimachinery/pkg/util/proxy/upgradeaware.go#ServeHTTP
        return Err(Status::bad_request("Upgrade request required").into());
    }
    let stream = request
        .handler
        .nodes
        .connect(pod.node()?)
        .await
        .map_err(|e| backend::unreachable(&e))?;
    let wanted = if target.subresource == "portforward" {
        Wanted::Ports
    } else {
        Wanted::Command(streams_of(&request.query, &target.subresource))
    };
    if wanted.applies(request.headers()) {
        return translate::serve(request.request, stream, path, wanted, request.live).await;
    }
    let mut to_node = Request::builder()
        .method(request.method().clone())
        .uri(path)
        .body(Empty::<bytes::Bytes>::new())
        .map_err(Status::internal)?;
    *to_node.headers_mut() = backend::forwarded(request.headers(), true);
    to_node.headers_mut().remove(http::header::CONTENT_LENGTH);
    let answer = backend::send(stream, to_node).await?;
    Ok(backend::upgrade(request.request, answer, request.live).await)
}

fn streams_of(query: &Query, verb: &str) -> Streams {
    let flag = |name: &str, default: bool| query.flag(name).unwrap_or(default);
    // upstream: pkg/apis/core/v1/defaults.go: attach shows stdout and stderr by default.
    let shown = verb == "attach" && !query.has("stdout") && !query.has("stderr");
    Streams {
        stdin: flag("stdin", false),
        stdout: flag("stdout", shown),
        stderr: flag("stderr", shown),
        tty: flag("tty", false),
    }
}

/// upstream: strategy.go#streamParams
fn stream_query(query: &Query, verb: &str) -> Result<String, Status> {
    let Streams {
        stdin,
        stdout,
        stderr,
        tty,
    } = streams_of(query, verb);
    if !(stdin || stdout || stderr) {
        return Err(Status::bad_request(
            "you must specify at least 1 of stdin, stdout, stderr",
        ));
    }
    let mut out = form_urlencoded::Serializer::new(String::new());
    for (name, on) in [
        ("input", stdin),
        ("output", stdout),
        ("error", stderr),
        ("tty", tty),
    ] {
        if on {
            out.append_pair(name, "1");
        }
    }
    if verb == "exec" {
        for part in query.all("command") {
            out.append_pair("command", part);
        }
    }
    Ok(format!("?{}", out.finish()))
}

fn port_query(query: &Query) -> Result<String, Status> {
    let mut out = form_urlencoded::Serializer::new(String::new());
    for ports in query.all("ports") {
        for port in ports.split(',') {
            if !port.parse::<u16>().is_ok_and(|p| p > 0) {
                return Err(Status::bad_request(format!(
                    "Unable to convert {port:?} to a port"
                )));
            }
        }
        out.append_pair("port", ports);
    }
    let out = out.finish();
    Ok(if out.is_empty() {
        out
    } else {
        format!("?{out}")
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn queries() {
        let query = Query::parse(
            "stdin=true&stdout=true&tty=true&command=sh&command=-c&command=echo+a%26b",
        );
        assert_eq!(
            stream_query(&query, "exec").unwrap(),
            "?input=1&output=1&tty=1&command=sh&command=-c&command=echo+a%26b"
        );
        assert!(stream_query(&Query::parse("command=sh"), "exec").is_err());
        assert_eq!(
            stream_query(&Query::parse(""), "attach").unwrap(),
            "?output=1&error=1"
        );
        assert!(port_query(&Query::parse("ports=x")).is_err());
    }
}
