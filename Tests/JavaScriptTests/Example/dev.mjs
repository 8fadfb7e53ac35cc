// `connect dev` for the tests of an app.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

/** Starts it, and waits until it is ready. `data`: a folder, so that what it holds outlives a
 * restart. `options` are more of `connect dev`, such as `['--mailbox-limit', '10']`. */
export async function startConnect({ port = 8080, data, options = [], program = 'connect' } = {}) {
  const env = { CONNECT_AUTH_SECRET: 'the secret of tokens that only tests have', ...process.env };
  const child = spawn(
    program,
    ['dev', '--gateways', '1', '--port', port, ...(data ? ['--data', data] : []), ...options],
    { env, stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(child, 'exit');
  ended.catch(() => {}); // It is waited for below.
  let isReady = false;
  for await (const line of createInterface({ input: child.stdout })) {
    isReady = line.startsWith('Connect is running');
    if (isReady) break;
  }
  if (!isReady) {
    const [code] = await ended;
    throw new Error(`connect dev has ended with exit code ${code}, and said why.`);
  }
  child.stdout.resume();
  return {
    url: `ws://127.0.0.1:${port}/v1/connect`,
    token: (user, ttl = '1h') => (
      execFileSync(program, ['token', user, '--ttl', ttl], { env, encoding: 'utf8' }).trim()),
    /** @param {'SIGTERM' | 'SIGKILL'} signal */
    async stop(signal = 'SIGTERM') {
      child.kill(signal);
      await ended;
    },
  };
}

/** Waits until `conversation`, or whatever else is observed, is as it is to be. */
export function until(observed, isSo, limitMs = 60_000) {
  return new Promise((resolve, reject) => {
    const leave = observed.on('change', look);
    const timer = setTimeout(() => {
      leave();
      reject(new Error(`not within ${limitMs / 1000} s: ${isSo}`));
    }, limitMs);
    function look() {
      if (!isSo(observed)) return;
      clearTimeout(timer);
      leave();
      resolve(observed);
    }
    look();
  });
}
