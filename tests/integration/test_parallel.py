"""Builds at the same time share what is equal and do not wait for what is not (acceptance 7 of the main job)."""
import re
import signal
import subprocess
import threading
import time

from support import machine
from support.case import Case
from support.daemon import Daemon


def in_parallel(jobs):
    results = [None] * len(jobs)
    threads = [threading.Thread(target=lambda i=i, job=job: results.__setitem__(i, job())) for i, job in enumerate(jobs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


class Parallel(Case):
    def test_ten_equal_builds_run_each_step_once(self):  # CAC-015
        for user in self.both_users():
            with Daemon(user=user) as daemon:
                # Each run leaves a line in the cache mount; a later build counts them.
                text = f"FROM {self.base}\nRUN --mount=type=cache,target=/count,id=count sleep 1; echo x >> /count/lines\nRUN --mount=type=cache,target=/count,id=count echo y >> /count/lines\n"
                context = daemon.context({"Dockerfile": text})
                for done in in_parallel([lambda: daemon.build(context, check=False) for _ in range(10)]):
                    self.assertEqual(done.returncode, 0, done.err)
                count = daemon.build({"Dockerfile": f"FROM {self.base}\nRUN --mount=type=cache,target=/count,id=count echo counted $(cat /count/lines)\n"})
                self.assertRegex(count.err, r"counted x y\n")

    def test_different_slow_steps_overlap(self):
        """Each step waits for the other's mark: one after the other they would wait for ever."""
        with Daemon() as daemon:
            meet = "--mount=type=cache,target=/m,id=meet touch /m/{me}; for i in $(seq 100); do [ -e /m/{other} ] && exit 0; sleep 0.1; done; exit 1"
            text = (f"FROM {self.base} AS a\nRUN {meet.format(me='a', other='b')}\nFROM {self.base} AS b\nRUN {meet.format(me='b', other='a')}\n"
                    f"FROM {self.base}\nCOPY --from=a /etc/passwd /a\nCOPY --from=b /etc/passwd /b\n")
            daemon.build({"Dockerfile": text})

    def test_ten_different_builds_run_in_parallel(self):
        for user in self.both_users():
            with Daemon(user=user) as daemon:
                def build(i):
                    wait = f"touch /m/{i}; for t in $(seq 200); do [ $(ls /m | wc -l) = 10 ] && exit 0; sleep 0.1; done; exit 1"
                    return daemon.build({"Dockerfile": f"FROM {self.base}\nRUN --mount=type=cache,target=/m,id=ten {wait}\n"}, check=False)
                for done in in_parallel([lambda i=i: build(i) for i in range(10)]):
                    self.assertEqual(done.returncode, 0, done.err)

    def test_cancelling_one_does_not_disturb_the_others(self):
        with Daemon() as daemon:
            context = daemon.context({"Dockerfile": f"FROM {self.base}\nRUN sleep 3; echo finished\n"})
            argv = [machine.bin_dir() + "/buildctl", "--addr", daemon.address, *daemon.build_args(context)]
            clients = [subprocess.Popen(argv, env=daemon.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) for _ in range(3)]
            time.sleep(1.5)
            clients[1].send_signal(signal.SIGINT)
            outputs = [client.communicate(timeout=60)[0] for client in clients]
            self.assertNotEqual(clients[1].returncode, 0)
            for i in (0, 2):
                self.assertEqual(clients[i].returncode, 0, outputs[i])
                self.assertIn("finished", outputs[i])

    def test_a_cancelled_step_ends_within_two_seconds(self):
        for user in self.both_users():
            with Daemon(user=user) as daemon:
                context = daemon.context({"Dockerfile": f"FROM {self.base}\nRUN sleep 1234\n"})
                argv = machine.command_as(user, [machine.bin_dir() + "/buildctl", "--addr", daemon.address, *daemon.build_args(context)])
                client = subprocess.Popen(argv, env=daemon.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
                self.wait_for_step(daemon, "sleep 1234", True)
                client.send_signal(signal.SIGINT)
                begin = time.monotonic()
                client.communicate(timeout=30)
                self.wait_for_step(daemon, "sleep 1234", False)
                self.assertLess(time.monotonic() - begin, 2)
                self.assertNotEqual(client.returncode, 0)

    def wait_for_step(self, daemon, text, there):
        end = time.monotonic() + 30
        while any(text in line for line in daemon.pids_of_steps()) != there:
            self.assertLess(time.monotonic(), end, f"step {text} {'does not start' if there else 'does not end'}")
            time.sleep(0.02)
