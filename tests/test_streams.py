"""Streams: however a text is cut, what is let through and what is said of it is as for the whole; nothing forbidden leaves."""

import asyncio
import io
import itertools
import queue
import random
import threading

import pytest

from toolguard import Guard, ToolDenied, ToolHalted, guarded
from toolguard.classify.sensitive.classifier import KINDS, spans_in
from toolguard.errors import StreamDenied
from toolguard.redact import replaced
from toolguard.running import on_halt
from toolguard.spans import MAX_HELD

KEY, CARD, MAIL = "AKIAIOSFODNN7EXAMPLE", "4111 1111 1111 1111", "jane@example.com"
HEAD = """
policy_id: p
patterns: {bluebird: '(?i)project[ _-]?bluebird'}
facts:
  secret: {sensitive: result, kinds: secrets bluebird}
  person: {sensitive: result, kinds: personal}
rules:
  - {rule_id: all, conditions: {field: tool_name, operator: exists}, effect: allow}
"""
NO_SECRETS = (
    "  - {rule_id: no-secrets, phase: result, conditions: {field: secret.found, operator: eq, value: true}, effect: deny}\n"
)
NO_PEOPLE = """  - rule_id: no-people
    phase: result
    conditions: {field: person.found, operator: eq, value: true}
    effect: flag
    redact: [{facts: person}]
"""


def guard_with(*rules, **options):
    return Guard(HEAD + "".join(rules), ledger=":memory:", **options)


def rule(conditions, effect="deny", **more):
    further = "".join(f", {key}: {value}" for key, value in more.items())
    return f"  - {{rule_id: one, phase: result, conditions: {conditions}, effect: {effect}{further}}}\n"


def pieces(text, sizes):
    sizes = itertools.cycle(sizes if isinstance(sizes, list) else [sizes])
    while text:
        size = next(sizes)
        yield text[:size]
        text = text[size:]


def drained(stream):
    out = []
    try:
        out += (each for each in stream)  # what came before an error stays
    except ToolDenied as denied:
        return out, denied
    return out, None


async def drained_async(stream):
    out = []
    try:
        async for each in stream:
            out.append(each)  # noqa: PERF401 - what came before an error stays
    except ToolDenied as denied:
        return out, denied
    return out, None


async def as_async(source):
    for each in source:
        await asyncio.sleep(0)
        yield each


# -- however it is cut -------------------------------------------------------------------------------------------------

WORDS = (
    "the agent said that order 12345 was shipped to 42 Main Street on 2024-05-17 and costs 19.99 with ref A-77-B"
    " please wait: password is required, see config.token and https://example.com/a?b=c é ü 漢字 e\u0301"
).split()
PLANTED = (
    KEY,
    CARD,
    MAIL,
    "Project-Bluebird",
    f"ghp_{'16C7e42F29' * 4}",
    "123-45-6789",
    "password='hunter2!x'",
)
NEARLY = (
    "AKIA123",
    "4111 1111",
    "jane@",
    "project blue",
    "ghp_16C7",
    "123-45-67890",
    "-----BEGIN CERTIFICATE-----",
    "sk-",
    "eyJ",
)


def text_of(chance):
    words = [chance.choice(WORDS) if chance.random() > 0.1 else chance.choice(NEARLY) for _ in range(chance.randint(0, 25))]
    for _ in range(chance.randint(0, 2)):
        words.insert(chance.randint(0, len(words)), chance.choice(PLANTED))
    return chance.choice([" ", " ", "", "\n"]).join(words)


def at_once(guard, text):
    """The verdict on the whole text, and what may be seen of it."""
    try:
        return guard.wrap(lambda: text, name="give")(), None
    except ToolDenied as denied:
        return None, denied.decision.primary.rule_id


