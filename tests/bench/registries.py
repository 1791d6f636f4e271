"""Images of many layers: pulled and unpacked, and pushed to a registry that has them."""
import os

import large_tree
from daemons import Own
from measures import place
from support import machine

LAYERS = 8


def layers(setting):
    """An image of eight layers, 1 GB in all: pulled, unpacked, one file copied out of it; and the memory for it, above idle."""
    each = 12 if setting.quick else 125
    path = os.path.join(os.environ.get("BK_BENCH_CACHE") or machine.scratch("layer"), f"layer-{each}.tar")
    if not os.path.exists(path):
        large_tree.usr(path, each)
    total = LAYERS * os.path.getsize(path)
    for compression, goal in (("gzip", 300), ("zstd", 500)):
        reference = make(setting, path, compression)
        for user, daemon in setting.each():
            with daemon:
                _, before, _ = daemon.memory_mb()
                cpu = daemon.cpu_seconds()
                took = daemon.timed_build(daemon.context({"Dockerfile": f"FROM scratch\nCOPY --from={reference} /t0/marker /\n"})) / 1000
                setting.table.add(f"pull of {LAYERS} layers, {compression}", user, daemon.what, [total / 1e6 / took], "MB/s", goal, at_least=True)
                setting.table.add(f"pull of {LAYERS} layers, {compression}: CPU", user, daemon.what, [total / 1e6 / (daemon.cpu_seconds() - cpu)], "MB/s")
                setting.table.add(f"pull of {LAYERS} layers: memory", user, daemon.what, [daemon.memory_mb()[2] - before], "MB", 60)


def make(setting, layer, compression):
    """Pushes the image with a daemon of its own."""
    reference = f"{setting.registry.host}/layers-{compression}:1"
    with Own() as daemon:
        context = daemon.context({"Dockerfile": "FROM scratch\n" + "".join(f"ADD layer.tar /t{n}/\n" for n in range(LAYERS))})
        place(layer, os.path.join(context, "layer.tar"))
        daemon.timed_build(context, "--output", f"type=image,name={reference},push=true,compression={compression},force-compression=true,oci-mediatypes=true")
    return reference


def push(setting):
    """A push of 20 layers that the registry has: what it takes beyond the same build without it."""
    for user, daemon in setting.each():
        with daemon:
            context = daemon.context({"Dockerfile": f"FROM {setting.base}\n" + "".join(f"COPY f /f{n}\n" for n in range(19)), "f": "x"})
            output = ("--output", f"type=image,name={setting.registry.host}/many-{user}-{daemon.what}:1,push=true")
            daemon.timed_build(context, *output)
            samples = [daemon.timed_build(context, *output) - daemon.timed_build(context) for _ in range(10)]
            setting.table.add("push of 20 layers that are there", user, daemon.what, samples, goal=100)


ALL = (layers, push)
