/** Answers the questions of runs: with the user's decision or text, or with the output of a function in the page. */

import { outputOf, own, owns } from "./page_tools.js";

export class Actions {
  #conversation;
  #tools;
  #signal;
  #submit;

  /**
   * @param {import("./conversation.js").Conversation} conversation
   * @param {Object<string, Function>} tools functions in the page, see page_tools.js.
   * @param {AbortSignal} signal after an abort nothing is answered.
   * @param {(runId: string, toolCallOutputs: object[]) => Promise<void>} submit
   */
  constructor(conversation, tools, signal, submit) {
    this.#conversation = conversation;
    this.#tools = tools;
    this.#signal = signal;
    this.#submit = submit;
  }

  /** Store the answer to one call; the last one of a run sends them all. */
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

  /** Call the functions in the page that a run requests, if this tab started the run. */
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
