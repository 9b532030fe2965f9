// The official SDK's client, with a server that GLOVEBOX_MCP describes: {"command", "args"} of one to start, or the "url" of one
// that runs, and the "state" directory in which its boxes are claimed. Its agent's model makes a mistake, and mends it.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { Ajv } from 'ajv';

const { command, args, url, state } = JSON.parse(process.env.GLOVEBOX_MCP);
const limit = { timeout: 60_000 };
const boxes = () => readdir(join(state, 'boxes'));

// late is what the client says of what comes for a call that it has done with: the error with which the Go SDK answers an aborted
// one (the protocol would rather have nothing), or a note that came in one piece with the result, which it looks at first.
const late = ({ message }) => /unknown (message ID|token)/.test(message);

// connect returns a client that has listed the tools, and so validates every structured result, and leave, which it is
// to be left by: what goes wrong beside a call is told then.
async function connect() {
  const client = new Client({ name: 'glovebox-test', version: '1' });
  const errors = [];
  client.onerror = (error) => errors.push(error);
  const transport = url ? new StreamableHTTPClientTransport(new URL(url)) : new StdioClientTransport({ command, args });
  await client.connect(transport);
  const { tools } = await client.listTools();
  const leave = async () => {
    if (url) {
      await transport.terminateSession();
      await client.close();
      // What is left of a session is a GET that ends with it.
      assert.deepEqual(errors.filter(({ name, message }) => !late({ message }) && !/abort|disconnected|terminated/i.test(name + message)), []);
      return;
    }
    // Its own way to leave is to close the server's input, and then to kill a server that is slow. Ours never needs that.
    const server = transport._process;
    const exited = once(server, 'exit');
    server.stdin.end();
    assert.deepEqual(await exited, [0, null]);
    assert.deepEqual(await boxes(), []);
    await client.close();
    assert.deepEqual(errors.filter((error) => !late(error)), []);
  };
  return { client, tools, leave };
}

// connected makes a test of what is done with a client.
const connected = (name, body) => test(name, limit, async () => {
  const { client, tools, leave } = await connect();
  await body(client, tools);
  await leave();
});

const run = (client, args, options) => client.callTool({ name: 'execute_code', arguments: args }, undefined, options);
const text = ({ content }) => {
  assert.deepEqual(content.map(({ type }) => type), ['text']);
  return content[0].text;
};

