"""Programs that run others: wrappers, shells, interpreters, `find -exec`, `xargs`, `ssh`, containers."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from toolguard.classify import places
from toolguard.classify.shell import code, options, paths
from toolguard.classify.shell.operands import awk_script, sed_script
from toolguard.classify.shell.programs import Arguments, spec_of, told_apart
from toolguard.classify.shell.reader import Feed, Invocation
from toolguard.classify.shell.words import Word
from toolguard.classify.write import files_of_patch

if TYPE_CHECKING:
    from toolguard.classify.shell.judge import Judge
    from toolguard.classify.shell.reader import Reader

_TRUSTED_OUTPUT = ("hook",)  # of programs whose output is meant for eval
_GIT_CONFIG = re.compile(
    r"(core\.(pager|editor|sshcommand|fsmonitor|askpass|hookspath|gitproxy|attributesfile|alternaterefscommand)|alias\.|pager\.|"
    r"diff\..*(textconv|command)|diff\.external|filter\.|credential\.helper|gpg\.(.*\.)?program|sequence\.editor|merge\..*driver|"
    r"uploadpack\.|protocol\.ext\.allow|include\.path|difftool\..*cmd|mergetool\..*cmd|browser\..*cmd|man\..*cmd|interactive\.difffilter|"
    r"submodule\..*update|remote\..*(uploadpack|receivepack)|http\.proxy)",
    re.IGNORECASE,
)
_DOWNLOADS_CODE = ("network",)


def other_command(judge: Judge, name: str, spec: dict[str, Any], invocation: Invocation, reader: Reader) -> Feed | None:
    """What the command that this one runs puts out; None where it runs none."""
    if spec.get("operands") == "find":
        return _find(judge, name, spec, invocation, reader)
    if spec.get("operands") == "env":
        return _env(judge, name, spec, invocation, reader)
    for key, handler in _RUNNERS.items():
        if spec.get(key):
            return handler(judge, name, spec, invocation, reader)
    return None


# -- wrappers ----------------------------------------------------------------------------------------------------------------


def _wrapper(judge: Judge, name: str, spec: dict[str, Any], invocation: Invocation, reader: Reader) -> Feed | None:
    arguments, rest = told_apart(invocation.words[1:], spec, stop_at_operand=spec.get("skip", 0))
    if arguments.has(*(spec.get("names_only") or ())):
        return Feed(None)
    options.options(judge, spec, arguments, invocation, reader)
    scope = invocation.scope
    if spec.get("root"):
        judge.effects.privileged = True
    if spec.get("remote"):
        scope = scope.inside()
        scope.remote = spec["remote"]
    assigned = {}
    while spec.get("assigns") and rest and re.match(r"\w+=", rest[0].text):
        key, _, value = rest.pop(0).text.partition("=")
        assigned[key] = Word(value)
    if not rest:
        scope.variables.update({key: [value] for key, value in assigned.items()})
        return Feed(None)
    return reader.command_of(rest, scope, invocation.feed, assigned=assigned, via=name)


def _env(judge: Judge, name: str, _spec: dict[str, Any], invocation: Invocation, reader: Reader) -> Feed | None:
    values = {"-u": "", "--unset": "", "-C": "chdir", "--chdir": "", "-S": "split", "--split-string": "split", "-P": ""}
    arguments, rest = told_apart(invocation.words[1:], {"values": values}, stop_at_operand=0)
    assigned: dict[str, Word] = {}
    for option in ("-S", "--split-string"):
        for value in arguments.values(option):
            if value.sure is None:
                judge.effects.code.add("dynamic")
                return Feed()
            return reader.text(
                " ".join([value.sure, *(word.text for word in rest)]), invocation.scope.inside(), invocation.feed, "env"
            )
    while rest and re.match(r"[A-Za-z_]\w*=", rest[0].text):
        key, _, given = rest.pop(0).text.partition("=")
        assigned[key] = Word(given)
    if rest:
        return reader.command_of(rest, invocation.scope, invocation.feed, assigned=assigned, via=name)
    return Feed(None, "environment", sensitive=True)


def _watch(_judge: Judge, name: str, spec: dict[str, Any], invocation: Invocation, reader: Reader) -> Feed | None:
    _, rest = told_apart(invocation.words[1:], spec, stop_at_operand=0)
    return (
        reader.text(" ".join(word.text for word in rest), invocation.scope.inside(), None, name)
        if all(word.known for word in rest)
        else Feed()
    )


def _ssh(judge: Judge, name: str, spec: dict[str, Any], invocation: Invocation, reader: Reader) -> Feed | None:
    arguments, rest = told_apart(invocation.words[1:], spec, stop_at_operand=1)
    judge.effects.network = True
    for host in arguments.operands:
        judge.effects.hosts.setdefault(host.text.rpartition("@")[2])
    for value in arguments.values("-o"):
        if re.match(
            r"(ProxyCommand|LocalCommand|PermitLocalCommand|KnownHostsCommand|ProxyUseFdpass)", value.text, re.IGNORECASE
        ):
            judge.effects.code.add("hook")
    if arguments.has("-R"):
        judge.effects.exfiltration = True
    if invocation.feed is not None and invocation.feed.sensitive:
        judge.effects.exfiltration = True
    inner = invocation.scope.inside()
    inner.remote, inner.cwd = "ssh", "/root"
    if not rest:
        if invocation.feed is not None and invocation.feed.text is not None:
            return reader.text(invocation.feed.text, inner, None, name)
        return Feed(None, "network")
    if any(not word.known for word in rest):
        judge.effects.code.add("dynamic")
        return Feed(None, "network")
    reader.text(" ".join(word.text for word in rest), inner, invocation.feed, name)
    return Feed(None, "network")


def _xargs(_judge: Judge, name: str, spec: dict[str, Any], invocation: Invocation, reader: Reader) -> Feed | None:
    arguments, rest = told_apart(invocation.words[1:], spec, stop_at_operand=0)
    if name == "parallel":
        place = next((i for i, word in enumerate(rest) if word.text in (":::", "::::", ":::+")), len(rest))
        given, rest = rest[place + 1 :], rest[:place]
    else:
        given = []
    text = invocation.feed.text if invocation.feed is not None else None
    if text is not None:
        given = [Word(part) for part in text.split()]
    origin = invocation.feed.origin if invocation.feed is not None else ""
    unknown = [Word("", known=False, origin=origin)]
    replaces = next((value.text for option in ("-I", "--replace") for value in arguments.values(option)), "{}")
    if not rest:
        return Feed(None, origin)
    has_place = any(replaces in word.text for word in rest) and (arguments.has("-I", "-i", "--replace") or name == "parallel")
    if has_place:
        outs = [
            reader.command_of([_filled(word, replaces, item) for word in rest], invocation.scope.inside(), None, via=name)
            for item in (given or unknown)[:20]
        ]
        return outs[-1]
    if name == "parallel" and len(rest) == 1 and rest[0].sure and " " in rest[0].sure:
        return reader.text(rest[0].sure, invocation.scope.inside(), None, name)
    return reader.command_of([*rest, *(given or unknown)], invocation.scope.inside(), None, via=name)


def _filled(word: Word, mark: str, item: Word) -> Word:
    if not mark or mark not in word.text:
        return word
    before, _, after = word.text.partition(mark)
    if not item.known:
        return Word(before + item.text, known=False, origin=item.origin, glob=False)
    return Word(before + item.text + after, word.known, word.glob or item.glob, item.origin or word.origin)


def _find(judge: Judge, name: str, _spec: dict[str, Any], invocation: Invocation, reader: Reader) -> Feed | None:
    words = invocation.words[1:]
    roots: list[Word] = []
    place = 0
    while place < len(words) and (
        not words[place].text.startswith(("-", "(", "!", ")")) or words[place].text in ("-H", "-L", "-P")
    ):
        if not words[place].text.startswith("-"):
            roots.append(words[place])
        place += 1
    roots = roots or [Word(".")]
    names = [
        words[i + 1] for i, word in enumerate(words[:-1]) if word.text in ("-name", "-iname", "-path", "-wholename", "-ipath")
    ]
    negated = any(word.text in ("!", "-not", "-prune", "-o", "-or") for word in words)
    found = [_found(root, names, negated=negated) for root in roots]
    for at in range(place, len(words)):
        test = words[at].text
        if test == "-delete":
            for each in found:
                paths.deletes(judge, each, invocation, recursive=not names or negated)
        elif test in ("-exec", "-execdir", "-ok", "-okdir"):
            end = next(
                (i for i in range(at + 1, len(words)) if words[i].text in (";", "+") or words[i].text == "\\;"), len(words)
            )
            argv = words[at + 1 : end]
            for each in found:
                inner = [_filled(word, "{}", each) for word in argv]
                reader.command_of(inner, invocation.scope.inside(), invocation.feed, via=name)
        elif test in ("-fprint", "-fprint0", "-fls", "-fprintf") and at + 1 < len(words):
            paths.writes(judge, words[at + 1], invocation)
    secret = any(places.secret_kind(word.text) for word in names)
    return Feed(
        None,
        "found"
        if not (names and not negated and all(places.is_generated(_plain(each.text)) for each in names))
        else "temporary",
        sensitive=secret,
    )


def _plain(pattern: str) -> str:
    return pattern.replace("*", "x").replace("?", "x")


def _found(root: Word, names: list[Word], *, negated: bool) -> Word:
    """What find finds, as a path: below the root, with the name that is asked for, where only such are found."""
    base = root.text.rstrip("/") or root.text
    if len(names) >= 1 and not negated:
        shown = next((each.text for each in names if not places.is_generated(_plain(each.text))), names[0].text)
        inner = f"{base}/{_plain(shown).lstrip('/')}" if base != "/" else f"/{_plain(shown)}"
        return Word(inner, root.known, root.glob, root.origin)
    return Word(base, root.known, glob=False, origin=root.origin)


# -- shells and code -----------------------------------------------------------------------------------------------------------


def _shell(judge: Judge, name: str, _spec: dict[str, Any], invocation: Invocation, reader: Reader) -> Feed | None:
    words = invocation.words[1:]
    inner = invocation.scope.inside()
    place = 0
    takes_code = reads_input = False
    while place < len(words) and words[place].text.startswith(("-", "+")) and words[place].text not in ("-", "--"):
        text = words[place].text
        if text in ("-o", "+o", "-O", "+O", "--rcfile", "--init-file"):
            place += 1
        elif not text.startswith("--"):
            takes_code |= "c" in text[1:] and text.startswith("-")
            reads_input |= "s" in text[1:]
        place += 1
    if place < len(words) and words[place].text in ("-", "--"):
        reads_input |= words[place].text == "-"
        place += 1
    if any(word.text in ("--version", "--help", "-n") for word in words[:place]):
        return Feed(None)
    rest = words[place:]
    if takes_code:
        if not rest:
            return Feed(None)
        inner.arguments = rest[2:]
        return _given_code(judge, rest[0], replace(invocation, scope=inner), reader, name)
    if rest and not reads_input and rest[0].text not in ("/dev/stdin", "/proc/self/fd/0"):
        return _script(judge, rest[0], invocation)
    inner.arguments = rest
    return _piped(judge, inner, invocation, reader, name)


def _given_code(judge: Judge, word: Word, invocation: Invocation, reader: Reader, via: str) -> Feed:
    if word.known:
        return reader.text(word.text, invocation.scope, invocation.feed, via)
    judge.effects.code.add("downloaded" if word.origin == "network" else "dynamic")
    return Feed()


def _script(judge: Judge, word: Word, invocation: Invocation) -> Feed:
    """A script's file: everyday work, unless it has just come from somewhere."""
    if word.origin == "network":
        judge.effects.code.add("downloaded")
    elif word.origin == "procsub":
        judge.effects.code.add("piped")
    elif not word.known and not word.text and word.origin not in ("", "temporary"):
        judge.effects.code.add("dynamic")
    path = invocation.scope.absolute(word.text) if word.known and word.text else None
    if path in judge.effects.downloaded:
        judge.effects.code.add("downloaded")
    elif path in judge.effects.writes:
        judge.effects.code.add("written_before")
    return Feed(None)


