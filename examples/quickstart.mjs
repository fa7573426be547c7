// The quickstart of the Assistants API: a thread, a message, a streamed run, a function that the page answers.
//
//   npm install openai
//   OPENAI_BASE_URL=http://127.0.0.1:5000/api/assistants/v1 OPENAI_API_KEY=… node quickstart.mjs "Weather in Paris?"
//
// Nothing here knows whose API it is: without OPENAI_BASE_URL it is the code that ran against OpenAI's.
import OpenAI from "openai";
import { AssistantStream } from "openai/lib/AssistantStream";

const openai = new OpenAI();

// -- what the quickstart has on its server ---------------------------------------------------------------------

async function createAssistant() {
  const assistant = await openai.beta.assistants.create({
    model: process.env.MODEL ?? "gpt-5-mini",
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
  return assistant.id;
}

async function sendMessage(threadId, assistantId, content) {
  await openai.beta.threads.messages.create(threadId, { role: "user", content });
  return openai.beta.threads.runs.stream(threadId, { assistant_id: assistantId }).toReadableStream();
}

function submitActions(threadId, runId, toolOutputs) {
  return openai.beta.threads.runs
    .submitToolOutputsStream(runId, { thread_id: threadId, tool_outputs: toolOutputs })
    .toReadableStream();
}

// -- what it has in the page -----------------------------------------------------------------------------------

const functions = {
  get_weather: ({ location }) => JSON.stringify({ location, temperature: 21, unit: "c", conditions: "sunny" }),
};

function callFunction({ id, function: { name, arguments: given } }) {
  return { tool_call_id: id, output: functions[name](JSON.parse(given)) };
}

async function show(body, threadId) {
  const stream = AssistantStream.fromReadableStream(body);
  stream.on("textCreated", () => process.stdout.write("\nassistant > "));
  stream.on("textDelta", (delta) => process.stdout.write(delta.value ?? ""));
  stream.on("toolCallCreated", (call) => process.stdout.write(`\nassistant uses ${call.type}`));
  const run = await stream.finalRun();
  if (run.status === "requires_action") {
    const outputs = run.required_action.submit_tool_outputs.tool_calls.map(callFunction);
    return show(submitActions(threadId, run.id, outputs), threadId);
  }
  return run.status;
}

const question = process.argv[2] ?? "What is the weather in Paris?";
const assistantId = process.env.ASSISTANT_ID ?? (await createAssistant());
const { id: threadId } = await openai.beta.threads.create();
console.log(`user > ${question}`);
const status = await show(await sendMessage(threadId, assistantId, question), threadId);
console.log(`\n\nThe run is ${status}.`);
if (status !== "completed") process.exitCode = 1;
