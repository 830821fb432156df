//! Which encoding and which form an answer has.
// upstream: apiserver/pkg/endpoints/handlers/negotiation/negotiate.go

mod accept;

use http::HeaderMap;
use http::header::{ACCEPT, ACCEPT_ENCODING, USER_AGENT};
use machinery::options::Query;
use machinery::{Reason, Status, status};

pub(crate) use accept::{Clause, clauses};

/// How bytes are encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Encoding {
    Json,
    Yaml,
    Protobuf,
}

impl Encoding {
    pub(crate) fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Yaml => "application/yaml",
            Self::Protobuf => "application/vnd.kubernetes.protobuf",
        }
    }

    /// The encoding of a media type without parameters.
    pub(crate) fn of(media_type: &str) -> Option<Self> {
        match media_type {
            "application/json" => Some(Self::Json),
            "application/yaml" => Some(Self::Yaml),
            "application/vnd.kubernetes.protobuf" => Some(Self::Protobuf),
            _ => None,
        }
    }
}

/// What objects are turned into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// As they are.
    Object,
    /// `meta.k8s.io/v1` Table.
    Table,
    /// `meta.k8s.io/v1` PartialObjectMetadata, or a list of them.
    Metadata,
}

/// A negotiated answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Negotiated {
    pub(crate) encoding: Encoding,
    pub(crate) form: Form,
    /// Indented JSON.
    pub(crate) pretty: bool,
    /// The client takes gzip.
    pub(crate) gzip: bool,
}

/// What kind of answer is negotiated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum For {
    Object,
    List,
    Watch,
}

/// Chooses by `Accept`.
pub(crate) fn negotiate(
    headers: &HeaderMap,
    query: &Query,
    what: For,
) -> Result<Negotiated, Status> {
    let accept = headers
        .get(ACCEPT)
        .and_then(|v| v.to_str().ok())
        .unwrap_or_default();
    let gzip = headers
        .get(ACCEPT_ENCODING)
        .and_then(|v| v.to_str().ok())
        .is_some_and(accepts_gzip);
    let chosen = if accept.trim().is_empty() {
        Some((Encoding::Json, Form::Object, None))
    } else {
        clauses(accept).iter().find_map(choose)
    };
    let (encoding, form, pretty) = chosen.ok_or_else(|| not_acceptable(what))?;
    let pretty = pretty
        .or_else(|| query.flag("pretty"))
        .unwrap_or_else(|| is_for_people(headers));
    Ok(Negotiated {
        encoding,
        form,
        pretty: pretty && what != For::Watch,
        gzip,
    })
}

fn choose(clause: &Clause<'_>) -> Option<(Encoding, Form, Option<bool>)> {
    let encoding = match (clause.kind, clause.subtype) {
        ("*" | "application", "*") => Encoding::Json,
        ("application", "json") => Encoding::Json,
        ("application", "yaml") => Encoding::Yaml,
        ("application", "vnd.kubernetes.protobuf") => Encoding::Protobuf,
        _ => return None,
    };
    let form = match clause.parameter("as") {
        None => Form::Object,
        Some(form) => {
            if clause.parameter("g").is_some_and(|g| g != "meta.k8s.io")
                || clause.parameter("v").is_some_and(|v| v != "v1")
            {
                return None;
            }
            match form {
                // A Table has no protobuf form.
                "Table" if encoding == Encoding::Protobuf => return None,
                "Table" => Form::Table,
                "PartialObjectMetadata" | "PartialObjectMetadataList" => Form::Metadata,
                _ => return None,
            }
        }
    };
    // upstream: discovery's parameters on an ordinary resource are not acceptable either.
    if clause.parameter("as").is_none() && clause.parameter("g").is_some() {
        return None;
    }
    Some((
        encoding,
        form,
        clause.parameter("pretty").map(|p| p == "1" || p == "true"),
    ))
}

/// upstream: negotiate.go#isPrettyPrint
pub(crate) fn is_for_people(headers: &HeaderMap) -> bool {
    let agent = headers
        .get(USER_AGENT)
        .and_then(|v| v.to_str().ok())
        .unwrap_or_default();
    ["curl", "Wget", "Mozilla/5.0"]
        .iter()
        .any(|p| agent.starts_with(p))
}

pub(crate) fn accepts_gzip(value: &str) -> bool {
    value.split(',').any(|part| {
        let mut parts = part.split(';').map(str::trim);
        let coding = parts.next().unwrap_or_default();
        coding == "gzip"
            && !parts.any(|p| {
                matches!(
                    p.replace(' ', "").as_str(),
                    "q=0" | "q=0.0" | "q=0.00" | "q=0.000"
                )
            })
    })
}

/// 406 as the route filter in front of upstream's handlers words it.
fn not_acceptable(what: For) -> Status {
    let mut available =
        "application/json, application/yaml, application/vnd.kubernetes.protobuf".to_owned();
    if what != For::Object {
        available.push_str(
            ", application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch",
        );
    }
    Status::failure(
        406,
        Reason::NotAcceptable,
        format!("406: Not Acceptable\n\nAvailable representations: {available}"),
    )
    .with_details(status::Details::default())
}

/// The encoding of a request's body: JSON when it says nothing.
pub(crate) fn of_body(content_type: &str) -> Result<Encoding, Status> {
    let media_type = content_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    if media_type.is_empty() {
        return Ok(Encoding::Json);
    }
    Encoding::of(&media_type).ok_or_else(|| {
        Status::unsupported_media_type(&[
            "application/json",
            "application/yaml",
            "application/vnd.kubernetes.protobuf",
        ])
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn accept(text: &'static str) -> Result<Negotiated, Status> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static(text));
        negotiate(&headers, &Query::default(), For::List)
    }

    #[test]
    fn what_clients_send() {
        let kubectl = accept(
            "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json",
        )
        .unwrap();
        assert_eq!(
            (kubectl.encoding, kubectl.form),
            (Encoding::Json, Form::Table)
        );
        let metadata = accept("application/vnd.kubernetes.protobuf;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json").unwrap();
        assert_eq!(
            (metadata.encoding, metadata.form),
            (Encoding::Protobuf, Form::Metadata)
        );
        assert_eq!(
            accept("application/json;as=Table;v=v9;g=meta.k8s.io,application/json")
                .unwrap()
                .form,
            Form::Object
        );
        assert_eq!(accept("*/*").unwrap().encoding, Encoding::Json);
        assert_eq!(
            accept("text/html, */*;q=0.1").unwrap().encoding,
            Encoding::Json
        );
        assert_eq!(accept("application/yaml").unwrap().encoding, Encoding::Yaml);
        assert_eq!(accept("text/plain").unwrap_err().code, 406);
    }

    #[test]
    fn gzip() {
        assert!(accepts_gzip("gzip") && accepts_gzip("deflate, gzip;q=0.5"));
        assert!(!accepts_gzip("identity") && !accepts_gzip("gzip;q=0"));
    }
}
