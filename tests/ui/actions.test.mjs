/** Answers to the questions of runs: sent together, sent once, and given by functions in the page. */
import assert from "node:assert/strict";
import test from "node:test";

import { Actions } from "../../flask_assistant_stream/ui/thread/actions.js";
import { Conversation } from "../../flask_assistant_stream/ui/thread/conversation.js";
import { own } from "../../flask_assistant_stream/ui/thread/page_tools.js";

const RUN = "run_1";
const required = (id, name, text = "{}") => ({ id, type: "function", function: { name, arguments: text } });

/** Create a run that waits for these calls; return what is submitted for it. */
function waiting(calls, { tools = {}, submit = async () => {} } = {}) {
  const items = new Map();
  globalThis.sessionStorage = {
    getItem: (key) => items.get(key) ?? null,
    setItem: (key, value) => items.set(key, value),
  };
  const conversation = new Conversation();
  const required_action = { type: "submit_tool_outputs", submit_tool_outputs: { tool_calls: calls } };
  conversation.setRun({ id: RUN, status: "requires_action", required_action });
  const submitted = [];
  const actions = new Actions(conversation, tools, new AbortController().signal, async (run, outputs) => {
    submitted.push([run, outputs.map(({ tool_call_id: id, output }) => [id, output])]);
    await submit();
  });
  return { conversation, actions, submitted };
}

const settled = () => new Promise((resolve) => setTimeout(resolve));

test("answers are sent together, once all are given", async () => {
  const { conversation, actions, submitted } = waiting([required("a", "approval.erase"), required("b", "get_weather")]);
  const [first, second] = conversation.questions(RUN);
  await actions.answer(first, "true");
  assert.deepEqual(submitted, []);
  await actions.answer(first, "false"); // a changed decision
  await actions.answer(second, "rain");
  assert.deepEqual(submitted, [
    [
      RUN,
      [
        ["a", "false"],
        ["b", "rain"],
      ],
    ],
  ]);
});

test("an answer that is being sent is not sent again", async () => {
  const { conversation, actions, submitted } = waiting([required("a", "approval.erase")]);
  const [call] = conversation.questions(RUN);
  await Promise.all([actions.answer(call, "true"), actions.answer(call, "true")]);
  assert.equal(submitted.length, 1);
});

test("a rejected answer can be sent again", async () => {
  let fails = true;
  const submit = async () => {
    if (fails) throw new Error("Not now.");
  };
  const { conversation, actions, submitted } = waiting([required("a", "approval.erase")], { submit });
  const [call] = conversation.questions(RUN);
  await actions.answer(call, "true");
  assert.deepEqual([call.question.error, call.question.sending], ["Not now.", false]);
  fails = false;
  await actions.answer(call, "true");
  assert.equal(submitted.length, 2);
});

test("functions in the page answer automatically", async () => {
  const tools = {
    show: async ({ place }, { threadId, runId, callId }) => ({ place, threadId, runId, callId }),
    fail: () => {
      throw new Error("No map.");
    },
  };
  const calls = [required("a", "show", '{"place": "Oslo"}'), required("b", "fail")];
  const { actions, submitted } = waiting(calls, { tools });
  own(RUN);
  actions.callTools("thread_1", RUN);
  await settled();
  const [[, [[, shown], [, failed]]]] = submitted;
  assert.deepEqual(JSON.parse(shown), { place: "Oslo", threadId: "thread_1", runId: RUN, callId: "a" });
  assert.equal(failed, "The tool fail failed: No map.");
});

test("a tab that did not start the run calls nothing; a function never approves a call", async () => {
  const called = [];
  const tools = { show: () => called.push("show"), erase: () => called.push("erase") };
  const { actions } = waiting([required("a", "show"), required("b", "approval.erase")], { tools });
  actions.callTools("thread_1", RUN);
  await settled();
  assert.deepEqual(called, []);
  own(RUN);
  actions.callTools("thread_1", RUN);
  await settled();
  assert.deepEqual(called, ["show"]);
});

test("inherited properties are not functions of the page", async () => {
  const { conversation, actions } = waiting([required("a", "toString"), required("b", "constructor")]);
  own(RUN);
  actions.callTools("thread_1", RUN);
  await settled();
  assert.ok(conversation.questions(RUN).every(({ question }) => question.answer === null));
});
