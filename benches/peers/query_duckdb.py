"""DuckDB answers questions: query_duckdb.py load|serve|serve-parquet PARQUET FOLDER THREADS BYTES

`load` makes a table of the Parquet files, sorted by (user, time)."""
import os
import sys

import duckdb

from query_common import serve

COLUMNS = ("event, time, day, user_id, sequence, country, platform, category, currency, page, item_id, "
           "amount::DOUBLE AS amount, load_ms")

what, parquet, folder, threads, memory = sys.argv[1:]
source = (f"SELECT {COLUMNS} FROM read_parquet('{parquet}/**/*.parquet', hive_partitioning = true, "
          f"union_by_name = true)")
path = folder + "/events.duckdb"


def settings(db):
    db.execute(f"SET threads = {threads}")
    db.execute(f"SET memory_limit = '{int(memory) // 2**20}MiB'")
    db.execute("SET TimeZone = 'UTC'")
    return db


def ask_in(db):
    return lambda sql: db.execute(sql).fetchall()


def open_table():
    return ask_in(settings(duckdb.connect(path, read_only=True)))


def open_parquet():
    db = settings(duckdb.connect())
    db.execute(f"CREATE VIEW parquet AS {source}")
    return ask_in(db)


if what == "load":
    os.makedirs(folder)
    db = settings(duckdb.connect(path))
    db.execute(f"SET temp_directory = '{folder}/spill'")
    db.execute(f"CREATE TABLE events AS {source} ORDER BY user_id, time, sequence")
    db.execute("CHECKPOINT")
    db.close()
else:
    serve(duckdb.__version__, open_table if what == "serve" else open_parquet)
