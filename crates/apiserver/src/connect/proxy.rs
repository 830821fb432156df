//! `nodes/proxy`, `pods/proxy`, `services/proxy`: HTTP requests passed on.
// upstream: pkg/registry/core/{node,pod,service}/rest, apimachinery/pkg/util/proxy/upgradeaware.go

use std::net::{IpAddr, SocketAddr};

use http::Request;
use http::header::{HOST, HeaderValue};
use machinery::Status;
use machinery::labels::Selector;
use machinery::options::ListOptions;
use registry::{GetOptions, RequestContext, Target};
use serde::Deserialize;

use super::{backend, pod};
use crate::chain::ApiRequest;
use crate::node_connector::NodeStream;
use crate::respond::Handled;

pub(crate) async fn serve(request: ApiRequest, target: &Target) -> Handled {
    let (name, port) = split(&target.name)?;
    let (stream, host) = match target.resource.plural.as_str() {
        "nodes" => node(&request, target, name).await?,
        "pods" => pod_stream(&request, target, name, port).await?,
        _ => service(&request, target, name, port).await?,
    };
    let path = if request.info.rest.is_empty() {
        "/".to_owned()
    } else {
        request.info.rest.clone()
    };
    let encoded = percent_encoding::utf8_percent_encode(&path, PATH);
    let uri = match request.request.uri().query() {
        Some(query) => format!("{encoded}?{query}"),
        None => encoded.to_string(),
    };
    let upgrade = backend::wants_upgrade(request.headers());
    let mut headers = backend::forwarded(request.headers(), upgrade);
    if let Ok(value) = HeaderValue::from_str(&host) {
        headers.insert(HOST, value);
    }
    let method = request.method().clone();
    let to_backend = |uri: String, headers| {
        let mut out = Request::builder()
            .method(method)
            .uri(uri)
            .body(())
            .map_err(Status::internal)?;
        *out.headers_mut() = headers;
        Ok::<_, Status>(out)
    };
    let to_backend = to_backend(uri, headers)?;
    if upgrade {
        let answer = backend::send(
            stream,
            to_backend.map(|()| http_body_util::Empty::<bytes::Bytes>::new()),
        )
        .await?;
        return Ok(backend::upgrade(request.request, answer, request.live).await);
    }
    let (_, body) = request.request.into_parts();
    let answer = backend::send(stream, to_backend.map(|()| body)).await?;
    Ok(backend::pass_while(answer, request.live))
}

/// What a path keeps unescaped when it is sent on.
const PATH: &percent_encoding::AsciiSet = &percent_encoding::CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'`')
    .add(b'{')
    .add(b'}')
    .add(b'%');

/// `name`, `name:port` or `scheme:name:port`; only http is spoken.
// upstream: apimachinery/pkg/util/net/port_split.go#SplitSchemeNamePort
fn split(id: &str) -> Result<(&str, &str), Status> {
    let parts: Vec<&str> = id.split(':').collect();
    match parts.as_slice() {
        [name] => Ok((name, "")),
        [name, port] => Ok((name, port)),
        ["http" | "", name, port] => Ok((name, port)),
        ["https", ..] => Err(Status::bad_request(
            "proxying to https backends is not supported by this server",
        )),
        _ => Err(Status::bad_request(format!(
            "invalid pod request {}",
            machinery::go::quote(id)
        ))),
    }
}

async fn node(
    request: &ApiRequest,
    target: &Target,
    name: &str,
) -> Result<(Box<dyn NodeStream>, String), Status> {
    let of = Target {
        name: name.to_owned(),
        subresource: String::new(),
        ..target.clone()
    };
    request
        .handler
        .registry
        .get(&request.context, &of, &GetOptions::default())
        .await?;
    let stream = request
        .handler
        .nodes
        .connect(name)
        .await
        .map_err(|e| backend::unreachable(&e))?;
    Ok((stream, name.to_owned()))
}

async fn pod_stream(
    request: &ApiRequest,
    target: &Target,
    name: &str,
    port: &str,
) -> Result<(Box<dyn NodeStream>, String), Status> {
    let pod = pod::read(request, target, name).await?;
    let ports = || pod.spec.containers.iter().flat_map(|c| &c.ports);
    let number = match port {
        // upstream: the first declared port, else 80.
        "" => ports().next().map_or(80, |p| p.container_port),
        port => match port.parse() {
            Ok(number) => number,
            Err(_) => ports()
                .find(|p| p.name == port)
                .map(|p| p.container_port)
                .ok_or_else(|| {
                    Status::bad_request(format!(
                        "pod {name} has no port named {}",
                        machinery::go::quote(port)
                    ))
                })?,
        },
    };
    let ip: IpAddr = pod
        .status
        .pod_ip
        .parse()
        .map_err(|_| Status::bad_request("address not allowed"))?;
    refuse_local(ip)?;
    dial(request, SocketAddr::new(ip, number)).await
}

