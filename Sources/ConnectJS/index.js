// @ts-check
/** The client of Connect for browsers, workers, React Native and Node. See README.md beside it. */
export { ConnectClient } from './conversation/client.js';
export { ConnectError } from './core/errors.js';
export { FrameClient } from './core/frames.js';
export { compareOffsets, isUserName } from './core/values.js';
export { IndexedDBStore } from './store/indexeddb.js';
export { MemoryStore } from './store/memory.js';
