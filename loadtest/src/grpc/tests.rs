//! Messages from plans as bytes, by descriptors that the tests make themselves.

use http::{HeaderMap, HeaderName, HeaderValue};
use prost_reflect::DescriptorPool;
use prost_reflect::prost::Message;
use prost_reflect::prost_types::field_descriptor_proto::{Label, Type};
use prost_reflect::prost_types::{
    DescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet,
    MethodDescriptorProto, ServiceDescriptorProto,
};
use serde_json::json;

use super::*;
use crate::outcome::Outcome;
use crate::request::{Complaint, Expect, GrpcCall, HeaderCheck, Request};

fn field(name: &str, number: i32, kind: Type, label: Label) -> FieldDescriptorProto {
    FieldDescriptorProto {
        name: Some(name.to_owned()),
        json_name: Some(name.to_owned()),
        number: Some(number),
        r#type: Some(kind.into()),
        type_name: (kind == Type::Message).then(|| ".shop.Item".to_owned()),
        label: Some(label.into()),
        ..FieldDescriptorProto::default()
    }
}

fn method(name: &str, server_streaming: bool) -> MethodDescriptorProto {
    MethodDescriptorProto {
        name: Some(name.to_owned()),
        input_type: Some(".shop.Order".to_owned()),
        output_type: Some(".shop.Order".to_owned()),
        server_streaming: Some(server_streaming),
        ..MethodDescriptorProto::default()
    }
}

fn message(name: &str, field: Vec<FieldDescriptorProto>) -> DescriptorProto {
    DescriptorProto {
        name: Some(name.to_owned()),
        field,
        ..DescriptorProto::default()
    }
}

/// `service Shop { rpc Buy(Order) returns (Order); rpc Watch(Order) returns (stream Order); }`
fn shop() -> FileDescriptorProto {
    FileDescriptorProto {
        name: Some("shop.proto".to_owned()),
        package: Some("shop".to_owned()),
        syntax: Some("proto3".to_owned()),
        message_type: vec![
            message(
                "Item",
                vec![field("count", 1, Type::Int32, Label::Optional)],
            ),
            message(
                "Order",
                vec![
                    field("first", 1, Type::Message, Label::Optional),
                    field("more", 2, Type::Message, Label::Repeated),
                ],
            ),
        ],
        service: vec![ServiceDescriptorProto {
            name: Some("Shop".to_owned()),
            method: vec![method("Buy", false), method("Watch", true)],
            options: None,
        }],
        ..FileDescriptorProto::default()
    }
}

fn pool() -> DescriptorPool {
    DescriptorPool::from_file_descriptor_set(FileDescriptorSet { file: vec![shop()] }).unwrap()
}

fn call(service_method: &str, message: serde_json::Value) -> GrpcCall {
    GrpcCall {
        service_method: service_method.to_owned(),
        message,
    }
}

#[test]
fn a_message_becomes_five_bytes_and_its_encoding() {
    let message = json!({"first": {"count": 3}, "more": [{"count": 1}, {}]});
    let encoded = encode(&call("shop.Shop/Buy", message.clone()), &pool()).unwrap();
    assert_eq!(encoded.path, "/shop.Shop/Buy");
    // Field 1 (08 03), field 2 twice (08 01, and nothing): protobuf's encoding, written out by hand.
    let message_bytes = [0x0a, 2, 8, 3, 0x12, 2, 8, 1, 0x12, 0];
    assert_eq!(encoded.body[..5], [0, 0, 0, 0, 10]);
    assert_eq!(encoded.body[5..], message_bytes);

    let mut request = Request::get("/");
    request.grpc = Some(call("/shop.Shop/Buy", message));
    let mut requests = RequestSet::new(vec![request]).unwrap();
    fill(&mut requests, &pool()).unwrap();
    let request = &requests.requests()[0];
    assert_eq!(
        (request.method.as_str(), request.path.as_str()),
        ("POST", "/shop.Shop/Buy")
    );
    assert_eq!(request.body, encoded.body);
}

