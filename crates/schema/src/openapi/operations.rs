//! Paths and the operations on them.

use serde_json::{Map, Value, json};

use super::definitions::Version;
use super::parameters::{of_verb, parameter};
use super::served::{Served, ServedSubresource};

const META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.";
const PRODUCES: [&str; 3] = [
    "application/json",
    "application/yaml",
    "application/vnd.kubernetes.protobuf",
];
const STREAMS: [&str; 2] = [
    "application/json;stream=watch",
    "application/vnd.kubernetes.protobuf;stream=watch",
];
const PATCHES: [&str; 5] = [
    "application/apply-patch+cbor",
    "application/apply-patch+yaml",
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
];

/// The body of an operation.
struct Operation<'a> {
    version: Version,
    served: &'a Served,
    verb: &'a str,
    /// What comes before the kind in the operation's id.
    scope: &'a str,
    /// What comes after it.
    suffix: &'a str,
    gvk: (&'a str, &'a str, &'a str),
    /// Definition of the body and of the answer.
    body: String,
    answer: String,
    namespaced: bool,
}

fn title(s: &str) -> String {
    let mut chars = s.chars();
    chars
        .next()
        .map(|c| c.to_uppercase().chain(chars).collect())
        .unwrap_or_default()
}

/// `CoreV1`, `RbacAuthorizationV1`.
fn group_title(served: &Served) -> String {
    let group = if served.group.is_empty() {
        "core"
    } else {
        served.group.trim_end_matches(".k8s.io")
    };
    let words: String = group.split(['.', '-']).map(title).collect();
    format!("{words}{}", title(&served.version))
}

impl Operation<'_> {
    fn value(&self) -> Value {
        let action = match self.verb {
            "get" => ("read", "get"),
            "list" => ("list", "list"),
            "watch" => ("watch", "watch"),
            "create" => ("create", "post"),
            "update" => ("replace", "put"),
            "patch" => ("patch", "patch"),
            "deletecollection" => ("deleteCollection", "deletecollection"),
            _ => ("delete", "delete"),
        };
        let tag = {
            let group = if self.served.group.is_empty() {
                "core"
            } else {
                self.served.group.trim_end_matches(".k8s.io")
            };
            let words: Vec<String> = group
                .split('.')
                .enumerate()
                .map(|(i, w)| if i == 0 { w.to_owned() } else { title(w) })
                .collect();
            format!("{}_{}", words.concat(), self.served.version)
        };
        let scope = if self.namespaced {
            "Namespaced"
        } else {
            self.scope
        };
        let id = format!(
            "{}{}{scope}{}{}",
            action.0,
            group_title(self.served),
            self.served.kind,
            self.suffix
        );
        let (group, version, kind) = self.gvk;
        let mut out = json!({
            "tags": [tag],
            "operationId": id,
            "x-kubernetes-action": action.1,
            "x-kubernetes-group-version-kind": {"group": group, "version": version, "kind": kind},
        });
        let mut parameters: Vec<Value> = of_verb(self.verb)
            .iter()
            .map(|(name, kind)| parameter(self.version, name, "query", kind))
            .collect();
        let reference = json!({"$ref": self.version.path(&self.answer)});
        let codes: &[&str] = match self.verb {
            "create" => &["200", "201", "202"],
            "update" | "patch" => &["200", "201"],
            "delete" => &["200", "202"],
            _ => &["200"],
        };
        let body = match self.verb {
            "create" | "update" => Some((self.body.clone(), ["*/*"].as_slice())),
            "patch" => {
                let kinds = if self.served.schema.is_some() {
                    PATCHES.get(..4).unwrap_or(&[])
                } else {
                    &PATCHES
                };
                Some((format!("{META}Patch"), kinds))
            }
            "delete" | "deletecollection" => {
                Some((format!("{META}DeleteOptions"), ["*/*"].as_slice()))
            }
            _ => None,
        };
        let lists = matches!(self.verb, "list" | "watch");
        let produces = || PRODUCES.iter().chain(STREAMS.iter().filter(|_| lists));
        let mut responses = Map::new();
        match self.version {
            Version::V3 => {
                if let Some((name, kinds)) = body {
                    let schema = json!({"schema": {"$ref": self.version.path(&name)}});
                    let content: Map<String, Value> = kinds
                        .iter()
                        .map(|k| ((*k).to_owned(), schema.clone()))
                        .collect();
                    out["requestBody"] = json!({"content": content});
                    if matches!(self.verb, "create" | "update" | "patch") {
                        out["requestBody"]["required"] = true.into();
                    }
                }
                let content: Map<String, Value> = produces()
                    .map(|k| ((*k).to_owned(), json!({"schema": reference})))
                    .collect();
                for code in codes {
                    responses.insert(
                        (*code).to_owned(),
                        json!({"description": describe(code), "content": content}),
                    );
                }
            }
            Version::V2 => {
                if let Some((name, kinds)) = body {
                    let mut p = json!({"name": "body", "in": "body", "schema": {"$ref": self.version.path(&name)}});
                    if matches!(self.verb, "create" | "update" | "patch") {
                        p["required"] = true.into();
                    }
                    parameters.insert(0, p);
                    out["consumes"] = kinds.to_vec().into();
                } else {
                    out["consumes"] = json!(["*/*"]);
                }
                out["produces"] = produces().copied().collect::<Vec<_>>().into();
                out["schemes"] = json!(["https"]);
                for code in codes {
                    responses.insert(
                        (*code).to_owned(),
                        json!({"description": describe(code), "schema": reference}),
                    );
                }
            }
        }
        responses.insert("401".to_owned(), json!({"description": "Unauthorized"}));
        out["parameters"] = parameters.into();
        out["responses"] = responses.into();
        out
    }
}

