"""Loads a CSV file into a table of a DuckDB file as others do; prints what it took as JSON.

loaders.py dlt-csv|dlt-arrow|duckdb FILE FOLDER KEY   (KEY may be empty)
"""

import json
import os
import resource
import sys
import time

how, file, folder, key = sys.argv[1:]
database = os.path.join(folder, "loaded.duckdb")


def by_dlt(rows):
    import dlt

    disposition = "merge" if key else "append"
    made = dlt.resource(rows, name="t", primary_key=key or None, write_disposition=disposition)
    destination = dlt.destinations.duckdb(database)
    pipeline = dlt.pipeline("bench", pipelines_dir=folder, destination=destination, dataset_name="d")
    pipeline.run(made)
    return "d.t"


def dlt_csv():
    import pandas

    def rows():  # as dlt's own reader of CSV files does it
        for part in pandas.read_csv(file, chunksize=10_000):
            yield part.to_dict(orient="records")

    return by_dlt(rows)


def dlt_arrow():
    from pyarrow import csv

    return by_dlt(lambda: (yield csv.read_csv(file)))


def duckdb_itself():
    import duckdb

    connection = duckdb.connect(database)
    connection.sql(f"CREATE TABLE t AS FROM read_csv('{file}')")
    if key:
        connection.sql(f"ALTER TABLE t ADD PRIMARY KEY ({key})")
    connection.close()
    return "t"


start = time.monotonic()
table = {"dlt-csv": dlt_csv, "dlt-arrow": dlt_arrow, "duckdb": duckdb_itself}[how]()
seconds = time.monotonic() - start
used = resource.getrusage(resource.RUSAGE_SELF)
below = resource.getrusage(resource.RUSAGE_CHILDREN)

import duckdb

[[count]] = duckdb.connect(database).sql(f"SELECT count(*) FROM {table}").limit(1).fetchall()
cpu = used.ru_utime + used.ru_stime + below.ru_utime + below.ru_stime
megabytes = max(used.ru_maxrss, below.ru_maxrss) / 1024
print(json.dumps({"rows": count, "wall": seconds, "cpu": cpu, "memory": megabytes}))
