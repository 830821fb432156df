//! The path to a field.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// A path such as `spec.containers[0].env[NAME]`. Cheap to clone and to extend.
// upstream: apimachinery/pkg/util/validation/field/path.go
#[derive(Clone, Debug, Default)]
pub struct Path(Option<Arc<Node>>);

#[derive(Debug)]
struct Node {
    parent: Path,
    segment: Segment,
}

#[derive(Debug)]
enum Segment {
    Name(Cow<'static, str>),
    Index(usize),
    Key(String),
}

impl Path {
    /// A path of one name.
    pub fn new(name: impl Into<Cow<'static, str>>) -> Self {
        Self::root().child(name)
    }

    /// The path that names nothing; prints as `<nil>`, its children as themselves.
    pub fn root() -> Self {
        Self(None)
    }

    fn with(&self, segment: Segment) -> Self {
        Self(Some(Arc::new(Node {
            parent: self.clone(),
            segment,
        })))
    }

    /// A named field below this one.
    #[must_use]
    pub fn child(&self, name: impl Into<Cow<'static, str>>) -> Self {
        self.with(Segment::Name(name.into()))
    }

    /// An element of this list.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        self.with(Segment::Index(index))
    }

    /// An entry of this map.
    #[must_use]
    pub fn key(&self, key: impl Into<String>) -> Self {
        self.with(Segment::Key(key.into()))
    }

    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(node) = &self.0 else { return Ok(()) };
        node.parent.write(f)?;
        match &node.segment {
            Segment::Name(name) if node.parent.0.is_none() => f.write_str(name),
            Segment::Name(name) => write!(f, ".{name}"),
            Segment::Index(i) => write!(f, "[{i}]"),
            Segment::Key(k) => write!(f, "[{k}]"),
        }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_none() {
            f.write_str("<nil>")
        } else {
            self.write(f)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints() {
        let p = Path::new("spec")
            .child("containers")
            .index(0)
            .child("env")
            .key("A");
        assert_eq!(p.to_string(), "spec.containers[0].env[A]");
        assert_eq!(Path::root().to_string(), "<nil>");
    }
}
