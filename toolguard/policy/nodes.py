"""The reference's classifier nodes as they are written. `rewrite.py` turns each into ordinary leaves over facts.

A node holds, and its rule fires, when the call breaks one of the requirements.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, model_validator

from toolguard.errors import nearest
from toolguard.patterns import compile_pattern
from toolguard.policy.bindings import subject
from toolguard.policy.fields import parse_field
from toolguard.policy.node_llm import LlmClassify
from toolguard.policy.strict import Name, Refused, Strict

Port = Annotated[int, Field(ge=0, le=65535)]


def _host(text: str) -> str:
    host = text.lower().removesuffix(".")
    try:
        return str(ip_address(host.strip("[]")))
    except ValueError:
        pass  # it is a name
    if not host.strip(".") or set(host) & set("/:@*?[] "):
        raise ValueError(f"`{text}` is not a host: write a name, `.name` for it and all below it, or an address")
    if not host.isascii():
        raise ValueError(f"`{text}` can match nothing: write it in punycode (`xn--...`), as URLs have to")
    return host


Host = Annotated[Name, AfterValidator(_host)]


def _kind(text: str) -> str:
    if text.upper() not in SQL_KINDS:
        raise ValueError(f"`{text}` is no kind of statement{nearest(text.upper(), tuple(SQL_KINDS))}")
    return text.upper()


def _dialect(text: str) -> str:
    if text.lower() not in SQL_DIALECTS:
        raise ValueError(f"`dialect` cannot be `{text}` (only {', '.join(SQL_DIALECTS)}); `facts:` know more of them")
    return text.lower()


SQL_DIALECTS = ("postgres", "mysql", "sqlite", "mssql")
# The reference's kinds of statements, each with ours.
SQL_KINDS: dict[str, tuple[str, ...]] = {
    "SELECT": ("select",),
    "INSERT": ("insert", "replace"),
    "UPDATE": ("update", "merge"),
    "DELETE": ("delete",),
    "CREATE": ("create",),
    "DROP": ("drop",),
    "TRUNCATE": ("truncate",),
    "ALTER": ("alter", "rename", "comment"),
    "GRANT": ("grant",),
    "REVOKE": ("revoke",),
    "DO": ("do", "block", "if", "while", "loop", "for", "repeat", "case"),
    "CALL": ("call",),
    "EXECUTE": ("execute",),
    "PREPARE": ("prepare", "deallocate"),
    "COPY": ("copy", "export"),
    "LOAD": ("load", "install"),
    "SET": ("set", "use", "declare", "reconfigure"),
    "DISCARD": ("discard",),
    "TRANSACTION": ("transaction",),
    "OTHER": (
        "show", "explain", "describe", "pragma", "attach", "maintenance", "kill", "shutdown", "notify", "listen", "fetch",
        "handler", "lock", "put", "get", "list", "remove", "backup", "restore", "replication", "audit", "host", "waitfor",
        "print", "assert", "dbcc", "clone", "unknown",
    ),
}  # fmt: skip
Kind = Annotated[Name, AfterValidator(_kind)]


class HttpRequirements(Strict):
    """What a request has to keep to; at least one."""

    allowed_hosts: tuple[Host, ...] = Field(default=(), strict=False)
    """Only these hosts; `.example.com` means it and all below it."""
    denied_hosts: tuple[Host, ...] = Field(default=(), strict=False)
    """None of these hosts; `.example.com` means it and all below it."""
    allowed_schemes: tuple[Name, ...] = Field(default=(), strict=False)
    """Only these schemes, such as `https`."""
    allowed_methods: tuple[Name, ...] = Field(default=(), strict=False)
    """Only these methods, in any case."""
    denied_methods: tuple[Name, ...] = Field(default=(), strict=False)
    """None of these methods, in any case."""
    allowed_ports: tuple[Port, ...] = Field(default=(), strict=False)
    """Only these ports; a scheme's own port counts where none is written."""
    denied_ports: tuple[Port, ...] = Field(default=(), strict=False)
    """None of these ports."""

    @model_validator(mode="after")
    def _asks_for_something(self) -> Self:
        if not any(getattr(self, name) for name in type(self).model_fields):
            raise Refused("`require` cannot be empty: the node would never hold")
        return self


class HttpNode(Strict):
    """Where the URL and the method are, and what they have to keep to."""

    url_field: Name = "parameters.url"
    """The field with the URL."""
    method_field: Name = "parameters.method"
    """The field with the method."""
    require: HttpRequirements
    """What a request has to keep to."""

    @model_validator(mode="after")
    def _fields_are_fields(self) -> Self:
        for key in ("url_field", "method_field"):
            subject(getattr(self, key), key)
        return self


