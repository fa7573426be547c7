"""The routes of the app face, one file per resource, and those of the SDK face (`v1`)."""

from __future__ import annotations

from flask import Blueprint

from . import actions, chat, files, forks, health, messages, root, runs, threads, v1
from .base import Resource
from .dispatch import add_operation, finish
from .error_responses import add_error_responses
from .openapi import openapi_resource
from .page import add_page

_DESCRIBED: tuple[Resource, ...] = (
    *(module.resource for module in (chat, threads, messages, forks, actions, runs, files, root, health)),
    *v1.RESOURCES,
)
RESOURCES = (*_DESCRIBED, openapi_resource(_DESCRIBED))


def add_routes(blueprint: Blueprint) -> None:
    """Add every route to a blueprint, with error responses and common headers."""
    for resource in RESOURCES:
        for operation in resource.operations:
            add_operation(blueprint, operation)
    blueprint.record(add_page)  # before the catch-all
    add_error_responses(blueprint)
    blueprint.after_request(finish)