async fn dial(
    request: &ApiRequest,
    address: SocketAddr,
) -> Result<(Box<dyn NodeStream>, String), Status> {
    let stream = request
        .handler
        .nodes
        .dial(address)
        .await
        .map_err(|e| backend::unreachable(&e))?;
    Ok((stream, address.to_string()))
}

/// A pod's own word for its address must not lead into this machine.
// upstream: pkg/proxy/util#IsProxyableIP
fn refuse_local(ip: IpAddr) -> Result<(), Status> {
    let local = match ip {
        IpAddr::V4(ip) => {
            ip.is_loopback() || ip.is_link_local() || ip.is_multicast() || ip.is_unspecified()
        }
        IpAddr::V6(ip) => {
            ip.is_loopback()
                || ip.is_multicast()
                || ip.is_unspecified()
                || ip.is_unicast_link_local()
        }
    };
    if local {
        Err(Status::bad_request("address not allowed"))
    } else {
        Ok(())
    }
}

#[derive(Deserialize)]
struct Slice {
    #[serde(default)]
    endpoints: Vec<Endpoint>,
    #[serde(default)]
    ports: Option<Vec<SlicePort>>,
}

#[derive(Deserialize)]
struct Endpoint {
    #[serde(default)]
    addresses: Vec<String>,
    #[serde(default)]
    conditions: Conditions,
}

#[derive(Deserialize, Default)]
struct Conditions {
    ready: Option<bool>,
}

#[derive(Deserialize)]
struct SlicePort {
    name: Option<String>,
    port: Option<u16>,
}

#[derive(Deserialize)]
struct Service {
    spec: ServiceSpec,
}

#[derive(Deserialize)]
struct ServiceSpec {
    #[serde(default)]
    ports: Vec<ServicePort>,
}

#[derive(Deserialize)]
struct ServicePort {
    #[serde(default)]
    name: String,
    port: u16,
}

/// A ready endpoint of the service's port.
// upstream: pkg/registry/core/service/storage/storage.go#ResourceLocation
async fn service(
    request: &ApiRequest,
    target: &Target,
    name: &str,
    port: &str,
) -> Result<(Box<dyn NodeStream>, String), Status> {
    let registry = &request.handler.registry;
    let of = Target {
        name: name.to_owned(),
        subresource: String::new(),
        ..target.clone()
    };
    let object = registry
        .get(&request.context, &of, &GetOptions::default())
        .await?;
    let service: Service = serde_json::from_slice(object.json()).map_err(Status::internal)?;
    let unavailable = |text: String| Status::service_unavailable(text);
    let wanted = match port {
        "" => service.spec.ports.first(),
        port => service
            .spec
            .ports
            .iter()
            .find(|p| p.name == port || p.port.to_string() == port),
    }
    .ok_or_else(|| {
        unavailable(format!(
            "no service port {} found for service {}",
            machinery::go::quote(port),
            machinery::go::quote(name)
        ))
    })?;
    let row = registry
        .table()
        .find("discovery.k8s.io", "v1", "endpointslices")
        .ok_or_else(Status::unknown_resource)?;
    let options = ListOptions {
        label_selector: Selector::parse(&format!("kubernetes.io/service-name={name}"))
            .map_err(|e| Status::bad_request(e.to_string()))?,
        ..ListOptions::default()
    };
    let list = registry
        .list(
            &RequestContext::system(),
            &Target::collection(row, target.namespace.as_deref()),
            &options,
        )
        .await?;
    let mut found: Vec<SocketAddr> = Vec::new();
    for item in &list.items {
        let slice: Slice = serde_json::from_slice(item.json()).map_err(Status::internal)?;
        let ports = slice.ports.unwrap_or_default();
        let Some(number) = ports
            .iter()
            .find(|p| p.name.as_deref().unwrap_or_default() == wanted.name)
            .and_then(|p| p.port)
        else {
            continue;
        };
        for endpoint in slice
            .endpoints
            .iter()
            .filter(|e| e.conditions.ready.unwrap_or(true))
        {
            found.extend(
                endpoint
                    .addresses
                    .iter()
                    .filter_map(|a| a.parse().ok())
                    .map(|ip| SocketAddr::new(ip, number)),
            );
        }
    }
    use rand::seq::IndexedRandom;
    let address = found.choose(&mut rand::rng()).copied().ok_or_else(|| {
        unavailable(format!(
            "no endpoints available for service {}",
            machinery::go::quote(name)
        ))
    })?;
    refuse_local(address.ip())?;
    dial(request, address).await
}