fn describe(code: &str) -> &'static str {
    match code {
        "201" => "Created",
        "202" => "Accepted",
        _ => "OK",
    }
}

/// All paths of a resource.
pub(super) fn paths(version: Version, served: &Served, out: &mut Map<String, Value>) {
    let prefix = served.prefix();
    let base = if served.namespaced {
        format!("{prefix}/namespaces/{{namespace}}/{}", served.plural)
    } else {
        format!("{prefix}/{}", served.plural)
    };
    let has = |verb: &str| served.verbs.iter().any(|v| v == verb);
    let gvk = (
        served.group.as_str(),
        served.version.as_str(),
        served.kind.as_str(),
    );
    let item = served.definition(false);
    let list = served.definition(true);
    let status = format!("{META}Status");
    let operation = |verb, scope, answer: &str, namespaced| {
        Operation {
            version,
            served,
            verb,
            scope,
            suffix: "",
            gvk,
            body: item.clone(),
            answer: answer.to_owned(),
            namespaced,
        }
        .value()
    };
    let place = |with_name: bool, namespaced: bool| {
        let mut p = Vec::new();
        if with_name {
            p.push(parameter(version, "name", "path", "string"));
        }
        if namespaced {
            p.push(parameter(version, "namespace", "path", "string"));
        }
        p.push(parameter(version, "pretty", "query", "string"));
        Value::from(p)
    };

    let mut collection = Map::new();
    for (method, verb, answer) in [
        ("get", "list", &list),
        ("post", "create", &item),
        ("delete", "deletecollection", &status),
    ] {
        if has(verb) {
            let verb_scope = if verb == "deletecollection" {
                "Collection"
            } else {
                ""
            };
            collection.insert(
                method.to_owned(),
                operation(verb, verb_scope, answer, served.namespaced),
            );
        }
    }
    if !collection.is_empty() {
        collection.insert("parameters".to_owned(), place(false, served.namespaced));
        out.insert(base.clone(), collection.into());
    }

    let mut single = Map::new();
    for (method, verb, answer) in [
        ("get", "get", &item),
        ("put", "update", &item),
        ("delete", "delete", &status),
        ("patch", "patch", &item),
    ] {
        if has(verb) {
            single.insert(
                method.to_owned(),
                operation(verb, "", answer, served.namespaced),
            );
        }
    }
    if !single.is_empty() {
        single.insert("parameters".to_owned(), place(true, served.namespaced));
        out.insert(format!("{base}/{{name}}"), single.into());
    }

    if served.namespaced && has("list") {
        let mut all = operation("list", "", &list, false);
        all["operationId"] =
            format!("list{}{}ForAllNamespaces", group_title(served), served.kind).into();
        let path = format!("{prefix}/{}", served.plural);
        out.insert(path, json!({"get": all, "parameters": place(false, false)}));
    }

    for sub in &served.subresources {
        let methods = subresource(version, served, sub);
        if !methods.is_empty() {
            let mut methods = methods;
            methods.insert("parameters".to_owned(), place(true, served.namespaced));
            out.insert(format!("{base}/{{name}}/{}", sub.name), methods.into());
        }
    }
}

fn subresource(version: Version, served: &Served, sub: &ServedSubresource) -> Map<String, Value> {
    let name = match crate::lookup(&sub.group, &sub.version, &sub.kind) {
        Some(ty) => ty.name.to_owned(),
        None if sub.kind == served.kind => served.definition(false),
        // Streams (log, exec, proxy) have no body of a kind.
        None => format!("{META}Status"),
    };
    let suffix = title(&sub.name);
    let mut methods = Map::new();
    for (method, verb) in [
        ("get", "get"),
        ("post", "create"),
        ("put", "update"),
        ("patch", "patch"),
        ("delete", "delete"),
    ] {
        if sub.verbs.iter().any(|v| v == verb) {
            let operation = Operation {
                version,
                served,
                verb,
                scope: "",
                suffix: &suffix,
                gvk: (&sub.group, &sub.version, &sub.kind),
                body: name.clone(),
                answer: name.clone(),
                namespaced: served.namespaced,
            };
            methods.insert(method.to_owned(), operation.value());
        }
    }
    methods
}