def _piped(judge: Judge, scope: Any, invocation: Invocation, reader: Reader, via: str) -> Feed:
    """A shell that reads its commands from a pipe or a here-document."""
    feed = invocation.feed
    if feed is None:
        return Feed(None)
    if feed.text is not None:
        return reader.text(feed.text, scope, None, via)
    judge.effects.code.add("downloaded" if feed.origin == "network" else "decoded" if feed.origin == "decoded" else "piped")
    return Feed()


def _eval(judge: Judge, name: str, _spec: dict[str, Any], invocation: Invocation, reader: Reader) -> Feed | None:
    words = invocation.words[1:]
    if all(word.known for word in words):
        return reader.text(" ".join(word.text for word in words), invocation.scope, invocation.feed, name)
    origin = next((word.origin for word in words if not word.known), "")
    if origin not in _TRUSTED_OUTPUT:
        judge.effects.code.add("downloaded" if origin == "network" else "dynamic")
        begins = [word.text for word in itertools.takewhile(lambda word: word.known, words)]
        reader.text(" ".join(begins), invocation.scope, invocation.feed, name)
    return Feed()


def _source(judge: Judge, name: str, _spec: dict[str, Any], invocation: Invocation, reader: Reader) -> Feed | None:
    words = invocation.words[1:]
    if not words:
        return Feed()
    if words[0].text in ("/dev/stdin", "/proc/self/fd/0", "-"):
        return _piped(judge, invocation.scope, invocation, reader, name)
    if words[0].origin == "hook":
        return Feed()
    return _script(judge, words[0], invocation)


