"""The HTTP interface against its own OpenAPI document: no request it allows, or does not, breaks it or gets past its tokens."""

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS
from test_server import Served, policy

from toolguard.gateway.api import ROUTES

NAMES = {"person": "lead", "client": "program", "operator": "watcher"}
ALLOWED = {(route.method, route.path): NAMES[route.who[0]] for route in ROUTES} | {("GET", "/openapi.json"): "watcher"}
EVERY = CHECKS.get_by_names([name for name in CHECKS.get_all_names() if name != "positive_data_acceptance"])

REFUSED = WAITING = ""


@pytest.fixture(scope="module")
def api(tmp_path_factory):
    served = Served(tmp_path_factory.mktemp("served"), policy())
    with served.client:
        global REFUSED, WAITING
        REFUSED, WAITING = served.waiting(), served.waiting(301)
        served.ask("POST", f"/escalations/{REFUSED}/deny", "lead", {})
        yield schemathesis.openapi.from_asgi(
            "/openapi.json", served.client.app, headers={"authorization": "Bearer tg_watcher", "host": "localhost"}
        )
    served.guard.close()


@pytest.mark.parametrize(("method", "path"), ALLOWED, ids=" ".join)
@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
def test_the_document_holds(api, method, path, mode):
    @given(case=api[path][method].as_strategy(generation_mode=mode))
    @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    def holds(case):
        if "id" in case.path_parameters and mode is GenerationMode.POSITIVE:  # a call that is there
            case.path_parameters["id"] = REFUSED if method == "GET" else WAITING
        headers = {"authorization": f"Bearer tg_{ALLOWED[method, path]}", "host": "localhost"}
        case.call_and_validate(headers=headers, checks=EVERY)

    try:
        holds()
    except Unsatisfiable:
        pytest.skip("nothing of that kind can be made")


def test_every_route_is_in_the_document(api):
    assert {(method.upper(), path) for path, item in api.raw_schema["paths"].items() for method in item} == set(ALLOWED)
