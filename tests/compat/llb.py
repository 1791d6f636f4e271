"""A definition for stdin, written field by field: an image and one command that runs in it."""
import hashlib


def _number(value):
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes(out + bytes([value]))


def field(number, value):
    if isinstance(value, int):
        return _number(number << 3) + _number(value)
    data = value.encode() if isinstance(value, str) else value
    return _number(number << 3 | 2) + _number(len(data)) + data


def _digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def definition(image, command):
    platform = field(10, field(1, "amd64") + field(2, "linux"))
    source = field(3, field(1, f"docker-image://{image}")) + platform
    meta = b"".join(field(1, word) for word in ("sh", "-c", command)) + field(2, "PATH=/bin:/usr/bin") + field(3, "/")
    step = field(1, field(1, _digest(source))) + field(2, field(1, meta) + field(2, field(3, "/"))) + platform
    last = field(1, field(1, _digest(step)))
    metadata = b"".join(field(2, field(1, _digest(op)) + field(2, b"")) for op in (source, step, last))
    return b"".join(field(1, op) for op in (source, step, last)) + metadata
