"""DataFusion as it comes answers questions on Parquet: query_datafusion.py serve PARQUET FOLDER THREADS BYTES"""
import sys

import datafusion
import pyarrow
from datafusion import RuntimeEnvBuilder, SessionConfig, SessionContext

from query_common import serve

_, parquet, _, threads, memory = sys.argv[1:]


def open_parquet():
    config = SessionConfig().with_target_partitions(int(threads))
    runtime = RuntimeEnvBuilder().with_disk_manager_os().with_fair_spill_pool(int(memory))
    context = SessionContext(config, runtime)
    context.register_parquet("events", parquet + "/", table_partition_cols=[("day", pyarrow.date32())])

    def ask(sql):
        rows = []
        for batch in context.sql(sql).collect():
            columns = [column.to_pylist() for column in batch.columns]
            rows.extend(zip(*columns))
        return rows
    return ask


serve(datafusion.__version__, open_parquet)
