"""Compares what came with what was recorded: names for what is random, and one short list of what depends on the machine."""
import base64
import json
import re
import secrets

from . import messages

# What depends on the machine or the moment, or differs on purpose (docs/compatibility.md, "Conversations"): values at these places are not compared.
FREE = re.compile("|".join((
    r"/BuildkitVersion$|/buildkitVersion$",                # each program has its own
    r"/platforms$",                                        # what this processor and its emulators run
    r"/GCPolicy$",                                         # follows the disk's size
    r"Labels/org\.mobyproject\.buildkit\.worker\.(hostname|snapshotter|network)$",
    r"/(Size|numCachedSteps|numTotalSteps|numCompletedSteps)$",
    r"Stat(us)?/.*/(total|current)$",                      # bytes of blobs, which another library packed; compared where they are of files
    r"/Generation$",
    r"LLBBridge/ReadDir/end/message$",                     # names a place of the daemon's machine
)))
CAPS = re.compile(r"/(LLBCaps|FrontendAPICaps)$")
IMAGE, LAYER = re.compile(r"\bFROM |docker-image://"), re.compile(r"(extracting )?sha256:|downloading |uploading |naming to ")
# Headers that are not compared: traces and leases of the sender, deadlines that count what is left, what the transport adds.
FREE_HEADERS = re.compile(r"^(traceparent|tracestate|containerd-lease|grpc-timeout|user-agent|grpc-accept-encoding|accept-encoding|te|content-type|trailer|baggage|date|grpc-internal.*)$")
# Lists without an order.
SETS = re.compile(r"/(details|record|records|vertexes|statuses|logs|warnings|LLBCaps|FrontendAPICaps|ranges|events)$")
HOPS = re.compile(r"rpc error: code = \w+ desc = ")  # errors of sessions come in their own words, without the name of each hop
NOT_ASKED = re.compile(r"HTTP_AUTH_\w+_buildkit-session")  # what the client uploads needs no credentials
CANCELLED = "context canceled"  # and what was under way then, which is a matter of the moment
WILD = {"$T", "$TNS", "$DUR", "$HOST", "$VARIES", "$LEASE", "$TRACEPARENT", "$N"}
TOKEN = re.compile(r"\$[A-Z_]+\d*|sha256:[0-9a-f]{64}")


class Names:
    """What the names of a transcript, and its digests, stand for here; each name for one thing and each thing of one name."""

    def __init__(self, values, loose, invent=False):
        self.values = dict(values)
        self.invent = invent  # what is not known yet is made up: the daemon's part is played
        self.loose = loose  # digests follow from images that are not the recorded ones: any, but the same one each time

    def bind(self, name, value):
        self.values[name] = value

    def fill(self, text):
        def one(match):
            name = match.group()
            if name.startswith("sha256:"):
                return self.values.get(name, name)
            if "sha256:" + name in self.values:
                return self.values["sha256:" + name].partition(":")[2]
            if name not in self.values:
                if self.invent and name.startswith("$DIGEST"):
                    self.values["sha256:" + name] = "sha256:" + secrets.token_hex(32)
                    return self.values["sha256:" + name].partition(":")[2]
                if not re.match(r"\$(REF|SESSION|CONTAINER|PROCESS|ID)", name):
                    return name
                self.values[name] = secrets.token_hex(13)[:25]
            return self.values[name]
        return re.sub(r"sha256:\$DIGEST\d+", lambda match: self.values.get(match.group(), match.group()), TOKEN.sub(one, text) if "$" in text or "sha256:" in text else text)

    def same(self, recorded, actual):
        """Whether the text is the recorded one; learns what new names stand for."""
        recorded, actual = HOPS.sub("", recorded), HOPS.sub("", actual)
        if CANCELLED in recorded and CANCELLED in actual:
            return True
        if recorded == actual:
            return True
        pieces = re.split(r"(sha256:\$DIGEST\d+|\$[A-Z_]+\d*|sha256:[0-9a-f]{64})", recorded)
        if len(pieces) == 1:
            return False
        pattern, tokens = "", []
        for index, piece in enumerate(pieces):
            if index % 2 == 0:
                pattern += re.escape(piece)
                continue
            tokens.append(piece)
            pattern += "(sha256:[0-9a-f]{64})" if piece.startswith("sha256:") else "([0-9a-f]{64})" if piece.startswith("$DIGEST") else "(.*?)" if piece in WILD else "([^\"\\s]+?)"
        found = re.fullmatch(pattern, actual, re.DOTALL)
        if found is None:
            return False
        learnt = {}
        for token, value in zip(tokens, found.groups()):
            if token in WILD:
                continue
            if token.startswith("$DIGEST"):
                token, value = "sha256:" + token, "sha256:" + value
            known = self.values.get(token, learnt.get(token))
            if known is None and token.startswith("sha256:") and "$" not in token and not self.loose and value != token:
                return False
            if known is not None and known != value:
                return False
            learnt[token] = value
        self.values.update(learnt)
        return True