def _trap(judge: Judge, name: str, _spec: dict[str, Any], invocation: Invocation, reader: Reader) -> Feed | None:
    words = [word for word in invocation.words[1:] if word.text not in ("-p", "-l", "--")]
    if len(words) > 1 and words[0].text not in ("", "-"):
        _given_code(judge, words[0], Invocation([], invocation.scope.inside()), reader, name)
    return Feed()


def _alias(_judge: Judge, _name: str, _spec: dict[str, Any], invocation: Invocation, _reader: Reader) -> Feed | None:
    for word in invocation.words[1:]:
        key, equals, value = word.text.partition("=")
        if equals:
            invocation.scope.aliases[key] = value
    return Feed("")


def _interpreter(judge: Judge, _name: str, spec: dict[str, Any], invocation: Invocation, reader: Reader) -> Feed | None:
    words = invocation.words[1:]
    values = spec.get("values") or {}
    arguments, rest = told_apart(words, spec, stop_at_operand=0)
    options.options(judge, spec, arguments, invocation, reader)
    language = spec["interpreter"]
    inline = [value for option, role in values.items() if role == "inline" for value in arguments.values(option)]
    for value in inline:
        inline_code(judge, language, value)
    module = next(arguments.values("-m"), None) if language == "python" else None
    if module is not None:
        return _module(judge, module, rest, invocation, reader)
    if inline or arguments.has("-V", "--version", "-v", "-h", "--help"):
        return Feed(None)
    if rest and rest[0].text not in ("-", "/dev/stdin"):
        return _script(judge, rest[0], invocation)
    if invocation.feed is not None:
        if invocation.feed.text is not None:
            inline_code(judge, language, Word(invocation.feed.text))
        else:
            judge.effects.code.add("downloaded" if invocation.feed.origin == "network" else "piped")
    return Feed(None)


