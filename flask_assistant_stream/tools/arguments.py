"""Derive a JSON schema from a function's signature, and the function's arguments from a model's JSON.

pydantic and docstring_parser are imported with the first function.
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

MAX_PROBLEMS = 8
"""Errors of arguments in one message to the model."""
MAX_PROBLEM_CHARS = 200
_KEYED = {"properties", "$defs", "patternProperties", "dependentSchemas"}
"""Keys of a JSON schema that hold schemas by name."""
_VALUES = {"default", "examples", "const", "enum"}
"""Keys of a JSON schema that hold values."""
_ANNOTATED: Any = Annotated
_AROUND = {Annotated, typing.Union, UnionType}
"""Origins of annotations that may contain `ToolContext`."""


@dataclass(frozen=True, slots=True)
class ToolContext:
    """The call that a tool executes; a parameter of this type receives it, and the model does not see the parameter.

    Attributes:
        owner: of the thread, as `authenticate` returned it.
        call_id: unique to this call.
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
        """Whether it receives the context instead of an argument of the model."""
        parts = typing.get_args(self.annotation) if typing.get_origin(self.annotation) in _AROUND else ()
        return any(part is ToolContext for part in (self.annotation, *parts))


class ArgumentReader:
    """Reads the arguments of a function from a model's JSON.

    Attributes:
        schema: the JSON schema of the arguments.
    """

    def __init__(self, tool: str, parameters: list[Parameter], texts: Mapping[str, str]) -> None:
        self._parameters = parameters
        # A parameter may be named `copy`, `json` or `_x`, a pydantic field may not: fields have other names.
        self._fields = {each.name: f"field_{number}" for number, each in enumerate(parameters) if not each.is_context}
        try:
            self._model = self._make_model(texts)
            self.schema = _json_schema(self._model)
        except Exception as error:  # also errors of a type's own hooks
            problem = str(error).strip().partition("\n")[0].partition(". ")[0].rstrip(".")
            raise ConfigError(
                f"Tool {tool!r}: its parameters cannot be described to a model: {problem}. Annotate them with types "
                "that JSON can hold: str, int, float, bool, list, dict, Literal, Enum, dataclasses, pydantic models."
            ) from error

    def _make_model(self, texts: Mapping[str, str]) -> type[BaseModel]:
        from pydantic import ConfigDict, create_model

        fields: dict[str, Any] = {
            self._fields[each.name]: _field(each, texts.get(each.name))
            for each in self._parameters
            if each.name in self._fields
        }
        model: type[BaseModel] = create_model("Arguments", __config__=ConfigDict(extra="forbid"), **fields)
        return model

    def read(self, text: str, context: ToolContext) -> tuple[list[Any], dict[str, Any]]:
        """Return positional and named arguments.

        Raises:
            ToolError: the text is not valid JSON for the schema.
        """
        from pydantic import ValidationError

        try:
            values = self._model.model_validate_json(text.encode("utf-8", "replace") if text.strip() else b"{}")
        except ValidationError as error:
            raise ToolError(_problems(error)) from None
        positional: list[Any] = []
        named: dict[str, Any] = {}
        for parameter in self._parameters:
            value = context if parameter.is_context else self._value(parameter, values)
            if parameter.is_positional:
                positional.append(value)
            else:
                named[parameter.name] = value
        return positional, named

    def _value(self, parameter: Parameter, values: BaseModel) -> Any:
        """Return the model's value, or the function's own default object."""
        field = self._fields[parameter.name]
        if field in values.model_fields_set or not _has_plain_default(parameter):
            return getattr(values, field)
        return parameter.default


def _has_plain_default(parameter: Parameter) -> bool:
    from pydantic.fields import FieldInfo

    return parameter.default is not inspect.Parameter.empty and not isinstance(parameter.default, FieldInfo)


def _field(parameter: Parameter, text: str | None) -> tuple[Any, Any]:
    """Return a parameter as a pydantic field: its type, and default, name and description."""
    from pydantic import Field
    from pydantic.fields import FieldInfo

    default = parameter.default
    annotation = _with_none(parameter.annotation) if default is None else parameter.annotation
    metadata: tuple[Any, ...] = annotation.__metadata__ if typing.get_origin(annotation) is Annotated else ()
    if isinstance(default, FieldInfo):
        annotation, metadata = Annotated[annotation, default], (*metadata, default)
    infos = [info for info in metadata if isinstance(info, FieldInfo)]
    texts = [info for info in metadata if isinstance(info, str)]
    options: dict[str, Any] = {"alias": next((info.alias for info in infos if info.alias), parameter.name)}
    if (texts or text) and not any(info.description for info in infos):
        options["description"] = texts[0] if texts else text
    if _has_plain_default(parameter):
        options["default"] = default
    return annotation, Field(**options)


