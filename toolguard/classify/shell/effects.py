"""What has been seen so far of what a command does."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Effects:
    """Lists of paths are absolute where the working directory is known; of what is not known, the codes of why."""

    commands: dict[str, None] = field(default_factory=dict)
    programs: dict[str, None] = field(default_factory=dict)
    verbs: dict[str, None] = field(default_factory=dict)
    folders: dict[str, None] = field(default_factory=dict)
    reads: dict[str, None] = field(default_factory=dict)
    writes: dict[str, None] = field(default_factory=dict)
    deletes: dict[str, None] = field(default_factory=dict)
    downloaded: set[str] = field(default_factory=set)
    """The paths that were fetched from another machine in this very text."""
    hosts: dict[str, None] = field(default_factory=dict)
    kinds: set[str] = field(default_factory=set)
    """Of what is destroyed: `source`, `tree`, `overwrite`, `device`, `vcs`, `database`, `cloud`, `cluster`, `container` ..."""
    sensitive: set[str] = field(default_factory=set)
    code: set[str] = field(default_factory=set)
    """Why unknown code runs: `downloaded`, `piped`, `decoded`, `dynamic`, `hook`, `inline`, `package`."""
    persistence: set[str] = field(default_factory=set)
    obfuscation: set[str] = field(default_factory=set)
    inline: dict[str, None] = field(default_factory=dict)
    reasons: set[str] = field(default_factory=set)
    outside_writes: bool = False
    outside_deletes: bool = False
    network: bool = False
    sends: bool = False
    exfiltration: bool = False
    privileged: bool = False
    history: bool = False
    opaque: bool = False
    unknown_paths: bool = False
