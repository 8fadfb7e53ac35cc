/** What Testing.md shows is run, against the `connect` that CONNECT_TEST_PROGRAM names. Run by
 * EndToEndTests/ClientTests.swift. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { delimiter, dirname } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { freePort, pageOf } from './support.mjs';

/** How long all tests of the example may take, in milliseconds: longer than one of its waits. */
const exampleMs = 180_000;

const path = (name) => fileURLToPath(new URL(name, import.meta.url));
const program = process.env.CONNECT_TEST_PROGRAM;

/** Runs a command as an app would that has installed `connect`. */
async function run(command, given) {
  // Of the runner that this test is in, and of its gateways.
  const { NODE_TEST_CONTEXT: _, CONNECT_TEST_URL: __, ...env } = process.env;
  const { status, stdout, stderr } = spawnSync(command, given, {
    env: {
      ...env, PORT: await freePort(), PATH: `${dirname(program)}${delimiter}${env.PATH}`,
      NODE_OPTIONS: `--import ${new URL('Example/resolve.mjs', import.meta.url).href}`,
    },
    encoding: 'utf8', timeout: exampleMs,
  });
  return { status, stdout, stderr };
}

test('the page shows the code that is run', () => {
  const page = pageOf('Testing.md');
  for (const name of ['with-connect', 'dev.mjs', 'app.test.mjs']) {
    assert.ok(page.includes(readFileSync(path(`Example/${name}`), 'utf8')), name);
  }
});

test('the tests of an app pass, with a Connect that they start', async () => {
  const { status, stdout, stderr } = await run(
    process.execPath, ['--test', path('Example/app.test.mjs')]);
  assert.equal(status, 0, `${stdout}\n${stderr}`);
  assert.match(stdout, /pass 5/);
});

test('a command runs beside a Connect, whose end it outlives by nothing', async () => {
  const code = `
    const { ConnectClient } = await import('connect-client');
    const { WebSocket } = globalThis.WebSocket ? globalThis : await import('ws');
    const { execFileSync } = await import('node:child_process');
    const client = new ConnectClient({
      url: process.env.CHAT_URL, user: 'alice', WebSocket,
      token: () => execFileSync('connect', ['token', 'alice'], { encoding: 'utf8' }),
    });
    client.connect();
    await client.conversation('bob').send('hi').accepted;
    await client.close();
    process.exit(7);`;
  const { status, stderr } = await run(
    path('Example/with-connect'), [process.execPath, '--input-type=module', '--eval', code]);
  assert.equal(status, 7, stderr);
});

test('a server that does not start is told at once', async () => {
  const { status, stderr } = await run('env', [
    'CONNECT_PING_SECONDS=never', path('Example/with-connect'), 'true']);
  assert.notEqual(status, 0);
  assert.match(stderr, /CONNECT_PING_SECONDS/);
});
