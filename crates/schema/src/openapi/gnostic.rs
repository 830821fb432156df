//! OpenAPI v2 as protobuf, as kubectl asks for it: gnostic's `openapi.v2.Document`.
// upstream: github.com/google/gnostic-models/openapiv2/OpenAPIv2.proto (field numbers), kube-openapi/pkg/handler/handler.go

use serde_json::{Map, Value};

/// A message that is written.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push((value as u8) | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn bytes(&mut self, tag: u64, bytes: &[u8]) {
        self.varint(tag << 3 | 2);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    fn text(&mut self, tag: u64, text: Option<&Value>) {
        if let Some(text) = text.and_then(Value::as_str).filter(|t| !t.is_empty()) {
            self.bytes(tag, text.as_bytes());
        }
    }

    fn texts(&mut self, tag: u64, list: Option<&Value>) {
        for text in items(list).iter().filter_map(Value::as_str) {
            self.bytes(tag, text.as_bytes());
        }
    }

    fn flag(&mut self, tag: u64, value: Option<&Value>) {
        if value.and_then(Value::as_bool) == Some(true) {
            self.varint(tag << 3);
            self.varint(1);
        }
    }

    fn integer(&mut self, tag: u64, value: Option<&Value>) {
        if let Some(value) = value.and_then(Value::as_i64).filter(|v| *v != 0) {
            self.varint(tag << 3);
            self.varint(value as u64);
        }
    }

    fn double(&mut self, tag: u64, value: Option<&Value>) {
        if let Some(value) = value.and_then(Value::as_f64).filter(|v| *v != 0.0) {
            self.varint(tag << 3 | 1);
            self.0.extend_from_slice(&value.to_le_bytes());
        }
    }

    fn nested(&mut self, tag: u64, fill: impl FnOnce(&mut Self)) {
        let mut inner = Self::default();
        fill(&mut inner);
        self.bytes(tag, &inner.0);
    }

    /// `Any`: a value as YAML, of which JSON is a part.
    fn any(&mut self, tag: u64, value: &Value) {
        self.nested(tag, |any| any.bytes(2, format!("{value}\n").as_bytes()));
    }

    /// A map as repeated `NamedX {name = 1, value = 2}`.
    fn named<'a>(
        &mut self,
        tag: u64,
        map: impl IntoIterator<Item = (&'a String, &'a Value)>,
        fill: impl Fn(&mut Self, &'a Value),
    ) {
        for (name, value) in map {
            self.nested(tag, |entry| {
                entry.bytes(1, name.as_bytes());
                entry.nested(2, |of| fill(of, value));
            });
        }
    }

    fn extensions(&mut self, tag: u64, of: &Value) {
        let extensions = entries(Some(of)).filter(|(k, _)| k.starts_with("x-"));
        self.named(tag, extensions, |any, value| {
            any.bytes(2, format!("{value}\n").as_bytes());
        });
    }
}

fn items(list: Option<&Value>) -> &[Value] {
    list.and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn entries(map: Option<&Value>) -> serde_json::map::Iter<'_> {
    static NONE: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);
    map.and_then(Value::as_object).unwrap_or(&NONE).iter()
}

/// A v2 document, as JSON's tree, as the protobuf message.
pub(super) fn document(of: &Value) -> Vec<u8> {
    let mut out = Message::default();
    out.text(1, of.get("swagger"));
    if let Some(info) = of.get("info") {
        out.nested(2, |out| {
            out.text(1, info.get("title"));
            out.text(2, info.get("version"));
            out.text(3, info.get("description"));
        });
    }
    out.nested(8, |out| out.named(2, entries(of.get("paths")), path));
    out.nested(9, |out| {
        out.named(1, entries(of.get("definitions")), schema)
    });
    for requirement in items(of.get("security")) {
        out.nested(12, |out| {
            out.named(1, entries(Some(requirement)), |out, scopes| {
                out.texts(1, Some(scopes));
            });
        });
    }
    out.nested(13, |out| {
        out.named(1, entries(of.get("securityDefinitions")), |out, of| {
            out.nested(2, |out| {
                out.text(1, of.get("type"));
                out.text(2, of.get("name"));
                out.text(3, of.get("in"));
                out.text(4, of.get("description"));
            });
        });
    });
    out.extensions(16, of);
    out.0
}

fn path(out: &mut Message, of: &Value) {
    for (tag, method) in [
        (2, "get"),
        (3, "put"),
        (4, "post"),
        (5, "delete"),
        (6, "options"),
        (7, "head"),
        (8, "patch"),
    ] {
        if let Some(of) = of.get(method) {
            out.nested(tag, |out| operation(out, of));
        }
    }
    for of in items(of.get("parameters")) {
        out.nested(9, |out| parameter(out, of));
    }
    out.extensions(10, of);
}

