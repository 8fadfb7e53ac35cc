/** The package: what it has is what its types, its list of files and the gateway say.
 * Run by EndToEndTests/ClientTests.swift. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';
import * as client from '../../Sources/ConnectJS/index.js';
import * as fileStore from '../../Sources/ConnectJS/store/file.js';
import { pageOf } from './support.mjs';

const root = new URL('../../Sources/ConnectJS/', import.meta.url);
const read = (path) => readFileSync(new URL(path, root), 'utf8');
const modules = ['index.js', ...['core', 'conversation', 'store'].flatMap((folder) => (
  readdirSync(new URL(folder, root)).map((name) => `${folder}/${name}`)))];

test('everything that the types declare is there, and all that is there is declared', () => {
  const declared = [`${read('index.d.ts')}\n`, read('file-store.d.ts')].join('');
  const all = { ...client, ...fileStore };
  const exported = [...declared.matchAll(/^export (?:class|function|const) (\w+)/gm)];
  // Whose instances an app gets from others.
  const inner = ['ConversationList', 'Conversation', 'Outgoing'];
  assert.deepEqual(
    exported.map(([, name]) => name).filter((name) => !inner.includes(name)).sort(),
    Object.keys(all).sort());
  const it = new client.ConnectClient({
    url: 'ws://a.example', user: 'alice', token: () => '', WebSocket: class { close() {} },
  });
  const bob = it.conversation('bob');
  const samples = {
    ConnectClient: it, Conversation: bob, ConversationList: it.conversations,
    Outgoing: bob.send(1), ConnectError: new client.ConnectError('a', 'b', 1),
    MemoryStore: new client.MemoryStore(), FileStore: new fileStore.FileStore('.'),
    IndexedDBStore: new client.IndexedDBStore({ indexedDB: {} }),
    FrameClient: new client.FrameClient({ url: 'ws://a', token: () => '', WebSocket: class {} }),
  };
  for (const [, name, body] of declared.matchAll(/^export class (\w+)[^{]*\{\n(.*?)^\}/gms)) {
    const members = [...body.matchAll(/^  (?:readonly )?(\w+)[?(:]/gm)].map(([, member]) => member)
      .filter((member) => member !== 'constructor');
    assert.ok(members.length > 0, name);
    for (const member of members) assert.ok(member in samples[name], `${name}.${member}`);
  }
  return it.close();
});

test('the package has all its modules, imports nothing else, and runs on no page', () => {
  const { files, exports, type } = JSON.parse(read('package.json'));
  assert.equal(type, 'module');
  for (const path of [...files, ...Object.values(exports).flatMap((of) => Object.values(of))]) {
    assert.ok(existsSync(new URL(path, root)), path);
  }
  for (const module of modules) {
    assert.ok(files.includes(module.split('/')[0]), module);
    for (const [, path] of read(module).matchAll(/^(?:import|export|\}) [^'\n]*from '([^']+)'/gm)) {
      if (['store/file.js', 'store/lockfile.js'].includes(module) && path.startsWith('node:')) continue;
      const target = new URL(path, new URL(module, root)).href.slice(root.href.length);
      assert.ok(modules.includes(target), `${module} imports ${path}`);
    }
  }
});

test('a gateway serves each module that a browser loads', () => {
  const served = [...read('ConnectJS.swift').matchAll(/^ {4}"([^"]+)": PackageResources\./gm)]
    .map(([, path]) => path);
  const unloaded = ['core/types.js', 'store/file.js', 'store/lockfile.js']; // Types alone; for Node.
  assert.deepEqual(served, modules.filter((path) => !unloaded.includes(path)).sort(
    (a, b) => a.split('/').length - b.split('/').length || (a < b ? -1 : 1)));
});

test('the table of both clients names for JavaScript what the types declare', () => {
  const [, table] = pageOf('Clients.md').match(/^## Side by side\n(.*?)^## /ms);
  const cells = table.split('\n').filter((line) => line.startsWith('| ')).slice(2)
    .map((line) => line.split(' | ')[1]);
  assert.ok(cells.length > 20);
  const types = `${read('index.d.ts')}${read('file-store.d.ts')}`;
  const mere = ['new', 'await', 'async', 'for', 'const', 'of', 'it', 'f', 'bob', 'outgoing'];
  for (const [, code] of cells.join(' ').matchAll(/`([^`]+)`/g)) {
    for (const [name] of code.matchAll(/[A-Za-z]\w*/g)) {
      if (!mere.includes(name)) assert.match(types, new RegExp(`\\b${name}\\b`), code);
    }
  }
});