class HttpClassify(Strict):
    """Holds when a request breaks one of the requirements."""

    http_classify: HttpNode
    """The reference's node for URLs; `facts: {target: {url: parameters.url}}` says the same with leaves."""


class SqlRequirements(Strict):
    """What a SQL text has to keep to; at least one."""

    top_level_kinds: tuple[Kind, ...] = Field(default=(), strict=False)
    """One statement, of one of these kinds: SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, TRUNCATE, ALTER, GRANT, REVOKE, DO,
    CALL, EXECUTE, PREPARE, COPY, LOAD, SET, DISCARD, TRANSACTION, OTHER. A SELECT that writes is none."""
    denied_top_level_kinds: tuple[Kind, ...] = Field(default=(), strict=False)
    """No statement of these kinds."""
    no_dynamic_sql: bool = False
    """It runs no text and no code that is not in it."""
    no_program_exec: bool = False
    """It runs no program, reads and writes no file, and reaches no other machine."""
    allowed_functions: tuple[Name, ...] = Field(default=(), strict=False)
    """It calls only these functions."""
    no_functions: bool = False
    """It calls no function."""
    denied_function_classes: tuple[Name, ...] = Field(default=(), strict=False)
    """It calls no function of these classes, which `functions` lists."""
    allowed_function_classes: tuple[Name, ...] = Field(default=(), strict=False)
    """It calls only functions of these classes."""
    denied_tables: tuple[Name, ...] = Field(default=(), strict=False)
    """It touches no table whose name, with or without its schema, begins like this."""
    allowed_tables: tuple[Name, ...] = Field(default=(), strict=False)
    """It touches only these tables."""

    @model_validator(mode="after")
    def _asks_for_something(self) -> Self:
        if not any(getattr(self, name) for name in type(self).model_fields):
            raise Refused("`require` cannot be empty: the node would never hold")
        return self


class SqlNode(Strict):
    """Where the SQL is, and what it has to keep to."""

    field: Name = "parameters.sql"
    """The field with the SQL."""
    dialect: Annotated[Name, AfterValidator(_dialect)]
    """`postgres`, `mysql`, `sqlite` or `mssql`."""
    require: SqlRequirements
    """What the SQL has to keep to."""
    functions: dict[str, Annotated[tuple[Name, ...], Field(strict=False)]] = Field(default={})
    """Classes of functions, as the reference's registry lists them. A class that is not here breaks what asks for it."""

    @model_validator(mode="after")
    def _field_is_a_field(self) -> Self:
        subject(self.field, "field")
        return self


class SqlClassify(Strict):
    """Holds when a SQL text breaks one of the requirements, or cannot be read."""

    sql_classify: SqlNode
    """The reference's node for SQL; `facts: {query: {sql: parameters.sql, dialect: postgres}}` says the same with leaves."""


def _prefix(text: str) -> str:
    if text.split("/").count("**") > 2:  # noqa: PLR2004 - as there
        raise ValueError(f"`{text}` has more than two `**`")
    if ".." in text.split("/"):
        raise ValueError(f"`{text}` can match nothing: paths are compared without `..`")
    return text


def _rooted(text: str) -> str:
    if not text.startswith(("/", "\\")) and text[1:2] != ":":
        raise ValueError(f"`{text}` does not say where it begins: what is allowed has to begin with `/`")
    return text


def _pattern(text: str) -> str:
    compile_pattern(text)
    return text


def _parameter(text: str) -> str:
    field = parse_field(text)
    if field.root != "parameters" or len(field.steps) != 1:
        raise ValueError(f"`{text}` has to name one parameter, such as `parameters.where`")
    return text


Parameter = Annotated[Name, AfterValidator(_parameter)]
Prefix = Annotated[Name, AfterValidator(_prefix)]
Rooted = Annotated[Name, AfterValidator(_prefix), AfterValidator(_rooted)]
Pattern = Annotated[Name, AfterValidator(_pattern)]
Number = Annotated[int, Field(ge=0)]


class _Requirements(Strict):
    @model_validator(mode="after")
    def _asks_for_something(self) -> Self:
        if not any(getattr(self, name) for name in type(self).model_fields):
            raise Refused("`require` cannot be empty: the node would never hold")
        return self


