"""Serve a guard over HTTP, with pages for the people who answer escalated calls. Needs the extra `server`.

`--approvers FILE` is what `toolguard approvers` writes: people, programs that may ask, operators. `--key FILE` is the service's
own key (`toolguard keys --sign`); it signs answers in the name of the person who has shown a token, and FILE has to name it
(`toolguard approvers add FILE --service KEY`). It listens on this machine only unless `--host` says otherwise; anywhere else,
give it `--tls-cert` and `--tls-key`, or put a proxy with https in front (`--behind-https`, and its name as `--allow-host`).

Exit codes: 0 stopped, 1 the ledger or the approvers cannot be used, 2 usage, 6 a policy was refused.
"""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolguard.approvals.people import PeopleFile
from toolguard.audit.sign import Signer
from toolguard.cli.evaluate import add_policies
from toolguard.cli.terminal import OK, UsageError
from toolguard.guard import Guard
from toolguard.policy.load import pack_files

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from toolguard.gateway.access import SingleSignOn
    from toolguard.gateway.notify import Notifier

LOOPBACK = ("127.0.0.1", "::1", "localhost")
GRACE = 2  # seconds that open connections have when it stops
MAX_CONNECTIONS = 1000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to serve, to whom, and where."""
    add_policies(parser)
    parser.add_argument("--ledger", required=True, metavar="FILE", help="the record")
    parser.add_argument("--approvers", required=True, metavar="FILE", help="who may answer and ask")
    parser.add_argument("--key", required=True, metavar="FILE", help="the service's key, which signs answers")
    parser.add_argument("--host", default="127.0.0.1", help="where to listen (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8787, help="default: %(default)s")
    parser.add_argument(
        "--allow-host", action="append", default=[], metavar="NAME", help="a name it is asked under; repeatable"
    )
    parser.add_argument("--tls-cert", metavar="FILE", help="serve https with this certificate")
    parser.add_argument("--tls-key", metavar="FILE", help="and its key")
    parser.add_argument("--behind-https", action="store_true", help="a proxy in front speaks https: cookies are for https only")
    parser.add_argument("--proxy", metavar="ADDRESS", help="believe this proxy about who connects to it (X-Forwarded-For)")
    parser.add_argument("--sso-header", metavar="NAME", help="the header in which a proxy says who has signed in")
    parser.add_argument("--sso-secret", metavar="FILE", help="what the proxy proves itself with, in X-Toolguard-Proxy")
    parser.add_argument("--redaction-key", metavar="FILE", help="what digests are made with where a policy says `how: hash`")
    parser.add_argument("--rate", type=float, default=50, metavar="N", help="requests a second of each principal (default: 50)")
    parser.add_argument("--webhook", metavar="URL", help="tell this address what waits")
    parser.add_argument("--webhook-secret", metavar="FILE", help="signs what is told (Standard Webhooks)")
    parser.add_argument("--notify-command", metavar="COMMAND", help="run this with what waits on its standard input, as JSON")
    parser.add_argument("--url", metavar="URL", help="where people reach the pages, for notifications")


def run(args: argparse.Namespace) -> int:
    """Serve until interrupted."""
    try:
        from toolguard.gateway.access import Access  # noqa: PLC0415 - only this command needs the extra
        from toolguard.gateway.app import app  # noqa: PLC0415
        from toolguard.gateway.metrics import Metrics  # noqa: PLC0415
        from toolguard.gateway.service import Service  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise UsageError(f"`{error.name}` is missing: install the extra, `pip install toolguard-embedded[server]`") from None
    if not args.policy and not args.pack:
        raise UsageError("say which policies: --policy FILE or --pack NAME")
    if args.host not in LOOPBACK and not (args.tls_cert or args.behind_https):
        raise UsageError(
            f"tokens would cross the network in the clear on `{args.host}`: --tls-cert and --tls-key, or --behind-https"
        )
    signer, people = _signer(args), PeopleFile(Path(args.approvers))
    _must_know(signer, people, args)
    metrics, notifier = Metrics(), _notifier(args)
    told = [metrics.decided, *([notifier.decided] if notifier else [])]
    policies: list[Any] = [*map(Path, args.policy), *pack_files(*args.pack)]
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    with Guard(
        policies,
        ledger=args.ledger,
        unmatched=args.unmatched,
        enforce_shadow=args.enforce_shadow,
        approvers=args.approvers,
        redaction_key=_secret(args.redaction_key).encode() if args.redaction_key else None,
        placement="L1 service",
        on_decision=lambda decision: [tell(decision) for tell in told],
    ) as guard:
        access = Access(people, time.time_ns, rate=args.rate, single_sign_on=_single_sign_on(args))
        service = Service(guard, people, signer, access)
        secure = bool(args.tls_cert or args.behind_https)
        hosts = [*("localhost", "127.0.0.1", "[::1]", "::1"), *([] if args.host in LOOPBACK else [args.host]), *args.allow_host]
        if notifier is not None:
            notifier.begin(guard.pending())
        _listen(app(service, metrics, hosts=hosts, secure=secure), args)
        if notifier is not None:
            notifier.close()
    return OK


def _listen(made: Any, args: argparse.Namespace) -> None:
    import uvicorn  # noqa: PLC0415 - only this command needs the extra

    scheme = "https" if args.tls_cert else "http"
    print(f"serving on {scheme}://{args.host}:{args.port}", flush=True)
    uvicorn.run(
        made,
        host=args.host,
        port=args.port,
        ssl_certfile=args.tls_cert,
        ssl_keyfile=args.tls_key,
        proxy_headers=bool(args.proxy),
        forwarded_allow_ips=args.proxy,
        server_header=False,
        access_log=False,  # a path holds ids and a query could hold anything; the ledger says who did what
        limit_concurrency=MAX_CONNECTIONS,
        timeout_graceful_shutdown=GRACE,
        log_level="warning",
        ws="none",
    )


def _signer(args: argparse.Namespace) -> Signer:
    try:
        return Signer.load(Path(args.key))
    except ValueError as error:
        raise UsageError(str(error)) from None


def _must_know(signer: Signer, people: Callable[[], Any], args: argparse.Namespace) -> None:
    if signer.verifier not in people().services:
        what = f"toolguard approvers add {args.approvers} --service {signer.verifier}"
        raise UsageError(f"no answer of this service would count, because the approvers do not name its key: `{what}`")


def _single_sign_on(args: argparse.Namespace) -> SingleSignOn | None:
    from toolguard.gateway.access import SingleSignOn  # noqa: PLC0415

    if not args.sso_header and not args.sso_secret:
        return None
    if not (args.sso_header and args.sso_secret):
        raise UsageError("a single sign-on needs both, --sso-header and --sso-secret")
    return SingleSignOn(args.sso_header.lower(), _secret(args.sso_secret))


def _notifier(args: argparse.Namespace) -> Notifier | None:
    from toolguard.gateway.notify import Command, Notifier, Webhook  # noqa: PLC0415

    ways: list[Any] = []
    if args.webhook:
        if not args.webhook_secret:
            raise UsageError("a webhook is signed: --webhook-secret FILE")
        ways.append(Webhook(args.webhook, _secret(args.webhook_secret)))
    if args.notify_command:
        ways.append(Command(args.notify_command))
    where = args.url or f"http://{args.host}:{args.port}"
    return Notifier(ways, where.rstrip("/")) if ways else None


def _secret(path: str) -> str:
    text = Path(path).read_text(encoding="utf-8").strip()
    if len(text) < 16:  # noqa: PLR2004 - characters
        raise UsageError(f"the secret in `{path}` is too short: at least 16 characters")
    return text
