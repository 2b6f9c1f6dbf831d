"""What a client starts before each tool call: `python -I -S thin.py CLIENT [OPTION...]`, with the call on standard input.

It asks the daemon over its socket. Where there is none, it has the call judged in a process of its own, which starts one. It
imports nothing of toolguard and next to nothing of the standard library, because its start is what every tool call waits for;
and whatever goes wrong is a denial, in the client's own form, with the reason on standard error and exit code 2.
"""

import _signal  # type: ignore[import-not-found]
import _socket
import posix  # what `os` is made of; loading that takes a tenth of the whole
import sys

MOST = 8 * 1024 * 1024  # bytes of a call; a client's own limits lie below
SECONDS = 25.0  # until a call that is not answered is denied; the clients' own limits, where they run the tool, lie above
DENIED = 2  # the exit code that all clients take for a denial, if something stands on standard error


def main(argv: list[str]) -> int:
    """Ask, and pass the answer on."""
    client, call = argv[0] if argv else "", b""
    try:
        call = sys.stdin.buffer.read(MOST + 1)
        if len(call) > MOST:
            return say(*denial(client, "the call is too long", call))
        reply = asked(client, argv[1:], call)
        return say(*(reply if reply is not None else judged_here(argv, call)))
    except BaseException as error:  # noqa: BLE001 - an error is a denial
        return say(*denial(client, f"the guard failed ({type(error).__name__})", call))


def say(stdout: str, stderr: str, code: int) -> int:
    """Print what the client reads."""
    sys.stdout.write(stdout)
    sys.stdout.flush()
    sys.stderr.write(stderr)
    sys.stderr.flush()
    return code


def asked(client: str, options: list[str], call: bytes) -> tuple[str, str, int] | None:
    """The daemon's answer; None where there is no daemon of ours."""
    connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    try:
        connection.settimeout(SECONDS)
        try:
            connection.connect(socket_path(options))
        except OSError:
            return None
        if owner(connection) != posix.getuid():
            return None
        message = b"\0".join([client.encode(), project(), call])
        connection.sendall(len(message).to_bytes(4, "big") + message)
        stdout, stderr, code = received(connection).decode().split("\0")
    finally:
        connection.close()
    return stdout, stderr, int(code)


def project() -> bytes:
    """The folder that the agent works in, as the client says; what it says of a single call is the model's."""
    return environment(b"CLAUDE_PROJECT_DIR") or posix.getcwdb()


def received(connection: _socket.socket) -> bytes:
    """One message: its length in four bytes, and as many bytes.

    Raises:
        OSError: it ends before, or is too long.
    """
    length = int.from_bytes(exactly(connection, 4), "big")
    if length > MOST + 10_000:
        raise OSError("too long")
    return exactly(connection, length)


def exactly(connection: _socket.socket, length: int) -> bytes:
    """So many bytes."""
    parts = []
    while length:
        part = connection.recv(min(length, 65536))
        if not part:
            raise OSError("cut off")
        parts.append(part)
        length -= len(part)
    return b"".join(parts)


def owner(connection: _socket.socket) -> int:
    """The user at the other end."""
    if not hasattr(_socket, "SO_PEERCRED"):
        return posix.getuid()  # the folder of the socket is the user's own
    whom = connection.getsockopt(_socket.SOL_SOCKET, _socket.SO_PEERCRED, 12)  # three numbers: process, user, group
    return int.from_bytes(whom[4:8], sys.byteorder)


def home() -> str:
    """The folder of the hooks' ledger, sockets and log."""
    given = environment(b"TOOLGUARD_HOME") or environment(b"HOME") + b"/.toolguard"
    return given.decode("utf-8", "surrogateescape")


def environment(name: bytes) -> bytes:
    """What a variable holds; as `os` knows it, where that is loaded."""
    loaded = sys.modules.get("os")
    return bytes((loaded.environb if loaded is not None else posix.environ).get(name, b""))


