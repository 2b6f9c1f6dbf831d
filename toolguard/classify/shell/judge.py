"""What one invocation does: its program's data, its words, its redirections, and what comes through its pipe."""

from __future__ import annotations

import re
from shlex import quote
from typing import TYPE_CHECKING, Any

from toolguard.classify import places
from toolguard.classify.shell import options, paths, runs
from toolguard.classify.shell.operands import operands
from toolguard.classify.shell.output import output_of
from toolguard.classify.shell.programs import Arguments, spec_of, told_apart
from toolguard.classify.shell.reader import Feed, Invocation, Reader

if TYPE_CHECKING:
    from toolguard.classify.places import Surroundings
    from toolguard.classify.shell.effects import Effects
    from toolguard.classify.shell.words import Word

# Assignments before a command that make it, or a program it starts, run something else.
_RUNS_BY_NAME = re.compile(
    r"(LD_\w+|DYLD_\w+|BASH_ENV|ENV|PROMPT_COMMAND|PS4|SHELLOPTS|BASHOPTS|PAGER|\w*_PAGER|EDITOR|VISUAL|\w+_EDITOR|GIT_SSH|GIT_SSH_COMMAND|"
    r"GIT_ASKPASS|SSH_ASKPASS|GIT_EXTERNAL_DIFF|GIT_EXEC_PATH|GIT_CONFIG\w*|GIT_PROXY_COMMAND|GIT_TEMPLATE_DIR|PYTHONSTARTUP|PYTHONINSPECT|"
    r"PERL5OPT|PERL5LIB|PERLLIB|RUBYOPT|RUBYLIB|NODE_OPTIONS|NODE_PATH|JAVA_TOOL_OPTIONS|_JAVA_OPTIONS|MAKEFLAGS|LESSOPEN|LESSCLOSE|"
    r"BROWSER|CLAUDE_CONFIG_DIR|CODEX_HOME|COPILOT_HOME|TOOLGUARD_HOME|MANPAGER|MANROFFOPT|TAR_OPTIONS|RSYNC_RSH|CVS_RSH|SVN_SSH|IFS|GREP_OPTIONS|npm_config_script_shell|PSQL_PAGER|"
    r"BASH_FUNC_\w+%*|OPENSSL_CONF|GCONV_PATH|WGETRC|CURL_HOME|SHELL)"
)
_HARMLESS_VALUES = re.compile(
    r"|cat|less( -\w+)?|more|vi|vim|nano|true|:|code( --wait)?|emacs|/bin/(ba|z)?sh|/usr/bin/\w+sh|(--[\w-]+(=[\w./:-]+)?\s*)+|"
    r"-[jkswi\d ]+|-X[\w:=+.,-]+( -X[\w:=+.,-]+)*|-W\w*"
)
_NOT_KNOWN = "…"
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")


