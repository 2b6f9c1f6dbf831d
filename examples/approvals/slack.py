"""Tell a Slack channel what waits: `toolguard serve --notify-command "python slack.py"`, with `SLACK_WEBHOOK_URL` set.

Reads a notification from standard input and posts it to an incoming webhook (https://api.slack.com/messaging/webhooks).
It says what waits and where to answer; nobody approves from Slack, because Slack's word is not the person's.
"""

import json
import os
import sys
import urllib.request
from typing import Any


def message_of(told: dict[str, Any]) -> dict[str, str]:
    """A notification as Slack wants it. Slack gives `<`, `>` and `&` a meaning; the agent's words must have none."""
    plain = {key: str(value).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;") for key, value in told.items()}
    return {"text": f"*{plain['tool']}* waits for {plain['escalate_to']}: {plain['reason']}\n<{told['url']}|Look at it>"}


def main() -> None:
    told = json.load(sys.stdin)["data"]
    body = json.dumps(message_of(told)).encode()
    request = urllib.request.Request(os.environ["SLACK_WEBHOOK_URL"], body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        answer.read()


if __name__ == "__main__":
    main()
