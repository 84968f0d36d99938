"""S3 and Athena on loopback: moto's server, with Athena's queries executed in DuckDB.

    python athena.py PORT

moto answers Athena's API but runs no query. Here each is translated to DuckDB's SQL by sqlglot and
run; external tables are read from moto's own S3, in this process. Laxer than Athena: Iceberg tables
are tables of DuckDB (locations and table properties are ignored), there are no permissions, and
results come in one page. As strict as Athena: the length of a query, the partitions that one writes
to, the columns of a table that a MERGE with two clauses changes, and what ALTER TABLE can change.
"""

import json
import os
import re
import sys
import tempfile
import threading

import duckdb
import sqlglot
from sqlglot import exp
from moto.athena import models, responses
from moto.athena.exceptions import InvalidArgumentException
from moto.s3.models import s3_backends
from moto.server import main as serve

lock = threading.RLock()
database = duckdb.connect(":memory:")
database.execute("SET TimeZone = 'UTC'")
MOST_QUERY_BYTES = 262144
MOST_PARTITIONS = 100
MOST_MERGED_COLUMNS = 321

partitions = {}  # (schema, table) in lower case: (unit, column)
external = {}  # (schema, table) in lower case: (bucket, prefix, column definitions)

NAME = r"`([^`]+)`\.`([^`]+)`"
CREATE = re.compile(
    rf"CREATE (EXTERNAL )?TABLE {NAME} \((.*?)\)"
    r"( PARTITIONED BY \(.*\))?( ROW FORMAT SERDE '\S+')? LOCATION 's3://([^/']+)/([^']*)'(.*)",
    re.DOTALL,
)
ALTER = re.compile(rf"ALTER TABLE {NAME} ADD COLUMNS \((.*)\)", re.DOTALL)
DROP_COLUMN = re.compile(rf"ALTER TABLE {NAME} DROP COLUMN `([^`]+)`")
RENAME = re.compile(rf"ALTER TABLE {NAME} RENAME TO {NAME}")
PARTITIONED = re.compile(r" PARTITIONED BY \((day|month|year)\(`([^`]+)`\)\)")
DROP = re.compile(rf"DROP TABLE IF EXISTS {NAME}")
CREATE_DATABASE = re.compile(r"CREATE DATABASE IF NOT EXISTS `([^`]+)`")


class Refused(Exception):
    pass


def quoted(*names):
    return ".".join('"' + name.replace('"', '""') + '"' for name in names)


def definitions(text):
    """The columns of a Hive DDL statement, as DuckDB takes them."""
    columns = re.findall(r"(?:`([^`]+)`|(\w+)) (string|bigint|double|boolean|date|timestamp)(?:, |$)", text)
    rebuilt = len(re.findall(r"(?:`[^`]+`|\w+) \w+", text))
    if not columns or len(columns) != rebuilt:
        raise Refused(f"FAILED: ParseException: cannot read the columns {text}")
    return [(a or b, "varchar" if kind == "string" else kind) for a, b, kind in columns]


def buckets_of(account):
    return s3_backends[account]["aws"].buckets


def load_external(key, account):
    """Puts what is in S3 now into a table, each time that a query names it."""
    bucket, prefix, columns = external[key]
    keys = buckets_of(account)[bucket].keys
    files = [keys[name] for name in sorted(keys) if name.startswith(prefix)]
    with tempfile.NamedTemporaryFile(suffix=".json") as copy:
        for file in files:
            copy.write(file.value)
        copy.flush()
        types = {name: kind.upper() for name, kind in columns}
        database.execute(
            f"CREATE OR REPLACE TABLE {quoted(*key)} AS SELECT * FROM "
            f"read_json('{copy.name}', format = 'newline_delimited', columns = {types}, "
            "maximum_object_size = 104857600)"
        )


def key_of(schema, table):
    return (schema.lower(), table.lower())


def change_table(tree):
    """Changes a table in one transaction, within the limits that Athena has."""
    table = tree.this.find(exp.Table)
    name = quoted(table.db, table.name)
    if isinstance(tree, exp.Merge) and len(tree.args["whens"].expressions) > 1:
        columns = database.execute(f"SELECT count(*) FROM (DESCRIBE {name})").fetchone()[0]
        if columns > MOST_MERGED_COLUMNS:
            raise Refused(
                "GENERIC_INTERNAL_ERROR: io.trino.spi.TrinoException: Compiler failed: "
                "Method too large"
            )
    database.execute("BEGIN TRANSACTION")
    try:
        by = partitions.get(key_of(table.db, table.name))
        if by:
            database.execute(f"CREATE OR REPLACE TEMP TABLE before_change AS FROM {name}")
        database.execute(tree.sql(dialect="duckdb"))
        if by:
            written = f"FROM {name} EXCEPT ALL FROM before_change"
            start = f"date_trunc('{by[0]}', CAST({quoted(by[1])} AS DATE))"
            [(count,)] = database.execute(
                f"SELECT count(DISTINCT coalesce(CAST({start} AS VARCHAR), '')) FROM ({written})"
            ).fetchall()
            if count > MOST_PARTITIONS:
                raise Refused(
                    "ICEBERG_TOO_MANY_OPEN_PARTITIONS: Exceeded limit of 100 open writers for partitions"
                )
        database.execute("COMMIT")
    except Exception:
        database.execute("ROLLBACK")
        raise


