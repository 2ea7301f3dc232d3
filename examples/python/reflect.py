"""Asks a server what it offers and then for a clip of one chunk: by reflection, without the proto file.

    reflect.py localhost:50051

As grpcurl does it:

    grpcurl -plaintext localhost:50051 describe videodiffcr.v1.VideoGenerationService
    grpcurl -plaintext -d '{"config": {"prompt": "a red circle moves right", "length_chunks": 1}}' \\
      localhost:50051 videodiffcr.v1.VideoGenerationService/GenerateVideo

Needs the package grpcio-reflection.
"""
import sys

import grpc
from google.protobuf import descriptor_pool, json_format, message_factory
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

SERVICE = "videodiffcr.v1.VideoGenerationService"


def main():
    server = sys.argv[1] if len(sys.argv) > 1 else "localhost:50051"
    with grpc.insecure_channel(server, options=[("grpc.enable_http_proxy", 0)]) as channel:
        pool = descriptor_pool.DescriptorPool(ProtoReflectionDescriptorDatabase(channel))
        service = pool.FindServiceByName(SERVICE)
        for method in service.methods:
            print(f"{method.name}({method.input_type.name}) returns {method.output_type.name}")
        method = service.FindMethodByName("GenerateVideo")
        request = json_format.ParseDict({"config": {"prompt": "a red circle moves right", "lengthChunks": 1}},
                                        message_factory.GetMessageClass(method.input_type)())
        answer = message_factory.GetMessageClass(method.output_type)
        call = channel.unary_stream(f"/{SERVICE}/GenerateVideo", type(request).SerializeToString, answer.FromString)
        for response in call(request):
            print(response.WhichOneof("response"))


if __name__ == "__main__":
    main()
