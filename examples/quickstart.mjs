// The quickstart of the Assistants API: a thread, a message, a streamed run, a function that the page answers.
//
// Against the example app, which prints a key at its first start:
//
//   make run                                                   # in another terminal
//   npm install openai                                         # version 6 or newer, beside this file
//   export OPENAI_BASE_URL=http://127.0.0.1:5000/api/assistants/v1
//   export OPENAI_API_KEY=sk-local-…                           # later it is in instance/api_key
//   node quickstart.mjs "What is the weather in Paris?" "And in Rome?"
//
// Without a model connected to it, the app calls the function when it is told to:
//
//   node quickstart.mjs '/get_weather {"location": "Paris"}'
//
// Nothing below knows whose API it is: without OPENAI_BASE_URL it is the code that ran against the original.
import OpenAI from "openai";
import { AssistantStream } from "openai/lib/AssistantStream";

const openai = new OpenAI();
const { assistants, threads } = openai.beta;

// -- the server's part: routes, each answers with a Response, as those of Next.js do ----------------------------

async function postAssistant() {
  const assistant = await assistants.create({
    model: process.env.MODEL ?? "gpt-6.1-terra",
    name: "Quickstart",
    instructions: "You are a helpful assistant.",
    tools: [
      {
        type: "function",
        function: {
          name: "get_weather",
          description: "Determine the weather at a place",
          parameters: {
            type: "object",
            properties: { location: { type: "string", description: "A city, such as Paris" } },
            required: ["location"],
          },
        },
      },
    ],
  });
  return Response.json({ assistantId: assistant.id });
}

async function postThread() {
  const thread = await threads.create();
  return Response.json({ threadId: thread.id });
}

async function postMessage({ threadId, assistantId, content }) {
  await threads.messages.create(threadId, { role: "user", content });
  const stream = threads.runs.stream(threadId, { assistant_id: assistantId });
  return new Response(stream.toReadableStream());
}

async function postActions({ threadId, runId, toolOutputs }) {
  const stream = threads.runs.submitToolOutputsStream(runId, { thread_id: threadId, tool_outputs: toolOutputs });
  return new Response(stream.toReadableStream());
}

// -- the page's part: it reads the stream, and answers the calls ------------------------------------------------

const functions = {
  get_weather: ({ location }) => ({ location, temperature: 21, unit: "c", conditions: "sunny" }),
};

function answer(call) {
  const given = JSON.parse(call.function.arguments);
  return { tool_call_id: call.id, output: JSON.stringify(functions[call.function.name](given)) };
}

function print(text) {
  process.stdout.write(text);
}

async function read(response) {
  const stream = AssistantStream.fromReadableStream(response.body);
  stream.on("textCreated", () => print("\nassistant > "));
  stream.on("textDelta", (delta) => print(delta.value ?? ""));
  stream.on("toolCallCreated", (call) => print(`\nassistant calls ${call.function?.name ?? call.type} `));
  stream.on("toolCallDelta", (delta) => print(delta.function?.arguments ?? ""));
  stream.on("textDone", () => print("\n"));
  const run = await stream.finalRun();
  if (run.status !== "requires_action") return run;
  const toolOutputs = run.required_action.submit_tool_outputs.tool_calls.map(answer);
  return read(await postActions({ threadId: run.thread_id, runId: run.id, toolOutputs }));
}

const { assistantId } = await (await postAssistant()).json();
const { threadId } = await (await postThread()).json();
const questions = process.argv.slice(2);
for (const content of questions.length ? questions : ["What is the weather in Paris?"]) {
  print(`\nuser > ${content}\n`);
  const run = await read(await postMessage({ threadId, assistantId, content }));
  if (run.status === "completed") continue;
  console.error(`\nThe run is ${run.status}: ${run.last_error?.message ?? "see the run's details"}`);
  process.exit(1);
}
