// What a user sees of the quickstart's page: its state, without React, over openai 4.46.0, which it pins.
//
// Reads one JSON command a line from standard input and answers each with one JSON line, the state of the tab:
//   {tab, do: "open", origin, headers?, functions?, holds?}   a tab is opened and makes its thread
//   {tab, do: "send", text}                           a message is sent; answered as soon as it is under way
//   {tab, do: "settle"}                               answered when nothing is under way any more
//   {tab, do: "shown", text}                          answered when the last bubble holds the text
//   {tab, do: "asked"}                                answered when a function is called
//   {tab, do: "release"}                              functions that take their time (`holds`) return at last
//   {tab, do: "poll" | "upload" | "remove" | "look"}  the list of files; "look" loads what the bubbles link to
// The page looks at no status: whatever a request is answered with is read as a stream, or as a list of files.
import { createInterface } from 'node:readline';
import { AssistantStream } from 'openai-4.46.0/lib/AssistantStream';

const SECONDS = 25;

const weather = {
  get_weather: (call) => {
    const { location } = JSON.parse(call.function.arguments);
    return JSON.stringify({ location, temperature: 21, conditions: 'sunny' });
  },
};

class Page {
  constructor({ origin, headers = {}, functions = false, holds = false }) {
    this.origin = origin;
    this.headers = headers;
    this.functions = functions;
    this.bubbles = [];
    this.inputDisabled = false;
    this.files = [];
    this.filesCrashed = false;
    this.console = [];
    this.sent = [];
    this.underWay = 0;
    this.waiting = 0;
    this.held = holds ? new Promise((release) => (this.release = release)) : null;
  }

  // -- requests, as the page makes them: a string as the body is text/plain --------------------------------

  async request(path, { method = 'GET', body, headers = {} } = {}) {
    const response = await fetch(this.origin + path, { method, body, headers: { ...this.headers, ...headers } });
    this.sent.push([method, path.replace(/(thread|run|file)[_-]\w+/g, '$1'), response.status]);
    return response;
  }

  async open() {
    const response = await this.request('/api/assistants/threads', { method: 'POST' });
    this.threadId = (await response.json()).threadId;
  }

  send(text) {
    this.bubbles.push({ role: 'user', text });
    this.inputDisabled = true;
    const body = JSON.stringify({ content: text });
    this.track(this.stream(`/api/assistants/threads/${this.threadId}/messages`, { method: 'POST', body }));
  }

  answer(run) {
    this.track(this.answered(run));
  }

  async answered(run) {
    const calls = run.required_action.submit_tool_outputs.tool_calls;
    this.waiting += 1;
    await this.held;
    const toolCallOutputs = calls.map((call) => ({ output: this.call(call), tool_call_id: call.id }));
    this.inputDisabled = true;
    const body = JSON.stringify({ runId: run.id, toolCallOutputs });
    const headers = { 'Content-Type': 'application/json' };
    await this.stream(`/api/assistants/threads/${this.threadId}/actions`, { method: 'POST', headers, body });
  }

  // A page without functions says nothing; one with them has no value for those that it does not know.
  call(call) {
    return this.functions ? weather[call.function.name]?.(call) : '';
  }

  async stream(path, options) {
    const response = await this.request(path, options);
    const stream = AssistantStream.fromReadableStream(response.body);
    this.listen(stream);
    await new Promise((done) => stream.on('end', done));
  }

  // -- the stream ------------------------------------------------------------------------------------------

  listen(stream) {
    stream.on('textCreated', () => this.bubbles.push({ role: 'assistant', text: '' }));
    stream.on('textDelta', (delta) => this.textDelta(delta));
    stream.on('imageFileDone', ({ file_id }) => this.append(`\n![${file_id}](/api/files/${file_id})\n`));
    stream.on('toolCallCreated', (call) => {
      if (call.type === 'code_interpreter') this.bubbles.push({ role: 'code', text: '' });
    });
    stream.on('toolCallDelta', (delta) => {
      if (delta.type === 'code_interpreter' && delta.code_interpreter.input) this.append(delta.code_interpreter.input);
    });
    stream.on('event', ({ event, data }) => {
      if (event === 'thread.run.requires_action') this.answer(data);
      if (event === 'thread.run.completed') this.inputDisabled = false; // nothing else does
    });
    stream.on('error', (error) => this.console.push(error.message)); // no user sees the console
  }

  textDelta({ value, annotations }) {
    if (value != null) this.append(value);
    for (const note of annotations ?? []) {
      if (note.type !== 'file_path') continue;
      const last = this.bubbles.at(-1);
      last.text = last.text.replaceAll(note.text, `/api/files/${note.file_path.file_id}`);
    }
  }

  append(text) {
    this.bubbles.at(-1).text += text;
  }

  // -- files -----------------------------------------------------------------------------------------------

  async poll() {
    this.files = await (await this.request('/api/assistants/files')).json();
    try {
      this.files.map((file) => file.file_id); // what rendering does; an exception here takes the page down
    } catch {
      this.filesCrashed = true;
    }
  }

  async upload({ filename, content }) {
    const body = new FormData();
    body.append('file', new File([content], filename));
    await this.request('/api/assistants/files', { method: 'POST', body });
  }

  async remove({ fileId }) {
    await this.request('/api/assistants/files', { method: 'DELETE', body: JSON.stringify({ fileId }) });
  }

  // Loads every address that the bubbles name, as the browser does for images and links.
  async look() {
    this.loaded = [];
    for (const { text } of this.bubbles) {
      for (const [path] of text.matchAll(/\/api\/files\/[\w-]+/g)) {
        const response = await this.request(path);
        const { length } = new Uint8Array(await response.arrayBuffer());
        const disposition = response.headers.get('content-disposition');
        this.loaded.push({ status: response.status, type: response.headers.get('content-type'), disposition, length });
      }
    }
  }

  // -- for the tests ---------------------------------------------------------------------------------------

  track(work) {
    this.underWay += 1;
    work.catch((error) => this.console.push(error.message)).finally(() => (this.underWay -= 1));
  }

  async until(condition, what) {
    const end = Date.now() + SECONDS * 1000;
    while (!condition()) {
      if (Date.now() > end) throw new Error(`${what}: ${JSON.stringify(this)}`);
      await new Promise((done) => setTimeout(done, 5));
    }
  }

  settle() {
    return this.until(() => this.underWay === 0, 'It does not settle');
  }

  asked() {
    return this.until(() => this.waiting > 0, 'No function is called');
  }

  shown({ text }) {
    return this.until(() => this.bubbles.at(-1)?.text.includes(text), `It never shows ${text}`);
  }
}

process.on('unhandledRejection', () => {}); // the page has no ears for them either

const tabs = new Map();
for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  try {
    if (command.do === 'open') tabs.set(command.tab, new Page(command));
    const page = tabs.get(command.tab);
    await page[command.do](command.do === 'send' ? command.text : command);
    process.stdout.write(JSON.stringify(page) + '\n');
  } catch (error) {
    process.stdout.write(JSON.stringify({ broken: String(error.stack) }) + '\n');
  }
}
