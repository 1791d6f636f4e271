"""A client's content store for the daemon: blobs by digest, written and read through the session.

The one service whose answers follow from what the daemon sends, not from the transcript: blobs are packed by other libraries.
"""
import grpc

from . import messages


class Store:
    def __init__(self):
        self.blobs, self.last_manifest = {}, None

    def answer(self, method, played, context, side):
        _, response = messages.method_types(method)
        if method.endswith("/Write"):
            yield from self.write(response, played, context, side)
            return
        request = played.received[0]
        digest = request["digest"]
        data = self.blobs.get(digest)
        if data is None:
            context.abort(grpc.StatusCode.NOT_FOUND, f"content {digest}: not found")
        if method.endswith("/Info"):
            message = response()
            message.info.digest, message.info.size = digest, len(data)
            yield message
        else:
            begin = int(request.get("offset", 0))
            end = begin + int(request.get("size", 0)) or len(data)
            for at in range(begin, end, 1 << 20):
                yield response(offset=at, data=data[at:min(at + (1 << 20), end)])

    def write(self, response, played, context, side):
        data, index = b"", 0
        while True:
            side.wait(lambda: len(played.received) > index or getattr(played, "half_closed", False) or played.closed, "a write to the content store")
            if len(played.received) <= index:
                return
            request, index = played.received[index], index + 1
            action = request.get("action", "STAT")
            if request.get("expected") in self.blobs:
                context.abort(grpc.StatusCode.ALREADY_EXISTS, f"content {request['expected']}: already exists")
            data += request.get("data", b"")
            answer = response(offset=len(data), total=int(request.get("total", 0)))
            if action == "COMMIT":
                answer.digest = messages.digest(data)
                self.blobs[answer.digest] = data
                if b'"layers"' in data[:4096] and data[:1] == b"{":
                    self.last_manifest = answer.digest
            answer.action = response.DESCRIPTOR.fields_by_name["action"].enum_type.values_by_name[action].number
            yield answer
