//! The messages of gRPC's reflection service, as far as they are needed here: `grpc.reflection.v1`, which
//! has the same form as `grpc.reflection.v1alpha`.

use prost::{Message, Oneof};

/// One question.
#[derive(Clone, PartialEq, Message)]
pub(super) struct ServerReflectionRequest {
    #[prost(string, tag = "1")]
    pub(super) host: String,
    #[prost(oneof = "Question", tags = "3, 4")]
    pub(super) message_request: Option<Question>,
}

/// What is asked.
#[derive(Clone, PartialEq, Oneof)]
pub(super) enum Question {
    /// The file of this name.
    #[prost(string, tag = "3")]
    FileByFilename(String),
    /// The file that declares this service.
    #[prost(string, tag = "4")]
    FileContainingSymbol(String),
}

/// One answer.
#[derive(Clone, PartialEq, Message)]
pub(super) struct ServerReflectionResponse {
    #[prost(oneof = "Reply", tags = "4, 7")]
    pub(super) message_response: Option<Reply>,
}

/// What is answered.
#[derive(Clone, PartialEq, Oneof)]
pub(super) enum Reply {
    /// Files, often with those that they import.
    #[prost(message, tag = "4")]
    Files(FileDescriptorResponse),
    /// There is none.
    #[prost(message, tag = "7")]
    Error(ErrorResponse),
}

/// Files.
#[derive(Clone, PartialEq, Message)]
pub(super) struct FileDescriptorResponse {
    /// Each an encoded `FileDescriptorProto`.
    #[prost(bytes = "vec", repeated, tag = "1")]
    pub(super) file_descriptor_proto: Vec<Vec<u8>>,
}

/// Why there is no file.
#[derive(Clone, PartialEq, Message)]
pub(super) struct ErrorResponse {
    /// A gRPC status.
    #[prost(int32, tag = "1")]
    pub(super) error_code: i32,
    #[prost(string, tag = "2")]
    pub(super) error_message: String,
}
