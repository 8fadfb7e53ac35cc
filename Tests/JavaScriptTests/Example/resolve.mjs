/** Runs the example as in an app that has installed the package, and `ws`. */
import { register } from 'node:module';

const root = new URL('../../../Sources/ConnectJS/', import.meta.url);
const paths = {
  ws: new URL('ws.mjs', import.meta.url).href,
  'connect-client': new URL('index.js', root).href,
  'connect-client/file-store': new URL('store/file.js', root).href,
};
const hooks = `export const resolve = (name, context, next) => (
  next(${JSON.stringify(paths)}[name] ?? name, context));`;
register(`data:text/javascript,${encodeURIComponent(hooks)}`);