class Judge:
    """Collects what commands do. One of them for each text."""

    def __init__(self, around: Surroundings, effects: Effects) -> None:
        self.around, self.effects = around, effects

    def __call__(self, invocation: Invocation, reader: Reader) -> Feed:
        """Note what it does; returns what it puts out."""
        paths.redirects(self, invocation)
        self.assignments(invocation)
        if not invocation.words:
            return Feed("")
        self.effects.commands.setdefault(
            " ".join(_NOT_KNOWN if word.sure is None else quote(word.sure) for word in invocation.words)
        )
        self.effects.folders.setdefault(invocation.scope.cwd or _NOT_KNOWN)
        first = invocation.words[0]
        if first.origin == "environment_variable" and not first.text and not first.tail and not first.known:
            return self.from_environment(invocation, reader)
        name = self.program(first, invocation)
        if name is None:
            return Feed()
        self.effects.programs.setdefault(name)
        spec = spec_of(name)
        if spec is None:
            return self.unknown(invocation)
        if "home" in spec and ("HOME" in invocation.assignments or "HOME" in invocation.scope.variables):
            self.effects.code.add(spec["home"])
        self.subcommand(name, spec, invocation.words[1:])
        out = runs.other_command(self, name, spec, invocation, reader)
        if out is not None:
            return out
        arguments, _ = told_apart(invocation.words[1:], spec)
        self.does(spec, arguments)
        options.options(self, spec, arguments, invocation, reader)
        operands(self, spec, arguments, invocation)
        if spec.get("network"):
            options.downloads(self, name, arguments, invocation)
        runs.code_of(self, name, arguments, invocation, reader)
        return output_of(name, spec, arguments, invocation)

    # -- the program -----------------------------------------------------------------------------------------------------

    def program(self, first: Word, invocation: Invocation) -> str | None:
        """The name of the program; None where it is not known, which is noted."""
        if first.sure is None:
            name = re.fullmatch(r".*/([\w.+-]+)", first.tail)
            if name is not None and not first.glob:
                return name[1]  # wherever it lies, that is its name
            if first.glob:
                self.effects.obfuscation.add("pattern_as_program")
            self.effects.code.add("downloaded" if first.origin == "network" else "dynamic")
            return None
        text = first.sure
        if _INVISIBLE.search(text) or any(ord(sign) > 127 and sign.isalpha() for sign in text):  # noqa: PLR2004 - no program has such a name
            self.effects.obfuscation.add("look_alike")
        if not text:
            return None
        if "/" in text:
            path = invocation.scope.absolute(text)
            place = places.place_of(path, self.around) if path else "unknown"
            if place == "device" or text.startswith("/dev/"):
                self.effects.code.add("dynamic")
            if path in self.effects.downloaded:
                self.effects.code.add("downloaded")
        return text.rpartition("/")[2] or text

    def from_environment(self, invocation: Invocation, reader: Reader) -> Feed:
        """`$SUDO rm x`: the variable is the host program's, and may be empty; what follows it may be the command."""
        if len(invocation.words) > 1 and not invocation.words[1].text.startswith("-"):
            return reader.command_of(invocation.words[1:], invocation.scope, invocation.feed, via=invocation.via)
        return Feed()

    def unknown(self, invocation: Invocation) -> Feed:
        """A program that there is no data about: the project's own, or some tool. Its words may still name secrets."""
        for word in invocation.words[1:]:
            text = word.text.partition("=")[2] if word.text.startswith("-") else word.text
            if text and re.search(r"[/.~]", text) and not re.search(r"[\s<>()]", text):
                paths.secrets(self, text, invocation, strict=True)
        if invocation.feed is not None and invocation.feed.sensitive:
            self.effects.reasons.add("secret_to_unknown_program")
        return Feed(None, "", sensitive=False)

    def subcommand(self, name: str, spec: dict[str, Any], words: list[Word]) -> None:
        """Note a program's first operand, where that says what it does."""
        if "container" in spec or any("sub" in rule or "second" in rule for rule in spec.get("rules") or ()):
            operands = told_apart(words, spec)[0].operands
            if operands and operands[0].sure:
                self.effects.verbs.setdefault(f"{name} {operands[0].sure}")

    def does(self, spec: dict[str, Any], arguments: Arguments) -> None:
        """What its data says it does."""
        if spec.get("network"):
            self.effects.network = True
        if spec.get("persists") and not arguments.has(*(spec.get("unless") or ())):
            self.effects.persistence.add("scheduled")
        excused = arguments.has("--help", "--version", *(spec.get("unless") or ()))
        if "does" in spec and not excused:
            self.note(spec["does"])
        for rule in () if excused else spec.get("rules") or ():
            if rule_holds(rule, arguments):
                self.note(rule["does"])

    def note(self, what: str) -> None:
        """One thing that a rule says."""
        kind, _, more = what.partition(":")
        if kind == "none":
            return
        if kind in ("code", "npx"):
            self.effects.code.add(more or "package")
        elif kind == "persist":
            self.effects.persistence.add(more)
        elif kind == "read":
            self.effects.sensitive.add(more)
        elif kind == "exfil":
            self.effects.exfiltration = True
        elif kind == "network":
            self.effects.network = True
        else:
            self.effects.kinds.add(kind)
            self.effects.history |= kind == "history"

    # -- before the program ----------------------------------------------------------------------------------------------

    def assignments(self, invocation: Invocation) -> None:
        """`LD_PRELOAD=x command`: what the program, or the next one, will run because of a variable."""
        for name, value in invocation.assignments.items():
            if name == "PATH":
                self.path_variable(value, invocation)
            elif _RUNS_BY_NAME.fullmatch(name) and not (value.sure is not None and _HARMLESS_VALUES.fullmatch(value.sure)):
                if name == "IFS" or (name == "SHELL" and not invocation.words):
                    continue
                self.effects.code.add("hook")

    def path_variable(self, value: Word, invocation: Invocation) -> None:
        """A PATH that begins with a place where anybody writes."""
        if not invocation.words:
            return  # an export: of a toolchain, most likely
        begins = value.text.partition(":")[0]
        if begins and places.place_of(invocation.scope.absolute(begins) or begins, self.around) == "tmp":
            self.effects.code.add("hook")


