"""A gRPC client that knows nothing of Eidetic: it learns services and messages
through server reflection (grpc.reflection.v1alpha), with Debian's python3-grpcio
and python3-protobuf alone.
"""

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_REFLECTION = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"


def _reflection_messages():
    """The few fields of reflection.proto that a client needs."""
    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="reflection.proto", package="grpc.reflection.v1alpha",
                                              syntax="proto3")
    prefix = ".grpc.reflection.v1alpha."

    def message(name, *fields):
        described = file.message_type.add(name=name)
        for field_name, number, kind, label, type_name in fields:
            described.field.add(name=field_name, number=number, type=kind, label=label,
                                type_name=prefix + type_name if type_name else None)

    one, many = field.LABEL_OPTIONAL, field.LABEL_REPEATED
    message("ServerReflectionRequest",
            ("file_containing_symbol", 4, field.TYPE_STRING, one, None),
            ("list_services", 7, field.TYPE_STRING, one, None))
    message("FileDescriptorResponse", ("file_descriptor_proto", 1, field.TYPE_BYTES, many, None))
    message("ServiceResponse", ("name", 1, field.TYPE_STRING, one, None))
    message("ListServiceResponse", ("service", 1, field.TYPE_MESSAGE, many, "ServiceResponse"))
    message("ServerReflectionResponse",
            ("file_descriptor_response", 4, field.TYPE_MESSAGE, one, "FileDescriptorResponse"),
            ("list_services_response", 6, field.TYPE_MESSAGE, one, "ListServiceResponse"))
    # Fields of a oneof are told from absent ones only when the message says so.
    for described in file.message_type:
        if described.name in ("ServerReflectionRequest", "ServerReflectionResponse"):
            described.oneof_decl.add(name="choice")
            for item in described.field:
                item.oneof_index = 0
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    factory = message_factory.MessageFactory(pool)
    return (factory.GetPrototype(pool.FindMessageTypeByName("grpc.reflection.v1alpha.ServerReflectionRequest")),
            factory.GetPrototype(pool.FindMessageTypeByName("grpc.reflection.v1alpha.ServerReflectionResponse")))


class ReflectionClient:
    """Calls any method of a server by name: client.call("pkg.Service/Method", {...})."""

    def __init__(self, address):
        self.channel = grpc.insecure_channel(address, options=[("grpc.max_receive_message_length", -1)])
        self._request, self._response = _reflection_messages()
        self._pool = descriptor_pool.DescriptorPool()
        self._factory = message_factory.MessageFactory(self._pool)
        self._known_files = set()

    def close(self):
        self.channel.close()

    def _ask(self, **fields):
        stream = self.channel.stream_stream(_REFLECTION, self._request.SerializeToString,
                                            self._response.FromString)
        return next(iter(stream(iter([self._request(**fields)]), timeout=10)))

    def services(self):
        return [s.name for s in self._ask(list_services="").list_services_response.service]

    def _load(self, symbol):
        files = {}
        for blob in self._ask(file_containing_symbol=symbol).file_descriptor_response.file_descriptor_proto:
            parsed = descriptor_pb2.FileDescriptorProto.FromString(blob)
            files[parsed.name] = parsed

        def add(name):
            if name in self._known_files:
                return
            for dependency in files[name].dependency:
                add(dependency)
            self._known_files.add(name)
            self._pool.Add(files[name])

        for name in files:
            add(name)

    def _method(self, name):
        service, method = name.split("/")
        try:
            described = self._pool.FindServiceByName(service)
        except KeyError:
            self._load(service)
            described = self._pool.FindServiceByName(service)
        found = described.methods_by_name[method]
        return self._factory.GetPrototype(found.input_type), self._factory.GetPrototype(found.output_type)

    def message(self, method):
        """The request class of a method."""
        return self._method(method)[0]

    def call(self, method, timeout=60, **fields):
        request, response = self._method(method)
        invoke = self.channel.unary_unary(f"/{method}", request.SerializeToString, response.FromString)
        return invoke(request(**fields), timeout=timeout)

    def call_with_stream(self, method, items, timeout=120):
        """A client stream: `items` are dictionaries of request fields."""
        request, response = self._method(method)
        invoke = self.channel.stream_unary(f"/{method}", request.SerializeToString, response.FromString)
        return invoke((request(**item) for item in items), timeout=timeout)

    def call_for_stream(self, method, timeout=300, **fields):
        """A server stream, as an iterator."""
        request, response = self._method(method)
        invoke = self.channel.unary_stream(f"/{method}", request.SerializeToString, response.FromString)
        return invoke(request(**fields), timeout=timeout)
