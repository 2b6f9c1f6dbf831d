"""Makes keys and people in a folder, serves the approvals page, and starts the agent: `python run.py [FOLDER]`."""

import subprocess
import sys
import tempfile
from pathlib import Path
from subprocess import Popen
from typing import Any

HERE = Path(__file__).parent
PORT = "8787"


def toolguard(*words: str) -> str:
    """Run a command and return what it printed."""
    done = subprocess.run([sys.executable, "-m", "toolguard", *words], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def prepare(folder: Path) -> str:
    """The service's key, and a supervisor, whose token is returned."""
    key = toolguard("keys", "--sign", str(folder / "service.key"), "--name", "approvals.local")
    people = str(folder / "people.json")
    toolguard("approvers", "add", people, "--service", key)
    return toolguard("approvers", "add", people, "lead", "--role", "supervisor")


def serve(folder: Path, port: int | str = PORT) -> Popen[bytes]:
    """The approvals page, in a process of its own."""
    files = {"--ledger": "refunds.db", "--approvers": "people.json", "--key": "service.key"}
    words = [word for option, name in files.items() for word in (option, str(folder / name))]
    policy = ["--policy", str(HERE / "policy.yaml")]
    return Popen([sys.executable, "-m", "toolguard", "serve", *policy, *words, "--port", str(port)])


def agent(folder: Path, **options: Any) -> Popen[Any]:
    """The agent, in a process of its own."""
    return Popen([sys.executable, str(HERE / "agent.py"), str(folder)], **options)


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(tempfile.mkdtemp())
    token = prepare(folder)
    server = serve(folder)
    print(f"\nopen http://localhost:{PORT} and sign in with this token:\n\n  {token}\n", flush=True)
    try:
        agent(folder).wait()
    finally:
        server.terminate()
        server.wait()
    print(toolguard("verify", str(folder / "refunds.db")))


if __name__ == "__main__":
    main()
