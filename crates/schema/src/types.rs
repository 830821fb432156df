//! What a type of the table says.

use crate::table;

/// A type's number in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TypeId(pub(crate) u16);

/// All types in one array, laid out when the program is compiled.
static ALL: [&Type; table::COUNT as usize] = {
    let mut all = [&table::RUNS[0][0]; table::COUNT as usize];
    let (mut run, mut at) = (0, 0);
    while run < table::RUNS.len() {
        let mut i = 0;
        while i < table::RUNS[run].len() {
            all[at] = &table::RUNS[run][i];
            at += 1;
            i += 1;
        }
        run += 1;
    }
    all
};

impl TypeId {
    /// The type.
    pub fn get(self) -> Option<&'static Type> {
        ALL.get(usize::from(self.0)).copied()
    }
}

/// A group, version and kind of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Kind {
    /// Group, empty for core.
    pub group: &'static str,
    /// Version.
    pub version: &'static str,
    /// Kind.
    pub kind: &'static str,
}

/// A built-in type.
#[derive(Debug)]
pub struct Type {
    /// The definition's name, e.g. `io.k8s.api.core.v1.Pod`.
    pub name: &'static str,
    /// The kinds that have this type.
    pub kinds: &'static [Kind],
    /// Its fields in the order of upstream's declaration.
    pub fields: &'static [Field],
    /// Whether an object of it is one value to server-side apply.
    pub atomic: bool,
    /// What it is if it isn't a struct.
    pub scalar: Option<Shape>,
    /// Messages that are inlined into the JSON form but not into the protobuf form: the enclosing
    /// inlined message (1-based, 0 for none), field number, and definition's name.
    pub inlines: &'static [(u8, u16, &'static str)],
    /// `x-kubernetes-unions` as JSON text, empty when there are none.
    pub unions: &'static str,
}

impl Type {
    /// A field by its JSON name.
    pub fn field(&self, name: &str) -> Option<&'static Field> {
        self.position(name).map(|(_, f)| f)
    }

    /// A field by its JSON name, with its position.
    pub fn position(&self, name: &str) -> Option<(usize, &'static Field)> {
        self.fields.iter().enumerate().find(|(_, f)| f.name == name)
    }

    /// The last part of its name, e.g. `Pod`.
    pub fn short_name(&self) -> &'static str {
        self.name.rsplit('.').next().unwrap_or(self.name)
    }

    /// The name as Go prints it, e.g. `v1.Pod`.
    pub fn go_name(&self) -> &'static str {
        let kind = self.short_name().len();
        let head = self.name.len().saturating_sub(kind + 1);
        let package = self
            .name
            .get(..head)
            .and_then(|h| h.rfind('.'))
            .map_or(0, |i| i + 1);
        self.name.get(package..).unwrap_or(self.name)
    }
}

/// A field of a type.
#[derive(Debug)]
pub struct Field {
    /// JSON name.
    pub name: &'static str,
    /// What its values are.
    pub shape: Shape,
    /// Number on the protobuf wire; 0 when it isn't there (`apiVersion` and `kind` of an object).
    pub tag: u16,
    /// The inlined message that it belongs to: 1-based into [`Type::inlines`], 0 for the type itself.
    pub inline: u8,
    /// The flags below.
    pub flags: u16,
    /// What few fields have.
    pub extra: Option<&'static Extra>,
}

/// What few fields have.
#[derive(Debug)]
pub struct Extra {
    /// `x-kubernetes-list-type`.
    pub list: Option<ListType>,
    /// `x-kubernetes-list-map-keys`.
    pub keys: &'static [&'static str],
    /// `x-kubernetes-patch-merge-key`.
    pub merge_key: &'static str,
    /// Literal default as JSON text.
    pub default: Option<&'static str>,
    /// The enumeration, of the value or of a list's elements.
    pub values: &'static [&'static str],
}

