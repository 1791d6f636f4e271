"""The tree that export and pull are measured with: a Debian system with a compiler, made by mmdebstrap from the machine's own
package sources, some 600 MB; files of this machine's /usr where mmdebstrap cannot. BK_BENCH_CACHE names a directory that keeps it."""
import os
import subprocess
import sys
import tarfile

from support import machine

PACKAGES = "build-essential,git,python3,perl,locales,vim"


class Tree:
    """A layer: `path` of the tar, `size` in bytes, a small `file` in it, `packed`: the same by `gzip -6`."""

    def __init__(self, path, file):
        self.path, self.file, self.size = path, file, os.path.getsize(path)
        self._packed = None

    @property
    def packed(self):
        if self._packed is None:
            self._packed = os.path.join(machine.scratch("packed"), "layer.tar.gz")
            with open(self._packed, "wb") as out:
                subprocess.run(["gzip", "-6nc", self.path], stdout=out, check=True)
        return self._packed


def make(megabytes, quick):
    directory = os.environ.get("BK_BENCH_CACHE") or machine.scratch("tree")
    os.makedirs(directory, exist_ok=True)
    path = os.path.join(directory, "debian-apt.tar" if quick else "debian-build.tar")
    if os.path.exists(path) or debian(path, "" if quick else PACKAGES):
        return Tree(path, "/etc/debian_version")
    path = os.path.join(directory, f"usr-{megabytes}.tar")
    if not os.path.exists(path):
        usr(path, megabytes)
    return Tree(path, "/marker")


def debian(path, packages):
    """Whether mmdebstrap made it. Devices are left out: an ordinary user's daemon cannot make them."""
    release = dict(line.rstrip().split("=", 1) for line in open("/etc/os-release") if "=" in line)
    command = ["mmdebstrap", "--quiet", "--mode=root", "--variant=apt", "--skip=output/dev"]
    command += ["--include=" + packages] if packages else []
    try:
        done = subprocess.run([*command, release["VERSION_CODENAME"], path + ".new.tar"], env=dict(os.environ, SOURCE_DATE_EPOCH="1700000000"), stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if done.returncode == 0:
            os.rename(path + ".new.tar", path)
            return True
        reason = done.stderr[-500:]
    except (OSError, KeyError) as error:
        reason = str(error)
    print(f"no Debian tree, files of /usr instead: {reason}", file=sys.stderr)
    return False


def usr(path, megabytes):
    """Programs, libraries and documents, in the order of their names."""
    with tarfile.open(path + ".new", "w", format=tarfile.USTAR_FORMAT) as tar:
        tar.addfile(tarfile.TarInfo("marker"))
        for top in ("usr/share", "usr/lib", "usr/bin", "usr/include"):
            limit, used = megabytes * 250_000, 0
            for where, names, found in os.walk("/" + top):
                names.sort()
                for name in sorted(found):
                    full = os.path.join(where, name)
                    if os.path.islink(full) or not os.path.isfile(full) or used + os.path.getsize(full) > limit:
                        continue
                    try:
                        tar.add(full, full[1:], recursive=False)
                    except ValueError:  # a name that ustar cannot hold
                        continue
                    used += os.path.getsize(full)
    os.rename(path + ".new", path)
