/** As much of the package `ws` as the examples use, in Node before 22. */
export { TestWebSocket as WebSocket } from '../support.mjs';
