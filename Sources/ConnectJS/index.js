// @ts-check
export { ConnectError } from './core/errors.js';
export { FrameClient } from './core/frames.js';
export { compareOffsets, isUserName } from './core/values.js';
