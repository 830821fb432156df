//! What admission asks the authoriser.

use registry::admission::{AccessCheck, AccessRequest};

use super::Authorizer;
use super::attributes::Attributes;

impl AccessCheck for Authorizer {
    fn allows(&self, request: &AccessRequest<'_>) -> bool {
        let attributes = match request.path {
            Some(path) => Attributes::path(request.user, request.verb, path),
            None => Attributes {
                version: request.version,
                subresource: request.subresource,
                namespace: request.namespace,
                name: request.name,
                ..Attributes::resource(request.user, request.verb, request.group, request.resource)
            },
        };
        self.authorize(&attributes).allowed()
    }
}
