"""The machine as tests need it: binaries that every user can run, an ordinary user, open devices.

Tests run as root; what is said to run as the user runs with nothing of root's environment.
"""
import atexit
import os
import pathlib
import pwd
import shutil
import subprocess
import tempfile

TOP = pathlib.Path(__file__).resolve().parents[3]
BUILD = pathlib.Path(os.environ.get("BUILD", TOP / "build/release"))
USER = os.environ.get("BK_TEST_USER", "bktest")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# State must lie on a disk: overlayfs in a user namespace on tmpfs cannot remove lower directories.
_scratch = tempfile.mkdtemp(prefix="bk-test-", dir="/var/tmp")
os.chmod(_scratch, 0o755)


def _remove_scratch():
    subprocess.run(["rm", "-rf", "--one-file-system", _scratch], check=False)


atexit.register(_remove_scratch)


def scratch(name, owner="root"):
    """A fresh directory that belongs to `owner` and goes with the test program."""
    path = tempfile.mkdtemp(prefix=name + "-", dir=_scratch)
    os.chmod(path, 0o755)
    if owner != "root":
        account = pwd.getpwnam(owner)
        os.chown(path, account.pw_uid, account.pw_gid)
    return path


_bin = None


def bin_dir():
    """A directory with buildkitd, buildctl and rootlesskit that an ordinary user can read (a clone may lie below /root)."""
    global _bin
    if _bin is None:
        _bin = scratch("bin")
        for name in ("buildkitd", "buildctl", "rootlesskit"):
            shutil.copy2(BUILD / "bin" / name, _bin)
    return _bin


def make_user(name=USER):
    """Creates the ordinary user; Debian gives it ranges in /etc/subuid and /etc/subgid."""
    try:
        return pwd.getpwnam(name)
    except KeyError:
        subprocess.run(["useradd", "--create-home", "--shell", "/bin/bash", name], check=True)
        return pwd.getpwnam(name)


def open_devices():
    """FUSE and tun are closed to users on a new machine."""
    for device in ("/dev/fuse", "/dev/net/tun"):
        if os.path.exists(device):
            os.chmod(device, 0o666)


def environment(user, runtime_dir, extra=None):
    account = pwd.getpwnam(user)
    env = {"PATH": bin_dir() + ":" + PATH, "HOME": account.pw_dir, "USER": user, "LOGNAME": user, "LANG": "C.UTF-8", "XDG_RUNTIME_DIR": runtime_dir, "TMPDIR": "/var/tmp"}
    env.update({name: value for name, value in os.environ.items() if name.endswith("SAN_OPTIONS")})  # a build with sanitizers
    env.update(extra or {})
    return env


def command_as(user, argv):
    return list(argv) if user == "root" else ["setpriv", "--reuid", user, "--regid", user, "--init-groups", "--"] + list(argv)
