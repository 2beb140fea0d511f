//! A message from its JSON form into the bytes of a call.

use bytes::{BufMut, Bytes, BytesMut};
use prost::Message;
use prost_reflect::{
    DescriptorPool, DynamicMessage, FieldDescriptor, MessageDescriptor, MethodDescriptor,
    ServiceDescriptor,
};
use serde_json::{Map, Value};

use super::GrpcError;
use crate::request::GrpcCall;

/// Names that an error lists at most.
const NAMES_LISTED_MAX: usize = 20;

/// A call ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded {
    /// `/package.Service/Method`.
    pub path: String,
    /// Five bytes (not compressed, and the length) and the message.
    pub body: Bytes,
}

/// Encodes a call's message by its method's descriptor.
pub fn encode(call: &GrpcCall, pool: &DescriptorPool) -> Result<Encoded, GrpcError> {
    let method = method(call, pool)?;
    let name = &call.service_method;
    if method.is_client_streaming() || method.is_server_streaming() {
        return Err(GrpcError::NotUnary { name: name.clone() });
    }
    let input = method.input();
    let message = DynamicMessage::deserialize(input.clone(), &call.message).map_err(|error| {
        let (place, cause) =
            locate(&input, &call.message).unwrap_or_else(|| (String::new(), error.to_string()));
        GrpcError::Message {
            name: name.clone(),
            message: input.full_name().to_owned(),
            place: if place.is_empty() {
                "/".to_owned()
            } else {
                place
            },
            cause,
        }
    })?;
    Ok(Encoded {
        path: format!("/{}/{}", method.parent_service().full_name(), method.name()),
        body: prefixed(&message),
    })
}

/// A message behind its five bytes: not compressed, and the length.
pub(super) fn prefixed(message: &impl Message) -> Bytes {
    let length = message.encoded_len();
    let mut body = BytesMut::with_capacity(5 + length);
    body.put_u8(0);
    body.put_u32(length as u32);
    body.extend_from_slice(&message.encode_to_vec());
    body.freeze()
}

/// The service and the method of `package.Service/Method`.
pub(super) fn names(call: &GrpcCall) -> Result<(&str, &str), GrpcError> {
    call.service_method
        .trim_start_matches('/')
        .split_once('/')
        .filter(|(service, method)| !service.is_empty() && !method.is_empty())
        .ok_or_else(|| GrpcError::Name {
            name: call.service_method.clone(),
        })
}

fn method(call: &GrpcCall, pool: &DescriptorPool) -> Result<MethodDescriptor, GrpcError> {
    let (service, method) = names(call)?;
    let found: ServiceDescriptor =
        pool.get_service_by_name(service)
            .ok_or_else(|| GrpcError::Service {
                service: service.to_owned(),
                known: list(pool.services().map(|known| known.full_name().to_owned())),
            })?;
    found
        .methods()
        .find(|known| known.name() == method)
        .ok_or_else(|| GrpcError::Method {
            service: service.to_owned(),
            method: method.to_owned(),
            known: list(found.methods().map(|known| known.name().to_owned())),
        })
}

fn list(names: impl Iterator<Item = String>) -> String {
    let mut names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    let more = names.len().saturating_sub(NAMES_LISTED_MAX);
    names.truncate(NAMES_LISTED_MAX);
    if more > 0 {
        names.push(format!("{more} more"));
    }
    if names.is_empty() {
        return "none".to_owned();
    }
    names.join(", ")
}

/// The innermost place that does not fit, and why: the decoder alone does not tell where it was. Each field
/// is tried by itself, so the first that fails is the one at fault.
fn locate(message: &MessageDescriptor, value: &Value) -> Option<(String, String)> {
    value.as_object()?.iter().find_map(|(name, value)| {
        let cause = refusal(message, name, value.clone())?;
        let field = message
            .get_field_by_json_name(name)
            .or_else(|| message.get_field_by_name(name));
        let (place, cause) = field
            .and_then(|field| locate_within(message, &field, name, value))
            .unwrap_or((String::new(), cause));
        Some((format!("/{name}{place}"), cause))
    })
}

/// The same within one field: in its message, or in the element of it that fails alone.
fn locate_within(
    message: &MessageDescriptor,
    field: &FieldDescriptor,
    name: &str,
    value: &Value,
) -> Option<(String, String)> {
    let inner = if field.is_map() {
        field
            .kind()
            .as_message()
            .and_then(|entry| entry.map_entry_value_field().kind().as_message().cloned())
    } else {
        field.kind().as_message().cloned()
    };
    let deeper = |value: &Value| inner.as_ref().and_then(|inner| locate(inner, value));
    let at_element = |key: String, element: &Value, alone: Value| {
        let cause = refusal(message, name, alone)?;
        let (place, cause) = deeper(element).unwrap_or((String::new(), cause));
        Some((format!("/{key}{place}"), cause))
    };
    match value {
        Value::Array(elements) if field.is_list() => {
            elements.iter().enumerate().find_map(|(index, element)| {
                let alone = Value::Array(vec![element.clone()]);
                at_element(index.to_string(), element, alone)
            })
        }
        Value::Object(elements) if field.is_map() => elements.iter().find_map(|(key, element)| {
            let alone = Map::from_iter([(key.clone(), element.clone())]);
            at_element(key.clone(), element, Value::Object(alone))
        }),
        _ => deeper(value),
    }
}

/// Why a message with this field alone is refused, if it is.
fn refusal(message: &MessageDescriptor, name: &str, value: Value) -> Option<String> {
    let alone = Value::Object(Map::from_iter([(name.to_owned(), value)]));
    let refused = DynamicMessage::deserialize(message.clone(), alone).err()?;
    Some(refused.to_string())
}