impl Field {
    /// Must be given.
    pub const REQUIRED: u16 = 1;
    /// Absent and zero differ.
    pub const POINTER: u16 = 2;
    /// Written even when it has its zero value.
    pub const ALWAYS: u16 = 4;
    /// `x-kubernetes-map-type: atomic`.
    pub const ATOMIC_MAP: u16 = 8;
    /// Patch strategy `merge`.
    pub const MERGE: u16 = 16;
    /// Patch strategy `replace`.
    pub const REPLACE: u16 = 32;
    /// Patch strategy `retainKeys`.
    pub const RETAIN_KEYS: u16 = 64;
    /// `x-kubernetes-map-type: granular`.
    pub const GRANULAR_MAP: u16 = 128;

    /// Whether a flag is set.
    pub fn has(&self, flag: u16) -> bool {
        self.flags & flag != 0
    }

    /// `x-kubernetes-list-type`.
    pub fn list_type(&self) -> Option<ListType> {
        self.extra.and_then(|e| e.list)
    }

    /// `x-kubernetes-list-map-keys`.
    pub fn keys(&self) -> &'static [&'static str] {
        self.extra.map_or(&[], |e| e.keys)
    }

    /// `x-kubernetes-patch-merge-key`, empty for none.
    pub fn merge_key(&self) -> &'static str {
        self.extra.map_or("", |e| e.merge_key)
    }
}

/// `x-kubernetes-list-type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListType {
    /// One value.
    Atomic,
    /// A set of scalars.
    Set,
    /// Entries with keys.
    Map,
}

impl ListType {
    /// As the extension spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Atomic => "atomic",
            Self::Set => "set",
            Self::Map => "map",
        }
    }
}

/// What a value is.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    /// Text.
    String,
    /// Bytes, base64 in JSON.
    Bytes,
    /// Boolean.
    Bool,
    /// 32-bit integer.
    Int32,
    /// 64-bit integer.
    Int64,
    /// Floating-point number.
    Double,
    /// Integer or text.
    IntOrString,
    /// Quantity.
    Quantity,
    /// Time in seconds.
    Time,
    /// Time in microseconds.
    MicroTime,
    /// Go duration.
    Duration,
    /// An object of any kind.
    Raw,
    /// Any JSON.
    Json,
    /// Set of managed fields.
    FieldsV1,
    /// A JSON schema or a list of them.
    SchemaOrArray,
    /// A JSON schema or a boolean.
    SchemaOrBool,
    /// A JSON schema or a list of texts.
    SchemaOrStrings,
    /// A struct of the table.
    Struct(TypeId),
    /// A list.
    List(&'static Shape),
    /// A map from text.
    Map(&'static Shape),
}

impl Shape {
    /// The struct that this is, or that its elements or values are.
    pub fn element(&self) -> Option<&'static Type> {
        match self {
            Shape::Struct(id) => id.get(),
            Shape::List(of) | Shape::Map(of) => of.element(),
            _ => None,
        }
    }

    /// The name as Go prints it, e.g. `[]v1.Container`.
    pub fn go_name(&self) -> String {
        match self {
            Shape::String => "string".to_owned(),
            Shape::Bytes => "[]uint8".to_owned(),
            Shape::Bool => "bool".to_owned(),
            Shape::Int32 => "int32".to_owned(),
            Shape::Int64 => "int64".to_owned(),
            Shape::Double => "float64".to_owned(),
            Shape::IntOrString => "intstr.IntOrString".to_owned(),
            Shape::Quantity => "resource.Quantity".to_owned(),
            Shape::Time => "v1.Time".to_owned(),
            Shape::MicroTime => "v1.MicroTime".to_owned(),
            Shape::Duration => "v1.Duration".to_owned(),
            Shape::Raw => "runtime.RawExtension".to_owned(),
            Shape::Json => "v1.JSON".to_owned(),
            Shape::FieldsV1 => "v1.FieldsV1".to_owned(),
            Shape::SchemaOrArray => "v1.JSONSchemaPropsOrArray".to_owned(),
            Shape::SchemaOrBool => "v1.JSONSchemaPropsOrBool".to_owned(),
            Shape::SchemaOrStrings => "v1.JSONSchemaPropsOrStringArray".to_owned(),
            Shape::Struct(id) => id.get().map_or("struct", |t| t.go_name()).to_owned(),
            Shape::List(of) => format!("[]{}", of.go_name()),
            Shape::Map(of) => format!("map[string]{}", of.go_name()),
        }
    }
}
