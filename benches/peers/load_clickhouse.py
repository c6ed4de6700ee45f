"""ClickHouse (chdb): NDJSON -> a MergeTree partitioned by day, sorted by (user, time).

Columns and types are what ClickHouse finds in the file."""
import json

import chdb
from chdb import session

from common import Measured, arguments, report

source, out = arguments()
with Measured() as measured:
    db = session.Session(out)
    db.query(f"""
        CREATE TABLE events ENGINE = MergeTree PARTITION BY toYYYYMMDD(at) ORDER BY (user, at) AS
        SELECT assumeNotNull(event) AS event, assumeNotNull(properties.distinct_id) AS user,
               fromUnixTimestamp64Milli(assumeNotNull(properties.time), 'UTC') AS at, untuple(properties)
        FROM file('{source}', JSONEachRow)
    """)
ask = lambda text: json.loads(db.query(text, "JSONCompact").bytes())["data"]
[[rows, users]] = ask("SELECT count(), uniqExact(user) FROM events")
by_event = [(name, int(count)) for name, count in ask("SELECT event, count() FROM events GROUP BY 1")]
[[stored]] = ask("SELECT sum(bytes_on_disk) FROM system.parts WHERE active AND table = 'events'")
report(chdb.__version__, measured, int(stored), int(rows), int(users), by_event)
