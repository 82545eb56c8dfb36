import type { CloseReason } from './close-reasons.ts'

const isVanished = (error: NodeJS.ErrnoException): boolean =>
  error.code === 'ETIMEDOUT' || error.code === 'EHOSTUNREACH' || error.code === 'ENETUNREACH'

/** Who failed and how, as a closing reason. */
export const failureReason = (side: 'client' | 'target', error: NodeJS.ErrnoException): CloseReason => {
  if (error.code === 'ERR_INTERNAL') return 'internal_error'
  if (side === 'client') return isVanished(error) ? 'client_vanished' : 'client_reset'
  return isVanished(error) ? 'target_vanished' : 'target_reset'
}