def _with_none(annotation: Any) -> Any:
    """Allow null for a parameter with the default None, even if its annotation does not."""
    if typing.get_origin(annotation) is Annotated:
        inner, *metadata = typing.get_args(annotation)
        parts = (_with_none(inner), *metadata)
        return _ANNOTATED[parts]
    return annotation if annotation is Any else typing.Optional[annotation]  # noqa: UP045


def _json_schema(model: type[BaseModel]) -> Object:
    """Return a model's schema without titles: they repeat the names."""
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


def _problems(error: ValidationError) -> str:
    """Name the invalid arguments and their problems, without their values."""
    errors = error.errors(include_url=False, include_context=False, include_input=False)
    problems = [_problem(each["type"], each["loc"], each["msg"]) for each in errors[:MAX_PROBLEMS]]
    more = [f"and {len(errors) - MAX_PROBLEMS} more"] if len(errors) > MAX_PROBLEMS else []
    return "; ".join([*problems, *more]) + "."


def _problem(kind: str, loc: tuple[str | int, ...], text: str) -> str:
    text = {"missing": "is required", "extra_forbidden": "is not an argument of this tool"}.get(kind, text.rstrip("."))
    path = ".".join(_cut(str(part), 64) for part in loc)
    return _cut(f"{path}: {text}" if path else text, MAX_PROBLEM_CHARS)


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


# -- functions ------------------------------------------------------------------------------------------------


def whole_function(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function behind partials."""
    while isinstance(function, functools.partial):
        function = function.func
    return function


def written_function(function: Callable[..., Any]) -> FunctionType:
    """Return the Python function behind partials, methods, decorators and callable objects."""
    whole = whole_function(function)
    for candidate in (whole, type(whole).__call__):
        bare = inspect.unwrap(getattr(candidate, "__func__", candidate))
        if isinstance(bare, FunctionType):
            return bare
    raise ConfigError(
        f"{function!r} cannot be a tool: it is not written in Python. Wrap it in a function with annotated parameters."
    )


def parameters_of(function: Callable[..., Any], tool: str) -> list[Parameter]:
    """Return the parameters of a function, without those that a partial binds by name."""
    written = written_function(function)
    bound = function.keywords if isinstance(function, functools.partial) else {}
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"Tool {tool!r}: its signature cannot be read: {error}. Wrap it in a function.") from None
    return [_parameter(each, written, tool) for each in signature.parameters.values() if each.name not in bound]


def _parameter(parameter: inspect.Parameter, written: FunctionType, tool: str) -> Parameter:
    name = parameter.name
    if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
        stars = "*" if parameter.kind is parameter.VAR_POSITIONAL else "**"
        raise ConfigError(
            f"Tool {tool!r}: {stars}{name} cannot be described to a model. "
            "Name each parameter, or take one list or dict."
        )
    if parameter.annotation is parameter.empty:
        hint = "Pass a bound method." if name in ("self", "cls") else f"Annotate it, as in {name}: str."
        raise ConfigError(f"Tool {tool!r}: its parameter {name!r} has no annotation. {hint}")
    # Each by itself: names in the return annotation need not exist at run time.
    try:
        holder = SimpleNamespace(__annotations__={"it": parameter.annotation})
        names = {"ToolContext": ToolContext, **written.__globals__}
        annotation = typing.get_type_hints(holder, names, include_extras=True)["it"]
    except Exception as error:
        raise ConfigError(
            f"Tool {tool!r}: the annotation of {name!r} cannot be resolved ({error}). Define or import its names at "
            "the top of the module, outside `if TYPE_CHECKING`."
        ) from None
    return Parameter(name, annotation, parameter.default, parameter.kind is parameter.POSITIONAL_ONLY)


def docstring_of(function: Callable[..., Any]) -> tuple[str, dict[str, str]]:
    """Return the descriptions in a docstring: the function's, and the parameters' by name."""
    text = inspect.cleandoc(written_function(function).__doc__ or "")
    if not text:
        return "", {}
    from docstring_parser import ParseError, parse

    try:
        parsed = parse(text)
    except ParseError:
        return text, {}
    parts = [part for part in (parsed.short_description, parsed.long_description) if part]
    texts = {each.arg_name: " ".join(each.description.split()) for each in parsed.params if each.description}
    return "\n\n".join(parts), texts