def _module(judge: Judge, module: Word, rest: list[Word], invocation: Invocation, reader: Reader) -> Feed | None:
    """`python -m pip install ...` is pip."""
    known = {"pip": "pip", "twine": "twine", "poetry": "poetry", "uv": "uv", "alembic": "alembic", "toolguard": "toolguard"}
    if module.text in known:
        return reader.command_of([Word(known[module.text]), *rest], invocation.scope, invocation.feed, via="module")
    if module.text == "http.server":
        judge.effects.network = True
    return Feed(None)


def inline_code(judge: Judge, language: str, word: Word) -> None:
    """Code that stands on the command line."""
    effects = judge.effects
    if not word.known:
        effects.code.add("dynamic")
    effects.inline.setdefault(language)
    seen = code.seen_in(word.text)
    if language in ("perl", "ruby") and re.search(r"\bunlink\b|\bsystem\b|\bexec\b|`", word.text):
        seen.add("runs")
    if "runs" in seen:
        effects.code.add("inline")
    if "removes" in seen:
        effects.kinds.add("source")
    if "hides" in seen:
        effects.code.add("decoded")
    if "writes" in seen and re.search(r"[\"'](/(?!tmp|dev/null)[\w./-]+|~[\w./-]*)[\"']", word.text):
        effects.outside_writes = True
    if "sends" in seen:
        effects.network = True
        effects.exfiltration |= "secrets" in seen
    if "secrets" in seen and re.search(r"\.ssh|id_rsa|\.aws|/etc/shadow|\.netrc|\.kube|\.npmrc", word.text):
        effects.sensitive.add("inline")