def socket_path(options: list[str]) -> str:
    """One daemon for each interpreter and set of options."""
    name = 0xCBF29CE484222325  # FNV-1a: no module has to be loaded for it, and nobody is kept out by it
    for sign in "\0".join([sys.executable, *options]).encode("utf-8", "surrogateescape"):
        name = (name ^ sign) * 0x100000001B3 % 2**64
    return f"{home()}/run/{name:016x}.sock"


def judged_here(argv: list[str], call: bytes) -> tuple[str, str, int]:
    """The answer of a process of its own, which starts the daemon for the next calls."""
    import subprocess  # noqa: PLC0415 - only where there is no daemon

    command = [sys.executable, "-I", "-m", "toolguard", "hook", "--here", *argv]
    try:
        done = subprocess.run(command, input=call, capture_output=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return denial(argv[0] if argv else "", "the guard did not answer in time", call)
    stdout, stderr = done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")
    if (done.returncode == 0 and stdout[:1] in ("", "{")) or (done.returncode == DENIED and stderr):
        return stdout, stderr, done.returncode
    return denial(argv[0] if argv else "", "the guard could not be started", call)


def denial(client: str, reason: str, call: bytes = b"") -> tuple[str, str, int]:
    """As the client reads it: its own form, the reason on standard error, and the exit code."""
    import json  # noqa: PLC0415 - an allowed call does without

    try:
        given = json.loads(call or b"null")
    except ValueError:
        given = None
    if has_run(client, given):
        return json.dumps(instead(client, given, f"toolguard: {reason}")), "", 0
    forms = {
        "gemini": {"decision": "deny", "reason": reason},
        "copilot": {"permissionDecision": "deny", "permissionDecisionReason": reason},
        "cursor": {"permission": "deny", "user_message": reason, "agent_message": reason},
    }
    said = {"hookEventName": "PreToolUse", "permissionDecision": "deny", "permissionDecisionReason": reason}
    return json.dumps(forms.get(client, {"hookSpecificOutput": said})), f"toolguard: {reason}\n", DENIED


AFTER = {"claude": "PostToolUse", "codex": "PostToolUse", "gemini": "AfterTool"}


def has_run(client: str, given: object) -> bool:
    """Whether the client says that the call has run, and what came of it. Nothing that a model writes says so."""
    if not isinstance(given, dict):
        return False
    return "toolResult" in given if client == "copilot" else given.get("hook_event_name") == AFTER.get(client, given)


def instead(client: str, given: dict, text: str) -> dict:  # type: ignore[type-arg]
    """The answer to a call that has run: this text in the place of what came of it, in the client's own form."""
    if client == "copilot":
        return {"modifiedResult": {"textResultForLlm": text, "resultType": "failure"}}
    if client != "claude":
        return {"decision": "deny" if client == "gemini" else "block", "reason": text}
    left = [text]
    made = {"hookEventName": "PostToolUse", "updatedToolOutput": emptied(given.get("tool_response"), left)}
    return {"hookSpecificOutput": made} | ({"continue": False, "stopReason": text} if left else {})


def emptied(value: object, text: list) -> object:  # type: ignore[type-arg]
    """A value with nothing left of it but its shape, which is all that the client accepts; its first text becomes this one."""
    if isinstance(value, dict):
        kinds = ("text", "image", "audio", "resource", "resource_link")
        return {name: inner if name == "type" and inner in kinds else emptied(inner, text) for name, inner in value.items()}
    if isinstance(value, list):
        return [emptied(inner, text) for inner in value]
    if isinstance(value, str):
        return text.pop() if text else ""
    return value if value is None or isinstance(value, bool) else 0


if __name__ == "__main__":
    _signal.alarm(int(2 * SECONDS))  # ends whatever hangs; the shell around it makes a denial of that
    sys.exit(main(sys.argv[1:]))