class PathRequirements(_Requirements):
    """What a path has to keep to; at least one."""

    clean_first: bool = False
    """Without `.` and `..`: paths are always compared so here."""
    absolute_only: bool = False
    """It begins at the root."""
    resolve_symlinks: bool = False
    """What is denied and allowed is asked of where its links lead, too."""
    deny_on_resolve_failure: bool = False
    """The same: where the disk cannot say where links lead, nobody knows, and the rule fires."""
    denied_canonical_prefixes: tuple[Prefix, ...] = Field(default=(), strict=False)
    """It begins like none of these, part by part; `*` stands for one part, `**` for any number of them. What does not begin
    with `/` is denied at any depth."""
    allowed_canonical_prefixes: tuple[Rooted, ...] = Field(default=(), strict=False)
    """It begins like one of these."""
    deny_shell_metas: bool = False
    """It has none of the characters ; & | $ ` < > and no tab, line end or NUL."""
    include_backslash: bool = False
    """Nor a backslash; without `deny_shell_metas` too, for programs would take it differently."""
    max_path_length: Number = 0
    """It has at most so many characters; 0 for no bound but the system's."""


class PathNode(Strict):
    """Where the path is, and what it has to keep to."""

    field: Name = "parameters.path"
    """The field with the path."""
    require: PathRequirements
    """What the path has to keep to."""

    @model_validator(mode="after")
    def _field_is_a_field(self) -> Self:
        subject(self.field, "field")
        return self


class PathClassify(Strict):
    """Holds when a path breaks one of the requirements, or programs would read it differently."""

    path_classify: PathNode
    """The reference's node for paths; `facts: {file: {path: parameters.path}}` says the same with leaves."""


class ShellRequirements(_Requirements):
    """What a list of words has to keep to; at least one."""

    argv0_allowlist: tuple[Name, ...] = Field(default=(), strict=False)
    """The program, without its folder, is one of these."""
    argv_deny_patterns: tuple[Pattern, ...] = Field(default=(), strict=False)
    """None of these regular expressions is found in a word."""
    max_argc: Number = 0
    """There are at most so many words, the program among them; 0 for no bound."""
    denied_argv_paths: tuple[Prefix, ...] = Field(default=(), strict=False)
    """No absolute path among the words begins like one of these."""
    resolve_symlinks: bool = False
    """That is asked of where their links lead, too."""
    argv_env_pattern_deny: tuple[Pattern, ...] = Field(default=(), strict=False)
    """None of these is found in a word behind `env`, `sudo`, `nice`, `ionice`, `chroot` or `doas`."""


class ShellNode(Strict):
    """Where the list of words is, and what it has to keep to."""

    field: Name = "parameters.argv"
    """The field with the list of words."""
    require: ShellRequirements
    """What the words have to keep to."""

    @model_validator(mode="after")
    def _field_is_a_field(self) -> Self:
        subject(self.field, "field")
        return self


class ShellClassify(Strict):
    """Holds when a list of words breaks one of the requirements, or is none."""

    shell_classify: ShellNode
    """The reference's node for commands; `facts: {cmd: {argv: parameters.argv}}` says the same with leaves."""


class WriteRequirements(_Requirements):
    """What a write has to keep to; at least one."""

    allowed_path_prefixes: tuple[Rooted, ...] = Field(default=(), strict=False)
    """Every file lies below one of these, by its path and through links."""
    denied_path_prefixes: tuple[Prefix, ...] = Field(default=(), strict=False)
    """No file lies below one of these."""
    max_bytes: Number = 0
    """The texts have at most so many bytes; 0 for no bound."""
    denied_content_regex: tuple[Pattern, ...] = Field(default=(), strict=False)
    """None of these regular expressions is found in a text."""
    resolve_symlinks: bool = False
    """Has no effect: links are always followed."""


class WriteNode(Strict):
    """What a write has to keep to, wherever its parameters name files and texts."""

    path_field: Parameter | None = None
    """A further parameter with a path; the usual names are known."""
    content_field: Parameter | None = None
    """A further parameter with a text; the usual names are known."""
    require: WriteRequirements
    """What the write has to keep to."""


class WriteClassify(Strict):
    """Holds when a write breaks one of the requirements, or cannot be read."""

    write_classify: WriteNode
    """The reference's node for writes; `facts: {change: {write: parameters}}` says the same with leaves."""


NODES: dict[str, type[Strict]] = {
    "http_classify": HttpClassify,
    "sql_classify": SqlClassify,
    "path_classify": PathClassify,
    "shell_classify": ShellClassify,
    "write_classify": WriteClassify,
    "llm_classify": LlmClassify,
}


def node_models(name: str) -> dict[str, Any]:
    """The models behind a node's own key, and behind its `.require`."""
    node: Any = NODES[name].model_fields[name].annotation
    require = node.model_fields.get("require")
    return {"": node} | ({".require": require.annotation} if require is not None else {})
