"""What a function does, by its name: a reviewed table of those that do more than read, and each engine's readers.

A name in neither is unknown: somebody may have written it. The lists are in `functions/`, one file a dialect.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, NamedTuple

from toolguard.classify.sql.lexer import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from toolguard.classify.sql.lexer import Token

DESTROYS = "destroys"  # beside the effects: what was there is gone afterwards


class Call(NamedTuple):
    """A function's name as it is called: lower case, `schema.name` where a schema is written; `empty`: without arguments."""

    name: str
    empty: bool

    @property
    def last(self) -> str:
        """The name without its schema."""
        return self.name.rpartition(".")[2]


# What each does beside reading rows, in any dialect; `ONLY_IN` says where a name counts that means little elsewhere.
EFFECTS: dict[str, str] = {
    "file_read": (
        "pg_read_file pg_read_binary_file pg_read_file_old pg_stat_file pg_ls_dir pg_ls_logdir pg_ls_waldir pg_ls_tmpdir "
        "pg_ls_archive_statusdir pg_ls_logicalmapdir pg_ls_logicalsnapdir pg_ls_replslotdir pg_hba_file_rules "
        "pg_ident_file_mappings pg_show_all_file_settings pg_current_logfile load_file readfile lsdir fsdir fn_trace_gettable "
        "fn_get_audit_file fn_xe_file_target_read_file read_csv read_csv_auto read_parquet parquet_scan parquet_metadata "
        "parquet_schema parquet_file_metadata parquet_kv_metadata parquet_full_metadata parquet_bloom_probe read_json "
        "read_json_auto read_json_objects read_json_objects_auto read_ndjson read_ndjson_auto read_ndjson_objects read_text "
        "read_blob read_duckdb read_xlsx sniff_csv glob sqlite_scan iceberg_scan delta_scan st_read read_single_csv_file "
        "read_single_json_file read_single_parquet_file bfilename xp_fileexist xp_subdirs lo_import"
    ),
    "file_write": "lo_export writefile pg_file_write pg_file_unlink pg_file_rename tofile utl_file.fopen",
    "write": (
        "lo_import lo_unlink lo_creat lo_create lo_from_bytea lo_put lo_truncate lo_truncate64 lowrite lo_open nextval "
        "setval seq_nextval pg_logical_emit_message fts3_tokenizer write_log txid_current pg_current_xact_id "
        "brin_summarize_new_values gin_clean_pending_list"
    ),
    "admin": (
        "pg_reload_conf pg_rotate_logfile pg_switch_wal pg_create_physical_replication_slot pg_create_logical_replication_slot "
        "pg_copy_physical_replication_slot pg_copy_logical_replication_slot pg_create_restore_point pg_backup_start "
        "pg_backup_stop pg_import_system_collations pg_cancel_backend pg_terminate_backend pg_drop_replication_slot pg_promote "
        "pg_stat_reset pg_stat_reset_shared pg_stat_reset_single_table_counters pg_stat_reset_slru pg_stat_statements_reset "
        "pg_replication_slot_advance pg_logical_slot_get_changes pg_logical_slot_get_binary_changes pg_wal_replay_pause "
        "pg_wal_replay_resume pg_log_backend_memory_contexts checkpoint force_checkpoint system$cancel_query "
        "system$abort_session dbms_system.ksdwrt"
    ),
    "session": (
        "set_config pg_export_snapshot last_insert_id release_lock release_all_locks pg_advisory_unlock pg_advisory_unlock_all "
        "pg_advisory_unlock_shared pg_notify get_lock pg_advisory_lock pg_advisory_lock_shared pg_advisory_xact_lock "
        "pg_advisory_xact_lock_shared pg_try_advisory_lock pg_try_advisory_lock_shared pg_try_advisory_xact_lock "
        "pg_try_advisory_xact_lock_shared dbms_session.set_role"
    ),
    "lock": (
        "get_lock pg_advisory_lock pg_advisory_lock_shared pg_advisory_xact_lock pg_advisory_xact_lock_shared "
        "pg_try_advisory_lock pg_try_advisory_lock_shared pg_try_advisory_xact_lock pg_try_advisory_xact_lock_shared"
    ),
    "delay": (
        "pg_sleep pg_sleep_for pg_sleep_until sleep benchmark sleep_ms master_pos_wait source_pos_wait master_gtid_wait "
        "wait_for_executed_gtid_set system$wait dbms_lock.sleep dbms_session.sleep"
    ),
    "dynamic": (
        "dblink dblink_exec dblink_open dblink_send_query openquery external_query postgres_query mysql_query query_to_xml "
        "query_to_xml_and_xmlschema query_to_xmlschema cursor_to_xml cursor_to_xmlschema ts_stat ts_rewrite query "
        "json_execute_serialized_sql dbms_xmlgen.getxml dbms_xmlquery.getxml dbms_sql.parse dbms_sql.execute xpath_table "
        "crosstab connectby eval xp_cmdshell sys_exec sys_eval load_extension sp_oacreate sp_oamethod sp_executesql"
    ),
    "network": (
        "dblink dblink_exec dblink_open dblink_send_query dblink_connect dblink_connect_u openquery opendatasource "
        "openrowset external_query postgres_query mysql_query xp_dirtree utl_http.request utl_http.begin_request "
        "utl_inaddr.get_host_address utl_inaddr.get_host_name utl_tcp.open_connection httpuritype utl_smtp.open_connection "
        "http_get http_post http_put http_delete http postgres_scan mysql_scan net.http_get net.http_post dbms_ldap.init "
        "ml_predict"
    ),
    "exec": "xp_cmdshell sys_exec sys_eval load_extension edit sp_oacreate sp_oamethod dbms_scheduler.create_job",
    "read": (  # nothing but a read, of more than its text shows: settings, secrets, tables by name
        "table_to_xml table_to_xml_and_xmlschema schema_to_xml schema_to_xml_and_xmlschema database_to_xml "
        "database_to_xml_and_xmlschema query_table duckdb_secrets which_secret getvariable getenv zeroblob analyse "
        "pg_tablespace_location pg_relation_filepath"
    ),
    DESTROYS: (
        "lo_unlink pg_terminate_backend pg_drop_replication_slot pg_promote pg_stat_reset pg_stat_reset_shared "
        "pg_replication_slot_advance pg_logical_slot_get_changes system$abort_session xp_cmdshell sys_exec sys_eval "
        "load_extension edit sp_oacreate sp_oamethod pg_file_unlink sp_executesql"
    ),
}
ONLY_IN = {
    "glob": ("duckdb",),
    "query": ("duckdb",),
    "sleep": ("mysql",),
    "checkpoint": ("duckdb",),
    "edit": ("sqlite",),
    "eval": ("sqlite",),
    "http": ("postgres", "redshift"),
    "analyse": ("mysql",),
}