# -- containers, packages, everything with code in its options -----------------------------------------------------------------


def _container(judge: Judge, name: str, spec: dict[str, Any], invocation: Invocation, reader: Reader) -> Feed | None:
    arguments, _ = told_apart(invocation.words[1:], {"values": spec.get("values")})
    operands = [word.text for word in arguments.operands]
    for form, skip in spec["container"].items():
        parts = form.split()
        if operands[: len(parts)] != parts:
            continue
        _, rest = told_apart(invocation.words[1:], {"values": spec.get("values")}, stop_at_operand=len(parts) + skip)
        judge.does(spec, arguments)
        options.options(judge, spec, arguments, invocation, reader)
        inner = invocation.scope.inside()
        inner.remote, inner.cwd = "container", "/"
        while rest and rest[0].text == "--":
            rest = rest[1:]
        if rest:
            reader.command_of(rest, inner, invocation.feed, via=name)
        return Feed(None)
    return None


def _npx(judge: Judge, _name: str, spec: dict[str, Any], invocation: Invocation, reader: Reader) -> Feed | None:
    arguments, rest = told_apart(invocation.words[1:], spec, stop_at_operand=0)
    options.options(judge, spec, arguments, invocation, reader)
    if not rest:
        return Feed(None)
    program = re.sub(r"(?<=.)@[\w.^~-]+$", "", rest[0].text)
    if re.match(r"https?://|git\+|github:|file:", program) or (
        arguments.has("-y", "--yes")
        and _spec_is_missing(program)
        and program not in _KNOWN_PACKAGES
        and not program.startswith("@")
    ):
        judge.effects.code.add("package")
    return reader.command_of([Word(program, rest[0].known), *rest[1:]], invocation.scope, invocation.feed, via="npx")


def _spec_is_missing(program: str) -> bool:
    return spec_of(program) is None


