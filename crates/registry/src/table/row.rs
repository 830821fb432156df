//! How a row is written down.

use std::borrow::Cow;

use crate::convert::Conversion;
use crate::resource::{Resource, SelectableField, Served, Subresource, Verb};

pub(crate) const READ_WRITE: &[Verb] = &[Verb::Get, Verb::Patch, Verb::Update];
pub(crate) const CREATE: &[Verb] = &[Verb::Create];
pub(crate) const CONNECT: &[Verb] = &[Verb::Create, Verb::Get];
pub(crate) const PROXY: &[Verb] = &[
    Verb::Create,
    Verb::Delete,
    Verb::Get,
    Verb::Patch,
    Verb::Update,
];
pub(crate) const UPDATE: &[Verb] = &[Verb::Update];
pub(crate) const GET: &[Verb] = &[Verb::Get];

pub(crate) const ALL: &[Verb] = &[
    Verb::Create,
    Verb::Delete,
    Verb::DeleteCollection,
    Verb::Get,
    Verb::List,
    Verb::Patch,
    Verb::Update,
    Verb::Watch,
];

/// Discovery's order of groups.
///
/// upstream: pkg/controlplane/apiserver/aggregator.go#apiVersionPriorities
pub(crate) const GROUP_ORDER: &[&str] = &[
    "",
    "apiregistration.k8s.io",
    "apps",
    "events.k8s.io",
    "authentication.k8s.io",
    "authorization.k8s.io",
    "autoscaling",
    "batch",
    "certificates.k8s.io",
    "networking.k8s.io",
    "policy",
    "rbac.authorization.k8s.io",
    "storage.k8s.io",
    "admissionregistration.k8s.io",
    "apiextensions.k8s.io",
    "scheduling.k8s.io",
    "coordination.k8s.io",
    "node.k8s.io",
    "discovery.k8s.io",
    "resource.k8s.io",
    "flowcontrol.apiserver.k8s.io",
];

/// A row under construction.
pub(crate) struct Row {
    group: &'static str,
    version: &'static str,
    kind: &'static str,
    plural: &'static str,
    singular: &'static str,
    short: &'static [&'static str],
    categories: &'static [&'static str],
    namespaced: bool,
    verbs: &'static [Verb],
    subresources: Vec<Subresource>,
    served: Served,
    fields: Vec<SelectableField>,
    field_error: &'static str,
    warning: Option<&'static str>,
    storage: Option<(&'static str, &'static str, &'static dyn Conversion)>,
}

pub(crate) fn row(
    group: &'static str,
    version: &'static str,
    kind: &'static str,
    plural: &'static str,
    singular: &'static str,
) -> Row {
    Row {
        group,
        version,
        kind,
        plural,
        singular,
        short: &[],
        categories: &[],
        namespaced: false,
        verbs: ALL,
        subresources: Vec::new(),
        served: Served::Registry,
        fields: Vec::new(),
        field_error: "",
        warning: None,
        storage: None,
    }
}

/// A selectable field whose label is its path.
pub(crate) const fn field(label: &'static str) -> SelectableField {
    SelectableField {
        label: Cow::Borrowed(label),
        path: Cow::Borrowed(label),
        default: "",
    }
}

/// A selectable field with a path of its own (empty: the strategy computes it) and a default.
pub(crate) const fn computed(
    label: &'static str,
    path: &'static str,
    default: &'static str,
) -> SelectableField {
    SelectableField {
        label: Cow::Borrowed(label),
        path: Cow::Borrowed(path),
        default,
    }
}

impl Row {
    pub(crate) fn short(mut self, names: &'static [&'static str]) -> Self {
        self.short = names;
        self
    }

    pub(crate) fn categories(mut self, names: &'static [&'static str]) -> Self {
        self.categories = names;
        self
    }

    pub(crate) fn namespaced(mut self) -> Self {
        self.namespaced = true;
        self
    }

    pub(crate) fn verbs(mut self, verbs: &'static [Verb]) -> Self {
        self.verbs = verbs;
        self
    }

    /// The API server answers it.
    pub(crate) fn by_server(mut self) -> Self {
        self.served = Served::Server;
        self
    }

    pub(crate) fn fields(mut self, fields: &[SelectableField], error: &'static str) -> Self {
        self.fields = fields.to_vec();
        self.field_error = error;
        self
    }

    pub(crate) fn warning(mut self, text: &'static str) -> Self {
        self.warning = Some(text);
        self
    }

    /// Stored under another prefix, in another form.
    pub(crate) fn stored_as(
        mut self,
        prefix: &'static str,
        api_version: &'static str,
        by: &'static dyn Conversion,
    ) -> Self {
        self.storage = Some((prefix, api_version, by));
        self
    }

    pub(crate) fn sub(
        mut self,
        name: &'static str,
        kind: &'static str,
        group_version: Option<(&'static str, &'static str)>,
        verbs: &'static [Verb],
        served: Served,
    ) -> Self {
        self.subresources.push(Subresource {
            name,
            kind: Cow::Borrowed(kind),
            group_version,
            verbs,
            served,
        });
        self
    }

    pub(crate) fn status(self) -> Self {
        let kind = self.kind;
        self.sub("status", kind, None, READ_WRITE, Served::Registry)
    }

    pub(crate) fn scale(self) -> Self {
        self.sub(
            "scale",
            "Scale",
            Some(("autoscaling", "v1")),
            READ_WRITE,
            Served::Registry,
        )
    }

    pub(crate) fn build(self) -> Resource {
        let strings = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect();
        let own = if self.group.is_empty() {
            format!("/{}/", self.plural)
        } else {
            format!("/{}/{}/", self.group, self.plural)
        };
        let own_version = if self.group.is_empty() {
            self.version.to_owned()
        } else {
            format!("{}/{}", self.group, self.version)
        };
        let has_status = self.subresources.iter().any(|s| s.name == "status");
        let (prefix, storage_api_version, conversion) = match self.storage {
            Some((prefix, version, by)) => (prefix.to_owned(), version.to_owned(), Some(by)),
            None => (own, own_version, None),
        };
        Resource {
            group: self.group.to_owned(),
            version: self.version.to_owned(),
            kind: self.kind.to_owned(),
            plural: self.plural.to_owned(),
            singular: self.singular.to_owned(),
            short_names: strings(self.short),
            categories: strings(self.categories),
            namespaced: self.namespaced,
            verbs: self.verbs.to_vec(),
            subresources: self.subresources,
            served: self.served,
            prefix,
            storage_api_version,
            conversion,
            fields: self.fields,
            field_error: self.field_error,
            strategy: crate::strategy::of(self.group, self.kind, has_status),
            warning: self.warning.map(Cow::Borrowed),
            custom: None,
        }
    }
}
