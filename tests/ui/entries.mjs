/** Apply calls `[[method, ...arguments]]` from stdin to a conversation, and print its entries. */
import { activityText } from "../../flask_assistant_stream/ui/log/activity.js";
import { Conversation } from "../../flask_assistant_stream/ui/thread/conversation.js";

let input = "";
for await (const piece of process.stdin) input += piece;
const conversation = new Conversation();
const drafts = [];
const activity = [];
const now = { connected: true, silent: 0 };
const methods = {
  draft: (...message) => drafts.push(conversation.addDraft(...message)),
  accept: (runId) => conversation.accept(drafts.at(-1), runId),
  stream(runId, events) {
    for (const event of events) {
      conversation.apply(runId, event);
      const text = activityText(conversation, now);
      if (activity.at(-1) !== text) activity.push(text);
    }
  },
};
for (const [name, ...values] of JSON.parse(input)) (methods[name] ?? conversation[name].bind(conversation))(...values);
const { entries, busyRun } = conversation;
process.stdout.write(JSON.stringify({ entries, activity, busy: busyRun?.id ?? null }));