_KNOWN_PACKAGES = frozenset(
    "jest vitest mocha eslint prettier tsc typescript tsx ts-node webpack vite rollup esbuild parcel create-react-app "
    "create-next-app create-vite next nuxt astro playwright cypress nx turbo lerna rimraf serve http-server prisma "
    "drizzle-kit tailwindcss postcss storybook sb husky lint-staged commitlint degit concurrently nodemon pm2 pnpm yarn "
    "npm-check-updates depcheck madge typedoc wrangler vercel netlify-cli expo react-native swc biome oxlint knip syncpack "
    "changeset semantic-release markdownlint-cli cspell stylelint standard xo ava tap c8 nyc zx tsup unbuild esno "
    "jscodeshift husky shadcn ruff black mypy pytest pre-commit cowsay "
    "repomix skills markdownlint-cli2 allure openapi-typescript puppeteer lighthouse ccusage".split()
)


def _subcommand(_judge: Judge, name: str, spec: dict[str, Any], invocation: Invocation, reader: Reader) -> Feed | None:
    """`uv run pytest`, `poetry run ...`: a command behind a subcommand."""
    arguments, _ = told_apart(invocation.words[1:], {"values": spec.get("values")})
    operands = [word.text for word in arguments.operands]
    for form in spec["runs_after"]:
        parts = str(form).split()
        if operands[: len(parts)] != parts:
            continue
        _, rest = told_apart(invocation.words[1:], {"values": spec.get("values")}, stop_at_operand=len(parts))
        while rest and rest[0].text.startswith("-"):
            takes = rest[0].text in (spec.get("values") or {})
            rest = rest[2 if takes else 1 :]
        if rest:
            return reader.command_of(rest, invocation.scope, invocation.feed, via=name)
    return None


def _netcat(judge: Judge, _name: str, spec: dict[str, Any], invocation: Invocation, reader: Reader) -> Feed | None:
    arguments, _ = told_apart(invocation.words[1:], spec)
    judge.effects.network = True
    for word in arguments.operands[:1]:
        judge.effects.hosts.setdefault(word.text)
    if arguments.has("-e", "-c", "--exec", "--sh-exec"):
        judge.effects.code.add("shell_to_network")
        judge.effects.exfiltration = True
    feed = invocation.feed
    if feed is not None and (feed.sensitive or feed.origin in ("file", "sensitive", "environment", "archive")):
        judge.effects.exfiltration = True
    if any(each.operator == "<" and each.target.text != "/dev/null" for each in invocation.redirects):
        judge.effects.exfiltration = True
    del reader
    return Feed(None, "network")


def _socat(judge: Judge, _name: str, _spec: dict[str, Any], invocation: Invocation, _reader: Reader) -> Feed | None:
    text = " ".join(word.text for word in invocation.words[1:])
    judge.effects.network = True
    if re.search(r"\b(EXEC|SYSTEM|SHELL)\b", text, re.IGNORECASE):
        judge.effects.code.add("shell_to_network")
        judge.effects.exfiltration = True
    return Feed(None, "network")


def _sends_input(judge: Judge, _name: str, _spec: dict[str, Any], invocation: Invocation, _reader: Reader) -> Feed | None:
    feed = invocation.feed
    if (feed is not None and feed.sensitive) or any(each.operator == "<" for each in invocation.redirects):
        judge.effects.exfiltration = True
    return None


def _tmux(_judge: Judge, name: str, _spec: dict[str, Any], invocation: Invocation, reader: Reader) -> Feed | None:
    words = invocation.words[1:]
    for place, word in enumerate(words):
        if word.text in (
            "send-keys",
            "send",
            "run-shell",
            "run",
            "new-session",
            "new",
            "new-window",
            "split-window",
            "neww",
            "splitw",
        ):
            rest = [each for each in words[place + 1 :] if each.text not in ("Enter", "C-m", "-d", "-h", "-v")]
            text = " ".join(each.text for each in rest if not each.text.startswith("-"))
            texts = [each.text for each in rest if each.known and " " in each.text]
            for each in texts or [text]:
                if each and re.search(r"\b(rm|dd|mkfs|curl|wget|bash|sh|chmod|git)\b", each):
                    reader.text(each, invocation.scope.inside(), None, name)
    return None


