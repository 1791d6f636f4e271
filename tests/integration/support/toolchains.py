"""Images with the machine's own compilers and interpreters: the names that Dockerfiles use (gcc, python, node, golang, rust), each the base
image with one more layer of what the tools need, and no more of them than that.

What CI installs always has gcc, ninja and python3; go, node, npm, rustc and cargo are taken where they are (`found`).
"""
import functools
import os
import re
import shutil
import subprocess
import tarfile

from . import image, machine
from .publish import PATH, Part

PLACES = (machine.PATH, "/usr/local/go/bin", "/usr/lib/go/bin", os.path.expanduser("~/.cargo/bin"), "/usr/local/cargo/bin")
LIBRARY = re.compile(r"(/\S+) \(0x")


def _ask(*command, env=None):
    return subprocess.run(command, check=True, capture_output=True, text=True, cwd="/", env=dict(os.environ, **(env or {}))).stdout.strip()


@functools.cache
def found(tool):
    """The program, or None. rustc and cargo may be rustup's doors to the real ones."""
    path = shutil.which(tool, path=":".join(PLACES))
    if path and tool in ("rustc", "cargo"):
        try:
            path = os.path.join(_ask(shutil.which("rustc", path=":".join(PLACES)), "--print", "sysroot"), "bin", tool)
        except (subprocess.CalledProcessError, TypeError):
            return None
    return path if path and os.path.exists(path) else None


class Layer:
    """A tar of files of this machine at their own places (directories without their links, so /lib is usr/lib) or at others."""

    def __init__(self, path):
        self.path, self.have = path, set()
        self.tar = tarfile.open(path, "w", format=tarfile.PAX_FORMAT)
        for name in ("lib", "lib64"):
            self.link(name, "usr/" + name)
        self.directory("usr/bin")
        self.link("usr/bin/env", "../../bin/env")  # where scripts look for it

    def link(self, name, target):
        self.entry(name, tarfile.SYMTYPE, 0o777).linkname = target
        self.tar.addfile(self.info)

    def entry(self, name, kind, mode):
        self.have.add(name)
        self.info = tarfile.TarInfo(name)
        self.info.type, self.info.mode, self.info.mtime = kind, mode, image.MTIME
        return self.info

    def directory(self, name):
        if name and name not in self.have:
            self.directory(os.path.dirname(name))
            self.entry(name, tarfile.DIRTYPE, 0o755)
            self.tar.addfile(self.info)

    def add(self, path, at="", skip=None):
        """A file, a link with what it points to, or a tree; `skip` is a pattern of paths."""
        path = os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))
        name = (at or path).lstrip("/")
        if skip and re.search(skip, path):
            return
        if os.path.isdir(path) and (at or not os.path.islink(path)):
            self.directory(name)
            for child in sorted(os.listdir(path)):
                self.add(os.path.join(os.path.realpath(path), child), at and os.path.join(at, child), skip)
            return
        if name in self.have:
            return
        self.directory(os.path.dirname(name))
        if os.path.islink(path) and not at:
            self.link(name, os.readlink(path))
            self.add(os.path.join(os.path.dirname(path), os.readlink(path)), skip=skip)
        elif os.path.isfile(path):
            status = os.stat(path)
            self.entry(name, tarfile.REGTYPE, 0o755 if status.st_mode & 0o100 else 0o644).size = status.st_size
            with open(path, "rb") as file:
                self.tar.addfile(self.info, file)

    def program(self, path, at=""):
        """A program with the libraries that it is linked with."""
        self.add(path, at)
        listed = subprocess.run(["ldd", path], capture_output=True, text=True).stdout
        for library in LIBRARY.findall(listed):
            self.add(library)

    def close(self):
        self.tar.close()
        return self.path


def gcc(layer):
    for tool in ("gcc", "cc", "ar", "ninja"):
        layer.program(shutil.which(tool))
    layer.add(_ask("gcc", "-print-prog-name=cc1"))
    for tool in ("cc1", "collect2", "as", "ld"):
        path = _ask("gcc", "-print-prog-name=" + tool)
        layer.program(path if "/" in path else shutil.which(path))
    own = os.path.dirname(_ask("gcc", "-print-libgcc-file-name"))
    layer.add(own, skip=r"/(cc1plus|lto\w*|g\+\+.*|plugin|install-tools|lib\w*(san|go|gomp|itm|quadmath|stdc|supc|atomic|ssp)\w*\.\w+.*|finclude)$")
    libc = os.path.dirname(os.path.realpath(_ask("gcc", "-print-file-name=libc.so")))
    for name in ("libc.so", "libc_nonshared.a", "libm.so", "libmvec.so.1", "libdl.a", "libpthread.a", "librt.a", "libutil.a", "crt1.o", "Scrt1.o", "crti.o", "crtn.o", "libgcc_s.so.1", "libm.so.6", "libc.so.6"):
        layer.add(os.path.join(libc, name))
    machine_headers = os.path.join("/usr/include", _ask("gcc", "-print-multiarch"))
    for name in ("asm", "bits", "gnu", "sys"):
        layer.add(os.path.join(machine_headers, name))
    for name in os.listdir("/usr/include"):
        if name.endswith(".h") or name in ("linux", "asm-generic", "bits", "sys"):
            layer.add(os.path.join("/usr/include", name), skip=r"/linux/(netfilter|usb|raid|nfsd|sunrpc|can|mmc|spi|iio|cifs|hdlc|genwqe|isdn|dvb)$")


