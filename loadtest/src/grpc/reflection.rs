//! Descriptors from the target's own reflection service.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;

use bytes::{Buf, Bytes, BytesMut};
use h2::client::SendRequest;
use h2::{RecvStream, SendStream};
use http::{HeaderMap, Method, Request, Uri, Version};
use prost::Message;
use prost_reflect::DescriptorPool;
use prost_reflect::prost_types::FileDescriptorProto;

use super::encode::prefixed;
use super::messages::{Question, Reply, ServerReflectionRequest, ServerReflectionResponse};
use super::{DESCRIPTOR_BYTES_MAX, DESCRIPTOR_FILES_MAX, GrpcError, REFLECTION_TIMEOUT};
use crate::h2::carrier::{Carrier, Encryption};

/// The service in its present and its former name, tried in this order.
const SERVICES: [&str; 2] = [
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
];
/// The status of a method that a server does not have.
const UNIMPLEMENTED: &str = "12";

/// Who is asked.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) address: SocketAddr,
    pub(super) encryption: Option<Encryption>,
    pub(super) scheme: &'static str,
    pub(super) authority: String,
}

/// What can go wrong between question and answer.
enum Trouble {
    /// The server has no such reflection service.
    Unimplemented,
    /// It does not know a symbol or a file.
    Unknown { wanted: String, cause: String },
    /// Anything else.
    Other(String),
}

impl From<h2::Error> for Trouble {
    fn from(error: h2::Error) -> Self {
        Trouble::Other(error.to_string())
    }
}

impl From<http::Error> for Trouble {
    fn from(error: http::Error) -> Self {
        Trouble::Other(error.to_string())
    }
}

/// Asks for the files of services and everything that they import. Blocks; works within a runtime too.
pub(super) fn ask(asked: Asked, services: BTreeSet<String>) -> Result<DescriptorPool, GrpcError> {
    let address = asked.address;
    let other = |cause: String| GrpcError::Reflection { address, cause };
    // A thread of its own, because a runtime cannot be started inside another.
    let asking = std::thread::Builder::new()
        .name("reflection".to_owned())
        .spawn(move || -> Result<_, std::io::Error> {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            Ok(runtime.block_on(async {
                tokio::time::timeout(REFLECTION_TIMEOUT, ask_both(&asked, &services))
                    .await
                    .unwrap_or_else(|_| {
                        let seconds = REFLECTION_TIMEOUT.as_secs();
                        Err(Trouble::Other(format!("no answer within {seconds} s")))
                    })
            }))
        })?;
    let files = asking
        .join()
        .map_err(|_| other("the asking thread broke".to_owned()))??
        .map_err(|trouble| match trouble {
            Trouble::Unimplemented => other("it has no reflection service".to_owned()),
            Trouble::Unknown { wanted, cause } => GrpcError::Unknown { wanted, cause },
            Trouble::Other(cause) => other(cause),
        })?;
    let mut pool = DescriptorPool::new();
    pool.add_file_descriptor_protos(files)
        .map_err(|error| GrpcError::Descriptors {
            origin: format!("the reflection service of {address}"),
            cause: error.to_string(),
        })?;
    Ok(pool)
}

async fn ask_both(
    asked: &Asked,
    services: &BTreeSet<String>,
) -> Result<Vec<FileDescriptorProto>, Trouble> {
    let carrier = Carrier::connect(asked.address, asked.encryption.as_ref())
        .await
        .map_err(|failure| Trouble::Other(format!("connecting failed ({})", failure.word())))?;
    let (sender, connection) = h2::client::handshake(carrier).await?;
    let driver = tokio::spawn(connection);
    let mut last = Err(Trouble::Unimplemented);
    for name in SERVICES {
        last = files(asked, sender.clone(), name, services).await;
        if !matches!(last, Err(Trouble::Unimplemented)) {
            break;
        }
    }
    driver.abort();
    last
}

/// Collects files until nothing that one of them imports is missing.
async fn files(
    asked: &Asked,
    sender: SendRequest<Bytes>,
    name: &str,
    services: &BTreeSet<String>,
) -> Result<Vec<FileDescriptorProto>, Trouble> {
    let mut wanted: VecDeque<Question> = services
        .iter()
        .cloned()
        .map(Question::FileContainingSymbol)
        .collect();
    let mut found: BTreeMap<String, FileDescriptorProto> = BTreeMap::new();
    let mut imports = BTreeSet::new();
    let mut talk: Option<Talk> = None;
    while let Some(question) = wanted.pop_front() {
        if let Question::FileByFilename(file) = &question
            && found.contains_key(file)
        {
            continue;
        }
        let talk = match &mut talk {
            Some(talk) => talk,
            none => none.insert(Talk::open(asked, sender.clone(), name).await?),
        };
        for file in talk.ask(question).await? {
            for import in &file.dependency {
                if imports.insert(import.clone()) {
                    wanted.push_back(Question::FileByFilename(import.clone()));
                }
            }
            found.insert(file.name().to_owned(), file);
        }
        if found.len() + imports.len() > DESCRIPTOR_FILES_MAX * 2 {
            let cause = format!("more than {DESCRIPTOR_FILES_MAX} files");
            return Err(Trouble::Other(cause));
        }
    }
    Ok(found.into_values().collect())
}