def differences(recorded, actual, names, path):
    """What differs, one line each; an empty list if nothing does."""
    if FREE.search(path) or "$VARIES" in (recorded, actual) or isinstance(recorded, str) and recorded in WILD:
        return []
    if isinstance(recorded, str) and recorded in ("$WORKERS", "$FRONTEND_CAPS", "$LLB_CAPS"):
        recorded = messages.support.CAPS[recorded]
    if isinstance(actual, bytes):
        return [] if same_bytes(recorded, actual, names, path) else [f"{path}: got {short(actual)}, want {short(recorded)}"]
    if isinstance(recorded, dict) and isinstance(actual, str):
        return [] if same_base64(recorded, actual, names, path) else [f"{path}: got {short(actual)}, want {short(recorded)}"]
    if isinstance(recorded, dict) and isinstance(actual, dict):
        return dict_differences(recorded, actual, names, path)
    if isinstance(recorded, list) and isinstance(actual, list):
        if path.endswith("/details"):
            recorded, actual = said(recorded), said(actual)
        return (set_differences if SETS.search(path) else list_differences)(recorded, actual, names, path)
    if isinstance(recorded, str) and isinstance(actual, str):
        if recorded.startswith("base64:"):
            return differences(json.loads(recorded[7:]), json.loads(base64.b64decode(actual)), names, path)
        if recorded[:1] in "[{" and actual[:1] == recorded[:1] and not names.same(recorded, actual):
            try:
                return differences(json.loads(recorded), json.loads(actual), names, path)
            except ValueError:
                pass
        return [] if names.same(recorded, actual) else [f"{path}: got {short(actual)}, want {short(names.fill(recorded))}"]
    return [] if recorded == actual else [f"{path}: got {short(actual)}, want {short(recorded)}"]


def short(value):
    text = value if isinstance(value, str) else repr(value) if isinstance(value, bytes) else json.dumps(value, default=repr)
    return text if len(text) < 300 else text[:300] + "…"


def same_bytes(recorded, actual, names, path):
    if isinstance(recorded, str):
        return names.same(recorded, actual.decode(errors="replace"))
    if "text" in recorded:
        return not differences(recorded["text"], actual.decode(errors="replace"), names, path)
    if "b64" in recorded:
        return recorded.get("varies") or base64.b64decode(recorded["b64"]) == actual
    return recorded["sha256"] == "$VARIES" or names.loose or messages.digest(actual) == "sha256:" + recorded["sha256"]


def same_base64(recorded, actual, names, path):
    if "base64_op" in recorded:
        return not differences(recorded["base64_op"], messages.plain_operation(base64.b64decode(actual)), names, path)
    if "base64_text" in recorded:
        return names.same(recorded["base64_text"], base64.b64decode(actual).decode(errors="replace"))
    return False


def dict_differences(recorded, actual, names, path):
    out = []
    rest = dict(actual)
    recorded = {key: value for key, value in recorded.items() if key not in ("len", "_error")} if "digest" in recorded else recorded
    if "op" in recorded and "digest" in recorded and "digest" in actual:  # an operation: its bytes are known by their digest
        out += differences(recorded["op"], actual.get("op"), names, path + "/op")
        return out + differences(recorded["digest"], actual["digest"], names, path + "/digest")
    for key, value in recorded.items():
        if key in ("def", "definition") and isinstance(value, list):
            out += differences(value, rest.pop(key, []), names, f"{path}/{key}")
    for key, value in recorded.items():
        if key in ("def", "definition") and isinstance(value, list):
            continue
        if FREE.search(f"{path}/{key}"):
            rest.pop(key, None)
            continue
        mine = key if key in rest else names.fill(key)
        if mine not in rest:
            mine = next((one for one in rest if one not in recorded and names.same(key, one)), None)
        if mine is None:
            out.append(f"{path}/{key}: missing, want {short(value)}")
        else:
            out += differences(value, rest.pop(mine), names, f"{path}/{key}")
    return out + [f"{path}/{key}: not expected: {short(value)}" for key, value in rest.items() if not FREE.search(f"{path}/{key}")]


