"""The OpenAPI 3.1 document, made from the table of routes and their models."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterable
from types import NoneType
from typing import Any, Final, Literal

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, models_json_schema

from control_api.version import version
from signaling.errors import MESSAGES, RETRY_AFTER_S, ErrorCode

from .errors import STATUS, ErrorAnswer
from .route_table import AnyRoute

Json = dict[str, Any]
Mode = Literal["validation", "serialization"]
Schemas = dict[tuple[Any, Mode], Json]
"""Where the schema of a model is: `$ref`, for what comes in (validation) and what goes out (serialization)."""

_ABOUT: Final = """\
A self-hosted media server for live sessions with guests on stage.

Routes with a lock want `Authorization: Bearer <JWT>`. JSON in and out; nothing is converted (`"1"` is no number), and
members that the server does not know are refused. All errors have one shape, `ErrorAnswer`; programs go by its `code`.
Every answer has an `X-Request-ID`, under which the server's log knows it.

What happens in a session while it is live is told on a WebSocket, whose path is the `ws_path` of the answers to start
and join: docs/PROTOCOL.md describes it."""

_TEXT_SCHEMAS: Final[dict[str, Json]] = {"application/json": {"type": "object"}}
"""Of answers that are made as text: what is known of them."""
_REASONS: Final = {
    200: "Done.",
    201: "Created.",
    204: "Done; there is nothing to say.",
}
_ETAG: Final[Json] = {"description": "Changes with the answer.", "schema": {"type": "string"}}
_IF_NONE_MATCH: Final[Json] = {
    "name": "If-None-Match",
    "in": "header",
    "description": "An `ETag` of this address: 304 tells that the answer is still the same.",
    "schema": {"type": "string"},
}
_ERROR_HEADERS: Final[dict[int, Json]] = {
    401: {"WWW-Authenticate": {"description": "`Bearer`.", "schema": {"type": "string"}, "required": True}}
}
_RETRY_AFTER: Final[Json] = {
    "Retry-After": {
        "description": "Seconds after which the same may work.",
        "schema": {"type": "integer", "minimum": 1},
    }
}


def document(routes: Iterable[AnyRoute]) -> Json:
    """The document of these routes."""
    routes = tuple(routes)
    schemas, definitions = _schemas(routes)
    paths: dict[str, Json] = defaultdict(dict)
    for route in routes:
        paths[route.path][route.method.lower()] = _operation(route, schemas, definitions)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Greenroom",
            "version": version(),
            "description": _ABOUT,
            "license": {"name": "Apache License 2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": _tags(routes),
        "paths": dict(paths),
        "components": {
            "schemas": definitions,
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "Of a user: `sub` is the user's id; `name`, the name to show, is optional.",
                },
                "operator": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "Of the server's operator. `greenroom sessions` makes them from the secret.",
                },
            },
        },
    }


class _Schemas(GenerateJsonSchema):
    """Without a title for each member, which would only repeat its name."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def _schemas(routes: tuple[AnyRoute, ...]) -> tuple[Schemas, Json]:
    """Where each model's schema is, and the schemas by name."""
    wanted: list[tuple[type[BaseModel], Mode]] = [(ErrorAnswer, "serialization")]
    for route in routes:
        wanted += [(model, "validation") for model in (route.body, route.query) if model is not None]
        if issubclass(route.answer, BaseModel):
            wanted.append((route.answer, "serialization"))
    references, definitions = models_json_schema(
        list(dict.fromkeys(wanted)), ref_template="#/components/schemas/{model}", schema_generator=_Schemas
    )
    return dict(references), definitions["$defs"]


def _tags(routes: tuple[AnyRoute, ...]) -> list[Json]:
    """A topic is a module of routes; its docstring says what it is about."""
    topics = {route.topic: sys.modules[route.handler.__module__].__doc__ or "" for route in routes}
    return [{"name": topic, "description": text.strip()} for topic, text in topics.items()]


