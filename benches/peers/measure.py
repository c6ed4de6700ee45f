"""Runs a command and prints as JSON what it took: measure.py COMMAND ARGUMENT…

Its output goes to our standard error, so that the JSON is alone on standard output. Exits as it did."""
import json
import os
import sys
import time

started = time.perf_counter()
child = os.fork()
if child == 0:
    os.dup2(2, 1)
    os.execvp(sys.argv[1], sys.argv[1:])
_, status, usage = os.wait4(child, 0)
wall_s = time.perf_counter() - started
# Linux counts in KiB.
print(json.dumps({"wall_s": wall_s, "user_s": usage.ru_utime, "system_s": usage.ru_stime,
                  "peak_bytes": usage.ru_maxrss * 1024}))
sys.exit(os.waitstatus_to_exitcode(status) % 256)
