"""Schemas of the Assistants API v2: bodies, queries and responses (`spec/assistants.md#limits`)."""

from __future__ import annotations

from typing import Any

from marshmallow import fields, validate

from .. import bounds, schemas
from ..schemas import Body, Id, Metadata, Text
from .fields import Flag, Free, MessageContent, Number, Variant, Whole
from .file_schemas import AssistantsToolResources, NewToolResources

EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
RANKERS = ("auto", "default_2024_08_21")
SEARCH_CONTENT = "step_details.tool_calls[*].file_search.results[*].content"
"""The only value of `include[]`."""
MAX_INSTRUCTIONS = 256_000
MAX_ASSISTANT_TOOLS = 128
MAX_RUN_TOOLS = 20
MAX_MESSAGES = 128
MIN_BUDGET = 256


def _name() -> Text:
    pattern = validate.Regexp(r"[a-zA-Z0-9_-]{1,64}\Z", error="It must be 1 to 64 letters, digits, _ or -.")
    return Text(required=True, validate=pattern)


# -- tools and formats ----------------------------------------------------------------------------------------


class Function(Body):
    """A function of the client."""

    name = _name()
    description = Text(allow_none=True)
    parameters = Free(allow_none=True, load_default=lambda: {"type": "object", "properties": {}})
    strict = Flag(allow_none=True, load_default=False)


class RankingOptions(Body):
    score_threshold = Number(required=True, validate=bounds.Range(0, 1, kind="decimal"))
    ranker = Text(validate=validate.OneOf(RANKERS))


class FileSearch(Body):
    max_num_results = Whole(validate=bounds.Range(1, 50))
    ranking_options = fields.Nested(RankingOptions)


class FunctionTool(Body):
    function = fields.Nested(Function, required=True)


class FileSearchTool(Body):
    file_search = fields.Nested(FileSearch)


class CodeInterpreterTool(Body):
    """The code interpreter as a tool."""


class JsonSchema(Body):
    name = _name()
    description = Text()
    schema = Free()
    strict = Flag(allow_none=True)


class JsonSchemaFormat(Body):
    json_schema = fields.Nested(JsonSchema, required=True)


class FunctionName(Body):
    name = _name()


class FunctionChoice(Body):
    function = fields.Nested(FunctionName, required=True)


class LastMessages(Body):
    last_messages = Whole(required=True, validate=bounds.Range(min=1))


class Automatic(Body):
    """Truncation by the upstream."""

    last_messages = fields.Constant(None)


_TOOL = {"function": FunctionTool(), "file_search": FileSearchTool(), "code_interpreter": CodeInterpreterTool()}
_CHOICE = {"function": FunctionChoice(), "file_search": Body(), "code_interpreter": Body()}
_FORMAT = {"text": Body(), "json_object": Body(), "json_schema": JsonSchemaFormat()}
_TRUNCATION = {"auto": Automatic(), "last_messages": LastMessages()}


def _tools(most: int) -> fields.List[Any]:
    return fields.List(Variant(_TOOL), allow_none=True, validate=bounds.Length(max=most))


def _response_format() -> Variant:
    return Variant(_FORMAT, words=("auto",), allow_none=True)


# -- assistants -----------------------------------------------------------------------------------------------


class AssistantPatch(Body):
    """Changes of an assistant; null restores a default."""

    model = Text(validate=bounds.Length(1, 256))
    name = Text(allow_none=True, validate=bounds.Length(max=256))
    description = Text(allow_none=True, validate=bounds.Length(max=512))
    instructions = Text(allow_none=True, validate=bounds.Length(max=MAX_INSTRUCTIONS))
    tools = _tools(MAX_ASSISTANT_TOOLS)
    tool_resources = fields.Nested(AssistantsToolResources, allow_none=True)
    metadata = Metadata(allow_none=True)
    temperature = Number(allow_none=True, validate=bounds.Range(0, 2, kind="decimal"))
    top_p = Number(allow_none=True, validate=bounds.Range(0, 1, kind="decimal"))
    response_format = _response_format()
    reasoning_effort = Text(allow_none=True, validate=validate.OneOf(EFFORTS))


class NewAssistant(AssistantPatch):
    model = Text(required=True, validate=bounds.Length(1, 256))
    tool_resources = fields.Nested(NewToolResources, allow_none=True)


# -- threads and messages -------------------------------------------------------------------------------------


class MetadataPatch(Body):
    metadata = Metadata(allow_none=True)


class AssistantsAttachment(Body):
    file_id = Id(required=True)
    tools = fields.List(
        Variant({"file_search": Body(), "code_interpreter": Body()}), allow_none=True, validate=bounds.Length(max=2)
    )


class NewAssistantsMessage(Body):
    role = Text(required=True, validate=validate.OneOf(("user", "assistant")))
    content = MessageContent(
        required=True,
        metadata={
            "description": "The text, or parts of text and images.",
            "anyOf": [
                {"type": "string", "minLength": 1},
                {"type": "array", "minItems": 1, "items": {"type": "object", "required": ["type"]}},
            ],
        },
    )
    attachments = fields.List(fields.Nested(AssistantsAttachment), allow_none=True, validate=bounds.Length(max=20))
    metadata = Metadata(allow_none=True)


def _messages() -> fields.List[Any]:
    length = bounds.Length(max=MAX_MESSAGES)
    return fields.List(fields.Nested(NewAssistantsMessage), allow_none=True, validate=length)


