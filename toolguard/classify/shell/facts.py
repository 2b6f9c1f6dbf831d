"""What is known of a shell command."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ShellFacts:
    """None: not known, and `why_unknown` says why."""

    parse: str
    """`ok`, or `opaque` where it cannot be read for certain: then most other facts are unknown."""
    commands: tuple[str, ...] = ()
    """Each command with its words, quoted as a shell would; `…` stands for a word that is not known."""
    programs: tuple[str, ...] = ()
    """The programs it runs, by name, whatever they are wrapped in."""
    verbs: tuple[str, ...] = ()
    """Programs that have subcommands, with that: `git push`, `docker run`, `kubectl delete`, whatever options stand between."""
    folders: tuple[str, ...] = ()
    """The folders in which something runs, or may run should a `cd` fail; `…` for one that is not known."""
    destructive: bool | None = None
    """Removes or overwrites what is not made again by a build: files, history, databases, machines, clusters."""
    destructive_kinds: tuple[str, ...] = ()
    """What: `source`, `tree`, `overwrite`, `device`, `vcs`, `vcs_remote`, `history`, `database`, `cloud`, `cluster`,
    `container`, `process`, `permission`, `package`, `publish`, `config`, `system`."""
    reads: tuple[str, ...] | None = None
    """The paths that it reads, as far as they are written."""
    writes: tuple[str, ...] | None = None
    """The paths that it writes, from the root; None where one of them is not known."""
    deletes: tuple[str, ...] | None = None
    """The paths that it deletes, likewise."""
    writes_outside: bool | None = None
    """Writes to the system's own places."""
    deletes_outside: bool | None = None
    """Deletes outside of the workspace and the places for temporary files."""
    sensitive_reads: bool | None = None
    """Reads keys, passwords or other secrets."""
    sensitive_kinds: tuple[str, ...] = ()
    """Of which kind: `ssh`, `cloud`, `env`, `keys`, `secret`, `system`, `browser`, `history` ..."""
    network: bool | None = None
    """Talks to other machines."""
    hosts: tuple[str, ...] = ()
    """Those that are named."""
    exfiltration: bool | None = None
    """Sends secrets, or a shell, to another machine."""
    runs_unknown_code: bool | None = None
    """Runs code that is not here to be read: downloaded, piped, decoded, made at run time, or put in the way of a program."""
    unknown_code: tuple[str, ...] = ()
    """Why: `downloaded`, `piped`, `decoded`, `dynamic`, `hook`, `inline`, `package`, `host`, `remote`, `agent` (another one),
    `written_before`."""
    inline_code: tuple[str, ...] = ()
    """Languages of code that stands on the command line."""
    privileged: bool | None = None
    """Runs something as another user, most often root."""
    persistence: bool | None = None
    """Changes what others run or obey later: start-up files, hooks, schedules, keys, settings of agents and of the guard."""
    history_rewrite: bool | None = None
    """Rewrites or forgets what version control remembers."""
    obfuscation: tuple[str, ...] = ()
    """Ways of hiding that no plain command has: `subscript`, `pattern_as_program`, `look_alike`."""
    reasons: tuple[str, ...] = ()
    """Codes for what is in the way of certainty."""
    why_unknown: str = ""