def list_differences(recorded, actual, names, path):
    out = [one for index, (want, got) in enumerate(zip(recorded, actual)) for one in differences(want, got, names, f"{path}/{index}")]
    out += [f"{path}: missing {short(one)}" for one in recorded[len(actual):]]
    return out + [f"{path}: not expected: {short(one)}" for one in actual[len(recorded):]]


def set_differences(recorded, actual, names, path):
    """Each of the recorded ones takes the first that is the same; what is left is told of, by the pair that is nearest."""
    rest, unmet = list(actual), []
    if path.endswith("/logs") and any("$VARIES" in one["text"] for one in recorded):  # two streams of one process, mixed as it fell
        steady = [one for one in recorded if "$VARIES" not in one["text"]]
        return [one for one in set_differences(steady, actual, names, path) if "not expected" not in one]
    for want in recorded:
        before = dict(names.values)
        for index, got in enumerate(rest):
            if not differences(want, got, names, path):
                del rest[index]
                break
            names.values = dict(before)
        else:
            unmet.append(want)
    out = []
    if CAPS.search(path):  # what is not built is not offered; what is offered has to be the recorded
        unmet = []
    for want in unmet:
        best, found = None, [f"{path}: missing {short(want)}"]
        for index, got in enumerate(rest):
            before = dict(names.values)
            these = differences(want, got, names, path)
            names.values = before
            if alike(want, got, names) and (best is None or len(these) < len(found)):
                best, found = index, these
        if best is not None:
            del rest[best]
        out += found
    return out + [f"{path}: not expected: {short(one)}" for one in rest]


def alike(want, got, names):
    """Whether two of a set are about the same thing."""
    if not isinstance(want, dict) or not isinstance(got, dict):
        return False
    return any(key in want and key in got and names.fill(str(want[key])) == str(got[key]) for key in ("name", "ID", "Description", "Ref"))


def said(details):
    """Typed details but for those that say nothing: places in the sender's program, an empty account of a solve."""
    return [one for one in details if not one["type_url"].endswith("/stack.Stack+json") and not (one["type_url"].endswith("/errdefs.Solve+json") and one.get("value_json") == {})]


def without_places(status):
    """The end of a call as far as it is compared."""
    out = dict(status, details=said(status.get("details", [])))
    out.pop("details_code", None)
    if out.get("code") == 12:  # the transport's own words for what is not served
        out.pop("message", None)
    return out


def sum_of_status(parts):
    """What a Status stream adds up to: the last state of each vertex and of each of its tasks, logs in one piece a stream, warnings."""
    vertices, statuses, logs, warnings = {}, {}, {}, []
    for part in parts:
        for one in part.get("vertexes", []):
            vertices.setdefault(one["digest"], {}).update(one)
        for one in part.get("statuses", []):
            statuses.setdefault((one.get("vertex"), one.get("ID")), {}).update(one)
        for one in part.get("logs", []):
            text = one.get("msg", b"")
            text = text if isinstance(text, bytes) else messages.raw(text)
            key = (one.get("vertex"), one.get("stream"))
            logs[key] = logs.get(key, b"") + text
        warnings += part.get("warnings", [])
    logs = {key: text for key, text in logs.items() if "git source" not in vertices.get(key[0], {}).get("name", "")}  # git's own words
    for one in vertices.values():  # whether layers of images are in the store follows from what was built before
        if IMAGE.search(one.get("name", "")):
            one.pop("cached", None)
    tasks = [one for (_, name), one in statuses.items() if not LAYER.match(name or "")]
    return {"vertexes": list(vertices.values()), "statuses": tasks, "warnings": warnings,
            "logs": [{"vertex": vertex, "stream": stream or "0", "text": text.decode(errors="replace")} for (vertex, stream), text in logs.items()]}


