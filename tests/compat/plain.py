"""What two runs of one command may differ in without being different: one short list of patterns, and the order of steps."""
import base64
import json
import re

# In this order. Ids, digests, times, sizes, rates, numbers of processes.
PATTERNS = (
    (r"sha256:[0-9a-f]{12,64}", "sha256:D"),
    (r"\b[0-9a-f]{64}\b", "D"),
    (r"\b[0-9a-z]{25}\b", "ID"),
    (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?( ?[+-]\d{4} UTC|Z|[+-]\d\d:\d\d)?( m=\S+)?", "TIME"),
    (r'"(seconds|nanos)":\d+', r'"\1":N'),
    (r"\b\d+(\.\d+)?(ms|µs|us|s)\b", "T"),
    (r"(?m)^(COMPLETE .*?)\s+$", r"\1"),
    (r"( T)? done\b", " done"),
    (r"(?m)^(#\d+ )?\d+\.\d{2,3} ", r"\1T "),
    (r' (spanID|traceID)="?[0-9a-f]+"?', ""),
    (r"(BuildKit|Dockerfile|Version):.*", r"\1: VERSION"),
    (r"\bbuildctl v?\d\S*|\bv0\.(0\.0\+unknown|99\.0)", "VERSION"),
    (r" size:\d+", " size:N"),
    (r"Usage count:.*", "Usage count: N"),
    (r"(COMPLETE\s+ID\s+TIME\s+TIME\s+)\d+", r"\1N"),
    (r"\b(less than a second|about a minute|\d+ (second|minute|hour)s?) ago", "AGO"),
    (r"\b\d+(\.\d+)? ?[kMGT]?i?B(/s)?\b", "SIZE"),
    (r"127\.0\.0\.1:\d+", "REGISTRY"),
    (r'"(Size|size|bytes|ReservedSpace|MaxUsedSpace|MinFreeSpace|reservedSpace|maxUsedSpace|minFreeSpace|agelimit|CreatedAt|LastUsedAt)":\s*"?\d+"?', r'"\1":N'),
)
# What the reference's libraries say of this machine's disk.
NOISE = re.compile("failed check for fsverity support")
# Verbs and flags that only ours has, in help pages.
OWN = re.compile(r"^\s+(attach|explain|--daemonless|--keep-alive|--lock|--locked|--offline)\b")
# A transfer's line before its last one depends on the pace; so does the blank line between steps.
PASSING = re.compile(r"^(sha256:D|resolve \S+|transferring .*|copying files|extracting sha256:D|exporting (layers|(manifest|config|manifest list|attestation manifest) \S+)|naming to \S+|sending tarball)( SIZE( / SIZE)?)?( T)?$")


def steps(text):
    """A plain progress display, each step's lines together, steps by their names: parallel ones come in any order."""
    found, rest = {}, []
    for line in text.splitlines():
        match = re.match(r"#(\d+) (.*)$", line)
        if not match:
            rest += [line] if line.strip() else []
            continue
        lines = found.setdefault(match.group(1), [])
        said = patterns(re.sub(r"^\d+\.\d+ ", "T ", match.group(2)))
        if said != "..." and said not in lines and not PASSING.match(said):
            lines.append(said)
    out = []
    for lines in sorted(found.values()):
        if " FROM " in lines[0]:  # an image that is pulled when a later step needs it is told as cached, done or both, as it comes
            lines = [line for line in lines if line not in ("CACHED", "DONE T")]
        out += ["# " + lines[0]] + sorted("    " + line for line in lines[1:])  # stdout and stderr of a step come as they come
    return "\n".join(out + rest)


def raw_json(text):
    """rawjson as what it says: steps with their ends, logs, warnings."""
    names, ends, logs, rest = {}, {}, {}, []
    for line in text.splitlines():
        try:
            status = json.loads(line)
        except ValueError:
            rest += [line]
            continue
        for vertex in status.get("vertexes") or []:
            names[vertex["digest"]] = vertex["name"]
            if vertex.get("completed"):
                ends[vertex["digest"]] = f"keys {sorted(vertex)} cached {vertex.get('cached', False)} error {vertex.get('error', '')}"
        for log in status.get("logs") or []:
            logs.setdefault(log["vertex"], []).append(base64.b64decode(log["data"]).decode(errors="replace"))
    return "\n".join(sorted(f"{names[one]}: {end} {sorted(''.join(logs.get(one, [])).splitlines())}" for one, end in ends.items()) + rest)


def patterns(text):
    for pattern, replacement in PATTERNS:
        text = re.sub(pattern, replacement, text)
    return text


def normal(text, places):
    for place, name in places:
        text = text.replace(place, name)
    text = patterns(text)
    return "\n".join(re.sub(r"[ \t]+", " ", line).rstrip() for line in text.splitlines() if not NOISE.search(line) and not OWN.search(line))
