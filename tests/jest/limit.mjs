import { PATIENCE_MS } from "../lib/wait.mjs";

/** Jest and Vitest give up a test after five seconds, which its imports alone may take on a busy machine. Both know this option. */
export const TEST_LIMIT = `--testTimeout=${PATIENCE_MS}`;
