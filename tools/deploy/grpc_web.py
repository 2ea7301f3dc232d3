"""gRPC-Web as a browser speaks it: HTTP/1.1 and frames in its body."""
import http.client
import struct

TRAILERS = 0x80


class Answer:
    """messages: (when it came, its bytes), in order. trailers: by lower-case name."""

    def __init__(self):
        self.messages, self.trailers, self.content_type = [], {}, ""


def read_exactly(response, count):
    """http.client.HTTPResponse.read() returns less only at the end."""
    data = response.read(count)
    if len(data) < count:
        raise EOFError("the answer ends within a frame")
    return data


def call(address, path, request, clock):
    """`address`: "host:port". `clock`: says when a message has come."""
    connection = http.client.HTTPConnection(address, timeout=120)
    answer = Answer()
    try:
        connection.request("POST", path, body=b"\x00" + struct.pack(">I", len(request)) + request,
                           headers={"Content-Type": "application/grpc-web+proto", "Accept": "application/grpc-web+proto", "X-Grpc-Web": "1"})
        response = connection.getresponse()
        answer.content_type = response.getheader("content-type", "")
        if response.status != 200:
            raise OSError(f"HTTP status {response.status}")
        # A call that is refused before its first message has its trailers in the headers.
        answer.trailers = {name.lower(): value for name, value in response.getheaders() if name.lower().startswith("grpc-")}
        while True:
            head = response.read(5)
            if not head:
                return answer
            flag, length = head[0], struct.unpack(">I", head[1:])[0]
            body = read_exactly(response, length)
            if flag & TRAILERS:
                lines = body.decode().strip().split("\r\n")
                answer.trailers.update({name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)})
            else:
                answer.messages.append((clock(), body))
    finally:
        connection.close()
