/** What authentication found out about an upgrade: who it is, and by which session or token, so that the socket ends with it. */
export interface LiveCaller {
  name: string
  sessionId: string | null
  /** Null for a session, and for the token of the environment. */
  tokenId: string | null
  /** Epoch ms at which the session or token ends by itself; null: never. */
  expiresAt: number | null
  /** True for a bearer token: a missing Origin is fine then. */
  bearer: boolean
}
