"""Databases as judges: each says whether a text, run for real, changed anything."""

import os
import pwd
import shutil
import socket
import sqlite3
import subprocess
import time
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

READ = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE, sqlite3.SQLITE_PRAGMA}


class Sqlite:
    """Every action is asked about before it is taken (also by an EXPLAIN, which takes none), and the tables are looked at."""

    dialect = "sqlite"

    def changed_by(self, text):
        seen = []
        with closing(sqlite3.connect(":memory:", isolation_level=None)) as database:
            database.executescript("CREATE TABLE t (id, a, b); CREATE TABLE u (id); INSERT INTO t VALUES (1, 2, 3)")
            before = self._state(database)
            database.set_authorizer(lambda action, *_: seen.append(action) or sqlite3.SQLITE_OK)
            with suppress(sqlite3.Error, sqlite3.Warning, ValueError):  # what ran before the mistake ran
                database.executescript(text)
            database.set_authorizer(None)
            acted = any(action not in READ for action in seen) and "explain" not in text.lower()
            return acted or self._state(database) != before

    @staticmethod
    def _state(database):
        asked = ("SELECT * FROM t", "SELECT * FROM u", "PRAGMA schema_version", "PRAGMA user_version", "PRAGMA database_list")
        try:
            return database.total_changes, database.in_transaction, [database.execute(each).fetchall() for each in asked]
        except sqlite3.Error:
            return None  # a table is gone


class DuckDB:
    """What the text is made of, as its own parser says, and whether the table is still what it was."""

    dialect = "duckdb"

    def __init__(self):
        self.duckdb = pytest.importorskip("duckdb")

    def changed_by(self, text):
        with closing(self.duckdb.connect(config={"enable_external_access": "false"})) as database:
            database.execute(
                "CREATE TABLE t AS SELECT 1 AS id, 2 AS a, 3 AS b; CREATE TABLE u AS SELECT 1 AS id; CREATE SEQUENCE s"
            )
            with suppress(self.duckdb.Error):
                for statement in database.extract_statements(text):
                    database.execute(statement)
            with suppress(self.duckdb.Error):  # if it was in a transaction
                database.execute("ROLLBACK")
            try:
                rows = database.execute("SELECT * FROM t").fetchall(), database.execute("SELECT * FROM u").fetchall()
                names = database.execute("SELECT count(*) FROM duckdb_tables()").fetchone()
            except self.duckdb.Error:
                return True
        return rows != ([(1, 2, 3)], [(1,)]) or names != (2,)


class Postgres:
    """A real server: the whole text at once, as the simple protocol sends it, then a look at the tables."""

    dialect = "postgres"

    def __init__(self, connection):
        self.connection = connection

    def changed_by(self, text):
        if "\x00" in text:
            return False
        import psycopg  # noqa: PLC0415

        with self.connection() as database:
            database.autocommit = True
            ran = database.cursor()
            ran.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public; CREATE TABLE t (id int, a int, b int)")
            ran.execute("CREATE TABLE u (id int); INSERT INTO t VALUES (1, 2, 3); CREATE SEQUENCE s")
            with suppress(psycopg.Error, UnicodeError):
                database.pgconn.exec_(text.encode("utf-8", "surrogatepass"))
            database.pgconn.exec_(b"ROLLBACK")
            try:
                ran.execute("SELECT (SELECT array_agg(t::text) FROM t), (SELECT count(*) FROM u), (SELECT last_value FROM s)")
                rows = ran.fetchone()
                ran.execute("SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace")
                return rows != (["(1,2,3)"], 0, 1) or ran.fetchone() != (3,)
            except psycopg.Error:
                return True


