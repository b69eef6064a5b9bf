"""Requests made up from the OpenAPI schema: what the schema promises is what comes."""

from __future__ import annotations

import schemathesis
from hypothesis import HealthCheck, settings

from benchmark.web.app import create_app
from tests.benchmark.web.conftest import LIMITS, Quick, predictor

schema = schemathesis.openapi.from_asgi(
    "/openapi.json", create_app(LIMITS, predictor(quick=Quick()))
)


@schema.parametrize()
@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_answers_are_those_of_the_schema(case):
    response = case.call()
    assert response.status_code < 500
    case.validate_response(
        response,
        checks=[
            schemathesis.checks.not_a_server_error,
            schemathesis.checks.status_code_conformance,
            schemathesis.checks.content_type_conformance,
        ],
    )
