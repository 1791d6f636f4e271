"""Where things are, and what is shared with the integration tests: daemons, registries, messages of proto/api."""
import io
import json
import pathlib
import re
import sys
import tarfile

TOP = pathlib.Path(__file__).resolve().parents[4]
sys.path.insert(0, str(TOP / "tests/integration"))

from support import api, daemon, git_server, http_server, image, machine, registry  # noqa: E402,F401

CAPS = {}  # what $WORKERS, $FRONTEND_CAPS and $LLB_CAPS stand for
FIXTURES = {}  # directory → files, as the recorded clients had them


def load(directory):
    """From the directory, or from the project's own where it has none."""
    own = TOP / "tests/golden/wire"
    caps, fixtures = [(directory if (directory / name).exists() else own) / name for name in ("caps.json", "fixtures.jsonl")]
    CAPS.update(json.loads(caps.read_text()))
    for line in fixtures.read_text().splitlines():
        one = json.loads(line)
        FIXTURES[one["dir"]] = one["files"]


def store_directory(transcript, store):
    """Where the recorded client kept the store that the daemon names: "export", "oci:NAME" or "local:DIRECTORY"."""
    kind, _, name = store.partition(":")
    if kind == "local":
        return name
    text = " ".join(one["cmd"] for one in transcript.scenario["commands"])
    found = re.search(rf"--oci-layout {re.escape(name)}=(\S+)" if kind == "oci" else r"dest=([^,\s]+)", text)
    return found[1] if found else store


def tar_of(directory):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for file in FIXTURES[directory]:
            info = tarfile.TarInfo(file["path"])
            info.mode, info.size, info.mtime = file["mode"], len(file["text"]), 1735787045
            tar.addfile(info, io.BytesIO(file["text"].encode()))
    return out.getvalue()