def differs(seed, cases):
    """What a stream lets through is what may be seen of the whole; of one that is cut, all before the first secret."""
    chance = random.Random(seed)
    secrets = tuple(kind for kind in KINDS.values() if kind.category == "secret")
    people = tuple(kind for kind in KINDS.values() if kind.category == "personal")
    with guard_with(NO_SECRETS, NO_PEOPLE) as strict:
        for _ in range(cases):
            text = text_of(chance)
            whole, why = at_once(strict, text)
            out, denied = drained(strict.stream(pieces(text, [chance.randint(1, 9) for _ in range(9)])))
            seen = "".join(out)
            if why is None:
                assert (seen, denied) == (whole, None), text
            else:
                assert denied is not None, text
                assert denied.decision.primary.rule_id == why
                begins = [span.begin for span in spans_in(text, secrets)] + [
                    text.lower().find(each) for each in ("project bluebird", "project-bluebird") if each in text.lower()
                ]
                assert denied.offset <= min(begins), text
                assert denied.released == len(seen)
                before = [span for span in spans_in(text, people) if span.end <= denied.offset]
                visible = replaced(text[: denied.offset], before, lambda kind, _: f"[redacted {kind}]")
                assert seen == visible, text


def test_a_text_is_let_through_as_if_it_had_been_there_at_once():
    differs(1, 600)


@pytest.mark.deep
@pytest.mark.parametrize("seed", range(2, 8))
def test_a_text_is_let_through_as_if_it_had_been_there_at_once_for_long(seed):
    differs(seed, 10_000)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8, 13, 1000])
def test_a_stream_is_cut_where_the_secret_begins(size):
    text = f"mail {MAIL}, then {KEY} and more"
    with guard_with(NO_SECRETS, NO_PEOPLE) as guard:
        source = pieces(text, size)
        out, denied = drained(guard.stream(source))
        assert "".join(out) == "mail [redacted email], then "
        assert (type(denied), denied.offset, denied.released) == (
            StreamDenied,
            text.index(KEY),
            len("mail [redacted email], then "),
        )
        assert str(denied) == "rule `no-secrets` (at 28 of the stream; 28 were let through)"
        assert list(source) == []  # it was closed


@pytest.mark.parametrize("size", [1, 2, 3, 5, 64])
@pytest.mark.parametrize("text", ["é漢字 plain 🙂 ", f"é {MAIL} 漢", "\x00\xff", "e\u0301 " + MAIL + " ü"])
def test_bytes_come_out_as_they_went_in_however_characters_are_cut(text, size):
    with guard_with(NO_SECRETS, NO_PEOPLE) as guard:
        for data in (text.encode(), text.encode() + b"\xff\xfe\x80", b"\xe6\xbc" + text.encode()):
            out, denied = drained(guard.stream(pieces(data, size)))
            assert denied is None
            assert b"".join(out) == data.replace(MAIL.encode(), b"[redacted email]")
            out, denied = drained(guard.stream(pieces(data + KEY.encode(), size)))
            assert b"".join(out) == data.replace(MAIL.encode(), b"[redacted email]")
            assert denied is not None


def test_little_is_held_of_a_harmless_text():
    text = "the agent said that the order was shipped to Main Street and please wait while we process your request " * 20
    held = []
    with guard_with(NO_SECRETS, NO_PEOPLE) as guard:
        read_so_far = 0

        def source():
            nonlocal read_so_far
            for piece in pieces(text, 5):
                read_so_far += len(piece)
                yield piece

        seen = 0
        for piece in guard.stream(source()):
            seen += len(piece)
            held.append(read_so_far - seen)
    assert seen == len(text)
    assert sum(held) / len(held) < 12


# -- tools that stream -------------------------------------------------------------------------------------------------


def test_generators_and_iterators_and_files_of_tools_are_guarded():
    text = f"so {MAIL} it {KEY} is"
    with guard_with(NO_SECRETS, NO_PEOPLE) as guard:

        @guarded(guard)
        def generator():
            yield from pieces(text, 3)

        @guarded(guard)
        def iterator():
            return pieces(text, 3)

        @guarded(guard)
        def text_file():
            return io.StringIO(text)

        @guarded(guard)
        def binary_file():
            return io.BytesIO(text.encode())

        for tool in (generator, iterator, text_file):
            out, denied = drained(tool())
            assert ("".join(out), type(denied)) == ("so [redacted email] it ", StreamDenied) or tool is text_file
        file = binary_file()
        assert file.read(4) == b"so ["
        with pytest.raises(StreamDenied):
            file.read()
        assert [record.content["kind"] for record in guard.store.scan()].count("outcome") == 4


