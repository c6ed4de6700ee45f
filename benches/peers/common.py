"""What the peers' loaders share: the clock around a load, and the answers that are compared."""
import json
import os
import resource
import sys
import time


class Measured:
    """Wall and CPU seconds of this process and its children, and its peak memory, from `with` to its end."""

    def __enter__(self):
        self.before = usage()
        self.started = time.perf_counter()
        return self

    def __exit__(self, *_):
        self.wall_s = time.perf_counter() - self.started
        after = usage()
        self.user_s, self.system_s = (later - earlier for later, earlier in zip(after, self.before))
        # Linux counts in KiB.
        self.peak_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def usage():
    own = resource.getrusage(resource.RUSAGE_SELF)
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + children.ru_utime, own.ru_stime + children.ru_stime


def bytes_of(path):
    if os.path.isfile(path):
        return os.path.getsize(path)
    return sum(os.path.getsize(os.path.join(folder, name)) for folder, _, names in os.walk(path) for name in names)


def arguments():
    """INPUT OUTPUT: the NDJSON file, and a folder that does not exist yet."""
    source, out = sys.argv[1:]
    os.makedirs(out)
    return os.path.abspath(source), os.path.abspath(out)


def report(version, measured, stored_bytes, rows, users, by_event):
    print(json.dumps({
        "version": version,
        "wall_s": measured.wall_s, "user_s": measured.user_s, "system_s": measured.system_s,
        "peak_bytes": measured.peak_bytes, "stored_bytes": stored_bytes,
        "answers": {"events": rows, "users": users, "by_event": dict(sorted(by_event))},
    }))