_BY_NAME: dict[str, frozenset[str]] = {}
for _effect, _names in EFFECTS.items():
    for _name in _names.split():
        _BY_NAME[_name] = _BY_NAME.get(_name, frozenset()) | {_effect}

# Reserved words: before a `(` they call nothing, or only read (`array`, `if`, `replace`).
_RESERVED = frozenset(
    (
        "all any some exists in not and or on using as from where select values union except intersect minus having when "
        "then else case end like ilike is with distinct join lateral into table limit offset fetch group order only unique "
        "primary foreign constraint default references check array row interval window grouping if replace unnest between "
        "similar escape returning qualify top option update insert delete"
    ).split()
)
# Words that are structure only behind certain others, `)` and `*` among them; elsewhere a function may have the name.
_AFTER: dict[str, frozenset[str]] = {
    word: frozenset(before.split())
    for word, before in {
        "over": ") NULLS",
        "filter": ")",
        "within": ")",
        "by": "PARTITION ORDER GROUP SIBLINGS CLUSTER SORT DISTRIBUTE CONNECT",
        "cube": "BY ,",
        "rollup": "BY ,",
        "sets": "GROUPING",
        "conflict": "ON",
        "materialized": "AS NOT",
        "system": "TABLESAMPLE",
        "bernoulli": "TABLESAMPLE",
        "index": "USE FORCE IGNORE",
        "key": "DUPLICATE PRIMARY FOREIGN UNIQUE",
        "exclude": "*",
        "rename": "*",
        "apply": "CROSS OUTER",
        "unpivot": ") ",
        "pivot": ")",
    }.items()
}
# Types take arguments behind a cast or a column's name.
_TYPES = frozenset(
    (
        "varchar char character nchar nvarchar varchar2 nvarchar2 decimal numeric dec number float double binary varbinary "
        "bit time timestamp timestamptz datetime datetime2 datetimeoffset int integer tinyint smallint bigint mediumint text "
        "blob clob bpchar varying bytes string raw enum real bignumeric geometry geography vector map list struct"
    ).split()
)
_OF_TABLES = frozenset(("partition", "at", "before", "changes"))  # behind a table's name
_TRUSTED_SCHEMAS = {
    "postgres": ("pg_catalog",),
    "redshift": ("pg_catalog",),
    "duckdb": ("main", "system", "pg_catalog"),
    "tsql": ("sys",),
    "oracle": ("sys",),
}


