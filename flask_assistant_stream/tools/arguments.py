"""What a model must write to call a function, read from the function, and the function's arguments out of that.

Knows one function at a time. pydantic and docstring_parser are imported when the first one is read.
"""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import FunctionType, SimpleNamespace, UnionType
from typing import TYPE_CHECKING, Annotated, Any

from ..errors import ConfigError, ToolError
from ..protocol.objects import Object

if TYPE_CHECKING:
    from pydantic import BaseModel, ValidationError

MAX_FLAWS = 8
"""Wrong arguments that the model is told of at once."""
MAX_FLAW_CHARS = 200
_KEYED = {"properties", "$defs", "patternProperties", "dependentSchemas"}
"""Keys of a JSON schema whose values are schemas by name."""
_VALUES = {"default", "examples", "const", "enum"}
"""Keys of a JSON schema whose values are no schemas."""
_ANNOTATED: Any = Annotated
_AROUND = {Annotated, typing.Union, UnionType}
"""What a context's annotation may be wrapped in."""


@dataclass(frozen=True, slots=True)
class ToolContext:
    """What a tool is called for; it asks with a parameter of this type, which the model does not see.

    Attributes:
        owner: whose thread it is: what `authenticate` returned.
        thread_id: the thread.
        run_id: the run.
        call_id: the call; no other call has this id.
    """

    owner: str
    thread_id: str
    run_id: str
    call_id: str


# -- arguments ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a function, its annotation resolved."""

    name: str
    annotation: Any
    default: Any
    is_positional: bool

    @property
    def is_context(self) -> bool:
        """Whether it asks for the context instead of something the model knows."""
        parts = typing.get_args(self.annotation) if typing.get_origin(self.annotation) in _AROUND else ()
        return any(part is ToolContext for part in (self.annotation, *parts))


class ArgumentReader:
    """Makes the arguments of a function out of the JSON that a model has written.

    Attributes:
        schema: of that JSON.
    """

    def __init__(self, tool: str, parameters: list[Parameter], texts: Mapping[str, str]) -> None:
        self._parameters = parameters
        # Fields have names of their own: a parameter may be called `copy`, `json` or `_x`, a model's field may not.
        self._fields = {one.name: f"field_{number}" for number, one in enumerate(parameters) if not one.is_context}
        try:
            self._model = self._make_model(texts)
            self.schema = _json_schema(self._model)
        except Exception as error:  # pydantic's own, and what a type's hooks raise
            flaw = str(error).strip().partition("\n")[0].partition(". ")[0].rstrip(".")
            raise ConfigError(
                f"Tool {tool!r}: its parameters cannot be described to a model: {flaw}. Annotate them with types that "
                "JSON can hold: str, int, float, bool, list, dict, Literal, Enum, dataclasses, pydantic models."
            ) from error

    def _make_model(self, texts: Mapping[str, str]) -> type[BaseModel]:
        from pydantic import ConfigDict, create_model

        fields: dict[str, Any] = {
            self._fields[one.name]: _field(one, texts.get(one.name))
            for one in self._parameters
            if one.name in self._fields
        }
        model: type[BaseModel] = create_model("Arguments", __config__=ConfigDict(extra="forbid"), **fields)
        return model

    def read(self, text: str, context: ToolContext) -> tuple[list[Any], dict[str, Any]]:
        """Return positional and named arguments.

        Raises:
            ToolError: the text is no JSON, or does not fit the schema.
        """
        from pydantic import ValidationError

        try:
            values = self._model.model_validate_json(text.encode("utf-8", "replace") if text.strip() else b"{}")
        except ValidationError as error:
            raise ToolError(_flaws(error)) from None
        positional: list[Any] = []
        named: dict[str, Any] = {}
        for one in self._parameters:
            value = context if one.is_context else self._value(one, values)
            if one.is_positional:
                positional.append(value)
            else:
                named[one.name] = value
        return positional, named

    def _value(self, one: Parameter, values: BaseModel) -> Any:
        """Return the model's value, or the very default that the function has."""
        given = self._fields[one.name] in values.model_fields_set
        return getattr(values, self._fields[one.name]) if given or not _has_plain_default(one) else one.default


def _has_plain_default(one: Parameter) -> bool:
    from pydantic.fields import FieldInfo

    return one.default is not inspect.Parameter.empty and not isinstance(one.default, FieldInfo)


def _field(one: Parameter, text: str | None) -> tuple[Any, Any]:
    """Return a parameter as pydantic takes it: its type, and default, name and description."""
    from pydantic import Field
    from pydantic.fields import FieldInfo

    annotation = _with_none(one.annotation) if one.default is None else one.annotation
    said: tuple[Any, ...] = annotation.__metadata__ if typing.get_origin(annotation) is Annotated else ()
    if isinstance(one.default, FieldInfo):
        annotation, said = Annotated[annotation, one.default], (*said, one.default)
    infos = [info for info in said if isinstance(info, FieldInfo)]
    texts = [info for info in said if isinstance(info, str)]
    more: dict[str, Any] = {"alias": next((info.alias for info in infos if info.alias), one.name)}
    if (texts or text) and not any(info.description for info in infos):
        more["description"] = texts[0] if texts else text
    if _has_plain_default(one):
        more["default"] = one.default
    return annotation, Field(**more)


