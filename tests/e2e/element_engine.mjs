// Element's engine as one device: matrix-js-sdk with its crypto, told what to do by JSON lines.
//
// A line on standard input is {"id", "do", ...arguments}; a line on standard output is {"id", "told"} or {"id", "error"}.
// Arguments of this process: the folder whose node_modules holds the SDK. Nothing is kept on the disk.
//
// Rule of this file: the settings are those of Element with "exclude insecure devices" (MSC4153): room keys go to
// cross-signed devices only, and what an unsigned device sent is not shown. What is told is what Element shows.

import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

// Standard output is for answers; what the SDK logs goes nowhere: it may hold what people said.
for (const level of ["log", "debug", "info", "warn", "error", "trace"]) console[level] = () => {};

const require = createRequire(pathToFileURL(`${process.argv[2]}/package.json`));
const load = (name) => import(pathToFileURL(require.resolve(name)));
const sdk = await load("matrix-js-sdk");
const api = await load("matrix-js-sdk/lib/crypto-api/index.js");

const PAGE = 100; // events a request

let client; // the one device of this process
let recovery; // {encoded, key}: what opens the secret storage

const flow = (account) => ({
    type: "m.login.password",
    identifier: { type: "m.id.user", user: account.user },
    password: account.password,
});

const secrets = {
    getSecretStorageKey: async ({ keys }) => (recovery ? [Object.keys(keys)[0], recovery.key] : null),
    cacheSecretStorageKey: () => {},
};

// What the newest version of an event shows, as a client's timeline does.
async function shown(room, event) {
    const content = event.getContent();
    const reactions = {};
    const taps = room.relations.getChildEventsForEvent(event.getId(), "m.annotation", "m.reaction");
    for (const [key, events] of taps?.getSortedAnnotationsByKey() ?? []) {
        const senders = [...events].filter((tap) => !tap.isRedacted()).map((tap) => tap.getSender());
        if (senders.length) reactions[key] = senders;
    }
    const kind = event.isRedacted()
        ? "redacted"
        : event.isDecryptionFailure() || event.getType() === "m.room.encrypted"
          ? "undecryptable"
          : event.isState()
            ? "state"
            : event.getType() === "m.room.message"
              ? "message"
              : "other";
    const trust = kind === "message" ? await client.getCrypto().getEncryptionInfoForEvent(event) : null;
    const colour = trust ? api.EventShieldColour[trust.shieldColour].toLowerCase() : "none";
    return {
        sender: event.getSender(),
        kind,
        event_id: event.getId(),
        body: content.body ?? "",
        formatted_body: content.formatted_body ?? "",
        msgtype: content.msgtype ?? "",
        shield: colour === "none" ? "none" : `${colour} ${api.EventShieldReason[trust.shieldReason]}`,
        clear: kind === "message" && !event.isEncrypted(),
        cause: kind === "undecryptable" ? (event.decryptionFailureReason ?? "not decrypted") : "",
        edited: event.replacingEvent() !== null && event.replacingEvent() !== undefined,
        reactions,
    };
}

const isOwn = (event) => !event.status || event.status === "sent"; // not a local echo
const isEdit = (event) => event.getRelation()?.rel_type === "m.replace";
const isTap = (event) => event.getType() === "m.reaction";

async function items(room) {
    const events = room.getLiveTimeline().getEvents();
    await Promise.all(events.map((event) => client.decryptEventIfNeeded(event)));
    return Promise.all(
        events.filter((event) => isOwn(event) && !isEdit(event) && !isTap(event)).map((event) => shown(room, event)),
    );
}

function named(membership) {
    const rooms = client.getRooms().filter((room) => room.getMyMembership() === membership);
    const name = (room) => room.currentState.getStateEvents("m.room.name", "")?.getContent().name ?? "";
    return Object.fromEntries(rooms.map((room) => [room.roomId, name(room)]));
}

function inRoom(roomId) {
    const room = client.getRoom(roomId);
    if (!room) throw new Error("the client does not know this room");
    return room;
}

const begin = () => client.startClient({ initialSyncLimit: PAGE, threadSupport: false, disablePresence: true });

