"""In the place of Anthropic's API, on loopback: says the turns that it is given, and keeps what it is told of tools."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Provider(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, turns):
        super().__init__(("127.0.0.1", 0), Handler)
        self.turns, self.told, self.lock = [*turns], {}, threading.Lock()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    def answer(self, body):
        """The next turn, if this is the agent's own conversation and not one that the client has beside it."""
        for message in body.get("messages", []):
            for part in message["content"] if isinstance(message["content"], list) else ():
                if part.get("type") == "tool_result":
                    content = part["content"]
                    text = content if isinstance(content, str) else "".join(each.get("text", "") for each in content)
                    self.told[part["tool_use_id"]] = (text, bool(part.get("is_error")))
        with self.lock:
            if not body.get("tools") or not self.turns:
                return [{"type": "text", "text": "done"}]
            turn = self.turns.pop(0)
        return [{"type": "tool_use", "id": each["id"], "name": each["name"], "input": each["args"]} for each in turn]


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        """Nothing is logged."""

    def do_HEAD(self):
        self.send_response(200)
        self.end_headers()

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])) or b"{}")
        if not self.path.startswith("/v1/messages") or "count_tokens" in self.path:
            return self.said(b'{"input_tokens": 1}', "application/json")
        content = self.server.answer(body)
        reason = "tool_use" if content[0]["type"] == "tool_use" else "end_turn"
        usage = {"input_tokens": 1, "output_tokens": 1}
        message = {"id": "msg", "type": "message", "role": "assistant", "model": body.get("model", "x"), "usage": usage}
        message |= {"content": content, "stop_reason": reason, "stop_sequence": None}
        if not body.get("stream"):
            return self.said(json.dumps(message).encode(), "application/json")
        text = "".join(f"event: {each['type']}\ndata: {json.dumps(each)}\n\n" for each in events(message))
        return self.said(text.encode(), "text/event-stream")

    def said(self, body, kind):
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def events(message):
    yield {"type": "message_start", "message": {**message, "content": [], "stop_reason": None}}
    for index, block in enumerate(message["content"]):
        where = {"index": index}
        if block["type"] == "text":
            yield {"type": "content_block_start", **where, "content_block": {"type": "text", "text": ""}}
            yield {"type": "content_block_delta", **where, "delta": {"type": "text_delta", "text": block["text"]}}
        else:
            yield {"type": "content_block_start", **where, "content_block": {**block, "input": {}}}
            delta = {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}
            yield {"type": "content_block_delta", **where, "delta": delta}
        yield {"type": "content_block_stop", **where}
    yield {
        "type": "message_delta",
        "delta": {"stop_reason": message["stop_reason"], "stop_sequence": None},
        "usage": message["usage"],
    }
    yield {"type": "message_stop"}
