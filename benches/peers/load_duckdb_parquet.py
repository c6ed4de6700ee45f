"""DuckDB: NDJSON -> Parquet files by day, each sorted by (user, time), zstd.

Columns and types are what read_json finds in the file."""
import duckdb

from common import Measured, arguments, bytes_of, report

source, out = arguments()
with Measured() as measured:
    db = duckdb.connect()
    db.execute(f"COPY (SELECT event, epoch_ms(properties.time)::DATE AS day, unnest(properties) "
               f"FROM read_json($source, format = 'newline_delimited') ORDER BY day, properties.distinct_id, properties.time) "
               f"TO '{out}/events' (FORMAT parquet, COMPRESSION zstd, PARTITION_BY (day))", {"source": source})
    db.close()
db = duckdb.connect()
ask = lambda text: db.execute(text.replace("EVENTS", f"read_parquet('{out}/events/**/*.parquet')")).fetchall()
[(rows, users)] = ask("SELECT count(*), count(DISTINCT distinct_id) FROM EVENTS")
report(duckdb.__version__, measured, bytes_of(out), rows, users, ask("SELECT event, count(*) FROM EVENTS GROUP BY 1"))