class MariaDB:
    """A real server, several statements at once allowed."""

    dialect = "mysql"

    def __init__(self, path):
        self.pymysql = pytest.importorskip("pymysql")
        self.path = path

    def changed_by(self, text):
        from pymysql.constants import CLIENT  # noqa: PLC0415

        given = {"unix_socket": self.path, "user": "root", "autocommit": True, "client_flag": CLIENT.MULTI_STATEMENTS}
        with closing(self.pymysql.connect(**given)) as database, database.cursor() as ran:
            ran.execute("DROP DATABASE IF EXISTS f; CREATE DATABASE f; USE f; CREATE TABLE t (id int, a int, b int)")
            while ran.nextset():
                pass
            ran.execute("CREATE TABLE u (id int)")
            ran.execute("INSERT INTO t VALUES (1, 2, 3)")
            with suppress(self.pymysql.Error, UnicodeError, RuntimeError):
                ran.execute(text)
                while ran.nextset():
                    pass
        with closing(self.pymysql.connect(**given)) as database, database.cursor() as ran:
            try:
                ran.execute("SELECT * FROM f.t")
                rows = ran.fetchall()
                ran.execute("SELECT count(*) FROM f.u")
                empty = ran.fetchone()
                ran.execute("SELECT count(*) FROM information_schema.tables WHERE table_schema = 'f'")
                return rows != ((1, 2, 3),) or empty != (0,) or ran.fetchone() != (2,)
            except self.pymysql.Error:
                return True


@contextmanager
def postgres(folder):
    """A server of its own, reached through a socket in the folder."""
    psycopg = pytest.importorskip("psycopg")
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin")) if Path("/usr/lib/postgresql").is_dir() else []
    if not programs:
        pytest.skip("there is no PostgreSQL here")
    user = _other_user("postgres", folder)
    run = {"user": user, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": folder}
    data = folder / "data"
    subprocess.run([programs[-1] / "initdb", "-D", data, "-A", "trust", "-U", "postgres", "-N"], check=True, **run)
    options = f"-c listen_addresses='' -c unix_socket_directories='{folder}' -c fsync=off -c full_page_writes=off"
    subprocess.run([programs[-1] / "pg_ctl", "-D", data, "-w", "-o", options, "-l", folder / "log", "start"], check=True, **run)
    try:
        yield Postgres(lambda: psycopg.connect(host=str(folder), user="postgres", dbname="postgres"))
    finally:
        subprocess.run([programs[-1] / "pg_ctl", "-D", data, "-m", "immediate", "stop"], check=True, **run)


@contextmanager
def mariadb(folder):
    """A server of its own, likewise."""
    server, setup = shutil.which("mariadbd") or "/usr/sbin/mariadbd", shutil.which("mariadb-install-db")
    if not Path(server).exists() or setup is None:
        pytest.skip("there is no MariaDB here")
    pytest.importorskip("pymysql")
    user = _other_user("mysql", folder)
    quiet = {"user": user, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": folder}
    common = ["--no-defaults", f"--datadir={folder / 'data'}"]
    subprocess.run([setup, *common, "--auth-root-authentication-method=normal", "--skip-test-db"], check=True, **quiet)
    path = folder / "s"
    process = subprocess.Popen(
        [server, *common, f"--socket={path}", "--skip-networking", "--innodb-flush-log-at-trx-commit=0"], **quiet
    )
    try:
        _wait_for(path, process)
        yield MariaDB(str(path))
    finally:
        process.kill()
        process.wait()


def _wait_for(path, process):
    for _ in range(600):
        with socket.socket(socket.AF_UNIX) as one:
            try:
                one.connect(str(path))
            except OSError:
                assert process.poll() is None
                time.sleep(0.05)
            else:
                return
    raise AssertionError("the server does not answer")


def _other_user(name, folder):
    """Database servers do not run as root; the folder is theirs then."""
    if os.geteuid() != 0:
        return None
    try:
        known = pwd.getpwnam(name)
    except KeyError:
        pytest.skip(f"nobody here is called {name}, and servers do not run as root")
    os.chown(folder, known.pw_uid, known.pw_gid)
    return name
