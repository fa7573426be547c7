/** Plays what the API has said into a conversation and prints its entries: `[[method, ...arguments]]` on stdin. */
import { activityText } from "../../flask_assistant_stream/ui/log/activity.js";
import { Conversation } from "../../flask_assistant_stream/ui/thread/conversation.js";

let input = "";
for await (const piece of process.stdin) input += piece;
const conversation = new Conversation();
const drafts = [];
const activity = [];
const now = { connected: true, silent: 0 };
const ways = {
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
for (const [way, ...given] of JSON.parse(input)) (ways[way] ?? conversation[way].bind(conversation))(...given);
const { entries, busyRun } = conversation;
process.stdout.write(JSON.stringify({ entries, activity, busy: busyRun?.id ?? null }));