#[test]
fn a_call_that_cannot_be_is_told_with_its_place() {
    for (name, message, expected) in [
        ("shop.Shop", json!({}), "`shop.Shop` names no method"),
        (
            "shop.Shap/Buy",
            json!({}),
            "there is no service `shop.Shap`; the descriptors have `shop.Shop`",
        ),
        (
            "shop.Shop/Sell",
            json!({}),
            "service `shop.Shop` has no method `Sell`; it has `Buy`, `Watch`",
        ),
        ("shop.Shop/Watch", json!({}), "`shop.Shop/Watch` streams"),
        (
            "shop.Shop/Buy",
            json!({"last": 1}),
            "is not a `shop.Order`: at /last:",
        ),
        (
            "shop.Shop/Buy",
            json!({"first": {"count": "x"}}),
            "at /first/count:",
        ),
        (
            "shop.Shop/Buy",
            json!({"more": [{}, {"count": 1, "cent": 2}]}),
            "at /more/1/cent:",
        ),
        ("shop.Shop/Buy", json!({"more": [{}, 5]}), "at /more/1:"),
        ("shop.Shop/Buy", json!([1]), "at /:"),
    ] {
        let error = encode(&call(name, message), &pool())
            .unwrap_err()
            .to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn descriptors_are_read_from_a_file_or_refused_with_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shop.pb");
    let read = |file: Vec<FileDescriptorProto>| {
        std::fs::write(&path, FileDescriptorSet { file }.encode_to_vec()).unwrap();
        descriptors::read(&path).map_err(|error| error.to_string())
    };
    assert!(read(vec![shop()]).is_ok());
    let mut lacking = shop();
    lacking.dependency = vec!["common.proto".to_owned()];
    let missing = read(vec![lacking]).unwrap_err();
    assert!(
        missing.contains("common.proto") && missing.contains("--include_imports"),
        "{missing}"
    );
    assert!(read(Vec::new()).unwrap_err().contains("no service in it"));
    std::fs::write(&path, "text").unwrap();
    assert!(
        descriptors::read(&path)
            .unwrap_err()
            .to_string()
            .contains("no usable")
    );
    let absent = descriptors::read(&folder.path().join("absent.pb")).unwrap_err();
    assert!(
        absent.to_string().contains("cannot read the descriptors"),
        "{absent}"
    );
}

#[test]
fn a_status_is_what_the_trailers_say_or_the_head_alone() {
    let headers = |code: Option<&'static str>| {
        let mut headers = HeaderMap::new();
        if let Some(code) = code {
            let name = HeaderName::from_static("grpc-status");
            headers.insert(name, HeaderValue::from_static(code));
        }
        headers
    };
    for (status, head, trailers, expected, outcome_expected) in [
        (200, None, Some("0"), 0, Outcome::Ok { status: 200 }),
        (200, Some("5"), None, 5, Outcome::Ok { status: 200 }),
        (
            200,
            Some("0"),
            Some("13"),
            0,
            Outcome::Unexpected { status: 1_013 },
        ),
        (200, None, Some("8"), 0, Outcome::Limited),
        (200, None, Some("8"), 8, Outcome::Ok { status: 200 }),
        (
            200,
            None,
            Some("0"),
            5,
            Outcome::Unexpected { status: 1_000 },
        ),
        (200, None, None, 0, Outcome::Unexpected { status: 1_002 }),
        (
            200,
            None,
            Some("x"),
            0,
            Outcome::Unexpected { status: 1_002 },
        ),
        (
            200,
            None,
            Some("4294967295"),
            0,
            Outcome::Unexpected { status: u16::MAX },
        ),
        (503, None, None, 0, Outcome::Unexpected { status: 503 }),
        (429, None, None, 0, Outcome::Limited),
    ] {
        let expect = Expect {
            grpc_status: expected,
            ..Expect::default()
        };
        assert_eq!(
            outcome(status, &headers(head), &headers(trailers), &expect),
            outcome_expected,
            "{status} {head:?} {trailers:?}"
        );
    }
}

#[test]
fn metadata_is_held_against_what_the_plan_expects() {
    let headers = |pairs: &[(&'static str, &'static str)]| -> HeaderMap {
        let pairs = pairs.iter().map(|(name, value)| {
            let name = HeaderName::from_static(name);
            (name, HeaderValue::from_static(value))
        });
        pairs.collect()
    };
    let expect = Expect {
        headers: vec![HeaderCheck::parse("x-shard ~ [ab]").unwrap()],
        ..Expect::default()
    };
    let (ok, unexpected) = (
        Outcome::Ok { status: 200 },
        Outcome::Unexpected { status: 200 },
    );
    for (head, trailers, expected) in [
        (&[("x-shard", "a")][..], &[("grpc-status", "0")][..], ok),
        (&[], &[("grpc-status", "0"), ("x-shard", "b")], ok),
        (&[("x-shard", "c")], &[("grpc-status", "0")], unexpected),
        (&[], &[("grpc-status", "0")], unexpected),
        (
            &[],
            &[("grpc-status", "5")],
            Outcome::Unexpected { status: 1_005 },
        ),
    ] {
        assert_eq!(
            outcome(200, &headers(head), &headers(trailers), &expect),
            expected,
            "{head:?} {trailers:?}"
        );
    }
    for (pairs, words) in [
        (
            &[("grpc-status", "5")][..],
            "gRPC status 5; the plan expects 0",
        ),
        (
            &[("grpc-status", "0"), ("x-shard", "c")],
            "gRPC status 0 with x-shard \"c\"; the plan expects x-shard ~ [ab]",
        ),
    ] {
        let asked = Expect {
            complaint: Complaint::wanted(),
            ..expect.clone()
        };
        outcome(200, &HeaderMap::new(), &headers(pairs), &asked);
        assert_eq!(asked.complaint.get(), Some(words));
    }
}
