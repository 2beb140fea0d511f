"""A gRPC server for the tests: `server.py FOLDER v1|v1alpha|none`.

Compiles feed.proto into FOLDER (code, and the descriptor set feed.pb), listens on a free port of the
loopback, prints it, and serves until its standard input ends.
"""

import os
import sys
from concurrent import futures

import grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2
from grpc_tools import protoc

FOLDER, REFLECTION = sys.argv[1:3]
HERE = os.path.dirname(os.path.abspath(__file__))

compiled = protoc.main([
    "protoc", f"-I{HERE}", f"--python_out={FOLDER}", f"--grpc_python_out={FOLDER}",
    "--include_imports", f"--descriptor_set_out={FOLDER}/feed.pb",
    "feed.proto", "common/user.proto",
])
if compiled != 0:
    sys.exit(compiled)
sys.path.insert(0, FOLDER)

import feed_pb2  # noqa: E402
import feed_pb2_grpc  # noqa: E402

CODES = {code.value[0]: code for code in grpc.StatusCode}


class Feed(feed_pb2_grpc.FeedServicer):
    def Get(self, request, context):
        if request.status:
            context.abort(CODES[request.status], "as asked")
        friends = ",".join(f"{friend.name}:{friend.number}" for friend in request.friends)
        weights = ",".join(f"{key}={request.weights[key]}" for key in sorted(request.weights))
        got = f"{request.page} {request.user.name} {friends} {weights} {request.order}"
        if got != "7 ann ben:1,cid:9007199254740993 a=-1,b=2 1":
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, got)
        return feed_pb2.GetReply(summary=got)


class Former:
    """Reflection answers one file at a time, so that imports must be asked for."""

    def __init__(self, inner):
        self.inner = inner

    def ServerReflectionInfo(self, requests, context):
        for answer in self.inner.ServerReflectionInfo(requests, context):
            files = answer.file_descriptor_response.file_descriptor_proto
            del files[1:]
            yield answer


server = grpc.server(futures.ThreadPoolExecutor(max_workers=4))
feed_pb2_grpc.add_FeedServicer_to_server(Feed(), server)
if REFLECTION == "v1alpha":
    reflection.enable_server_reflection(["feed.v1.Feed"], server)
elif REFLECTION == "v1":
    servicer = Former(reflection.ReflectionServicer(["feed.v1.Feed"]))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(
        "grpc.reflection.v1.ServerReflection",
        {"ServerReflectionInfo": grpc.stream_stream_rpc_method_handler(
            servicer.ServerReflectionInfo,
            request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
            response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
        )},
    ),))
port = server.add_insecure_port("127.0.0.1:0")
server.start()
print(port, flush=True)
sys.stdin.read()
server.stop(None)
