/** Answers what runs ask the page for: by what a person decides or writes, and by functions of the page. */

import { outputOf, own, owns } from "./page_tools.js";

export class Actions {
  #conversation;
  #tools;
  #signal;
  #submit;

  /**
   * @param {import("./conversation.js").Conversation} conversation
   * @param {Object<string, Function>} tools functions of the page, see page_tools.js.
   * @param {AbortSignal} signal once it is aborted nothing is answered any more.
   * @param {(runId: string, toolCallOutputs: object[]) => Promise<void>} submit
   */
  constructor(conversation, tools, signal, submit) {
    this.#conversation = conversation;
    this.#tools = tools;
    this.#signal = signal;
    this.#submit = submit;
  }

  /** Take the answer to one call; with the last one all are sent. */
  async answer(action, callId, output) {
    if (action.state === "sending" || this.#signal.aborted) return;
    this.#conversation.change(action, { answers: { ...action.answers, [callId]: output }, error: null });
    if (!action.calls.every(({ id }) => id in action.answers)) return;
    this.#conversation.change(action, { state: "sending" });
    try {
      own(action.runId);
      await this.#submit(action.runId, action.calls.map(({ id }) => ({ tool_call_id: id, output: action.answers[id] })));
    } catch (error) {
      this.#conversation.change(action, { state: "open", error: error.message });
    }
  }

  /** Call the functions of the page that a run asks for, where this tab has begun it. */
  callTools(threadId, runId) {
    const action = this.#conversation.get(`${runId}:action`);
    if (!action || !owns(runId)) return;
    for (const call of action.calls) {
      const tool = !call.approval && Object.hasOwn(this.#tools, call.name) && this.#tools[call.name];
      if (tool) this.#call(tool, action, call, threadId);
    }
  }

  async #call(tool, action, call, threadId) {
    call.working = true;
    this.#conversation.change(action, {});
    const output = await outputOf(tool, call, threadId, action.runId);
    call.working = false;
    await this.answer(action, call.id, output);
  }
}