def _with_none(annotation: Any) -> Any:
    """Let a parameter whose default is None be null, also where its annotation does not say so."""
    if typing.get_origin(annotation) is Annotated:
        inner, *metadata = typing.get_args(annotation)
        parts = (_with_none(inner), *metadata)
        return _ANNOTATED[parts]
    return annotation if annotation is Any else typing.Optional[annotation]  # noqa: UP045


def _json_schema(model: type[BaseModel]) -> Object:
    """Return a model's schema without the titles, which repeat the names."""
    from pydantic.json_schema import GenerateJsonSchema

    silent = type("Silent", (GenerateJsonSchema,), {"ignored_warning_kinds": {"non-serializable-default"}})
    schema: Object = _without_titles(model.model_json_schema(schema_generator=silent))
    return schema


def _without_titles(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_without_titles(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: {name: _without_titles(part) for name, part in value.items()}
        if key in _KEYED
        else value
        if key in _VALUES
        else _without_titles(value)
        for key, value in schema.items()
        if key != "title"
    }


def _flaws(error: ValidationError) -> str:
    """Say which arguments are wrong and how, without repeating what they are."""
    flaws = error.errors(include_url=False, include_context=False, include_input=False)
    told = [_flaw(flaw["type"], flaw["loc"], flaw["msg"]) for flaw in flaws[:MAX_FLAWS]]
    more = [f"and {len(flaws) - MAX_FLAWS} more"] if len(flaws) > MAX_FLAWS else []
    return "; ".join([*told, *more]) + "."


def _flaw(kind: str, loc: tuple[str | int, ...], text: str) -> str:
    text = {"missing": "is required", "extra_forbidden": "is no argument of this tool"}.get(kind, text.rstrip("."))
    where = ".".join(_cut(str(part), 64) for part in loc)
    return _cut(f"{where}: {text}" if where else text, MAX_FLAW_CHARS)


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


# -- functions ------------------------------------------------------------------------------------------------


def whole_function(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return what a partial was made of."""
    while isinstance(function, functools.partial):
        function = function.func
    return function


def written_function(function: Callable[..., Any]) -> FunctionType:
    """Return the function that somebody wrote: behind partials, methods, decorators and callable objects."""
    whole = whole_function(function)
    for candidate in (whole, type(whole).__call__):
        bare = inspect.unwrap(getattr(candidate, "__func__", candidate))
        if isinstance(bare, FunctionType):
            return bare
    raise ConfigError(
        f"{function!r} cannot be a tool: it has no Python code. Wrap it in a function with annotated parameters."
    )


def parameters_of(function: Callable[..., Any], tool: str) -> list[Parameter]:
    """Return what the function takes; what a partial has bound by name is none of the model's business."""
    written = written_function(function)
    bound = function.keywords if isinstance(function, functools.partial) else {}
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"Tool {tool!r}: its signature cannot be read: {error}. Wrap it in a function.") from None
    return [_parameter(one, written, tool) for one in signature.parameters.values() if one.name not in bound]


def _parameter(one: inspect.Parameter, written: FunctionType, tool: str) -> Parameter:
    if one.kind in (one.VAR_POSITIONAL, one.VAR_KEYWORD):
        stars = "*" if one.kind is one.VAR_POSITIONAL else "**"
        raise ConfigError(
            f"Tool {tool!r}: {stars}{one.name} cannot be described to a model. "
            "Name each parameter, or take one list or dict."
        )
    if one.annotation is one.empty:
        hint = "Give a bound method." if one.name in ("self", "cls") else f"Annotate it, as in {one.name}: str."
        raise ConfigError(f"Tool {tool!r}: its parameter {one.name!r} has no annotation. {hint}")
    # One by one: what only the return annotation names need not exist at run time.
    try:
        holder = SimpleNamespace(__annotations__={"it": one.annotation})
        names = {"ToolContext": ToolContext, **written.__globals__}
        annotation = typing.get_type_hints(holder, names, include_extras=True)["it"]
    except Exception as error:
        raise ConfigError(
            f"Tool {tool!r}: the annotation of {one.name!r} cannot be resolved ({error}). Its names must stand at the "
            "top of the module, imported outside `if TYPE_CHECKING`."
        ) from None
    return Parameter(one.name, annotation, one.default, one.kind is one.POSITIONAL_ONLY)


def docstring_of(function: Callable[..., Any]) -> tuple[str, dict[str, str]]:
    """Return what a docstring tells of the function and of its parameters."""
    text = inspect.cleandoc(written_function(function).__doc__ or "")
    if not text:
        return "", {}
    from docstring_parser import ParseError, parse

    try:
        parsed = parse(text)
    except ParseError:
        return text, {}
    parts = [part for part in (parsed.short_description, parsed.long_description) if part]
    texts = {one.arg_name: " ".join(one.description.split()) for one in parsed.params if one.description}
    return "\n\n".join(parts), texts
