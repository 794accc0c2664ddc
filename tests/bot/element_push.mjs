// Element's engine as the judge of what rings: matrix-js-sdk's PushProcessor, one line of JSON in for one out.
//
// A question is {user, members, rules, events}: whose device, who is in the room, the push rules as the server gives them
// over /sync, and the events as they are once decrypted. The answer is one of "nothing", "notify" and "ring" for each event.
// The rules go in by `setPushRules`, which Element calls with what a sync brings, and which adds the defaults of its own.

import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

for (const level of ["log", "debug", "info", "warn", "error", "trace"]) console[level] = () => {};

const require = createRequire(pathToFileURL(`${process.argv[2]}/package.json`));
const sdk = await import(pathToFileURL(require.resolve("matrix-js-sdk")));
const ROOM = "!r";

function device({ user, members, rules }) {
    const client = sdk.createClient({ baseUrl: "http://127.0.0.1:9", userId: user, deviceId: "D", accessToken: "none" });
    client.setPushRules(rules);
    const room = new sdk.Room(ROOM, client, user);
    room.currentState.setStateEvents(
        members.map((member) => new sdk.MatrixEvent({
            type: "m.room.member",
            state_key: member,
            sender: member,
            room_id: ROOM,
            event_id: `$${member}`,
            content: { membership: "join", displayname: member.slice(1).split(":")[0] },
        })),
    );
    client.store.storeRoom(room);
    return client;
}

function told(client, event) {
    const { notify, tweaks } = client.getPushActionsForEvent(new sdk.MatrixEvent({ room_id: ROOM, event_id: "$e", ...event })) ?? {};
    if (!notify) return "nothing";
    return tweaks?.sound || tweaks?.highlight ? "ring" : "notify";
}

for await (const line of createInterface({ input: process.stdin })) {
    const question = JSON.parse(line);
    const client = device(question);
    process.stdout.write(`${JSON.stringify(question.events.map((event) => told(client, event)))}\n`);
}
