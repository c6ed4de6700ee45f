"""Polars: NDJSON -> Parquet files by day, each sorted by (user, time), zstd.

Columns and types are what Polars finds in the first records."""
import polars as pl

from common import Measured, arguments, bytes_of, report

source, out = arguments()
with Measured() as measured:
    events = pl.scan_ndjson(source, infer_schema_length=20_000).unnest("properties")
    day = pl.from_epoch("time", time_unit="ms").dt.date().alias("day")
    events = events.with_columns(day).sort("day", "distinct_id", "time")
    events.sink_parquet(pl.PartitionBy(out + "/events", key="day", include_key=False), compression="zstd", mkdir=True)
events = pl.scan_parquet(out + "/events/**/*.parquet", hive_partitioning=True)
rows, users = events.select(pl.len(), pl.col("distinct_id").n_unique()).collect().row(0)
by_event = events.group_by("event").len().collect().rows()
report(pl.__version__, measured, bytes_of(out), rows, users, by_event)
