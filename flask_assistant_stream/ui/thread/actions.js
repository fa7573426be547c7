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

  /** Take the answer to one call; with the last one of its run all are sent. */
  async answer(call, output) {
    if (!call.question || call.question.sending || this.#signal.aborted) return;
    this.#conversation.changeQuestion(call, { answer: output, error: null });
    const calls = this.#conversation.questions(call.runId);
    if (calls.some(({ question }) => question.answer === null)) return;
    this.#changeAll(calls, { sending: true });
    try {
      own(call.runId);
      const outputs = calls.map(({ key, question }) => ({ tool_call_id: key, output: question.answer }));
      await this.#submit(call.runId, outputs);
    } catch (error) {
      this.#changeAll(calls, { sending: false });
      this.#conversation.changeQuestion(call, { error: error.message });
    }
  }

  #changeAll(calls, changes) {
    for (const call of calls) this.#conversation.changeQuestion(call, changes);
  }

  /** Call the functions of the page that a run asks for, where this tab has begun it. */
  callTools(threadId, runId) {
    if (!owns(runId)) return;
    for (const call of this.#conversation.questions(runId)) {
      const tool = !call.question.approval && Object.hasOwn(this.#tools, call.name) && this.#tools[call.name];
      if (tool) this.#call(tool, call, threadId);
    }
  }

  async #call(tool, call, threadId) {
    this.#conversation.changeQuestion(call, { working: true });
    const output = await outputOf(tool, call, threadId);
    this.#conversation.changeQuestion(call, { working: false });
    await this.answer(call, output);
  }
}
