"""What the peers of the query benchmark share: they answer questions over standard input and output.

One line of JSON in, one out:
  {"do": "open"}                      opens the database, outside any clock
  {"do": "ask", "sql": …}             answers a question, on the clock
  {"do": "cold", "sql": …}            both, on the clock"""
import datetime
import decimal
import json
import math
import os
import sys
import time


def serve(version, open_database):
    """`open_database()` gives a function from SQL to rows."""
    # Whatever a library prints goes to standard error, so that answers are alone on standard output.
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    ask = None
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if request["do"] == "open":
                ask = open_database()
                answer = {"version": version}
            else:
                reset_peak()
                started, cpu = time.perf_counter(), time.process_time()
                if request["do"] == "cold":
                    ask = open_database()
                rows = ask(request["sql"])
                wall_s, cpu_s = time.perf_counter() - started, time.process_time() - cpu
                answer = {
                    "version": version, "wall_s": wall_s, "cpu_s": cpu_s, "peak_bytes": peak(),
                    "rows": [[plain(value) for value in row] for row in rows],
                }
        except Exception as error:  # whatever it is, it is the answer
            answer = {"error": f"{type(error).__name__}: {error}"[:2000]}
        print(json.dumps(answer), file=out, flush=True)


def plain(value):
    """A value as JSON: numbers, text, or null."""
    if isinstance(value, (datetime.datetime, datetime.date)):
        return value.isoformat()
    if isinstance(value, decimal.Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def reset_peak():
    """Linux then counts the peak from here."""
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")


def peak():
    with open("/proc/self/status") as file:
        for line in file:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0
