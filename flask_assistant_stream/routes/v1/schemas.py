"""The shapes of the Assistants API v2: bodies, queries and answers, with `spec/assistants.md#limits`.

Unknown keys are ignored, as on the app face.
"""

from __future__ import annotations

from typing import Any

from marshmallow import fields, validate

from .. import schemas
from ..schemas import Body, Id, Metadata, Text
from .fields import Flag, Free, MessageContent, Number, Variant, Whole
from .file_schemas import AssistantsToolResources, NewToolResources

EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
RANKERS = ("auto", "default_2024_08_21")
SEARCH_CONTENT = "step_details.tool_calls[*].file_search.results[*].content"
"""The one thing that `include[]` may name."""
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
    """A function that the client runs."""

    name = _name()
    description = Text(allow_none=True)
    parameters = Free(allow_none=True, load_default=lambda: {"type": "object", "properties": {}})
    strict = Flag(allow_none=True, load_default=False)


class RankingOptions(Body):
    """How the results of a file search are ranked."""

    score_threshold = Number(required=True, validate=validate.Range(0, 1))
    ranker = Text(validate=validate.OneOf(RANKERS))


class FileSearch(Body):
    """The options of a file search."""

    max_num_results = Whole(validate=validate.Range(1, 50))
    ranking_options = fields.Nested(RankingOptions)


class FunctionTool(Body):
    """A tool of the client."""

    function = fields.Nested(Function, required=True)


class FileSearchTool(Body):
    """The search in vector stores."""

    file_search = fields.Nested(FileSearch)


class CodeInterpreterTool(Body):
    """The interpreter."""


class JsonSchema(Body):
    """The shape that an answer must have."""

    name = _name()
    description = Text()
    schema = Free()
    strict = Flag(allow_none=True)


class JsonSchemaFormat(Body):
    """An answer in a shape."""

    json_schema = fields.Nested(JsonSchema, required=True)


class FunctionName(Body):
    """A function by name."""

    name = _name()


class FunctionChoice(Body):
    """The choice of one function."""

    function = fields.Nested(FunctionName, required=True)


class LastMessages(Body):
    """How many messages are kept."""

    last_messages = Whole(required=True, validate=validate.Range(min=1))


class Automatic(Body):
    """Truncation as the upstream likes."""

    last_messages = fields.Constant(None)


_TOOL = {"function": FunctionTool(), "file_search": FileSearchTool(), "code_interpreter": CodeInterpreterTool()}
_CHOICE = {"function": FunctionChoice(), "file_search": Body(), "code_interpreter": Body()}
_FORMAT = {"text": Body(), "json_object": Body(), "json_schema": JsonSchemaFormat()}
_TRUNCATION = {"auto": Automatic(), "last_messages": LastMessages()}


def _tools(most: int) -> fields.List[Any]:
    error = f"It must have at most {most} tools."
    return fields.List(Variant(_TOOL), allow_none=True, validate=validate.Length(max=most, error=error))


def _response_format() -> Variant:
    return Variant(_FORMAT, words=("auto",), allow_none=True)


# -- assistants -----------------------------------------------------------------------------------------------


class AssistantPatch(Body):
    """What to change of an assistant; null puts a field back to its default."""

    model = Text(validate=validate.Length(1, 256))
    name = Text(allow_none=True, validate=validate.Length(max=256))
    description = Text(allow_none=True, validate=validate.Length(max=512))
    instructions = Text(allow_none=True, validate=validate.Length(max=MAX_INSTRUCTIONS))
    tools = _tools(MAX_ASSISTANT_TOOLS)
    tool_resources = fields.Nested(AssistantsToolResources, allow_none=True)
    metadata = Metadata(allow_none=True)
    temperature = Number(allow_none=True, validate=validate.Range(0, 2))
    top_p = Number(allow_none=True, validate=validate.Range(0, 1))
    response_format = _response_format()
    reasoning_effort = Text(allow_none=True, validate=validate.OneOf(EFFORTS))


class NewAssistant(AssistantPatch):
    """An assistant to make."""

    model = Text(required=True, validate=validate.Length(1, 256))
    tool_resources = fields.Nested(NewToolResources, allow_none=True)


# -- threads and messages -------------------------------------------------------------------------------------


class MetadataPatch(Body):
    """Metadata to put in place of what is there."""

    metadata = Metadata(allow_none=True)


