"""What the cache promises: nothing runs twice, exactly the dependent steps run again, kill -9 loses no finished step.

Rows: CAC-001 …; acceptance 6 of the main job.
"""
import os
import re
import threading
import time

from support.case import Case, ran, steps
from support.daemon import Daemon

DOCKERFILE = """
FROM {base} AS a
COPY one /one
RUN echo a $(cat /one) > /a
FROM {base}
COPY two /two
RUN echo b > /b
COPY --from=a /a /a
RUN cat /a /b
"""


class Cache(Case):
    def files(self):
        return {"Dockerfile": DOCKERFILE.format(base=self.base), "one": "1", "two": "2", "unused": "x", ".dockerignore": "unused\n"}

    def test_only_what_depends_on_a_change_runs_again(self):  # SRC-031
        for user in self.both_users():
            with Daemon(user=user) as daemon:
                context = daemon.context(self.files())
                first = daemon.build(context)
                self.assertEqual(len(ran(first.err)), 6, first.err)
                self.assertEqual(ran(daemon.build(context).err), [])
                os.utime(os.path.join(context, "unused"))
                os.utime(os.path.join(context, "one"))
                self.assertEqual(ran(daemon.build(context).err), [])
                with open(os.path.join(context, "one"), "w") as file:
                    file.write("changed")
                again = daemon.build(context)
                names = [re.sub(r"^\[[^\]]*\] ", "", name) for name in ran(again.err)]
                self.assertEqual(sorted(names), sorted(["COPY one /one", "RUN echo a $(cat /one) > /a", "COPY --from=a /a /a", "RUN cat /a /b"]), again.err)

    def test_the_cache_survives_a_restart(self):
        for user in self.both_users():
            with Daemon(user=user) as daemon:
                context = daemon.context(self.files())
                daemon.build(context)
                daemon.stop()
                daemon.start()
                self.assertEqual(ran(daemon.build(context).err), [])

    def test_kill_9_in_a_step_keeps_the_finished_ones(self):
        for user in self.both_users():
            with Daemon(user=user) as daemon:
                text = f"FROM {self.base}\nRUN echo done > /done\nRUN echo started; while true; do sleep 0.1; done\n"
                context = daemon.context({"Dockerfile": text})
                result = {}
                client = threading.Thread(target=lambda: result.update(done=daemon.build(context, check=False)))
                client.start()
                end = time.monotonic() + 30
                while not any("while true" in line for line in daemon.pids_of_steps()) and time.monotonic() < end:
                    time.sleep(0.05)
                daemon.kill()
                client.join()
                self.assertNotEqual(result["done"].returncode, 0)
                daemon.start()
                with open(os.path.join(context, "Dockerfile"), "w") as file:
                    file.write(text.replace("echo started; while true; do sleep 0.1; done", "cat /done"))
                again = steps(daemon.build(context).err)
                self.assertEqual([state for name, state in again.items() if "RUN echo done" in name], ["CACHED"], again)