def execute(query, account):
    """Rows and their columns' names; None for a statement without a result."""
    query = query.strip()
    if match := CREATE_DATABASE.fullmatch(query):
        database.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(match[1])}")
        return None
    if match := CREATE.fullmatch(query):
        is_external, schema, table, columns, by, serde, bucket, prefix, rest = match.groups()
        if bucket not in buckets_of(account):
            raise Refused(f"S3 bucket does not exist: {bucket}")
        if not is_external and "'ICEBERG'" not in rest:
            raise Refused("FAILED: only external and Iceberg tables can be made")
        columns = definitions(columns)
        listed = ", ".join(f"{quoted(name)} {kind}" for name, kind in columns)
        database.execute(f"CREATE TABLE {quoted(schema, table)} ({listed})")
        if by:
            partitions[key_of(schema, table)] = PARTITIONED.fullmatch(by).groups()
        if is_external:
            external[(schema.lower(), table.lower())] = (bucket, prefix, columns)
        return None
    if match := ALTER.fullmatch(query):
        for name, kind in definitions(match[3]):
            change = f"ADD COLUMN {quoted(name)} {kind}"
            database.execute(f"ALTER TABLE {quoted(match[1], match[2])} {change}")
        return None
    if match := DROP_COLUMN.fullmatch(query):
        if partitions.get(key_of(match[1], match[2]), (None, None))[1] == match[3]:
            raise Refused(f"ICEBERG: Cannot find source column for partition field: {match[3]}")
        database.execute(f"ALTER TABLE {quoted(match[1], match[2])} DROP COLUMN {quoted(match[3])}")
        return None
    if match := RENAME.fullmatch(query):
        schema, table, new_schema, new_table = match.groups()
        if key_of(schema, table) in external or schema != new_schema:
            raise Refused("FAILED: only Iceberg tables can be renamed")
        database.execute(f"ALTER TABLE {quoted(schema, table)} RENAME TO {quoted(new_table)}")
        by = partitions.pop(key_of(schema, table), None)
        if by:
            partitions[key_of(schema, new_table)] = by
        return None
    if match := DROP.fullmatch(query):
        partitions.pop(key_of(match[1], match[2]), None)
        database.execute(f"DROP TABLE IF EXISTS {quoted(match[1], match[2])}")
        external.pop((match[1].lower(), match[2].lower()), None)
        return None
    # Only Trino's language is left, in which a name in backticks is an error.
    tree = sqlglot.parse_one(query, read="trino")
    if isinstance(tree, exp.Command):
        raise Refused(f"FAILED: ParseException: {query[:80]}")
    for table in tree.find_all(exp.Table):
        key = (table.db.lower(), table.name.lower())
        if key in external:
            load_external(key, account)
    if isinstance(tree, (exp.Insert, exp.Merge, exp.Update, exp.Delete)):
        change_table(tree)
        return None
    cursor = database.execute(tree.sql(dialect="duckdb"))
    if not isinstance(tree, exp.Query):
        return None
    return [column[0] for column in cursor.description], cursor.fetchall()


def text_of(value):
    if value is None:
        return {}
    if isinstance(value, bool):
        return {"VarCharValue": str(value).lower()}
    return {"VarCharValue": str(value)}


class Backend:
    """What replaces methods of moto's Athena backend and of its API."""

    start = models.AthenaBackend.start_query_execution
    answer = responses.AthenaResponse.get_query_execution
    accept = responses.AthenaResponse.start_query_execution
    accepted = {}  # the answer by the client's token: a question that is repeated starts nothing

    def accept_query_execution(self):
        token = self._get_param("ClientRequestToken")
        with lock:
            if token not in Backend.accepted:
                Backend.accepted[token] = Backend.accept(self)
            return Backend.accepted[token]

    def start_query_execution(self, query, context, config, workgroup, execution_parameters):
        if len(query.encode()) > MOST_QUERY_BYTES:
            raise InvalidArgumentException(
                "1 validation error detected: Value at 'queryString' failed to satisfy constraint: "
                f"Member must have length less than or equal to {MOST_QUERY_BYTES}"
            )
        if not (config or {}).get("OutputLocation"):
            raise InvalidArgumentException(
                "No output location provided. An output location is required for query results."
            )
        execution_id = Backend.start(self, query, context, config, workgroup, execution_parameters)
        execution = self.executions[execution_id]
        execution.outcome, execution.reason = None, None
        with lock:
            try:
                execution.outcome = execute(query, self.account_id)
            except Exception as error:  # whatever it is, the query has failed by it
                execution.reason = f"{type(error).__name__}: {error}"
        return execution_id

    def get_query_results(self, exec_id):
        names, rows = self.executions[exec_id].outcome or ([], [])
        lines = [names, *rows] if names else []
        data = [{"Data": [text_of(value) for value in line]} for line in lines]
        return models.QueryResults(rows=data, column_info=[])

    def get_query_execution(self):
        body = json.loads(Backend.answer(self))
        execution = self.athena_backend.executions[body["QueryExecution"]["QueryExecutionId"]]
        if execution.reason is not None:
            body["QueryExecution"]["Status"]["State"] = "FAILED"
            body["QueryExecution"]["Status"]["StateChangeReason"] = execution.reason
        return json.dumps(body)


models.AthenaBackend.start_query_execution = Backend.start_query_execution
models.AthenaBackend.get_query_results = Backend.get_query_results
responses.AthenaResponse.get_query_execution = Backend.get_query_execution
responses.AthenaResponse.start_query_execution = Backend.accept_query_execution

if __name__ == "__main__":
    threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
    serve(["-H", "127.0.0.1", "-p", sys.argv[1]])
