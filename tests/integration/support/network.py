"""A network namespace that a pair of interfaces joins to this one, and that pair going down and up."""
import itertools
import os
import subprocess

from .git_server import free_port

_numbers = itertools.count(1)


def ip(*words):
    subprocess.run(["ip", *words], check=True)


class Network:
    """`with Network() as network:` — `network.address` is ours, `network.space` the other namespace's name; `ip netns exec` runs things there."""

    def __init__(self):
        number = next(_numbers)
        self.space, self.end = f"bk-net-{os.getpid()}-{number}", f"bk{os.getpid() % 1000000:x}{number}"
        net = f"10.{os.getpid() % 200 + 20}.{number + 70}"
        self.address, self.there = f"{net}.1", f"{net}.2"
        self.url = f"tcp://{self.address}:{free_port()}"

    def __enter__(self):
        ip("netns", "add", self.space)
        ip("link", "add", self.end + "a", "type", "veth", "peer", "name", self.end + "b", "netns", self.space)
        ip("addr", "add", f"{self.address}/24", "dev", self.end + "a")
        ip("link", "set", self.end + "a", "up")
        ip("-n", self.space, "addr", "add", f"{self.there}/24", "dev", self.end + "b")
        ip("-n", self.space, "link", "set", self.end + "b", "up")
        return self

    def take_down(self):
        ip("link", "set", self.end + "a", "down")

    def bring_up(self):
        ip("link", "set", self.end + "a", "up")

    def __exit__(self, *_):
        ip("netns", "del", self.space)