def code_of(judge: Judge, name: str, arguments: Arguments, invocation: Invocation, reader: Reader) -> None:
    """Code of other kinds among a program's words: SQL, scripts of editors, configuration that runs something."""
    spec = spec_of(name) or {}
    values = spec.get("values") or {}
    for option, value in arguments.options:
        role = values.get(option)
        if value is not None and role in _CODE_VALUES:
            _CODE_VALUES[role](judge, name, spec, value, invocation, reader)
    if name in ("cd", "pushd", "popd"):
        _change_directory(name, arguments, invocation)
    elif name == "set" and arguments.ended:
        invocation.scope.arguments = arguments.after
    elif name in ("ed", "ex"):
        _line_editor(judge, invocation)
    elif spec.get("database"):
        _queries(judge, spec, arguments, invocation)
    elif spec.get("patches"):
        _patched(judge, invocation)


def _of_editor(judge: Judge, _name: str, _spec: dict[str, Any], value: Word, _invocation: Invocation, _reader: Reader) -> None:
    if re.search(r"(^|[|:\s])!|\bsystem\(|:w\s|py(thon)?3?\s", value.text):
        judge.effects.code.add("inline")


def _of_tar(judge: Judge, name: str, _spec: dict[str, Any], value: Word, invocation: Invocation, reader: Reader) -> None:
    if value.text.startswith("exec="):
        reader.text(value.text[5:], invocation.scope.inside(), None, name)
        judge.effects.code.add("hook")


def _of_make(judge: Judge, _name: str, _spec: dict[str, Any], value: Word, _invocation: Invocation, _reader: Reader) -> None:
    if value.text in ("-", "/dev/stdin") or value.origin in ("network", "procsub"):
        judge.effects.code.add("piped")


def _made_by_make(judge: Judge, *_: Any) -> None:
    judge.effects.code.add("inline")


def _of_git(judge: Judge, _name: str, _spec: dict[str, Any], value: Word, invocation: Invocation, reader: Reader) -> None:
    _git_config(judge, value, invocation, reader)


def _inline(judge: Judge, name: str, _spec: dict[str, Any], value: Word, _invocation: Invocation, _reader: Reader) -> None:
    inline_code(judge, name, value)


def _sql(judge: Judge, _name: str, spec: dict[str, Any], value: Word, _invocation: Invocation, _reader: Reader) -> None:
    _query(judge, spec, value)


def _cql(judge: Judge, _name: str, _spec: dict[str, Any], value: Word, _invocation: Invocation, _reader: Reader) -> None:
    if re.search(r"\b(drop|truncate|delete|alter|update|insert)\b", value.text, re.IGNORECASE):
        judge.effects.kinds.add("database")


def _mongo(judge: Judge, _name: str, _spec: dict[str, Any], value: Word, _invocation: Invocation, _reader: Reader) -> None:
    verbs = r"dropDatabase|\.drop\s*\(|deleteMany|deleteOne|remove\s*\(|updateMany|renameCollection|shutdown|fsync|dropUser"
    if re.search(verbs, value.text):
        judge.effects.kinds.add("database")


def _of_sed(judge: Judge, _name: str, _spec: dict[str, Any], value: Word, invocation: Invocation, _reader: Reader) -> None:
    sed_script(judge, value, invocation)


def _of_awk(judge: Judge, _name: str, _spec: dict[str, Any], value: Word, invocation: Invocation, _reader: Reader) -> None:
    awk_script(judge, value, invocation)


_CODE_VALUES = {
    "git_config": _of_git,
    "inline": _inline,
    "sql": _sql,
    "sql_text": _sql,
    "cql": _cql,
    "mongo": _mongo,
    "sed": _of_sed,
    "awk": _of_awk,
    "editor": _of_editor,
    "tar_action": _of_tar,
    "make_file": _of_make,
    "make_eval": _made_by_make,
}