// runs starts a script that does not end, and returns its call once its progress has told that it runs, and ended,
// which waits until its box is gone: long before its time is up, or the test's is.
async function runs(client, options) {
  let call;
  const note = await new Promise((resolve, reject) => {
    call = run(client, { code: 'console.log("it runs"); for (;;) {}', timeout: 300 }, { onprogress: resolve, timeout: 300_000, ...options });
    call.catch(reject);
  });
  assert.equal(note.message, '[log] it runs');
  const during = await boxes();
  assert.ok(during.length > 0);
  const ended = async () => {
    for (let now = during; during.every((box) => now.includes(box)); now = await boxes()) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  return { call, ended };
}

connected('it introduces itself', (client) => {
  assert.equal(client.getServerVersion().name, 'glovebox');
  assert.match(client.getInstructions(), /sealed container/);
  assert.ok(client.getServerCapabilities().tools);
});

connected('its tools have schemas that compile', (_, tools) => {
  assert.deepEqual(tools.map(({ name }) => name).sort(), ['codesmith', 'describe_environment', 'execute_code']);
  for (const { name, description, inputSchema, outputSchema } of tools) {
    assert.ok(description, name);
    const ajv = new Ajv({ strict: true, allowUnionTypes: true });
    const validate = ajv.compile(inputSchema);
    ajv.compile(outputSchema);
    assert.ok(!validate({ surely: 'not' }), name);
  }
});

for (const [kind, inputData] of [['a value', { prices: [10, 20, 30] }], ['JSON text', '{"prices": [10, 20, 30]}']]) {
  connected(`a script gets data that is ${kind}`, async (client) => {
    const result = await run(client, { code: 'return { sum: require("lodash").sum(input.prices) }', inputData });
    assert.ok(!result.isError);
    assert.match(text(result), /^SUCCESS: .*\noutput: \{"sum":60\}/);
    assert.equal(result.structuredContent.resultCode, 'SUCCESS');
    assert.deepEqual(result.structuredContent.output, { sum: 60 });
  });
}

connected('a script that fails is told of with its line', async (client) => {
  const result = await run(client, { code: 'console.log("so far")\nnull.x' });
  assert.equal(result.isError, true);
  assert.match(text(result), /^RUNTIME_ERROR: .*\nTypeError: .* \(line 2,/);
  assert.equal(result.structuredContent.logs[0].message, 'so far');
});

connected('an argument that is not known is named', async (client) => {
  const result = await run(client, { code: '1', cpus: 2 });
  assert.equal(result.isError, true);
  assert.match(text(result), /cpus/);
  assert.equal(result.structuredContent, undefined);
});

connected('logs come as progress, and before the result', async (client) => {
  const notes = [];
  await run(client, { code: 'for (let i = 0; i < 20; i++) console.warn("row", i); for (let i = 0; i < 2e6; i++);' }, { onprogress: (note) => notes.push(note) });
  // One that came later would be an error of the client.
  assert.deepEqual(notes.map(({ message }) => message), Array.from({ length: 20 }, (_, i) => `[warn] row ${i}`));
  assert.deepEqual(notes.map(({ progress }) => progress), Array.from({ length: 20 }, (_, i) => i + 1));
});

connected('a call that is aborted ends its box', async (client) => {
  const aborter = new AbortController();
  const { call, ended } = await runs(client, { signal: aborter.signal });
  aborter.abort('enough');
  await assert.rejects(call, /enough/);
  await ended();
  // The session is as good as before.
  assert.equal((await run(client, { code: 'return 1' })).structuredContent.output, 1);
});

connected('a large output arrives whole', async (client) => {
  const result = await run(client, { code: 'return "glove\\n".repeat(200_000)' });
  assert.equal(result.structuredContent.output, 'glove\n'.repeat(200_000));
  assert.ok(text(result).length < 100_000);
});

connected('the environment is described', async (client) => {
  const result = await client.callTool({ name: 'describe_environment' });
  assert.ok(result.structuredContent.libraries.some(({ name }) => name === 'lodash'));
  assert.deepEqual(JSON.parse(text(result)), result.structuredContent);
});

connected('a tool that is not there is an error', async (client) => {
  await assert.rejects(client.callTool({ name: 'write_file', arguments: {} }), /write_file/);
});

connected('the agent works on a task', async (client) => {
  const notes = [];
  const result = await client.callTool({ name: 'codesmith', arguments: { task: 'Add up the amounts.', inputData: [{ amount: 20 }, { amount: 6.5 }] } },
    undefined, { onprogress: ({ message }) => notes.push(message), timeout: 100_000 });
  const { resultCode, results, iterations, errors, code } = result.structuredContent;
  assert.ok(!result.isError);
  assert.deepEqual([resultCode, results, iterations, errors.length], ['COMPLETE', 26.5, 2, 1]);
  assert.match(code, /reduce/);
  assert.match(text(result), /^COMPLETE: /);
  for (const note of [/^codesmith: asking tiny/, /^✗ run 1: RUNTIME_ERROR/, /^✓ run 2: SUCCESS/]) {
    assert.ok(notes.some((told) => note.test(told)), `${note} in ${notes.join('\n')}`);
  }
});

test('leaving ends what runs', limit, async () => {
  const { client, leave } = await connect();
  const { call, ended } = await runs(client);
  await leave(); // over standard streams no box is left by then
  await ended();
  await assert.rejects(call);
});
