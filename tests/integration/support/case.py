"""Base of the test cases: a machine that is ready, a base image in a registry, both users."""
import concurrent.futures
import re
import unittest

from . import image, machine, registry

USERS = ("root", machine.USER)


class Case(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        machine.make_user()
        machine.open_devices()
        cls.registry = registry.Registry().__enter__()
        cls.addClassCleanup(cls.registry.__exit__, None, None, None)
        image.push(cls.registry.host, "base")
        cls.base = f"{cls.registry.host}/base"

    def both_users(self):
        """For loops over users; the daemon's command line in the output of a failure says which one it was."""
        return USERS

    def at_once(self, check, *cases):
        """`check(case)` of each case at the same time, in a thread each; the first failure is the test's."""
        machine.bin_dir()
        with concurrent.futures.ThreadPoolExecutor(len(cases)) as pool:
            for done in [pool.submit(check, case) for case in cases]:
                done.result()

    def both_at_once(self, check):
        """`check(user)` of both users at the same time."""
        self.at_once(check, *USERS)


def steps(progress):
    """What a plain progress display says of each step: {"[2/3] RUN x": "CACHED" | "DONE" | "ERROR" | "CANCELED"}."""
    names, states = {}, {}
    for line in progress.splitlines():
        match = re.match(r"#(\d+) (.*)$", line)
        if not match:
            continue
        number, rest = match.groups()
        names.setdefault(number, rest)
        state = re.match(r"(CACHED|DONE|ERROR|CANCELED)\b", rest)
        if state:
            states[names[number]] = state.group(1)
    return states


def ran(progress):
    """Names of the Dockerfile's steps that really ran."""
    return sorted(name for name, state in steps(progress).items() if state == "DONE" and re.match(r"\[[^\]]*\d+/\d+\]", name) and " FROM " not in name)
