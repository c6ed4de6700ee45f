"""Reads a dataset's Parquet files with DuckDB or Polars, and prints the answers as JSON.

usage: interop.py duckdb|polars DIRECTORY
"""

import json
import sys


def with_duckdb(files):
    import duckdb

    duckdb.execute("SET TimeZone = 'UTC'")
    duckdb.execute(
        "CREATE VIEW events AS SELECT * FROM "
        f"read_parquet('{files}', hive_partitioning = true, hive_types = {{'day': DATE}}, union_by_name = true)"
    )
    columns = {row[0] for row in duckdb.execute("DESCRIBE events").fetchall()}
    items = "extras" if "extras" in columns else "stock_codes"

    def ask(sql):
        return [list(row) for row in duckdb.execute(sql).fetchall()]

    return {
        "by_event": ask("SELECT event, count(*), count(DISTINCT distinct_id) FROM events GROUP BY event ORDER BY event"),
        "by_day": ask("SELECT CAST(day AS VARCHAR), count(*) FROM events GROUP BY day ORDER BY day"),
        "time": ask("SELECT epoch_ms(min(time)), epoch_ms(max(time)) FROM events"),
        "stored_users": ask("SELECT count(DISTINCT user_id) FROM events"),
        "sums": {
            "total": ask("SELECT count(total), round(sum(total), 2) FROM events"),
            "list_items": ask(f"SELECT CAST(sum(len({items})) AS BIGINT) FROM events"),
        },
    }


def with_polars(files):
    import glob

    import polars as pl

    parts = [pl.scan_parquet(file, hive_partitioning=True) for file in sorted(glob.glob(files, recursive=True))]
    events = pl.concat(parts, how="diagonal_relaxed").collect()
    items = "extras" if "extras" in events.columns else "stock_codes"
    total = events["total"].cast(pl.Float64)

    def rows(frame):
        return [list(row) for row in frame.rows()]

    return {
        "by_event": rows(
            events.group_by("event").agg(pl.len(), pl.col("distinct_id").n_unique().alias("users")).sort("event")
        ),
        "by_day": rows(events.group_by("day").len().sort("day").with_columns(pl.col("day").cast(pl.String))),
        "time": rows(
            events.select(
                pl.col("time").dt.epoch("ms").min().alias("min"), pl.col("time").dt.epoch("ms").max().alias("max")
            )
        ),
        "stored_users": [[events["user_id"].drop_nulls().n_unique()]],
        "sums": {
            "total": [[len(total) - total.null_count(), round(total.sum(), 2)]],
            "list_items": [[int(events[items].list.len().sum())]],
        },
    }


def main():
    reader, directory = sys.argv[1:]
    files = f"{directory}/events/**/*.parquet"
    answers = {"duckdb": with_duckdb, "polars": with_polars}[reader](files)
    json.dump(answers, sys.stdout)


main()
