"""Say who may answer escalated calls, and who may use the service: people, programs, and services that answer for people.

`add FILE NAME` makes a person known and prints a token, once; the file keeps a hash of it. `--role R` (repeatable, `*` for
every role) says which escalations are theirs, `--key KEY` a key of their own that signs answers from the command line,
`--no-token` that they sign themselves, or come through a single sign-on. `--client` makes a program known that may ask
(`--agent-id A`: in that name only), `--operator` somebody who may look and reload. `--service KEY` names a service whose
signature stands for the people in this file.

`list FILE` shows who is known, `revoke FILE NAME` ends it at once. Give the file to `Guard(approvers=FILE)`, and let nobody
write it who can be an agent.

Exit codes: 0 done, 1 the file cannot be read, 2 usage.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from toolguard.approvals.people import CLIENT, OPERATOR, PERSON, People, PeopleFile, Principal, hash_of_token
from toolguard.audit.select import shown_time
from toolguard.audit.sign import Verifier
from toolguard.cli.terminal import OK, UsageError, print_json
from toolguard.text import printable

if TYPE_CHECKING:
    import argparse

TOKEN_BYTES = 32
MAX_NAME = 100


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to do, in which file."""
    parser.add_argument("action", choices=("add", "list", "revoke"), help="what to do")
    parser.add_argument("file", metavar="FILE", help="the file of people; `add` makes it")
    parser.add_argument("name", nargs="?", metavar="NAME", help="whom")
    parser.add_argument("--role", action="append", default=[], metavar="R", help="a role of theirs; repeatable")
    parser.add_argument(
        "--key", action="append", default=[], metavar="KEY", help="a key of theirs, as `toolguard keys --sign` prints it"
    )
    parser.add_argument(
        "--no-token", action="store_true", help="no token: they sign themselves, or come through a single sign-on"
    )
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument(
        "--client", dest="kind", action="store_const", const=CLIENT, default=PERSON, help="a program that may ask"
    )
    kind.add_argument("--operator", dest="kind", action="store_const", const=OPERATOR, help="may look, reload and read metrics")
    parser.add_argument("--agent-id", metavar="A", help="of a client: the only agent it may ask for")
    parser.add_argument("--service", metavar="KEY", help="the key of a service that answers for people")


def run(args: argparse.Namespace) -> int:
    """Show or change it."""
    file = PeopleFile(Path(args.file))
    people = People() if args.action == "add" and not Path(args.file).exists() else file()
    if args.action == "list":
        return _list(args, people)
    if args.action == "revoke":
        return _revoke(args, file, people)
    return _service(args, file, people) if args.service else _add(args, file, people)


def _list(args: argparse.Namespace, people: People) -> int:
    known = [people.known[name] for name in sorted(people.known)]
    if args.json:
        print_json(
            {
                "people": [{**one.to_dict(), "token": one.token is not None} for one in known],
                "services": list(map(str, people.services)),
            }
        )
        return OK
    for one in known:
        how = [*(["token"] if one.token else []), *(f"key {key.key_id.hex()}" for key in one.keys)]
        what = (
            ", ".join(sorted(one.roles))
            if one.kind == PERSON
            else f"{one.kind}{f' for {one.agent_id}' if one.agent_id else ''}"
        )
        over = f"  revoked {shown_time(one.revoked)}" if one.revoked is not None else ""
        print(printable(f"{one.name:20} {what:30} {' and '.join(how) or 'single sign-on'}{over}"))
    for key in people.services:
        print(printable(f"{key.name:20} a service that answers for people, key {key.key_id.hex()}"))
    return OK


def _revoke(args: argparse.Namespace, file: PeopleFile, people: People) -> int:
    one = people.known.get(args.name or "")
    if one is None or one.revoked is not None:
        raise UsageError(f"nobody called `{args.name}` is known" if args.name else "say whom: NAME")
    file.write(replace(people, known={**people.known, one.name: replace(one, revoked=time.time_ns(), token=None)}))
    if args.json:
        print_json({"revoked": one.name})
    else:
        print(printable(f"{one.name} is revoked"))
    return OK


def _service(args: argparse.Namespace, file: PeopleFile, people: People) -> int:
    key = _verifier(args.service)
    file.write(replace(people, services=(*(each for each in people.services if each != key), key)))
    print_json({"service": str(key)}) if args.json else print(f"{key.name} may answer for the people of this file")
    return OK


def _add(args: argparse.Namespace, file: PeopleFile, people: People) -> int:
    one = _described(args)
    before = people.known.get(one.name)
    if before is not None and before.revoked is None:
        raise UsageError(f"`{one.name}` is known already; `revoke` first to give a new token")
    token = None if args.no_token else f"tg_{secrets.token_urlsafe(TOKEN_BYTES)}"
    one = replace(one, token=hash_of_token(token) if token else None)
    file.write(replace(people, known={**people.known, one.name: one}))
    if args.json:
        print_json({"name": one.name, "token": token})
    elif token:
        print(token)
    else:
        print(printable(f"{one.name} is known"))
    return OK


def _described(args: argparse.Namespace) -> Principal:
    name = args.name or ""
    if not name or name != name.strip() or len(name) > MAX_NAME or not name.isprintable():
        raise UsageError("say who it is: NAME, in printable characters")
    if args.kind == PERSON and not args.role:
        raise UsageError("say which escalations are theirs: `--role R` (`*`: every one)")
    if args.kind != PERSON and (args.role or args.key):
        raise UsageError("only people have roles and keys")
    if args.agent_id and args.kind != CLIENT:
        raise UsageError("only a client asks in the name of an agent")
    keys = tuple(map(_verifier, args.key))
    return Principal(name, args.kind, frozenset(args.role), keys, agent_id=args.agent_id, added=time.time_ns())


def _verifier(text: str) -> Verifier:
    try:
        return Verifier.parse(text)
    except ValueError as error:
        raise UsageError(str(error)) from None
