/** The handlers as they were made when the project was built (src/tooling/handlers-plugin.mjs): the same for every session. */
import type { HandlerSet } from './handlers';
import { first, keys } from './prebuilt.json';
import bytes from './prebuilt.wasm';

export const PREBUILT_HANDLERS: HandlerSet = { bytes, indexes: new Map(keys.split('\n').map((key, i) => [key, first + i])) };