def python(layer):
    program = shutil.which("python3", path="/usr/bin")
    layer.program(program)
    library = _ask(program, "-c", "import sysconfig; print(sysconfig.get_path('stdlib'))")
    layer.add(library, skip=r"/(__pycache__|test|tests|idlelib|turtledemo|tkinter|lib2to3|pydoc_data|dist-packages|config-\w.*|distutils)$")
    for name in os.listdir(os.path.join(library, "lib-dynload")):
        layer.program(os.path.join(library, "lib-dynload", name))


def node_alone(layer):
    layer.program(found("node"), "/usr/bin/node")
    for part in ("acorn", "acorn-walk", "cjs-module-lexer", "undici"):  # which Debian's node does not have in itself
        if os.path.isdir("/usr/share/nodejs/" + part):
            layer.add("/usr/share/nodejs/" + part)


def node(layer):
    node_alone(layer)
    npm = npm_directory()
    if npm:
        layer.add(npm, "/usr/lib/node_modules/npm", skip=r"/(docs|man|test)$|\.md$")
        layer.link("usr/bin/npm", "../lib/node_modules/npm/bin/npm-cli.js")


def npm_directory():
    path = found("npm")
    path = path and os.path.realpath(path)
    return os.path.dirname(os.path.dirname(path)) if path and path.endswith("bin/npm-cli.js") else None


def golang(layer):
    root = _ask(found("go"), "env", "GOROOT")
    skip = r"/(testdata|src/cmd|_asm)$|_test\.go$|\.syso$"
    for name in ("VERSION", "bin/go", "src", "pkg/include", "pkg/tool", "go.env", "pkg/" + _ask(found("go"), "env", "GOOS") + "_" + _ask(found("go"), "env", "GOARCH")):
        if os.path.exists(os.path.join(root, name)):
            layer.add(os.path.join(root, name), "/usr/local/go/" + name, skip)
    layer.link("usr/bin/go", "/usr/local/go/bin/go")


def rust(layer):
    root = os.path.dirname(os.path.dirname(found("rustc")))
    own = root != "/usr"  # rustup's: libraries beside bin, Debian's lie where the loader looks
    for tool in ("rustc", "cargo"):
        if found(tool):
            layer.add(found(tool), "/usr/local/bin/" + tool)
            for library in LIBRARY.findall(subprocess.run(["ldd", found(tool)], capture_output=True, text=True).stdout):
                library = os.path.normpath(library)
                layer.add(library, "/usr/local" + library[len(root):] if own and library.startswith(root) else "")
    library = _ask(found("rustc"), "--print", "target-libdir")
    linker = os.path.join(os.path.dirname(library), "bin")
    if os.path.isdir(linker):
        layer.add(linker, "/usr/local" + linker[len(root):], skip=r"/rust-objcopy$|/wasm")
    layer.add(library, ("/usr/local" if own else "/usr") + library[len(root):], skip=r"/lib/(\w+-[^/]*\.so|librustc-.*\.a)$")


# name of the image: (what fills its layers, what the machine has to have, variables)
IMAGES = {
    "gcc": ((gcc,), ("gcc", "ninja"), {}),
    "python": ((python,), ("python3",), {"LANG": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"}),
    "node": ((node,), ("node",), {}),
    "golang": ((golang,), ("go",), {"GOTOOLCHAIN": "local", "GOFLAGS": "-trimpath", "CGO_ENABLED": "0"}),
    "rust": ((gcc, rust), ("rustc", "gcc"), {}),
}


def missing(name):
    """The programs that the machine lacks for the image, or for the tool (npm, cargo) that a Dockerfile uses beside it."""
    return [tool for tool in (IMAGES[name][1] if name in IMAGES else (name,)) if not found(tool)]


def publish(publisher, base):
    """Puts those images that can be made on top of the tar `base` into the registry, as Docker Hub's names are mirrored."""
    made = {}
    directory = machine.scratch("toolchains")
    for name, (fills, _, variables) in IMAGES.items():
        if missing(name):
            continue
        for fill in fills:
            if fill not in made:
                layer = Layer(os.path.join(directory, fill.__name__ + ".tar"))
                fill(layer)
                made[fill] = layer.close()
        config = {"Env": [PATH, *(f"{key}={value}" for key, value in variables.items())], "Cmd": ["sh"]}
        publisher.image("library/" + name, [Part([base, *(made[fill] for fill in fills)], config)])
