// The official JavaScript SDK, unmodified: its server is the application, its client the caller.
// The environment names the protocol and the ports; the last line is "N passed, N failed".
import assert from "node:assert/strict";
import { createRequire } from "node:module";

// The packages are in build/, where this file is not.
const require = createRequire(process.env.NODE_FOLDER + "/package.json");
const { DaprServer, DaprClient, CommunicationProtocolEnum, HttpMethod } = require("@dapr/dapr");

const protocol = process.env.PROTOCOL;
const overHttp = protocol === "http";
const communicationProtocol = overHttp ? CommunicationProtocolEnum.HTTP : CommunicationProtocolEnum.GRPC;
const daprPort = overHttp ? process.env.DAPR_HTTP_PORT : process.env.DAPR_GRPC_PORT;
const clientOptions = { daprHost: "127.0.0.1", daprPort, communicationProtocol };

const server = new DaprServer({
  serverHost: "127.0.0.1", serverPort: process.env.APP_PORT, communicationProtocol, clientOptions,
});
const client = new DaprClient(clientOptions);

const received = [];
await server.pubsub.subscribe("events", "orders", async (data) => { received.push(data); });
await server.invoker.listen("reverse", async (call) => {
  const body = typeof call.body === "string" ? JSON.parse(call.body) : call.body;
  return { word: [...body.word].reverse().join("") };
}, { method: HttpMethod.POST });
await server.start();

async function until(condition) {
  for (let tries = 0; tries < 500; ++tries) {
    if (await condition()) return;
    await new Promise((resolve) => { setTimeout(resolve, 20); });
  }
  throw new Error("did not come in time");
}

// The SDK waits for components only; the subscriptions stand when the sidecar is healthy as a whole.
await until(async () => (await fetch(`http://127.0.0.1:${process.env.DAPR_HTTP_PORT}/v1.0/healthz`)).status === 204);

const tests = {
  "metadata names the app": async () => {
    assert.equal((await client.metadata.get()).id, `javascript-${protocol}`);
  },
  "state is saved, read and deleted": async () => {
    await client.state.save("store", [{ key: "basket", value: { apples: 3 } }]);
    assert.deepEqual(await client.state.get("store", "basket"), { apples: 3 });
    await client.state.delete("store", "basket");
    assert.ok(!(await client.state.get("store", "basket")));
  },
  "many keys are read in one call": async () => {
    await client.state.save("store", [{ key: "one", value: "1" }, { key: "two", value: "2" }]);
    const found = await client.state.getBulk("store", ["one", "two"]);
    assert.deepEqual(found.map((item) => item.key).sort(), ["one", "two"]);
  },
  "a transaction applies all of its operations": async () => {
    await client.state.transaction("store", [
      { operation: "upsert", request: { key: "new", value: "2" } },
      { operation: "delete", request: { key: "one" } },
    ]);
    assert.equal(String(await client.state.get("store", "new")), "2");
    assert.ok(!(await client.state.get("store", "one")));
  },
  "a secret is read": async () => {
    assert.deepEqual(await client.secret.get("secrets", "door"), { door: "sesame" });
  },
  "a published event reaches the subscribed function": async () => {
    await client.pubsub.publish("events", "orders", { order: 7 });
    await until(() => received.length > 0);
    assert.deepEqual(received[0], { order: 7 });
  },
  "the app is invoked by its id": async () => {
    const answer = await client.invoker.invoke(`javascript-${protocol}`, "reverse", HttpMethod.POST,
                                               { word: "stressed" });
    assert.deepEqual(answer, { word: "desserts" });
  },
  "an unknown store is an error": async () => {
    if (overHttp) {
      await assert.rejects(client.state.save("nowhere", [{ key: "a", value: "b" }]).then((reply) => {
        if (reply?.error) throw reply.error;
      }));
    } else {
      await assert.rejects(client.state.get("nowhere", "key"));
    }
  },
};

let failed = 0;
for (const [name, test] of Object.entries(tests)) {
  try {
    await test();
    console.log(`ok   ${protocol}: ${name}`);
  } catch (error) {
    ++failed;
    console.log(`FAIL ${protocol}: ${name}\n${error.stack ?? error}`);
  }
}
console.log(`${Object.keys(tests).length - failed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
