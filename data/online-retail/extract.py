#!/usr/bin/env python3
"""The whole set -> this extract: the events of its first days, and the profiles of their customers.

    extract.py FOLDER_OF_THE_WHOLE_SET OUTPUT_FOLDER
"""
import gzip
import json
import sys

BEFORE = 1_291_852_800  # 2010-12-09T00:00:00Z


def lines(path):
    with gzip.open(path, "rb") as f:
        yield from f


def write(path, kept):
    with open(path, "wb") as f, gzip.GzipFile("", "wb", 9, f, mtime=0) as g:
        g.write(b"".join(kept))


def main(whole, out):
    events = [line for line in lines(whole + "/events.ndjson.gz") if json.loads(line)["properties"]["time"] < BEFORE]
    customers = {json.loads(line)["properties"]["distinct_id"] for line in events}
    profiles = [line for line in lines(whole + "/profiles.ndjson.gz")
                if json.loads(line)["$distinct_id"] in customers]
    write(out + "/events.ndjson.gz", events)
    write(out + "/profiles.ndjson.gz", profiles)
    print(len(events), "events", len(profiles), "profiles")


main(*sys.argv[1:])