class AssistantsAttachment(Body):
    """A file that goes with a message."""

    file_id = Id(required=True)
    tools = fields.List(
        Variant({"file_search": Body(), "code_interpreter": Body()}), allow_none=True, validate=validate.Length(max=2)
    )


class NewAssistantsMessage(Body):
    """A message to add to a thread."""

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
    attachments = fields.List(fields.Nested(AssistantsAttachment), allow_none=True, validate=validate.Length(max=20))
    metadata = Metadata(allow_none=True)


def _messages() -> fields.List[Any]:
    error = f"It must have at most {MAX_MESSAGES} messages."
    length = validate.Length(max=MAX_MESSAGES, error=error)
    return fields.List(fields.Nested(NewAssistantsMessage), allow_none=True, validate=length)


class AssistantsThreadPatch(Body):
    """What to change of a thread."""

    tool_resources = fields.Nested(AssistantsToolResources, allow_none=True)
    metadata = Metadata(allow_none=True)


class NewAssistantsThread(AssistantsThreadPatch):
    """A thread to make."""

    tool_resources = fields.Nested(NewToolResources, allow_none=True)
    messages = _messages()


# -- runs -----------------------------------------------------------------------------------------------------


class RunOptions(Body):
    """What a run may have instead of what its assistant has."""

    assistant_id = Id(required=True)
    model = Text(allow_none=True, validate=validate.Length(1, 256))
    instructions = Text(allow_none=True, validate=validate.Length(max=MAX_INSTRUCTIONS))
    tools = _tools(MAX_RUN_TOOLS)
    metadata = Metadata(allow_none=True)
    temperature = Number(allow_none=True, validate=validate.Range(0, 2))
    top_p = Number(allow_none=True, validate=validate.Range(0, 1))
    stream = Flag(allow_none=True)
    max_prompt_tokens = Whole(allow_none=True, validate=validate.Range(min=MIN_BUDGET))
    max_completion_tokens = Whole(allow_none=True, validate=validate.Range(min=MIN_BUDGET))
    truncation_strategy = Variant(_TRUNCATION, allow_none=True)
    tool_choice = Variant(_CHOICE, words=("none", "auto", "required"), allow_none=True)
    parallel_tool_calls = Flag(allow_none=True)
    response_format = _response_format()


class NewRun(RunOptions):
    """A run of a thread."""

    reasoning_effort = Text(allow_none=True, validate=validate.OneOf(EFFORTS))
    additional_instructions = Text(allow_none=True, validate=validate.Length(max=MAX_INSTRUCTIONS))
    additional_messages = _messages()


class NewThreadRun(RunOptions):
    """A run of a thread that is made for it."""

    thread = fields.Nested(NewAssistantsThread, allow_none=True)
    tool_resources = fields.Nested(AssistantsToolResources, allow_none=True)


class ToolOutputs(Body):
    """The answers to a required action: all pending calls, in one request."""

    tool_outputs = fields.List(
        fields.Nested(schemas.ToolOutput), required=True, validate=validate.Length(max=schemas.MAX_TOOL_OUTPUTS)
    )
    stream = Flag(allow_none=True)


# -- queries --------------------------------------------------------------------------------------------------


class MessagesQuery(schemas.ListQuery):
    """A page of messages, of one run if one is named."""

    run_id = Id()


class Include(Body):
    """What is told beside the rest."""

    include = fields.List(
        Text(validate=validate.OneOf((SEARCH_CONTENT,))),
        data_key="include[]",
        load_default=list,
        metadata={"description": "The text that file searches have found."},
    )


class StepsQuery(schemas.ListQuery, Include):
    """A page of run steps."""


# -- answers --------------------------------------------------------------------------------------------------


class Assistant(schemas.ApiObject):
    """An assistant."""

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
    """A thread."""

    tool_resources = fields.Dict(required=True, allow_none=True)


class AssistantsRun(schemas.Run):
    """A run."""

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
    """A step of a run."""

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


class AssistantPage(schemas.ObjectPage):
    """A page of assistants."""

    data = fields.List(fields.Nested(Assistant), required=True)


class RunPage(schemas.ObjectPage):
    """A page of runs."""

    data = fields.List(fields.Nested(AssistantsRun), required=True)


class RunStepPage(schemas.ObjectPage):
    """A page of run steps."""

    data = fields.List(fields.Nested(RunStep), required=True)
