"""ClickHouse (chdb) answers questions: query_clickhouse.py load|serve|serve-parquet PARQUET FOLDER THREADS BYTES

`load` makes three MergeTrees of the Parquet files, one for each sort key."""
import json
import os
import sys

import chdb
from chdb import session

from query_common import serve

KEYS = {"by_user": "user_id, time", "by_event": "event, time", "by_event_user": "event, user_id, time"}
COLUMNS = """
    assumeNotNull(event)::LowCardinality(String) AS event,
    assumeNotNull(time)::DateTime64(3, 'UTC') AS time,
    toDate(time) AS day,
    assumeNotNull(user_id)::String AS user_id,
    assumeNotNull(sequence)::Int64 AS sequence,
    country::LowCardinality(Nullable(String)) AS country,
    platform::LowCardinality(Nullable(String)) AS platform,
    category::LowCardinality(Nullable(String)) AS category,
    currency::LowCardinality(Nullable(String)) AS currency,
    page::LowCardinality(Nullable(String)) AS page,
    item_id::Nullable(String) AS item_id,
    amount::Nullable(Float64) AS amount,
    load_ms::Nullable(Int64) AS load_ms"""

what, parquet, folder, threads, memory = sys.argv[1:]
source = f"SELECT {COLUMNS} FROM file('{parquet}/**/*.parquet', Parquet)"
settings = [f"SET max_threads = {threads}", f"SET max_memory_usage = {memory}", f"SET max_insert_threads = {threads}",
            "SET output_format_json_quote_64bit_integers = 0", "SET session_timezone = 'UTC'",
            "SET use_query_cache = 0"]


def connect(path):
    db = session.Session(path)
    for setting in settings:
        db.query(setting)
    return db


def ask_in(db):
    return lambda sql: json.loads(db.query(sql, "JSONCompact").bytes())["data"]


def open_tables():
    return ask_in(connect(folder))


def open_parquet():
    db = connect(folder + "-parquet")
    db.query(f"CREATE OR REPLACE VIEW parquet AS {source}")
    return ask_in(db)


if what == "load":
    os.makedirs(folder)
    db = connect(folder)
    for name, key in KEYS.items():
        db.query(f"CREATE TABLE {name} ENGINE = MergeTree ORDER BY ({key}) AS {source}")
        db.query(f"OPTIMIZE TABLE {name} FINAL")
    # A copy is at rest when what it was made of is gone.
    for name in KEYS:
        db.query(f"SYSTEM STOP MERGES {name}")
    db.close()
else:
    serve(chdb.__version__, open_tables if what == "serve" else open_parquet)
