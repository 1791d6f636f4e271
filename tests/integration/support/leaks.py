"""What a test must leave as it found it: processes, mounts, control groups, files in the daemon's run directories."""
import os
import re
import time


def read(path):
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""


def processes(marker):
    """Live processes whose command line or environment has `marker` (the test's own directory)."""
    found = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or int(entry) == os.getpid():
            continue
        text = read(f"/proc/{entry}/cmdline") + b"\0" + read(f"/proc/{entry}/environ")
        state = re.search(rb"\) (.) ", read(f"/proc/{entry}/stat"))
        if marker.encode() in text and state and state.group(1) != b"Z":
            found[int(entry)] = read(f"/proc/{entry}/cmdline").replace(b"\0", b" ").decode(errors="replace").strip()
    return found


def parent(pid):
    """0 when the process is gone."""
    fields = read(f"/proc/{pid}/stat").rpartition(b")")[2].split()
    return int(fields[1]) if fields else 0


def mounts(marker):
    return [line for line in read("/proc/self/mountinfo").decode().splitlines() if marker in line]


def _owner(path):
    try:
        return os.stat(path).st_uid
    except FileNotFoundError:
        return None


def control_groups(user):
    """Those of root's daemons or of ordinary users': daemons of both run beside each other."""
    found = set()
    for top, dirs, _ in os.walk("/sys/fs/cgroup"):
        for name in dirs:
            path = os.path.join(top, name)
            if "buildkit" in path and (owner := _owner(path)) is not None and (owner == 0) == (user == "root"):
                found.add(path)
        if top.count("/") > 6:
            dirs.clear()
    return found


def open_files(pid):
    """Descriptors of a process by what they are, without numbers that differ each time."""
    kinds = {}
    try:
        for name in os.listdir(f"/proc/{pid}/fd"):
            try:
                kind = re.sub(r"\d+", "N", os.readlink(f"/proc/{pid}/fd/{name}"))
            except OSError:
                continue
            kinds[kind] = kinds.get(kind, 0) + 1
    except OSError:
        pass
    return kinds


def settle(check, seconds=5.0):
    """Waits until `check()` is empty; returns what it still says at the end."""
    end = time.monotonic() + seconds
    while True:
        left = check()
        if not left or time.monotonic() > end:
            return left
        time.sleep(0.05)
