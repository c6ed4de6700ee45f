"""Asks ClickHouse (chdb, in this process) questions about a Parquet file.

usage: clickhouse.py DIRECTORY

Reads DIRECTORY/questions.json, a list of SQL texts in which {rows} stands for the table of
DIRECTORY/rows.parquet, and writes the answer to question N to DIRECTORY/answer-N.parquet.
"""

import json
import pathlib
import sys

import chdb


def main():
    directory = pathlib.Path(sys.argv[1])
    rows = f"file('{directory}/rows.parquet', Parquet)"
    for number, question in enumerate(json.loads((directory / "questions.json").read_text())):
        answer = chdb.query(question.replace("{rows}", rows), "Parquet")
        (directory / f"answer-{number}.parquet").write_bytes(answer.bytes())


main()
