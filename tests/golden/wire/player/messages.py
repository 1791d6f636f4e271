"""Recorded messages and real ones: JSON of the transcripts ⇄ protocol messages of proto/api.

`make` turns what a transcript says into a message (names replaced by `names.fill`); `plain` turns a message into the transcripts' form,
with bytes as bytes and with graphs as operations.
"""
import base64
import functools
import hashlib
import json
import time

from google.protobuf import descriptor_pool
from google.protobuf.descriptor import FieldDescriptor as Field
from google.protobuf.internal import encoder
from google.protobuf.message import DecodeError

from . import support

pool = descriptor_pool.Default()
for file in sorted((support.TOP / "proto/api").rglob("*.proto")):
    support.api._module(".".join(file.relative_to(support.TOP / "proto/api").with_suffix("").parts) + "_pb2")
pb, Status = support.api.pb, pool.FindMessageTypeByName("google.rpc.Status")._concrete_class
Packet = pool.FindMessageTypeByName("fsutil.types.Packet")._concrete_class
Any = pool.FindMessageTypeByName("google.protobuf.Any")._concrete_class


@functools.cache
def method_types(path):
    """(request, response) of "/package.Service/Method"."""
    service, _, method = path[1:].rpartition("/")
    found = pool.FindMethodByName(f"{service}.{method}")
    return found.input_type._concrete_class, found.output_type._concrete_class


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def is_map(field):
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def is_list(field):
    return field.label == Field.LABEL_REPEATED


# ---- bytes of operations ----

def go_bytes(message):
    """As Go clients write operations: members of a oneof after all other fields, each in order of numbers."""
    def order(item):
        field = item[0]
        group = field.containing_oneof
        real = group is not None and not (len(group.fields) == 1 and group.name.startswith("_"))
        return real, field.number

    out = b""
    for field, value in sorted(message.ListFields(), key=order):
        if field.message_type is not None and not is_map(field):
            for one in value if is_list(field) else [value]:
                data = go_bytes(one)
                out += encoder._VarintBytes(field.number << 3 | 2) + encoder._VarintBytes(len(data)) + data
            continue
        alone = type(message)()
        if is_map(field) and field.message_type.fields_by_name["value"].message_type is not None or isinstance(value, (list, dict)):
            for key in value:
                getattr(alone, field.name)[key].CopyFrom(value[key])
        elif is_map(field):
            getattr(alone, field.name).update(value)
        elif is_list(field):
            getattr(alone, field.name).extend(value)
        else:
            setattr(alone, field.name, value)
        out += alone.SerializeToString(deterministic=True)
    return out


# ---- recorded → real ----

def raw(value):
    """A bytes field; of a long one only the first bytes are recorded, the rest is nought."""
    if isinstance(value, str):
        return value.encode()
    if "text" in value:
        return value["text"].encode()
    if "b64" in value:
        return base64.b64decode(value["b64"])
    head = value["head_text"].encode() if "head_text" in value else base64.b64decode(value["head"] + "===")
    return head + bytes(value["len"] - len(head))


def make(cls, recorded, names):
    message = cls()
    if cls.DESCRIPTOR.full_name == "pb.Definition":
        recorded = dict(recorded, **{"def": [operation(one, names) for one in recorded.get("def", [])]})
    if cls.DESCRIPTOR.full_name == "google.protobuf.Any" and "value_json" in recorded:
        value = {} if recorded["value_json"] == "$STACK" else json_of_details(recorded["value_json"], names)
        return cls(type_url=recorded["type_url"], value=json.dumps(value).encode())
    if cls.DESCRIPTOR.full_name == "google.protobuf.Timestamp":
        (message.GetCurrentTime if recorded.startswith("$") else functools.partial(message.FromJsonString, recorded))()
        return message
    for key, value in recorded.items():
        if key == "_spans":
            continue
        field = next(one for one in cls.DESCRIPTOR.fields if key in (one.json_name, one.name))
        if isinstance(value, str) and is_list(field):
            value = support.CAPS[value]
        if is_map(field):
            target, kind = getattr(message, field.name), field.message_type.fields_by_name["value"]
            for name, one in value.items():
                if kind.message_type is not None:
                    target[names.fill(name)].CopyFrom(single(kind, one, names))
                else:
                    target[names.fill(name)] = single(kind, one, names)
        elif is_list(field):
            getattr(message, field.name).extend(single(field, one, names) for one in value)
        elif field.message_type is not None:
            getattr(message, field.name).CopyFrom(single(field, value, names))
        else:
            setattr(message, field.name, single(field, value, names))
    return message


