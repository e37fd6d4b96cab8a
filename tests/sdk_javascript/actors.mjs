// Virtual actors of the official JavaScript SDK, unmodified: the server hosts them, a proxy calls.
// The environment names the ports; the last line is "N passed, N failed".
import assert from "node:assert/strict";
import { createRequire } from "node:module";

// The packages are in build/, where this file is not.
const require = createRequire(process.env.NODE_FOLDER + "/package.json");
const { AbstractActor, ActorId, ActorProxyBuilder, CommunicationProtocolEnum, DaprClient, DaprServer, Temporal } =
  require("@dapr/dapr");

const came = { timers: 0, reminders: 0, inside: 0, crowd: 0 };
const second = Temporal.Duration.from({ seconds: 1 });

class Counter extends AbstractActor {
  async add(by) {
    const manager = this.getStateManager();
    const [found, value] = await manager.tryGetState("value");
    const sum = (found ? value : 0) + by;
    await manager.setState("value", sum);
    return sum;
  }
  // Counts how many calls of one actor are inside at a time: never more than one.
  async linger() {
    came.inside += 1;
    came.crowd = Math.max(came.crowd, came.inside);
    await new Promise((resolve) => { setTimeout(resolve, 20); });
    came.inside -= 1;
  }
  async fail() { throw new Error("as you wish"); }
  async startTimer() { await super.registerActorTimer("beat", "onBeat", second, second, undefined, "timed"); }
  async stopTimer() { await super.unregisterActorTimer("beat"); }
  async onBeat(state) { came.timers += 1; came.timerState = state; }
  async startReminder() { await super.registerActorReminder("bell", second, second, undefined, "rings"); }
  async stopReminder() { await super.unregisterActorReminder("bell"); }
  async receiveReminder(state) { came.reminders += 1; came.reminderState = state; }
}

const clientOptions = {
  daprHost: "127.0.0.1", daprPort: process.env.DAPR_HTTP_PORT, communicationProtocol: CommunicationProtocolEnum.HTTP,
};
const server = new DaprServer({ serverHost: "127.0.0.1", serverPort: process.env.APP_PORT, clientOptions });
await server.actor.init();
await server.actor.registerActor(Counter);
await server.start();

const client = new DaprClient(clientOptions);
const builder = new ActorProxyBuilder(Counter, client);
const actor = (id) => builder.build(new ActorId(id));

async function until(condition) {
  for (let tries = 0; tries < 1000; ++tries) {
    if (await condition()) return;
    await new Promise((resolve) => { setTimeout(resolve, 20); });
  }
  throw new Error("did not come in time");
}

// The first call waits until placement has told where actors live.
await until(async () => actor("first").add(0).then(() => true, () => false));

const tests = {
  "an actor keeps its state": async () => {
    assert.equal(await actor("one").add(3), 3);
    assert.equal(await actor("one").add(4), 7);
  },
  "another actor has a state of its own": async () => {
    assert.equal(await actor("two").add(1), 1);
  },
  "calls of one actor come one after the other": async () => {
    await Promise.all(Array.from({ length: 8 }, () => actor("busy").linger()));
    assert.equal(came.crowd, 1);
  },
  "calls of many actors come at once": async () => {
    came.crowd = 0;
    await Promise.all(Array.from({ length: 8 }, (_, number) => actor(`free-${number}`).linger()));
    assert.ok(came.crowd > 1, `${came.crowd} at a time`);
  },
  "an error of an actor is its caller's": async () => {
    await assert.rejects(actor("one").fail());
  },
  "a timer comes until it is stopped": async () => {
    await actor("timed").startTimer();
    await until(() => came.timers >= 2);
    assert.equal(came.timerState, "timed");
    await actor("timed").stopTimer();
  },
  "a reminder comes with its data until it is stopped": async () => {
    await actor("reminded").startReminder();
    await until(() => came.reminders >= 2);
    assert.equal(came.reminderState, "rings");
    await actor("reminded").stopReminder();
  },
};

let passed = 0;
let failed = 0;
for (const [name, test] of Object.entries(tests)) {
  try {
    await test();
    passed += 1;
    console.log(`ok   actors: ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`FAIL actors: ${name}\n${error.stack}`);
  }
}
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
