"""Where things are, and what is shared with the integration tests: daemons, registries, messages of proto/api."""
import json
import pathlib
import re
import sys

TOP = pathlib.Path(__file__).resolve().parents[4]
sys.path.insert(0, str(TOP / "tests/integration"))

from support import api, daemon, git_server, http_server, image, machine, registry  # noqa: E402,F401

CAPS = {}  # what $WORKERS, $FRONTEND_CAPS and $LLB_CAPS stand for
FIXTURES = {}  # directory → files, as the recorded clients had them


def load(directory):
    CAPS.update(json.loads((directory / "caps.json").read_text()))
    for line in (directory / "fixtures.jsonl").read_text().splitlines():
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
