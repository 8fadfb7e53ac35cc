/** The code in Tokens.md makes tokens that a gateway takes. Run by
 * EndToEndTests/ClientTests.swift. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, test } from 'node:test';
import { closeAll, isLive, clientOf, pageOf, secret, until } from './support.mjs';

const folder = mkdtempSync(join(tmpdir(), 'connect-tokens-'));
after(() => rmSync(folder, { recursive: true }));
afterEach(closeAll);

/** How long a program may take, its compiler included, in milliseconds. */
const programMs = 120_000;

/** What makes a program of the code, which prints the token of the user that it is given.
 * `more` are files beside it. */
const languages = {
  js: {
    file: 'token.mjs', command: [process.execPath],
    end: 'console.log(chatToken(process.env.CHAT_SECRET, process.argv[2]));',
  },
  python: {
    file: 'token_.py', command: ['python3'],
    end: 'import os, sys\nprint(chat_token(os.environ["CHAT_SECRET"], sys.argv[1]))',
  },
  go: {
    file: 'token.go', command: ['go', 'run', join(folder, 'main.go')], isOptional: true, end: '',
    more: {
      'main.go': `package main
import ("fmt"; "os"; "time")
func main() {
	token, err := chatToken(os.Getenv("CHAT_SECRET"), os.Args[1], 15*time.Minute)
	if err != nil { panic(err) }
	fmt.Println(token)
}`,
    },
  },
  php: {
    file: 'token.php', command: ['php'], isOptional: true,
    end: 'echo chatToken(getenv("CHAT_SECRET"), $argv[1]), "\\n";',
  },
  ruby: {
    file: 'token.rb', command: ['ruby'], isOptional: true,
    end: 'puts chat_token(ENV["CHAT_SECRET"], ARGV[0])',
  },
};

const page = pageOf('Tokens.md');

/** @returns {string} what the program printed; undefined where its language is not installed */
function tokenBy(name, user) {
  const { file, command: [program, ...given], isOptional, end, more = {} } = languages[name];
  const [, code] = page.match(new RegExp(`^\`\`\`${name}\n(.*?)^\`\`\``, 'ms'));
  const path = join(folder, file);
  writeFileSync(path, `${code}\n${end}\n`);
  for (const [other, text] of Object.entries(more)) writeFileSync(join(folder, other), text);
  const { error, status, stdout, stderr } = spawnSync(program, [...given, path, user], {
    env: { ...process.env, CHAT_SECRET: secret }, encoding: 'utf8', timeout: programMs,
  });
  if (error?.code === 'ENOENT' && isOptional) return undefined;
  assert.equal(status, 0, `${name}: ${error ?? stderr}`);
  return stdout.trim();
}

test('the code of each language makes a token that the gateway takes as that user', async (t) => {
  const run = Math.random().toString(36).slice(2);
  for (const name of Object.keys(languages)) {
    const user = `${name}+${run}@example.com`;
    const token = tokenBy(name, user);
    if (token === undefined) {
      t.diagnostic(`${name} is not installed: its code was not run`);
      continue;
    }
    const { client } = clientOf(user, { token: () => token });
    client.connect();
    await until(`it connects with the token of ${name}`, () => isLive({ client }));
    assert.equal(client.state.welcome.user, user);
    const { exp } = JSON.parse(Buffer.from(token.split('.')[1], 'base64url'));
    assert.ok(Math.abs(exp - Date.now() / 1000 - 900) < 120, `${name}: it is good for 15 minutes`);
  }
});