def test_async_generators_and_iterators_are_guarded():
    text = f"so {MAIL} it {KEY} is"
    with guard_with(NO_SECRETS, NO_PEOPLE) as guard:

        @guarded(guard)
        async def generator():
            for piece in pieces(text, 3):
                yield piece

        @guarded(guard)
        async def iterator():
            return as_async(pieces(text, 3))

        async def run():
            return [await drained_async(generator()), await drained_async(await iterator())]

        for out, denied in asyncio.run(run()):
            assert ("".join(out), type(denied)) == ("so [redacted email] it ", StreamDenied)


def test_a_file_reads_like_a_file():
    text = f"one\ntwo {MAIL}\nthree"
    seen = "one\ntwo [redacted email]\nthree"
    with guard_with(NO_PEOPLE) as guard:
        opened = guard.wrap(lambda: io.StringIO(text), name="open")
        assert list(opened()) == seen.splitlines(keepends=True)
        assert opened().read() == seen
        assert opened().readlines() == seen.splitlines(keepends=True)
        with opened() as file:
            assert (file.readline(), file.read(3), file.readline(2), file.readline()) == (
                "one\n",
                "two",
                " [",
                "redacted email]\n",
            )
            assert (file.read(), file.read(), file.readable()) == ("three", "", True)
        with pytest.raises(ValueError, match="closed"):
            file.read()
        assert guard.wrap(lambda: io.BytesIO(b""), name="open")().read() == b""


def test_what_a_generator_is_sent_and_returns_goes_through():
    with guard_with(NO_SECRETS) as guard:

        @guarded(guard)
        def adder():
            total = 0
            for _ in range(3):
                total += (yield f"{total};") or 0
            return "done"

        stream = adder()
        assert next(stream) == "0;"
        assert stream.send(5) == "5;"
        assert stream.send(2) == "7;"
        with pytest.raises(StopIteration) as end:
            next(stream)
        assert end.value.value == "done"

        @guarded(guard)
        def leaking():
            yield "fine"
            return KEY

        stream = leaking()
        assert next(stream) == "fine"
        with pytest.raises(ToolDenied):
            next(stream)


@pytest.mark.parametrize("error", [ValueError("plain"), ValueError(f"with {KEY}")])
def test_errors_in_the_middle_are_judged(error):
    def source():
        yield "some text"
        raise error

    with guard_with(NO_SECRETS) as guard:
        for make in (
            lambda: guard.stream(source()),
            guard.wrap(source, name="give"),
            guard.wrap(lambda: iter(source()), name="give"),
        ):
            out = []
            with pytest.raises(ToolDenied if KEY in str(error) else ValueError) as raised:
                out += (piece for piece in make())
            assert KEY not in repr(raised.value)
            assert "".join(out) == "some text"  # also what was held: it is known now how it ends


def test_a_stream_that_nobody_drains_is_closed():
    closed = []

    def source():
        try:
            for number in itertools.count():
                yield f"piece {number}. "
        finally:
            closed.append(True)

    with guard_with(NO_SECRETS) as guard:
        stream = guard.stream(source())
        next(stream)
        stream.close()
        assert closed == [True]
        assert [record.content.get("outcome") for record in guard.store.scan()][-1] == "closed"
        stream = guard.wrap(source, name="give")()
        next(stream)
        stream.close()
        assert closed == [True, True]
        with guard.stream(source()) as stream:
            next(stream)
        assert closed == [True] * 3


def test_a_producer_in_another_thread_is_stopped():
    """Back-pressure is kept: a bounded queue lies between, and at the violation the canceller runs."""
    pipe, stopped = queue.Queue(maxsize=2), threading.Event()

    def produce():
        for piece in itertools.chain(pieces(f"text and {KEY}", 4), itertools.repeat(" " * 10)):
            while not stopped.is_set():
                try:
                    pipe.put(piece, timeout=0.05)
                    break
                except queue.Full:
                    continue
            if stopped.is_set():
                return

    thread = threading.Thread(target=produce)
    with guard_with(NO_SECRETS) as guard:

        @guarded(guard)
        def tool():
            on_halt(stopped.set)
            thread.start()
            while True:
                yield pipe.get()

        out, denied = drained(tool())
        assert ("".join(out), type(denied)) == ("text and ", StreamDenied)
        thread.join(5)
        assert not thread.is_alive()


