"""What a hook is installed with: policies, ledger, workspace; one set of words for the client, the daemon and its socket."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolguard.hooks import thin
from toolguard.policy.load import pack_files

if TYPE_CHECKING:
    import argparse

PACKS = ("coding-agent", "client-tools")


@dataclass(frozen=True, slots=True)
class Options:
    """As given; nothing means the packs for coding agents, and `~/.toolguard/hook.db`."""

    policy: tuple[str, ...] = ()
    pack: tuple[str, ...] = PACKS
    ledger: str = ""
    workspace: str = ""
    approvers: str = ""

    @classmethod
    def of(cls, args: argparse.Namespace) -> Options:
        """What the command line says; paths from the root on, so that they hold wherever the client runs."""
        policy = tuple(str(Path(each).resolve()) for each in args.policy)
        paths = [str(Path(each).resolve()) if each else "" for each in (args.ledger, args.workspace, args.approvers)]
        return cls(policy, tuple(args.pack) or (() if policy else PACKS), *paths)

    def words(self) -> list[str]:
        """The words of a command line that say the same."""
        said = [word for each in self.policy for word in ("--policy", each)]
        said += [word for each in self.pack if self.pack != PACKS for word in ("--pack", each)]
        for name in ("ledger", "workspace", "approvers"):
            if value := getattr(self, name):
                said += [f"--{name}", value]
        return said

    def for_a_guard(self) -> dict[str, Any]:
        """The arguments of a Guard. A tool that no policy covers is put before a person."""
        made: dict[str, Any] = {"policies": [*map(Path, self.policy), *pack_files(*self.pack)], "unmatched": "escalate"}
        made["ledger"] = self.ledger or Path(folder(), "hook.db")
        if self.approvers:
            made["approvers"] = Path(self.approvers)
        return made


def folder() -> Path:
    """The folder of hooks, for nobody else's eyes; made where it is not there."""
    path = Path(thin.home())
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path
