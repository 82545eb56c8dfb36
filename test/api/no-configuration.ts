import type { ConfigHandle } from '../../server/api/context.ts'

/** What a server without a file says of its configuration. */
export const noConfiguration: ConfigHandle = {
  inForce: () => ({
    path: null,
    loadedAt: '2026-04-27T18:00:00.000Z',
    config: null,
    refused: null,
    needsRestart: [],
  }),
  check: (text) => (text === '' ? [{ path: 'regions', message: 'is missing' }] : []),
}
