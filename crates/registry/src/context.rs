//! Who asks: the user of a request and what the answer shall warn of.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;

/// Length of a manager's name in bytes.
///
/// upstream: apimachinery/pkg/apis/meta/v1/validation/validation.go#FieldManagerMaxLength
const MAX_MANAGER: usize = 128;

/// An authenticated user.
///
/// upstream: staging/src/k8s.io/apiserver/pkg/authentication/user#Info
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserInfo {
    /// Name, unique among the users.
    pub name: String,
    /// Stable identifier, when the authenticator has one.
    pub uid: String,
    /// Groups.
    pub groups: Vec<String>,
    /// What else the authenticator knows.
    pub extra: BTreeMap<String, Vec<String>>,
}

impl UserInfo {
    /// The server itself and what runs inside it: may do everything.
    pub fn system() -> Self {
        Self {
            name: "system:apiserver".into(),
            uid: String::new(),
            groups: vec!["system:masters".into(), "system:authenticated".into()],
            extra: BTreeMap::new(),
        }
    }

    /// A controller inside the server, by its service account's name in kube-system.
    pub fn controller(name: &str) -> Self {
        Self {
            name: format!("system:serviceaccount:kube-system:{name}"),
            uid: String::new(),
            groups: vec![
                "system:serviceaccounts".into(),
                "system:serviceaccounts:kube-system".into(),
                "system:authenticated".into(),
            ],
            extra: BTreeMap::new(),
        }
    }

    /// Whether the user is in a group.
    pub fn in_group(&self, group: &str) -> bool {
        self.groups.iter().any(|g| g == group)
    }

    /// The node's name when the user is a node (`system:node:<name>` in group `system:nodes`).
    ///
    /// upstream: pkg/auth/nodeidentifier/default.go
    pub fn node(&self) -> Option<&str> {
        if self.in_group("system:nodes") {
            self.name.strip_prefix("system:node:")
        } else {
            None
        }
    }
}

/// Context of one request: the user, and warnings gathered for the `Warning` header. A cheap clone of the same request.
#[derive(Clone, Debug, Default)]
pub struct RequestContext {
    user: Arc<UserInfo>,
    user_agent: Arc<str>,
    warnings: Arc<Mutex<Vec<String>>>,
    duplicate_fields: Arc<Mutex<Vec<String>>>,
    annotations: Arc<Mutex<BTreeMap<String, String>>>,
    held: Held,
}

/// What admission holds until the request's write has ended.
#[derive(Clone, Default)]
struct Held(Arc<Mutex<Vec<Box<dyn Send + Sync>>>>);

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Held({})", self.0.lock().len())
    }
}

impl RequestContext {
    /// A request of a user.
    pub fn new(user: UserInfo) -> Self {
        Self {
            user: Arc::new(user),
            ..Self::default()
        }
    }

    /// A request of the server itself.
    pub fn system() -> Self {
        Self::new(UserInfo::system())
    }

    /// The user.
    pub fn user(&self) -> &UserInfo {
        &self.user
    }

    /// With the request's `User-Agent`, by which its writes are known when they name no `fieldManager`.
    #[must_use]
    pub fn with_user_agent(mut self, user_agent: &str) -> Self {
        self.user_agent = user_agent.into();
        self
    }

    /// The manager of the fields that this request writes: the one it names, or the user agent's first word. What runs
    /// inside the server is known by the name of the upstream component that does the same.
    ///
    /// upstream: staging/src/k8s.io/apiserver/pkg/endpoints/handlers/create.go#managerOrUserAgent
    pub(crate) fn manager(&self, named: &str) -> String {
        if !named.is_empty() {
            return named.to_owned();
        }
        let first = self.user_agent.split('/').next().unwrap_or_default();
        let mut out = String::with_capacity(first.len());
        for c in first.chars().filter(|c| !c.is_control()) {
            if out.len() + c.len_utf8() > MAX_MANAGER {
                break;
            }
            out.push(c);
        }
        if !out.is_empty() {
            return out;
        }
        match self.user.name.as_str() {
            "system:apiserver" => "kube-apiserver",
            "system:kube-scheduler" => "kube-scheduler",
            "system:kube-controller-manager" => "kube-controller-manager",
            name if name.starts_with("system:serviceaccount:kube-system:") => {
                "kube-controller-manager"
            }
            _ => "unknown",
        }
        .to_owned()
    }

    /// Keeps something until the write under way has ended.
    pub(crate) fn hold(&self, guard: impl Send + Sync + 'static) {
        self.held.0.lock().push(Box::new(guard));
    }

    /// The write has ended.
    pub(crate) fn release(&self) {
        let held = std::mem::take(&mut *self.held.0.lock());
        drop(held);
    }

    /// Adds a warning, once.
    pub fn warn(&self, text: impl Into<String>) {
        let text = text.into();
        let mut warnings = self.warnings.lock();
        if !warnings.contains(&text) {
            warnings.push(text);
        }
    }

    /// Takes the warnings gathered so far, in order; the API server sends each as `Warning: 299 - "…"`.
    pub fn take_warnings(&self) -> Vec<String> {
        std::mem::take(&mut *self.warnings.lock())
    }

    /// Adds an annotation to the request's audit event; the first word on a key counts.
    ///
    /// upstream: staging/src/k8s.io/apiserver/pkg/audit/context.go#AddAuditAnnotation
    pub fn annotate(&self, key: impl Into<String>, value: impl Into<String>) {
        let (key, value) = (key.into(), value.into());
        let mut annotations = self.annotations.lock();
        if let Some(old) = annotations.get(&key) {
            if *old != value {
                tracing::warn!(key, "an audit annotation is set twice; the first stays");
            }
            return;
        }
        annotations.insert(key, value);
    }

    /// Takes the annotations for the audit event.
    pub fn take_annotations(&self) -> BTreeMap<String, String> {
        std::mem::take(&mut *self.annotations.lock())
    }

    /// Tells which fields the body has twice, as the JSON or YAML decoder found them; field validation reports them.
    pub fn set_duplicate_fields(&self, paths: Vec<String>) {
        *self.duplicate_fields.lock() = paths;
    }

    pub(crate) fn take_duplicate_fields(&self) -> Vec<String> {
        std::mem::take(&mut *self.duplicate_fields.lock())
    }
}