const commands = {
    // A new device, with the identity of a first one or, given the recovery key, verified by it; `signed: false`: neither.
    async log_in({ homeserver, account, recovery_key: key, signed }) {
        const told = await sdk.createClient({ baseUrl: homeserver }).loginRequest({
            ...flow(account),
            initial_device_display_name: "element engine",
        });
        client = sdk.createClient({
            baseUrl: homeserver,
            userId: told.user_id,
            deviceId: told.device_id,
            accessToken: told.access_token,
            cryptoCallbacks: secrets,
            timelineSupport: true,
        });
        await client.initRustCrypto({ useIndexedDB: false });
        const crypto = client.getCrypto();
        crypto.setDeviceIsolationMode(new api.OnlySignedDevicesIsolationMode());
        if (key) recovery = { encoded: key, key: api.decodeRecoveryKey(key) };
        await begin();
        await synced();
        if (signed) await (key ? verify(crypto) : setUp(crypto, account));
        return { device_id: told.device_id };
    },
    async recovery_key() {
        return recovery.encoded;
    },
    async away() {
        client.stopClient();
    },
    async back() {
        await begin();
    },
    async rooms({ membership }) {
        return named(membership);
    },
    async join({ room }) {
        await client.joinRoom(room);
    },
    async leave({ room }) {
        await client.leave(room);
    },
    async items({ room }) {
        return items(inRoom(room));
    },
    async whole({ room: roomId }) {
        const room = inRoom(roomId);
        while (room.getLiveTimeline().getPaginationToken(sdk.Direction.Backward)) await client.scrollback(room, PAGE);
        return items(room);
    },
    async send({ room, type, content }) {
        return (await client.sendEvent(room, type, content)).event_id;
    },
    async redact({ room, event }) {
        await client.redactEvent(room, event);
    },
    // Event ids that the room's state pins.
    async pinned({ room }) {
        return inRoom(room).currentState.getStateEvents("m.room.pinned_events", "")?.getContent().pinned ?? [];
    },
    // What Element does about an event, by the push rules of this account: "ring" (with sound), "notify" or "nothing".
    async rings({ room, event }) {
        const found = inRoom(room).findEventById(event);
        if (!found) throw new Error("the client does not have this event");
        await client.decryptEventIfNeeded(found);
        const actions = client.getPushActionsForEvent(found, true);
        return actions?.notify ? (actions.tweaks?.sound ? "ring" : "notify") : "nothing";
    },
};

function synced() {
    return new Promise((resolve) => {
        if (client.isInitialSyncComplete()) return resolve();
        client.on(sdk.ClientEvent.Sync, function heard(state) {
            if (state !== "PREPARED" && state !== "SYNCING") return;
            client.off(sdk.ClientEvent.Sync, heard);
            resolve();
        });
    });
}

// As Element sets up a first device: an identity, and a recovery key that keeps it together with a backup of room keys.
async function setUp(crypto, account) {
    await crypto.bootstrapCrossSigning({
        setupNewCrossSigning: true,
        authUploadDeviceSigningKeys: (send) => send(flow(account)).catch((refused) => send({ ...flow(account), session: refused.data?.session })),
    });
    await crypto.bootstrapSecretStorage({
        createSecretStorageKey: async () => {
            const made = await crypto.createRecoveryKeyFromPassphrase();
            recovery = { encoded: made.encodedPrivateKey, key: made.privateKey };
            return made;
        },
        setupNewSecretStorage: true,
        setupNewKeyBackup: true,
    });
}

// As Element does with a recovery key that a person types in on a later device.
async function verify(crypto) {
    // The public half has to be known before the private one, out of the secret storage, can be held against it.
    await crypto.userHasCrossSigningKeys(client.getUserId(), true);
    await crypto.bootstrapCrossSigning({});
    await crypto.loadSessionBackupPrivateKeyFromSecretStorage();
    await crypto.checkKeyBackupAndEnable();
    await crypto.restoreKeyBackup();
}

process.on("unhandledRejection", () => {}); // the SDK's own background work

const answer = (told) => process.stdout.write(`${JSON.stringify(told)}\n`);

for await (const line of createInterface({ input: process.stdin })) {
    const { id, do: command, ...options } = JSON.parse(line);
    // Not awaited: a client can be asked for something while it sends.
    commands[command](options).then(
        (told) => answer({ id, told: told ?? null }),
        (error) => answer({ id, error: `${error.name}: ${error.message}` }),
    );
}
process.exit(0);
