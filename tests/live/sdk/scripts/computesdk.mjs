// Drives ComputeSDK's provider for Tensorlake through all that it offers. Argument: the provider's module.
import assert from "node:assert/strict";

const { tensorlake } = await import(process.argv[2]);
const provider = tensorlake({
  apiKey: process.env.TENSORLAKE_API_KEY,
  apiUrl: process.env.TENSORLAKE_API_URL,
  proxyUrl: process.env.TENSORLAKE_SANDBOX_PROXY_URL,
});
const box = await provider.sandbox.create({ timeout: 600_000 });
const run = (command, options) => box.runCommand(command, options);
const file = "/workspace/notes/a b.txt";
let snapshot;

const checks = {
  "create gives an id": () => assert.match(box.sandboxId, /^[a-z0-9]{21}$/),
  "a command's output": async () => assert.equal((await run("echo hello")).stdout.trim(), "hello"),
  "a command's errors": async () => assert.equal((await run("echo oh >&2")).stderr.trim(), "oh"),
  "an exit code": async () => assert.equal((await run("exit 7")).exitCode, 7),
  "a command that is not there": async () => assert.equal((await run("no-such-command")).exitCode, 127),
  "variables": async () => assert.equal((await run("echo $WHO", { env: { WHO: "me" } })).stdout.trim(), "me"),
  "a working directory": async () => assert.equal((await run("pwd", { cwd: "/tmp" })).stdout.trim(), "/tmp"),
  "python": async () => assert.equal((await run("python3 -c 'print(6 * 7)'")).stdout.trim(), "42"),
  "a pipe": async () => assert.equal((await run("seq 3 | tail -n 1")).stdout.trim(), "3"),
  "make a directory": () => box.filesystem.mkdir("/workspace/notes"),
  "write and read a file": async () => {
    await box.filesystem.writeFile(file, "täst\n");
    assert.equal(await box.filesystem.readFile(file), "täst\n");
  },
  "list a directory": async () => {
    const [entry] = await box.filesystem.readdir("/workspace/notes");
    assert.deepEqual([entry.name, entry.type, entry.size], ["a b.txt", "file", 6]);
  },
  "what exists": async () => assert.equal(await box.filesystem.exists(file), true),
  "what does not": async () => assert.equal(await box.filesystem.exists("/workspace/nothing"), false),
  "remove a file": async () => {
    await box.filesystem.remove(file);
    assert.equal(await box.filesystem.exists(file), false);
  },
  "information": async () => assert.equal((await box.getInfo()).status, "running"),
  "find by id": async () => assert.equal((await provider.sandbox.getById(box.sandboxId)).sandboxId, box.sandboxId),
  "list": async () => assert.ok((await provider.sandbox.list()).some((one) => one.sandboxId === box.sandboxId)),
  "take a snapshot": async () => {
    snapshot = (await provider.snapshot.create(box.sandboxId)).id;
    assert.ok(snapshot);
  },
  "list snapshots": async () => assert.equal((await provider.snapshot.list())[0].snapshotId, snapshot),
  "delete a snapshot": async () => {
    await provider.snapshot.delete(snapshot);
    assert.equal((await provider.snapshot.list()).length, 0);
  },
  "destroy": async () => {
    await box.destroy();
    const found = await provider.sandbox.list();
    assert.equal(found.filter((one) => one.sandboxId === box.sandboxId && one.status === "running").length, 0);
  },
};

for (const [name, check] of Object.entries(checks)) {
  try {
    await check();
    console.log(`passed: ${name}`);
  } catch (error) {
    console.log(`failed: ${name}: ${error.message}`);
  }
}
process.exit(0);
