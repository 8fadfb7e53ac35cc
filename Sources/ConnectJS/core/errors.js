// @ts-check
/** Why a request has no answer. `code` is that of the server's refusal, and `too_large` also where
 * none was asked, as it would refuse; or `unavailable`, `full` or `closed`. With `rate_limited`,
 * `retryAfterMs` says when to ask again. */
export class ConnectError extends Error {
  /** @param {string} code @param {string} message @param {number} [retryAfterMs] */
  constructor(code, message, retryAfterMs) {
    super(message);
    this.name = 'ConnectError';
    this.code = code;
    this.retryAfterMs = retryAfterMs;
  }
}
