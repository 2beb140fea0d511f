//! A shape as JSON Schema, for editors.

use serde_json::{Map, Value, json};

use crate::{Record, Shape};

/// The shape as a JSON Schema, draft 2020-12, with the documentation as descriptions. A schema sees
/// kinds and patterns; what only reading can tell (a time zone that exists, a regular expression that
/// compiles) is left to [`crate::check`]. Stricter than `check` in one point: a key without a value is
/// flagged, so that editors show it.
pub fn json_schema(shape: &Shape, title: &str) -> Value {
    let mut definitions = Map::new();
    let mut schema = of_shape(shape, &mut definitions);
    if let Value::Object(fields) = &mut schema {
        fields.insert(
            "$schema".to_owned(),
            json!("https://json-schema.org/draft/2020-12/schema"),
        );
        fields.insert("title".to_owned(), json!(title));
        if !definitions.is_empty() {
            fields.insert("$defs".to_owned(), Value::Object(definitions));
        }
    }
    schema
}

fn of_shape(shape: &Shape, definitions: &mut Map<String, Value>) -> Value {
    match shape {
        Shape::List { item, min, max } => of_list(item, *min, *max, definitions),
        Shape::Map { value, key } => json!({
            "type": "object",
            "propertyNames": {"description": key},
            "additionalProperties": of_shape(value, definitions),
        }),
        Shape::Record(record) => of_record(record, definitions),
        Shape::Recursive(record) => of_recursive(&record(), definitions),
        Shape::Either(shapes) => {
            let each: Vec<Value> = shapes
                .iter()
                .map(|shape| of_shape(shape, definitions))
                .collect();
            json!({"anyOf": each})
        }
        leaf => of_leaf(leaf),
    }
}

fn of_list(item: &Shape, min: usize, max: usize, definitions: &mut Map<String, Value>) -> Value {
    let mut schema = json!({"type": "array", "items": of_shape(item, definitions)});
    if min > 0 {
        schema["minItems"] = json!(min);
    }
    if max < Shape::LIST_ITEMS_MAX {
        schema["maxItems"] = json!(max);
    }
    schema
}

fn of_record(record: &Record, definitions: &mut Map<String, Value>) -> Value {
    let properties: Map<String, Value> = record
        .fields
        .iter()
        .map(|field| {
            let mut schema = of_shape(&field.shape, definitions);
            // A reference keeps its target's description unless the field has its own.
            if let (Value::Object(fields), false) = (&mut schema, field.doc.is_empty()) {
                fields.insert("description".to_owned(), json!(field.doc));
            }
            (field.name.to_owned(), schema)
        })
        .collect();
    let required: Vec<&str> = record
        .fields
        .iter()
        .filter(|field| field.required)
        .map(|field| field.name)
        .collect();
    let mut schema = json!({
        "type": "object",
        "description": record.doc,
        "properties": properties,
        "additionalProperties": false,
    });
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    if !record.one_of.is_empty() {
        let groups: Vec<Value> = record
            .one_of
            .iter()
            .map(|group| {
                let each: Vec<Value> = group
                    .iter()
                    .map(|name| json!({"required": [name]}))
                    .collect();
                json!({"oneOf": each})
            })
            .collect();
        schema["allOf"] = json!(groups);
    }
    schema
}

fn of_recursive(record: &Record, definitions: &mut Map<String, Value>) -> Value {
    if !definitions.contains_key(record.name) {
        // The name is taken before its fields are walked, so that they find it.
        definitions.insert(record.name.to_owned(), Value::Null);
        let schema = of_record(record, definitions);
        definitions.insert(record.name.to_owned(), schema);
    }
    json!({"$ref": format!("#/$defs/{}", record.name.replace(' ', "%20"))})
}

fn of_leaf(shape: &Shape) -> Value {
    let text = |pattern: &str| json!({"type": "string", "pattern": pattern});
    match shape {
        // A number or boolean without quotes is a text too.
        Shape::Text | Shape::Template => json!({"type": ["string", "number", "boolean"]}),
        Shape::Bool => json!({"type": "boolean"}),
        Shape::Integer { min, max } => {
            let mut schema = json!({"type": "integer"});
            if *min > i64::MIN {
                schema["minimum"] = json!(min);
            }
            if *max < i64::MAX {
                schema["maximum"] = json!(max);
            }
            schema
        }
        Shape::Number { min, max } => {
            let mut schema = json!({"type": "number"});
            if min.is_finite() && *min > f64::MIN {
                schema["minimum"] = json!(min);
            }
            if max.is_finite() && *max < f64::MAX {
                schema["maximum"] = json!(max);
            }
            schema
        }
        Shape::Duration => text(r"^([0-9]+(us|µs|ms|s|m|h|d|w))+$"),
        Shape::Ratio => json!({"anyOf": [
            {"type": "number", "minimum": 0, "maximum": 1},
            text(r"^((100(\.0*)?|[0-9]{1,2}(\.[0-9]*)?|\.[0-9]+) *(%|pp)|0?\.[0-9]+|0|1)$"),
        ]}),
        Shape::Rate => text(r"^([0-9]+(\.[0-9]*)?|\.[0-9]+) */ *[smhd]$"),
        Shape::Bytes => text("^[0-9]+ *(B|KiB|MiB|GiB|TiB|KB|MB|GB|TB)$"),
        Shape::LocalTime => text("^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2})?$"),
        Shape::TimeZone => text("^[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*$"),
        Shape::Glob => json!({"type": "string", "minLength": 1, "maxLength": 512}),
        Shape::Matcher => text("^ *[a-zA-Z_][a-zA-Z0-9_]* *(=|!=|=~|!~)"),
        Shape::FunctionId => text("^[^/]+/.+$"),
        Shape::Url => text(r"^https?://[^\s/?#]+"),
        Shape::SocketAddress => text(r"^[^\s]+:[0-9]{1,5}$"),
        Shape::Regex => json!({"type": "string"}),
        Shape::Choice(words) => json!({"enum": words}),
        _ => json!({}),
    }
}