def test_nothing_is_read_before_it_is_asked_for():
    read_pieces = []

    def source():
        for piece in ("one ", "two ", "three "):
            read_pieces.append(piece)
            yield piece

    with guard_with(NO_SECRETS) as guard:
        stream = guard.stream(source())
        assert read_pieces == []
        assert next(stream) == "one "
        assert read_pieces == ["one "]


def test_a_halt_ends_a_stream():
    def endless():
        for number in itertools.count():
            yield f"piece {number}. "

    with guard_with(NO_SECRETS) as guard:
        stream = guard.stream(endless())
        returned = guard.wrap(lambda: iter(endless()), name="give")()
        next(stream), next(returned)
        guard.halt("tool:model.output", reason="enough", by="ops")
        with pytest.raises(ToolHalted, match="enough"):
            next(stream)
        assert next(returned)
        guard.halt(reason="all of it", by="ops")
        with pytest.raises(ToolHalted, match="all of it"):
            next(returned)
        with pytest.raises(ToolHalted):
            guard.stream(endless())


def test_a_stream_of_a_model_has_to_be_allowed():
    with Guard(HEAD.replace("policy_id: p", "policy_id: p\nscope: {tool_names: [other]}"), ledger=":memory:") as guard:
        with pytest.raises(ToolDenied, match=r"no policy covers `model\.output`"):
            guard.stream(["x"])
        with pytest.raises(ToolDenied, match=r"no policy covers `model\.input`"):
            guard.stream(["x"], direction="input")


# -- rules -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("conditions", "text", "seen"),
    [
        ("{field: result, operator: regex, value: 'se+cret'}", "a seeecret b", "a "),
        ("{field: result, operator: contains, value: 'a.b'}", "axb a.b", "axb "),
        ("{field: secret.kinds, operator: contains, value: bluebird}", "on project bluebird", "on "),
        ("{field: secret.kinds, operator: contains, value: bluebird}", f"{KEY} is another kind", None),
        ("{field: secret.secrets, operator: eq, value: true}", f"see {KEY}", "see "),
        (
            "{or: [{field: result, operator: contains, value: xx}, {field: result, operator: contains, value: yy}]}",
            "1 yy",
            "1 ",
        ),
        (
            "{and: [{field: result, operator: contains, value: xx}, {field: result, operator: contains, value: yy}]}",
            "xx 1 yy",
            "xx 1 ",
        ),
        ("{and: [{field: result, operator: contains, value: xx}, {field: tool_name, operator: eq, value: other}]}", "xx", None),
        ("{not: {field: result, operator: contains, value: ok}}", "it is ok", None),
        ("{not: {field: result, operator: contains, value: ok}}", "it is not", ""),
        ("{field: result, operator: regex, value: '^x*$'}", "xxx", ""),
        ("{field: result, operator: ends_with, value: end}", "to the end", ""),
        ("{field: secret.count, operator: gt, value: 1}", f"{KEY} {KEY}", ""),
        ("{field: result, operator: exists}", "anything", ""),
        ("{field: result.status, operator: exists}", "anything", ""),  # a text has no such thing
    ],
)
def test_a_rule_says_the_same_of_a_stream_as_of_the_whole(conditions, text, seen):
    """Where only the end can tell, nothing is let through before."""
    with guard_with(rule(conditions)) as guard:
        whole, why = at_once(guard, text)
        for size in (1, 3, 100):
            out, denied = drained(guard.stream(pieces(text, size)))
            assert (denied is None) == (why is None)
            assert "".join(out) == (text if seen is None else seen)
        assert whole == (text if seen is None else None)


def test_a_person_decides_about_the_whole_stream():
    seen = []

    def approver(decision):
        seen.append(decision.call.came.result)
        return len(seen) == 1

    with guard_with(rule("{field: secret.found, operator: eq, value: true}", "escalate"), approver=approver) as guard:
        out, denied = drained(guard.stream(pieces(f"a {KEY}", 2)))
        assert (out, denied) == ([f"a {KEY}"], None)
        out, denied = drained(guard.stream(pieces(f"a {KEY}", 2)))
        assert (out, type(denied)) == ([], StreamDenied)
        assert seen == [f"a {KEY}"] * 2


