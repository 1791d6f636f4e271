"""Rules of tests/golden/pending.txt: `area/file | CONDITION | what it waits for`, conditions as in tests/golden/support/runner.cc."""
import json
import re

from . import support


def rules(file):
    """Conditions of each rule of a file."""
    out = []
    for line in (support.TOP / "tests/golden/pending.txt").read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            name, _, rest = line.partition("|")
            if name.strip() == file:
                out.append([one.strip() for one in rest.rpartition("|")[0].split(" && ")])
    return out


def holds(condition, case):
    if condition == "always":
        return True
    if condition.startswith("rows "):
        return any(row in case.get("rows", []) for row in condition.split()[1:])
    pointer, _, pattern = condition.partition(" ~ ")
    value = case
    for part in pointer.strip().split("/")[1:]:
        if not isinstance(value, dict) or part not in value:
            return False
        value = value[part]
    return re.search(pattern, value if isinstance(value, str) else json.dumps(value)) is not None


def is_pending(file, case):
    return any(all(holds(one, case) for one in conditions) for conditions in rules(file))
