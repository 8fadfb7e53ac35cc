/** As much of a browser's debugging protocol as the tests of the page need. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { TestWebSocket, until } from '../support.mjs';

const program = process.env.CONNECT_TEST_BROWSER ?? 'chromium';

/** For the profiles of a test's browsers, until it ends. */
export function temporaryFolder() {
  const folder = mkdtempSync(join(tmpdir(), 'connect-browser-'));
  // The processes that a browser has started write into its profile for a while after it has ended.
  after(() => until('its folder is removed', () => {
    try {
      rmSync(folder, { recursive: true, force: true });
      return true;
    } catch {
      return false;
    }
  }));
  return folder;
}

/** Starts a browser without a window. @param {string} profile the folder of what it keeps */
export const started = (profile, ...more) => spawn(program, [
  '--headless=new', '--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-dev-shm-usage',
  `--user-data-dir=${profile}`, ...more,
], { stdio: 'ignore' });

/** A browser that does what a test says. @param {string} profile the folder of what it keeps */
export async function browserOf(profile) {
  const child = started(profile, '--remote-debugging-port=0', '--window-size=1100,720');
  let failure;
  child.on('error', (error) => { failure = error; });
  const ended = new Promise((resume) => { child.on('close', resume); });
  const [port, path] = await until('the browser listens', () => {
    if (failure) throw failure;
    try {
      const lines = readFileSync(join(profile, 'DevToolsActivePort'), 'utf8').split('\n');
      return lines.length > 1 && lines;
    } catch {
      return null;
    }
  });
  const socket = new TestWebSocket(`ws://127.0.0.1:${port}${path}`);
  await until('it is reached', () => socket.readyState === 1);
  const answers = new Map();
  let count = 0;
  socket.onmessage = ({ data }) => {
    const { id, result, error } = JSON.parse(data);
    if (!answers.has(id)) return;
    const { resolve, reject } = answers.get(id);
    answers.delete(id);
    if (error) reject(new Error(error.message));
    else resolve(result);
  };
  const call = (method, params = {}, sessionId = undefined) => new Promise((resolve, reject) => {
    count += 1;
    answers.set(count, { resolve, reject });
    socket.send(JSON.stringify({ id: count, method, params, sessionId }));
  });
  return {
    /** Opens a page as in a window of its own. */
    async open(url) {
      return this.attached((await call('Target.createTarget', { url })).targetId);
    },
    /** @param {string} targetId of a page */
    async attached(targetId) {
      const { sessionId } = await call('Target.attachToTarget', { targetId, flatten: true });
      const ask = (method, params) => call(method, params, sessionId);
      const evaluate = async (expression) => {
        const { result, exceptionDetails } = await ask(
          'Runtime.evaluate', { expression, returnByValue: true, awaitPromise: true });
        if (exceptionDetails) throw new Error(exceptionDetails.exception.description);
        return result.value;
      };
      const pages = async () => (await call('Target.getTargets')).targetInfos
        .filter(({ type }) => type === 'page').map((target) => target.targetId);
      return {
        evaluate,
        /** As a user does, with what is in its sessionStorage. */
        duplicate: async () => {
          const before = await pages();
          await ask('Runtime.evaluate', { expression: 'open(location.href)', userGesture: true });
          const made = await until('it is duplicated', async () => (
            (await pages()).find((id) => !before.includes(id))));
          return this.attached(made);
        },
        /** Waits until what was there before is gone. */
        async reload() {
          await evaluate('globalThis.isBefore = true');
          await ask('Page.reload');
          await until('it is reloaded', () => (
            evaluate('!globalThis.isBefore').catch(() => false)));
        },
        /** In the background a page draws nothing. */
        bringToFront: () => ask('Page.bringToFront'),
        /** Waits until it is gone. */
        async close() {
          await call('Target.closeTarget', { targetId });
          await until('it is closed', async () => !(await pages()).includes(targetId));
        },
        /** Waits for an expression to be true in the page. */
        shows: (what, expression) => until(what, () => evaluate(expression).catch(() => false)),
        async screenshot() {
          const { data } = await ask('Page.captureScreenshot', { format: 'png' });
          return Buffer.from(data, 'base64');
        },
      };
    },
    async close() {
      child.kill('SIGTERM');
      await ended;
    },
  };
}