/// One stream of questions and answers.
struct Talk {
    questions: SendStream<Bytes>,
    answers: Answers,
}

/// The answers, which begin with the first one.
enum Answers {
    Awaited(h2::client::ResponseFuture),
    Coming { stream: RecvStream, rest: BytesMut },
}

impl Talk {
    async fn open(asked: &Asked, sender: SendRequest<Bytes>, name: &str) -> Result<Self, Trouble> {
        let uri = Uri::builder()
            .scheme(asked.scheme)
            .authority(asked.authority.as_str())
            .path_and_query(format!("/{name}/ServerReflectionInfo"))
            .build()?;
        let request = Request::builder()
            .method(Method::POST)
            .uri(uri)
            .version(Version::HTTP_2)
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .header("user-agent", "rampart")
            .body(())?;
        let (response, questions) = sender.ready().await?.send_request(request, false)?;
        Ok(Talk {
            questions,
            answers: Answers::Awaited(response),
        })
    }

    async fn ask(&mut self, question: Question) -> Result<Vec<FileDescriptorProto>, Trouble> {
        let wanted = match &question {
            Question::FileByFilename(name) | Question::FileContainingSymbol(name) => name.clone(),
        };
        let request = ServerReflectionRequest {
            host: String::new(),
            message_request: Some(question),
        };
        self.questions.send_data(prefixed(&request), false)?;
        let answer = self.answers.next().await?;
        match answer.message_response {
            Some(Reply::Files(files)) => files
                .file_descriptor_proto
                .iter()
                .map(|file| {
                    FileDescriptorProto::decode(file.as_slice())
                        .map_err(|error| Trouble::Other(error.to_string()))
                })
                .collect(),
            Some(Reply::Error(error)) => Err(Trouble::Unknown {
                wanted,
                cause: format!("{} (status {})", error.error_message, error.error_code),
            }),
            None => Err(Trouble::Other(format!("no answer about `{wanted}`"))),
        }
    }
}

impl Answers {
    async fn next(&mut self) -> Result<ServerReflectionResponse, Trouble> {
        loop {
            match self {
                Answers::Awaited(response) => {
                    let (head, stream) = response.await?.into_parts();
                    refuse(head.status, &head.headers)?;
                    *self = Answers::Coming {
                        stream,
                        rest: BytesMut::new(),
                    };
                }
                Answers::Coming { stream, rest } => {
                    if let Some(message) = split(rest)? {
                        return ServerReflectionResponse::decode(message)
                            .map_err(|error| Trouble::Other(error.to_string()));
                    }
                    let Some(piece) = stream.data().await.transpose()? else {
                        let trailers = stream.trailers().await?.unwrap_or_default();
                        refuse(http::StatusCode::OK, &trailers)?;
                        return Err(Trouble::Other("it hung up".to_owned()));
                    };
                    stream.flow_control().release_capacity(piece.len())?;
                    rest.extend_from_slice(&piece);
                }
            }
        }
    }
}

/// Takes one whole message off the front.
fn split(rest: &mut BytesMut) -> Result<Option<Bytes>, Trouble> {
    let Some((prefix, _)) = rest.split_first_chunk::<5>() else {
        return Ok(None);
    };
    let [compressed, length @ ..] = *prefix;
    let length = u32::from_be_bytes(length) as usize;
    if compressed != 0 {
        return Err(Trouble::Other("its answer is compressed".to_owned()));
    }
    if length > DESCRIPTOR_BYTES_MAX {
        let cause = format!("its answer is larger than {DESCRIPTOR_BYTES_MAX} bytes");
        return Err(Trouble::Other(cause));
    }
    if rest.len() < 5 + length {
        return Ok(None);
    }
    rest.advance(5);
    Ok(Some(rest.split_to(length).freeze()))
}

/// An answer that says that there will be no answers.
fn refuse(status: http::StatusCode, headers: &HeaderMap) -> Result<(), Trouble> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    match text("grpc-status") {
        _ if status != http::StatusCode::OK => {
            Err(Trouble::Other(format!("it answered with HTTP {status}")))
        }
        None | Some("0") => Ok(()),
        Some(UNIMPLEMENTED) => Err(Trouble::Unimplemented),
        Some(other) => Err(Trouble::Other(format!(
            "it answered with gRPC status {other} {}",
            text("grpc-message").unwrap_or_default()
        ))),
    }
}