class AssistantsThreadPatch(Body):
    tool_resources = fields.Nested(AssistantsToolResources, allow_none=True)
    metadata = Metadata(allow_none=True)


class NewAssistantsThread(AssistantsThreadPatch):
    tool_resources = fields.Nested(NewToolResources, allow_none=True)
    messages = _messages()


# -- runs -----------------------------------------------------------------------------------------------------


class RunOptions(Body):
    """The options of a run that override its assistant's."""

    assistant_id = Id(required=True)
    model = Text(allow_none=True, validate=bounds.Length(1, 256))
    instructions = Text(allow_none=True, validate=bounds.Length(max=MAX_INSTRUCTIONS))
    tools = _tools(MAX_RUN_TOOLS)
    metadata = Metadata(allow_none=True)
    temperature = Number(allow_none=True, validate=bounds.Range(0, 2, kind="decimal"))
    top_p = Number(allow_none=True, validate=bounds.Range(0, 1, kind="decimal"))
    stream = Flag(allow_none=True)
    max_prompt_tokens = Whole(allow_none=True, validate=bounds.Range(min=MIN_BUDGET))
    max_completion_tokens = Whole(allow_none=True, validate=bounds.Range(min=MIN_BUDGET))
    truncation_strategy = Variant(_TRUNCATION, allow_none=True)
    tool_choice = Variant(_CHOICE, words=("none", "auto", "required"), allow_none=True)
    parallel_tool_calls = Flag(allow_none=True)
    response_format = _response_format()


class NewRun(RunOptions):
    reasoning_effort = Text(allow_none=True, validate=validate.OneOf(EFFORTS))
    additional_instructions = Text(allow_none=True, validate=bounds.Length(max=MAX_INSTRUCTIONS))
    additional_messages = _messages()


class NewThreadRun(RunOptions):
    thread = fields.Nested(NewAssistantsThread, allow_none=True)
    tool_resources = fields.Nested(AssistantsToolResources, allow_none=True)


class ToolOutputs(Body):
    """The outputs of all pending calls of a run."""

    tool_outputs = fields.List(
        fields.Nested(schemas.ToolOutput), required=True, validate=bounds.Length(max=schemas.MAX_TOOL_OUTPUTS)
    )
    stream = Flag(allow_none=True)


# -- queries --------------------------------------------------------------------------------------------------


class MessagesQuery(schemas.ListQuery):
    """A page of messages, or of those of one run."""

    run_id = Id()


class Include(Body):
    """Additional parts of the response."""

    include = fields.List(
        Text(validate=validate.OneOf((SEARCH_CONTENT,))),
        data_key="include[]",
        load_default=list,
        metadata={"description": "The text of file search results."},
    )


class StepsQuery(schemas.ListQuery, Include):
    """A page of run steps."""


# -- responses ------------------------------------------------------------------------------------------------


class Assistant(schemas.ApiObject):
    name = fields.String(required=True, allow_none=True)
    description = fields.String(required=True, allow_none=True)
    model = fields.String(required=True)
    instructions = fields.String(required=True, allow_none=True)
    tools = fields.List(fields.Dict(), required=True)
    tool_resources = fields.Dict(required=True, allow_none=True)
    temperature = fields.Float(required=True, allow_none=True)
    top_p = fields.Float(required=True, allow_none=True)
    response_format = fields.Raw(required=True, allow_none=True)
    reasoning_effort = fields.String(required=True, allow_none=True)


class AssistantsThread(schemas.ApiObject):
    tool_resources = fields.Dict(required=True, allow_none=True)


class AssistantsRun(schemas.Run):
    tool_resources = fields.Dict(required=True, allow_none=True)
    reasoning_effort = fields.String(required=True, allow_none=True)
    required_action = fields.Dict(required=True, allow_none=True)
    tools = fields.List(fields.Dict(), required=True)
    started_at = fields.Integer(required=True, allow_none=True)
    expires_at = fields.Integer(required=True, allow_none=True)
    cancelled_at = fields.Integer(required=True, allow_none=True)
    failed_at = fields.Integer(required=True, allow_none=True)
    completed_at = fields.Integer(required=True, allow_none=True)
    incomplete_details = fields.Dict(required=True, allow_none=True)
    temperature = fields.Float(required=True, allow_none=True)
    top_p = fields.Float(required=True, allow_none=True)
    max_prompt_tokens = fields.Integer(required=True, allow_none=True)
    max_completion_tokens = fields.Integer(required=True, allow_none=True)
    truncation_strategy = fields.Dict(required=True)
    tool_choice = fields.Raw(required=True)
    parallel_tool_calls = fields.Boolean(required=True)
    response_format = fields.Raw(required=True, allow_none=True)


class RunStep(schemas.ApiObject):
    run_id = fields.String(required=True)
    assistant_id = fields.String(required=True)
    thread_id = fields.String(required=True)
    type = fields.String(required=True)
    status = fields.String(required=True)
    step_details = fields.Dict(required=True)
    cancelled_at = fields.Integer(required=True, allow_none=True)
    completed_at = fields.Integer(required=True, allow_none=True)
    expired_at = fields.Integer(required=True, allow_none=True)
    failed_at = fields.Integer(required=True, allow_none=True)
    last_error = fields.Dict(required=True, allow_none=True)
    usage = fields.Dict(required=True, allow_none=True)


AssistantPage = schemas.page_of(Assistant)
RunPage = schemas.page_of(AssistantsRun)
RunStepPage = schemas.page_of(RunStep)
