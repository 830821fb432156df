//! Objects as table rows: the columns of each kind, and their cells.
//!
//! upstream: pkg/printers/internalversion/printers.go

mod cluster;
mod descriptions;
mod network;
mod node;
mod pod;
mod storage;
mod text;
mod workload;

use jiff::Timestamp;
use machinery::ObjectExt;
use serde_json::{Value, json};

use crate::resource::Resource;

/// A column of a table: `meta.k8s.io/v1` TableColumnDefinition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Heading.
    pub name: &'static str,
    /// OpenAPI type: `string`, `integer`, `boolean`, `date`.
    pub kind: &'static str,
    /// OpenAPI format; `name` for the object's name.
    pub format: &'static str,
    /// 0 is always shown, 1 only in wide output.
    pub priority: i32,
}

/// A row: one cell per column, and conditions (`Completed` for pods that have ended).
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Cells.
    pub cells: Vec<Value>,
    /// TableRowConditions.
    pub conditions: Vec<Value>,
}

/// How a kind is printed.
struct Printer {
    columns: &'static [Column],
    cells: fn(&Value, Timestamp) -> Vec<Value>,
}

const NAME: Column = Column {
    name: "Name",
    kind: "string",
    format: "name",
    priority: 0,
};
const AGE: Column = text("Age");

/// A column of text.
const fn text(name: &'static str) -> Column {
    Column {
        name,
        kind: "string",
        format: "",
        priority: 0,
    }
}

/// A column of integers.
const fn integer(name: &'static str) -> Column {
    Column {
        kind: "integer",
        ..text(name)
    }
}

/// A column of truths.
const fn boolean(name: &'static str) -> Column {
    Column {
        kind: "boolean",
        ..text(name)
    }
}

/// A column that only wide output shows.
const fn wide(column: Column) -> Column {
    Column {
        priority: 1,
        ..column
    }
}

/// What kinds without a printer of their own show.
///
/// upstream: staging/src/k8s.io/apiserver/pkg/registry/rest/table.go#defaultTableConvertor
static DEFAULT: Printer = Printer {
    columns: &[
        NAME,
        Column {
            kind: "date",
            ..text("Created At")
        },
    ],
    cells: default_cells,
};

fn default_cells(object: &Value, _now: Timestamp) -> Vec<Value> {
    vec![object.name().into(), object.creation_timestamp().into()]
}

fn printer(group: &str, kind: &str) -> &'static Printer {
    workload::printer(group, kind)
        .or_else(|| network::printer(group, kind))
        .or_else(|| node::printer(group, kind))
        .or_else(|| storage::printer(group, kind))
        .or_else(|| cluster::printer(group, kind))
        .unwrap_or(&DEFAULT)
}

/// Whether a resource has no columns of its own; upstream then writes `rows` of an empty table as null.
pub fn is_default(resource: &Resource) -> bool {
    resource.custom.is_none()
        && std::ptr::eq(printer(&resource.group, &resource.kind), &raw const DEFAULT)
}

/// The columns of a built-in resource.
pub fn columns(resource: &Resource) -> &'static [Column] {
    printer(&resource.group, &resource.kind).columns
}

/// The row of an object, in the version of the row of the table of resources.
pub fn row(resource: &Resource, object: &Value, now: Timestamp) -> Row {
    if let Some(custom) = &resource.custom {
        let more = custom
            .printers()
            .iter()
            .map(|p| p.cell(object, |at| text::since(at, now)));
        return Row {
            cells: std::iter::once(object.name().into()).chain(more).collect(),
            conditions: Vec::new(),
        };
    }
    let pods = resource.group.is_empty() && resource.kind == "Pod";
    let conditions = if pods {
        pod::conditions(object)
    } else {
        Vec::new()
    };
    let stored;
    let object = match resource.conversion {
        // Printed as it is stored: version 1 has no metrics of its own.
        Some(conversion) if resource.kind == "HorizontalPodAutoscaler" => {
            let mut object = object.clone();
            conversion.to_storage(&mut object);
            stored = object;
            &stored
        }
        _ => object,
    };
    Row {
        cells: (printer(&resource.group, &resource.kind).cells)(object, now),
        conditions,
    }
}

/// The TableColumnDefinitions of a resource.
pub fn column_definitions(resource: &Resource) -> Value {
    if let Some(custom) = &resource.custom {
        return custom_definitions(custom);
    }
    columns(resource)
        .iter()
        .map(|c| json!({"name": c.name, "type": c.kind, "format": c.format, "description": descriptions::of(&resource.kind, c.name), "priority": c.priority}))
        .collect::<Vec<_>>()
        .into()
}

/// The name, then the columns of the definition.
///
/// upstream: apiextensions-apiserver/pkg/registry/customresource/tableconvertor/tableconvertor.go#New
fn custom_definitions(custom: &crate::Custom) -> Value {
    let name = json!({"name": NAME.name, "type": NAME.kind, "format": NAME.format, "description": descriptions::of("", NAME.name), "priority": 0});
    let more = custom.printers().iter().map(|p| {
        let column = p.column();
        let description = if column.description.is_empty() {
            format!(
                "Custom resource definition column (in JSONPath format): {}",
                column.json_path
            )
        } else {
            column.description.clone()
        };
        json!({"name": column.name, "type": column.kind, "format": column.format, "description": description, "priority": column.priority})
    });
    std::iter::once(name).chain(more).collect::<Vec<_>>().into()
}