fn operation(out: &mut Message, of: &Value) {
    out.texts(1, of.get("tags"));
    out.text(2, of.get("summary"));
    out.text(3, of.get("description"));
    out.text(5, of.get("operationId"));
    out.texts(6, of.get("produces"));
    out.texts(7, of.get("consumes"));
    for of in items(of.get("parameters")) {
        out.nested(8, |out| parameter(out, of));
    }
    out.nested(9, |out| {
        out.named(1, entries(of.get("responses")), |out, of| {
            out.nested(1, |out| {
                out.text(1, of.get("description"));
                if let Some(of) = of.get("schema") {
                    out.nested(2, |out| out.nested(1, |out| schema(out, of)));
                }
            });
        });
    });
    out.texts(10, of.get("schemes"));
    out.flag(11, of.get("deprecated"));
    out.extensions(13, of);
}

fn parameter(out: &mut Message, of: &Value) {
    if of.get("$ref").is_some() {
        return out.nested(2, |out| {
            out.text(1, of.get("$ref"));
            out.text(2, of.get("description"));
        });
    }
    out.nested(1, |out| match of.get("in").and_then(Value::as_str) {
        Some("body") => out.nested(1, |out| {
            out.text(1, of.get("description"));
            out.text(2, of.get("name"));
            out.text(3, of.get("in"));
            out.flag(4, of.get("required"));
            if let Some(of) = of.get("schema") {
                out.nested(5, |out| schema(out, of));
            }
            out.extensions(6, of);
        }),
        place => {
            // Query parameters have one more field than those in paths and headers.
            let (tag, more) = match place {
                Some("header") => (1, 0),
                Some("path") => (4, 0),
                _ => (3, 1),
            };
            out.nested(2, |out| {
                out.nested(tag, |out| {
                    out.flag(1, of.get("required"));
                    out.text(2, of.get("in"));
                    out.text(3, of.get("description"));
                    out.text(4, of.get("name"));
                    out.text(5 + more, of.get("type"));
                    out.text(6 + more, of.get("format"));
                    out.flag(19 + more, of.get("uniqueItems"));
                    out.extensions(22 + more, of);
                });
            });
        }
    });
}

fn schema(out: &mut Message, of: &Value) {
    out.text(1, of.get("$ref"));
    out.text(2, of.get("format"));
    out.text(3, of.get("title"));
    out.text(4, of.get("description"));
    if let Some(default) = of.get("default") {
        out.any(5, default);
    }
    out.double(6, of.get("multipleOf"));
    out.double(7, of.get("maximum"));
    out.flag(8, of.get("exclusiveMaximum"));
    out.double(9, of.get("minimum"));
    out.flag(10, of.get("exclusiveMinimum"));
    out.integer(11, of.get("maxLength"));
    out.integer(12, of.get("minLength"));
    out.text(13, of.get("pattern"));
    out.integer(14, of.get("maxItems"));
    out.integer(15, of.get("minItems"));
    out.flag(16, of.get("uniqueItems"));
    out.integer(17, of.get("maxProperties"));
    out.integer(18, of.get("minProperties"));
    out.texts(19, of.get("required"));
    for value in items(of.get("enum")) {
        out.any(20, value);
    }
    match of.get("additionalProperties") {
        Some(Value::Bool(any)) => out.nested(21, |out| {
            out.varint(2 << 3);
            out.varint(u64::from(*any));
        }),
        Some(of) => out.nested(21, |out| out.nested(1, |out| schema(out, of))),
        None => {}
    }
    match of.get("type") {
        Some(of @ Value::String(_)) => out.nested(22, |out| out.text(1, Some(of))),
        Some(of) => out.nested(22, |out| out.texts(1, Some(of))),
        None => {}
    }
    match of.get("items") {
        Some(Value::Array(all)) => out.nested(23, |out| {
            for of in all {
                out.nested(1, |out| schema(out, of));
            }
        }),
        Some(of) => out.nested(23, |out| out.nested(1, |out| schema(out, of))),
        None => {}
    }
    for of in items(of.get("allOf")) {
        out.nested(24, |out| schema(out, of));
    }
    if let Some(of) = of.get("properties") {
        out.nested(25, |out| out.named(1, entries(Some(of)), schema));
    }
    out.flag(27, of.get("readOnly"));
    if let Some(example) = of.get("example") {
        out.any(30, example);
    }
    out.extensions(31, of);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_bytes_are_the_messages() {
        let of = json!({"swagger": "2.0", "definitions": {"P": {
            "type": "object", "x-a": [1], "properties": {"n": {"type": "integer", "format": "int32"}}}}});
        let property = b"\x0a\x01n\x12\x13\x12\x05int32\xb2\x01\x09\x0a\x07integer";
        let mut schema = b"\xb2\x01\x08\x0a\x06object\xca\x01\x1a\x0a\x18".to_vec();
        schema.extend_from_slice(property);
        schema.extend_from_slice(b"\xfa\x01\x0d\x0a\x03x-a\x12\x06\x12\x04[1]\n");
        let mut named = b"\x0a\x01P\x12".to_vec();
        named.push(schema.len() as u8);
        named.append(&mut schema);
        let mut want = b"\x0a\x032.0\x42\x00\x4a".to_vec();
        want.extend([named.len() as u8 + 2, 0x0a, named.len() as u8]);
        want.append(&mut named);
        want.extend(b"\x6a\x00");
        assert_eq!(document(&of), want);
    }
}