def sum_of_packets(packets):
    """A file transfer: entries in their order, bytes of each file in one piece, questions in no order."""
    stats, data, requests, others = [], {}, [], []
    for one in packets:
        kind = one.get("type", "PACKET_STAT")
        if kind == "PACKET_STAT":
            stats.append(one.get("stat", {}))
        elif kind == "PACKET_DATA":
            value = one.get("data", b"")
            data[one.get("ID", 0)] = data.get(one.get("ID", 0), b"") + (value if isinstance(value, bytes) else messages.raw(value))
        elif kind == "PACKET_REQ":
            requests.append(one.get("ID", 0))
        elif kind != "PACKET_FIN":  # a transfer that did not end so ends in an error
            others.append(one)
    return {"stats": stats, "data": [[key, len(value)] for key, value in sorted(data.items())], "requests": sorted(requests), "errors": others}


def sum_of_processes(parts):
    """What processes of a container said: each stream in one piece, ends as they came."""
    out = {}
    for one in parts:
        mine = out.setdefault(one.get("ProcessID", ""), {"events": [], "files": {}})
        file = one.get("File")
        if file is None:
            mine["events"].append({key: value for key, value in one.items() if key != "ProcessID"})
            continue
        fd = str(file.get("Fd", 0))
        value = file.get("Data", b"")
        mine["files"][fd] = mine["files"].get(fd, "") + (value if isinstance(value, bytes) else messages.raw(value)).decode(errors="replace") + ("<EOF>" if file.get("EOF") else "")
    return {"records": [{"ID": key, **value} for key, value in out.items()]}


def messages_of(method, recorded, actual, names, path, side_by_side=False):
    """What differs between the messages of a call, as far as their sender is not free in them.

    Builds that run side by side share steps: which of them is told of a step's tasks, and who finds it cached, is as it falls.
    """
    if method.endswith("/Status"):
        recorded, actual = sum_of_status(recorded), sum_of_status(actual)
        for sums in (recorded, actual):  # tasks of steps that failed or were cut are told of or not, as it falls
            failed = {one["digest"] for one in sums["vertexes"] if "error" in one or "completed" not in one}
            sums["statuses"] = [] if side_by_side else [one for one in sums["statuses"] if one.get("vertex") not in failed]
            for one in sums["vertexes"] if side_by_side else ():
                one.pop("cached", None)
    elif method.rstrip("!").endswith("LLBBridge/Return"):  # a failed build's error, as ends of calls are compared
        recorded, actual = ([dict(one, error=without_places(one["error"])) if "error" in one else one for one in side] for side in (recorded, actual))
    elif method.endswith("/ExecProcess"):
        recorded, actual = sum_of_processes(recorded), sum_of_processes(actual)
    elif ".Content/" in method or method.endswith("ForwardAgent") or any("data" in one and "type" not in one for one in recorded + actual if method.endswith("DiffCopy")):
        recorded, actual = bool(recorded), bool(actual)  # bytes of archives and blobs, in pieces that are the sender's choice
    elif method.endswith("/DiffCopy"):
        recorded, actual = sum_of_packets(recorded), sum_of_packets(actual)
    elif method.endswith(("/Prune", "/DiskUsage")):
        recorded, actual = keys_of_records(recorded), keys_of_records(actual)
    elif method.endswith("/ListenBuildHistory"):  # other builds have other records, and those in no order
        recorded = [one for one in recorded if one["record"]["Ref"].startswith("$REF")]
        mine = {names.values.get(one["record"]["Ref"]) for one in recorded}
        recorded, actual = {"records": recorded}, {"records": [one for one in actual if one["record"]["Ref"] in mine]}
    return differences(recorded, actual, names, path)


def keys_of_records(parts):
    """Of what lies in the cache, which follows from the machine and what was built before: the fields that records have."""
    records = [record for part in parts for record in part.get("record", [part])]
    return sorted({key for record in records for key in record} - {"Parents", "InUse", "Shared", "RecordType"})


def headers(recorded, actual, names, path):
    want = {key: value for key, value in (recorded or {}).items() if not FREE_HEADERS.match(key)}
    got = {}
    for key, value in actual or ():
        if not FREE_HEADERS.match(key):
            got.setdefault(key, []).append(value)
    for values in (want, got):  # a method of the health service that nobody calls
        values.update({key: [one for one in value if one != "/grpc.health.v1.Health/List"] for key, value in values.items()})
    return differences({key: sorted(value) for key, value in want.items()}, {key: sorted(value) for key, value in got.items()}, names, path + "/headers")