def _written(word: Word) -> str:
    return _NOT_KNOWN if not word.known else word.text if word.glob else quote(word.text)


def rule_holds(rule: dict[str, Any], arguments: Arguments) -> bool:
    """Whether a rule of a program's data fits these words."""
    rest = _behind_subcommand(rule, arguments.operands)
    if rest is None or arguments.has(*(rule.get("unless") or ())):
        return False
    if "any" in rule and not arguments.has(*rule["any"]):
        return "arg_any" in rule and any(re.search(rule["arg_any"], name) for name, _ in arguments.options)
    return (
        all(arguments.has(name) for name in rule.get("all") or ())
        and len(rest) >= rule.get("arity", 0)
        and ("arg" not in rule or any(re.search(rule["arg"], word.text) for word in rest))
        and not (rule.get("arg_dynamic") and all(word.known for word in rest))
        and not (rule.get("paths") and not _names_paths(arguments, rest))
        and all(_has_value(rule[key], arguments) for key in ("value", "value_if") if key in rule)
    )


def _behind_subcommand(rule: dict[str, Any], operands: list[Word]) -> list[Word] | None:
    """The operands behind the subcommand that a rule is about; None where it is about another."""
    if "unless_sub" in rule and operands and operands[0].text in rule["unless_sub"].split("|"):
        return None
    rest = operands
    if "sub" in rule:
        forms = [form.split() for form in str(rule["sub"]).split("|")]
        meant = next((parts for parts in forms if [word.text for word in operands[: len(parts)]] == parts), None)
        if meant is None:
            return None
        rest = operands[len(meant) :]
    if "second" in rule:
        rest = rest if "sub" in rule else operands[1:]
        pattern = rule["second"] if rule["second"].startswith("^") else f"^({rule['second']})$"
        if not rest or re.search(pattern, rest[0].text) is None:
            return None
        rest = rest[1:]
    return rest


def _has_value(patterns: dict[str, str], arguments: Arguments) -> bool:
    return any(re.search(pattern, value.text) for name, pattern in patterns.items() for value in arguments.values(name))


def _names_paths(arguments: Arguments, operands: list[Word]) -> bool:
    """`git checkout -- file`, `git checkout .`, `git checkout HEAD -- file`: files, and no branch."""
    if arguments.has("-b", "-B", "--orphan", "--track", "-t", "--detach"):
        return False
    if arguments.ended and arguments.after:
        return True
    return len(operands) > 1 or any(
        word.glob or word.text in (".", ":/") or word.text.startswith(("./", "../")) or _SOURCE_NAME.search(word.text)
        for word in operands
    )


_SOURCE_NAME = re.compile(r"\.(py|js|ts|tsx|jsx|go|rs|java|c|h|cpp|rb|php|md|txt|json|ya?ml|toml|lock|html|css|sh|sql)$")
