"""Another architecture on this machine: Debian's qemu, known to the kernel for as long as the `with` lasts, and a busybox of that architecture.

Root; needs binfmt_misc. Both programs are kept for the next run below /var/cache.
"""
import pathlib
import platform
import subprocess

from . import machine

BINFMT = pathlib.Path("/proc/sys/fs/binfmt_misc")
# Of the architecture that is not this machine's: Go's name, the kernel's, and e_machine of its programs.
NAME, UNAME, NUMBER = ("arm64", "aarch64", "b7") if platform.machine() == "x86_64" else ("amd64", "x86_64", "3e")


def _fetch(package, file):
    where = pathlib.Path("/var/cache/buildkit-tests") / package.replace(":", "-")
    program = where / file
    if not program.exists():
        subprocess.run([str(machine.TOP / "tests/integration/support/fetch_debian"), platform.freedesktop_os_release()["VERSION_CODENAME"], package, str(where), "./" + file], check=True)
    return str(program)


def busybox():
    return _fetch("busybox-static:" + NAME, "bin/busybox")


class Emulator:
    def __enter__(self):
        qemu = _fetch("qemu-user-static", f"usr/bin/qemu-{UNAME}-static")
        if not (BINFMT / "register").exists():
            subprocess.run(["mount", "-t", "binfmt_misc", "none", str(BINFMT)], check=True)
        # 64 bits, little endian, an executable or a shared object; F: opened now, so that it works in every root directory.
        magic = rf"\x7fELF\x02\x01\x01" + r"\x00" * 9 + rf"\x02\x00\x{NUMBER}\x00"
        mask = r"\xff" * 7 + r"\x00" + r"\xff" * 8 + r"\xfe\xff\xff\xff"
        (BINFMT / "register").write_text(f":bk-tests:M::{magic}:{mask}:{qemu}:F")
        return self

    def __exit__(self, *_):
        (BINFMT / "bk-tests").write_text("-1")