def test_redaction_that_depends_on_what_comes_later_waits_for_it():
    both = rule(
        "{and: [{field: person.found, operator: eq, value: true}, {field: result, operator: contains, value: secret}]}",
        "flag",
        redact="[{facts: person}]",
    )
    with guard_with(both) as guard:
        assert drained(guard.stream(pieces(f"{MAIL} is secret", 3)))[0] == ["[redacted email] is secret"]
        assert drained(guard.stream(pieces(f"{MAIL} is not", 3)))[0] == [f"{MAIL} is not"]


def test_shadow_rules_are_recorded_and_hold_nothing():
    shadow = (
        HEAD.replace("policy_id: p", "policy_id: s\nmode: shadow")
        + rule("{field: secret.count, operator: gt, value: 1}")
        + NO_SECRETS
    )
    with Guard([shadow, HEAD], ledger=":memory:") as guard:
        stream = guard.stream(pieces(f"first {KEY} {KEY} end", 4))
        first = next(stream)
        assert first in ("firs", "first ")
        assert first + "".join(drained(stream)[0]) == f"first {KEY} {KEY} end"
        hits = [hit["rule_id"] for record in guard.store.scan() for hit in record.content.get("shadow_hits", ())]
        assert hits == ["all", "no-secrets", "one"]


def test_a_match_without_an_end_is_cut_off():
    with guard_with(rule("{field: result, operator: regex, value: '<[a-z]*>'}")) as guard:
        out, denied = drained(guard.stream(pieces("ok <" + "a" * 2 * MAX_HELD, 1000)))
        assert out == ["ok "]
        assert "does not end within 65536 characters" in str(denied)


@pytest.mark.parametrize("second", [b"bytes", 5, None, {"a": 1}])
def test_pieces_of_different_kinds_are_not_let_through(second):
    with guard_with(NO_SECRETS) as guard:
        out, denied = drained(guard.stream(["text. ", second]))
        assert out == ["text. "]
        assert "comes after `str`" in str(denied)


# -- items -------------------------------------------------------------------------------------------------------------


def test_items_wait_for_the_texts_in_them():
    text = f"so {MAIL} it is"
    with guard_with(NO_SECRETS, NO_PEOPLE) as guard:
        out, denied = drained(guard.stream({"delta": {"content": piece}, "n": n} for n, piece in enumerate(pieces(text, 2))))
        assert denied is None
        assert "".join(each["delta"]["content"] for each in out) == "so [redacted email] it is"
        assert [each["n"] for each in out] == list(range(len(out)))
        out, denied = drained(guard.stream({"delta": {"content": piece}} for piece in pieces(f"so {KEY}", 2)))
        assert "".join(each["delta"]["content"] for each in out) == "so"  # an item is let through as a whole
        assert type(denied) is StreamDenied


def test_places_are_not_mistaken_for_one_another():
    """Two keys of one item that would read the same if they were joined by a dot."""
    with guard_with(NO_SECRETS, NO_PEOPLE) as guard:
        items = [{"a.b": "to jane@exam"}, {"a.b": "ple.com", "a": {"b": " and more"}}, {"a.b": " so"}]
        out, denied = drained(guard.stream(items))
        assert denied is None
        assert [each["a.b"] for each in out] == ["to [redacted email]", "", " so"]


def test_bytes_in_items_are_texts_that_go_on_as_well():
    with guard_with(NO_SECRETS, NO_PEOPLE) as guard:
        out, denied = drained(guard.stream({7: piece} for piece in (b"\xff so jane@example", b".com \xc3", b"\xa9")))
        assert denied is None
        assert b"".join(each[7] for each in out) == b"\xff so [redacted email] \xc3\xa9"
        out, denied = drained(guard.stream({"data": KEY[at : at + 5].encode()} for at in range(0, 20, 5)))
        assert (out, denied is not None) == ([], True)


def test_texts_at_different_places_are_different_texts():
    first, second = pieces(f"one {KEY}"[:14], 3), pieces("two harmless", 3)
    with guard_with(NO_SECRETS) as guard:
        items = [{"a": a, "b": b} for a, b in zip(first, second, strict=False)]
        assert drained(guard.stream(items)) == (items, None)


