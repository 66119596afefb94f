// Runs on a Node of its own: carries out snippets that it reads from standard input, answers with JSON lines.
// A snippet is the body of an asynchronous function that gets `sb` (connected to the sandbox `box`), `Sandbox` and all
// that the SDK exports as `sdk`.

import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const sdk = await import(pathToFileURL(process.argv[2]));
const { Sandbox } = sdk;
const AsyncFunction = (async () => {}).constructor;
const options = { apiUrl: process.env.TENSORLAKE_API_URL, apiKey: process.env.TENSORLAKE_API_KEY };

async function carryOut({ code, box }) {
  const sb = box ? await Sandbox.connect({ sandboxId: box, ...options }) : null;
  return await new AsyncFunction("sb", "box", "Sandbox", "sdk", "options", code)(sb, box, Sandbox, sdk, options);
}

function told(error) {
  return {
    type: error.constructor.name,
    message: String(error.message),
    status_code: error.statusCode ?? null,
    code: error.code ?? null,
  };
}

for await (const line of createInterface({ input: process.stdin })) {
  let answer;
  try {
    answer = { result: (await carryOut(JSON.parse(line))) ?? null };
  } catch (error) {
    answer = { error: told(error) };
  }
  process.stdout.write(JSON.stringify(answer) + "\n");
}