def effects_of(call: Call, dialect: str) -> frozenset[str] | None:
    """What a function does beside reading rows; empty where it is known to do nothing else, None where it is not known."""
    for name in (call.name, call.last):
        found = _BY_NAME.get(name)
        if found is None or dialect not in ONLY_IN.get(name, (dialect,)):
            continue
        if name == "last_insert_id" and call.empty:
            return frozenset()
        return found
    names = names_of(dialect)
    schema, _, last = call.name.rpartition(".")
    if call.name in names or (schema in _TRUSTED_SCHEMAS.get(dialect, ()) and last in names):
        return frozenset()
    return None


@lru_cache(maxsize=16)
def names_of(dialect: str) -> frozenset[str]:
    """The functions of a dialect that only read."""
    lines = (files(__package__) / "functions" / f"{dialect}.txt").read_text("utf-8").splitlines()
    names = frozenset(name for line in lines if not line.startswith("#") for name in line.split())
    return names | names_of("postgres") if dialect == "redshift" else names


def calls_in(tokens: list[Token], *, case_sensitive: bool) -> Iterator[Call]:
    """All names before a `(` that may be functions, with their schemas."""
    for place, token in enumerate(tokens):
        if token.text != "(" or not place or tokens[place - 1].kind not in (Kind.WORD, Kind.NAME):
            continue
        at = place - 1
        parts = [tokens[at]]
        while at > 1 and tokens[at - 1].text == "." and tokens[at - 2].kind in (Kind.WORD, Kind.NAME):
            at -= 2
            parts.append(tokens[at])
        if (
            len(parts) == 1
            and parts[0].kind is Kind.WORD
            and _is_structure(parts[0].text.lower(), tokens[at - 1] if at else None)
        ):
            continue
        name = ".".join(_spelled(part, case_sensitive=case_sensitive) for part in reversed(parts))
        yield Call(name, tokens[place + 1].text == ")" if place + 1 < len(tokens) else False)


def _is_structure(word: str, before: Token | None) -> bool:
    if word in _RESERVED:
        return True
    after = before.upper if before else ""
    named = before is not None and before.kind in (Kind.WORD, Kind.NAME) and after.lower() not in _RESERVED
    if word in _TYPES:
        return named or after in (":", "AS")
    if word in _OF_TABLES and named:
        return True
    return after in _AFTER.get(word, ())


def _spelled(part: Token, *, case_sensitive: bool) -> str:
    """In lower case; where a quoted name means what it says and is not in lower case, with its quotes: it is no built-in."""
    if part.kind is Kind.NAME and case_sensitive and part.text != part.text.lower():
        return f'"{part.text}"'
    return part.text.lower()
