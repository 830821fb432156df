//! `authorizer` in expressions: the API server's own authoriser.

use std::sync::Arc;

use cel::{Access, Authorizer, Decision, Opaque, ResourceCheck, Value};

use crate::admission::{AccessRequest, Attributes};
use crate::context::UserInfo;
use crate::registry::Registry;

struct User {
    registry: Registry,
    user: UserInfo,
}

impl Authorizer for User {
    fn decide(&self, access: &Access) -> Decision {
        let allowed = self.registry.allows(&AccessRequest {
            user: &self.user,
            verb: &access.verb,
            group: &access.group,
            version: "*",
            resource: &access.resource,
            subresource: &access.subresource,
            namespace: &access.namespace,
            name: &access.name,
            path: access.path.as_deref(),
        });
        Decision {
            allowed,
            ..Decision::default()
        }
    }

    fn service_account(&self, namespace: &str, name: &str) -> Arc<dyn Authorizer> {
        Arc::new(User {
            registry: self.registry.clone(),
            user: UserInfo {
                name: format!("system:serviceaccount:{namespace}:{name}"),
                uid: String::new(),
                groups: vec![
                    "system:serviceaccounts".into(),
                    format!("system:serviceaccounts:{namespace}"),
                    "system:authenticated".into(),
                ],
                extra: std::collections::BTreeMap::new(),
            },
        })
    }
}

/// `authorizer` and `authorizer.requestResource` of a request.
pub(crate) fn authorizer<'v>(
    registry: &Registry,
    attributes: &Attributes<'_>,
) -> (Value<'v>, Value<'v>) {
    let user: Arc<dyn Authorizer> = Arc::new(User {
        registry: registry.clone(),
        user: attributes.context.user().clone(),
    });
    let check = ResourceCheck {
        authorizer: Arc::clone(&user),
        access: Access {
            verb: String::new(),
            path: None,
            group: attributes.resource.group.clone(),
            resource: attributes.resource.plural.clone(),
            subresource: attributes.subresource.to_owned(),
            namespace: attributes.namespace.to_owned(),
            name: attributes.name.to_owned(),
        },
    };
    (
        Value::Opaque(Opaque::Authorizer(user)),
        Value::Opaque(Opaque::Resource(Arc::new(check))),
    )
}