def test_each_item_is_judged_as_a_result():
    with guard_with(NO_SECRETS, rule("{field: result.age, operator: lt, value: 18}")) as guard:
        out, denied = drained(guard.stream([{"age": 20}, {"age": 40}, {"age": 12}, {"age": 30}]))
        assert out == [{"age": 20}, {"age": 40}]
        assert denied.decision.primary.rule_id == "one"
        out, denied = drained(guard.stream([[1, 2], object()]))
        assert out == []


def test_rows_of_an_async_source_are_judged():
    with guard_with(NO_SECRETS, NO_PEOPLE) as guard:
        rows = [{"name": "Jane", "mail": MAIL, "card": 4111111111111111}, {"name": "?"}, {"name": "x", "password": "hunter2!x"}]
        out, denied = asyncio.run(drained_async(guard.stream(as_async(rows))))
        assert out == [{"name": "Jane", "mail": "[redacted email]", "card": "[redacted card-number]"}, {"name": "?"}]
        assert denied.decision.primary.rule_id == "no-secrets"


def test_an_event_loop_goes_on_while_a_stream_is_judged():
    async def run(guard):
        ticks = 0

        async def tick():
            nonlocal ticks
            while True:
                await asyncio.sleep(0)
                ticks += 1

        task = asyncio.create_task(tick())
        await drained_async(guard.stream(as_async(pieces(f"{MAIL} " * 20, 7))))
        task.cancel()
        return ticks

    with guard_with(NO_PEOPLE) as guard:
        assert asyncio.run(run(guard)) > 10


def test_a_stream_is_as_old_as_its_policies():
    """A reload changes what comes later, and not what has begun."""
    with guard_with(NO_SECRETS) as guard:
        stream = guard.stream(pieces(f"one two three {KEY}", 4))
        next(stream)
        guard._sources = [HEAD]
        guard.reload()
        assert type(drained(stream)[1]) is StreamDenied
        assert drained(guard.stream([KEY])) == ([KEY], None)


def test_two_who_read_at_once_do_not_get_each_others_pieces():
    async def slow():
        for piece in pieces(f"text {KEY}", 4):
            await asyncio.sleep(0.01)
            yield piece

    async def run(guard):
        stream = guard.stream(slow())
        return await asyncio.gather(anext(stream), anext(stream), return_exceptions=True)

    with guard_with(NO_SECRETS) as guard:
        first, second = asyncio.run(run(guard))
    assert first == "text "
    assert isinstance(second, RuntimeError)


@pytest.mark.parametrize("closed", [False, True])
def test_a_stream_that_was_denied_stays_so(closed):
    with guard_with(NO_SECRETS) as guard:
        stream = guard.stream([KEY, " and more"])
        assert drained(stream)[1] is not None
        if closed:
            stream.close()
        assert drained(stream) == ([], None)


def test_the_end_of_what_has_failed_is_known_too():
    def source():
        yield "some AKIAIOSFODNN7"
        yield "EXAMPLE"
        raise ValueError("and then it failed")

    with guard_with(NO_SECRETS) as guard:
        out, denied = drained(guard.stream(source()))
        assert (out, type(denied)) == (["some "], StreamDenied)


def test_items_that_cannot_be_let_through_are_on_record():
    long = HEAD.replace("patterns: {", "patterns: {long: '<[a-z]*>', ").replace("kinds: personal", "kinds: long")
    with Guard(long + rule("{field: person.found, operator: eq, value: true}"), ledger=":memory:") as guard:
        out, denied = drained(guard.stream([{"a": "<" + "a" * MAX_HELD}, {"a": "b"}]))
        assert out == []
        assert "does not end within" in str(denied)
        last = [record.content for record in guard.store.scan() if record.content["kind"] == "result"][-1]
        assert (last["verdict"], "does not end within" in last["reason"]) == ("deny", True)


class Response:
    """Reads in a way of its own."""

    def read(self):
        return KEY

    def close(self):
        pass


class AsyncFile:
    async def read(self, size=-1):
        return KEY[:size]

    def close(self):
        pass


@pytest.mark.parametrize("made", [Response, AsyncFile])
def test_what_reads_otherwise_than_a_file_is_no_file(made):
    with guard_with(NO_SECRETS) as guard, pytest.raises(ToolDenied, match="which is not plain data"):
        guard.wrap(lambda kind=made: kind(), name="open", injected=["kind"])()
