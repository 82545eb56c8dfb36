import type { Actor } from '../contract/index.ts'

/** Who calls, and by what credential, so that what depends on it can be closed when it is revoked. */
export interface Caller extends Actor {
  via: 'session' | 'token'
  /** Null for an API token. */
  sessionId: string | null
  /** Null for an API token. */
  userId: string | null
  /** Null for a session, and for the token of the environment. */
  tokenId: string | null
  /** Epoch ms at which the credential ends by itself; null: never. */
  expiresAt: number | null
}

/** A credential that is no longer valid. */
export interface Revocation {
  sessionId: string | null
  tokenId: string | null
}
