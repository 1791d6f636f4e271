"""python3 -m player [DIR [NAME_PART [client|daemon]]]: plays the transcripts of DIR (default: tests/golden/wire), see `play`."""
import pathlib
import sys
import time
import traceback

from . import support


def main():
    directory = pathlib.Path(sys.argv[1]).resolve() if len(sys.argv) > 1 and sys.argv[1] else support.TOP / "tests/golden/wire"
    only, side = (sys.argv + ["", "", "", ""])[2:4]
    support.load(directory)
    from . import pending, plays, world
    world.serve_gates()
    ok = True
    for file, play in (("wire/client", plays.Clients), ("wire/daemon", plays.Daemons)):
        if side and not file.endswith(side):
            continue
        passed = total = waiting = 0
        failed = []
        player = play()
        try:
            for transcript in plays.transcripts(directory, only):
                if not player.takes(transcript):
                    continue
                total, begin = total + 1, time.monotonic()
                if not only and pending.is_pending(file, transcript.scenario):  # takes its time to fail; played when named
                    waiting += 1
                    continue
                try:
                    found = player.play(transcript)
                except Exception:
                    found = [traceback.format_exc()]
                if "-t" in sys.argv:
                    print(f"{transcript.name} {time.monotonic() - begin:.2f} s", file=sys.stderr)
                if not found:
                    passed += 1
                else:
                    failed.append((transcript.name, found))
        finally:
            player.close()
        print(f"{file} {passed}/{total} {waiting}")
        for name, found in failed:
            print(f"  FAILED {name}: " + "\n      ".join(found[:12]) + (f"\n      … and {len(found) - 12} more" if len(found) > 12 else ""))
        sys.stdout.flush()
        ok = ok and not failed
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
