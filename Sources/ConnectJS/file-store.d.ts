import type { Store } from './index.js';

/** Keeps what it is given in a file of a folder, one for each owner. For Node. One client at a time has
 * it open, in all processes: `open` of another one fails after 1 s. */
export class FileStore implements Store {
  /** @param folder made where it is missing, for the user of this process alone */
  constructor(folder: string);
  open(owner: string): Promise<void>;
  load(): Promise<[string, any][]>;
  write(changes: [string, any][]): Promise<void>;
  clear(): Promise<void>;
  close(): Promise<void>;
}