def single(field, value, names):
    if isinstance(value, bytes):
        return value
    if field.message_type is not None:
        return make(field.message_type._concrete_class, value, names)
    if field.type == Field.TYPE_BYTES:
        data = raw(value)
        return names.fill(data.decode()).encode() if isinstance(value, dict) and "text" in value else data
    if field.type == Field.TYPE_ENUM:
        return value if isinstance(value, int) else field.enum_type.values_by_name[value].number
    if field.type == Field.TYPE_STRING:
        return names.fill(value)
    if isinstance(value, str):
        return time.time_ns() if value == "$TNS" else 1 if value.startswith("$") else int(value)
    return value


def operation(recorded, names):
    """The bytes of one operation of a graph; its new digest stands for the recorded one from now on."""
    if isinstance(recorded, dict) and "op" in recorded:
        data = go_bytes(make(pb.Op, recorded["op"], names))
        names.bind(recorded["digest"], digest(data))
        return data
    return raw(recorded)


def json_of_details(value, names):
    if isinstance(value, dict):
        if "base64_op" in value:
            return base64.b64encode(operation(value["base64_op"], names)).decode()
        if "base64_text" in value:
            return base64.b64encode(names.fill(value["base64_text"]).encode()).decode()
        made = {key: json_of_details(value[key], names) for key in sorted(value, key=lambda key: (key not in ("def", "definition"), key))}  # graphs name digests
        return {names.fill(key): made[key] for key in value}
    if isinstance(value, list):
        return [json_of_details(one, names) for one in value]
    return names.fill(value) if isinstance(value, str) else value


# ---- real → recorded ----

def plain(message):
    name = message.DESCRIPTOR.full_name
    if name == "google.protobuf.Timestamp":
        return "$T"
    if name == "google.protobuf.Any":
        return detail(message)
    out = {}
    for field, value in message.ListFields():
        if is_map(field):
            kind = field.message_type.fields_by_name["value"]
            out[field.json_name] = {str(key): plain_one(kind, value[key]) for key in value}
        elif is_list(field):
            out[field.json_name] = [plain_one(field, one) for one in value]
        else:
            out[field.json_name] = plain_one(field, value)
    if name == "pb.Definition" and "def" in out:
        out["def"] = [plain_operation(data) for data in out["def"]]
    return out


def plain_one(field, value):
    if field.message_type is not None:
        return plain(value)
    if field.type == Field.TYPE_ENUM:
        known = field.enum_type.values_by_number.get(value)
        return known.name if known else value
    if field.cpp_type in (Field.CPPTYPE_INT64, Field.CPPTYPE_UINT64):
        return str(value)
    return value


def plain_operation(data):
    op = pb.Op()
    try:
        op.ParseFromString(data)
    except DecodeError:
        return {"digest": digest(data), "b64": base64.b64encode(data).decode()}
    return {"digest": digest(data), "op": plain(op)}


def detail(message):
    """A typed detail of an error; JSON inside, graphs in it as operations, texts as texts."""
    try:
        return {"type_url": message.type_url, "value_json": json.loads(message.value)}
    except ValueError:
        return {"type_url": message.type_url, "value": message.value}


def status(code, message, trailing):
    """The end of a call in the transcripts' form: code, message and details, places in the sender's program left out."""
    out = {"code": code, "message": message} if message else {"code": code}
    for key, value in trailing or ():
        if key == "grpc-status-details-bin":
            parsed = Status()
            parsed.ParseFromString(value)
            out["details"] = [detail(one) for one in parsed.details]
            out["details_code"] = parsed.code
    return out
