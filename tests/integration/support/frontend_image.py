"""The images of frontends written in Python and JavaScript (tests/integration/frontends), made of this machine's own Python, gRPC and Node."""
import functools
import os
import pathlib

import google.protobuf
import grpc

from . import api, image, machine, toolchains
from .publish import PATH, Part, Publisher


@functools.cache
def python_layers():
    base = toolchains.Layer(os.path.join(machine.scratch("frontend"), "python.tar"))
    toolchains.python(base)
    for module in (grpc, google.protobuf):
        for top in list(module.__path__):
            base.add(top, skip=r"/(__pycache__|tests?|compiler)$")
            for library in sorted(pathlib.Path(top).rglob("*.so")):
                base.program(str(library))
    six = os.path.join(os.path.dirname(grpc.__path__[0]), "six.py")
    if os.path.exists(six):
        base.add(six)
    own = toolchains.Layer(os.path.join(machine.scratch("frontend"), "own.tar"))
    own.add(api.directory(), "/protos", skip="/__pycache__$")
    own.add(str(machine.TOP / "tests/integration/frontends/frontend.py"), "/main.py")
    return [image.layer(), base.close(), own.close()]


def push_python(host, name, **config):
    """`config`: Labels, WorkingDir, … of the image. Returns its full name."""
    config = {"Env": [PATH, "PYTHONDONTWRITEBYTECODE=1"], "Entrypoint": ["/usr/bin/python3", "/main.py"], **config}
    Publisher(host).image(name, [Part(python_layers(), config)])
    return f"{host}/{name}"


@functools.cache
def node_layers():
    layer = toolchains.Layer(os.path.join(machine.scratch("frontend"), "node.tar"))
    toolchains.node_alone(layer)
    layer.add(str(machine.TOP / "tests/integration/frontends/frontend.js"), "/main.js")
    return [image.layer(), layer.close()]


def push_node(host, name, **config):
    Publisher(host).image(name, [Part(node_layers(), {"Env": [PATH], "Entrypoint": ["/usr/bin/node", "/main.js"], **config})])
    return f"{host}/{name}"
