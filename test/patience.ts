import { vi } from 'vitest'

/** How long `vi.waitFor` tries where a test says nothing, in ms: its own second is short on a machine that is shared. */
const PATIENCE_MS = 15_000

const { waitFor } = vi
vi.waitFor = (callback, options = PATIENCE_MS) => waitFor(callback, options)
