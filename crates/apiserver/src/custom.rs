//! What requests for custom resources may not be: in protobuf, or strategic merge patches.
// upstream: apiextensions-apiserver/pkg/apiserver/customresource_handler.go

use http::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue};
use machinery::Status;
use registry::Verb;

use crate::chain::ApiRequest;

const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";
const PATCHES: &[&str] = &[
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/apply-patch+yaml",
];

/// Refuses what there is no form for, and leaves out of `Accept` what the answer can't be.
pub(crate) fn prepare(request: &mut ApiRequest, verb: Verb) -> Result<(), Status> {
    let content_type = media_type(request.header(CONTENT_TYPE.as_str()));
    match verb {
        Verb::Create | Verb::Update if content_type == PROTOBUF => {
            return Err(Status::unsupported_media_type(&[
                "application/json",
                "application/yaml",
            ]));
        }
        Verb::Patch if !PATCHES.contains(&content_type.as_str()) => {
            return Err(Status::unsupported_media_type(PATCHES));
        }
        _ => {}
    }
    let headers = request.request.headers_mut();
    match acceptable(headers) {
        Ok(None) => Ok(()),
        Ok(Some(rest)) => {
            headers.insert(ACCEPT, rest);
            Ok(())
        }
        Err(()) => Err(Status::not_acceptable(&[
            "application/json",
            "application/yaml",
            PROTOBUF,
        ])),
    }
}

fn media_type(text: &str) -> String {
    let media_type = text.split(';').next().unwrap_or_default();
    media_type.trim().to_ascii_lowercase()
}

/// `Accept` without protobuf of whole objects, when it names that; their metadata has a form in protobuf.
fn acceptable(headers: &HeaderMap) -> Result<Option<HeaderValue>, ()> {
    let Some(accept) = headers.get(ACCEPT).and_then(|v| v.to_str().ok()) else {
        return Ok(None);
    };
    if !accept.contains(PROTOBUF) {
        return Ok(None);
    }
    let whole = |part: &&str| {
        media_type(part) == PROTOBUF && !part.split(';').any(|p| p.trim().starts_with("as="))
    };
    let rest: Vec<&str> = accept.split(',').filter(|part| !whole(part)).collect();
    if rest.iter().all(|part| part.trim().is_empty()) {
        return Err(());
    }
    HeaderValue::from_str(&rest.join(","))
        .map(Some)
        .map_err(|_| ())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn protobuf_is_left_out() {
        let with = |accept: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT, HeaderValue::from_static(accept));
            acceptable(&headers)
        };
        assert_eq!(with("application/json"), Ok(None));
        assert_eq!(with("application/vnd.kubernetes.protobuf"), Err(()));
        assert_eq!(
            with("application/vnd.kubernetes.protobuf,application/json"),
            Ok(Some(HeaderValue::from_static("application/json")))
        );
        let metadata =
            "application/vnd.kubernetes.protobuf;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
        assert_eq!(with(metadata), Ok(Some(HeaderValue::from_static(metadata))));
    }
}