def _line_editor(judge: Judge, invocation: Invocation) -> None:
    """`ed` runs what stands behind a `!`."""
    judge.effects.code.discard("inline")
    if invocation.feed is not None:
        text = invocation.feed.text
        if text is None or re.search(r"(?m)^\s*(r\s*)?!|^w\s*!", text):
            judge.effects.code.add("inline")


def _queries(judge: Judge, spec: dict[str, Any], arguments: Arguments, invocation: Invocation) -> None:
    """SQL that is an operand, or comes through a pipe."""
    if arguments.has("-c", "--command", "-e", "--execute", "-Q", "-q", "--query", "-f", "--file"):
        return
    given = arguments.operands[1:] if spec.get("operands") == "sqlite" else []
    if given:
        _query(judge, spec, given[0])
    elif invocation.feed is not None and invocation.feed.text is not None:
        _query(judge, spec, Word(invocation.feed.text))


def _git_config(judge: Judge, value: Word, invocation: Invocation, reader: Reader) -> None:
    key, _, setting = value.text.partition("=")
    if _GIT_CONFIG.match(key) and setting not in ("", "cat", "less", "true", "false"):
        judge.effects.code.add("hook")
        text = setting.lstrip("!")
        if value.known and text:
            reader.text(text, invocation.scope.inside(), None, "git_config")


def _query(judge: Judge, spec: dict[str, Any], value: Word) -> None:
    """A query for a database: what the SQL facts say of it."""
    effects = judge.effects
    if not value.known:
        if not value.text.strip():
            effects.code.add("dynamic")
        elif _REMOVING.search(value.text):
            effects.kinds.add("database")
        return
    from toolguard.classify.sql.classifier import classify  # noqa: PLC0415 - most commands hold no SQL

    if re.search(r"(?m)^\s*(\\!|\.shell|\.system|\\o\s*\||\\copy)", value.text):
        effects.code.add("inline")
    text = "\n".join(line for line in value.text.split("\n") if not re.match(r"\s*[\\.]\w", line))
    if not text.strip():
        return
    facts = classify(text, spec.get("database"))
    if facts.destructive or facts.unbounded_write or (not facts.parsed and _REMOVING.search(text)):
        effects.kinds.add("database")
    if "exec" in facts.effects:
        effects.code.add("inline")


def _patched(judge: Judge, invocation: Invocation) -> None:
    """Files that a patch names, on the command line or in what is fed."""
    fed = invocation.feed.text if invocation.feed is not None else None
    for text in [fed or "", *(word.text for word in invocation.words[1:])]:
        for name in files_of_patch(text):
            paths.writes(judge, Word(name), invocation)


_REMOVING = re.compile(r"\b(drop|delete|truncate|alter|update)\b", re.IGNORECASE)


def _change_directory(name: str, arguments: Arguments, invocation: Invocation) -> None:
    scope = invocation.scope
    if name == "popd":
        scope.cwd, scope.pushed = (scope.pushed[-1], scope.pushed[:-1]) if scope.pushed else (None, ())
        return
    if name == "pushd":
        scope.pushed = (*scope.pushed, scope.cwd)
    if not arguments.operands:
        scope.cwd = scope.home
        return
    word = arguments.operands[-1]
    scope.cwd = scope.absolute(word.text) if word.sure and word.sure != "-" else None
    if scope.cwd is None and word.origin == "temporary":
        scope.cwd = "/tmp/given"  # noqa: S108


_RUNNERS = {
    "shell": _shell,
    "interpreter": _interpreter,
    "eval": _eval,
    "source": _source,
    "trap": _trap,
    "alias": _alias,
    "ssh": _ssh,
    "xargs": _xargs,
    "npx": _npx,
    "netcat": _netcat,
    "socat": _socat,
    "code_rest": _watch,
    "container": _container,
    "runs_after": _subcommand,
    "tmux": _tmux,
    "sends_input": _sends_input,
    "runs": _wrapper,
}
