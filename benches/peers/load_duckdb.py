"""DuckDB: NDJSON -> its own table, sorted by (day, user, time).

Columns and types are what read_json finds in the file."""
import duckdb

from common import Measured, arguments, bytes_of, report

source, out = arguments()
path = out + "/events.duckdb"
with Measured() as measured:
    db = duckdb.connect(path)
    db.execute("CREATE TABLE events AS SELECT event, epoch_ms(properties.time)::DATE AS day, unnest(properties) "
               "FROM read_json(?, format = 'newline_delimited') ORDER BY day, properties.distinct_id, properties.time", [source])
    db.execute("CHECKPOINT")
    db.close()
db = duckdb.connect(path, read_only=True)
ask = lambda text: db.execute(text).fetchall()
[(rows, users)] = ask("SELECT count(*), count(DISTINCT distinct_id) FROM events")
report(duckdb.__version__, measured, bytes_of(out), rows, users, ask("SELECT event, count(*) FROM events GROUP BY 1"))
