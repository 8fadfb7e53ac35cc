/** Runs the example as in an app that has installed the package, and with a WebSocket. */
import { register } from 'node:module';
import { TestWebSocket } from '../support.mjs';

globalThis.WebSocket ??= TestWebSocket;
const root = new URL('../../../Sources/ConnectJS/', import.meta.url);
const paths = {
  'connect-client': new URL('index.js', root).href,
  'connect-client/file-store': new URL('store/file.js', root).href,
};
const hooks = `export const resolve = (name, context, next) => (
  next(${JSON.stringify(paths)}[name] ?? name, context));`;
register(`data:text/javascript,${encodeURIComponent(hooks)}`);