def _operation(route: AnyRoute, schemas: Schemas, definitions: Json) -> Json:
    operation: Json = {
        "operationId": route.name,
        "tags": [route.topic],
        "summary": route.summary,
        "security": [{"operator": []}] if route.operator else [{"token": []}] if route.token else [],
    }
    if route.description:
        operation["description"] = route.description
    if parameters := [*_path_parameters(route), *_query_parameters(route, schemas, definitions)]:
        operation["parameters"] = parameters
    if route.body is not None:
        content = {"application/json": {"schema": schemas[route.body, "validation"]}}
        operation["requestBody"] = {"required": True, "content": content}
    operation["responses"] = {str(status): answer for status, answer in sorted(_responses(route, schemas).items())}
    return operation


def _path_parameters(route: AnyRoute) -> list[Json]:
    return [
        {"name": name, "in": "path", "required": True, "description": text, "schema": {"type": "string"}}
        for name, text in route.path_parameters.items()
    ]


def _query_parameters(route: AnyRoute, schemas: Schemas, definitions: Json) -> list[Json]:
    """Each member of the query's model as a parameter; the model itself is no component then."""
    parameters = [_IF_NONE_MATCH] if route.etag else []
    if route.query is None:
        return parameters
    name = schemas[route.query, "validation"]["$ref"].rpartition("/")[2]
    model = definitions.pop(name)
    required = model.get("required", [])
    for member, described in model["properties"].items():
        text = described.pop("description", None)
        schema = _without_null(described)
        parameter: Json = {"name": member, "in": "query", "required": member in required, "schema": schema}
        parameters.append(parameter | ({"description": text} if text else {}))
    return parameters


def _without_null(schema: Json) -> Json:
    """What a text can be: a parameter is left out where a member of a body would be null."""
    choices: list[Json] = [choice for choice in schema.get("anyOf", ()) if choice != {"type": "null"}]
    if len(choices) != 1:
        return schema
    rest = {name: value for name, value in schema.items() if name != "anyOf" and (name, value) != ("default", None)}
    return rest | choices[0]


def _responses(route: AnyRoute, schemas: Schemas) -> dict[int, Json]:
    responses = {route.status: _answer(route, _REASONS.get(route.status, "Done."), schemas)}
    for status, text in route.other_statuses.items():
        responses[status] = _answer(route, text, schemas)
    if route.etag:
        responses[304] = {"description": "Unchanged since the `ETag` that was given.", "headers": {"ETag": _ETAG}}
    by_status: dict[int, list[ErrorCode]] = defaultdict(list)
    for code in route.error_codes:
        by_status[STATUS[code]].append(code)
    for status, codes in by_status.items():
        failure = _error(status, codes, schemas)
        responses[status] = _either(responses[status], failure) if status in responses else failure
    return responses


def _answer(route: AnyRoute, text: str, schemas: Schemas) -> Json:
    answer: Json = {"description": text}
    headers: Json = {
        name: {"description": meaning, "schema": {"type": "string"}} for name, meaning in route.headers.items()
    }
    if route.etag:
        headers["ETag"] = _ETAG
    if headers:
        answer["headers"] = headers
    if route.answer is str:
        schema = _TEXT_SCHEMAS.get(route.content_type, {"type": "string"})
        answer["content"] = {route.content_type: {"schema": schema}}
    elif route.answer is not NoneType:
        answer["content"] = {route.content_type: {"schema": schemas[route.answer, "serialization"]}}
    return answer


def _error(status: int, codes: list[ErrorCode], schemas: Schemas) -> Json:
    only_these = {"properties": {"error": {"properties": {"code": {"enum": codes}}}}}
    error: Json = {
        "description": "\n".join(f"- `{code}`: {MESSAGES[code]}" for code in codes),
        "content": {"application/json": {"schema": schemas[ErrorAnswer, "serialization"] | only_these}},
    }
    headers = _ERROR_HEADERS.get(status, {}) | (_RETRY_AFTER if RETRY_AFTER_S.keys() & set(codes) else {})
    return error | ({"headers": headers} if headers else {})


def _either(answer: Json, failure: Json) -> Json:
    """A status that is an answer of the route as well as that of errors."""
    content = answer["content"] | failure["content"]
    if "application/json" in answer["content"]:
        both = [side["content"]["application/json"]["schema"] for side in (answer, failure)]
        content["application/json"] = {"schema": {"anyOf": both}}
    return {
        "description": f"{answer['description']}\n\n{failure['description']}",
        "content": content,
        "headers": answer.get("headers", {}) | failure.get("headers", {}),
    }
